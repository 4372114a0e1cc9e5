"""What the shell offers to complete: names from the configuration, whatever state it is in."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fsqueue.config.problems import printable
from fsqueue.places import config_path

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def names(table: str) -> Completer:
    """Return a completer of the ids in *table* (groups, members, numbers), each with its name as help."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        things = _read(ctx).get(table)
        if not isinstance(things, dict):
            return []
        return [
            CompletionItem(key, help=_help(thing))
            for key, thing in things.items()
            if key.startswith(incomplete) and key.isprintable()
        ]

    return complete


def steps(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the steps: first the action, then where to."""
    action, colon, begun = incomplete.partition(":")
    if not colon:
        words = ("voicemail:", "forward:", "group:", "hangup", *(("wait",) if param.name == "unanswered" else ()))
        return [CompletionItem(word) for word in words if word.startswith(action)]
    table = {"forward": "members", "group": "groups"}.get(action)
    if table is None:
        return []
    return [CompletionItem(f"{action}:{item.value}", help=item.help) for item in names(table)(ctx, param, begun)]


def _read(ctx: click.Context) -> dict[str, Any]:
    path = config_path(ctx.params.get("config_file"))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}  # completion has nowhere to complain


def _help(thing: object) -> str | None:
    name = thing.get("name") if isinstance(thing, dict) else None
    return printable(name, 60) if isinstance(name, str) else None
