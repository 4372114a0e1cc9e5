"""Whatever is typed: a one-line error on standard error, the right exit code, and the file untouched.

Every argument and option of every command gets every kind of bad value; the commands are found by walking the tree.
"""

from __future__ import annotations

import contextlib

import click
import pytest
from fsqueue_cli.exits import Exit
from fsqueue_cli.main import cli
from fsqueue_cli.nouns import Verb
from fsqueue_cli.options import WholeType
from fsqueue_cli.reference import commands

from fsqueue.config.check import check_text
from tests.cli.shell import COMMENTED, Shell

GOOD: dict[str, list[str]] = {
    "group show": ["sales"],
    "group add": ["fresh"],
    "group set": ["sales"],
    "group rename": ["sales", "fresh"],
    "group remove": ["sales", "--cascade", "--yes"],
    "member show": ["jan"],
    "member add": ["fresh", "--dial", "user/1099@example.com"],
    "member set": ["jan"],
    "member rename": ["jan", "fresh"],
    "member remove": ["jan", "--cascade", "--yes"],
    "member join": ["ola", "sales"],
    "member leave": ["jan", "sales"],
    "member move": ["jan", "sales", "--position", "1"],
    "number add": ["+48999", "--group", "sales"],
    "number set": ["+48221234567"],
    "number remove": ["+48221234567", "--yes"],
    "pickup code": ["*7"],
    "pickup allow": ["sales"],
    "pickup forbid": ["sales"],
    "import": ["queues.conf"],
}
"""What a good command line has after the command's words; the arguments stand first."""

LONG = "x" * 10_000
BAD = {
    "long": LONG,
    "escape": "a\x1b[31mb",
    "line feed": "a\nb",
    "nul": "a\x00b",
    "half a character": "a\udc80b",
    "turned round": "a\u202eb",
    "empty": "",
}
ODD = {
    "quotes": "'\"",
    "too small": "-1000000",
    "too large": "1" + "0" * 30,
    "endless number": "9" * 5000,
    "no number": "seven",
    "unknown": "nobody",
    "braces": "${system(id)}",
    "option": "--",
    "spaces": "a b",
    "umlaut": "ä",
}

OWN = [
    (words.removeprefix("fsqueue "), command)
    for words, command in commands(cli)
    if isinstance(command, Verb)
    if words.split()[1] in {"group", "member", "number", "pickup", "config", "dialplan", "import"}
    if words.split()[-1] not in {"login", "logout", "pause", "resume"}
]
PLACES = [
    (words, command, param)
    for words, command in OWN
    for param in command.params
    if not (isinstance(param, click.Option) and param.is_flag)
]


def line(words: str, command: click.Command, param: click.Parameter, value: str) -> list[str]:
    """A good command line but for one value."""
    arguments = list(GOOD.get(words, []))
    if isinstance(param, click.Argument):
        place = [one for one in command.params if isinstance(one, click.Argument)].index(param)
        arguments[place] = value
        return [*words.split(), *arguments]
    return [*words.split(), *arguments, param.opts[0], value]


def spoken(shell: Shell, arguments: list[str]) -> tuple[int, str]:
    """Run it; whatever comes of it, the file checks, is untouched where it failed, and nothing harms a terminal."""
    (shell.folder / "queues.conf").write_text("[general]\n[q]\nmember => PJSIP/1001\n", encoding="utf-8")
    with contextlib.chdir(shell.folder):  # a --config such as `seven` begins a file of that name
        result = shell.run("", *arguments)
    assert check_text(shell.read(), "f").configuration is not None
    if result.exit_code != Exit.DONE:
        assert shell.read() == COMMENTED
        assert result.stderr.count("\n") == 1
        if arguments[:2] != ["config", "check"] or result.exit_code == Exit.USAGE:  # problems are what that one prints
            assert result.stdout == ""
            assert result.stderr.startswith("fsqueue: ")
        assert len(result.stderr) < 1300
    assert all(char.isprintable() or char == "\n" for char in result.stderr + result.stdout)
    return result.exit_code, result.stderr


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize(("words", "command", "param"), PLACES, ids=[f"{w} {p.name}" for w, _, p in PLACES])
def test_no_argument_takes_what_no_text_can_be(
    words: str, command: Verb, param: click.Parameter, bad: str, shell: Shell
) -> None:
    code, _ = spoken(shell, line(words, command, param, bad))
    if bad == "" and param.name == "prefix":
        assert code == Exit.DONE, "an empty prefix is none"
    else:
        assert code in {Exit.USAGE, Exit.NO_SUCH_THING, Exit.CONFIGURATION_INVALID}
        assert code in command.exits, "as the reference says"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize(("words", "command", "param"), PLACES, ids=[f"{w} {p.name}" for w, _, p in PLACES])
def test_whatever_an_argument_takes_the_file_checks(
    words: str, command: Verb, param: click.Parameter, odd: str, shell: Shell
) -> None:
    code, _ = spoken(shell, line(words, command, param, odd))
    assert code in command.exits, "as the reference says"
    if isinstance(param.type, WholeType):
        assert code == Exit.USAGE


def test_good_is_good(shell: Shell) -> None:
    """The lines above fail for the one value alone."""
    for words, arguments in GOOD.items():
        shell.write(COMMENTED)
        (shell.folder / "queues.conf").write_text("[q]\nmember => PJSIP/1001\n", encoding="utf-8")
        paths = [str(shell.folder / one) if one == "queues.conf" else one for one in arguments]
        assert shell.run("", *words.split(), *paths).exit_code == Exit.DONE, words


def test_every_command_with_arguments_is_tried() -> None:
    with_arguments = [words for words, command in OWN if any(isinstance(one, click.Argument) for one in command.params)]
    assert sorted(with_arguments) == sorted(GOOD)
    assert len(PLACES) > 100


@pytest.mark.parametrize(("words", "command"), OWN, ids=[words for words, _ in OWN])
def test_a_command_takes_no_unknown_option_and_no_further_argument(
    words: str, command: click.Command, shell: Shell
) -> None:
    assert spoken(shell, [*words.split(), *GOOD.get(words, []), "--surprise"])[0] == Exit.USAGE
    if not any(one.nargs == -1 for one in command.params):
        code, error = spoken(shell, [*words.split(), *GOOD.get(words, []), LONG])
        assert code == Exit.USAGE
        assert "--help" in error
