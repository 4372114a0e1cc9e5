"""The commands' reference, made from the commands themselves: ``python -m fsqueue_cli.reference`` writes docs/cli.md."""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import click
import msgspec

from fsqueue.config.settings import ACTIONS
from fsqueue_cli.exits import MEANINGS
from fsqueue_cli.nouns import Verb

HEAD = """\
# The command line

Made from the code by `python -m fsqueue_cli.reference > docs/cli.md`; a test says when it is out of date.

Data goes to standard output, everything else to standard error; there is colour only on a terminal, and none with
`NO_COLOR`. The configuration is `--config`, else `$FSQUEUE_CONFIG`, else `/etc/fsqueue/fsqueue.toml`. Every change is
checked, shown instead of made with `--dry-run`, written as a whole under a lock, and handed to the daemon that runs.

Where there is no configuration yet, the first `group add` or `member add` begins one, with a password for FreeSWITCH's
event socket in a file beside it.
"""

COMPLETION = """\
## Completion

Names are completed from the configuration.

| shell | once |
|---|---|
| bash | `_FSQUEUE_COMPLETE=bash_source fsqueue > /etc/bash_completion.d/fsqueue` |
| zsh | `_FSQUEUE_COMPLETE=zsh_source fsqueue > "${fpath[1]}/_fsqueue"` |
| fish | `_FSQUEUE_COMPLETE=fish_source fsqueue > ~/.config/fish/completions/fsqueue.fish` |
"""


def commands(root: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below *root* with its words, in the order of the alphabet."""
    yield from _below(root, "fsqueue")


def _below(group: click.Group, words: str) -> Iterator[tuple[str, click.Command]]:
    for name in sorted(group.commands):
        command = group.commands[name]
        if isinstance(command, click.Group):
            yield from _below(command, f"{words} {name}")
        elif not command.hidden:
            yield f"{words} {name}", command


def reference(root: click.Group) -> str:
    """Return the reference of all commands below *root*, as Markdown."""
    found = list(commands(root))
    shapes = _shapes(command.gives for _, command in found if isinstance(command, Verb))
    parts = [HEAD, _exit_codes(), _command_table(found), _steps(), COMPLETION, *map(_shape, shapes)]
    parts.insert(5, "## JSON\n\nWhat `--json` prints. Fields are only ever added.\n")
    return "\n".join(parts)


def _exit_codes() -> str:
    rows = "".join(f"| {int(code)} | {words} |\n" for code, words in MEANINGS.items())
    return f"## Exit codes\n\n| code | meaning |\n|---|---|\n{rows}"


def _command_table(found: list[tuple[str, click.Command]]) -> str:
    rows = "".join(_row(words, command) for words, command in found)
    head = "| command | what it does | exit codes | `--json` |\n|---|---|---|---|\n"
    return f"## Commands\n\n{head}{rows}"


def _row(words: str, command: click.Command) -> str:
    arguments = [one.make_metavar(click.Context(command)) for one in command.params if isinstance(one, click.Argument)]
    usage = " ".join([words, *arguments])
    does = inspect.cleandoc(command.help or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
    exits = ", ".join(str(int(code)) for code in command.exits) if isinstance(command, Verb) else ""
    gives = command.gives.__name__ if isinstance(command, Verb) and command.gives is not None else ""
    link = f"[{gives}](#{gives.lower()})" if gives else ""
    return f"| `{usage}` | {does} | {exits} | {link} |\n"


def _steps() -> str:
    lines = [
        "## Steps",
        "",
        "`--unanswered`, `--offline`, `--full` and `--waited` take `ACTION[:TARGET][,KEY=VALUE…]`.",
        "",
    ]
    lines += ["| action | what it does | target | further keys |", "|---|---|---|---|"]
    for kind in ACTIONS:
        target = " or ".join(kind.needs) or "".join(kind.takes)
        more = ", ".join(kind.takes) if kind.needs else ""
        lines.append(f"| {kind.action} | {kind.meaning.replace('`', '')} | {target} | {more} |")
    return "\n".join([*lines, ""])


def _shapes(roots: typing.Iterable[type[msgspec.Struct] | None]) -> list[type[msgspec.Struct]]:
    """Every struct that is printed, and those within, each once."""
    found: dict[str, type[msgspec.Struct]] = {}
    done: list[type[msgspec.Struct]] = []
    waiting: list[Any] = [root for root in roots if root is not None]
    while waiting:
        kind = waiting.pop(0)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if found.setdefault(kind.__name__, kind) is not kind:
                raise TypeError(f"two shapes are called {kind.__name__}: give one of them another name")
            waiting += [] if kind in done else typing.get_type_hints(kind).values()
            done.append(kind)
        else:
            waiting += get_args(kind)
    return [found[name] for name in sorted(found)]


def _shape(kind: type[msgspec.Struct]) -> str:
    rows = "".join(f"| `{name}` | {_type(hint)} |\n" for name, hint in typing.get_type_hints(kind).items())
    words = inspect.cleandoc(kind.__doc__ or "").replace("\n", " ")
    return f"### {kind.__name__}\n\n{words}\n\n| field | type |\n|---|---|\n{rows}"


_JSON_NAMES = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}


def _type(hint: Any) -> str:
    if hint in _JSON_NAMES:
        return _JSON_NAMES[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is typing.Literal:
        return " or ".join(f'"{value}"' for value in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(one) for one in inner)
    if origin is typing.Annotated:
        return _type(inner[0])
    if origin in (tuple, list):
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return f"object of {_type(inner[1])}"
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return "anything"


if __name__ == "__main__":
    from fsqueue_cli.main import cli

    sys.stdout.write(reference(cli))
