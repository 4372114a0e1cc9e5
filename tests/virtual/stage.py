"""A small installation on virtual time, brought to the very moment that a test is about, and judged when all is over.

Who judges are the callers and phones themselves (`tests.chaos.judge`), the journal, and what is left of legs and memory.
"""

from __future__ import annotations

from collections.abc import Callable

from fsqueue.config import check_text
from fsqueue.config.model import Configuration
from fsqueue.engine.messages import CallEnded, Hangup, Input, OfferOver, Talking
from fsqueue.simswitch.actors import Caller, Phone
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.world import Config
from fsqueue.switch.context import CallerLeg, Context, Talk
from fsqueue.switch.context import Offer as Ringing
from fsqueue.switch.messages import SwitchCommand
from fsqueue.virtual.daemon import VirtualDaemon
from fsqueue.virtual.site import Site
from tests.chaos import load
from tests.chaos.judge import Run, Wrong, judge
from tests.chaos.virtual_run import left_over

SALES, SUPPORT, BOX = "+48220000001", "+48220000002", "+48220000003"
ANNA, JAN, OLA = "1001@lab", "1002@lab", "1003@lab"

CONFIG = (
    load.HEAD
    + """
[telephony]
domain = "lab"
outbound = "user/{number}@lab"
[members.m1]
extension = "1001"
dial = "user/1001@lab"
[members.m2]
extension = "1002"
dial = "user/1002@lab"
[members.m3]
extension = "1003"
dial = "user/1003@lab"
[groups.sales]
extension = "7001"
members = ["m1"]
rings = 3
pickup = true
max_wait_seconds = 110
[groups.sales.unanswered]
action = "wait"
[groups.support]
extension = "7002"
members = ["m2"]
rings = 2
[groups.support.unanswered]
action = "forward"
number = "1003"
[groups.box]
members = []
[groups.box.unanswered]
action = "voicemail"
mailbox = "1001@lab"
[numbers."+48220000001"]
group = "sales"
[numbers."+48220000002"]
group = "support"
[numbers."+48220000003"]
group = "box"
"""
)

LONG = 190.0
"""Seconds in which everything has come to its end: longer than any visit and any step."""


def configuration() -> Configuration:
    """Return one group for each kind of step; Anna alone takes sales."""
    checked = check_text(CONFIG, "stage.toml")
    assert checked.configuration is not None, checked.problems
    return checked.configuration


