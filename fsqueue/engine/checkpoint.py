"""Checkpoints: the durable part of the state as one record, and back again."""

from __future__ import annotations

from fsqueue.engine import visits
from fsqueue.engine.messages import (
    CallOpened,
    Checkpoint,
    KeptCall,
    KeptOffer,
    MemberChanged,
    Offered,
    TurnUsed,
    VisitBegan,
)
from fsqueue.engine.state import Call, Offer, Person, State


def take(s: State) -> Checkpoint:
    """Return all that a start has to know, in the order in which it came about."""
    return Checkpoint(
        calls=tuple(_keep_call(call) for call in s.calls.values()),
        offers=tuple(_keep_offer(offer) for offer in s.offers.values()),
        turns=tuple(
            TurnUsed(group=queue.group.id, member=member, turn=turn)
            for queue in s.queues.values()
            for member, turn in queue.turns.items()
        ),
        members=tuple(_keep_member(person) for person in s.people.values() if not person.gone),
        ended=dict(s.ended),
    )


def _keep_member(person: Person) -> MemberChanged:
    return MemberChanged(
        member=person.id,
        duty=person.duty,
        why=person.duty_reason,
        untaken=person.untaken,
        quiet_until=person.quiet_until,
    )


def _keep_call(call: Call) -> KeptCall:
    opened = CallOpened(
        call=call.id,
        leg=call.leg,
        arrival=call.arrival,
        caller=call.caller,
        number=call.number,
        dialled=call.dialled,
        music=call.music,
        priority=call.own_priority,
        joined=call.joined,
        returned=call.returned,
    )
    visit = VisitBegan(
        call=call.id,
        group=call.group,
        n=call.visits,
        entered=call.entered,
        joined=call.place,
        priority=call.priority,
        limit=call.limit,
    )
    return KeptCall(
        opened=opened,
        visit=visit if call.visits else None,
        state=call.state,
        reason=call.reason,
        rung=tuple(call.rung),
        idle_since=call.idle_since,
        pass_until=call.pass_until,
        noted=call.noted,
        offers=call.offers,
        winner=call.winner,
        talking_since=call.talking_since,
        forward=call.forward,
        step=visits.describe_step(call.step) if call.state == "sent" else "",
    )


def _keep_offer(offer: Offer) -> KeptOffer:
    offered = Offered(
        offer=offer.id,
        call=offer.call,
        group=offer.group,
        member=offer.member,
        number=offer.number,
        until=offer.until,
        rule=offer.rule,
    )
    return KeptOffer(offered=offered, state=offer.state, began=offer.began, verdict=offer.verdict, switch=offer.switch)
