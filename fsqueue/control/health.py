"""How the daemon itself does, and what of it people should be told at once."""

from __future__ import annotations

import msgspec

LATE = 5.0
"""Seconds that the rules' loop may not go round before people are told: it does every second, and a busy moment is no news."""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How the daemon itself does."""

    version: str
    journal_trouble: bool
    """The disk fails or hangs, and records are kept in memory."""
    journal_seq: int
    """The number of the last record."""
    journal_lost: int = 0
    """Records that are lost for good since the start: the disk took none, and the memory for them was full."""
    held_up: float
    """Seconds since the owner's loop went round last; above 1 it is late."""
    watchers: int = 0
    """Who follow the stream of events."""
    history_behind: int | None = None
    """Records that the history doesn't have yet; None where it isn't known, or no history can be read."""


def troubles(health: Health) -> tuple[str, ...]:
    """Return what is wrong, one line each, with what to do; nothing when all is well."""
    found = []
    if health.journal_trouble:
        found.append(
            "the disk takes no records: calls go on, and records are kept in memory until it does; look at df, dmesg and the log"
        )
    if health.held_up > LATE:
        found.append(
            f"the rules have stood still for {health.held_up:.0f} s; look at the log, and at the machine's load"
        )
    return tuple(found)
