"""What is said over the control API: requests, answers and the lines of the event stream, as types. No framework here.

Times are epoch seconds of the daemon's clock, durations are seconds. An error is data as well: a `Problem`, whose
`code` is for programs, `error` says what is wrong, and `remedy` what to do.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from fsqueue.engine.messages import Reason, Record, Renamed
from fsqueue.engine.view import CallView, GroupView, MemberView, SwitchView
from fsqueue.journal.history.queries import FOR_EVER, CallDetails, CallRow, MissedRow
from fsqueue.journal.history.story import Line as StoryLine

MAX_BODY = 64 * 1024
"""Bytes of a request's body."""

MAX_ROWS = 2000
"""Calls of the past that one answer can hold; more are had range by range, or by ``fsqueue history export``."""

MAX_DRAIN = 7 * 86400.0
"""Seconds that a drain's limit can be away."""

MAX_EVENTS = 2000
"""Events that one answer can hold, and that are kept for who comes back."""

Id = Annotated[str, Meta(max_length=64)]
"""Of a group or a member; long enough for every one there is."""

Word = Annotated[str, Meta(max_length=200)]
"""A short text of people's; printable, which is looked at apart from the length."""

Code = Literal[
    "bad_request", "unauthorized", "forbidden", "not_found", "not_allowed", "refused", "too_large",
    "invalid_configuration", "overloaded", "held_up", "unavailable", "failed",
]  # fmt: skip

STATUS: dict[Code, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_allowed": 405,
    "refused": 409,
    "too_large": 413,
    "invalid_configuration": 409,
    "overloaded": 503,
    "held_up": 503,
    "unavailable": 503,
    "failed": 500,
}
"""The HTTP status each code comes with."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request was not carried out."""

    code: Code
    error: str
    remedy: str
    details: tuple[str, ...] = ()
    """One line each: a configuration's problems as ``file:line: path: what is wrong; what would be right``."""


# --- requests ---------------------------------------------------------------------------------------------------------


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that says nothing but its path."""


class DutyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member logs in or resumes (`in`), logs out, or is paused, why *reason* says."""

    duty: Literal["in", "out", "paused"]
    reason: Word = ""


class MoveOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call goes to another *group*, or, where none is named, to the head of its line."""

    group: Id = ""


class DrainOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No new calls are taken, and the daemon ends when the last one is over; *timeout* seconds from now at the latest."""

    timeout: Annotated[float, Meta(ge=0, le=MAX_DRAIN)] | None = None
    """None: however long the calls last."""


class ReloadOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file is read again; what is in `renamed` keeps its turns, callers and history under its new id."""

    renamed: Annotated[tuple[Renamed, ...], Meta(max_length=100)] = ()


class StatusQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the state is wanted: everything, or one *group* with its members and calls."""

    group: Id = ""


class EventQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events are wanted; what is left empty doesn't choose."""

    group: Id = ""
    member: Id = ""
    call: Word = ""
    caller: Word = ""
    """Part of a caller's number or name, in any case."""
    after: Annotated[int, Meta(ge=0, le=2**53)] | UnsetType = UNSET
    """Only those with a higher number; who comes back names the last one he has."""
    last: Annotated[int, Meta(ge=0, le=MAX_EVENTS)] | UnsetType = UNSET
    """Begin with so many past ones, at most."""


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which calls of the past are wanted, the newest first; what is left empty doesn't choose."""

    start: Annotated[float, Meta(ge=0, le=FOR_EVER)] = 0.0
    """Those that came then, or later (epoch seconds)."""
    end: Annotated[float, Meta(ge=0, le=FOR_EVER)] = FOR_EVER
    """Those that came before then (epoch seconds)."""
    group: Id = ""
    """They were in it, whether or not they ended there."""
    member: Id = ""
    """He was rung for them, or picked them up."""
    number: Word = ""
    """The number that was dialled, in any spelling."""
    caller: Word = ""
    """The caller's number, in any spelling."""
    reason: Reason | Literal[""] = ""
    """How they ended."""
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS)] = 200
    """At most so many."""


