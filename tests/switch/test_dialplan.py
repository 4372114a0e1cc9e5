"""The dialplan that is rendered: what it says, what it refuses, and that the files in `dialplan/` are it."""

from __future__ import annotations

import re
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from fsqueue.config.reading import load
from fsqueue.facts import dialplan_facts
from fsqueue.switch.dialplan import DialplanFacts, render, render_document, render_entry, render_records

ROOT = Path(__file__).parents[2]

FACTS = DialplanFacts(
    owner="pbx",
    socket="127.0.0.1:9084",
    context="queues",
    numbers=("+48221234567",),
    extensions=("7001",),
    codes=("*41",),
)

REGENERATE = """dialplan/ is not what conf/fsqueue.toml renders to; write it anew:
python -c 'import tests.switch.test_dialplan as t; t.write_samples()'"""


def parsed(text: str) -> ET.Element:
    """What FreeSWITCH makes of an included file: lines with an include tag are dropped whole."""
    kept = [line for line in text.splitlines() if "<include>" not in line and "</include>" not in line]
    return ET.fromstring("<section>" + "\n".join(kept) + "</section>")


def actions(text: str, extension: str, kind: str = "action") -> list[tuple[str, str]]:
    found = parsed(text).find(f".//extension[@name='{extension}']")
    assert found is not None
    return [(one.attrib["application"], one.attrib["data"]) for one in found.iter(kind)]


def matches(text: str, extension: str, dialled: str) -> bool:
    found = parsed(text).find(f".//extension[@name='{extension}']/condition")
    assert found is not None
    return re.search(found.attrib["expression"], dialled) is not None


def samples() -> dict[str, str]:
    # The password's file is not there before fsqueue is installed, and the dialplan has no use for it.
    text = re.sub(r"^password_file = .*$", 'password = "x"', (ROOT / "conf" / "fsqueue.toml").read_text(), flags=re.M)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "fsqueue.toml").write_text(text)
        loaded = load(Path(folder) / "fsqueue.toml")
    configuration = loaded.configuration
    assert configuration is not None, "\n".join(map(str, loaded.problems))
    facts = dialplan_facts(configuration)
    return {"fsqueue.xml": render(facts), "fsqueue-entry.xml": render_entry(facts)}


def write_samples() -> None:
    for name, text in samples().items():
        (ROOT / "dialplan" / name).write_text(text)


@pytest.mark.parametrize("name", ["fsqueue.xml", "fsqueue-entry.xml"])
def test_the_files_that_are_shipped_are_what_the_sample_configuration_renders_to(name: str) -> None:
    assert (ROOT / "dialplan" / name).read_text() == samples()[name], REGENERATE


@pytest.mark.parametrize("dialled", ["+48221234567", "0048221234567", "48221234567", "7001"])
def test_a_number_and_an_extension_enter_however_they_are_dialled(dialled: str) -> None:
    assert matches(render_entry(FACTS), "fsqueue-entry", dialled)
    assert matches(render(FACTS), "fsqueue-arrival", dialled)


@pytest.mark.parametrize(
    "dialled", ["48221234568", "748221234567", "70011", "17001", "x7001", "fsqueue-hold", "fsqueue-fallback"]
)
def test_nothing_else_enters(dialled: str) -> None:
    assert not matches(render_entry(FACTS), "fsqueue-entry", dialled)
    assert not matches(render(FACTS), "fsqueue-arrival", dialled)


@pytest.mark.parametrize(
    ("dialled", "taken"), [("*8", True), ("*81002", True), ("*41", True), ("*411", False), ("8", False), ("*9", False)]
)
def test_codes_are_taken_as_they_stand_and_the_pickup_code_with_an_extension(dialled: str, taken: bool) -> None:
    assert matches(render_entry(FACTS), "fsqueue-entry", dialled) is taken
    assert matches(render(FACTS), "fsqueue-code", dialled) is taken


def test_an_arrival_is_ours_and_has_its_way_out_before_the_socket_is_asked() -> None:
    applications = actions(render(FACTS), "fsqueue-arrival")
    before = applications[: applications.index(("socket", "127.0.0.1:9084 async full"))]
    (variables,) = [data.split() for application, data in before if application == "multiset"]
    assert "fsqueue_owner=pbx" in variables
    assert "fsqueue_arrival=${create_uuid()}" in variables
    assert ("sched_transfer", "+6 fsqueue-fallback XML queues") in before
    assert applications[-1] == ("transfer", "fsqueue-fallback XML queues")


