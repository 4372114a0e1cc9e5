"""Each rule broken on purpose, by one decision that is changed and raises nothing; for `scripts/rules`.

The patches are as small as the tests are sharp: a rule's own tests have to fail by what they assert, and the tests of
every other rule have to pass.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from fsqueue.engine import calls, engine, offers, roster, rules, staff, visits
from fsqueue.engine.messages import CallEnded, OtherCall, Reason
from fsqueue.engine.model import Group, HangUp, Occasion, Step
from fsqueue.engine.state import Call, LineKey, Offer, Person, Queue, State

Patch = AbstractContextManager[Any]


def m1() -> Patch:
    """Who is registered on one switch is reachable on all of them."""

    def reachable(s: State, person: Person, _: str) -> bool:
        if s.now < person.unrung_until:
            return False
        return not person.member.registers or any(person.reach.values())

    return patch.object(roster, "reachable", reachable)


def m2() -> Patch:
    """Nobody has a wrap-up."""
    real = roster.quieten

    def quieten(s: State, person: Person, until: float, why: str) -> None:
        if why != "wrap-up":
            real(s, person, until, why)

    return patch.object(roster, "quieten", quieten)


def m3() -> Patch:
    """Who starts another call while we ring him is rung on."""

    def other_call(s: State, seen: OtherCall) -> None:
        person = s.people[seen.member]
        if seen.present:
            person.others[seen.leg] = None
        else:
            person.others.pop(seen.leg, None)
        roster.refresh(s, person)

    return patch.dict(engine._HANDLERS, {OtherCall: other_call})


def d1() -> Patch:
    """A withdrawn offer whose end is never seen is waited for twice as long."""
    return patch.object(offers, "WITHDRAWAL_LIMIT", 20.0)


def d2() -> Patch:
    """A phone that could not be rung has had its turn."""
    return patch.object(roster, "give_turn_back", lambda *_: None)


def d3() -> Patch:
    """In order, but from the end of the list."""
    real = Queue.place

    def place(queue: Queue, switch: str, member: str) -> None:
        if queue.group.distribution != "in-order":
            real(queue, switch, member)
            return
        key = (0, -queue.order[member], member)
        queue.placed[switch, member] = key
        free = queue.free.setdefault(switch, [])
        free.append(key)
        free.sort()

    return patch.object(Queue, "place", place)


def d4() -> Patch:
    """Who becomes available joins nobody's window."""
    real = rules._ring_all

    def ring_all(s: State, call: Call, queue: Queue) -> None:
        if call.pass_until is None:
            real(s, call, queue)

    return patch.object(rules, "_ring_all", ring_all)


def l1() -> Patch:
    """Priority doesn't matter."""

    def key(call: Call) -> LineKey:
        return (0, call.place, call.id)

    return patch.object(Call, "key", property(key))


def u1() -> Patch:
    """Later than at entering, all have to be away for three rings."""

    def arm_away(s: State, queue: Queue, switch: str) -> None:
        s.timers.set(("away", queue.group.id, switch), queue.away_since[switch] + 3 * s.plan.ring)

    return patch.object(roster, "_arm_away", arm_away)


def u2() -> Patch:
    """A prompt is played at the end of every pass."""
    real = visits._wait

    def wait(s: State, call: Call, step: Any, rule: str) -> None:
        call.noted = call.noted and rule != "U2"
        real(s, call, step, rule)

    return patch.object(visits, "_wait", wait)


def u4() -> Patch:
    """What rings is never cut."""
    real = rules._limit

    def limit(s: State, call_id: str) -> None:
        call = s.calls.get(call_id)
        if call is not None and call.live:
            s.timers.set(("waited", call_id), max(offer.until for offer in call.live.values()) + 1.0)
        else:
            real(s, call_id)

    return patch.object(rules, "_limit", limit)


def s1() -> Patch:
    """A full group hangs up, whatever its step says."""
    real = Group.step

    def step(group: Group, occasion: Occasion) -> Step:
        return HangUp() if occasion == "full" else real(group, occasion)

    return patch.object(Group, "step", step)


def s2() -> Patch:
    """Forwards to numbers are never capped."""
    real = visits._forward

    def forward(s: State, call: Call, step: Any) -> None:
        forwards, s.forwards = s.forwards, 0
        real(s, call, step)
        s.forwards += forwards

    return patch.object(visits, "_forward", forward)


def s3() -> Patch:
    """A chain is taken for a loop after five visits."""
    return patch.object(visits, "MAX_VISITS", 5)


def e1() -> Patch:
    """A talk that staff ends was not answered."""

    def end_by_staff(s: State, call: Call, what: calls.Event) -> None:
        reason: Reason = "ended_by_staff"
        offers.withdraw_all(s, call, "caller_gone")
        s.command(calls.Drop(call.leg, "NORMAL_CLEARING"))
        visits.end(s, call, reason, what.detail)
        assert isinstance(s.records[-1], CallEnded)

    return patch.dict(calls._ACTIONS, {"end_by_staff": end_by_staff})


def p1() -> Patch:
    """The extension behind the pickup code is passed over."""
    real = staff._pickable

    def pickable(s: State, person: Person, dialled: staff.Pickup) -> Offer | None:
        return real(s, person, staff.Pickup(leg=dialled.leg, user=dialled.user))

    return patch.object(staff, "_pickable", pickable)


def n1() -> Patch:
    """A leading 00 is part of the number."""
    return patch.object(visits, "plain_number", lambda dialled: dialled.removeprefix("+"))


def n2() -> Patch:
    """Who takes a call over begins its pass anew."""
    real = calls._releg

    def releg(s: State, call: Call, what: calls.Event) -> None:
        real(s, call, what)
        call.rung = {}

    return patch.object(calls, "_releg", releg)


def n3() -> Patch:
    """All hear the same music."""
    return patch.object(visits, "music_for", lambda s, _: s.plan.music)


def f1() -> Patch:
    """After a hundred turns nobody's turn moves on any more."""
    real = roster.use_turn

    def use_turn(s: State, offer: Offer) -> None:
        queue = s.queues.get(offer.group)
        if queue is None or queue.last_turn < 100:
            real(s, offer)

    return patch.object(roster, "use_turn", use_turn)


BROKEN: dict[str, Callable[[], Patch]] = {
    "M1": m1, "M2": m2, "M3": m3, "D1": d1, "D2": d2, "D3": d3, "D4": d4, "L1": l1, "U1": u1, "U2": u2, "U4": u4,
    "S1": s1, "S2": s2, "S3": s3, "E1": e1, "P1": p1, "N1": n1, "N2": n2, "N3": n3, "F1": f1,
}  # fmt: skip
"""By rule."""
