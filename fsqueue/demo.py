"""The demo: the real daemon on the embedded switch, with the sample groups, and callers and phones that follow scripts.

What is reported as wrong is computed from what the simulated callers and phones saw, never from the daemon's own
counters; the counters are then compared with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import gevent
import msgspec

from fsqueue.clock import Clock
from fsqueue.config.check import has_errors, inspect
from fsqueue.config.model import Configuration, Listen, Member, Switch
from fsqueue.config.model import Daemon as DaemonSettings
from fsqueue.config.problems import Report
from fsqueue.config.reading import Loaded
from fsqueue.control.desk import DaemonDesk
from fsqueue.control.server import ControlServer
from fsqueue.control.settings import ControlSettings
from fsqueue.daemon import Daemon
from fsqueue.engine.messages import ANSWERED, CallEnded, Record
from fsqueue.engine.view import Picture
from fsqueue.facts import dialplan_facts
from fsqueue.journal.history.process import HistoryProcess
from fsqueue.places import shared
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.witness import violations
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry

TOLERANCE = 0.3
"""Real seconds that two parties may lie apart in noticing the same thing, on a busy machine."""

PASSWORD = "demo"  # noqa: S105 - of a switch that lives in this process, on loopback, for a minute

BUSINESS = "+48221234567"
IMPORTANT = "+48221234569"
SUPPORT = "+48221234568"
RECEPTION = "+48221234560"

SCRIPTED = ("answered", "forwarded", "voicemail", "abandoned", "no_answer", "fallback")
"""Reasons that every run's callers bring about, whatever chance does."""

Scene = Callable[[str, float, Random], CallerScript]


class GroupCount(msgspec.Struct):
    """How many calls a group had; calls = answered + missed."""

    calls: int = 0
    answered: int = 0
    missed: int = 0


class Summary(msgspec.Struct, kw_only=True):
    """What a run came to. `violations` is empty when everything held."""

    calls: int
    answered: int
    missed: int
    by_group: dict[str, GroupCount]
    by_reason: dict[str, int]
    scripted: tuple[str, ...]
    seconds: float
    """Length of the run, in the callers' seconds."""
    speed: float
    tolerance_seconds: float
    violations: list[dict[str, object]]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked of a demo. `calls` 6 to 100,000, `phones` 8 to 500, `speed` 0.1 to 50."""

    calls: int = 60
    phones: int = 8
    speed: float = 20.0
    seed: int = 1


# --- the script ---------------------------------------------------------------------------------------------------------


def sample() -> Configuration:
    """Return the sample configuration that comes with the package.

    Raises:
        ValueError: it doesn't check, which would be a fault of the installation.
    """
    path = shared("conf/fsqueue.toml")
    report = Report(str(path))
    # Its password file is the administrator's to write; the demo has a switch of its own.
    configuration = inspect(path.read_text("utf-8"), report)
    if configuration is None or has_errors(report.problems()):
        raise ValueError("\n".join(str(problem) for problem in report.problems()))
    return configuration


def with_phones(configuration: Configuration, phones: int) -> Configuration:
    """Return *configuration* with *phones* members: those beyond its own join its groups in turn.

    Nobody is paused for letting calls ring: a demo has no one who would come back by himself.
    """
    members = {key: msgspec.structs.replace(m, pause_after=0) for key, m in configuration.members.items()}
    groups = dict(configuration.groups)
    for n in range(len(members), phones):
        key = f"member-{n + 1}"
        extension = str(1001 + n)
        members[key] = Member(dial=f"user/{extension}@example.com", name=f"Member {n + 1}", extension=extension)
        group = list(groups)[n % len(groups)]
        groups[group] = msgspec.structs.replace(groups[group], members=(*groups[group].members, key))
    return msgspec.structs.replace(configuration, members=members, groups=groups)


def caller_scripts(settings: Settings) -> list[CallerScript]:
    """Return who calls when: ordinary callers at random, and among them those for whom nobody picks up."""
    rng = Random(settings.seed)
    gap = 45.0 / (settings.phones * 0.55)
    """Seconds between calls that keep a bit more than half of the phones busy: a talk, its ring and its wrap-up take 45."""
    scenes = _scenes(settings.calls - 2)
    at = 1.0
    scripts = []
    for n, scene in enumerate(scenes):
        at += rng.expovariate(1.0 / gap)
        scripts.append(scene(f"+4860{n:07}", at, rng))
    # Two who wait at the reception until its patience ends; the second finds the one behind it busy with the first.
    at += 120.0
    for n in (len(scenes), len(scenes) + 1):
        at += 1.0
        scripts.append(_waits_out(f"+4862{n:07}", at))
    return scripts


def _scenes(count: int) -> list[Scene]:
    """Return what each caller plays; the special ones are among the first eight, and then in every twenty again."""
    special: dict[int, Scene] = {1: _nobody_takes_it, 4: _gives_up, 6: _wrong_number}
    return [special.get(n % 20, _ordinary) for n in range(count)]


def _ordinary(number: str, at: float, rng: Random) -> CallerScript:
    to = rng.choices((BUSINESS, IMPORTANT, SUPPORT, RECEPTION), weights=(50, 10, 20, 20))[0]
    name = rng.choice(("Kowalski", "O'Brien", "Zażółć Gęślą", "Müller & Co", '"quoted" <b>', "Nowak"))
    return CallerScript(
        number=number,
        name=name,
        to=to,
        at=at,
        patience=rng.uniform(60, 200),
        talk=rng.choice((None, rng.uniform(15, 50))),
    )


def _nobody_takes_it(number: str, at: float, _: Random) -> CallerScript:
    """Go through sales and support into voicemail; the caller leaves a message and hangs up."""
    return CallerScript(number=f"+4861{number[5:]}", name="Nobody's", to=SUPPORT, at=at, patience=600.0)


def _gives_up(number: str, at: float, _: Random) -> CallerScript:
    return CallerScript(number=f"+4861{number[5:]}", name="Impatient", to=BUSINESS, at=at, patience=7.0)


def _wrong_number(number: str, at: float, _: Random) -> CallerScript:
    """Be sent by the site's dialplan to a group that there is not."""
    return CallerScript(
        number=number, name="Lost", to=BUSINESS, at=at, patience=60.0, variables={"fsqueue_to": "no-such-group"}
    )


