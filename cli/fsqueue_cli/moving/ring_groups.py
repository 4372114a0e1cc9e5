"""FusionPBX's export of ring groups, a CSV with their columns' names in its first line and destinations joined by `|`."""

from __future__ import annotations

import csv
import io
import re

from fsqueue.config.settings import CAUSES, Value
from fsqueue_cli.moving.draft import (
    PLACEHOLDER_DOMAIN,
    Draft,
    Entry,
    ImportFailedError,
    is_true,
    rings,
    step_fault,
    whole,
)

DISTRIBUTIONS = {
    "simultaneous": "to-all",
    "enterprise": "to-all",
    "sequence": "in-order",
    "rollover": "in-order",
    "random": "evenly",
}

PLAIN = ("uuid", "_uuid", "description", "strategy", "context", "enabled", "name", "extension", "missed_call_data")
HANDLED = ("call_timeout", "cid_name_prefix", "timeout_app", "timeout_data", "forward_destination", "missed_call_app")
QUIET = {"", "false", "0", "none"}

LONGEST_EXTENSION = 6
"""Digits: a destination with more is taken for a number outside."""


def read(text: str, domain: str) -> Draft:
    """Return what the file says; *domain* is that of the phones, empty where the rows' contexts say it."""
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ImportFailedError(f"it is no CSV: {error}") from error
    if not rows or "ring_group_extension" not in rows[0]:
        raise ImportFailedError(
            "its first line doesn't name ring_group_extension; export the ring groups with all columns"
        )
    draft = Draft("FusionPBX's ring groups", domain or _domain(rows))
    draft.put("domain", draft.domain or PLACEHOLDER_DOMAIN, "domain")
    if not draft.domain:
        draft.note("no row's context is a domain: telephony.domain is a stand-in, write your own")
    if "destinations" not in rows[0]:
        draft.note("the column destinations isn't there: export again with it, or add the members by hand")
    live = [row for row in rows if is_true(row.get("ring_group_enabled") or "true")]
    for row in rows:
        if row not in live:
            draft.note(f"{_of(row, 'name')} ({_of(row, 'extension')}) is disabled and was left out")
    for row in live:
        draft.group(_of(row, "extension"), _of(row, "name") or _of(row, "extension"))
    for row in live:
        _ring_group(draft, draft.groups[_of(row, "extension")], row)
    return draft


def _of(row: dict[str, str], column: str) -> str:
    return (row.get(f"ring_group_{column}") or "").strip()


def _domain(rows: list[dict[str, str]]) -> str:
    """The rows' context, which in FusionPBX is the domain's name."""
    contexts = [context for row in rows if "." in (context := _of(row, "context"))]
    return contexts[0] if contexts else ""


def _ring_group(draft: Draft, group: Entry, row: dict[str, str]) -> None:
    group.put("name", _of(row, "name") or group.id, "ring_group_name")
    group.put("extension", _of(row, "extension"), "ring_group_extension")
    _members(draft, group, (row.get("destinations") or "").split("|"))
    strategy = _of(row, "strategy") or "simultaneous"
    distribution = DISTRIBUTIONS.get(strategy, "to-all")
    group.values["distribution"] = distribution
    if strategy == "random" or strategy not in DISTRIBUTIONS:
        group.note(f'strategy {strategy}: has no equal; this is "{distribution}"')
    _timeouts(group, distribution, whole(_of(row, "call_timeout")))
    # Its last space is what parts it from the name.
    if prefix := (row.get("ring_group_cid_name_prefix") or ""):
        group.put("prefix", prefix, "ring_group_cid_name_prefix")
    group.steps["unanswered"] = _after(draft, group, _of(row, "timeout_app"), _of(row, "timeout_data"))
    _notes(group, row)


def _timeouts(group: Entry, distribution: str, timeout: int | None) -> None:
    group.note("delay and timeout of each destination aren't in the export: rings is one for the group")
    if not timeout:
        return
    if distribution == "to-all":
        group.put("rings", rings(timeout), "ring_group_call_timeout")
    group.put("max_wait_seconds", timeout, "ring_group_call_timeout")


def _members(draft: Draft, group: Entry, destinations: list[str]) -> None:
    found: list[str] = []
    for destination in (part.strip() for part in destinations):
        if not destination:
            continue
        if not re.fullmatch(rf"[0-9]{{1,{LONGEST_EXTENSION}}}", destination):
            words = "a member of its own with a dial string such as sofia/gateway/provider/NUMBER"
            group.note(f"destination {destination[:80]} is no extension: make it {words}")
            continue
        member = draft.member(destination, f"m{destination}")
        member.values.setdefault("dial", f"user/{destination}")
        member.values.setdefault("extension", destination)
        found.append(member.id)
    if found:
        group.put("members", tuple(dict.fromkeys(found)), "destinations")


def _after(draft: Draft, group: Entry, app: str, data: str) -> dict[str, Value]:
    """What is done when nobody answers, as a step."""
    domain = draft.domain or PLACEHOLDER_DOMAIN
    target = data.partition(" ")[0]
    mailbox = target.removeprefix("*99") if app == "transfer" and target.startswith("*99") else ""
    if app == "voicemail" and len(data.split()) == 3:
        _, domain, mailbox = data.split()
    if mailbox and step_fault("mailbox", f"{mailbox}@{domain}") is None:
        return {"action": "voicemail", "mailbox": f"{mailbox}@{domain}"}
    if app == "transfer" and target in draft.groups and draft.groups[target] is not group:
        return {"action": "group", "group": draft.groups[target].id}
    if app == "transfer" and target in draft.members:
        return {"action": "forward", "member": draft.members[target].id}
    if app in {"", "hangup"}:
        return {"action": "hangup", "cause": data} if data in CAUSES else {"action": "hangup"}
    group.note(f"timeout {app} {data}: has no equal among the steps; the call is hung up")
    return {"action": "hangup"}


def _notes(group: Entry, row: dict[str, str]) -> None:
    if is_true(_of(row, "forward_enabled")):
        group.note(f"forward to {_of(row, 'forward_destination')}: lead the numbers elsewhere instead")
    if app := _of(row, "missed_call_app"):
        group.note(f"missed calls by {app} to {_of(row, 'missed_call_data')}: they are in fsqueue missed list")
    if ringback := _of(row, "ringback"):
        group.note(f"ringback {ringback}: music belongs to a number (music = …), else to [telephony]")
    for column, value in row.items():
        if not isinstance(column, str) or not column.startswith("ring_group_") or not isinstance(value, str):
            continue
        name = column.removeprefix("ring_group_")
        known = name in (*PLAIN, *HANDLED, "ringback", "forward_enabled") or value.strip().lower() in QUIET
        if not known:
            group.note(f"{name} {value}: has no equal")
