"""How two legs are joined, and everything that goes wrong at it.

`uuid_bridge A B` promises nothing: A breaks off what it does, both change their state, and 50 ms later they talk, if both still exist.
Who ends in between decides what is left: A without B goes on with its dialplan (its variable permitting), B without A stays, silent and
alone, for ever. In the wrong order, with the caller as B, he is hung up instead.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from fsqueue.simswitch import hangups, running

if TYPE_CHECKING:
    from fsqueue.simswitch.leg import Leg
    from fsqueue.simswitch.world import World


class Bridge:
    """Two legs that are being joined, or are (`up`). `by_command`: by uuid_bridge, and not by a `bridge` application of A."""

    def __init__(self, a: Leg, b: Leg, *, by_command: bool) -> None:
        """Join `b` to `a`; see `join`."""
        self.a, self.b, self.by_command = a, b, by_command
        self.soft = not by_command
        self.up = False
        self.over = False

    def holds(self, leg: Leg) -> bool:
        """Whether `leg` does nothing else while this lasts (A of a `bridge` application waits in it)."""
        return self.soft and not self.over and (self.by_command or leg is self.b)

    def other(self, leg: Leg) -> Leg:
        """Return who `leg` is joined with."""
        return self.b if leg is self.a else self.a

    def fail(self, world: World, gone: Leg) -> None:
        """One of two ended before they were joined."""
        self.over = True
        left = self.other(gone)
        if left.bridge is self:
            left.bridge = None
        if left.gone:
            return
        if left is self.b and left.direction == "inbound" and gone.direction == "outbound":
            # The wrong order: the member was to take the caller along, and does.
            hangups.hang_up(world, left, "NORMAL_CLEARING")
        elif left is self.b:
            strand(world, left)
        elif left.true("uuid_bridge_continue_on_cancel"):
            left.state = "CS_EXECUTE"
            running.resume(world, left, "break")
        else:
            hangups.hang_up(world, left, "ORIGINATOR_CANCEL")

    def after(self, world: World, leg: Leg, cause: str) -> None:
        """Let `leg` do what it is to do after a talk, and say that the talk is over."""
        self.over = True
        leg.bridge = None
        for one in (self.a, self.b):
            one.variables["bridge_hangup_cause"] = cause
        if leg is self.b:
            ends = not _goes_on(leg)
            if ends:
                hangups.hang_up(world, leg, "NORMAL_CLEARING")
                hangups.complete(world, leg)
            world.say(self.a, "CHANNEL_UNBRIDGE", pair(self))
            if ends:
                return
        else:
            world.say(self.a, "CHANNEL_UNBRIDGE", pair(self))
        world.sounds(leg, "silence", None)
        if not self.by_command and leg is self.a:
            running.resume(world, leg, "answered")
        elif not go_on(world, leg):
            hangups.hang_up(world, leg, "NORMAL_CLEARING")
            hangups.complete(world, leg)


def pair(bridge: Bridge) -> dict[str, str]:
    """Return the headers that name both legs of a bridge: what a CHANNEL_BRIDGE or CHANNEL_UNBRIDGE is about."""
    return {"Bridge-A-Unique-ID": bridge.a.uuid, "Bridge-B-Unique-ID": bridge.b.uuid}


def _goes_on(leg: Leg) -> bool:
    return bool(leg.true("park_after_bridge") or leg.variables.get("transfer_after_bridge"))


def go_on(world: World, leg: Leg) -> bool:
    """Do what a leg's variables say about the time after a talk; return False if they say nothing, so that it is to end."""
    if leg.true("park_after_bridge"):
        running.begin(world, leg, world.park(leg))
        return True
    where = leg.variables.pop("transfer_after_bridge", "")
    if not where:
        return False
    extension, _, rest = where.partition(":")
    kind, _, context = rest.partition(":")
    running.enter(world, leg, extension, kind or "XML", context or leg.context)
    return True


def join(world: World, a: Leg, b: Leg) -> None:
    """Do what `uuid_bridge A B` does after it has said +OK."""
    if _misses(world, a, b):
        _miss(world, a, b)
        return
    for one in (a, b):
        _cut(world, one)
    bridge = Bridge(a, b, by_command=True)
    if b.attempt is not None and not b.parked and b.attempt.park is not None:
        b.attempt.overtaken(world, b)
    a.bridge = b.bridge = bridge
    a.linked_to, b.linked_to, a.other, b.other = b, a, b.uuid, a.uuid
    world.agenda.after(world.timing.soft, lambda: _soften(world, bridge))
    if _meets_the_originate(world, b):
        # The originate puts the member back into his park, and nobody tells the caller, who waits for him in silence.
        world.sounds(a, "silence", None)
        world.agenda.after(world.timing.seam, partial(_give_up, world, bridge))
    else:
        world.agenda.after(world.timing.bridge, lambda: _stand(world, bridge))


