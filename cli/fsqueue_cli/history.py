"""``fsqueue history``: what happened to a call, export, forgetting a caller, building anew."""

from __future__ import annotations

import getpass
import sqlite3
import sys
from collections.abc import Callable, Iterable

import click
import msgspec

from fsqueue.journal.history import export, forgetting, marks, queries, story
from fsqueue.journal.history.queries import CallDetails
from fsqueue_cli import talk
from fsqueue_cli.exits import Exit, FailedError, NoSuchThingError, UnreachableError
from fsqueue_cli.files import json_option
from fsqueue_cli.history_place import HistoryPlace, span_options
from fsqueue_cli.history_place import history as placed
from fsqueue_cli.nouns import Verb


@click.group()
def history() -> None:
    """The history of calls: what happened to one, all of them for other programs, forgetting somebody."""


@history.command("call", cls=Verb, gives=CallDetails, exits=(Exit.NO_SUCH_THING,))
@placed
@click.argument("call")
@json_option
def show_call(place: HistoryPlace, call: str, as_json: bool) -> None:
    """Tell what happened to a call, and why.

    Example: fsqueue history call 660fb09882694
    """
    with place.reading() as db:
        details = queries.call(db, call)
    if details is None:
        raise NoSuchThingError(f"the history has no call {call}; see fsqueue history export, fsqueue missed list")
    if as_json:
        talk.give_json(details)
    else:
        talk.give(story.text(details, place.zone))


EXPORTS: dict[str, type[msgspec.Struct]] = {
    "calls": queries.CallRow,
    "visits": queries.ExportedVisit,
    "offers": queries.ExportedOffer,
    "states": queries.StateRow,
    "missed": queries.MissedRow,
}
"""What can be exported, and what its rows are."""


@history.command("export", cls=Verb)
@placed
@click.option(
    "--what", type=click.Choice(list(EXPORTS)), default="calls", show_default=True,
    help="Calls; their stays in groups; whom they rang; what members did; missed calls.",
)  # fmt: skip
@span_options("today")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="csv", show_default=True, help="How.")
@click.option("--group", default="", metavar="ID", help="Only calls that were in this group.")
@click.option("--member", default="", metavar="ID", help="Only calls that this member was rung for.")
@click.option("--number", default="", metavar="NUMBER", help="Only calls to this number.")
@click.option("--caller", default="", metavar="NUMBER", help="Only calls of this caller.")
@click.option("--reason", "reasons", multiple=True, metavar="REASON", help="Only calls that ended so; again for each.")
def export_calls(
    place: HistoryPlace, what: str, since: str, until: str, form: str, group: str, member: str, number: str, caller: str,
    reasons: tuple[str, ...],
) -> None:  # fmt: skip
    """Print calls, the newest first, or what belongs to them: as CSV for spreadsheets (times with their zone), or as lines of JSON.

    With --what states: what each member did, from when to when, of all that reaches into the time; --member alone narrows it.

    Example: fsqueue history export --since 2026-01-01 --until 2026-01-31 > january.csv
    """
    if what == "states" and (group or number or caller or reasons):
        raise click.UsageError("states are narrowed by --member alone: they are of a member, not of a call")
    wanted = queries.CallFilter(
        range=place.span(since, until),
        group=group,
        member=member,
        number=number,
        caller=caller,
        reasons=reasons,
        limit=0,
    )
    with place.reading() as db:
        rows = _rows(db, what, wanted)
        count = (
            export.csv_lines(EXPORTS[what], rows, sys.stdout, place.zone)
            if form == "csv"
            else export.json_lines(rows, sys.stdout.buffer)
        )
    talk.say(talk.count(count, "missed call" if what == "missed" else what.removesuffix("s")))


def _rows(db: sqlite3.Connection, what: str, wanted: queries.CallFilter) -> Iterable[msgspec.Struct]:
    if what == "states":
        return queries.states(db, wanted.range, wanted.member)
    asked: dict[str, Callable[[sqlite3.Connection, queries.CallFilter], Iterable[msgspec.Struct]]] = {
        "calls": queries.calls,
        "visits": queries.visits,
        "offers": queries.offers,
        "missed": queries.missed,
    }
    return asked[what](db, wanted)


@history.command("forget", cls=Verb, gives=marks.Marked, exits=(Exit.NO_SUCH_THING, Exit.DAEMON_UNREACHABLE))
@placed
@click.argument("number")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def forget(place: HistoryPlace, number: str, yes: bool, as_json: bool) -> None:
    """Blank the number and name of one caller in all calls that have ended; the calls stay, as counts.

    The history is blanked within a second, and so is the journal, whose files are written anew without him. It can't be undone.

    Example: fsqueue history forget +48600100200
    """
    by = getpass.getuser()
    with place.reading() as db:
        orders = forgetting.orders(db, number, by)
    count = sum(len(order.calls) for order in orders)
    if not count:
        raise NoSuchThingError(f"the history has no call of {number}")
    if not yes:
        click.confirm(f"Blank the caller of {talk.count(count, 'call')}, for ever?", abort=True, err=True)
    answer = marks.done_words(orders) if place.write(orders) else _by_daemon(marks.ForgetOrder(number=number, by=by))
    if as_json:
        talk.give_json(answer)
    else:
        talk.say(answer.done)


def _by_daemon(order: marks.ForgetOrder) -> marks.Marked:
    from fsqueue.control import client
    from fsqueue.places import control_socket

    try:
        return client.Client(control_socket()).post(marks.Marked, "history", "forget", body=order)
    except client.UnreachableError as error:
        raise UnreachableError(str(error)) from error
    except client.ControlRefusedError as error:
        raise FailedError(f"{error.problem.error}; {error.problem.remedy}") from error


@history.command("rebuild", cls=Verb)
@placed
def rebuild(place: HistoryPlace) -> None:
    """Build the history anew from the journal; who reads it meanwhile reads the old one.

    Example: fsqueue history rebuild --state /var/lib/fsqueue
    """
    from fsqueue.journal.history.following import request_rebuild

    if not place.state.is_dir():
        raise FailedError(f"there is no state folder {place.state}; name it by --state")
    try:
        done = request_rebuild(place.state)
    except (OSError, sqlite3.Error) as error:
        raise FailedError(f"the history can't be built: {error}") from error
    talk.say("the history is built anew" if done else "the daemon has been told to build the history anew")
