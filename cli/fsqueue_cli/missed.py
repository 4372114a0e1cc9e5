"""``fsqueue missed``: the calls nobody answered, and which of them were called back."""

from __future__ import annotations

import datetime
import getpass
import sqlite3

import click
import msgspec

from fsqueue.engine.messages import CalledBack
from fsqueue.journal.history import marks, queries
from fsqueue.journal.history.queries import MissedRow
from fsqueue_cli import talk
from fsqueue_cli.exits import Exit, FailedError, NoSuchThingError, RefusalError, UnreachableError
from fsqueue_cli.files import json_option
from fsqueue_cli.history_place import HistoryPlace, history, span_options
from fsqueue_cli.nouns import Verb


class MissedList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``fsqueue missed list --json`` prints: calls that came from *start* to *end* (epoch seconds), the newest first."""

    start: float
    end: float
    missed: tuple[MissedRow, ...]


@click.group()
def missed() -> None:
    """Missed calls: who called, how long he waited, why nobody answered, and whether he was called back."""


@missed.command("list", cls=Verb, gives=MissedList)
@history
@span_options("7d")
@click.option("--group", default="", metavar="ID", help="Only calls that were in this group.")
@click.option("--number", default="", metavar="NUMBER", help="Only calls to this number.")
@click.option("--caller", default="", metavar="NUMBER", help="Only calls of this caller.")
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help="Only calls that ended so; again for each.")
@click.option("--open", "open_only", is_flag=True, help="Only those that nobody has called back.")
@click.option("--limit", type=click.IntRange(0), default=1000, show_default=True, help="At most so many; 0: all.")
@json_option
def list_missed(
    place: HistoryPlace, since: str, until: str, group: str, number: str, caller: str, reasons: tuple[str, ...],
    open_only: bool, limit: int, as_json: bool,
) -> None:  # fmt: skip
    """List missed calls, the newest first.

    "Reached later" is a later call of the same number that was answered.

    Example: fsqueue missed list --since yesterday --open
    """
    wanted = queries.CallFilter(
        range=place.span(since, until), group=group, number=number, caller=caller, reasons=reasons, limit=limit
    )
    with place.reading() as db:
        rows = queries.missed(db, wanted, open_only=open_only)
    if as_json:
        talk.give_json(MissedList(start=wanted.range.start, end=wanted.range.end, missed=tuple(rows)))
        return
    columns = ("call", "came", "caller", "groups", "waited", "reason", "called back")
    talk.give_table(columns, [_cells(row, place.zone) for row in rows])
    talk.say(f"{talk.count(len(rows), 'missed call')}")


def _cells(row: MissedRow, zone: datetime.tzinfo) -> tuple[str, ...]:
    came = datetime.datetime.fromtimestamp(row.came, zone)
    back = "reached later" if row.reached_later else ""
    if row.called_back is not None:
        back = f"{datetime.datetime.fromtimestamp(row.called_back, zone):%d %b %H:%M}"
        back += f" {row.called_back_by}" if row.called_back_by else ""
        back += f": {row.note}" if row.note else ""
    number = "hidden" if row.hidden else row.caller_number or "unknown"
    who = number if row.hidden or not row.caller_name else f"{number} {row.caller_name}"
    groups = " → ".join(row.groups)
    return row.id, f"{came:%d %b %H:%M}", who, groups, talk.seconds(row.waited), row.reason, back


@missed.command("done", cls=Verb, gives=marks.Marked, exits=(Exit.NO_SUCH_THING, Exit.REFUSED, Exit.DAEMON_UNREACHABLE))
@history
@click.argument("call")
@click.option("--note", default="", metavar="TEXT", help="What came of it, in one line.")
@json_option
def done_missed(place: HistoryPlace, call: str, note: str, as_json: bool) -> None:
    """Mark a missed call as called back.

    Example: fsqueue missed done 660fb09882694 --note "wants an offer"
    """
    order = marks.CallBackOrder(by=getpass.getuser(), note=note)
    with place.reading() as db:
        record = _record(db, call, order)
    answer = marks.done_words(record) if place.write([record]) else _by_daemon(call, order)
    if as_json:
        talk.give_json(answer)
    else:
        talk.say(answer.done)


def _record(db: sqlite3.Connection, call: str, order: marks.CallBackOrder) -> CalledBack:
    try:
        return marks.called_back(db, call, order)
    except marks.NoSuchCallError as error:
        raise NoSuchThingError(f"{error}; see fsqueue missed list") from error
    except marks.MarkRefusedError as error:
        raise RefusalError(str(error)) from error


def _by_daemon(call: str, order: marks.CallBackOrder) -> marks.Marked:
    from fsqueue.control import client
    from fsqueue.places import control_socket

    try:
        return client.Client(control_socket()).post(marks.Marked, "missed", call, "done", body=order)
    except client.UnreachableError as error:
        raise UnreachableError(str(error)) from error
    except client.ControlRefusedError as error:
        raise FailedError(f"{error.problem.error}; {error.problem.remedy}") from error
