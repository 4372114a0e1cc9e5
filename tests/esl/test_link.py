from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.event import Event as Flag

from fsqueue.config.model import Switch
from fsqueue.config.passwords import password_of
from fsqueue.esl import commands, connection, link
from fsqueue.esl.connection import Reply
from fsqueue.esl.errors import CommandTimeout, ConnectError, Fault, LinkDown, LocalProtocolError
from fsqueue.esl.events import Event
from fsqueue.esl.framing import FrameReader
from fsqueue.esl.link import Link
from tests.esl import captures, peer
from tests.esl.peer import Conversation, Script, numbered, reply, response

PASSWORD = "hunter2"


def ignore(_event: Event) -> None:
    """Nobody listens."""


def linked(port: int, on_event: Callable[[Event], None] = ignore, **options: object) -> Link:
    return Link("127.0.0.1", port, lambda: PASSWORD, on_event, **options)  # type: ignore[arg-type]


@contextmanager
def up(script: Script, on_event: Callable[[Event], None] = ignore) -> Iterator[Link]:
    """A link that is logged in to a peer which then plays *script*."""

    def whole(talk: Conversation) -> None:
        talk.log_in()
        script(talk)

    with peer.listening(whole) as port:
        made = linked(port, on_event)
        made.connect()
        try:
            yield made
        finally:
            made.drop("the test is over")
            made.drain(1.0)


def refused(script: Script, **options: object) -> ConnectError:
    with peer.listening(script) as port:
        made = linked(port, **options)
        with pytest.raises(ConnectError) as caught:
            made.connect()
        assert not made.connected
        assert made.down.is_set()
        assert str(port) in str(caught.value)
    assert PASSWORD not in str(caught.value) + repr(caught.value)
    return caught.value


# -- connecting


def test_log_in_answers_and_events_work_against_a_switch() -> None:
    with up(Conversation.serve) as made:
        assert made.send(commands.api("strepoch")).text == "1795474358"
        assert made.send(commands.events(["DTMF"])).ok
        assert made.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_refused_password_says_where_it_is_set() -> None:
    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        talk.hear()
        talk.say(reply("-ERR invalid"), peer.GOODBYE)

    error = refused(script)
    assert error.fault is Fault.WRONG_PASSWORD
    assert re.fullmatch(
        r"FreeSWITCH at 127\.0\.0\.1:\d+ refused the password; "
        r"check password_file of \[switches\.main\] and event_socket\.conf\.xml",
        str(error),
    )


def test_the_captured_refusal_is_understood() -> None:
    greeting, *refusal = captures.received("auth-rejected.inbound")

    def script(talk: Conversation) -> None:
        talk.say(greeting)
        talk.hear()
        talk.say(*refusal)

    assert refused(script).fault is Fault.WRONG_PASSWORD


def test_a_closed_port_is_told() -> None:
    with pytest.raises(ConnectError, match=r"nothing listens at 127\.0\.0\.1:") as caught:
        linked(peer.closed_port()).connect()
    assert caught.value.fault is Fault.UNREACHABLE


@pytest.mark.parametrize("host", ["no..dots", "x" * 70 + ".example"])
def test_a_name_that_can_be_no_host_is_told(host: str) -> None:
    with pytest.raises(ConnectError, match="no such host") as caught:
        Link(host, 8021, lambda: PASSWORD, ignore).connect()
    assert caught.value.fault is Fault.NO_SUCH_HOST


def test_a_host_that_the_resolver_does_not_know_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_arguments: object) -> socket.socket:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(link.socket, "create_connection", resolve)
    with pytest.raises(ConnectError, match=r"no such host: pbx\.example; check host of \[switches\.main\]") as caught:
        Link("pbx.example", 8021, lambda: PASSWORD, ignore).connect()
    assert caught.value.fault is Fault.NO_SUCH_HOST


def test_a_host_that_swallows_packets_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link.socket, "create_connection", lambda *_: gevent.sleep(30))
    with pytest.raises(ConnectError, match="cannot be reached") as caught:
        Link("192.0.2.1", 8021, lambda: PASSWORD, ignore, timeout=0.01).connect()
    assert caught.value.fault is Fault.UNREACHABLE


