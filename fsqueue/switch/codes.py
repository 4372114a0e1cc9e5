"""Colleagues who dial one of our codes: pick a call up, log in or out, pause.

Their legs come by the same way as calls. They have no hold: a tone and the hang-up are all that is said to them.
"""

from __future__ import annotations

from functools import partial

import msgspec

from fsqueue.engine.messages import Confirm, DutyCode, DutyState, Pickup, Refuse
from fsqueue.esl.events import Event
from fsqueue.switch import quoting
from fsqueue.switch.context import CodeLeg, Context, Do
from fsqueue.switch.dialling import PARK_SECONDS
from fsqueue.switch.handover import Word
from fsqueue.switch.messages import CloseSession, Execute, SwitchFacts
from fsqueue.switch.parked import Parked, arrival_of
from fsqueue.switch.ways import on_socket

REFUSED_TONE = "tone_stream://%(250,250,480,620);loops=3"
CONFIRMED_TONE = "tone_stream://%(150,50,660);%(250,0,880)"


class Codes:
    """The legs that dialled a code, from their arrival to their end or their bridge."""

    def __init__(self, ctx: Context, parked: Parked) -> None:
        """Begin with none."""
        self._ctx, self._parked = ctx, parked
        self._when_answered: dict[str, Do] = {}

    def arrived(self, session: str, event: Event, user: str) -> None:
        """A colleague dialled a code; *session* is empty for a parked leg. Whom the switch doesn't vouch for gets the tone."""
        ctx = self._ctx
        if session:
            ctx.sessions[session] = event.uuid
        answered = event.answer_state == "answered"
        ctx.codes[event.uuid] = CodeLeg(
            event.uuid, session, arrival_of(event), user, answered, parked=not session, since=ctx.now
        )
        leg, meant = ctx.leg(event.uuid), meaning(event.fsq_code or event.destination, ctx.facts)
        if not user or meant is None:
            self.refuse(Refuse(leg, "who dialled the code is not known" if meant else "no such code"))
        elif isinstance(meant, PickupOf):
            ctx.emit(Pickup(leg=leg, user=user, extension=meant.extension))
        else:
            ctx.emit(DutyCode(leg, user, meant))

    def refuse(self, cmd: Refuse) -> None:
        """A tone and hang-up: nothing to take, or not allowed."""
        self._tell(cmd.leg.uuid, REFUSED_TONE)

    def confirm(self, cmd: Confirm) -> None:
        """Another tone: it was done."""
        self._tell(cmd.leg.uuid, CONFIRMED_TONE)

    def _tell(self, uuid: str, tone: str) -> None:
        code = self._ctx.codes.get(uuid)
        if code is not None and not code.used:
            self._say(code, told(tone))

    def take(self, uuid: str, offer: str, ready: Do) -> None:
        """Answer and park who picked a call up; *ready* is called when he can be bridged."""
        code, facts = self._ctx.codes[uuid], self._ctx.facts
        variables = (
            ("fsqueue_owner", quoting.word(facts.owner)),
            ("fsqueue_offer", quoting.plain(offer)),
            # With his name, as on a leg that was rung: a successor whom no record has reached is to know who talks.
            ("presence_data", quoting.presence(facts.owner, "offer", offer, _member(code.user, facts), "")),
            ("hangup_after_bridge", "true"),
            ("park_timeout", str(PARK_SECONDS)),
        )
        self._when_answered[uuid] = ready
        if not code.used:
            self._say(code, Word(variables=variables, then=(("answer", ""), ("park", ""))))
        if code.answered:
            self.answered(uuid)

    def answered(self, uuid: str) -> None:
        """CHANNEL_ANSWER of a code's leg."""
        code = self._ctx.codes.get(uuid)
        if code is not None:
            code.answered = True
            self._when_answered.pop(uuid, _nothing)()

    def gone(self, uuid: str) -> None:
        """The leg has ended."""
        code = self._ctx.codes.pop(uuid, None)
        self._when_answered.pop(uuid, None)
        if code is not None and not code.used:
            self._close(code)

    def socket_closed(self, uuid: str) -> None:
        """The session ended before our first word: nothing can be said on it any more."""
        code = self._ctx.codes.get(uuid)
        if code is not None and not code.used:
            code.used = True
            self._ctx.api(f"uuid_kill {quoting.uuid(uuid)} NORMAL_CLEARING")

    def _say(self, code: CodeLeg, word: Word) -> None:
        if code.parked:
            self._parked.say(code, word, partial(self._close, code))
        else:
            self._ctx.commands += [Execute(code.session, name, argument) for name, argument in on_socket(word)]
            self._close(code)

    def _close(self, code: CodeLeg) -> None:
        code.used = True
        if code.session:
            self._ctx.commands.append(CloseSession(code.session))
            self._ctx.sessions.pop(code.session, None)


def _member(user: str, facts: SwitchFacts) -> str:
    return next((phone.member for phone in facts.phones.values() if user and phone.user == user), "")


def told(tone: str) -> Word:
    """Return what lets a leg hear *tone* and ends it."""
    return Word(then=(("answer", ""), ("playback", tone), ("hangup", "NORMAL_CLEARING")))


def _nothing() -> None:
    """Nobody waits for this leg's answer."""


class PickupOf(msgspec.Struct, frozen=True):
    """The pickup code, and a colleague's *extension* where one was dialled behind it."""

    extension: str


def meaning(digits: str, facts: SwitchFacts) -> DutyState | PickupOf | None:
    """Return what the dialled *digits* mean; None: they are none of our codes."""
    duties: tuple[tuple[str, DutyState], ...] = (
        (facts.login_code, "in"),
        (facts.logout_code, "out"),
        (facts.pause_code, "paused"),
    )
    for code, duty in duties:
        if code and digits == code:
            return duty
    if facts.pickup_code and digits.startswith(facts.pickup_code):
        return PickupOf(digits[len(facts.pickup_code) :])
    return None


def is_code(event: Event, facts: SwitchFacts) -> bool:
    """Whether this arrival dialled one of our codes: the dialplan says so, or it is what was dialled."""
    return bool(event.fsq_code) or (not event.fsq_to and meaning(event.destination, facts) is not None)