class Stage:
    """The installation, with phones that do nothing by themselves unless told otherwise."""

    def __init__(self, *, seed: int = 1, answers: dict[str, Reaction] | None = None, contacts: int = 1) -> None:
        """Begin with everybody registered; *answers* is how users (by extension) react, else they let it ring."""
        self.site = Site(configuration(), seed, config=Config(mailboxes=("1001@lab",)))
        self.site.world.dialplan.include(load.SITE)
        given = answers or {}
        self.phones: dict[str, list[Phone]] = {}
        for user in ("1001", "1002", "1003"):
            reaction = given.get(user, Reaction(kind="ignore"))
            script = PhoneScript(user=user, domain="lab", reactions=(reaction,), contacts=contacts)
            self.phones[f"{user}@lab"] = self.site.world.phones(script)
        self.slow: list[tuple[float, float]] = []
        self.restarts: list[float] = []
        self.handed: list[str] = []
        self.said: list[str] = []
        """API commands to the switch so far, less those that every link asks periodically."""
        self._listen()
        self._callers = 0
        self.site.advance(self.site.now + 3.0)

    def _listen(self) -> None:
        send = self.daemon._send

        def heard(command: SwitchCommand) -> None:
            text = getattr(command, "text", "")
            if text and not text.startswith(("hash ", "strepoch", "show channels")):
                self.said.append(text)
            send(command)

        self.daemon._send = heard  # type: ignore[method-assign]

    def commands(self, start: str) -> list[str]:
        """Return what was said so far that begins with *start*."""
        return [text for text in self.said if text.startswith(start)]

    # -- what is

    @property
    def now(self) -> float:
        """The switch's time."""
        return self.site.now

    @property
    def daemon(self) -> VirtualDaemon:
        """The one that runs."""
        assert self.site.daemon is not None
        return self.site.daemon

    @property
    def legs(self) -> Context:
        """What its core knows of the switch's legs."""
        return self.daemon.core._ctx

    def caller(self) -> CallerLeg | None:
        """Return the first caller's leg."""
        return next(iter(self.legs.callers.values()), None)

    def offer(self) -> Ringing | None:
        """Return the last offer's phones."""
        return next(reversed(self.legs.offers.values()), None)

    def talk(self) -> Talk | None:
        """Return the last talk."""
        return next(reversed(self.daemon.core._talks.by_offer.values()), None)

    def call_state(self) -> str:
        """Return the state of the first call there is."""
        return next((call.state for call in self.daemon.engine.state.calls.values()), "")

    def offer_state(self) -> str:
        """Return the state of the last offer there is."""
        return next((offer.state for offer in reversed(self.daemon.engine.state.offers.values())), "")

    # -- what happens

    def call(self, to: str = SALES, **script: object) -> Caller:
        """Somebody calls now, from a number of his own."""
        self._callers += 1
        number = f"600100{self._callers:03}"
        return self.site.world.call(CallerScript(number=number, name="Ewa", to=to, **script))  # type: ignore[arg-type]

    def colleague(self, user: str, to: str) -> Caller:
        """A user calls from his own phone."""
        return self.site.world.call(
            CallerScript(number=user.partition("@")[0], name="", to=to, user=user, patience=200.0)
        )

    def order(self, given: Input) -> None:
        """Somebody of the staff orders something."""
        self.daemon._take(given)

    def end(self, given: str = "kate") -> None:
        """Staff ends the first call."""
        self.order(Hangup(next(iter(self.daemon.engine.state.calls)), given))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.site.advance(self.now + seconds)

    def until(self, true: Callable[[], object], seconds: float = 60.0) -> None:
        """Let time pass to the moment at which *true* is true."""
        limit = self.now + seconds
        while not true():
            assert self.now < limit, "the moment did not come"
            self.site.advance(self.site.next() or limit)

    # -- what came of it

    def records(self) -> list[object]:
        """Return all records so far."""
        return [record for record, _ in self.site.disk.records()]

    def reasons(self) -> list[str]:
        """Return how the calls so far have ended."""
        return [record.reason for record in self.records() if isinstance(record, CallEnded)]

    def saw(self, who: str, what: str) -> list[float]:
        """Return when somebody saw something."""
        return [seen.t for seen in self.site.world.sightings if seen.who == who and seen.what == what]

    def talked(self) -> bool:
        """Return whether anybody has talked."""
        return any(isinstance(record, Talking) for record in self.records())

    def outcomes(self) -> list[str]:
        """Return how the offers so far have ended."""
        return [record.outcome for record in self.records() if isinstance(record, OfferOver)]

    def untrue(self) -> list[str]:
        """Return what the daemon believes of the switch that isn't so, and what is on the switch that it doesn't know."""
        state, legs = self.daemon.engine.state, self.site.world.legs
        ghosts = [f"call {call.id} {call.state}" for call in state.calls.values() if call.leg.uuid not in legs]
        rung = {leg.variables.get("fsqueue_offer", "") for leg in legs.values()}
        ghosts += [f"offer {offer.id} {offer.state}" for offer in state.offers.values() if offer.id not in rung]
        strangers = [
            f"leg of offer {offer}"
            for leg in legs.values()
            if leg.direction == "outbound" and (offer := leg.variables.get("fsqueue_offer", "")) not in state.offers
        ]
        return ghosts + strangers

    def wrong(self) -> list[Wrong]:
        """Let everything come to its end, and return whatever was wrong."""
        self.wait(LONG)
        for caller in self.site.world.callers:
            caller.hang_up()
        self.wait(40.0)
        site = self.site
        seen = Run(
            sightings=site.world.sightings,
            records=site.disk.records(),
            blind=site.blind,
            slow=[*self.slow, *((t, t + 3.0) for t in self.restarts)],
            restarts=self.restarts,
            handed=tuple(self.handed),
            end=site.now,
        )
        return [*judge(seen), *left_over(site), *self._not_served()]

    def _not_served(self) -> list[Wrong]:
        """A caller who comes when all is over is served as if nothing had been."""
        began = self.now
        caller = self.call()
        self.wait(1.0)
        rang = [t for t in self.saw(ANNA, "ringing") if t >= began]
        caller.hang_up()
        self.wait(9.0)
        if rang:
            return left_over(self.site)
        return [Wrong(kind="not served", t=began, who=caller.who, detail="Anna's phone does not ring for a new caller")]
