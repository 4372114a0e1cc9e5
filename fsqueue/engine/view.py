"""What people are shown of the engine: groups, callers, members, at one moment. Derived, never stored."""

from __future__ import annotations

from collections import Counter

import msgspec

from fsqueue.engine import roster
from fsqueue.engine.messages import Caller, DutyState
from fsqueue.engine.state import Call, Person, State


class RingView(msgspec.Struct, frozen=True, kw_only=True):
    """A phone that rings, or is being connected: whose, since when and until when (epoch seconds)."""

    offer: str
    member: str
    number: str
    state: str
    since: float
    until: float


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    id: str
    state: str
    caller: Caller
    number: str
    dialled: str
    group: str
    position: int
    """In its group's line, from 1; 0 when it is not in one."""
    joined: float
    entered: float
    limit: float
    priority: int
    rings: tuple[RingView, ...] = ()
    member: str = ""
    """Who talks with him, or is being connected."""
    talking_since: float | None = None
    switch: str = ""


class MemberView(msgspec.Struct, frozen=True, kw_only=True):
    """One member; `state` is the word people are shown."""

    id: str
    name: str
    extension: str
    state: str
    duty: DutyState
    reason: str
    call: str = ""
    since: float | None = None
    """Since when he rings or talks, in epoch seconds."""
    quiet_until: float | None = None
    groups: tuple[str, ...] = ()


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """One group."""

    id: str
    name: str
    extension: str
    distribution: str
    waiting: tuple[str, ...]
    """Calls in line, first first."""
    talking: int
    members: tuple[str, ...]
    online: int
    available: int
    longest_since: float | None
    """When the caller who waits longest joined."""


class SwitchView(msgspec.Struct, frozen=True, kw_only=True):
    """One switch."""

    id: str
    up: bool
    core: str


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    t: float
    groups: tuple[GroupView, ...]
    members: tuple[MemberView, ...]
    calls: tuple[CallView, ...]
    switches: tuple[SwitchView, ...]


def picture(s: State, now: float) -> Picture:
    """Return what people may see at *now* (epoch seconds)."""
    busy = Counter(call.group for call in s.calls.values() if call.state in ("talking", "connecting"))
    # Once for all: a look at two thousand waiting calls must not hold up the rules.
    places = {call.id: n for queue in s.queues.values() for n, (_, call) in enumerate(queue.line, 1)}
    return Picture(
        t=now,
        groups=tuple(_group(s, group, busy[group]) for group in s.queues),
        members=tuple(_member(s, person) for person in s.people.values() if not person.gone),
        calls=tuple(_call(s, call, places.get(call.id, 0)) for call in s.calls.values()),
        switches=tuple(SwitchView(id=w.id, up=w.known, core=w.core) for w in s.switches.values()),
    )


def _group(s: State, group_id: str, talking: int) -> GroupView:
    queue = s.queues[group_id]
    line = [call for _, call in queue.line]
    return GroupView(
        id=group_id,
        name=queue.group.name or group_id,
        extension=queue.group.extension,
        distribution=queue.group.distribution,
        waiting=tuple(call.id for call in line),
        talking=talking,
        members=queue.group.members,
        online=max(queue.online.values(), default=0),
        available=max((len(free) for free in queue.free.values()), default=0),
        longest_since=min((call.joined for call in line), default=None),
    )


def _member(s: State, person: Person) -> MemberView:
    states = [roster.describe(s, person, switch) for switch in s.switches] or ["offline"]
    # Reachable is per switch; who is reachable on one of them is not offline.
    state = next((word for word in states if word != "offline"), "offline")
    offer = s.offers.get(person.holds)
    call = s.calls.get(offer.call) if offer is not None else None
    since = None
    if offer is not None:
        since = call.talking_since if call is not None and person.holding == "talk" else offer.began
    return MemberView(
        id=person.id,
        name=person.member.name or person.id,
        extension=person.member.extension,
        state=state,
        duty=person.duty,
        reason=person.duty_reason,
        call=offer.call if offer is not None else "",
        since=since,
        quiet_until=person.quiet_until if person.quiet_until > s.now else None,
        groups=person.groups,
    )


def _call(s: State, call: Call, position: int) -> CallView:
    winner = s.offers.get(call.winner)
    return CallView(
        id=call.id,
        state=call.state,
        caller=call.caller,
        number=call.number,
        dialled=call.dialled,
        group=call.group,
        position=position,
        joined=call.joined,
        entered=call.entered,
        limit=call.limit,
        priority=call.priority,
        rings=tuple(
            RingView(offer=o.id, member=o.member, number=o.number, state=o.state, since=o.began, until=o.until)
            for o in call.live.values()
        ),
        member=(winner.member or winner.number) if winner is not None else "",
        talking_since=call.talking_since or None,
        switch=call.leg.switch,
    )
