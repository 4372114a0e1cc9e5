"""Callers and phones in the embedded switch: they follow their scripts in virtual time and write down what they see.

They know nothing of the switch's inside: an INVITE, a 200, a BYE and what is heard is all that reaches them. Whatever they do can also
be done to them from outside, step by step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from fsqueue.simswitch import hangups, transfers
from fsqueue.simswitch.people import CallerSaw, CallerScript, PhoneSaw, PhoneScript, Reaction, Sighting

if TYPE_CHECKING:
    from fsqueue.simswitch.agenda import Timer
    from fsqueue.simswitch.leg import Leg
    from fsqueue.simswitch.world import World

_REASONS = {"LOSE_RACE": "completed elsewhere", "PICKED_OFF": "completed elsewhere"}


class Caller:
    """Somebody who calls in: an outside caller, or a colleague from his phone."""

    def __init__(self, world: World, script: CallerScript) -> None:
        """Be the caller of `script`; `dial` begins it."""
        self.world, self.script = world, script
        self.leg: Leg | None = None
        self._until: Timer | None = None
        self._impatient = False

    @property
    def who(self) -> str:
        """The caller's number; a colleague's `user@domain`."""
        return self.script.user or self.script.number

    @property
    def talking(self) -> bool:
        """Whether he is connected with somebody now."""
        return self.leg is not None and self.leg.hearing[0] == "talk"

    def dial(self) -> None:
        """Call."""
        self.leg = self.world.invited_by(self)
        self._saw("dialled", detail=self.script.to)
        if self.script.patience is not None:
            self.world.agenda.after(self.script.patience, self._lose_patience)

    def hang_up(self) -> None:
        """Hang up, or cancel the call before the answer."""
        leg = self.leg
        if leg is not None and not leg.gone:
            hangups.hung_up(self.world, leg, "NORMAL_CLEARING" if leg.answer == "answered" else "ORIGINATOR_CANCEL")

    def press(self, digit: str) -> None:
        """Press a key."""
        if self.leg is not None and not self.leg.gone:
            self._saw("keyed", detail=digit)
            self.world.pressed(self.leg, digit)

    def hold(self) -> None:
        """Put the other side on hold."""
        if self.leg is not None:
            self.world.hold(self.leg)

    def resume(self) -> None:
        """Come back from hold."""
        if self.leg is not None:
            self.world.unhold(self.leg)

    def transfer(self, to: str) -> None:
        """Transfer the other side of the talk to `to`, blind."""
        if self.leg is not None:
            transfers.blind(self.world, self.leg, to)

    def answered(self, _leg: Leg) -> None:
        """A 200 has come."""
        self._saw("answered")
        for seconds, digit in self.script.keys:
            self.world.agenda.after(seconds, partial(self.press, digit))

    def hears(self, _leg: Leg, what: str, other: Leg | None) -> None:
        """Music, silence or somebody is heard."""
        if self._until is not None:
            self._until.cancel()
        if what == "talk" and other is not None:
            self._saw("connected", peer=other.party.who if other.party else "", peer_leg=other.uuid)
            if self.script.talk is not None:
                self._until = self.world.agenda.after(self.script.talk, self.hang_up)
            return
        self._saw("music" if what == "music" else "silence")
        if self._impatient:
            self.world.agenda.after(0.0, self._lose_patience)

    def gone(self, _leg: Leg, cause: str, by_switch: bool) -> None:
        """The call is over."""
        if self._until is not None:
            self._until.cancel()
        self._saw("gone", detail=f"{cause} by {'the switch' if by_switch else 'himself'}")

    def _lose_patience(self) -> None:
        self._impatient = True
        if not self.talking:
            self.hang_up()

    def _saw(self, what: CallerSaw, peer: str = "", peer_leg: str = "", detail: str = "") -> None:
        leg = self.leg.uuid if self.leg else ""
        self.world.saw(
            Sighting(
                t=self.world.now,
                who=self.who,
                what=what,
                leg=leg,
                side="caller",
                peer=peer,
                peer_leg=peer_leg,
                detail=detail,
            )
        )


@dataclass(eq=False)
class _Ring:
    """One call at a phone."""

    leg: Leg
    reaction: Reaction
    acts: bool
    answered: bool = False
    left: bool = False
    timers: list[Timer] = field(default_factory=list)


class User:
    """What a user's phones have in common: the script, and how many calls it has been through."""

    def __init__(self, script: PhoneScript) -> None:
        """Follow `script`."""
        self.script = script
        self.calls = 0
        self.ringing: list[_Ring] = []


