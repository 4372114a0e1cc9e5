"""What commands print with ``--json``: one struct each. Fields are only ever added; the documentation is made from these."""

from __future__ import annotations

from typing import Literal

import msgspec

Value = str | int | bool | list[str] | dict[str, str | int]
"""As TOML has it; a step is an object of its keys."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One value that changed; null is none, before it was added or after it was removed."""

    path: str
    before: str | None
    after: str | None


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is allowed, but hardly meant."""

    path: str
    problem: str
    remedy: str


class DaemonState(msgspec.Struct, frozen=True, kw_only=True):
    """What the running daemon made of a change; `says` is the same for people."""

    state: Literal["taken_over", "not_running", "not_asked", "other_file", "refused", "unreachable"]
    says: str = ""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did to the file. `written` is false where nothing changed, and in a dry run."""

    file: str
    changed: bool
    written: bool
    changes: tuple[Changed, ...]
    diff: str
    warnings: tuple[Warned, ...]
    password_file: str
    """The file that was made for the event socket's password, when the configuration is new; else empty."""
    dialplan_changed: bool
    """Whether FreeSWITCH needs the dialplan anew: `fsqueue dialplan install`."""
    daemon: DaemonState


class GroupRow(msgspec.Struct, frozen=True, kw_only=True):
    """A group in a list."""

    id: str
    name: str
    extension: str | None
    distribution: str
    rings: int
    members: tuple[str, ...]
    pickup: bool
    numbers: tuple[str, ...]
    unanswered: str


class GroupList(msgspec.Struct, frozen=True, kw_only=True):
    """All groups, in the file's order."""

    file: str
    groups: tuple[GroupRow, ...]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a call's way through a group: when, and what is done then."""

    when: str
    what: str


class GroupDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A group with all of its keys as they are in effect, and a call's way through it. Steps are as they are typed."""

    id: str
    name: str
    extension: str | None
    members: tuple[str, ...]
    distribution: str
    rings: int
    ring_seconds: int
    priority: int
    pickup: bool
    wrap_up_seconds: int
    max_waiting: int
    max_wait_seconds: int
    prefix: str
    service_level_seconds: int
    unanswered: str
    offline: str
    full: str
    waited: str
    numbers: tuple[str, ...]
    timeline: tuple[Moment, ...]


class MemberRow(msgspec.Struct, frozen=True, kw_only=True):
    """A member in a list."""

    id: str
    name: str
    extension: str | None
    dial: str
    groups: tuple[str, ...]


class MemberList(msgspec.Struct, frozen=True, kw_only=True):
    """All members, in the file's order."""

    file: str
    members: tuple[MemberRow, ...]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A member's place in a group's list, from 1."""

    group: str
    position: int
    of: int


class MemberDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A member with all of his keys. `user` is the SIP user he is, as far as the file says it."""

    id: str
    name: str
    extension: str | None
    dial: str
    user: str | None
    pause_after: int
    groups: tuple[Place, ...]
    forwards: tuple[str, ...]
    """Steps that forward to him, such as sales.offline."""
    may_pick_up: tuple[str, ...]
    """Groups whose ringing calls he may pick up."""


class NumberRow(msgspec.Struct, frozen=True, kw_only=True):
    """A number; `music` and `priority` as they are in effect."""

    number: str
    group: str
    music: str
    priority: int


class NumberList(msgspec.Struct, frozen=True, kw_only=True):
    """All numbers, in the file's order."""

    file: str
    numbers: tuple[NumberRow, ...]


class PickupGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group, and who of it can pick up: `nameless` are members of whom nothing says which SIP users they are."""

    id: str
    allowed: bool
    members: tuple[str, ...]
    nameless: tuple[str, ...]


class PickupDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The pickup code and where it works."""

    code: str
    groups: tuple[PickupGroup, ...]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a file."""

    severity: Literal["error", "warning"]
    line: int
    path: str
    problem: str
    remedy: str


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the daemon would take the file, and all that is wrong with it."""

    file: str
    ok: bool
    problems: tuple[Found, ...]
    switches: int = 0
    groups: int = 0
    members: int = 0
    numbers: int = 0


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """A value in effect: from the file, or a default."""

    path: str
    value: Value
    source: Literal["file", "default"]


class ConfigShown(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in effect; passwords are left out."""

    file: str
    values: tuple[Effective, ...]


class ConfigDiff(msgspec.Struct, frozen=True, kw_only=True):
    """The running configuration against the file."""

    file: str
    running: str
    """The file that the daemon runs on."""
    differs: bool
    diff: str


class Reload(msgspec.Struct, frozen=True, kw_only=True):
    """The running daemon has taken the file over."""

    file: str
    done: str
    warnings: tuple[str, ...]


class DialplanXml(msgspec.Struct, frozen=True, kw_only=True):
    """The XML for FreeSWITCH: a context of our own, and what goes first in each entry context."""

    context: str
    entry_contexts: tuple[str, ...]
    context_xml: str
    entry_xml: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration made from another program's, and what of that has no equal."""

    source: str
    toml: str
    notes: tuple[str, ...]


class DoctorFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at; `remedy` is empty where nothing has to be done, `switch` where none is concerned."""

    check: str
    state: Literal["ok", "warn", "fail", "skip"]
    text: str
    remedy: str
    switch: str


class DoctorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `fsqueue doctor` found, in the order of a call's way. `ok`: nothing failed."""

    ok: bool
    findings: tuple[DoctorFinding, ...]


class DialplanInstalled(msgspec.Struct, frozen=True, kw_only=True):
    """What `fsqueue dialplan install` did. `proved`: FreeSWITCH has shown that it uses what was written."""

    folder: str
    written: tuple[str, ...]
    removed: tuple[str, ...]
    diff: str
    reloaded: bool
    proved: bool
    notes: tuple[str, ...]
