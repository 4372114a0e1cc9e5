"""Whether a switch's dialplan is the one that our configuration makes, as `xml_locate dialplan context name X` shows it.

`xml_locate` asks as a call does, so it shows what files, mod_xml_curl or a database give, and what a reload really took.
What it prints is written anew by FreeSWITCH: comments are gone and blanks differ, so elements are compared, not text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from xml.etree import ElementTree as ET

import msgspec

from fsqueue.switch.dialplan import DialplanFacts, render, render_entry

ENTRY = "fsqueue-entry"

State = Literal["current", "outdated", "missing"]


class Element(msgspec.Struct, frozen=True):
    """An XML element without its text and comments, which mean nothing in a dialplan."""

    tag: str
    attributes: tuple[tuple[str, str], ...]
    children: tuple[Element, ...]

    def get(self, name: str) -> str:
        """Return an attribute; empty where there is none."""
        return dict(self.attributes).get(name, "")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Our lines in one entry context. `taken`: what an extension before them takes away, as (extension, what was dialled)."""

    state: State
    has_context: bool = True
    taken: tuple[tuple[str, str], ...] = ()


def read(text: str) -> Element | None:
    """Return what a switch printed, or None where it is no XML (``can't find anything``)."""
    start = text.find("<")
    if start < 0:
        return None
    try:
        # The switch is trusted with every call; that it could feed us a hostile document adds nothing.
        return _element(ET.fromstring(text[start:]))  # noqa: S314
    except ET.ParseError:
        return None


def context_state(facts: DialplanFacts, shown: str) -> State:
    """Tell whether *shown* is our own context as `facts` make it."""
    live = read(shown)
    if live is None or live.tag != "context":
        return "missing"
    wanted = read(render(facts))
    return "current" if wanted is not None and wanted.children == (live,) else "outdated"


def entry_state(facts: DialplanFacts, shown: str) -> Entry:
    """Look for our lines in *shown*, an entry context, and for what comes before them."""
    wanted = read(render_entry(facts))
    ours = wanted.children if wanted is not None else ()
    live = read(shown)
    if live is None or live.tag != "context":
        return Entry(state="current" if not ours else "missing", has_context=False)
    extensions = [child for child in live.children if child.tag == "extension"]
    places = [place for place, one in enumerate(extensions) if one.get("name") == ENTRY]
    if not places:
        return Entry(state="missing" if ours else "current")
    if [extensions[place] for place in places] != list(ours):
        return Entry(state="outdated")
    return Entry(state="current", taken=_taken(extensions[: places[0]], examples(facts)))


def answers(shown: str, extension: str) -> bool:
    """Whether some extension of the context *shown* takes a call for *extension*, as far as its number alone decides."""
    live = read(shown)
    return live is not None and any(_takes(one, extension) for one in live.children if one.tag == "extension")


def examples(facts: DialplanFacts) -> tuple[str, ...]:
    """Return what callers and members dial to reach us, one of each kind."""
    codes = (facts.pickup_code, *facts.codes) if facts.pickup_code else facts.codes
    return (*facts.numbers, *(number.removeprefix("+") for number in facts.numbers), *facts.extensions, *codes)


def _taken(before: Sequence[Element], dialled: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = [
        (one.get("name"), number)
        for one in before
        if one.get("continue") != "true"
        for number in dialled
        if _takes(one, number)
    ]
    return tuple(dict.fromkeys(found))


def _takes(extension: Element, dialled: str) -> bool:
    """Whether an extension's conditions on the number are all met by *dialled*; without such a condition nobody can tell."""
    expressions = [
        one.get("expression")
        for one in extension.children
        if one.tag == "condition" and one.get("field") in ("destination_number", "${destination_number}")
    ]
    return bool(expressions) and all(_matches(expression, dialled) for expression in expressions)


def _matches(expression: str, dialled: str) -> bool:
    try:
        return re.search(expression, dialled) is not None
    except re.error:  # PCRE knows more than Python
        return False


def _element(found: ET.Element) -> Element:
    return Element(found.tag, tuple(sorted(found.attrib.items())), tuple(_element(child) for child in found))
