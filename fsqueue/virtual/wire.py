"""A TCP connection between the daemon and the embedded switch on virtual time: in order, late, broken or half-open.

What TCP may do is all it does: bytes arrive in order or the connection is over. A half-open one swallows both ways without
a word, as a network that is gone does.
"""

from __future__ import annotations

from collections.abc import Callable

from fsqueue.esl.framing import CommandReader, Frame, FrameReader
from fsqueue.simswitch.session import Session
from fsqueue.simswitch.world import World

LATENCY = 0.0002
"""Seconds from one end to the other on one machine."""

GIVES_UP = 30.0
"""Seconds after which the switch ends a connection whose other end is gone without a word."""


class Wire:
    """One connection; *on_frame* gets what the switch says, *on_end* is called once when the daemon's end learns of the end."""

    def __init__(
        self, world: World, session: Session, on_frame: Callable[[Frame], None], on_end: Callable[[], None]
    ) -> None:
        """Join the daemon to *session*."""
        self.session = session
        self._world = world
        self._on_frame, self._on_end = on_frame, on_end
        self._frames, self._commands = FrameReader(), CommandReader()
        self._there = self._back = world.now
        """Before these moments nothing arrives at the switch, and at the daemon."""
        self.half_open = False
        self._breaks_off = False
        self.closed = False
        """The daemon's end is over."""
        self._switch_ended = False

    # -- what goes wrong

    def stall(self, seconds: float) -> None:
        """Let nothing through, either way, for *seconds*; it all arrives then."""
        self._there = max(self._there, self._world.now + seconds)
        self._back = max(self._back, self._world.now + seconds)

    def cut(self) -> None:
        """Break the connection: both ends learn of it at once, and what is on the way is lost."""
        self.half_open = True
        self._close_session()
        self._end()

    def break_off(self) -> None:
        """Let the next thing that the switch says break off in its middle, and the connection with it."""
        self._breaks_off = True

    @property
    def sound(self) -> bool:
        """Whether what is said now arrives, in time."""
        return not (self.closed or self.half_open or self._back > self._world.now + LATENCY)

    # -- the daemon's end

    def send(self, data: bytes) -> None:
        """Send *data* to the switch."""
        if not self.closed:
            self._there = max(self._there, self._world.now + LATENCY)
            self._world.agenda.after(self._there - self._world.now, lambda: self._arrive(data))

    def close(self) -> None:
        """End it from the daemon's side; what was sent before still arrives."""
        if not self.closed:
            self.closed = True
            self._there = max(self._there, self._world.now + LATENCY)
            self._world.agenda.after(self._there - self._world.now, self._close_unless_half_open)

    def _arrive(self, data: bytes) -> None:
        if self.half_open or self.session.closed:
            return
        for command in self._commands.feed(data):
            self.session.take(command)

    def _close_unless_half_open(self) -> None:
        if not self.half_open:
            self._close_session()

    def _close_session(self) -> None:
        if not self.session.closed:
            self.session.close()

    # -- the switch's end

    def pump(self) -> bool:
        """Take what the session has to say; return whether the connection is still of any use."""
        if self.session.outbox:
            data = b"".join(self.session.outbox)
            self.session.outbox.clear()
            self._later(lambda: self._hear(data))
        if self.session.closed and not self._switch_ended:
            self._switch_ended = True
            self._later(self._end)
        if self.half_open and self.closed and not self._switch_ended:
            # The switch's own TCP gives up some time later; until then it goes on talking to nobody.
            self._switch_ended = True
            self._world.agenda.after(GIVES_UP, self._close_session)
        return not self._switch_ended

    def _later(self, do: Callable[[], None]) -> None:
        self._back = max(self._back, self._world.now + LATENCY)
        self._world.agenda.after(self._back - self._world.now, do)

    def _hear(self, data: bytes) -> None:
        if self.half_open or self.closed:
            return
        for frame in self._frames.feed(data[: len(data) // 2] if self._breaks_off else data):
            if not self.closed:
                self._on_frame(frame)
        if self._breaks_off:
            self.cut()

    def _end(self) -> None:
        # A half-open connection tells nobody; one that the daemon has closed tells it nothing new.
        if not self.closed and (not self.half_open or self.session.closed):
            self.closed = True
            self._on_end()
