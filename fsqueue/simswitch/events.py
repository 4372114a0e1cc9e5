"""What the switch says about its legs: every event's headers, in its names and its order, and the two ways of writing them."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

from fsqueue.simswitch.leg import STATE_NUMBERS

if TYPE_CHECKING:
    from fsqueue.simswitch.leg import Leg

EventData = dict[str, str]
"""An event: its headers in order; `_body` where it has a body."""

WITHOUT_VARIABLES = ("CHANNEL_CALLSTATE", "DTMF", "BACKGROUND_JOB", "HEARTBEAT")
"""Events that carry no `variable_…`, whatever they are about."""

NAMES = (
    "CHANNEL_CREATE",
    "CHANNEL_PROGRESS",
    "CHANNEL_PROGRESS_MEDIA",
    "CHANNEL_ANSWER",
    "CHANNEL_BRIDGE",
    "CHANNEL_UNBRIDGE",
    "CHANNEL_HANGUP",
    "CHANNEL_HANGUP_COMPLETE",
    "CHANNEL_DESTROY",
    "CHANNEL_STATE",
    "CHANNEL_CALLSTATE",
    "CHANNEL_EXECUTE",
    "CHANNEL_EXECUTE_COMPLETE",
    "CHANNEL_PARK",
    "CHANNEL_UNPARK",
    "CHANNEL_HOLD",
    "CHANNEL_UNHOLD",
    "CHANNEL_ORIGINATE",
    "CHANNEL_OUTGOING",
    "CHANNEL_DATA",
    "CHANNEL_UUID",
    "BACKGROUND_JOB",
    "DTMF",
    "HEARTBEAT",
    "MODULE_LOAD",
    "MODULE_UNLOAD",
    "RELOADXML",
    "STARTUP",
    "SHUTDOWN",
    "PLAYBACK_START",
    "PLAYBACK_STOP",
    "RECORD_START",
    "RECORD_STOP",
    "API",
    "ALL",
    "CUSTOM",
)
"""The event names a client can ask for."""

# Who the parties to a sofia channel are; one address for all, since nobody is called by it.
ADDRESS = "127.0.0.1"

_ENCODED = re.compile("(%[0-9A-Fa-f]{2})")


def stamp(seconds: float) -> str:
    """Return epoch seconds as the switch writes them in headers: microseconds."""
    return str(round(seconds * 1_000_000))


def channel_headers(leg: Leg) -> EventData:
    """Return what every event about `leg` says of it, variables aside."""
    headers = {
        "Channel-State": leg.state,
        "Channel-Call-State": leg.call_state,
        "Channel-State-Number": str(STATE_NUMBERS.get(leg.state, 0)),
        "Channel-Name": leg.name,
        "Unique-ID": leg.uuid,
        "Call-Direction": leg.direction,
        "Presence-Call-Direction": leg.direction,
        "Channel-HIT-Dialplan": "true" if leg.direction == "inbound" else "false",
    }
    if leg.presence_id:
        headers["Channel-Presence-ID"] = leg.presence_id
    if data := leg.variables.get("presence_data", ""):
        headers["Channel-Presence-Data"] = data
    headers |= {"Channel-Call-UUID": leg.uuid, "Answer-State": leg.answer}
    if leg.cause:
        headers["Hangup-Cause"] = leg.cause
    headers |= _caller("Caller-", leg)
    if leg.linked_to is not None:
        headers |= {"Other-Type": "originatee" if leg.linked_to.direction == "outbound" else "originator"}
        headers |= _caller("Other-Leg-", leg.linked_to)
    if leg.other:
        headers["Other-Leg-Unique-ID"] = leg.other
    return headers


def _caller(prefix: str, leg: Leg) -> EventData:
    headers = {
        "Direction": leg.direction,
        "Logical-Direction": leg.direction,
        "Username": leg.caller_number,
        "Dialplan": leg.dialplan,
        "Caller-ID-Name": leg.caller_name,
        "Caller-ID-Number": leg.caller_number,
        "Orig-Caller-ID-Name": leg.caller_name,
        "Orig-Caller-ID-Number": leg.caller_number,
        "Network-Addr": ADDRESS,
        "ANI": leg.caller_number,
        "Destination-Number": leg.destination,
        "Unique-ID": leg.uuid,
        "Source": "mod_sofia" if leg.direction == "inbound" else "src/switch_ivr_originate.c",
        "Context": leg.context,
        "Channel-Name": leg.name,
        "Channel-Created-Time": stamp(leg.created),
        "Channel-Answered-Time": stamp(leg.answered_at),
        "Screen-Bit": "true",
        "Privacy-Hide-Name": str(leg.hidden).lower(),
        "Privacy-Hide-Number": str(leg.hidden).lower(),
    }
    return {prefix + name: value for name, value in headers.items()}


def variable_headers(leg: Leg) -> EventData:
    """Return all of a leg's variables, as `variable_NAME`."""
    return {f"variable_{name}": value for name, value in leg.variables.items()}


def core_headers(core: str, now: float, sequence: int) -> EventData:
    """Return what every event begins with; `now` in epoch seconds of the switch's clock."""
    second = time.gmtime(now)
    return {
        "Core-UUID": core,
        "FreeSWITCH-Hostname": "embedded",
        "FreeSWITCH-Switchname": "embedded",
        "FreeSWITCH-IPv4": ADDRESS,
        "FreeSWITCH-IPv6": "::1",
        "Event-Date-Local": time.strftime("%Y-%m-%d %H:%M:%S", second),
        "Event-Date-GMT": time.strftime("%a, %d %b %Y %H:%M:%S GMT", second),
        "Event-Date-Timestamp": stamp(now),
        "Event-Sequence": str(sequence),
    }


def as_json(event: EventData) -> bytes:
    """Return an event as `event json` writes its body."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def as_plain(event: EventData) -> bytes:
    """Return an event as `event plain` writes its body: url-encoded values, then a blank line, and the event's own body."""
    body = event.get("_body", "")
    lines = [f"{name}: {plain_value(value)}" for name, value in event.items() if name != "_body"]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\n".join(lines) + "\n\n" + body).encode("utf-8", "replace")


def plain_value(value: str) -> str:
    """Return a value url-encoded as the switch does it: what already looks like `%XX` is left as it is."""
    return "".join(
        part if index % 2 else quote(part, safe="/,-_.!~*'()") for index, part in enumerate(_ENCODED.split(value))
    )
