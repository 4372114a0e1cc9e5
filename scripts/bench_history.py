"""How much longer the history's questions take when the history is a hundred times as long.

Two histories are made, in SQL, with days of the same size: 10,000 and 1,000,000 calls. Each documented question is asked about one
day in the middle of each; a question that depends on the day alone takes the same time in both. The measure is the ratio.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

from fsqueue.journal import reports
from fsqueue.journal.history import forgetting, queries, schema
from fsqueue.journal.history.queries import CallFilter, Range

SMALL, LARGE = 10_000, 1_000_000
A_DAY = 1_000
"""Calls."""

LIMIT = 3.0
"""The ratio that is allowed."""

START = 1_700_006_400.0
"""Epoch seconds of a midnight in UTC."""

DAY = 86_400.0
REPEATS = 7

_CALL = "'c' || printf('%09d', n)"
_CAME = f"{START} + n * {DAY / A_DAY}"
_MISSED = "n % 4 = 0"
_MEMBER = "'m' || (n % 20)"
_GROUP = "'g' || (n % 8)"

_FILL = f"""
CREATE TEMP TABLE n AS WITH RECURSIVE up(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM up WHERE n + 1 < :calls) SELECT n FROM up;
INSERT INTO calls (id, came, switch, number, dialled, caller_number, caller_name, hidden, grp, ended, reason, missed,
    waited, talked, member, detail, first_seq, last_seq) SELECT {_CALL}, {_CAME}, 'main', '4822' || (n % 5), '4822', '+48' || (n * 7919 % (:calls / 10)), 'Jan', 0, {_GROUP},
    {_CAME} + 90, CASE WHEN {_MISSED} THEN 'abandoned' ELSE 'answered' END, {_MISSED}, n % 60, CASE WHEN {_MISSED} THEN 0 ELSE 60 END,
    CASE WHEN {_MISSED} THEN '' ELSE {_MEMBER} END, '', n * 9 + 1, n * 9 + 9 FROM n;
INSERT INTO visits SELECT n * 9 + 2, {_CALL}, {_GROUP}, {_CAME}, {_CAME}, {_CAME} + 90,
    CASE WHEN {_MISSED} THEN 'missed' ELSE 'answered' END, n % 60 FROM n;
INSERT INTO offers SELECT n * 9 + 3, {_CALL} || '.1', {_CALL}, {_GROUP}, 'm' || ((n + 1) % 20), '', 'D2', {_CAME}, {_CAME}, NULL, {_CAME} + 20,
    'no_answer', '' FROM n;
INSERT INTO offers SELECT n * 9 + 4, {_CALL} || '.2', {_CALL}, {_GROUP}, {_MEMBER}, '', 'D2', {_CAME}, {_CAME} + 20, {_CAME} + 25,
    {_CAME} + 25, CASE WHEN {_MISSED} THEN 'withdrawn' ELSE 'taken' END, '' FROM n;
INSERT INTO talks SELECT n * 9 + 5, {_CALL}, {_CALL} || '.2', {_MEMBER}, {_GROUP}, {_CAME} + 25, {_CAME} + 85, 1 FROM n WHERE NOT {_MISSED};
INSERT INTO states SELECT n * 9 + 3, 'm' || ((n + 1) % 20), 'ringing', 0, {_CAME}, {_CAME} + 20, {_CALL}, '', '' FROM n;
INSERT INTO states SELECT n * 9 + 5, {_MEMBER}, 'talking', 0, {_CAME} + 25, {_CAME} + 85, {_CALL}, '', '' FROM n WHERE NOT {_MISSED};
INSERT INTO states SELECT n * 9 + 6, {_MEMBER}, CASE WHEN n % 40 THEN 'in' ELSE 'paused' END, 1, {_CAME}, {_CAME} + {DAY / 2}, '', '', ''
    FROM n WHERE n % 20 = 0;
