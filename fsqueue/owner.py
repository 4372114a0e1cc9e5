"""The one owner of the engine: it takes inputs in their order, one at a time, by its own greenlet or by whoever brings them.

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
from fsqueue.stalls import STALL, Stalls

log = logging.getLogger(__name__)

TICK = 1.0
"""Real seconds that the loop sleeps at most, so that being held up shows also when nothing is due."""

BATCH = 50
"""Inputs handled before other greenlets get their turn: the reader of the event socket must never wait for long."""

CHECKPOINT_EVERY = 20_000
"""Records between two checkpoints: a start then replays a tenth of a second's worth at most."""

TELL_AFTER = 0.02
"""Real seconds after which those who look on are shown what was written: log and metrics never keep a phone from ringing."""

Observer = Callable[[Record, float], None]


def _nobody(_commands: tuple[Command, ...]) -> None:
    """Nobody prepares anything."""


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
        foresee: Callable[[tuple[Command, ...]], None] = _nobody,
    ) -> None:
        """Begin idle; `run` in a greenlet of its own. *stalls* is shared by all loops of the process.

        *foresee* is shown commands while their records are being written: what it does must not show if they never are.
        """
        self.engine = engine
        self._journal = journal
        self._clock = clock
        self._carry_out = carry_out
        self._foresee = foresee
        self._monotonic = monotonic
        self._stalls = stalls or Stalls(monotonic)
        self._inputs: deque[Input] = deque()
        self._wake = Event()
        self._observers: list[Observer] = []
        self._untold: deque[tuple[Record, float]] = deque()
        """Written, and not shown to the observers yet."""
        self._telling = False
        self._stopped = False
        self._stalled = False
        """The engine was told to decide nothing."""
        self._resting = False
        """The loop sleeps and nobody takes inputs in its place."""
        self._planned = 0.0
        """When it wakes by itself (monotonic seconds)."""
        self._progress = 0.0
        self._rounds = 0
        self._since_checkpoint = CHECKPOINT_EVERY
        """Records since the last checkpoint; the first step writes one."""
        # Whatever was said before the last answer is in our queue by then, and is drained first.
        self._stalls.when_over(self._wake.set)

    @property
    def progress(self) -> float:
        """When the loop last went round, in monotonic seconds: at most TICK ago, unless something holds it up."""
        return self._progress

    @property
    def rounds(self) -> int:
        """How often all inputs there were had been taken: what was put before the next change has been."""
        return self._rounds

    def observe(self, observer: Observer) -> None:
        """Have *observer* told of every record, with its time, in order, once it is written. It must not block.

        He is told behind the commands that go with it: no phone rings later because somebody looks on.
        """
        self._observers.append(observer)

    def put(self, inputs: Iterable[Input]) -> None:
        """Queue *inputs*, and take them at once where nobody is at work: to wake another greenlet for it costs 0.2 ms.

        Not so after a stall that the loop has yet to notice: what it means is decided there.
        """
        self._inputs.extend(inputs)
        if not self._resting or self._stopped or self._monotonic() > self._planned + STALL:
            self._wake.set()
            return
        self._resting = False
        try:
            self._hold_still()
            self._take_some()
        finally:
            self._resting = True
        if self._inputs or self._monotonic() + self._sleep() < self._planned or self._monotonic() > self._planned:
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
            self._planned = self._monotonic() + seconds
            self._resting = True
            self._wake.wait(seconds)
            self._resting = False
            self._wake.clear()
            self._progress = self._monotonic()
            self._stalls.woke(self._planned)
            self._hold_still()
            self._drain()
            self._come_due()

    def _sleep(self) -> float:
        due = self.engine.deadline()
        if due is None or self._stalls.catching_up():
            return TICK
        return min(TICK, max(0.0, self._clock.real(due - self._clock())))

    def _drain(self) -> None:
        self._take_some()
        while self._inputs:
            gevent.sleep(0)
            self._take_some()

    def _take_some(self) -> None:
        """Take inputs, not more than `BATCH`; nothing in here waits, so nobody else is at work meanwhile."""
        for _ in range(BATCH):
            if not self._inputs:
                break
            self._take(self._inputs.popleft())
        if not self._inputs:
            self._rounds += 1

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
            if commands:
                self._carry_out(commands)
            self._untold.extend((record, now) for record in records)
            if self._untold and not self._telling:
                self._telling = True
                gevent.spawn_later(TELL_AFTER, self.tell)

        if commands:
            self._foresee(commands)
        self._journal.append(records, now, written)

    def tell(self) -> None:
        """Show the observers what is written by now."""
        try:
            while self._untold:
                record, at = self._untold.popleft()
                for observer in self._observers:
                    observer(record, at)
        finally:
            self._telling = False
