"""Whether what is seen is worth waking somebody: the verdict of ``fsqueue status --check``, as monitoring plugins speak."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from fsqueue.control.protocol import GroupStatus, Status
from fsqueue_cli.picture import duration


class Verdict(IntEnum):
    """A plugin's exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From when on something is worth telling; all in seconds."""

    wait_warning: float = 120.0
    """The longest wait of a caller who is in line now."""
    wait_critical: float = 300.0
    nobody: float = 60.0
    """How long callers may wait in a group of which nobody is online."""


@dataclass(slots=True)
class _Found:
    verdict: Verdict = Verdict.OK
    lines: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict, text: str) -> None:
        self.verdict = max(self.verdict, verdict)
        self.lines.append(text)


def check(status: Status, thresholds: Thresholds) -> tuple[Verdict, str]:
    """Return the verdict on *status* and its one line, with the figures behind a bar for graphs."""
    found = _Found()
    for switch in status.switches:
        if not switch.up:
            why = f": {switch.trouble}" if switch.trouble else ""
            found.add(Verdict.CRITICAL, f"switch {switch.id} is out of reach{why}")
    for trouble in status.trouble:
        found.add(Verdict.CRITICAL, trouble)
    if status.draining is not None:
        found.add(Verdict.WARNING, f"draining for {duration(status.t - status.draining.since)}, no new calls are taken")
    for group in status.groups:
        _nobody(found, group, status.t, thresholds.nobody)
    longest = max((status.t - g.longest_since for g in status.groups if g.longest_since is not None), default=0.0)
    if longest >= thresholds.wait_critical:
        found.add(Verdict.CRITICAL, f"a caller waits for {duration(longest)}")
    elif longest >= thresholds.wait_warning:
        found.add(Verdict.WARNING, f"a caller waits for {duration(longest)}")
    waiting = sum(len(group.waiting) for group in status.groups)
    said = "; ".join(found.lines) or f"{waiting} waiting"
    limits = f"{thresholds.wait_warning:g};{thresholds.wait_critical:g};0"
    figures = f"waiting={waiting};;;0 longest={max(0.0, longest):.0f}s;{limits} calls={len(status.calls)};;;0"
    return found.verdict, line(found.verdict, said, figures)


def _nobody(found: _Found, group: GroupStatus, now: float, limit: float) -> None:
    if group.nobody_since is None or group.longest_since is None:
        return
    # Both together: callers who came a moment ago into a group that is closed since yesterday are sent on by its rules.
    lasted = now - max(group.nobody_since, group.longest_since)
    if lasted >= limit:
        count = len(group.waiting)
        callers = f"{count} caller waits" if count == 1 else f"{count} callers wait"
        found.add(Verdict.CRITICAL, f"{callers} in {group.id} and nobody is online")


def line(verdict: Verdict, said: str, figures: str = "") -> str:
    """Return a plugin's one line; a bar in what is said would begin the figures."""
    text = f"FSQUEUE {verdict.name} - {said.replace('|', '/')}"
    return f"{text} | {figures}" if figures else text