INSERT INTO decisions SELECT n * 9 + 7, {_CALL}, {_CAME} + 50, {_GROUP}, 'U2', 'wait', '{{"m1":"talking"}}' FROM n WHERE {_MISSED};
INSERT INTO callbacks SELECT {_CALL}, {_CAME} + 900, 'anna', '' FROM n WHERE n % 8 = 0;
"""


def fill(path: Path, calls: int) -> sqlite3.Connection:
    """Return a history of so many *calls* at *path*, open."""
    db = schema.open_to_write(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("BEGIN")
    for statement in _FILL.split(";\n"):
        if statement.strip():
            db.execute(statement, {"calls": calls} if ":calls" in statement else {})
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return db


def questions(db: sqlite3.Connection, day: int) -> dict[str, Callable[[], Any]]:
    """Return each documented question about the day with this number, by its name."""
    span = Range(START + day * DAY, START + (day + 1) * DAY)
    first = day * A_DAY
    (caller,) = db.execute("SELECT caller_number FROM calls WHERE id = ?", (f"c{first:09}",)).fetchone()

    def calls(**wanted: Any) -> Callable[[], Any]:
        return lambda: list(queries.calls(db, CallFilter(limit=0, **wanted)))

    def report(by: reports.By) -> Callable[[], Any]:
        return lambda: reports.calls(db, reports.Chosen(range=span), by, UTC)

    return {
        "calls of a day": calls(range=span),
        "by group": calls(range=span, group="g1"),
        "by member": calls(range=span, member="m1"),
        "by number": calls(range=span, number="48221"),
        "by reason": calls(range=span, reasons=("abandoned",)),
        "by caller, of a day": calls(range=span, caller=caller),
        "by caller, ever": calls(caller=caller),
        "one call": lambda: queries.call(db, f"c{first + 8:09}"),
        "missed": lambda: queries.missed(db, CallFilter(range=span, limit=0)),
        "missed and not called back": lambda: queries.missed(db, CallFilter(range=span, limit=0), open_only=True),
        "visits of a day": lambda: list(queries.visits(db, CallFilter(range=span, limit=0))),
        "offers of a day": lambda: list(queries.offers(db, CallFilter(range=span, limit=0))),
        "offers of one member": lambda: list(queries.offers(db, CallFilter(range=span, member="m7", limit=0))),
        "states of members": lambda: queries.states(db, span),
        "states of one member": lambda: queries.states(db, span, "m1"),
        "report by group": report("group"),
        "report by number": report("number"),
        "report by day": report("day"),
        "report by hour": report("hour"),
        "report by hour of one group": lambda: reports.calls(db, reports.Chosen(range=span, group="g1"), "hour", UTC),
        "report by member": lambda: reports.members(db, reports.Chosen(range=span), span.end),
        "whom to forget": lambda: forgetting.orders(db, caller),
    }


def _seconds(ask: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        ask()
        best = min(best, time.perf_counter() - began)
    return best


def run(small: int = SMALL, large: int = LARGE) -> dict[str, Any]:
    """Return the times in milliseconds and their ratio for each question, and whether all are within the limit."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="fsqueue-bench-") as folder:
        files = [fill(Path(folder) / f"{calls}.db", calls) for calls in (small, large)]
        asked = [questions(db, calls // A_DAY // 2) for db, calls in zip(files, (small, large), strict=True)]
        for name in asked[0]:
            # A question answered in microseconds by both would measure the clock.
            times = [max(_seconds(each[name]), 20e-6) for each in asked]
            rows = [len(answer) if isinstance(answer := each[name](), list) else 1 for each in asked]
            if not rows[0] or rows[0] != rows[1]:
                raise AssertionError(f"{name}: {rows[0]} rows in the small history, {rows[1]} in the large one")
            found[name] = {
                "rows": rows[0],
                "small_ms": round(times[0] * 1e3, 3),
                "large_ms": round(times[1] * 1e3, 3),
                "ratio": round(times[1] / times[0], 2),
            }
        for db in files:
            db.close()
    worst = max(entry["ratio"] for entry in found.values())
    return {"calls": [small, large], "limit": LIMIT, "worst": worst, "passed": worst <= LIMIT, "questions": found}


if __name__ == "__main__":
    result = run()
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["passed"] else 1)
