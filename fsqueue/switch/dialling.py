"""How an offer's phones are rung: the text of each ``originate``, from the offer and the configuration."""

from __future__ import annotations

import math

from fsqueue.engine.messages import Caller, Ring
from fsqueue.switch import quoting, returns
from fsqueue.switch.messages import Phone, SwitchFacts

PARK_SECONDS = 20
"""How long an answered member's leg waits for its bridge; the safety net for when we are gone. Never 0."""

SLACK_SECONDS = 2
"""The switch looks at its own time-out about once a second and ends up to 0.7 s early; ours decides."""


ACCEPT_TONES = "tone_stream://%(150,100,660);loops=3"
"""Heard by who is asked for a key where no prompt is configured: silence would tell him nothing."""


def originate(uuid: str, contact: str, ring: Ring, facts: SwitchFacts) -> str:
    """Return the API command that rings *contact* (a dial string, inert already) as the channel *uuid*.

    Raises:
        Unquotable: the key or an id can't stand in a command.
    """
    variables = [*_fixed(uuid, ring, facts), *_who(facts.phones.get(ring.member)), *_shown(ring, facts)]
    return f"originate {quoting.braces(variables)}{contact} {_then(ring)}"


def _fixed(uuid: str, ring: Ring, facts: SwitchFacts) -> list[tuple[str, str]]:
    return [
        ("origination_uuid", quoting.uuid(uuid)),
        # Otherwise a phone's 183 counts as an answer.
        ("ignore_early_media", "true"),
        # Only configuration names targets: a phone's 302 is never followed (S2).
        ("outbound_redirect_fatal", "true"),
        ("originate_timeout", str(math.ceil(ring.timeout) + SLACK_SECONDS)),
        ("park_timeout", str(PARK_SECONDS)),
        ("loopback_bowout", "false"),
        ("fsqueue_owner", quoting.word(facts.owner)),
        ("fsqueue_offer", quoting.plain(ring.offer)),
        ("fsqueue_member", quoting.plain(ring.member)),
        ("presence_data", quoting.presence(facts.owner, "offer", ring.offer, ring.member, "")),
        *_music(ring.music),
        # Otherwise a key that a phone sends by SIP INFO is dropped, and its call is never accepted.
        *([("rtp_liberal_dtmf", "true")] if ring.key else []),
        # By this one that comes back to us is known.
        *([(f"sip_h_{returns.HEADER}", quoting.plain(ring.offer))] if ring.number else []),
    ]


def _music(music: str) -> list[tuple[str, str]]:
    """Return what the caller hears when the member holds him: FreeSWITCH takes it from the leg that holds."""
    try:
        pair = ("hold_music", quoting.playable(music))
        quoting.braces([pair])
    except quoting.Unquotable:
        return []
    return [pair]


def _who(phone: Phone | None) -> list[tuple[str, str]]:
    """Return whose leg it is, for lamps, pickup and ``show channels``: dialling ``sofia/…`` brings none of it."""
    if phone is None or not phone.user:
        return []
    name, _, domain = quoting.user(phone.user).partition("@")
    return [("presence_id", f"{name}@{domain}"), ("dialed_user", name), ("dialed_domain", domain)]


def _shown(ring: Ring, facts: SwitchFacts) -> list[tuple[str, str]]:
    """Return the caller id that the phone shows; a hidden caller stays hidden."""
    if ring.caller_id == "own":
        return _caller_id(facts.caller_id_number, facts.caller_id_name or facts.caller_id_number)
    if ring.caller.hidden:
        return [
            *_caller_id("anonymous", ring.prefix + "Anonymous"),
            ("origination_privacy", "hide_name:hide_number:screen"),
        ]
    return _caller_id(ring.caller.number, ring.prefix + _name(ring.caller))


def _name(caller: Caller) -> str:
    return caller.name or caller.number


def _caller_id(number: str, name: str) -> list[tuple[str, str]]:
    pairs = (
        ("origination_caller_id_number", quoting.number(number)),
        ("origination_caller_id_name", quoting.display_name(name)),
    )
    return [(name, value) for name, value in pairs if value]


def _then(ring: Ring) -> str:
    """Return what the answered leg does: wait for its bridge, at once or after the key that accepts."""
    if not ring.key:
        return "&park()"
    end = "*" if ring.key == "#" else "#"
    digits = f"1 1 3 5000 {end} {_prompt(ring)} silence_stream://200 digit {quoting.key(ring.key)} 3000"
    return quoting.inline(("play_and_get_digits", digits), ("park", "")) + " inline"


def _prompt(ring: Ring) -> str:
    """Return what asks for the key; a prompt that can't be written must not cost the call its forward."""
    try:
        return quoting.playable(ring.prompt)
    except quoting.Unquotable:
        return ACCEPT_TONES
