"""Where in a TOML file each key, table and list item stands.

Python's TOML parser gives values without places, so this walks over a text that the parser has already accepted and
notes where things begin and end: their lines for messages, their characters for edits. It only has to tell the syntax
apart, never to judge it.
"""

import re
import tomllib
from bisect import bisect_left
from dataclasses import dataclass
from enum import Enum

from fsqueue.config.problems import Path

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = {
    '"""': re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),
    "'''": re.compile(r"'''.*?'{3,5}", re.DOTALL),
    '"': re.compile(r'"(?:\\.|[^"\\])*"'),
    "'": re.compile(r"'[^']*'"),
}
_SCALAR = re.compile(r"[^,\]}#\r\n]*")


class Kind(Enum):
    """What stands at a place of the text."""

    HEADER = "[table]"
    PAIR = "key = value"
    ITEM = "an item of a list"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in the text; all places are character offsets, ends exclusive.

    `start` is where it begins, `value` where its value does, `end` where that (of a header, its bracket) ends. `keys`
    are the places of the last parts of `path`, so far as they are written here. `inline`: within braces.
    """

    kind: Kind
    path: Path
    start: int
    value: int
    end: int
    keys: tuple[tuple[int, int], ...] = ()
    inline: bool = False


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of every path in `text`, which must be valid TOML; list items are counted from 0.

    Of a table that is named several times it is the line of its own header: [groups.sales.full] may come before
    [groups.sales], and the later one is the better place for what is missing in it.
    """
    newlines = [match.start() for match in re.finditer("\n", text)]
    lines: dict[Path, int] = {}
    for node in nodes_of(text):
        line = bisect_left(newlines, node.start) + 1
        for length in range(1, len(node.path)):
            lines.setdefault(node.path[:length], line)
        lines[node.path] = line
    return lines


def nodes_of(text: str) -> list[Node]:
    """Everything in `text`, which must be valid TOML, outer things before what is in them."""
    return _Walk(text).walk()


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    place: tuple[int, int]


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._nodes: list[Node] = []
        self._counts: dict[Path, int] = {}

    def walk(self) -> list[Node]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table, inline=False)
            self._skip(_BLANK)
        return self._nodes

    def _header(self) -> Path:
        start = self._at
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        keys = self._key()
        path: Path = ()
        for key in keys:
            path = (*self._into(path), key.name)
        self._skip(_SPACE)
        self._at += brackets
        places = tuple(key.place for key in keys)
        self._nodes.append(Node(Kind.HEADER, path, start, self._at, self._at, places))
        if brackets == 2:
            self._counts[path] = self._counts.get(path, -1) + 1
            path = self._into(path)
            self._nodes.append(Node(Kind.HEADER, path, start, self._at, self._at))
        return path

    def _into(self, path: Path) -> Path:
        """The newest table of an array of tables, or the path itself."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _pair(self, table: Path, *, inline: bool) -> None:
        start = self._at
        keys = self._key()
        path = (*table, *(key.name for key in keys))
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        node = Node(Kind.PAIR, path, start, self._at, self._at, tuple(key.place for key in keys), inline)
        self._value(node)

    def _key(self) -> list[_Key]:
        keys: list[_Key] = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if (bare := _BARE.match(self._text, start)) is not None:
                self._at = bare.end()
                name = bare.group()
            else:
                name = str(tomllib.loads(f"key = {self._string()}")["key"])
            keys.append(_Key(name, (start, self._at)))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, node: Node) -> None:
        """Pass over the value that begins here and note the thing whose value it is, before what is in it."""
        place = len(self._nodes)
        first = self._text[self._at]
        if first == "[":
            self._list(node.path)
        elif first == "{":
            self._inline_table(node.path)
        elif first in "\"'":
            self._string()
        else:
            scalar = _SCALAR.match(self._text, self._at)
            self._at += len(scalar.group().rstrip()) if scalar is not None else 0
        whole = Node(node.kind, node.path, node.start, node.value, self._at, node.keys, node.inline)
        self._nodes.insert(place, whole)

    def _list(self, path: Path) -> None:
        self._at += 1
        item = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                self._at += 1
                return
            self._value(Node(Kind.ITEM, (*path, item), self._at, self._at, self._at))
            item += 1
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "}":
                self._at += 1
                return
            self._pair(path, inline=True)
            self._skip(_BLANK)
            if self._text[self._at] == ",":
                self._at += 1

    def _string(self) -> str:
        for opening, pattern in _STRINGS.items():
            if self._text.startswith(opening, self._at) and (found := pattern.match(self._text, self._at)):
                self._at = found.end()
                return found.group()
        raise ValueError(f"no TOML string at character {self._at}")

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
