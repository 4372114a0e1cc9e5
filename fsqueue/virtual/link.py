"""The daemon's link to the embedded switch on virtual time: connecting, subscribing, asking, pinging, and connecting anew.

It does in virtual time what `fsqueue.esl.reconnecting` and `fsqueue.esl.link` do with sockets and greenlets, in the same
order and with the same intervals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from fsqueue.esl import commands
from fsqueue.esl.events import Event, decode
from fsqueue.esl.framing import Frame
from fsqueue.esl.reconnecting import Timing
from fsqueue.simswitch.world import World
from fsqueue.switch import filters
from fsqueue.switch.messages import Item, LinkDown, LinkUp, SwitchFacts
from fsqueue.virtual.wire import Wire

Answer = Callable[[str], None]

TIMING = Timing()


class Network(Protocol):
    """What joins the daemon to the switch."""

    def connect(self, on_frame: Callable[[Frame], None], on_end: Callable[[], None]) -> Wire | None:
        """Return a new connection to the event socket; None when nothing listens."""

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Have the daemon do *do* in *seconds*, unless it has been killed by then."""


class VirtualLink:
    """One switch's link; *give* takes what the core of legs is to be told."""

    def __init__(
        self, world: World, network: Network, facts: Callable[[], SwitchFacts], give: Callable[[Item], None]
    ) -> None:
        """Prepare; `start` begins to connect."""
        self._world, self._network, self._facts, self._give = world, network, facts, give
        self._wire: Wire | None = None
        self._slots: deque[Answer] = deque()
        self._probes: deque[Callable[[], None]] = deque()
        self._up = False
        self._failures = 0
        self._since = 0.0
        self.attempts = 0
        self.links = 0
        """How many links have come up."""

    @property
    def wire(self) -> Wire | None:
        """The connection, while there is one."""
        return self._wire

    def start(self) -> None:
        """Connect, and try again until it works."""
        self.attempts += 1
        of = self.attempts
        # What an older connection still has to say, to a process that was stopped, is read by nobody.
        wire = self._wire = self._network.connect(
            lambda frame: self._frame(frame) if of == self.attempts and self._wire is not None else None,
            lambda: self._ended() if of == self.attempts and self._wire is not None else None,
        )
        if wire is None:
            self._again()
            return
        self._slots.clear()
        self._since = self._world.now
        self._network.later(TIMING.connect, lambda: self._too_slow(wire))

    def _too_slow(self, wire: Wire) -> None:
        if wire is self._wire and not self._up:
            self._drop()

    def _again(self) -> None:
        stood = self._world.now - self._since if self._up else 0.0
        self._failures = 1 if stood >= TIMING.longest_delay else self._failures + 1
        self._network.later(TIMING.delay(self._failures, 0.0), self.start)

    def post(self, command: bytes, answer: Answer) -> bool:
        """Send *command*; *answer* gets what the switch says. False when there is no link."""
        if self._wire is None or self._wire.closed:
            return False
        self._slots.append(answer)
        self._wire.send(command)
        return True

    def probe(self, answered: Callable[[], None]) -> bool:
        """Ask the switch something and call *answered* at its answer, or when the link ends. False when there is none."""
        if not self.post(commands.api("strepoch"), lambda _: self._probes.popleft()()):
            return False
        self._probes.append(answered)
        return True

    # -- what comes

    def _frame(self, frame: Frame) -> None:
        match frame.content_type:
            case "auth/request":
                self._log_in()
            case "text/event-json":
                self._event(decode(frame.body))
            case "command/reply":
                self._slots.popleft()(frame.reply_text)
            case "api/response":
                self._slots.popleft()(frame.body.decode("utf-8", "replace").rstrip("\n"))

    def _event(self, event: Event) -> None:
        self._give(event)

    def _log_in(self) -> None:
        core: list[str] = []
        self.post(commands.auth(self._world.password), _unheard)
        self.post(commands.api("global_getvar", "core_uuid"), core.append)
        self.post(commands.filter_delete("all"), _unheard)
        for header, value in filters.filters(self._facts()):
            self.post(commands.filter_(header, value), _unheard)
        subscription = commands.events(filters.EVENTS, filters.SUBCLASSES)
        self.post(subscription, lambda _: self._subscribed(core[0].strip()))

    def _subscribed(self, core: str) -> None:
        self._up = True
        self.links += 1
        self._give(LinkUp(core))
        self._ping_later()

    # -- pings

    def _ping_later(self) -> None:
        wire = self._wire
        self._network.later(TIMING.ping_interval, lambda: self._ping() if wire is self._wire else None)

    def _ping(self) -> None:
        wire = self._wire
        answered: list[bool] = []

        def check() -> None:
            if wire is self._wire and not answered:
                self._drop()

        def answer(_: str) -> None:
            answered.append(True)
            self._ping_later()

        if self.post(commands.api("strepoch"), answer):
            self._network.later(TIMING.ping_timeout * 1.05, check)

    # -- the end

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._ended()

    def _ended(self) -> None:
        self._wire = None
        self._slots.clear()
        was_up = self._up
        self._again()
        self._up = False
        if was_up:
            self._give(LinkDown())
        while self._probes:
            self._probes.popleft()()


def _unheard(_: str) -> None:
    """What matters of this answer shows in events."""
