"""Options named as the keys they set, made from the table of settings, so that the two can't disagree."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fsqueue.config.problems import one_of, shown
from fsqueue.config.settings import STEP_MEANINGS, Form, Kind, Setting, Table, Value
from fsqueue_cli import completion
from fsqueue_cli.files import TextParam
from fsqueue_cli.step_words import SYNTAX
from fsqueue_cli.typed import typed_fault

F = TypeVar("F", bound=Callable[..., Any])


if TYPE_CHECKING:
    WholeParam = click.ParamType[int]
else:
    WholeParam = click.ParamType


class WholeType(WholeParam):
    """A whole number within a setting's range."""

    name = "n"

    def __init__(self, low: int, high: int, unit: str = "") -> None:
        """Take *low* to *high*, both included."""
        self.low, self.high, self.unit = low, high, unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail."""
        # int() reads digits of any script, underscores, and no more than 4300 of them.
        if isinstance(value, int):
            return value
        text = str(value)
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not self.low <= int(text) <= self.high:
            words = f"a whole number from {self.low} to {self.high} {self.unit}".rstrip()
            self.fail(f"{shown(text)} must be {words}", param, ctx)
        return int(text)


class TextType(TextParam):
    """A text of a setting's form."""

    def __init__(self, setting: Setting) -> None:
        """Take what *setting* takes."""
        self.setting = setting
        self.name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, or fail."""
        text = str(value)
        if (fault := typed_fault(self.setting, text)) is not None:
            self.fail(f"{fault[0]}; {fault[1]}", param, ctx)
        return text

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Offer the choices, or the ids it can refer to."""
        if self.setting.refers:
            return completion.names(self.setting.refers)(ctx, param, incomplete)
        found = [choice for choice in self.setting.choices if choice.startswith(incomplete)]
        return [click.shell_completion.CompletionItem(choice) for choice in found]


class NewIdType(TextParam):
    """The id of something new."""

    def __init__(self, form: Form, name: str) -> None:
        """Take what *form* allows."""
        self.form, self.name = form, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id, or fail."""
        text = str(value)
        if not text.isprintable() or not re.search(self.form.pattern, text):
            self.fail(f"{shown(text)} can't be used; write {self.form.words}", param, ctx)
        return text


def key_options(table: Table) -> Callable[[F], F]:
    """Give a command an option for each key of *table*; what isn't given is None (or an empty tuple)."""

    def decorate(command: F) -> F:
        for occasion in reversed(table.steps):
            command = _step_option(occasion)(command)
        for setting in reversed(table.settings):
            command = _key_option(setting)(command)
        return command

    return decorate


def _key_option(setting: Setting) -> Callable[[F], F]:
    name = setting.name.replace("_", "-")
    if setting.kind is Kind.FLAG:
        return click.option(f"--{name}/--no-{name}", setting.name, default=None, help=_help(setting))
    if setting.kind is Kind.WHOLE:
        kind = WholeType(setting.low, setting.high, setting.unit)
        return click.option(f"--{name}", setting.name, type=kind, help=_help(setting))
    if setting.kind is Kind.TEXTS:
        words = f"{_help(setting)} Give it again for each; the list becomes exactly these."
        option = f"--{name.removesuffix('s')}"
        return click.option(option, setting.name, type=TextType(setting), multiple=True, metavar="ID", help=words)
    metavar = "|".join(setting.choices) or None
    return click.option(f"--{name}", setting.name, type=TextType(setting), metavar=metavar, help=_help(setting))


def _help(setting: Setting) -> str:
    words = [setting.meaning.replace("`", "")]
    if setting.kind is Kind.WHOLE:
        words.append(f"{setting.low} to {setting.high}{f' {setting.unit}' if setting.unit else ''}.")
    default = setting.default_words.replace("`", "")
    if setting.default not in (None, "", ()) and setting.kind is not Kind.FLAG:
        default = str(setting.default)
    return " ".join([*words, *([f"[{default}]"] if default else [])])


def _step_option(occasion: str) -> Callable[[F], F]:
    default = "wait; in-order must name one" if occasion == "unanswered" else "as unanswered"
    words = f"{STEP_MEANINGS[occasion].replace('`', '')} [{default}]"
    if occasion == "unanswered":
        words += f" STEP is {SYNTAX}; more keys follow: forward:jan,timeout_seconds=20"
    return click.option(
        f"--{occasion}", occasion, metavar="STEP", shell_complete=completion.steps, help=words, type=str
    )


def unset_option(table: Table) -> Callable[[F], F]:
    """Give a command --unset KEY, by which optional keys of *table* get their default back."""
    keys = [*(setting.name for setting in table.settings if not setting.required), *table.steps]
    return click.option(
        "--unset", "unset", multiple=True, type=KeyType(keys), help=f"Give a key its default back: {', '.join(keys)}."
    )


class KeyType(TextParam):
    """The name of a key, with hyphens or underscores."""

    name = "key"

    def __init__(self, keys: Sequence[str]) -> None:
        """Take one of *keys*."""
        self.keys = keys

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the key as the file has it, or fail."""
        key = str(value).replace("-", "_")
        if key not in self.keys:
            self.fail(f"{shown(str(value))} is none of {one_of(self.keys)}", param, ctx)
        return key

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        """Offer the keys."""
        return [click.shell_completion.CompletionItem(key) for key in self.keys if key.startswith(incomplete)]


def given(table: Table, options: Mapping[str, Any]) -> dict[str, Value]:
    """Return the keys of *table* that were given, in the table's order."""
    found: dict[str, Value] = {}
    for setting in table.settings:
        value = options.get(setting.name)
        if value is not None and value != ():
            found[setting.name] = value
    return found


def given_steps(table: Table, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the steps of *table* that were given, as typed."""
    return {name: options[name] for name in table.steps if options.get(name) is not None}
