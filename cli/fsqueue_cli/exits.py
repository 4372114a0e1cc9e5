"""How a command ends: the exit codes, which scripts and units rely on, and the errors that lead to them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import ClassVar

import click


class Exit(IntEnum):
    """What the command's exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_SUCH_THING = 3
    DAEMON_UNREACHABLE = 4
    CONFIGURATION_INVALID = 5
    REFUSED = 6


MEANINGS: dict[Exit, str] = {
    Exit.DONE: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "the command line can't be understood",
    Exit.NO_SUCH_THING: "no such group, member, number or call",
    Exit.DAEMON_UNREACHABLE: "the daemon can't be reached",
    Exit.CONFIGURATION_INVALID: "the configuration has errors",
    Exit.REFUSED: "refused in this state",
}
"""The words for each code, as the documentation has them."""


class EndError(click.ClickException):
    """Ends the command with `exit_code`; `lines` are said on standard error, one fact each."""

    exit_code: ClassVar[int] = Exit.FAILED

    def __init__(self, *lines: str) -> None:
        """Say *lines*, of which the last names the next step."""
        super().__init__(lines[0])
        self.lines = lines


class FailedError(EndError):
    """It was tried, and didn't work."""


class NoSuchThingError(EndError):
    """What the command is about isn't there."""

    exit_code = Exit.NO_SUCH_THING


class UnreachableError(EndError):
    """There is no daemon to ask, or it doesn't answer."""

    exit_code = Exit.DAEMON_UNREACHABLE


class InvalidError(EndError):
    """The configuration has errors."""

    exit_code = Exit.CONFIGURATION_INVALID


class RefusalError(EndError):
    """It can't be done as things are."""

    exit_code = Exit.REFUSED


def lines_of(problems: Iterable[object]) -> tuple[str, ...]:
    """Return problems of a configuration as lines."""
    return tuple(str(problem) for problem in problems)
