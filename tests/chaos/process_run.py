"""The daemon as a process of its own, under load and in trouble: what both switches' runs have in common."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import gevent

from fsqueue.engine.messages import CallEnded, Checkpoint, Record
from fsqueue.journal.entries import Gap, Unknown, decode
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from tests.contract.lab import FSQUEUE, TOLERANCE, Board, Lab

from . import load
from .judge import TUNES_REST, Run, Wrong, held_over, judge
from .story import story
from .virtual_run import Report

LONGEST_CALL = 75.0
"""Seconds that a caller of these runs stays at most, once everything is well again."""


def phone_scripts(rng: Random) -> list[PhoneScript]:
    """Return the members' phones, quick enough for a run of a minute."""
    return [
        PhoneScript(user=str(1000 + n), domain="lab", reactions=tuple(_reaction(rng) for _ in range(40)))
        for n in range(1, load.MEMBERS + 1)
    ]


def _reaction(rng: Random) -> Reaction:
    kind = rng.random()
    if kind < 0.75:
        return Reaction(after=rng.uniform(0.3, 4), talk=rng.uniform(2.5, 12))
    if kind < 0.85:
        return Reaction(after=rng.uniform(0.3, 3), stays=rng.uniform(0.05, 0.4))
    if kind < 0.92:
        return Reaction(kind="ignore")
    return Reaction(kind="reject", after=rng.uniform(0.2, 2), code=rng.choice((486, 603, 480)))


def caller_script(n: int, rng: Random) -> CallerScript:
    """Return the *n*-th caller."""
    return CallerScript(
        number=f"4860{n:07}",
        name=rng.choice(("Kowalski", "O'Brien", "Nowak")),
        to=rng.choices(load.NUMBERS, weights=(20, 15, 15, 50))[0].removeprefix("+"),
        patience=rng.choice((rng.uniform(2, 10), rng.uniform(20, 45), rng.uniform(20, 45))),
        talk=rng.choice((None, rng.uniform(1, 10))),
    )


def broken_program(way: str) -> tuple[str, ...]:
    """Return the command `fsqueue` with an engine that is broken on purpose: no option of the product does that."""
    code = f"from tests.engine import broken; from fsqueue_cli.main import main\nwith broken.WAYS[{way!r}](): main()"
    return (FSQUEUE[0], "-c", code)


