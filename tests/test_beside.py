"""Programs that run beside the tests are run, told of, and never left behind."""

from __future__ import annotations

import signal
from pathlib import Path

import gevent
import pytest

from tests.beside import Beside, Done

ENDS = ("-c", "import sys; print('said'); sys.stderr.write('and failed'); sys.exit(3)")

STAYS = """
import pathlib, sys, time
try:
    pathlib.Path(sys.argv[1], "runs").touch()
    time.sleep(60)
finally:
    pathlib.Path(sys.argv[1], "cleaned up").touch()
"""


def test_what_came_of_each_program_is_told_in_whatever_order_it_is_asked_for() -> None:
    other = ("-c", "print('the other')")
    beside = Beside([ENDS, other])
    try:
        assert beside.done(other) == Done(0, "the other\n", "")
        assert beside.done(ENDS) == beside.done(ENDS) == Done(3, "said\n", "and failed")
    finally:
        beside.close()


def test_one_that_was_not_asked_to_run_has_failed() -> None:
    beside = Beside([])
    try:
        assert beside.done(ENDS).code == -1
    finally:
        beside.close()


@pytest.mark.parametrize(
    "handled", [signal.SIG_IGN, signal.default_int_handler], ids=["in the background", "at a terminal"]
)
def test_what_still_runs_when_the_tests_end_is_ended_with_time_to_clean_up(tmp_path: Path, handled: object) -> None:
    before = signal.signal(signal.SIGINT, handled)  # type: ignore[arg-type]
    try:
        beside = Beside([("-c", STAYS, str(tmp_path))] * 5)
    finally:
        signal.signal(signal.SIGINT, before)
    with gevent.Timeout(20):
        while not (tmp_path / "runs").exists():
            gevent.sleep(0.01)
    beside.close()
    assert (tmp_path / "cleaned up").exists()
