"""What each request does: from a desk, where the daemon can be asked and told, to an answer. No sockets, no framework.

An action is confirmed: it is handed to the engine, and the answer says what came of it by the records and the state
that are there afterwards; what a call's or a member's state forbids is refused with the reason.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from msgspec import UNSET

from fsqueue.control.board import Board, Watch, wire_line
from fsqueue.control.protocol import (
    CallDetail,
    CallDone,
    Calls,
    Code,
    DrainDone,
    Draining,
    DrainOrder,
    DutyOrder,
    EventQuery,
    Events,
    GroupDetail,
    Groups,
    GroupStatus,
    MemberDetail,
    MemberDone,
    Members,
    MemberStatus,
    MoveOrder,
    Notice,
    Problem,
    Reloaded,
    ReloadOrder,
    RunningFile,
    Status,
    StatusQuery,
    SwitchStatus,
)
from fsqueue.engine.messages import (
    CallEnded,
    Drain,
    Duty,
    Hangup,
    MemberChanged,
    Move,
    Record,
    Renamed,
    Undrain,
    VisitBegan,
)
from fsqueue.engine.view import CallView, GroupView, MemberView, Picture
from fsqueue.journal.words import clean

Order = Duty | Move | Hangup | Drain | Undrain

_Group = TypeVar("_Group", bound=GroupView)
_Found = TypeVar("_Found")

NAME_SHOWN = 64
"""Characters of an unknown name that an error repeats."""

MEMBER_EVENTS = 50
"""Events shown with a member."""

CANNOT_MOVE: Mapping[str, str] = {
    "forwarding": "it is being forwarded, and in no line",
    "connecting": "a member has answered it",
    "talking": "it is being talked",
    "sent": "it has left the line for a step",
}
"""Why a call in this state can't be moved."""


class GroupFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What people are shown of a group beside the engine's picture."""

    service_level: float
    """Seconds."""
    nobody_since: float | None
    """Since when nobody is online on any switch, in epoch seconds; None while somebody is."""


class Desk(Protocol):
    """What the daemon offers."""

    @property
    def version(self) -> str:
        """The version that runs."""

    @property
    def board(self) -> Board:
        """What happened lately."""

    def picture(self) -> Picture:
        """Return everything at this moment."""

    def group_facts(self) -> Mapping[str, GroupFacts]:
        """Return what the picture doesn't say, by group."""

    def troubles(self) -> tuple[str, ...]:
        """Return what is wrong with the daemon itself, one line each."""

    def switch_troubles(self) -> Mapping[str, str]:
        """Return what keeps each switch that is out of reach out of it, as far as it is known."""

    def order(self, given: Order) -> bool:
        """Hand *given* to the engine, and wait until it was handled and the board was told.

        Returns False when that took too long: what came of it is then not known.
        """

    @property
    def draining(self) -> Draining | None:
        """Since when no new calls are taken, and until when that lasts at most; None while calls are taken."""

    def drain(self, by: str, timeout: float | None) -> None:
        """End when the last call is over, or in *timeout* seconds; a second word replaces the first one's limit."""

    def cancel_drain(self) -> None:
        """Don't end."""

    def reload(self, renamed: tuple[Renamed, ...]) -> Reloaded | Problem:
        """Read the configuration again and take it over; with errors the one that runs stays.

        What is in *renamed* keeps its turns, callers and history.
        """

    def configuration(self) -> RunningFile:
        """Return the configuration that runs, passwords and all."""

    def consult(self, question: Callable[[sqlite3.Connection], _Found]) -> _Found:
        """Put *question* to the history, in one transaction and in a thread: it must touch nothing else.

        Raises:
            NoHistoryError: there is none to read.
            sqlite3.Error: it can't be read; and whatever *question* raises.
        """

    def note(self, records: Sequence[Record]) -> bool:
        """Write *records*, which no rule looks at, and wait until they are written and everybody was told.

        Returns False when that took too long: whether they were is then not known.
        """

    def metrics(self) -> bytes:
        """Return the figures that an operator alerts on, as OpenMetrics text."""


class RefusedError(Exception):
    """A request that is not carried out; what is said about it is in `problem`."""

    def __init__(self, problem: Problem) -> None:
        """Refuse with *problem*."""
        super().__init__(problem.error)
        self.problem = problem


