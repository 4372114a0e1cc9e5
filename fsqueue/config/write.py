"""Writes a configuration file so that at every moment the whole old one or the whole new one stands there.

A writer holds a lock from before it reads until it has written, so that two at once never lose one's change; a person's
editor knows no lock, so what stands there is compared once more with what was read.
"""

import contextlib
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_NEW_MODE = 0o644


class RefusedError(Exception):
    """The file was left as it is. The message is one line for people and says what to do."""


@contextlib.contextmanager
def locked(
    path: Path, patience_seconds: float = PATIENCE_SECONDS, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold the lock on changes of `path` (of the file that it leads to); RefusedError after `patience_seconds`.

    The lock is on the folder, which needs no file of its own and no right to write.
    """
    folder = _real(path).parent
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise RefusedError(f"the folder {folder} can't be opened: {_why(error)}; create it first") from error
    try:
        _lock(handle, path, patience_seconds, sleep)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, path: Path, patience_seconds: float, sleep: Callable[[float], None]) -> None:
    waited = 0.0
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if waited >= patience_seconds:
                words = f"{path} has been locked by another fsqueue command for {patience_seconds:g} seconds"
                raise RefusedError(f"{words}; try again when that has ended") from error
            sleep(_POLL_SECONDS)
            waited += _POLL_SECONDS
        else:
            return


def write(path: Path, text: str, before: str | None) -> None:
    """Replace the file's content; `before` is what was read, None where there was no file. Call it under `locked`.

    Mode and owner stay, a symbolic link is followed. RefusedError where the file has changed since, its owner can't be
    kept, or the disk says no; then nothing has changed.
    """
    real = _real(path)
    try:
        old = _state(real, before)
        _replace(real, text.encode("utf-8"), old)
    except OSError as error:
        raise RefusedError(f"{path} can't be written: {_why(error)}; it is as it was") from error


def _real(path: Path) -> Path:
    """The file that `path` leads to, whether it exists or not."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise RefusedError(f"{path} leads nowhere: its symbolic links go in a circle; remove them") from error


def _state(real: Path, before: str | None) -> os.stat_result | None:
    try:
        now = real.read_bytes()
    except FileNotFoundError:
        now = None
    if now != (None if before is None else before.encode("utf-8")):
        raise RefusedError(f"{real} has been changed since it was read; look at it, and give the command again")
    return None if now is None else real.stat()


def _replace(real: Path, data: bytes, old: os.stat_result | None) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
    try:
        with open(handle, "wb") as file:  # noqa: PTH123 - a handle, no path
            file.write(data)
            file.flush()
            _dress(file.fileno(), real, old)
            os.fsync(file.fileno())
        Path(name).replace(real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    # Without this a power cut may still bring back the old name, or none.
    folder = os.open(real.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _dress(handle: int, real: Path, old: os.stat_result | None) -> None:
    """Give the new file the mode and owner of the old one; owner first, since a change of it takes away mode bits."""
    if old is None:
        os.fchmod(handle, _NEW_MODE)
        return
    new = os.fstat(handle)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(handle, old.st_uid, old.st_gid)
        except PermissionError as error:
            words = f"{real} belongs to user {old.st_uid}, group {old.st_gid}, and would change its owner"
            raise RefusedError(f"{words}; run this as that user or as root") from error
    os.fchmod(handle, stat.S_IMODE(old.st_mode))


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
