"""What is printed: data on standard output alone, tables that fit, JSON of the documented shapes, colour on terminals only."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from fsqueue_cli import talk
from fsqueue_cli.exits import Exit
from fsqueue_cli.main import cli
from fsqueue_cli.nouns import Verb
from fsqueue_cli.reference import commands

from tests.cli.shell import COMMENTED, Shell

READING = [
    "group list",
    "group show sales",
    "member list",
    "member show anna",
    "number list",
    "pickup show",
    "config check",
    "config show",
    "dialplan show",
]
CHANGING = [
    "group add fresh",
    "group set sales --rings 4",
    "number remove +48221234567 --yes",
    "pickup code '*7' --dry-run",
]


def shape_of(line: str) -> type[msgspec.Struct]:
    known = {words.removeprefix("fsqueue "): command for words, command in commands(cli)}
    command = known[" ".join(line.split()[:2])]
    assert isinstance(command, Verb)
    assert command.gives is not None
    return command.gives


@pytest.mark.parametrize("line", [*READING, *CHANGING])
def test_json_is_of_the_shape_that_the_command_declares(line: str, shell: Shell) -> None:
    shell.file.chmod(0o600)
    result = shell.run(f"{line} --json")
    assert result.exit_code == Exit.DONE
    assert result.stderr == ""
    shape: Any = shape_of(line)
    found = msgspec.json.decode(result.stdout, type=shape)
    assert set(msgspec.json.decode(result.stdout)) == set(shape.__struct_fields__)
    assert isinstance(found, shape)


@pytest.mark.parametrize("line", READING)
def test_who_reads_is_given_data_and_no_talk(line: str, shell: Shell) -> None:
    shell.file.chmod(0o600)
    result = shell.run(line)
    assert result.exit_code == Exit.DONE
    assert (result.stderr == "") or line == "config check"
    assert (result.stdout != "") or line == "config check"


@pytest.mark.parametrize("line", [*READING, *CHANGING])
def test_there_is_no_colour_in_a_pipe_even_if_forced(line: str, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    result = shell.run(line)
    assert "\x1b" not in result.stdout + result.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variable", "value", "colour"), [("", "", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)]
)
def test_a_terminal_gets_colour_unless_somebody_objects(
    variable: str, value: str, colour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if variable:
        monkeypatch.setenv(variable, value)
    assert talk.coloured(Terminal()) == colour
    assert not talk.coloured(io.StringIO())


@pytest.mark.parametrize("width", [30, 40, 60, 80, 200])
def test_a_table_fits_the_terminal_and_loses_nothing(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    members = [f"m{number}" for number in range(20)]
    number = "+48221234567"
    talk.give_table(("GROUP", "NUMBER", "MEMBERS"), [("sales", number, " ".join(members))])
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert [word for word in (*members, number) if word not in terminal.getvalue().split()] == []


def test_in_a_pipe_each_row_is_one_line(shell: Shell) -> None:
    for number in range(20):
        shell.run(f"member add m{number} --dial user/2{number:03}@example.com")
        shell.run(f"member join m{number} sales")
    rows = shell.run("group list").stdout.splitlines()
    assert len(rows) == 3
    assert "m19" in rows[1]


def test_names_are_no_markup_and_no_escapes(shell: Shell) -> None:
    shell.run("member set anna --name", "[bold]A[/] :smile: \\[x]")
    assert "[bold]A[/] :smile: \\[x]" in shell.run("member list").stdout


@pytest.mark.parametrize("noun", ["group", "member", "number"])
def test_an_empty_list_is_no_table_and_says_what_to_do(noun: str, shell: Shell) -> None:
    shell.write("")
    result = shell.run(f"{noun} list")
    assert (result.exit_code, result.stdout) == (Exit.DONE, "")
    assert f"fsqueue {noun} add" in result.stderr


def test_help_has_a_consequence_and_an_example_for_each_command() -> None:
    for words, command in commands(cli):
        if words.split()[1] in {"group", "member", "number", "pickup", "config", "dialplan", "import"}:
            assert "Example: fsqueue" in (command.help or ""), words
            assert len((command.help or "").split("\n")[0]) > 20, words


def test_a_group_shown_tells_a_calls_way(shell: Shell) -> None:
    shell.run("group set sales --member anna --member jan --member ola --rings 4 --offline voicemail:1000@example.com")
    lines = shell.run("group show sales").stdout.splitlines()
    assert [line.strip() for line in lines[lines.index("A call:") + 1 :]] == [
        "from the start: rung 20 s each, one after another; whose turn was longest ago is rung first",
        "at once when all are away; while it waits, 5 s after the last one left: sent to the voicemail 1000@example.com",
        "when all were rung and nobody took it, after at most 2 min: sent on to the group support, with its place in line",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--unanswered wait --max-wait-seconds 600", "after at most 10 min: ended, and listed as missed"),
        ("--unanswered wait:/s/sorry.wav", "when all were rung and nobody took it: /s/sorry.wav is played, and waits on; all are rung again"),
        ("--distribution to-all --rings 6", "from the start: all who are free are rung at once for 30 s, for the first in line"),
        ("--max-waiting 3 --full hangup:USER_BUSY", "when 3 calls wait already: ended with USER_BUSY"),
        ("--max-wait-seconds 30", "after at most 30 s: sent on to the group support, with its place in line"),
        ("--member anna", "from the start: anna is rung for 20 s"),
        ("--waited forward:+48601,key=1 --max-wait-seconds 30", "after at most 30 s: forwarded to +48601, who presses 1 to take it; rung 30 s, then ended as missed"),
        ("--unset offline", "at once when all are away; while it waits, 5 s after the last one left: sent on to the group support, with its place in line"),
    ],
)  # fmt: skip
def test_each_setting_shows_in_a_calls_way(options: str, said: str, shell: Shell) -> None:
    assert shell.run(f"group set sales {options}").exit_code == Exit.DONE
    assert f"  {said}" in shell.run("group show sales").stdout.splitlines()


def test_the_file_stays_as_it_was_for_who_only_reads(shell: Shell) -> None:
    for line in READING:
        shell.run(line)
    assert shell.read() == COMMENTED