@pytest.mark.parametrize("banner", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n"])
def test_a_peer_that_speaks_no_esl_is_told_with_what_it_said(banner: bytes) -> None:
    error = refused(lambda talk: talk.say(banner))
    assert error.fault is Fault.NO_ESL
    assert banner[:8].decode() in str(error)


def test_a_peer_that_says_nothing_is_given_up() -> None:
    error = refused(Conversation.wait_for_the_end, timeout=0.05)
    assert error.fault is Fault.SILENT


def test_a_peer_that_never_answers_the_log_in_is_given_up() -> None:
    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        talk.wait_for_the_end()

    assert refused(script, timeout=0.05).fault is Fault.SILENT


def test_an_access_list_that_refuses_us_is_told() -> None:
    rude = b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n"
    error = refused(lambda talk: talk.say(rude))
    assert error.fault is Fault.ACCESS_DENIED
    assert "apply-inbound-acl" in str(error)


def test_a_peer_that_closes_before_the_log_in_is_told() -> None:
    assert refused(lambda talk: None).fault is Fault.BROKEN


def test_a_peer_that_echoes_gets_no_password_into_a_message() -> None:
    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        while data := talk.sock.recv(1000):
            talk.sock.sendall(data)

    assert refused(script).fault is Fault.NO_ESL


def test_a_peer_that_echoes_inside_esl_gets_no_password_into_a_message() -> None:
    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        line = talk.hear().line
        talk.say(reply(f"-ERR {line}"))

    assert refused(script).fault is Fault.WRONG_PASSWORD


@pytest.mark.parametrize("password", ["", "two\nlines", "nul\0"])
def test_a_password_that_is_no_line_of_text_is_told_and_never_sent(password: str) -> None:
    heard: list[bytes] = []

    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        heard.append(talk.sock.recv(100))

    with peer.listening(script) as port:
        with pytest.raises(ConnectError) as caught:
            Link("127.0.0.1", port, lambda: password, ignore).connect()
        peer.until(lambda: heard)
    assert caught.value.fault is Fault.NO_PASSWORD
    assert heard == [b""]


def test_a_password_file_that_cannot_be_read_is_told() -> None:
    def missing() -> str:
        raise FileNotFoundError(2, "No such file or directory")

    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        talk.wait_for_the_end()

    with peer.listening(script) as port, pytest.raises(ConnectError, match=r"cannot be read \(No such file") as caught:
        Link("127.0.0.1", port, missing, ignore).connect()
    assert caught.value.fault is Fault.NO_PASSWORD


def test_a_password_file_that_was_emptied_since_it_was_checked_is_told_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "esl").touch()
    switch = Switch(host="127.0.0.1", port=8021, password_file="esl")

    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        talk.wait_for_the_end()

    with peer.listening(script) as port, pytest.raises(ConnectError, match="is empty; write") as caught:
        Link("127.0.0.1", port, lambda: password_of(switch, tmp_path), ignore).connect()
    assert caught.value.fault is Fault.NO_PASSWORD


def test_a_link_holds_no_password() -> None:
    with up(Conversation.serve) as made:
        assert PASSWORD not in repr(made) + str(made) + repr(vars(made))


# -- commands and answers


def test_pipelined_commands_each_get_their_own_answer() -> None:
    with up(Conversation.serve) as made:
        jobs = [gevent.spawn(made.send, commands.api("echo", str(number))) for number in range(200)]
        gevent.joinall(jobs, timeout=5)
        assert [job.value.text for job in jobs] == [f"api echo {number}" for number in range(200)]


def test_a_knock_is_no_command_and_shifts_no_answer() -> None:
    with up(Conversation.serve) as made:
        for number in range(20):
            made.knock()
            assert made.send(commands.api("echo", str(number))).text == f"api echo {number}"
            made.knock()
            made.knock()
    made.knock()  # nobody is there any more, and nothing happens


def test_answers_and_events_are_handed_on_in_the_order_of_the_wire() -> None:
    seen: list[str] = []

    def script(talk: Conversation) -> None:
        for number in range(50):
            talk.hear()
            talk.say(numbered(number), reply(f"+OK {number}"))
        talk.wait_for_the_end()

    with up(script, lambda event: seen.append(f"event {event.sequence}")) as made:
        for _ in range(50):
            made.post(commands.api("x"), lambda got: seen.append(got.text if isinstance(got, Reply) else "down"))
        peer.until(lambda: len(seen) == 100)
    assert seen == [text for number in range(50) for text in (f"event {number}", f"+OK {number}")]


def test_a_send_gets_its_answer_after_the_events_that_came_before_it() -> None:
    seen: list[str] = []

    def script(talk: Conversation) -> None:
        talk.hear()
        talk.say(*(numbered(number) for number in range(2000)), reply("+OK"))
        talk.wait_for_the_end()

    with up(script, lambda event: seen.append(event.sequence)) as made:
        made.send(commands.api("x"))
        assert len(seen) == 2000


