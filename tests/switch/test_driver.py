"""The driver over real sockets: a call from the embedded switch's dialplan to a talk, and a link that drops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from types import SimpleNamespace
from typing import Any, TypeVar

import gevent
import pytest
from gevent.event import Event as Flag

from fsqueue.clock import Clock
from fsqueue.engine.messages import (
    Answered,
    Arrived,
    CallerGone,
    Command,
    Connect,
    Connected,
    Hold,
    Input,
    OfferEnded,
    Reach,
    Ring,
    Snapshot,
    SwitchDown,
    TalkEnded,
    Withdraw,
)
from fsqueue.esl.events import Event
from fsqueue.esl.link import Link
from fsqueue.esl.outbound import OutboundServer, Session
from fsqueue.esl.reconnecting import Timing
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import World
from fsqueue.stalls import Stalls
from fsqueue.switch.arrivals import Arrivals
from fsqueue.switch.dialplan import DialplanFacts, render, render_entry
from fsqueue.switch.driver import SwitchDriver
from fsqueue.switch.ids import CallIds
from fsqueue.switch.messages import Item, Out, Phone, SwitchFacts

T = TypeVar("T")

SPEED = 20.0
PASSWORD = "ClueCon"
FACTS = SwitchFacts(phones={"anna": Phone(member="anna", dial="user/1001@lab", user="1001@lab")})


class Office:
    """A switch, a driver, and as much of an engine as holds every caller, rings anna and connects her."""

    def __init__(self) -> None:
        self.password = PASSWORD
        self.inputs: list[Input] = []
        self.clock = Clock(speed=SPEED)
        self.stalls = Stalls()
        self.driver: SwitchDriver | None = None
        self.server = OutboundServer(("127.0.0.1", 0), self.take)
        self.server.start()
        facts = DialplanFacts(extensions=("7001",), socket=f"127.0.0.1:{self.server.port}")
        plan = Dialplan()
        plan.include(render(facts))
        plan.include(render_entry(facts), "public")
        self.shell = Shell(World(self.clock(), Random(1), plan), speed=SPEED)
        self.shell.start()
        self.arrivals = Arrivals([], lambda: FACTS)

    def take(self, session: Session, event: Event) -> None:
        self.arrivals.on_call(session, event)

    def connect(self) -> SwitchDriver:
        self.driver = SwitchDriver(
            "main",
            self.shell.address,
            lambda: self.password,
            FACTS,
            self.heard,
            clock=self.clock,
            new_call=CallIds(),
            stalls=self.stalls,
            timing=Timing(first_delay=0.02, longest_delay=0.05, connect=2.0, ping_interval=0.2, ping_timeout=2.0),
        )
        self.arrivals = Arrivals([self.driver], lambda: FACTS)
        self.driver.start()
        return self.driver

    def heard(self, inputs: tuple[Input, ...]) -> None:
        self.inputs += inputs
        assert self.driver is not None
        self.driver.carry_out([command for given in inputs for command in self.answer(given)])

    def answer(self, given: Input) -> list[Command]:
        if isinstance(given, Arrived):
            now, call = self.clock(), given.new_call
            hold = Hold(
                call=call,
                leg=given.leg,
                arrival=given.arrival,
                group="sales",
                number="",
                music="local_stream://default",
                dialled=given.dialled,
                priority=0,
                joined=now,
                entered=now,
                deadline=now + 3720,
            )
            ring = Ring(offer=f"{call}.1", call=call, leg=given.leg, member="anna", timeout=20.0, caller=given.caller)
            return [hold, ring]
        if isinstance(given, Answered):
            first = self.got(Arrived)[0]
            return [Connect(call=first.new_call, leg=first.leg, offer=given.offer)]
        if isinstance(given, CallerGone):
            return [Withdraw(f"{first.new_call}.1", "caller_gone") for first in self.got(Arrived)]
        return []

    def got(self, kind: type[T]) -> list[T]:
        return [given for given in self.inputs if isinstance(given, kind)]

    def until(self, true: Callable[[], object], what: str) -> None:
        with gevent.Timeout(10, AssertionError(f"never came about: {what}; heard {self.inputs}")):
            while not true():
                gevent.sleep(0.005)

    def people(self, *, patience: float | None = None, talk: float | None = 4.0) -> None:
        self.shell.world.phones(PhoneScript(user="1001", domain="lab", reactions=(Reaction(after=1.0, talk=talk),)))
        self.shell.world.call(CallerScript(number="5551", name="Ewa", to="7001", patience=patience))
        self.shell.settle()

    def stop(self) -> None:
        if self.driver is not None:
            self.driver.stop()
        self.server.stop()
        self.shell.stop()


@pytest.fixture
def office() -> Iterator[Office]:
    made = Office()
    yield made
    made.stop()


def test_a_link_that_comes_up_tells_registrations_and_then_a_snapshot(office: Office) -> None:
    driver = office.connect()
    office.until(lambda: office.got(Snapshot), "the snapshot")
    assert [type(given) for given in office.inputs[:2]] == [Reach, Snapshot]
    assert driver.up
    assert driver.core_uuid == office.shell.world.core
    lease = next(until for key, until in office.shell.world.hash.items() if key.endswith(f"alive-{FACTS.owner}"))
    assert int(lease) > office.shell.now()


def test_a_call_is_taken_held_rung_bridged_and_ended(office: Office) -> None:
    office.connect()
    office.until(lambda: office.got(Snapshot), "the link")
    office.people()
    office.until(lambda: office.got(CallerGone), "the call's end")
    story = [type(given) for given in office.inputs if not isinstance(given, Reach | Snapshot)]
    assert story[0] is Arrived
    assert [kind for kind in story if kind in (Answered, Connected, TalkEnded, CallerGone)] == [
        Answered,
        Connected,
        TalkEnded,
        CallerGone,
    ]
    office.until(lambda: not office.server.open_sessions, "the dialplan's socket to be let go")


def test_a_caller_who_gives_up_takes_the_ringing_with_him(office: Office) -> None:
    office.connect()
    office.until(lambda: office.got(Snapshot), "the link")
    office.shell.world.phones(PhoneScript(user="1001", domain="lab", reactions=(Reaction(kind="ignore"),)))
    office.shell.world.call(CallerScript(number="5551", name="Ewa", to="7001", patience=6.0))
    office.shell.settle()
    office.until(lambda: office.got(OfferEnded), "the offer's end")
    assert [ended.outcome for ended in office.got(OfferEnded)] == ["withdrawn"]
    office.until(lambda: not office.shell.world.legs, "every leg to end")


def test_a_call_before_the_link_is_up_goes_to_the_fallback(office: Office) -> None:
    office.people()
    office.until(lambda: not office.shell.world.legs, "the fallback to end the call")
    assert office.inputs == []
    office.until(lambda: not office.server.open_sessions, "the dialplan's socket to be let go")


def test_a_wrong_password_is_tried_again_with_the_corrected_one(office: Office) -> None:
    office.password = "nonsense"
    driver = office.connect()
    office.until(lambda: driver.trouble, "a word about the trouble")
    assert not driver.up
    office.password = PASSWORD
    office.until(lambda: driver.up, "the link")
    assert driver.trouble == ""


def test_a_dropped_link_is_told_and_a_waiting_caller_is_still_known_after_it(office: Office) -> None:
    driver = office.connect()
    office.until(lambda: office.got(Snapshot), "the link")
    office.shell.world.call(CallerScript(number="5551", name="Ewa", to="7001"))
    office.shell.settle()
    office.until(lambda: office.got(Arrived), "the call")
    link = driver._reconnecting.link
    assert link is not None
    office.inputs.clear()
    link.drop("cut by the test")
    office.until(lambda: office.got(SwitchDown), "the loss to be told")
    office.until(lambda: office.got(Snapshot), "the link to be back")
    assert office.got(CallerGone) == office.got(Arrived) == []
    assert [leg.kind for leg in office.got(Snapshot)[0].legs] == ["caller"]


def held_up(office: Office) -> None:
    """Let a loop of the process wake a minute late."""
    office.stalls.woke(time.monotonic() - 60.0)


def test_after_a_stall_a_switch_in_reach_is_heard_and_one_out_of_reach_is_not_waited_for(office: Office) -> None:
    driver = office.connect()
    office.until(lambda: driver.up, "the link")
    held_up(office)
    assert office.stalls.catching_up("main")
    office.until(lambda: not office.stalls.catching_up("main"), "the switch's answer")
    assert time.monotonic() < office.stalls.until, "it was the answer, not patience"
    driver.stop()
    office.until(lambda: not driver.up, "the link to end")
    held_up(office)
    assert not office.stalls.catching_up("main")


def test_what_was_said_before_a_stall_was_found_is_handled_before_any_timer_of_the_legs(office: Office) -> None:
    driver = office.connect()
    office.until(lambda: office.got(Snapshot), "the link")
    taken: list[str] = []
    real = driver.core.handle

    def handle(item: Item, now: float) -> Out:
        taken.append(item.name if isinstance(item, Event) else type(item).__name__)
        return real(item, now)

    driver.core.handle = handle  # type: ignore[method-assign]
    answers: list[Callable[[], None]] = []
    office.stalls.watch("main", lambda answered: [answers.append(answered)] == [None])
    held_up(office)
    office.shell.world.call(CallerScript(number="5551", name="Ewa", to="7001"))
    office.shell.settle()
    office.until(lambda: "CUSTOM" in taken, "the caller's hold")
    gevent.sleep(0.1)  # two seconds of the legs' time, in which several timers come due
    assert "Tick" not in taken
    answers[0]()
    office.until(lambda: "Tick" in taken, "the timers to go on")


def test_a_session_that_the_peer_ends_before_our_word_is_a_caller_gone(office: Office) -> None:
    driver = office.connect()
    office.until(lambda: driver.up, "the link")
    session: Any = SimpleNamespace(down=Flag())
    office.answer = lambda _: []  # type: ignore[method-assign]
    attending = gevent.spawn(driver.attend, session, Event(uuid="u1", answer_state="ringing"))
    office.until(lambda: office.got(Arrived), "the arrival")
    session.down.set()
    office.until(lambda: office.got(CallerGone), "the end to be told")
    attending.join(1)
    assert attending.ready()


def test_the_switch_is_knocked_at_while_a_phone_rings_and_not_in_a_talk(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    knocks: list[bool] = []
    real = Link.knock

    def knock(link: Link) -> None:
        knocks.append(bool(office.got(Connected)))
        real(link)

    monkeypatch.setattr(Link, "knock", knock)
    office.connect()
    office.until(lambda: office.got(Snapshot), "the link")
    office.people()
    office.until(lambda: office.got(Connected), "the talk")
    assert len(knocks) > 1
    before = len(knocks)
    office.until(lambda: office.got(CallerGone), "the call's end")
    assert len(knocks) == before
