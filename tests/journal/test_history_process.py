"""The daemon's side of the history: its process follows, comes again when it dies, and ends with the daemon."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from fsqueue.journal.history import files, projection
from fsqueue.journal.history.process import HistoryProcess
from tests.journal.histories import play, write


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        gevent.sleep(0.02)


def position(state: Path) -> int:
    try:
        db = files.open_to_read(state)
    except files.NoHistoryError:
        return 0
    try:
        return projection.position(db)
    finally:
        db.close()


def test_a_process_that_dies_is_started_again_and_goes_on(tmp_path: Path) -> None:
    log = play(1)
    write(files.journal_folder(tmp_path), log[:50])
    history = HistoryProcess(tmp_path)
    history.start()
    try:
        until(lambda: position(tmp_path) == 50)
        first = history._process.pid
        os.kill(first, signal.SIGKILL)
        write(files.journal_folder(tmp_path), log[50:], first=51)
        until(lambda: position(tmp_path) == len(log))
        assert history._process.pid != first
    finally:
        history.stop()
    assert history._process.returncode == 0


def test_it_logs_as_the_daemon_does(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(files.journal_folder(tmp_path), play(1)[:5])
    history = HistoryProcess(tmp_path, log_format="json")
    history.start()
    until(lambda: position(tmp_path) == 5)
    history.stop()
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert any("history" in line["text"] for line in said)


def test_it_runs_the_very_installation_that_started_it_and_nothing_of_the_folder_it_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Debian package's folder is in no path of Python's, and a folder may hold a file named like a library's."""
    state = tmp_path / "state"
    log = play(1)[:20]
    write(files.journal_folder(state), log)
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    history = HistoryProcess(state, log_format="json")
    history.start()
    try:
        until(lambda: position(state) == 20)
    finally:
        history.stop()
    assert history._process.returncode == 0
