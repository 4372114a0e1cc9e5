"""The JSON Schema (draft 2020-12) of the configuration file, made from the table of settings.

`python -m fsqueue.config.schema` writes it to standard output.
"""

import json
import sys

from fsqueue.config.settings import (
    ACTIONS,
    CONTROL,
    STEP,
    STEP_MEANINGS,
    TABLES,
    ActionKeys,
    Form,
    Kind,
    Setting,
    Table,
)

Schema = dict[str, object]

TITLE = "fsqueue's configuration"


def json_schema() -> Schema:
    """The schema as JSON values; keys in the order of the table of settings."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": TITLE,
        "type": "object",
        "properties": {table.name: _keyed(table) if table.keyed else _table(table) for table in TABLES},
        "additionalProperties": False,
        "$defs": _definitions(),
    }


def _definitions() -> Schema:
    """Each way of writing a step, once for all the places where a step can stand."""
    variants = {name: _variant(kind, need) for name, kind, need in _ways()}
    waiting = [{"$ref": f"#/$defs/{name}"} for name in variants]
    going = [{"$ref": f"#/$defs/{name}"} for name, kind, _ in _ways() if kind.action != "wait"]
    return {**variants, "unanswered": {"oneOf": waiting}, "otherwise": {"oneOf": going}}


def _ways() -> list[tuple[str, ActionKeys, str | None]]:
    """Name, action, and the key that says where to, of each way of writing a step."""
    ways: list[tuple[str, ActionKeys, str | None]] = []
    for kind in ACTIONS:
        needs: tuple[str | None, ...] = kind.needs or (None,)
        ways += [(kind.action if len(needs) == 1 else f"{kind.action}-{need}", kind, need) for need in needs]
    return ways


def schema_text() -> str:
    """The schema as it stands in its file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _keyed(table: Table) -> Schema:
    schema: Schema = {"type": "object", "description": table.meaning, "additionalProperties": _table(table)}
    if table.key is not None:
        schema["propertyNames"] = {"pattern": table.key.pattern, "description": table.key.words}
    return schema


def _table(table: Table) -> Schema:
    properties = {setting.name: _setting(setting) for setting in table.settings}
    properties |= {occasion: _step(occasion) for occasion in table.steps}
    schema: Schema = {"type": "object", "description": table.meaning, "properties": properties}
    schema["additionalProperties"] = False
    required = [setting.name for setting in table.settings if setting.required]
    if required:
        schema["required"] = required
    for names in table.one_of:
        schema["oneOf"] = [{"required": [name]} for name in names]
    return schema


def _step(occasion: str) -> Schema:
    kind = "unanswered" if occasion == "unanswered" else "otherwise"
    return {"description": STEP_MEANINGS[occasion], "$ref": f"#/$defs/{kind}"}


def _variant(kind: ActionKeys, need: str | None) -> Schema:
    taken = [need, *kind.takes] if need is not None else list(kind.takes)
    if need == "member":
        taken = [name for name in taken if name not in ("key", "prompt")]  # only a number can be asked for one
    properties: dict[str, Schema] = {"action": {"const": kind.action, "description": kind.meaning}}
    properties |= {setting.name: _setting(setting) for setting in STEP.settings if setting.name in taken}
    variant: Schema = {
        "type": "object",
        "description": kind.meaning,
        "properties": properties,
        "required": ["action"] if need is None else ["action", need],
        "additionalProperties": False,
    }
    if {"key", "prompt"} <= set(taken):
        variant["dependentRequired"] = {"prompt": ["key"]}
    return variant


def _setting(setting: Setting) -> Schema:
    schema: Schema = {"description": _description(setting)}
    if setting.default is not None:
        schema["default"] = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    if setting.example:
        schema["examples"] = [[setting.example] if setting.kind is Kind.TEXTS else setting.example]
    if setting.kind is Kind.WHOLE:
        return schema | {"type": "integer", "minimum": setting.low, "maximum": setting.high}
    if setting.kind is Kind.FLAG:
        return schema | {"type": "boolean"}
    if setting.kind is Kind.TEXTS:
        return schema | {"type": "array", "uniqueItems": True, "items": _text(setting)}
    return schema | _text(setting)


def _description(setting: Setting) -> str:
    unit = f" In {setting.unit}." if setting.unit else ""
    default = f" Default: {setting.default_words}." if setting.default_words else ""
    return f"{setting.meaning}{unit}{default}"


def _text(setting: Setting) -> Schema:
    if setting.choices:
        return {"type": "string", "enum": list(setting.choices)}
    schema: Schema = {"type": "string", "minLength": setting.shortest, "maxLength": setting.longest}
    schema["pattern"] = rf"^(?!.*\$\{{)[^{CONTROL}]*$" if setting.expands else f"^[^{CONTROL}]*$"
    return schema if setting.form is None else schema | {"allOf": [_form(setting.form)]}


def _form(form: Form) -> Schema:
    return {"pattern": form.pattern, "description": form.words}


if __name__ == "__main__":
    sys.stdout.write(schema_text())
