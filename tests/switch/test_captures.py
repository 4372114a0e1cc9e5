"""Whole calls as a real FreeSWITCH told them: the captures' events go through the core in their order.

What the captures' daemon did by hand is done here by a small engine that holds, rings once and connects; the offers' uuids
and jobs are renamed to those that the core derives.
"""

from __future__ import annotations

import re

import pytest

from fsqueue.engine.messages import (
    Answered,
    Arrived,
    CallerGone,
    Connect,
    Connected,
    ConnectFailed,
    Input,
    OfferEnded,
    OtherCall,
    Ringing,
    Send,
    StepDone,
    TalkEnded,
    Withdraw,
)
from fsqueue.engine.model import HangUp, Voicemail
from fsqueue.esl.events import Event, channel_data, decode
from fsqueue.esl.framing import FrameReader
from fsqueue.switch.ids import job_uuid, leg_uuid
from fsqueue.switch.messages import Item, SocketArrived
from tests.esl import captures
from tests.switch.bench import Bench

LEGS = [leg_uuid("pbx", "c1.1", index) for index in range(2)]


class Replay(Bench):
    """A bench whose clock is the capture's, with the small engine."""

    def __init__(self, name: str, *, step: Voicemail | HangUp | None = None, withdraw: bool = False) -> None:
        super().__init__()
        self.step, self.withdraw, self.rung = step, withdraw, False
        self.names: dict[str, str] = {}
        self.heard: list[Input] = []
        self.began: float | None = None
        self.contacts["1001@lab"] = "sofia/internal/sip:1001@127.0.0.1:7001"
        if "two-phones" in name:
            self.contacts["1001@lab"] += ",sofia/internal/sip:1001@127.0.0.1:7002"
        for chunk in captures.chunks(f"{name}.inbound"):
            self._at(chunk.at)
            if chunk.sent:
                self._rename(chunk.data.decode())
                if self.withdraw and b"LOSE_RACE" in chunk.data:
                    self.react(self.give(Withdraw("c1.1", "elsewhere")))
            else:
                for frame in FrameReader().feed(chunk.data):
                    if frame.content_type == "text/event-json":
                        self.event(decode(self._renamed(frame.body)))

    def _at(self, at: float) -> None:
        self.began = at if self.began is None else self.began
        self.react(self.wait(max(0.0, 1_795_474_358.0 + at - self.began - self.now)))

    def _rename(self, sent: str) -> None:
        """An originate of the capture: its uuid and its job are ours from now on, in the order they were sent."""
        found = re.search(r"origination_uuid=([^,]+),.*Job-UUID: (\S+)", sent, re.DOTALL)
        if found and found[1] not in self.names:
            uuid = LEGS[sum(name.startswith("offer") for name in self.names)]
            self.names[found[1]], self.names[found[2]] = uuid, job_uuid(uuid)

    def _renamed(self, body: bytes) -> bytes:
        for theirs, ours in self.names.items():
            body = body.replace(f'"{theirs}'.encode(), f'"{ours}'.encode()).replace(
                f" {theirs}\\n".encode(), f" {ours}\\n".encode()
            )
        return body

    def event(self, event: Event) -> None:
        if event.name == "CHANNEL_CREATE":
            self.alive.append(event.uuid)
        if event.name == "CHANNEL_HANGUP" and event.uuid in self.alive:
            self.alive.remove(event.uuid)
        item: Item = event
        if event.name == "CHANNEL_PARK" and event.current_application == "socket":
            item = SocketArrived(f"s{event.sequence}", event)
        self.react(self.give(item))
        if event.subclass == "fsqueue::hold":
            self.stands(event)

    def stands(self, event: Event) -> None:
        if self.step is not None and not self.rung:
            self.rung = True
            self.react(self.give(Send(self.call_of(event.uuid), self.leg(event.uuid), self.step)))
        elif self.names_an_offer() and not self.rung:
            self.rung = True
            self.react(self.give(self.ring(call=self.call_of(event.uuid), leg=self.leg(event.uuid))))

    def names_an_offer(self) -> bool:
        return self.step is None

    def leg(self, uuid: str) -> object:
        return next(a.leg for a in self.got(Arrived) if a.leg.uuid == uuid)

    def call_of(self, uuid: str) -> str:
        return [a.new_call for a in self.got(Arrived) if a.leg.uuid == uuid][-1]

    def react(self, inputs: list[Input]) -> None:
        self.heard += inputs
        for given in inputs:
            if isinstance(given, Arrived):
                self.react(self.give(self.hold(given.leg.uuid, given.new_call, arrival=given.arrival)))
            elif isinstance(given, Answered):
                first = self.got(Arrived)[0]
                self.react(self.give(Connect(call=first.new_call, leg=first.leg, offer=given.offer)))

    def story(self) -> list[str]:
        """What the engine heard, by kind."""
        return [type(given).__name__ for given in self.heard]


TALK = ["Arrived", "Ringing", "Answered", "Connected"]


