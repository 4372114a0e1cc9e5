"""How the switch calls somebody: dial strings and their variables, the phones that ring for one attempt, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fsqueue.simswitch import bridging, dialplan, hangups, running
from fsqueue.simswitch.leg import Leg

if TYPE_CHECKING:
    from fsqueue.simswitch.actors import Phone
    from fsqueue.simswitch.agenda import Timer
    from fsqueue.simswitch.world import World

ENTERPRISE = ":_:"
"""Separates whole originates, wherever it stands in the text: FreeSWITCH looks for it before anything else (read)."""

_PEER = re.compile(r"(?:\[[^\]]*\])*(?:'[^']*'|[^,|])*")

USAGE = "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n"


@dataclass(frozen=True)
class Order:
    """What `originate` was asked for. `actions`: what a phone that answers is led to."""

    variables: dict[str, str]
    dial: str
    actions: dialplan.Actions
    target: tuple[str, str, str] = ("", "XML", "default")


def braces(text: str, opening: str = "{") -> tuple[dict[str, str], str]:
    """Return the variables that stand in `{…}` (or `[…]`) at the beginning, and the rest.

    They are separated by commas; a comma in single quotes or behind a backslash belongs to a value. Raises ValueError when the brace
    never closes.
    """
    variables: dict[str, str] = {}
    closing = {"{": "}", "[": "]", "<": ">"}[opening]
    text = text.lstrip()
    while text.startswith(opening):
        end = _closing(text, opening, closing)
        for part in _split(text[1:end]):
            name, equals, value = part.partition("=")
            if equals:
                variables[name.strip()] = value.replace("'", "")
        text = text[end + 1 :].lstrip()
    return variables, text


def _closing(text: str, opening: str, closing: str) -> int:
    depth, quoted = 0, False
    for at, char in enumerate(text):
        if char == "'":
            quoted = not quoted
        elif not quoted and char == opening:
            depth += 1
        elif not quoted and char == closing:
            depth -= 1
            if depth == 0:
                return at
    raise ValueError("a brace that never closes")


def _split(text: str) -> list[str]:
    parts, part, quoted, escaped = [], "", False, False
    for char in text:
        if escaped:
            part, escaped = part + char, False
        elif char == "\\":
            escaped = True
        elif char == "," and not quoted:
            parts.append(part)
            part = ""
        else:
            quoted ^= char == "'"
            part += char
    return [*parts, part]


def parse(text: str) -> Order | None:
    """Return what `originate`'s arguments ask for; None where they are no order at all."""
    try:
        variables, rest = braces(text)
    except ValueError:
        return None
    dial, _, then = rest.partition(" ")
    then = then.strip()
    if not dial or not then:
        return None
    if match := re.match(r"&(\w+)(?:\((.*)\))?$", then):
        return Order(variables, dial, [(match[1], match[2] or "")])
    if match := re.match(r"('[^']*'|\S+)\s+inline\b", then):
        return Order(variables, dial, dialplan.inline(match[1]))
    words = then.split()
    extension, kind, context = (*words, *("", "XML", "default")[len(words) :])[:3]
    return Order(variables, dial, [], (extension, kind, context))


def places(dial: str) -> list[str]:
    """Return every place that a dial string without braces rings: split at ``,`` ``|`` and ``:_:``, wherever they stand."""
    return [part for enterprise in dial.split(ENTERPRISE) for part in _peers(enterprise)]


def _peers(dial: str) -> list[str]:
    """Split at commas and pipes, but for those in ``[…]`` in front of a place, and in quotes."""
    parts, at = [], 0
    while at <= len(dial):
        found = _PEER.match(dial, at)
        assert found is not None  # noqa: S101 - it matches nothing at all, too
        parts.append(found[0])
        at = found.end() + 1
    return parts


@dataclass(eq=False)
class Attempt:
    """Somebody is being called, on one leg or several; the first who answers wins, the others lose the race."""

    seconds: float
    won: Callable[[Leg], None]
    lost: Callable[[str], None]
    legs: list[Leg] = field(default_factory=list)
    park: Timer | None = None
    winner: Leg | None = None
    cause: str = "NORMAL_CLEARING"
    done: bool = False
    timed_out: bool = False
    report: Callable[[str], None] | None = None
    timeout: Timer | None = None

    def answered(self, world: World, leg: Leg) -> None:
        """One of the phones has answered."""
        if self.winner is not None or self.done:
            hangups.hang_up(world, leg, "LOSE_RACE")
            return
        self.winner = leg
        if self.timeout is not None:
            self.timeout.cancel()
        for other in self.legs:
            if other is not leg and not other.gone:
                hangups.hang_up(world, other, "LOSE_RACE")
        self.won(leg)

    def ended(self, world: World, leg: Leg) -> None:
        """One of its legs is over; when all are and none had answered, so is the attempt."""
        if self.park is not None and leg is self.winner:
            # It ended before it was parked: its job has not been heard of yet.
            self.park.cancel()
            self.park = None
            self.tell(f"-ERR {leg.cause}\n")
        if self.winner is not None or self.done or any(not one.gone for one in self.legs):
            return
        self.done = True
        self.cause = leg.cause
        if self.timeout is not None:
            self.timeout.cancel()
        late = (
            0.0 if self.timed_out or leg.variables.get("sip_hangup_disposition") != "recv_refuse" else world.timing.tick
        )
        world.agenda.after(late, lambda: self.lost(self.cause))

    def tell(self, text: str) -> None:
        """Give the job its result, once."""
        report, self.report = self.report, None
        if report is not None:
            report(text)

    def overtaken(self, world: World, leg: Leg) -> None:
        """A bridge comes before the leg is parked: mostly the park is never said and the job tells of a cancel, sometimes both come."""
        timer, self.park = self.park, None
        if timer is not None:
            timer.cancel()
        if world.rng.random() < world.timing.overtaken:
            world.agenda.after(world.timing.park, lambda: self.tell("-ERR ORIGINATOR_CANCEL\n"))
            return
        self.tell(f"+OK {leg.uuid}\n")
        leg.parked = True
        leg.state, leg.application, leg.variables["current_application"] = "CS_EXECUTE", "park", "park"
        leg.variables.pop("park_timeout", None)
        world.say(leg, "CHANNEL_PARK")


