"""What those who watch cost those who call: a hundred streams of events, of which one is never read.

The daemon runs as people run it, on the embedded switch. Callers come all the time and some member is always free, so that what an
offer takes is ours alone: from the caller's INVITE to the phone's, on a switch that takes no time for what is between them. Spans of
time with watchers and without take turns, so that whatever else the machine does meets both. The measure is the ratio of the p95s.
A hundred people in front of ``fsqueue top`` are measured beside them, and so is the processor that each watcher costs the daemon.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import gevent
import tomlkit
from gevent import subprocess

from fsqueue.config.model import Configuration
from fsqueue.config.reading import load
from fsqueue.facts import dialplan_facts
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction, Sighting
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.timing import Timing
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry

LIMIT = 1.5
"""Times the p95 without watchers."""

KINDS = ("nobody", "streams", "tops")
ROUNDS = 5
SPAN = 10.0
"""Seconds of callers in one span."""

PAUSE = 3.0
"""Seconds before it, in which watchers come or go and talks of the last one end."""

RATE = 12.0
"""Calls a second; each causes some ten events."""

MEMBERS = 80
AT_ONCE = Timing(create=0.0, job_reply=0.0, invite=0.0, delivery=0.0, meets=0.0, lost=0.0, overtaken=0.0)
ANSWERS = Reaction(kind="answer", after=0.4, talk=2.3)
TICK = os.sysconf("SC_CLK_TCK")


class Stage:
    """Switch, phones and callers, in this process."""

    def __init__(self, folder: Path) -> None:
        """Start the switch, and write *folder*'s fsqueue.toml for it."""
        self.world = World(time.time(), Random(1), config=Config(password="bench", timing=AT_ONCE))
        self.shell = Shell(self.world)
        self.shell.start()
        self.configuration = _configured(folder / "fsqueue.toml", self.shell.address[1])
        facts = dialplan_facts(self.configuration)
        self.world.dialplan = Dialplan()
        self.world.dialplan.include(render(facts))
        for context in facts.entry_contexts:
            self.world.dialplan.include(render_entry(facts), context)
        for member in self.configuration.members.values():
            self.world.phones(PhoneScript(user=str(member.extension), domain="example.com", reactions=(ANSWERS,)))
        self._rng = Random(2)
        self._numbers = iter(range(10**6))

    def span(self) -> list[float]:
        """Let callers come for a span; return how long each waited for the first ring, in milliseconds."""
        self.shell.settle()  # a world with nothing to do stands still until it is touched
        begun = len(self.world.sightings)
        at, numbers = 0.0, []
        while (at := at + self._rng.expovariate(RATE)) < SPAN:
            numbers.append(f"4860{next(self._numbers):07}")
            self.world.call(CallerScript(number=numbers[-1], name="Caller", to="48221234567", at=at))
        self.shell.settle()
        gevent.sleep(SPAN + 1.0)
        waits = _delays(self.world.sightings[begun:])
        missing = len(numbers) - len(waits)
        if missing:
            raise RuntimeError(f"{missing} of {len(numbers)} callers rang nobody: the daemon can't keep up")
        return list(waits.values())


def _configured(file: Path, port: int) -> Configuration:
    """Write *file*, of one group whose members are on the switch at *port*; return what it means."""
    members = {f"m{n}": {"dial": f"user/{n}@example.com", "extension": str(n)} for n in range(1001, 1001 + MEMBERS)}
    text = tomlkit.dumps(
        {
            "switches": {"main": {"host": "127.0.0.1", "port": port, "password": "bench"}},
            "listen": {"dialplan": f"127.0.0.1:{_free_port()}"},
            "members": members,
            "groups": {"sales": {"extension": "7001", "members": list(members)}},
            "numbers": {"48221234567": {"group": "sales"}},
        }
    )
    file.write_text(text, "utf-8")
    configuration = load(file).configuration
    assert configuration is not None
    return configuration


