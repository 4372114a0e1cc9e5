"""How long the switch takes for what, in seconds; the defaults were measured on FreeSWITCH 1.11."""

from __future__ import annotations

import msgspec


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Delays of the switch, all in seconds of its own clock, 0 or more.

    tick           the 20 ms frame in which a waiting channel looks for what it was told to do
    create         from an INVITE, or from a job's reply, to CHANNEL_CREATE
    job_reply      from bgapi to its "+OK Job-UUID"
    invite         from CHANNEL_CREATE to the phone's first ring
    refused        from a refusal to its CHANNEL_HANGUP
    answer         from a phone's 200 OK to CHANNEL_ANSWER
    park           from a member's CHANNEL_ANSWER to CHANNEL_PARK
    kill           from uuid_kill's reply to CHANNEL_HANGUP
    soft           from uuid_bridge to both legs' change of state
    bridge         from uuid_bridge to CHANNEL_BRIDGE
    unbridge       from a leg's end to what its bridge's other leg does
    route          from a transfer to the first action of where it leads
    early          how much before `originate_timeout` the switch gives up: it looks once a second
    table_lag      how far `show channels` is behind the events
    unconnected    how long a `socket` waits for `connect`
    parks          from a socket's `connect` to the call's park: a client that closes before leaves it there for ever
    seam           after which a missed bridge in the wrong order hangs up both legs
    greeting       how long a mailbox speaks before it records
    delivery       from what happens to the event about it; replies are not late, and overtake
    heartbeat      between two HEARTBEAT events; 0: none
    meets          how long after a member's CHANNEL_ANSWER has reached us a bridge may meet the end of its originate
    lost           how often (0 to 1) a bridge that meets it is lost: "+OK", no event, silence for the caller (3 of 2,850 measured)
    overtaken      how often (0 to 1) a bridge that overtakes a member's park swallows the CHANNEL_PARK and makes the job say -ERR
    """

    tick: float = 0.020
    create: float = 0.010
    job_reply: float = 0.002
    invite: float = 0.002
    refused: float = 0.018
    answer: float = 0.010
    park: float = 0.025
    kill: float = 0.001
    soft: float = 0.035
    bridge: float = 0.050
    unbridge: float = 0.018
    route: float = 0.008
    early: float = 0.5
    table_lag: float = 0.1
    unconnected: float = 25.0
    parks: float = 0.002
    seam: float = 20.0
    greeting: float = 5.0
    delivery: float = 0.010
    heartbeat: float = 20.0
    meets: float = 0.002
    lost: float = 0.001
    overtaken: float = 0.63