def refuse(code: Code, error: str, remedy: str) -> RefusedError:
    """Return the error that refuses a request."""
    return RefusedError(Problem(code=code, error=error, remedy=remedy))


# --- asking -----------------------------------------------------------------------------------------------------------


def status(desk: Desk, query: StatusQuery) -> Status:
    """Return everything, or one group with its members and calls."""
    picture = desk.picture()
    groups = _groups(desk, picture)
    today = desk.board.today(picture.t)
    members, calls = _members(desk, picture), _in_order(picture)
    if query.group:
        group = _group(groups, query.group)
        groups, today = {group.id: group}, group.today
        members = tuple(m for m in members if m.id in group.members)
        calls = tuple(c for c in calls if c.group == group.id)
    return Status(
        t=picture.t,
        version=desk.version,
        seq=desk.board.last,
        switches=_switches(desk, picture),
        trouble=desk.troubles(),
        groups=tuple(groups.values()),
        members=members,
        calls=calls,
        today=today,
        draining=desk.draining,
    )


def groups(desk: Desk) -> Groups:
    """Return all groups."""
    picture = desk.picture()
    return Groups(t=picture.t, groups=tuple(_groups(desk, picture).values()))


def group(desk: Desk, name: str) -> GroupDetail:
    """Return one group with its members and calls."""
    picture = desk.picture()
    found = _group(_groups(desk, picture), name)
    members = {member.id: member for member in _members(desk, picture)}
    return GroupDetail(
        t=picture.t,
        group=found,
        members=tuple(members[each] for each in found.members if each in members),
        calls=tuple(call for call in _in_order(picture) if call.group == name),
    )


def members(desk: Desk) -> Members:
    """Return all members."""
    picture = desk.picture()
    return Members(t=picture.t, members=_members(desk, picture))


def member(desk: Desk, name: str) -> MemberDetail:
    """Return one member, and what happened to him last."""
    picture = desk.picture()
    found = _member(picture, name)
    return MemberDetail(
        t=picture.t, member=_with_duty(desk, found), events=desk.board.past(EventQuery(member=name, last=MEMBER_EVENTS))
    )


def calls(desk: Desk) -> Calls:
    """Return all calls that are not over."""
    picture = desk.picture()
    return Calls(t=picture.t, calls=_in_order(picture))


def call(desk: Desk, name: str) -> CallDetail:
    """Return one call and its story; one that is over as long as its story is kept."""
    found = known_call(desk, name)
    if found is None:
        raise _no_call(name)
    return found


def known_call(desk: Desk, name: str) -> CallDetail | None:
    """Return one call as `call` does; None where there is none and no story is kept."""
    picture = desk.picture()
    found = _find_call(picture, name)
    events = desk.board.of_call(name)
    return CallDetail(t=picture.t, id=name, call=found, events=events) if found is not None or events else None


def recent(desk: Desk, query: EventQuery) -> Events:
    """Return past events."""
    _known(desk, query)
    return Events(t=desk.picture().t, events=desk.board.past(query), seq=desk.board.last)


def begin_watch(desk: Desk, watch: Watch) -> bytes:
    """Have *watch* hear of what comes; return the lines of what it wants of the past."""
    board, query = desk.board, watch.query
    _known(desk, query)
    newest = board.catch_up()
    past = b""
    if query.after is not UNSET and query.after > newest:
        past = _missed(desk, "the journal's numbers have begun anew: this daemon keeps another state")
        query = EventQuery(last=0)
    elif query.after is not UNSET and query.after < board.evicted:
        past = _missed(desk, f"events {query.after + 1} to {board.evicted} are not kept here any more")
    elif query.after is UNSET and query.last is UNSET:
        query = EventQuery(last=0)
    past += b"".join(wire_line(event) for event in board.past(query))
    board.watch(watch)
    return past


def _known(desk: Desk, query: EventQuery) -> None:
    """Refuse a group or member that there neither is nor, as far as is kept, was: who waits for its events would wait for ever."""
    if query.group and not desk.board.past(EventQuery(group=query.group, last=1)):
        _group({each.id: each for each in desk.picture().groups}, query.group)
    if query.member and not desk.board.past(EventQuery(member=query.member, last=1)):
        _member(desk.picture(), query.member)


