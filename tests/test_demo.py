"""The demo: what it plays, and that its check is one."""

from __future__ import annotations

import json
from random import Random

import gevent
import pytest

from fsqueue.control.client import Client
from fsqueue.control.protocol import DutyOrder, MemberDone, Status
from fsqueue.demo import SCRIPTED, Demo, Settings, caller_scripts, phone_scripts, sample, with_phones
from tests.beside import Done
from tests.chaos.process_run import broken_program
from tests.contract.lab import FSQUEUE


def test_every_scripted_reason_has_its_callers_in_the_smallest_run() -> None:
    scripts = caller_scripts(Settings(calls=10))
    assert len(scripts) == 10
    names = [script.name for script in scripts]
    assert {"Nobody's", "Impatient", "Lost", "Patient"} <= set(names)


@pytest.mark.parametrize("calls", [10, 30, 200])
def test_there_are_as_many_callers_as_asked_for_each_with_his_own_number(calls: int) -> None:
    scripts = caller_scripts(Settings(calls=calls))
    assert len({script.number for script in scripts}) == calls
    assert [script.at for script in scripts] == sorted(script.at for script in scripts)


def test_the_same_seed_plays_the_same_callers() -> None:
    assert caller_scripts(Settings(seed=7)) == caller_scripts(Settings(seed=7))
    assert caller_scripts(Settings(seed=7)) != caller_scripts(Settings(seed=8))


@pytest.mark.parametrize("phones", [8, 20, 50])
def test_there_are_as_many_members_as_asked_for_all_in_a_group(phones: int) -> None:
    configuration = with_phones(sample(), phones)
    assert len(configuration.members) == phones
    grouped = {member for group in configuration.groups.values() for member in group.members}
    assert grouped == set(configuration.members)
    assert len(phone_scripts(configuration, [], Random(1))) == phones


def demo(*arguments: str, way: str = "") -> tuple[str, ...]:
    """Return what runs a demo, with rules that are broken in a way or as they are."""
    program = broken_program(way) if way else FSQUEUE
    return (*program[1:], "demo", "--json", *arguments)


# Not faster: the dialplan's six seconds for a mute daemon shrink with it, and a busy machine may need a tenth of one.
@pytest.mark.beside(*demo("--speed", "10", "--calls", "30"), seconds=70)
def test_a_run_counts_every_caller_once_and_nothing_is_violated(beside: Done) -> None:
    assert beside.out, beside.err
    summary = json.loads(beside.out)
    assert summary["violations"] == []
    assert beside.code == 0
    assert summary["calls"] == 30
    answered, missed = summary["answered"], summary["missed"]
    assert isinstance(answered, int)
    assert isinstance(missed, int)
    assert answered + missed == 30
    assert answered >= 15
    reasons = summary["by_reason"]
    assert isinstance(reasons, dict)
    assert set(SCRIPTED) <= set(reasons)
    assert sum(reasons.values()) == 30
    assert summary["tolerance_seconds"] == pytest.approx(0.3 * 10)


FOUND = {
    "ring-busy": "two calls on one phone",
    "drop-caller": "script",
    "connect-two": "nobody on the line",
}
"""Engines that are broken on purpose, and what is seen of it."""


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind, marks=pytest.mark.beside(*demo("--speed", "20", "--calls", "20", way=way), seconds=35), id=way
        )
        for way, kind in FOUND.items()
    ],
)
def test_a_broken_engine_is_found_by_what_callers_and_phones_see(kind: str, beside: Done) -> None:
    assert beside.out, beside.err
    assert kind in {one["kind"] for one in json.loads(beside.out)["violations"]}
    assert beside.code == 1


def test_a_demo_can_be_looked_at_and_told_as_any_daemon_and_leaves_nothing_behind() -> None:
    demo = Demo(Settings(calls=10, speed=20.0))
    demo.start()
    try:
        client = Client(demo.socket)

        def paused() -> Status:
            client.post(MemberDone, "members", "anna", "duty", body=DutyOrder(duty="paused", reason="lunch"))
            return client.get(Status, "status")

        seen = gevent.get_hub().threadpool.apply(paused)
        assert [member.reason for member in seen.members if member.id == "anna"] == ["lunch"]
        assert [switch.up for switch in seen.switches] == [True]
    finally:
        demo.stop()
    assert not demo.state.exists()
