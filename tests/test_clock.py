"""The daemon's clock, and how it and the system's are brought together."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest

from fsqueue.clock import ANCHOR, Clock, boot_id, continued
from fsqueue.timekeeping import Timekeeper


class Times:
    """The machine's clocks: of the wall, and since its start."""

    def __init__(self) -> None:
        self.epoch = 1000.0
        self.mono = 50.0

    def clock(self, speed: float = 1.0) -> Clock:
        return Clock(speed, epoch=lambda: self.epoch, monotonic=lambda: self.mono)

    def next(self, folder: Path, boot: str = "one", last: float = 0.0) -> Clock:
        """The clock of the next process."""
        return continued(folder, last, epoch=lambda: self.epoch, monotonic=lambda: self.mono, boot=boot)

    def pass_by(self, seconds: float) -> None:
        self.epoch += seconds
        self.mono += seconds


def test_the_system_clock_is_read_once_so_that_its_jumps_mean_nothing() -> None:
    times = Times()
    clock = times.clock()
    times.epoch = 999_999.0
    times.mono += 5.0
    assert clock() == 1005.0


def test_a_suspended_machine_suspends_every_window() -> None:
    times = Times()
    clock = times.clock()
    times.epoch += 3600.0  # Linux's CLOCK_MONOTONIC stands still meanwhile
    assert clock() == 1000.0
    assert clock.behind() == 3600.0


def test_at_twenty_times_real_time_a_second_is_twenty() -> None:
    times = Times()
    clock = times.clock(20.0)
    times.mono += 1.0
    assert clock() == 1020.0
    assert clock.real(20.0) == 1.0
    assert clock.behind() == 0.0


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_time_never_stands_still_or_runs_back(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Times().clock(speed)


# --- the next process


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_the_next_process_goes_on_with_the_clock_whatever_the_system_says_now(tmp_path: Path, jump: float) -> None:
    times = Times()
    times.clock().keep(tmp_path, boot="one")
    times.pass_by(300.0)
    times.epoch += jump
    assert times.next(tmp_path)() == 1300.0


def test_after_a_start_of_the_machine_the_system_is_asked(tmp_path: Path) -> None:
    times = Times()
    times.clock().keep(tmp_path, boot="one")
    times.epoch, times.mono = 5000.0, 10.0
    assert times.next(tmp_path, boot="two")() == 5000.0
    assert times.next(tmp_path, boot="")() == 5000.0


def test_a_clock_that_was_set_back_begins_where_the_journal_ends(tmp_path: Path) -> None:
    assert Times().next(tmp_path, last=4000.0)() == 4000.0


@pytest.mark.parametrize(
    "text",
    ["", "{}", "nonsense", '{"epoch":1,"monotonic":"x","boot":"one"}', '{"epoch":1,"monotonic":9e9,"boot":"one"}'],
)
def test_an_anchor_that_is_none_costs_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / ANCHOR).write_text(text)
    assert Times().next(tmp_path)() == 1000.0


def test_a_disk_that_fails_costs_no_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Times().clock().keep(tmp_path / "gone")
    assert "anchor" in caplog.text


def test_the_anchor_is_for_its_owner_alone(tmp_path: Path) -> None:
    Times().clock().keep(tmp_path)
    assert stat.S_IMODE((tmp_path / ANCHOR).stat().st_mode) == 0o600


def test_the_machines_start_has_a_name_on_linux() -> None:
    assert boot_id() == boot_id()
    assert boot_id(Path("/nonexistent")) == ""


# --- brought together


class Kept:
    def __init__(self, folder: Path) -> None:
        self.times = Times()
        self.clock = self.times.clock()
        self.idle = True
        self.shifts: list[float] = []
        self.keeper = Timekeeper(self.clock, folder, lambda: self.idle, self.shifts.append)


@pytest.mark.parametrize("jump", [3600.0, -600.0, 1.5])
def test_what_the_system_says_is_taken_over_when_nobody_is_in_a_call(tmp_path: Path, jump: float) -> None:
    kept = Kept(tmp_path)
    kept.times.epoch += jump
    kept.keeper.look()
    assert kept.clock() == 1000.0 + jump
    assert kept.shifts == [jump]
    assert kept.times.next(tmp_path, boot=boot_id())() == 1000.0 + jump


def test_while_somebody_is_in_a_call_the_clock_stays_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = Kept(tmp_path)
    kept.idle = False
    kept.times.epoch += 3600.0
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            kept.keeper.look()
            kept.times.pass_by(10.0)
    assert (kept.clock(), kept.shifts) == (1050.0, [])
    assert caplog.text.count("3600 s ahead of ours") == 1


def test_small_differences_are_left_alone(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.times.epoch += 0.9
    kept.keeper.look()
    assert kept.shifts == []
