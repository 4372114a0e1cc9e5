"""Changes to a configuration, from text to text: what a command of the command line does to the file.

Each function says in data what should come of it and proves, by parsing the result, that exactly this came; a layout
too unusual for that is left to a person (`TooUnusualError`). Whether the new configuration is a right one is for
`check.check_text` to say.
"""

import copy
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from fsqueue.config import lists, surgery
from fsqueue.config.problems import Path, written
from fsqueue.config.settings import Value

Data = dict[str, Any]
KINDS = {"groups": "group", "members": "member", "numbers": "number", "switches": "switch"}


class EditError(Exception):
    """A change that can't be made; the text is as it was. The message is one line for people."""


class NoSuchThingError(EditError):
    """What should be changed isn't there."""


class AlreadyThereError(EditError):
    """What should be added, or be a new name, is there already."""


class StillReferredError(EditError):
    """What should be removed is named elsewhere; `references` are those places."""

    def __init__(self, message: str, references: tuple[Path, ...]) -> None:
        super().__init__(message)
        self.references = references


class TooUnusualError(EditError):
    """The file is no TOML, or written in a way in which this change can't be made safely."""


def set_value(text: str, path: tuple[str, ...], value: Value) -> str:
    """Give one key its value, such as ("groups", "sales", "rings") 6. Things must be there, single tables need not."""

    def mean(data: Data) -> None:
        _table(data, path[:-1])[path[-1]] = _plain(value)

    if isinstance(value, tuple) and isinstance(_find(_parse(text), path), list):
        return _proved(text, lists.rewrite(text, path, value), mean)
    return _proved(text, surgery.put(text, path, surgery.toml_value(value)), mean)


def unset_value(text: str, path: tuple[str, ...]) -> str:
    """Take one key out, so that it has its default. NoSuchThingError where it isn't set."""

    def mean(data: Data) -> None:
        if path[-1] not in _table(data, path[:-1]):
            raise NoSuchThingError(f"{written(path)} is not set")
        del _table(data, path[:-1])[path[-1]]

    return _proved(text, surgery.take(text, path), mean)


def add(text: str, table: str, key: str, values: Mapping[str, Value]) -> str:
    """Add a group, member, number or switch with these values, after the last of its kind. AlreadyThereError if it is."""

    def mean(data: Data) -> None:
        if key in data.setdefault(table, {}):
            raise AlreadyThereError(f"there is a {KINDS[table]} {key} already")
        data[table][key] = {name: _plain(value) for name, value in values.items()}

    pairs = {name: surgery.toml_value(value) for name, value in values.items()}
    return _proved(text, surgery.put_table(text, (table, key), pairs), mean)


def remove(text: str, table: str, key: str) -> str:
    """Remove a thing that nothing refers to. NoSuchThingError, StillReferredError."""
    found = references(text, table, key)
    if found:
        places = ", ".join(written(path) for path in found)
        raise StillReferredError(f"the {KINDS[table]} {key} is still in use: {places}", found)

    def mean(data: Data) -> None:
        del _thing(data, table, key)[key]

    return _proved(text, surgery.take(text, (table, key)), mean)


def remove_with_references(text: str, table: str, key: str) -> str:
    """Remove a thing and all that refers to it: places in lists, steps that lead to it, numbers of a group."""
    # Each removal moves the places of the rest in a list, so they are looked up anew.
    while found := references(text, table, key):
        text = _drop(text, found[0], key)
    return remove(text, table, key)


def _drop(text: str, path: Path, key: str) -> str:
    table, owner, name = str(path[0]), str(path[1]), str(path[2])
    if table == "numbers":
        return remove(text, table, owner)
    return leave(text, owner, key) if name == "members" else unset_step(text, owner, name)


def rename(text: str, table: str, old: str, new: str) -> str:
    """Give a thing another id, everywhere. NoSuchThingError, AlreadyThereError; unchanged where both are the same."""
    if new == old:
        _thing(_parse(text), table, old)
        return text
    paths = references(text, table, old)

    def mean(data: Data) -> None:
        things = _thing(data, table, old)
        if new in things:
            raise AlreadyThereError(f"there is a {KINDS[table]} {new} already")
        data[table] = {new if key == old else key: thing for key, thing in things.items()}
        for path in paths:
            moved = tuple(
                new if path[0] == table and place == 1 and part == old else part for place, part in enumerate(path)
            )
            _find(data, moved[:-1])[moved[-1]] = new

    return _proved(text, surgery.rename(surgery.replace_values(text, paths, new), (table, old), new), mean)


