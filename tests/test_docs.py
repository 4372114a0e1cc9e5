"""The documentation: its links lead somewhere, its examples are right, its generated pages are current."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import click
import pytest
from fsqueue_cli.live_check import Thresholds
from fsqueue_cli.main import cli

from fsqueue.config.check import check_text, has_errors
from fsqueue.config.reference import reference
from fsqueue.control.reference import page as api_page

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

BASE = {
    "switches.main": 'host = "127.0.0.1"\npassword = "x"',
    "members.anna": 'dial = "user/1001@example.com"\nextension = "1001"',
    "members.jan": 'dial = "user/1002@example.com"\nextension = "1002"',
    "members.ola": 'dial = "user/1003@example.com"\nextension = "1003"',
    "groups.sales": 'members = ["anna"]',
    "groups.support": 'members = ["ola"]',
}
"""What an example may take for granted."""


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, text)
        for page in PAGES
        for found, text in BLOCK.findall(page.read_text(encoding="utf-8"))
        if found == language
    ]


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#{1,6} (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def plain(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_inner_links_lead_to_a_page_and_a_title(page: Path) -> None:
    for link in LINK.findall(plain(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = DOCS / name if name else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_menu_and_every_entry_of_the_menu_is_a_page() -> None:
    menu = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert sorted(menu) == [page.name for page in PAGES]


@pytest.mark.parametrize(("page", "text"), blocks("toml"))
def test_examples_of_configuration_are_right(page: str, text: str) -> None:
    known = tomllib.loads(text)
    for title, lines in BASE.items():
        table, key = title.split(".")
        if key not in known.get(table, {}):
            text += f"\n[{title}]\n{lines}\n"
    problems = check_text(text, page).problems
    assert not has_errors(problems), problems


@pytest.mark.parametrize(("page", "text"), blocks("xml"))
def test_examples_of_xml_are_well_formed(page: str, text: str) -> None:
    ET.fromstring(text)


def test_the_sample_menu_leads_to_extensions_of_the_sample_configuration() -> None:
    text = (ROOT / "dialplan" / "sample-ivr.xml").read_text(encoding="utf-8")
    sample = tomllib.loads((ROOT / "conf" / "fsqueue.toml").read_text(encoding="utf-8"))
    groups = {group["extension"] for group in sample["groups"].values()}
    dialled = set(
        re.findall(r"transfer (\d+) XML", "\n".join(ET.tostring(one).decode() for one in ET.fromstring(text)))
    )
    assert dialled
    assert dialled <= groups


def commands_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"(sudo \S+ |fsqueue )", line)]


COMMANDS = sorted(
    {(page, line) for page, text in blocks("sh") for line in commands_in(text)}
    | {(page.name, line) for page in PAGES for line in re.findall(r"`(fsqueue [a-z][^`\n]*)`", plain(page))}
)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_commands_are_ones_that_there_are(page: str, line: str) -> None:
    """Each is parsed as the command line parses it; nothing is carried out."""
    if "systemctl" in line or "journalctl" in line:
        return
    words = shlex.split(line.replace('"$(command -v fsqueue)"', "fsqueue"))
    words = words[words.index("fsqueue") + 1 :]
    words = words[: words.index(">")] if ">" in words else words
    command: click.Command = cli
    context = click.Context(cli, info_name="fsqueue")
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, line
        command, words = found, words[1:]
        context = click.Context(command, parent=context, info_name=command.name)
    # Prose names a command without its arguments, so what is missing is no fault, but what is there must be known.
    context.resilient_parsing = True
    command.parse_args(context, words)


def test_the_settings_page_is_current() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == reference(), (
        "python -m fsqueue.config.reference > docs/settings.md"
    )


def test_the_page_on_the_api_is_current() -> None:
    assert (DOCS / "api.md").read_text(encoding="utf-8") == api_page(), (
        "python -m fsqueue.control.reference > docs/api.md"
    )


def test_the_thresholds_of_check_are_documented_as_they_are() -> None:
    text = (DOCS / "watching.md").read_text(encoding="utf-8")
    limits = Thresholds()
    for option, seconds in (
        ("--wait-warning", limits.wait_warning), ("--wait-critical", limits.wait_critical), ("--nobody", limits.nobody),
    ):  # fmt: skip
        assert re.search(rf"for {seconds:g} seconds .*`{option}`", text), option


def test_no_page_has_two_titles_of_one_anchor() -> None:
    for page in (one for one in PAGES if one.name not in ("cli.md", "state-diagrams.md")):
        titles = re.findall(r"^#{1,6} (.+)$", plain(page), re.M)
        assert len(titles) == len(set(titles)), page.name
