"""What FreeSWITCH tells us, as one typed event that is decoded from an ``event json`` frame only as far as it is read.

A real event has 130 headers, and building the few that somebody reads out of a parsed whole costs most of the time. So
an event keeps its bytes. What is asked of any channel event is looked up by itself, where FreeSWITCH's own compact
JSON makes that safe; all else is decoded in sections, small structs, when one of their fields is first read.
A field that an event doesn't carry is the empty string, since FreeSWITCH itself doesn't tell an empty header from a
missing one.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from fsqueue.esl.errors import RemoteProtocolError
from fsqueue.esl.framing import Frame, decode_values, parse_headers

# FreeSWITCH percent-decodes names and dialled numbers, so a real line feed can stand in them; contacts, Referred-By and
# user names come from phones as they are. C1 controls and the Unicode line separators end a line in some terminals.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def clean(text: str) -> str:
    """Return *text* without control characters and line separators, which belong in no name, number or log line."""
    return _CONTROL.sub("", text)


def _header(name: str) -> Any:
    """Declare a field by the header that it is read from."""
    return dataclasses.field(default="", metadata={"header": name})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. Values are text as FreeSWITCH holds it, less control characters (see :func:`clean`)."""

    _data: bytes = dataclasses.field(default=b"", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Take the control characters out of every field but ``body``: strangers fill more of them than one thinks."""
        # One pass over all of them, since nearly every event is clean.
        if not "".join(_cleaned_of(self)).isprintable():
            for field in _CLEANED:
                _SET[field](self, clean(getattr(self, field)))

    if not TYPE_CHECKING:  # else a misspelt field would be an attribute of type Any

        def __getattr__(self, field: str) -> str:
            """Decode the section of a *field* that is read for the first time; its slot is still empty."""
            section = _SECTION_OF.get(field)
            if section is None:
                raise AttributeError(f"an event has no {field!r}", name=field, obj=self)
            key = _KEYS.get(field)
            value = _value_of(self._data, key) if key is not None and self._data.startswith(_COMPACT) else None
            if value is not None:
                _SET[field](self, value)
                return value
            section.fill(self)
            return getattr(self, field)

    name: str = _header("Event-Name")
    subclass: str = _header("Event-Subclass")
    core: str = _header("Core-UUID")
    sequence: str = _header("Event-Sequence")
    timestamp: str = _header("Event-Date-Timestamp")

    # the channel
    uuid: str = _header("Unique-ID")
    direction: str = _header("Call-Direction")
    channel_name: str = _header("Channel-Name")
    channel_state: str = _header("Channel-State")
    answer_state: str = _header("Answer-State")
    presence_id: str = _header("Channel-Presence-ID")
    caller_number: str = _header("Caller-Caller-ID-Number")
    caller_name: str = _header("Caller-Caller-ID-Name")
    hide_name: str = _header("Caller-Privacy-Hide-Name")
    hide_number: str = _header("Caller-Privacy-Hide-Number")
    destination: str = _header("Caller-Destination-Number")
    context: str = _header("Caller-Context")
    other_leg: str = _header("Other-Leg-Unique-ID")
    bridge_a: str = _header("Bridge-A-Unique-ID")
    bridge_b: str = _header("Bridge-B-Unique-ID")
    hangup_cause: str = _header("Hangup-Cause")
    digit: str = _header("DTMF-Digit")

    # variables of ours
    fsq_version: str = _header("variable_fsqueue_version")
    fsq_owner: str = _header("variable_fsqueue_owner")
    fsq_arrival: str = _header("variable_fsqueue_arrival")
    fsq_to: str = _header("variable_fsqueue_to")
    fsq_call: str = _header("variable_fsqueue_call")
    fsq_group: str = _header("variable_fsqueue_group")
    fsq_number: str = _header("variable_fsqueue_number")
    fsq_joined: str = _header("variable_fsqueue_joined")
    fsq_entered: str = _header("variable_fsqueue_entered")
    fsq_deadline: str = _header("variable_fsqueue_deadline")
    fsq_priority: str = _header("variable_fsqueue_priority")
    fsq_music: str = _header("variable_fsqueue_music")
    fsq_offer: str = _header("variable_fsqueue_offer")
    fsq_member: str = _header("variable_fsqueue_member")
    fsq_code: str = _header("variable_fsqueue_code")
    fsq_refused: str = _header("variable_fsqueue_refused")

    # variables of the switch
    sip_auth_user: str = _header("variable_sip_auth_username")
    sip_auth_realm: str = _header("variable_sip_auth_realm")
    sip_user_domain: str = _header("variable_domain_name")
    sip_referred_by: str = _header("variable_sip_h_Referred-By")
    forward_mark: str = _header("variable_sip_h_X-FSQueue-Forward")
    diversion: str = _header("variable_sip_h_Diversion")
    history_info: str = _header("variable_sip_history_info")
    refer_uuid: str = _header("variable_refer_uuid")
    endpoint_disposition: str = _header("variable_endpoint_disposition")
    hangup_disposition: str = _header("variable_sip_hangup_disposition")
    originate_disposition: str = _header("variable_originate_disposition")
    dialed_user: str = _header("variable_dialed_user")
    dialed_domain: str = _header("variable_dialed_domain")
    accept_digit: str = _header("variable_digit")
    voicemail_length: str = _header("variable_voicemail_message_len")
    current_application: str = _header("variable_current_application")

    # jobs
    job: str = _header("Job-UUID")
    job_command: str = _header("Job-Command")
    body: str = _header("_body")

    # registrations (sofia::register, unregister, expire, sip_user_state)
    from_user: str = _header("from-user")
    from_host: str = _header("from-host")
    contact: str = _header("contact")
    expires: str = _header("expires")
    reg_user: str = _header("user")
    reg_host: str = _header("host")
    ping_status: str = _header("Ping-Status")

    # voicemail (vm::maintenance)
    vm_action: str = _header("VM-Action")
    vm_uuid: str = _header("VM-UUID")
    vm_length: str = _header("VM-Message-Len")


_HEADERS = {field.name: field.metadata["header"] for field in dataclasses.fields(Event) if field.metadata}
_FIELDS = {header: field for field, header in _HEADERS.items()}
_CLEANED = tuple(field for field in _HEADERS if field != "body")
_cleaned_of = attrgetter(*_CLEANED)
# The slots' own setters: what is read late is no change of a frozen event.
_SET: dict[str, Callable[[Event, Any], None]] = {
    field.name: getattr(Event, field.name).__set__ for field in dataclasses.fields(Event)
}


class _Section:
    """Some of the fields, and the decoder that builds these alone."""

    def __init__(self, fields: Iterable[str]) -> None:
        self.fields = tuple(fields)
        declared = [(field, str, msgspec.field(name=_HEADERS[field], default="")) for field in self.fields]
        struct = msgspec.defstruct("Section", declared, gc=False)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(struct).decode
        self.values_of: Callable[[Any], tuple[str, ...]] = attrgetter(*self.fields)
        self._setters = tuple((_SET[field], field == "body") for field in self.fields)

    def fill(self, event: Event) -> None:
        """Set these fields of *event* from its bytes; those that nothing can be made of stay empty."""
        try:
            self.take(event, self.values_of(self.decode(event._data)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = _load_leniently(event._data) or {}
            self.take(event, tuple(_text(found.get(_HEADERS[field], "")) for field in self.fields))

    def take(self, event: Event, values: tuple[str, ...]) -> None:
        """Set these fields to *values*, less control characters."""
        if "".join(values).isprintable():
            for (put, _), value in zip(self._setters, values, strict=True):
                put(event, value)
        else:
            for (put, raw), value in zip(self._setters, values, strict=True):
                put(event, value if raw else clean(value))


_HEAD = _Section(("name", "uuid", "subclass", "job"))
_LEG = _Section(
    (
        *(
            "direction",
            "presence_id",
            "destination",
            "answer_state",
            "other_leg",
            "bridge_a",
            "bridge_b",
            "hangup_cause",
        ),
        *("fsq_owner", "sip_auth_user", "sip_auth_realm", "sip_user_domain", "refer_uuid", "endpoint_disposition"),
        "accept_digit",
    )
)
_REST = _Section(field for field in _HEADERS if field not in _HEAD.fields + _LEG.fields)
_SECTION_OF = {field: section for section in (_HEAD, _LEG, _REST) for field in section.fields}
_COMPACT = (b'{"Event-Name":"', b'{"Event-Subclass":"')
"""How an event begins that FreeSWITCH has written: without blanks, its name or subclass first."""

_KEYS = {field: f',"{_HEADERS[field]}":'.encode() for field in (*_HEAD.fields, *_LEG.fields)}
_QUOTE = ord('"')
_NAME_AT = len(_COMPACT[0])
_NAMES = {
    name.encode(): name
    for name in (
        *("CHANNEL_CREATE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER", "CHANNEL_PARK"),
        *("CHANNEL_BRIDGE", "CHANNEL_UNBRIDGE", "CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE", "BACKGROUND_JOB"),
        *("CHANNEL_HOLD", "CHANNEL_UNHOLD", "CHANNEL_CALLSTATE", "DTMF", "HEARTBEAT"),
    )
}
"""The names seen most, which need no looking at; where the subclass comes first, none of them stands at that place."""

_NAME, _UUID = _KEYS["name"], _KEYS["uuid"]
_UUID_LENGTH = len(_UUID)
_set_data, _set_name, _set_uuid = _SET["_data"], _SET["name"], _SET["uuid"]
_new = Event.__new__


def _value_of(data: bytes, key: bytes) -> str | None:
    """Return the value behind *key*, empty without one; None if it isn't plain printable ASCII between two quotes.

    In compact JSON a comma, a quote and a header's name stand together only where that header begins: in a text each
    quote has a backslash before it, and the quote that ends a text is followed by no letter.
    """
    at = 0 if data.startswith(key[1:], 1) else data.find(key)
    return _text_at(data, at + len(key)) if at >= 0 else ""


def _text_at(data: bytes, at: int) -> str | None:
    """Return the text whose opening quote is at *at*; None if it isn't plain printable ASCII."""
    at += 1
    end = data.find(b'"', at)
    value = data[at:end]
    if end < 0 or data[at - 1] != _QUOTE or not value.isascii():
        return None
    text = value.decode()
    return text if text.isprintable() and "\\" not in text else None


def decode(data: bytes) -> Event:
    """Decode the body of a ``text/event-json`` frame.

    Bytes that are no UTF-8 become U+FFFD (FreeSWITCH doesn't check what it puts into JSON); values that are no text
    are made text, an array as FreeSWITCH holds it (``ARRAY::one|:two``).

    Raises:
        RemoteProtocolError: *data* is not a JSON object, as far as can be seen without reading all of what begins and
            ends like an event of FreeSWITCH's; the fields of one that is broken further in are empty.
    """
    if data.startswith(_COMPACT) and data.endswith(b"}"):
        name = _NAMES.get(data[_NAME_AT : data.find(b'"', _NAME_AT)]) or _value_of(data, _NAME)
        at = data.find(_UUID)  # never the first header
        uuid = _text_at(data, at + _UUID_LENGTH) if at >= 0 else ""
        if name is not None and uuid is not None:
            event = _new(Event)
            _set_data(event, data)
            _set_name(event, name)
            _set_uuid(event, uuid)
            return event
    try:
        head = _HEAD.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_leniently(data)
    event = _new(Event)
    _set_data(event, data)
    _HEAD.take(event, _HEAD.values_of(head))
    return event


def _decode_leniently(data: bytes) -> Event:
    """Decode what the fast way refuses: broken UTF-8, raw control characters, half surrogates, arrays, numbers."""
    found = _load_leniently(data)
    if found is None:
        # The fault is not quoted, and has no cause: both would carry what the peer sent into the log.
        raise RemoteProtocolError("an event that is not a JSON object") from None
    return from_values({name: _text(value) for name, value in found.items()})


def _load_leniently(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


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
    return Event(**{_FIELDS[header]: value for header, value in values.items() if header in _FIELDS})


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
    # 130 headers, of which nobody reads more than a few: only those are decoded that have a field.
    event = from_values(decode_values({name: value for name, value in frame.headers.items() if name in _FIELDS}))
    if event.name != "CHANNEL_DATA" or not event.uuid:
        raise RemoteProtocolError("an answer to connect that holds no channel")
    return event