class Phone:
    """One phone: one contact of a user."""

    def __init__(self, world: World, user: User, contact: str) -> None:
        """Be at `contact`, a SIP address such as `sip:1001@127.0.0.1:7001`."""
        self.world, self.user, self.contact = world, user, contact
        self.rings: list[_Ring] = []

    @property
    def who(self) -> str:
        """`user@domain`."""
        return self.user.script.name

    def invited(self, leg: Leg) -> None:
        """An INVITE has come: ring, and do what the script says next."""
        twin = next((r for r in self.user.ringing if r.leg.caller_number == leg.caller_number), None)
        if leg.caller_number in self.user.script.ignores:
            reaction = Reaction(kind="ignore")
        elif twin is None:
            reaction = self.user.script.reaction(self.user.calls)
            self.user.calls += 1
        else:
            reaction = twin.reaction
        busy = sum(ring.answered for ring in self.rings) >= self.user.script.lines
        if busy:
            reaction = Reaction(kind="reject", after=0, code=486, ringing=False)
        ring = _Ring(leg, reaction, acts=busy or twin is None)
        self.rings.append(ring)
        self.user.ringing.append(ring)
        self._saw(ring, "ringing", peer=leg.caller_number, detail=leg.caller_name)
        instantly = reaction.kind == "reject" and reaction.after == 0
        if reaction.ringing and not instantly:
            self.world.agenda.after(self.world.timing.tick, lambda: self.world.progressed(leg))
        if ring.acts and reaction.kind == "answer":
            ring.timers.append(self.world.agenda.after(reaction.after, lambda: self._answer(ring)))
        elif ring.acts and reaction.kind == "reject":
            late = max(reaction.after, self.world.timing.refused)
            ring.timers.append(self.world.agenda.after(late, lambda: self._reject(ring, reaction.code)))

    def answer(self) -> None:
        """Answer what has been ringing longest."""
        for ring in self.rings:
            if not ring.answered:
                self._answer(ring)
                return

    def reject(self, code: int = 486) -> None:
        """Refuse what has been ringing longest with a SIP code of 300 to 699."""
        for ring in self.rings:
            if not ring.answered:
                self._reject(ring, code)
                return

    def hang_up(self) -> None:
        """Hang up the call that was answered first."""
        for ring in self.rings:
            if ring.answered:
                self._hang_up(ring)
                return

    def press(self, digit: str) -> None:
        """Press a key in the call that was answered first."""
        for ring in self.rings:
            if ring.answered:
                self.world.pressed(ring.leg, digit)
                return

    def hold(self) -> None:
        """Put the other side on hold."""
        for ring in self.rings:
            if ring.answered:
                self.world.hold(ring.leg)

    def resume(self) -> None:
        """Come back from hold."""
        for ring in self.rings:
            if ring.answered:
                self.world.unhold(ring.leg)

    def transfer(self, to: str) -> None:
        """Transfer the other side to `to`, blind."""
        for ring in self.rings:
            if ring.answered:
                transfers.blind(self.world, ring.leg, to)
                return

    def join(self, consulted: Caller) -> None:
        """Transfer the other side to whom this user has called meanwhile, attended."""
        for ring in self.rings:
            if ring.answered and consulted.leg is not None:
                transfers.attended(self.world, ring.leg, consulted.leg)
                return

    def answered(self, _leg: Leg) -> None:
        """Nothing: a phone that is called answers by itself."""

    def hears(self, leg: Leg, what: str, other: Leg | None) -> None:
        """The other side, or nobody, is heard."""
        ring = self._ring(leg)
        if ring is None or not ring.answered:
            return
        if what != "talk" or other is None:
            if leg.linked_to is not None and what == "silence":
                self._saw(ring, "alone")
            return
        self._saw(ring, "connected", peer=other.party.who if other.party else other.caller_number, peer_leg=other.uuid)
        if ring.reaction.talk is not None:
            ring.timers.append(self.world.agenda.after(ring.reaction.talk, lambda: self._hang_up(ring)))

    def gone(self, leg: Leg, cause: str, by_switch: bool) -> None:
        """The call is over, or was taken back."""
        ring = self._ring(leg)
        if ring is None:
            return
        self.rings.remove(ring)
        self.user.ringing = [r for r in self.user.ringing if r is not ring]
        for timer in ring.timers:
            timer.cancel()
        if ring.answered:
            self._saw(
                ring, "ended", peer=leg.caller_number, detail=f"{cause} by {'the switch' if by_switch else 'himself'}"
            )
        elif by_switch:
            self._saw(ring, "cancelled", peer=leg.caller_number, detail=_REASONS.get(cause, cause))

    def _answer(self, ring: _Ring) -> None:
        if ring.leg.gone or ring.answered:
            return
        ring.answered = True
        self.user.ringing = [r for r in self.user.ringing if r is not ring]
        self._saw(ring, "answered", peer=ring.leg.caller_number)
        for timer in ring.timers:
            timer.cancel()
        self.world.picked_up(ring.leg)
        reaction = ring.reaction if ring.acts and ring.reaction.kind == "answer" else Reaction(kind="answer")
        ring.reaction = reaction
        stays = [s for s in (reaction.stays, 0.0 if reaction.talk == 0 else None) if s is not None]
        if stays:
            ring.timers.append(self.world.agenda.after(min(stays), lambda: self._hang_up(ring)))
        for seconds, digit in reaction.keys:
            ring.timers.append(self.world.agenda.after(seconds, partial(self.world.pressed, ring.leg, digit)))

    def _reject(self, ring: _Ring, code: int) -> None:
        if ring.leg.gone or ring.answered:
            return
        self._saw(ring, "refused", peer=ring.leg.caller_number, detail=str(code))
        self.world.refused(ring.leg, code)

    def _hang_up(self, ring: _Ring) -> None:
        if not ring.leg.gone:
            hangups.hung_up(self.world, ring.leg, "NORMAL_CLEARING")

    def _ring(self, leg: Leg) -> _Ring | None:
        return next((ring for ring in self.rings if ring.leg is leg), None)

    def _saw(self, ring: _Ring, what: PhoneSaw, peer: str = "", peer_leg: str = "", detail: str = "") -> None:
        self.world.saw(
            Sighting(
                t=self.world.now,
                who=self.who,
                what=what,
                leg=ring.leg.uuid,
                side="phone",
                peer=peer,
                peer_leg=peer_leg,
                detail=detail,
            )
        )