def test_every_waiting_send_ends_with_link_down_at_once_when_the_link_drops() -> None:
    def script(talk: Conversation) -> None:
        for _ in range(3):
            talk.hear()

    with up(script) as made:
        posted: list[Reply | LinkDown] = []
        made.post(commands.api("x"), posted.append)
        jobs = [gevent.spawn(made.send, commands.api("x"), 60.0) for _ in range(2)]
        gevent.joinall(jobs, timeout=2)
        assert [type(job.exception) for job in jobs] == [LinkDown, LinkDown]
        peer.until(lambda: posted)
        assert isinstance(posted[0], LinkDown)
        with pytest.raises(LinkDown):
            made.send(commands.api("x"))
        with pytest.raises(LinkDown):
            made.post(commands.api("x"), posted.append)
        assert len(posted) == 1


def test_a_waiting_send_ends_though_a_callback_is_stuck() -> None:
    stuck = Flag()

    def script(talk: Conversation) -> None:
        talk.say(numbered(1))
        talk.hear()

    with up(script, lambda _event: stuck.wait()) as made:
        with pytest.raises(LinkDown):
            made.send(commands.api("x"), 60.0)
        stuck.set()


def test_a_late_answer_is_dropped_and_the_next_command_gets_its_own() -> None:
    go_on = Flag()

    def script(talk: Conversation) -> None:
        talk.hear()
        go_on.wait()
        talk.say(response("late"))
        talk.hear()
        talk.say(response("mine"))
        talk.wait_for_the_end()

    with up(script) as made:
        with pytest.raises(CommandTimeout):
            made.send(commands.api("slow"), 0.01)
        go_on.set()
        assert made.send(commands.api("next")).text == "mine"


def test_an_answer_that_nobody_asked_for_ends_the_link() -> None:
    def script(talk: Conversation) -> None:
        talk.say(reply("+OK"))
        talk.wait_for_the_end()

    with up(script) as made:
        assert made.down.wait(2)
        assert "nobody asked" in made.reason


def test_a_command_that_is_not_whole_is_never_written() -> None:
    with up(Conversation.serve) as made:
        for bad in (b"api x\n", "api x\n\n"):
            with pytest.raises(LocalProtocolError):
                made.send(bad)  # type: ignore[arg-type]
        assert made.send(commands.api("x")).text == "api x"


def test_a_callback_that_fails_ends_neither_the_link_nor_the_next_callback(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def fail(event: Event) -> None:
        seen.append(event.sequence)
        raise ZeroDivisionError

    def script(talk: Conversation) -> None:
        talk.say(numbered(1), numbered(2))
        talk.serve()

    with up(script, fail) as made:
        assert made.send(commands.api("x")).ok
    assert seen == ["1", "2"]
    assert caplog.text.count("handling what FreeSWITCH sent failed") == 2


def test_a_send_from_inside_a_callback_is_refused_instead_of_waiting_for_itself() -> None:
    errors: list[BaseException] = []

    def script(talk: Conversation) -> None:
        talk.say(numbered(1))
        talk.serve()

    def on_event(_event: Event) -> None:
        try:
            made.send(commands.api("x"))
        except RuntimeError as error:
            errors.append(error)

    with up(script, on_event) as made:
        made.send(commands.api("y"))
    assert len(errors) == 1


# -- writing


def slowly(talk: Conversation, size: int, read: bytearray) -> None:
    """Take *size* bytes in small bites, with pauses that let the sender's buffers fill up."""
    gevent.sleep(0.05)
    while len(read) < size and (data := talk.sock.recv(30_000)):
        read += data
        gevent.sleep(0.0005)
    talk.say(*(reply("+OK") for _ in range(read.count(b"\n\n"))))
    talk.wait_for_the_end()


def narrow(made: Link) -> None:
    """Let the kernel hold so little that writes come out in parts."""
    made.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)


def test_a_megabyte_to_a_slow_reader_arrives_whole() -> None:
    command = commands.api("echo", "x" * (1 << 20))
    read = bytearray()
    with up(lambda talk: slowly(talk, len(command), read)) as made:
        narrow(made)
        answers: list[Reply | LinkDown] = []
        made.post(command, answers.append)
        assert made.unsent > 0, "the socket took all of it at once: this tests nothing"
        peer.until(lambda: answers, 10.0)
        assert made.unsent == 0
    assert read == command


def test_commands_of_many_greenlets_never_mix_when_the_reader_is_slow() -> None:
    each = [commands.api("echo", chr(ord("a") + number) * (40_000 + number)) for number in range(20)]
    read = bytearray()
    with up(lambda talk: slowly(talk, sum(map(len, each)), read)) as made:
        narrow(made)
        jobs = [gevent.spawn(made.send, command, 10.0) for command in each]
        gevent.joinall(jobs, timeout=10)
        assert [job.value.ok for job in jobs] == [True] * len(each)
    assert read == b"".join(each)


def test_post_never_waits_even_when_the_peer_takes_nothing() -> None:
    with up(lambda talk: gevent.sleep(60)) as made:
        big = commands.api("echo", "x" * (4 << 20))
        with gevent.Timeout(2), pytest.MonkeyPatch.context() as patched:
            patched.setattr(gevent, "sleep", None)
            for _ in range(3):
                made.post(big, lambda _got: None)
        assert made.connected


