"""Phones and callers that follow their scripts with real SIP, and write down what they see and hear.

The same scripts and sightings drive and judge the embedded switch.
"""

from __future__ import annotations

import re
import time

import gevent

from fsqueue.simswitch.people import CallerSaw, CallerScript, PhoneSaw, PhoneScript, Reaction, Sighting
from tests.contract.media import Heard, Media
from tests.contract.sip import Account, Endpoint, Leg

SAME_CALL_SECONDS = 0.5
"""INVITEs to several contacts of a user that come within this time are one call to him."""


BUSY_LINE = Reaction(kind="reject", code=486, after=0, ringing=False)
"""What a phone says whose lines are all in use."""


class Notebook:
    """All sightings of a run, in order, and who each leg is."""

    def __init__(self) -> None:
        """Begin empty."""
        self.sightings: list[Sighting] = []
        self.names: dict[str, str] = {}

    def caller(self, leg: Leg, who: str, what: CallerSaw, **more: str) -> None:
        """A caller saw something."""
        self._note(leg, who, what, "caller", more)

    def phone(self, leg: Leg, who: str, what: PhoneSaw, **more: str) -> None:
        """A phone saw something."""
        self._note(leg, who, what, "phone", more)

    def _note(self, leg: Leg, who: str, what: CallerSaw | PhoneSaw, side: str, more: dict[str, str]) -> None:
        self.names[leg.id] = who
        seen = {"t": time.time(), "who": who, "what": what, "leg": leg.id, "side": side, **more}
        self.sightings.append(Sighting(**seen))  # type: ignore[arg-type]


class Phone:
    """All contacts of one user, reacting as his script says. `invites` are the header lists of all INVITEs that he got."""

    def __init__(self, script: PhoneScript, server: int, password: str, media: Media, book: Notebook) -> None:
        """Open the contacts and register them, if the script says so. `server`: the SIP port where users authenticate."""
        self.script, self.book = script, book
        self.invites: list[list[tuple[str, str]]] = []
        self.legs: list[Leg] = []
        self._lines = script.lines * script.contacts
        self._calls = 0
        self._last: tuple[float, Reaction] | None = None
        account = Account(script.user, script.domain, password)
        self.contacts = [Endpoint(server, media, self._rung, account) for _ in range(script.contacts)]
        if script.registered:
            self.register()

    def register(self) -> None:
        """Register all contacts."""
        for contact in self.contacts:
            contact.register()

    def unregister(self) -> None:
        """Take all registrations back."""
        for contact in self.contacts:
            contact.register(0)

    def dial(self, to: str) -> Leg:
        """Call an extension from the first contact; returns at once, and sightings go on as for any leg of this phone."""
        leg = Leg.outgoing(self.contacts[0], self.script.user, self.script.user, to, self.script.domain)
        self._watch(leg, None)
        gevent.spawn(leg.call)
        return leg

    def answer(self) -> None:
        """Answer what rings, and stay in the talk."""
        leg = next(leg for leg in self.legs if not leg.answered.is_set() and not leg.over.is_set())
        self._react(leg, Reaction())

    def close(self) -> None:
        """Vanish, without a word to the switch."""
        for contact in self.contacts:
            contact.close()

    def _rung(self, leg: Leg) -> None:
        self.invites.append(leg.invite.headers)
        self.legs.append(leg)
        busy = sum(other.answered.is_set() and not other.over.is_set() for other in self.legs) >= self._lines
        reaction, first = (BUSY_LINE, True) if busy else self._reaction(leg.peer)
        self._watch(leg, reaction)
        if reaction.ringing:
            leg.ringing()
        self.book.phone(leg, self.script.name, "ringing", peer=leg.peer, detail=leg.shown)
        if reaction.kind == "ignore" or (reaction.kind == "answer" and not first):
            return
        if not leg.over.wait(reaction.after):
            self._react(leg, reaction)

    def _reaction(self, peer: str) -> tuple[Reaction, bool]:
        """The reaction to this INVITE, and whether it is the first INVITE of its call: one hand takes one receiver."""
        now = time.monotonic()
        if self._last is not None and now - self._last[0] < SAME_CALL_SECONDS and len(self.contacts) > 1:
            return self._last[1], False
        if peer in self.script.ignores:
            return Reaction(kind="ignore"), True
        reaction = self.script.reaction(self._calls)
        self._calls += 1
        self._last = now, reaction
        return reaction, True

    def _react(self, leg: Leg, reaction: Reaction) -> None:
        if reaction.kind == "reject":
            self.book.phone(leg, self.script.name, "refused", detail=str(reaction.code))
            leg.reject(reaction.code)
            return
        self.book.phone(leg, self.script.name, "answered")
        leg.accept()
        if reaction.stays is not None:
            gevent.spawn_later(reaction.stays, leg.hang_up)
        for after, digits in reaction.keys:
            gevent.spawn_later(after, _press, leg, digits)
        if reaction.talk == 0:
            leg.acknowledged.wait(0.5)
            leg.hang_up()

    def _watch(self, leg: Leg, reaction: Reaction | None) -> None:
        name, book = self.script.name, self.book

        def heard(what: Heard) -> None:
            kind, peer = what
            if kind == "peer":
                book.phone(leg, name, "connected", peer=book.names.get(peer, ""), peer_leg=peer)
                if reaction is not None and reaction.talk:
                    gevent.spawn_later(reaction.talk, leg.hang_up)
            elif leg.answered.is_set():
                book.phone(leg, name, "alone", detail=kind)

        def ended() -> None:
            if leg.answered.is_set():
                book.phone(leg, name, "ended", detail=f"{leg.cause} by {leg.by}")
            elif leg.by == "the switch":
                book.phone(leg, name, "cancelled", detail=_why(leg))

        leg.heard, leg.ended = heard, ended


