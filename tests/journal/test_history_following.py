"""The history follows the journal, survives what disks and people do to either, and can always be built again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsqueue.engine.messages import CallEnded, CallOpened, Checkpoint, ConfigTaken, MemberChanged, Record, Renamed
from fsqueue.journal import segments
from fsqueue.journal.entries import Gap, encode
from fsqueue.journal.history import files, projection, queries, schema
from fsqueue.journal.history.following import DAY, RESERVE, BusyError, Follower, request_rebuild
from fsqueue.journal.history.reading import Reader
from tests.journal.histories import GROUPS, MEMBERS, START, play, write

TABLES = ("calls", "visits", "offers", "talks", "states", "decisions", "callbacks")


def dump(state: Path) -> dict[str, list[tuple[object, ...]]]:
    with_tables = files.open_to_read(state)
    try:
        return {t: sorted(with_tables.execute(f"SELECT * FROM {t}").fetchall(), key=repr) for t in TABLES}
    finally:
        with_tables.close()


def follow(state: Path, **options: float) -> None:
    follower = Follower(state, options.get("keep_days", 0.0), lambda: options.get("now", START))
    try:
        follower.step()
    finally:
        follower.close()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(1, 400), max_size=5), torn=st.integers(0, 40))
def test_following_bit_by_bit_gives_the_same_rows_as_building_at_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: list[int], torn: int
) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed)
    lines = [encode(n, t, record) for n, (record, t) in enumerate(log, 1)]
    folder = files.journal_folder(state)
    folder.mkdir()
    follower = Follower(state)
    done = 0
    for cut in [*sorted(cuts), len(lines)]:
        part = lines[done:cut]
        if part:
            path = folder / f"{done + 1:020}.jsonl"
            data = b"".join(part)
            path.write_bytes(data[: max(0, len(data) - torn)])
            follower.step()
            path.write_bytes(data)
            os.utime(path, (done, done))
            follower.step()
            done += len(part)
    follower.close()
    bit_by_bit = dump(state)
    assert len(bit_by_bit["calls"]) == sum(isinstance(record, CallOpened) for record, _ in log)
    assert request_rebuild(state)
    assert dump(state) == bit_by_bit


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), data=st.data())
def test_any_journal_with_damaged_lines_is_laid_out_as_far_as_it_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, seed: int, data: st.DataObject
) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed, 30)
    folder = files.journal_folder(state)
    write(folder, log, per_segment=40)
    ends = {n: record for n, (record, _) in enumerate(log, 1) if isinstance(record, CallEnded)}
    for path in segments.segments(folder):
        raw = bytearray(path.read_bytes())
        for at in data.draw(st.lists(st.integers(0, len(raw) - 1), max_size=20)):
            raw[at] = data.draw(st.integers(0, 255))
        path.write_bytes(bytes(raw))
    follow(state)
    left = [e for e in segments.read(folder) if isinstance(e.record, CallEnded) and e.record == ends.get(e.seq)]
    db = files.open_to_read(state)
    assert db.execute("SELECT count(*) FROM calls WHERE ended IS NOT NULL").fetchone()[0] >= len(
        {e.record.call for e in left if isinstance(e.record, CallEnded)}
    )
    db.close()


def test_a_reader_hands_out_what_segments_tail_does(tmp_path: Path) -> None:
    write(tmp_path, play(1), per_segment=37)
    for after in (0, 1, 36, 37, 38, 100, 10_000):
        assert list(Reader(tmp_path, after).read()) == list(segments.tail(tmp_path, after))


def test_a_reader_reads_no_part_of_a_segment_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = play(2)
    write(tmp_path, log[:50])
    reader = Reader(tmp_path, 0)
    first = list(reader.read())
    (path,) = segments.segments(tmp_path)
    size = path.stat().st_size
    path.write_bytes(b"#" * (size - 1) + b"\n" + encode(51, 1.0, log[50][0]))
    assert len(first) == 50
    assert [e.seq for e in reader.read()] == [51]
    assert not caplog.records, "what stood before the end of the first reading was not looked at"


def test_entries_that_are_in_the_tables_are_passed_over(tmp_path: Path) -> None:
    write(files.journal_folder(tmp_path), play(13))
    follow(tmp_path)
    before = dump(tmp_path)
    file = files.current(tmp_path)
    assert file is not None
    db = schema.open_to_write(file)
    assert projection.apply(db, segments.read(files.journal_folder(tmp_path))) == 0
    db.close()
    assert dump(tmp_path) == before


def test_only_one_process_keeps_a_history(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    with pytest.raises(BusyError):
        Follower(tmp_path)
    assert not request_rebuild(tmp_path)
    before = files.current(tmp_path)
    follower.step()
    assert files.current(tmp_path) != before, "the one that keeps it has built it anew"
    follower.close()


def test_readers_keep_their_picture_while_it_is_built_anew(tmp_path: Path) -> None:
    write(files.journal_folder(tmp_path), play(3))
    follow(tmp_path)
    reading = files.open_to_read(tmp_path)
    cursor = reading.execute("SELECT id FROM calls ORDER BY id")
    first = cursor.fetchone()
    assert request_rebuild(tmp_path)
    assert len([first, *cursor.fetchall()]) == len(dump(tmp_path)["calls"])
    reading.close()
    assert len(list(files.history_folder(tmp_path).glob("0*.db"))) == 1


def test_the_last_of_a_full_disk_is_left_to_the_journal_and_nothing_is_missing_afterwards(tmp_path: Path) -> None:
    log = play(3)
    write(files.journal_folder(tmp_path), log[:100])
    free = [RESERVE * 2]
    follower = Follower(tmp_path, free=lambda _: free[0])
    follower.step()
    write(files.journal_folder(tmp_path), log[100:], first=101)
    free[0] = RESERVE - 1
    before = projection.position(follower._db)
    for _ in range(2):
        with pytest.raises(OSError, match=r"16 MB are free in .* left to the journal"):
            follower.step()
    assert projection.position(follower._db) == before
    free[0] = RESERVE
    assert follower.step() == len(log) - 100
    follower.close()


def test_a_disk_that_is_full_says_so_and_not_that_there_is_nothing_to_roll_back(tmp_path: Path) -> None:
    db = schema.open_to_write(tmp_path / "h.db")
    db.execute("PRAGMA max_page_count = 40")
    write(tmp_path / "journal", play(3, 500))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        projection.apply(db, segments.tail(tmp_path / "journal", 0))
    assert projection.position(db) == 0
    db.close()


def test_a_damaged_history_is_built_again(tmp_path: Path) -> None:
    write(files.journal_folder(tmp_path), play(4))
    follow(tmp_path)
    before = dump(tmp_path)
    file = files.current(tmp_path)
    assert file is not None
    file.write_bytes(b"no database at all" * 100)
    follow(tmp_path)
    assert dump(tmp_path) == before


def test_the_history_of_a_journal_that_is_gone_is_put_aside_and_not_mixed_with_the_next(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    write(folder, play(5))
    follow(tmp_path)
    calls = len(dump(tmp_path)["calls"])
    for path in segments.segments(folder):
        path.unlink()
    other = [(record, t + 1.0) for record, t in play(6, 10)]
    write(folder, other)
    follow(tmp_path)
    assert len(dump(tmp_path)["calls"]) == sum(isinstance(record, CallOpened) for record, _ in other)
    (aside,) = files.history_folder(tmp_path).glob("before-*.db")
    db = sqlite3.connect(aside)
    assert db.execute("SELECT count(*) FROM calls").fetchone()[0] == calls
    db.close()
    follow(tmp_path, keep_days=1.0, now=aside.stat().st_mtime + 2 * DAY)
    assert not aside.exists()


def test_an_older_file_is_brought_up_to_date_with_all_that_is_in_it(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    write(folder, [(r, t) for r, t in play(7) if type(r).__name__ != "CalledBack"])
    file = files.next_file(tmp_path)
    db = schema.open_to_write(file)
    projection.set_version(db)
    projection.apply(db, segments.read(folder))
    db.executescript(
        "ALTER TABLE calls DROP COLUMN unseen_since; DROP TABLE callbacks; DROP TABLE scrubs; PRAGMA user_version = 1"
    )
    calls = db.execute("SELECT * FROM calls ORDER BY id").fetchall()
    db.close()
    files.make_current(tmp_path, file)
    with pytest.raises(files.NoHistoryError, match=r"version 1 .* start the daemon"):
        files.open_to_read(tmp_path)
    follow(tmp_path)
    assert files.current(tmp_path) == file, "upgraded where it stands"
    db = files.open_to_read(tmp_path)
    assert schema.version(db) == schema.VERSION
    assert db.execute("SELECT * FROM calls ORDER BY id").fetchall() == [(*call, None) for call in calls]
    assert queries.missed(db, queries.CallFilter())
    db.close()


def test_a_file_of_a_later_version_is_left_and_another_built(tmp_path: Path) -> None:
    write(files.journal_folder(tmp_path), play(8))
    follow(tmp_path)
    before = dump(tmp_path)
    file = files.current(tmp_path)
    assert file is not None
    db = sqlite3.connect(file)
    db.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    db.close()
    follow(tmp_path)
    assert dump(tmp_path) == before


def test_what_an_older_version_passed_over_is_read_by_one_that_knows_it(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    write(folder, play(9))
    (folder / f"{10_000:020}.jsonl").write_bytes(b'{"v":1,"seq":10000,"t":1.0,"kind":"Later"}\n')
    follow(tmp_path)
    file = files.current(tmp_path)
    assert file is not None
    db = sqlite3.connect(file, isolation_level=None)
    assert projection.passed_over(db) == 1
    db.execute("UPDATE meta SET value = 0 WHERE key = 'meanings'")
    db.close()
    follow(tmp_path)
    assert files.current(tmp_path) != file


def test_a_gap_is_counted(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    folder.mkdir()
    (folder / f"{1:020}.jsonl").write_bytes(encode(1, 1.0, Gap(last=7, why="full")))
    follow(tmp_path)
    db = files.open_to_read(tmp_path)
    assert (projection.lost(db), projection.position(db)) == (7, 7)
    db.close()


def test_a_rename_takes_the_history_along(tmp_path: Path) -> None:
    log = play(10)
    renamed = (Renamed("group", "sales", "trade"), Renamed("member", "anna", "anna-n"))
    groups = tuple("trade" if g == "sales" else g for g in GROUPS)
    members = tuple("anna-n" if m == "anna" else m for m in MEMBERS)
    write(files.journal_folder(tmp_path), log)
    follow(tmp_path)
    db = files.open_to_read(tmp_path)
    before = len(list(queries.calls(db, queries.CallFilter(group="sales", member="anna"))))
    db.close()
    write(
        files.journal_folder(tmp_path),
        [(ConfigTaken(groups=groups, members=members, renamed=renamed), log[-1][1])],
        first=len(log) + 1,
    )
    follow(tmp_path)
    db = files.open_to_read(tmp_path)
    assert before
    assert len(list(queries.calls(db, queries.CallFilter(group="trade", member="anna-n")))) == before
    assert not list(queries.calls(db, queries.CallFilter(group="sales")))
    assert not list(queries.calls(db, queries.CallFilter(member="anna")))
    db.close()


def test_calls_older_than_the_days_to_keep_go_from_the_history_and_from_the_journal(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    log = play(11, 80)
    log.insert(len(log) * 3 // 4, (Checkpoint(), log[len(log) * 3 // 4][1]))
    write(folder, log, per_segment=50)
    middle = log[len(log) // 2][1]
    _age(folder, log, 50)
    follow(tmp_path, keep_days=1.0, now=middle + DAY)
    kept = dump(tmp_path)
    assert kept["calls"]
    assert all(row[1] >= middle for row in kept["calls"])  # type: ignore[operator]
    first = next(segments.read(folder))
    assert first.seq > 1
    assert first.t < middle, "whole segments go, and only those that are old to their end"
    calls = kept["calls"]
    assert request_rebuild(tmp_path)
    follow(tmp_path, keep_days=1.0, now=middle + DAY)
    assert dump(tmp_path)["calls"] == calls


def test_the_journal_keeps_what_a_start_reads_however_old_it_is(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    log = play(11, 80)
    log.insert(120, (Checkpoint(), log[120][1]))
    write(folder, log, per_segment=50)
    _age(folder, log, 50)
    follow(tmp_path, keep_days=1.0, now=log[-1][1] + 100 * DAY)
    assert dump(tmp_path)["calls"] == []
    assert segments.first_seq(segments.segments(folder)[0]) == 101


def test_a_member_who_was_paused_before_what_is_kept_is_paused_still_when_it_is_built_anew(tmp_path: Path) -> None:
    paused = MemberChanged(member="anna", duty="paused", why="lunch")
    write(files.journal_folder(tmp_path), [(Checkpoint(members=(paused,)), START)], first=1000)
    follow(tmp_path)
    db = files.open_to_read(tmp_path)
    (row,) = queries.states(db, queries.Range(START, START + 1))
    assert (row.member, row.state, row.why) == ("anna", "paused", "lunch")
    db.close()


def _age(folder: Path, log: list[tuple[Record, float]], per_segment: int) -> None:
    for at, path in enumerate(segments.segments(folder)):
        newest = log[min(len(log), (at + 1) * per_segment) - 1][1]
        os.utime(path, (newest, newest))


def test_what_one_may_not_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(files.NoHistoryError, match="fsqueue history rebuild"):
        files.open_to_read(tmp_path)
    with pytest.raises(files.NoHistoryError, match="--state"):
        files.open_to_read(tmp_path / "nowhere")


def test_the_process_follows_and_ends_with_its_standard_input(tmp_path: Path) -> None:
    log = play(12)
    folder = files.journal_folder(tmp_path)
    write(folder, log[:100])
    command = [sys.executable, "-m", "fsqueue.journal.history.following", str(tmp_path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        _wait_for(tmp_path, 100)
        write(folder, log[100:], first=101)
        _wait_for(tmp_path, len(log))
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0
        assert process.stderr is not None
        process.stderr.close()


def _wait_for(state: Path, seq: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            db = files.open_to_read(state)
        except files.NoHistoryError:
            time.sleep(0.05)
            continue
        try:
            if projection.position(db) == seq:
                return
        finally:
            db.close()
        time.sleep(0.05)
    raise AssertionError(f"entry {seq} did not come")


def test_random_histories_hold_every_kind_of_end() -> None:
    reasons = {
        r.reason for seed in range(20) for r, _ in play(Random(seed).randrange(9999)) if isinstance(r, CallEnded)
    }
    assert len(reasons) >= 9
