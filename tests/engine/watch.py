"""The onlooker: checks every step of an engine against the rules, from inputs, records and commands alone.

Feed it each input with its time and the step it led to. It raises AssertionError with the rule's id at the first step
that breaks a rule. It works out U1, U2 and U4 for itself and so also finds what should have happened and didn't.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fsqueue.engine import messages as m
from fsqueue.engine.model import (
    MAX_VISITS,
    UNREACHABLE_FOR,
    WITHDRAWAL_LIMIT,
    Forward,
    HangUp,
    Plan,
    ToGroup,
    Voicemail,
    Wait,
)
from tests.engine.facts import EPS, Facts, SeenCall, SeenOffer

HANGUP_REASONS = {"U1": "offline", "U2": "no_answer", "U4": "timed_out", "full": "full"}


def expect(holds: object, rule: str, words: str) -> None:
    """Fail with the rule's id unless *holds*."""
    if not holds:
        raise AssertionError(f"{rule}: {words}")


class Watch:
    """One onlooker of one engine."""

    def __init__(self, plan: Plan) -> None:
        """Begin before the engine's first input."""
        self.f = Facts(plan)
        self.before = 0.0
        self.given: m.Input = m.Wake()
        self.step = m.Step()
        self.was_free: dict[tuple[str, str], bool] = {}
        self.rang_now: dict[str, m.Offered] = {}
        self.reasons: dict[str, str] = {}
        """What calls must end with in this step, if they end."""
        self.may_end: dict[str, str] = {}
        """Offers that may be over in this step, and with what outcome."""
        self.talk_over: SeenOffer | None = None
        self.ends = 0

    def see(self, given: m.Input, now: float, step: m.Step, deadline: float | None) -> None:
        """Check one step; *deadline* is the engine's after it."""
        f = self.f
        self.before, f.now = f.now, max(f.now, now)
        self.given, self.step = given, step
        self.was_free = {(p, s): f.free(p, s, self.before) for p in f.plan.members for s in f.known_since}
        self.rang_now, self.reasons, self.may_end = {}, {}, {}
        handler = _INPUTS.get(type(given))
        if handler is not None:
            handler(self, given)
        held_back = [c for c in step.commands if isinstance(c, m.Withdraw) and not self._withdraw(c)]
        for record in step.records:
            on_record = _RECORDS.get(type(record))
            if on_record is not None:
                on_record(self, record)
        for withdraw in held_back:
            self._withdraw(withdraw)
        for command in step.commands:
            on_command = _COMMANDS.get(type(command))
            if on_command is not None:
                on_command(self, command)
        expect(not self.rang_now, "D1", f"offered without a Ring: {list(self.rang_now)}")
        self._after(deadline)

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _snapshot(self, seen: m.Snapshot) -> None:
        f = self.f
        f.known_since.setdefault(seen.switch, f.now)
        if f.cores.setdefault(seen.switch, seen.core) != seen.core:
            self._switch_restarted(m.SwitchRestarted(seen.switch, seen.core))
            return
        callers = {leg.uuid for leg in seen.legs}
        sought = {leg.uuid for leg in seen.legs if leg.kind == "sought"}
        offers = {leg.offer for leg in seen.legs}
        for call in [c for c in f.calls.values() if c.leg.switch == seen.switch and c.leg.uuid not in sought]:
            call.missing = 0 if call.leg.uuid in callers else call.missing + 1
            if call.missing >= 2:
                self.reasons[call.id] = self._natural(call, "lost")
        for offer in [o for o in f.offers.values() if o.switch == seen.switch]:
            offer.missing = 0 if offer.id in offers else offer.missing + 1
            if offer.missing >= 2:
                self._offer_gone(offer, "lost")

    def _switch_restarted(self, seen: m.SwitchRestarted) -> None:
        f = self.f
        if f.cores.get(seen.switch) == seen.core:
            return
        f.cores[seen.switch] = seen.core
        for call in [c for c in f.calls.values() if c.leg.switch == seen.switch]:
            self.reasons[call.id] = self._natural(call, "lost")
        for offer in [o for o in f.offers.values() if o.switch == seen.switch]:
            self._offer_gone(offer, "lost")
        for member in f.members.values():
            member.others = {leg: None for leg in member.others if leg.switch != seen.switch}

    def _offer_gone(self, offer: SeenOffer, outcome: str) -> None:
        """The switch has no leg of the offer any more."""
        f = self.f
        call = f.calls.get(offer.call)
        if offer.state == "talk":
            if call is not None and call.winner == offer.id:
                self.reasons[call.id] = self._natural(call, "answered")
            self._talk_released(offer)
            return
        self.may_end[offer.id] = outcome
        if offer.state == "answered" and call is not None and call.winner == offer.id:
            self._requeue(call)

    def _switch_down(self, seen: m.SwitchDown) -> None:
        self.f.known_since.pop(seen.switch, None)
        for key in [key for key in self.f.away_since if key[1] == seen.switch]:
            del self.f.away_since[key]

    def _stalled(self, _: m.Stalled) -> None:
        self.f.stalled, self.f.known_since = self.f.known_since, {}

    def _caught_up(self, _: m.CaughtUp) -> None:
        f = self.f
        f.known_since, f.stalled = f.stalled, {}
        for group, (before, _) in list(f.head_since.items()):
            head = f.head(group) if group in f.plan.groups else None
            if head is not None and head.id != before:
                del f.head_since[group]  # who came back to the first place in the stall is looked at first

    def _arrived(self, seen: m.Arrived) -> None:
        for call in self.f.calls.values():
            if call.leg == seen.leg and call.arrival != seen.arrival:
                self.reasons[call.id] = self._natural(call, "ended_by_staff")
        self.reasons.setdefault(seen.new_call, "fallback")

    def _caller_gone(self, seen: m.CallerGone) -> None:
        for call in self.f.calls.values():
            if call.leg == seen.leg:
                taken = seen.cause == "FALLBACK" and call.state in ("waiting", "forwarding", "connecting", "sent")
                self.reasons[call.id] = "fallback" if taken else self._natural(call, "abandoned")

    def _natural(self, call: SeenCall, otherwise: str) -> str:
        """What a call ends with that ends by itself: a talk was a talk, a step was that step."""
        if call.state == "talking":
            return "forwarded" if call.forward else "answered"
        return call.reason if call.state == "sent" and otherwise != "ended_by_staff_order" else otherwise

    def _ringing(self, seen: m.Ringing) -> None:
        if seen.offer in self.f.offers:
            self.f.offers[seen.offer].rang = True

    def _answered(self, seen: m.Answered) -> None:
        offer = self.f.offers.get(seen.offer)
        if offer is not None:
            offer.rang = True
        if offer is None or offer.state == "withdrawn":
            self._must_kill(seen.offer)
        elif offer.state == "live":
            connects = [c for c in self.step.commands if isinstance(c, m.Connect)]
            expect([c.offer for c in connects] == [offer.id], "D1", "who picks up a live offer gets the call")

    def _must_kill(self, offer: str) -> None:
        killed = any(isinstance(c, m.Withdraw) and c.offer == offer for c in self.step.commands)
        expect(killed, "D1", f"a withdrawn offer is final, but {offer} was not hung up")

    def _offer_ended(self, seen: m.OfferEnded) -> None:
        offer = self.f.offers.get(seen.offer)
        if offer is not None and offer.state != "talk":
            self._offer_gone(offer, seen.outcome)

    def _connected(self, seen: m.Connected) -> None:
        offer = self.f.offers.get(seen.offer)
        if offer is None or offer.state == "withdrawn":
            self._must_kill(seen.offer)
        elif offer.state == "answered":
            offer.state = "talk"
            if offer.member:
                self.f.member(offer.member).untaken = 0

    def _connect_failed(self, seen: m.ConnectFailed) -> None:
        call, offer = self.f.calls.get(seen.call), self.f.offers.get(seen.offer)
        if call is None or offer is None or call.winner != seen.offer:
            return
        self._must_kill(seen.offer)
        if offer.state == "talk":
            offer.state, offer.why = "withdrawn", "failed"
            self.may_end[offer.id] = "failed"
        self._requeue(call)

    def _requeue(self, call: SeenCall) -> None:
        call.winner, call.idle_since = "", self.f.now
        if call.forward:
            call.state, call.reason = "sent", "no_answer"
        elif call.group not in self.f.plan.groups:
            call.state, call.reason = "sent", "group_removed"
        else:
            call.state = "waiting"
            if self.f.head(call.group) is call:
                self.f.head_since.pop(call.group, None)

    def _talk_ended(self, seen: m.TalkEnded) -> None:
        offer, call = self.f.offers.get(seen.offer), self.f.calls.get(seen.call)
        if offer is None or offer.state != "talk":
            return
        if call is not None and call.winner == offer.id:
            self.reasons[call.id] = self._natural(call, "answered")
        self._talk_released(offer)

    def _talk_released(self, offer: SeenOffer) -> None:
        """M2: wrap-up is that of the group whose call he had."""
        f = self.f
        del f.offers[offer.id]
        group = f.plan.groups.get(offer.group)
        if group is not None and offer.member in f.plan.members:
            member = f.member(offer.member)
            member.quiet_until = max(member.quiet_until, f.now + group.wrap_up)

    def _step_done(self, seen: m.StepDone) -> None:
        call = self.f.calls.get(seen.call)
        if call is not None and call.state == "sent":
            self.reasons[call.id] = call.reason if seen.ok else "step_failed"

    def _reach(self, seen: m.Reach) -> None:
        member = self.f.member(seen.member)
        member.reach[seen.switch] = seen.reachable
        if seen.reachable:
            member.unrung_until = 0.0

    def _other_call(self, seen: m.OtherCall) -> None:
        if seen.member not in self.f.plan.members:
            return
        member = self.f.member(seen.member)
        if not seen.present:
            member.others.pop(seen.leg, None)
            return
        member.others[seen.leg] = None
        for offer in self.f.held(seen.member):
            if offer.state == "live":
                self._must_withdraw(offer, "M3", "who starts another call while we ring him is withdrawn")

    def _must_withdraw(self, offer: SeenOffer, rule: str, words: str) -> None:
        killed = any(isinstance(c, m.Withdraw) and c.offer == offer.id for c in self.step.commands)
        expect(killed, rule, words)

    def _duty(self, order: m.Duty) -> None:
        if order.member in self.f.plan.members:
            member = self.f.member(order.member)
            member.duty, member.untaken = order.duty, 0

    def _duty_code(self, dialled: m.DutyCode) -> None:
        known = next((p for p in self.f.plan.members.values() if p.user == dialled.user), None)
        if known is not None:
            member = self.f.member(known.id)
            resumes = dialled.duty == "paused" and member.duty == "paused"
            member.duty, member.untaken = "in" if resumes else dialled.duty, 0

    def _hangup(self, order: m.Hangup) -> None:
        call = self.f.calls.get(order.call)
        if call is not None:
            talk = "forwarded" if call.forward else "answered"
            self.reasons[call.id] = talk if call.state == "talking" else "ended_by_staff"

    def _configure(self, order: m.Configure) -> None:
        f = self.f
        for renamed in order.renamed:
            _rename(f, renamed)
        for call in f.calls.values():
            if call.state == "waiting" and call.group not in order.plan.groups:
                self.reasons[call.id] = "group_removed"
        f.plan = order.plan
        for call in f.calls.values():
            if call.state == "waiting" and call.group in f.plan.groups:
                call.limit = call.entered + f.group(call).max_wait
                if f.group(call).distribution != "to-all":
                    call.pass_until = None
        f.turns = {k: t for k, t in f.turns.items() if k[0] in f.plan.groups and k[1] in f.plan.groups[k[0]].members}
        f.away_since = {k: t for k, t in f.away_since.items() if k[0] in f.plan.groups}
        for name in [n for n in f.members if n not in f.plan.members and not f.held(n)]:
            del f.members[name]

    # --- withdrawals --------------------------------------------------------------------------------------------------

    def _withdraw(self, command: m.Withdraw) -> bool:
        """Take a Withdraw in; False when its offer is not known yet."""
        f = self.f
        offer = f.offers.get(command.offer)
        if offer is None:
            return not any(isinstance(r, m.Offered) and r.offer == command.offer for r in self.step.records)
        if offer.state not in ("live", "answered"):
            return True
        if command.why == "timeout":
            expect(f.now >= offer.until - EPS, "D1", f"{offer.id} ran out {offer.until - f.now} s before its window")
        failed = isinstance(self.given, m.ConnectFailed) and self.given.offer == offer.id
        taken_over = isinstance(self.given, m.Arrived) and offer.state == "answered" and bool(self.given.takes)
        call = f.calls.get(offer.call)
        if taken_over and call is not None and call.id not in self.reasons:
            self._requeue(call)
            failed = True
        offer.state, offer.why, offer.withdrawn_at = "withdrawn", "failed" if failed else command.why, f.now
        if call is not None and not f.live(call):
            call.idle_since = f.now
        return True

    # --- records ------------------------------------------------------------------------------------------------------

    def _opened(self, r: m.CallOpened) -> None:
        f = self.f
        expect(r.call not in f.calls, "E1", f"{r.call} was opened twice")
        expect(r.found or abs(r.joined - f.now) < EPS, "L1", "a new call's place is now")
        f.calls[r.call] = SeenCall(r.call, r.leg, r.arrival, r.joined, r.priority)

    def _visit(self, r: m.VisitBegan) -> None:
        f = self.f
        call, group = f.calls[r.call], f.plan.groups[r.group]
        to_head = isinstance(self.given, m.Move) and self.given.call == r.call and not self.given.group
        if to_head:
            call.joined, call.own_priority = r.joined, r.priority
        expect(r.joined == call.joined, "S3", f"{r.call} lost its place: {call.joined} became {r.joined}")
        expect(r.n == call.visits + 1, "S3", f"visit {r.n} after {call.visits}")
        expect(r.n <= MAX_VISITS or isinstance(self.given, m.Move), "S3", f"{r.n} visits of one call")
        adopted = isinstance(self.given, m.Arrived) and self.given.found and r.n == 1
        expect(adopted or abs(r.entered - f.now) < EPS, "U4", "a visit is counted from entering the group")
        expect(abs(r.limit - r.entered - group.max_wait) < EPS, "U4", f"limit {r.limit - r.entered}")
        priority = group.priority if call.own_priority is None else call.own_priority
        expect(r.priority == priority, "L1", f"priority {r.priority}, not {priority}")
        others = [c for c in f.line(r.group) if c is not call]
        call.expect_full = bool(group.max_waiting) and len(others) >= group.max_waiting and not adopted
        call.state, call.group, call.visits = "waiting", r.group, r.n
        call.entered, call.limit, call.priority = r.entered, r.limit, r.priority
        call.rung, call.pass_until, call.prompted, call.forward, call.winner = {}, None, False, False, ""
        call.idle_since = f.now

    def _relegged(self, r: m.Relegged) -> None:
        call = self.f.calls[r.call]
        call.leg, call.arrival, call.missing = r.leg, r.arrival, 0

    def _decided(self, r: m.Decided) -> None:
        call = self.f.calls[r.call]
        check = {"U1": self._check_u1, "U2": self._check_u2, "U4": self._check_u4, "full": self._check_full}
        if r.rule == "S2" and "turned away" in r.action:
            self._check_came_back(call)
            return
        if r.rule not in check:
            call.state, call.reason = "sent", call.reason or {"S2": "no_answer", "S3": "step_failed"}.get(r.rule, "")
            return
        expect(call.state == "waiting", r.rule, f"decided for {call.id}, which is {call.state}")
        expect(self.f.known(call) or r.rule == "full", r.rule, "no rule fires while the switch is out of reach")
        check[r.rule](call)
        occasion: Any = {"U1": "offline", "U2": "unanswered", "U4": "waited", "full": "full"}[r.rule]
        step = self.f.group(call).step(occasion)
        expect(r.action.split(" ")[0] == _word(step), "S1", f"{r.rule} did {r.action}, not {step}")
        call.expect_full = False
        if isinstance(step, Voicemail | HangUp):
            call.state = "sent"
            call.reason = "voicemail" if isinstance(step, Voicemail) else HANGUP_REASONS[r.rule]
        elif isinstance(step, Forward):
            call.state, call.forward, call.reason = "forwarding", True, "no_answer"
        elif isinstance(step, ToGroup):
            call.state, call.reason = "leaving", "step_failed"
        else:
            call.prompted = True
            if r.rule == "U2":
                self._next_pass(call)

    def _check_came_back(self, call: SeenCall) -> None:
        given = self.given
        expect(isinstance(given, m.Arrived) and given.surely, "S2", "nothing says that a forward came back")
        assert isinstance(given, m.Arrived)
        offer = self.f.offers[given.returned]
        expect(offer.call == call.id and offer.number, "S2", f"{offer.id} is no forward of {call.id}")
        expect(m.Drop(given.leg, "USER_BUSY") in self.step.commands, "S2", "who came back was not turned away")
        expect(not any(isinstance(c, m.Hold) for c in self.step.commands), "S2", "who came back was taken")

    def _check_u1(self, call: SeenCall) -> None:
        f = self.f
        self._nothing_cut(call, "U1")
        for name in f.group(call).members:
            lag = abs(f.member(name).unrung_until - f.now) < EPS
            away = lag or not all(f.online(name, call.leg.switch, at) for at in (f.now, self.before))
            expect(away, "U1", f"{name} is online")
        since = f.away_since.get((call.group, call.leg.switch), f.now)
        entering = abs(call.idle_since - f.now) < EPS and self._began_now(call)
        expect(entering or f.now >= since + f.plan.ring - EPS, "U1", "not yet away for one ring")

    def _began_now(self, call: SeenCall) -> bool:
        return any(isinstance(r, m.VisitBegan) and r.call == call.id for r in self.step.records)

    def _nothing_cut(self, call: SeenCall, rule: str) -> None:
        expect(not self.f.live(call), rule, f"fired for {call.id} while somebody is rung for it")
        cut = [c.offer for c in self.step.commands if isinstance(c, m.Withdraw) and c.why == "step"]
        cut = [o for o in cut if o.startswith(f"{call.id}.") and o in self.f.offers and self.f.offers[o].why == "step"]
        recent = [
            o for o in cut if self.f.offers[o].withdrawn_at == self.f.now and self.f.offers[o].group == call.group
        ]
        staffed = isinstance(self.given, m.OtherCall | m.Pickup | m.Move | m.Arrived)
        waited_out = any(isinstance(r, m.Decided) and r.call == call.id and r.rule == "U4" for r in self.step.records)
        expect(staffed or waited_out or not recent, rule, f"cut what rang for {call.id}")

    def _check_u2(self, call: SeenCall) -> None:
        self._nothing_cut(call, "U2")
        expect(self._u2(call, lenient=True), "U2", f"too early for {call.id}")

    def _check_u4(self, call: SeenCall) -> None:
        expect(self.f.now >= call.limit - EPS, "U4", f"{call.limit - self.f.now} s too early")

    def _check_full(self, call: SeenCall) -> None:
        expect(call.expect_full, "S1", f"{call.id} was turned away from a line that is not full")

    def _u2(self, call: SeenCall, *, lenient: bool = False) -> bool:
        """Whether U2 holds for a call for which nothing rings."""
        f = self.f
        if call.state != "waiting" or f.live(call) or not f.known(call):
            return False
        switch = call.leg.switch
        online = [n for n in f.group(call).members if f.online(n, switch, f.now)]
        if lenient:
            online = [n for n in online if f.online(n, switch, self.before)]
        if online and all(n in call.rung for n in online):
            return True
        if lenient and not online and call.rung:
            return True
        return f.now >= self._u2_time(call) - EPS

    def _u2_time(self, call: SeenCall) -> float:
        """When U2 is due by time; never for who waits behind the first of a `to-all` group."""
        f = self.f
        group = f.group(call)
        since = call.idle_since
        if group.distribution == "to-all":
            if f.head(group.id) is not call:
                return float("inf")
            head, head_since = f.head_since.get(group.id, ("", f.now))
            since = max(since, head_since if head == call.id else f.now)
        due = since + group.rings * f.plan.ring
        return due if call.pass_until is None else min(due, call.pass_until)

    def _next_pass(self, call: SeenCall) -> None:
        call.rung, call.pass_until, call.idle_since = {}, None, self.f.now

    def _advance_pass(self, call: SeenCall) -> None:
        """A pass that begins anew is not recorded: it follows from U2 with `wait`."""
        if isinstance(self.f.group(call).step("unanswered"), Wait) and self._u2(call, lenient=True):
            self._next_pass(call)

    def _offered(self, r: m.Offered) -> None:
        f = self.f
        call = f.calls[r.call]
        number = int(r.offer.rsplit(".", 1)[1])
        expect(r.offer.startswith(f"{r.call}."), "D1", f"an offer is CALL.n, not {r.offer}")
        offer = SeenOffer(r.offer, r.call, r.group, call.leg.switch, r.member, r.number, r.rule, f.now, r.until)
        expect(r.offer not in f.offers and number > 0, "D1", f"{r.offer} was used twice")
        if r.rule == "S2":
            self._offered_by_step(call, r)
        elif r.rule == "P1":
            self._offered_by_pickup(call, offer)
        else:
            self._offered_by_line(call, offer)
        if r.rule != "P1":
            self.rang_now[r.offer] = r
        if r.rule == "D2" or (r.rule == "P1" and f.plan.groups[r.group].distribution == "evenly"):
            offer.turn_before = f.turns.get((r.group, r.member), -1)
            f.turn += 1
            f.turns[r.group, r.member] = f.turn
        f.offers[r.offer] = offer

    def _may_ring(self, name: str, switch: str) -> None:
        f = self.f
        member = f.member(name)
        expect(f.online(name, switch, f.now), "M1", f"{name} is away and was rung")
        expect(not f.held(name), "M3", f"{name} was rung and holds {[o.id for o in f.held(name)]}")
        expect(not member.others, "M1", f"{name} is on another call and was rung")
        expect(f.now >= member.quiet_until - EPS, "M2", f"{name} was rung in his rest or wrap-up")

    def _offered_by_step(self, call: SeenCall, r: m.Offered) -> None:
        expect(call.state == "forwarding", "S2", f"{call.id} is {call.state} and was forwarded")
        if r.member:
            self._may_ring(r.member, call.leg.switch)

    def _offered_by_pickup(self, call: SeenCall, offer: SeenOffer) -> None:
        f = self.f
        given = self.given
        assert isinstance(given, m.Pickup), "P1: only who dials the code picks up"
        expect(f.plan.members[offer.member].user == given.user, "P1", "the authenticated user takes the call")
        group = f.plan.groups[offer.group]
        expect(group.pickup and offer.member in group.members, "P1", "only where the group allows it, to its members")
        expect(call.state == "waiting", "P1", f"{call.id} is {call.state} and was picked up")
        for held in f.held(offer.member):
            expect(held.state == "withdrawn", "P1", f"{offer.member} holds {held.id}, which is {held.state}")
            held.superseded = True
        offer.state, offer.rang = "answered", True

    def _offered_by_line(self, call: SeenCall, offer: SeenOffer) -> None:
        f = self.f
        group, switch = f.group(call), call.leg.switch
        rule = {"evenly": "D2", "in-order": "D3", "to-all": "D4"}[group.distribution]
        expect(offer.rule == rule, rule, f"{offer.id} says {offer.rule}")
        expect(call.state == "waiting", "L1", f"{call.id} is {call.state} and rang")
        expect(f.known(call), "U1", "nobody is rung on a switch out of reach")
        expect(offer.member in group.members, rule, f"{offer.member} is not of {group.id}")
        self._may_ring(offer.member, switch)
        # Where U2's time and another timer come at one instant, their order decides which pass this is of.
        if not f.live(call) and (offer.member in call.rung or f.rings_until(call) is None):
            self._advance_pass(call)
        expect(offer.member not in call.rung, "D1", f"{offer.member} was rung twice in a pass of {call.id}")
        until = f.rings_until(call)
        expect(until is not None, "D1", f"{call.id} rang for less than one ring")
        expect(until is not None and abs(offer.until - until) < EPS, "D1", f"window to {offer.until}, not {until}")
        if group.distribution == "to-all":
            head = f.head(group.id)
            expect(head is call, "D4", f"{call.id} rings, but {head.id if head else None} is first")
            call.pass_until = f.now + group.rings * f.plan.ring if call.pass_until is None else call.pass_until
        else:
            expect(not f.live(call), "D1", f"two are rung at once for {call.id}")
            self._check_turn(call, offer)
        self._check_earlier(call, offer)
        call.rung[offer.member] = None

    def _check_turn(self, call: SeenCall, offer: SeenOffer) -> None:
        f = self.f
        group, switch = f.group(call), call.leg.switch

        def order(name: str) -> tuple[int, int]:
            turn = f.turns.get((group.id, name), -1) if group.distribution == "evenly" else 0
            return (turn, group.members.index(name))

        for name in group.members:
            if order(name) < order(offer.member) and name not in call.rung:
                # A rest that ends at this very instant is over when the Wake of this instant says so.
                rested = max(f.member(name).quiet_until, f.member(name).unrung_until) < f.now - EPS
                passed = rested and self.was_free.get((name, switch)) and f.free(name, switch, f.now)
                expect(not passed, offer.rule, f"{offer.member} was rung before {name}, who is free and has the turn")

    def _check_earlier(self, call: SeenCall, offer: SeenOffer) -> None:
        """L1: a later caller gets a member first only under the three exceptions."""
        f = self.f
        for group in f.plan.groups.values():
            if offer.member not in group.members:
                continue
            for earlier in f.line(group.id):
                if earlier.key >= call.key or not f.known(earlier) or f.live(earlier) or offer.member in earlier.rung:
                    continue
                if self._rang_just_now(earlier):
                    continue
                if group.distribution == "to-all" and f.head(group.id) is not earlier:
                    continue
                same = f.free(offer.member, earlier.leg.switch, f.now)
                passed = same and f.rings_until(earlier) is not None
                expect(not passed, "L1", f"{call.id} got {offer.member} before {earlier.id}")

    def _rang_just_now(self, call: SeenCall) -> bool:
        """Whether it was being rung at this instant: one Wake can do several things, in the order they came due."""
        f = self.f
        if not isinstance(self.given, m.Wake):
            return False
        over = [r.offer for r in self.step.records if isinstance(r, m.OfferOver) and r.call == call.id]
        return bool(over) or any(o.call == call.id and o.withdrawn_at == f.now for o in f.offers.values())

    def _offer_answered(self, r: m.OfferAnswered) -> None:
        f = self.f
        call, offer = f.calls[r.call], f.offers[r.offer]
        expect(call.state in ("waiting", "forwarding"), "P1", f"{call.id} is {call.state} and got {r.offer} too")
        expect(offer.state in ("live", "answered"), "D1", f"{r.offer} is {offer.state} and won")
        call.state, call.winner, offer.state = "connecting", r.offer, "answered"

    def _offer_over(self, r: m.OfferOver) -> None:
        f = self.f
        offer = f.offers.pop(r.offer, None)
        expect(offer is not None, "E1", f"{r.offer} was over twice")
        assert offer is not None
        outcome = self.may_end.get(r.offer)
        if outcome is not None:
            outcome = _outcome(offer, outcome)
        elif offer.state == "withdrawn" and f.now >= offer.withdrawn_at + WITHDRAWAL_LIMIT - EPS:
            outcome = "lost"
        expect(r.outcome == outcome, "M2", f"{r.offer} was over with {r.outcome}, not {outcome}")
        call = f.calls.get(offer.call)
        if call is not None and offer.state == "live" and not f.live(call):
            call.idle_since = f.now
        self._consequences(offer, r.outcome, call)

    def _consequences(self, offer: SeenOffer, outcome: str, call: SeenCall | None) -> None:
        f = self.f
        if not offer.member:
            return
        member, known = f.member(offer.member), f.plan.members.get(offer.member)
        unrung = outcome == "unreachable" or (outcome == "failed" and not offer.rang and not offer.why)
        if unrung and offer.turn_before is not None and (offer.group, offer.member) in f.turns:
            f.turns[offer.group, offer.member] = offer.turn_before
        if outcome == "unreachable":
            member.unrung_until = f.now + UNREACHABLE_FOR
            if call is not None:
                call.rung.pop(offer.member, None)
        elif outcome in ("declined", "busy", "no_answer", "failed", "lost"):
            if outcome == "lost" and offer.state == "withdrawn" and offer.why not in ("timeout", "failed"):
                return
            member.quiet_until = max(member.quiet_until, f.now + f.plan.rest)
            if known is not None and not unrung:
                member.untaken += 1
                if known.pause_after and member.untaken >= known.pause_after and member.duty == "in":
                    member.duty, member.untaken = "paused", 0

    def _talking(self, r: m.Talking) -> None:
        call = self.f.calls[r.call]
        offer = self.f.offers[r.offer]
        expect(call.state == "connecting" and call.winner == r.offer, "E1", f"{r.call} talks by {r.offer}")
        expect(offer.state == "talk", "E1", "a talk is confirmed by Connected only")
        call.state = "talking"

    def _ended(self, r: m.CallEnded) -> None:
        f = self.f
        expect(r.call not in f.over, "E1", f"{r.call} ended twice")
        call = f.calls.pop(r.call)
        wanted = self.reasons.get(r.call)
        if wanted is None and isinstance(self.given, m.Wake) and call.state == "sent":
            wanted = call.reason
        expect(r.reason == wanted, "E1", f"{r.call}, {call.state}, ended with {r.reason}, not {wanted}")
        f.over[r.call] = r.reason
        for offer in f.offers.values():
            gone = offer.call != r.call or offer.state in ("withdrawn", "talk")
            expect(gone, "E1", f"{offer.id} still rings for {r.call}, which has ended")

    def _member_changed(self, r: m.MemberChanged) -> None:
        duty = self.f.member(r.member).duty
        expect(r.duty == duty or r.member not in self.f.plan.members, "M1", f"{r.member} is {r.duty}, not {duty}")

    # --- commands -----------------------------------------------------------------------------------------------------

    def _ring(self, c: m.Ring) -> None:
        record = self.rang_now.pop(c.offer, None)
        expect(record is not None, "M3", f"{c.offer} rings without a record")
        assert record is not None
        expect((c.member, c.number, c.call) == (record.member, record.number, record.call), "M3", "who is rung")
        expect(abs(c.timeout - (record.until - self.f.now)) < EPS, "D1", f"rings {c.timeout} s")

    def _connect(self, c: m.Connect) -> None:
        call, offer = self.f.calls.get(c.call), self.f.offers.get(c.offer)
        expect(
            call is not None and call.state == "connecting" and call.winner == c.offer, "P1", f"{c} is not its winner"
        )
        expect(offer is not None and offer.state == "answered", "D1", f"{c} connects what did not answer")
        expect(call is not None and c.leg == call.leg, "N2", "the caller's own leg is connected")

    def _send(self, c: m.Send) -> None:
        call = self.f.calls[c.call]
        if call.state in ("forwarding", "leaving"):
            call.state, call.reason = "sent", "step_failed" if call.state == "leaving" else "no_answer"
        elif call.state == "opened":
            call.state, call.reason = "sent", "group_removed"
        expect(call.state == "sent", "S1", f"{c.call} is {call.state} and was sent")

    def _hold(self, c: m.Hold) -> None:
        call = self.f.calls[c.call]
        if any(isinstance(r, m.VisitBegan) and r.call == c.call for r in self.step.records):
            last = [h for h in self.step.commands if isinstance(h, m.Hold) and h.call == c.call][-1]
            if c is not last or call.state in ("sent", "leaving") or c.entered != call.entered:
                return  # a visit that was over at once
        expect(c.joined == call.joined and c.entered == call.entered, "L1", f"{c.call}'s place is told wrong")
        expect(c.deadline >= call.limit - EPS, "U4", "the hold must not end before we do")

    def _announce(self, c: m.Announce) -> None:
        self.f.calls[c.call].prompted = True

    # --- what must hold after every step ------------------------------------------------------------------------------

    def _after(self, deadline: float | None) -> None:
        f = self.f
        for name in [n for n in f.members if n not in f.plan.members and not f.held(n)]:
            del f.members[name]  # a removed member is forgotten when he is let go; added again, he is new
        self._note_heads()
        self._note_away()
        for offer in f.offers.values():
            self._check_offer(offer)
        due = deadline is not None and deadline <= f.now
        expect(not (due and isinstance(self.given, m.Wake)), "U4", "a Wake left something undone")
        for call in list(f.calls.values()):
            expect(call.state not in ("opened", "leaving"), "E1", f"{call.id} is {call.state}: nowhere")
            if call.state == "waiting":
                expect(deadline is not None, "U4", f"{call.id} waits without a deadline")
                if not due:
                    self._check_waiting(call, deadline or 0.0)
            if call.state in ("forwarding", "connecting"):
                expect(f.live(call), "E1", f"{call.id} is {call.state} and nothing rings or connects for it")

    def _note_heads(self) -> None:
        f = self.f
        if f.stalled:
            return  # nothing is looked at before its end
        for group in f.plan.groups.values():
            head = f.head(group.id) if group.distribution == "to-all" else None
            if head is None:
                f.head_since.pop(group.id, None)
            elif f.head_since.get(group.id, ("", 0.0))[0] != head.id:
                f.head_since[group.id] = (head.id, f.now)
                head.idle_since = f.now

    def _note_away(self) -> None:
        f = self.f
        for group in f.plan.groups:
            for switch in [*f.known_since, *f.stalled]:
                if f.all_away(group, switch, f.now):
                    f.away_since.setdefault((group, switch), f.now)
                else:
                    f.away_since.pop((group, switch), None)

    def _check_offer(self, offer: SeenOffer) -> None:
        f = self.f
        if offer.state not in ("live", "answered"):
            return
        call = f.calls.get(offer.call)
        expect(call is not None, "E1", f"{offer.id} rings for {offer.call}, which is gone")
        assert call is not None
        if call.state == "connecting":
            expect(call.winner == offer.id, "P1", f"{offer.id} goes on beside the winner {call.winner}")
        else:
            fits = offer.state == "live" and call.state in ("waiting", "forwarding")
            expect(fits, "E1", f"{offer.id} is {offer.state}, and {call.id} {call.state}")
        if offer.state == "live" and offer.switch in f.known_since and isinstance(self.given, m.Wake):
            latest = max(offer.until, f.known_since[offer.switch] + f.plan.ring)
            expect(latest > f.now, "D1", f"{offer.id} rings past its window")

    def _check_waiting(self, call: SeenCall, deadline: float) -> None:
        f = self.f
        if not f.known(call):
            return
        group, switch = f.group(call), call.leg.switch
        known = f.known_since[switch]
        late = known + f.plan.ring if known > 0 else 0.0
        """Timers that came due out of reach are looked at again every ring."""
        limit = call.limit if call.limit > known else max(call.limit, late)
        expect(deadline <= limit + EPS, "U4", f"{call.id} would wait past its limit")
        expect(not call.expect_full, "S1", f"{call.id} stands in a full line")
        if f.live(call):
            self._check_joiners(call)
            return
        if isinstance(group.step("unanswered"), Wait):
            while self._u2(call):
                if self._u2_time(call) <= known and f.now <= late:
                    break  # it came due out of reach
                if not (
                    call.rung or call.pass_until is not None or (group.step("unanswered").prompt and not call.prompted)
                ):
                    break
                expect(call.prompted or not group.step("unanswered").prompt, "S1", f"{call.id} was not announced to")
                self._next_pass(call)
        else:
            time_due = self._u2_time(call)
            late_due = time_due if time_due > known else max(time_due, late)
            at_once = self._u2(call) and f.now < time_due - EPS
            expect(not at_once, "U2", f"{call.id}: everybody online was rung, nothing rings, and nothing was done")
            expect(late_due > f.now, "U2", f"{call.id}: nothing has rung for a window")
            expect(late_due == float("inf") or deadline <= late_due + EPS, "U2", f"{call.id}: no timer for {late_due}")
        self._check_away(call, deadline)
        self._check_served(call)

    def _check_away(self, call: SeenCall, deadline: float) -> None:
        f = self.f
        step = f.group(call).step("offline")
        since = f.away_since.get((call.group, call.leg.switch))
        silent = isinstance(step, Wait) and (call.prompted or not step.prompt)
        if since is None or silent:
            return
        due = since + f.plan.ring
        expect(due > f.now, "U1", f"{call.id}: all are away since {since}, and nothing was done")
        expect(deadline <= due + EPS, "U1", f"{call.id}: no timer for {due}")
        new = self._began_now(call) and f.known_since[call.leg.switch] <= self.before
        before = all(not f.online(n, call.leg.switch, self.before) for n in f.group(call).members)
        lag = any(abs(f.member(n).unrung_until - f.now) < EPS for n in f.group(call).members)
        expect(
            not (new and before and isinstance(self.given, m.Arrived) and not lag),
            "U1",
            f"{call.id} entered where all are away, and nothing was done",
        )

    def _check_joiners(self, call: SeenCall) -> None:
        """D4: who becomes available joins for what is left of the window."""
        if self.f.group(call).distribution == "to-all":
            self._check_served(call)

    def _check_served(self, call: SeenCall) -> None:
        """L1: nobody free stands beside a caller whom he may serve."""
        f = self.f
        group, switch = f.group(call), call.leg.switch
        if group.distribution == "to-all" and f.head(group.id) is not call:
            return
        if f.rings_until(call) is None:
            return
        for name in group.members:
            idle = name not in call.rung and f.free(name, switch, f.now)
            expect(not idle, "L1", f"{name} is free and not rung for {call.id}, which waits")


