"""The dialplan applications: what a leg can be told to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from fsqueue.simswitch import originate
from fsqueue.simswitch.running import Ended, Moved, wait

if TYPE_CHECKING:
    from fsqueue.simswitch.leg import Leg, Run
    from fsqueue.simswitch.world import World

Application = Callable[["World", "Leg", str], "Run"]

_PAIR = re.compile(r"(\S+?)=((?:'[^']*'|\S)*)")


def answer(world: World, leg: Leg, _data: str) -> Run:
    """Answer a call."""
    if leg.answer != "answered":
        world.answer(leg)
    yield from ()


def pre_answer(world: World, leg: Leg, _data: str) -> Run:
    """Send early media."""
    world.early(leg)
    yield from ()


def ring_ready(world: World, leg: Leg, _data: str) -> Run:
    """Tell a caller that it rings."""
    if leg.answer == "ringing":
        world.say(leg, "CHANNEL_PROGRESS")
    yield from ()


def set_(_world: World, leg: Leg, data: str) -> Run:
    """Set `name=value`."""
    name, _, value = data.partition("=")
    leg.set(name.strip(), value.strip())
    yield from ()


def multiset(_world: World, leg: Leg, data: str) -> Run:
    """Set several, separated by spaces, or by the character behind `^^`."""
    if data.startswith("^^") and len(data) > 2:
        pairs = [part.partition("=")[::2] for part in data[3:].split(data[2])]
    else:
        pairs = [(m[1], m[2].strip("'")) for m in _PAIR.finditer(data)]
    for name, value in pairs:
        if name:
            leg.set(name.strip(), value)
    yield from ()


def unset(_world: World, leg: Leg, data: str) -> Run:
    """Unset one variable."""
    leg.set(data.strip(), "")
    yield from ()


def transfer(_world: World, leg: Leg, data: str) -> Run:
    """Leave for `EXTENSION [XML|inline] [CONTEXT]`."""
    yield from ()
    raise Moved(*where(leg, data))


def where(leg: Leg, data: str) -> tuple[str, str, str]:
    """Return extension, dialplan and context of a transfer's argument; an extension with spaces stands in single quotes."""
    if match := re.match(r"\s*'([^']*)'\s*(.*)", data):
        extension, rest = match[1], match[2].split()
    else:
        extension, *rest = data.split() or [""]
    return extension, (rest[0] if rest else "XML"), (rest[1] if len(rest) > 1 else leg.context)


def playback(world: World, leg: Leg, data: str) -> Run:
    """Play a file or a stream, until it ends, `playback_timeout_sec` is over, or somebody breaks it off."""
    length = world.length_of(data)
    limit = int(leg.variables.get("playback_timeout_sec") or "0")
    leg.variables["playback_ms"] = leg.variables["playback_seconds"] = "0"
    if length == 0:
        leg.variables["current_application_response"] = "FILE NOT FOUND"
        return
    if leg.answer == "ringing":
        world.early(leg)
    if limit >= 2:
        length = limit if length is None else min(length, float(limit))
    began = world.now
    world.sounds(leg, "music", None)
    while True:
        why = yield from wait(world, leg, None if length is None else began + length - world.now)
        terminators = leg.variables.get("playback_terminators") or "*"
        if why != "key" or (terminators != "none" and leg.keys[-1:] in terminators):
            break
    played = world.now - began
    leg.variables |= {"playback_ms": str(round(played * 1000)), "playback_seconds": str(int(played))}


def sleep(world: World, leg: Leg, data: str) -> Run:
    """Do nothing for so many milliseconds."""
    end = world.now + float(data or "0") / 1000
    while (yield from wait(world, leg, max(0.0, end - world.now))) == "key":
        pass


def park(world: World, leg: Leg, _data: str) -> Run:
    """Wait to be fetched; `park_timeout` on it is used up by this park."""
    seconds, _, cause = leg.variables.pop("park_timeout", "").partition(":")
    leg.state, leg.parked = "CS_EXECUTE", True
    world.say(leg, "CHANNEL_PARK")
    world.sounds(leg, "silence", None)
    end = world.now + float(seconds) if seconds else None
    while True:
        why = yield from wait(world, leg, None if end is None else max(0.0, end - world.now))
        if why == "time":
            raise Ended(cause or "NORMAL_CLEARING")


def hangup(_world: World, _leg: Leg, data: str) -> Run:
    """End the call with a cause."""
    yield from ()
    raise Ended(data.strip() or "NORMAL_CLEARING")


def respond(_world: World, leg: Leg, data: str) -> Run:
    """Refuse a call with a SIP code, if it isn't answered."""
    if leg.answer != "answered":
        raise Ended(_REFUSALS.get(data.split(" ", maxsplit=1)[0], "CALL_REJECTED"))
    yield from ()


_REFUSALS = {"404": "UNALLOCATED_NUMBER", "486": "USER_BUSY", "503": "NORMAL_TEMPORARY_FAILURE", "603": "CALL_REJECTED"}


def event(world: World, leg: Leg, data: str) -> Run:
    """Send an event of one's own: `Event-Name=CUSTOM,Event-Subclass=…`."""
    headers = dict(part.split("=", 1) for part in data.split(",") if "=" in part)
    world.say(leg, headers.pop("Event-Name", "CUSTOM"), headers)
    yield from ()


def sched_transfer(world: World, leg: Leg, data: str) -> Run:
    """Move the call later: `+SECONDS EXTENSION [DIALPLAN] [CONTEXT]`."""
    seconds, _, target = data.partition(" ")
    world.schedule_move(leg, seconds, where(leg, target))
    yield from ()


