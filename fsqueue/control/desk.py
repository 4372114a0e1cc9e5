"""The daemon's desk: where control asks the engine's owner, and hands it what people want done."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Protocol, TypeVar, cast

import gevent
import msgspec
from gevent.event import Event

from fsqueue.clock import Clock
from fsqueue.config.model import Configuration
from fsqueue.config.reading import Loaded, load
from fsqueue.config.secrets import masked, salt, seal
from fsqueue.config.starting import as_started, waiting_for_a_start
from fsqueue.control.board import Board
from fsqueue.control.handlers import GroupFacts, Order
from fsqueue.control.health import Health, troubles
from fsqueue.control.metrics import Metrics
from fsqueue.control.protocol import Draining, Problem, Reloaded, RunningFile
from fsqueue.draining import Drainage
from fsqueue.engine.messages import Record, Renamed
from fsqueue.engine.state import Queue
from fsqueue.engine.view import Picture, SwitchView, picture
from fsqueue.journal import segments
from fsqueue.journal.entries import Entry
from fsqueue.journal.history import files, projection
from fsqueue.journal.history.files import NoHistoryError
from fsqueue.journal.writer import Journal
from fsqueue.owner import Owner

ORDER_LIMIT = 5.0
"""Seconds in which an order must have been handled; the owner's loop goes round at least once in one."""

POLL = 0.002
"""Seconds between looks whether it was."""

T = TypeVar("T")


class Parts(Protocol):
    """What of the daemon a desk needs."""

    owner: Owner
    journal: Journal
    clock: Clock
    drainage: Drainage

    def switch_troubles(self) -> Mapping[str, str]:
        """Return what keeps each switch that is out of reach out of it."""

    def reconfigure(self, configuration: Configuration, renamed: tuple[Renamed, ...] = ()) -> None:
        """Take over a checked configuration; what is in *renamed* is the same thing under another id."""


