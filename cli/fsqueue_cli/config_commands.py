"""``fsqueue config``: what is wrong with the file, what is in effect, and what runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec
import tomlkit

from fsqueue.config.model import Configuration
from fsqueue.config.problems import Severity, written
from fsqueue.config.reading import load
from fsqueue.config.relations import OCCASIONS
from fsqueue.config.schema import schema_text
from fsqueue.config.settings import TABLES, Table, Value
from fsqueue_cli import step_words, talk
from fsqueue_cli.changes import diff_of
from fsqueue_cli.exits import Exit, FailedError, InvalidError, RefusalError, UnreachableError
from fsqueue_cli.files import Place, read_configuration, read_text, reads
from fsqueue_cli.nouns import Verb, config
from fsqueue_cli.shapes import CheckResult, ConfigDiff, ConfigShown, Effective, Found, Reload


@config.command("check", cls=Verb, gives=CheckResult, exits=(Exit.CONFIGURATION_INVALID,))
@click.option("--strict", is_flag=True, help="Count warnings as errors.")
@reads
def check_config(place: Place, strict: bool) -> int:
    """Check the file as the daemon does, and print everything that is wrong with it, one line each.

    Example: fsqueue config check --strict
    """
    loaded = load(place.path)
    good = loaded.configuration
    ok = good is not None and not (strict and loaded.problems)
    if place.as_json:
        talk.give_json(
            CheckResult(
                file=str(place.path),
                ok=ok,
                problems=tuple(
                    Found(
                        severity=one.severity.value,
                        line=one.line,
                        path=one.path,
                        problem=one.problem,
                        remedy=one.remedy,
                    )
                    for one in loaded.problems
                ),
                **(_counts(good) if good is not None else {}),
            )
        )
        return Exit.DONE if ok else Exit.CONFIGURATION_INVALID
    for problem in loaded.problems:
        talk.give(f"{problem}\n")
    talk.say(f"{place.path}: {_verdict(good, len(loaded.problems))}")
    return Exit.DONE if ok else Exit.CONFIGURATION_INVALID


def _counts(configuration: Configuration) -> dict[str, int]:
    return {
        "switches": len(configuration.switches),
        "groups": len(configuration.groups),
        "members": len(configuration.members),
        "numbers": len(configuration.numbers),
    }


def _verdict(configuration: Configuration | None, problems: int) -> str:
    if configuration is None:
        return "has errors; the daemon doesn't take it"
    parts = [f"{number} {name if number != 1 else _one(name)}" for name, number in _counts(configuration).items()]
    found = talk.count(problems, "warning") if problems else "nothing is wrong"
    return f"{found}; {', '.join(parts)}"


def _one(name: str) -> str:
    return "switch" if name == "switches" else name.removesuffix("s")


@config.command("show", cls=Verb, gives=ConfigShown, exits=(Exit.CONFIGURATION_INVALID,))
@reads
def show_config(place: Place) -> None:
    """Print everything in effect as TOML: what the file says, and each default. Passwords are left out.

    Example: fsqueue config show
    """
    configuration = read_configuration(place)
    data = tomlkit.parse(read_text(place.path) or "").unwrap()
    if place.as_json:
        values = tuple(
            Effective(path=written((*path, key)), value=_json(value), source="file" if own else "default")
            for path, pairs in _tables(configuration, data)
            for key, value, own in pairs
        )
        talk.give_json(ConfigShown(file=str(place.path), values=values))
        return
    first = True
    for path, pairs in _tables(configuration, data):
        talk.give(f"{'' if first else chr(10)}[{written(path)}]\n")
        first = False
        for key, value, own in pairs:
            talk.give(f"{key} = {_toml(value)}{'' if own else '  # default'}\n")


Pair = tuple[str, Value | dict[str, Value], bool]


def _tables(configuration: Configuration, data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], list[Pair]]]:
    """Each table with its keys in effect: name, value, whether the file says so."""
    for table in TABLES:
        own = data.get(table.name, {})
        held = getattr(configuration, table.name)
        if not table.keyed:
            yield (table.name,), _pairs(table, held, own)
            continue
        for key, thing in held.items():
            yield (table.name, key), _pairs(table, thing, own[key])


def _pairs(table: Table, held: msgspec.Struct, own: dict[str, Any]) -> list[Pair]:
    pairs: list[Pair] = []
    for setting in table.settings:
        value = getattr(held, setting.name)
        if value is not None and setting.name != "password":
            pairs.append((setting.name, value, setting.name in own))
    for occasion in OCCASIONS if table.steps else ():
        step = getattr(held, occasion)
        if step is not None:
            words = step_words.parse(step_words.word(step), ())
            pairs.append((occasion, own.get(occasion, words), occasion in own))
    return pairs


def _toml(value: Value | dict[str, Value]) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()


def _json(value: Value | dict[str, Value]) -> Any:
    return list(value) if isinstance(value, tuple) else value


@config.command("schema", cls=Verb)
def schema() -> None:
    """Print the file's JSON Schema, by which editors complete and check it.

    Example: fsqueue config schema > fsqueue.schema.json
    """
    talk.give(schema_text())


@config.command("diff", cls=Verb, gives=ConfigDiff, exits=(Exit.CONFIGURATION_INVALID, Exit.DAEMON_UNREACHABLE))
@reads
def diff_config(place: Place) -> None:
    """Show what differs between the configuration that runs and the file: what a reload would take over.

    Example: fsqueue config diff
    """
    from fsqueue.config.secrets import seal
    from fsqueue_cli.running import ControlRefusedError, Running
    from fsqueue_cli.running import UnreachableError as NobodyError

    text = read_text(place.path)
    if text is None:
        raise InvalidError(f"{place.path} does not exist; name another with --config")
    try:
        running = Running().configuration()
    except NobodyError as error:
        raise UnreachableError(str(error)) from error
    except ControlRefusedError as error:
        raise FailedError(f"the running fsqueue doesn't tell its configuration: {error.problem.error}") from error
    diff = diff_of(running.text, text, str(place.path))
    differs = bool(diff) or (running.seal != "" and running.seal != seal(text, running.salt))
    if place.as_json:
        talk.give_json(ConfigDiff(file=str(place.path), running=running.path, differs=differs, diff=diff))
        return
    talk.give_diff(diff)
    if differs and not diff:
        talk.say("a password differs; passwords are not shown")
    talk.say("fsqueue config reload takes this over" if differs else f"{place.path} is what runs")


@config.command(
    "reload", cls=Verb, gives=Reload, exits=(Exit.CONFIGURATION_INVALID, Exit.DAEMON_UNREACHABLE, Exit.REFUSED)
)
@reads
def reload_config(place: Place) -> None:
    """Have the running daemon take the file over. Calls go on; with errors what runs stays.

    Example: fsqueue config reload
    """
    from fsqueue_cli.handing_over import other_file
    from fsqueue_cli.running import ControlRefusedError, Running
    from fsqueue_cli.running import UnreachableError as NobodyError

    loaded = load(place.path)
    if loaded.configuration is None:
        raise InvalidError(*(str(one) for one in loaded.problems if one.severity is Severity.ERROR))
    running = Running()
    try:
        if (other := other_file(running, place.path)) is not None:
            raise RefusalError(f"the running fsqueue uses {other}, not {place.path}; give --config {other}")
        taken = running.reload()
    except NobodyError as error:
        raise UnreachableError(str(error)) from error
    except ControlRefusedError as error:
        found = error.problem
        kind = InvalidError if found.code == "invalid_configuration" else FailedError
        raise kind(f"{found.error}; {found.remedy}", *found.details) from error
    if place.as_json:
        talk.give_json(Reload(file=str(place.path), done=taken.done, warnings=taken.warnings))
        return
    for warning in taken.warnings:
        talk.say(warning)
    talk.say(taken.done)
