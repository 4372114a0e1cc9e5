"""How the switch expands `${name}` and `${function(arguments)}` in a dialplan, innermost first."""

from __future__ import annotations

import re
from collections.abc import Callable

Look = Callable[[str], str]
"""Returns a variable's value; empty for one that isn't set."""

Ask = Callable[[str, str], str]
"""Runs an API function with its arguments and returns what it says."""

_COMPARISON = re.compile(r"\s*(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*?)\s*\?\s*(.*?)\s*:\s*(.*?)\s*", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ESCAPED = "\\$"


def expand(text: str, look: Look, ask: Ask) -> str:
    """Return `text` with everything in `${…}` replaced; a `$` behind a backslash stays as it is."""
    out: list[str] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        if start and text[start - 1] == "\\":
            out.append(text[at : start - 1] + "$")
            at = start + 1
            continue
        end = _closing(text, start + 2)
        if end < 0:
            break
        out.append(text[at:start])
        out.append(_value(expand(text[start + 2 : end], look, ask), look, ask))
        at = end + 1
    out.append(text[at:])
    return "".join(out)


def _closing(text: str, at: int) -> int:
    depth = 1
    for index in range(at, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index
    return -1


def _value(inner: str, look: Look, ask: Ask) -> str:
    name, parenthesis, rest = inner.partition("(")
    if not parenthesis or not rest.endswith(")"):
        return look(inner.strip())
    return cond(rest[:-1]) if name == "cond" else ask(name.strip(), rest[:-1])


def cond(text: str) -> str:
    """Return what `cond` says to `A op B ? yes : no`: numbers are compared as such, words by equality or else by their lengths."""
    match = _COMPARISON.fullmatch(text)
    if match is None:
        return "-ERR"
    left, operator, right, yes, no = match.groups()
    if _NUMBER.fullmatch(left) and _NUMBER.fullmatch(right):
        return yes if _holds(float(left), operator, float(right)) else no
    if operator in ("==", "!="):
        return yes if (left == right) == (operator == "==") else no
    return yes if _holds(float(len(left)), operator, float(len(right))) else no


def _holds(left: float, operator: str, right: float) -> bool:
    if operator in ("==", "!="):
        return (left == right) == (operator == "==")
    if operator.endswith("=") and left == right:
        return True
    return left < right if operator.startswith("<") else left > right
