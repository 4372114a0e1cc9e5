"""A list in a TOML text, item by item: who is moved takes his comment along, and the layout stays."""

import re
import tomllib
from dataclasses import dataclass, replace

from fsqueue.config.positions import Kind, nodes_of
from fsqueue.config.problems import Path
from fsqueue.config.surgery import end_of_line, toml_value

_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_TAIL = re.compile(r"[ \t]*#[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Item:
    """`lead` is the space (and comments) before it, `gap` that before its comma, `tail` a comment ending its line."""

    lead: str
    value: str
    gap: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list as it is written: a comment on its first line, its items, whether a comma ends the last one, the rest."""

    head: str
    items: tuple[Item, ...]
    comma: bool
    rest: str
    eol: str

    @property
    def spread(self) -> bool:
        """Whether it goes over several lines."""
        return "\n" in self.rest or any("\n" in item.lead for item in self.items)

    def text(self) -> str:
        """The list as TOML."""
        parts = []
        commented = bool(self.head)
        for place, item in enumerate(self.items):
            if commented and "\n" not in item.lead:  # it stood on a line with others, and would be part of the comment
                parts.append(self.eol)
            commented = bool(item.tail)
            comma = "," if self.comma or place < len(self.items) - 1 else ""
            parts.append(f"{item.lead}{item.value}{item.gap}{comma}{item.tail}")
        return f"[{self.head}{''.join(parts)}{self.rest}]"


def rewrite(text: str, path: Path, wanted: tuple[str, ...]) -> str:
    """Make the list at `path`, which must stand in `text`, hold these texts in this order."""
    node = next(node for node in nodes_of(text) if node.kind is not Kind.HEADER and node.path == path)
    values = [item for item in nodes_of(text) if item.kind is Kind.ITEM and item.path[:-1] == path]
    listing = _read(text, node.value, node.end, [(item.value, item.end) for item in values])
    return text[: node.value] + _arrange(listing, wanted).text() + text[node.end :]


def _read(text: str, start: int, end: int, places: list[tuple[int, int]]) -> Listing:
    items: list[Item] = []
    comma = False
    head = _match(_TAIL, text, start + 1)
    at = start + 1 + len(head)
    for first, last in places:
        lead, value = text[at:first], text[first:last]
        gap = _match(_GAP, text, last)
        comma = text.startswith(",", last + len(gap))
        at = last + len(gap) + 1 if comma else last
        tail = _match(_TAIL, text, at)
        at += len(tail)
        items.append(Item(lead, value, gap if comma else "", tail))
    return Listing(head, tuple(items), comma, text[at : end - 1], end_of_line(text))


def _match(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found.group() if found is not None else ""


def _arrange(listing: Listing, wanted: tuple[str, ...]) -> Listing:
    kept = {_content(item.value): item for item in listing.items}
    items = [kept.get(text) or Item(_new_lead(listing), toml_value(text)) for text in wanted]
    if not listing.spread:
        first = listing.items[0].lead if listing.items else ""
        items = [replace(item, lead=" " if place else first) for place, item in enumerate(items)]
        return replace(listing, items=tuple(items), comma=listing.comma and bool(items))
    orphans = "".join(_comments(item.lead) for text, item in kept.items() if text not in wanted)
    rest = orphans + (listing.rest if "\n" in listing.rest else f"{listing.eol}{listing.rest}")
    if not listing.items:  # comments alone: who comes stands below them
        items = [
            replace(item, lead=("" if place else listing.rest.rstrip()) + item.lead) for place, item in enumerate(items)
        ]
        rest = listing.eol if items else listing.rest
    # A comment on the last line would swallow a comma that is added later, so it stands there from the start.
    comma = listing.comma or not listing.items or any(item.tail for item in items)
    return replace(listing, items=tuple(items), comma=comma and bool(items), rest=rest)


def _content(value: str) -> str:
    """The text that a written item means."""
    return str(tomllib.loads(f"item = {value}")["item"])


def _comments(lead: str) -> str:
    """The comment lines above an item that goes: they may be a heading for others, so they stay."""
    return lead.rstrip(" \t\r\n") if "#" in lead else ""


def _new_lead(listing: Listing) -> str:
    if not listing.spread:
        return " "
    last = listing.items[-1].lead if listing.items else ""
    return listing.eol + (last.rpartition("\n")[2] if "\n" in last else "    ")