def for_command(world: World, order: Order, report: Callable[[str], None]) -> None:
    """Carry out an `originate`; `report` gets the words that its job says, once."""

    def won(leg: Leg) -> None:
        attempt.park = world.agenda.after(world.timing.park, lambda: parked(leg))

    def parked(leg: Leg) -> None:
        attempt.park = None
        attempt.tell(f"+OK {leg.uuid}\n")
        leg.state = "CS_EXECUTE"
        if order.actions:
            running.begin(world, leg, world.run(leg, order.actions))
        else:
            running.enter(world, leg, *order.target)

    attempt = Attempt(
        float(order.variables.get("originate_timeout") or 60), won, lambda why: attempt.tell(f"-ERR {why}\n")
    )
    attempt.report = report
    problem = _ring(world, attempt, order.dial, order.variables, None)
    if problem:
        attempt.tell(f"-ERR {problem}\n")


def for_caller(world: World, caller: Leg, dial: str, seconds: float) -> Attempt:
    """Carry out the `bridge` application of `caller`, who is told "answered" or "failed"."""

    def won(leg: Leg) -> None:
        if caller.gone:
            hangups.hang_up(world, leg, "ORIGINATOR_CANCEL")
            return
        if caller.answer != "answered":
            world.answer(caller)
        caller.variables |= {"originate_disposition": "SUCCESS", "DIALSTATUS": "SUCCESS"}
        bridging.connect(world, bridging.Bridge(caller, leg, by_command=False))
        running.resume(world, caller, "answered")

    def lost(cause: str) -> None:
        attempt.cause = cause
        if not caller.gone:
            running.resume(world, caller, "failed")

    attempt = Attempt(seconds, won, lost)
    variables, dial = braces(dial)
    world.attempts_of.setdefault(caller.uuid, []).append(attempt)

    def ring() -> None:
        problem = "" if caller.gone else _ring(world, attempt, dial, variables, caller)
        if problem:
            lost(problem)

    world.agenda.after(world.timing.tick, ring)
    return attempt


def _ring(world: World, attempt: Attempt, dial: str, variables: dict[str, str], caller: Leg | None) -> str:
    """Ring everything in a dial string; return why nothing rings, else nothing."""
    wanted = variables.get("origination_uuid", "")
    if (wanted and wanted in world.legs) or world.refusing:
        return "DESTINATION_OUT_OF_ORDER"
    problem = "DESTINATION_OUT_OF_ORDER"
    for at, enterprise in enumerate(dial.split(ENTERPRISE)):
        # Each is an originate of its own there: the variables in front are the first one's.
        try:
            shared, parts = braces(enterprise)
        except ValueError:
            continue
        for part in _peers(parts):
            own, address = braces(part, "[")
            found = world.resolve(address)
            if isinstance(found, str):
                problem = found
                continue
            phone, name, extra = found
            leg = _leg(world, {**extra, **(shared if at else variables), **own}, name, caller)
            leg.attempt = attempt
            attempt.legs.append(leg)
            _invite(world, leg, phone)
    if not attempt.legs:
        return problem
    attempt.timeout = world.agenda.after(
        max(0.0, attempt.seconds - world.timing.early), lambda: _give_up(world, attempt)
    )
    return ""


def _give_up(world: World, attempt: Attempt) -> None:
    for leg in attempt.legs:
        if not leg.gone:
            hangups.hang_up(world, leg, "NO_ANSWER")


def _leg(world: World, variables: dict[str, str], name: str, caller: Leg | None) -> Leg:
    uuid = variables.pop("origination_uuid", "") or world.new_uuid()
    number = variables.get("origination_caller_id_number", caller.caller_number if caller else "0000000000")
    # Names are percent-decoded on their way into the SIP header, whatever comes out.
    shown = unquote(variables.get("origination_caller_id_name", caller.caller_name if caller else ""), errors="replace")
    leg = Leg(
        uuid=uuid,
        direction="outbound",
        name=name,
        caller_name=shown,
        caller_number=number,
        destination=re.sub(r"^sip:", "", name.rsplit("/", 1)[-1]).partition("@")[0],
        context=caller.context if caller else "default",
        created=world.now,
        variables={"direction": "outbound", "uuid": uuid, "call_uuid": uuid, "channel_name": name, **variables},
    )
    if caller is not None:
        leg.other, leg.linked_to = caller.uuid, caller
        caller_exports = caller.variables.get("export_vars", "").split(",")
        leg.variables |= {k: caller.variables[k] for k in caller_exports if k in caller.variables}
    world.add(leg)
    return leg


def _invite(world: World, leg: Leg, phone: Phone | None) -> None:
    world.say(leg, "CHANNEL_CREATE")
    leg.state = "CS_CONSUME_MEDIA"
    if phone is None:
        world.agenda.after(world.timing.refused, lambda: hangups.hung_up(world, leg, "NORMAL_TEMPORARY_FAILURE"))
        return
    leg.party = phone
    world.agenda.after(world.timing.invite, lambda: None if leg.gone else phone.invited(leg))
