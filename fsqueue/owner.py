"""The one owner of the engine: a greenlet that takes inputs in their order, and does nothing else at the same time.

A step's records go to the journal first, its commands follow the journal's word that they are written. Inputs are
drained before deadlines, and after a stall (`fsqueue.stalls`) no deadline counts until the switches have been heard.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

import gevent
from gevent.event import Event

from fsqueue.clock import Clock
from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import CaughtUp, Command, Input, Record, Stalled, Wake
from fsqueue.journal.writer import Journal
from fsqueue.stalls import Stalls

log = logging.getLogger(__name__)

TICK = 1.0
"""Real seconds that the loop sleeps at most, so that being held up shows also when nothing is due."""

BATCH = 50
"""Inputs handled before other greenlets get their turn: the reader of the event socket must never wait for long."""

CHECKPOINT_EVERY = 20_000
"""Records between two checkpoints: a start then replays a tenth of a second's worth at most."""

Observer = Callable[[Record, float], None]


class Owner:
    """Runs *engine*: `put` inputs from any greenlet; *carry_out* gets commands in order."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        clock: Clock,
        carry_out: Callable[[tuple[Command, ...]], None],
        stalls: Stalls | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin idle; `run` in a greenlet of its own. *stalls* is shared by all loops of the process."""
        self.engine = engine
        self._journal = journal
        self._clock = clock
        self._carry_out = carry_out
        self._monotonic = monotonic
        self._stalls = stalls or Stalls(monotonic)
        self._inputs: deque[Input] = deque()
        self._wake = Event()
        self._observers: list[Observer] = []
        self._stopped = False
        self._stalled = False
        """The engine was told to decide nothing."""
        self._progress = 0.0
        self._since_checkpoint = CHECKPOINT_EVERY
        """Records since the last checkpoint; the first step writes one."""
        # Whatever was said before the last answer is in our queue by then, and is drained first.
        self._stalls.when_over(self._wake.set)

    @property
    def progress(self) -> float:
        """When the loop last went round, in monotonic seconds: at most TICK ago, unless something holds it up."""
        return self._progress

    def observe(self, observer: Observer) -> None:
        """Have *observer* told of every record, with its time, in order, once it is written. It must not block."""
        self._observers.append(observer)

    def put(self, inputs: Iterable[Input]) -> None:
        """Queue *inputs*."""
        self._inputs.extend(inputs)
        self._wake.set()

    def note(self, records: tuple[Record, ...]) -> None:
        """Have *records* that no rule looks at written, and the observers told, in order with all others."""
        self._since_checkpoint += len(records)
        self._write(records, (), self._clock())

    def stop(self) -> None:
        """Have `run` return after the inputs it has."""
        self._stopped = True
        self._wake.set()

    def run(self) -> None:
        """Take inputs and deadlines until `stop`."""
        while not (self._stopped and not self._inputs):
            seconds = self._sleep()
            planned = self._monotonic() + seconds
            self._wake.wait(seconds)
            self._wake.clear()
            self._progress = self._monotonic()
            self._stalls.woke(planned)
            self._hold_still()
            self._drain()
            self._come_due()

    def _sleep(self) -> float:
        due = self.engine.deadline()
        if due is None or self._stalls.catching_up():
            return TICK
        return min(TICK, max(0.0, self._clock.real(due - self._clock())))

    def _drain(self) -> None:
        handled = 0
        while self._inputs:
            self._take(self._inputs.popleft())
            handled += 1
            if handled % BATCH == 0:
                gevent.sleep(0)

    def _hold_still(self) -> None:
        """Have the engine decide nothing while what happened in a stall is still unread."""
        if self._stalls.catching_up() and not self._stalled:
            self._stalled = True
            self._take(Stalled())

    def _come_due(self) -> None:
        self._hold_still()
        if self._stalls.catching_up():
            return
        if self._stalled:
            self._stalled = False
            self._take(CaughtUp())
        due = self.engine.deadline()
        if due is not None and due <= self._clock():
            self._take(Wake())

    def _take(self, given: Input) -> None:
        now = self._clock()
        try:
            step = self.engine.handle(given, now)
        except Exception:
            # One call's trouble must not take the others with it; what was decided before it still goes out.
            log.exception("the rules failed at %r; please report this", given)
            return
        if not step.records and not step.commands:
            return

        self._write(step.records, step.commands, now)
        self._since_checkpoint += len(step.records)
        if self._since_checkpoint >= CHECKPOINT_EVERY:
            self._since_checkpoint = 0
            self._write((self.engine.checkpoint(),), (), now)

    def _write(self, records: tuple[Record, ...], commands: tuple[Command, ...], now: float) -> None:
        """Have *records* written; then tell the observers, and carry *commands* out."""

        def written() -> None:
            for record in records:
                for observer in self._observers:
                    observer(record, now)
            if commands:
                self._carry_out(commands)

        self._journal.append(records, now, written)
