"""What the switch says is lost, late, said twice, overtaken or broken off: its snapshots make up for it, also periodically."""

from __future__ import annotations

from random import Random

import pytest

from fsqueue.simswitch.faults import Fault, Faults
from fsqueue.switch.filters import EVENTS, SUBCLASSES
from tests.virtual.stage import ANNA, Stage
from tests.virtual.test_dying import STORIES
from tests.virtual.test_losses import STATES, callers_leave, members_leave

SAID = [*EVENTS, *SUBCLASSES, "*"]

FAULTS: dict[str, dict[str, float | str]] = {
    "lost": {"kind": "drop"},
    "every other one lost": {"kind": "drop", "probability": 0.5},
    "late by a second and a half": {"kind": "delay", "seconds": 1.5},
    "overtaken": {"kind": "delay", "seconds": 0.08, "probability": 0.5},
    "said twice": {"kind": "duplicate", "seconds": 0.7},
}

SNAPSHOT = 30.0
"""Seconds between two snapshots."""

SETTLED = SNAPSHOT + 3.0
"""Seconds after which one snapshot, and what it takes to believe it, has put right whatever was missed."""


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("said", SAID)
def test_no_event_is_needed_for_nothing_to_be_lost(said: str, fault: str, story: str) -> None:
    """For a minute the event is said badly; half a minute after it nothing that is believed of the switch is untrue."""
    play, answers = STORIES[story]
    stage = Stage(answers=answers)
    world, began = stage.site.world, stage.now
    world.faults = Faults((Fault(of=said, **FAULTS[fault]),), Random(1))  # type: ignore[arg-type]
    play(stage)
    stage.wait(60.0)
    world.faults = Faults()
    stage.wait(SETTLED)
    assert stage.untrue() == []
    stage.slow.append((began, stage.now))
    assert stage.wrong() == []


@pytest.mark.parametrize("meanwhile", [callers_leave, members_leave], ids=lambda one: one.__name__)
@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
def test_what_nobody_said_is_found_by_the_next_snapshot(state: object, meanwhile: object) -> None:
    """Not one event is said of what happens for five seconds, and the link stands all the time."""
    stage: Stage = state()  # type: ignore[operator]
    began = stage.now
    stage.site.world.faults = Faults((Fault(kind="drop", of="*"),))
    meanwhile(stage)  # type: ignore[operator]
    stage.wait(5.0)
    stage.site.world.faults = Faults()
    stage.wait(SETTLED)
    assert stage.untrue() == []
    stage.slow.append((began, stage.now))
    assert stage.wrong() == []


@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
def test_what_breaks_off_in_its_middle_is_said_again_on_the_next_link(state: object) -> None:
    stage: Stage = state()  # type: ignore[operator]
    links = stage.daemon.link.links
    assert stage.daemon.link.wire is not None
    stage.daemon.link.wire.break_off()
    callers_leave(stage)
    stage.wait(12.0)
    assert stage.daemon.link.links == links + 1, "it has broken off, and came back"
    assert stage.wrong() == []


def test_a_phone_that_registers_without_a_word_is_known_at_the_next_look() -> None:
    stage = Stage()
    (phone,) = stage.phones[ANNA]
    stage.site.world.registrar.unregister(phone)
    stage.wait(1.0)
    stage.site.world.faults = Faults((Fault(kind="drop", of="*"),))
    stage.site.world.registrar.register(phone)
    stage.wait(1.0)
    stage.site.world.faults = Faults()
    stage.call()
    stage.wait(2 * SNAPSHOT + 1.0)
    assert stage.saw(ANNA, "ringing")