PARKING = msgspec.structs.replace(FACTS, hand_over="park")


def test_a_parked_arrival_says_so_last_and_nothing_stands_behind_the_park() -> None:
    applications = actions(render(PARKING), "fsqueue-arrival")
    assert ("sched_transfer", "+6 fsqueue-fallback XML queues") in applications
    assert applications[-2:] == [("event", "Event-Name=CUSTOM,Event-Subclass=fsqueue::arrival"), ("park", "")]


def test_a_parked_code_ends_by_itself_when_nobody_takes_it() -> None:
    applications = actions(render(PARKING), "fsqueue-code")
    assert ("set", "park_timeout=6:NORMAL_TEMPORARY_FAILURE") in applications
    assert applications[-2:] == [("event", "Event-Name=CUSTOM,Event-Subclass=fsqueue::arrival"), ("park", "")]


@pytest.mark.parametrize(
    ("extension", "end"), [("fsqueue-arrival", "transfer"), ("fsqueue-code", "hangup")], ids=["call", "code"]
)
def test_without_a_lease_nobody_is_parked_for_a_daemon_that_is_down(extension: str, end: str) -> None:
    assert actions(render(PARKING), extension, "anti-action")[-1][0] == end
    conditions = [
        one.attrib["field"] for one in parsed(render(PARKING)).iterfind(f".//extension[@name='{extension}']/condition")
    ]
    assert "alive-pbx" in conditions[1]


def test_where_calls_are_parked_no_socket_is_opened() -> None:
    assert "socket" not in render(PARKING)


def test_on_a_code_nothing_is_scheduled_that_nobody_would_take_back() -> None:
    assert "sched_transfer" not in [application for application, _ in actions(render(FACTS), "fsqueue-code")]


def test_the_hold_takes_the_schedule_back_first_and_says_that_it_stands_before_the_music() -> None:
    applications = actions(render(FACTS), "fsqueue-hold")
    assert applications[0] == ("set", "fsqueue_unscheduled=${sched_del(${uuid})}")
    said = applications.index(("event", "Event-Name=CUSTOM,Event-Subclass=fsqueue::hold"))
    assert applications.index(("set", "transfer_after_bridge=fsqueue-hold:XML:queues")) < said
    assert said < applications.index(("playback", "${fsqueue_music}"))


def test_a_lap_of_unplayable_music_still_lasts_a_second() -> None:
    for extension in ("fsqueue-hold", "fsqueue-hold-default"):
        names = [application for application, _ in actions(render(FACTS), extension)]
        assert names.index("playback") < names.index("sleep") < names.index("transfer")


@pytest.mark.parametrize("extension", ["fsqueue-hold", "fsqueue-hold-default"])
def test_who_has_no_lease_or_no_time_left_goes_to_the_fallback_after_a_second_look(extension: str) -> None:
    first = actions(render(FACTS), extension, "anti-action")
    assert first[0] == ("set", "playback_timeout_sec=3")
    assert first[-1] == ("transfer", "fsqueue-hold-again XML queues")
    assert actions(render(FACTS), "fsqueue-hold-again") == [("transfer", "fsqueue-hold XML queues")]
    assert actions(render(FACTS), "fsqueue-hold-again", "anti-action")[-1] == (
        "transfer",
        "fsqueue-fallback XML queues",
    )


def test_the_fallback_undoes_what_would_fetch_the_caller_back() -> None:
    applications = actions(render(FACTS), "fsqueue-fallback")
    assert applications[0] == ("set", "fsqueue_unscheduled=${sched_del(${uuid})}")
    assert ("unset", "transfer_after_bridge") in applications
    assert applications[-1] == ("hangup", "NORMAL_TEMPORARY_FAILURE")


@pytest.mark.parametrize(("fallback", "target"), [("1000", "1000 XML default"), ("1000 XML night", "1000 XML night")])
def test_a_fallback_of_the_site_is_transferred_to(fallback: str, target: str) -> None:
    facts = DialplanFacts(fallback=fallback)
    assert actions(render(facts), "fsqueue-fallback")[-1] == ("transfer", target)


