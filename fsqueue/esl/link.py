"""The link to a switch: one inbound connection, logged in, whose events and answers arrive in the order of the wire.

Two greenlets: the reader, which only reads, and one that carries out callbacks. What they have not yet done waits in a
queue without a bound on its length, since a bound would stop the reader, and that freezes FreeSWITCH. The bound is on
the link instead: more than ``MAX_BEHIND`` bytes behind, it is dropped and what waits is thrown away; the switch goes
on, and the snapshot after the reconnect tells more than stale events.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import gevent
from gevent import socket
from greenswitch.esl import InboundESL

from fsqueue.esl import commands
from fsqueue.esl.connection import Connection, Reply, guarded
from fsqueue.esl.errors import (
    CommandTimeout,
    ConnectError,
    Fault,
    LinkDown,
    LocalProtocolError,
    NotEslError,
    RemoteProtocolError,
)
from fsqueue.esl.events import Event, decode, decode_plain
from fsqueue.esl.framing import Frame

_log = logging.getLogger("fsqueue.esl")

MAX_BEHIND = 256 << 20
"""Most bytes of events that may wait for their callback before the link is dropped."""

_BATCH = 256  # callbacks in a row before others get their turn: some milliseconds


class Link(Connection, InboundESL):  # type: ignore[misc] # greenswitch has no types
    """An inbound connection. ``connect`` logs in; then ``send``, ``post``, and *on_event* for every event.

    *on_event* and the callbacks of ``post`` run one after the other in one greenlet. They must not wait for anything;
    ``send`` from there is refused, since its answer would wait behind itself.
    """

    def __init__(
        self,
        host: str,
        port: int,
        password: Callable[[], str],
        on_event: Callable[[Event], None],
        *,
        switch: str = "main",
        timeout: float = 5.0,
    ) -> None:
        """Prepare a link; *switch* names its table in messages, *timeout* is in seconds for each step of connecting.

        *password* is called when it is needed, so that no link holds it. It may raise OSError.
        """
        super().__init__(host, port, "", timeout)  # greenswitch would keep the password as an attribute
        self._read_password = password
        self._on_event = on_event
        self._switch = switch
        self._behind = 0
        self._discard = False
        self._rejected = False
        self.unreadable = 0
        """How many events could not be decoded and were passed over."""

    @property
    def address(self) -> str:
        """``HOST:PORT``, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    # -- connecting

    def connect(self) -> None:
        """Connect and log in.

        Raises:
            ConnectError: with the fault, and a text that says what to do.
        """
        try:
            self.sock = self._open()
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connected = True
            self.start_event_handlers()
            if not self._auth_request_event.wait(self.timeout):
                raise self._silent("sent no auth/request")
            if not self.connected:
                raise self._broken_off()
            self.authenticate()
        except BaseException:
            self.drop("not logged in")
            raise

    def _open(self) -> socket.socket:
        """Open the socket; greenswitch knows IPv4 only and lets a bare OSError out."""
        table = f"[switches.{self._switch}]"
        try:
            with gevent.Timeout(self.timeout, TimeoutError(f"no answer within {self.timeout:g} s")):
                return socket.create_connection((self.host, self.port))
        except (socket.gaierror, UnicodeError):
            raise ConnectError(Fault.NO_SUCH_HOST, f"no such host: {self.host}; check host of {table}") from None
        except ConnectionRefusedError:
            text = (
                f"nothing listens at {self.address}; is FreeSWITCH running, with mod_event_socket? else check {table}"
            )
            raise ConnectError(Fault.UNREACHABLE, text) from None
        except OSError as error:
            text = f"{self.address} cannot be reached ({error.strerror or error}); check host and port of {table}"
            raise ConnectError(Fault.UNREACHABLE, text) from None

    def authenticate(self) -> None:
        """Log in; greenswitch waits for ever and raises a ValueError."""
        advice = f"check password_file of [switches.{self._switch}]"
        try:
            command = commands.auth(self._read_password())
        except OSError as error:
            text = f"the password for {self.address} cannot be read ({error.strerror or error}); {advice}"
            raise ConnectError(Fault.NO_PASSWORD, text) from None
        except (LocalProtocolError, UnicodeError):
            text = f"the password for {self.address} is empty or holds what is no line of text; {advice}"
            raise ConnectError(Fault.NO_PASSWORD, text) from None
        try:
            reply = self.send(command, self.timeout)
        except CommandTimeout:
            raise self._silent("did not answer the log-in") from None
        except LinkDown:
            raise self._broken_off() from None
        if not reply.text.startswith("+OK"):
            # What it said is not quoted: a peer that echoes would put the password into the log.
            text = f"FreeSWITCH at {self.address} refused the password; {advice} and event_socket.conf.xml"
            raise ConnectError(Fault.WRONG_PASSWORD, text)

    def _silent(self, what: str) -> ConnectError:
        text = f"{self.address} took the connection but {what} within {self.timeout:g} s; is that FreeSWITCH's event socket?"
        return ConnectError(Fault.SILENT, text)

    def _broken_off(self) -> ConnectError:
        if self._rejected:
            text = f"FreeSWITCH at {self.address} refuses connections from this address; check apply-inbound-acl in event_socket.conf.xml"
            return ConnectError(Fault.ACCESS_DENIED, text)
        if isinstance(self.fault, NotEslError):
            text = f"{self.address} is no FreeSWITCH event socket: {self.fault}; check host and port of [switches.{self._switch}]"
            return ConnectError(Fault.NO_ESL, text)
        return ConnectError(Fault.BROKEN, f"{self.address} broke off before the log-in was through: {self.reason}")

    def rejected(self) -> None:
        """Remember that it was the access list, for the message."""
        self._rejected = True
        super().rejected()

    def knock(self) -> None:
        """Have FreeSWITCH send what it has for us now.

        While a client says nothing, mod_event_socket looks for its events every 20 ms only; a byte on the socket wakes it
        (read, and measured: an answer's event came 8.5 ms sooner in the median). A line feed between commands means nothing.
        """
        if self.connected and not self.unsent:
            self._write_now(b"\n")

    # -- callbacks

    def start_event_handlers(self) -> None:
        """Begin to read and to carry out callbacks."""
        self._process_events_greenlet = gevent.spawn(self.process_events)
        super().start_event_handlers()

    def send(self, command: bytes, timeout: float = 10.0) -> Reply:
        """As :meth:`Connection.send`; not from a callback of this link, where nobody would fetch the answer."""
        if gevent.getcurrent() is self._process_events_greenlet:
            raise RuntimeError("send() inside a callback of the same link waits for itself; use post()")
        return super().send(command, timeout)

    def deliver(self, work: Callable[[], None]) -> None:
        """Queue *work* behind the events that came before it; greenswitch's queue has no bound, so this never waits."""
        self._esl_event_queue.put(work)

    def deliver_event(self, frame: Frame) -> None:
        """Queue an event as bytes; it is decoded when its turn comes."""
        self._behind += len(frame.body)
        if self._behind > MAX_BEHIND:
            self._discard = True
            self.drop(f"we are {self._behind >> 20} MiB of events behind")
            return
        self._esl_event_queue.put(partial(self._take, frame))

    def process_events(self) -> None:
        """Carry out what is queued until the link is down and the queue empty; greenswitch's wakes every second."""
        for count, work in enumerate(iter(self._esl_event_queue.get, None), start=1):
            guarded(work)
            if count % _BATCH == 0:
                gevent.sleep(0)

    def _take(self, frame: Frame) -> None:
        """Decode one event and hand it on."""
        self._behind -= len(frame.body)
        if self._discard:
            return
        try:
            event = decode(frame.body) if frame.content_type == "text/event-json" else decode_plain(frame.body)
        except RemoteProtocolError as fault:
            self.unreadable += 1
            if self.unreadable == 1:  # one line per link: one event lost is no reason to lose the link
                _log.warning("%s sent %s; it and others like it are passed over", self.address, fault)
            return
        self._on_event(event)

    def drop(self, reason: str) -> None:
        """End the link now; events that have arrived are still handed on, in order."""
        if not self.reason:
            super().drop(reason)
            self._esl_event_queue.put(None)

    def drain(self, timeout: float) -> None:
        """After the end, wait until the last callback has run, at most *timeout* seconds; then the rest is thrown away."""
        if self._process_events_greenlet is not None:
            self._process_events_greenlet.join(timeout)
        self._discard = True
