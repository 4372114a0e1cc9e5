"""Putting the dialplan where FreeSWITCH reads it: nothing of others' is touched, and what doesn't take is put back."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fsqueue.dialplan_files import ENTRY, OWN, InstallError, elsewhere, folder_of, install, plan
from fsqueue.switch.dialplan import DialplanFacts, render
from fsqueue.switch.dialplan_source import Source

FACTS = DialplanFacts(extensions=("7001",), pickup_code="")


class Site:
    """A FreeSWITCH that reads `dialplan/*.xml`, and `NAME/*.xml` into the contexts NAME, at a reload."""

    def __init__(self, root: Path, contexts: tuple[str, ...] = ("public", "default")) -> None:
        self.folder = root / "dialplan"
        self.root = root
        self.before = ""
        self.contexts = contexts
        for context in contexts:
            (self.folder / context).mkdir(parents=True)
        self.force: dict[str, str] = {}
        self.reloads = 0
        self.reads_own = True
        self.reload()

    def reload(self) -> str:
        self.reloads += 1
        force = {
            context: f'<context name="{context}">{self.before}{self._all(self.folder / context)}</context>'
            for context in self.contexts
        }
        if self.reads_own:
            own = self._all(self.folder)
            try:
                found = ET.fromstring(f"<x>{own}</x>").find("context")
            except ET.ParseError:
                return "+OK [[error near line 7]: unexpected closing tag </include>]"
            if found is not None:
                force[found.get("name", "")] = ET.tostring(found).decode()
        self.force = force
        return "+OK [Success]"

    def _all(self, folder: Path) -> str:
        texts = [path.read_text() for path in sorted(folder.glob("*.xml"))]
        return "".join(text.replace("<include>", "").replace("</include>", "") for text in texts)

    def api(self, command: str) -> str:
        if command == "reloadxml":
            return self.reload()
        if command == "global_getvar conf_dir":
            return str(self.root)
        return self.force.get(command.removeprefix("xml_locate dialplan context name "), "can't find anything")

    def install(self, facts: DialplanFacts = FACTS) -> tuple[str, ...]:
        return install(plan(facts, self.folder), facts, self.api)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_folder_is_asked_for(site: Site) -> None:
    assert folder_of(site.api) == site.folder


@pytest.mark.parametrize("said", ["-ERR no reply", "/nowhere/at/all"])
def test_a_folder_that_is_not_on_this_machine_says_what_else_can_be_done(said: str) -> None:
    with pytest.raises(InstallError, match=r"--dir|dialplan show"):
        folder_of(lambda _: said)


def test_a_first_install_writes_our_context_and_the_lines_into_each_entry_context_and_is_proved(site: Site) -> None:
    assert site.install() == ()
    assert site.files() == sorted([OWN, f"public/{ENTRY}", f"default/{ENTRY}"])
    assert (site.folder / OWN).read_text() == render(FACTS)
    assert (site.folder / OWN).stat().st_mode & 0o777 == 0o644


def test_a_second_install_changes_nothing_and_proves_again(site: Site) -> None:
    site.install()
    found = plan(FACTS, site.folder)
    assert (found.changes, found.diff()) == ((), "")
    assert install(found, FACTS, site.api) == ()


def test_the_diff_shows_what_changes_and_nothing_is_written_by_it(site: Site) -> None:
    site.install()
    new = DialplanFacts(extensions=("7002",), pickup_code="")
    diff = plan(new, site.folder).diff()
    assert f"+++ {site.folder / OWN}" in diff
    assert any(line.startswith("-") and "7001" in line for line in diff.splitlines())
    assert (site.folder / OWN).read_text() == render(FACTS)


def test_lines_in_a_context_that_is_none_of_ours_any_more_are_removed(site: Site) -> None:
    site.install()
    site.install(DialplanFacts(entry_contexts=("public",), extensions=("7001",), pickup_code=""))
    assert site.files() == sorted([OWN, f"public/{ENTRY}"])


@pytest.mark.parametrize("name", [OWN, f"public/{ENTRY}"])
def test_a_file_of_somebody_elses_is_never_overwritten(site: Site, name: str) -> None:
    (site.folder / name).write_text("<include>\n</include>\n")
    with pytest.raises(InstallError, match="was not written by fsqueue"):
        site.install()
    assert site.files() == [name]


def test_a_symbolic_link_is_never_written_through(site: Site, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.xml").write_text(render(FACTS))
    (site.folder / OWN).symlink_to(tmp_path / "elsewhere.xml")
    with pytest.raises(InstallError, match="was not written by fsqueue"):
        site.install()


def test_other_peoples_files_of_our_entrys_name_elsewhere_stay(site: Site) -> None:
    (site.folder / "other").mkdir()
    (site.folder / "other" / ENTRY).write_text("<include>\n</include>\n")
    site.install()
    assert f"other/{ENTRY}" in site.files()


def test_xml_that_the_switch_does_not_take_leaves_every_file_as_it_was(site: Site) -> None:
    site.install()
    (site.folder / "broken.xml").write_text("<include>\n<context>\n</include>\n")
    before = site.reloads
    with pytest.raises(InstallError, match=r"error near line 7.*as they were before"):
        site.install(DialplanFacts(extensions=("7002",), pickup_code=""))
    assert (site.folder / OWN).read_text() == render(FACTS)
    assert site.reloads == before + 2


def test_a_folder_that_the_switch_does_not_read_is_left_as_it_was(site: Site) -> None:
    site.reads_own = False
    with pytest.raises(InstallError, match=r"mod_xml_curl or a database.*fsqueue doctor"):
        site.install()
    assert site.files() == []


def test_an_entry_context_without_a_folder_is_told_and_not_proved(tmp_path: Path) -> None:
    site = Site(tmp_path, contexts=("public",))
    found = plan(FACTS, site.folder)
    assert ["default" in note and "dialplan show --entry" in note for note in found.notes] == [True]
    assert install(found, FACTS, site.api) == ("FreeSWITCH has no context default; see telephony.entry_contexts",)


def test_what_takes_our_calls_first_is_told(site: Site) -> None:
    site.before = '<extension name="greedy"><condition field="destination_number" expression="^7"/></extension>'
    left = site.install()
    assert len(left) == 2
    assert all("greedy stands before fsqueue's and takes 7001" in line for line in left)


def test_the_other_way_in_changes_our_own_context_alone_and_back_again(site: Site) -> None:
    parking = DialplanFacts(extensions=("7001",), pickup_code="", hand_over="park")
    assert site.install() == ()
    for facts, way in ((parking, "park"), (FACTS, "socket")):
        assert [one.path.name for one in plan(facts, site.folder).changes] == [OWN]
        assert site.install(facts) == ()
        assert f'application="{way}"' in (site.folder / OWN).read_text()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (Source(kind="fusionpbx", where="app.lua xml_handler"), ("FusionPBX", "dialplan show --fusionpbx")),
        (Source(kind="xml_curl", where="http://pbx/x"), ("http://pbx/x", "dialplan show --document", "--dir")),
        (Source(kind="lua", where="mine.lua"), ("mine.lua", "dialplan show prints", "--dir")),
    ],
)
def test_where_it_is_in_no_file_it_is_said_what_to_put_where(source: Source, words: tuple[str, ...]) -> None:
    said = elsewhere(source, FACTS)
    assert said.startswith("nothing was written")
    assert all(word in said for word in (*words, "fsqueue doctor proves it"))
    assert "\n" not in said
