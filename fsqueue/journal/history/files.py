"""Where the history stands: numbered files in ``STATE/history``, and a link that names the one to read.

Each building makes a file of its own and changes the link when it has caught up, so a reader sees a whole history or the one
before, and never a write-ahead log that belongs to another file.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from fsqueue.journal.history import schema

_LINK = "current.db"


class NoHistoryError(Exception):
    """There is no history to read here; the text says what to do."""


def journal_folder(state: Path) -> Path:
    """Return where the journal below the state folder is."""
    return state / "journal"


def history_folder(state: Path) -> Path:
    """Return where the history below the state folder is."""
    return state / "history"


def current(state: Path) -> Path | None:
    """Return the file that is to be read now, None when none has been built."""
    link = history_folder(state) / _LINK
    try:
        target = link.parent / link.readlink().name
    except OSError:
        return None
    return target if target.exists() else None


def own_like(path: Path, model: Path) -> None:
    """Give *path* the owner of *model*: what root does by hand must not lock out the user that the daemon runs as."""
    if os.geteuid() == 0:
        there = model.stat()
        os.chown(path, there.st_uid, there.st_gid, follow_symlinks=False)


def made_folder(state: Path) -> Path:
    """Return the history's folder, made if need be, closed to others."""
    folder = history_folder(state)
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        own_like(folder, state)
    return folder


def next_file(state: Path) -> Path:
    """Return a new, empty file beside the others."""
    folder = made_folder(state)
    numbers = [int(path.stem) for path in folder.glob("*.db") if path.stem.isdecimal()]
    file = folder / f"{max(numbers, default=0) + 1:06}.db"
    file.touch(mode=0o600)
    own_like(file, state)
    return file


def make_current(state: Path, file: Path) -> None:
    """Have *file* read from now on, and remove all others."""
    folder = history_folder(state)
    new = folder / (_LINK + ".new")
    new.unlink(missing_ok=True)
    new.symlink_to(file.name)
    own_like(new, state)
    new.replace(folder / _LINK)
    remove_others(state)


def remove_others(state: Path) -> None:
    """Remove the files that are not read any more; whoever is reading one keeps it until he is done."""
    keep = current(state)
    for path in sorted(history_folder(state).glob("[0-9]*.db*")):
        if keep is None or not path.name.startswith(keep.name):
            path.unlink(missing_ok=True)


def open_to_read(state: Path) -> sqlite3.Connection:
    """Open the history below *state*, to read only; writers are not held up, and the picture is that of each transaction.

    Raises:
        NoHistoryError: there is none yet, this user may not read it, or another version of fsqueue made it.
    """
    file = current(state)
    if file is None:
        if os.access(state, os.R_OK | os.X_OK):
            raise NoHistoryError(
                f"there is no history below {state}; is this the daemon's state folder (--state), and has `fsqueue run` been "
                "started there? `fsqueue history rebuild` makes it from the journal"
            )
        raise NoHistoryError(
            f"the state folder {state} is not there, or not for this user to read; run this as root or as the user that fsqueue "
            "runs as, or name the folder by --state"
        )
    try:
        db = _connect(file)
    except sqlite3.Error as error:
        raise NoHistoryError(
            f"the history {file} can't be read: {error}; `fsqueue history rebuild` makes it again"
        ) from error
    if schema.version(db) != schema.VERSION:
        found = schema.version(db)
        db.close()
        raise NoHistoryError(
            f"the history {file} has version {found} and this fsqueue reads {schema.VERSION}; start the daemon of this version "
            "(it brings the history up to date), or `fsqueue history rebuild`"
        )
    return db


def _connect(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10.0)
    try:
        schema.version(db)
    except sqlite3.OperationalError:
        db.close()
        # Nobody writes, and who may not write here can't make the files that sharing takes: then nothing is to be shared.
        if file.with_name(file.name + "-wal").exists():
            raise
        db = sqlite3.connect(f"{file.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None)
        schema.version(db)
    return db
