"""Checks a configuration's text: syntax, then every key, then how all of it fits together. Nothing on the machine."""

import ast
import re
import tomllib
from typing import NamedTuple

from fsqueue.config.building import build
from fsqueue.config.model import Configuration
from fsqueue.config.positions import lines_of
from fsqueue.config.problems import Problem, Report, Severity, written
from fsqueue.config.relations import check_relations
from fsqueue.config.shape import check_shape


class Checked(NamedTuple):
    """What a text means, and all that is wrong with it; there is a configuration only where nothing is an error."""

    configuration: Configuration | None
    problems: tuple[Problem, ...]


def check_text(text: str, file: str) -> Checked:
    """Check a whole configuration; `file` is the name that the problems bear."""
    report = Report(file)
    configuration = inspect(text, report)
    problems = report.problems()
    return Checked(None if has_errors(problems) else configuration, problems)


def has_errors(problems: tuple[Problem, ...]) -> bool:
    """Whether one of them stops a load or a write."""
    return any(problem.severity is Severity.ERROR for problem in problems)


def inspect(text: str, report: Report) -> Configuration | None:
    """Report what is wrong with `text`; returns what it means so far as it does, None where it is no TOML."""
    if text.startswith("\ufeff"):
        report.syntax(1, "begins with a byte order mark", "save it as plain UTF-8")
        return None
    try:
        data = tomllib.loads(text)
    except RecursionError:
        report.syntax(1, "is nested too deeply", "no table here is nested more than three deep")
        return None
    except ValueError as error:
        report.syntax(*_syntax_error(text, str(error)))
        return None
    report.place(data, lines_of(text))
    configuration = build(check_shape(data, report))
    check_relations(configuration, report)
    return configuration


_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")

_TUPLE = re.compile(r"(?<=declare )\(.*\)(?= twice)")

_REMEDIES = (
    ("Cannot declare", "each [table] stands once: put its keys together"),
    ("Cannot overwrite a value", "each key stands once in its table"),
    ("Cannot mutate immutable", "a table in braces can't be added to: write it as [table]"),
    ("Invalid value", "texts stand in quotes, numbers and true or false without"),
    ("Expected '=' after a key", "write key = value"),
    ("Illegal character", "close the quotes on the same line, and take control characters out"),
    ("Unescaped", "write a backslash as two, or use single quotes"),
    ("Expected newline or end of document", "write one key = value per line"),
    ("Expected ']'", "close the [table] on its line"),
    ("Unclosed", "close it"),
    ("Unterminated", "close the quotes"),
)


def _syntax_error(text: str, message: str) -> tuple[int, str, str]:
    """Line, problem and remedy from what the TOML parser says."""
    words = _PLACE.sub("", message)
    place = _PLACE.search(message)
    line, column = text.rstrip().count("\n") + 1, ""
    if place is not None and place.group(1) is not None:
        line, column = int(place.group(1)), f" at column {place.group(2)}"
    elif not words.startswith(("Cannot", "Duplicate")):
        return line, "no valid TOML: the file ends too soon", "close the list, the braces or the quotes at its end"
    # The parser names a table as Python does: ('groups', 'sales').
    words = _TUPLE.sub(lambda found: f"[{written(ast.literal_eval(found.group()))}]", words)
    remedy = next(
        (right for wrong, right in _REMEDIES if words.startswith(wrong)), "see https://toml.io for the syntax"
    )
    return line, f"no valid TOML{column}: {words[:1].lower()}{words[1:]}", remedy
