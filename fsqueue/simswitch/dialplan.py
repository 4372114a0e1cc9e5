"""The part of FreeSWITCH's XML dialplan that fsqueue and a small site use: which actions a dialled extension leads to.

The embedded switch runs the same XML that is installed on a real one. Conditions are looked at when a call is routed, actions are
expanded when they are carried out, as on the switch.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Actions = list[tuple[str, str]]
"""Applications with their arguments, in order."""


@dataclass(frozen=True)
class Condition:
    """A field, what it must match, and what is done if it does or doesn't."""

    field: str
    expression: re.Pattern[str] | None
    actions: tuple[tuple[str, str], ...] = ()
    otherwise: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Extension:
    """Conditions that are looked at in order, up to the first that doesn't hold."""

    name: str
    conditions: tuple[Condition, ...]
    goes_on: bool = False


@dataclass
class Dialplan:
    """Contexts with their extensions, in the order they were included."""

    contexts: dict[str, list[Extension]] = field(default_factory=dict)

    def include(self, xml: str, context: str = "") -> None:
        """Add the extensions of `xml`: those inside a `<context>` to that one, others to `context`.

        Raises ValueError when the text is no XML, or an extension stands in no context.
        """
        try:
            root = ET.fromstring(xml)  # noqa: S314  (our own dialplan, not a stranger's)
        except ET.ParseError as problem:
            raise ValueError(f"no XML: {problem}") from problem
        for element in root if root.tag != "context" else [root]:
            if element.tag == "context":
                for one in element.iter("extension"):
                    self.contexts.setdefault(element.get("name", ""), []).append(_extension(one))
            elif element.tag == "extension":
                if not context:
                    raise ValueError(f"extension {element.get('name')} stands in no context")
                self.contexts.setdefault(context, []).append(_extension(element))

    def hunt(self, context: str, fields: Mapping[str, str], expand: Callable[[str], str]) -> Actions:
        """Return what a call is led to by its `fields` (destination_number …); empty if nothing matches."""
        actions: Actions = []
        for extension in self.contexts.get(context, ()):
            found, matched = _look(extension, fields, expand)
            actions.extend(found)
            if matched and not extension.goes_on:
                break
        return actions


def _look(extension: Extension, fields: Mapping[str, str], expand: Callable[[str], str]) -> tuple[Actions, bool]:
    """Return what an extension does for these fields, and whether all of its conditions held or one had an "otherwise"."""
    actions: Actions = []
    for condition in extension.conditions:
        match: re.Match[str] | None = None
        if condition.expression is not None:
            value = expand(condition.field) if "${" in condition.field else fields.get(condition.field, "")
            match = condition.expression.search(value)
            if match is None:
                actions.extend(condition.otherwise)
                return actions, bool(condition.otherwise)
        actions.extend((application, _groups(data, match)) for application, data in condition.actions)
    return actions, True


def _groups(data: str, match: re.Match[str] | None) -> str:
    if match is None:
        return data
    return re.sub(r"\$(\d)", lambda digit: _group(match, int(digit[1])), data)


def _group(match: re.Match[str], number: int) -> str:
    return (match.group(number) or "") if number <= match.re.groups else ""


def _extension(element: ET.Element) -> Extension:
    conditions = tuple(_condition(one) for one in element.iter("condition"))
    return Extension(element.get("name", ""), conditions, element.get("continue") == "true")


def _condition(element: ET.Element) -> Condition:
    expression = element.get("expression")
    return Condition(
        field=element.get("field", ""),
        expression=None if expression is None else re.compile(expression),
        actions=tuple((a.get("application", ""), a.get("data", "")) for a in element.iter("action")),
        otherwise=tuple((a.get("application", ""), a.get("data", "")) for a in element.iter("anti-action")),
    )


def inline(text: str) -> Actions:
    """Return the actions of an inline dialplan, `app:data,app:data` with an optional `m:X:` that names another separator than a comma.

    One pair of single quotes around the whole is taken off; a comma inside an argument splits it, as on the switch.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        text = text[1:-1]
    separator = ","
    if match := re.match(r"m:(.):", text):
        separator, text = match[1], text[match.end() :]
    pairs = (part.strip().partition(":") for part in text.split(separator))
    return [(application, data) for application, _, data in pairs if application]