class Caller:
    """One caller, doing what his script says from the moment `start` is called."""

    def __init__(
        self, script: CallerScript, server: int, domain: str, account: Account | None, media: Media, book: Notebook
    ) -> None:
        """Prepare him. `server`: the SIP port that he calls; `account`: a colleague's, who is asked for his password."""
        self.script, self.book = script, book
        self.endpoint = Endpoint(server, media, lambda leg: leg.reject(486), account)
        self.leg = Leg.outgoing(self.endpoint, script.number, script.name, script.to, domain)
        self.code = 0
        self._talking = self._impatient = False
        self._talks = 0

    @property
    def who(self) -> str:
        """His number; a colleague's `user@domain`."""
        return self.script.user or self.script.number

    def start(self) -> None:
        """Dial now; returns at once."""
        self.leg.heard, self.leg.ended = self._heard, self._ended
        self._saw("dialled", detail=self.script.to)
        gevent.spawn(self._dial)
        if self.script.patience is not None:
            gevent.spawn_later(self.script.patience, self._give_up)

    def close(self) -> None:
        """Vanish."""
        self.endpoint.close()

    def _dial(self) -> None:
        headers = [(f"X-{name}", value) for name, value in self.script.variables.items()]
        headers += self.script.headers.items()
        self.code = self.leg.call(headers)
        if self.code == 200:
            self._saw("answered")
            for after, digits in self.script.keys:
                gevent.spawn_later(after, self._press, digits)

    def _press(self, digits: str) -> None:
        for digit in _press(self.leg, digits):
            self._saw("keyed", detail=digit)

    def _give_up(self) -> None:
        self._impatient = True
        if not self._talking:
            self.leg.hang_up()

    def _heard(self, what: Heard) -> None:
        kind, peer = what
        if kind == "peer":
            self._talking = True
            self._saw("connected", peer=self.book.names.get(peer, ""), peer_leg=peer)
            if self.script.talk is not None:
                self._talks += 1
                gevent.spawn_later(self.script.talk, self._enough, self._talks)
        elif self.leg.answered.is_set() and not self.leg.over.is_set():
            self._talking = self._talking and kind == "silence"
            self._saw("music" if kind == "music" else "silence")
            if kind == "music" and self._impatient:
                gevent.spawn(self.leg.hang_up)

    def _enough(self, talk: int) -> None:
        """Hang up at the end of this talk, unless it has ended already and another has begun."""
        if self._talking and talk == self._talks:
            self.leg.hang_up()

    def _ended(self) -> None:
        self._saw("gone", detail=f"{self.leg.cause} by {self.leg.by}")

    def _saw(self, what: CallerSaw, **more: str) -> None:
        self.book.caller(self.leg, self.who, what, **more)


def _press(leg: Leg, digits: str) -> list[str]:
    """Press keys, as long as the call stands; return those that were pressed."""
    pressed = []
    for digit in digits:
        if not leg.over.is_set():
            leg.press(digit)
            pressed.append(digit)
    return pressed


def _why(leg: Leg) -> str:
    """What a CANCEL's Reason says, in the words of sightings."""
    found = re.search(r'text="([^"]*)"', leg.reason)
    text = found[1] if found else ""
    return "completed elsewhere" if "completed elsewhere" in text.lower() else text
