"""Serves control over its sockets with gevent's WSGI server: bounded connections, bounded waiting, no secrets in logs."""

from __future__ import annotations

import ipaddress
import logging
import os
import pwd
import struct
import time
from collections.abc import Sequence
from typing import Any

import gevent
from gevent import pywsgi, socket
from gevent.pool import Pool

from fsqueue.control.app import HEARTBEAT, PEER, Control, Peer
from fsqueue.control.handlers import Desk
from fsqueue.control.kept import Kept
from fsqueue.control.protocol import Problem
from fsqueue.control.settings import ControlError, ControlSettings
from fsqueue.control.sockets import UnixListener, listen_tcp
from fsqueue.control.tokens import Tokens, read_tokens
from fsqueue.control.wire import encode
from fsqueue.esl.complaints import Complaints
from fsqueue.esl.outbound import Network, allowed

log = logging.getLogger(__name__)

PATIENCE = 60.0
"""Seconds that a peer may take to send its next request, or to take what it is sent, before it is cut off."""

MAX_CONNECTIONS = 400
"""On each socket: more than there can be watchers, so that they can't lock everybody else out."""

DIGEST = 0.1
"""Seconds between looks at what has come in while somebody watches; else it waits until somebody asks."""

_BAD_REQUEST = encode(
    Problem(code="bad_request", error="this is no HTTP request", remedy="speak HTTP/1.1; see /openapi.json")
)
_RESPONSE = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (len(_BAD_REQUEST), _BAD_REQUEST)
)


class ControlServer:
    """The control API of one daemon, from `start` to `stop`."""

    def __init__(
        self,
        desk: Desk,
        settings: ControlSettings,
        *,
        patience: float = PATIENCE,
        heartbeat: float = HEARTBEAT,
        kept: Kept | None = None,
    ) -> None:
        """Be about to serve *desk*; *patience* and *heartbeat* in seconds, *kept* keeps answers about the moment."""
        self._desk = desk
        self._settings = settings
        self._patience = patience
        self._control = Control(desk, heartbeat, kept=kept)
        self._unix = UnixListener(settings.socket, settings.group)
        self._servers: list[_Server] = []
        self._tokens: Tokens | None = None
        self._digesting: Any = None

    def start(self) -> None:
        """Listen.

        Raises:
            SocketTakenError: another daemon listens at the Unix socket.
            ControlError: a socket, or a file of tokens, can't be used.
        """
        listener = self._unix.open()
        try:
            self._serve(listener, self._control.application())
            if self._settings.tcp:
                self._tokens = read_tokens(self._settings.read_tokens, self._settings.full_tokens)
                networks = [ipaddress.ip_network(network) for network in self._settings.allow]
                self._serve(listen_tcp(self._settings.tcp), self._control.application(self._tokens), networks)
        except BaseException:
            self.stop()
            raise
        self._digesting = gevent.spawn(self._digest)

    def stop(self) -> None:
        """Let the streams say that they end, then close."""
        self._control.end()
        for server in self._servers:
            server.stop(timeout=1.0)
        self._servers.clear()
        if self._digesting is not None:
            self._digesting.kill()
        self._unix.close()

    def reload_tokens(self) -> tuple[str, ...]:
        """Read the files of tokens again; with a fault in them those that were known stay, and the fault is returned.

        Who follows the stream by a token that is gone is let go.
        """
        if self._tokens is None:
            return ()
        try:
            self._tokens.replace(read_tokens(self._settings.read_tokens, self._settings.full_tokens))
        except ControlError as error:
            return (f"{error}; the tokens that were known stay",)
        self._control.look_again()
        return ()

    @property
    def tcp_port(self) -> int:
        """The port that TCP is listened at; 0 where it isn't."""
        return int(self._servers[1].socket.getsockname()[1]) if len(self._servers) > 1 else 0

    def _serve(self, listener: socket.socket, application: Any, allow: Sequence[Network] = ()) -> None:
        server = _Server(listener, application, self._patience, allow)
        server.start()
        self._servers.append(server)

    def _digest(self) -> None:
        while True:
            gevent.sleep(DIGEST)
            if self._desk.board.watchers:
                self._desk.board.catch_up()


class _Server(pywsgi.WSGIServer):
    def __init__(
        self, listener: socket.socket, application: Any, patience: float, allow: Sequence[Network] = ()
    ) -> None:
        self.patience = patience
        self._allow = allow
        self._complaints = Complaints()
        super().__init__(
            listener, application, handler_class=_Handler, spawn=Pool(MAX_CONNECTIONS), log=None, error_log=log
        )

    def handle(self, sock: socket.socket, address: Any) -> None:
        """Serve a connection; over TCP only to who may come: a stranger doesn't even hear that a token is wanted."""
        if sock.family == socket.AF_UNIX or allowed(str(address[0]), self._allow):
            super().handle(sock, address)
            return
        if self._complaints.due("network", time.monotonic()):
            log.warning("control: %s may not connect here; name its network in control.allow if it should", address[0])
        sock.close()


class _Handler(pywsgi.WSGIHandler):
    def __init__(self, sock: Any, address: Any, server: _Server) -> None:
        # Before the file for reading is made from it: a peer that is mute, or never reads, ends by itself.
        sock.settimeout(server.patience)
        super().__init__(sock, address, server)

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[PEER] = _peer(self.socket)
        return environ

    def log_error(self, msg: str, *args: Any) -> None:
        log.info("control: " + msg, *args)  # noqa: G003 - the format is gevent's

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        if t is not None and issubclass(t, OSError):
            # A peer that went away, or took nothing for as long as it may: its connection ends, nothing is wrong with us.
            self.close_connection = True
            return
        super().handle_error(t, v, tb)

    def _handle_client_error(self, ex: BaseException) -> tuple[str, bytes]:
        log.info("control: a request that is no HTTP: %a", str(ex)[:200])
        return ("400", _RESPONSE)


def _peer(sock: Any) -> Peer:
    """Return the user at the other end of a Unix socket, as the kernel says; nobody over TCP."""
    if sock.family != socket.AF_UNIX:
        return Peer()
    given = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", given)[1]
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = f"uid {uid}"
    return Peer(name, trusted=uid in (0, os.geteuid()))
