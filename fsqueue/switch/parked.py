"""Calls that the dialplan hands over parked, without a socket: who they are, and whether they are still there.

Such a call says that it is there by one event, and after six seconds the dialplan's own schedule takes it to the fallback,
where nobody may fetch it from. So a word to a call that has been waiting for a while, since this process or the link stood
still, is said only after the switch has shown that the call is parked yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fsqueue.esl.errors import RemoteProtocolError
from fsqueue.esl.events import Event, decode
from fsqueue.switch import handover, quoting
from fsqueue.switch.context import CallerLeg, CodeLeg, Context, Do
from fsqueue.switch.dialplan import KNOCK, KNOCKED
from fsqueue.switch.handover import Word
from fsqueue.switch.ways import on_link

SURE_SECONDS = 1.5
"""So long after its event a call is parked, unless we have moved it; the switch's clock is known to 1.5 s, and the dialplan
lets it park for six."""

REMEMBERED_SECONDS = 60.0
"""How long an arrival is known to have been taken: the channel table is up to 420 ms behind the events."""

APPLICATION = "park"

_MICRO = 1_000_000

Arrive = Callable[[Event], None]


class Parked:
    """Takes parked calls in, each arrival once, and says the first word to them."""

    def __init__(self, ctx: Context, arrive: Arrive, ended: Callable[[CallerLeg, str], None]) -> None:
        """*arrive* gets each call; *ended* is called for a caller who turns out to be parked no more, with the cause."""
        self._ctx, self._arrive, self._ended = ctx, arrive, ended
        self._taken: dict[str, float] = {}

    # -- arriving

    def said(self, event: Event) -> None:
        """A call says that it is parked; one to which nothing could be said is left to the dialplan's schedule."""
        if event.fsq_owner != self._ctx.facts.owner or not quoting.is_uuid(event.uuid):
            return
        if self._age(event) <= SURE_SECONDS:
            self._take(event)
        else:
            self.look(event.uuid)

    def look(self, uuid: str) -> None:
        """Take the channel in if the switch shows that it is parked."""
        self._ctx.api(f"uuid_dump {quoting.uuid(uuid)} json", self._looked)

    def _looked(self, answer: str) -> None:
        event = self._parked(answer)
        if event is not None:
            self._take(event)

    def _take(self, event: Event) -> None:
        ctx = self._ctx
        arrival = arrival_of(event)
        for old in [one for one, when in self._taken.items() if when < ctx.now - REMEMBERED_SECONDS]:
            del self._taken[old]
        if arrival in self._taken:
            return
        self._taken[arrival] = ctx.now
        if event.fsq_to == KNOCK:
            self._post(event.uuid, handover.refused(KNOCKED, ctx.facts))
        else:
            self._arrive(event)

    def _age(self, event: Event) -> float:
        """Return how many seconds ago the event was said."""
        if not event.timestamp.isdecimal():
            return 0.0
        return self._ctx.now + self._ctx.offset - int(event.timestamp) / _MICRO

    # -- the first word

    def say(self, leg: CallerLeg | CodeLeg, word: Word, said: Do) -> None:
        """Say *word* to a parked call and do *said*, as soon as it is sure that it is parked; a later word counts alone."""
        ctx = self._ctx

        def now() -> None:
            leg.parked, leg.word = False, None
            self._post(leg.uuid, word)
            said()

        leg.word = now
        if ctx.link and ctx.now - leg.since <= SURE_SECONDS:
            now()
        elif ctx.link:
            self._make_sure(leg)

    def link_up(self) -> None:
        """Look for every call to which something is still to be said."""
        legs: list[CallerLeg | CodeLeg] = [*self._ctx.callers.values(), *self._ctx.codes.values()]
        for leg in legs:
            if leg.parked and leg.word is not None:
                self._make_sure(leg)

    def _make_sure(self, leg: CallerLeg | CodeLeg) -> None:
        self._ctx.api(f"uuid_dump {quoting.uuid(leg.uuid)} json", partial(self._sure, leg))

    def _sure(self, leg: CallerLeg | CodeLeg, answer: str) -> None:
        if not leg.parked or leg.word is None:
            return
        event = self._parked(answer)
        if event is not None and arrival_of(event) == leg.arrival:
            leg.word()
        elif isinstance(leg, CallerLeg) and self._ctx.callers.get(leg.uuid) is leg:
            self._ended(leg, "LOST" if answer.startswith("-") else "FALLBACK")

    def _post(self, uuid: str, word: Word) -> None:
        for text in on_link(uuid, word):
            self._ctx.api(text)

    def _parked(self, answer: str) -> Event | None:
        """Return the channel that ``uuid_dump`` shows if it is one that is parked by our dialplan."""
        try:
            event = decode(answer.encode("utf-8", "replace"))
        except RemoteProtocolError:
            return None  # "-ERR No such channel!"
        facts = self._ctx.facts
        ours = event.fsq_owner == facts.owner and event.context == facts.context and event.fsq_arrival
        # Who has picked a call up is parked there too, until he is bridged; a member's own leg has his name besides.
        picks_up = event.fsq_offer and not event.fsq_member
        return event if ours and not picks_up and event.current_application == APPLICATION else None


def arrival_of(event: Event) -> str:
    """Return what tells this arrival of the channel from its other ones."""
    return event.fsq_arrival or event.uuid
