"""Members: availability from facts (M1), rest and wrap-up (M2), one offer or talk at a time (M3), turns (D2)."""

from __future__ import annotations

from fsqueue.engine.messages import DutyState, MemberChanged, TurnUsed
from fsqueue.engine.model import UNREACHABLE_FOR, Plan
from fsqueue.engine.state import Call, Offer, Person, Queue, State


def reachable(s: State, person: Person, switch: str) -> bool:
    """Whether a phone of his can be rung on *switch*, as far as is known (M1)."""
    if s.now < person.unrung_until:
        return False
    return not person.member.registers or person.reach.get(switch, False)


def is_online(s: State, person: Person, switch: str) -> bool:
    """Whether he is neither unreachable, logged out nor paused (M1)."""
    return person.duty == "in" and not person.gone and reachable(s, person, switch)


def is_free(s: State, person: Person, switch: str) -> bool:
    """Whether he may be rung now (M1: available)."""
    return (
        is_online(s, person, switch)
        and person.holding == "free"
        and not person.others
        and s.now >= person.quiet_until
    )  # fmt: skip


def describe(s: State, person: Person, switch: str) -> str:
    """Return the one word people are shown for what he does; derived, never stored."""
    if person.holding == "talk":
        return "talking"
    if person.holding == "offer":
        return "ringing"
    if person.duty != "in":
        return "paused" if person.duty == "paused" else "logged out"
    if not reachable(s, person, switch):
        return "offline"
    if person.others:
        return "on another call"
    if s.now < person.quiet_until:
        return person.quiet_why or "resting"
    return "available"


def refresh(s: State, person: Person) -> None:
    """Bring his queues up to date with his facts; to be called after every change of one."""
    for switch in s.switches:
        online = is_online(s, person, switch)
        free = online and is_free(s, person, switch)
        if online == person.online.get(switch, False) and free == person.free.get(switch, False):
            continue
        for group in person.groups:
            queue = s.queues[group]
            if online != person.online.get(switch, False):
                _count_online(s, queue, switch, 1 if online else -1)
            if free != person.free.get(switch, False):
                (queue.place if free else queue.remove)(switch, person.id)
            s.touch(group)
        person.online[switch] = online
        person.free[switch] = free


def _count_online(s: State, queue: Queue, switch: str, by: int) -> None:
    queue.online[switch] = queue.online.get(switch, 0) + by
    mark_away(s, queue, switch)


def mark_away(s: State, queue: Queue, switch: str) -> None:
    """Note since when all of the queue's members are away on *switch*, and look again after one ring (U1)."""
    if queue.online.get(switch, 0) > 0:
        queue.away_since.pop(switch, None)
    elif s.switches[switch].known and switch not in queue.away_since:
        queue.away_since[switch] = s.now
        _arm_away(s, queue, switch)


def _arm_away(s: State, queue: Queue, switch: str) -> None:
    s.timers.set(("away", queue.group.id, switch), max(s.now, queue.away_since[switch] + s.plan.ring))


def changed(s: State, person: Person, why: str, by: str = "") -> None:
    """Record his durable facts after a change that must survive a restart."""
    switch = next(iter(s.switches), "")
    s.record(
        MemberChanged(
            member=person.id,
            duty=person.duty,
            why=why,
            by=by,
            untaken=person.untaken,
            quiet_until=person.quiet_until,
            state=describe(s, person, switch),
        )
    )


def set_duty(s: State, person: Person, duty: DutyState, reason: str, by: str) -> None:
    """Log him in or out, or pause him; a ring or talk that he has goes on (M3)."""
    person.duty = duty
    person.duty_reason = reason if duty != "in" else ""
    person.untaken = 0
    changed(s, person, reason or {"in": "logged in", "out": "logged out", "paused": "paused"}[duty], by)
    refresh(s, person)


def use_turn(s: State, offer: Offer) -> None:
    """Put the offer's member at the end of the fair order (D2)."""
    queue = s.queues.get(offer.group)
    if queue is None or queue.group.distribution != "evenly" or offer.member not in queue.order:
        return
    offer.turn_before = queue.turns.get(offer.member, -1)
    queue.last_turn += 1
    _set_turn(s, queue, offer.member, queue.last_turn)


def give_turn_back(s: State, offer: Offer) -> None:
    """Put the member where he was before an offer whose phone could not be rung (D2)."""
    queue = s.queues.get(offer.group)
    if queue is None or offer.turn_before is None or offer.member not in queue.order:
        return
    _set_turn(s, queue, offer.member, offer.turn_before)
    offer.turn_before = None


def _set_turn(s: State, queue: Queue, member: str, turn: int) -> None:
    queue.turns[member] = turn
    for switch in s.switches:
        if (switch, member) in queue.placed:
            queue.remove(switch, member)
            queue.place(switch, member)
    s.record(TurnUsed(group=queue.group.id, member=member, turn=turn))


