"""The queue's rules as one pure machine: inputs in, records and commands out, and the time of the next deadline.

No clock, no I/O, no randomness: the same history gives the same steps. The driver calls `handle` with each input and
the time, writes the records, then carries out the commands; when `deadline()` comes it hands in `Wake`. Inputs of the
same instant go before the deadline, so that who picks up at the last moment gets the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fsqueue.engine import calls, checkpoint, offers, replay, roster, rules, sight, staff
from fsqueue.engine.messages import (
    Answered,
    Arrived,
    CallerGone,
    CaughtUp,
    Checkpoint,
    Configure,
    Connected,
    ConnectFailed,
    Drain,
    Duty,
    DutyCode,
    Hangup,
    Input,
    Move,
    OfferEnded,
    OtherCall,
    Pickup,
    Reach,
    Record,
    Ringing,
    Snapshot,
    Stalled,
    Step,
    StepDone,
    SwitchDown,
    SwitchRestarted,
    TalkEnded,
    Undrain,
    Wake,
    Withdraw,
)
from fsqueue.engine.model import Plan
from fsqueue.engine.state import Call, Observer, Offer, State


class Engine:
    """The rules of one installation, over all its switches."""

    def __init__(self, plan: Plan, observer: Observer | None = None) -> None:
        """Start empty with *plan*; *observer* is told of every row of the transition tables that is taken."""
        self.state = State(plan, observer)
        roster.configure(self.state, plan)
        self.state.dirty.clear()

    def restore(self, history: Iterable[tuple[Record, float]], now: float) -> None:
        """Take up where the records of earlier runs, with their times, ended; to be called before any input."""
        self.state.now = now
        replay.restore(self.state, history)

    def handle(self, given: Input, now: float) -> Step:
        """Apply one input at *now* (epoch seconds; a time before the last one counts as the last one)."""
        s = self.state
        s.now = max(s.now, now)
        roster.catch_up(s)
        _HANDLERS[type(given)](s, given)
        rules.settle(s)
        step = Step(tuple(s.records), tuple(s.commands))
        s.records.clear()
        s.commands.clear()
        return step

    def checkpoint(self) -> Checkpoint:
        """Return what `restore` needs of everything so far, as one record."""
        return checkpoint.take(self.state)

    def deadline(self) -> float | None:
        """Return when `Wake` is due, in epoch seconds; None when nothing is."""
        dues = [due for due in (self.state.timers.next(), self.state.quiet.next()) if due is not None]
        return min(dues, default=None)


def _wake(s: State, _: Wake) -> None:
    while (name := s.timers.pop_due(s.now)) is not None:
        rules.fire(s, name)
        rules.settle(s)


def _caller_gone(s: State, seen: CallerGone) -> None:
    call = s.by_leg.get(seen.leg)
    if call is not None:
        if seen.cause != calls.UNSEEN:
            calls.call_event(s, call, "caller_gone", calls.Event(detail=seen.cause))
        elif call.here:
            calls.call_event(s, call, "caller_gone", calls.Event(detail=seen.cause, unseen_since=call.seen))
        else:
            calls.call_event(s, call, "vanished", calls.Event(unseen_since=call.seen))


def _ringing(s: State, seen: Ringing) -> None:
    offer = s.offers.get(seen.offer)
    if offer is not None:
        offers.offer_event(s, offer, "ringing")
    else:
        # Given up long ago, or rung by a predecessor whose disk has not kept it: its member would be rung twice.
        s.command(Withdraw(seen.offer, "elsewhere"))


def _answered(s: State, seen: Answered) -> None:
    offer = s.offers.get(seen.offer)
    if offer is None:
        s.command(Withdraw(seen.offer, "elsewhere"))  # D1: whatever answers and isn't wanted is hung up
    elif offers.offer_event(s, offer, "answered") and offer.state == "answered":
        calls.call_event(s, s.calls[offer.call], "answered", calls.Event(offer=offer))


def _offer_ended(s: State, seen: OfferEnded) -> None:
    offer = s.offers.get(seen.offer)
    if offer is None:
        return
    was = offer.state
    if not offers.offer_event(s, offer, "ended", offers.Said(seen.outcome, seen.cause)) or was == "withdrawn":
        return
    call = s.calls[offer.call]
    if was == "answered" or not call.live:
        calls.call_event(s, call, "offer_over", calls.Event(detail=seen.cause))


def _connected(s: State, seen: Connected) -> None:
    offer = s.offers.get(seen.offer)
    if offer is None and seen.found and seen.call not in s.calls:
        offers.found_talking(s, seen.offer, seen.call, seen.member, seen.switch)
        return
    if offer is None and seen.found:
        offer = _unrecorded_talk(s, seen, s.calls[seen.call])
    if offer is None:
        s.command(Withdraw(seen.offer, "elsewhere"))
        return
    if seen.found and offer.state in ("asked", "ringing"):
        _answered(s, Answered(seen.offer))  # its answer was heard by a predecessor, who didn't live to record it
    if offers.offer_event(s, offer, "connected") and offer.state == "over":
        calls.call_event(s, s.calls[offer.call], "connected")


def _unrecorded_talk(s: State, seen: Connected, call: Call) -> Offer | None:
    """Take up a predecessor's talk whose records its disk has not kept: the two talk, whatever is written of it.

    Return its offer, None where the call is past talking.
    """
    if call.state in ("connecting", "talking") and not call.forward:
        calls.call_event(s, call, "connect_failed", calls.Event(detail="found in another talk"))
    if call.state != "waiting":
        return None
    offer = offers.found_answered(s, call, seen.offer, seen.member)
    calls.call_event(s, call, "answered", calls.Event(offer=offer))
    return offer


def _connect_failed(s: State, seen: ConnectFailed) -> None:
    call = s.calls.get(seen.call)
    if call is not None and call.winner == seen.offer:
        calls.call_event(s, call, "connect_failed", calls.Event(detail=seen.why))
        return
    offer = s.offers.get(seen.offer)
    if call is None and offer is not None and not offer.group:
        offers.free_after_talk(s, offer)  # his caller was one whom nobody has recorded


def _talk_ended(s: State, seen: TalkEnded) -> None:
    offer = s.offers.get(seen.offer)
    if offer is None or offer.state != "over":
        return
    call = s.calls.get(seen.call)
    if call is not None and call.winner == seen.offer:
        calls.call_event(s, call, "talk_ended", calls.Event(detail=seen.why))
    offers.free_after_talk(s, offer)


def _step_done(s: State, seen: StepDone) -> None:
    call = s.calls.get(seen.call)
    if call is not None:
        calls.call_event(s, call, "step_done", calls.Event(ok=seen.ok, detail=seen.detail))


_HANDLERS: dict[type, Callable[[State, Any], None]] = {
    Snapshot: sight.snapshot,
    SwitchRestarted: sight.restarted,
    SwitchDown: sight.down,
    Arrived: calls.arrive,
    CallerGone: _caller_gone,
    Ringing: _ringing,
    Answered: _answered,
    OfferEnded: _offer_ended,
    Connected: _connected,
    ConnectFailed: _connect_failed,
    TalkEnded: _talk_ended,
    StepDone: _step_done,
    Reach: staff.reach,
    OtherCall: staff.other_call,
    Pickup: staff.pickup,
    DutyCode: staff.duty_code,
    Duty: staff.duty,
    Move: staff.move,
    Hangup: staff.hangup,
    Drain: staff.drain,
    Undrain: staff.undrain,
    Configure: staff.configure,
    Stalled: sight.stalled,
    CaughtUp: sight.caught_up,
    Wake: _wake,
}
