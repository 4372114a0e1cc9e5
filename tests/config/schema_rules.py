"""As much of JSON Schema as our schema uses; a keyword that it doesn't know is an error, so none goes unheeded."""

import re
from collections.abc import Callable
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
}
SILENT = {"$schema", "$defs", "title", "description", "default", "examples", "additionalProperties"}


def faults(schema: dict[str, Any], value: Any, root: dict[str, Any] | None = None) -> list[str]:
    """What the schema finds wrong with a value."""
    root = root or schema
    found: list[str] = []
    for word, rule in schema.items():
        if word not in SILENT and not RULES[word](rule, value, root):
            found.append(f"{word}: {value!r}")
    if isinstance(value, dict) and "additionalProperties" in schema:
        extra = [key for key in value if key not in schema.get("properties", {})]
        rule = schema["additionalProperties"]
        found += [f"{key}: not known" if rule is False else f for key in extra for f in inner(rule, value[key], root)]
    return found


def inner(rule: Any, value: Any, root: dict[str, Any]) -> list[str]:
    return ["not known"] if rule is False else faults(rule, value, root)


def is_of_type(name: str, value: Any, _: dict[str, Any]) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def reference(name: str, value: Any, root: dict[str, Any]) -> bool:
    target: Any = root
    for part in name.removeprefix("#/").split("/"):
        target = target[part]
    return not faults(target, value, root)


def properties(rules: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(
        not faults(rule, value[name], root) for name, rule in rules.items() if name in value
    )


def unique(_: bool, value: Any, __: dict[str, Any]) -> bool:
    return not isinstance(value, list) or all(item not in value[:place] for place, item in enumerate(value))


RULES: dict[str, Callable[[Any, Any, dict[str, Any]], bool]] = {
    "type": is_of_type,
    "$ref": reference,
    "properties": properties,
    "uniqueItems": unique,
    "const": lambda rule, value, _: bool(value == rule),
    "enum": lambda rule, value, _: value in rule,
    "required": lambda rule, value, _: not isinstance(value, dict) or all(name in value for name in rule),
    "dependentRequired": lambda rule, value, _: (
        not isinstance(value, dict) or all(need in value for name in rule if name in value for need in rule[name])
    ),
    "propertyNames": lambda rule, value, root: (
        not isinstance(value, dict) or all(not faults(rule, k, root) for k in value)
    ),
    "items": lambda rule, value, root: (
        not isinstance(value, list) or all(not faults(rule, item, root) for item in value)
    ),
    "oneOf": lambda rule, value, root: sum(not faults(one, value, root) for one in rule) == 1,
    "allOf": lambda rule, value, root: all(not faults(one, value, root) for one in rule),
    "pattern": lambda rule, value, _: not isinstance(value, str) or re.search(ecma(rule), value) is not None,
    "minLength": lambda rule, value, _: not isinstance(value, str) or len(value) >= rule,
    "maxLength": lambda rule, value, _: not isinstance(value, str) or len(value) <= rule,
    "minimum": lambda rule, value, _: not isinstance(value, int) or value >= rule,
    "maximum": lambda rule, value, _: not isinstance(value, int) or value <= rule,
}


def ecma(pattern: str) -> str:
    """ECMAScript's `$` ends the text; Python's also stands before a last line feed."""
    return pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern
