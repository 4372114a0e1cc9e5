from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent import socket
from gevent.event import Event as Flag

from fsqueue.esl import commands
from fsqueue.esl.connection import Reply
from fsqueue.esl.errors import LinkDown
from fsqueue.esl.events import Event, clean
from fsqueue.esl.framing import FrameReader, decode_values
from fsqueue.esl.outbound import OnCall, OutboundServer, Session, allowed
from tests.esl import captures, peer
from tests.esl.peer import Conversation

CONNECTED = captures.received("answered-member-hangs-up.outbound-1")[0]
OUTBOUND = [name for name in captures.names() if ".outbound-" in name]


@contextmanager
def serving(on_call: OnCall, **options: object) -> Iterator[OutboundServer]:
    made = OutboundServer(("127.0.0.1", 0), on_call, **{"timeout": 1.0, **options})  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        made.stop()
        peer.until(lambda: made.open_sessions == 0)


@contextmanager
def dialplan(server: OutboundServer) -> Iterator[Conversation]:
    """A connection as the dialplan's socket application makes it."""
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.settimeout(5.0)
        yield Conversation(sock)


def never(_session: Session, _channel: Event) -> None:
    raise AssertionError("no call should have been handed over")


@pytest.mark.parametrize("name", OUTBOUND)
def test_a_captured_hand_over_plays_through_a_session(name: str) -> None:
    story = captures.chunks(name)
    first = next(chunk.data for chunk in story if not chunk.sent)
    held = decode_values(FrameReader().feed(first)[0].headers)
    later = [chunk.data for chunk in story if chunk.sent][1:]
    seen: list[Event] = []
    answers: list[Reply | LinkDown] = []

    def on_call(session: Session, channel: Event) -> None:
        seen.append(channel)
        assert session.uuid == held["variable_uuid"]
        for command in later:
            session.post(command, answers.append)
        session.down.wait(5)

    with serving(on_call) as server, dialplan(server) as talk:
        for chunk in story:
            if chunk.sent:
                talk.hear()
            else:
                talk.say(chunk.data)
        talk.sock.shutdown(socket.SHUT_WR)
        peer.until(lambda: seen and len(answers) == len(later))
    [channel] = seen
    assert channel.uuid == held["Unique-ID"]
    assert channel.caller_name == clean(held.get("Caller-Caller-ID-Name", ""))
    assert channel.destination == held["Caller-Destination-Number"]
    assert all(isinstance(answer, Reply) and answer.ok for answer in answers)


@pytest.mark.parametrize("kind", ["hostile-caller-id", "hostile-caller-id-plain"])
def test_a_hostile_name_gives_a_session_no_variable(kind: str) -> None:
    names: list[list[str]] = []

    def on_call(session: Session, _channel: Event) -> None:
        names.append(list(session.session_data))

    with serving(on_call) as server, dialplan(server) as talk:
        talk.hear()
        talk.say(captures.received(f"{kind}.outbound-3")[0])
        peer.until(lambda: names)
    assert "Caller-Caller-ID-Name" in names[0]
    assert not [name for name in names[0] if "evil" in name]


def test_a_session_runs_applications_and_says_goodbye_when_its_call_is_handled() -> None:
    replies: list[Reply] = []

    def on_call(session: Session, _channel: Event) -> None:
        replies.append(session.execute("answer"))
        replies.append(session.execute("transfer", "fsqueue-hold XML fsqueue"))

    heard: list[str] = []
    with serving(on_call) as server, dialplan(server) as talk:
        talk.hear()
        talk.say(CONNECTED)
        for _ in range(2):
            command = talk.hear()
            heard.append(command.headers["execute-app-name"])
            talk.say(peer.reply("+OK"))
        assert talk.hear().line == "exit"
        talk.say(peer.reply("+OK bye"), peer.GOODBYE)
        talk.sock.shutdown(socket.SHUT_WR)
        assert talk.sock.recv(10) == b"", "the session was closed"
    assert heard == ["answer", "transfer"]
    assert [reply.ok for reply in replies] == [True, True]


def test_calls_are_handled_at_the_same_time() -> None:
    together = Flag()
    inside: list[Event] = []

    def on_call(_session: Session, channel: Event) -> None:
        inside.append(channel)
        together.wait(5)

    with serving(on_call) as server, dialplan(server) as one, dialplan(server) as two:
        for talk in (one, two):
            talk.hear()
            talk.say(CONNECTED)
        peer.until(lambda: len(inside) == 2)
        together.set()


