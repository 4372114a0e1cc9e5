"""Which events a client is sent: what it asked for, and its filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fsqueue.simswitch.events import NAMES


@dataclass(frozen=True)
class Filter:
    """A header and what it must be: a value, or `/a regular expression/`; with `-` or `!` before the header, must not be."""

    header: str
    value: str
    negative: bool
    expression: re.Pattern[str] | None

    def matches(self, event: Mapping[str, str]) -> bool:
        """Whether the event has the header, and as wanted. Values are compared without regard to case, as the switch does it."""
        value = event.get(self.header)
        if value is None:
            return False
        if self.expression is not None:
            return self.expression.search(value) is not None
        return value.lower() == self.value.lower()


def make(header: str, value: str) -> Filter:
    """Return the filter of `filter HEADER VALUE`."""
    negative = header[:1] in "+-" and header.startswith("-")
    is_regex = len(value) > 1 and value[0] == "/" and "/" in value[1:]
    expression = re.compile(value[1 : value.rindex("/")]) if is_regex else None
    return Filter(header.lstrip("+-"), value, negative, expression)


@dataclass
class Subscription:
    """What one client listens for. Positive filters are alternatives, a negative one always wins, and any filter drops all the rest."""

    names: list[str] = field(default_factory=list)
    subclasses: list[str] = field(default_factory=list)
    filters: list[Filter] = field(default_factory=list)
    only_leg: str = ""
    plain: bool = False

    def add(self, words: list[str]) -> bool:
        """Listen for events by name, and after `CUSTOM` by subclass; return False if none of the words is an event."""
        good = False
        custom = False
        for word in words:
            if custom:
                self.subclasses.append(word)
            elif word.upper() == "CUSTOM":
                custom = good = True
            elif word.upper() in NAMES:
                self.names.append(word.upper())
                good = True
        return good

    def wants(self, event: Mapping[str, str]) -> bool:
        """Whether this client is sent this event."""
        name = event.get("Event-Name", "")
        if self.only_leg and event.get("Unique-ID") != self.only_leg:
            return False
        if name == "CUSTOM":
            if event.get("Event-Subclass", "") not in self.subclasses and "ALL" not in self.names:
                return False
        elif name not in self.names and "ALL" not in self.names:
            return False
        if not self.filters:
            return True
        if any(one.negative and one.matches(event) for one in self.filters):
            return False
        positive = [one for one in self.filters if not one.negative]
        return any(one.matches(event) for one in positive) or not positive
