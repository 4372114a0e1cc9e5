"""Offers: the originates that ring a member's phones, or a dialled number, and how they end.

A job's ``-ERR`` counts only before CHANNEL_ANSWER: after it the same job may say ORIGINATOR_CANCEL for a leg that is just
being bridged (42 of 67, measured on FreeSWITCH 1.11), and only CHANNEL_HANGUP ends the leg. A kill says ``-ERR No such
channel!`` until the channel exists, and the phone rings on: it is repeated at CHANNEL_CREATE.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fsqueue.engine.messages import Answered, OfferEnded, Outcome, Reach, Ring, Ringing, Withdraw, WithdrawWhy
from fsqueue.esl.events import Event
from fsqueue.switch import dialling, quoting
from fsqueue.switch.context import Context, Offer, PhoneLeg, Talk
from fsqueue.switch.ids import job_uuid, leg_uuid
from fsqueue.switch.outcomes import of_offer, of_phone
from fsqueue.switch.whereabouts import Whereabouts

SILENT_SECONDS = 5.0
"""A job without a sign of life for so long may be lost: we ask."""

OVERDUE_SECONDS = 4.0
"""How long after its own time-out an originate may still be there."""

RETRY_SECONDS = 1.0
"""Between two kills of a leg that is still there."""

MAX_PHONES = 8
"""Phones of one member that are rung, and looked for where an offer isn't known."""

_REMEMBERED = 2000

_KILL: dict[WithdrawWhy, str] = {"elsewhere": "LOSE_RACE"}
"""LOSE_RACE makes phones show "answered elsewhere"; anything else is shown as a missed call."""


