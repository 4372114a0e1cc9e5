"""Whether each table and key is a known one and its value of the right type, range and form.

What passes is handed on, what doesn't is reported and left out, so that the checks of `relations` can go on with the
rest and everything wrong is reported at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fsqueue.config.problems import Path, Report, all_of, nearest, one_of, shown
from fsqueue.config.settings import (
    ACTIONS,
    CONTROL,
    STEP,
    TABLES,
    ActionKeys,
    Form,
    Kind,
    Setting,
    Table,
    Value,
    action_keys,
)

_CONTROL = re.compile(f"[{CONTROL}]")


@dataclass(slots=True)
class Row:
    """One table of the file: its values, and a group's steps (None for one that is there but wrong)."""

    values: dict[str, Value] = field(default_factory=dict)
    steps: dict[str, "Row | None"] = field(default_factory=dict)


@dataclass(slots=True)
class Shaped:
    """What of the file has the right shape: the single tables, and those with one entry per thing."""

    single: dict[str, Row]
    keyed: dict[str, dict[str, Row]]


def check_shape(data: Mapping[str, object], report: Report) -> Shaped:
    """Check every table and key of a parsed file and return what is right."""
    known = {table.name: table for table in TABLES}
    for name, value in data.items():
        if name not in known:
            _unknown_table(name, value, report)
    shaped = Shaped({}, {})
    for table in TABLES:
        value = data.get(table.name, {})
        if table.keyed:
            shaped.keyed[table.name] = _keyed(table, value, report)
        else:
            shaped.single[table.name] = _row(table, value, (table.name,), f"[{table.name}]", report) or Row()
    return shaped


def _unknown_table(name: str, value: object, report: Report) -> None:
    if not isinstance(value, dict) and (home := _tables_with(name)):
        report.error((name,), "a key outside any table", f"it belongs in {one_of(home)}")
        return
    tables = [table.name for table in TABLES]
    meant = nearest(name, tables)
    remedy = f"did you mean [{meant}]?" if meant else f"the tables are {all_of(tables)}"
    report.error((name,), "unknown table" if isinstance(value, dict) else "unknown key", remedy)


def _keyed(table: Table, value: object, report: Report) -> dict[str, Row]:
    if not isinstance(value, dict):
        report.error((table.name,), f"is {_sort(value)}", f"write one table per thing, such as {heading(table)}")
        return {}
    rows = {}
    for key, entry in value.items():
        path = (table.name, key)
        if table.key is not None:
            _check_key(table.key, key, path, report)
        row = _row(table, entry, path, heading(table), report)
        if row is not None:
            rows[key] = row
    return rows


def _check_key(form: Form, key: str, path: Path, report: Report) -> None:
    if _CONTROL.search(key) or not re.search(form.pattern, key):
        report.error(path, f"{shown(key)} can't be used here", f"write {form.words}")


def heading(table: Table) -> str:
    """How the table stands in a file, as messages say it: [telephony], [groups.X]."""
    return f"[{table.name}.X]" if table.keyed else f"[{table.name}]"


def _row(table: Table, value: object, path: Path, head: str, report: Report) -> Row | None:
    if not isinstance(value, dict):
        report.error(path, f"is {_sort(value)}", f"must be a table: {head} with its keys below")
        return None
    row = Row()
    for name, item in value.items():
        setting = table.setting(name)
        if name in table.steps:
            row.steps[name] = _step(name, item, (*path, name), report)
        elif setting is None:
            _unknown_key(table, name, path, head, report)
        elif (good := check_value(setting, item, (*path, name), report)) is not None:
            row.values[name] = good
    _check_required(table, value, path, report)
    return row


def _unknown_key(table: Table, name: str, path: Path, head: str, report: Report) -> None:
    known = [*(setting.name for setting in table.settings), *table.steps]
    if home := _tables_with(name):
        remedy = f"it belongs in {one_of(home)}"
    elif meant := nearest(name, known):
        remedy = f"did you mean {meant}?"
    else:
        remedy = f"the keys of {head} are {', '.join(known)}"
    report.error((*path, name), "unknown key", remedy)


def _tables_with(name: str) -> list[str]:
    return [heading(table) for table in TABLES if table.setting(name) is not None or name in table.steps]


def _check_required(table: Table, value: Mapping[str, object], path: Path, report: Report) -> None:
    for setting in table.settings:
        if setting.required and setting.name not in value:
            report.error(path, f"has no {setting.name}", f"add {_example(setting)}")
    for names in table.one_of:
        given = [name for name in names if name in value]
        if not given:
            report.error(path, f"has no {one_of(names)}", "add one of the two")
        if len(given) > 1:
            report.error((*path, given[-1]), f"both {all_of(given)} are set", "keep one of the two")


def _example(setting: Setting) -> str:
    if setting.choices:
        return f"{setting.name} = {one_of([shown(choice) for choice in setting.choices])}"
    return f"{setting.name} = {shown(setting.example)}"


def _step(occasion: str, value: object, path: Path, report: Report) -> Row | None:
    row = _row(STEP, value, path, f"[groups.X.{occasion}]", report)
    if row is None or not isinstance(value, dict):
        return None
    action = row.values.get("action")
    if not isinstance(action, str):
        return None
    if action == "wait" and occasion != "unanswered":
        others = [kind.action for kind in ACTIONS if kind.action != "wait"]
        report.error((*path, "action"), f"a call can't wait in {occasion}", f"write {one_of(others)}")
        return None
    return row if _check_action(action_keys(action), value, row, path, report) else None


