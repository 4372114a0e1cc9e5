"""A call's way through groups: where it leads (N1), entering, steps (S1 to S3), and its one end (E1)."""

from __future__ import annotations

from fsqueue.engine import offers, roster
from fsqueue.engine.messages import Announce, CallEnded, Decided, Hold, Reason, Send, Sent, VisitBegan
from fsqueue.engine.model import MAX_VISITS, Forward, HangUp, Occasion, Step, ToGroup, Voicemail, Wait, plain_number
from fsqueue.engine.state import Call, Queue, State

PARKED_LIMIT = 3600.0
"""Seconds that a call may stay in a step; a step has its own ends, this one is for when they fail."""

HOLD_MARGIN = 120.0
"""Seconds after its own last moment here in which a caller's hold sends him to the dialplan's fallback: late enough
never to cut in while we live, early enough that nobody waits for a daemon that forgot him."""

CAUSES: dict[Occasion, str] = {
    "unanswered": "NO_ANSWER",
    "offline": "SUBSCRIBER_ABSENT",
    "full": "USER_BUSY",
    "waited": "NO_ANSWER",
}
"""What a hang-up step without a cause of its own says: 480, 480, 486, 480."""

_REASONS: dict[Occasion, Reason] = {
    "unanswered": "no_answer",
    "offline": "offline",
    "full": "full",
    "waited": "timed_out",
}


def destination(s: State, to: str, dialled: str) -> tuple[str, str]:
    """Return (group, number) for an arrival; group is empty where it leads nowhere, number where none was dialled.

    What the dialplan says wins, and may be a group's id as well; else what was dialled. Numbers are looked up before
    extensions (N1).
    """
    if to in s.plan.groups:
        return to, ""
    wanted = plain_number(to or dialled)
    number = s.plan.numbers.get(wanted)
    if number is not None:
        return number.group, number.id
    return s.by_extension.get(to or dialled, ""), ""


def music_for(s: State, number: str) -> str:
    """Return the hold music of who dialled *number*; empty means that he came by extension (N3)."""
    entry = s.plan.numbers.get(number)
    return entry.music if entry is not None and entry.music else s.plan.music


def hold(s: State, call: Call) -> None:
    """Have the switch hold the caller with the facts of this visit on his channel."""
    last = max([call.limit, *(offer.until for offer in call.live.values())])
    s.command(
        Hold(
            call=call.id,
            leg=call.leg,
            arrival=call.arrival,
            group=call.group,
            number=call.number,
            music=call.music,
            dialled=call.dialled,
            priority=call.priority,
            joined=call.place,
            entered=call.entered,
            deadline=last + HOLD_MARGIN,
        )
    )
    call.held = True


def enter(s: State, call: Call, group: str, entered: float | None = None) -> None:
    """Begin the call's visit to *group*: its place in the line, or at once the step of a full or deserted group.

    *entered*, in epoch seconds, is for a call found again, whose visit began before.
    """
    queue = s.queues.get(group)
    if queue is None:
        send(s, call, HangUp(CAUSES["unanswered"]), "step_failed")
        return
    call.state = "waiting"
    call.group = group
    call.visits += 1
    call.entered = s.now if entered is None else entered
    call.limit = call.entered + queue.group.max_wait
    call.priority = queue.group.priority if call.own_priority is None else call.own_priority
    call.rung, call.pass_until, call.noted, call.forward = {}, None, False, False
    call.idle_since = s.now
    s.record(
        VisitBegan(
            call=call.id,
            group=group,
            n=call.visits,
            entered=call.entered,
            joined=call.place,
            priority=call.priority,
            limit=call.limit,
        )
    )
    full = queue.group.max_waiting
    deserted = s.on_known_switch(call) and not queue.online.get(call.leg.switch, 0)
    if entered is None and full and len(queue.line) >= full:
        take_step(s, call, "full", "full")
    elif deserted and _leaves(queue, "offline"):
        take_step(s, call, "offline", "U1")
    else:
        stand_in_line(s, call, queue)
        hold(s, call)
        if deserted:
            take_step(s, call, "offline", "U1")  # he waits on, and hears the prompt (S1)