class Offers:
    """All offers of a switch that have not ended."""

    def __init__(self, ctx: Context, member_gone: Callable[[str], Talk | None]) -> None:
        """*member_gone* is told of a leg that turned out to be gone, and returns the talk it was in."""
        self._ctx = ctx
        self._member_gone = member_gone
        self._whereabouts = Whereabouts(ctx)
        self._ended: dict[str, bool] = {}
        """Offers that are over, and whether their end is still to be told: a bridge that failed has spoken for them so far."""

    # -- ringing

    def foresee(self, ring: Ring) -> None:
        """Ask what *ring* will need, which is being written down."""
        if ring.offer not in self._ctx.offers and ring.offer not in self._ended:
            self._whereabouts.foresee(ring)

    @property
    def questions(self) -> int:
        """How many members are being looked for, or have been for a Ring that is to follow."""
        return len(self._whereabouts)

    def looks_for(self, call: str) -> bool:
        """Whether an offer of *call* is to ring as soon as it is known where."""
        offers = self._ctx.offers
        return any(name in offers and offers[name].call == call for name in self._whereabouts.awaited())

    def ring(self, cmd: Ring) -> None:
        """Ring a member's phones or a number."""
        ctx = self._ctx
        if cmd.offer in ctx.offers or cmd.offer in self._ended:
            self._whereabouts.forget(cmd.offer)
            return
        offer = Offer(cmd.offer, cmd.call, cmd.member, cmd)
        ctx.offers[offer.id] = offer
        if cmd.number:
            ctx.forwards[offer.id] = cmd
        phone = ctx.facts.phones.get(cmd.member)
        try:
            if cmd.number:
                self._dial(offer, (quoting.outbound(ctx.facts.outbound, cmd.number),))
            elif phone is None:
                self._none(offer, "no such member")
            elif phone.dial.startswith("user/"):
                self._whereabouts.find(offer.id, phone.user, partial(self._contacts, offer))
            else:
                self._dial(offer, (quoting.dial_string(phone.dial),))
        except quoting.Unquotable as fault:
            self._none(offer, str(fault))
        if not ctx.link and offer.id in ctx.offers:
            self._end(offer, "failed", "no link to the switch")

    def _contacts(self, offer: Offer, answer: str) -> None:
        if offer.withdrawn is not None:
            self._end(offer, "withdrawn", "")
            return
        found = quoting.contacts(answer)
        if found:
            self._dial(offer, found[:MAX_PHONES])
        else:
            if answer.startswith("error/"):
                self._ctx.emit(Reach(self._ctx.switch, offer.member, reachable=False))
            self._none(offer, "not registered")

    def _none(self, offer: Offer, why: str) -> None:
        self._end(offer, "unreachable", why)

    def _dial(self, offer: Offer, contacts: tuple[str, ...]) -> None:
        """Originate to each contact, with a uuid and a job of its own."""
        ctx, ring = self._ctx, offer.ring
        assert ring is not None  # noqa: S101 — only offers of ours are dialled
        texts = []
        for index, contact in enumerate(contacts):
            uuid = leg_uuid(ctx.facts.owner, offer.id, index)
            try:
                texts.append((uuid, dialling.originate(uuid, contact, ring, ctx.facts)))
            except quoting.Unquotable as fault:
                self._none(offer, str(fault))
                return
        offer.dialled = True
        for uuid, text in texts:
            phone = PhoneLeg(uuid, job_uuid(uuid))
            self.add(offer, phone)
            ctx.bgapi(phone.job, text)
            ctx.after(SILENT_SECONDS, partial(self._silent, offer, phone))
            ctx.after(ring.timeout + OVERDUE_SECONDS, partial(self._overdue, offer, phone))

    def add(self, offer: Offer, phone: PhoneLeg) -> None:
        """Know a phone's leg by its uuid and its job."""
        offer.phones.append(phone)
        self._ctx.ringing[phone.uuid] = None
        self._ctx.phones[phone.uuid] = self._ctx.jobs[phone.job] = (offer, phone)

    # -- events of a phone's leg

    def created(self, uuid: str) -> None:
        """Any event shows that the channel exists; whoever was withdrawn before it did is killed now."""
        offer, phone = self._ctx.phones[uuid]
        if not phone.existed:
            phone.existed = True
            if phone.kill:
                self._kill(offer, phone, phone.kill)

    def late(self, event: Event) -> None:
        """A leg that was given up shows after all: nobody wants it any more, and it would ring to its own time-out."""
        if (
            event.direction == "outbound"
            and event.fsq_owner == self._ctx.facts.owner
            and event.fsq_offer in self._ended
        ):
            self._ctx.api(f"uuid_kill {quoting.uuid(event.uuid)} {_KILL['elsewhere']}")

    def progress(self, uuid: str) -> None:
        """The phone rings."""
        offer, phone = self._ctx.phones[uuid]
        if not offer.rang and not phone.kill and offer.withdrawn is None:
            offer.rang = True
            self._ctx.emit(Ringing(offer.id))

    def answered(self, uuid: str) -> None:
        """The phone was picked up; where a key is asked for, that alone is no answer."""
        offer, phone = self._ctx.phones[uuid]
        phone.answered = True
        if offer.ring is None or not offer.ring.key:
            self._wins(offer, phone)

    def parked(self, uuid: str, digit: str) -> None:
        """CHANNEL_PARK: the end of the originate, and of asking for a key."""
        offer, phone = self._ctx.phones[uuid]
        self._originated(phone)
        if offer.ring is None or not offer.ring.key or phone.kill or offer.winner is phone:
            return
        if digit == offer.ring.key:
            self._wins(offer, phone)
        else:
            self._kill(offer, phone, "NORMAL_CLEARING")

    def _originated(self, phone: PhoneLeg) -> None:
        phone.settled = True
        self._ctx.ringing.pop(phone.uuid, None)

    def _wins(self, offer: Offer, phone: PhoneLeg) -> None:
        """The first phone that answers has the offer; others of the member are killed, also if they answer too."""
        if phone.kill or offer.winner is phone:
            return
        if offer.winner is not None or offer.withdrawn is not None:
            self._kill(offer, phone, "LOSE_RACE")
            return
        offer.winner = phone
        self._ctx.emit(Answered(offer.id))
        self.keep_winner(offer.id)

    def keep_winner(self, name: str) -> None:
        """Kill the other phones of an offer that one of them has answered."""
        offer = self._ctx.offers.get(name)
        for other in offer.phones if offer is not None else ():
            if offer is not None and other is not offer.winner and not other.over:
                self._kill(offer, other, "LOSE_RACE")

    def job_done(self, job: str, body: str) -> None:
        """BACKGROUND_JOB: of errors only that of a phone counts which has not answered."""
        offer, phone = self._ctx.jobs[job]
        answer = body.strip()
        self._originated(phone)
        if answer.startswith("-") and offer.ring is None:
            self.check(offer, phone)  # rung by a predecessor: whether it had been answered is not known to us
        elif answer.startswith("-") and not phone.answered:
            self._over(offer, phone, answer.removeprefix("-ERR").strip(), None)

    def gone(self, uuid: str, cause: str, talk: Talk | None) -> None:
        """The channel has ended; *talk* is the one it was in, which then speaks for the offer."""
        offer, phone = self._ctx.phones[uuid]
        phone.existed = True
        self._over(offer, phone, cause, talk)

    def _over(self, offer: Offer, phone: PhoneLeg, cause: str, talk: Talk | None) -> None:
        if phone.over:
            return
        phone.over, phone.cause = True, cause
        self._ctx.ringing.pop(phone.uuid, None)
        phone.outcome = of_phone(cause, existed=phone.existed)
        self._ctx.phones.pop(phone.uuid, None)
        self._ctx.jobs.pop(phone.job, None)
        if self._ctx.offers.get(offer.id) is not offer:
            return
        if offer.winner is phone and talk is not None and not (talk.withdrawn and not talk.connected):
            self._forget(offer, untold=not talk.connected)
        elif all(other.over for other in offer.phones):
            self._all_over(offer, talk)

    def _all_over(self, offer: Offer, talk: Talk | None) -> None:
        own = [phone for phone in offer.phones if phone is offer.winner] or offer.phones
        cause = next((phone.cause for phone in own if phone.outcome == of_offer([p.outcome for p in own])), "")
        if offer.withdrawn is not None or (talk is not None and talk.withdrawn):
            self._end(offer, "withdrawn", cause)
        elif offer.winner is not None:
            self._end(offer, "declined", cause)  # picked up and hung up before the bridge was asked for
        else:
            self._end(offer, of_offer([phone.outcome for phone in own]), cause)

    def _end(self, offer: Offer, outcome: Outcome, cause: str) -> None:
        self._forget(offer)
        self._ctx.emit(OfferEnded(offer.id, outcome, cause))

    def _forget(self, offer: Offer, *, untold: bool = False) -> None:
        """Keep only the id, so that a late command for the offer isn't taken for one about a predecessor's."""
        self._ctx.offers.pop(offer.id, None)
        self._ctx.forwards.pop(offer.id, None)
        self._ended[offer.id] = untold
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]

    def left(self, uuid: str) -> None:
        """The leg has arrived as a caller, by a transfer: it is no phone of an offer any more."""
        offer, phone = self._ctx.phones.pop(uuid)
        self._ctx.jobs.pop(phone.job, None)
        self._ctx.ringing.pop(uuid, None)
        phone.over = True
        self._forget(offer)

    # -- withdrawing

    def withdraw(self, cmd: Withdraw) -> None:
        """End whatever rings or has answered of the offer, or still will."""
        offer = self._ctx.offers.get(cmd.offer)
        cause = _KILL.get(cmd.why, "ORIGINATOR_CANCEL")
        if offer is not None:
            offer.withdrawn = offer.withdrawn or cmd.why
            for phone in offer.phones:
                if not phone.over:
                    self._kill(offer, phone, phone.kill or cause)
        elif cmd.offer not in self._ended:
            self._withdraw_unknown(cmd.offer, cause)
        elif self._ended[cmd.offer]:
            self._ended[cmd.offer] = False
            self._ctx.emit(OfferEnded(cmd.offer, "withdrawn", "its leg is gone already"))

    def _withdraw_unknown(self, offer: str, cause: str) -> None:
        """Kill what a predecessor may have left: its uuids follow from the offer."""
        for index in range(MAX_PHONES):
            self._ctx.api(f"uuid_kill {leg_uuid(self._ctx.facts.owner, offer, index)} {cause}")
        self._ended[offer] = False
        self._ctx.emit(OfferEnded(offer, "withdrawn", "not known"))

    def _kill(self, offer: Offer, phone: PhoneLeg, cause: str) -> None:
        first, phone.kill = not phone.kill, cause
        self._ctx.api(f"uuid_kill {quoting.uuid(phone.uuid)} {quoting.cause(cause)}")
        if first:
            self._ctx.after(RETRY_SECONDS, partial(self._kill_again, offer, phone))

    def _kill_again(self, offer: Offer, phone: PhoneLeg) -> None:
        if not phone.over:
            self._ctx.api(f"uuid_exists {quoting.uuid(phone.uuid)}", partial(self._survived, offer, phone))

    def _survived(self, offer: Offer, phone: PhoneLeg, answer: str) -> None:
        """A leg that isn't there although its job never spoke may still be created: the job's own time is waited for."""
        if phone.over:
            return
        if answer == "true":
            phone.existed = True
            self._ctx.api(f"uuid_kill {quoting.uuid(phone.uuid)} {quoting.cause(phone.kill)}")
        elif phone.existed:
            self._lost(offer, phone)
            return
        self._ctx.after(RETRY_SECONDS, partial(self._kill_again, offer, phone))

    # -- technical timers

    def _silent(self, offer: Offer, phone: PhoneLeg) -> None:
        if not phone.over and not phone.existed:
            self._ctx.api(f"uuid_exists {quoting.uuid(phone.uuid)}", partial(self._settle, offer, phone))

    def _settle(self, offer: Offer, phone: PhoneLeg, answer: str) -> None:
        """The originate may have been late itself: an answer that it isn't there counts when it is given twice."""
        if answer == "true" and not phone.over:
            self.created(phone.uuid)
        elif not phone.over and not phone.existed:
            asked = f"uuid_exists {quoting.uuid(phone.uuid)}"
            self._ctx.after(RETRY_SECONDS, lambda: self._ctx.api(asked, partial(self._settled, offer, phone)))

    def _settled(self, offer: Offer, phone: PhoneLeg, answer: str) -> None:
        if answer == "true" and not phone.over:
            self.created(phone.uuid)
        elif not phone.over and not phone.existed:
            self._lost(offer, phone)

    def _overdue(self, offer: Offer, phone: PhoneLeg) -> None:
        """The switch should have ended it by now; one that answered has its bridge's timers."""
        if not phone.over and not phone.answered:
            self._kill(offer, phone, phone.kill or "ORIGINATOR_CANCEL")
            self.check(offer, phone)

    def check(self, offer: Offer, phone: PhoneLeg) -> None:
        """Ask whether the leg is there, and believe it if not: events were missed."""
        self._ctx.api(f"uuid_exists {quoting.uuid(phone.uuid)}", partial(self._checked, offer, phone))

    def _checked(self, offer: Offer, phone: PhoneLeg, answer: str) -> None:
        if phone.over:
            return
        if answer == "false":
            self._lost(offer, phone)
        elif phone.kill:
            self._ctx.api(f"uuid_kill {quoting.uuid(phone.uuid)} {quoting.cause(phone.kill)}")

    def _lost(self, offer: Offer, phone: PhoneLeg) -> None:
        self._over(offer, phone, "LOST", self._member_gone(phone.uuid))

    # -- the link

    def link_down(self) -> None:
        """Offers whose contacts were being asked for never rang."""
        self._whereabouts.link_down()
        for offer in [offer for offer in self._ctx.offers.values() if not offer.phones]:
            self._end(offer, "withdrawn" if offer.withdrawn else "failed", "no link to the switch")

    def link_up(self) -> None:
        """A running originate survives the link, its end may have been missed: ask about every leg."""
        for offer, phone in list(self._ctx.phones.values()):
            self.check(offer, phone)
