"""State from records: what the journal of earlier runs says, folded back into calls, offers, turns and duty.

Only what is durable comes back. What phones and channels do is the switch's to say: until its first `Snapshot` no rule
fires, and what that snapshot doesn't show, twice, is let go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fsqueue.engine import offers, roster, staff, visits
from fsqueue.engine.messages import (
    CallEnded,
    CallOpened,
    Checkpoint,
    ConfigTaken,
    Decided,
    KeptCall,
    KeptOffer,
    MemberChanged,
    OfferAnswered,
    Offered,
    OfferOver,
    Record,
    Relegged,
    Requeued,
    Sent,
    SwitchChanged,
    Talking,
    TalkOver,
    TurnUsed,
    VisitBegan,
)
from fsqueue.engine.model import WITHDRAWAL_LIMIT, Group, Member
from fsqueue.engine.state import Call, Offer, Person, Queue, State, Switch


def restore(s: State, history: Iterable[tuple[Record, float]]) -> None:
    """Fold *history*, records with their times in the order they were written, into the empty state."""
    now, seen = s.now, {}
    for record, at in history:
        s.now = at
        if isinstance(record, SwitchChanged):
            seen[record.switch] = None if record.up else at
        fold = _FOLDS.get(type(record))
        if fold is not None:
            fold(s, record)
    for call in s.calls.values():
        # The run before this one saw him until its last word, unless his switch was out of its reach by then.
        call.seen = seen.get(call.leg.switch) or s.now
    s.now = max(now, s.now)
    _settle_down(s)


def _settle_down(s: State) -> None:
    """Put what was folded into lines and timers, under the configuration of this start."""
    for call in s.calls.values():
        s.by_leg[call.leg] = call
        s.by_arrival[call.arrival] = call
        call.here = False
        offers.pass_over_unrecorded(s, call)
        s.switches.setdefault(call.leg.switch, Switch(id=call.leg.switch))
        call.live = {o.id: o for o in call.live.values() if o.state in ("asked", "ringing", "answered")}
    for offer in s.offers.values():
        offer.here = False
        _hold_again(s, offer)
        if offer.state in ("asked", "ringing"):
            s.timers.set(("window", offer.id), offer.until)
        elif offer.state == "withdrawn":
            s.timers.set(("limit", offer.id), s.now + WITHDRAWAL_LIMIT)
    roster.configure(s, s.plan)
    for call in s.calls.values():
        _bound(s, call)
    for person in s.people.values():
        roster.arm(s, person)
    s.dirty.clear()
    s.touched.clear()


def _bound(s: State, call: Call) -> None:
    """Arm what bounds the call's stay; one whose group the file has no more must not be forgotten either."""
    queue = s.queue_of(call)
    if call.state == "waiting" and queue is not None:
        s.timers.set(("waited", call.id), call.limit)
        visits.arm_idle(s, call, queue)
    elif call.state == "waiting":
        s.timers.set(("orphan", call.id), s.now)
    elif call.state == "sent":
        s.timers.set(("stuck", call.id), s.now + visits.PARKED_LIMIT)


def _hold_again(s: State, offer: Offer) -> None:
    if offer.number:
        s.forwards += 1
        return
    person = s.people.setdefault(offer.member, Person(id=offer.member, member=Member(id=offer.member)))
    person.open[offer.id] = offer
    roster.hold(person, offer)


def _checkpoint(s: State, r: Checkpoint) -> None:
    """Begin anew with what *r* says."""
    s.calls.clear()
    s.offers.clear()
    s.ended = dict(r.ended)
    for turn in r.turns:
        _turn(s, turn)
    for member in r.members:
        _member(s, member)
    for call in r.calls:
        _kept_call(s, call)
    for offer in r.offers:
        _kept_offer(s, offer)


def _kept_call(s: State, kept: KeptCall) -> None:
    _opened(s, kept.opened)
    if kept.visit is not None:
        _visit(s, kept.visit)
    call = s.calls[kept.opened.call]
    call.state, call.reason, call.offers = kept.state, kept.reason, kept.offers
    call.step = visits.step_of(kept.step)
    call.rung = dict.fromkeys(kept.rung)
    call.idle_since, call.pass_until, call.noted = kept.idle_since, kept.pass_until, kept.noted
    call.winner, call.talking_since, call.forward = kept.winner, kept.talking_since, kept.forward


def _kept_offer(s: State, kept: KeptOffer) -> None:
    offered = kept.offered
    call = s.calls.get(offered.call)
    # A talk may outlive its call: the caller was transferred, or nobody has recorded him.
    offer = _offer(offered, kept.switch or (call.leg.switch if call is not None else ""), kept.began)
    offer.state, offer.verdict = kept.state, kept.verdict
    s.offers[offer.id] = offer
    if call is not None and offer.state in ("asked", "ringing", "answered"):
        call.live[offer.id] = offer


def _call_off(call: Call, but: str = "") -> None:
    """Withdraw what rang for the call: withdrawals are no records, they follow from what else became of it.

    Whether the switch was still told is unknown; when their time is up it is told again.
    """
    for offer in [offer for offer in call.live.values() if offer.id != but]:
        offer.state = "withdrawn"
        del call.live[offer.id]


def _opened(s: State, r: CallOpened) -> None:
    s.calls[r.call] = Call(
        id=r.call,
        leg=r.leg,
        arrival=r.arrival,
        caller=r.caller,
        number=r.number,
        dialled=r.dialled,
        music=r.music,
        own_priority=r.priority,
        joined=r.joined,
        place=r.joined,
        returned=r.returned,
        held=True,
    )


