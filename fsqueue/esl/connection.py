"""One ESL connection, either way round: who reads, who writes, and which answer belongs to which command.

The reader only reads. FreeSWITCH queues 100,000 events for a client that has stopped reading, and then the whole switch
stands still; so nothing that is done with a frame may hold the reader up. Answers come in the order of the commands:
each command's slot is queued in the same breath as its bytes, without a chance for another greenlet in between.

Of greenswitch's ``ESLProtocol`` the shape stays (one reader greenlet, ``handle_event`` by content type, ``_commands_sent``).
Replaced, as of 0.0.19: the reader (strict UTF-8, one bad byte ended the link; url-decoded before splitting lines), ``send``
(``sock.send`` may write half; the slot was queued before a write that may yield; no timeout; a link that drops left every
caller waiting), ``process_events`` (woke every second) and ``stop`` (waited for an answer for ever).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import gevent
import msgspec
from gevent import socket
from gevent.event import AsyncResult
from gevent.event import Event as Flag
from greenswitch.esl import ESLProtocol

from fsqueue.esl import commands
from fsqueue.esl.errors import CommandTimeout, LinkDown, LocalProtocolError, RemoteProtocolError
from fsqueue.esl.framing import Frame, FrameReader

_log = logging.getLogger("fsqueue.esl")

MAX_UNSENT = 64 << 20
"""Most bytes of commands that wait to be written; with more, the peer has long stopped reading and the link is dropped."""

_RECV = 1 << 16


class Reply(msgspec.Struct, frozen=True):
    """The answer to a command: *text* is the ``Reply-Text``, or the body of an API command's answer."""

    text: str
    frame: Frame

    @property
    def ok(self) -> bool:
        """False for ``-ERR …`` and ``-USAGE …``."""
        return not self.text.startswith("-")


Callback = Callable[[Reply | LinkDown], None]
"""Called exactly once per command."""


class Waiter:
    """The slot of a command that one greenlet waits for."""

    def __init__(self) -> None:
        """Begin without an answer."""
        self.result: AsyncResult[Reply] = AsyncResult()

    def __call__(self, outcome: Reply | LinkDown) -> None:
        """Wake who waits."""
        if isinstance(outcome, LinkDown):
            self.result.set_exception(outcome)
        else:
            self.result.set(outcome)

    def wait(self, timeout: float) -> Reply:
        """Wait for the answer, at most *timeout* seconds.

        Raises:
            LinkDown, CommandTimeout.
        """
        try:
            reply = self.result.get(timeout=timeout)
        except gevent.Timeout:
            raise CommandTimeout(f"no answer within {timeout:g} s") from None
        assert reply is not None  # noqa: S101 — for the type checker: only a Reply is ever set
        return reply


