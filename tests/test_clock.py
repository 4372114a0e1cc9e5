"""The daemon's clock."""

import pytest

from fsqueue.clock import Clock


class Times:
    def __init__(self) -> None:
        self.epoch = 1000.0
        self.mono = 50.0

    def clock(self, speed: float = 1.0) -> Clock:
        return Clock(speed, epoch=lambda: self.epoch, monotonic=lambda: self.mono)


def test_the_system_clock_is_read_once_so_that_its_jumps_mean_nothing() -> None:
    times = Times()
    clock = times.clock()
    times.epoch = 999_999.0
    times.mono += 5.0
    assert clock() == 1005.0


def test_at_twenty_times_real_time_a_second_is_twenty() -> None:
    times = Times()
    clock = times.clock(20.0)
    times.mono += 1.0
    assert clock() == 1020.0
    assert clock.real(20.0) == 1.0


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_time_never_stands_still_or_runs_back(speed: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Times().clock(speed)
