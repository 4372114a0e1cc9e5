"""The live picture: groups, who waits how long, who rings, who talks. What callers sent is text here, never markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fsqueue.engine.view import CallView, GroupView, MemberView, Picture
from fsqueue.journal.words import clean as written_out

STATE_STYLE: Mapping[str, str] = {
    "available": "green",
    "ringing": "yellow",
    "talking": "cyan",
    "on another call": "cyan",
    "wrap-up": "blue",
    "resting": "blue",
    "offline": "dim",
    "logged out": "dim",
    "paused": "magenta",
}


NAME_LENGTH = 24
"""Characters of a caller's name that are shown: what he sends must not push his number out of the line."""

CallKey = Callable[[CallView], Any]
MemberKey = Callable[[MemberView], Any]


def shown(text: str) -> str:
    """Return text from outside as a terminal may get it: what is not printable is written out."""
    return written_out(text)


def longest_first(call: CallView) -> tuple[bool, float, str]:
    """Sort callers who wait before the others, each by their joining."""
    return (call.state != "waiting", call.joined, call.id)


def duration(seconds: float) -> str:
    """Return *seconds* as people read a wait: ``7 s``, ``2:05``, ``1:02:05``."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def party(call: CallView) -> str:
    """Return who calls, for people: name and number, or that he is anonymous."""
    if call.caller.hidden:
        return "anonymous"
    name, number = shown(call.caller.name), shown(call.caller.number)
    if len(name) > NAME_LENGTH:
        name = name[:NAME_LENGTH] + "…"
    return f"{name} {number}" if name and name != number else number or "unknown"


def groups(picture: Picture) -> Table:
    """Return one row per group."""
    table = Table(title="Groups", title_justify="left", expand=True)
    for column in ("group", "how"):
        table.add_column(column, no_wrap=True)
    for column in ("waiting", "longest", "talking", "online", "free"):
        table.add_column(column, justify="right", no_wrap=True)
    for group in picture.groups:
        table.add_row(*_group(group, picture.t))
    return table


def _group(group: GroupView, now: float) -> list[Text]:
    waiting = len(group.waiting)
    longest = duration(now - group.longest_since) if group.longest_since is not None else ""
    return [
        Text(shown(group.name)),
        Text(group.distribution, style="dim"),
        Text(str(waiting), style="bold yellow" if waiting else "dim"),
        Text(longest),
        Text(str(group.talking), style="cyan" if group.talking else "dim"),
        Text(f"{group.online}/{len(group.members)}", style="" if group.online else "bold red"),
        Text(str(group.available), style="green" if group.available else "dim"),
    ]


def calls(picture: Picture, rows: int, key: CallKey = longest_first) -> Table:
    """Return the first *rows* calls in the order of *key*."""
    names = {member.id: member.name for member in picture.members}
    table = Table(title="Calls", title_justify="left", expand=True)
    for column in ("caller", "group", "state"):
        table.add_column(column, no_wrap=True, overflow="ellipsis", ratio=1 if column == "state" else None)
    table.add_column("since", justify="right", no_wrap=True)
    ordered = sorted(picture.calls, key=key)
    for call in ordered[:rows]:
        since = call.talking_since if call.talking_since is not None else call.joined
        table.add_row(
            Text(party(call)), Text(shown(call.group)), _call_state(call, names), Text(duration(picture.t - since))
        )
    if len(ordered) > rows:
        table.add_row(Text(f"and {len(ordered) - rows} more", style="dim"), "", "", "")
    return table


def _call_state(call: CallView, names: Mapping[str, str]) -> Text:
    if call.state == "talking":
        return Text(f"talks with {shown(names.get(call.member, call.member))}", style="cyan")
    if call.rings:
        whom = ", ".join(shown(names.get(ring.member, ring.member or ring.number)) for ring in call.rings)
        return Text(f"rings {whom}", style="yellow")
    if call.state == "waiting":
        return Text(f"waits, number {call.position} in line")
    return Text(call.state, style="dim")


def members(picture: Picture, rows: int | None = None, key: MemberKey | None = None) -> Table:
    """Return one row per member, the first *rows* in the order of *key*; by default all, in the configuration's."""
    table = Table(title="Members", title_justify="left", expand=True)
    for column in ("member", "ext.", "state"):
        table.add_column(column, no_wrap=True, ratio=1 if column == "state" else None)
    table.add_column("since", justify="right", no_wrap=True)
    ordered = list(picture.members) if key is None else sorted(picture.members, key=key)
    for member in ordered[:rows]:
        table.add_row(*_member(member, picture.t))
    if rows is not None and len(ordered) > rows:
        table.add_row(Text(f"and {len(ordered) - rows} more", style="dim"), "", "", "")
    return table


def _member(member: MemberView, now: float) -> list[Text]:
    reason = f" ({shown(member.reason)})" if member.reason else ""
    state = f"{member.state}{_later(member)}{_left(member, now)}{reason}"
    began = member.since
    if began is None and member.duty != "in":
        began = getattr(member, "duty_since", None)  # which the engine's own picture doesn't have
    since = duration(now - began) if began is not None else ""
    style = STATE_STYLE.get(member.state, "")
    return [Text(shown(member.name)), Text(member.extension, style="dim"), Text(state, style=style), Text(since)]


def _later(member: MemberView) -> str:
    """Return what he does after the call he has: a change during a ring or talk counts after it (M3)."""
    if member.duty == "in" or member.state not in ("ringing", "talking"):
        return ""
    return ", then paused" if member.duty == "paused" else ", then logged out"


def _left(member: MemberView, now: float) -> str:
    """Return for how long he is left in peace yet."""
    if member.quiet_until is None or member.state not in ("wrap-up", "resting"):
        return ""
    return f", {duration(member.quiet_until - now)} left"


def render(picture: Picture, headline: str, rows: int = 12) -> RenderableType:
    """Return the whole picture below one line of *headline*."""
    return Group(Text(headline, style="bold"), groups(picture), calls(picture, rows), members(picture))
