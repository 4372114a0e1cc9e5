"""The line (L1), whom it rings (D1 to D4), and what becomes of a call that nobody takes (U1, U2, U4).

`settle` is run after every input: it looks at the groups that the input concerned, from the heads of their lines, until
nothing more follows. `fire` carries out what has come due.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge

from fsqueue.engine import calls, offers, visits
from fsqueue.engine.model import Wait
from fsqueue.engine.state import Call, LineKey, Queue, State
from fsqueue.engine.timers import Name


def settle(s: State) -> None:
    """Apply the rules until nothing more follows from what has changed; in a stall, not yet: its end looks at all."""
    if s.stalled:
        s.dirty.clear()
        s.touched.clear()
    while s.dirty or s.touched:
        groups, s.dirty = s.dirty, {}
        touched, s.touched = s.touched, {}
        queues = [s.queues[group] for group in groups if group in s.queues]
        for queue in queues:
            _find_head(s, queue)
        for _, call, queue in merge(*(_candidates(s, queue) for queue in queues)):
            _ring_for(s, call, queue)
        for queue in queues:
            for call in list(queue.passed.values()):
                _check_passed(s, call, queue)
        for call in touched.values():
            _check_away(s, call)


def _candidates(s: State, queue: Queue) -> Iterator[tuple[LineKey, Call, Queue]]:
    """Yield the calls of the queue that may ring somebody, in the line's order, while anybody is available."""
    if queue.group.distribution == "to-all":
        head = s.calls.get(queue.head)
        if head is not None and any(queue.free.values()):
            yield head.key, head, queue
        return
    at = 0
    while at < len(queue.quiet) and any(queue.free.values()):
        key, call = queue.quiet[at]
        if s.may_ring(call):
            yield key, call, queue
        if at < len(queue.quiet) and queue.quiet[at][1] is call:
            at += 1  # else it is being rung now, and the next one has moved up


def _find_head(s: State, queue: Queue) -> None:
    """Note which call of a `to-all` group is first; time spent behind the first doesn't count for U2 (D4)."""
    if queue.group.distribution != "to-all":
        return
    head = next((call for _, call in queue.line if s.may_ring(call)), None)
    if head is None:
        queue.head = ""
    elif head.id != queue.head:
        queue.head = head.id
        head.idle_since = s.now
        visits.arm_idle(s, head, queue)


def _ring_for(s: State, call: Call, queue: Queue) -> None:
    if queue.group.distribution == "to-all":
        _ring_all(s, call, queue)
    else:
        _ring_next(s, call, queue)


def _ring_next(s: State, call: Call, queue: Queue) -> None:
    """Ring the first available member who was not rung in this pass: by turn (D2) or by the list (D3)."""
    until = min(s.now + queue.window, call.limit)
    if until - s.now < s.plan.ring:
        return  # D1: nobody is rung for less than one ring
    for _, _, member in queue.free.get(call.leg.switch, ()):
        if member not in call.rung:
            s.timers.clear(("idle", call.id))
            offers.ring_member(s, call, queue, member, until)
            return


def _ring_all(s: State, call: Call, queue: Queue) -> None:
    """Ring everybody available for what is left of the pass's one window (D4)."""
    fresh = [m for _, _, m in queue.free.get(call.leg.switch, ()) if m not in call.rung]
    if not fresh:
        return
    window_ends = s.now + queue.window if call.pass_until is None else call.pass_until
    until = min(window_ends, call.limit)
    if until - s.now < s.plan.ring:
        return  # D1; nor has the pass's window begun then
    call.pass_until = window_ends
    s.timers.clear(("idle", call.id))
    for member in fresh:
        offers.ring_member(s, call, queue, member, until)


def _check_passed(s: State, call: Call, queue: Queue) -> None:
    """U2 at once: nothing rings, and every online member was rung in this pass; with `to-all` also when the pass's one
    window is over.
    """
    if call.state != "waiting" or call.live:
        queue.passed.pop(call.id, None)
        return
    if not s.on_known_switch(call):
        return  # looked at again when the switch is back
    switch = call.leg.switch
    online = queue.online.get(switch, 0)
    over = call.pass_until is not None and s.now >= call.pass_until and queue.head == call.id
    if not over:
        if not online or len(call.rung) < online:
            return
        rung = sum(1 for m in call.rung if m in queue.order and s.people[m].online.get(switch, False))
        if rung < online:
            return
    calls.call_event(s, call, "passed_over")


def _check_away(s: State, call: Call) -> None:
    """U1 later than at entering: all are away, have been for one ring, and nothing rings for the call any more."""
    queue = s.queue_of(call)
    if call.state != "waiting" or call.live or queue is None or not s.on_known_switch(call):
        return
    since = queue.away_since.get(call.leg.switch)
    if since is not None and s.now >= since + s.plan.ring:
        calls.call_event(s, call, "all_away")


# --- what comes due -----------------------------------------------------------------------------------------------------


def fire(s: State, name: Name) -> None:
    """Carry out the timer *name*, which has come due."""
    kind, what = name[0], name[1]
    if kind == "window":
        _window_over(s, what)
    elif kind == "waited":
        _limit(s, what)
    elif kind == "limit":
        offer = s.offers.get(what)
        if offer is not None:
            offers.offer_event(s, offer, "limit")
    elif kind == "idle":
        _idle(s, what)
    elif kind == "away":
        _away(s, what, name[2])
    elif kind == "orphan":
        _orphan(s, what)
    else:
        call = s.calls.get(what)
        if call is not None:
            calls.call_event(s, call, "stuck")


def _window_over(s: State, offer_id: str) -> None:
    offer = s.offers.get(offer_id)
    if offer is None:
        return
    call = s.calls[offer.call]
    if not s.on_known_switch(call):
        s.timers.set(("window", offer_id), s.now + s.plan.ring)
        return
    if offers.offer_event(s, offer, "window_over") and not call.live:
        calls.call_event(s, call, "offer_over")


def _limit(s: State, call_id: str) -> None:
    call = s.calls.get(call_id)
    if call is None:
        return
    if not s.on_known_switch(call):
        s.timers.set(("waited", call_id), s.now + s.plan.ring)
        return
    calls.call_event(s, call, "waited_out")


def _orphan(s: State, call_id: str) -> None:
    """End a call found in the records whose group was removed while this process was down."""
    call = s.calls.get(call_id)
    if call is None or s.queue_of(call) is not None:
        return
    if not s.on_known_switch(call):
        s.timers.set(("orphan", call_id), s.now + s.plan.ring)
    else:
        detail = f"group {call.group} was removed"
        calls.call_event(s, call, "group_removed", calls.Event(detail=detail))


def _idle(s: State, call_id: str) -> None:
    """U2 by time: nothing has rung for the call for one window."""
    call = s.calls.get(call_id)
    queue = s.queue_of(call) if call is not None else None
    if call is None or queue is None or call.live:
        return
    if queue.group.distribution == "to-all" and queue.head != call_id:
        return  # time behind the first doesn't count (D4); somebody of higher priority came before him
    if not s.on_known_switch(call):
        s.timers.set(("idle", call_id), s.now + s.plan.ring)
    else:
        calls.call_event(s, call, "passed_over")


def _away(s: State, group: str, switch: str) -> None:
    """U1 for a whole line: everybody has been away for one ring."""
    queue = s.queues.get(group)
    if queue is None or queue.away_since.get(switch) is None:
        return
    waits = isinstance(queue.group.step("offline"), Wait)
    for _, call in list(queue.line):
        if call.leg.switch == switch and not (waits and call.noted):
            _check_away(s, call)