def _outcome(offer: SeenOffer, said: str) -> str:
    """What an offer's end is recorded as (M2): by what it was withdrawn for, or a failed bridge once answered."""
    if offer.state == "withdrawn":
        return {"timeout": "no_answer", "failed": "failed"}.get(offer.why, "withdrawn")
    return "failed" if offer.state == "answered" else said


def _word(step: object) -> str:
    return {"Voicemail": "voicemail", "Forward": "forward", "ToGroup": "group", "Wait": "wait", "HangUp": "hangup"}[
        type(step).__name__
    ]


def _rename(f: Facts, r: m.Renamed) -> None:
    if r.kind == "group":
        f.turns = {(r.new if g == r.old else g, n): t for (g, n), t in f.turns.items()}
        f.away_since = {(r.new if g == r.old else g, s): t for (g, s), t in f.away_since.items()}
        f.head_since = {r.new if g == r.old else g: h for g, h in f.head_since.items()}
        for thing in [*f.calls.values(), *f.offers.values()]:
            thing.group = r.new if thing.group == r.old else thing.group
        return
    f.turns = {(g, r.new if n == r.old else n): t for (g, n), t in f.turns.items()}
    if r.old in f.members:
        f.members[r.new] = f.members.pop(r.old)
    for offer in f.offers.values():
        offer.member = r.new if offer.member == r.old else offer.member
    for call in f.calls.values():
        call.rung = {r.new if n == r.old else n: None for n in call.rung}