def _waits_out(number: str, at: float) -> CallerScript:
    return CallerScript(number=number, name="Patient", to=RECEPTION, at=at, talk=60.0)


def phone_scripts(configuration: Configuration, callers: list[CallerScript], rng: Random) -> list[PhoneScript]:
    """Return how each member's phone behaves: most answer, some let it ring, decline or are busy now and then."""
    nobody = tuple(c.number for c in callers if c.number.startswith("+4861"))
    patient = tuple(c.number for c in callers if c.number.startswith("+4862"))
    return [
        PhoneScript(
            user=str(member.extension),
            domain="example.com",
            reactions=tuple(_answers(rng) if key == FORWARD_TARGET else _reaction(rng) for _ in range(40)),
            ignores=nobody if key == FORWARD_TARGET else nobody + patient,
            contacts=2 if n % 5 == 3 else 1,
        )
        for n, (key, member) in enumerate(configuration.members.items())
    ]


FORWARD_TARGET = "ewa"
"""Who the sample's reception forwards to; answers always, so that a forward is taken in every run."""


def _answers(rng: Random) -> Reaction:
    return Reaction(kind="answer", after=rng.uniform(1.5, 8), talk=rng.uniform(15, 50))


def _reaction(rng: Random) -> Reaction:
    kind = rng.random()
    if kind < 0.80:
        return _answers(rng)
    if kind < 0.84:
        return Reaction(kind="answer", after=rng.uniform(1.5, 4), stays=rng.uniform(0, 0.15))
    if kind < 0.90:
        return Reaction(kind="ignore")
    return Reaction(kind="reject", after=rng.uniform(0.5, 3), code=rng.choice((486, 603, 480)))


# --- the run ------------------------------------------------------------------------------------------------------------


