"""What the switch shows: snapshots, and a switch that goes out of reach or was restarted."""

from __future__ import annotations

from fsqueue.engine import calls, offers, roster, visits
from fsqueue.engine.messages import (
    CaughtUp,
    Connect,
    Snapshot,
    Stalled,
    SwitchChanged,
    SwitchDown,
    SwitchRestarted,
)
from fsqueue.engine.state import Offer, State, Switch

SEEN_TWICE = 2
"""Snapshots in a row without a leg after which it is gone: the switch's channel table is up to 420 ms behind its
events (measured), so one that misses it says nothing."""


def snapshot(s: State, seen: Snapshot) -> None:
    """Take over that the switch is in reach, and let go of what is not on it any more."""
    switch = s.switches.setdefault(seen.switch, Switch(id=seen.switch))
    restarted = bool(switch.core) and switch.core != seen.core
    if restarted:
        _forget_legs(s, seen.switch)
    back = not switch.known and not restarted
    if not switch.known or restarted:
        s.record(SwitchChanged(switch=seen.switch, up=True, core=seen.core))
    switch.core, switch.known = seen.core, True
    if not restarted:
        _count_offers(s, seen)
        _count_missing(s, seen)
    for person in s.people.values():
        roster.refresh(s, person)
    for queue in s.queues.values():
        roster.mark_away(s, queue, seen.switch)
        s.touch(queue.group.id)
    if back:
        _say_again(s, seen.switch)


def _say_again(s: State, switch: str) -> None:
    """Repeat what may have been lost with the process, or the link, that was to say it; the legs know if it wasn't."""
    for call in s.calls.values():
        if call.leg.switch != switch:
            continue
        if not call.here and call.state == "sent":
            visits.send_again(s, call)
        elif not call.here and call.state != "talking":
            visits.hold(s, call)
        if call.state == "connecting":
            s.command(Connect(call=call.id, leg=call.leg, offer=call.winner))


def _count_offers(s: State, seen: Snapshot) -> None:
    """Pass over the ids of offers that the switch has legs of and no record: none of theirs is ever used twice."""
    for leg in seen.legs:
        call = s.calls.get(leg.call)
        if call is not None and leg.offer:
            call.offers = max(call.offers, offers.number_of(leg.offer))


def _count_missing(s: State, seen: Snapshot) -> None:
    legs = {leg.uuid for leg in seen.legs if leg.kind != "sought"}
    sought = {leg.uuid for leg in seen.legs if leg.kind == "sought"}
    rung = {leg.offer for leg in seen.legs if leg.offer}
    for call in list(s.calls.values()):
        if call.leg.switch != seen.switch or call.leg.uuid in sought:
            continue
        if call.leg.uuid in legs:
            call.missing, call.seen = 0, s.now
            continue
        call.missing += 1
        if call.missing >= SEEN_TWICE:
            calls.call_event(s, call, "vanished", calls.Event(unseen_since=call.seen))
    for offer in list(s.offers.values()):
        if offer.switch != seen.switch:
            continue
        offer.missing = 0 if offer.id in rung else offer.missing + 1
        if offer.missing >= SEEN_TWICE:
            offer_gone(s, offer, "the switch does not have its legs any more")


def offer_gone(s: State, offer: Offer, cause: str) -> None:
    """End an offer, or the talk it became, whose legs are gone without a word."""
    call = s.calls.get(offer.call)
    if offer.state == "over":
        if call is not None and call.winner == offer.id:
            calls.call_event(s, call, "talk_ended", calls.Event(detail=cause, unseen_since=call.seen))
        offers.free_after_talk(s, offer)
        return
    was = offer.state
    offers.offer_event(s, offer, "ended", offers.Said("lost", cause))
    if was == "withdrawn":
        return  # nothing of it rang any more; U2 counts from when it was withdrawn
    if call is not None and (call.winner == offer.id or not call.live):
        calls.call_event(s, call, "offer_over", calls.Event(detail=cause))


def restarted(s: State, seen: SwitchRestarted) -> None:
    """Close what was on the switch, and nothing of what arrives on the new one before its first snapshot."""
    switch = s.switches.setdefault(seen.switch, Switch(id=seen.switch))
    if switch.core != seen.core:
        switch.core = seen.core
        _forget_legs(s, seen.switch)
        for person in s.people.values():
            roster.refresh(s, person)


def _forget_legs(s: State, switch: str) -> None:
    """Close everything of a switch that was restarted: its channels died with it."""
    for call in list(s.calls.values()):
        if call.leg.switch == switch:
            what = calls.Event(detail="the switch was restarted", unseen_since=call.seen)
            calls.call_event(s, call, "vanished", what)
    for offer in list(s.offers.values()):
        if offer.switch == switch:
            offer_gone(s, offer, "the switch was restarted")
    for person in s.people.values():
        for leg in [leg for leg in person.others if leg.switch == switch]:
            del person.others[leg]


def stalled(s: State, _: Stalled) -> None:
    """Decide nothing for now."""
    s.stalled = True


def caught_up(s: State, _: CaughtUp) -> None:
    """Decide again, and look at every line: what came during the stall has been taken in."""
    s.stalled = False
    for group in s.queues:
        s.touch(group)
    s.touched.update(s.calls)


def down(s: State, seen: SwitchDown) -> None:
    """Take over that the switch is out of reach: no rule fires for its calls until it is back."""
    switch = s.switches.setdefault(seen.switch, Switch(id=seen.switch))
    if switch.known:
        s.record(SwitchChanged(switch=seen.switch, up=False, core=switch.core))
    switch.known = False
    for queue in s.queues.values():
        queue.away_since.pop(seen.switch, None)
        s.touch(queue.group.id)  # the first caller who can be rung for may be another one now
