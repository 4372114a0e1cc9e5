"""The stage of the parts that go over sockets: the embedded switch in this process, who answers its calls in one of its own.

The switch notes by its own clock when a call's socket stood and when the command came that rings somebody for it, when it
said that he has answered and when the command came that bridges the two. So nobody who is measured measures himself.
"""

from __future__ import annotations

import gc
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import gevent

from fsqueue.esl.framing import Command
from fsqueue.simswitch.events import EventData
from fsqueue.simswitch.leg import Leg
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.session import Session
from fsqueue.simswitch.world import Config, World
from tests.contract.freeswitch import DOMAIN
from tests.contract.lab import EmbeddedBoard, Lab

PICKS_UP = 0.15
"""Seconds that a phone rings before it is answered."""

TALKS = 0.4
"""Seconds from being connected until the caller hangs up."""

GROUPS = 4
"""Groups that the members are in, so many each."""

_NUMBER = re.compile(r"origination_caller_id_number=(\d+)")
_UUID = re.compile(r"origination_uuid=([0-9a-f-]+)")


class Stopwatch(World):
    """An embedded switch that notes when each of a call's moments came, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        """Begin now."""
        super().__init__(time.time(), Random(1), config=Config(password="embedded"))
        self.connected: dict[str, float] = {}
        """By the caller's number: when his socket stood."""
        self.rung: dict[str, list[float]] = {}
        """By the caller's number: when each command came that rings somebody for him."""
        self.answered: dict[str, float] = {}
        """By the member's leg: when its CHANNEL_ANSWER was said."""
        self.bridged: dict[str, float] = {}
        """By the member's leg: when the command came that bridges it."""

    def socket_connected(self, leg: Leg) -> Session:
        """Note that a call's socket stands."""
        self.connected[leg.caller_number] = time.monotonic()
        return super().socket_connected(leg)

    def open(self, leg: Leg | None = None) -> Session:
        """Return a connection that is listened in on."""
        session = _Overheard(self, leg)
        if leg is not None:
            leg.session = session
        self.sessions.append(session)
        return session

    def begin_round(self) -> None:
        """Begin a new round."""
        for notes in (self.connected, self.rung, self.answered, self.bridged):
            notes.clear()
        self.sightings.clear()
        self.callers.clear()


class _Overheard(Session):
    """A connection; what matters of it is noted before the switch does anything with it."""

    world: Stopwatch

    def take(self, command: Command) -> None:
        line = command.line
        if line.startswith("bgapi originate"):
            number, uuid = _NUMBER.search(line), _UUID.search(line)
            if number and uuid:
                self.world.rung.setdefault(number[1], []).append(time.monotonic())
        elif line.startswith("api uuid_bridge"):
            self.world.bridged.setdefault(line.split()[-1], time.monotonic())
        super().take(command)

    def hear(self, event: EventData) -> None:
        if event["Event-Name"] == "CHANNEL_ANSWER" and event.get("Call-Direction") == "outbound":
            self.world.answered.setdefault(event["Unique-ID"], time.monotonic())
        super().hear(event)


@dataclass
class Times:
    """What the calls of some rounds took, in seconds. `calls` were made; one that was never rung for, or bridged, is missing."""

    offer: list[float] = field(default_factory=list)
    """From the socket's connect to the command that rings."""
    bridge: list[float] = field(default_factory=list)
    """From the member's CHANNEL_ANSWER to the command that bridges."""
    calls: int = 0

    def add(self, world: Stopwatch, calls: int) -> None:
        """Take over what the switch has noted."""
        self.calls += calls
        self.offer += [
            rung[0] - world.connected[number] for number, rung in world.rung.items() if number in world.connected
        ]
        self.bridge += [at - world.answered[leg] for leg, at in world.bridged.items() if leg in world.answered]

    @property
    def lost(self) -> int:
        """Calls that were not bridged."""
        return self.calls - len(self.bridge)


WARM_CALLS = 20
"""Calls before anything is measured: what is done once is done then."""


def members_for(rate: float) -> int:
    """Return how many members it takes that one is always free at *rate* calls a second: a call takes one for 0.7 s."""
    return math.ceil(rate * 1.5) + 20