def references(text: str, table: str, key: str) -> tuple[Path, ...]:
    """Where else a group or member is named, in the file's order. NoSuchThingError where it isn't there."""
    data = _parse(text)
    _thing(data, table, key)
    found: list[Path] = []
    for group, entry in _dicts(data.get("groups")):
        if table == "members":
            found += [
                ("groups", group, "members", at) for at, name in enumerate(_texts(entry.get("members"))) if name == key
            ]
        for occasion, step in _dicts(entry):
            name = KINDS[table]
            if step.get("action") in {"forward", "group"} and step.get(name) == key:
                found.append(("groups", group, occasion, name))
    if table == "groups":
        found += [
            ("numbers", number, "group") for number, entry in _dicts(data.get("numbers")) if entry.get("group") == key
        ]
    return tuple(found)


def set_step(text: str, group: str, occasion: str, values: Mapping[str, Value]) -> str:
    """Make a group's step (`unanswered`, `offline`, `full`, `waited`) exactly this."""

    def mean(data: Data) -> None:
        _thing(data, "groups", group)[group][occasion] = {name: _plain(value) for name, value in values.items()}

    path = ("groups", group, occasion)
    now = _find(_thing(_parse(text), "groups", group)[group], (occasion,))
    if not isinstance(now, dict):
        pairs = {name: surgery.toml_value(value) for name, value in values.items()}
        return _proved(text, surgery.put_table(text, path, pairs), mean)
    changed = text
    for name, value in values.items():
        if now.get(name) != value:
            changed = surgery.put(changed, (*path, name), surgery.toml_value(value))
    for name in now:
        if name not in values:
            changed = surgery.take(changed, (*path, name))
    return _proved(text, changed, mean)


def unset_step(text: str, group: str, occasion: str) -> str:
    """Take a group's step out, so that it has its default. NoSuchThingError where it isn't set."""

    def mean(data: Data) -> None:
        entry = _thing(data, "groups", group)[group]
        if occasion not in entry:
            raise NoSuchThingError(f"groups.{group}.{occasion} is not set")
        del entry[occasion]

    return _proved(text, surgery.take(text, ("groups", group, occasion)), mean)


def join(text: str, group: str, member: str) -> str:
    """Put a member at the end of a group's list; unchanged where he is in it."""
    now = _members(text, group)
    _thing(_parse(text), "members", member)
    return text if member in now else set_value(text, ("groups", group, "members"), (*now, member))


def leave(text: str, group: str, member: str) -> str:
    """Take a member out of a group's list. NoSuchThingError where he isn't in it."""
    now = _members(text, group)
    if member not in now:
        raise NoSuchThingError(f"{member} is not in the group {group}")
    return set_value(text, ("groups", group, "members"), tuple(name for name in now if name != member))


def move(text: str, group: str, member: str, position: int) -> str:
    """Put a member of a group at `position`, from 1; beyond the end is the end. NoSuchThingError where he isn't in it."""
    now = _members(text, group)
    if member not in now:
        raise NoSuchThingError(f"{member} is not in the group {group}")
    others = [name for name in now if name != member]
    others.insert(max(position - 1, 0), member)
    return text if tuple(others) == now else set_value(text, ("groups", group, "members"), tuple(others))


def _members(text: str, group: str) -> tuple[str, ...]:
    return tuple(_texts(_thing(_parse(text), "groups", group)[group].get("members")))


def _parse(text: str) -> Data:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise TooUnusualError("the file is no valid TOML; fsqueue config check says where") from error


def _proved(text: str, changed: str, mean: Callable[[Data], None]) -> str:
    """`changed`, when it means what `text` means after `mean`; which raises where that can't be."""
    wanted = copy.deepcopy(_parse(text))
    mean(wanted)
    try:
        result = tomllib.loads(changed)
    except (ValueError, RecursionError):
        result = {}
    if _bare(result) != _bare(wanted):
        raise TooUnusualError("the file is written in a way that this can't be changed in; change it by hand")
    return changed


def _bare(data: Data) -> Data:
    """The data without empty tables at the top: [groups] goes with the last group, and means nothing without."""
    return {name: value for name, value in data.items() if value != {}}


def _plain(value: Value) -> object:
    return list(value) if isinstance(value, tuple) else value


def _thing(data: Data, table: str, key: str) -> Data:
    """The table of things in which `key` is."""
    things = data.get(table)
    if not isinstance(things, dict) or not isinstance(things.get(key), dict):
        raise NoSuchThingError(f"there is no {KINDS[table]} {key}")
    return things


def _table(data: Data, path: tuple[str, ...]) -> Data:
    """The table at `path`: a thing must be there, a single table is made."""
    if len(path) == 1:
        single = data.setdefault(path[0], {})
        if not isinstance(single, dict):
            raise TooUnusualError(f"{path[0]} is no table; change it by hand")
        return single
    thing: Data = _thing(data, path[0], path[1])[path[1]]
    return thing


def _find(data: Any, path: Path) -> Any:
    for part in path:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def _dicts(value: object) -> list[tuple[str, Data]]:
    return [(key, item) for key, item in value.items() if isinstance(item, dict)] if isinstance(value, dict) else []


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
