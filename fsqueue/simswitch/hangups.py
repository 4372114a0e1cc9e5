"""How a leg ends, what it says then, and what becomes of the leg it is bridged with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsqueue.simswitch import running
from fsqueue.simswitch.events import stamp

if TYPE_CHECKING:
    from fsqueue.simswitch.bridging import Bridge
    from fsqueue.simswitch.leg import Leg
    from fsqueue.simswitch.world import World

# What the switch makes of a SIP refusal (480 and 404 as captured).
CAUSES = {
    300: "REQUESTED_CHAN_UNAVAIL",
    301: "REQUESTED_CHAN_UNAVAIL",
    302: "REQUESTED_CHAN_UNAVAIL",
    401: "CALL_REJECTED",
    403: "CALL_REJECTED",
    404: "UNALLOCATED_NUMBER",
    407: "CALL_REJECTED",
    408: "RECOVERY_ON_TIMER_EXPIRE",
    410: "NUMBER_CHANGED",
    480: "NO_USER_RESPONSE",
    484: "INVALID_NUMBER_FORMAT",
    486: "USER_BUSY",
    487: "ORIGINATOR_CANCEL",
    500: "NORMAL_TEMPORARY_FAILURE",
    503: "NORMAL_TEMPORARY_FAILURE",
    600: "USER_BUSY",
    603: "CALL_REJECTED",
    604: "NO_ROUTE_DESTINATION",
}


def cause_of(code: int) -> str:
    """Return the switch's cause for a SIP code of 300 to 699."""
    return CAUSES.get(code, "NORMAL_UNSPECIFIED")


def hang_up(world: World, leg: Leg, cause: str) -> None:
    """Let the switch end a leg."""
    _end(world, leg, cause, by_switch=True)


def hung_up(world: World, leg: Leg, cause: str) -> None:
    """Take note that the far end has ended or refused a leg."""
    _end(world, leg, cause, by_switch=False)


def _disposition(leg: Leg, by_switch: bool) -> str:
    if leg.answer == "answered" or leg.taken:
        return "send_bye" if by_switch else "recv_bye"
    if leg.direction == "outbound":
        return "send_cancel" if by_switch else "recv_refuse"
    return "send_refuse" if by_switch else "recv_cancel"


def _end(world: World, leg: Leg, cause: str, *, by_switch: bool) -> None:
    if leg.gone:
        return
    disposition = _disposition(leg, by_switch)
    for timer in leg.tasks:
        timer.cancel()
    leg.answer, leg.cause = "hangup", cause
    refused = disposition == "recv_refuse"
    if refused:
        leg.variables["sip_hangup_disposition"] = disposition
    if cause == "NO_ANSWER" and leg.attempt is not None:
        leg.attempt.timed_out = True
    world.say(leg, "CHANNEL_HANGUP")
    running.stop(leg)
    leg.messages.clear()
    leg.variables["sip_hangup_disposition"] = disposition
    world.forget(leg)
    if leg.party is not None:
        leg.party.gone(leg, cause, by_switch)
    bridge, leg.bridge = leg.bridge, None
    if bridge is not None and bridge.up:
        _leave_talk(world, leg, bridge, by_switch=by_switch)
        return
    if bridge is not None:
        bridge.fail(world, leg)
    if by_switch:
        world.agenda.after(world.timing.tick, lambda: complete(world, leg))
    else:
        complete(world, leg)


def _leave_talk(world: World, leg: Leg, bridge: Bridge, *, by_switch: bool) -> None:
    """End a leg that was talking: A's end takes B along at once, B's own end is noticed by A a moment later."""
    other = bridge.other(leg)
    bridge.up = False
    leg.variables["bridge_hangup_cause"] = leg.cause
    if leg is bridge.b:
        world.agenda.after(world.timing.tick if by_switch else 0.0, lambda: complete(world, leg))
        world.agenda.after(world.timing.unbridge, lambda: bridge.after(world, other, leg.cause))
        return
    world.agenda.after(world.timing.unbridge, lambda: _follow(world, bridge))


def _follow(world: World, bridge: Bridge) -> None:
    """A has hung up: B ends or goes on, and only then A is done."""
    bridge.after(world, bridge.b, bridge.a.cause)
    complete(world, bridge.a)


def complete(world: World, leg: Leg) -> None:
    """Say the last word of a leg, and tell who waits for it."""
    if leg.state == "CS_REPORTING":
        return
    if leg.session is not None:
        leg.session.channel_gone()
    world.leave_message(leg)
    leg.state, leg.call_state = "CS_REPORTING", "HANGUP"
    leg.variables |= {
        "hangup_cause": leg.cause,
        "start_epoch": str(int(leg.created)),
        "start_uepoch": stamp(leg.created),
        "answer_uepoch": stamp(leg.answered_at),
        "end_epoch": str(int(world.now)),
        "end_uepoch": stamp(world.now),
        "duration": str(int(world.now) - int(leg.created)),
    }
    world.say(leg, "CHANNEL_HANGUP_COMPLETE")
    if leg.attempt is not None:
        leg.attempt.ended(world, leg)
