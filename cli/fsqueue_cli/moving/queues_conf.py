"""Asterisk's queues.conf: each queue becomes a group, each `member =>` a member; templates are followed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fsqueue_cli.moving.draft import (
    LONGEST_WAIT,
    PLACEHOLDER_DOMAIN,
    Draft,
    Entry,
    ImportFailedError,
    is_true,
    rings,
    whole,
)

STRATEGIES = {
    "ringall": "to-all",
    "leastrecent": "evenly",
    "rrmemory": "evenly",
    "rrordered": "evenly",
    "roundrobin": "evenly",
}
NEAR = {"fewestcalls": "who took fewest calls", "random": "chance", "wrandom": "chance and penalty"}

OURS_ANYWAY = (
    "autofill",
    "eventwhencalled",
    "eventmemberstatus",
    "persistentmembers",
    "setinterfacevar",
    "setqueueentryvar",
    "setqueuevar",
    "shared_lastcall",
    "log_membername_as_agent",
    "updatecdr",
    "monitor-type",
    "timeoutrestart",
)
"""Keys whose common value is what fsqueue does always, or that mean something inside Asterisk only."""

_SECTION = re.compile(r"^\[([^\]]{1,200})\]\s*(?:\(([^)]*)\))?")
_PAIR = re.compile(r"^([A-Za-z][A-Za-z0-9_-]*)\s*=>?\s*(.*)$")
_DEVICE = re.compile(r"^(?:PJSIP|SIP|IAX2|SCCP|Skinny)/([0-9A-Za-z_.+-]{1,64})(?:@.*)?$", re.IGNORECASE)
_LOCAL = re.compile(r"^Local/([0-9A-Za-z_.+-]{1,64})@[^/]*(?:/.*)?$", re.IGNORECASE)


@dataclass(slots=True)
class Section:
    """One queue or template: its keys (the last one counts) and its members."""

    keys: dict[str, str] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)


def read(text: str, domain: str) -> Draft:
    """Return what the file says; *domain* is that of the phones, empty where nobody said it."""
    draft = Draft("Asterisk's queues.conf", domain)
    general, queues = _sections(text, draft)
    if not queues:
        raise ImportFailedError("it has no queue: no [section] beside [general]")
    draft.put("domain", domain or PLACEHOLDER_DOMAIN, "domain")
    if not domain:
        draft.note(
            "queues.conf doesn't say in which domain the phones are: telephony.domain is a stand-in, write your own"
        )
    for key, value in general.keys.items():
        if key not in OURS_ANYWAY:
            draft.note(f"general {key} = {value}: has no equal")
    for name, section in queues.items():
        _queue(draft, name, section)
    return draft


def _sections(text: str, draft: Draft) -> tuple[Section, dict[str, Section]]:
    known: dict[str, Section] = {}
    templates: dict[str, bool] = {}
    section: Section | None = None
    for line in _lines(text):
        if (head := _SECTION.match(line)) is not None:
            name, extras = head.group(1), [part.strip() for part in (head.group(2) or "").split(",")]
            section = known[name] if "+" in extras and name in known else Section()
            for parent in extras:
                if parent in known:
                    section.keys |= known[parent].keys
                    section.members += known[parent].members
            known[name] = section
            templates[name] = "!" in extras
        elif line.startswith("#"):
            draft.note(f"{line[:80]}: wasn't followed; import that file as well")
        elif section is not None and (pair := _PAIR.match(line)) is not None:
            key, value = pair.group(1).lower(), pair.group(2).strip()
            if key == "member":
                section.members.append(value)
            else:
                section.keys[key] = value
        else:
            draft.note(f"{line[:80]}: isn't understood")
    general = known.pop("general", Section())
    return general, {name: one for name, one in known.items() if not templates.get(name)}


def _lines(text: str) -> list[str]:
    """The lines without comments, which begin at a ; that no backslash stands before, or are between ;-- and --;."""
    bare = re.sub(r"(?s);--(?!-).*?--;", "", text)
    lines = [re.split(r"(?<!\\);", line, maxsplit=1)[0].replace("\\;", ";").strip() for line in bare.splitlines()]
    return [line for line in lines if line]


def _queue(draft: Draft, name: str, section: Section) -> None:
    group = draft.group(name, name)
    group.put("name", name, "name")
    keys = dict(section.keys)
    _strategy(group, keys.pop("strategy", "ringall").lower())
    timeout = whole(keys.pop("timeout", "15"))
    # 0 is Asterisk's "no limit", and our longest offer is 60 rings.
    group.put("rings", 60 if timeout == 0 else rings(timeout or 15), "timeout")
    for theirs, ours in (
        ("wrapuptime", "wrap_up_seconds"),
        ("maxlen", "max_waiting"),
        ("weight", "priority"),
        ("servicelevel", "service_level_seconds"),
    ):
        value = whole(keys.pop(theirs, "0"))
        if value:
            group.put(ours, value, theirs)
    group.put("max_wait_seconds", LONGEST_WAIT, "timeout of Queue()")
    group.note("the timeout of the dialplan's Queue() goes into max_wait_seconds, what came after it into [waited]")
    pause = 1 if is_true(keys.pop("autopause", "no")) else 0
    _members(draft, group, section.members, pause)
    _rest(group, keys)


def _strategy(group: Entry, strategy: str) -> None:
    group.values["distribution"] = STRATEGIES.get(strategy, "evenly")
    if strategy == "linear":
        words = 'nobody waits for ever with "in-order", so this is "evenly"'
        group.note(f'strategy linear: {words}; choose distribution = "in-order" and an unanswered step')
    elif strategy in NEAR:
        group.note(f'strategy {strategy}: {NEAR[strategy]} has no equal; "evenly" rings whose turn was longest ago')
    elif strategy not in STRATEGIES:
        group.note(f'strategy {strategy}: isn\'t known; "evenly" stands in for it')


def _rest(group: Entry, keys: dict[str, str]) -> None:
    for key in ("musicclass", "musiconhold"):
        if (music := keys.pop(key, "")) not in {"", "default"}:
            group.note(f"{key} {music}: music belongs to a number, such as music = local_stream://{music}")
    empty = {key: value for key in ("joinempty", "leavewhenempty") if (value := keys.pop(key, ""))}
    if empty.get("joinempty", "yes") != "yes" or empty.get("leavewhenempty", "no") != "no":
        words = ", ".join(f"{key} {value}" for key, value in empty.items())
        group.note(f"{words}: what the dialplan did when nobody was there goes into [offline]")
    if is_true(keys.pop("ringinuse", "yes")):
        group.note("ringinuse yes: who is in another call is never rung here")
    if (context := keys.pop("context", "")) != "":
        group.note(f"context {context}: leaving the line by a key has no equal")
    if keys.pop("retry", ""):
        group.note("retry: the next one is rung at once; a member who didn't answer rests telephony.rest_seconds")
    for key, value in keys.items():
        if key.startswith("monitor"):
            group.note(f"{key} {value}: recording is FreeSWITCH's")
        elif key not in OURS_ANYWAY and value.lower() not in {"", "0", "no", "false"}:
            group.note(f"{key} {value}: has no equal")


def _members(draft: Draft, group: Entry, lines: list[str], pause: int) -> None:
    found: list[tuple[int, str]] = []
    penalties: list[int] = []
    for line in lines:
        interface, penalty, name, *more = [*(part.strip() for part in line.split(",")), "", "", ""]
        user = _user(interface, group)
        if user is None:
            continue
        member = draft.member(user, name or user)
        member.values.setdefault("dial", f"user/{user}")
        if name:
            member.put("name", name, "member name")
        if user.isdigit() and len(user) <= 20:
            member.values.setdefault("extension", user)
        if pause:
            member.put("pause_after", pause, "autopause")
        if any(more):
            member.note(f"member => {line[:120]}: what follows the name (state interface and the like) has no equal")
        penalties.append(whole(penalty) or 0)
        found.append((penalties[-1], member.id))
    if len(dict.fromkeys(penalties)) > 1:
        words = "make a group of each, and lead one to the next by unanswered"
        group.note(f"penalties {', '.join(map(str, penalties))}: members are one list here, ordered by them; {words}")
    if found:
        ordered = sorted(found, key=lambda place: place[0])
        group.put("members", tuple(dict.fromkeys(place[1] for place in ordered)), "members")


def _user(interface: str, group: Entry) -> str | None:
    if (device := _DEVICE.match(interface)) is not None:
        return device.group(1)
    if (local := _LOCAL.match(interface)) is not None:
        group.note(f"member {interface[:80]}: taken for the phone user/{local.group(1)}, since Local/ has no equal")
        return local.group(1)
    group.note(f"member {interface[:80]}: is no phone that FreeSWITCH knows; add it with a dial string of its own")
    return None
