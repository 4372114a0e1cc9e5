"""Short histories in plain words: who arrives, who picks up, what time it is, and what came of it.

Every step is also shown to the onlooker, so that an example fails on any rule it breaks, not only on its own.
"""

from __future__ import annotations

from typing import Any, TypeVar

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from fsqueue.engine.model import Group, Member, Number, Plan
from tests.engine.watch import Watch

R = TypeVar("R")

START = 1_800_000_000.0
"""Epoch seconds at which every example begins."""

ANNA = Member(id="anna", extension="1001", user="anna@example.com", registers=False)
JAN = Member(id="jan", extension="1002", user="jan@example.com", registers=False)
OLA = Member(id="ola", extension="1003", user="ola@example.com", registers=False)


def group(name: str = "sales", *, members: tuple[str, ...] = ("anna", "jan", "ola"), **keys: Any) -> Group:
    """Return a group of the three, reached by extension 7000 (``sales``) or by its id."""
    return Group(id=name, extension="7000" if name == "sales" else "", members=members, **keys)


class Quick:
    """One engine with a switch in reach, and the people around it. Times are seconds from the beginning."""

    def __init__(
        self, *groups: Group, members: tuple[Member, ...] = (ANNA, JAN, OLA), known: bool = True, **plan: Any
    ) -> None:
        """Begin with *groups* (one named ``sales`` when none are given); *known*: the switch ``a`` is in reach."""
        self.now = START
        self.plan = Plan(
            members={member.id: member for member in members},
            groups={each.id: each for each in groups or (group(),)},
            **plan,
        )
        self.engine = Engine(self.plan)
        self.watch = Watch(self.plan)
        self.watch.f.now = START
        self.records: list[m.Record] = []
        self.made: list[m.Offered] = []
        self.stamped: list[tuple[m.Record, float]] = []
        self.commands: list[m.Command] = []
        self.last = m.Step()
        self._count = 0
        if known:
            self.snapshot()

    @property
    def clock(self) -> float:
        """Seconds since the beginning."""
        return self.now - START

    def give(self, given: m.Input) -> m.Step:
        """Hand in one input now."""
        step = self.engine.handle(given, self.now)
        self.watch.see(given, self.now, step, self.engine.deadline())
        self.records += step.records
        self.made += [record for record in step.records if isinstance(record, m.Offered)]
        self.stamped += [(record, self.now) for record in step.records]
        self.commands += step.commands
        self.last = step
        return step

    def advance(self, seconds: float) -> Quick:
        """Let time go by; every deadline is met, that of the last instant too."""
        then = self.now + seconds
        while (due := self.engine.deadline()) is not None and due <= then:
            self.now = max(self.now, due)
            self.give(m.Wake())
        self.now = then
        return self

    def instant(self, seconds: float) -> Quick:
        """Let time go by, but leave the deadline of the last instant open: inputs go before it."""
        then = self.now + seconds
        while (due := self.engine.deadline()) is not None and due < then:
            self.now = max(self.now, due)
            self.give(m.Wake())
        self.now = then
        return self

    # --- callers ------------------------------------------------------------------------------------------------------

    def arrive(self, to: str = "sales", *, dialled: str = "", switch: str = "a", **said: Any) -> str:
        """A caller arrives; return his call's id."""
        self._count += 1
        call = f"c{self._count:03}"
        self.give(
            m.Arrived(
                leg=self.leg(call, switch),
                arrival=f"arrival-{call}",
                new_call=call,
                to="" if dialled else to,
                dialled=dialled,
                **said,
            )
        )
        return call

    def leg(self, call: str, switch: str = "a") -> m.Leg:
        """Return the channel that `arrive` gave the call."""
        return m.Leg(switch, f"leg-{call}")

    def gone(self, call: str) -> None:
        """The caller hangs up."""
        self.give(m.CallerGone(self.leg(call), "NORMAL_CLEARING"))

    # --- phones -------------------------------------------------------------------------------------------------------

    def rung(self) -> dict[str, str]:
        """Return who is rung now, and for which call: as the commands tell."""
        live = [o for o in self.watch.f.offers.values() if o.state == "live"]
        return {o.member or o.number: o.call for o in live}

    def offer(self, whom: str) -> str:
        """Return the id of the last offer to a member or number."""
        return next(r.offer for r in reversed(self.made) if whom in (r.member, r.number))

    def offers(self) -> list[str]:
        """Return whom each offer so far was made to, in order."""
        return [r.member or r.number for r in self.made]

    def answer(self, whom: str) -> m.Step:
        """His phone is picked up."""
        return self.give(m.Answered(self.offer(whom)))

    def ends(self, whom: str, outcome: m.Outcome = "declined") -> m.Step:
        """His phone stops ringing."""
        return self.give(m.OfferEnded(self.offer(whom), outcome))

    def talk(self, whom: str) -> None:
        """He picks up and is connected."""
        self.answer(whom)
        self.connected(whom)

    def connected(self, whom: str) -> None:
        """The switch says that the bridge stands."""
        offer = self.offer(whom)
        self.give(m.Connected(offer.rsplit(".", 1)[0], offer))

    def connect_fails(self, whom: str) -> None:
        """The bridge did not come about, or he left within two seconds."""
        offer = self.offer(whom)
        self.give(m.ConnectFailed(offer.rsplit(".", 1)[0], offer))

    def talk_ends(self, whom: str) -> None:
        """He hangs up."""
        offer = self.offer(whom)
        self.give(m.TalkEnded(offer.rsplit(".", 1)[0], offer))

    def other(self, whom: str, *, present: bool) -> None:
        """A call of his that isn't ours begins or ends."""
        self.give(m.OtherCall(m.Leg("a", f"other-{whom}"), whom, present))

    def duty(self, whom: str, duty: m.DutyState) -> None:
        """He logs in or out, or is paused."""
        self.give(m.Duty(whom, duty))

    def register(self, whom: str, *, reachable: bool = True, switch: str = "a") -> None:
        """His phone registers, or is registered no more."""
        self.give(m.Reach(switch, whom, reachable))

    def pickup(self, whom: str, extension: str = "") -> m.Step:
        """He dials the pickup code."""
        return self.give(m.Pickup(leg=m.Leg("a", f"code-{whom}"), user=f"{whom}@example.com", extension=extension))

    # --- switches -----------------------------------------------------------------------------------------------------

    def snapshot(self, *seen: str, switch: str = "a", core: str = "core1") -> m.Step:
        """The switch shows the callers and offers named in *seen*."""
        legs = [
            m.SeenLeg(uuid=s, kind="offer", offer=s)
            if "." in s
            else m.SeenLeg(uuid=self.leg(s, switch).uuid, kind="caller")
            for s in seen
        ]
        return self.give(m.Snapshot(switch=switch, core=core, legs=tuple(legs)))

    def restarted(self, plan: Plan | None = None) -> Engine:
        """Return an engine that begins with what was recorded here, under *plan* if it was changed meanwhile."""
        engine = Engine(plan or self.plan)
        engine.restore(self.stamped, self.now)
        return engine

    # --- what came of it ----------------------------------------------------------------------------------------------

    def all(self, kind: type[R]) -> list[R]:
        """Return all commands or records of one kind so far."""
        return [thing for thing in [*self.commands, *self.records] if isinstance(thing, kind)]

    def now_came(self, kind: type[R]) -> list[R]:
        """Return the commands or records of one kind that the last step had."""
        return [thing for thing in [*self.last.commands, *self.last.records] if isinstance(thing, kind)]

    def ended(self) -> dict[str, str]:
        """Return the reason of every ended call."""
        return {r.call: r.reason for r in self.all(m.CallEnded)}

    def decided(self, call: str) -> list[tuple[str, str]]:
        """Return what rules decided about the call: (rule, action)."""
        return [(r.rule, r.action) for r in self.all(m.Decided) if r.call == call]

    def withdrawn(self) -> dict[str, str]:
        """Return who was withdrawn in the last step, and why."""
        owner = {r.offer: r.member or r.number for r in self.made}
        return {owner[c.offer]: c.why for c in self.now_came(m.Withdraw)}

    def step_done(self, call: str, *, ok: bool = True) -> None:
        """The step that the caller was sent to is over."""
        self.give(m.StepDone(call=call, ok=ok))


def looks(engine: Engine, now: float, *, but: str = "") -> list[m.Command]:
    """Let a start's first look at its switch show the calls' callers on hold, *but* one; return what follows."""
    commands: list[m.Command] = []
    for call in list(engine.state.calls.values()):
        if call.id == but:
            continue
        found = m.Arrived(leg=call.leg, arrival=call.arrival, new_call="-", found=True, call=call.id, group=call.group)
        commands += engine.handle(found, now).commands
    commands += engine.handle(m.Snapshot(switch="a", core="core1"), now).commands
    return commands


def number(dialled: str, to: str = "sales", **keys: Any) -> dict[str, Number]:
    """Return a plan's numbers with one of them."""
    return {dialled: Number(id=dialled, group=to, **keys)}
