"""Asks a daemon over its Unix socket, with the standard library alone: what the command line uses."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from fsqueue.control.protocol import EventHead, Notice, Problem

TIMEOUT = 10.0
"""Seconds to wait for an answer; an action is confirmed within five."""

STREAM_TIMEOUT = 40.0
"""Seconds of silence after which a stream is dead: more than two of its heartbeats."""

Query = Mapping[str, str | int | None]

_T = TypeVar("_T")


class UnreachableError(Exception):
    """No daemon answers; the text says where it was looked for and what to do."""


class DeniedError(UnreachableError):
    """There is a daemon, but this user may not talk to it."""


class ControlRefusedError(Exception):
    """The daemon refused; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        """Carry *problem*."""
        super().__init__(problem.error)
        self.problem = problem


class _UnixConnection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """One daemon, at its socket."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        """Ask at *path*; *timeout* in seconds."""
        self.path = path
        self._timeout = timeout

    def get(self, gives: type[_T], *parts: str, query: Query | None = None) -> _T:
        """Return what is at the path of *parts* (``"groups", "sales"``).

        Raises:
            UnreachableError: no daemon answers.
            ControlRefusedError: it refuses.
        """
        return self.decode(self.get_raw(*parts, query=query), gives)

    def get_raw(self, *parts: str, query: Query | None = None) -> bytes:
        """Return the JSON that is at the path of *parts*; raises as `get` does."""
        return self._ask("GET", _path(parts, query), b"")

    def post(self, gives: type[_T], *parts: str, body: msgspec.Struct | None = None) -> _T:
        """Have the action at the path of *parts* carried out, and return what came of it; raises as `get` does."""
        return self.decode(self.post_raw(*parts, body=body), gives)

    def post_raw(self, *parts: str, body: msgspec.Struct | None = None) -> bytes:
        """Have the action at the path of *parts* carried out, and return the answer's JSON; raises as `get` does."""
        return self._ask("POST", _path(parts, None), b"{}" if body is None else msgspec.json.encode(body))

    def events(self, query: Query) -> Iterator[tuple[EventHead | Notice, bytes]]:
        """Yield each line of the stream of events, read and as it came, until the daemon ends it.

        Raises:
            UnreachableError: no daemon answers, or the stream broke off.
            ControlRefusedError: it refuses.
        """
        connection = _UnixConnection(self.path, max(self._timeout, STREAM_TIMEOUT))
        try:
            response = self._request(connection, "GET", _path(("events",), query), b"")
            if response.status != 200:
                raise self._refused(response.status, self._read(response))
            while line := self._line(response):
                yield self.decode(line, _LINE), line
        finally:
            connection.close()

    # --- parts --------------------------------------------------------------------------------------------------------

    def _ask(self, method: str, path: str, body: bytes) -> bytes:
        connection = _UnixConnection(self.path, self._timeout)
        try:
            response = self._request(connection, method, path, body)
            data = self._read(response)
        finally:
            connection.close()
        if response.status != 200:
            raise self._refused(response.status, data)
        return data

    def _request(self, connection: HTTPConnection, method: str, path: str, body: bytes) -> HTTPResponse:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            connection.request(method, path, body or None, headers)
            return connection.getresponse()
        except PermissionError as error:
            raise DeniedError(
                f"you may not use the control socket {self.path}: only root, and who is in its group, may"
            ) from error
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnreachableError(
                f"no fsqueue listens at {self.path}: start it (systemctl start fsqueue), or name another socket with "
                "--socket or $FSQUEUE_SOCKET"
            ) from error
        except (OSError, HTTPException) as error:
            raise self._broken(error) from error

    def _read(self, response: HTTPResponse) -> bytes:
        try:
            return response.read()
        except (OSError, HTTPException) as error:
            raise self._broken(error) from error

    def _line(self, response: HTTPResponse) -> bytes:
        try:
            return response.readline()
        except (OSError, HTTPException) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> UnreachableError:
        said = "nothing came in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        return UnreachableError(
            f"the fsqueue at {self.path} doesn't answer: {said}; look at its log (journalctl -u fsqueue)"
        )

    def _refused(self, status: int, data: bytes) -> Exception:
        try:
            return ControlRefusedError(msgspec.json.decode(data, type=Problem))
        except (msgspec.DecodeError, UnicodeDecodeError):
            return UnreachableError(f"what listens at {self.path} is no fsqueue: it says {status} and {data[:80]!a}")

    def decode(self, data: bytes, gives: type[_T]) -> _T:
        """Return the daemon's JSON as *gives*.

        Raises:
            UnreachableError: it is something else: the daemon is of another version.
        """
        try:
            return msgspec.json.decode(data, type=gives)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnreachableError(
                f"the fsqueue at {self.path} says what this version doesn't understand ({error}); are both of one version?"
            ) from error


_LINE: Any = EventHead | Notice


def _path(parts: tuple[str, ...], query: Query | None) -> str:
    path = "/v1/" + "/".join(quote(part, safe="") for part in parts)
    given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
