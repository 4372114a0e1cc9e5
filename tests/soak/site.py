"""The soak's site: the embedded switch with many people in this process, and `fsqueue run` as a process of its own.

What is measured is the daemon's process alone: the switch grows with every sighting, and the history's process is another one.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import gevent
import msgspec

from fsqueue.config.reading import load
from fsqueue.control.client import Client
from fsqueue.control.protocol import Status
from fsqueue.engine.messages import CallEnded, VisitBegan
from fsqueue.facts import dialplan_facts
from fsqueue.journal import segments
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry

ROOT = Path(__file__).parent.parent.parent
DOMAIN = "soak"
MEMBERS = 45
REFUSERS = 1000
LIMIT = 400
"""`daemon.max_calls`."""

PASSWORD = "soak"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon's process holds while nobody calls."""

    calls: int
    rss_mb: float
    handles: int
    greenlets: int
    objects: int
    types: dict[str, int] = {}


def _configuration(esl: int, listen: int) -> str:
    groups = {"evenly": range(20), "in-order": range(20, 40), "to-all": range(40, 45)}
    members = [f'[members.m{n}]\ndial = "user/{1000 + n}@{DOMAIN}"\n' for n in range(MEMBERS)]
    members += [f'[members.r{n}]\ndial = "user/{3000 + n}@{DOMAIN}"\n' for n in range(REFUSERS)]
    texts = [
        f'[groups.{name}]\nextension = "70{at}"\ndistribution = "{name}"\nmembers = {[f"m{n}" for n in numbers]}\n'
        'rings = 2\nunanswered = { action = "voicemail", mailbox = "1000@soak" }\n'
        'offline = { action = "hangup", cause = "USER_BUSY" }\n'
        for at, (name, numbers) in enumerate(groups.items())
    ]
    texts.append(
        f'[groups.refusers]\nextension = "709"\ndistribution = "to-all"\nmembers = {[f"r{n}" for n in range(REFUSERS)]}\n'
        'rings = 2\nunanswered = { action = "hangup" }\noffline = { action = "hangup" }\n'
    )
    return (
        f'[daemon]\nmax_calls = {LIMIT}\n[switches.main]\nhost = "127.0.0.1"\nport = {esl}\npassword = "{PASSWORD}"\n'
        f'[listen]\ndialplan = "127.0.0.1:{listen}"\n[telephony]\nrest_seconds = 0\nring_seconds = 1\ndomain = "{DOMAIN}"\n'
        + "".join([*members, *texts])
    )


