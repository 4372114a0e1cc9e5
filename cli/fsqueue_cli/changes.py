"""The one way in which a command changes the configuration: edited, checked, written, handed to the running daemon, told."""

from __future__ import annotations

import difflib
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import msgspec

from fsqueue.config import edit, write
from fsqueue.config.check import check_text
from fsqueue.config.problems import Problem, Severity, shown, written
from fsqueue.config.secrets import masked
from fsqueue.engine.messages import Renamed
from fsqueue.places import DEFAULT_CONFIG, config_path
from fsqueue_cli.begin import FIRST_TEXT, make_password_file
from fsqueue_cli.exits import Exit, FailedError, InvalidError, NoSuchThingError, RefusalError
from fsqueue_cli.files import config_option, json_option, read_text
from fsqueue_cli.shapes import Change, Changed, DaemonState, Warned

F = TypeVar("F", bound=Callable[..., Any])
Edit = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Target:
    """Which file a command changes, and how: `dry_run` shows what would change and writes nothing."""

    path: Path
    as_json: bool
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A change: what is done to the text, and what else belongs to it.

    `begins`: where there is no file yet, a new one is begun. `renamed` is told to the daemon, so that turns, callers and
    history stay. `moves` are calls that go to another group before the daemon takes the change over.
    """

    edit: Edit
    begins: bool = False
    renamed: tuple[Renamed, ...] = ()
    moves: tuple[tuple[str, str], ...] = ()


def changes(command: F) -> F:
    """Give a command --config, --dry-run and --json, and as its first argument the `Target` that they name."""

    @wraps(command)
    def with_target(*arguments: Any, config_file: str | None, dry_run: bool, as_json: bool, **options: Any) -> Any:
        return command(Target(config_path(config_file), as_json, dry_run), *arguments, **options)

    dry = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
    return cast(F, config_option(dry(json_option(with_target))))


def confirm(question: str, yes: bool) -> None:
    """Ask, unless *yes*; RefusalError where the answer is no, or nobody is there to give one."""
    if yes:
        return
    if not _somebody_is_here():
        raise RefusalError(f"{question} Nobody is here to say yes; give --yes")
    if not click.confirm(question, err=True):
        raise RefusalError("nothing was changed")


def _somebody_is_here() -> bool:
    return sys.stdin.isatty()


def preview(target: Target, plan: Plan) -> None:
    """Raise what carrying *plan* out would raise, before anybody is asked anything."""
    before = _read(target, plan)
    _edited(target.path, FIRST_TEXT if before is None else before, plan.edit)


def carry_out(target: Target, plan: Plan) -> int:
    """Change the file as *plan* says and tell what came of it; return the exit code.

    Raises:
        EndError: nothing was changed.
    """
    try:
        _make_folder(target.path, plan.begins)
        with write.locked(target.path):
            before = _read(target, plan)
            start = FIRST_TEXT if before is None else before
            after, warnings = _edited(target.path, start, plan.edit)
            changed = after != before
            if changed and not target.dry_run:
                write.write(target.path, after, before)
    except write.RefusedError as error:
        raise _refusal(error) from error
    password = make_password_file(target.path) if before is None and changed and not target.dry_run else None
    done = Change(
        file=str(target.path),
        changed=changed,
        written=changed and not target.dry_run,
        changes=tuple(_differences(start, after, plan.renamed)),
        diff=diff_of(before or "", after, str(target.path)),
        warnings=tuple(Warned(path=one.path, problem=one.problem, remedy=one.remedy) for one in warnings),
        password_file=str(password) if password is not None else "",
        dialplan_changed=changed and _dialplan(start) != _dialplan(after),
        daemon=DaemonState(state="not_asked"),
    )
    return _tell(target, plan, done)


def _read(target: Target, plan: Plan) -> str | None:
    text = read_text(target.path)
    if text is None and not plan.begins:
        words = f"{target.path} does not exist"
        raise InvalidError(f"{words}; name another with --config, or begin one with fsqueue group add NAME")
    return text


def _make_folder(path: Path, begins: bool) -> None:
    # Only where everybody expects it: for a mistyped --config no folders should appear.
    if begins and path == DEFAULT_CONFIG and not path.parent.exists():
        try:
            path.parent.mkdir(mode=0o755, parents=True)
        except OSError as error:
            words = f"the folder {path.parent} can't be made: {(error.strerror or str(error)).lower()}"
            raise FailedError(f"{words}; do this as root, or name another file with --config") from error


def _refusal(error: write.RefusedError) -> FailedError | RefusalError:
    cause = error.__cause__
    broken = isinstance(cause, OSError) and not isinstance(cause, BlockingIOError)
    return FailedError(str(error)) if broken else RefusalError(str(error))


def _edited(path: Path, text: str, change: Edit) -> tuple[str, list[Problem]]:
    """The text after the change, and the warnings that came with it."""
    old = check_text(text, str(path))
    after = _apply(text, change, old.problems)
    new = check_text(after, str(path))
    errors = [problem for problem in new.problems if problem.severity is Severity.ERROR]
    if errors and old.configuration is None:
        raise InvalidError(*map(str, errors), f"{path} has errors; correct them first, nothing was changed")
    if errors:
        # Lines of a text that stands nowhere would mislead.
        raise RefusalError(*(f"{error.path}: {error.problem}; {error.remedy}" for error in errors))
    known = [(problem.path, problem.problem) for problem in old.problems]
    return after, [problem for problem in new.problems if (problem.path, problem.problem) not in known]


def _apply(text: str, change: Edit, problems: Sequence[Problem]) -> str:
    try:
        return change(text)
    except edit.NoSuchThingError as error:
        raise NoSuchThingError(str(error)) from error
    except edit.StillReferredError as error:
        raise RefusalError(f"{error}; change those first, or give --cascade") from error
    except edit.AlreadyThereError as error:
        raise RefusalError(f"{error}; change it with set, or choose another name") from error
    except edit.TooUnusualError as error:
        if syntax := [problem for problem in problems if problem.path == "file"]:
            raise InvalidError(*map(str, syntax)) from error
        raise RefusalError(str(error)) from error


def diff_of(before: str, after: str, name: str) -> str:
    """Return the unified diff without any password, empty where nothing else differs."""
    old, new = masked(before).splitlines(), masked(after).splitlines()
    lines = difflib.unified_diff(old, new, name, name, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _differences(before: str, after: str, renamed: Sequence[Renamed]) -> Iterator[Changed]:
    old, new = _data(before), _data(after)
    for one in renamed:
        table = f"{one.kind}s"
        yield Changed(path=written((table, one.old)), before=one.old, after=one.new)
        if isinstance(old.get(table), dict) and one.old in old[table]:
            old[table][one.new] = old[table].pop(one.old)
    yield from _compared((), old, new)


def _compared(path: tuple[str, ...], old: object, new: object) -> Iterator[Changed]:
    if len(path) == 1:  # [groups] comes with the first group, and goes with the last
        old, new = old or {}, new or {}
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _compared((*path, key), old.get(key), new.get(key))
    elif old != new:
        yield Changed(path=written(path), before=_text(old), after=_text(new))


def _data(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def _text(value: object) -> str | None:
    """A value as people read it; passwords never come here, since no command sets one."""
    if value is None:
        return None
    if isinstance(value, dict):
        pairs = [(key, _text(item)) for key, item in value.items()]
        return " ".join(f"{key}={{{text}}}" if isinstance(value[key], dict) else f"{key}={text}" for key, text in pairs)
    if isinstance(value, list):
        return "[" + ", ".join(_text(item) or "" for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if not isinstance(value, str) else shown(value)


def _dialplan(text: str) -> object:
    """What the dialplan has to know of a text, None where it has errors."""
    from fsqueue.facts import dialplan_facts

    configuration = check_text(text, "").configuration
    return None if configuration is None else dialplan_facts(configuration)


# --- telling ----------------------------------------------------------------------------------------------------------


def _tell(target: Target, plan: Plan, done: Change) -> int:
    from fsqueue_cli import talk

    code: int = Exit.DONE
    if done.written:
        from fsqueue_cli.handing_over import hand_over

        state, code = hand_over(target.path, plan.renamed, plan.moves)
        done = msgspec.structs.replace(done, daemon=state)
    if target.as_json:
        talk.give_json(done)
        return code
    if not done.changed:
        talk.say("unchanged")
        return code
    if target.dry_run:
        talk.give_diff(done.diff)
    for one in done.changes[:_MOST_TOLD]:
        talk.say(_words(one))
    if len(done.changes) > _MOST_TOLD:
        talk.say(f"and {len(done.changes) - _MOST_TOLD} more")
    for warning in done.warnings:
        talk.say(f"note: {warning.path}: {warning.problem}; {warning.remedy}")
    if done.dialplan_changed:
        talk.say("note: FreeSWITCH's dialplan changes with it: fsqueue dialplan install")
    if done.password_file:
        talk.say(f"{done.file} is new, and {done.password_file} holds a new password for FreeSWITCH's event socket:")
        talk.say("put it into FreeSWITCH's event_socket.conf.xml, or write FreeSWITCH's own into that file")
    talk.say("dry run: nothing was written" if target.dry_run else done.daemon.says)
    return code


_MOST_TOLD = 20


def _thing_words(kind: str, key: str, one: Changed) -> str:
    if one.before is None:
        return f"added the {kind} {key}{f': {one.after}' if one.after else ''}"
    return f"removed the {kind} {key}" if one.after is None else f"renamed the {kind} {key} to {one.after}"


def _words(one: Changed) -> str:
    table, _, thing = one.path.partition(".")
    if table in edit.KINDS and "." not in thing and thing:
        return _thing_words(edit.KINDS[table], thing, one)
    if one.before is None:
        return f"{one.path}: {one.after}"
    return f"{one.path}: {one.before} removed" if one.after is None else f"{one.path}: {one.before} → {one.after}"
