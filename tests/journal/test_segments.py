"""Segments: what a crash, a bad disk or a careless hand leaves behind never stops a start, and never goes unnoticed."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from fsqueue.engine.messages import TurnUsed
from fsqueue.journal import segments
from fsqueue.journal.entries import Entry, Gap, Unknown, encode
from fsqueue.journal.segments import Appender, Damage, JournalError, prepare, read, tail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.mkdir(mode=0o700)
    return path


def turn(number: int) -> bytes:
    return encode(number, float(number), TurnUsed(group="sales", member="anna", turn=number))


def put(folder: Path, first: int, *lines: bytes) -> Path:
    path = folder / f"{first:020}.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def numbers(entries: list[Entry]) -> list[int]:
    return [entry.seq for entry in entries]


def test_entries_of_all_segments_come_in_order(folder: Path) -> None:
    put(folder, 100, turn(100))
    put(folder, 3, turn(3), *[turn(n) for n in range(4, 100)])
    put(folder, 1, turn(1), turn(2))
    damage = Damage()
    assert numbers(list(read(folder, damage))) == list(range(1, 101))
    assert damage == Damage()


def test_a_reader_passes_over_files_that_are_no_segments(folder: Path) -> None:
    put(folder, 1, turn(1))
    (folder / "notes.jsonl").write_text("mine\n")
    (folder / "00000000000000000002.jsonl.bak").write_text("mine\n")
    assert numbers(list(read(folder))) == [1]


def test_the_tail_begins_after_the_given_number_and_opens_no_older_segment(folder: Path) -> None:
    put(folder, 1, b"broken\n")
    put(folder, 3, turn(3), turn(4))
    put(folder, 5, turn(5))
    damage = Damage()
    assert [numbers(list(tail(folder, n, damage))) for n in (2, 3, 4, 5, 99)] == [[3, 4, 5], [4, 5], [5], [], []]
    assert damage.corrupt == 0


@pytest.mark.parametrize("name", ["ascii", "Zażółć 漢字"])
def test_a_crash_at_any_byte_of_a_line_costs_that_line_only(
    folder: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = turn(1) + turn(2)
    last = encode(3, 3.0, TurnUsed(group=name, member="anna", turn=3))
    for length in range(len(last)):
        path = put(folder, 1, whole, last[:length])
        caplog.clear()
        assert numbers(list(read(folder))) == [1, 2], "a reader beside the running daemon"
        assert prepare(folder) == 3
        assert path.read_bytes() == whole
        assert [record.levelname for record in caplog.records] == (["WARNING"] if length else [])
    put(folder, 1, whole, last)
    assert prepare(folder) == 4


@pytest.mark.parametrize("torn", [b"\0" * 5000, b"\xff\xfe\x1b[2J", b"{"])
def test_a_torn_tail_is_cut_and_told_without_its_control_characters(
    folder: Path, torn: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(folder, 1, turn(1), torn)
    assert prepare(folder) == 2
    assert path.read_bytes() == turn(1)
    (record,) = caplog.records
    assert str(path) in record.getMessage()
    assert f"{len(torn)} bytes" in record.getMessage()
    assert record.getMessage().isprintable()


def test_a_segment_with_nothing_but_a_torn_line_becomes_empty_and_keeps_its_number(folder: Path) -> None:
    put(folder, 1, turn(1))
    put(folder, 2, b'{"v":1,')
    assert prepare(folder) == 2
    assert numbers(list(read(folder))) == [1]


def test_a_corrupt_line_in_the_middle_is_counted_and_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = put(folder, 1, turn(1), b"\x1b]0;x\x07 rubbish\n", turn(3))
    damage = Damage()
    assert numbers(list(read(folder, damage))) == [1, 3]
    assert (damage.corrupt, damage.missing) == (1, 1)
    text = "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR)
    assert f"{path}, byte {len(turn(1))}" in text
    assert "\x1b" not in text


def test_numbers_go_on_past_damaged_lines_and_are_never_used_twice(folder: Path) -> None:
    put(folder, 1, turn(1), turn(2), b"rubbish\n", b"rubbish\n")
    assert prepare(folder) == 5
    put(folder, 5, b"rubbish\n")
    assert prepare(folder) == 6
    put(folder, 9)
    assert prepare(folder) == 9


def test_numbers_go_on_after_a_gap(folder: Path) -> None:
    put(folder, 1, turn(1), encode(2, 2.0, Gap(last=40, why="full")))
    assert prepare(folder) == 41
    put(folder, 41, turn(41))
    damage = Damage()
    assert numbers(list(read(folder, damage))) == [1, 2, 41]
    assert damage == Damage(lost=39)


def test_an_entry_whose_number_was_there_is_not_given_twice(folder: Path) -> None:
    put(folder, 1, turn(1), turn(2))
    put(folder, 2, turn(2), turn(3))
    damage = Damage()
    assert numbers(list(read(folder, damage))) == [1, 2, 3]
    assert damage == Damage(repeated=1)


def test_what_a_later_version_wrote_is_handed_on_and_counted(folder: Path) -> None:
    later = b'{"v":1,"seq":2,"t":1.0,"kind":"Callback","x":1}\n'
    put(folder, 1, turn(1), later, turn(3))
    damage = Damage()
    entries = list(read(folder, damage))
    assert isinstance(entries[1].record, Unknown)
    assert entries[1].line + b"\n" == later
    assert damage == Damage(unknown=1)


def test_a_journal_whose_oldest_segments_were_removed_has_no_damage(folder: Path) -> None:
    put(folder, 50, turn(50))
    damage = Damage()
    assert numbers(list(read(folder, damage))) == [50]
    assert damage == Damage()


def test_the_folder_is_made_and_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "journal"
    os.close(segments.lock(folder))
    assert [one.stat().st_mode & 0o777 for one in (folder, folder.parent)] == [0o700, 0o700]
    folder.chmod(0o755)
    assert prepare(folder) == 1
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_daemons_never_write_to_one_folder(folder: Path) -> None:
    held = segments.lock(folder)
    with pytest.raises(JournalError, match="another fsqueue"):
        segments.lock(folder)
    os.close(held)
    os.close(segments.lock(folder))


def test_a_place_that_can_be_no_folder_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="can't be used"):
        segments.lock(tmp_path / "file" / "journal")


def test_a_full_segment_is_followed_by_another_named_by_its_first_number(folder: Path) -> None:
    retired: list[int] = []
    appender = Appender(folder, retire=retired.append, segment_bytes=3 * len(turn(1)))
    for number in range(1, 9):
        appender.begin(number, len(turn(number)))
        assert appender.put(turn(number)) == len(turn(number))
    appender.close()
    for descriptor in retired:
        os.close(descriptor)
    assert [segments.first_seq(path) for path in segments.segments(folder)] == [1, 4, 7]
    assert len(retired) == 3
    assert numbers(list(read(folder))) == list(range(1, 9))
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in segments.segments(folder))


def test_lines_longer_than_a_segment_get_one_of_their_own(folder: Path) -> None:
    retired: list[int] = []
    appender = Appender(folder, retire=retired.append, segment_bytes=1)
    for number in (1, 2):
        appender.begin(number, len(turn(number)))
        appender.put(turn(number))
    appender.close()
    for descriptor in retired:
        os.close(descriptor)
    assert numbers(list(read(folder))) == [1, 2]