@contextmanager
def stage(
    members: int, config: str = "", *, answered_by: str = "", picks_up: float | None = PICKS_UP
) -> Iterator[Stage]:
    """Set up an embedded switch with so many *members* whose calls fsqueue answers, or the script *answered_by*.

    *config*: instead of `GROUPS` groups of all members. *picks_up* None: phones ring for ever, and there are no calls to warm up.
    """
    one = Stage(members, config, picks_up)
    try:
        if answered_by:
            one.script(answered_by)
        else:
            one.daemon()
        if picks_up is not None and not config:
            one.load(10.0, WARM_CALLS, Random(0))
        yield one
    finally:
        one.stop()


class Stage:
    """An embedded switch with so many members, and who answers its calls; made by `stage`."""

    def __init__(self, members: int, config: str, picks_up: float | None) -> None:
        """Set up; `daemon` or `script` brings who answers."""
        self.world = Stopwatch()
        self.lab = Lab(EmbeddedBoard(self.world))
        self.users = [str(1001 + n) for n in range(members)]
        self._config = config or groups(self.users)
        reaction = Reaction(after=picks_up) if picks_up is not None else Reaction(kind="ignore")
        self._phones = [PhoneScript(user=user, domain=DOMAIN, reactions=(reaction,)) for user in self.users]
        self._script: subprocess.Popen[bytes] | None = None

    def daemon(self) -> None:
        """Let fsqueue answer."""
        self.lab.start(self._config, *self._phones)

    def script(self, module: str) -> None:
        """Let a script of ours answer, which says a line when it is ready: ``python -m MODULE ESL LISTEN PASSWORD USER…``."""
        self.lab.start(self._config, *self._phones, daemon=False)
        self._script = start_script(
            module, self.lab.board.esl, self.lab.dialplan_port, self.lab.board.password, self.users
        )

    @property
    def pid(self) -> int:
        """The process that answers."""
        return self._script.pid if self._script is not None else self.lab.daemon_pid

    def stop(self) -> None:
        """End everything."""
        if self._script is not None:
            end_script(self._script)
        self.lab.close()

    def load(self, rate: float, calls: int, rng: Random, *, talk: float | None = TALKS) -> None:
        """Let *calls* callers come at random moments, *rate* a second on average; return when the last of them has been served."""
        self.world.begin_round()
        gc.collect()
        gc.disable()  # the switch's own pauses would count as those of whom it measures
        try:
            due = time.monotonic()
            for n in range(calls):
                due += rng.expovariate(rate)
                gevent.sleep(max(0.0, due - time.monotonic()))
                self.lab.board.caller(
                    CallerScript(number=f"600{n:06}", name=f"Caller {n}", to=f"7{n % GROUPS:03}", talk=talk)
                )
            self._finish(20.0)
        finally:
            gc.enable()

    def _finish(self, seconds: float) -> None:
        gevent.sleep(0.2)  # the last caller's leg is not there before his INVITE is
        end = time.monotonic() + seconds
        while self.lab.board.legs() and time.monotonic() < end:
            gevent.sleep(0.05)
        gevent.sleep(0.2)


def start_script(
    module: str, esl: int, listen: int, password: str, users: list[str], seconds: float = 15.0
) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` for a switch and return it when it has said that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(esl), str(listen), password, *users],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        cwd=Path(__file__).parent.parent,
    )
    assert process.stdout is not None
    reading = gevent.get_hub().threadpool.spawn(process.stdout.readline)
    with gevent.Timeout(seconds, RuntimeError(f"{module} was not ready in {seconds:g} s")):
        said = reading.get()
    if not said:
        raise RuntimeError(f"{module} ended with {process.wait()}")
    return process


def end_script(process: subprocess.Popen[bytes]) -> None:
    """End what `start_script` has started."""
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def groups(users: list[str], more: str = "") -> str:
    """Return the configuration of `GROUPS` groups with the *users* as members in turn; *more* goes into each group."""
    members = "".join(f'[members.m{user}]\ndial = "user/{user}@{DOMAIN}"\n' for user in users)
    parts = [
        f'[groups.g{n}]\nextension = "7{n:03}"\nmembers = {[f"m{user}" for user in users[n::GROUPS]]!r}\n{more}'
        for n in range(GROUPS)
    ]
    return f"[daemon]\nmax_calls = 10000\n[telephony]\nrest_seconds = 0\n{members}{''.join(parts)}"
