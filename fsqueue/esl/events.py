"""What FreeSWITCH tells us, as one typed struct, decoded straight from the bytes of an ``event json`` frame.

Only the fields that somebody reads are declared: msgspec skips the other two hundred without building them, which is
what makes decoding an event cost microseconds. A field that an event doesn't carry is the empty string, since
FreeSWITCH itself doesn't tell an empty header from a missing one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import msgspec

from fsqueue.esl.errors import RemoteProtocolError
from fsqueue.esl.framing import Frame, decode_values, parse_headers


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. Values are text as FreeSWITCH holds it, less control characters (see :func:`clean`)."""

    def __post_init__(self) -> None:
        """Take the control characters out of every field but ``body``: strangers fill more of them than one thinks."""
        # One pass over all of them, since nearly every event is clean and this is on the way of each.
        if "".join(_fields_of(self)).isprintable():
            return
        for field, value in zip(_CLEANED, _fields_of(self), strict=True):
            if not value.isprintable():
                msgspec.structs.force_setattr(self, field, clean(value))

    name: str = msgspec.field(name="Event-Name", default="")
    subclass: str = msgspec.field(name="Event-Subclass", default="")
    core: str = msgspec.field(name="Core-UUID", default="")
    sequence: str = msgspec.field(name="Event-Sequence", default="")
    timestamp: str = msgspec.field(name="Event-Date-Timestamp", default="")

    # the channel
    uuid: str = msgspec.field(name="Unique-ID", default="")
    direction: str = msgspec.field(name="Call-Direction", default="")
    channel_name: str = msgspec.field(name="Channel-Name", default="")
    channel_state: str = msgspec.field(name="Channel-State", default="")
    answer_state: str = msgspec.field(name="Answer-State", default="")
    presence_id: str = msgspec.field(name="Channel-Presence-ID", default="")
    caller_number: str = msgspec.field(name="Caller-Caller-ID-Number", default="")
    caller_name: str = msgspec.field(name="Caller-Caller-ID-Name", default="")
    hide_name: str = msgspec.field(name="Caller-Privacy-Hide-Name", default="")
    hide_number: str = msgspec.field(name="Caller-Privacy-Hide-Number", default="")
    destination: str = msgspec.field(name="Caller-Destination-Number", default="")
    context: str = msgspec.field(name="Caller-Context", default="")
    other_leg: str = msgspec.field(name="Other-Leg-Unique-ID", default="")
    bridge_a: str = msgspec.field(name="Bridge-A-Unique-ID", default="")
    bridge_b: str = msgspec.field(name="Bridge-B-Unique-ID", default="")
    hangup_cause: str = msgspec.field(name="Hangup-Cause", default="")
    digit: str = msgspec.field(name="DTMF-Digit", default="")

    # variables of ours
    fsq_version: str = msgspec.field(name="variable_fsqueue_version", default="")
    fsq_owner: str = msgspec.field(name="variable_fsqueue_owner", default="")
    fsq_arrival: str = msgspec.field(name="variable_fsqueue_arrival", default="")
    fsq_to: str = msgspec.field(name="variable_fsqueue_to", default="")
    fsq_call: str = msgspec.field(name="variable_fsqueue_call", default="")
    fsq_group: str = msgspec.field(name="variable_fsqueue_group", default="")
    fsq_number: str = msgspec.field(name="variable_fsqueue_number", default="")
    fsq_joined: str = msgspec.field(name="variable_fsqueue_joined", default="")
    fsq_entered: str = msgspec.field(name="variable_fsqueue_entered", default="")
    fsq_deadline: str = msgspec.field(name="variable_fsqueue_deadline", default="")
    fsq_priority: str = msgspec.field(name="variable_fsqueue_priority", default="")
    fsq_music: str = msgspec.field(name="variable_fsqueue_music", default="")
    fsq_offer: str = msgspec.field(name="variable_fsqueue_offer", default="")
    fsq_member: str = msgspec.field(name="variable_fsqueue_member", default="")
    fsq_code: str = msgspec.field(name="variable_fsqueue_code", default="")
    fsq_refused: str = msgspec.field(name="variable_fsqueue_refused", default="")

    # variables of the switch
    sip_auth_user: str = msgspec.field(name="variable_sip_auth_username", default="")
    sip_auth_realm: str = msgspec.field(name="variable_sip_auth_realm", default="")
    sip_user_domain: str = msgspec.field(name="variable_domain_name", default="")
    sip_referred_by: str = msgspec.field(name="variable_sip_h_Referred-By", default="")
    refer_uuid: str = msgspec.field(name="variable_refer_uuid", default="")
    endpoint_disposition: str = msgspec.field(name="variable_endpoint_disposition", default="")
    hangup_disposition: str = msgspec.field(name="variable_sip_hangup_disposition", default="")
    originate_disposition: str = msgspec.field(name="variable_originate_disposition", default="")
    dialed_user: str = msgspec.field(name="variable_dialed_user", default="")
    dialed_domain: str = msgspec.field(name="variable_dialed_domain", default="")
    accept_digit: str = msgspec.field(name="variable_digit", default="")
    voicemail_length: str = msgspec.field(name="variable_voicemail_message_len", default="")
    current_application: str = msgspec.field(name="variable_current_application", default="")

    # jobs
    job: str = msgspec.field(name="Job-UUID", default="")
    job_command: str = msgspec.field(name="Job-Command", default="")
    body: str = msgspec.field(name="_body", default="")

    # registrations (sofia::register, unregister, expire, sip_user_state)
    from_user: str = msgspec.field(name="from-user", default="")
    from_host: str = msgspec.field(name="from-host", default="")
    contact: str = msgspec.field(name="contact", default="")
    expires: str = msgspec.field(name="expires", default="")
    reg_user: str = msgspec.field(name="user", default="")
    reg_host: str = msgspec.field(name="host", default="")
    ping_status: str = msgspec.field(name="Ping-Status", default="")

    # voicemail (vm::maintenance)
    vm_action: str = msgspec.field(name="VM-Action", default="")
    vm_uuid: str = msgspec.field(name="VM-UUID", default="")
    vm_length: str = msgspec.field(name="VM-Message-Len", default="")


