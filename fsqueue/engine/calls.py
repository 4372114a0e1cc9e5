"""The call's machine: what each event does to a call in each state (`tables.CALL`), and how a call comes to be."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from fsqueue.engine import offers, visits
from fsqueue.engine.messages import (
    Arrived,
    CallEnded,
    CallOpened,
    Connect,
    Drop,
    Leg,
    OfferAnswered,
    Reason,
    Refuse,
    Relegged,
    Requeued,
    Talking,
)
from fsqueue.engine.model import HangUp, plain_number
from fsqueue.engine.state import Call, Offer, State, Switch


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """What an event brings with it; each kind uses its part."""

    offer: Offer | None = None
    taker: Leg | None = None
    """The leg that dialled the pickup code."""
    arrived: Arrived | None = None
    group: str = ""
    ok: bool = True
    detail: str = ""
    unseen_since: float | None = None
    """Nobody saw it happen; the call was as it had been for the last time then (epoch seconds)."""


NOTHING = Event()

DRAINING = "draining"
"""Why a new caller is left to the dialplan's fallback while calls are only brought to their end."""

UNSEEN = "LOST"
"""The cause by which the legs tell that a caller turned out to be gone, without a word of how."""

TAKEN_AWAY = "FALLBACK"
"""The cause by which the legs tell that a caller is in the dialplan's fallback, and not gone."""


def call_event(s: State, call: Call, event: str, what: Event = NOTHING) -> bool:
    """Take the call's row for *event*; tell whether anything was done."""
    row = s.row("call", call.state, event)
    if not row.do:
        return False
    _ACTIONS[row.do](s, call, what)
    if call.state not in row.to:
        raise AssertionError(f"call {call.id}: {event} led to {call.state}, not {row.to}")
    return True


# --- arriving -----------------------------------------------------------------------------------------------------------


def arrive(s: State, arrived: Arrived) -> None:
    """Open a call, or recognise one (DESIGN: adoption is arrival)."""
    s.switches.setdefault(arrived.leg.switch, Switch(id=arrived.leg.switch))
    known = s.by_arrival.get(arrived.arrival)
    if known is not None and known.leg == arrived.leg:
        known.missing, known.seen = 0, s.now
        _is_here(s, known)
        if known.state == "waiting" and not arrived.found:
            visits.hold(s, known)
        elif known.state == "sent":
            visits.send_again(s, known)
        elif known.state == "talking" and arrived.found:
            # His member left while nobody saw it, and before the talk's end needed nobody.
            call_event(s, known, "connect_failed", Event(detail="found on hold again"))
        return
    if arrived.found and arrived.arrival in s.ended:
        s.command(Drop(arrived.leg, "NORMAL_CLEARING"))  # his end was decided, and who was to carry it out died
        return
    older = s.by_leg.get(arrived.leg)
    if older is not None:
        call_event(s, older, "rearrived")
    waiting = s.calls.get(arrived.takes)
    if waiting is not None and call_event(s, waiting, "taken_over", Event(arrived=arrived)):
        return
    if arrived.found:
        _reopen(s, arrived)
    elif not _came_back(s, arrived):
        _open(s, arrived)


def _came_back(s: State, arrived: Arrived) -> bool:
    """Turn away a forward that surely came back to us (S2): its caller is a call already, and our hold is no answer."""
    offer = s.offers.get(arrived.returned)
    call = s.calls.get(offer.call) if offer is not None else None
    if offer is None or call is None or not offer.number or not arrived.surely:
        return False
    visits.decide(s, call, "S2", f"forward {offer.number} came back to us and was turned away")
    s.command(Drop(arrived.leg, "USER_BUSY"))
    return True


def _is_here(s: State, call: Call) -> None:
    """A start has found the caller: his line is looked at again."""
    if not call.here:
        call.here = True
        s.touch(call.group)


def _open(s: State, arrived: Arrived) -> None:
    if s.draining and not arrived.call:
        # Whose channel has had a call of ours is no new caller: a member has transferred him to a group.
        _refuse(s, arrived, DRAINING)
        return
    group, number = visits.destination(s, arrived.to, arrived.dialled)
    if not group:
        _refuse(s, arrived, f"no group behind {arrived.to or arrived.dialled or 'an empty number'}")
        return
    if len(s.calls) >= s.plan.max_calls:
        _refuse(s, arrived, f"max_calls ({s.plan.max_calls}) reached")
        return
    # Who was transferred hears the music of the number that he dialled first (N3).
    first = number or arrived.number
    entry = s.plan.numbers.get(number)
    priority = arrived.priority
    if priority is None and entry is not None:
        priority = entry.priority
    call = _register(s, arrived, arrived.new_call, number=first, priority=priority, joined=s.now)
    visits.enter(s, call, group)


