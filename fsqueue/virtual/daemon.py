"""The daemon on virtual time: engine and legs joined as `fsqueue.owner` and `fsqueue.switch.driver` join them.

A killed one does nothing any more, whatever was still to happen. A stopped one (SIGSTOP) does nothing until it goes on, and
then what had come due comes before what has arrived, as it may in a real process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fsqueue.config.model import Configuration
from fsqueue.config.plan import to_plan
from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import CaughtUp, Command, Configure, Input, Ring, Stalled, Wake
from fsqueue.esl import commands
from fsqueue.esl.errors import RemoteProtocolError
from fsqueue.esl.events import Event, channel_data
from fsqueue.esl.framing import Frame
from fsqueue.facts import switch_facts
from fsqueue.simswitch.session import Session
from fsqueue.simswitch.world import World
from fsqueue.stalls import Stalls
from fsqueue.switch import handover
from fsqueue.switch.codes import REFUSED_TONE, is_code, told
from fsqueue.switch.ids import CallIds
from fsqueue.switch.legs import Core
from fsqueue.switch.messages import (
    Api,
    BgApi,
    CloseSession,
    Execute,
    Foreseen,
    Item,
    Reply,
    SocketArrived,
    SocketClosed,
    Tick,
)
from fsqueue.switch.order import rings_first
from fsqueue.switch.ways import has_left, on_socket
from fsqueue.virtual.disk import Disk
from fsqueue.virtual.link import VirtualLink
from fsqueue.virtual.wire import Wire

CHECKPOINT_EVERY = 2000
"""Records between two checkpoints; fewer than in production, so that starts from one are common."""

SWITCH = "main"


class VirtualDaemon:
    """One life of the daemon, from a start to a kill."""

    def __init__(
        self,
        world: World,
        disk: Disk,
        configuration: Configuration,
        clock: Callable[[float], float],
        connect: Callable[[Callable[[Frame], None], Callable[[], None]], Wire | None],
        engine: Callable[[Engine], None] | None = None,
    ) -> None:
        """Read the journal of *disk* and connect; *connect* makes a connection to the event socket.

        *clock* is given the journal's newest time, and returns how far this life's clock is ahead of the switch's.

        *engine*, where given, is shown the engine before it begins.
        """
        self.world, self.disk = world, disk
        self._configuration = configuration
        self._connect = connect
        facts = switch_facts(configuration)
        history = disk.history()
        self._offset = clock(history[-1][1] if history else 0.0)
        self.engine = Engine(to_plan(configuration))
        self.engine.restore(history, self.clock())
        if engine is not None:
            engine(self.engine)
        self.core = Core(SWITCH, facts, CallIds())
        self.link = VirtualLink(world, self, lambda: facts, self._give)
        self.killed = False
        self.troubles: list[str] = []
        """What the rules or the legs raised: there must be nothing."""
        self._stopped_since: float | None = None
        self._backlog: list[Callable[[], None]] = []
        self._overdue: list[Callable[[], None]] = []
        self._sessions: dict[str, _Attended] = {}
        self._wires: list[Wire] = []
        self._arrivals = 0
        self._since_checkpoint = CHECKPOINT_EVERY
        self._stalled = False
        self.stalls = Stalls(lambda: world.now)
        self.stalls.watch(SWITCH, self.link.probe)
        self._facts = facts
        self._take(Configure(to_plan(configuration)))
        self.link.start()

    def clock(self) -> float:
        """Return the daemon's time: anchored at its start, and going on whatever the system's clock does."""
        return self.world.now + self._offset

    # -- life

    def kill(self) -> None:
        """End it as SIGKILL does: what it sent is sent, what was not written is lost, its connections close."""
        self.killed = True
        self.disk.kill()
        for wire in self._open():
            wire.close()

    def stop(self) -> None:
        """Stop it as SIGSTOP does."""
        if self._stopped_since is None:
            self._stopped_since = self.world.now

    def go_on(self) -> None:
        """Let a stopped one go on: what was due first, then what has come meanwhile."""
        if self._stopped_since is None or self.killed:
            return
        planned, self._stopped_since = self._stopped_since, None
        self.stalls.woke(planned)
        self._hold_still()
        overdue, self._overdue = self._overdue, []
        backlog, self._backlog = self._backlog, []
        self._tick_core()
        for do in (*overdue, *backlog):
            if not self.killed:
                do()

    @property
    def sees(self) -> bool:
        """Whether it runs, is in touch with the switch, and nothing is held up on the way."""
        wire = self.link.wire
        return not self.killed and not self.stopped and self.core.up and wire is not None and wire.sound

    @property
    def stopped(self) -> bool:
        """Whether it is stopped."""
        return self._stopped_since is not None

    def _open(self) -> list[Wire]:
        self._wires = [wire for wire in self._wires if not wire.closed]
        return self._wires

    # -- what reaches it

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do *do* in *seconds*."""

        def due() -> None:
            if self.stopped:
                self._overdue.append(do)
            elif not self.killed:
                do()

        self.world.agenda.after(seconds, due)

    def _hear(self, do: Callable[[], None]) -> None:
        """Something arrives from outside."""
        if self.killed:
            return
        if self.stopped:
            self._backlog.append(do)
        else:
            do()

    def connect(self, on_frame: Callable[[Frame], None], on_end: Callable[[], None]) -> Wire | None:
        """Connect to the event socket."""
        wire = self._connect(lambda frame: self._hear(partial(on_frame, frame)), lambda: self._hear(on_end))
        if wire is not None:
            self._wires.append(wire)
        return wire

    def deadline(self) -> float | None:
        """Return when it wants to act by itself, in the world's time."""
        if self.killed or self.stopped:
            return None
        if self.stalls.catching_up():
            return self.stalls.until
        if self._stalled:
            return self.world.now
        due = [when for when in (self.engine.deadline(), self.core.deadline()) if when is not None]
        return min(due) - self._offset if due else None

    def tick(self) -> None:
        """Do what is due."""
        if self.killed or self.stopped or self.stalls.catching_up():
            return
        self._tick_core()
        if self._stalled:
            self._stalled = False
            self._take(CaughtUp())
        due = self.engine.deadline()
        if due is not None and due <= self.clock():
            self._take(Wake())

    def _tick_core(self) -> None:
        due = self.core.deadline()
        if due is not None and due <= self.clock() and not self.stalls.catching_up(SWITCH):
            self._give(Tick())

    def _hold_still(self) -> None:
        if self.stalls.catching_up() and not self._stalled:
            self._stalled = True
            self._take(Stalled())

    # -- the engine

    def _take(self, given: Input) -> None:
        if self.killed:
            return  # in the middle of what it was doing
        now = self.clock()
        try:
            step = self.engine.handle(given, now)
        except Exception as fault:  # noqa: BLE001 - as the owner does: one call's trouble is not the next one's
            self.troubles.append(f"the rules failed at {type(given).__name__}: {fault!r}")
            return
        if not step.records and not step.commands:
            return
        for command in step.commands:
            if isinstance(command, Ring):
                self._give(Foreseen(command))
        self.disk.append(step.records, now, partial(self._carry_out, step.commands))
        self._since_checkpoint += len(step.records)
        if self._since_checkpoint >= CHECKPOINT_EVERY:
            self._since_checkpoint = 0
            self.disk.append((self.engine.checkpoint(),), now, lambda: None)

    def _carry_out(self, wanted: tuple[Command, ...]) -> None:
        def do() -> None:
            for command in rings_first(wanted):
                self._give(command)

        self._hear(do)

    # -- the legs

    def _give(self, item: Item) -> None:
        try:
            out = self.core.handle(item, self.clock())
        except Exception as fault:  # noqa: BLE001 - as the driver does
            self.troubles.append(f"the legs failed at {type(item).__name__}: {fault!r}")
            return
        for command in out.commands:
            self._send(command)
        for given in out.inputs:
            self._take(given)

    def _send(self, command: Api | BgApi | Execute | CloseSession) -> None:
        match command:
            case Api(ref, text):
                name, _, arguments = text.partition(" ")
                self.link.post(commands.api(name, arguments), partial(self._replied, ref))
            case BgApi(job, text):
                name, _, arguments = text.partition(" ")
                self.link.post(commands.bgapi(name, arguments, job=job), _unheard)
            case Execute(session, application, argument):
                if session in self._sessions:
                    self._sessions[session].wire.send(commands.execute(application, argument))
            case CloseSession(session):
                attended = self._sessions.pop(session, None)
                if attended is not None:
                    attended.wire.send(commands.exit_())
                    attended.closing = True

    def _replied(self, ref: int, text: str) -> None:
        self._give(Reply(ref, text))

    # -- the dialplan's connections

    def accept(self, session: Session) -> None:
        """Take a connection that the dialplan made; a stopped process has it accepted by the system, and says nothing."""
        self._arrivals += 1
        attended = _Attended(f"{SWITCH}-{self._arrivals}")
        attended.wire = Wire(
            self.world,
            session,
            lambda frame: self._hear(partial(self._told, attended, frame)),
            lambda: self._hear(partial(self._closed, attended)),
        )
        self._wires.append(attended.wire)
        self._hear(lambda: attended.wire.send(commands.connect()))

    @property
    def wires(self) -> list[Wire]:
        """Its open connections."""
        return self._open()

    def _told(self, attended: _Attended, frame: Frame) -> None:
        if attended.known or frame.content_type != "command/reply":
            return
        attended.known = True
        try:
            event = channel_data(frame)
        except RemoteProtocolError:
            attended.wire.close()  # as the server of sockets does: the call was over before it was asked for
            return
        if has_left(event):
            attended.wire.send(commands.exit_())
            return
        if self.link.wire is None or not self.core.up or event.core != self.core.core_uuid:
            self._refuse(attended, event)
            return
        self._sessions[attended.name] = attended
        self._give(SocketArrived(attended.name, event))

    def _refuse(self, attended: _Attended, event: Event) -> None:
        word = told(REFUSED_TONE) if is_code(event, self._facts) else handover.refused("link_down", self._facts)
        for application, argument in on_socket(word):
            attended.wire.send(commands.execute(application, argument))
        attended.wire.send(commands.exit_())

    def _closed(self, attended: _Attended) -> None:
        if self._sessions.pop(attended.name, None) is not None:
            self._give(SocketClosed(attended.name))


class _Attended:
    """One call's connection."""

    wire: Wire

    def __init__(self, name: str) -> None:
        self.name = name
        self.known = False
        """The channel's data has come."""
        self.closing = False


def _unheard(_: str) -> None:
    """What matters of this answer shows in events."""
