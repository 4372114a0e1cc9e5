"""The floor of any queue outside the switch: a bare script that connects, originates, and bridges who answers.

It keeps nothing, checks nothing, and reads of what it is sent only what it needs, with the same gevent. The next user in turn is
rung for each caller; the caller is answered and hears music from its socket. It bridges at the member's CHANNEL_ANSWER, or with ``--settled``
at his CHANNEL_PARK, when his originate can no longer take him out of the bridge; without a USER everybody just waits.
``python -m scripts.bench_bare ESL LISTEN PASSWORD [--settled] USER…``
"""

from __future__ import annotations

import itertools
import re
import sys
import uuid

import gevent
from gevent import socket
from gevent.server import StreamServer

from tests.contract.freeswitch import DOMAIN

_CALLER = re.compile(rb"\nUnique-ID: (\S+)")
_NUMBER = re.compile(rb"\nCaller-Caller-ID-Number: (\S+)")
_LENGTH = re.compile(rb"Content-Length: (\d+)")
_LEG = re.compile(rb'"Unique-ID":"([^"]+)"')

MUSIC = (
    b"sendmsg\ncall-command: execute\nexecute-app-name: answer\n\n"
    b"sendmsg\ncall-command: execute\nexecute-app-name: playback\nexecute-app-arg: local_stream://default\n\n"
)


class Script:
    """Two sockets and a dictionary."""

    def __init__(self, esl: int, password: str, users: list[str], bridge_at: str) -> None:
        """Log in to the event socket."""
        self._turns = itertools.cycle(users)
        self._rings = bool(users)
        self._callers: dict[bytes, bytes] = {}
        self._switch = socket.create_connection(("127.0.0.1", esl))
        self._switch.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._switch.sendall(f"auth {password}\n\nevent json {bridge_at}\n\n".encode())
        gevent.spawn(self._read)

    def call(self, caller: socket.socket, _address: object) -> None:
        """See one caller through: until the switch closes its socket."""
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        caller.sendall(b"connect\n\n")
        told = b""
        while b"\n\n" not in told:
            data = caller.recv(65536)
            if not data:
                return
            told += data
        uuid_, number = _CALLER.search(told), _NUMBER.search(told)
        assert uuid_ is not None
        assert number is not None
        if self._rings:
            self._ring(uuid_[1], number[1])
        caller.sendall(MUSIC)
        while caller.recv(65536):
            pass

    def _ring(self, caller: bytes, number: bytes) -> None:
        leg = str(uuid.uuid4()).encode()
        self._callers[leg] = caller
        options = b"origination_uuid=%b,origination_caller_id_number=%b,ignore_early_media=true" % (leg, number)
        dial = f"user/{next(self._turns)}@{DOMAIN} &park()".encode()
        self._switch.sendall(b"bgapi originate {%b}%b\n\n" % (options, dial))

    def _read(self) -> None:
        pending = b""
        while data := self._switch.recv(65536):
            pending += data
            while (end := pending.find(b"\n\n")) >= 0:
                length = _LENGTH.search(pending, 0, end)
                whole = end + 2 + (int(length[1]) if length else 0)
                if len(pending) < whole:
                    break
                leg = _LEG.search(pending, end, whole)
                if leg is not None and leg[1] in self._callers:
                    self._bridge(self._callers.pop(leg[1]), leg[1])
                pending = pending[whole:]

    def _bridge(self, caller: bytes, leg: bytes) -> None:
        self._switch.sendall(b"api uuid_bridge %b %b\n\n" % (caller, leg))


def main() -> None:
    """Serve until killed."""
    options = [word for word in sys.argv[1:] if word.startswith("--")]
    esl, listen, password, *users = [word for word in sys.argv[1:] if not word.startswith("--")]
    script = Script(int(esl), password, users, "CHANNEL_PARK" if "--settled" in options else "CHANNEL_ANSWER")
    server = StreamServer(("127.0.0.1", int(listen)), script.call, backlog=1024)
    server.start()
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
