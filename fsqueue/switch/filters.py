"""Which events the switch is asked for, so that it sends nothing else.

Filters are OR and once there is one everything else is dropped, jobs too. Without them 20 calls/s of other people's are
163 events/s and 1.3 MB/s; with them nothing. A 2,000-name pattern costs 1.2 ms an event (measured on FreeSWITCH 1.11).
"""

from __future__ import annotations

import re

from fsqueue.switch import quoting
from fsqueue.switch.dialplan import ARRIVAL_EVENT, FALLBACK_EVENT
from fsqueue.switch.messages import SwitchFacts

EVENTS = (
    "CHANNEL_CREATE",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_ANSWER",
    "CHANNEL_PARK",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNHOLD",
    "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE",
    "BACKGROUND_JOB",
)
"""CHANNEL_UNHOLD since it can be the first to name the leg of an attended transfer; nobody needs the other ones."""

SUBCLASSES = (
    ARRIVAL_EVENT,
    "fsqueue::hold",
    FALLBACK_EVENT,
    "sofia::register",
    "sofia::unregister",
    "sofia::expire",
    "sofia::sip_user_state",
    "vm::maintenance",
)
"""Of CUSTOM, which stands last in the subscription."""


def filters(facts: SwitchFacts) -> tuple[tuple[str, str], ...]:
    """Return (header, value) of each filter for the members and the owner in *facts*."""
    own = (
        ("variable_fsqueue_owner", quoting.word(facts.owner)),
        ("Event-Name", "BACKGROUND_JOB"),
        ("Event-Subclass", "/^(sofia|fsqueue|vm)::/"),
    )
    users = _users(facts)
    if not users:
        return own
    names = "|".join(users)
    return (*own, ("Channel-Presence-ID", f"/^({names})@/"), ("variable_sip_auth_username", f"/^({names})$/"))


def _users(facts: SwitchFacts) -> list[str]:
    """Return the members' user names as patterns, each once, sorted so that the same members make the same filter."""
    names = {phone.user.partition("@")[0] for phone in facts.phones.values() if phone.user}
    return [re.escape(name).replace("/", "\\/") for name in sorted(names)]
