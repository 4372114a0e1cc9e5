"""The contract on the embedded switch: every scenario, each in a process of its own, several at a time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import tests.contract.scenarios_freezing
import tests.contract.scenarios_people
import tests.contract.scenarios_restarts
import tests.contract.scenarios_steps
import tests.contract.scenarios_ways
from tests.contract.lab import Way
from tests.contract.scenarios import SCENARIOS

AT_ONCE = 4
"""Scenarios that run at a time; they wait for most of their seconds."""

ROOT = Path(__file__).parent.parent.parent

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


def play(name: str, way: Way) -> str:
    """Run one scenario by one way in and return why it failed; empty when it passed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract", "--only", name, "--way", way, "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    if not done.stdout:
        return done.stderr
    (result,) = json.loads(done.stdout)["scenarios"]
    return "" if result["outcome"] == "passed" and done.returncode == 0 else str(result["why"])


PLAYED: list[tuple[str, Way]] = [*((name, "socket") for name in EMBEDDED), *((name, "park") for name in PARKED)]  # type: ignore[misc]


@pytest.fixture(scope="module")
def played() -> Iterator[dict[tuple[str, Way], Future[str]]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {(name, way): pool.submit(play, name, way) for name, way in PLAYED}


@pytest.mark.parametrize(("name", "way"), PLAYED)
def test_scenario(name: str, way: Way, played: dict[tuple[str, Way], Future[str]]) -> None:
    why = played[name, way].result()
    assert not why, why


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
