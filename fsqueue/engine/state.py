"""What the engine knows at one moment: calls, offers, people, queues, switches; and what the current step put out.

Plain data with the indexes that keep the work of an input within the group concerned. The rules are in the modules
beside this one; each takes the :class:`State` as its first argument.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field

from fsqueue.engine.messages import Caller, Command, DutyState, Leg, Outcome, Reason, Record
from fsqueue.engine.model import Group, HangUp, Member, Plan, Voicemail
from fsqueue.engine.tables import TABLES, Row
from fsqueue.engine.timers import Timers

LineKey = tuple[int, float, str]
"""Order in a line: priority (negated, so that higher comes first), place, call id (L1)."""

FreeKey = tuple[int, int, str]
"""Order among a queue's available members: turn, position in the list, id (D2, D3)."""


@dataclass(slots=True, kw_only=True)
class Offer:
    """One attempt to ring one member (or number) for one call."""

    id: str
    call: str
    group: str
    switch: str
    member: str
    """Empty for a forward to a number."""
    number: str = ""
    state: str = "asked"
    began: float = 0.0
    until: float = 0.0
    rule: str = ""
    turn_before: int | None = None
    """The turn to give back when no phone could be rung (D2); None when none was used."""
    verdict: Outcome = "withdrawn"
    """What the end of a withdrawn offer is recorded as."""
    missing: int = 0
    """Snapshots in a row that didn't show it."""
    here: bool = True
    """In this life of the daemon it was asked for, or its legs were found; of records alone nobody knows if it ever rang."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One caller's stay."""

    id: str
    leg: Leg
    arrival: str
    caller: Caller
    number: str
    dialled: str
    music: str
    own_priority: int | None
    joined: float
    place: float = 0.0
    """Where it stands among those of its priority: when it joined, or just before whom staff put it in front of (L1)."""
    state: str = "waiting"
    group: str = ""
    visits: int = 0
    entered: float = 0.0
    limit: float = 0.0
    """U4's moment in this visit."""
    priority: int = 0
    held: bool = False
    """Whether the switch was told to hold the caller; before that he may not even have been answered."""
    rung: dict[str, None] = field(default_factory=dict)
    """Members rung in this pass (D1)."""
    live: dict[str, Offer] = field(default_factory=dict)
    """Its offers that ring or connect: asked, ringing, answered."""
    idle_since: float = 0.0
    """Since when nothing rings for it (U2)."""
    pass_until: float | None = None
    """End of a `to-all` pass's one window (D4); None before its first ring."""
    noted: bool = False
    """Whether this visit's prompt has been played and its first `wait` decision recorded."""
    offers: int = 0
    """Offers made so far; the n of the last one's id."""
    winner: str = ""
    """The offer being connected or talked."""
    talking_since: float = 0.0
    returned: bool = False
    """It may itself be a forward that came back in (S2)."""
    forward: bool = False
    """Whether the winner is, or will be, a forward's target."""
    reason: Reason = "lost"
    """With `sent`: the reason its end will be recorded with."""
    step: Voicemail | HangUp = field(default_factory=HangUp)
    """With `sent`: where to."""
    missing: int = 0
    seen: float = 0.0
    """When he was surely there, at last: arrived, or shown by a snapshot (epoch seconds)."""
    here: bool = True
    """In this life of the daemon his channel has arrived, or was found on hold; records alone don't say where he is."""

    @property
    def key(self) -> LineKey:
        """Its place in the line."""
        return (-self.priority, self.place, self.id)


@dataclass(slots=True, kw_only=True)
class Person:
    """A member as facts kept apart (M1); what people are shown is derived from these."""

    id: str
    member: Member
    gone: bool = False
    """Removed from the configuration; forgotten when he holds nothing."""
    duty: DutyState = "in"
    duty_reason: str = ""
    reach: dict[str, bool] = field(default_factory=dict)
    """By switch; only for dial strings that need a registration."""
    unrung_until: float = 0.0
    """A phone that could not be rung at all counts as unreachable until then."""
    holding: str = "free"
    holds: str = ""
    """The offer of his ring or talk."""
    open: dict[str, Offer] = field(default_factory=dict)
    """All of his that are not over, talks too. It is more than the one he holds where one was withdrawn for a pickup, and where
    a start has found him in another one than the records say."""
    others: dict[Leg, None] = field(default_factory=dict)
    quiet_until: float = 0.0
    quiet_why: str = ""
    untaken: int = 0
    groups: tuple[str, ...] = ()
    online: dict[str, bool] = field(default_factory=dict)
    """As it was last counted in his queues, by switch."""
    free: dict[str, bool] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Queue:
    """A group as it runs."""

    group: Group
    window: float
    line: list[tuple[LineKey, Call]] = field(default_factory=list)
    quiet: list[tuple[LineKey, Call]] = field(default_factory=list)
    """Those of the line for which nothing rings: a free member must not cost a look at all who are being rung."""
    free: dict[str, list[FreeKey]] = field(default_factory=dict)
    """Available members by switch, in the order in which they are rung."""
    placed: dict[tuple[str, str], FreeKey] = field(default_factory=dict)
    """Under which key (switch, member) stands in `free`."""
    online: dict[str, int] = field(default_factory=dict)
    away_since: dict[str, float] = field(default_factory=dict)
    """By switch: since when all of its members are away there (U1)."""
    passed: dict[str, Call] = field(default_factory=dict)
    """Calls for which nothing rings though somebody was rung in this pass (U2)."""
    turns: dict[str, int] = field(default_factory=dict)
    last_turn: int = -1
    head: str = ""
    """`to-all`: the call that is first in line."""
    order: dict[str, int] = field(default_factory=dict)
    """Position of each member in the list."""

    def join(self, call: Call) -> None:
        """Put *call* into the line at its place."""
        insort(self.line, (call.key, call), key=_line_key)
        self.hush(call)

    def leave(self, call: Call) -> None:
        """Take *call* out of the line; fine if it isn't there."""
        self.passed.pop(call.id, None)
        _take_out(self.line, call)
        _take_out(self.quiet, call)

    def hush(self, call: Call) -> None:
        """Note that nothing rings for *call*, which is in the line."""
        if not call.live:
            _take_out(self.quiet, call)
            insort(self.quiet, (call.key, call), key=_line_key)

    def rings(self, call: Call) -> None:
        """Note that something rings for *call*."""
        self.passed.pop(call.id, None)
        _take_out(self.quiet, call)

    def place(self, switch: str, member: str) -> None:
        """Put *member* among those available on *switch*, at his turn."""
        turn = self.turns.get(member, -1) if self.group.distribution == "evenly" else 0
        key = (turn, self.order[member], member)
        self.placed[switch, member] = key
        insort(self.free.setdefault(switch, []), key)

    def remove(self, switch: str, member: str) -> None:
        """Take *member* out of those available on *switch*."""
        key = self.placed.pop((switch, member), None)
        if key is not None:
            free = self.free[switch]
            del free[bisect_left(free, key)]


