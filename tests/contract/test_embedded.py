"""The contract on the embedded switch: every scenario, each in a process of its own, several at a time beside the other tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tests.contract.scenarios_freezing
import tests.contract.scenarios_people
import tests.contract.scenarios_restarts
import tests.contract.scenarios_steps
import tests.contract.scenarios_ways
from tests.beside import ROOT, Done
from tests.contract.scenarios import SCENARIOS

EMBEDDED = [scenario.name for scenario in SCENARIOS if not scenario.real_only]

PARKED = (
    *(one.name for one in SCENARIOS if one.run.__module__ == tests.contract.scenarios_ways.__name__),
    "answered-and-the-member-hangs-up",
    "all-members-unregistered",
    "hostile-names",
    "daemon-down",
    "daemon-mute",
    "unknown-number",
    "voicemail",
    "hangup-with-a-cause",
    "pickup-by-code",
    "duty-by-codes",
    "daemon-killed-and-started-again",
    "ringback-until-a-member-answers",
    "blind-transfer-by-the-caller",
    "attended-transfer-to-a-group-that-waits",
)
"""The scenarios in which the other way into the queue could make a difference; scripts/contract --way park runs all."""


PLAYED = [*((name, "socket") for name in EMBEDDED), *((name, "park") for name in PARKED)]


def command(name: str, way: str) -> tuple[str, ...]:
    """Return what plays a scenario by one way in."""
    return ("-m", "tests.contract", "--only", name, "--way", way, "--json")


@pytest.mark.parametrize(
    (),
    [pytest.param(marks=pytest.mark.beside(*command(*played)), id="-".join(played)) for played in PLAYED],
)
def test_scenario(beside: Done) -> None:
    assert beside.out, beside.err
    (result,) = json.loads(beside.out)["scenarios"]
    assert result["outcome"] == "passed", result["why"]
    assert beside.code == 0, beside.err


def test_the_scenarios_that_run_by_both_ways_are_there() -> None:
    assert set(PARKED) <= set(EMBEDDED)


def test_a_switch_that_is_not_there_is_skipped_and_never_passed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract", "--freeswitch", str(tmp_path), "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 77
    told = json.loads(done.stdout)
    assert told["passed"] == 0
    assert told["skipped"] == len(SCENARIOS)
    assert str(tmp_path) in done.stderr
