"""A desk without a daemon: the real engine and board, on a clock that the test sets, with no disk and no switch."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from fsqueue.control.board import Board
from fsqueue.control.handlers import GroupFacts, Order
from fsqueue.control.health import Health
from fsqueue.control.kept import Kept
from fsqueue.control.metrics import Metrics
from fsqueue.control.protocol import Draining, Problem, Reloaded, RunningFile
from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import (
    Answered,
    Arrived,
    Caller,
    CallerGone,
    Configure,
    Connected,
    Input,
    Leg,
    Reach,
    Record,
    Renamed,
    Ringing,
    Snapshot,
    TalkEnded,
)
from fsqueue.engine.model import Group, HangUp, Member, Number, Plan
from fsqueue.engine.view import Picture, picture
from fsqueue.journal.entries import Entry, decode, encode
from fsqueue.journal.history import projection, schema

T0 = 1_800_000_000.0

T = TypeVar("T")

PLAN = Plan(
    members={
        "anna": Member(id="anna", name="Anna Nowak", extension="1001", user="1001@example.com"),
        "jan": Member(id="jan", name="Jan Kowalski", extension="1002", user="1002@example.com"),
    },
    groups={
        "sales": Group(id="sales", name="Sales", extension="7001", members=("anna", "jan"), service_level=10.0),
        "support": Group(id="support", members=("jan",), offline=HangUp()),
        "night": Group(id="night"),
    },
    numbers={"48221234567": Number(id="48221234567", group="sales")},
)


class NeverKept(Kept):
    """Keeps no answer: what a test does to a desk behind the server's back is seen at once."""

    def get(self, _question: Hashable, make: Callable[[], bytes]) -> bytes:
        return make()


class FakeDesk:
    """Feed it inputs with `put`; `held_up` makes it a daemon that doesn't handle orders in time."""

    version = "0.0.0"

    def __init__(self, plan: Plan = PLAN, reachable: tuple[str, ...] = ("anna",)) -> None:
        self.now = T0
        self.engine = Engine(plan)
        self.board = Board(1, lambda group: plan.groups[group].service_level if group in plan.groups else 0.0)
        self.held_up = False
        self.ills: tuple[str, ...] = ()
        self.switch_ills: dict[str, str] = {}
        self.orders: list[Order] = []
        self.draining: Draining | None = None
        self.renamed: tuple[Renamed, ...] = ()
        self.reloads: Reloaded | Problem = Reloaded(done="taken over")
        self.trouble: Exception | None = None
        """Why the history can't be read."""
        self.journal: list[Entry] = []
        self._history: sqlite3.Connection | None = None
        self._projected = 0
        health = Health(version="0.0.0", journal_trouble=False, journal_seq=0, held_up=0.0)
        self._metrics = Metrics(self.picture, lambda: health, lambda _: 10.0, self._nobody_since)
        self.put(Configure(plan), *(Reach("main", member, True) for member in reachable))
        self.put(Snapshot(switch="main", core="c1"))

    def put(self, *inputs: Input) -> None:
        for given in inputs:
            self._write(self.engine.handle(given, self.now).records)

    def _write(self, records: Sequence[Record]) -> None:
        for record in records:
            self.journal.append(decode(encode(len(self.journal) + 1, self.now, record)))
            self.board.observe(record, self.now)
            self._metrics.observe(record, self.now)

    def _nobody_since(self) -> dict[str, float | None]:
        return {name: facts.nobody_since for name, facts in self.group_facts().items()}

    # --- what callers and phones do ---

    def arrive(self, call: str, *, to: str = "sales", name: str = "Caller", number: str = "+48600000001") -> None:
        leg = Leg("main", f"leg-{call}")
        self.put(
            Arrived(leg=leg, arrival=f"arrival-{call}", new_call=call, to=to, caller=Caller(number=number, name=name))
        )

    def leave(self, call: str) -> None:
        self.put(CallerGone(Leg("main", f"leg-{call}"), "NORMAL_CLEARING"))

    def answer(self, call: str) -> None:
        """Whoever rings for *call* first picks up, and they are connected."""
        view = next(c for c in self.picture().calls if c.id == call)
        offer = view.rings[0].offer
        self.put(Ringing(offer), Answered(offer), Connected(call, offer))

    def hang_up(self, call: str) -> None:
        view = self.engine.state.calls[call]
        self.put(TalkEnded(call, view.winner))

    # --- a desk ---

    def picture(self) -> Picture:
        return picture(self.engine.state, self.now)

    def group_facts(self) -> Mapping[str, GroupFacts]:
        queues = self.engine.state.queues
        return {
            name: GroupFacts(
                service_level=queue.group.service_level,
                nobody_since=max(queue.away_since.values(), default=None),
            )
            for name, queue in queues.items()
        }

    def troubles(self) -> tuple[str, ...]:
        return self.ills

    def switch_troubles(self) -> Mapping[str, str]:
        return self.switch_ills

    def order(self, given: Order) -> bool:
        self.orders.append(given)
        if self.held_up:
            return False
        self.put(given)
        return True

    def drain(self, by: str, timeout: float | None) -> None:
        began = self.draining or Draining(since=self.now, by=by, until=None)
        until = None if timeout is None else self.now + timeout
        self.draining = Draining(since=began.since, by=began.by, until=until)

    def cancel_drain(self) -> None:
        self.draining = None

    def reload(self, renamed: tuple[Renamed, ...]) -> Reloaded | Problem:
        self.renamed = renamed
        return self.reloads

    def configuration(self) -> RunningFile:
        return RunningFile(path="/etc/fsqueue/fsqueue.toml", text='password = "secret"')

    def consult(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self.trouble is not None:
            raise self.trouble
        if self._history is None:
            self._history = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
            schema.upgrade(self._history)
        projection.apply(self._history, self.journal[self._projected :])
        self._projected = len(self.journal)
        return question(self._history)

    def note(self, records: Sequence[Record]) -> bool:
        if self.held_up:
            return False
        self._write(records)
        return True

    def metrics(self) -> bytes:
        return self._metrics.text()
