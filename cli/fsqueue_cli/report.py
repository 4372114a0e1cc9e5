"""``fsqueue report``: how a day, a group, a number or a member did."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from fsqueue.journal import reports
from fsqueue.journal.reports import CallFigures, CallReport, MemberFigures, MemberReport, Spread
from fsqueue_cli import talk
from fsqueue_cli.files import json_option
from fsqueue_cli.history_place import HistoryPlace, history, span_options
from fsqueue_cli.nouns import Verb

BAR = 24
"""Characters of the longest bar."""

COUNTS = ("calls", "answered", "missed", "passed on", "SL")
TIMES = ("wait", "p50", "p95", "longest", "talk", "talk p50", "talk p95", "talk max", "not taken")
BARS = "█ answered ░ missed"
"""Headings of calls; *wait* and *talk* are averages."""

RUNG = ("rung", "answered", "not taken")
TALKED = ("ring", "talk", "p50", "p95", "longest")
STATES = ("in", "paused", "ringing", "talking")
MEMBER_BARS = "█ answered ░ not taken"
"""Headings of members; *ring* and *talk* are averages, from ringing to the talk and of the talk."""


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What ``fsqueue report --json`` prints: `calls`, or with ``--by member`` `members`."""

    calls: CallReport | None = None
    members: MemberReport | None = None


@click.command(cls=Verb, gives=Report)
@history
@span_options("today")
@click.option(
    "--by", type=click.Choice(["group", "member", "number", "day", "hour"]), default="group", show_default=True,
    help="What the rows are.",
)  # fmt: skip
@click.option("--group", default="", metavar="ID", help="Only calls that ended in this group.")
@click.option("--number", default="", metavar="NUMBER", help="Only calls to this number.")
@json_option
def report(place: HistoryPlace, since: str, until: str, by: reports.By, group: str, number: str, as_json: bool) -> None:
    """Count calls: offered, answered, missed, how long they waited and talked.

    Everything of a call belongs to the moment it came, so calls = answered + missed + in progress, whatever the rows are. In a group's
    row, "passed on" are calls that went from there to another group, where they are counted in turn.

    SL, the service level, is answered within T ÷ (answered + missed), where T is service_level_seconds of the group a call was in
    last. Wait and talk are averages; p50 and p95 are the least times that 50 and 95 % of the calls don't exceed. "Not taken" are
    offers that rang and were not answered, of all offers.

    With --by member the rows are members: offers rung, answered, not taken; time logged in, paused, ringing and talking by
    the clock.

    Example: fsqueue report --by hour --since yesterday --until yesterday
    """
    chosen = reports.Chosen(range=place.span(since, until), group=group, number=number)
    with place.reading() as db:
        if str(by) == "member":
            given = Report(members=reports.members(db, chosen, place.now))
        else:
            given = Report(calls=reports.calls(db, chosen, by, place.zone, place.levels))
    if as_json:
        talk.give_json(given)
    elif given.members is not None:
        _give_members(given.members)
    elif given.calls is not None:
        _give_calls(given.calls)


def bar(parts: Sequence[tuple[int, str]], most: int, width: int = BAR) -> str:
    """Return *parts*, each a count and its sign, as a bar of *width* characters for *most*; whoever is there is seen."""
    drawn = ""
    for count, sign in parts:
        length = round(count * width / most) if most else 0
        drawn += sign * (max(1, length) if count else 0)
    return drawn


def _give_calls(found: CallReport) -> None:
    most = max((row.offered for row in found.rows), default=0)
    keys = labels(found)
    rows = [_call_cells(key, row, most) for key, row in zip(keys, (*found.rows, found.total), strict=True)]
    columns: tuple[str, ...] = (found.by, *COUNTS, *TIMES, BARS)
    # Only a group passes calls on; elsewhere the column would be empty.
    at = () if found.by == "group" else (columns.index("passed on"),)
    columns, rows = _without(at, columns), [_without(at, row) for row in rows]
    counts = tuple(name for name in COUNTS if name in columns)
    talk.give_table(columns, rows, ((*counts, BARS), TIMES))
    reasons = ", ".join(f"{reason} {count}" for reason, count in found.total.missed_by_reason.items())
    if reasons:
        talk.give(f"\nMissed: {reasons}\n")
    if found.total.in_progress:
        talk.give(f"In progress: {found.total.in_progress}\n")


def labels(found: CallReport) -> list[str]:
    """Return how the rows, and the total, are called: an hour by its time alone where all are of one day."""
    keys = [row.key or "(none)" for row in found.rows]
    if found.by == "hour" and keys:
        days, zones = {key[:10] for key in keys}, {key[16:] for key in keys}
        keys = [key[11 if len(days) == 1 else 0 : 16 if len(zones) == 1 else None] for key in keys]
    return [*keys, found.total.key]


def _without(places: Sequence[int], cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(cell for place, cell in enumerate(cells) if place not in places)


def _call_cells(key: str, row: CallFigures, most: int) -> tuple[str, ...]:
    level = f"{row.service_level:.0%}" if row.service_level is not None else "–"
    counts = (str(row.offered), str(row.answered), str(row.missed), str(row.passed_on), level)
    waits = _clocks(row.wait, row.wait.average, row.wait.p50, row.wait.p95, row.wait.longest)
    talks = _clocks(row.talk, row.talk.average, row.talk.p50, row.talk.p95, row.talk.longest)
    drawn = "" if row.key == "total" else bar(((row.answered, "█"), (row.missed, "░")), most)
    return (key, *counts, *waits, *talks, f"{row.not_taken}/{row.rung}", drawn)


def _clocks(spread: Spread, *seconds: float) -> tuple[str, ...]:
    return tuple(clock(each) if spread.count else "–" for each in seconds)


def _give_members(found: MemberReport) -> None:
    most = max((row.answered + row.not_taken for row in found.rows), default=0)
    rows = [_member_cells(row, most) for row in (*found.rows, found.total)]
    columns = ("member", *RUNG, *TALKED, *STATES, MEMBER_BARS)
    talk.give_table(columns, rows, ((*RUNG, MEMBER_BARS), (*TALKED, *STATES)))


def _member_cells(row: MemberFigures, most: int) -> tuple[str, ...]:
    rung = (str(row.rung), str(row.answered), str(row.not_taken))
    talks = _clocks(row.talk, row.talk.average, row.talk.p50, row.talk.p95, row.talk.longest)
    states = (row.seconds_in, row.seconds_paused, row.seconds_ringing, row.seconds_talking)
    drawn = "" if row.key == "total" else bar(((row.answered, "█"), (row.not_taken, "░")), most)
    return (row.key, *rung, *_clocks(row.ring, row.ring.average), *talks, *map(clock, states), drawn)


def clock(seconds: float) -> str:
    """Return seconds in little room: ``7 s``, ``2:05``, ``1:02:05``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