class Demo:
    """One run. `start`, then `wait`; `picture` at any time between."""

    def __init__(self, settings: Settings) -> None:
        """Set the stage: configuration, world, daemon, in a temporary folder."""
        self.settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="fsqueue-demo-")
        self.clock = Clock(settings.speed)
        configuration = with_phones(sample(), settings.phones)
        self.callers = caller_scripts(settings)
        self.ended: list[CallEnded] = []
        self.log: list[str] = []
        self._configuration = configuration
        self.world = World(
            self.clock(), Random(settings.seed), config=Config(password=PASSWORD, mailboxes=("1000@example.com",))
        )
        self.shell = Shell(self.world, speed=settings.speed)
        self.daemon: Daemon | None = None
        self._control: ControlServer | None = None
        self._history: HistoryProcess | None = None

    @property
    def state(self) -> Path:
        """Where the daemon keeps its state, as long as the demo runs."""
        return Path(self._folder.name)

    @property
    def socket(self) -> Path:
        """Where ``fsqueue top`` and its like find the daemon."""
        return self.state / "control.sock"

    def start(self) -> None:
        """Start the switch, the daemon, and then the callers."""
        self.shell.start()
        host, port = self.shell.address
        configuration = msgspec.structs.replace(
            self._configuration,
            switches={"embedded": Switch(host=host, port=port, password=PASSWORD)},
            listen=Listen(dialplan="127.0.0.1:0"),
            daemon=DaemonSettings(owner="demo"),
        )
        self.daemon = Daemon(configuration, state=self.state, clock=self.clock, log_records=False)
        self.daemon.owner.observe(self._observe)
        file = Loaded(path=self.state / "fsqueue.toml", text="", configuration=configuration, problems=())
        self._control = ControlServer(DaemonDesk(self.daemon, file), ControlSettings(socket=self.socket))
        self._history = HistoryProcess(self.state)
        self.daemon.start()
        self._control.start()
        self._history.start()
        facts = msgspec.structs.replace(dialplan_facts(configuration), socket=f"127.0.0.1:{self.daemon.dialplan_port}")
        dialplan = Dialplan()
        dialplan.include(render(facts))
        for context in facts.entry_contexts:
            dialplan.include(render_entry(facts), context)
        self.world.dialplan = dialplan
        rng = Random(self.settings.seed + 1)
        for script in phone_scripts(self._configuration, self.callers, rng):
            self.world.phones(script)
        self.daemon.wait_until_ready(10.0)
        for caller in self.callers:
            self.world.call(caller)
        self.shell.settle()

    def _observe(self, record: Record, _: float) -> None:
        if isinstance(record, CallEnded):
            self.ended.append(record)

    def picture(self) -> Picture:
        """Return what people may see now."""
        assert self.daemon is not None  # noqa: S101 - started
        return self.daemon.picture()

    @property
    def over(self) -> bool:
        """Whether every caller is gone and every call has its end."""
        gone = all(caller.leg is not None and caller.leg.gone for caller in self.world.callers)
        return gone and self.daemon is not None and not self.daemon.owner.engine.state.calls

    def limit(self) -> float:
        """Return after how many real seconds a run that isn't over has failed."""
        last = max(script.at for script in self.callers)
        return self.clock.real(last + 1200.0) + 10.0

    def stop(self) -> Summary:
        """End everything and say what it came to."""
        gevent.sleep(self.clock.real(3.0))  # what is on its way arrives
        began = min(s.t for s in self.world.sightings) if self.world.sightings else self.world.now
        assert self.daemon is not None  # noqa: S101 - started
        if self._control is not None:
            self._control.stop()
        self.daemon.stop()
        if self._history is not None:
            self._history.stop()
        self.shell.stop()
        self._folder.cleanup()
        return self._summary(self.world.now - began)

    def _summary(self, seconds: float) -> Summary:
        tolerance = TOLERANCE * self.settings.speed
        answered = sum(1 for end in self.ended if end.reason in ANSWERED)
        by_reason: dict[str, int] = {}
        by_group: dict[str, GroupCount] = {}
        for end in self.ended:
            by_reason[end.reason] = by_reason.get(end.reason, 0) + 1
            count = by_group.setdefault(end.group or "none", GroupCount())
            count.calls += 1
            count.answered += end.reason in ANSWERED
            count.missed += end.reason not in ANSWERED
        seen = [msgspec.structs.asdict(v) for v in violations(self.world.sightings, tolerance=tolerance)]
        return Summary(
            calls=len(self.callers),
            answered=answered,
            missed=len(self.ended) - answered,
            by_group=dict(sorted(by_group.items())),
            by_reason=dict(sorted(by_reason.items())),
            scripted=SCRIPTED,
            seconds=round(seconds, 1),
            speed=self.settings.speed,
            tolerance_seconds=tolerance,
            violations=[*seen, *self._disagreements(by_reason)],
        )

    def _disagreements(self, by_reason: dict[str, int]) -> list[dict[str, object]]:
        """Return where the daemon's records and the callers' own count differ."""
        found: list[dict[str, object]] = []
        if len(self.ended) != len(self.callers):
            found.append({"kind": "count", "detail": f"{len(self.callers)} callers, {len(self.ended)} recorded ends"})
        spoke = {s.who for s in self.world.sightings if s.side == "caller" and s.what == "connected"}
        told = sum(by_reason.get(reason, 0) for reason in ANSWERED)
        # A talk that its member left within two seconds is no talk in the records, but the caller did hear him.
        if told > len(spoke):
            found.append(
                {"kind": "count", "detail": f"{told} calls recorded as answered, {len(spoke)} callers heard somebody"}
            )
        found.extend(
            {"kind": "script", "detail": f"no call ended with {reason}, which the script brings about"}
            for reason in SCRIPTED
            if not by_reason.get(reason)
        )
        return found
