"""The demo: what it plays, and that its check is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random

import gevent
import pytest
from click.testing import CliRunner
from fsqueue_cli.main import cli

from fsqueue.control.client import Client
from fsqueue.control.protocol import DutyOrder, MemberDone, Status
from fsqueue.demo import SCRIPTED, Demo, Settings, caller_scripts, phone_scripts, sample, with_phones


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


def play(speed: int, *arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(cli, ["demo", "--json", "--speed", str(speed), *arguments])
    assert result.stdout, result.output
    return result.exit_code, json.loads(result.stdout)


def test_a_run_counts_every_caller_once_and_nothing_is_violated() -> None:
    # Not faster: the dialplan's six seconds for a mute daemon shrink with it, and a busy machine may need a tenth of one.
    code, summary = play(20, "--calls", "30")
    assert summary["violations"] == []
    assert code == 0
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
    assert summary["tolerance_seconds"] == pytest.approx(0.3 * 20)


@pytest.mark.parametrize("way", ["ring-busy", "drop-caller", "connect-two"])
def test_a_broken_engine_is_found_by_what_callers_and_phones_see(way: str, broken: Callable[[str], None]) -> None:
    broken(way)
    code, summary = play(40, "--calls", "20")
    assert summary["violations"]
    assert code == 1


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
