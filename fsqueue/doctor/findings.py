"""What a check has found, as data."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class State(StrEnum):
    """`warn` works, but will hurt; `skip` could not be looked at, for the reason that the text says."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: what was found, and what to do about it (empty where nothing has to be done)."""

    check: str
    state: State
    text: str
    remedy: str = ""
    switch: str = ""


def ok(check: str, text: str) -> Finding:
    """Return that it works."""
    return Finding(check=check, state=State.OK, text=text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """Return that it works, but will hurt."""
    return Finding(check=check, state=State.WARN, text=text, remedy=remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """Return that it doesn't work."""
    return Finding(check=check, state=State.FAIL, text=text, remedy=remedy)


def skip(check: str, text: str) -> Finding:
    """Return that it could not be looked at."""
    return Finding(check=check, state=State.SKIP, text=text)


def failed(findings: Iterable[Finding]) -> bool:
    """Whether something doesn't work."""
    return any(finding.state is State.FAIL for finding in findings)