def test_a_caller_who_is_gone_ends_a_waiting_send() -> None:
    ends: list[str] = []

    def on_call(session: Session, _channel: Event) -> None:
        try:
            session.execute("answer", timeout=60.0)
        except LinkDown as error:
            ends.append(str(error))

    with serving(on_call) as server:
        with dialplan(server) as talk:
            talk.hear()
            talk.say(CONNECTED)
            talk.hear()
        peer.until(lambda: ends)


def test_a_lingering_socket_stays_open_after_the_hang_up() -> None:
    done = Flag()
    open_after: list[bool] = []

    def on_call(session: Session, _channel: Event) -> None:
        session.send(commands.linger())
        session.send(commands.api("x"))
        open_after.append(session.connected)
        done.set()

    linger = b"Content-Type: text/disconnect-notice\nContent-Disposition: linger\nChannel-Name: x\nLinger-Time: 5\nContent-Length: 0\n\n"
    with serving(on_call) as server, dialplan(server) as talk:
        talk.hear()
        talk.say(CONNECTED)
        talk.hear()
        talk.say(peer.reply("+OK will linger"), linger)
        talk.hear()
        talk.say(peer.response("x"))
        assert done.wait(5)
    assert open_after == [True]


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00", b"Content-Length: -5\n\n"])
def test_a_peer_that_sends_noise_is_dropped_with_a_line(noise: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with serving(never) as server, dialplan(server) as talk:
        talk.say(noise)
        assert talk.sock.recv(100) in (b"connect\n\n", b"")
        with pytest.raises((EOFError, ConnectionError)):
            talk.hear()
    assert "127.0.0.1 connected as the dialplan does, but" in caplog.text


def test_a_mute_peer_is_dropped_after_the_timeout(caplog: pytest.LogCaptureFixture) -> None:
    with serving(never, timeout=0.05) as server, dialplan(server) as talk:
        assert talk.hear().line == "connect"
        with pytest.raises(EOFError):
            talk.hear()
        peer.until(lambda: server.open_sessions == 0)
    assert "no answer within 0.05 s" in caplog.text


def test_a_refusal_of_connect_hands_nothing_over() -> None:
    with serving(never) as server, dialplan(server) as talk:
        talk.hear()
        talk.say(peer.reply("-ERR no"))
        with pytest.raises((EOFError, ConnectionError)):
            talk.hear()


def test_beyond_the_limit_of_unanswered_connections_more_are_dropped_and_the_others_go_on() -> None:
    seen: list[Event] = []
    with (
        serving(lambda _session, channel: seen.append(channel), max_unanswered=2) as server,
        dialplan(server) as one,
        dialplan(server) as two,
    ):
        assert [one.hear().line, two.hear().line] == ["connect", "connect"]
        with dialplan(server) as three, pytest.raises(EOFError):
            three.hear()
        one.say(CONNECTED)
        peer.until(lambda: len(seen) == 1)
        with dialplan(server) as four:
            assert four.hear().line == "connect"


def test_a_handler_that_fails_closes_its_session_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def on_call(session: Session, _channel: Event) -> None:
        session.drop("given up")
        raise ZeroDivisionError

    with serving(on_call) as server:
        for _ in range(2):
            with dialplan(server) as talk:
                talk.hear()
                talk.say(CONNECTED)
                with pytest.raises(EOFError):
                    talk.hear()
    assert caplog.text.count("handling a call from the dialplan failed") == 2


def test_close_leaves_open_sessions_and_stop_ends_them() -> None:
    ends: list[str] = []

    def on_call(session: Session, _channel: Event) -> None:
        session.down.wait()
        ends.append(session.reason)

    with serving(on_call) as server, dialplan(server) as talk:
        talk.hear()
        talk.say(CONNECTED)
        peer.until(lambda: server.open_sessions == 1)
        port = server.port
        server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
        gevent.sleep(0.01)
        assert ends == []
        server.stop()
        peer.until(lambda: ends)
    assert ends == ["we are stopping"]


def test_a_peer_outside_the_networks_is_dropped_before_anything_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("fsqueue.esl.outbound.allowed", lambda *_: False)
    with serving(never) as server, dialplan(server) as talk:
        assert talk.sock.recv(100) == b""
    assert "listen.allow" in caplog.text


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::1", True),
        ("192.0.3.7", False),
        ("2001:db9::1", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
    ],
)
def test_who_may_connect(address: str, may: bool) -> None:
    networks = [ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32")]
    assert allowed(address, networks) is may