class MissedQuery(HistoryQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which missed calls are wanted, the newest first."""

    which: Literal["all", "open"] = "all"
    """`open`: those that nobody has called back."""


# --- answers ----------------------------------------------------------------------------------------------------------


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What ended since midnight, local time. calls = answered + missed.

    `service_level` = answered within the group's service_level_seconds / calls, from 0 to 1. Waits are those of all
    these calls, answered and missed, from joining until answered or gone. None: there was no call.
    """

    calls: int = 0
    answered: int = 0
    missed: int = 0
    within: int = 0
    """Answered within service_level_seconds."""
    service_level: float | None = None
    wait_average: float | None = None
    wait_longest: float | None = None
    by_reason: dict[str, int] = {}


class GroupStatus(GroupView, frozen=True, kw_only=True):
    """A group with its figures of today."""

    service_level_seconds: float
    nobody_since: float | None
    """Since when all of its members have been away, on every switch; None while somebody is online."""
    today: Figures


class Draining(msgspec.Struct, frozen=True, kw_only=True):
    """No new calls are taken, and the daemon ends when the last one is over."""

    since: float
    by: str
    until: float | None
    """When it ends whatever goes on then; callers who still wait stay on hold for the next start. None: never."""


class SwitchStatus(SwitchView, frozen=True, kw_only=True):
    """A switch, and what keeps it out of reach, as far as that is known."""

    trouble: str = ""


class MemberStatus(MemberView, frozen=True, kw_only=True):
    """A member, and since when he has been logged out or paused, or back again."""

    duty_since: float | None = None
    """Epoch seconds; None where that is longer ago than what the daemon has read of its journal."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment."""

    t: float
    version: str
    seq: int
    """Number of the newest event that is in it: a stream asked for what comes after it misses nothing."""
    switches: tuple[SwitchStatus, ...]
    groups: tuple[GroupStatus, ...]
    members: tuple[MemberStatus, ...]
    calls: tuple[CallView, ...]
    today: Figures
    """Of all groups, or of the one asked for."""
    draining: Draining | None = None
    """Null: calls are taken."""
    trouble: tuple[str, ...] = ()
    """What is wrong with the daemon itself, one line each: a disk that takes no records, rules that stand still."""


class EventHead(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """One thing that happened, as people read it: what a reader of any version understands of an `Event`."""

    seq: int
    """Rises by one from event to event, across restarts."""
    t: float
    kind: str
    words: str
    """One printable line."""
    call: str = ""
    group: str = ""
    member: str = ""
    number: str = ""
    """The caller's, as he sends it; empty where he hides it."""
    name: str = ""


class Event(EventHead, frozen=True, kw_only=True, tag_field="type", tag="event"):
    """One thing that happened, with its record."""

    record: Record


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="notice"):
    """What the stream itself has to say."""

    notice: Literal["heartbeat", "missed", "dropped", "ending"]
    """`missed`: events between the one named last and the next are not kept here any more; `dropped`: the reader was
    too slow, this is the last line; `ending`: the daemon ends.
    """
    t: float
    seq: int
    """The newest event there is; for `dropped` the last one that was sent or passed over: come back after it."""
    text: str = ""


Line = Event | Notice
"""One line of the stream."""


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """All groups."""

    t: float
    groups: tuple[GroupStatus, ...]


class GroupDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One group, who is in it and who waits; calls in line first, in their order."""

    t: float
    group: GroupStatus
    members: tuple[MemberStatus, ...]
    calls: tuple[CallView, ...]


class Members(msgspec.Struct, frozen=True, kw_only=True):
    """All members."""

    t: float
    members: tuple[MemberStatus, ...]


class MemberDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One member, and what happened to him last."""

    t: float
    member: MemberStatus
    events: tuple[Event, ...]


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """All calls that are not over: those in line first, in the order in which they joined."""

    t: float
    calls: tuple[CallView, ...]


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One call and what happened to it, with the reasons. `call` is null when it is over."""

    t: float
    id: str
    call: CallView | None
    events: tuple[Event, ...]
    past: CallDetails | None = None
    """What the history has of it, when it is over; null also where no history can be read."""


class HistoryCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of the past, the newest first."""

    t: float
    calls: tuple[CallRow, ...]


class HistoryCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call with all that the history has of it, and its story in words."""

    t: float
    details: CallDetails
    story: tuple[StoryLine, ...]


class MissedCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Missed calls, the newest first."""

    t: float
    missed: tuple[MissedRow, ...]


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Past events, oldest first."""

    t: float
    seq: int
    """The newest event there is, chosen or not."""
    events: tuple[Event, ...]


class MemberDone(msgspec.Struct, frozen=True, kw_only=True):
    """A change was made; the member as he is after it."""

    done: str
    member: MemberStatus


class CallDone(msgspec.Struct, frozen=True, kw_only=True):
    """A change was made; the call as it is after it, null when it is over."""

    done: str
    call: CallView | None


class DrainDone(msgspec.Struct, frozen=True, kw_only=True):
    """A drain has begun, was given another limit, or was called off; `calls` is how many are not over."""

    done: str
    draining: Draining | None
    calls: int


class RunningFile(msgspec.Struct, frozen=True, kw_only=True):
    """Which configuration runs: its file, and the text as it was when it was taken over."""

    path: str
    text: str
    """Without its passwords."""
    salt: str = ""
    seal: str = ""
    """scrypt (n = 4096, r = 8, p = 1) of the whole text with this salt: tells whether a file is this one, passwords included."""


class Reloaded(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration was taken over."""

    done: str
    warnings: tuple[str, ...] = ()
