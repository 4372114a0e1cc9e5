"""Ids: calls get ones that sort by time; an offer's legs and jobs get ones that are derived from it.

A derived uuid is what lets a later process find and kill a leg whose originate was never confirmed.
"""

from __future__ import annotations

import uuid

_OURS = uuid.UUID("5d0c38f4-2a51-4c93-9d0e-7a4ae45f0a11")


class CallIds:
    """Makes call ids, unique in this process and sorted by time; one for all switches."""

    def __init__(self) -> None:
        """Begin without a last id."""
        self._last = 0

    def __call__(self, now: float) -> str:
        """Return a new id: *now* (epoch seconds) in microseconds, as 13 hexadecimal digits, later than the last one."""
        self._last = max(int(now * 1_000_000), self._last + 1)
        return f"{self._last:013x}"


def leg_uuid(owner: str, offer: str, index: int) -> str:
    """Return the uuid of the *index*-th phone (from 0) of *offer*."""
    return str(uuid.uuid5(_OURS, f"{owner}/{offer}/{index}"))


def job_uuid(leg: str) -> str:
    """Return the Job-UUID of the originate of *leg*."""
    return str(uuid.uuid5(_OURS, f"job/{leg}"))
