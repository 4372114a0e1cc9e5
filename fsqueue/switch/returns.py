"""Whether an arriving call is a forward of ours that came back in, as when the mobile it went to is diverted to us.

Such a call would be answered by our own hold, count as taken, and be forwarded again without an end. Three things tell:
our own header, where the trunk brings it back; the number that a forward shows just now, as the caller's; and, beside
that, a Diversion or History-Info that names where the forward went. The number alone proves nothing: a large customer's
employees all show the same one.
"""

from __future__ import annotations

import re

from fsqueue.engine.messages import Ring
from fsqueue.esl.events import Event
from fsqueue.switch.context import Context

HEADER = "X-FSQueue-Forward"
"""SIP header of a forwarded INVITE; its value is the offer's id."""

SHORTEST = 7
"""Digits in which two numbers have to agree when one is written with its country and the other without."""

_URI_USER = re.compile(r"<?(?:sips?|tel):([^@;>,]+)")
_NO_DIGIT = re.compile(r"[^0-9]")


def offer_behind(ctx: Context, event: Event) -> tuple[str, bool]:
    """Return the forward that this arrival came back from (empty: none) and whether that is sure."""
    marked = ctx.offers.get(event.forward_mark)
    if marked is not None and not marked.member:
        return marked.id, True
    for offer, ring in ctx.forwards.items():
        shown = _shown(ring, ctx.facts.caller_id_number)
        if ring.leg.uuid != event.uuid and same_number(event.caller_number, shown):
            return offer, any(same_number(ring.number, number) for number in _diverted(event))
    return "", False


def same_number(one: str, other: str) -> bool:
    """Whether two telephone numbers are the same, with or without their country (``+48601234567`` is ``601234567``)."""
    short, long = sorted((_digits(one), _digits(other)), key=len)
    return bool(short) and (short == long or (len(short) >= SHORTEST and long.endswith(short)))


def _digits(number: str) -> str:
    return _NO_DIGIT.sub("", number).lstrip("0")


def _shown(ring: Ring, own: str) -> str:
    """Return the number that a forward shows; empty where the caller hides his."""
    if ring.caller_id == "own":
        return own
    return "" if ring.caller.hidden else ring.caller.number


def _diverted(event: Event) -> list[str]:
    return _URI_USER.findall(f"{event.diversion} {event.history_info}")