def _take_out(line: list[tuple[LineKey, Call]], call: Call) -> None:
    at = bisect_left(line, call.key, key=_line_key)
    if at < len(line) and line[at][1] is call:
        del line[at]


def _line_key(entry: tuple[LineKey, Call]) -> LineKey:
    return entry[0]


@dataclass(slots=True, kw_only=True)
class Switch:
    """One FreeSWITCH, as far as the rules care."""

    id: str
    core: str = ""
    known: bool = False
    """In reach, with its registrations known."""


Observer = Callable[[str, str, str], None]
"""Told of every row taken: machine, state, event."""


class State:
    """Everything the engine knows, and the output of the step in hand."""

    def __init__(self, plan: Plan, observer: Observer | None = None) -> None:
        """Start with nothing but the plan; `roster.configure` fills queues and people from it."""
        self.plan = plan
        self.now = 0.0
        self.calls: dict[str, Call] = {}
        self.by_leg: dict[Leg, Call] = {}
        self.by_arrival: dict[str, Call] = {}
        self.offers: dict[str, Offer] = {}
        """All that are not over, and those that became a talk until it ends."""
        self.people: dict[str, Person] = {}
        self.by_user: dict[str, str] = {}
        self.by_extension: dict[str, str] = {}
        """Groups' extensions."""
        self.queues: dict[str, Queue] = {}
        self.switches: dict[str, Switch] = {}
        self.timers = Timers()
        self.quiet = Timers()
        """When a member's rest, wrap-up or unreachable time is over. Apart from the others, since facts that have come
        about by now hold before anything that happens now, while of deadlines and inputs the inputs go first."""
        self.ended: dict[str, float] = {}
        """Arrivals and calls that ended lately, since the switch's channel table is behind its events."""
        self.stalled = False
        """No rule fires until what happened while this process was held up is known."""
        self.draining = False
        """No new calls are taken. Of this process alone: a start takes calls."""
        self.forwards = 0
        """Forwards to numbers that ring or talk now."""
        self.dirty: dict[str, None] = {}
        """Groups whose line must be looked at before this step is over."""
        self.touched: dict[str, Call] = {}
        """Calls whose own situation changed in this step."""
        self.records: list[Record] = []
        self.commands: list[Command] = []
        self._observer = observer

    def add_offer(self, offer: Offer) -> None:
        """Know *offer*, as one of its member's too."""
        self.offers[offer.id] = offer
        person = self.people.get(offer.member)
        if person is not None:
            person.open[offer.id] = offer

    def drop_offer(self, offer: Offer) -> None:
        """Forget *offer*."""
        self.offers.pop(offer.id, None)
        person = self.people.get(offer.member)
        if person is not None:
            person.open.pop(offer.id, None)

    def record(self, record: Record) -> None:
        """Add to this step's records."""
        self.records.append(record)

    def command(self, command: Command) -> None:
        """Add to this step's commands."""
        self.commands.append(command)

    def row(self, machine: str, state: str, event: str) -> Row:
        """Look up what *event* does in *state*, and tell the observer."""
        if self._observer is not None:
            self._observer(machine, state, event)
        return TABLES[machine][0][state, event]

    def queue_of(self, call: Call) -> Queue | None:
        """Return the queue of the call's group; None once the group was removed."""
        return self.queues.get(call.group)

    def touch(self, group: str) -> None:
        """Have the group's line looked at again before the step is over."""
        if group in self.queues:
            self.dirty[group] = None

    def on_known_switch(self, call: Call) -> bool:
        """Whether rules may fire for the call now."""
        switch = self.switches.get(call.leg.switch)
        return switch is not None and switch.known and not self.stalled

    def may_ring(self, call: Call) -> bool:
        """Whether phones may begin to ring for the call: never for a caller whom a start has not found yet."""
        return call.here and self.on_known_switch(call)
