"""A scripted TCP peer: the switch, or whatever else may listen on its port, as one function per connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import gevent
from gevent import socket
from gevent.server import StreamServer

from fsqueue.esl.framing import Command, CommandReader

GREETING = b"Content-Type: auth/request\n\n"
ACCEPTED = b"Content-Type: command/reply\nReply-Text: +OK accepted\n\n"
GOODBYE = b"Content-Type: text/disconnect-notice\nContent-Length: 67\n\nDisconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"
CORE = "ec7ae5dd-1920-4c8b-b5a9-da6200e33ad6"


def reply(text: str) -> bytes:
    return f"Content-Type: command/reply\nReply-Text: {text}\n\n".encode()


def response(text: str) -> bytes:
    return b"Content-Type: api/response\nContent-Length: %d\n\n" % len(text.encode()) + text.encode()


def event(text: str) -> bytes:
    return b"Content-Length: %d\nContent-Type: text/event-json\n\n" % len(text.encode()) + text.encode()


def numbered(number: int) -> bytes:
    return event(f'{{"Event-Name":"DTMF","Event-Sequence":"{number}"}}')


class Conversation:
    """One connection, from the peer's side. Reading past its end raises EOFError, which ends the script."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = CommandReader()
        self._commands: list[Command] = []

    def say(self, *messages: bytes) -> None:
        self.sock.sendall(b"".join(messages))

    def hear(self) -> Command:
        """The next command."""
        while not self._commands:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._commands = self._reader.feed(data)
        return self._commands.pop(0)

    def log_in(self) -> None:
        self.say(GREETING)
        assert self.hear().line.startswith("auth ")
        self.say(ACCEPTED)

    def serve(self) -> None:
        """Answer everything as a switch does, for as long as anybody asks."""
        while True:
            command = self.hear()
            if command.line == "api global_getvar core_uuid":
                self.say(response(CORE))
            elif command.line == "api strepoch":
                self.say(response("1795474358"))
            elif command.line == "exit":
                self.say(reply("+OK bye"), GOODBYE)
                return
            else:
                self.say(response(command.line) if command.line.startswith("api ") else reply("+OK"))

    def wait_for_the_end(self) -> None:
        while self.sock.recv(65536):
            pass


Script = Callable[[Conversation], None]


@contextmanager
def listening(*scripts: Script) -> Iterator[int]:
    """Listen on a port of loopback; the n-th connection plays the n-th script, further ones the last."""
    left = list(scripts)
    running: list[gevent.Greenlet] = []

    def handle(sock: socket.socket, _address: object) -> None:
        running.append(gevent.getcurrent())
        script = left.pop(0) if len(left) > 1 else left[0]
        with suppress(EOFError, OSError):
            script(Conversation(sock))

    server = StreamServer(("127.0.0.1", 0), handle)
    server.start()
    try:
        yield server.server_port
    finally:
        server.stop()
        gevent.killall(running)


def closed_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until *true*; fail after *seconds*."""
    with gevent.Timeout(seconds, AssertionError("it did not come true in time")):
        while not true():
            gevent.sleep(0.002)
