"""What becomes of a talk when one of its two transfers the other, blind or after a consultation (REFER, with or without Replaces)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fsqueue.simswitch import bridging, hangups, running

if TYPE_CHECKING:
    from fsqueue.simswitch.bridging import Bridge
    from fsqueue.simswitch.leg import Leg
    from fsqueue.simswitch.world import World


def blind(world: World, leg: Leg, to: str) -> None:
    """`leg` sends the other side of its talk to the extension `to`, and ends; nothing happens when it isn't talking."""
    bridge = _talk(leg)
    if bridge is None:
        return
    leg.variables["endpoint_disposition"] = "BLIND_TRANSFER"
    other = _leave(world, leg, bridge)
    world.say(bridge.a, "CHANNEL_UNBRIDGE", bridging.pair(bridge))
    hangups.complete(world, leg)
    _send(world, leg, other, to)


def attended(world: World, leg: Leg, consulted: Leg) -> None:
    """`leg` joins the other side of its talk with whom its user has called on the leg `consulted`, and both of his legs end.

    If somebody has answered there, the two talk from now on. If that call still waits, the other side is sent where it was dialled to:
    its variable `destination_number`, which a hold sets for this.
    """
    bridge = _talk(leg)
    if bridge is None or consulted.gone:
        return
    leg.variables["refer_uuid"] = consulted.uuid
    talk = consulted.bridge
    if talk is None or not talk.up:
        hangups.hang_up(world, consulted, "ATTENDED_TRANSFER")
        hangups.complete(world, consulted)
        world.unhold(leg)
        other = _leave(world, leg, bridge)
        hangups.complete(world, leg)
        world.say(bridge.a, "CHANNEL_UNBRIDGE", bridging.pair(bridge))
        _send(world, leg, other, consulted.variables.get("destination_number") or consulted.destination)
        return
    colleague = talk.other(consulted)
    _part(talk)
    consulted.variables["endpoint_disposition"] = "ATTENDED_TRANSFER"
    world.say(consulted, "CHANNEL_UNBRIDGE", bridging.pair(talk))
    running.stop(consulted)
    _let_go(world, consulted)
    world.unhold(leg)
    other = _leave(world, leg, bridge)
    hangups.complete(world, leg)
    world.say(bridge.a, "CHANNEL_UNBRIDGE", bridging.pair(bridge))
    joined = bridging.Bridge(other, colleague, by_command=True)
    joined.soft = True
    bridging.connect(world, joined)


def _let_go(world: World, consulted: Leg) -> None:
    """End the leg of the consultation: at once where its bridge was to be its end, else after a second in park."""
    if consulted.variables.get("hangup_after_bridge") == "true":
        hangups.hang_up(world, consulted, "NORMAL_CLEARING")
        hangups.complete(world, consulted)
        return
    consulted.state = "CS_PARK"
    world.say(consulted, "CHANNEL_PARK")
    world.agenda.after(1.0, partial(hangups.hang_up, world, consulted, "ATTENDED_TRANSFER"))


def _talk(leg: Leg) -> Bridge | None:
    return leg.bridge if leg.bridge is not None and leg.bridge.up and not leg.gone else None


def _part(bridge: Bridge) -> None:
    bridge.up, bridge.over = False, True
    bridge.a.bridge = bridge.b.bridge = None


def _leave(world: World, leg: Leg, bridge: Bridge) -> Leg:
    """End the leg of who transfers; return who is left."""
    other = bridge.other(leg)
    _part(bridge)
    hangups.hang_up(world, leg, "NORMAL_CLEARING")
    return other


def _send(world: World, leg: Leg, other: Leg, to: str) -> None:
    other.variables["sip_h_Referred-By"] = f"<sip:{leg.party.who if leg.party else leg.caller_number}>"
    context = other.variables.get("force_transfer_context") or world.config.inside
    running.enter(world, other, to, "XML", context)
