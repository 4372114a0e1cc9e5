"""What ``fsqueue top`` shows, as a function of what is known, what was pressed and how large the window is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from fsqueue.control.protocol import GroupStatus, Status
from fsqueue.engine.view import CallView, MemberView, Picture
from fsqueue_cli import live_tables, picture
from fsqueue_cli.picture import duration

KEYS = "q quit · s sort · g next group · a all · / find"

ESCAPE = "\x1b"

LONGEST_FIND = 30

SORTS = ("wait", "group", "state")

MEMBER_STATES = (
    "ringing", "talking", "available", "wrap-up", "resting", "on another call", "paused", "logged out", "offline",
)  # fmt: skip

STALE = 3.0
"""Seconds without news after which it is said that the daemon is gone: one lost answer is no news."""


@dataclass(slots=True)
class View:
    """What is shown: the newest status, and what was asked for."""

    sort: str = "wait"
    group: str = ""
    find: str = ""
    """Part of the name, number or id of what is shown, in any case."""
    typing: bool = False
    """Keys go into `find`."""
    status: Status | None = None
    received: float = 0.0
    """When the status came, in monotonic seconds."""
    trouble: str = ""
    """Why there is no news, as the last attempt said."""
    ended: bool = False

    def press(self, key: str) -> None:
        """Do what *key* means."""
        if self.typing:
            self._type(key)
        elif key == "/":
            self.typing, self.find = True, ""
        elif key in ("q", "Q", "\x03", "\x04"):
            self.ended = True
        elif key == "s":
            self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]
        elif key in ("a", ESCAPE):
            self.group = self.find = ""
        elif key == "g" and self.status is not None:
            ids = ["", *(group.id for group in self.status.groups)]
            at = ids.index(self.group) if self.group in ids else -1
            self.group = ids[(at + 1) % len(ids)]

    def _type(self, key: str) -> None:
        if key in ("\r", "\n"):
            self.typing = False
        elif key == ESCAPE:
            self.typing, self.find = False, ""
        elif key in ("\x7f", "\b"):
            self.find = self.find[:-1]
        elif key.isprintable() and len(self.find) < LONGEST_FIND:
            self.find += key

    def take(self, status: Status, now: float) -> None:
        """Show *status*, which came at *now* (monotonic seconds)."""
        self.status, self.received, self.trouble = status, now, ""


def render(view: View, now: float, height: int) -> RenderableType:
    """Return the screen at *now* (monotonic seconds) for a window of *height* lines."""
    if view.status is None:
        return Group(Text("fsqueue top", style="bold"), Text(view.trouble or "asking …"), Text(KEYS, style="dim"))
    age = now - view.received
    # Waits go on between two answers, and stand still when none come: what isn't known is not made up.
    live = not view.trouble or age < STALE
    status = _moved_on(view.status, min(age, STALE))
    groups = [g for g in status.groups if view.group in ("", g.id) and _found(view, _of_group(g))]
    calls = tuple(c for c in status.calls if view.group in ("", c.group) and _found(view, _of_call(c)))
    members = tuple(
        m for m in status.members if (not view.group or view.group in m.groups) and _found(view, _of_member(m))
    )
    group_rows, call_rows, member_rows = _share(height - _troubles(status), len(groups), len(calls), len(members))
    seen = live_tables.as_picture(status)
    return Group(
        live_tables.headline(status),
        _bar(view, live, age),
        live_tables.groups(status, sorted(groups, key=_group_key(view)), group_rows),
        live_tables.plain(picture.calls(_with(seen, calls=calls), call_rows, _call_key(view)), "calls"),
        live_tables.plain(picture.members(_with(seen, members=members), member_rows, _member_key(view)), "members"),
    )


def _troubles(status: Status) -> int:
    """Return how many lines the troubles may take in 80 columns."""
    return 2 * len(status.trouble) + sum(bool(switch.trouble) for switch in status.switches)


def _found(view: View, texts: Iterable[str]) -> bool:
    wanted = view.find.casefold()
    return not wanted or any(wanted in text.casefold() for text in texts)


def _of_group(group: GroupStatus) -> Iterable[str]:
    return group.id, group.name, group.extension


def _of_call(call: CallView) -> Iterable[str]:
    who = () if call.caller.hidden else (call.caller.number, call.caller.name)
    return (call.id, call.group, call.dialled, call.member, *who, *(ring.member for ring in call.rings))


def _of_member(member: MemberView) -> Iterable[str]:
    return (member.id, member.name, member.extension, member.state, member.reason, *member.groups)


def _with(seen: Picture, **changes: object) -> Picture:
    return msgspec.structs.replace(seen, **changes)


def _moved_on(status: Status, seconds: float) -> Status:
    return msgspec.structs.replace(status, t=status.t + max(0.0, seconds))


def _bar(view: View, live: bool, age: float) -> Text:
    if not live:
        return Text(f"NO ANSWER for {duration(age)}: {picture.shown(view.trouble)}", style="bold white on red")
    if view.typing:
        return Text(f"find: {picture.shown(view.find)}▏ Enter keeps it, Esc shows all", style="bold", no_wrap=True)
    which = f"group {view.group}" if view.group else "all groups"
    find = f" · find {view.find}" if view.find else ""
    # What is chosen stands first: in a narrow window the keys may be cut, but not why somebody is missing from the picture.
    told = f"{picture.shown(which + find)} · by {view.sort} · {KEYS}"
    return Text(told, style="dim", no_wrap=True, overflow="ellipsis")


def _share(height: int, groups: int, calls: int, members: int) -> tuple[int, int, int]:
    """Share the window's lines out: every part gets its fair third, and what one doesn't need goes to the others.

    Above are four lines (two of them today's, in 80 columns); each part has a header, and may end with "and N more".
    """
    left = max(3, height - 5 - 3)
    wanted = [groups, calls, members]
    given = [0, 0, 0]
    while left and any(g < w for g, w in zip(given, wanted, strict=True)):
        for n in range(3):
            if left and given[n] < wanted[n]:
                given[n] += 1
                left -= 1
    rows = [g - 1 if g < w else g for g, w in zip(given, wanted, strict=True)]
    return max(0, rows[0]), max(0, rows[1]), max(0, rows[2])


def _group_key(view: View) -> live_tables.GroupKey:
    def key(group: GroupStatus) -> tuple[float, str]:
        longest = group.longest_since if group.longest_since is not None else float("inf")
        first: Mapping[str, float] = {"wait": longest, "group": 0.0, "state": -len(group.waiting)}
        return (first[view.sort], group.id)

    return key


def _call_key(view: View) -> picture.CallKey:
    def key(call: CallView) -> tuple[str | bool, ...]:
        first = {"wait": "", "group": call.group, "state": call.state}[view.sort]
        return (first, call.state != "waiting", f"{call.joined:020.6f}", call.id)

    return key


def _member_key(view: View) -> picture.MemberKey:
    def key(member: MemberView) -> tuple[str | int, ...]:
        state = MEMBER_STATES.index(member.state) if member.state in MEMBER_STATES else len(MEMBER_STATES)
        return (",".join(member.groups), state, member.id) if view.sort == "group" else (state, member.id)

    return key
