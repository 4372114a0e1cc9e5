"""The nouns of the command line, and what each command promises: its exit codes and the shape of its JSON.

Modules add their verbs to these groups; `main` imports the modules.
"""

from __future__ import annotations

from typing import Any

import click
import msgspec

from fsqueue_cli.exits import Exit


class Verb(click.Command):
    """A command that says in data what it prints with ``--json`` (`gives`) and how it can end (`exits`)."""

    def __init__(
        self,
        *arguments: Any,
        gives: type[msgspec.Struct] | None = None,
        exits: tuple[Exit, ...] = (),
        **options: Any,
    ) -> None:
        """Take what any click command takes; DONE, FAILED and USAGE are possible always."""
        super().__init__(*arguments, **options)
        self.gives = gives
        self.exits = tuple(sorted({Exit.DONE, Exit.FAILED, Exit.USAGE, *exits}))


@click.group()
def group() -> None:
    """Groups: who is rung for their calls, how, and what happens when nobody answers."""


@click.group()
def member() -> None:
    """Members: the people who answer."""


@click.group()
def number() -> None:
    """Numbers dialled from outside, and the groups they lead to."""


@click.group()
def pickup() -> None:
    """Picking up calls that ring at a colleague."""


@click.group()
def call() -> None:
    """Calls that wait or are talked."""


@click.group()
def config() -> None:
    """The configuration file: what is wrong with it, what it means, what runs."""


@click.group()
def dialplan() -> None:
    """The XML that hands calls to fsqueue."""


NOUNS = (group, member, number, pickup, call, config, dialplan)
