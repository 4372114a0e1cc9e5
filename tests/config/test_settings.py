"""The table of settings, the typed model, the checks and the JSON Schema say the same."""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.config import model
from fsqueue.config.building import build
from fsqueue.config.check import check_text
from fsqueue.config.problems import Report
from fsqueue.config.schema import json_schema, schema_text
from fsqueue.config.settings import ACTIONS, STEP, TABLES, Kind, Setting, Table
from fsqueue.config.shape import check_shape
from tests.config.schema_rules import faults

CONF = Path(__file__).parents[2] / "conf"
STRUCTS: dict[str, type[msgspec.Struct]] = {
    "daemon": model.Daemon,
    "switches": model.Switch,
    "control": model.Control,
    "listen": model.Listen,
    "telephony": model.Telephony,
    "members": model.Member,
    "groups": model.Group,
    "numbers": model.Number,
}
FOLLOWS = {("members", "name"), ("groups", "name"), ("groups", "rings"), ("groups", "max_wait_seconds")}
SCHEMA = json_schema()


def shape_is_right(data: dict[str, Any]) -> bool:
    report = Report("x")
    build(check_shape(data, report))  # whatever is left must make a configuration
    return not report.problems()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_model_has_the_settings_with_their_defaults(table: Table) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(STRUCTS[table.name])}
    assert list(fields) == [
        *(s.name for s in sorted(table.settings, key=lambda s: list(fields).index(s.name))),
        *table.steps,
    ]
    for setting in table.settings:
        if setting.required or (table.name, setting.name) in FOLLOWS:
            continue
        assert fields[setting.name].default == setting.default, setting.name


def test_every_key_has_a_meaning_a_range_and_a_default_that_passes() -> None:
    for setting in [setting for table in (*TABLES, STEP) for setting in table.settings]:
        assert setting.meaning.endswith("."), setting.name
        assert setting.kind is not Kind.WHOLE or setting.low < setting.high, setting.name
        for value in (setting.default, setting.example):
            if value is not None and value != "" and setting.kind is Kind.TEXT:
                assert faults(SCHEMA, place(setting, value)) == [], setting.name


def test_every_key_of_a_step_belongs_to_an_action() -> None:
    used = {name for kind in ACTIONS for name in (*kind.needs, *kind.takes)}
    assert used | {"action"} == {setting.name for setting in STEP.settings}


