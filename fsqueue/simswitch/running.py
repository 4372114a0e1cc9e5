"""How a leg carries out its dialplan: one application after the other, in virtual time, until something moves it.

What a leg does is a generator: it yields how long it waits at most, and is sent why it goes on. Whatever moves a leg elsewhere (a
transfer, a bridge, a hang-up) puts another generator in its place or closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsqueue.simswitch import dialplan, hangups
from fsqueue.simswitch.expand import expand

if TYPE_CHECKING:
    from fsqueue.simswitch.leg import Leg, Reason, Run, Waiting
    from fsqueue.simswitch.world import World


class Moved(Exception):  # noqa: N818  (no error: how an application leaves the extension it stands in)
    """The leg goes on at an extension of a dialplan."""

    def __init__(self, extension: str, kind: str, context: str) -> None:
        """`kind`: "XML" or "inline"."""
        super().__init__(extension)
        self.extension, self.kind, self.context = extension, kind, context


class Ended(Exception):  # noqa: N818  (no error either)
    """The leg hangs up by its own dialplan."""

    def __init__(self, cause: str) -> None:
        """`cause`: the switch's word for it."""
        super().__init__(cause)
        self.cause = cause


def begin(world: World, leg: Leg, run: Run) -> None:
    """Let `leg` do `run` from now on, whatever it did before."""
    stop(leg)
    leg.run = run
    resume(world, leg, "start")


def stop(leg: Leg) -> None:
    """End what `leg` does, and leave it doing nothing."""
    if leg.waiting is not None:
        leg.waiting.cancel()
    run, leg.run, leg.waiting = leg.run, None, None
    leg.parked = False
    if run is not None:
        run.close()


def resume(world: World, leg: Leg, why: Reason) -> None:
    """Let `leg` go on; while it is bridged it doesn't."""
    if leg.run is None or leg.gone or (leg.bridge is not None and leg.bridge.holds(leg)):
        return
    if leg.waiting is not None:
        leg.waiting.cancel()
        leg.waiting = None
    try:
        seconds = next(leg.run) if why == "start" else leg.run.send(why)
    except StopIteration:
        leg.run = None
        hangups.hang_up(world, leg, "NORMAL_CLEARING")
    except Ended as end:
        leg.run = None
        hangups.hang_up(world, leg, end.cause)
    except Moved as moved:
        target = moved
        leg.run = None
        leg.moving = True
        world.agenda.after(world.timing.route, lambda: _arrive(world, leg, target))
    else:
        if seconds is not None:
            leg.waiting = world.agenda.after(seconds, lambda: resume(world, leg, "time"))


def _arrive(world: World, leg: Leg, target: Moved) -> None:
    if leg.moving and not leg.gone:
        enter(world, leg, target.extension, target.kind, target.context)


def move(world: World, leg: Leg, extension: str, kind: str, context: str) -> None:
    """Send a leg elsewhere, from outside; it is on its way for one tick."""
    stop(leg)
    leg.moving = True
    target = Moved(extension, kind, context)
    world.agenda.after(world.timing.tick, lambda: _arrive(world, leg, target))


def enter(world: World, leg: Leg, extension: str, kind: str, context: str) -> None:
    """Route a leg to an extension and begin with what it finds there; with nothing found the call ends."""
    leg.moving = False
    leg.state, leg.other, leg.linked_to = "CS_EXECUTE", "", None
    if kind == "inline":
        actions = dialplan.inline(extension)
    else:
        forwards = int(leg.variables.get("max_forwards") or "70")
        leg.variables["max_forwards"] = str(forwards - 1)
        if forwards <= 0:
            hangups.hang_up(world, leg, "EXCHANGE_ROUTING_ERROR")
            return
        leg.destination, leg.context = extension, context
        actions = world.dialplan.hunt(context, _fields(leg), lambda text: world.expand(leg, text))
    leg.dialplan = kind
    if not actions:
        hangups.hang_up(world, leg, "NO_ROUTE_DESTINATION")
        return
    begin(world, leg, execute(world, leg, actions))


def _fields(leg: Leg) -> dict[str, str]:
    # A channel variable of that name wins over what was dialled where a condition asks for it by ${…} only, so not here.
    return {
        "destination_number": leg.destination,
        "caller_id_number": leg.caller_number,
        "caller_id_name": leg.caller_name,
        "context": leg.context,
    }


def execute(world: World, leg: Leg, actions: dialplan.Actions) -> Run:
    """Carry out one application after the other."""
    for application, data in actions:
        yield from one(world, leg, application, data)


def one(world: World, leg: Leg, application: str, data: str) -> Run:
    """Carry out one application."""
    data = expand(data, lambda name: world.variable(leg, name), world.ask)
    leg.application, leg.application_data = application, data
    leg.variables["current_application"] = application
    leg.set("current_application_data", data)
    known = world.applications.get(application)
    if known is None:
        raise Ended("DESTINATION_OUT_OF_ORDER")
    yield from known(world, leg, data)


def wait(world: World, leg: Leg, seconds: float | None) -> Waiting:
    """Wait `seconds` (None: for ever), carrying out meanwhile what the leg is told; return why the waiting is over."""
    end = None if seconds is None else world.now + seconds
    while True:
        yield from _listen(world, leg)
        why: Reason = yield (None if end is None else max(0.0, end - world.now))
        if why != "message":
            return why


def _listen(world: World, leg: Leg) -> Run:
    """Carry out what the leg has been told; what it did before stays its application to those who ask."""
    before = (leg.application, leg.application_data)
    while leg.messages:
        # Taken off first: one that waits itself (park, playback) looks at the queue again meanwhile.
        yield from one(world, leg, *leg.messages.popleft())
    leg.application, leg.application_data = before


def tell(world: World, leg: Leg, application: str, data: str) -> None:
    """Queue an application for a leg; it looks at its queue once per tick."""
    leg.messages.append((application, data))
    if len(leg.messages) == 1:
        world.agenda.after(world.timing.tick, lambda: resume(world, leg, "message"))


def interrupt(world: World, leg: Leg) -> None:
    """Break off what a leg plays or sleeps through; it goes on with its next application."""
    if leg.run is not None and not leg.moving and leg.application in ("playback", "sleep", "play_and_get_digits"):
        resume(world, leg, "break")
