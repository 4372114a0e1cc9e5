"""What scripts/startpage carries out is what the start page shows: here without a FreeSWITCH, as far as that goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.pages import Block, blocks
from scripts.startpage import CALLED, OWN, PAGE, STAYS, commands

SHELL = [block for block in blocks(PAGE) if block.language == "sh"]
ALL = [command for block in SHELL for command in block.commands()]


def test_every_block_of_the_page_is_one_that_a_shell_can_be_given() -> None:
    assert blocks(PAGE) == SHELL
    assert all(block.commands() for block in SHELL)


def test_one_command_goes_on_and_what_comes_after_it_begins_in_a_second_terminal() -> None:
    assert ALL.count(STAYS) == 1
    (staying,) = [block for block in SHELL if STAYS in block.commands()]
    assert staying.commands()[-1] == STAYS
    text = PAGE.read_text(encoding="utf-8")
    after = text[text.index(f"\n{STAYS}\n") :]
    assert "second terminal" in after[: after.index("```sh")]


def test_a_reader_has_his_own_words_for_some_of_the_pages() -> None:
    typed = [command for block in SHELL for command in commands(block, {"the password": "s3cret"})]
    assert set(OWN) == {"the password"}
    assert "echo 's3cret' > ~/fsqueue/esl-password" in typed
    assert not any("the password" in command for command in typed)


def test_what_is_dialled_at_the_end_is_the_extension_that_the_page_gave_to_a_group() -> None:
    assert any(command.startswith("fsqueue group add") and f"--extension {CALLED}" in command for command in ALL)
    assert f"Dial {CALLED}" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a \\\n  b\nc\n", ["a \\\n  b", "c"]),
        ("# why\n\na\n", ["a"]),
    ],
)
def test_a_block_is_its_commands(text: str, found: list[str]) -> None:
    assert Block("sh", 1, "", text).commands() == found


def test_blocks_know_their_language_line_and_title(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n\n```sh\n# no title\na\n```\n\n## Two\n\ntext\n\n```toml\nb = 1\n```\n")
    assert blocks(page) == [Block("sh", 3, "One", "# no title\na\n"), Block("toml", 12, "Two", "b = 1\n")]
