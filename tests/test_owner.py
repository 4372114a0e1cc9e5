"""The engine's owner: order, records before commands, stalls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import gevent
import pytest

from fsqueue.clock import Clock
from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import (
    Answered,
    Arrived,
    CallerGone,
    Command,
    Connect,
    Input,
    Leg,
    Record,
    Ring,
    Snapshot,
    Step,
    Withdraw,
)
from fsqueue.engine.model import Group, Member, Plan
from fsqueue.owner import CHECKPOINT_EVERY, TELL_AFTER, Owner
from fsqueue.stalls import Stalls


class Paper:
    """A journal that writes when it is told to."""

    def __init__(self, at_once: bool = True) -> None:
        self.records: list[Record] = []
        self.waiting: list[Callable[[], None]] = []
        self.at_once = at_once

    def append(self, records: Sequence[Record], _t: float, then: Callable[[], None]) -> None:
        self.records.extend(records)
        if self.at_once:
            then()
        else:
            self.waiting.append(then)


def plan() -> Plan:
    members = {name: Member(id=name, registers=False) for name in ("anna", "jan")}
    return Plan(members=members, groups={"sales": Group(id="sales", extension="7001", members=("anna", "jan"))})


def arrived(n: int) -> Arrived:
    return Arrived(leg=Leg("main", f"u{n}"), arrival=f"a{n}", new_call=f"c{n}", dialled="7001")


class Stage:
    def __init__(self, paper: Paper | None = None, *, reached: bool = False) -> None:
        self.paper = paper or Paper()
        self.done: list[Command] = []
        self.foreseen: list[Command] = []
        self.mono = 0.0
        self.answers: list[Callable[[], None]] = []
        self.reached = reached
        self.engine = Engine(plan())
        stalls = Stalls(lambda: self.mono)
        stalls.watch("main", self.probe)
        clock = Clock(epoch=lambda: 1000.0, monotonic=lambda: self.mono)
        self.owner = Owner(
            self.engine,
            self.paper,  # type: ignore[arg-type] # the part of a journal that the owner uses
            clock,
            self.done.extend,
            stalls,
            monotonic=lambda: self.mono,
            foresee=self.foreseen.extend,
        )

    def probe(self, answered: Callable[[], None]) -> bool:
        self.answers.append(answered)
        return self.reached

    @contextmanager
    def running(self) -> Iterator[None]:
        greenlet = gevent.spawn(self.owner.run)
        gevent.sleep(0)
        yield
        self.owner.stop()
        greenlet.join(5.0)
        assert greenlet.ready()

    def put(self, *inputs: Input) -> None:
        self.owner.put(inputs)
        gevent.sleep(0.01)

    def kinds(self) -> list[str]:
        return [type(command).__name__ for command in self.done]


def test_commands_follow_the_word_that_their_records_are_written() -> None:
    stage = Stage(Paper(at_once=False))
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"), arrived(1))
        assert stage.done == []
        assert any(type(record).__name__ == "Offered" for record in stage.paper.records)
        for then in stage.paper.waiting:
            then()
        assert stage.kinds() == ["Hold", "Ring"]


def test_commands_are_foreseen_while_their_records_are_being_written() -> None:
    stage = Stage(Paper(at_once=False))
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"), arrived(1))
        assert [type(command).__name__ for command in stage.foreseen] == ["Hold", "Ring"]
        assert stage.done == []


def test_inputs_are_taken_in_the_order_they_were_put() -> None:
    stage = Stage()
    with stage.running():
        stage.put(
            Snapshot(switch="main", core="x"), arrived(1), arrived(2), Answered("c2.1"), CallerGone(Leg("main", "u1"))
        )
    assert [c.offer for c in stage.done if isinstance(c, Ring)] == ["c1.1", "c2.1"]
    assert [c.offer for c in stage.done if isinstance(c, Connect)] == ["c2.1"]
    assert [c.offer for c in stage.done if isinstance(c, Withdraw)] == ["c1.1"]


def test_a_fault_in_the_rules_takes_no_other_call_with_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage()
    real = stage.engine.handle

    def handle(given: Input, now: float) -> Step:
        if isinstance(given, Arrived) and given.new_call == "c1":
            raise AssertionError("broken")
        return real(given, now)

    monkeypatch.setattr(stage.engine, "handle", handle)
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"), arrived(1), arrived(2))
    assert [c.call for c in stage.done if isinstance(c, Ring)] == ["c2"]
    assert "please report this" in caplog.text


def test_after_a_stall_nobody_is_rung_until_the_switches_have_answered() -> None:
    stage = Stage(reached=True)
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"))
        stage.mono += 60.0
        stage.put(arrived(1), CallerGone(Leg("main", "u1")), arrived(2))
        assert "Ring" not in stage.kinds()
        stage.answers[0]()
        gevent.sleep(0.01)
        assert [c.call for c in stage.done if isinstance(c, Ring)] == ["c2"]


def test_a_stall_ends_by_itself_when_no_switch_answers() -> None:
    stage = Stage(reached=True)
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"))
        stage.mono += 60.0
        stage.put(arrived(1))
        assert "Ring" not in stage.kinds()
        for _ in range(6):
            stage.mono += 0.9
            stage.put()
        stage.put(arrived(2))
        assert [c.call for c in stage.done if isinstance(c, Ring)] == ["c1", "c2"]


def test_a_start_writes_a_checkpoint_and_so_do_many_records() -> None:
    stage = Stage()
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"))
        first = [r for r in stage.paper.records if type(r).__name__ == "Checkpoint"]
        for n in range(CHECKPOINT_EVERY // 2):
            stage.owner.put((arrived(n), CallerGone(Leg("main", f"u{n}"))))
        gevent.sleep(0.01)
        while len([r for r in stage.paper.records if type(r).__name__ == "CallEnded"]) < CHECKPOINT_EVERY // 2:
            gevent.sleep(0.01)
    assert len(first) == 1
    assert len([r for r in stage.paper.records if type(r).__name__ == "Checkpoint"]) >= 2


def test_an_input_is_taken_before_put_returns_where_nobody_is_at_work() -> None:
    stage = Stage()
    with stage.running():
        stage.owner.put((Snapshot(switch="main", core="x"), arrived(1)))
        assert stage.kinds() == ["Hold", "Ring"]


def test_an_input_that_comes_of_another_waits_its_turn() -> None:
    stage = Stage()
    taken: list[str] = []
    real = stage.engine.handle

    def handle(given: Input, now: float) -> Step:
        if isinstance(given, Arrived) and given.new_call == "c1":
            stage.owner.put((arrived(2),))
            assert taken == ["Snapshot"]
        taken.append(type(given).__name__)
        return real(given, now)

    stage.engine.handle = handle  # type: ignore[method-assign]
    with stage.running():
        stage.owner.put((Snapshot(switch="main", core="x"), arrived(1)))
        assert taken == ["Snapshot", "Arrived", "Arrived"]


def test_who_looks_on_is_told_in_order_after_the_commands() -> None:
    stage = Stage()
    told: list[str] = []

    def look(record: Record, _at: float) -> None:
        assert stage.done
        told.append(type(record).__name__)

    stage.owner.observe(look)
    with stage.running():
        stage.put(Snapshot(switch="main", core="x"))
        stage.owner.put((arrived(1),))
        assert "Ring" in stage.kinds()
        assert not [kind for kind in told if kind == "CallOpened"]
        gevent.sleep(2 * TELL_AFTER)
    assert told == [type(record).__name__ for record in stage.paper.records]


def test_what_was_written_at_the_end_is_still_shown() -> None:
    stage = Stage()
    told: list[Record] = []
    stage.owner.observe(lambda record, _: told.append(record))
    with stage.running():
        stage.owner.put((Snapshot(switch="main", core="x"), arrived(1)))
    stage.owner.tell()
    assert told == stage.paper.records
