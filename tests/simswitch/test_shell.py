"""The embedded switch speaks ESL over real sockets, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from fsqueue.esl.framing import Frame, FrameReader
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import World
from fsqueue.switch.dialplan import DialplanFacts, render, render_entry

SPEED = 20.0


class Peer:
    """A plain ESL client on a real socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = FrameReader()
        self._frames: list[Frame] = []

    def next(self) -> Frame:
        with gevent.Timeout(5):
            while not self._frames:
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError
                self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def ask(self, *lines: str) -> Frame:
        self.sock.sendall(("\n".join(lines) + "\n\n").encode())
        frame = self.next()
        while frame.content_type == "text/event-json":
            frame = self.next()
        return frame

    def event(self, name: str) -> Frame:
        while True:
            frame = self.next()
            if frame.content_type == "text/event-json" and f'"{name}"'.encode() in frame.body:
                return frame


@pytest.fixture
def shell() -> Iterator[Shell]:
    taken = StreamServer(("127.0.0.1", 0), lambda sock, _peer: None)
    taken.init_socket()
    facts = DialplanFacts(extensions=("7001",), socket=f"127.0.0.1:{taken.server_port}")
    taken.stop()
    plan = Dialplan()
    plan.include(render(facts))
    plan.include(render_entry(facts), "public")
    made = Shell(World(1_800_000_000.0, Random(1), plan), speed=SPEED)
    made.dialplan_port = int(facts.socket.rpartition(":")[2])  # type: ignore[attr-defined]
    made.start()
    yield made
    made.stop()


@pytest.fixture
def stranger(shell: Shell) -> Iterator[Peer]:
    """Somebody who has connected and not logged in."""
    with socket.create_connection(shell.address, timeout=5) as sock:
        yield Peer(sock)


@pytest.fixture
def peer(stranger: Peer) -> Peer:
    """Somebody who has logged in."""
    assert stranger.next().content_type == "auth/request"
    assert stranger.ask("auth ClueCon").reply_text == "+OK accepted"
    return stranger


def test_a_client_logs_in_and_asks(shell: Shell, peer: Peer) -> None:
    assert peer.ask("api global_getvar core_uuid").body.decode() == shell.world.core
    clock = int(peer.ask("api strepoch").body)
    assert abs(clock - shell.now()) < 2
    assert peer.ask("exit").reply_text == "+OK bye"
    assert peer.next().content_type == "text/disconnect-notice"
    with pytest.raises(EOFError):
        peer.next()


def test_a_wrong_password_is_told_and_the_connection_closed(stranger: Peer) -> None:
    stranger.next()
    assert stranger.ask("auth nonsense").reply_text == "-ERR invalid"
    assert stranger.next().content_type == "text/disconnect-notice"


def test_its_clock_runs_at_its_speed(shell: Shell) -> None:
    before = shell.now()
    gevent.sleep(0.1)
    passed = shell.now() - before
    assert 0.1 * SPEED <= passed < 1.0 * SPEED


def test_a_call_comes_to_our_socket_and_is_taken_held_and_bridged(shell: Shell, peer: Peer) -> None:
    assert peer.ask("event json ALL CUSTOM fsqueue::hold").reply_text == "+OK event listener enabled json"
    peer.ask("api hash insert/fsqueue/alive-fsqueue/1900000000")
    arrived: list[Frame] = []

    def take(sock: socket.socket, _peer: object) -> None:
        caller = Peer(sock)
        arrived.append(caller.ask("connect"))
        for application, argument in (
            ("answer", ""),
            (
                "multiset",
                "fsqueue_deadline=1900000000 fsqueue_music=local_stream://x uuid_bridge_continue_on_cancel=true",
            ),
            ("transfer", "fsqueue-hold XML fsqueue"),
        ):
            caller.ask(
                "sendmsg", "call-command: execute", f"execute-app-name: {application}", f"execute-app-arg: {argument}"
            )
        caller.ask("exit")

    server = StreamServer(("127.0.0.1", shell.dialplan_port), take)  # type: ignore[attr-defined]
    server.start()
    try:
        (phone,) = shell.world.phones(PhoneScript(user="1001", domain="lab", reactions=(Reaction(after=1, talk=2),)))
        shell.world.call(CallerScript(number="5551", name="a%0Ab", to="7001"))
        shell.settle()
        peer.event("fsqueue::hold")
        headers = arrived[0].headers
        assert headers["Socket-Mode"] == "async"
        assert headers["Caller-Caller-ID-Name"] == "a%0Ab"
        uuid = headers["Unique-ID"]
        peer.ask(f"bgapi originate {{origination_uuid=m1}}sofia/internal/{phone.contact} &park()", "Job-UUID: j")
        peer.event("CHANNEL_ANSWER")
        peer.ask(f"api uuid_bridge {uuid} m1")
        assert f'"Bridge-A-Unique-ID":"{uuid}"'.encode() in peer.event("CHANNEL_BRIDGE").body
        assert b'"m1"' in peer.event("CHANNEL_HANGUP").body
    finally:
        server.stop()


def test_a_call_for_which_nobody_listens_goes_on_in_the_dialplan(shell: Shell, peer: Peer) -> None:
    peer.ask("event json CHANNEL_HANGUP")
    shell.world.call(CallerScript(number="5551", name="5551", to="7001"))
    shell.settle()
    assert b"NORMAL_TEMPORARY_FAILURE" in peer.event("CHANNEL_HANGUP").body


def test_a_client_that_dies_is_forgotten(shell: Shell, peer: Peer) -> None:
    assert len(shell.world.sessions) == 1
    peer.sock.close()
    with gevent.Timeout(5):
        while shell.world.sessions:
            gevent.sleep(0.01)
