"""A whole installation on virtual time: the embedded switch, the daemon's lives one after the other, and what joins them.

Everything that happens, faults included, is one agenda; the same seed and the same orders give the same journal.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from fsqueue.config.model import Configuration
from fsqueue.engine.engine import Engine
from fsqueue.esl.framing import Frame
from fsqueue.facts import dialplan_facts
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.leg import Leg
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry
from fsqueue.virtual.daemon import VirtualDaemon
from fsqueue.virtual.disk import Disk
from fsqueue.virtual.wire import LATENCY, Wire

EPOCH = 1_790_000_000.0
"""When a run begins, in epoch seconds; any moment would do."""


class Site:
    """The switch and the daemon. `advance` lets time pass; everything else is done to it between, or by the agenda."""

    def __init__(
        self,
        configuration: Configuration,
        seed: int,
        *,
        config: Config | None = None,
        on_engine: Callable[[Engine], None] | None = None,
    ) -> None:
        """Begin with a running daemon; *on_engine* is shown each life's engine before it begins."""
        dialplan = Dialplan()
        facts = dialplan_facts(configuration)
        dialplan.include(render(facts))
        for context in facts.entry_contexts:
            dialplan.include(render_entry(facts), context)
        # Repeatable chance is the point here.
        self.world = World(EPOCH, Random(seed), dialplan, config=config, dial_out=self._dialled)  # noqa: S311
        self.configuration = configuration
        self.disk = Disk(self.world.agenda)
        self.clock_jump = 0.0
        """Seconds that the system's clock is ahead of the switch's."""
        self._anchor: float | None = None
        """Seconds that the daemon's clock is ahead of the switch's; it goes on over its lives (`fsqueue.clock.continued`)."""
        self.refusing_until = 0.0
        """The event socket is not reachable before this moment."""
        self._on_engine = on_engine
        self._wires: list[Wire] = []
        self.troubles: list[str] = []
        """What the rules or the legs raised in lives that are over."""
        self.blind: list[tuple[float, float]] = []
        """When nobody saw what happened on the switch: from, to (epoch seconds); the last one may still go on."""
        self._blind_since: float | None = self.world.now
        self.daemon: VirtualDaemon | None = None
        self.lives = 0
        self.start()

    @property
    def now(self) -> float:
        """The switch's time, in epoch seconds."""
        return self.world.now

    # -- the daemon's life

    def start(self) -> None:
        """Start the daemon, if none runs."""
        if self.daemon is None:
            self.lives += 1
            self.daemon = VirtualDaemon(
                self.world,
                self.disk,
                self.configuration,
                self._clock,
                self._connect,
                self._on_engine,
            )

    def set_clock(self, ahead: float) -> None:
        """Let the system's clock be *ahead* seconds ahead of the switch's, on a machine that counts anew: the next life takes it."""
        self.clock_jump, self._anchor = ahead, None

    def _clock(self, last: float) -> float:
        now = self.world.now
        if self._anchor is None:
            self._anchor = self.clock_jump
        self._anchor = max(now + self._anchor, last) - now
        return self._anchor

    def kill(self) -> None:
        """Kill the daemon, if one runs."""
        if self.daemon is not None:
            self.troubles += self.daemon.troubles
            self.daemon.kill()
            self.daemon = None

    # -- between the two

    def _connect(self, on_frame: Callable[[Frame], None], on_end: Callable[[], None]) -> Wire | None:
        if self.world.now < self.refusing_until:
            return None
        wire = Wire(self.world, self.world.open(), on_frame, on_end)
        self._wires.append(wire)
        return wire

    def _dialled(self, leg: Leg, _host: str, _port: int) -> None:
        self.world.agenda.after(LATENCY, lambda: self._reach(leg))

    def _reach(self, leg: Leg) -> None:
        if leg.gone:
            return
        if self.daemon is None:
            self.world.socket_refused(leg)
            return
        daemon = self.daemon
        daemon.accept(self.world.socket_connected(leg))
        self._wires.append(daemon.wires[-1])

    # -- time

    def advance(self, to: float) -> None:
        """Let everything happen up to *to* (epoch seconds)."""
        self._pump()
        while (due := self.next()) is not None and due <= to:
            self.world.advance(due)
            self._pump()
            daemon = self.daemon
            when = daemon.deadline() if daemon is not None else None
            # Inputs of the same instant go before what the clock says.
            if daemon is not None and when is not None and when <= self.world.now:
                daemon.tick()
                self._pump()
        self.world.advance(to)

    def next(self) -> float | None:
        """Return when something happens next (epoch seconds); None: never."""
        due = [self.world.deadline(), self.daemon.deadline() if self.daemon is not None else None]
        known = [max(when, self.world.now) for when in due if when is not None]
        return min(known) if known else None

    def _pump(self) -> None:
        self._wires = [wire for wire in self._wires if wire.pump()]
        sees = self.daemon is not None and self.daemon.sees
        if sees and self._blind_since is not None:
            self.blind.append((self._blind_since, self.world.now))
            self._blind_since = None
        elif not sees and self._blind_since is None:
            self._blind_since = self.world.now