def _visit(s: State, r: VisitBegan) -> None:
    call = s.calls[r.call]
    _call_off(call)
    call.state, call.group, call.visits = "waiting", r.group, r.n
    call.entered, call.place, call.priority, call.limit = r.entered, r.joined, r.priority, r.limit
    call.rung, call.pass_until, call.noted, call.forward = {}, None, False, False
    call.idle_since = s.now


def _relegged(s: State, r: Relegged) -> None:
    call = s.calls[r.call]
    call.leg, call.arrival, call.caller = r.leg, r.arrival, r.caller


def _offered(s: State, r: Offered) -> None:
    call = s.calls[r.call]
    call.offers = max(call.offers, offers.number_of(r.offer))
    if r.rule in ("D2", "D3", "S2"):
        _call_off(call)  # of these one rings at a time
    offer = _offer(r, call.leg.switch, s.now)
    s.offers[offer.id] = offer
    call.live[offer.id] = offer
    if r.rule == "S2":
        call.state, call.forward = "forwarding", True
    elif r.rule != "P1":
        call.rung[r.member] = None
    if r.rule == "D4":  # all of a pass ring to the same moment, so a later one is of a later pass
        call.pass_until = r.until if call.pass_until is None else max(call.pass_until, r.until)


def _offer(r: Offered, switch: str, began: float) -> Offer:
    return Offer(
        id=r.offer,
        call=r.call,
        group=r.group,
        switch=switch,
        member=r.member,
        number=r.number,
        state="ringing" if r.rule != "P1" else "answered",
        began=began,
        until=r.until,
        rule=r.rule,
    )


def _answered(s: State, r: OfferAnswered) -> None:
    call = s.calls[r.call]
    _call_off(call, but=r.offer)
    call.state, call.winner = "connecting", r.offer
    s.offers[r.offer].state = "answered"


def _over(s: State, r: OfferOver) -> None:
    s.offers.pop(r.offer, None)
    call = s.calls.get(r.call)
    if call is None:
        return
    call.live.pop(r.offer, None)
    call.idle_since = s.now
    if r.outcome == "unreachable":
        call.rung.pop(r.member, None)


def _decided(s: State, r: Decided) -> None:
    call = s.calls[r.call]
    word = r.action.split(" ", 1)[0]
    if word == "wait":
        call.noted = True
        if r.rule == "U2":
            call.rung, call.pass_until = {}, None


def _sent(s: State, r: Sent) -> None:
    call = s.calls[r.call]
    _call_off(call)
    call.state, call.reason, call.step = "sent", r.reason, visits.step_of(r.step)


def _requeued(s: State, r: Requeued) -> None:
    call = s.calls[r.call]
    call.state, call.winner, call.talking_since = "waiting", "", 0.0
    call.live.pop(r.offer, None)
    call.idle_since = s.now
    offer = s.offers.get(r.offer)
    if offer is not None:
        offer.state, offer.verdict = "withdrawn", "failed"


def _talking(s: State, r: Talking) -> None:
    call = s.calls[r.call]
    call.state, call.winner, call.talking_since = "talking", r.offer, s.now
    call.live.pop(r.offer, None)
    s.offers[r.offer].state = "over"
    person = s.people.get(r.member)
    if person is not None:
        person.untaken = 0


def _talk_over(s: State, r: TalkOver) -> None:
    s.offers.pop(r.offer, None)


def _ended(s: State, r: CallEnded) -> None:
    call = s.calls.pop(r.call, None)
    if call is None:
        return
    _call_off(call)
    visits.remember(s, call.id if r.reason == "lost" else call.arrival)


def _member(s: State, r: MemberChanged) -> None:
    # By the name he had then, which may be none of today's: `roster.configure` lets go of who isn't there any more.
    person = s.people.setdefault(r.member, Person(id=r.member, member=Member(id=r.member)))
    person.duty, person.untaken = r.duty, r.untaken
    person.duty_reason = r.why if r.duty != "in" else ""
    person.quiet_until = r.quiet_until


def _turn(s: State, r: TurnUsed) -> None:
    queue = s.queues.setdefault(r.group, Queue(group=Group(id=r.group), window=0.0))
    queue.turns[r.member] = r.turn
    queue.last_turn = max(queue.last_turn, r.turn)


def _config(s: State, r: ConfigTaken) -> None:
    """Take renames over, and forget what was removed: added again under the same id it begins anew."""
    for renamed in r.renamed:
        staff.rename(s, renamed)
    for group in [group for group in s.queues if group not in r.groups]:
        del s.queues[group]
    held = [offer.member for offer in s.offers.values()]
    for person in [p for p in s.people.values() if p.id not in r.members and p.id not in held]:
        roster.forget(s, person)


_FOLDS: dict[type, Callable[[State, Any], None]] = {
    CallOpened: _opened,
    VisitBegan: _visit,
    Relegged: _relegged,
    Offered: _offered,
    OfferAnswered: _answered,
    OfferOver: _over,
    Decided: _decided,
    Sent: _sent,
    Requeued: _requeued,
    Talking: _talking,
    TalkOver: _talk_over,
    CallEnded: _ended,
    MemberChanged: _member,
    TurnUsed: _turn,
    ConfigTaken: _config,
    Checkpoint: _checkpoint,
}
