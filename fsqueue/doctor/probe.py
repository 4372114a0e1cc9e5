"""What the checks ask of the world: the switch, the daemon, the file system. The checks themselves touch nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from fsqueue.config.model import Configuration
from fsqueue.config.problems import Problem


class ProbeError(Exception):
    """The switch gave no answer any more."""


class FileSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A file or folder. `mode` are the permission bits; `owner` is a user's name, or his number."""

    exists: bool = False
    readable: bool = False
    writable: bool = False
    mode: int = 0
    owner: str = ""


class DaemonSeen(msgspec.Struct, frozen=True, kw_only=True):
    """The running daemon. `trouble`: why it could not be asked; empty when it answered. `switches`: those in reach."""

    trouble: str = ""
    version: str = ""
    switches: dict[str, bool] = {}


class Probe(Protocol):
    """The world."""

    def log_in(self, switch: str) -> str:
        """Connect to [switches.X] and log in; return what is wrong and what to do, or nothing."""

    def api(self, switch: str, command: str) -> str:
        """Return what the switch answers to an API command. Raises ProbeError."""

    def enter(self, switch: str, extension: str, context: str) -> str:
        """Have an empty call dial *extension* in *context*; return why our dialplan refused it, or nothing if it never came there."""

    def laps(self, switch: str, seconds: float) -> dict[str, int]:
        """Count the laps that callers' holds begin within *seconds*, by caller. Raises ProbeError."""

    def daemon(self) -> DaemonSeen:
        """Ask the daemon over its control socket."""

    def listens(self, address: str) -> bool:
        """Whether somebody takes TCP connections at HOST:PORT."""

    def file(self, path: Path) -> FileSeen:
        """Look at a file of this machine."""

    def local(self, host: str) -> bool:
        """Whether *host* is this machine."""

    def now(self) -> float:
        """Return this machine's time in epoch seconds."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is examined: a configuration and, for checks of a switch, which of its switches."""

    path: Path
    configuration: Configuration
    problems: tuple[Problem, ...] = ()
    state: Path = Path()
    version: str = ""
    switch: str = ""
