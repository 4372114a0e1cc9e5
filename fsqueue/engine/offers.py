"""Offers: ringing a member or a number, withdrawing, and what an offer's end means for its member."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from fsqueue.engine import roster
from fsqueue.engine.messages import (
    Offered,
    OfferOver,
    Outcome,
    Ring,
    TalkOver,
    Withdraw,
    WithdrawWhy,
)
from fsqueue.engine.model import WITHDRAWAL_LIMIT, Forward, Group
from fsqueue.engine.state import Call, Offer, Queue, State

MOST_OFFERS = 100
"""Offers that one call makes in a second, at most."""

NUMBERS = 100 * 86400 * MOST_OFFERS
"""After so many, a hundred days' worth, the numbers that go by the time begin anew."""


def _new(
    s: State, call: Call, rule: str, until: float, *, member: str = "", number: str = "", known_as: str = ""
) -> Offer:
    if known_as:
        call.offers = max(call.offers, number_of(known_as))
    else:
        call.offers += 1
    offer = Offer(
        id=known_as or f"{call.id}.{call.offers}",
        call=call.id,
        group=call.group,
        switch=call.leg.switch,
        member=member,
        number=number,
        began=s.now,
        until=until,
        rule=rule,
    )
    s.add_offer(offer)
    call.live[offer.id] = offer
    s.record(
        Offered(
            offer=offer.id, call=call.id, group=call.group, member=member, number=number, until=until, rule=rule
        )
    )  # fmt: skip
    return offer


def _order_ring(s: State, call: Call, offer: Offer, forward: Forward | None = None) -> None:
    group = s.plan.groups.get(call.group)
    s.timers.set(("window", offer.id), offer.until)
    s.command(
        Ring(
            offer=offer.id,
            call=call.id,
            leg=call.leg,
            member=offer.member,
            number=offer.number,
            timeout=offer.until - s.now,
            caller=call.caller,
            prefix=_prefix(s, call, group) if group is not None and not offer.number else "",
            music=call.music,
            key=forward.key if forward is not None else "",
            prompt=forward.prompt if forward is not None else "",
            caller_id=forward.caller_id if forward is not None else "caller",
        )
    )


def _prefix(s: State, call: Call, group: Group) -> str:
    """Return the group's prefix as this phone is to show it: ``{waited}`` as minutes and seconds, ``1:05``."""
    minutes, seconds = divmod(int(max(0.0, s.now - call.joined)), 60)
    # The group's name last: it is somebody's text, and is not searched for braces.
    return group.prefix.replace("{waited}", f"{minutes}:{seconds:02}").replace("{group}", group.name or group.id)


RULE_OF = {"evenly": "D2", "in-order": "D3", "to-all": "D4"}


def ring_member(s: State, call: Call, queue: Queue, member: str, until: float) -> None:
    """Ring *member* for *call* in this pass, until *until* at the latest."""
    offer = _new(s, call, RULE_OF[queue.group.distribution], until, member=member)
    call.rung[member] = None
    queue.rings(call)
    roster.member_event(s, offer, "rung")
    roster.use_turn(s, offer)
    _order_ring(s, call, offer)


def ring_target(s: State, call: Call, forward: Forward) -> None:
    """Ring a forward's target, outside any pass (S2)."""
    offer = _new(s, call, "S2", s.now + forward.timeout, member=forward.member, number=forward.number)
    if forward.member:
        roster.member_event(s, offer, "rung")
    else:
        s.forwards += 1
    _order_ring(s, call, offer, forward)


def pick_up(s: State, call: Call, member: str) -> Offer:
    """Make the offer of a member who takes the call by code: answered from the start (P1)."""
    offer = _new(s, call, "P1", s.now, member=member)
    offer.state = "answered"
    roster.member_event(s, offer, "picked")
    roster.use_turn(s, offer)
    return offer


def found_answered(s: State, call: Call, offer: str, member: str) -> Offer:
    """Make the offer by that id of a talk that was found, and of which no record was kept.

    It may have another call's name in it: his caller was sent on and was another call for a while, of which no record was kept either.
    """
    found = _new(s, call, "D2", s.now, member=member, known_as=offer)
    call.rung[member] = None
    found.state = "answered"
    roster.member_event(s, found, "picked")
    return found


def found_talking(s: State, offer: str, call: str, member: str, switch: str) -> None:
    """Note that a member talks to a caller whom no record knows: he is not free until that talk ends (M3)."""
    found = Offer(id=offer, call=call, group="", switch=switch, member=member, state="over", began=s.now)
    s.add_offer(found)
    roster.member_event(s, found, "picked")
    roster.member_event(s, found, "connected")


def pass_over_unrecorded(s: State, call: Call) -> None:
    """Pass over the numbers of offers that a predecessor may have made and its disk not kept: no uuid is used twice.

    How many is not known; that it was fewer than a hundred in each second is. So the numbers go on by the time of the start, not by
    how long the caller has been there: where the clock was set back he has come in what is still to be.
    """
    call.offers = max(call.offers, int(s.now * MOST_OFFERS) % NUMBERS)


def number_of(offer: str) -> int:
    """Return the n of an offer's id, ``CALL.n``; 0 where it is none of ours."""
    number = offer.rpartition(".")[2]
    return int(number) if number.isdecimal() else 0


def withdraw_all(s: State, call: Call, why: WithdrawWhy, but: str = "") -> None:
    """Withdraw the call's live offers, except the one with id *but*."""
    for offer in list(call.live.values()):
        if offer.id != but:
            offer_event(s, offer, "withdraw", Said(why=why))


# --- the offer's machine ------------------------------------------------------------------------------------------------


