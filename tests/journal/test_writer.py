"""The journal of a running daemon: what follows a record comes after it is written, and no disk ever stops a call."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
import pytest

from fsqueue.engine.messages import Forgotten, TurnUsed
from fsqueue.journal.entries import Entry, Gap, encode
from fsqueue.journal.pen import Disk
from fsqueue.journal.segments import Damage, JournalError, first_seq, read, segments
from fsqueue.journal.writer import Journal


def turn(number: int) -> TurnUsed:
    return TurnUsed(group="sales", member="anna", turn=number)


def wait(condition: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        gevent.sleep(0.001)


@dataclass
class BadDisk:
    """A disk whose writes fail, stop short, or hang, until it is told otherwise."""

    error: int = 0
    takes: int = sys.maxsize
    """Bytes until it fails."""
    free: threading.Event = field(default_factory=threading.Event)
    writes: int = 0
    synced: list[int] = field(default_factory=list)
    unsynced: bool = False
    """Whether something was written after the last sync began."""
    sync_error: int = 0

    def __post_init__(self) -> None:
        self.free.set()

    def write(self, descriptor: int, data: bytes) -> int:
        self.writes += 1
        self.free.wait(10)
        if self.error and self.takes < 1:
            raise OSError(self.error, os.strerror(self.error))
        taken = os.write(descriptor, data[: self.takes] if self.error else data)
        self.unsynced = True
        self.takes -= taken
        return taken

    def fsync(self, descriptor: int) -> None:
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        self.unsynced = False
        self.synced.append(descriptor)
        os.fsync(descriptor)

    def mend(self) -> None:
        self.error = self.sync_error = 0
        self.free.set()


@dataclass
class Bench:
    """A journal, the disk under it, and everything it called back."""

    folder: Path
    disk: BadDisk
    heard: list[Any] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    recoveries: list[str] = field(default_factory=list)
    opened: list[Journal] = field(default_factory=list)

    def open(self, *, hang_after: float = 5.0, memory_bytes: int = 1 << 20, segment_bytes: int = 1 << 20) -> Journal:
        disk = Disk(
            segment_bytes=segment_bytes,
            retry_after=0.01,
            sync_interval=0.01,
            write=self.disk.write,
            fsync=self.disk.fsync,
        )
        journal = Journal(
            self.folder, on_trouble=self.troubles.append, on_recovered=self.recoveries.append, hang_after=hang_after,
            memory_bytes=memory_bytes, disk=disk,
        )  # fmt: skip
        self.opened.append(journal)
        return journal

    def append(self, journal: Journal, *numbers: int) -> None:
        journal.append([turn(n) for n in numbers], 1.0, lambda: self.heard.append(numbers))

    def entries(self, damage: Damage | None = None) -> list[Entry]:
        return list(read(self.folder, damage))

    def turns(self) -> list[int]:
        return [entry.record.turn for entry in self.entries() if isinstance(entry.record, TurnUsed)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "journal", BadDisk())
    yield bench
    bench.disk.mend()
    for journal in bench.opened:
        journal.close()


def test_what_follows_a_record_finds_it_written(bench: Bench) -> None:
    journal = bench.open()
    seen: list[list[int]] = []
    journal.append([turn(1), turn(2)], 1.0, lambda: seen.append(bench.turns()))
    assert not seen, "it returned before"
    wait(lambda: seen)
    assert seen == [[1, 2]]
    assert [entry.t for entry in bench.entries()] == [1.0, 1.0]


def test_the_order_is_kept_with_and_without_records(bench: Bench) -> None:
    journal = bench.open(segment_bytes=5000)
    expected: list[tuple[int, ...]] = []
    for number in range(0, 2000, 2):
        numbers = () if number % 6 == 0 else (number, number + 1)
        expected.append(numbers)
        bench.append(journal, *numbers)
        if number == 1000:  # one write takes whatever has come, so let the first half be written
            wait(lambda: len(bench.heard) == len(expected))
        elif number % 100 == 0:
            gevent.sleep(0)
    wait(lambda: len(bench.heard) == len(expected))
    assert bench.heard == expected
    assert bench.turns() == [n for numbers in expected for n in numbers]
    assert [entry.seq for entry in bench.entries()] == list(range(1, journal.next_seq))
    assert len(segments(bench.folder)) > 1


def test_nothing_to_write_needs_no_disk(bench: Bench) -> None:
    journal = bench.open()
    bench.append(journal)
    wait(lambda: bench.heard)
    assert bench.disk.writes == 0
    assert not segments(bench.folder)


def test_what_comes_while_a_write_runs_goes_with_one_write(bench: Bench) -> None:
    journal = bench.open()
    bench.disk.free.clear()
    bench.append(journal, 0)
    wait(lambda: bench.disk.writes == 1)
    for number in range(1, 101):
        bench.append(journal, number)
    gevent.sleep(0.01)
    assert bench.heard == []
    bench.disk.mend()
    wait(lambda: len(bench.heard) == 101)
    assert bench.disk.writes == 2


def test_a_then_may_switch_and_one_that_fails_stops_nobody(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    journal = bench.open()
    journal.append([turn(1)], 1.0, lambda: gevent.sleep(0.01))
    journal.append([turn(2)], 1.0, lambda: bench.heard.append(1 // 0))
    bench.append(journal, 3)
    wait(lambda: bench.heard)
    assert bench.heard == [(3,)]
    assert "ZeroDivisionError" in caplog.text


def test_a_new_start_counts_on_in_a_new_segment(bench: Bench) -> None:
    first = bench.open()
    bench.append(first, 1, 2)
    assert first.close()
    second = bench.open()
    assert second.next_seq == 3
    bench.append(second, 3)
    assert second.close()
    assert bench.turns() == [1, 2, 3]
    assert [path.stem.lstrip("0") for path in segments(bench.folder)] == ["1", "3"]


def test_closing_writes_syncs_and_calls_back_everything(bench: Bench) -> None:
    journal = bench.open()
    for number in range(50):
        bench.append(journal, number)
    assert journal.close()
    assert len(bench.heard) == 50
    assert bench.turns() == list(range(50))
    assert bench.disk.synced
    assert journal.close(), "closing twice does nothing"
    with pytest.raises(RuntimeError, match="closed"):
        bench.append(journal, 51)


def test_a_closed_journal_leaves_no_descriptor_open(bench: Bench) -> None:
    bench.open().close()  # what gevent opens for itself at its first use stays
    before = sorted(Path("/proc/self/fd").iterdir())
    journal = bench.open(segment_bytes=100)
    for number in range(20):
        bench.append(journal, number)
        gevent.sleep(0.001)
    journal.close()
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_second_daemon_is_refused_until_the_first_has_closed(bench: Bench) -> None:
    first = bench.open()
    with pytest.raises(JournalError, match="another fsqueue"):
        bench.open()
    first.close()
    bench.open()


def test_syncs_come_in_groups_and_stop_when_nothing_is_written(bench: Bench) -> None:
    journal = bench.open()
    for number in range(500):
        bench.append(journal, number)
    wait(lambda: len(bench.heard) == 500 and not bench.disk.unsynced)
    gevent.sleep(0.05)  # the folder is synced after its segment
    done = len(bench.disk.synced)
    assert done < 50
    gevent.sleep(0.05)
    assert len(bench.disk.synced) == done


def test_a_steady_stream_of_records_is_synced_while_it_runs(bench: Bench) -> None:
    journal = bench.open()
    for number in range(200):
        bench.append(journal, number)
        gevent.sleep(0.001)
        if bench.disk.synced:
            break
    assert number < 199
    assert not journal.in_trouble


# --- a disk that fails ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_failing_disk_is_shouted_about_once_and_calls_go_on(bench: Bench, error: int) -> None:
    journal = bench.open()
    bench.disk.error, bench.disk.takes = error, 0
    for number in range(20):
        bench.append(journal, number)
        gevent.sleep(0.002)
    wait(lambda: len(bench.heard) == 20)
    assert journal.in_trouble
    assert len(bench.troubles) == 1
    assert os.strerror(error) in bench.troubles[0]
    assert not bench.recoveries
    bench.disk.mend()
    wait(lambda: bench.recoveries)
    assert "nothing was lost" in bench.recoveries[0]
    assert not journal.in_trouble
    bench.append(journal, 20)
    assert journal.close()
    assert bench.turns() == list(range(21))
    assert bench.heard == [(n,) for n in range(21)]


@pytest.mark.parametrize("takes", [1, 50, 83, 84, 85, 200])
def test_a_line_that_the_disk_took_in_part_is_completed_later(bench: Bench, takes: int) -> None:
    journal = bench.open()
    bench.disk.error, bench.disk.takes = errno.ENOSPC, takes
    for number in range(20):
        bench.append(journal, number)
    wait(lambda: bench.troubles)
    bench.disk.mend()
    assert journal.close()
    damage = Damage()
    assert [entry.seq for entry in bench.entries(damage)] == list(range(1, 21))
    assert damage == Damage()


def test_no_line_is_ever_split_over_two_segments(bench: Bench) -> None:
    journal = bench.open(segment_bytes=2 * len(encode(1, 1.0, turn(1))))
    bench.append(journal, 1)
    wait(lambda: bench.heard)
    bench.disk.error, bench.disk.takes = errno.ENOSPC, 16
    bench.append(journal, 2)
    wait(lambda: bench.troubles)
    bench.disk.mend()
    wait(lambda: bench.recoveries)
    bench.append(journal, 3)
    assert journal.close()
    assert bench.turns() == [1, 2, 3]
    assert len(segments(bench.folder)) == 2


def test_what_memory_cannot_hold_leaves_a_gap_that_says_so(bench: Bench) -> None:
    journal = bench.open(memory_bytes=2000)
    bench.disk.error, bench.disk.takes = errno.ENOSPC, 0
    for number in range(1, 101):
        bench.append(journal, number)
        gevent.sleep(0)
    wait(lambda: len(bench.heard) == 100)
    assert bench.heard == [(n,) for n in range(1, 101)]
    assert sum("records are lost" in text for text in bench.troubles) == 1
    bench.disk.mend()
    wait(lambda: bench.recoveries)
    bench.append(journal, 101)
    assert journal.close()
    damage = Damage()
    entries = bench.entries(damage)
    (gap,) = [entry for entry in entries if isinstance(entry.record, Gap)]
    assert (damage.missing, damage.repeated, damage.corrupt) == (0, 0, 0)
    assert gap.last == 100
    assert damage.lost == 100 - gap.seq + 1
    assert f"{damage.lost} records were lost" in bench.recoveries[0]
    assert bench.turns() == [*range(1, gap.seq), 101]
    assert 10 < gap.seq < 40


def test_a_disk_that_fails_to_the_end_is_not_passed_over_in_silence(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    journal = bench.open()
    bench.disk.error, bench.disk.takes = errno.EIO, 0
    bench.append(journal, 1)
    assert journal.close() is False
    assert bench.heard == [(1,)]
    assert "not written" in caplog.text


def test_a_sync_that_fails_is_told_at_its_beginning_and_its_end_and_holds_nobody_up(bench: Bench) -> None:
    journal = bench.open()
    bench.disk.sync_error = errno.EIO
    for number in range(10):
        bench.append(journal, number)
        gevent.sleep(0.012)
    wait(lambda: len(bench.heard) == 10)
    assert len(bench.troubles) == 1
    assert "power cut" in bench.troubles[0]
    assert not journal.in_trouble
    bench.disk.mend()
    bench.append(journal, 10)
    wait(lambda: bench.recoveries)
    assert len(bench.recoveries) == 1


# --- a disk that hangs ------------------------------------------------------------------------------------------------


def test_a_hanging_disk_holds_a_call_up_for_its_limit_and_no_longer(bench: Bench) -> None:
    journal = bench.open(hang_after=0.05)
    bench.disk.free.clear()
    started = time.monotonic()
    bench.append(journal, 1)
    bench.append(journal, 2)
    wait(lambda: bench.heard)
    assert time.monotonic() - started >= 0.05
    assert "0.05 s" in bench.troubles[0]
    bench.append(journal, 3)
    gevent.sleep(0.01)
    assert bench.heard == [(1,), (2,), (3,)], "later ones don't wait at all"
    assert bench.turns() == []
    bench.disk.mend()
    wait(lambda: bench.recoveries)
    assert bench.turns() == [1, 2, 3]
    assert len(bench.troubles) == 1


def test_a_disk_that_hangs_again_is_shouted_about_again(bench: Bench) -> None:
    journal = bench.open(hang_after=0.02)
    for number in (1, 2, 3):
        bench.disk.free.clear()
        bench.append(journal, number)
        wait(lambda: bench.heard[-1:] == [(number,)])  # noqa: B023
        bench.disk.free.set()
        wait(lambda: len(bench.recoveries) == number)  # noqa: B023
    assert len(bench.troubles) == 3
    assert bench.turns() == [1, 2, 3]


def test_the_hub_runs_on_while_the_disk_hangs(bench: Bench) -> None:
    journal = bench.open(hang_after=0.05)
    bench.disk.free.clear()
    bench.append(journal, 1)
    ticks = 0
    while not bench.heard:
        gevent.sleep(0.001)
        ticks += 1
    assert ticks > 2


def test_a_busy_hub_is_not_taken_for_a_hanging_disk(bench: Bench) -> None:
    journal = bench.open(hang_after=0.05)
    bench.append(journal, 1)
    end = time.monotonic() + 0.15
    while time.monotonic() < end:
        pass
    bench.append(journal, 2)
    wait(lambda: len(bench.heard) == 2)
    assert not bench.troubles


def test_a_hanging_disk_does_not_keep_the_daemon_from_ending(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    journal = bench.open(hang_after=0.02)
    bench.disk.free.clear()
    bench.append(journal, 1)
    wait(lambda: bench.heard)
    assert journal.close(timeout=0.05) is False
    assert "hangs" in caplog.text
    bench.disk.mend()
    wait(lambda: bench.turns() == [1])


def test_a_segment_deleted_under_the_daemon_costs_only_what_stood_in_it(bench: Bench) -> None:
    journal = bench.open()
    bench.append(journal, 1)
    wait(lambda: bench.heard)
    segments(bench.folder)[0].unlink()
    bench.append(journal, 2)
    assert journal.close()
    assert bench.turns() == [2]


# --- whole processes --------------------------------------------------------------------------------------------------

WRITES_FOR_EVER = """
    import sys
    if "patched" in sys.argv:
        from gevent import monkey
        monkey.patch_all()
    import pathlib, gevent
    from fsqueue.engine.messages import TurnUsed
    from fsqueue.journal.writer import Journal

    journal = Journal(pathlib.Path(sys.argv[1]), on_trouble=print, on_recovered=print)
    n = 0
    while True:
        n += 1
        records = [TurnUsed(group="sales", member="anna", turn=n)] * 3
        journal.append(records, 1.0, lambda last=journal.next_seq + 2: print(last, flush=True))
        gevent.sleep(0)