def _reopen(s: State, arrived: Arrived) -> None:
    joined = s.now if arrived.joined is None else min(arrived.joined, s.now)
    # A call that counts as lost has its one end (E1): who is found after all is another call, at his old place.
    over = arrived.call in s.calls or arrived.call in s.ended
    call_id = arrived.call if arrived.call and not over else arrived.new_call
    call = _register(s, arrived, call_id, number=arrived.number, priority=arrived.priority, joined=joined)
    call.held = True
    offers.pass_over_unrecorded(s, call)
    if arrived.group in s.queues:
        visits.enter(s, call, arrived.group, entered=min(arrived.entered or s.now, s.now))
        return
    group, _ = visits.destination(s, arrived.to, arrived.dialled)
    if group:
        visits.enter(s, call, group)
    else:
        visits.send(s, call, HangUp("NORMAL_TEMPORARY_FAILURE"), "group_removed")


def _register(s: State, arrived: Arrived, call_id: str, *, number: str, priority: int | None, joined: float) -> Call:
    call = Call(
        id=call_id,
        leg=arrived.leg,
        arrival=arrived.arrival,
        caller=arrived.caller,
        number=number,
        dialled=arrived.dialled,
        music=visits.music_for(s, number),
        own_priority=priority,
        joined=joined,
        place=joined,
        returned=bool(arrived.returned),
        seen=s.now,
    )
    s.calls[call.id] = call
    s.by_leg[call.leg] = call
    s.by_arrival[call.arrival] = call
    s.record(
        CallOpened(
            call=call.id,
            leg=call.leg,
            arrival=call.arrival,
            caller=call.caller,
            number=call.number,
            dialled=call.dialled,
            music=call.music,
            priority=priority,
            joined=joined,
            found=arrived.found,
            returned=call.returned,
        )
    )
    return call


def _refuse(s: State, arrived: Arrived, why: str) -> None:
    """Hand the caller to the dialplan's fallback at once; he still counts, as a call that was missed (E1)."""
    s.record(
        CallOpened(
            call=arrived.new_call,
            leg=arrived.leg,
            arrival=arrived.arrival,
            caller=arrived.caller,
            number=plain_number(arrived.dialled),
            dialled=arrived.dialled,
            music="",
            priority=arrived.priority,
            joined=s.now,
        )
    )
    s.record(CallEnded(call=arrived.new_call, reason="fallback", waited=0.0, detail=why))
    s.command(Refuse(arrived.leg, why))


# --- actions ------------------------------------------------------------------------------------------------------------


def _connect(s: State, call: Call, what: Event) -> None:
    offer = what.offer
    assert offer is not None  # noqa: S101 - both events carry it
    offers.withdraw_all(s, call, "elsewhere", but=offer.id)
    visits.leave_line(s, call)
    call.state = "connecting"
    call.winner = offer.id
    s.record(OfferAnswered(offer.id, call.id))
    s.command(Connect(call=call.id, leg=call.leg, offer=offer.id, taker=what.taker))


def _look_again(s: State, call: Call, what: Event) -> None:
    note_idle(s, call)


def note_idle(s: State, call: Call) -> None:
    """Note that something that rang for a waiting call stopped; U2 counts from when nothing rings any more."""
    queue = s.queue_of(call)
    if queue is None or call.live:
        return
    call.idle_since = s.now
    queue.hush(call)
    if call.rung:
        queue.passed[call.id] = call
    s.touch(queue.group.id)
    s.touched[call.id] = call
    visits.arm_idle(s, call, queue)


def _abandon(s: State, call: Call, what: Event) -> None:
    offers.withdraw_all(s, call, "caller_gone")
    if what.detail == TAKEN_AWAY:
        visits.end(s, call, "fallback", "his hold's lease or deadline ran out, and the dialplan took him")
    else:
        visits.end(s, call, "abandoned", what.detail, what.unseen_since)


def _talk(s: State, call: Call, what: Event) -> None:
    offer = s.offers[call.winner]
    call.state = "talking"
    call.talking_since = s.now
    s.record(Talking(call=call.id, offer=offer.id, member=offer.member, waited=max(0.0, s.now - call.joined)))


def _requeue(s: State, call: Call, what: Event) -> None:
    """Put a caller whose bridge failed back: the same place, in the same pass (E1 counts only talks that stand)."""
    offer = s.offers.get(call.winner)
    s.record(Requeued(call.id, call.winner, what.detail))
    call.winner, call.talking_since = "", 0.0
    if offer is not None and offer.state == "over":
        offers.missed_talk(s, offer, what.detail)
    elif offer is not None and offer.state == "answered":
        offers.offer_event(s, offer, "connect_failed", offers.Said(cause=what.detail))
    if call.forward:
        visits.send(s, call, HangUp(visits.CAUSES["unanswered"]), "no_answer")
        return
    queue = s.queue_of(call)
    if queue is None:
        visits.send(s, call, HangUp("NORMAL_TEMPORARY_FAILURE"), "group_removed")
        return
    call.state = "waiting"
    call.idle_since = s.now
    visits.stand_in_line(s, call, queue)
    if call.rung:
        queue.passed[call.id] = call


