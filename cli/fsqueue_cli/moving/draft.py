"""A configuration in the making: what was understood of another program's, and a note on each thing that has no equal."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from fsqueue.config import edit
from fsqueue.config.problems import printable, shown
from fsqueue.config.settings import GROUPS, MEMBERS, STEP, TELEPHONY, Kind, Table, Value
from fsqueue.config.shape import text_fault
from fsqueue.config.surgery import toml_key, toml_value
from fsqueue_cli.begin import FIRST_TEXT

RING_SECONDS = 5
LONGEST_WAIT = 86_400
"""Seconds: the longest `max_wait_seconds`, for who had no limit."""

PLACEHOLDER_DOMAIN = "example.com"


class ImportFailedError(Exception):
    """The text isn't what it should be; the message is one line for people."""


@dataclass(slots=True)
class Entry:
    """A member or group: its keys, a group's steps, and the notes that stand above it."""

    table: Table
    id: str
    values: dict[str, Value] = field(default_factory=dict)
    steps: dict[str, dict[str, Value]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, key: str, value: Value, said: str) -> None:
        """Set a key; what the key can't take becomes a note. *said* is what the other program called it."""
        fault = _fault(self.table, key, value)
        if fault is None:
            self.values[key] = value
        else:
            self.note(f"{said}: {fault}")

    def note(self, text: str) -> None:
        """Remember what has no equal, once."""
        if text not in self.notes:
            self.notes.append(text)


@dataclass(slots=True)
class Draft:
    """The whole configuration. Members are known by what the other program called them."""

    source: str
    domain: str
    notes: list[str] = field(default_factory=list)
    telephony: dict[str, Value] = field(default_factory=dict)
    members: dict[str, Entry] = field(default_factory=dict)
    groups: dict[str, Entry] = field(default_factory=dict)

    def member(self, called: str, wanted: str) -> Entry:
        """Return the member the other program calls *called*, with an id like *wanted*; he is made the first time."""
        if called not in self.members:
            self.members[called] = Entry(MEMBERS, _free(wanted, self.members, "member"))
        return self.members[called]

    def group(self, called: str, wanted: str) -> Entry:
        """Return the group the other program calls *called*."""
        if called not in self.groups:
            self.groups[called] = Entry(GROUPS, _free(wanted, self.groups, "group"))
        return self.groups[called]

    def put(self, key: str, value: Value, said: str) -> None:
        """Set a key of [telephony]; what it can't take becomes a note."""
        fault = _fault(TELEPHONY, key, value)
        if fault is None:
            self.telephony[key] = value
        else:
            self.note(f"{said}: {fault}")

    def note(self, text: str) -> None:
        """Remember what has no equal, once."""
        if text not in self.notes:
            self.notes.append(text)

    def all_notes(self) -> tuple[str, ...]:
        """Return every note, with whom it is about."""
        about = [f"{entry.id}: {note}" for entry in self._entries() for note in entry.notes]
        return tuple(printable(note, 1000) for note in [*self.notes, *about])

    def toml(self) -> str:
        """Return the configuration with its notes as comments."""
        text = FIRST_TEXT
        for key, value in self.telephony.items():
            text = edit.set_value(text, ("telephony", key), value)
        text = "\n".join([*_comments([f"Made by fsqueue import from {self.source}.", *self.notes]), "", text])
        return text + "".join(f"\n{_block(entry)}" for entry in self._entries())

    def _entries(self) -> list[Entry]:
        return [*self.members.values(), *self.groups.values()]


def _block(entry: Entry) -> str:
    lines = [*_comments(entry.notes), f"[{entry.table.name}.{toml_key(entry.id)}]"]
    lines += [f"{key} = {toml_value(value)}" for key, value in entry.values.items()]
    for occasion, step in entry.steps.items():
        lines += ["", f"[{entry.table.name}.{toml_key(entry.id)}.{occasion}]"]
        lines += [f"{key} = {toml_value(value)}" for key, value in step.items()]
    return "\n".join(lines) + "\n"


def _comments(notes: list[str]) -> list[str]:
    return [f"# {printable(note, 1000)}" for note in notes]


def _fault(table: Table, key: str, value: Value) -> str | None:
    setting = table.setting(key)
    if setting is None:
        raise KeyError(key)
    if setting.kind is Kind.WHOLE and isinstance(value, int):
        if setting.low <= value <= setting.high:
            return None
        return f"{shown(value)} is out of the range from {setting.low} to {setting.high}; {key} has its default"
    texts = value if isinstance(value, tuple) else (value,)
    faults = [text_fault(setting, text) for text in texts if isinstance(text, str)]
    wrong = next((fault for fault in faults if fault is not None), None)
    return None if wrong is None else f"{wrong[0]}; {wrong[1]}"


def step_fault(key: str, text: str) -> str | None:
    """Return what is wrong with a text as a step's key, or None."""
    fault = text_fault(next(setting for setting in STEP.settings if setting.name == key), text)
    return None if fault is None else fault[0]


def _free(wanted: str, taken: dict[str, Entry], kind: str) -> str:
    """An id like *wanted* that nobody has."""
    slug = re.sub(r"[^a-z0-9_-]+", "-", wanted.lower()).strip("-_")[:28] or kind
    used = {entry.id: True for entry in taken.values()}
    found, number = slug, 2
    while found in used:
        found, number = f"{slug}-{number}", number + 1
    return found


def rings(seconds: int) -> int:
    """Return how many rings of five seconds last *seconds*, from 1 to 60."""
    return min(60, max(1, math.ceil(seconds / RING_SECONDS)))


def whole(text: str) -> int | None:
    """Return a whole number, or None."""
    return int(text) if re.fullmatch(r"\s*-?[0-9]{1,9}\s*", text) else None


def is_true(text: str) -> bool:
    """Whether a text says yes in one of the ways that configurations have."""
    return text.strip().lower() in {"true", "yes", "on", "1", "t", "y", "enabled"}
