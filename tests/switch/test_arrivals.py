"""Who gets a connection of the dialplan, and how those end that nobody can take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fsqueue.esl.events import Event
from fsqueue.switch.arrivals import KNOCK, KNOCKED, Arrivals
from fsqueue.switch.messages import SwitchFacts


class Line:
    """A session that notes what is executed on it, and a driver that notes whom it got."""

    def __init__(self, up: bool = True) -> None:
        self.sent: list[str] = []
        self.attended: list[Event] = []
        driver: Any = SimpleNamespace(core_uuid="core-1", up=up, attend=lambda _, event: self.attended.append(event))
        self.arrivals = Arrivals([driver], lambda: SwitchFacts(owner="fsqueue"))

    def arrive(self, **event: str) -> None:
        session: Any = SimpleNamespace(post=lambda command, _: self.sent.append(command.decode()))
        self.arrivals.on_call(session, Event(destination="7001", **{"uuid": "u", **event}))


def test_a_call_goes_to_the_driver_of_its_switch() -> None:
    line = Line()
    line.arrive(core="core-1")
    assert (len(line.attended), line.sent) == (1, [])


@pytest.mark.parametrize(
    ("up", "core", "why"),
    [(True, "other", "unknown_switch"), (True, "", "unknown_switch"), (False, "core-1", "link_down")],
)
def test_a_call_that_nobody_can_take_goes_to_the_fallback_and_says_why(up: bool, core: str, why: str) -> None:
    line = Line(up)
    line.arrive(core=core)
    assert line.attended == []
    assert f"fsqueue_refused={why}" in line.sent[0]
    assert "fsqueue-fallback XML fsqueue" in line.sent[1]


def test_a_call_id_as_uuid_is_taken_unless_it_could_be_more_than_a_uuid_in_a_command() -> None:
    line = Line()
    line.arrive(core="core-1", uuid="a84b4c76-e66710@[::1]:5060")
    assert (len(line.attended), line.sent) == (1, [])
    line.arrive(core="core-1", uuid="x hupall NORMAL_CLEARING")
    assert len(line.attended) == 1
    assert "fsqueue_refused=unusable_uuid" in line.sent[0]
    assert "fsqueue-fallback XML fsqueue" in line.sent[1]


def test_an_empty_call_of_doctors_is_told_that_it_got_through_and_is_nobodys_call() -> None:
    line = Line()
    line.arrive(core="core-1", fsq_to=KNOCK)
    assert line.attended == []
    assert f"fsqueue_refused={KNOCKED}" in line.sent[0]


def test_an_empty_call_is_told_the_truth_when_the_link_is_down() -> None:
    line = Line(up=False)
    line.arrive(core="core-1", fsq_to=KNOCK)
    assert "fsqueue_refused=link_down" in line.sent[0]


def test_who_is_in_the_fallback_already_is_left_there() -> None:
    line = Line()
    line.arrive(core="core-1", current_application="bridge")
    assert (line.attended, line.sent) == ([], [])