def _check_action(kind: ActionKeys, value: Mapping[str, object], row: Row, path: Path, report: Report) -> bool:
    """Report keys that the action needs and doesn't have, or has and can't use; say whether it has what it needs."""
    for name in value:
        if STEP.setting(name) is not None and name not in {"action", *kind.needs, *kind.takes}:
            users = one_of([other.action for other in ACTIONS if name in (*other.needs, *other.takes)])
            report.error(
                (*path, name),
                f"has no meaning with action = {shown(kind.action)}",
                f"leave it out, it goes with {users}",
            )
    given = [name for name in kind.needs if name in value]
    if kind.needs and not given:
        report.error(path, f"{kind.action} needs {one_of(kind.needs)}", f"add {one_of(_examples(kind.needs))}")
    if len(given) > 1:
        report.error((*path, given[-1]), f"both {all_of(given)} are set", "keep one of the two")
    if kind.action == "forward":
        _check_asking(value, path, report, to_member="member" in given)
    return not kind.needs or (len(given) == 1 and given[0] in row.values)


def _check_asking(value: Mapping[str, object], path: Path, report: Report, *, to_member: bool) -> None:
    if to_member:
        for name in ("key", "prompt"):
            if name in value:
                report.error(
                    (*path, name), "only a number can be asked for a key", "leave it out, or forward to a number"
                )
    elif "prompt" in value and "key" not in value:
        report.error((*path, "prompt"), "is played to nobody: no key is asked for", 'set key, such as key = "1"')


def _examples(names: tuple[str, ...]) -> list[str]:
    settings = [setting for setting in STEP.settings if setting.name in names]
    return [f"{setting.name} = {shown(setting.example)}" for setting in settings]


def check_value(setting: Setting, value: object, path: Path, report: Report) -> Value | None:
    """The value as it will be used (a list as a tuple), or None when it was reported as wrong."""
    flag = isinstance(value, bool)
    if setting.kind is Kind.FLAG and isinstance(value, bool):
        return value
    if setting.kind is Kind.WHOLE and isinstance(value, int) and not flag:
        return _whole(setting, value, path, report)
    if setting.kind is Kind.TEXT and isinstance(value, str):
        return _text(setting, value, path, report)
    if setting.kind is Kind.TEXTS and isinstance(value, list):
        return _texts(setting, value, path, report)
    _wrong_type(setting, value, path, report)
    return None


def _wrong_type(setting: Setting, value: object, path: Path, report: Report) -> None:
    given = f"is {_sort(value)}"
    if setting.kind is Kind.TEXT and isinstance(value, int) and not isinstance(value, bool):
        remedy = f"write it in quotes: {shown(shown(value))}"
    elif setting.kind is Kind.TEXTS and isinstance(value, str):
        remedy = f"write it as a list: [{shown(value)}]"
    elif setting.kind is Kind.WHOLE and isinstance(value, str) and value.isdecimal() and len(value) < 10:
        remedy = f"write it without quotes: {int(value)}"
    else:
        remedy = f"must be {setting.kind}{_range(setting)}"
    report.error(path, given, remedy)


def _whole(setting: Setting, value: int, path: Path, report: Report) -> int | None:
    if setting.low <= value <= setting.high:
        return value
    report.error(path, f"{shown(value)} is out of range", f"must be {setting.kind}{_range(setting)}")
    return None


def _range(setting: Setting) -> str:
    if setting.kind is not Kind.WHOLE:
        return ""
    return f" from {setting.low} to {setting.high}{' ' if setting.unit else ''}{setting.unit}"


def _texts(setting: Setting, value: list[object], path: Path, report: Report) -> tuple[str, ...]:
    good: list[str] = []
    seen: dict[str, bool] = {}
    for place, item in enumerate(value):
        here = (*path, place)
        if not isinstance(item, str):
            report.error(here, f"an item of the list is {_sort(item)}", "must be a text in quotes")
        elif seen.setdefault(item, False):
            report.error(here, f"{shown(item)} stands in the list twice", "keep one of the two")
        else:
            seen[item] = True
            if (text := _text(setting, item, here, report)) is not None:
                good.append(text)
    return tuple(good)


def _text(setting: Setting, value: str, path: Path, report: Report) -> str | None:
    fault = text_fault(setting, value)
    if fault is None:
        return value
    report.error(path, *fault)
    return None


def text_fault(setting: Setting, value: str) -> tuple[str, str] | None:
    """What is wrong with a text and what would be right, or None."""
    if (control := _CONTROL.search(value)) is not None:
        name = f"U+{ord(control.group()):04X}"
        return f"{shown(value)} contains the control character {name}", "take it out; texts are of one line"
    if setting.expands and "${" in value:
        return f"{shown(value)} contains ${{, which FreeSWITCH would expand", "write the value itself"
    if len(value) > setting.longest:
        return f"is {len(value)} characters long", f"must be at most {setting.longest}"
    if len(value) < setting.shortest:
        return "is empty", f"must be {_wanted(setting)}" if setting.required else "write a value, or leave the key out"
    if setting.choices and value not in setting.choices:
        meant = nearest(value, [choice.lower() for choice in setting.choices])
        words = f"must be {one_of([shown(choice) for choice in setting.choices])}"
        right = next((choice for choice in setting.choices if choice.lower() == meant), None)
        return f"{shown(value)} is not known", f"did you mean {shown(right)}?" if right else words
    if setting.form is not None and not re.search(setting.form.pattern, value):
        return f"{shown(value)} can't be used", f"must be {_wanted(setting)}"
    return None


def _wanted(setting: Setting) -> str:
    return setting.form.words if setting.form is not None else str(setting.kind)


def _sort(value: object) -> str:
    """What sort of TOML value this is, with the value where it is short."""
    if isinstance(value, bool):
        return f"{shown(value)}"
    if isinstance(value, int):
        return f"the whole number {shown(value)}"
    if isinstance(value, float):
        return f"the decimal number {shown(value)}"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else "a date or time"