def test_the_published_schema_is_the_one_that_the_settings_make() -> None:
    published = (CONF / "fsqueue.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(), "run python -m fsqueue.config.schema > conf/fsqueue.schema.json"


def test_the_sample_names_the_schema_and_is_valid_by_it() -> None:
    text = (CONF / "fsqueue.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema ./fsqueue.schema.json\n")
    assert faults(SCHEMA, tomllib.loads(text)) == []


STEPS = [f"{kind.action}" for kind in ACTIONS]


def home(setting: Setting) -> Table:
    return next(table for table in (*TABLES, STEP) if any(one is setting for one in table.settings))


def place(setting: Setting, value: object) -> dict[str, Any]:
    """A whole file that is right, but for what this value makes of it."""
    table = home(setting)
    base: dict[str, dict[str, Any]] = {
        "switches": {"host": "127.0.0.1", "password": "secret"},
        "members": {"dial": "user/1001@example.com"},
        "numbers": {"group": "sales"},
    }
    if table is STEP:
        return {"groups": {"sales": {"unanswered": step(setting, value)}}}
    row = dict(base.get(table.name, {}))
    if setting.name == "password_file":
        del row["password"]
    row[setting.name] = value
    key = "48221234567" if table.name == "numbers" else "sales"
    return {table.name: {key: row} if table.keyed else row}


def step(setting: Setting, value: object) -> dict[str, Any]:
    if setting.name == "action":
        return {"action": value}
    kind = next(kind for kind in ACTIONS if setting.name in (*kind.needs, *kind.takes))
    row: dict[str, Any] = {"action": kind.action}
    if kind.needs and setting.name not in kind.needs:
        row["number"] = "+48601234567"
        if setting.name == "prompt":
            row["key"] = "1"
    return row | {setting.name: value}


ALL = [setting for table in (*TABLES, STEP) for setting in table.settings]
tricky = st.sampled_from(
    [
        "", "a", "1001", "*8", "#", "+48221234567", "00", "anna", "Anna", "a" * 33, "x" * 201, "x" * 501, "0" * 17,
        "user/1001@example.com", "user/1001 &park()", "{a='b c'}user/1001", "sofia/gateway/p/{number}", "${x}/y",
        "1001@example.com", "1001@", "@example.com", "127.0.0.1:8084", "127.0.0.1:65536", "[::1]:1", "[::1]:0",
        "10.0.0.0/24", "/var/lib", "var/lib", "evenly", "to-all", "answer", "own", "caller", "USER_BUSY", "wait",
        "hangup", "group", "\n", "a\tb", "\x7f", "a\u202eb", "Żółć", "local_stream://jazz", "anna\n", "1\n",
    ]
)  # fmt: skip
texts = tricky | st.text(max_size=40)
wholes = st.integers(-200, 200) | st.sampled_from([3600, 3601, 65535, 65536, 86400, 86401, 100000, 100001, 10**30])
anything = (
    texts
    | wholes
    | st.booleans()
    | st.floats()
    | st.lists(texts | wholes, max_size=3)
    | st.just({})
    | st.just({"a": 1})
)


@given(st.sampled_from(ALL), anything)
def test_the_schema_and_the_check_agree_on_every_value(setting: Setting, value: object) -> None:
    data = place(setting, value)
    assert (faults(SCHEMA, data) == []) is shape_is_right(data)


@given(st.sampled_from(TABLES), texts, anything)
def test_the_schema_and_the_check_agree_on_every_key(table: Table, key: str, value: object) -> None:
    for data in ({key: value}, {table.name: {key: value}}, {table.name: {"sales": {key: value}}}):
        assert (faults(SCHEMA, data) == []) is shape_is_right(data)


@given(
    st.sampled_from(["unanswered", "offline", "full", "waited"]),
    st.dictionaries(st.sampled_from([setting.name for setting in STEP.settings]), anything, max_size=4),
    st.sampled_from(STEPS),
)
def test_the_schema_and_the_check_agree_on_every_step(occasion: str, keys: dict[str, object], action: str) -> None:
    good = {setting.name: setting.example or setting.default for setting in STEP.settings}
    for row in (
        keys,
        {**keys, "action": action},
        {name: good[name] or "USER_BUSY" for name in keys} | {"action": action},
    ):
        data = {"groups": {"sales": {occasion: row}}}
        assert (faults(SCHEMA, data) == []) is shape_is_right(data)


def write(value: object) -> str:
    """A JSON value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {write(item)}" for key, item in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


right = st.sampled_from(ALL).flatmap(
    lambda setting: st.tuples(
        st.just(setting),
        wholes if setting.kind is Kind.WHOLE else st.booleans() if setting.kind is Kind.FLAG else texts,
    )
)


@given(right)
def test_what_the_schema_takes_checks_but_for_what_it_refers_to(pair: tuple[Setting, object]) -> None:
    setting, value = pair
    data = place(setting, value)
    if faults(SCHEMA, data):
        return
    data.setdefault("telephony", {}).setdefault("outbound", "sofia/gateway/p/{number}")
    data["telephony"].setdefault("caller_id_number", "1")
    data["telephony"].setdefault("domain", "example.com")
    data.setdefault("members", {}).setdefault(str(value) if setting.refers == "members" else "anna", {"dial": "user/9"})
    groups = data.setdefault("groups", {})
    groups.setdefault(str(value) if setting.refers == "groups" else "sales", {"members": []})
    text = "".join(f"{name} = {write(table)}\n" for name, table in data.items())
    errors = [str(problem) for problem in check_text(text, "x").problems if problem.severity == "error"]
    # What a schema can't know: whether things fit together.
    known = ("would mean both", "in a circle", "in-order", "from other machines", "prefix 00", "telephony.context too")
    assert [error for error in errors if not any(words in error for words in known)] == []