class Connection(ESLProtocol):  # type: ignore[misc] # greenswitch has no types
    """What inbound and outbound connections share."""

    def __init__(self, *arguments: object) -> None:
        """Begin unconnected; *arguments* are those of greenswitch's class below."""
        # Before greenswitch's own part: OutboundSession begins to read inside its constructor.
        self.down = Flag()
        """Set once the connection has ended."""
        self.reason = ""
        """Why it has ended; empty while it stands."""
        self.fault: RemoteProtocolError | None = None
        self._farewell = ""
        self._unsent: deque[bytes] = deque()
        self._unsent_bytes = 0
        super().__init__(*arguments)
        self._commands_sent: deque[Callback] = deque(self._commands_sent)

    # -- writing

    @property
    def unsent(self) -> int:
        """How many bytes of commands wait for the socket to take them."""
        return self._unsent_bytes

    def send(self, command: bytes, timeout: float = 10.0) -> Reply:
        """Write *command* and wait for its answer; only the calling greenlet waits.

        Raises:
            LinkDown: the link is down or dropped meanwhile; at once, however long *timeout* is.
            CommandTimeout: no answer within *timeout* seconds.
            LocalProtocolError: *command* is not one whole command from :mod:`fsqueue.esl.commands`.
        """
        waiter = Waiter()
        self._write(command, waiter)
        return waiter.wait(timeout)

    def post(self, command: bytes, callback: Callback) -> None:
        """Write *command* without waiting; *callback* gets the answer, or LinkDown, in the order of the wire.

        Raises:
            LinkDown: the link is down already; *callback* is not called.
            LocalProtocolError: as :meth:`send`.
        """
        self._write(command, callback)

    def post_all(self, several: Sequence[bytes], callback: Callback) -> None:
        """As :meth:`post` for each of *several* commands, in one piece: each write of its own would wake the peer.

        Raises:
            LinkDown, LocalProtocolError: as :meth:`post`; none of them is written then.
        """
        self._check(*several)
        self._put(b"".join(several), *(callback for _ in several))

    def _write(self, command: bytes, slot: Callback) -> None:
        self._check(command)
        self._put(command, slot)

    def _check(self, *several: bytes) -> None:
        for command in several:
            # Text would come from greenswitch's helpers, which paste arguments into commands unchecked.
            if not isinstance(command, bytes) or not command.endswith(b"\n\n"):
                raise LocalProtocolError("a command is made by fsqueue.esl.commands")
        if not self.connected:
            raise LinkDown(self.reason or "not connected")

    def _put(self, data: bytes, *slots: Callback) -> None:
        """Queue *slots* and write or queue *data*, without yielding in between."""
        self._commands_sent.extend(slots)
        if self._unsent or (rest := self._write_now(data)):
            self._write_later(data if self._unsent else rest)

    def _write_now(self, data: bytes) -> bytes:
        """Write what the socket takes at once and return the rest."""
        try:
            return data[self.sock.send(data, 0, 0.0) :]  # 0.0: never wait, so that nobody can come between
        except BlockingIOError:
            return data
        except OSError as error:
            self.drop(f"the connection broke: {error.strerror or error}")
            return b""

    def _write_later(self, data: bytes) -> None:
        """Leave *data* to a greenlet that lives only while the socket takes less than we have."""
        if not self._unsent:
            gevent.spawn(self._write_unsent)
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if self._unsent_bytes > MAX_UNSENT:
            self.drop(f"the peer takes no more commands; {self._unsent_bytes} bytes of them wait")

    def _write_unsent(self) -> None:
        try:
            while self._unsent:
                # Stays in the queue until it is out, so that _write sees that somebody is writing.
                self.sock.sendall(self._unsent[0])
                if self._unsent:
                    self._unsent_bytes -= len(self._unsent.popleft())
        except OSError as error:
            self.drop(f"the connection broke: {error.strerror or error}")

    # -- reading

    def start_event_handlers(self) -> None:
        """Begin to read."""
        self._receive_events_greenlet = gevent.spawn(self.receive_events)

    def receive_events(self) -> None:
        """Read until the connection ends; greenswitch's name for the reader."""
        reader = FrameReader()
        while not self.reason:
            try:
                data = self.sock.recv(_RECV)
                frames = reader.feed(data)
            except OSError as error:
                self.drop(f"the connection broke: {error.strerror or error}")
                return
            except RemoteProtocolError as fault:
                self.fault = fault
                self.drop(str(fault))
                return
            if not data:
                self.drop(self._farewell or "the peer closed the connection")
                return
            for frame in frames:
                self.handle_event(frame)
            # recv doesn't yield while there is something to read: a flood would starve all other greenlets.
            gevent.sleep(0)

    def handle_event(self, frame: Frame) -> None:
        """Do with one frame what its content type says, without waiting for anything."""
        match frame.content_type:
            case "text/event-json" | "text/event-plain":
                self.deliver_event(frame)
            case "command/reply":
                self._answer(Reply(frame.reply_text, frame))
            case "api/response":
                self._answer(Reply(frame.body.decode("utf-8", "replace").rstrip("\n"), frame))
            case "auth/request":
                self._auth_request_event.set()
            case "text/disconnect-notice":
                self._disconnecting(frame)
            case "text/rude-rejection":
                self.rejected()
            case _:  # log lines and whatever later versions send
                pass

    def _answer(self, reply: Reply) -> None:
        if self._commands_sent:
            self.deliver(partial(self._commands_sent.popleft(), reply))
        else:
            self.drop("the peer answered what nobody asked")

    def _disconnecting(self, frame: Frame) -> None:
        if frame.headers.get("Content-Disposition") == "linger":
            self._lingering = True
        else:
            self._farewell = "FreeSWITCH said goodbye"

    def rejected(self) -> None:
        """FreeSWITCH's access list has our address refused."""
        self.drop("FreeSWITCH refuses connections from this address")

    def deliver_event(self, frame: Frame) -> None:
        """Hand an event on; only a link that subscribes has use for it."""

    def deliver(self, work: Callable[[], None]) -> None:
        """Do *work*, which tells somebody about an answer; a link does it in a greenlet apart."""
        guarded(work)

    # -- ending

    def drop(self, reason: str) -> None:
        """End the connection now. Every waiting ``send`` ends with LinkDown, every ``post`` is told; later calls do nothing."""
        if self.reason:
            return
        self.reason = reason or "dropped"
        self.connected = self._run = False
        self._unsent.clear()
        self._unsent_bytes = 0
        slots, self._commands_sent = self._commands_sent, deque()
        for slot in slots:
            error = LinkDown(self.reason)
            if isinstance(slot, Waiter):
                slot(error)
            else:
                self.deliver(partial(slot, error))
        self._auth_request_event.set()
        self.down.set()
        if isinstance(getattr(self, "sock", None), socket.socket):
            self.sock.close()

    def stop(self, timeout: float = 1.0) -> None:
        """Say goodbye, wait at most *timeout* seconds for the peer to close, and end.

        Waiting matters: closing a socket with answers unread resets it, and the reset can overtake our last commands.
        """
        if self.connected:
            if not self._farewell:
                self.post(commands.exit_(), _nobody)
            self.down.wait(timeout)
        self.drop("closed by us")


def _nobody(_outcome: Reply | LinkDown) -> None:
    """Nobody asks how FreeSWITCH says goodbye."""


def guarded(work: Callable[[], None]) -> None:
    """Do *work*; a fault in it is logged and ends neither the reader nor the link."""
    try:
        work()
    except Exception:  # noqa: BLE001 — whatever it is, calls go on
        _log.exception("handling what FreeSWITCH sent failed")
