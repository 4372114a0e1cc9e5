"""The embedded switch on the network: ESL over real TCP, both ways, and real time at any speed.

A thin shell: one greenlet lets the world's time pass and sleeps to what is due next; each connection has a greenlet that reads and one
that writes. Everything that decides anything is in the world.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

from fsqueue.esl.errors import EslError
from fsqueue.esl.framing import CommandReader
from fsqueue.simswitch.leg import Leg
from fsqueue.simswitch.session import Session
from fsqueue.simswitch.world import World

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
"""How long a call's `socket` application tries to reach its address, in real seconds."""


class Shell:
    """Runs a world. `speed`: how many seconds of the world pass in a real one, more than 0."""

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Listen for ESL at `host`:`port` once started; port 0 takes a free one."""
        if speed <= 0:
            raise ValueError(f"speed is more than 0, not {speed}")
        self.world, self.speed = world, speed
        self._clock = clock
        self._wake = Event()
        self._server = StreamServer((host, port), self._accept)
        self._links: list[_Link] = []
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._began = 0.0
        self._epoch = world.now
        world.dial_out = self._dial_out

    @property
    def address(self) -> tuple[str, int]:
        """Where the event socket listens."""
        return str(self._server.server_host), int(self._server.server_port or 0)

    def start(self) -> None:
        """Listen, and let time pass from now on. Raises OSError if the port is taken."""
        self._server.start()
        self._began = self._clock()
        self._epoch = self.world.now
        self._greenlets.append(gevent.spawn(self._run))

    def stop(self) -> None:
        """Close everything; the world stands still."""
        for link in tuple(self._links):
            link.close()
        self._server.stop(timeout=1)
        gevent.killall(self._greenlets)
        self._greenlets.clear()

    def now(self) -> float:
        """Return the world's time that it is by the real clock (epoch seconds)."""
        return self._epoch + (self._clock() - self._began) * self.speed

    def settle(self) -> None:
        """Let everything happen that is due by now, and send what it has said; call this after touching the world from outside."""
        self.world.advance(self.now())
        self._flush()
        self._wake.set()

    def _run(self) -> None:
        while True:
            self.world.advance(self.now())
            self._flush()
            due = self.world.deadline()
            self._wake.clear()
            self._wake.wait(None if due is None else max(0.0, (due - self.now()) / self.speed))

    def _flush(self) -> None:
        for link in self._links:
            if link.session.outbox or link.session.closed:
                link.ready.set()

    def _accept(self, sock: socket.socket, _peer: object) -> None:
        self.world.advance(self.now())
        _Link(self, sock, self.world.open()).serve()

    def _dial_out(self, leg: Leg, host: str, port: int) -> None:
        self._greenlets = [one for one in self._greenlets if not one.dead]
        self._greenlets.append(gevent.spawn(self._connect, leg, host, port))

    def _connect(self, leg: Leg, host: str, port: int) -> None:
        try:
            sock = socket.create_connection((host, port), timeout=CONNECT_SECONDS)
        except OSError as problem:
            log.debug("nobody takes calls at %s:%s: %s", host, port, problem)
            self.world.advance(self.now())
            self.world.socket_refused(leg)
            self.settle()
            return
        sock.settimeout(None)
        self.world.advance(self.now())
        session = self.world.socket_connected(leg)
        self._wake.set()
        _Link(self, sock, session).serve()

    def add(self, link: _Link) -> None:
        """Take a connection into account."""
        self._links.append(link)

    def drop(self, link: _Link) -> None:
        """Forget a connection."""
        self._links = [one for one in self._links if one is not link]


class _Link:
    """One TCP connection of one session."""

    def __init__(self, shell: Shell, sock: socket.socket, session: Session) -> None:
        self.shell, self.sock, self.session = shell, sock, session
        self.ready = Event()
        self._reader = CommandReader()

    def serve(self) -> None:
        """Read commands until the connection ends."""
        self.shell.add(self)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer = gevent.spawn(self._write)
        self.ready.set()
        try:
            while data := self.sock.recv(65536):
                self.shell.world.advance(self.shell.now())
                for command in self._reader.feed(data):
                    self.session.take(command)
                self.shell.settle()
        except (OSError, EslError) as problem:
            log.debug("connection ended: %s", problem)
        finally:
            self.close()
            writer.join(timeout=1)
            writer.kill()
            self.sock.close()
            self.shell.drop(self)

    def close(self) -> None:
        """End the session, if its client hasn't, and let the writer finish."""
        if not self.session.closed:
            self.session.close()
        self.ready.set()

    def _write(self) -> None:
        try:
            while True:
                self.ready.wait()
                self.ready.clear()
                while self.session.outbox:
                    data = b"".join(self.session.outbox)
                    self.session.outbox.clear()
                    self.sock.sendall(data)
                if self.session.closed:
                    self.sock.shutdown(socket.SHUT_RDWR)
                    return
        except OSError as problem:
            log.debug("connection broke: %s", problem)
            self.session.close()