class Stage:
    """A lab under load, and what is done to its daemon."""

    def __init__(self, board: Board, rng: Random, *, gap: float, broken: str = "") -> None:
        """Begin with a running daemon; *gap* is the mean number of seconds between two callers.

        *broken* is the way in which its rules are broken on purpose, if they are.
        """
        self.lab, self.rng, self._gap = Lab(board, program=broken_program(broken) if broken else FSQUEUE), rng, gap
        self.blind: list[tuple[float, float]] = []
        self.unwritten: list[tuple[float, float]] = []
        self.dead: list[tuple[float, float]] = []
        """When there was no daemon."""
        self.restarts: list[float] = []
        self.by_kind: dict[str, int] = {}
        self.done: list[tuple[float, str]] = []
        """What was done, and when."""
        self.lives = 1
        self.callers = 0
        self.over = False
        began = time.time()
        self.lab.start(load.text(), *phone_scripts(rng))
        self.blind.append((began - 60.0, time.time()))
        self._calling = gevent.spawn(self._call)

    def _call(self) -> None:
        while not self.over:
            script = caller_script(self.callers, self.rng)
            self.callers += 1
            self.lab.board.caller(script)
            gevent.sleep(self.rng.expovariate(1.0 / self._gap))

    # -- what is done to the daemon

    def fault(self, kind: str, do: Callable[[], object]) -> None:
        """Do one, and note when nobody saw anything meanwhile."""
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        began = time.time()
        self.done.append((began, kind))
        do()
        self.blind.append((began - 0.2, time.time() + 0.5))

    def kill(self, seconds: float) -> None:
        """Kill it, and start it again after *seconds*."""
        died = time.time()
        self.lab.kill_daemon()
        gevent.sleep(seconds)
        self.lab.start_daemon()
        self.dead.append((died, time.time()))
        self.lives += 1

    def stop(self, seconds: float) -> None:
        """Stop it for *seconds*."""
        self.lab.pause_daemon()
        gevent.sleep(seconds)
        os.killpg(self.pid, signal.SIGCONT)
        gevent.sleep(1.0)

    def fill_disk(self, seconds: float) -> None:
        """Let it write nothing for *seconds*: whatever it writes to is as large as it may be."""
        pid = self.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
        gevent.sleep(seconds)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def fill_disk_and_kill(self, seconds: float) -> None:
        """Let it write nothing for *seconds*, and then kill it: what it could not write is lost with it."""
        began = time.time()
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, hard))
        gevent.sleep(seconds)
        self.unwritten.append((began, time.time()))
        self.kill(0.0)

    @property
    def pid(self) -> int:
        """The daemon's process."""
        daemon = self.lab._daemon
        assert daemon is not None
        return daemon.pid

    # -- the end

    def settle(self) -> None:
        """Let everybody go home."""
        self.over = True
        self._calling.join()
        end = time.monotonic() + LONGEST_CALL
        while time.monotonic() < end and (self.lab.board.legs() or self._still_open()):
            gevent.sleep(0.5)
        gevent.sleep(8.0)  # the members' last rests and wrap-ups

    def _still_open(self) -> bool:
        records = self.lab.records()
        opened = sum(record.get("kind") == "CallOpened" for record in records)
        return opened > len(self.lab.records("CallEnded"))

    def records(self) -> list[tuple[Record, float]]:
        """Return the journal."""
        found: list[tuple[Record, float]] = []
        for segment in sorted((self.lab.folder / "state" / "journal").glob("*.jsonl")):
            for line in segment.read_bytes().splitlines(keepends=True):
                entry = decode(line)
                if not isinstance(entry.record, Gap | Unknown | Checkpoint):
                    found.append((entry.record, entry.t))
        return found

    def report(self, mode: str, seed: int, began: float) -> Report:
        """Judge the run, and end everything."""
        records, sightings = self.records(), list(self.lab.sightings())
        ended: dict[str, int] = {}
        for record, _ in records:
            if isinstance(record, CallEnded):
                ended[record.reason] = ended.get(record.reason, 0) + 1
        run = Run(
            sightings=sightings,
            records=records,
            blind=sorted(self.blind),
            dead=self.dead,
            unwritten=self.unwritten,
            restarts=self.restarts,
            end=time.time(),
            gap=max(TUNES_REST, TOLERANCE / 2),
            tolerance=TOLERANCE,
        )
        wrong, held = [*judge(run), *self._left_over(), *self._complaints()], held_over(run)
        self._explain(wrong, run)
        self.lab.close()
        return Report(
            mode=mode,
            seed=seed,
            hours=round((time.time() - began) / 3600.0, 3),
            callers=self.callers,
            faults=sum(self.by_kind.values()),
            faults_by_kind=dict(sorted(self.by_kind.items())),
            lives=self.lives,
            calls=sum(ended.values()),
            ended=dict(sorted(ended.items())),
            held_over=len(held),
            longest_silence=round(max((one.silence for one in held), default=0.0), 2),
            lost_callers=sum(one.kind in ("lost caller", "no end") for one in wrong),
            violations=wrong,
        )

    def _explain(self, wrong: list[Wrong], run: Run) -> None:
        """Say what led to each violation, and keep what the run left behind."""
        if not wrong:
            return
        for one in wrong:
            sys.stderr.write(story(one, run.sightings, run.records, self.done, run.blind))
        kept = Path(tempfile.mkdtemp(prefix="fsqueue-chaos-"))
        shutil.copytree(
            self.lab.folder, kept, dirs_exist_ok=True, ignore=lambda _, names: [n for n in names if "sock" in n]
        )
        (kept / "switch.log").write_text(self.lab.board.log())
        sys.stderr.write(f"journal and logs are kept in {kept}\n")

    def _left_over(self) -> list[Wrong]:
        found = []
        if left := self.lab.board.legs():
            found.append(Wrong(kind="leg left", t=time.time(), who="", detail=f"{left} channels"))
        for member, state in self.lab.members().items():
            if state != "available":
                found.append(Wrong(kind="not free", t=time.time(), who=member, detail=state))
        return found

    def _complaints(self) -> list[Wrong]:
        return [
            Wrong(kind="exception", t=time.time(), who="", detail=line)
            for line in self.lab.daemon_log(1_000_000).splitlines()
            if "Traceback" in line or "please report this" in line
        ]