def _end_talk(s: State, call: Call, what: Event) -> None:
    visits.end(s, call, "forwarded" if call.forward else "answered", what.detail, what.unseen_since)


def _end_by_staff(s: State, call: Call, what: Event) -> None:
    reason: Reason = "ended_by_staff"
    if call.state == "talking":
        reason = "forwarded" if call.forward else "answered"
    offers.withdraw_all(s, call, "caller_gone")
    s.command(Drop(call.leg, "NORMAL_CLEARING"))
    visits.end(s, call, reason, what.detail or "ended by staff")


def _close_moved(s: State, call: Call, what: Event) -> None:
    offers.withdraw_all(s, call, "caller_gone")
    visits.end(s, call, "ended_by_staff", "its channel was sent to another destination")


def _close_removed(s: State, call: Call, what: Event) -> None:
    offers.withdraw_all(s, call, "step")
    s.command(Drop(call.leg, "NORMAL_TEMPORARY_FAILURE"))
    visits.end(s, call, "group_removed", what.detail)


def _lose(s: State, call: Call, what: Event) -> None:
    offers.withdraw_all(s, call, "caller_gone")
    detail = what.detail or "the switch does not have this caller any more"
    visits.end(s, call, "lost", detail, what.unseen_since)


def _finish_step(s: State, call: Call, what: Event) -> None:
    if what.detail == TAKEN_AWAY:
        visits.end(s, call, "fallback", "he was not in his step in time, and the dialplan took him")
        return
    if what.ok:
        visits.end(s, call, call.reason, what.detail, what.unseen_since)
        return
    s.command(Drop(call.leg, "NORMAL_TEMPORARY_FAILURE"))
    visits.end(s, call, "step_failed", what.detail)


def _stop_step(s: State, call: Call, what: Event) -> None:
    s.command(Drop(call.leg, "NORMAL_TEMPORARY_FAILURE"))
    visits.end(s, call, call.reason, "its step did not end by itself")


def _forward_failed(s: State, call: Call, what: Event) -> None:
    visits.send(s, call, HangUp(visits.CAUSES["unanswered"]), "no_answer")


def _move(s: State, call: Call, what: Event) -> None:
    offers.withdraw_all(s, call, "step")
    visits.leave_line(s, call)
    visits.enter(s, call, what.group)


def _take_over(s: State, call: Call, what: Event) -> None:
    _releg(s, call, what)
    visits.hold(s, call)


def _requeue_taken_over(s: State, call: Call, what: Event) -> None:
    _releg(s, call, what)
    _requeue(s, call, Event(detail="the caller was handed over while being connected"))
    if call.state == "waiting":
        visits.hold(s, call)


def _releg(s: State, call: Call, what: Event) -> None:
    arrived = what.arrived
    assert arrived is not None  # noqa: S101 - the event carries it
    if s.by_leg.get(call.leg) is call:
        del s.by_leg[call.leg]
    s.by_arrival.pop(call.arrival, None)
    call.missing, call.here, call.seen = 0, True, s.now
    call.leg, call.arrival, call.caller = arrived.leg, arrived.arrival, arrived.caller
    s.by_leg[call.leg] = call
    s.by_arrival[call.arrival] = call
    s.record(Relegged(call=call.id, leg=call.leg, arrival=call.arrival, caller=call.caller))


def _all_away(s: State, call: Call, what: Event) -> None:
    visits.take_step(s, call, "offline", "U1")


def _passed_over(s: State, call: Call, what: Event) -> None:
    visits.take_step(s, call, "unanswered", "U2")


def _waited_out(s: State, call: Call, what: Event) -> None:
    visits.take_step(s, call, "waited", "U4")


_ACTIONS: dict[str, Callable[[State, Call, Event], None]] = {
    "connect": _connect,
    "look_again": _look_again,
    "abandon": _abandon,
    "all_away": _all_away,
    "passed_over": _passed_over,
    "waited_out": _waited_out,
    "move": _move,
    "end_by_staff": _end_by_staff,
    "take_over": _take_over,
    "requeue_taken_over": _requeue_taken_over,
    "close_moved": _close_moved,
    "close_removed": _close_removed,
    "lose": _lose,
    "forward_failed": _forward_failed,
    "talk": _talk,
    "requeue": _requeue,
    "end_talk": _end_talk,
    "finish_step": _finish_step,
    "stop_step": _stop_step,
}
