"""Takes the connections that the dialplan's ``socket`` application makes, one per call handed to us.

FreeSWITCH connects and says nothing; it answers our ``connect`` with the whole channel. Each session runs in the greenlet
that ``gevent.server.StreamServer`` gives its connection, beside its reader. greenswitch's own server tries ``accept``
every 100 ms and is not used.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import time
from collections.abc import Callable, Sequence

from gevent import socket
from gevent.server import StreamServer
from greenswitch.esl import OutboundSession

from fsqueue.esl import commands
from fsqueue.esl.complaints import Complaints
from fsqueue.esl.connection import Connection, Reply, Waiter
from fsqueue.esl.errors import EslError
from fsqueue.esl.events import Event, channel_data, clean
from fsqueue.esl.framing import Frame, decode_values

_log = logging.getLogger("fsqueue.esl")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Session(Connection, OutboundSession):  # type: ignore[misc] # greenswitch has no types
    """One call's connection. ``connect`` first; then ``execute``, ``send`` and ``post``; ``stop`` says goodbye.

    Callbacks of ``post`` run in the reader and must not wait for anything.
    """

    def __init__(self, client_address: tuple[str, int], sock: socket.socket) -> None:
        """Take over *sock*, which is connected, and say `connect` with the first breath: the peer has 0.3 ms to do with it."""
        self._told: Frame | None = None
        self._channel = Waiter()
        with contextlib.suppress(OSError):  # whoever has gone already shows when he is read
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.send(commands.connect())
        super().__init__(client_address, sock)
        # Nothing has been read yet: that takes a greenlet, which gets its turn when this one waits.
        self._commands_sent.append(self._channel)
        # greenswitch opens a file on the socket for its reader; left open it would keep the socket open too.
        self.sock_file.close()

    def connect(self, timeout: float = 5.0) -> Event:
        """Return the channel that was asked for at the beginning, waiting at most *timeout* seconds.

        Raises:
            LinkDown, CommandTimeout: the peer closed, sent noise, or is mute.
            RemoteProtocolError: it answered without a channel.
        """
        frame = self._channel.wait(timeout).frame
        channel = channel_data(frame)
        self._told = frame
        self._outbound_connected = True
        return channel

    @property
    def session_data(self) -> dict[str, str]:
        """Every header and ``variable_…`` of the channel as it was told, less control characters; decoded when asked for."""
        headers = self._told.headers if self._told is not None else {}
        return {name: clean(value) for name, value in decode_values(headers).items()}

    @session_data.setter
    def session_data(self, _nothing: None) -> None:
        """Be set by greenswitch's part when it begins, to None."""

    def execute(self, application: str, argument: str = "", timeout: float = 5.0) -> Reply:
        """Queue a dialplan application on the channel; the answer says that it is queued, not that it is done."""
        return self.send(commands.execute(application, argument), timeout)


OnCall = Callable[[Session, Event], None]
"""Handles one call; may wait. When it returns or raises, the session is closed."""


class OutboundServer:
    """Listens for the dialplan's connections."""

    def __init__(
        self,
        listen: tuple[str, int],
        on_call: OnCall,
        *,
        allow: Sequence[Network] = (),
        timeout: float = 5.0,
        max_unanswered: int = 256,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to listen at *listen*.

        *allow* are the networks that may connect beside loopback. A peer that has not answered ``connect`` after
        *timeout* seconds is dropped, and while *max_unanswered* have not, further ones are dropped at once.
        """
        self._on_call = on_call
        self._allow = tuple(allow)
        self._timeout = timeout
        self._max_unanswered = max_unanswered
        self._unanswered = 0
        self._sessions: dict[int, Session] = {}
        self._complaints: dict[str, Complaints] = {}
        self._clock = clock
        self._server = StreamServer(listen, self._handle, backlog=1024)

    @property
    def port(self) -> int:
        """The port that is listened on; after ``start`` it is the real one where 0 was asked for."""
        return self._server.server_port or 0

    @property
    def open_sessions(self) -> int:
        """How many connections are open."""
        return len(self._sessions)

    def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the address is taken, or not ours.
        """
        self._server.start()

    def close(self) -> None:
        """Take no more connections; those that are open go on."""
        self._server.close()

    def stop(self) -> None:
        """Take no more connections and drop those that are open."""
        self.close()
        for session in list(self._sessions.values()):
            session.drop("we are stopping")

    def _handle(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """See one connection through; StreamServer closes the socket when this returns."""
        peer = str(address[0])
        if not allowed(peer, self._allow):
            self._complain("network", f"{peer} may not connect here; name its network in listen.allow if it should")
            return
        if self._unanswered >= self._max_unanswered:
            self._complain("full", f"{self._unanswered} connections have not told their call yet; {peer} is dropped")
            return
        session = Session(address, sock)
        self._sessions[id(session)] = session
        try:
            channel = self._take(session, peer)
            if channel is not None:
                self._on_call(session, channel)
        except Exception:  # noqa: BLE001 — one call's fault is not the next call's
            _log.exception("handling a call from the dialplan failed")
        finally:
            session.stop()
            del self._sessions[id(session)]

    def _take(self, session: Session, peer: str) -> Event | None:
        self._unanswered += 1
        try:
            return session.connect(self._timeout)
        except EslError as error:
            self._complain(type(error).__name__, f"{peer} connected as the dialplan does, but: {error}")
            session.drop("told no call")
            return None
        finally:
            self._unanswered -= 1

    def _complain(self, kind: str, text: str) -> None:
        if self._complaints.setdefault(kind, Complaints()).due(kind, self._clock()):
            _log.warning("%s", text)


def allowed(peer: str, networks: Sequence[Network]) -> bool:
    """Whether *peer* is loopback or in one of *networks*; an IPv4 address in IPv6 clothes counts as IPv4."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback or any(address in network for network in networks)