def test_a_hold_of_true_ringback_plays_nothing_since_that_would_be_early_media() -> None:
    names = [application for application, _ in actions(render(DialplanFacts(answer="ring_ready")), "fsqueue-hold")]
    assert "playback" not in names
    assert "sleep" in names


@pytest.mark.parametrize(
    "changed",
    [
        {"owner": "a b"},
        {"owner": "${system(id)}"},
        {"context": "a,b"},
        {"socket": "127.0.0.1:8084 async full"},
        {"numbers": ("48 22",)},
        {"numbers": ("${x}",)},
        {"extensions": ("7001|.*",)},
        {"codes": ("'",)},
        {"pickup_code": "*8<"},
        {"fallback": "1000 XML a b"},
        {"music": "a\nb"},
        {"music": ""},
        {"entry_contexts": ()},
        {"entry_contexts": ("fsqueue",)},
    ],
)
def test_what_could_be_more_than_data_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"dialplan|music|contexts"):
        DialplanFacts(**changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("music", ["${system(id)}", "$${system(id)}", 'a"b<c>&.wav'])
def test_music_is_text_that_neither_expands_nor_breaks_the_xml(music: str) -> None:
    text = render(DialplanFacts(music=music))
    played = next(data for name, data in actions(text, "fsqueue-hold-default") if name == "playback")
    assert played.replace("\\$", "$") == music
    assert not re.search(r"(?<!\\)\$\{", played)
    assert "$${" not in text


def test_dots_and_pluses_of_a_number_are_no_patterns() -> None:
    facts = DialplanFacts(numbers=("1.2",), extensions=("7+",))
    assert matches(render_entry(facts), "fsqueue-entry", "1.2")
    assert matches(render_entry(facts), "fsqueue-entry", "7+")
    assert not matches(render_entry(facts), "fsqueue-entry", "112")
    assert not matches(render_entry(facts), "fsqueue-entry", "77")


def test_include_tags_stand_on_lines_of_their_own() -> None:
    for text in (render(FACTS), render_entry(FACTS)):
        assert [line for line in text.splitlines() if "include>" in line] == ["<include>", "</include>"]


def canonical(element: ET.Element) -> str:
    return ET.canonicalize(ET.tostring(element, encoding="unicode"), strip_text=True)


def test_a_document_for_mod_xml_curl_is_our_context_whole() -> None:
    document = ET.fromstring(render_document(FACTS))
    assert (document.tag, document.get("type")) == ("document", "freeswitch/xml")
    (section,) = document
    assert (section.tag, section.get("name")) == ("section", "dialplan")
    assert [canonical(one) for one in section] == [canonical(one) for one in parsed(render(FACTS))]


def test_records_for_fusionpbx_hold_all_extensions_each_in_its_context() -> None:
    text = render_records(FACTS)
    found = re.findall(
        r"^<!-- Dialplan Manager, add: (.*?)\. Save.*?-->\n(.*?)(?=^<!-- Dialplan Manager|\Z)", text, re.M | re.S
    )
    heads = [dict(part.split(" ", 1) for part in head.split(", ") if " " in part) for head, _ in found]
    assert [(head["Name"], head["Context"]) for head in heads] == [
        ("fsqueue", "queues"), ("fsqueue-entry", "public"), ("fsqueue-entry", "default"),
    ]  # fmt: skip
    # Lower orders come first: the entry before whatever else the context has.
    assert {head["Order"] for head in heads[1:]} == {"10"}
    held = [[canonical(one) for one in ET.fromstring(f"<x>{xml}</x>")] for _, xml in found]
    assert held[0] == [canonical(one) for one in parsed(render(FACTS))[0]]
    assert held[1] == held[2] == [canonical(one) for one in parsed(render_entry(FACTS))]


def test_a_context_may_have_an_at_sign_as_fusionpbx_needs_it() -> None:
    text = render(DialplanFacts(context="fsqueue@queues", extensions=("7001",), fallback="9 XML a@b"))
    assert parsed(text)[0].get("name") == "fsqueue@queues"
    assert ("transfer", "9 XML a@b") in actions(text, "fsqueue-fallback")
