"""The lease that every hold asks for: as long as it is renewed, callers know that we are alive.

It is in the switch's own clock, whose distance from ours is measured by ``strepoch`` at each renewal. A restarted switch
has none, so it is written before anything else.
"""

from __future__ import annotations

from functools import partial

from fsqueue.switch import quoting
from fsqueue.switch.context import Context, Timer

_CREDIBLE = range(1, 100_000_000_000)


class Lease:
    """Renews the lease while the link is up."""

    def __init__(self, ctx: Context) -> None:
        """Begin without one."""
        self._ctx = ctx
        self._timer: Timer | None = None

    def renew(self) -> None:
        """Write the lease with the distance known so far, measure that anew, and correct the lease if it has changed."""
        ctx = self._ctx
        self._write()
        ctx.api("strepoch", partial(self._measured, ctx.now))
        self.stop()
        self._timer = ctx.after(ctx.facts.lease_every, self.renew)

    def stop(self) -> None:
        """The link is down."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

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