def sched_hangup(world: World, leg: Leg, data: str) -> Run:
    """End the call later: `+SECONDS [CAUSE]`."""
    seconds, _, cause = data.partition(" ")
    world.schedule_end(leg, seconds, cause or "ALLOTTED_TIMEOUT")
    yield from ()


def socket(world: World, leg: Leg, data: str) -> Run:
    """Hand the call to whoever listens at `HOST:PORT async full`.

    A refused connection goes on in the dialplan, and so does one that a client breaks off after its `connect`, when it has been parked
    a moment: what the client has said is done first. One that closes or dies before that, or stays mute, leaves the call parked, for
    ever unless something else moves it (160 closed on FreeSWITCH 1.11: 13 of 32 at once were left so, none of 128 after 5 ms).
    """
    address = data.split(maxsplit=1)[0] if data else ""
    host, _, port = address.rpartition(":")
    leg.variables["socket_host"] = host
    world.dial_out(leg, host, int(port or "0"))
    why = yield from wait(world, leg, None)
    while why not in ("connected", "refused", "closed"):
        why = yield from wait(world, leg, None)
    if why == "refused":
        return
    end: float | None = world.now + world.timing.unconnected
    parks: float | None = None
    while True:
        why = yield from wait(world, leg, None if end is None else max(0.0, end - world.now))
        if why == "attached":
            end, parks = None, world.now + world.timing.parks
            leg.parked = True
            world.say(leg, "CHANNEL_PARK")
            world.sounds(leg, "silence", None)
        elif why == "closed" and parks is not None and world.now >= parks:
            end = world.now + world.timing.tick
            while (why := (yield from wait(world, leg, max(0.0, end - world.now)))) != "time":
                pass
            leg.parked = False
            return
        elif why in ("time", "closed"):
            end = None
            leg.parked = True
            world.sounds(leg, "silence", None)
            if why == "time" and leg.session is not None:
                leg.session.channel_gone()


def voicemail(world: World, leg: Leg, data: str) -> Run:
    """Greet the caller and take a message for `PROFILE DOMAIN USER`."""
    words = data.split()
    if len(words) < 3 or not world.has_mailbox(words[2], words[1]):
        raise Ended("NORMAL_CLEARING")
    if leg.answer != "answered":
        world.answer(leg)
    world.sounds(leg, "music", None)
    yield from _listen_for(world, leg, world.timing.greeting)
    leg.recording_since = world.now
    yield from _listen_for(world, leg, 300.0)
    raise Ended("NORMAL_CLEARING")


def _listen_for(world: World, leg: Leg, seconds: float) -> Run:
    end = world.now + seconds
    while (yield from wait(world, leg, max(0.0, end - world.now))) in ("key", "break"):
        pass


def play_and_get_digits(world: World, leg: Leg, data: str) -> Run:
    """Ask for keys: `MIN MAX TRIES TIMEOUT_MS TERMINATORS FILE BAD VARIABLE REGEXP …`."""
    words = data.split()
    most, tries, patience = int(words[1]), int(words[2]), float(words[3]) / 1000
    variable, expression = words[7], re.compile(words[8])
    for _ in range(tries):
        leg.keys = ""
        end = world.now + (world.length_of(words[5]) or 0.0) + patience
        while len(leg.keys) < most:
            if (yield from wait(world, leg, max(0.0, end - world.now))) == "time":
                break
        if leg.keys and expression.fullmatch(leg.keys):
            leg.set(variable, leg.keys)
            return
        yield from _listen_for(world, leg, world.length_of(words[6]) or 0.0)


def bridge(world: World, leg: Leg, data: str) -> Run:
    """Ring one address or several, and talk with the first who answers; `originate_disposition` says why nobody did."""
    seconds = float(leg.variables.get("call_timeout") or leg.variables.get("originate_timeout") or 60)
    attempt = originate.for_caller(world, leg, data, seconds)
    why = yield from wait(world, leg, None)
    while why not in ("answered", "failed"):
        why = yield from wait(world, leg, None)
    if why == "answered":
        while (yield from wait(world, leg, None)) != "answered":
            pass
        target = leg.variables.pop("transfer_after_bridge", "")
        if target:
            raise Moved(*([*target.split(":"), "XML", leg.context][:3]))
        if leg.true("hangup_after_bridge"):
            raise Ended("NORMAL_CLEARING")
        return
    leg.variables |= {
        "originate_disposition": attempt.cause,
        "DIALSTATUS": _DIALSTATUS.get(attempt.cause, "CHANUNAVAIL"),
    }
    if not leg.true("continue_on_fail") and attempt.cause not in leg.variables.get("continue_on_fail", "").split(","):
        raise Ended(attempt.cause)


_DIALSTATUS = {"USER_BUSY": "BUSY", "NO_ANSWER": "NOANSWER", "CALL_REJECTED": "BUSY", "ORIGINATOR_CANCEL": "CANCEL"}


def nothing(_world: World, _leg: Leg, _data: str) -> Run:
    """Do what nobody here would notice (log, export …)."""
    yield from ()


APPLICATIONS: dict[str, Application] = {
    "answer": answer,
    "pre_answer": pre_answer,
    "ring_ready": ring_ready,
    "set": set_,
    "multiset": multiset,
    "unset": unset,
    "export": set_,
    "transfer": transfer,
    "playback": playback,
    "endless_playback": playback,
    "sleep": sleep,
    "park": park,
    "hangup": hangup,
    "respond": respond,
    "event": event,
    "sched_transfer": sched_transfer,
    "sched_hangup": sched_hangup,
    "socket": socket,
    "voicemail": voicemail,
    "play_and_get_digits": play_and_get_digits,
    "bridge": bridge,
    "log": nothing,
    "info": nothing,
    "verbose_events": nothing,
    "record_session": nothing,
    "stop_record_session": nothing,
}