class Said(NamedTuple):
    """What an event brings with it; each kind uses its part."""

    outcome: Outcome = "withdrawn"
    cause: str = ""
    why: WithdrawWhy = "step"


def offer_event(s: State, offer: Offer, event: str, what: Said = Said()) -> bool:  # noqa: B008 - immutable
    """Take the offer's row for *event*; tell whether anything was done."""
    row = s.row("offer", offer.state, event)
    offer.here = offer.here or event in ("ringing", "answered", "connected")
    if not row.do:
        return False
    _ACTIONS[row.do](s, offer, what)
    if offer.state not in row.to:
        raise AssertionError(f"offer {offer.id}: {event} led to {offer.state}, not {row.to}")
    return True


def _ring(s: State, offer: Offer, what: Said) -> None:
    offer.state = "ringing"


def _win(s: State, offer: Offer, what: Said) -> None:
    offer.state = "answered"
    s.timers.clear(("window", offer.id))


def _call_off(s: State, offer: Offer, why: WithdrawWhy) -> None:
    offer.state = "withdrawn"
    s.timers.clear(("window", offer.id))
    s.timers.set(("limit", offer.id), s.now + WITHDRAWAL_LIMIT)
    s.command(Withdraw(offer.id, why, offer.switch))
    call = s.calls.get(offer.call)
    if call is not None:
        call.live.pop(offer.id, None)


def _run_out(s: State, offer: Offer, what: Said) -> None:
    offer.verdict = "no_answer"
    _call_off(s, offer, "timeout")


def _withdraw(s: State, offer: Offer, what: Said) -> None:
    _call_off(s, offer, what.why)


def _fail(s: State, offer: Offer, what: Said) -> None:
    offer.verdict = "failed"
    _call_off(s, offer, "step")


def _kill(s: State, offer: Offer, what: Said) -> None:
    s.command(Withdraw(offer.id, "elsewhere", offer.switch))


def _end(s: State, offer: Offer, what: Said) -> None:
    # A withdrawn offer ends with what it was withdrawn for, whatever its legs said last; one that had answered did
    # ring, so its end is a failed bridge and nothing else.
    outcome = what.outcome
    if offer.state == "withdrawn":
        outcome = offer.verdict
    elif offer.state == "answered":
        outcome = "failed"
    unknown = outcome == "lost" and not offer.here
    _over(s, offer, outcome, what.cause, blame=not unknown and (offer.state != "asked" or outcome != "failed"))
    call = s.calls.get(offer.call)
    if unknown and call is not None:
        call.rung.pop(offer.member, None)  # who was to ring him may have died before: he may be rung in this pass (D1)


def _lose(s: State, offer: Offer, what: Said) -> None:
    s.command(Withdraw(offer.id, "step", offer.switch))
    _over(s, offer, "lost", what.cause or "its end was never seen", blame=offer.verdict != "withdrawn")


NOT_TAKEN: tuple[Outcome, ...] = ("declined", "busy", "no_answer", "failed", "lost")
"""Outcomes after which a member rests (M2)."""


def _over(s: State, offer: Offer, outcome: Outcome, cause: str, *, blame: bool) -> None:
    offer.state = "over"
    close(s, offer)
    s.record(
        OfferOver(
            offer=offer.id,
            call=offer.call,
            member=offer.member,
            outcome=outcome,
            seconds=max(0.0, s.now - offer.began),
            cause=cause,
        )
    )
    roster.member_event(s, offer, "released")
    if outcome == "unreachable":
        roster.could_not_be_rung(s, offer)
        call = s.calls.get(offer.call)
        if call is not None:
            call.rung.pop(offer.member, None)  # his phone never rang: he may be rung in this pass (D1)
    elif outcome in NOT_TAKEN and blame:
        roster.rest(s, offer)
    elif outcome == "failed":
        roster.pause_for_breath(s, offer)


def close(s: State, offer: Offer) -> None:
    """Forget the offer; its member is released by who calls this."""
    s.timers.clear(("window", offer.id))
    s.timers.clear(("limit", offer.id))
    s.drop_offer(offer)
    if offer.number:
        s.forwards -= 1
    call = s.calls.get(offer.call)
    if call is not None:
        call.live.pop(offer.id, None)


def _become_talk(s: State, offer: Offer, what: Said) -> None:
    offer.state = "over"
    s.calls[offer.call].live.pop(offer.id, None)
    person = s.people.get(offer.member)
    if person is not None:
        person.untaken = 0
    roster.member_event(s, offer, "connected")


def free_after_talk(s: State, offer: Offer) -> None:
    """End the member's side of a talk: he is free after the wrap-up of the group whose call he had (M2)."""
    close(s, offer)
    s.record(TalkOver(call=offer.call, offer=offer.id, member=offer.member))
    group = s.plan.groups.get(offer.group)
    released = roster.member_event(s, offer, "released")
    person = s.people.get(offer.member)  # a removed member is forgotten when he is released
    if released and person is not None and group is not None and group.wrap_up:
        roster.quieten(s, person, s.now + group.wrap_up, "wrap-up")
        roster.changed(s, person, "wrap-up")


def missed_talk(s: State, offer: Offer, cause: str) -> None:
    """End a talk that its member left within two seconds: he has not taken the call (M2)."""
    s.command(Withdraw(offer.id, "step", offer.switch))
    _over(s, offer, "failed", cause, blame=True)


_Action = Callable[[State, Offer, Said], None]

_ACTIONS: dict[str, _Action] = {
    "ring": _ring,
    "win": _win,
    "run_out": _run_out,
    "withdraw": _withdraw,
    "fail": _fail,
    "kill": _kill,
    "end": _end,
    "lose": _lose,
    "become_talk": _become_talk,
}
