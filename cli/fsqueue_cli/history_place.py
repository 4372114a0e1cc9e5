"""Where commands that ask the history find it, which calls they mean, and how they change it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from fsqueue.config.reading import load
from fsqueue.engine.messages import Record
from fsqueue.journal.history import files, times
from fsqueue.journal.history.marks import write_down
from fsqueue.journal.history.queries import Range
from fsqueue.journal.segments import JournalError
from fsqueue.places import config_path, state_path
from fsqueue_cli.exits import FailedError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """The state folder, what the configuration says for reports, and how times are meant."""

    state: Path
    levels: dict[str, float]
    """The groups' `service_level_seconds`."""
    zone: tzinfo
    now: float
    """Epoch seconds."""

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read the history.

        Raises:
            FailedError: there is none to read.
        """
        try:
            db = files.open_to_read(self.state)
        except files.NoHistoryError as error:
            raise FailedError(str(error)) from error
        try:
            db.execute("BEGIN")  # one picture for all that is asked
            yield db
        except sqlite3.Error as error:
            raise FailedError(
                f"the history can't be read: {error}; `fsqueue history rebuild` makes it again"
            ) from error
        finally:
            db.close()

    def span(self, since: str, until: str) -> Range:
        """Return the range that the options --since and --until mean."""
        try:
            return times.range_of(since, until, self.now, self.zone)
        except times.TimeError as error:
            raise click.UsageError(str(error), click.get_current_context(silent=True)) from error

    def write(self, records: Sequence[Record]) -> bool:
        """Write *records* down here and now; False where a daemon runs, which then has to.

        Raises:
            FailedError: the journal can't be written.
        """
        from fsqueue.journal.history.following import BusyError, Follower

        try:
            write_down(self.state, records, self.now)
        except JournalError as error:
            if isinstance(error.__cause__, BlockingIOError):
                return False
            raise FailedError(str(error)) from error
        try:
            follower = Follower(self.state)
        except BusyError:
            return True
        follower.step()
        follower.close()
        return True


def history(command: F) -> F:
    """Give a command the options that say where the history is, and as its first argument the `HistoryPlace`."""

    @wraps(command)
    def with_place(*arguments: Any, config_file: str | None, state: str | None, timezone: str, **options: Any) -> Any:
        loaded = load(config_path(config_file)).configuration
        try:
            zone = times.zone(timezone) if timezone else times.local_zone()
        except times.TimeError as error:
            raise click.UsageError(str(error), click.get_current_context(silent=True)) from error
        place = HistoryPlace(
            state=state_path(state, loaded.daemon.state if loaded is not None else None),
            levels={key: float(g.service_level_seconds) for key, g in loaded.groups.items()}
            if loaded is not None
            else {},
            zone=zone,
            now=time.time(),
        )
        return command(place, *arguments, **options)

    done: Any = with_place
    for option in (
        click.option("--timezone", default="", metavar="ZONE", help="Times are of this zone [this machine's]."),
        click.option("--state", metavar="DIR", help="The daemon's state folder [daemon.state, /var/lib/fsqueue]."),
        click.option(
            "--config",
            "config_file",
            metavar="FILE",
            help="Configuration [$FSQUEUE_CONFIG, /etc/fsqueue/fsqueue.toml].",
        ),
    ):
        done = option(done)
    return done  # type: ignore[no-any-return]


def span_options(since: str) -> Callable[[F], F]:
    """Give a command --since (by default *since*) and --until."""

    def decorate(command: F) -> F:
        form = "2026-01-31, 2026-01-31T16:04, today, yesterday, 12h, 7d, 2w"
        done = click.option("--until", default="", metavar="TIME", help="To then; a day is meant whole. [now]")(command)
        return click.option("--since", default=since, show_default=True, metavar="TIME", help=f"From then on: {form}.")(
            done
        )

    return decorate
