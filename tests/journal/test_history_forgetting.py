"""Who asks to be forgotten is: in the history, in the journal, in the file's free pages, and after building anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fsqueue.engine.messages import (
    CalledBack,
    CallEnded,
    Caller,
    CallOpened,
    Checkpoint,
    Forgotten,
    KeptCall,
    Leg,
    Relegged,
)
from fsqueue.journal import segments
from fsqueue.journal.entries import encode
from fsqueue.journal.history import files, forgetting, queries
from fsqueue.journal.history.following import Follower, request_rebuild
from fsqueue.journal.history.marks import write_down
from tests.journal.histories import play, write

NUMBER = "+48600111222"
NAME = "Zażółć Person"


def opened(call: str, number: str = NUMBER, t: float = 1.0) -> CallOpened:
    return CallOpened(
        call=call, leg=Leg("main", call), arrival=call, caller=Caller(number, NAME), number="", dialled="7\x7f001", music="",
        priority=None, joined=t,
    )  # fmt: skip


def put(state: Path, first: int, *records: object) -> None:
    path = files.journal_folder(state) / f"{first:020}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"".join(encode(first + i, 10.0 + first + i, r) for i, r in enumerate(records)))  # type: ignore[arg-type]


def everything(state: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(state.rglob("*")) if path.is_file() and not path.is_symlink())


def forget(state: Path, number: str) -> list[Forgotten]:
    db = files.open_to_read(state)
    try:
        return forgetting.orders(db, number, "staff")
    finally:
        db.close()


def test_nothing_of_who_is_forgotten_stays_anywhere_once_the_segment_is_closed(tmp_path: Path) -> None:
    put(
        tmp_path, 1, opened("a"), CallEnded(call="a", reason="abandoned", waited=3.0), CalledBack(call="a", note="Person is ill"),
        opened("b"), Checkpoint(calls=(KeptCall(opened=opened("b"), visit=None, state="waiting", reason="abandoned"),)), Relegged(call="b", leg=Leg("m", "n"), arrival="x", caller=Caller("0048600111222", NAME)),
        CallEnded(call="b", reason="voicemail", waited=3.0), opened("c", "+48999"), CallEnded(call="c", reason="lost", waited=1.0),
    )  # fmt: skip
    follower = Follower(tmp_path)
    follower.step()
    orders = forget(tmp_path, "48600111222")
    assert [order.calls for order in orders] == [("a", "b")]
    put(tmp_path, 10, *orders)
    follower.step()
    left = everything(tmp_path)
    follower.close()
    for trace in (b"600111222", b"Person is ill"):
        assert trace not in left, trace
    assert b"+48999" in left
    db = files.open_to_read(tmp_path)
    rows = {row.id: (row.caller_number, row.reason) for row in queries.calls(db, queries.CallFilter())}
    db.close()
    assert rows == {"a": ("", "abandoned"), "b": ("", "voicemail"), "c": ("+48999", "lost")}
    assert request_rebuild(tmp_path)
    assert b"600111222" not in everything(tmp_path)


def test_entries_in_the_segment_that_is_written_to_wait_until_there_is_a_newer_one(tmp_path: Path) -> None:
    put(tmp_path, 1, opened("a"), CallEnded(call="a", reason="abandoned", waited=3.0), Forgotten(calls=("a",)))
    follower = Follower(tmp_path)
    (path,) = segments.segments(files.journal_folder(tmp_path))
    before = path.read_bytes()
    follower.step()
    assert path.read_bytes() == before
    put(tmp_path, 4, opened("d", "+48111"))
    follower.step()
    follower.close()
    assert NUMBER.encode() not in path.read_bytes()


def test_a_call_in_progress_is_not_forgotten_under_the_queue(tmp_path: Path) -> None:
    put(tmp_path, 1, opened("a"), Forgotten(calls=("a",)))
    put(tmp_path, 3, opened("b"))
    follower = Follower(tmp_path)
    follower.step()
    follower.close()
    assert forget(tmp_path, NUMBER) == []
    (first, _) = segments.segments(files.journal_folder(tmp_path))
    assert NUMBER.encode() in first.read_bytes()


def test_what_must_wait_is_not_tried_again_until_there_is_another_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, 1, opened("a"))
    put(tmp_path, 2, CallEnded(call="a", reason="abandoned", waited=3.0), Forgotten(calls=("a",)))
    tried: list[Path] = []
    scrub = forgetting.scrub
    monkeypatch.setattr(forgetting, "scrub", lambda db, folder: (tried.append(folder), scrub(db, folder))[1])
    follower = Follower(tmp_path)
    for _ in range(3):
        follower.step()
    assert len(tried) == 1
    put(tmp_path, 4, opened("d"), CallEnded(call="d", reason="abandoned", waited=3.0), Forgotten(calls=("d",)))
    for _ in range(3):
        follower.step()
    assert len(tried) == 2
    follower.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_does_by_hand_belongs_to_whom_the_daemon_runs_as(tmp_path: Path) -> None:
    state = tmp_path / "state"
    put_in = files.journal_folder(state)
    put_in.mkdir(parents=True)
    put(state, 1, opened("a"), CallEnded(call="a", reason="abandoned", waited=3.0))
    put(state, 3, opened("b"))
    for path in (state, *state.rglob("*")):
        os.chown(path, 12345, 12345)
    write_down(state, [Forgotten(calls=("a",))], 9.0)
    assert request_rebuild(state)
    follower = Follower(state)
    follower.step()
    assert {path.lstat().st_uid for path in state.rglob("*")} == {12345}
    follower.close()


def test_a_scrubbed_segment_keeps_every_other_byte_of_every_entry(tmp_path: Path) -> None:
    folder = files.journal_folder(tmp_path)
    log = play(21)
    write(folder, log, per_segment=10_000)
    (path,) = segments.segments(folder)
    later = b'{"v":1,"seq":%d,"t":1.0,"kind":"Later","x":"kept"}\n' % (len(log) + 1)
    path.write_bytes(path.read_bytes() + b"damage \xff\n" + later)
    before = path.read_bytes().splitlines()
    victim = next(r.call for r, _ in log if isinstance(r, CallOpened))
    os.utime(path, (5.0, 5.0))
    put(tmp_path, len(log) + 2, Forgotten(calls=(victim,)))
    put(tmp_path, len(log) + 3, opened("z"))
    follower = Follower(tmp_path)
    follower.step()
    follower.close()
    after = path.read_bytes().splitlines()
    assert [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [
        n for n, (r, _) in enumerate(log) if isinstance(r, CallOpened | CalledBack | Relegged) and r.call == victim
    ]
    assert path.stat().st_mtime == 5.0, "its age decides when it is too old"
    assert path.stat().st_mode & 0o077 == 0


def test_a_rewritten_entry_is_as_safe_to_show_as_a_written_one(tmp_path: Path) -> None:
    put(tmp_path, 1, opened("a"), CallEnded(call="a", reason="abandoned", waited=3.0), Forgotten(calls=("a",)))
    put(tmp_path, 4, opened("b"))
    follower = Follower(tmp_path)
    follower.step()
    follower.close()
    (path, _) = segments.segments(files.journal_folder(tmp_path))
    assert path.read_text().replace("\n", "").isprintable()
    (first, *_) = segments.read(files.journal_folder(tmp_path))
    assert isinstance(first.record, CallOpened)
    assert first.record.dialled == "7\x7f001"
    assert first.record.caller == Caller()
