"""The configuration file as commands take it: which one it is, and what is in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from fsqueue.config.check import check_text
from fsqueue.config.model import Configuration
from fsqueue.config.problems import nearest, one_of, shown
from fsqueue.config.reading import load
from fsqueue.places import config_path
from fsqueue_cli.exits import InvalidError, NoSuchThingError, lines_of

F = TypeVar("F", bound=Callable[..., Any])

LONGEST_NAME = 4095
"""Bytes of a path (Linux: PATH_MAX has 4096, with the zero at its end)."""


if TYPE_CHECKING:
    TextParam = click.ParamType[str]
else:
    TextParam = click.ParamType  # generic since click 8.3 only


class FileName(TextParam):
    """A path that the system could have a file at."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return *value*, or fail."""
        text = str(value)
        if not text:
            self.fail("a file's name can't be empty", param, ctx)
        if not text.isprintable() or len(text.encode("utf-8", "surrogateescape")) > LONGEST_NAME:
            self.fail(f"{shown(text)} is no name that a file can have", param, ctx)
        return text

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Have the shell complete files."""
        return [click.shell_completion.CompletionItem(incomplete, type="file")]


@dataclass(frozen=True, slots=True)
class Place:
    """Which file, and whether its data is wanted as JSON."""

    path: Path
    as_json: bool


config_option = click.option(
    "--config", "config_file", type=FileName(), help="Configuration [$FSQUEUE_CONFIG, /etc/fsqueue/fsqueue.toml]."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def reads(command: F) -> F:
    """Give a command --config and --json, and as its first argument the `Place` that they name."""

    @wraps(command)
    def with_place(*arguments: Any, config_file: str | None, as_json: bool, **options: Any) -> Any:
        return command(Place(config_path(config_file), as_json), *arguments, **options)

    return cast(F, config_option(json_option(with_place)))


def read_text(path: Path) -> str | None:
    """Return what the file holds, None where there is no file.

    Raises:
        InvalidError: it can't be read, or is no text.
    """
    loaded = load(path)
    unreadable = [problem for problem in loaded.problems if problem.path == "file"]
    if loaded.text or not unreadable:
        return loaded.text
    if not path.exists() and not path.is_symlink():
        return None
    raise InvalidError(*lines_of(unreadable))


def read_configuration(place: Place) -> Configuration:
    """Return what the file means.

    Raises:
        InvalidError: there is none, or it has errors, which are all said.
    """
    text = read_text(place.path)
    if text is None:
        raise InvalidError(*lines_of(load(place.path).problems))
    checked = check_text(text, str(place.path))
    if checked.configuration is None:
        raise InvalidError(*lines_of(problem for problem in checked.problems if problem.severity == "error"))
    return checked.configuration


def no_such_thing(kind: str, word: str, known: list[str]) -> NoSuchThingError:
    """Return the error that there is no *kind* (group, member, number) called *word*, with what may have been meant."""
    if (meant := nearest(word, known)) is not None:
        hint = f"did you mean {meant}?"
    elif known:
        hint = f"there is {one_of(known)}" if len(known) <= 8 else f"see fsqueue {kind} list"
    else:
        hint = f"there are none yet: fsqueue {kind} add"
    return NoSuchThingError(f"there is no {kind} {shown(word)}; {hint}")