def _meets_the_originate(world: World, member: Leg) -> bool:
    since = world.now - member.answered_at
    early = member.attempt is not None and since < world.timing.delivery + world.timing.meets
    return early and world.rng.random() < world.timing.lost


def _give_up(world: World, bridge: Bridge) -> None:
    if not bridge.over and not bridge.up:
        for leg in (bridge.a, bridge.b):
            hangups.hang_up(world, leg, "NORMAL_CLEARING")


def _wrong_order(a: Leg, b: Leg) -> bool:
    return a.direction == "outbound" and b.direction == "inbound"


def _misses(world: World, a: Leg, b: Leg) -> bool:
    """Whether the caller is on his way elsewhere: a command that moves him is lost then, without an error."""
    return world.on_its_way(b if _wrong_order(a, b) else a)


def _miss(world: World, a: Leg, b: Leg) -> None:
    """The caller goes where he was going; the member has left his park, and is nowhere."""
    if b.attempt is not None and not b.parked and b.attempt.park is not None:
        b.attempt.overtaken(world, b)
    if not _wrong_order(a, b):
        strand(world, b)
        return
    running.stop(a)
    a.state = "CS_SOFT_EXECUTE"
    world.sounds(a, "silence", None)
    for leg in (a, b):
        world.agenda.after(world.timing.seam, partial(hangups.hang_up, world, leg, "NORMAL_CLEARING"))


def strand(world: World, leg: Leg) -> None:
    """Leave a leg without a bridge and without anything to do: it hears nothing, and says nothing."""
    running.stop(leg)
    leg.bridge = None
    leg.state = "CS_RESET"
    world.sounds(leg, "silence", None)


def _cut(world: World, leg: Leg) -> None:
    """Take a leg out of the bridge it is in or on the way to; the other one is left, or ends."""
    bridge = leg.bridge
    if bridge is None:
        return
    other = bridge.other(leg)
    was_up = bridge.up
    bridge.up, bridge.over = False, True
    leg.bridge = other.bridge = None
    if not was_up:
        strand(world, other)
        return
    world.say(bridge.a, "CHANNEL_UNBRIDGE", pair(bridge))
    if not go_on(world, other):
        hangups.hang_up(world, other, "NORMAL_CLEARING")


def _soften(world: World, bridge: Bridge) -> None:
    """Up to here both legs went on with what they did; if A is on his way elsewhere by now, the bridge has missed him."""
    a, b = bridge.a, bridge.b
    if bridge.over or a.gone or b.gone:
        return
    if _misses(world, a, b):
        bridge.over = True
        a.bridge = b.bridge = None
        _miss(world, a, b)
        return
    bridge.soft = True
    for leg in (a, b):
        leg.state = "CS_SOFT_EXECUTE"
        if leg.waiting is not None:
            leg.waiting.cancel()


def _stand(world: World, bridge: Bridge) -> None:
    """The moment in which two legs begin to hear each other."""
    a, b = bridge.a, bridge.b
    if bridge.over or a.gone or b.gone:
        return
    if not a.has_media:
        # A caller who has heard nothing but ringing has no sound to be joined to: he is dropped.
        hangups.hang_up(world, a, "NORMAL_CLEARING")
        return
    for one in (a, b):
        if one.answer != "answered":
            world.answer(one)
    connect(world, bridge)


def connect(world: World, bridge: Bridge) -> None:
    """Let two legs talk, and say so."""
    a, b = bridge.a, bridge.b
    a.bridge = b.bridge = bridge
    bridge.up = True
    if bridge.by_command:
        a.state = "CS_SOFT_EXECUTE"
    b.state = "CS_EXCHANGE_MEDIA"
    a.linked_to, b.linked_to, a.other, b.other = b, a, b.uuid, a.uuid
    a.variables |= {"bridge_uuid": b.uuid, "signal_bond": b.uuid, "bridge_channel": b.name}
    b.variables |= {"bridge_uuid": a.uuid, "signal_bond": a.uuid}
    world.say(a, "CHANNEL_BRIDGE", pair(bridge))
    a.variables["last_bridge_to"], b.variables["last_bridge_to"] = b.uuid, a.uuid
    world.sounds(a, "talk", b)
    world.sounds(b, "talk", a)


def leave(world: World, leg: Leg) -> None:
    """Take a leg out of its talk because it is moved elsewhere; who is left ends, or goes where his variables say."""
    _cut(world, leg)