class Site:
    """Switch, people and daemon, from `start` to `close`."""

    def __init__(self, seed: int) -> None:
        """Make the switch; nothing runs yet."""
        self.rng = Random(seed)
        self._folder = tempfile.TemporaryDirectory(prefix="fsqueue-soak-")
        self.folder = Path(self._folder.name)
        self.world = World(time.time(), Random(seed), config=Config(password=PASSWORD, mailboxes=(f"1000@{DOMAIN}",)))
        self.shell = Shell(self.world)
        self.over: Counter[str] = Counter()
        """Callers who are gone, by how."""
        self.connected = 0
        self.calls = 0
        self._live = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.world.on_sighting = self._saw

    def start(self) -> None:
        """Start the switch, its phones, and the daemon."""
        self.shell.start()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = int(probe.getsockname()[1])
        place = self.folder / "fsqueue.toml"
        place.touch(mode=0o600)
        place.write_text(_configuration(self.shell.address[1], listen))
        loaded = load(place)
        assert loaded.configuration is not None, loaded.problems
        facts = dialplan_facts(loaded.configuration)
        dialplan = Dialplan()
        dialplan.include(render(facts))
        for context in facts.entry_contexts:
            dialplan.include(render_entry(facts), context)
        self.world.dialplan = dialplan
        for number in range(MEMBERS):
            quick = Reaction(after=0.05 * (number % 5))
            slow = Reaction(kind="ignore") if number % 10 == 9 else Reaction(kind="reject", after=0.05)
            # Each begins elsewhere: else after as many calls for each all would be at the same one, and nobody answer.
            turns = [quick, quick, quick, quick]
            turns[number % 4] = slow
            self.world.phones(PhoneScript(user=str(1000 + number), domain=DOMAIN, reactions=tuple(turns)))
        for number in range(REFUSERS):
            self.world.phones(
                PhoneScript(
                    user=str(3000 + number), domain=DOMAIN, reactions=(Reaction(kind="reject", after=0.3, code=603),)
                )
            )
        self.shell.settle()
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.counted", self.folder / "counted", place, self.folder / "state"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "FSQUEUE_SOCKET": str(self.folder / "control.sock")},
            )  # fmt: skip
        self.until(self._ready, 60, "the daemon is ready")

    def _ready(self) -> bool:
        with contextlib.suppress(Exception):
            status = self.status()
            free = sum(member.state == "available" for member in status.members)
            return free == MEMBERS + REFUSERS and all(switch.up for switch in status.switches)
        return False

    def status(self) -> Status:
        """What the daemon shows."""
        return Client(self.folder / "control.sock").get(Status, "status")

    def close(self) -> None:
        """End everything."""
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self.shell.stop()
        self._folder.cleanup()

    # --- calling

    def call(self, to: str, patience: float | None, talk: float) -> None:
        """Let somebody call now."""
        self.calls += 1
        self._live += 1
        script = CallerScript(
            number=f"6{self.calls:07}", name=f"Caller {self.calls}", to=to, patience=patience, talk=talk
        )
        self.world.call(script)

    def ordinary(self) -> None:
        """Let one of the usual mix call: most are answered, some give up, some come to the mailbox."""
        to = self.rng.choice(("700", "700", "701", "701", "702"))
        self.call(to, self.rng.choice((6.0, 6.0, 6.0, 0.3, 2.0)), self.rng.choice((0.1, 0.3, 2.5)))

    def play(self, count: int, at_once: int) -> None:
        """Let *count* callers call, *at_once* of them at a time; AssertionError if nobody comes or goes for a minute."""
        until, end = self.calls + count, time.monotonic() + 60
        seen = 0
        while self.calls < until or self._live:
            while self.calls < until and self._live < at_once:
                self.shell.world.advance(self.shell.now())
                self.ordinary()
                self.shell.settle()
            gevent.sleep(0.01)
            if self.over.total() != seen:
                seen, end = self.over.total(), time.monotonic() + 60
            assert time.monotonic() < end, f"{self._live} callers have no end\n{self.log()}"
            if len(self.world.sightings) > 10_000:
                self.world.sightings.clear()
                self.world.callers.clear()

    def until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for it; raises AssertionError, saying *what* did not come about."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}\n{self.log()}"
            assert self._process is None or self._process.poll() is None, f"the daemon has ended\n{self.log()}"
            gevent.sleep(0.05)

    def most_at_once(self) -> int:
        """The most calls that were in a group or beyond at a time, by the daemon's journal; who is refused comes to none."""
        now: dict[str, None] = {}
        most = 0
        for entry in segments.read(self.folder / "state" / "journal"):
            if isinstance(entry.record, VisitBegan):
                now[entry.record.call] = None
            elif isinstance(entry.record, CallEnded):
                now.pop(entry.record.call, None)
            most = max(most, len(now))
        return most

    def log(self) -> str:
        """The end of the daemon's log."""
        place = self.folder / "daemon.log"
        return "\n".join(place.read_text(errors="replace").splitlines()[-8:])[-3000:] if place.exists() else ""

    def _saw(self, seen: object) -> None:
        what, side = getattr(seen, "what", ""), getattr(seen, "side", "")
        if side == "caller" and what == "gone":
            self._live -= 1
            self.over[getattr(seen, "detail", "")] += 1
        elif side == "caller" and what == "connected":
            self.connected += 1

    # --- measuring

    def quiet(self) -> None:
        """Wait until no call is left, and everything that ran for one has run out."""
        self.until(lambda: not self._live and not self.status().calls, 120, "nobody calls")
        gevent.sleep(12.0)  # the longest timer of an offer that rang two rings, and its garbage

    def measure(self) -> Figures:
        """Look at the daemon's process."""
        assert self._process is not None
        pid, place = self._process.pid, self.folder / "counted"
        place.unlink(missing_ok=True)
        os.kill(pid, signal.SIGUSR1)
        self.until(place.exists, 30, "the daemon counts")
        counted = json.loads(place.read_text())
        memory = Path(f"/proc/{pid}/smaps_rollup").read_text()
        rss = next(int(line.split()[1]) for line in memory.splitlines() if line.startswith("Rss:"))
        return Figures(
            calls=self.calls,
            rss_mb=round(rss / 1024, 1),
            handles=len(list(Path(f"/proc/{pid}/fd").iterdir())),
            greenlets=counted["greenlets"],
            objects=counted["objects"],
            types=counted["types"],
        )
