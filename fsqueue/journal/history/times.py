"""Local days and hours as ranges of epoch seconds, right also on the days that have 23 or 25 hours."""

from __future__ import annotations

import datetime
import os
import re
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

from fsqueue.journal.history.queries import Range

_LOCALTIME = Path("/etc/localtime")
_SPAN = re.compile(r"(\d+)([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


class TimeError(ValueError):
    """This is no time, range or zone; the text says what would be."""


def local_zone(environ: Mapping[str, str] = os.environ, file: Path = _LOCALTIME) -> datetime.tzinfo:
    """Return the zone this machine is in: ``$TZ``, else ``/etc/localtime``, else UTC."""
    if name := environ.get("TZ", "").removeprefix(":"):
        return zone(name)
    try:
        with file.open("rb") as opened:
            return zoneinfo.ZoneInfo.from_file(opened)
    except (OSError, ValueError):
        return datetime.UTC


def zone(name: str) -> datetime.tzinfo:
    """Return the zone called *name* (``Europe/Warsaw``).

    Raises:
        TimeError: there is none.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeError(f"no time zone {name!r}; one looks like Europe/Warsaw") from error


def midnight(day: datetime.date, where: datetime.tzinfo) -> float:
    """Return when *day* begins there, in epoch seconds."""
    return datetime.datetime.combine(day, datetime.time(), where).timestamp()


def range_of(since: str, until: str, now: float, where: datetime.tzinfo) -> Range:
    """Return the range that *since* and *until* mean, both as `moment` reads them; an empty *until* means up to *now*.

    Where *until* is a day, the whole of it is meant.

    Raises:
        TimeError: one of them is no time, or they are the wrong way round.
    """
    start = moment(since, now, where)
    end = moment(until, now, where, end=True) if until else max(now, start)
    if end < start:
        raise TimeError(f"--since {since} is later than --until {until}")
    return Range(start, end)


def moment(text: str, now: float, where: datetime.tzinfo, *, end: bool = False) -> float:
    """Return what *text* means in epoch seconds: a day, a day and time, ``today``, ``yesterday``, or ``7d`` (ago).

    A day means its beginning, as the *end* of a range the beginning of the next. ``7d`` and ``2w`` ago begin at midnight; ``12h``
    are hours from *now*.

    Raises:
        TimeError: it is none of these.
    """
    today = datetime.datetime.fromtimestamp(now, where).date()
    span = _SPAN.fullmatch(text)
    if span and span[2] == "h":
        return now - int(span[1]) * 3600.0
    try:
        if span:
            day = today - datetime.timedelta(**{_UNITS[span[2]]: int(span[1])})
        elif text in ("today", "yesterday"):
            day = today - datetime.timedelta(days=text == "yesterday")
        elif len(text) == len("2026-01-31"):
            day = datetime.date.fromisoformat(text)
        else:
            then = datetime.datetime.fromisoformat(text)
            return (then if then.tzinfo else then.replace(tzinfo=where)).timestamp()
        return midnight(day + datetime.timedelta(days=1) if end else day, where)
    except (ValueError, OverflowError) as error:
        wanted = "2026-01-31, 2026-01-31T16:04, today, yesterday, or 12h, 7d, 2w (ago)"
        raise TimeError(f"{text!r} is no time; write {wanted}") from error


def days(within: Range, where: datetime.tzinfo) -> list[tuple[str, Range]]:
    """Return the local days that *within* reaches into, each with its name (``2026-01-31``), cut to it."""
    day = datetime.datetime.fromtimestamp(within.start, where).date()
    found = []
    while (start := midnight(day, where)) < within.end:
        following = day + datetime.timedelta(days=1)
        found.append((day.isoformat(), _cut(start, midnight(following, where), within)))
        day = following
    return found


def hours(within: Range, where: datetime.tzinfo) -> list[tuple[str, Range]]:
    """Return the clock hours that *within* reaches into, each with its name, cut to it.

    Names carry the distance from UTC, since the hour that is there twice in autumn is two hours: ``2026-10-25 02:00+0200``.
    """
    found = []
    local = datetime.datetime.fromtimestamp(within.start, where).replace(minute=0, second=0, microsecond=0)
    start = local.timestamp()
    while start < within.end:
        name = datetime.datetime.fromtimestamp(start, where)
        end = _next_hour(start, where)
        found.append((f"{name:%Y-%m-%d %H:%M%z}", _cut(start, end, within)))
        start = end
    return found


def _next_hour(start: float, where: datetime.tzinfo) -> float:
    # Zones are moved by half hours too; an hour of the clock ends when the clock shows another one.
    then = datetime.datetime.fromtimestamp(start + 3600.0, where)
    return start + 3600.0 - then.minute * 60.0 - then.second if then.minute < 30 else start + 3600.0


def _cut(start: float, end: float, within: Range) -> Range:
    return Range(max(start, within.start), min(end, within.end))
