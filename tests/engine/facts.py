"""What an onlooker knows of members, offers and calls from inputs, records and commands alone: plain facts, kept naively.

Written from the rules, not from the engine: nothing of the engine's state is read, and nothing is indexed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fsqueue.engine.messages import Leg
from fsqueue.engine.model import Group, Plan

EPS = 1e-6
"""Seconds within which two times are the same."""


@dataclass
class SeenOffer:
    """One offer, as its commands and what the switch says of it tell."""

    id: str
    call: str
    group: str
    switch: str
    member: str
    number: str
    rule: str
    began: float
    until: float
    state: str = "live"
    """live (may ring), answered, talk, withdrawn, over."""
    rang: bool = False
    """Whether a phone said that it rings, or was picked up."""
    why: str = ""
    """Why it was withdrawn; `failed` after a bridge that failed."""
    withdrawn_at: float = 0.0
    missing: int = 0
    turn_before: int | None = None
    superseded: bool = False
    """Its member picked up another call (P1): he does not hold this one any more."""


@dataclass
class SeenCall:
    """One call."""

    id: str
    leg: Leg
    arrival: str
    joined: float
    own_priority: int | None
    state: str = "opened"
    """opened, waiting, forwarding, connecting, talking, sent, ended."""
    group: str = ""
    entered: float = 0.0
    limit: float = 0.0
    priority: int = 0
    rung: dict[str, None] = field(default_factory=dict)
    idle_since: float = 0.0
    pass_until: float | None = None
    prompted: bool = False
    winner: str = ""
    forward: bool = False
    reason: str = ""
    """With sent: what it must end with."""
    visits: int = 0
    missing: int = 0
    expect_full: bool = False
    bridged_at: float = 0.0

    @property
    def key(self) -> tuple[int, float, str]:
        """Its place (L1)."""
        return (-self.priority, self.joined, self.id)


@dataclass
class SeenMember:
    """One member's facts (M1)."""

    id: str
    duty: str = "in"
    reach: dict[str, bool] = field(default_factory=dict)
    unrung_until: float = 0.0
    quiet_until: float = 0.0
    others: dict[Leg, None] = field(default_factory=dict)
    untaken: int = 0


@dataclass
class Facts:
    """Everything seen so far."""

    plan: Plan
    now: float = 0.0
    calls: dict[str, SeenCall] = field(default_factory=dict)
    """Those that have not ended."""
    over: dict[str, str] = field(default_factory=dict)
    """Ended calls and the reason of each."""
    offers: dict[str, SeenOffer] = field(default_factory=dict)
    """Those that are not over."""
    members: dict[str, SeenMember] = field(default_factory=dict)
    known_since: dict[str, float] = field(default_factory=dict)
    """Switches in reach, and since when."""
    stalled: dict[str, float] = field(default_factory=dict)
    """In a stall: `known_since` as it was before."""
    cores: dict[str, str] = field(default_factory=dict)
    turns: dict[tuple[str, str], int] = field(default_factory=dict)
    """(group, member) → turn; not in it: never yet."""
    turn: int = 0
    away_since: dict[tuple[str, str], float] = field(default_factory=dict)
    """(group, switch) → since when all of its members have been away there."""
    head_since: dict[str, tuple[str, float]] = field(default_factory=dict)
    """`to-all` group → its first caller, and since when."""

    def member(self, name: str) -> SeenMember:
        """Return the member's facts; a new one is in."""
        return self.members.setdefault(name, SeenMember(name))

    def online(self, name: str, switch: str, at: float) -> bool:
        """M1: reachable, on duty, and in the configuration."""
        member, known = self.member(name), self.plan.members.get(name)
        if known is None or member.duty != "in" or at < member.unrung_until:
            return False
        return not known.registers or member.reach.get(switch, False)

    def held(self, name: str) -> list[SeenOffer]:
        """Return the offers or talks that the member holds (M3)."""
        return [o for o in self.offers.values() if o.member == name and not o.superseded]

    def free(self, name: str, switch: str, at: float) -> bool:
        """M1: available."""
        member = self.member(name)
        quiet = at < member.quiet_until
        return self.online(name, switch, at) and not quiet and not member.others and not self.held(name)

    def live(self, call: SeenCall) -> list[SeenOffer]:
        """Return the call's offers that ring or are being connected."""
        return [o for o in self.offers.values() if o.call == call.id and o.state in ("live", "answered")]

    def group(self, call: SeenCall) -> Group:
        """Return the group that the call is in."""
        return self.plan.groups[call.group]

    def known(self, call: SeenCall) -> bool:
        """Whether rules may fire for the call: its switch is in reach."""
        return call.leg.switch in self.known_since

    def line(self, group: str) -> list[SeenCall]:
        """Return the calls that wait in the group, in the order of L1."""
        return sorted((c for c in self.calls.values() if c.state == "waiting" and c.group == group), key=_key)

    def head(self, group: str) -> SeenCall | None:
        """Return who rings in a `to-all` group (D4)."""
        return next((c for c in self.line(group) if self.known(c)), None)

    def all_away(self, group: str, switch: str, at: float) -> bool:
        """U1's condition."""
        return not any(self.online(m, switch, at) for m in self.plan.groups[group].members)

    def rings_until(self, call: SeenCall) -> float | None:
        """Return until when a member may be rung for the call from now (D1, D4); None: less than one ring is left."""
        group = self.group(call)
        end = self.now + group.rings * self.plan.ring
        if group.distribution == "to-all" and call.pass_until is not None:
            end = call.pass_until
        end = min(end, call.limit)
        return end if end - self.now >= self.plan.ring - EPS else None


def _key(call: SeenCall) -> tuple[int, float, str]:
    return call.key
