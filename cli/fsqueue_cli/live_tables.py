"""What ``status`` and ``top`` show of a status, in tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.table import Table
from rich.text import Text

from fsqueue.control.protocol import Figures, GroupStatus, Status
from fsqueue.engine.view import Picture
from fsqueue_cli.picture import duration
from fsqueue_cli.picture import shown as clean
from fsqueue_cli.talk import count

COLUMNS = ("wait", "longest", "talk", "online", "free", "answ.", "missed", "level", "avg", "max")

GroupKey = Callable[[GroupStatus], Any]


def as_picture(status: Status) -> Picture:
    """Return what of *status* is the engine's picture."""
    return Picture(
        t=status.t, groups=status.groups, members=status.members, calls=status.calls, switches=status.switches
    )


def headline(status: Status) -> Text:
    """Return the lines at the top: which switches are in reach, and today."""
    text = Text(f"fsqueue {clean(status.version)}", style="bold")
    for switch in status.switches:
        word, style = ("in reach", "green") if switch.up else ("OUT OF REACH", "bold red")
        text.append(f" · {clean(switch.id)} ", style="not bold").append(word, style=style)
        if switch.trouble:
            text.append(f": {clean(switch.trouble)}", style="red")
    if not status.switches:
        text.append(" · no switch is known yet", style="bold red")
    if status.draining is not None:
        text.append(" · ", style="not bold").append("DRAINING", style="bold red")
        text.append(f" for {duration(status.t - status.draining.since)}: new callers go to the fallback", style="red")
    for line in status.trouble:
        text.append("\n").append(clean(line), style="bold white on red")
    return text.append("\n").append(today(status.today), style="not bold")


def today(figures: Figures) -> str:
    """Return today's figures in a line."""
    if not figures.calls:
        return "today no call has ended yet"
    return (
        f"today {count(figures.calls, 'call')}, {figures.answered} answered, {figures.missed} missed · level "
        f"{percent(figures.service_level)} · wait avg {wait(figures.wait_average)} max {wait(figures.wait_longest)}"
    )


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 as people read it."""
    return "" if share is None else f"{share * 100:.0f}%"


def wait(seconds: float | None) -> str:
    """Return a wait, empty where there was none."""
    return "" if seconds is None else duration(seconds)


def groups(status: Status, shown: Iterable[GroupStatus] | None = None, rows: int | None = None) -> Table:
    """Return one row per group: what is, and how today went."""
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="dim")
    table.add_column("group", no_wrap=True, overflow="ellipsis", min_width=5)
    for column in COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    chosen = list(status.groups if shown is None else shown)
    for group in chosen[:rows]:
        table.add_row(*_group(group, status.t))
    if rows is not None and len(chosen) > rows:
        table.add_row(Text(f"{len(chosen) - rows} more", style="dim"))
    return table


def _group(group: GroupStatus, now: float) -> list[Text]:
    waiting = len(group.waiting)
    longest = now - group.longest_since if group.longest_since is not None else None
    figures = group.today
    return [
        Text(clean(group.id)),
        Text(str(waiting), style="bold yellow" if waiting else "dim"),
        Text(wait(longest), style="yellow"),
        Text(str(group.talking), style="cyan" if group.talking else "dim"),
        Text(f"{group.online}/{len(group.members)}", style="" if group.online else "bold red"),
        Text(str(group.available), style="green" if group.available else "dim"),
        Text(str(figures.answered), style="" if figures.answered else "dim"),
        Text(str(figures.missed), style="red" if figures.missed else "dim"),
        Text(percent(figures.service_level)),
        Text(wait(figures.wait_average)),
        Text(wait(figures.wait_longest)),
    ]


def plain(table: Table, title: str) -> Table:
    """Take the frame off a table of the picture: its lines are needed for what is in it."""
    table.box = None
    table.title = None
    table.pad_edge = False
    table.header_style = "dim"
    table.columns[0].header = title
    return table
