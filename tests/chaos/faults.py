"""What is done to a virtual installation: kills, stops, cuts, restarts, slow links, full disks, wrong clocks."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from fsqueue.simswitch.faults import Fault, Faults
from fsqueue.virtual.site import Site

LATE_EVENTS = ("BACKGROUND_JOB", "sofia::register", "sofia::unregister", "sofia::expire")
"""Events that threads of their own send: they overtake others, and are overtaken."""


class Injector:
    """Does *count* faults to a site, one every *gap* seconds on average, each by a kind drawn at random."""

    def __init__(self, site: Site, rng: Random, count: int, *, gap: float) -> None:
        """Begin after a few seconds."""
        self.site, self._rng, self._left, self._gap = site, rng, count, gap
        self.by_kind: dict[str, int] = {}
        self.done: list[tuple[float, str]] = []
        """What was done, and when."""
        self.slow: list[tuple[float, float]] = []
        """When the switch itself was slow or late: from, to."""
        self.restarts: list[float] = []
        """When the switch was restarted."""
        self.dead: list[tuple[float, float]] = []
        """When there was no daemon."""
        self.unwritten: list[tuple[float, float]] = []
        """When the disk failed and the daemon was killed in the end: records of that time are lost."""
        self._failing_since: float | None = None
        self._timing = site.world.timing
        self._kinds: tuple[tuple[str, float, Callable[[], None]], ...] = (
            ("kill", 20, self._kill),
            ("kill, back at once", 15, self._kill_briefly),
            ("kill for longer than the lease", 2, self._kill_long),
            ("stop", 12, self._stop),
            ("link cut", 12, self._cut),
            ("link half-open", 8, self._half_open),
            ("event socket unreachable", 6, self._outage),
            ("link stalls", 10, self._stall),
            ("dialplan's connections stall", 4, self._stall_sessions),
            ("switch restarted", 3, self._restart),
            ("disk full", 6, self._disk),
            ("disk full, then kill", 3, self._disk_and_kill),
            ("system clock jumps", 4, self._jump),
            ("events late", 6, self._late),
            ("jobs twice", 3, self._twice),
            ("replies late", 5, self._replies),
            ("switch slow", 5, self._slow),
        )
        self._later(5.0, self._next)

    @property
    def over(self) -> bool:
        """Whether all faults have been begun."""
        return self._left <= 0

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        self.site.world.agenda.after(seconds, do)

    def _next(self) -> None:
        if self.over:
            return
        self._left -= 1
        kind, _, do = self._rng.choices(self._kinds, weights=[weight for _, weight, _ in self._kinds])[0]
        self.by_kind[kind] = self.by_kind.get(kind, 0) + 1
        self.done.append((self.site.now, kind))
        do()
        self._later(self._rng.expovariate(1 / self._gap), self._next)

    # -- the process

    def _kill(self) -> None:
        self._die(self._rng.uniform(0.2, 12))

    def _kill_briefly(self) -> None:
        self._die(self._rng.choice((0.0, 0.001, 0.1)))

    def _kill_long(self) -> None:
        self._die(self._rng.uniform(60, 110))

    def _die(self, seconds: float) -> None:
        site = self.site
        if site.disk.unwritten and self._failing_since is not None:
            self.unwritten.append((self._failing_since, site.now))
        site.kill()
        self.dead.append((site.now, site.now + seconds))
        self._later(seconds, site.start)

    def _stop(self) -> None:
        daemon = self.site.daemon
        if daemon is not None:
            daemon.stop()
            self._later(self._rng.choice((self._rng.uniform(0.1, 2), self._rng.uniform(2, 25))), daemon.go_on)

    # -- the link

    def _cut(self) -> None:
        daemon = self.site.daemon
        if daemon is not None and daemon.link.wire is not None:
            daemon.link.wire.cut()

    def _half_open(self) -> None:
        daemon = self.site.daemon
        if daemon is not None and daemon.link.wire is not None:
            daemon.link.wire.half_open = True

    def _outage(self) -> None:
        self.site.refusing_until = self.site.now + self._rng.uniform(0.5, 25)
        self._cut()

    def _stall(self) -> None:
        daemon = self.site.daemon
        if daemon is not None and daemon.link.wire is not None:
            daemon.link.wire.stall(self._rng.choice((self._rng.uniform(0.05, 1), self._rng.uniform(1, 12))))

    def _stall_sessions(self) -> None:
        daemon = self.site.daemon
        if daemon is not None:
            for wire in daemon.wires:
                if wire is not daemon.link.wire:
                    wire.stall(self._rng.uniform(0.05, 8))

    # -- the switch

    def _restart(self) -> None:
        site = self.site
        self.restarts.append(site.now)
        site.world.crash()
        site.refusing_until = site.now + self._rng.uniform(0.5, 5)

    def _slow(self) -> None:
        world, factor = self.site.world, self._rng.uniform(2, 12)
        timing = self._timing
        world.timing = replace(
            timing,
            bridge=timing.bridge * factor * 5,
            answer=timing.answer * factor,
            park=timing.park * factor,
            kill=timing.kill * factor,
            route=timing.route * factor,
            create=timing.create * factor,
            meets=timing.meets * factor,
            lost=0.2,
        )
        self._for(self._rng.uniform(1, 8), lambda: setattr(world, "timing", timing))

    def _late(self) -> None:
        seconds = self._rng.uniform(0.05, 2)
        self._troubled(seconds, *(Fault(kind="delay", of=of, probability=0.5, seconds=seconds) for of in LATE_EVENTS))

    def _twice(self) -> None:
        seconds = self._rng.uniform(0.0, 1)
        doubled = (Fault(kind="duplicate", of=of, probability=0.5, seconds=seconds) for of in LATE_EVENTS)
        self._troubled(seconds, *doubled)

    def _replies(self) -> None:
        seconds = self._rng.uniform(0.01, 0.5)
        self._troubled(seconds, Fault(kind="delay", of="reply", probability=0.3, seconds=seconds))

    def _troubled(self, late: float, *faults: Fault) -> None:
        """Let the switch be as *faults* say; what it says to the last moment of that comes *late* seconds after it."""
        world = self.site.world
        world.faults = Faults(faults, Random(self._rng.random()))
        self._for(self._rng.uniform(1, 10), lambda: setattr(world, "faults", Faults()), late)

    def _for(self, seconds: float, end: Callable[[], None], late: float = 0.0) -> None:
        self.slow.append((self.site.now, self.site.now + seconds + late))
        self._later(seconds, end)

    # -- the machine

    def _disk(self) -> None:
        self._fail_disk(self._rng.uniform(0.3, 12))

    def _disk_and_kill(self) -> None:
        seconds = self._rng.uniform(0.3, 6)
        self._fail_disk(seconds + 1.0)
        self._later(seconds, self._kill_briefly)

    def _fail_disk(self, seconds: float) -> None:
        disk = self.site.disk
        if not disk.failing:
            disk.failing = True
            self._failing_since = self.site.now
            self._later(seconds, self._repair)

    def _repair(self) -> None:
        self.site.disk.recover()
        self._failing_since = None

    def _jump(self) -> None:
        self.site.set_clock(self._rng.choice((-7200.0, -3600.0, -30.0, 0.0, 1.0, 30.0)))

    # -- the end

    def repair(self) -> None:
        """Let everything be well again."""
        site = self.site
        self._left = 0
        site.refusing_until = 0.0
        site.world.faults, site.world.timing = Faults(), self._timing
        site.disk.recover()
        if site.daemon is not None:
            site.daemon.go_on()
        site.start()
