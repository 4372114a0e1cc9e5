"""The lease that every hold asks for: as long as it is renewed, callers know that we are alive.

It is in the switch's own clock, whose distance from ours is measured by ``strepoch``. That clock jumps: at ``fsctl
sync_clock``, and when a virtual machine was moved or suspended (read). Every lap of a hold that begins between a jump and
our answer to it looks at a lease that is over, so the distance is measured often, and a hold looks twice before it gives
up. A restarted switch has no lease, so it is written before anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fsqueue.switch import quoting
from fsqueue.switch.context import Context, Timer

_CREDIBLE = range(1, 100_000_000_000)

MEASURE_EVERY = 2.0
"""Seconds; a hold looks again after three (`fsqueue.switch.dialplan.SECONDS_TO_LOOK_AGAIN`)."""


class Lease:
    """Renews the lease while the link is up."""

    def __init__(self, ctx: Context, jumped: Callable[[], None]) -> None:
        """Begin without one; *jumped* is called when the switch's clock has, and all that is in its time must be written anew."""
        self._ctx = ctx
        self._jumped = jumped
        self._timers: list[Timer] = []

    def renew(self) -> None:
        """Write the lease with the distance known so far, measure that anew, and correct the lease if it has changed."""
        self.stop()
        self._write()
        self._measure()
        self._timers.append(self._ctx.after(self._ctx.facts.lease_every, self.renew))

    def stop(self) -> None:
        """The link is down."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _measure(self) -> None:
        ctx = self._ctx
        ctx.api("strepoch", partial(self._measured, ctx.now))
        self._timers = [timer for timer in self._timers if timer.due > ctx.now]
        self._timers.append(ctx.after(MEASURE_EVERY, self._measure))

    def _write(self) -> None:
        ctx = self._ctx
        until = int(ctx.now + ctx.offset + ctx.facts.lease)
        ctx.api(f"hash insert/fsqueue/alive-{quoting.word(ctx.facts.owner)}/{until}")

    def _measured(self, asked: float, answer: str) -> None:
        """``strepoch`` answers whole seconds; that and the way are less than what a lease has to spare."""
        if not answer.isdecimal() or int(answer) not in _CREDIBLE:
            return
        ctx = self._ctx
        distance = int(answer) + 0.5 - (asked + ctx.now) / 2
        # Rounding alone moves it by up to half a second each time: only a real change is taken.
        if abs(distance - ctx.offset) > 1.0:
            ctx.offset = distance
            self._write()
            self._jumped()
