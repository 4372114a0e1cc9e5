"""What a command says: data on standard output, talk on standard error, colour only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TextIO

import click
import msgspec

from fsqueue.config.problems import printable
from fsqueue.control.wire import printable as printable_json

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 100_000
"""Columns where nobody looks: what is piped to another program must not be cut to a terminal's width."""

LONGEST = 4000

UNBROKEN = 16
"""Characters: words of a table that are no longer are broken only where the terminal has no room for them."""


def say(text: str) -> None:
    """Say one line on standard error."""
    click.echo(printable(text, LONGEST), err=True)


def give(text: str) -> None:
    """Print *text*, which ends with a line feed, on standard output as it is."""
    click.echo(text, nl=False)


def give_json(thing: object) -> None:
    """Print *thing* as one indented JSON value that no terminal can be harmed by."""
    text = msgspec.json.format(msgspec.json.encode(thing).decode(), indent=2)
    give(printable_json(text) + "\n")


def coloured(stream: TextIO) -> bool:
    """Whether colour may be used on *stream*: it is a terminal, and nobody objects (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def give_table(columns: Sequence[str], rows: Iterable[Sequence[str]], parts: Sequence[Sequence[str]] = ()) -> None:
    """Print a table; on a terminal long cells are folded, elsewhere each row is one line.

    A terminal that is too narrow for the whole gets *parts* one below the other, where there are any: each is some of the columns,
    by their headings, and begins with the first one.
    """
    terminal = sys.stdout.isatty()
    console = _console(terminal)
    cells = [[printable(cell, LONGEST) for cell in row] for row in rows]
    if not parts or _fits([columns, *cells], console.width):
        _give_part(console, terminal, columns, cells)
        return
    for n, part in enumerate(parts):
        give("\n" if n else "")
        places = [columns.index(column) for column in (columns[0], *part)]
        _give_part(console, terminal, (columns[0], *part), [[row[place] for place in places] for row in cells])


def _fits(rows: Sequence[Sequence[str]], width: int) -> bool:
    from rich.cells import cell_len

    columns = range(len(rows[0]))
    return sum(max(cell_len(row[place]) for row in rows) for place in columns) + 2 * (len(rows[0]) - 1) <= width


def _give_part(console: Console, terminal: bool, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    # Loaded late: completion and edits print no tables, and should be quick.
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold" if coloured(sys.stdout) else "")
    for column, width in zip(columns, _widths([columns, *cells], console.width), strict=True):
        table.add_column(column, overflow="fold", no_wrap=not terminal, width=width)
    for row in cells:
        table.add_row(*map(Text, row))
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        give(line.rstrip() + "\n")


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column is, so that they and what is between them fit into *width* characters.

    The widest give first, and words are broken only when that isn't enough: left to itself rich breaks numbers in two
    while another column has room.
    """
    from rich.cells import cell_len

    columns = range(len(rows[0]))
    widths = [max(cell_len(row[place]) for row in rows) for place in columns]
    words = [max(cell_len(word) for row in rows for word in (row[place].split() or [""])) for place in columns]
    room = width - 2 * (len(rows[0]) - 1)
    for unbroken in (UNBROKEN, 1):
        least = [min(word, unbroken) for word in words]
        while sum(widths) > room and any(wide > low for wide, low in zip(widths, least, strict=True)):
            widest = max(columns, key=lambda place: widths[place] if widths[place] > least[place] else 0)
            widths[widest] -= 1
    return widths


def give_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    pairs = list(facts)
    wide = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        give(f"{printable(name).ljust(wide)}  {printable(value, LONGEST)}".rstrip() + "\n")


def give_diff(diff: str) -> None:
    """Print a unified diff, coloured on a terminal."""
    colour = coloured(sys.stdout)
    for line in diff.splitlines():
        give((click.style(line, fg=_colour(line)) if colour else line) + "\n")


def _colour(line: str) -> str | None:
    if line.startswith(("+++", "---")):
        return None
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])


def _console(terminal: bool) -> Console:
    from rich.console import Console

    # FORCE_COLOR would have rich colour a pipe.
    colour = coloured(sys.stdout)
    return Console(
        file=sys.stdout,
        force_terminal=colour,
        no_color=not colour,
        width=None if terminal else WIDE,
        highlight=False,
        emoji=False,
        markup=False,
    )


def count(number: int, word: str) -> str:
    """Return ``1 group``, ``3 groups``."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def seconds(value: float) -> str:
    """Return a duration in seconds as people read it: ``20 s``, ``2 min``, ``2 min 30 s``, ``1 h``."""
    whole = int(value)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else "", f"{left} s" if left else ""]
    return " ".join(part for part in parts if part) or "0 s"
