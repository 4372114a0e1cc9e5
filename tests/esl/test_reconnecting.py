from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
import pytest
from gevent.event import Event as Flag

from fsqueue.esl import commands
from fsqueue.esl.complaints import Complaints
from fsqueue.esl.errors import LinkDown
from fsqueue.esl.events import Event
from fsqueue.esl.link import Link
from fsqueue.esl.reconnecting import Listener, Reconnecting, Timing
from tests.esl import peer
from tests.esl.peer import Conversation, numbered, reply

PASSWORD = "hunter2"
FAST = Timing(connect=2.0, ping_interval=0.01, ping_timeout=2.0)
IMPATIENT = Timing(connect=2.0, ping_interval=0.01, ping_timeout=0.1)


class Told:
    """What the listener was told, in order."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.clocks: list[tuple[int, float, float]] = []
        self.subscribe = True

    def on_up(self, link: Link, core: str) -> None:
        self.all.append(f"up {core[:8]}")
        if self.subscribe:
            link.send(commands.events(["DTMF"]))

    def listener(self) -> Listener:
        return Listener(
            on_up=self.on_up,
            on_down=lambda reason: self.all.append(f"down {reason}"),
            on_event=lambda event: self.all.append(f"event {event.sequence}"),
            on_clock=lambda *times: self.clocks.append(times),
        )

    def count(self, beginning: str) -> int:
        return sum(text.startswith(beginning) for text in self.all)


class Naps:
    """Sleeps without sleeping; after *most* naps the sleeper waits for ever. A clock that moves with them."""

    def __init__(self, most: int) -> None:
        self.taken: list[float] = []
        self.done = Flag()
        self._most = most

    def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        if len(self.taken) == self._most:
            self.done.set()
            Flag().wait()
        gevent.sleep(0)

    def clock(self) -> float:
        return sum(self.taken)


@contextmanager
def keeping(
    port: int, told: Told, password: Callable[[], str] = lambda: PASSWORD, **options: object
) -> Iterator[Reconnecting]:
    made = Reconnecting("127.0.0.1", port, password, told.listener(), **{"timing": FAST, **options})  # type: ignore[arg-type]
    made.start()
    try:
        yield made
    finally:
        made.stop()


def serve(talk: Conversation) -> None:
    talk.log_in()
    talk.serve()


# -- back-off


def test_delays_double_up_to_the_longest_and_chance_takes_up_to_half_off() -> None:
    timing = Timing()
    assert [timing.delay(n, 0.0) for n in range(1, 9)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert timing.delay(10_000, 0.0) == 5.0
    assert timing.delay(1, 0.999) == pytest.approx(0.05, abs=0.001)


def test_a_closed_port_is_tried_again_and_again_with_growing_delays() -> None:
    naps, told = Naps(9), Told()
    with keeping(peer.closed_port(), told, sleep=naps.sleep, clock=naps.clock, chance=lambda: 0.0):
        assert naps.done.wait(5)
    assert naps.taken == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert told.all == []


def test_a_link_that_comes_and_goes_at_once_is_tried_again_with_growing_delays() -> None:
    def gone_at_once(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE))

    naps, told = Naps(4), Told()
    told.subscribe = False
    with (
        peer.listening(gone_at_once) as port,
        keeping(port, told, sleep=naps.sleep, clock=naps.clock, chance=lambda: 0.0),
    ):
        assert naps.done.wait(5)
    assert naps.taken == [0.1, 0.2, 0.4, 0.8]
    assert told.count("up") == told.count("down") == 4


def test_a_link_that_stood_long_begins_the_delays_anew() -> None:
    naps, told = Naps(4), Told()
    hours = itertools.count()

    def stood(talk: Conversation) -> None:
        talk.log_in()
        for _ in range(2):
            talk.hear()
            talk.say(peer.response(peer.CORE))

    told.subscribe = False
    clock: Callable[[], float] = lambda: 3600.0 * next(hours)  # noqa: E731
    with peer.listening(stood) as port, keeping(port, told, sleep=naps.sleep, clock=clock, chance=lambda: 0.0):
        assert naps.done.wait(5)
    assert naps.taken == [0.1] * 4


# -- one clear line for each trouble


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_the_same_trouble_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    naps, told = Naps(25), Told()
    with keeping(peer.closed_port(), told, sleep=naps.sleep, clock=naps.clock, chance=lambda: 0.0) as kept:
        assert naps.done.wait(5)
        assert "nothing listens" in kept.trouble
    lines = warnings(caplog)
    assert 61 < naps.clock() < 120
    assert len(lines) == 2
    assert all("nothing listens at 127.0.0.1:" in line for line in lines)


def test_a_link_that_comes_and_goes_is_one_trouble_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def one_ping(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE))
        talk.hear()
        talk.say(peer.response("1795474358"), peer.GOODBYE)

    naps, told = Naps(5), Told()
    told.subscribe = False
    with peer.listening(one_ping) as port, keeping(port, told, sleep=naps.sleep, clock=naps.clock, chance=lambda: 0.0):
        assert naps.done.wait(5)
    assert told.count("up") == 5
    assert [line.rpartition(": ")[2] for line in warnings(caplog)] == ["FreeSWITCH said goodbye"]


def test_trouble_is_news_again_after_the_link_stood_well(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]

    def stood(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE))
        talk.hear()
        now[0] += 6.0  # the link has stood for six seconds when its ping is answered
        talk.say(peer.response("1795474358"))
        talk.hear()
        talk.say(peer.response("1795474358"), peer.GOODBYE)

    naps, told = Naps(3), Told()
    told.subscribe = False
    with peer.listening(stood) as port, keeping(port, told, sleep=naps.sleep, clock=lambda: now[0]):
        assert naps.done.wait(5)
    assert len(warnings(caplog)) == 3


def test_a_complaint_is_due_when_it_changes_or_a_minute_has_passed_or_after_things_were_well() -> None:
    complaints = Complaints()
    assert [
        complaints.due(kind, at) for kind, at in [("a", 0), ("a", 59), ("b", 59), ("b", 60), ("a", 61), ("a", 121)]
    ] == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]
    complaints.settled()
    assert complaints.due("a", 122)


def test_each_trouble_has_its_line_and_the_link_comes_up_when_all_are_gone(caplog: pytest.LogCaptureFixture) -> None:
    def wrong_password(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        talk.hear()
        talk.say(reply("-ERR invalid"), peer.GOODBYE)

    def rude(talk: Conversation) -> None:
        talk.say(b"Content-Type: text/rude-rejection\nContent-Length: 24\n\nAccess Denied, go away.\n")

    def http(talk: Conversation) -> None:
        talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    told, naps = Told(), Naps(100)
    scripts = [wrong_password, wrong_password, rude, http, Conversation.wait_for_the_end, serve]
    timing = Timing(connect=0.5, ping_interval=0.01, ping_timeout=2.0)
    with (
        peer.listening(*scripts) as port,
        keeping(port, told, timing=timing, sleep=naps.sleep, clock=naps.clock) as kept,
    ):
        peer.until(lambda: told.all)
        assert kept.link is not None
        assert kept.trouble == ""
    lines = warnings(caplog)
    assert len(lines) == 4
    for line, words in zip(
        lines, ["refused the password", "apply-inbound-acl", "HTTP/1.1 400", "auth/request"], strict=True
    ):
        assert words in line
    assert told.all[0] == "up ec7ae5dd"
    assert PASSWORD not in caplog.text + repr(kept) + repr(vars(kept))


def test_a_password_file_corrected_is_enough_to_recover(caplog: pytest.LogCaptureFixture) -> None:
    passwords = iter(["", "right"])
    heard: list[str] = []

    def script(talk: Conversation) -> None:
        talk.say(peer.GREETING)
        heard.append(talk.hear().line)
        talk.say(peer.ACCEPTED)
        talk.serve()

    told, naps = Told(), Naps(100)
    with peer.listening(script) as port, keeping(port, told, lambda: next(passwords), sleep=naps.sleep):
        peer.until(lambda: told.all)
    assert heard == ["auth right"]
    assert len(warnings(caplog)) == 1


# -- up and down


def test_up_comes_with_the_core_uuid_then_events_then_down_with_the_reason() -> None:
    def script(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE))
        talk.hear()
        talk.say(reply("+OK event listener enabled json"), *(numbered(n) for n in range(500)), peer.GOODBYE)

    told, naps = Told(), Naps(1)
    with peer.listening(script) as port, keeping(port, told, sleep=naps.sleep) as kept:
        assert naps.done.wait(5)
        assert kept.link is None
        assert "said goodbye" in kept.trouble
    assert told.all == ["up ec7ae5dd", *(f"event {n}" for n in range(500)), "down FreeSWITCH said goodbye"]


def test_a_switch_that_stops_answering_pings_is_left_and_connected_anew(caplog: pytest.LogCaptureFixture) -> None:
    def half_open(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE))
        talk.hear()
        talk.say(reply("+OK"))
        talk.wait_for_the_end()

    told, naps = Told(), Naps(100)
    with peer.listening(half_open, serve) as port, keeping(port, told, timing=IMPATIENT, sleep=naps.sleep):
        peer.until(lambda: told.count("up") == 2)
    assert told.all[1] == "down a ping had no answer for 0.1 s"
    assert "lost the link" in caplog.text


def test_a_send_that_waits_on_a_dead_link_ends_when_the_ping_finds_it() -> None:
    ends: list[BaseException] = []

    def half_open(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE))
        talk.wait_for_the_end()

    def wait(link: Link | None) -> None:
        assert link is not None
        try:
            link.send(commands.api("x"), 60.0)
        except LinkDown as error:
            ends.append(error)

    told = Told()
    told.subscribe = False
    with peer.listening(half_open) as port, keeping(port, told, timing=IMPATIENT) as kept:
        peer.until(lambda: told.all)
        wait(kept.link)
    assert len(ends) == 1


def test_each_ping_tells_the_switchs_clock() -> None:
    told = Told()
    with peer.listening(serve) as port, keeping(port, told):
        peer.until(lambda: len(told.clocks) >= 3)
    assert all(epoch == 1795474358 and sent <= received for epoch, sent, received in told.clocks)


def test_a_listener_that_fails_does_not_end_the_attempts(caplog: pytest.LogCaptureFixture) -> None:
    told, naps = Told(), Naps(3)

    def fail(*_anything: object) -> None:
        told.all.append("called")
        raise ZeroDivisionError

    failing = Listener(on_up=fail, on_down=fail, on_event=fail)
    with peer.listening(serve) as port:
        made = Reconnecting("127.0.0.1", port, lambda: PASSWORD, failing, timing=FAST, sleep=naps.sleep)
        made.start()
        assert naps.done.wait(5)
        made.stop()
    assert len(told.all) == 6
    assert "taking up the link" in caplog.text


def test_stop_ends_the_link_tells_so_and_connects_no_more(caplog: pytest.LogCaptureFixture) -> None:
    connections: list[Conversation] = []

    def script(talk: Conversation) -> None:
        connections.append(talk)
        serve(talk)

    told = Told()
    with peer.listening(script) as port:
        with keeping(port, told) as kept:
            peer.until(lambda: told.all)
        assert told.all == ["up ec7ae5dd", "down stopped"]
        assert kept.link is None
        gevent.sleep(0.05)
        assert len(connections) == 1
    assert warnings(caplog) == []


def test_stop_ends_the_back_off_at_once() -> None:
    naps = Naps(1)
    with keeping(peer.closed_port(), Told(), sleep=naps.sleep):
        assert naps.done.wait(5)  # it sleeps for ever now; the way out must not wait for it


def test_a_switch_that_does_not_know_its_core_uuid_is_up_all_the_same() -> None:
    def script(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response("-ERR no reply\n"))
        talk.serve()

    told = Told()
    with peer.listening(script) as port, keeping(port, told):
        peer.until(lambda: told.all)
    assert told.all[0] == "up "


def test_events_reach_the_listener_as_events() -> None:
    seen: list[Event] = []

    def script(talk: Conversation) -> None:
        talk.log_in()
        talk.hear()
        talk.say(peer.response(peer.CORE), numbered(7))
        talk.serve()

    listener = Listener(on_up=lambda *_: None, on_down=lambda _: None, on_event=seen.append)
    with peer.listening(script) as port:
        made = Reconnecting("127.0.0.1", port, lambda: PASSWORD, listener, timing=FAST)
        made.start()
        peer.until(lambda: seen)
        made.stop()
    assert (seen[0].name, seen[0].sequence) == ("DTMF", "7")
