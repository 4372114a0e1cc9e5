"""A small faithful switch and its people, played against an engine with an onlooker: every action is one method.

`World.act(name, pick)` does one thing that can happen, chosen by the number *pick* among what is possible now, and hands
the engine what a real switch would say of it. The same names and picks give the same history.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from fsqueue.engine.model import Plan
from fsqueue.engine.state import Observer
from tests.engine.plans import changed_plan
from tests.engine.watch import Watch

T = TypeVar("T")

START = 1_800_000_000.0
"""Epoch seconds at which every history begins."""


@dataclass
class Phone:
    """All legs of one offer, as they are on the switch."""

    offer: str
    call: str
    switch: str
    member: str
    leg: m.Leg | None = None
    """For a pickup, the leg that dialled the code."""
    state: str = "asked"
    """asked, ringing, answered, bridged, gone."""
    withdrawn: bool = False
    bridged_at: float = 0.0


@dataclass
class CallerLeg:
    """One caller's channel."""

    leg: m.Leg
    arrival: str
    call: str = ""
    sent: bool = False


@dataclass
class World:
    """Everything outside the engine."""

    plan: Plan
    observer: Observer | None = None
    now: float = START
    callers: dict[m.Leg, CallerLeg] = field(default_factory=dict)
    phones: dict[str, Phone] = field(default_factory=dict)
    bridging: dict[str, m.Connect] = field(default_factory=dict)
    up: dict[str, bool] = field(default_factory=lambda: {"a": False, "b": False})
    cores: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 1})
    others: list[tuple[m.Leg, str]] = field(default_factory=list)
    history: list[tuple[m.Input, float]] = field(default_factory=list)
    steps: list[m.Step] = field(default_factory=list)
    records: list[tuple[m.Record, float]] = field(default_factory=list)
    count: int = 0
    lagging: dict[str, int] = field(default_factory=dict)
    """Legs that the last snapshot missed though they were there: the channel table is behind its events."""
    opened: int = 0
    renamed: bool = False

    def __post_init__(self) -> None:
        """Connect the engine and the onlooker."""
        self.first_plan = self.plan
        self.engine = Engine(self.plan, self.observer)
        self.watch = Watch(self.plan)

    # --- towards the engine -------------------------------------------------------------------------------------------

    def give(self, given: m.Input) -> m.Step:
        """Hand the engine one input now, have it watched, and carry out what it commands."""
        step = self.engine.handle(given, self.now)
        self.history.append((given, self.now))
        self.steps.append(step)
        self.records.extend((record, self.now) for record in step.records)
        self.watch.see(given, self.now, step, self.engine.deadline())
        for command in step.commands:
            self._obey(command)
        for record in step.records:
            if isinstance(record, m.CallOpened) and record.leg in self.callers:
                self.callers[record.leg].call = record.call
                self.opened += 1
        return step

    def say(self, switch: str, given: m.Input) -> None:
        """Tell what happened on a switch, if it is in reach; what is not heard is seen in later snapshots."""
        if self.up[switch]:
            self.give(given)

    def _obey(self, command: m.Command) -> None:
        if isinstance(command, m.Ring):
            self.phones[command.offer] = Phone(command.offer, command.call, command.leg.switch, command.member)
        elif isinstance(command, m.Withdraw):
            phone = self.phones.get(command.offer)
            if phone is not None:
                phone.withdrawn = True
        elif isinstance(command, m.Connect):
            if command.taker is not None:
                self.phones[command.offer] = Phone(
                    command.offer, command.call, command.leg.switch, "", command.taker, "answered"
                )
            self.bridging[command.offer] = command
        elif isinstance(command, m.Send):
            if command.leg in self.callers:
                self.callers[command.leg].sent = True
        elif isinstance(command, m.Drop | m.Refuse):
            self.callers.pop(command.leg, None)

    def _fresh(self) -> int:
        self.count += 1
        return self.count

    # --- callers ------------------------------------------------------------------------------------------------------

    def arrive(self, pick: int) -> None:
        """A caller arrives: by number, by extension, by a group's id, or at nothing."""
        n = self._fresh()
        switch = "b" if pick % 5 == 4 else "a"
        leg = m.Leg(switch, f"c{n}")
        groups = list(self.plan.groups)
        group = self.plan.groups[groups[pick % len(groups)]] if groups else None
        numbers = list(self.plan.numbers)
        way = (pick // 5) % 8
        to, dialled = "", group.extension if group else "1"
        if way < 2 and group is not None:
            to = group.id
        elif way < 5 and numbers:
            dialled = "+" + numbers[pick % len(numbers)]
        elif way == 7 and pick % 3 == 0:
            dialled = "nowhere"
        forwards = [phone.offer for phone in self.phones.values() if phone.state in ("asked", "ringing")]
        returned = forwards[pick % len(forwards)] if forwards and pick % 7 == 0 else ""
        self.callers[leg] = CallerLeg(leg, f"arr{n}")
        self.give(
            m.Arrived(
                leg=leg,
                arrival=f"arr{n}",
                new_call=f"k{n:05}",
                to=to,
                dialled=dialled,
                caller=m.Caller(number=str(n)),
                priority=(None, None, None, 1, -1)[pick % 5],
                returned=returned,
                surely=pick % 2 == 0,
            )
        )

    def caller_gone(self, pick: int) -> None:
        """A caller hangs up, whatever he is doing."""
        caller = _pick(list(self.callers.values()), pick)
        if caller is not None:
            del self.callers[caller.leg]
            self.say(caller.leg.switch, m.CallerGone(caller.leg, "NORMAL_CLEARING"))

    def sent_on(self, pick: int) -> None:
        """A step ends: done, failed, or the caller hangs up in it."""
        caller = _pick([c for c in self.callers.values() if c.sent], pick)
        if caller is None:
            return
        del self.callers[caller.leg]
        if pick % 3 == 0:
            self.say(caller.leg.switch, m.CallerGone(caller.leg))
        else:
            self.say(caller.leg.switch, m.StepDone(call=caller.call, ok=pick % 3 == 1))

    def arrive_again(self, pick: int) -> None:
        """A caller's channel is sent to us again, a new caller takes a call over, or an arrival is told twice."""
        caller = _pick(list(self.callers.values()), pick)
        if caller is None or not self.up[caller.leg.switch]:
            return
        n = self._fresh()
        groups = list(self.plan.groups.values())
        dialled = groups[pick % len(groups)].extension if groups else "1"
        leg, arrival, takes = caller.leg, f"arr{n}", ""
        if pick % 3 == 0:
            arrival = caller.arrival
        elif pick % 3 == 1:
            leg, takes = m.Leg(leg.switch, f"c{n}"), caller.call
        known = self.callers.setdefault(leg, CallerLeg(leg, arrival))
        known.arrival, known.sent = arrival, known.sent and pick % 3 == 0
        call = self.engine.state.calls.get(takes)
        if call is not None and call.state in ("waiting", "forwarding", "connecting"):
            del self.callers[caller.leg]
            known.call = takes
        self.give(m.Arrived(leg=leg, arrival=arrival, new_call=f"k{n:05}", dialled=dialled, takes=takes))

    def found(self, pick: int) -> None:
        """A snapshot shows a caller on hold whom the engine doesn't know: he has waited since before."""
        n = self._fresh()
        leg = m.Leg("b" if pick % 5 == 4 else "a", f"c{n}")
        names = [*self.plan.groups, "gone"]
        self.callers[leg] = CallerLeg(leg, f"arr{n}")
        since = self.now - pick % 20
        self.give(
            m.Arrived(
                leg=leg,
                arrival=f"arr{n}",
                new_call=f"k{n:05}",
                found=True,
                call=f"k{n:05}",
                group=names[pick % len(names)],
                joined=since,
                entered=since,
            )
        )

    # --- phones -------------------------------------------------------------------------------------------------------

    def phone(self, pick: int) -> None:
        """A phone that was rung goes on: rings, is picked up, declines, is busy, can't be rung, is lost."""
        phone = _pick([p for p in self.phones.values() if p.state in ("asked", "ringing")], pick)
        if phone is None:
            return
        how = (pick // 4) % 16
        if phone.state == "asked" and how < 9:
            phone.state = "ringing"
            self.say(phone.switch, m.Ringing(phone.offer))
        elif how < 10:
            phone.state = "answered"
            self.say(phone.switch, m.Answered(phone.offer))
        else:
            outcomes: list[m.Outcome] = ["declined", "busy", "unreachable", "failed", "no_answer", "lost"]
            self._phone_ends(phone, outcomes[how - 10])

    def decline(self, pick: int) -> None:
        """A phone ends its ringing, by whatever outcome."""
        self.phone(pick | 40)

    def answer(self, pick: int) -> None:
        """A phone is picked up: in time, twice, or after it was withdrawn."""
        phone = _pick([p for p in self.phones.values() if p.state in ("asked", "ringing", "answered")], pick)
        if phone is not None:
            phone.state = "answered"
            self.say(phone.switch, m.Answered(phone.offer))

    def _phone_ends(self, phone: Phone, outcome: m.Outcome) -> None:
        phone.state = "gone"
        del self.phones[phone.offer]
        self.say(phone.switch, m.OfferEnded(phone.offer, outcome, "CAUSE"))

    def withdrawn_ends(self, pick: int) -> None:
        """The legs of a withdrawn offer are gone."""
        phone = _pick([p for p in self.phones.values() if p.withdrawn and p.state != "bridged"], pick)
        if phone is not None:
            self._phone_ends(phone, "withdrawn")

    def vanish(self, pick: int) -> None:
        """A leg is gone and no event says so."""
        if pick % 2:
            caller = _pick(list(self.callers.values()), pick // 2)
            if caller is not None:
                del self.callers[caller.leg]
        else:
            phone = _pick(list(self.phones.values()), pick // 2)
            if phone is not None:
                del self.phones[phone.offer]

    # --- bridges and talks --------------------------------------------------------------------------------------------

    def bridge(self, pick: int) -> None:
        """A bridge that was ordered succeeds or fails, or the member's leg ends before it."""
        connect = _pick(list(self.bridging.values()), pick)
        if connect is None:
            return
        phone = self.phones.get(connect.offer)
        how = (pick // 4) % 4
        if phone is None or connect.leg not in self.callers or how == 3:
            del self.bridging[connect.offer]
            self.say(connect.leg.switch, m.ConnectFailed(connect.call, connect.offer, "no bridge"))
        elif how == 2:
            del self.bridging[connect.offer]
            self._phone_ends(phone, "failed")
        else:
            del self.bridging[connect.offer]
            if not phone.withdrawn:
                phone.state, phone.bridged_at = "bridged", self.now
            self.say(phone.switch, m.Connected(connect.call, connect.offer))

    def talk_ends(self, pick: int) -> None:
        """A member leaves his talk: within two seconds the caller is back on hold, later the talk is over."""
        phone = _pick([p for p in self.phones.values() if p.state == "bridged"], pick)
        if phone is None:
            return
        del self.phones[phone.offer]
        if self.now - phone.bridged_at < 2 and not phone.withdrawn:
            self.say(phone.switch, m.ConnectFailed(phone.call, phone.offer, "left within two seconds"))
        else:
            self.say(phone.switch, m.TalkEnded(phone.call, phone.offer))

    def twice(self, pick: int) -> None:
        """Something is told twice, or too late."""
        offers = [*self.engine.state.offers, "k00000.1"]
        offer = offers[pick % len(offers)]
        call = offer.rsplit(".", 1)[0]
        late: list[m.Input] = [
            m.Ringing(offer),
            m.StepDone(call=call, ok=True),
            m.TalkEnded(call, offer),
            m.ConnectFailed(call, offer, "late"),
            m.Connected(call, offer),
        ]
        given = late[(pick // 7) % len(late)]
        state = self.engine.state.offers.get(offer)
        if isinstance(given, m.TalkEnded) and state is not None and state.state == "over":
            return
        if isinstance(given, m.Connected) and state is not None and state.state == "answered":
            return
        if isinstance(given, m.ConnectFailed) and state is not None and state.state in ("answered", "over"):
            return
        known = self.engine.state.calls.get(call)
        if isinstance(given, m.StepDone) and known is not None and known.state == "sent":
            return
        self.give(given)

    # --- members ------------------------------------------------------------------------------------------------------

    def _member(self, pick: int) -> str:
        return _pick(list(self.plan.members), pick) or "nobody"

    def reach(self, pick: int) -> None:
        """A phone registers, or its registration is lost."""
        switch = "b" if pick % 7 == 6 else "a"
        self.give(m.Reach(switch, self._member(pick), pick % 3 > 0))

    def register(self, pick: int) -> None:
        """Everybody's phones register on a switch."""
        for member in list(self.plan.members):
            self.give(m.Reach("ab"[pick % 2], member, True))

    def other(self, pick: int) -> None:
        """A member begins or ends a call that isn't ours."""
        if self.others and pick % 3:
            leg, member = self.others.pop(pick % len(self.others))
            self.give(m.OtherCall(leg, member, False))
        elif pick % 3 == 0 and pick % 2 == 0:
            leg, member = m.Leg("a", f"o{self._fresh()}"), self._member(pick)
            self.others.append((leg, member))
            self.give(m.OtherCall(leg, member, True))

    def duty(self, pick: int) -> None:
        """A member logs in or out or is paused, mostly in."""
        duties: list[m.DutyState] = ["in", "in", "out", "paused", "in"]
        if pick % 2:
            self.give(m.Duty(self._member(pick), duties[(pick // 4) % 5], "lunch", "staff"))
        else:
            leg = m.Leg("a", f"d{self._fresh()}")
            self.give(m.DutyCode(leg, f"{self._member(pick)}@example.com", duties[(pick // 4) % 5]))

    def pickup(self, pick: int) -> None:
        """A member, or a stranger, dials the pickup code, for a colleague or for anybody."""
        switch = "b" if pick % 7 == 6 else "a"
        member = self._member(pick)
        extension = ""
        if pick % 3 == 0:
            colleague = self.plan.members.get(self._member(pick // 3))
            extension = colleague.extension if colleague is not None else ""
        user = f"{member}@example.com" if pick % 11 else "stranger@example.com"
        self.give(m.Pickup(leg=m.Leg(switch, f"p{self._fresh()}"), user=user, extension=extension))

    # --- staff and configuration --------------------------------------------------------------------------------------

    def move(self, pick: int) -> None:
        """Staff moves a call to another group, or to the head of its line."""
        call = _pick([*self.engine.state.calls, "none"], pick) or "none"
        groups = [*self.plan.groups, "", "", "nowhere"]
        self.give(m.Move(call=call, group=groups[(pick // 3) % len(groups)], by="staff"))

    def hang_up(self, pick: int) -> None:
        """Staff ends a call."""
        call = _pick([*self.engine.state.calls, "none"], pick) or "none"
        self.give(m.Hangup(call, "staff"))

    def configure(self, pick: int) -> None:
        """A changed configuration takes effect."""
        plan, renamed = changed_plan(self.plan, self.first_plan, pick)
        if any(each.new in self.engine.state.people for each in renamed):
            return  # nobody gets the id of one who was removed and still rings or talks
        self.plan = plan
        self.renamed = True
        self.give(m.Configure(plan, renamed))

    # --- switches -----------------------------------------------------------------------------------------------------

    def snapshot(self, pick: int) -> None:
        """The switch shows its legs; now and then one of them only later."""
        switch = "b" if pick % 4 == 3 else "a"
        self.up[switch] = True
        uuids = [(c.leg.uuid, "") for c in self.callers.values() if c.leg.switch == switch]
        uuids += [(p.offer, p.offer) for p in self.phones.values() if p.switch == switch]
        seen, lagging = [], {}
        for at, (uuid, offer) in enumerate(uuids):
            if pick % 5 == 0 and at == pick % len(uuids) and uuid not in self.lagging:
                lagging[uuid] = 1
                continue
            seen.append(m.SeenLeg(uuid=uuid, kind="offer" if offer else "caller", offer=offer))
        self.lagging = lagging
        self.give(m.Snapshot(switch=switch, core=f"core{self.cores[switch]}", legs=tuple(seen)))

    def switch_down(self, pick: int) -> None:
        """A switch is out of reach, until its next snapshot."""
        switch = "b" if pick % 2 else "a"
        self.up[switch] = False
        self.give(m.SwitchDown(switch))

    def restart_switch(self, pick: int) -> None:
        """A switch is started anew: all its legs are gone."""
        switch = "b" if pick % 2 else "a"
        self.callers = {leg: c for leg, c in self.callers.items() if leg.switch != switch}
        self.phones = {o: p for o, p in self.phones.items() if p.switch != switch}
        self.bridging = {o: c for o, c in self.bridging.items() if c.leg.switch != switch}
        self.others = [(leg, member) for leg, member in self.others if leg.switch != switch]
        self.cores[switch] += 1
        self.up[switch] = True
        self.give(m.Snapshot(switch=switch, core=f"core{self.cores[switch]}"))

    # --- time ---------------------------------------------------------------------------------------------------------

    def wake(self, pick: int) -> None:
        """Time goes on to the next deadline, which is met."""
        deadline = self.engine.deadline()
        if deadline is None:
            self.now += 1.0
            return
        self.now = max(self.now, deadline)
        self.give(m.Wake())

    def reach_deadline(self, pick: int) -> None:
        """Time goes on to the very instant of the next deadline; inputs of that instant go first."""
        self.now = max(self.now, self.engine.deadline() or self.now)

    def pass_time(self, pick: int) -> None:
        """Some time goes by in which nothing is due."""
        deadline = self.engine.deadline()
        then = self.now + (0.05, 0.4, 1.0, 2.5)[pick % 4]
        self.now = then if deadline is None else max(self.now, min(then, deadline))

    def settle(self, pick: int) -> None:
        """A quarter of a minute goes by, and every deadline in it is met."""
        then = self.now + 15
        while (deadline := self.engine.deadline()) is not None and deadline <= then:
            self.now = max(self.now, deadline)
            self.give(m.Wake())
        self.now = then

    def oversleep(self, pick: int) -> None:
        """The daemon stalls past its deadline."""
        self.now = max(self.now, self.engine.deadline() or self.now) + (0.3, 1.5, 7.0, 40.0)[pick % 4]
        self.give(m.Wake())

    def stall(self, pick: int) -> None:
        """The daemon is held up; what happened meanwhile comes in before it decides anything again."""
        self.now += (1.5, 4.0, 12.0, 40.0)[pick % 4]
        self.give(m.Stalled())
        for n in range(3):
            MEANWHILE[(pick // 4 + n * 7) % len(MEANWHILE)](self, pick + n)
        self.give(m.CaughtUp())
        if (self.engine.deadline() or self.now + 1) <= self.now:
            self.give(m.Wake())

    def act(self, name: str, pick: int) -> None:
        """Do the action *name*."""
        # Inputs in the instant of a deadline go before it, but no later ones.
        deadline = self.engine.deadline()
        if deadline is not None and deadline < self.now:
            self.give(m.Wake())
        ACTIONS[name][0](self, pick)


def _pick(among: Sequence[T], pick: int) -> T | None:
    return among[pick % len(among)] if among else None


MEANWHILE: list[Callable[[World, int], None]] = [
    World.answer,
    World.arrive,
    World.caller_gone,
    World.decline,
    World.bridge,
    World.talk_ends,
    World.reach,
    World.other,
    World.withdrawn_ends,
]
"""What comes in after a stall."""

ACTIONS: dict[str, tuple[Callable[[World, int], None], int]] = {
    "arrive": (World.arrive, 14),
    "caller_gone": (World.caller_gone, 3),
    "sent_on": (World.sent_on, 3),
    "arrive_again": (World.arrive_again, 2),
    "found": (World.found, 1),
    "phone": (World.phone, 14),
    "decline": (World.decline, 5),
    "answer": (World.answer, 6),
    "withdrawn_ends": (World.withdrawn_ends, 5),
    "vanish": (World.vanish, 1),
    "bridge": (World.bridge, 8),
    "talk_ends": (World.talk_ends, 5),
    "twice": (World.twice, 2),
    "reach": (World.reach, 2),
    "register": (World.register, 1),
    "other": (World.other, 3),
    "duty": (World.duty, 3),
    "pickup": (World.pickup, 5),
    "move": (World.move, 2),
    "hang_up": (World.hang_up, 1),
    "configure": (World.configure, 1),
    "snapshot": (World.snapshot, 2),
    "switch_down": (World.switch_down, 1),
    "restart_switch": (World.restart_switch, 1),
    "wake": (World.wake, 14),
    "reach_deadline": (World.reach_deadline, 2),
    "pass_time": (World.pass_time, 6),
    "settle": (World.settle, 1),
    "oversleep": (World.oversleep, 1),
    "stall": (World.stall, 1),
}
"""Every action and how often it is drawn by `play`."""
