"""Calls, and what belongs to them, as CSV and as JSON lines, for other programs.

The columns of the CSV, and their order, are the fields of what is exported (`queries.CallRow` …); new ones are only ever put behind
them.
"""

from __future__ import annotations

import csv
import datetime
import json
import re
from collections.abc import Iterable
from typing import IO

import msgspec

from fsqueue.journal.words import clean

_PHONE = re.compile(r"\+?[0-9*#]*")
# Where the reader's own separator is another one, what comes behind it in a text begins a cell too.
_FORMULA = re.compile(r"(^|[;,|])(\s*[\"']*\s*)(?=[=+@-])")
_TIMES = ("came", "ended", "unseen_since", "entered", "left", "began", "answered", "called_back")
"""Fields that are moments; other numbers are durations in seconds."""


def json_lines(rows: Iterable[msgspec.Struct], out: IO[bytes]) -> int:
    """Write each row as one JSON object on a line of its own; return how many there were."""
    count = 0
    for row in rows:
        out.write(_line(row))
        count += 1
    return count


def _line(row: msgspec.Struct) -> bytes:
    text = msgspec.json.encode(row).decode()
    if not text.isprintable():
        # As in the journal: what JSON lets stand as it is (C1 controls, DEL) would reach the terminal of who looks at it.
        text = json.dumps(msgspec.to_builtins(row), separators=(",", ":")).replace("\x7f", "\\u007f")
    return text.encode() + b"\n"


def csv_lines(kind: type[msgspec.Struct], rows: Iterable[msgspec.Struct], out: IO[str], zone: datetime.tzinfo) -> int:
    """Write *rows*, all of one *kind*, as CSV with a heading, times as ISO 8601 in *zone*; return how many there were.

    What callers sent is text: control characters are written out, and where a spreadsheet would take it for a formula, an
    apostrophe stands before it.
    """
    writer = csv.writer(out)
    writer.writerow(kind.__struct_fields__)
    count = 0
    for row in rows:
        writer.writerow([_cell(name, getattr(row, name), zone) for name in kind.__struct_fields__])
        count += 1
    return count


def _cell(name: str, value: object, zone: datetime.tzinfo) -> str:
    if value is None:
        return ""
    if name in _TIMES and isinstance(value, float):
        return datetime.datetime.fromtimestamp(value, zone).isoformat(timespec="milliseconds")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    text = clean(" ".join(value) if isinstance(value, tuple) else str(value))
    return text if _PHONE.fullmatch(text) else _FORMULA.sub(r"\1'\2", text)