def member_event(s: State, offer: Offer, event: str) -> bool:
    """Take the member's row for *event* of *offer*; tell whether anything was done.

    A release that names another offer than the one he holds is `other_released`: a loser's end must not free the
    winner.
    """
    person = s.people.get(offer.member)
    if person is None:
        return False
    if event in ("released", "connected") and person.holds != offer.id:
        event = "other_released"
    row = s.row("member", person.holding, event)
    if not row.do:
        return False
    if row.do == "take":
        person.holding, person.holds = "offer", offer.id
    elif row.do == "talk":
        person.holding = "talk"
    else:
        _let_go(person)
    if person.holding not in row.to:
        raise AssertionError(f"member {person.id}: {event} led to {person.holding}, not {row.to}")
    refresh(s, person)
    if person.gone and person.holding == "free":
        forget(s, person)
    return True


def hold(person: Person, offer: Offer) -> None:
    """Let *offer*, or the talk it became, be the one that he holds."""
    person.holds = offer.id
    person.holding = "talk" if offer.state == "over" else "offer"


def _let_go(person: Person) -> None:
    """Free him of the one that he held; but he may be in another one, of which a start learned only from the switch."""
    person.holding, person.holds = "free", ""
    for offer in person.open.values():
        if offer.state != "withdrawn" and person.holding != "talk":
            hold(person, offer)


def rest(s: State, offer: Offer) -> None:
    """Let the member rest after an offer that he did not take (M2), and pause him when it is one too many in a row."""
    person = s.people.get(offer.member)
    if person is None:
        return
    person.untaken += 1
    quieten(s, person, s.now + s.plan.rest, "resting")
    limit = person.member.pause_after
    if limit and person.untaken >= limit and person.duty == "in":
        set_duty(s, person, "paused", f"{person.untaken} offers in a row not taken", by="pause_after")
    else:
        changed(s, person, "offer not taken")


def quieten(s: State, person: Person, until: float, why: str) -> None:
    """Don't ring him before *until* (epoch seconds), or the later time he has already."""
    if until <= max(s.now, person.quiet_until):
        return
    person.quiet_until, person.quiet_why = until, why
    arm(s, person)
    refresh(s, person)


def pause_for_breath(s: State, offer: Offer) -> None:
    """Give the turn back after an offer that the switch itself could not make, and ask it again only after a rest."""
    give_turn_back(s, offer)
    person = s.people.get(offer.member)
    if person is not None:
        quieten(s, person, s.now + s.plan.rest, "resting")


def could_not_be_rung(s: State, offer: Offer) -> None:
    """Count his phones as unreachable for a while (M1), and give his turn back (D2)."""
    give_turn_back(s, offer)
    person = s.people.get(offer.member)
    if person is None:
        return
    person.unrung_until = s.now + UNREACHABLE_FOR
    arm(s, person)
    refresh(s, person)


def arm(s: State, person: Person) -> None:
    """Have him looked at again when the next of his times has come."""
    ahead = [when for when in (person.quiet_until, person.unrung_until) if when > s.now]
    if ahead:
        s.quiet.set(("member", person.id), min(ahead))
    else:
        s.quiet.clear(("member", person.id))


def catch_up(s: State) -> None:
    """Take in whose rest, wrap-up or unreachable time is over by now."""
    while (name := s.quiet.pop_due(s.now)) is not None:
        person = s.people[name[1]]
        refresh(s, person)
        arm(s, person)


def forget(s: State, person: Person) -> None:
    """Drop a removed member who holds nothing any more."""
    s.quiet.clear(("member", person.id))
    s.people.pop(person.id, None)


def configure(s: State, plan: Plan) -> None:
    """Build queues and people for *plan*, keeping what is known of those that stay.

    Everything is counted anew from the facts: a configuration changes rarely, and what is derived can't be wrong then.
    """
    s.plan = plan
    old = s.queues
    s.queues = {}
    for group in plan.groups.values():
        queue = Queue(group=group, window=plan.window(group), order={m: i for i, m in enumerate(group.members)})
        before = old.get(group.id)
        if before is not None:
            queue.turns = {m: t for m, t in before.turns.items() if m in queue.order}
            queue.last_turn = before.last_turn
            queue.away_since = before.away_since
            queue.head = before.head
        s.queues[group.id] = queue
    s.by_extension = {g.extension: g.id for g in plan.groups.values() if g.extension}
    _configure_people(s, plan)
    for call in s.calls.values():
        _configure_call(s, call)
    for queue in s.queues.values():
        for switch in s.switches:
            mark_away(s, queue, switch)
            if switch in queue.away_since:
                _arm_away(s, queue, switch)  # its timer bears the group's id, which may be another one now
        s.touch(queue.group.id)


def _configure_people(s: State, plan: Plan) -> None:
    for person in list(s.people.values()):
        person.online, person.free, person.groups = {}, {}, ()
        person.gone = person.id not in plan.members
        if person.gone and person.holding == "free":
            forget(s, person)
    for member in plan.members.values():
        person = s.people.setdefault(member.id, Person(id=member.id, member=member))
        person.member = member
        person.groups = tuple(g.id for g in plan.groups.values() if member.id in s.queues[g.id].order)
        refresh(s, person)
    s.by_user = {m.user: m.id for m in plan.members.values() if m.user}


def _configure_call(s: State, call: Call) -> None:
    queue = s.queue_of(call)
    if call.state != "waiting" or queue is None:
        return
    call.limit = call.entered + queue.group.max_wait
    queue.join(call)
    if queue.group.distribution != "to-all":
        call.pass_until = None
    if call.rung and not call.live:
        queue.passed[call.id] = call
