"""What people do to the queue: duty, pickup (P1), moving and ending calls, a new configuration."""

from __future__ import annotations

from fsqueue.engine import calls, offers, roster, visits
from fsqueue.engine.messages import (
    ConfigTaken,
    Configure,
    Confirm,
    Drain,
    DrainChanged,
    Duty,
    DutyCode,
    Hangup,
    Move,
    OtherCall,
    Pickup,
    Reach,
    Refuse,
    Renamed,
    Undrain,
)
from fsqueue.engine.state import Offer, Person, State

LIVE = ("asked", "ringing")
"""States of an offer that may still be withdrawn while its call goes on; one withdrawn already may outlive its call."""


def duty(s: State, order: Duty) -> None:
    """Log a member in or out, or pause him; an unknown member is ignored."""
    person = s.people.get(order.member)
    if person is not None and not person.gone:
        roster.set_duty(s, person, order.duty, order.reason, order.by)


def duty_code(s: State, dialled: DutyCode) -> None:
    """Carry out a phone code; the pause code resumes who is paused."""
    person = s.people.get(s.by_user.get(dialled.user, ""))
    if person is None or person.gone:
        s.command(Refuse(dialled.leg, "the switch authenticated no member on this phone"))
        return
    wanted = "in" if dialled.duty == "paused" and person.duty == "paused" else dialled.duty
    roster.set_duty(s, person, wanted, "", "phone code")
    s.command(Confirm(dialled.leg, wanted))


def reach(s: State, seen: Reach) -> None:
    """Take over whether a member's phones are registered; registering also ends *could not be rung* (M1)."""
    person = s.people.get(seen.member)
    if person is None:
        return
    person.reach[seen.switch] = seen.reachable
    if seen.reachable:
        person.unrung_until = 0.0
        roster.arm(s, person)
    roster.refresh(s, person)


def other_call(s: State, seen: OtherCall) -> None:
    """Take over that a member began or ended a call that isn't ours; one whom we ring is let go (M3)."""
    person = s.people.get(seen.member)
    if person is None:
        return
    if not seen.present:
        person.others.pop(seen.leg, None)
    else:
        person.others[seen.leg] = None
        offer = s.offers.get(person.holds)
        if offer is not None and offer.state in LIVE:
            withdraw_one(s, offer)
    roster.refresh(s, person)


def withdraw_one(s: State, offer: Offer) -> None:
    """Withdraw one live offer, and let its call go on."""
    call = s.calls[offer.call]
    if offers.offer_event(s, offer, "withdraw") and not call.live:
        calls.call_event(s, call, "offer_over")


# --- pickup ---------------------------------------------------------------------------------------------------------------


def pickup(s: State, dialled: Pickup) -> None:
    """Give the call that rings longest in his groups, or at the named colleague, to who dialled the code (P1)."""
    person = s.people.get(s.by_user.get(dialled.user, ""))
    if person is None or person.gone:
        s.command(Refuse(dialled.leg, "the switch authenticated no member on this phone"))
        return
    if person.holding == "talk" or _connecting(s, person):
        s.command(Refuse(dialled.leg, f"{person.id} has a call already"))
        return
    offer = _pickable(s, person, dialled)
    if offer is None:
        s.command(Refuse(dialled.leg, "nothing rings that he may pick up"))
        return
    call = s.calls[offer.call]
    own = s.offers.get(person.holds)
    if own is not None and own.state in LIVE:
        withdraw_one(s, own)
    taken = offers.pick_up(s, call, person.id)
    calls.call_event(s, call, "picked_up", calls.Event(offer=taken, taker=dialled.leg))


def _connecting(s: State, person: Person) -> bool:
    held = s.offers.get(person.holds)
    return held is not None and held.state == "answered"


def _pickable(s: State, person: Person, dialled: Pickup) -> Offer | None:
    for offer in s.offers.values():  # in the order in which they began
        queue = s.queues.get(offer.group)
        if offer.state not in LIVE or offer.rule == "S2" or queue is None:
            continue
        if not queue.group.pickup or person.id not in queue.order or offer.switch != dialled.leg.switch:
            continue
        if not dialled.extension or s.people[offer.member].member.extension == dialled.extension:
            return offer
    return None


# --- calls and configuration ----------------------------------------------------------------------------------------------


def move(s: State, order: Move) -> None:
    """Move a waiting call to another group, or to the head of its line."""
    call = s.calls.get(order.call)
    if call is None or (order.group and order.group not in s.queues):
        return
    queue = s.queue_of(call)
    if not order.group:
        if call.state != "waiting" or queue is None or queue.line[0][1] is call:
            return
        # Just before the first one's place, with the same priority: L1 then says the rest. He leaves the line first,
        # where his old place is what finds him.
        first = queue.line[0][1]
        visits.leave_line(s, call)
        call.own_priority, call.place = first.priority, min(call.place, first.place - 1e-6)
    calls.call_event(s, call, "moved", calls.Event(group=order.group or call.group))


def hangup(s: State, order: Hangup) -> None:
    """End a call, whatever it does."""
    call = s.calls.get(order.call)
    if call is not None:
        calls.call_event(s, call, "hung_up", calls.Event(detail=f"by {order.by}" if order.by else ""))


def configure(s: State, order: Configure) -> None:
    """Let a checked configuration take effect without touching a call in progress."""
    for renamed in order.renamed:
        rename(s, renamed)
    for call in list(s.calls.values()):
        if call.state == "waiting" and call.group not in order.plan.groups:
            calls.call_event(s, call, "group_removed", calls.Event(detail=f"group {call.group} was removed"))
    roster.configure(s, order.plan)
    for call in s.calls.values():
        queue = s.queue_of(call)
        if call.state == "waiting" and queue is not None:
            s.timers.set(("waited", call.id), call.limit)
            s.touched[call.id] = call
            visits.arm_idle(s, call, queue)  # by the new window, and a `wait` that is none any more needs one
    s.record(ConfigTaken(groups=tuple(order.plan.groups), members=tuple(order.plan.members), renamed=order.renamed))


def rename(s: State, renamed: Renamed) -> None:
    """Let a group or member go on under another id, with turns, callers and history."""
    if renamed.kind == "group":
        _rename_group(s, renamed.old, renamed.new)
    else:
        _rename_member(s, renamed.old, renamed.new)


def _rename_group(s: State, old: str, new: str) -> None:
    queue = s.queues.pop(old, None)
    if queue is not None:
        s.queues[new] = queue
    for call in s.calls.values():
        if call.group == old:
            call.group = new
    for offer in s.offers.values():
        if offer.group == old:
            offer.group = new


def _rename_member(s: State, old: str, new: str) -> None:
    person = s.people.pop(old, None)
    if person is not None:
        person.id = new
        s.quiet.clear(("member", old))
        s.people[new] = person
        roster.arm(s, person)
    for queue in s.queues.values():
        if old in queue.turns:
            queue.turns[new] = queue.turns.pop(old)
    for offer in s.offers.values():
        if offer.member == old:
            offer.member = new
    for call in s.calls.values():
        call.rung = {new if member == old else member: None for member in call.rung}


def drain(s: State, order: Drain) -> None:
    """Take no new calls from now on."""
    _set_draining(s, to=True, by=order.by)


def undrain(s: State, order: Undrain) -> None:
    """Take calls again."""
    _set_draining(s, to=False, by=order.by)


def _set_draining(s: State, *, to: bool, by: str) -> None:
    if s.draining != to:
        s.draining = to
        s.record(DrainChanged(draining=to, calls=len(s.calls), by=by))
