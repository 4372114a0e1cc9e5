"""mod_callcenter's callcenter.conf.xml: queues become groups, agents members, tiers the order in a group's list."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

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

ALL_AT_ONCE = ("ring-all",)
SAME = ("longest-idle-agent", "round-robin")
FROM_THE_TOP = ("top-down", "sequentially-by-agent-order")

SILENT = ("time-base-score", "tier-rule-wait-second", "tier-rule-wait-multiply-level", "tier-rule-no-agent-no-wait")
"""Parameters that mean something only beside others, or whose meaning is ours anyway."""

SECONDS_UNLESS_SAID = 60
"""How long mod_callcenter rings an agent whose contact has no timeout."""

_VARIABLES = re.compile(r"^(?:\[[^\]]*\]|\{[^}]*\}|<[^>]*>)")
_TIMEOUT = re.compile(r"\b(?:leg_timeout|originate_timeout|call_timeout)=([0-9]{1,5})")
_DOMAIN_VARIABLE = re.compile(r"@\$?\$\{(?:domain|domain_name|local_ip_v4|dialed_domain)\}")


def read(text: str, domain: str) -> Draft:
    """Return what the file says; *domain* stands for ${domain}, empty where nobody said it."""
    root = _parse(text)
    draft = Draft("mod_callcenter's callcenter.conf.xml", domain)
    for agent in _all(root, "agent"):
        _agent(draft, agent)
    for queue in _all(root, "queue"):
        _queue(draft, queue)
    _tiers(draft, _all(root, "tier"))
    _settings(draft, root)
    for name, group in draft.groups.items():
        _finish(name, group, root)
    return draft


def _parse(text: str) -> ElementTree.Element:
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise ImportFailedError("it declares entities, which no callcenter.conf.xml needs; take the DOCTYPE out")
    # FreeSWITCH's own directives are comments to us; outside quotes they would be no XML.
    try:
        root = ElementTree.fromstring(text)  # noqa: S314 - entities are refused above
    except ElementTree.ParseError as error:
        raise ImportFailedError(f"it is no XML: {error}") from error
    if root.find(".//queues") is None and root.find(".//queue") is None:
        raise ImportFailedError("it has no <queues>; give it callcenter.conf.xml")
    return root


def _all(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return list(root.iter(tag))


def _agent(draft: Draft, agent: ElementTree.Element) -> None:
    name = agent.get("name", "")
    contact = agent.get("contact", "")
    member = draft.member(name, name.partition("@")[0])
    dial = contact
    while (found := _VARIABLES.match(dial)) is not None:
        rest = _TIMEOUT.sub("", found.group()).strip("[]{}<>, ")
        if rest:
            member.note(f"contact: the variables {rest} were left out; put them back into dial if they matter")
        dial = dial[found.end() :]
    if _DOMAIN_VARIABLE.search(dial):
        dial = _DOMAIN_VARIABLE.sub("", dial)
        _need_domain(draft)
    member.put("dial", dial, "contact")
    if "dial" not in member.values:
        member.note("without a dial string he can't be rung: this is a stand-in, write his own")
        member.values["dial"] = f"user/{member.id}@{draft.domain or PLACEHOLDER_DOMAIN}"
    _extension(draft, member)
    _agent_rules(member, agent)


def _need_domain(draft: Draft) -> None:
    draft.put("domain", draft.domain or PLACEHOLDER_DOMAIN, "domain")
    if not draft.domain:
        draft.note("contacts name FreeSWITCH's domain by a variable: telephony.domain is a stand-in, write your own")


def _extension(draft: Draft, member: Entry) -> None:
    found = re.match(r"^user/([0-9]{1,20})(?:@|$)", str(member.values.get("dial", "")))
    taken = [entry.values.get("extension") for entry in draft.members.values()]
    if found is not None and found.group(1) not in taken:
        member.values["extension"] = found.group(1)


def _agent_rules(member: Entry, agent: ElementTree.Element) -> None:
    if agent.get("type", "callback") != "callback":
        member.note(f"type {agent.get('type')}: members are called back always; one standing line has no equal")
    if agent.get("status", "Available") not in {"Available", "Available (On Demand)", "Logged Out"}:
        member.note(f"status {agent.get('status')}: a new member is logged in; fsqueue member pause {member.id}")
    if agent.get("status") == "Logged Out":
        member.note(f"status Logged Out: a new member is logged in; fsqueue member logout {member.id}")
    refused = whole(agent.get("max-no-answer", "0"))
    if refused:
        member.put("pause_after", refused, "max-no-answer")


def _queue(draft: Draft, queue: ElementTree.Element) -> None:
    name = queue.get("name", "")
    group = draft.group(name, name.partition("@")[0])
    group.put("name", name.partition("@")[0], "name")
    given = {param.get("name", ""): param.get("value", "") for param in queue.iter("param")}
    _strategy(group, given.pop("strategy", "longest-idle-agent"))
    _waits(group, given)
    if (music := given.pop("moh-sound", "")) != "":
        group.note(f"moh-sound {music}: music belongs to a number (music = …), else to [telephony]")
    if is_true(given.pop("tier-rules-apply", "false")):
        words = "tiers are one list here: make a group of each level, and lead one to the next by unanswered"
        group.note(f"tier-rules-apply: {words}")
    if is_true(given.pop("abandoned-resume-allowed", "false")):
        group.note("abandoned-resume-allowed: who calls again stands at the end of the line; this has no equal")
    given.pop("discard-abandoned-after", None)
    for key, value in given.items():
        if key not in SILENT and value not in {"", "0", "false"}:
            group.note(f"{key} {value}: has no equal")


def _strategy(group: Entry, strategy: str) -> None:
    if strategy in ALL_AT_ONCE:
        group.values["distribution"] = "to-all"
        return
    group.values["distribution"] = "evenly"
    if strategy in FROM_THE_TOP:
        words = 'nobody waits for ever with "in-order", so this is "evenly"'
        group.note(f'strategy {strategy}: {words}; choose distribution = "in-order" and an unanswered step')
    elif strategy not in SAME:
        group.note(f'strategy {strategy}: has no equal; "evenly" rings whose turn was longest ago')


def _waits(group: Entry, given: dict[str, str]) -> None:
    longest = whole(given.pop("max-wait-time", "0")) or 0
    group.put("max_wait_seconds", longest or LONGEST_WAIT, "max-wait-time")
    if longest:
        group.note("max-wait-time: what the dialplan did after it goes into [waited]; without it the call ends")
    else:
        group.note("max-wait-time 0: a call waits a day at the most")
    nobody = whole(given.pop("max-wait-time-with-no-agent", "0")) or 0
    given.pop("max-wait-time-with-no-agent-time-reached", None)
    if nobody:
        words = "what is done when all are away goes into [offline], which is taken at once"
        group.note(f"max-wait-time-with-no-agent {nobody}: {words}")


def _tiers(draft: Draft, tiers: Iterable[ElementTree.Element]) -> None:
    places: dict[str, list[tuple[int, int, str]]] = {}
    for tier in tiers:
        queue, agent = tier.get("queue", ""), tier.get("agent", "")
        if queue not in draft.groups or agent not in draft.members:
            draft.note(f"tier of {agent} in {queue}: one of the two isn't in this file")
            continue
        level, position = whole(tier.get("level", "1")) or 1, whole(tier.get("position", "1")) or 1
        places.setdefault(queue, []).append((level, position, draft.members[agent].id))
    for queue, found in places.items():
        # Sorting keeps the file's order where level and position are equal.
        ordered = sorted(found, key=lambda place: place[:2])
        draft.groups[queue].put("members", tuple(dict.fromkeys(place[2] for place in ordered)), "tiers")


def _settings(draft: Draft, root: ElementTree.Element) -> None:
    rests = _common(
        agent.get("no-answer-delay-time") or agent.get("reject-delay-time") for agent in _all(root, "agent")
    )
    if rests is not None:
        draft.put("rest_seconds", rests, "reject-delay-time, no-answer-delay-time")
    elif any(agent.get("reject-delay-time") for agent in _all(root, "agent")):
        draft.note("reject-delay-time differs between agents: telephony.rest_seconds is one for all")
    if any(agent.get("busy-delay-time") not in {None, "0"} for agent in _all(root, "agent")):
        draft.note("busy-delay-time: who is in another call isn't rung at all, so there is nothing to delay")
    for param in root.findall("./settings/param"):
        draft.note(f"setting {param.get('name')}: has no equal; fsqueue keeps its own state")


def _finish(name: str, group: Entry, root: ElementTree.Element) -> None:
    """What agents have each and a group has once: wrap-up, and how long one rings."""
    agents = [tier.get("agent", "") for tier in _all(root, "tier") if tier.get("queue") == name]
    known = [agent for agent in _all(root, "agent") if agent.get("name") in agents]
    wraps = _common(agent.get("wrap-up-time", "0") for agent in known)
    if wraps:
        group.put("wrap_up_seconds", wraps, "wrap-up-time")
    elif wraps is None and known:
        group.note("wrap-up-time differs between agents: wrap_up_seconds is one for the group")
    timeouts = [found.group(1) for agent in known if (found := _TIMEOUT.search(agent.get("contact", "")))]
    if timeouts and len(timeouts) == len(known):
        group.put("rings", rings(max(int(timeout) for timeout in timeouts)), "leg_timeout")
        if len(dict.fromkeys(timeouts)) > 1:
            group.note("leg_timeout differs between agents: rings is one for the group, that of the longest")
    elif known:
        group.put("rings", rings(SECONDS_UNLESS_SAID), "leg_timeout")
        if timeouts:
            group.note("leg_timeout is said for some agents only: rings is one for the group, that of the longest")


def _common(values: Iterable[str | None]) -> int | None:
    """The one number that all of them are, or None."""
    found = [whole(value) for value in values if value is not None]
    return found[0] if found and all(one == found[0] for one in found) else None