"""


@pytest.mark.parametrize("patched", ["plain", "patched"])
def test_a_killed_process_has_written_everything_it_acted_on(tmp_path: Path, patched: str) -> None:
    folder = tmp_path / "journal"
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITES_FOR_EVER), str(folder), patched],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    acted = [int(process.stdout.readline()) for _ in range(500)]
    process.send_signal(signal.SIGKILL)
    acted += [int(text) for text in process.stdout.read().split("\n")[:-1]]
    process.stdout.close()
    process.wait(10)
    assert acted == [3 * (n + 1) for n in range(len(acted))]
    damage = Damage()
    written = [entry.seq for entry in read(folder, damage)]
    assert damage == Damage()
    assert written == list(range(1, len(written) + 1))
    assert written[-1] >= acted[-1]


def test_who_is_forgotten_stands_in_segments_that_nobody_appends_to_any_more(bench: Bench) -> None:
    journal = bench.open()
    bench.append(journal, 1, 2)
    journal.append((Forgotten(calls=("c1",)), turn(4)), 100.0, lambda: None)
    bench.append(journal, 5)
    journal.close()
    first, second = segments(bench.folder)
    assert first_seq(second) == 3
    assert [entry.seq for entry in bench.entries()] == [1, 2, 3, 4, 5]
    assert b"Forgotten" not in first.read_bytes()