# FreeSWITCH percent-decodes names and dialled numbers, so a real line feed can stand in them; contacts, Referred-By and
# user names come from phones as they are. C1 controls and the Unicode line separators end a line in some terminals.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CLEANED = tuple(field for field in Event.__struct_fields__ if field != "body")
_fields_of = attrgetter(*_CLEANED)
_decoder = msgspec.json.Decoder(Event)


def clean(text: str) -> str:
    """Return *text* without control characters and line separators, which belong in no name, number or log line."""
    return _CONTROL.sub("", text)


def decode(data: bytes) -> Event:
    """Decode the body of a ``text/event-json`` frame.

    Bytes that are no UTF-8 become U+FFFD (FreeSWITCH doesn't check what it puts into JSON); values that are no text
    are made text, an array as FreeSWITCH holds it (``ARRAY::one|:two``).

    Raises:
        RemoteProtocolError: *data* is not a JSON object.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(data)


def _decode_leniently(data: bytes) -> Event:
    """Decode what the fast way refuses: broken UTF-8, raw control characters, half surrogates, arrays, numbers."""
    try:
        found = json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        # The fault is not quoted, and has no cause: both would carry what the peer sent into the log.
        raise RemoteProtocolError("an event that is not a JSON object") from None
    return from_values({name: _text(value) for name, value in found.items()})


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "ARRAY::" + "|:".join(_text(item) for item in value)
    return str(value)


def from_values(values: Mapping[str, str]) -> Event:
    """Make an event from decoded values by FreeSWITCH's header names; those that no field has are passed over."""
    return msgspec.convert(dict(values), Event)


def decode_plain(data: bytes) -> Event:
    """Decode the body of a ``text/event-plain`` frame: url-encoded lines, then perhaps a body of its own.

    An existing ``%XX`` is left as it is by FreeSWITCH, so a plain event can't tell ``%41`` from ``A``; JSON can.
    """
    block, _, body = data.partition(b"\n\n")
    values = decode_values(parse_headers(block))
    if body:
        values["_body"] = body.decode("utf-8", "replace")
    return from_values(values)


def channel_data(frame: Frame) -> Event:
    """Read the channel out of the answer to ``connect``: its header block, url-encoded per value.

    Raises:
        RemoteProtocolError: the answer holds no channel, since the switch refused or the peer is none.
    """
    event = from_values(decode_values(frame.headers))
    if event.name != "CHANNEL_DATA" or not event.uuid:
        raise RemoteProtocolError("an answer to connect that holds no channel")
    return event
