"""The commands' reference in docs/ is made from the code, and is the one that the code makes."""

from __future__ import annotations

from pathlib import Path

from fsqueue_cli.main import cli
from fsqueue_cli.nouns import Verb
from fsqueue_cli.reference import commands, reference

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_reference_is_current() -> None:
    assert DOCS.read_text(encoding="utf-8") == reference(cli), "python -m fsqueue_cli.reference > docs/cli.md"


def test_every_command_says_how_it_can_end() -> None:
    assert [words for words, command in commands(cli) if not isinstance(command, Verb)] == []


def test_every_command_with_json_says_its_shape() -> None:
    for words, command in commands(cli):
        if any(param.name == "as_json" for param in command.params) and words != "fsqueue demo":
            assert isinstance(command, Verb)
            assert command.gives is not None, words
