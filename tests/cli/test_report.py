"""The commands over the history: what they print for people and for programs, and how they end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from fsqueue_cli import talk
from fsqueue_cli.frame import CommandLine
from fsqueue_cli.history import history
from fsqueue_cli.missed import missed
from fsqueue_cli.report import bar, report
from rich.console import Console

from fsqueue.engine.messages import (
    CallEnded,
    Caller,
    CallOpened,
    ConfigTaken,
    Leg,
    Offered,
    Record,
    Talking,
    VisitBegan,
)
from fsqueue.journal import segments
from fsqueue.journal.history import files
from fsqueue.journal.history.following import Follower
from tests.journal.histories import write

cli = CommandLine("fsqueue", commands=[missed, report, history])

NOON = 1_790_000_000.0
"""21 September 2026, 14:13:20 UTC."""

SPAN = ("--since", "2026-09-21", "--until", "2026-09-21", "--timezone", "UTC")


def call(call_id: str, t: float, caller: Caller) -> list[tuple[Record, float]]:
    opened = CallOpened(
        call=call_id, leg=Leg("main", call_id), arrival=call_id, caller=caller, number="48221", dialled="+48221", music="",
        priority=None, joined=t,
    )  # fmt: skip
    return [
        (opened, t),
        (VisitBegan(call=call_id, group="sales", n=1, entered=t, joined=t, priority=0, limit=t + 9), t),
    ]


LOG: list[tuple[Record, float]] = [
    (ConfigTaken(groups=("sales",), members=("anna",)), NOON - 100),
    *call("c1", NOON, Caller("+48600", "Jan")),
    (Offered(offer="c1.1", call="c1", group="sales", member="anna", until=NOON + 20, rule="D2"), NOON + 1),
    (Talking(call="c1", offer="c1.1", member="anna", waited=7.0), NOON + 7),
    (CallEnded(call="c1", reason="answered", waited=7.0, talked=60.0, group="sales", member="anna"), NOON + 67),
    *call("c2", NOON + 100, Caller("+48700", "\x1b[2JEvil\n=1+1")),
    (CallEnded(call="c2", reason="abandoned", waited=30.0, group="sales"), NOON + 130),
    *call("c3", NOON + 200, Caller("+48800", "Secret", hidden=True)),
    (CallEnded(call="c3", reason="voicemail", waited=40.0, group="sales"), NOON + 240),
]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    write(files.journal_folder(tmp_path), LOG)
    follower = Follower(tmp_path)
    follower.step()
    follower.close()
    return tmp_path


def run(state: Path, *words: str, code: int = 0) -> Result:
    environment = {"FSQUEUE_CONFIG": str(state / "none.toml"), "FSQUEUE_SOCKET": str(state / "none.sock")}
    result = CliRunner().invoke(cli, [*words, "--state", str(state)], env=environment)
    assert result.exit_code == code, result.output
    return result


def data(state: Path, *words: str) -> Any:
    return json.loads(run(state, *words, "--json").stdout)


def test_a_report_says_the_same_to_people_and_programs(state: Path) -> None:
    total = data(state, "report", *SPAN)["calls"]["total"]
    assert (total["offered"], total["answered"], total["missed"], total["service_level"]) == (
        3,
        1,
        2,
        pytest.approx(1 / 3),
    )
    lines = run(state, "report", *SPAN).stdout.splitlines()
    assert lines[1].split()[:6] == ["sales", "3", "1", "2", "0", "33%"]
    assert lines[1].endswith("████████░░░░░░░░░░░░░░░░")
    assert "Missed: abandoned 1, voicemail 1" in lines


@pytest.mark.parametrize("by", ["group", "number", "day", "hour"])
def test_every_layout_has_the_same_total(state: Path, by: str) -> None:
    found = data(state, "report", "--by", by, *SPAN)["calls"]
    assert found["by"] == by
    assert found["total"]["offered"] == sum(row["offered"] for row in found["rows"]) == 3


def test_members_have_their_talk_and_time(state: Path) -> None:
    (row,) = data(state, "report", "--by", "member", *SPAN)["members"]["rows"]
    assert (row["key"], row["rung"], row["answered"], row["seconds_talking"]) == ("anna", 1, 1, 60.0)
    assert "anna" in run(state, "report", "--by", "member", *SPAN).stdout


def test_service_level_seconds_are_those_of_the_configuration(state: Path) -> None:
    config = state / "fsqueue.toml"
    config.write_text('[switches.a]\nhost = "h"\npassword = "p"\n[groups.sales]\nservice_level_seconds = 5\n')
    assert data(state, "report", *SPAN, "--config", str(config))["calls"]["total"]["service_level"] == 0.0


def test_what_callers_send_does_nothing_to_a_terminal_and_hidden_numbers_stay_hidden(state: Path) -> None:
    shown = run(state, "missed", "list", *SPAN).stdout
    assert len(shown.splitlines()) == 3
    assert shown.replace("\n", "").isprintable()
    assert "hidden" in shown
    assert "48800" not in shown
    assert "Secret" not in shown
    table = run(state, "history", "export", *SPAN).stdout
    assert "\x1b" not in table


def test_the_missed_list_is_what_the_report_counts(state: Path) -> None:
    rows = data(state, "missed", "list", *SPAN)["missed"]
    assert [row["id"] for row in rows] == ["c3", "c2"]
    assert len(rows) == data(state, "report", *SPAN)["calls"]["total"]["missed"]
    assert data(state, "missed", "list", "--reason", "abandoned", *SPAN)["missed"] == rows[1:]


def test_a_call_that_was_called_back_is_no_longer_open_also_when_built_anew(state: Path) -> None:
    run(state, "missed", "done", "c2", "--note", "wants two")
    run(state, "history", "rebuild")
    rows = {row["id"]: row for row in data(state, "missed", "list", *SPAN)["missed"]}
    assert rows["c2"]["note"] == "wants two"
    assert rows["c2"]["called_back"] > NOON
    assert [row["id"] for row in data(state, "missed", "list", "--open", *SPAN)["missed"]] == ["c3"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("missed", "done", "nobody"), 3, "no call nobody"),
        (("missed", "done", "c1"), 6, "was not missed"),
        (("missed", "done", "c2", "--note", "a\nb"), 6, "one line"),
        (("history", "call", "nobody"), 3, "no call nobody"),
        (("history", "forget", "+99", "--yes"), 3, "no call of"),
        (("report", "--since", "soon"), 2, "2026-01-31"),
        (("report", "--timezone", "Mars/Olympus"), 2, "Europe/Warsaw"),
        (("report", "--since", "2026-02-01", "--until", "2026-01-01"), 2, "later than"),
    ],
)
def test_what_cannot_be_done_says_why(state: Path, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in run(state, *words, code=code).stderr


def test_while_a_daemon_has_the_journal_it_is_asked_to_write(state: Path) -> None:
    lock = segments.lock(files.journal_folder(state))
    try:
        result = run(state, "missed", "done", "c2", code=4)
    finally:
        os.close(lock)
    assert "no fsqueue listens" in result.stderr
    assert data(state, "missed", "list", "--open", *SPAN)["missed"][1]["id"] == "c2"


def test_forgetting_asks_first_and_leaves_the_counts(state: Path) -> None:
    asked = CliRunner().invoke(cli, ["history", "forget", "0048700", "--state", str(state)], input="n\n")
    assert asked.exit_code == 1
    run(state, "history", "forget", "0048700", "--yes")
    rows = {row["id"]: row["caller_number"] for row in data(state, "missed", "list", *SPAN)["missed"]}
    assert rows == {"c2": "", "c3": "+48800"}
    assert data(state, "report", *SPAN)["calls"]["total"]["missed"] == 2


def test_a_call_is_told_in_words_and_given_as_data(state: Path) -> None:
    told = run(state, "history", "call", "c1", "--timezone", "Europe/Warsaw").stdout
    assert re.search(r"16:13:27  talks with anna\n", told)
    assert data(state, "history", "call", "c1")["call"]["member"] == "anna"


def test_exports_hold_the_same_calls(state: Path) -> None:
    table = run(state, "history", "export", *SPAN).stdout
    lines = run(state, "history", "export", "--format", "jsonl", *SPAN).stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["c3", "c2", "c1"]
    assert "2026-09-21T14:33:20.000+00:00" not in table
    assert "c1,2026-09-21T14:13:20.000+00:00,+48600,Jan" in table


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("visits", {"call": "c3", "group": "sales", "outcome": "missed"}),
        ("offers", {"call": "c1", "member": "anna", "outcome": "taken"}),
        ("states", {"member": "anna", "state": "in"}),
        ("missed", {"id": "c3", "reason": "voicemail"}),
    ],
)
def test_what_belongs_to_calls_is_exported_too_in_both_forms_alike(
    state: Path, what: str, first: dict[str, str]
) -> None:
    words = ("history", "export", "--what", what, *SPAN)
    table = list(csv.DictReader(io.StringIO(run(state, *words).stdout)))
    lines = [json.loads(line) for line in run(state, *words, "--format", "jsonl").stdout.splitlines()]
    assert len(table) == len(lines) > 0
    assert {name: lines[0][name] for name in first} == {name: table[0][name] for name in first} == first
    assert list(table[0]) == list(lines[0])


def test_states_are_not_narrowed_by_what_they_have_not(state: Path) -> None:
    assert "--member" in run(state, "history", "export", "--what", "states", "--group", "sales", code=2).stderr


def test_without_a_history_one_is_told_how_to_get_it(tmp_path: Path) -> None:
    assert "fsqueue history rebuild" in run(tmp_path, "report", code=1).stderr
    assert "--state" in run(tmp_path / "nowhere", "report", code=1).stderr


def test_a_damaged_history_is_no_traceback(state: Path) -> None:
    file = files.current(state)
    assert file is not None
    db = sqlite3.connect(file)
    db.execute("PRAGMA journal_mode = DELETE")
    db.close()
    file.write_bytes(file.read_bytes()[:8192])
    assert "fsqueue history rebuild" in run(state, "report", *SPAN, code=1).stderr


@pytest.mark.parametrize(("parts", "most", "drawn"), [((1, 1), 2, "██░░"), ((0, 0), 0, ""), ((1, 1000), 1001, "█░░░░")])
def test_a_bar_shows_everybody_who_is_there(parts: tuple[int, int], most: int, drawn: str) -> None:
    assert bar(((parts[0], "█"), (parts[1], "░")), most, 4) == drawn


def test_every_command_has_help_with_an_example() -> None:
    for command in (*history.commands.values(),):
        assert "Example: fsqueue history" in (command.help or "")


@pytest.mark.parametrize("by", ["group", "hour", "member"])
@pytest.mark.parametrize(("width", "parts"), [(80, 2), (200, 1)])
def test_a_report_is_taken_apart_where_the_terminal_is_narrow_and_no_figure_is_broken(
    state: Path, by: str, width: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "_console", lambda _: Console(file=io.StringIO(), width=width, no_color=True))
    lines = run(state, "report", "--by", by, *SPAN).stdout.splitlines()
    assert max(map(len, lines)) <= width
    totals = [line for line in lines if line.startswith("total")]
    assert len(totals) == parts
    told = "  ".join(totals).split("  ")
    whole = data(state, "report", "--by", by, *SPAN)["members" if by == "member" else "calls"]["total"]
    assert {"1:00", str(whole["answered"])} <= {word.strip() for word in told}


def test_an_hour_is_called_by_its_time_alone_where_all_are_of_one_day(state: Path) -> None:
    lines = run(state, "report", "--by", "hour", *SPAN).stdout.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["00:00", "01:00"]
    lines = run(state, "report", "--by", "hour", "--since", "2026-09-20", *SPAN[2:]).stdout.splitlines()
    assert lines[1].startswith("2026-09-20 00:00  ")
