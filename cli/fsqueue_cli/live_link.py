"""What all commands that speak to the running daemon share: its socket, and how its refusals end a command."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
import msgspec

from fsqueue_cli import talk
from fsqueue_cli.exits import Exit, FailedError, InvalidError, NoSuchThingError, RefusalError, UnreachableError

if TYPE_CHECKING:
    from fsqueue.control.client import Client
    from fsqueue.control.protocol import Problem

F = TypeVar("F", bound=Callable[..., Any])

ASKS = (Exit.NO_SUCH_THING, Exit.DAEMON_UNREACHABLE)
TELLS = (Exit.NO_SUCH_THING, Exit.DAEMON_UNREACHABLE, Exit.REFUSED)
"""How commands that ask, or tell, the daemon can end."""


@dataclass(frozen=True, slots=True)
class Link:
    """The daemon that a command is about, and whether JSON is wanted."""

    client: Client
    as_json: bool


def to_daemon(function: F) -> F:
    """Give a command ``--socket`` and ``--json``, and hand it a `Link` as its first argument."""

    @click.option("--socket", metavar="PATH", help="The daemon's control socket [$FSQUEUE_SOCKET, /run/fsqueue/…].")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(function)
    def command(*arguments: Any, socket: str | None, as_json: bool, **options: Any) -> Any:
        from fsqueue.control.client import Client
        from fsqueue.places import control_socket

        with explained():
            return function(Link(Client(control_socket(socket)), as_json), *arguments, **options)

    return cast("F", command)


@contextmanager
def explained() -> Iterator[None]:
    """End the command as it is to end when the daemon refuses, or doesn't answer."""
    from fsqueue.control import client

    try:
        yield
    except client.UnreachableError as error:
        raise UnreachableError(str(error)) from error
    except client.ControlRefusedError as error:
        raise ending(error.problem) from error


def ending(problem: Problem) -> Exception:
    """Return the error that ends a command for *problem*."""
    kind = {
        "not_found": NoSuchThingError,
        "refused": RefusalError,
        "invalid_configuration": InvalidError,
    }.get(problem.code, FailedError)
    return kind(*problem.details, f"{problem.error}; {problem.remedy}")


def give_raw(raw: bytes) -> None:
    """Print the daemon's JSON, indented, as it is: also with fields that this version doesn't know."""
    from fsqueue.control.wire import printable

    talk.give(printable(msgspec.json.format(raw, indent=2).decode()) + "\n")