@pytest.mark.parametrize(
    ("name", "story"),
    [
        ("answered-caller-hangs-up", [*TALK, "CallerGone", "TalkEnded"]),
        ("bridge-member-gone-at-once", ["Arrived", "Ringing", "Answered", "ConnectFailed", "CallerGone"]),
        ("bridge-member-gone-after-100-ms", [*TALK, "ConnectFailed", "CallerGone"]),
        ("offer-busy-486", ["Arrived", "OfferEnded", "CallerGone"]),
        ("offer-declined-603", ["Arrived", "OfferEnded", "CallerGone"]),
        ("offer-no-answer", ["Arrived", "Ringing", "OfferEnded", "CallerGone"]),
        ("offer-nobody-at-that-address", ["Arrived", "OfferEnded", "CallerGone"]),
        ("offer-user-not-registered", ["Arrived", "OfferEnded", "CallerGone"]),
        ("offer-answered-and-gone-at-once", ["Arrived", "Ringing", "OfferEnded", "CallerGone"]),
        ("caller-abandons-on-hold", ["Arrived", "CallerGone"]),
        ("hold-by-a-waiting-caller", ["Arrived", "CallerGone"]),
        ("keys-while-waiting", ["Arrived", "CallerGone"]),
    ],
)
def test_a_captured_call_is_told_to_the_engine_as_it_was(name: str, story: list[str]) -> None:
    replay = Replay(name)
    assert replay.story() == story


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("offer-busy-486", "busy"),
        ("offer-declined-603", "declined"),
        ("offer-no-answer", "no_answer"),
        ("offer-unavailable-480", "no_answer"),
        ("offer-not-found-404", "unreachable"),
        ("offer-nobody-at-that-address", "unreachable"),
        ("offer-user-not-registered", "unreachable"),
        ("offer-answered-and-gone-at-once", "declined"),
    ],
)
def test_a_captured_offer_ends_as_it_did(name: str, outcome: str) -> None:
    (ended,) = Replay(name).got(OfferEnded)
    assert ended.outcome == outcome


def test_the_captured_race_of_two_phones_has_one_winner_and_one_loser() -> None:
    replay = Replay("offer-two-phones-of-a-member")
    assert f"uuid_kill {LEGS[0]} LOSE_RACE" in replay.texts()
    assert [type(i) for i in replay.heard if isinstance(i, Answered | Connected | OfferEnded)] == [Answered, Connected]


@pytest.mark.parametrize("name", ["offer-withdrawn-lose-race", "offer-withdrawn-before-channel-exists"])
def test_a_captured_withdrawal_ends_withdrawn(name: str) -> None:
    replay = Replay(name, withdraw=True)
    assert [ended.outcome for ended in replay.got(OfferEnded)] == ["withdrawn"]
    assert replay.got(Answered) == []


def test_the_captured_blind_transfer_to_a_group_is_a_second_visit_that_stands() -> None:
    replay = Replay("blind-transfer-by-member-to-a-group")
    first, second = replay.got(Arrived)
    assert second.leg == first.leg
    assert second.dialled == "7002"
    assert [type(i) for i in replay.heard[-3:]] == [TalkEnded, Arrived, CallerGone]


def test_the_captured_transfer_by_the_caller_makes_a_caller_of_the_member() -> None:
    replay = Replay("blind-transfer-by-caller-to-a-group")
    first, second = replay.got(Arrived)
    assert second.leg.uuid == LEGS[0]
    assert second.user == "1001@lab"
    heard = [i for i in replay.heard[4:] if not isinstance(i, OtherCall)]
    assert [type(i).__name__ for i in heard] == ["TalkEnded", "Arrived", "CallerGone", "CallerGone"]
    assert [i.present for i in replay.heard[4:] if isinstance(i, OtherCall)] == [True, False]
    assert first.leg != second.leg


def test_the_captured_attended_transfer_takes_the_waiting_call_over() -> None:
    replay = Replay("attended-transfer-to-a-waiting-group")
    first, waiting, last = replay.got(Arrived)
    assert last.leg == first.leg
    assert last.takes == waiting.new_call
    assert CallerGone(waiting.leg, "ATTENDED_TRANSFER") not in replay.heard


def test_the_captured_attended_transfer_to_a_colleague_frees_the_member() -> None:
    replay = Replay("attended-transfer-to-a-colleague")
    assert replay.story()[:5] == [*TALK, "TalkEnded"]
    assert replay.got(ConnectFailed) == []


def test_the_captured_message_is_told_with_its_length() -> None:
    replay = Replay("voicemail-left", step=Voicemail("1001@lab"))
    (done,) = replay.got(StepDone)
    assert done.ok
    assert done.detail == "message of 9 s"


def test_the_captured_hang_up_in_the_greeting_leaves_no_message() -> None:
    replay = Replay("voicemail-hung-up-in-greeting", step=Voicemail("1001@lab"))
    assert [(done.ok, done.detail) for done in replay.got(StepDone)] == [(True, "no message")]


def test_the_captured_end_with_a_cause_says_it() -> None:
    replay = Replay("ended-with-a-cause", step=HangUp("USER_BUSY"))
    assert [(done.ok, done.detail) for done in replay.got(StepDone)] == [(True, "USER_BUSY")]


@pytest.mark.parametrize("name", [f"hostile-caller-id.outbound-{n}" for n in range(1, 8)])
def test_captured_hostile_names_neither_forge_nor_break_what_is_said_of_them(name: str) -> None:
    frame = FrameReader().feed(captures.received(name)[0])[0]
    b = Bench()
    shown = channel_data(frame)
    (arrived,) = b.give(SocketArrived("s1", shown))
    assert isinstance(arrived, Arrived)
    b.give(b.hold(shown.uuid, arrived.new_call), b.ring(leg=arrived.leg, caller=arrived.caller, call=arrived.new_call))
    (text,) = b.texts("originate")
    found = re.search(r"origination_caller_id_name=([A-Za-z0-9%]+)[,}]", text)
    assert found
    assert len(re.findall(r"[{}]", text)) == 2
    assert Ringing("c1.1") not in b.inputs