def _leaves(queue: Queue, occasion: Occasion) -> bool:
    return not isinstance(queue.group.step(occasion), Wait)


def stand_in_line(s: State, call: Call, queue: Queue) -> None:
    """Put the call at its place and arm what bounds its stay."""
    queue.join(call)
    s.timers.set(("waited", call.id), call.limit)
    s.touch(queue.group.id)
    s.touched[call.id] = call
    arm_idle(s, call, queue)


def arm_idle(s: State, call: Call, queue: Queue) -> None:
    """Have U2's window watched, where its end would change anything.

    A `wait` whose pass has rung nobody and whose prompt has been played would only begin the same pass again: a
    thousand such callers must not cost a thousand wake-ups every window.
    """
    if call.live or (queue.group.distribution == "to-all" and queue.head != call.id):
        s.timers.clear(("idle", call.id))
        return
    step = queue.group.step("unanswered")
    fresh = not call.rung and call.pass_until is None
    if isinstance(step, Wait) and fresh and (call.noted or not step.prompt):
        s.timers.clear(("idle", call.id))
    else:
        due = call.idle_since + queue.window
        s.timers.set(("idle", call.id), due if call.pass_until is None else min(due, call.pass_until))


def leave_line(s: State, call: Call) -> None:
    """Take the call out of its line; its place is in its key and kept."""
    queue = s.queue_of(call)
    if queue is not None:
        queue.leave(call)
        s.touch(queue.group.id)
    s.timers.clear(("waited", call.id))
    s.timers.clear(("idle", call.id))
    s.touched.pop(call.id, None)


def decide(s: State, call: Call, rule: str, action: str) -> None:
    """Record what a rule decided, and what each member was doing."""
    queue = s.queue_of(call)
    members = queue.group.members if queue is not None else ()
    because = {m: _why(s, call, m) for m in members}
    s.record(Decided(call=call.id, group=call.group, rule=rule, action=action, because=because))


def _why(s: State, call: Call, member: str) -> str:
    person = s.people[member]
    what = roster.describe(s, person, call.leg.switch)
    return f"rung in this pass, {what}" if member in call.rung else what


def take_step(s: State, call: Call, occasion: Occasion, rule: str) -> None:
    """Carry out the group's step for *occasion* (S1)."""
    group = s.plan.groups[call.group]
    step = group.step(occasion)
    if isinstance(step, Wait):
        _wait(s, call, step, rule)
        return
    leave_line(s, call)
    offers.withdraw_all(s, call, "step")
    decide(s, call, rule, describe_step(step))
    if isinstance(step, ToGroup):
        if call.visits >= MAX_VISITS:
            send(s, call, HangUp(CAUSES["unanswered"]), "step_failed")
        else:
            enter(s, call, step.group)
    elif isinstance(step, Forward):
        _forward(s, call, step)
    elif isinstance(step, Voicemail):
        send(s, call, step, "voicemail")
    else:
        send(s, call, step if step.cause else HangUp(CAUSES[occasion]), _REASONS[occasion])


def describe_step(step: Step) -> str:
    """Return the step as one word and its target: ``voicemail 1000@example.com``."""
    if isinstance(step, Voicemail):
        return f"voicemail {step.mailbox}"
    if isinstance(step, Forward):
        return f"forward {step.member or step.number}"
    if isinstance(step, ToGroup):
        return f"group {step.group}"
    if isinstance(step, Wait):
        return "wait"
    return f"hangup {step.cause}".rstrip()


def _wait(s: State, call: Call, step: Wait, rule: str) -> None:
    again = rule == "U2" and bool(call.rung)  # a pass that rang somebody is over: that is news, an idle one's end isn't
    if not call.noted or again:
        decide(s, call, rule, "wait")
    if not call.noted:
        call.noted = True
        if step.prompt:
            s.command(Announce(call.id, call.leg, step.prompt))
    if rule == "U2":
        begin_pass(s, call)