_INPUTS: dict[type, Callable[[Watch, Any], None]] = {
    m.Snapshot: Watch._snapshot,
    m.SwitchRestarted: Watch._switch_restarted,
    m.SwitchDown: Watch._switch_down,
    m.Stalled: Watch._stalled,
    m.CaughtUp: Watch._caught_up,
    m.Arrived: Watch._arrived,
    m.CallerGone: Watch._caller_gone,
    m.Ringing: Watch._ringing,
    m.Answered: Watch._answered,
    m.OfferEnded: Watch._offer_ended,
    m.Connected: Watch._connected,
    m.ConnectFailed: Watch._connect_failed,
    m.TalkEnded: Watch._talk_ended,
    m.StepDone: Watch._step_done,
    m.Reach: Watch._reach,
    m.OtherCall: Watch._other_call,
    m.Duty: Watch._duty,
    m.DutyCode: Watch._duty_code,
    m.Hangup: Watch._hangup,
    m.Configure: Watch._configure,
}

_RECORDS: dict[type, Callable[[Watch, Any], None]] = {
    m.CallOpened: Watch._opened,
    m.VisitBegan: Watch._visit,
    m.Relegged: Watch._relegged,
    m.Decided: Watch._decided,
    m.Offered: Watch._offered,
    m.OfferAnswered: Watch._offer_answered,
    m.OfferOver: Watch._offer_over,
    m.Talking: Watch._talking,
    m.CallEnded: Watch._ended,
    m.MemberChanged: Watch._member_changed,
}

_COMMANDS: dict[type, Callable[[Watch, Any], None]] = {
    m.Ring: Watch._ring,
    m.Connect: Watch._connect,
    m.Send: Watch._send,
    m.Hold: Watch._hold,
    m.Announce: Watch._announce,
}