def _delays(sightings: Iterable[Sighting]) -> dict[str, float]:
    dialled: dict[str, float] = {}
    found: dict[str, float] = {}
    for one in sightings:
        if one.what == "dialled":
            dialled[one.who] = one.t
        elif one.what == "ringing" and one.peer in dialled:
            found.setdefault(one.peer, (one.t - dialled[one.peer]) * 1000.0)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """fsqueue as people run it, in a process of its own."""

    def __init__(self, process: Any, socket_path: Path) -> None:
        """Know the *process* that listens at *socket_path*."""
        self.socket = socket_path
        self._process = process

    def seconds(self) -> float:
        """Return the processor's time it has had."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK


@contextmanager
def _daemon(folder: Path) -> Iterator[Daemon]:
    path = folder / "control.sock"
    command = [sys.executable, "-c", "from fsqueue_cli.main import main; main()", "run"]
    arguments = ["--config", str(folder / "fsqueue.toml"), "--state", str(folder / "state")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *arguments], stdout=log, stderr=log, env={**os.environ, "FSQUEUE_SOCKET": str(path)}
        )
        try:
            yield Daemon(process, path)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


class Watchers:
    """`bench_watching`, in a process of its own."""

    def __init__(self, path: Path) -> None:
        """Start it; nobody watches."""
        program = Path(__file__).with_name("bench_watching.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._say("nobody")

    def do(self, kind: str) -> dict[str, Any]:
        """Have them do *kind*; return what was seen before."""
        self._say(kind)
        seen: dict[str, Any] = json.loads(self._process.stdout.readline())
        return seen

    def _say(self, kind: str) -> None:
        self._process.stdin.write(f"{kind}\n".encode())
        self._process.stdin.flush()

    def close(self) -> None:
        """End it."""
        self._process.stdin.close()
        self._process.wait(10)


def _measure(folder: Path) -> tuple[dict[str, list[float]], dict[str, float], dict[str, list[dict[str, Any]]]]:
    """Return, by kind: what offers took in milliseconds, the processor's seconds in all, and what watchers saw in each span."""
    stage = Stage(folder)
    waits: dict[str, list[float]] = {kind: [] for kind in KINDS}
    costs = dict.fromkeys(KINDS, 0.0)
    seen: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    with _daemon(folder) as daemon:
        while not daemon.socket.exists():
            gevent.sleep(0.1)
        watchers = Watchers(daemon.socket)
        gevent.sleep(PAUSE)
        stage.span()  # the first calls of a process find nothing warm
        for _ in range(ROUNDS):
            for kind in KINDS:
                watchers.do(kind)
                gevent.sleep(PAUSE)
                before = daemon.seconds()
                waits[kind] += stage.span()
                costs[kind] += daemon.seconds() - before
                seen[kind].append(watchers.do("nobody"))
        watchers.close()
    stage.shell.stop()
    return waits, costs, seen


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


def run() -> dict[str, Any]:
    """Measure; return p50 and p95 of the offer's delay by who watches, and the ratio of those p95s."""
    with tempfile.TemporaryDirectory(prefix="fsqueue-bench-") as folder:
        waits, costs, seen = _measure(Path(folder))
    alone = _percentile(waits["nobody"], 0.95)
    spans = ROUNDS * (SPAN + 1.0)
    figures: dict[str, dict[str, Any]] = {}
    for kind in KINDS:
        p95 = _percentile(waits[kind], 0.95)
        count = max(1, seen[kind][0]["watchers"])
        figures[kind] = {
            "ratio": round(p95 / alone, 2),
            "offers": len(waits[kind]),
            "p50_ms": round(_percentile(waits[kind], 0.5), 2),
            "p95_ms": round(p95, 2),
            "cpu_percent": round(100.0 * costs[kind] / spans, 1),
            "cpu_percent_each": round(100.0 * (costs[kind] - costs["nobody"]) / spans / count, 3),
        }
    streams = seen["streams"]
    figures["streams"]["events_each"] = sum(one["least"] for one in streams)
    # Whoever reads has missed nothing; else the figures would be those of a daemon that gives its watchers up.
    whole = all(one["least"] == one["most"] > 0 and not one["dropped"] for one in streams)
    ratio = figures["streams"]["ratio"]
    return {"figures": figures, "ratio": ratio, "limit": LIMIT, "all_told": whole, "passed": ratio <= LIMIT and whole}
