"""The sockets that control listens on: a Unix socket that nobody else has, and TCP.

A lock file beside the Unix socket says whose it is, for as long as its holder lives: a socket file that is left behind
by a crash is then known to be stale, and two daemons started together can't take it from each other.
"""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket as plain
from pathlib import Path

from gevent import socket

from fsqueue.control.settings import ControlError, SocketTakenError

MODE = 0o660
BACKLOG = 64
LONGEST_PATH = 107
"""Bytes of a Unix socket's path (Linux: sun_path has 108, with the zero at its end)."""


class UnixListener:
    """A Unix socket of ours, from `open` to `close`."""

    def __init__(self, path: Path, group: str = "") -> None:
        """Be about to listen at *path*, for the members of *group* (empty: the process's)."""
        self.path = path
        self._group = group
        self._lock = -1

    def open(self) -> socket.socket:
        """Take the place and listen.

        Raises:
            SocketTakenError: another daemon listens there.
            ControlError: the place can't be used.
        """
        if len(os.fsencode(self.path)) > LONGEST_PATH:
            raise ControlError(f"the socket's path {self.path} is longer than {LONGEST_PATH} bytes; choose another one")
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._lock = _take(self.path)
            _clear(self.path)
            return self._listen()
        except ControlError:
            self._unlock()
            raise
        except OSError as error:
            self._unlock()
            raise ControlError(
                f"can't listen for control at {self.path}: {error.strerror}; choose another place with $FSQUEUE_SOCKET"
            ) from error

    def close(self) -> None:
        """Give the place back. The lock file stays: removing it would let two hold a lock on two files of its name."""
        self.path.unlink(missing_ok=True)
        self._unlock()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(os.fspath(self.path))
            # Nobody can connect before listen(), so the mode is right before it counts; a umask would hold for all threads.
            self.path.chmod(MODE)
            if self._group:
                os.chown(self.path, -1, _group_id(self._group))
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _take(path: Path) -> int:
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise _taken(path) from error
    return lock


def _clear(path: Path) -> None:
    """Remove a socket file that nobody listens at; what is no socket, or is listened at, is not ours to remove."""
    if not os.path.lexists(path):
        return
    if not path.is_socket():
        raise ControlError(f"{path} is no socket; remove it, or choose another place with $FSQUEUE_SOCKET")
    with plain.socket(plain.AF_UNIX, plain.SOCK_STREAM) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(os.fspath(path))
    if code != errno.ECONNREFUSED:
        raise _taken(path)
    path.unlink()


def _taken(path: Path) -> SocketTakenError:
    return SocketTakenError(
        f"another fsqueue listens for control at {path}; end it, or choose another place with $FSQUEUE_SOCKET"
    )


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise ControlError(
            f"this system has no group {name} for the control socket; groupadd --system {name}"
        ) from error


def listen_tcp(address: str) -> socket.socket:
    """Listen at ``HOST:PORT``.

    Raises:
        ControlError: the address is not one, is taken, or is not ours.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ControlError(f"control can't listen at {address}: not HOST:PORT")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ControlError(f"control can't listen at {address}: {error.strerror}") from error
    return listener