def test_a_peer_that_takes_no_commands_for_long_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_UNSENT", 8 << 20)
    with up(lambda talk: gevent.sleep(60)) as made:
        command = commands.api("echo", "x" * (4 << 20))
        posted: list[Reply | LinkDown] = []
        for _ in range(3):
            if made.connected:
                made.post(command, posted.append)
        made.post(command, posted.append) if made.connected else None
        assert "takes no more commands" in made.reason
        peer.until(lambda: len(posted) >= 3)
        assert all(isinstance(got, LinkDown) for got in posted)


# -- reading


def test_a_stuck_callback_does_not_stop_the_reader() -> None:
    stuck, written = Flag(), Flag()
    filler = peer.event(json.dumps({"Event-Name": "DTMF", "filler": "x" * 10_000}))

    def script(talk: Conversation) -> None:
        for _ in range(2_000):  # 20 MB, more than any socket's buffers hold
            talk.say(filler)
        written.set()
        talk.wait_for_the_end()

    with up(script, lambda _event: stuck.wait()):
        assert written.wait(20), "the switch could not write: it would stand still"
        stuck.set()


def test_a_link_that_is_too_far_behind_is_dropped_and_what_waits_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "MAX_BEHIND", 1 << 20)
    stuck = Flag()
    seen: list[Event] = []
    filler = peer.event(json.dumps({"Event-Name": "DTMF", "filler": "x" * 10_000}))

    def on_event(event: Event) -> None:
        seen.append(event)
        stuck.wait()

    def script(talk: Conversation) -> None:
        talk.say(*[filler] * 200)
        talk.wait_for_the_end()

    with up(script, on_event) as made:
        assert made.down.wait(5)
        assert "behind" in made.reason
        stuck.set()
        made.drain(1.0)
    assert len(seen) == 1


def test_an_event_that_cannot_be_read_is_passed_over_with_one_line(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []

    def script(talk: Conversation) -> None:
        talk.say(peer.event("[1]"), peer.event("{"), numbered(3))
        talk.serve()

    with up(script, lambda event: seen.append(event.sequence)) as made:
        made.send(commands.api("x"))
        assert made.unreadable == 2
        assert made.connected
    assert seen == ["3"]
    assert caplog.text.count("not a JSON object") == 1


def test_events_that_arrived_before_the_end_are_still_handed_on() -> None:
    seen: list[str] = []
    with up(lambda talk: talk.say(*(numbered(n) for n in range(1000))), lambda e: seen.append(e.sequence)) as made:
        assert made.down.wait(5)
        made.drain(5.0)
    assert seen == [str(number) for number in range(1000)]


def test_a_goodbye_of_the_switch_is_the_reason() -> None:
    with up(lambda talk: talk.say(peer.GOODBYE)) as made:
        assert made.down.wait(2)
        assert made.reason == "FreeSWITCH said goodbye"


def test_stop_says_goodbye_and_waits_for_the_switch_to_close() -> None:
    heard: list[str] = []

    def script(talk: Conversation) -> None:
        heard.append(talk.hear().line)
        talk.say(reply("+OK bye"), peer.GOODBYE)

    with up(script) as made:
        made.stop()
        assert made.reason == "FreeSWITCH said goodbye"
    assert heard == ["exit"]


SCENARIOS = [name for name in captures.names() if name.endswith(".inbound") and not name.startswith("auth-")]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_captured_session_plays_through_a_link(name: str) -> None:
    """The commands of the capture are posted, and the answers and events come as they were captured."""
    story = captures.chunks(name)
    start = next(at for at, chunk in enumerate(story) if chunk.sent) + 2

    def script(talk: Conversation) -> None:
        for chunk in story[start:]:
            if chunk.sent:
                talk.hear()
            else:
                talk.say(chunk.data)

    events: list[Event] = []
    answers: list[str] = []
    with up(script, events.append) as made:
        for chunk in story[start:]:
            if chunk.sent:
                made.post(chunk.data, lambda got: answers.append(got.text if isinstance(got, Reply) else "down"))
        assert made.down.wait(10)
        made.drain(5.0)
    frames = FrameReader().feed(b"".join(chunk.data for chunk in story[start:] if not chunk.sent))
    assert len(events) == sum(frame.content_type.startswith("text/event") for frame in frames)
    assert answers[: len(frames)] == [
        frame.reply_text if frame.content_type == "command/reply" else frame.body.decode().rstrip("\n")
        for frame in frames
        if frame.content_type in ("command/reply", "api/response")
    ] + ["down"] * (len(answers) - sum(f.content_type in ("command/reply", "api/response") for f in frames))
