"""The log's lines: for people, for programs, for systemd's journal."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest

from fsqueue.engine.messages import CallEnded
from fsqueue.logs import _Bounded, formatter, is_journal, priority


def made(text: str, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    return logging.getLogger("fsqueue").makeRecord("fsqueue", level, "f", 1, "%s", (text,), None, extra=extra)


def test_a_line_for_a_terminal_has_a_time_and_a_level() -> None:
    line = formatter("text", journal=False).format(made("a call", logging.WARNING))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING a call", line)


def test_a_line_for_the_journal_has_a_priority_and_no_time() -> None:
    assert formatter("text", journal=True).format(made("a call", logging.WARNING)) == "<4>a call"


def test_each_line_of_a_traceback_bears_its_priority() -> None:
    record = made("the rules failed", logging.ERROR)
    try:
        raise ValueError("odd")
    except ValueError:
        record.exc_info = sys.exc_info()
    lines = formatter("text", journal=True).format(record).splitlines()
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize(
    ("level", "number"),
    [(logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7), (1, 7)],
)
def test_levels_become_syslogs_numbers(level: int, number: int) -> None:
    assert priority(level) == number


def test_json_has_the_words_and_the_record_as_data() -> None:
    line = json.loads(
        formatter("json", journal=False).format(
            made("gone", record=CallEnded(call="c1", reason="abandoned", waited=2.0))
        )
    )
    assert (line["level"], line["logger"], line["text"], line["kind"]) == ("info", "fsqueue", "gone", "CallEnded")
    assert (line["record"]["call"], line["record"]["reason"]) == ("c1", "abandoned")
    assert isinstance(line["t"], float)


def test_json_without_a_record_says_no_kind() -> None:
    assert set(json.loads(formatter("json", journal=False).format(made("up")))) == {"t", "level", "logger", "text"}


@pytest.mark.parametrize("text", ["a\x1b[31m", "two\nlines", "\x9b31m", "half \ud800", "\x7f", "Zażółć"])
def test_json_is_one_line_of_ascii_whatever_a_caller_is_called(text: str) -> None:
    line = formatter("json", journal=False).format(made(text))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["text"] == text


@pytest.mark.parametrize(
    "text", ["a\x1b[31m", "two\nlines", "\x9b31m", "half \ud800", "\x7f", "\u2028", "\r\n2026-01-01"]
)
@pytest.mark.parametrize("journal", [True, False])
def test_text_is_one_line_that_can_be_shown_whatever_a_caller_is_called(text: str, journal: bool) -> None:
    line = formatter("text", journal=journal).format(made(text))
    assert line.isprintable()


def test_an_error_that_quotes_a_caller_forges_no_line_of_its_own() -> None:
    try:
        raise ValueError("a\n2026-01-01 00:00:00,000 INFO    all is well\x1b[2J")
    except ValueError:
        record = made("failed")
        record.exc_info = sys.exc_info()
    first, *below = formatter("text", journal=False).format(record).split("\n")
    assert first.endswith("failed")
    assert len(below) > 3
    assert all(line.startswith("    ") and line.isprintable() for line in below)


def test_lines_that_nobody_reads_are_counted_and_not_kept() -> None:
    lines: SimpleQueue[logging.LogRecord] = SimpleQueue()
    handler = _Bounded(lines, 10)
    for number in range(1000):
        handler.handle(made(f"line {number}"))
    assert lines.qsize() == 10
    for _ in range(5):
        lines.get_nowait()
    handler.handle(made("read again"))
    kept = [lines.get_nowait().getMessage() for _ in range(lines.qsize())]
    assert kept[-2:] == ["990 lines are missing here: standard error was not read", "read again"]


def test_json_in_the_journal_bears_a_priority_too() -> None:
    line = formatter("json", journal=True).format(made("up"))
    assert line.startswith('<6>{"t"')


def test_a_stream_is_the_journals_only_if_it_is_that_very_one(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        assert is_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino + 1}"})
        assert not is_journal(stream, {})
