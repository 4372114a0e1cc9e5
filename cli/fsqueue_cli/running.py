"""The daemon that runs on this machine, as far as a change of the configuration concerns it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from fsqueue.control.client import Client, ControlRefusedError, DeniedError, UnreachableError
from fsqueue.control.protocol import MoveOrder, Reloaded
from fsqueue.engine.messages import Renamed
from fsqueue.places import control_socket

__all__ = ["ControlRefusedError", "DeniedError", "NoDaemonError", "Running", "RunningFile", "UnreachableError"]


T = TypeVar("T")


class NoDaemonError(UnreachableError):
    """Nobody listens at the control socket, which is no trouble for who only changes the file."""


class RunningFile(msgspec.Struct, frozen=True, kw_only=True):
    """Which configuration runs: its file, and the text as it was when it was taken over."""

    path: str
    text: str
    salt: str = ""
    seal: str = ""


class ReloadOrder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Take the file over; what is in `renamed` keeps its turns, callers and history."""

    renamed: tuple[Renamed, ...] = ()


# Of what the daemon answers only what is used is read, so that one of another version can still be asked.


class SeenCall(msgspec.Struct, frozen=True, kw_only=True):
    """Of a call: who it is and what it does."""

    id: str
    state: str


class SeenGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Of a group: its calls, those in line first."""

    calls: tuple[SeenCall, ...]


class SeenState(msgspec.Struct, frozen=True, kw_only=True):
    """Of a member: what people are shown of him."""

    state: str


class SeenMember(msgspec.Struct, frozen=True, kw_only=True):
    """Of a member's details: himself."""

    member: SeenState


class Confirmed(msgspec.Struct, frozen=True, kw_only=True):
    """Of an action: that it was done."""

    done: str


class Running:
    """The daemon behind the control socket.

    Every method raises NoDaemonError, DeniedError, UnreachableError (it doesn't answer) or ControlRefusedError.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Look at *path*, else at the usual places."""
        self.path = path or control_socket()
        self._client = Client(self.path)

    def reload(self, renamed: Sequence[Renamed] = ()) -> Reloaded:
        """Have the file read again and taken over."""
        return self._post(Reloaded, "reload", body=ReloadOrder(renamed=tuple(renamed)))

    def configuration(self) -> RunningFile:
        """Return what runs."""
        return self._get(RunningFile, "configuration")

    def waiting(self, group: str) -> tuple[str, ...]:
        """Return the ids of the calls that wait in *group*, in their order; none where it has no such group."""
        try:
            found = self._get(SeenGroup, "groups", group)
        except ControlRefusedError as error:
            if error.problem.code == "not_found":
                return ()
            raise
        return tuple(call.id for call in found.calls if call.state == "waiting")

    def member_state(self, member: str) -> str:
        """Return what people are shown of *member* (ringing, talking …), empty where it has none such."""
        try:
            return self._get(SeenMember, "members", member).member.state
        except ControlRefusedError as error:
            if error.problem.code == "not_found":
                return ""
            raise

    def move(self, call: str, group: str) -> None:
        """Move a waiting call into *group*."""
        self._post(Confirmed, "calls", call, "move", body=MoveOrder(group=group))

    def _get(self, gives: type[T], *parts: str) -> T:
        try:
            return self._client.get(gives, *parts)
        except UnreachableError as error:
            raise _absent(error) from error.__cause__

    def _post(self, gives: type[T], *parts: str, body: msgspec.Struct) -> T:
        try:
            return self._client.post(gives, *parts, body=body)
        except UnreachableError as error:
            raise _absent(error) from error.__cause__


def _absent(error: UnreachableError) -> UnreachableError:
    """The same error, told apart where there is no daemon at all."""
    if isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return NoDaemonError(str(error))
    return error
