"""On which line of a TOML file each key, table and list item stands.

Python's TOML parser gives values without places, so this walks over a text that the parser has already accepted and
notes where things begin. It only has to tell the syntax apart, never to judge it.
"""

import re
import tomllib
from bisect import bisect_left

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


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of every path in `text`, which must be valid TOML; list items are counted from 0."""
    return _Walk(text).walk()


class _Walk:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[Path, int] = {}
        self._counts: dict[Path, int] = {}

    def walk(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> Path:
        start = self._at
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        self._at += brackets
        path: Path = ()
        keys = self._key()
        for key in keys[:-1]:
            path = self._into((*path, key))
        path = (*path, keys[-1])
        self._note(path, start)
        if brackets == 2:
            self._counts[path] = self._counts.get(path, -1) + 1
            path = self._into(path)
            self._note(path, start)
        self._skip(_SPACE)
        self._at += brackets
        return path

    def _into(self, path: Path) -> Path:
        """The newest table of an array of tables, or the path itself."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _pair(self, table: Path) -> None:
        start = self._at
        path = (*table, *self._key())
        self._note(path, start)
        self._skip(_SPACE)
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            if (bare := _BARE.match(self._text, self._at)) is not None:
                keys.append(bare.group())
                self._at = bare.end()
            else:
                raw = self._string()
                keys.append(str(tomllib.loads(f"key = {raw}")["key"]))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._list(path)
        elif first == "{":
            self._inline_table(path)
        elif first in "\"'":
            self._string()
        else:
            self._skip(_SCALAR)

    def _list(self, path: Path) -> None:
        self._at += 1
        item = 0
        while True:
            self._skip(_BLANK)
            if self._text[self._at] == "]":
                self._at += 1
                return
            self._note((*path, item), self._at)
            self._value((*path, item))
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
            self._pair(path)
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

    def _note(self, path: Path, at: int) -> None:
        # Where a thing is first named counts: [groups.sales.unanswered] may come before [groups.sales], and a later
        # [groups.sales] is then the better place for what is missing in it.
        line = bisect_left(self._newlines, at) + 1
        for length in range(1, len(path)):
            self._lines.setdefault(path[:length], line)
        self._lines[path] = line
