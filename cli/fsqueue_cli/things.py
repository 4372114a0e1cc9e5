"""Groups, members and numbers in a configuration's text: which there are, and changes of their keys."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from fsqueue.config import edit
from fsqueue.config.settings import Value
from fsqueue.engine.model import plain_number
from fsqueue_cli.files import no_such_thing


def ids(text: str, table: str) -> list[str]:
    """Return the ids in *table*, in the file's order."""
    return list(_things(text, table))


def need(text: str, table: str, key: str) -> None:
    """See that *key* is in *table*.

    Raises:
        NoSuchThingError: it isn't; what may have been meant is said.
    """
    if key not in (known := ids(text, table)):
        raise no_such_thing(edit.KINDS[table], key, known)


def number_in(text: str, number: str) -> str:
    """Return *number* as the file writes it: a leading + or 00 makes no difference.

    Raises:
        NoSuchThingError: it isn't there.
    """
    known = ids(text, "numbers")
    if number in known:
        return number
    for key in known:
        if plain_number(key) == plain_number(number):
            return key
    raise no_such_thing("number", number, known)


def set_keys(text: str, path: tuple[str, ...], values: Mapping[str, Value]) -> str:
    """Give keys of one thing their values."""
    for key, value in values.items():
        if _is_other(text, (*path, key), value):
            text = edit.set_value(text, (*path, key), value)
    return text


def unset_keys(text: str, path: tuple[str, ...], keys: Sequence[str]) -> str:
    """Take keys and steps of one thing out; what isn't set stays so."""
    for key in dict.fromkeys(keys):
        value = _value(text, (*path, key))
        if isinstance(value, dict):
            text = edit.unset_step(text, path[-1], key)
        elif value is not None:
            text = edit.unset_value(text, (*path, key))
    return text


def _is_other(text: str, path: tuple[str, ...], value: Value) -> bool:
    now = _value(text, path)
    wanted = list(value) if isinstance(value, tuple) else value
    return type(now) is not type(wanted) or now != wanted


def _value(text: str, path: tuple[str, ...]) -> Any:
    found: Any = _parse(text)
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _things(text: str, table: str) -> dict[str, Any]:
    things = _parse(text).get(table)
    return things if isinstance(things, dict) else {}


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise edit.TooUnusualError("the file is no valid TOML; fsqueue config check says where") from error
