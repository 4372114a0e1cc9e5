"""One command on a heavily commented file, and the exact diff that comes of it: nothing else in the file changes.

A golden file is the command (after a $), its exit code, and the unified diff between the file before and after it.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.cli.shell import COMMENTED, Shell

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.txt"))


def outcome(shell: Shell, command: str) -> str:
    result = shell.run(command)
    diff = difflib.unified_diff(COMMENTED.splitlines(), shell.read().splitlines(), "before", "after", n=1, lineterm="")
    return "\n".join([f"$ fsqueue {command}", f"exit {result.exit_code}", *diff, ""])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_command_changes_what_it_says_and_nothing_else(path: Path, shell: Shell) -> None:
    expected = path.read_text(encoding="utf-8")
    command = expected.partition("\n")[0].removeprefix("$ fsqueue ")
    assert outcome(shell, command) == expected


def test_each_editing_command_has_a_golden_file() -> None:
    words = [path.read_text(encoding="utf-8").split()[2:4] for path in GOLDEN]
    for noun, verbs in {
        "group": ("add", "set", "rename", "remove"),
        "member": ("add", "set", "rename", "remove", "join", "leave", "move"),
        "number": ("add", "set", "remove"),
        "pickup": ("code", "allow", "forbid"),
    }.items():
        for verb in verbs:
            assert [noun, verb] in words