def begin_pass(s: State, call: Call) -> None:
    """Let everybody be rung again (U2 with `wait`)."""
    call.rung, call.pass_until = {}, None
    call.idle_since = s.now
    queue = s.queues[call.group]
    queue.passed.pop(call.id, None)
    arm_idle(s, call, queue)
    s.touch(call.group)


def _forward(s: State, call: Call, step: Forward) -> None:
    if why := _not_forwarded(s, call, step):
        s.record(Decided(call=call.id, group=call.group, rule="S2", action=f"{describe_step(step)} not tried: {why}"))
        send(s, call, HangUp(CAUSES["unanswered"]), "no_answer")
        return
    call.state = "forwarding"
    call.forward = True
    offers.ring_target(s, call, step)
    # His hold's own deadline has to outlast the target's ringing; it is told first, since he may not be held yet.
    ring = s.commands.pop()
    hold(s, call)
    s.command(ring)


def _not_forwarded(s: State, call: Call, step: Forward) -> str:
    """Return why this forward can't be tried now; empty when it can."""
    if step.member:
        person = s.people.get(step.member)
        if person is None:
            return "there is no such member"
        return "" if roster.is_free(s, person, call.leg.switch) else roster.describe(s, person, call.leg.switch)
    if call.returned:
        return "this call seems to be a forward that came back"
    if s.plan.max_forwards and s.forwards >= s.plan.max_forwards:
        return f"max_forwards ({s.plan.max_forwards}) reached"
    return ""


def send(s: State, call: Call, step: Voicemail | HangUp, reason: Reason) -> None:
    """Send the call out of the queue; it ends with *reason* when the switch says that it is done."""
    call.state = "sent"
    call.reason, call.step = reason, step
    s.record(Sent(call=call.id, step=describe_step(step), reason=reason))
    s.timers.set(("stuck", call.id), s.now + PARKED_LIMIT)
    s.command(Send(call.id, call.leg, step))


def send_again(s: State, call: Call) -> None:
    """Repeat the step of a call whose caller is still on hold: who was to send him died before he did."""
    s.command(Send(call.id, call.leg, call.step))


def step_of(words: str) -> Voicemail | HangUp:
    """Return the step that *words* (`describe_step`) say."""
    name, _, what = words.partition(" ")
    return Voicemail(what) if name == "voicemail" else HangUp(what)


REMEMBERED = 60.0
"""Seconds an ended call's arrival, or the id of a lost one, is known as ended: the switch's channel table is up to half a
second behind its events, and a snapshot may be long under way."""


def remember(s: State, name: str) -> None:
    """Know the arrival, or the call, by that name as ended for a while."""
    s.ended.pop(name, None)
    s.ended[name] = s.now
    while (oldest := next(iter(s.ended))) != name and s.ended[oldest] < s.now - REMEMBERED:
        del s.ended[oldest]


def end(s: State, call: Call, reason: Reason, detail: str = "", unseen_since: float | None = None) -> None:
    """End the call, once, with *reason*; whatever still rings for it is withdrawn by who calls this.

    *unseen_since*: nobody saw it end; it was there for the last time at this moment (epoch seconds).
    """
    until = s.now if unseen_since is None else unseen_since
    leave_line(s, call)
    talk = s.offers.get(call.winner) if call.talking_since else None
    s.timers.clear(("stuck", call.id))
    call.state = "ended"
    s.calls.pop(call.id, None)
    if s.by_leg.get(call.leg) is call:
        del s.by_leg[call.leg]
    if s.by_arrival.get(call.arrival) is call:
        del s.by_arrival[call.arrival]
    # Who counts as lost and is found after all is no leftover, but his call's id is used.
    remember(s, call.id if reason == "lost" else call.arrival)
    s.record(
        CallEnded(
            call=call.id,
            reason=reason,
            waited=max(0.0, (call.talking_since or until) - call.joined),
            talked=max(0.0, until - call.talking_since) if call.talking_since else 0.0,
            group=call.group,
            member=talk.member if talk is not None else "",
            detail=detail,
            unseen_since=unseen_since,
        )
    )
