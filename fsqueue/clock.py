"""The daemon's clock: epoch seconds, anchored once and advanced by the monotonic clock.

A jump of the system's clock (NTP, an administrator) or a suspended machine must end no call and ring no phone, so the epoch
is read once, and everything after it is counted by a clock that only goes forward, and stands still while the machine does.
That clock counts from the machine's start, not the process's, so the next process goes on with the anchor of the one
before it (:func:`continued`). What the system's clock says meanwhile is taken over when nobody is in a call (`behind`, `step`).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

ANCHOR = "clock.json"
"""File below the state folder."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """At *monotonic* seconds of the machine's start *boot* it was *epoch*."""

    epoch: float
    monotonic: float
    boot: str


class Clock:
    """Call it for the time. *speed* above 1 makes time pass faster, for the demo and for tests over real sockets."""

    def __init__(
        self,
        speed: float = 1.0,
        epoch: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        start: float | None = None,
    ) -> None:
        """Anchor at *start*, else at what *epoch* says now; *speed* is above 0."""
        if speed <= 0:
            raise ValueError(f"a clock's speed is above 0, not {speed}")
        self.speed = speed
        self._system = epoch
        self._monotonic = monotonic
        self._epoch = epoch() if start is None else start
        self._started = monotonic()

    def __call__(self) -> float:
        """Return the time in epoch seconds."""
        return self._epoch + (self._monotonic() - self._started) * self.speed

    def real(self, seconds: float) -> float:
        """Return how many real seconds *seconds* of this clock take."""
        return seconds / self.speed

    def behind(self) -> float:
        """Return how many seconds the system's clock is ahead of this one; below 0 it is behind. 0 for a clock of another speed."""
        return self._system() - self() if self.speed == 1.0 else 0.0

    def step(self, seconds: float) -> None:
        """Set it by *seconds*; whoever set something for a time of this clock must set it by as much."""
        self._epoch += seconds

    def keep(self, folder: Path, boot: str | None = None) -> None:
        """Write down the anchor below *folder*, so that the next process goes on with it; a disk that fails costs only that."""
        anchor = Anchor(epoch=self._epoch, monotonic=self._started, boot=boot_id() if boot is None else boot)
        try:
            whole = folder / f"{ANCHOR}.new"
            whole.touch(mode=0o600)
            whole.write_bytes(msgspec.json.encode(anchor) + b"\n")
            whole.replace(folder / ANCHOR)
        except OSError as error:
            log.warning("the clock's anchor can't be kept in %s: %s", folder, error.strerror or error)


def continued(
    folder: Path,
    last: float = 0.0,
    *,
    epoch: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    boot: str | None = None,
) -> Clock:
    """Return the clock that the process before this one had, if the machine has not been started anew since.

    Else a new one, which begins no earlier than *last*, the newest time in the journal: what was written for a time after it
    would otherwise wait for as long as the system's clock was set back.
    """
    anchor = _read(folder / ANCHOR)
    same = boot_id() if boot is None else boot
    if anchor is not None and same and anchor.boot == same and anchor.monotonic <= monotonic():
        start = anchor.epoch + monotonic() - anchor.monotonic
    else:
        start = epoch()
    return Clock(epoch=epoch, monotonic=monotonic, start=max(start, last))


def boot_id(place: Path = _BOOT_ID) -> str:
    """Return what names this start of the machine; empty where the system doesn't tell."""
    with contextlib.suppress(OSError):
        return place.read_text("ascii").strip()
    return ""


def _read(place: Path) -> Anchor | None:
    try:
        return msgspec.json.decode(place.read_bytes(), type=Anchor)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
