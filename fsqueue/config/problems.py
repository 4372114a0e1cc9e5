"""What is wrong with a configuration, as data and as one line for people."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum

from msgspec import Struct

Path = tuple[str | int, ...]


class Severity(StrEnum):
    """Errors stop a load and a write; warnings don't, or a new file could never be begun."""

    ERROR = "error"
    WARNING = "warning"


class Problem(Struct, frozen=True):
    """One thing that is wrong. `line` counts from 1; `path` is written as TOML writes it, `file` as it was given."""

    file: str
    line: int
    path: str
    problem: str
    remedy: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        mark = "warning: " if self.severity is Severity.WARNING else ""
        return f"{self.file}:{self.line}: {self.path}: {mark}{self.problem}; {self.remedy}"


class Report:
    """Collects problems in the order in which they are found, each with the line of its path in one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._data: Mapping[str, object] = {}
        self._lines: dict[Path, int] = {}
        self._problems: list[Problem] = []

    def error(self, path: Path, problem: str, remedy: str) -> None:
        """Something that stops a load or a write."""
        self._add(path, problem, remedy, Severity.ERROR)

    def warning(self, path: Path, problem: str, remedy: str) -> None:
        """Something that is allowed, but hardly meant."""
        self._add(path, problem, remedy, Severity.WARNING)

    def syntax(self, line: int, problem: str, remedy: str) -> None:
        """An error of the file as a whole, at `line` (from 1)."""
        self._problems.append(Problem(printable(self.file), line, "file", problem, remedy))

    def place(self, data: Mapping[str, object], lines: dict[Path, int]) -> None:
        """From now on these are what the file says and the lines of its paths."""
        self._data = data
        self._lines = lines

    def problems(self) -> tuple[Problem, ...]:
        """All of them, by line."""
        return tuple(sorted(self._problems, key=lambda problem: problem.line))

    def line(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that is written in the file; at worst 1."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return line
        return 1

    def stands(self, path: Path) -> bool:
        """Whether the file has something at `path`, right or wrong."""
        return path in self._lines

    def item(self, path: Path, text: str) -> Path:
        """The path of the first item `text` of the list at `path`, or of the list."""
        items = self._value(path)
        return (*path, items.index(text)) if isinstance(items, list) and text in items else path

    def _value(self, path: Path) -> object:
        value: object = self._data
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def _add(self, path: Path, problem: str, remedy: str, severity: Severity) -> None:
        # Ids and texts of the file stand in these words; whatever they hold, a message stays one harmless line.
        problem, remedy = printable(problem, 1000), printable(remedy, 1000)
        self._problems.append(Problem(printable(self.file), self.line(path), written(path), problem, remedy, severity))


def written(path: Path) -> str:
    """A path as TOML writes it; the places in a list are left out, since the line tells them."""
    return ".".join(key_text(part) for part in path if isinstance(part, str))


def key_text(key: str) -> str:
    """A key as TOML writes it: bare where that is allowed, else quoted."""
    bare = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if bare and len(key) <= 60 else shown(key)


def shown(value: object) -> str:
    """A value as a message shows it: texts in quotes, nothing that a terminal would obey, at most 60 characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a number of more than 38 digits"  # Python refuses to write one of more than 4300
    if not isinstance(value, str):
        return printable(str(value))
    escaped = value[:60].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}{"…" if len(value) > 60 else ""}"'


def printable(text: str, longest: int = 200) -> str:
    """`text` with everything but letters, signs and spaces written as an escape, cut at `longest` characters."""
    clean = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[:longest])
    return clean + ("…" if len(text) > longest else "")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    close = get_close_matches(word[:100].lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def one_of(words: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def all_of(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`; of more than twelve the first twelve."""
    if len(words) > 12:
        return f"{', '.join(words[:12])} and {len(words) - 12} more"
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
