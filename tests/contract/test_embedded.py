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
import tests.contract.scenarios_steps  # noqa: F401  (they register themselves)
from tests.contract.scenarios import SCENARIOS

AT_ONCE = 4
"""Scenarios that run at a time; they wait for most of their seconds."""

ROOT = Path(__file__).parent.parent.parent

EMBEDDED = [scenario.name for scenario in SCENARIOS if not scenario.real_only]


def play(name: str) -> str:
    """Run one scenario and return why it failed; empty when it passed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract", "--only", name, "--json"],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    if not done.stdout:
        return done.stderr
    (result,) = json.loads(done.stdout)["scenarios"]
    return "" if result["outcome"] == "passed" and done.returncode == 0 else str(result["why"])


@pytest.fixture(scope="module")
def played() -> Iterator[dict[str, Future[str]]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {name: pool.submit(play, name) for name in EMBEDDED}


@pytest.mark.parametrize("name", EMBEDDED)
def test_scenario(name: str, played: dict[str, Future[str]]) -> None:
    why = played[name].result()
    assert not why, why


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