def _missed(desk: Desk, text: str) -> bytes:
    return wire_line(Notice(notice="missed", t=desk.picture().t, seq=desk.board.last, text=text))


# --- telling ----------------------------------------------------------------------------------------------------------


def duty(desk: Desk, name: str, order: DutyOrder, by: str) -> MemberDone:
    """Log a member in or out, or pause him; during a ring or talk it counts after it (M3)."""
    _printable("reason", order.reason)
    _member(desk.picture(), name)
    since = desk.board.catch_up()
    _handled(desk, Duty(name, order.duty, order.reason, by))
    after = _member(desk.picture(), name)
    told = any(isinstance(e.record, MemberChanged) for e in desk.board.past(EventQuery(member=name, after=since)))
    if not told or after.duty != order.duty:
        raise refuse("refused", f"{name} is {after.state} all the same", "somebody else changed it; try again")
    done = {"in": "logged in", "out": "logged out", "paused": "paused"}[order.duty]
    waits = order.duty != "in" and after.state in ("talking", "ringing")
    later = "; it counts after the call he has" if waits else ""
    return MemberDone(done=f"{name} is {done}{later}", member=_with_duty(desk, after))


def move(desk: Desk, name: str, order: MoveOrder, by: str) -> CallDone:
    """Move a waiting call to another group, or to the head of its line."""
    picture = desk.picture()
    before = _call(desk, picture, name)
    if order.group:
        _group({each.id: each for each in picture.groups}, order.group)
    since = desk.board.catch_up()
    _handled(desk, Move(call=name, group=order.group, by=by))
    after = _find_call(desk.picture(), name)
    target = order.group or before.group
    began = [e for e in desk.board.past(EventQuery(call=name, after=since)) if isinstance(e.record, VisitBegan)]
    if any(e.group == target for e in began):
        return CallDone(done=f"{name} {_came_to(after, target)}", call=after)
    if after is None:
        raise refuse("refused", f"call {name} has just ended", "there is nothing left to move")
    if not order.group and after.position == 1:
        return CallDone(done=f"{name} is at the head of {after.group} already", call=after)
    why = CANNOT_MOVE.get(after.state, f"it is {after.state}")
    remedy = "name a group" if after.state == "forwarding" else "only a call that waits can be moved"
    raise refuse("refused", f"call {name} was not moved: {why}", remedy)


def _came_to(after: CallView | None, target: str) -> str:
    if after is None:
        return f"went to {target} and has ended since"
    if after.state == "waiting" and after.group == target:
        return f"is number {after.position} in {target}"
    return f"went to {target}, whose step for it was taken at once; it is {after.state} now"


def hangup(desk: Desk, name: str, by: str) -> CallDone:
    """End a call, whatever it does."""
    _call(desk, desk.picture(), name)
    since = desk.board.catch_up()
    _handled(desk, Hangup(name, by))
    after = _find_call(desk.picture(), name)
    ends = [e.record for e in desk.board.past(EventQuery(call=name, after=since)) if isinstance(e.record, CallEnded)]
    if after is not None or not ends:
        state = "unknown" if after is None else after.state
        raise refuse("refused", f"call {name} was not ended; it is {state}", "look at its events")
    return CallDone(done=f"{name} has ended: {ends[-1].reason}", call=None)


def drain(desk: Desk, order: DrainOrder, by: str) -> DrainDone:
    """Take no new calls, and end when the last one is over; asked for again, it is the limit that changes."""
    began = desk.draining is None
    _handled(desk, Drain(by))
    desk.drain(by, order.timeout)
    left = len(desk.picture().calls)
    words = "no call is left" if not left else "1 call is left" if left == 1 else f"{left} calls are left"
    first = "no new calls are taken from now on" if began else "it was draining already, and has the limit now given"
    return DrainDone(done=f"{first}; {words}", draining=desk.draining, calls=left)


def cancel_drain(desk: Desk, by: str) -> DrainDone:
    """Take calls again."""
    if desk.draining is None:
        raise refuse("refused", "fsqueue isn't draining", "there is nothing to call off: calls are taken")
    # First the end, so that it can't come between.
    desk.cancel_drain()
    _handled(desk, Undrain(by))
    return DrainDone(done="calls are taken again", draining=None, calls=len(desk.picture().calls))


