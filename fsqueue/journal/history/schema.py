"""The history's tables, as steps: a new file takes all of them, an older one those it has not had (`user_version`).

All times are epoch seconds of the daemon's clock, all durations seconds. Rows that stand for one record have that record's
number in the journal as their key, so that building twice gives the same rows.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

_BASE = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE calls (
    id TEXT PRIMARY KEY,
    came REAL NOT NULL,              -- when it joined its first group; never changes, unlike its place in line
    switch TEXT NOT NULL DEFAULT '',
    number TEXT NOT NULL DEFAULT '', -- first dialled, normalised; empty for who came by extension
    dialled TEXT NOT NULL DEFAULT '',
    caller_number TEXT NOT NULL DEFAULT '',
    caller_name TEXT NOT NULL DEFAULT '',
    hidden INTEGER NOT NULL DEFAULT 0,
    grp TEXT NOT NULL DEFAULT '',    -- the group it is in, or was in last
    ended REAL,                      -- NULL: in progress
    reason TEXT NOT NULL DEFAULT '',
    missed INTEGER NOT NULL DEFAULT 0,
    waited REAL NOT NULL DEFAULT 0,
    talked REAL NOT NULL DEFAULT 0,
    member TEXT NOT NULL DEFAULT '', -- who answered
    detail TEXT NOT NULL DEFAULT '',
    first_seq INTEGER NOT NULL,      -- where in the journal it stands
    last_seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX calls_came ON calls (came);
CREATE INDEX calls_group ON calls (grp, came);
CREATE INDEX calls_member ON calls (member, came) WHERE member <> '';
CREATE INDEX calls_reason ON calls (reason, came);
CREATE INDEX calls_number ON calls (number, came);
CREATE INDEX calls_caller ON calls (caller_number, came) WHERE caller_number <> '';
CREATE INDEX calls_missed ON calls (came) WHERE missed;
CREATE INDEX calls_answered ON calls (caller_number, came) WHERE NOT missed AND ended IS NOT NULL AND caller_number <> '';
CREATE INDEX calls_open ON calls (came) WHERE ended IS NULL;

CREATE TABLE visits (
    seq INTEGER PRIMARY KEY,
    call TEXT NOT NULL,
    grp TEXT NOT NULL,
    came REAL NOT NULL,              -- the call
    entered REAL NOT NULL,
    left_at REAL,                    -- NULL: still in it
    outcome TEXT NOT NULL DEFAULT '', -- answered, missed, or passed on to another group
    waited REAL NOT NULL DEFAULT 0   -- from entering to the talk, or to leaving
);
CREATE INDEX visits_call ON visits (call);
CREATE INDEX visits_came ON visits (came);
CREATE INDEX visits_group ON visits (grp, came);

CREATE TABLE offers (
    seq INTEGER PRIMARY KEY,
    offer TEXT NOT NULL,
    call TEXT NOT NULL,
    grp TEXT NOT NULL,
    member TEXT NOT NULL,            -- empty where a number was dialled
    number TEXT NOT NULL,
    rule TEXT NOT NULL,
    came REAL NOT NULL,              -- the call
    began REAL NOT NULL,
    answered REAL,
    ended REAL,                      -- when it became a talk, or was over
    outcome TEXT NOT NULL DEFAULT '', -- taken, or the journal's word for how it ended
    cause TEXT NOT NULL DEFAULT ''
);
CREATE INDEX offers_call ON offers (call);
CREATE INDEX offers_came ON offers (came);
CREATE INDEX offers_member ON offers (member, came);

CREATE TABLE talks (
    seq INTEGER PRIMARY KEY,
    call TEXT NOT NULL,
    offer TEXT NOT NULL,
    member TEXT NOT NULL,
    grp TEXT NOT NULL,
    began REAL NOT NULL,
    ended REAL,
    stood INTEGER NOT NULL DEFAULT 1  -- 0: its member left at once, and the caller waited on
);
CREATE INDEX talks_call ON talks (call);

CREATE TABLE states (
    seq INTEGER NOT NULL,
    member TEXT NOT NULL,
    state TEXT NOT NULL,             -- duty: in, paused, out; activity: ringing, talking
    duty INTEGER NOT NULL,           -- 1: duty; 0: activity, which runs beside it
    began REAL NOT NULL,
    ended REAL,
    call TEXT NOT NULL DEFAULT '',
    why TEXT NOT NULL DEFAULT '',
    by TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (seq, member)
) WITHOUT ROWID;
CREATE INDEX states_began ON states (duty, began);
-- Whoever asks which intervals reach into a day begins to look at the day's start less the longest one's length.
CREATE INDEX states_length ON states (duty, ended - began) WHERE ended IS NOT NULL;
CREATE INDEX states_open ON states (member, duty) WHERE ended IS NULL;

CREATE TABLE decisions (
    seq INTEGER PRIMARY KEY,
    call TEXT NOT NULL,
    t REAL NOT NULL,
    grp TEXT NOT NULL,
    rule TEXT NOT NULL,
    action TEXT NOT NULL,
    because TEXT NOT NULL            -- JSON: what each member was doing
);
CREATE INDEX decisions_call ON decisions (call);
"""

_CALLED_BACK = """
CREATE TABLE callbacks (
    call TEXT PRIMARY KEY,
    t REAL NOT NULL,
    by TEXT NOT NULL,
    note TEXT NOT NULL
) WITHOUT ROWID;

-- Calls that are to be forgotten and whose callers may still stand in these entries of the journal.
CREATE TABLE scrubs (
    call TEXT PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL
) WITHOUT ROWID;
"""

_UNSEEN = """
ALTER TABLE calls ADD COLUMN unseen_since REAL; -- nobody saw the end: it came after this moment, and until `ended`
"""

STEPS = (_BASE, _CALLED_BACK, _UNSEEN)
VERSION = len(STEPS)


class NewerFileError(Exception):
    """A later version of fsqueue wrote the file; this one can't read it, but can build its own from the journal."""


def version(db: sqlite3.Connection) -> int:
    """Return which steps the file has had: 0 for a new one."""
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def upgrade(db: sqlite3.Connection, upto: int = VERSION) -> int:
    """Take the steps that are missing, each whole or not at all; return the version the file had before.

    Raises:
        NewerFileError: the file has had steps that this version doesn't know.
        sqlite3.DatabaseError: it is no database, or damaged.
    """
    before = version(db)
    if before > upto:
        raise NewerFileError(f"the history has version {before}, this fsqueue knows up to {upto}")
    for number in range(before, upto):
        db.executescript(f"BEGIN IMMEDIATE; {STEPS[number]} PRAGMA user_version = {number + 1}; COMMIT;")
    return before


def open_to_write(path: Path, *, upto: int = VERSION) -> sqlite3.Connection:
    """Open the file at *path*, made or brought up to date if need be, in autocommit mode and write-ahead logging.

    Readers go on reading while it is written. A power cut may cost the last moments, which are read from the journal again.

    Raises:
        NewerFileError: see `upgrade`.
        sqlite3.Error: it can't be used.
    """
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")  # who is forgotten must not stay in freed pages
        upgrade(db, upto)
    except BaseException:
        db.close()
        raise
    return db
