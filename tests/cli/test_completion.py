"""The shell completes names from the configuration, in whatever state that is, and quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete
from fsqueue_cli.main import cli

from tests.cli.shell import Shell


def offered(shell: Shell, monkeypatch: pytest.MonkeyPatch, *words: str) -> list[str]:
    monkeypatch.setenv("FSQUEUE_CONFIG", str(shell.file))
    *begun, incomplete = words
    complete = ShellComplete(cli, {}, "fsqueue", "_FSQUEUE_COMPLETE")
    return [item.value for item in complete.get_completions(begun, incomplete)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("group", "show", ""), ["sales", "support"]),
        (("group", "set", "sa"), ["sales"]),
        (("group", "remove", "sales", "--to", ""), ["sales", "support"]),
        (("group", "add", "new", "--member", "j"), ["jan"]),
        (("group", "add", "new", "--distribution", "e"), ["evenly"]),
        (("group", "set", "sales", "--unset", "ri"), ["rings"]),
        (("group", "set", "sales", "--unanswered", "f"), ["forward:"]),
        (("group", "set", "sales", "--unanswered", "forward:o"), ["forward:ola"]),
        (("group", "set", "sales", "--unanswered", "group:s"), ["group:sales", "group:support"]),
        (("group", "set", "sales", "--offline", "w"), []),
        (("member", "join", "ola", "sa"), ["sales"]),
        (("member", "move", "anna", "sal"), ["sales"]),
        (("number", "set", "+"), ["+48221234567"]),
        (("number", "add", "1", "--group", "sup"), ["support"]),
        (("pickup", "allow", "sa"), ["sales"]),
        (("config", "ch"), ["check"]),
    ],
)
def test_names_come_from_the_configuration(
    words: tuple[str, ...], names: list[str], shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered(shell, monkeypatch, *words) == names


def test_the_file_named_on_the_line_counts(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    other = shell.folder / "other.toml"
    other.write_text("[groups.elsewhere]\n", encoding="utf-8")
    assert offered(shell, monkeypatch, "group", "show", "--config", str(other), "") == ["elsewhere"]


@pytest.mark.parametrize("text", ["[groups.sales", "groups = 3", '[groups."\\u001b[31m"]\n', ""])
def test_a_broken_file_completes_nothing_and_says_nothing(
    text: str, shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.write(text)
    assert offered(shell, monkeypatch, "group", "show", "") == []
    shell.file.unlink()
    assert offered(shell, monkeypatch, "group", "show", "") == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(kind: str) -> None:
    from click.shell_completion import get_completion_class

    found = get_completion_class(kind)
    assert found is not None
    assert "_FSQUEUE_COMPLETE" in found(cli, {}, "fsqueue", "_FSQUEUE_COMPLETE").source_template % {
        "complete_func": "f", "complete_var": "_FSQUEUE_COMPLETE", "prog_name": "fsqueue",
    }  # fmt: skip


def test_the_command_line_loads_neither_gevent_nor_rich() -> None:
    """They take longer to load than a person waits for Tab."""
    code = "import sys, fsqueue_cli.main; print([name for name in ('gevent', 'rich', 'falcon') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