def reload(desk: Desk, order: ReloadOrder) -> Reloaded:
    """Read the configuration again and take it over."""
    answer = desk.reload(order.renamed)
    if isinstance(answer, Problem):
        raise RefusedError(answer)
    return answer


def configuration(desk: Desk, *, trusted: bool) -> RunningFile:
    """Return the configuration that runs, to who may read its file anyhow: there is a password in it."""
    if not trusted:
        remedy = "ask as root, or as the user the daemon runs as, over the Unix socket"
        raise refuse("forbidden", "the configuration has passwords in it, which are not for everybody here", remedy)
    return desk.configuration()


def _handled(desk: Desk, order: Order) -> None:
    if not desk.order(order):
        raise refuse("held_up", "the daemon is held up; whether it was done is not known", "look, and try again")


# --- looking up -------------------------------------------------------------------------------------------------------


def shown(name: str) -> str:
    """Return a name as an error may repeat it: printable, and not long."""
    return clean(name if len(name) <= NAME_SHOWN else name[:NAME_SHOWN] + "…")


def _printable(field: str, text: str) -> None:
    if not text.isprintable():
        raise refuse("bad_request", f"{field} has characters that can't be printed", "send plain text in one line")


def _switches(desk: Desk, picture: Picture) -> tuple[SwitchStatus, ...]:
    troubles = desk.switch_troubles()
    return tuple(
        SwitchStatus(
            id=each.id, up=each.up, core=each.core, trouble="" if each.up else clean(troubles.get(each.id, ""))
        )
        for each in picture.switches
    )


def _groups(desk: Desk, picture: Picture) -> dict[str, GroupStatus]:
    facts = desk.group_facts()
    return {view.id: _group_status(desk, view, facts, picture.t) for view in picture.groups}


def _group_status(desk: Desk, view: GroupView, facts: Mapping[str, GroupFacts], now: float) -> GroupStatus:
    known = facts.get(view.id, GroupFacts(service_level=0.0, nobody_since=None))
    return GroupStatus(
        **{name: getattr(view, name) for name in GroupView.__struct_fields__},
        service_level_seconds=known.service_level,
        nobody_since=known.nobody_since,
        today=desk.board.today_of(view.id, now),
    )


def _members(desk: Desk, picture: Picture) -> tuple[MemberStatus, ...]:
    return tuple(_with_duty(desk, member) for member in picture.members)


def _with_duty(desk: Desk, member: MemberView) -> MemberStatus:
    fields = {name: getattr(member, name) for name in MemberView.__struct_fields__}
    return MemberStatus(**fields, duty_since=desk.board.duty_since(member.id, member.duty))


def _group(found: Mapping[str, _Group], name: str) -> _Group:
    if name not in found:
        known = ", ".join(list(found)[:10]) or "none is configured"
        raise refuse("not_found", f"there is no group {shown(name)}", f"groups are: {known}")
    return found[name]


def _member(picture: Picture, name: str) -> MemberView:
    for each in picture.members:
        if each.id == name:
            return each
    known = ", ".join(each.id for each in picture.members[:10]) or "none is configured"
    raise refuse("not_found", f"there is no member {shown(name)}", f"members are: {known}")


def _find_call(picture: Picture, name: str) -> CallView | None:
    return next((each for each in picture.calls if each.id == name), None)


def _call(desk: Desk, picture: Picture, name: str) -> CallView:
    found = _find_call(picture, name)
    if found is None and desk.board.of_call(name):
        raise refuse("refused", f"call {name} has ended", "there is nothing left to do with it")
    if found is None:
        raise _no_call(name)
    return found


def _no_call(name: str) -> RefusedError:
    return refuse(
        "not_found", f"there is no call {shown(name)}", "fsqueue call list, or /v1/calls, shows those there are"
    )


def _in_order(picture: Picture) -> tuple[CallView, ...]:
    """Return the calls, those in line first, then by joining."""
    return tuple(sorted(picture.calls, key=lambda c: (c.state != "waiting", c.group, c.position, c.joined, c.id)))