class DaemonDesk:
    """A desk for a daemon that runs. To be made before it starts, so that the board misses nothing."""

    def __init__(self, daemon: Parts, loaded: Loaded) -> None:
        """Serve *daemon*, which runs what was *loaded*."""
        self._daemon = daemon
        self._loaded = loaded
        self._started = loaded.configuration
        self._also: list[Callable[[], tuple[str, ...]]] = []
        self.version = version("fsqueue")
        self.board = Board(daemon.journal.next_seq, self._service_level)
        self._behind: int | None = None
        self._metrics = Metrics(self.picture, self._health, self._service_level, self._nobody_since)
        daemon.owner.observe(self.board.observe)
        daemon.owner.observe(self._metrics.observe)

    def recall(self) -> None:
        """Read what the journal has of today, a little at a time: for figures that a restart doesn't set back."""
        midnight = _midnight(self._daemon.clock())
        self.board.recall(since(self._daemon.journal.directory, midnight), lambda: gevent.sleep(0))

    def picture(self) -> Picture:
        """Return everything at this moment, also the switches that were never in reach: the engine hasn't heard of them."""
        seen = picture(self._daemon.owner.engine.state, self._daemon.clock())
        configured = self._loaded.configuration.switches if self._loaded.configuration is not None else {}
        known = {switch.id: switch for switch in seen.switches}
        missing = {name: SwitchView(id=name, up=False, core="") for name in configured if name not in known}
        return msgspec.structs.replace(seen, switches=(*known.values(), *missing.values())) if missing else seen

    def group_facts(self) -> Mapping[str, GroupFacts]:
        """Return what the picture doesn't say, by group."""
        queues = self._daemon.owner.engine.state.queues
        return {
            name: GroupFacts(service_level=queue.group.service_level, nobody_since=_nobody_since(queue))
            for name, queue in queues.items()
        }

    def troubles(self) -> tuple[str, ...]:
        """Return what is wrong with the daemon itself, one line each."""
        return troubles(self._health())

    def switch_troubles(self) -> Mapping[str, str]:
        """Return what keeps each switch that is out of reach out of it."""
        return self._daemon.switch_troubles()

    def order(self, given: Order) -> bool:
        """Hand *given* to the engine; return whether it was handled, and the board told, in time."""
        before = self._daemon.owner.rounds
        self._daemon.owner.put([given])
        return self._handled(before)

    def _handled(self, before: float) -> bool:
        """Wait until what was put is handled, and its records are told; *before* is the owner's count of rounds before it."""
        end = time.monotonic() + ORDER_LIMIT
        owner = self._daemon.owner
        return _until(lambda: owner.rounds != before, end) and self._told(end)

    def _told(self, end: float) -> bool:
        """Wait until *end* (monotonic seconds) for what was handed to the journal so far to be written and told."""
        told = Event()
        self._daemon.journal.append((), self._daemon.clock(), told.set)
        written: bool = told.wait(max(0.0, end - time.monotonic()))
        self._daemon.owner.tell()
        return written

    @property
    def draining(self) -> Draining | None:
        """Return since when no new calls are taken, and until when that lasts at most."""
        drainage = self._daemon.drainage
        if drainage.since is None:
            return None
        return Draining(since=drainage.since, by=drainage.by, until=drainage.until)

    def drain(self, by: str, timeout: float | None) -> None:
        """End when the last call is over, or in *timeout* seconds."""
        self._daemon.drainage.begin(by, timeout)

    def cancel_drain(self) -> None:
        """Don't end."""
        self._daemon.drainage.cancel()

    def also_reload(self, hook: Callable[[], tuple[str, ...]]) -> None:
        """Have *hook* called with every reload that was taken over; what it returns are warnings."""
        self._also.append(hook)

    def reload(self, renamed: tuple[Renamed, ...] = ()) -> Reloaded | Problem:
        """Read the configuration again and take it over; with errors the one that runs stays."""
        # In a thread: parsing a large file takes longer than a caller should wait for anything.
        path = self._loaded.path
        loaded: Loaded = gevent.get_hub().threadpool.apply(load, (path,))
        problems = tuple(str(problem) for problem in loaded.problems)
        if loaded.configuration is None:
            return Problem(
                code="invalid_configuration",
                error=f"{path} has errors; the configuration that runs stays",
                remedy="mend what is listed and reload again",
                details=problems,
            )
        before = self._daemon.owner.rounds
        started = self._started or loaded.configuration
        self._daemon.reconfigure(as_started(started, loaded.configuration), renamed)
        self._loaded = loaded
        waiting = waiting_for_a_start(started, loaded.configuration)
        if waiting:
            problems += (
                f"{path}: {', '.join(waiting)}: counts from the next start on; systemctl restart fsqueue, which callers on hold "
                "and in talks don't notice",
            )
        problems += tuple(warning for hook in self._also for warning in hook())
        if not self._handled(before):
            error = f"{path} was taken over, but the daemon is held up: it takes effect later"
            return Problem(code="held_up", error=error, remedy="look at its log")
        return Reloaded(done=f"{path} was taken over", warnings=problems)

    def configuration(self) -> RunningFile:
        """Return the file that runs as it was when it was taken over, without its passwords."""
        text, salted = self._loaded.text, salt()
        return RunningFile(path=str(self._loaded.path), text=masked(text), salt=salted, seal=seal(text, salted))

    def consult(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Put *question* to the history, in one transaction, in a thread: the hub never waits for a disk."""
        state = self._daemon.journal.directory.parent
        answer, error = gevent.get_hub().threadpool.apply(_consult, (state, question))
        if error is not None:
            raise error
        return cast("T", answer)

    def note(self, records: Sequence[Record]) -> bool:
        """Write *records* by way of the owner; return whether they were written, and the observers told, in time."""
        end = time.monotonic() + ORDER_LIMIT
        self._daemon.owner.note(tuple(records))
        return self._told(end)

    def metrics(self) -> bytes:
        """Return the figures since the daemon's start, and those of this moment."""
        written = self._daemon.journal.next_seq - 1
        try:
            self._behind = max(0, written - self.consult(projection.position))
        except (NoHistoryError, sqlite3.Error):
            self._behind = None
        return self._metrics.text()

    def _health(self) -> Health:
        journal, progress = self._daemon.journal, self._daemon.owner.progress
        return Health(
            version=self.version,
            journal_trouble=journal.in_trouble,
            journal_seq=journal.next_seq - 1,
            journal_lost=journal.lost,
            held_up=time.monotonic() - progress if progress else 0.0,
            watchers=self.board.watchers,
            history_behind=self._behind,
        )

    def _nobody_since(self) -> Mapping[str, float | None]:
        return {name: facts.nobody_since for name, facts in self.group_facts().items()}

    def _service_level(self, group: str) -> float:
        queue = self._daemon.owner.engine.state.queues.get(group)
        return queue.group.service_level if queue is not None else 0.0


def _consult(state: Path, question: Callable[[sqlite3.Connection], T]) -> tuple[T | None, Exception | None]:
    """Return the answer or the error: one that is raised in a thread of gevent's is printed as a crash as well."""
    try:
        db = files.open_to_read(state)
        try:
            db.execute("BEGIN")  # one picture for all that is asked
            return question(db), None
        finally:
            db.close()
    except Exception as error:  # noqa: BLE001 - raised again where it was asked
        return None, error


def since(folder: Path, t: float) -> Iterator[Entry]:
    """Yield the journal's entries from about *t* (epoch seconds) on: from the first segment that was written to since."""
    for path in segments.segments(folder):
        try:
            wanted = path.stat().st_mtime >= t
        except FileNotFoundError:
            continue
        if wanted:
            yield from segments.tail(folder, segments.first_seq(path) - 1)
            return


def _nobody_since(queue: Queue) -> float | None:
    if any(queue.online.values()) or not queue.away_since:
        return None
    return max(queue.away_since.values())


def _midnight(t: float) -> float:
    local = time.localtime(t)
    return time.mktime((local.tm_year, local.tm_mon, local.tm_mday, 0, 0, 0, 0, 0, -1))


def _until(true: Callable[[], bool], end: float) -> bool:
    while not true():
        if time.monotonic() >= end:
            return False
        gevent.sleep(POLL)
    return True
