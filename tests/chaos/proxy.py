"""A wire between the daemon and the switch that can be cut, slowed down, or left hanging without a word."""

from __future__ import annotations

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer


class Proxy:
    """Listens on loopback and passes everything on to *port*, as long as it is let."""

    def __init__(self, port: int) -> None:
        """Pass on to *port* of this machine."""
        self._to = port
        self._server = StreamServer(("127.0.0.1", 0), self._pass_on)
        self._open: list[socket.socket] = []
        self._flows = Event()
        self._flows.set()
        self.refusing = False
        self.delay = 0.0
        """Seconds that everything takes, each way."""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port or 0)

    def start(self) -> None:
        """Listen."""
        self._server.start()

    def stop(self) -> None:
        """Listen no more, and cut what is connected."""
        self._server.stop(timeout=1)
        self.cut()

    def cut(self) -> None:
        """Close every connection, both ends at once; what a silent one held back is lost."""
        for sock in self._open:
            sock.close()
        self._open.clear()
        self._flows.set()

    def silence(self) -> None:
        """Let nothing through any more; both ends go on believing in the connection."""
        self._flows.clear()

    def resume(self) -> None:
        """Let everything through again, what was held back first."""
        self._flows.set()

    def well(self) -> None:
        """Let everything be as it should."""
        self.refusing, self.delay = False, 0.0
        self.resume()

    def _pass_on(self, near: socket.socket, _peer: object) -> None:
        if self.refusing:
            return
        try:
            far = socket.create_connection(("127.0.0.1", self._to))
        except OSError:
            return  # the switch is down: so is its event socket
        for sock in (near, far):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open += [near, far]
        ways = [gevent.spawn(self._pump, near, far), gevent.spawn(self._pump, far, near)]
        gevent.joinall(ways)
        far.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flows.wait()
                if self.delay:
                    gevent.sleep(self.delay)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for sock in (source, sink):
                sock.close()
