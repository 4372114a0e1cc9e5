"""What FreeSWITCH tells us, as one typed struct, decoded straight from the bytes of an ``event json`` frame.

Only the fields that somebody reads are declared: msgspec skips the other two hundred without building them, which is
what makes decoding an event cost microseconds. A field that an event doesn't carry is the empty string, since
FreeSWITCH itself doesn't tell an empty header from a missing one.
"""

from __future__ import annotations

import re

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. Values are text as FreeSWITCH holds it, less control characters (see :func:`clean`)."""

    def __post_init__(self) -> None:
        """Take the control characters out of what strangers can fill."""
        for field in _FROM_STRANGERS:
            value = getattr(self, field)
            if value and _CONTROL.search(value):
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


_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

# What a caller can put text into. FreeSWITCH percent-decodes names and dialled numbers, so a real line feed can stand
# in them (FREESWITCH.md, "Wire").
_FROM_STRANGERS = (
    "caller_number",
    "caller_name",
    "destination",
    "channel_name",
    "presence_id",
    "context",
    "sip_referred_by",
    "digit",
)


def clean(text: str) -> str:
    """Return *text* without control characters and line separators, which belong in no name, number or log line."""
    return _CONTROL.sub("", text)
