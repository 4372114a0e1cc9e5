"""A caller's leg between his arrival and his end: handed to his hold, told things there, sent on.

Two rules: no command that moves a caller before his hold stands (it would be lost without an error: 0 of 100 took
effect, against 100 of 100 at the hold's first event, measured on FreeSWITCH 1.11), and one such command at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from fsqueue.engine.messages import Announce, Arrived, Caller, CallerGone, Drop, Hold, Input, Refuse, Send, StepDone
from fsqueue.engine.model import HangUp, Voicemail
from fsqueue.esl.events import Event
from fsqueue.switch import handover, quoting, returns
from fsqueue.switch.context import CallerLeg, Context, Do
from fsqueue.switch.dialplan import HOLD
from fsqueue.switch.handover import Word
from fsqueue.switch.messages import CloseSession, Execute
from fsqueue.switch.parked import Parked
from fsqueue.switch.ways import on_link, on_socket

STAND_SECONDS = 2.0
"""The hold stands 24 to 49 ms after the hand-over; after this we ask whether the caller exists."""

LENGTH_SECONDS = 1.0
"""How long a message's length may come behind the hang-up."""

QUICK_SECONDS = 2.0
"""A mailbox that ends the call itself so soon has failed."""

_NORMAL = "NORMAL_CLEARING"

_QUOTED_PAIR = re.compile(r"\\([\"\\])")

_MAY_BE_EMPTY = ("fsqueue_number",)

Ended = Callable[[CallerLeg, str], None]


class Callers:
    """Carries out what the engine says about callers."""

    def __init__(self, ctx: Context, parked: Parked, ended: Ended) -> None:
        """*ended* is called for a leg that turns out to be gone, with the cause ``LOST``."""
        self._ctx = ctx
        self._parked = parked
        self._ended = ended

    # -- arriving

    def arrived(self, session: str, event: Event, *, user: str, takes: str = "") -> None:
        """The dialplan hands a channel over, by *session* or parked. It is a new visit, whatever variables it carries."""
        ctx = self._ctx
        answered = event.answer_state == "answered"
        caller = CallerLeg(event.uuid, event, session, parked=not session, since=ctx.now, media=answered)
        caller.has_talked = bool(event.fsq_call)
        ctx.callers[event.uuid] = caller
        if session:
            ctx.sessions[session] = event.uuid
        returned, surely = returns.offer_behind(ctx, event)
        ctx.emit(
            Arrived(
                leg=ctx.leg(event.uuid),
                arrival=event.fsq_arrival or f"{event.uuid}/{session or event.timestamp}",
                new_call=ctx.new_call(ctx.now),
                to=event.fsq_to,
                dialled=event.destination,
                caller=who(event),
                # After a transfer it is what we wrote for the older visit, not what the dialplan says of this one.
                priority=None if event.fsq_call else whole(event.fsq_priority),
                user=user,
                call=event.fsq_call,
                group=event.fsq_group,
                number=event.fsq_number,
                takes=takes,
                returned=returned,
                surely=surely,
            )
        )

    def socket_closed(self, uuid: str) -> None:
        """A session ended before our first word: this caller can't be taken any more; the dialplan rescues him."""
        caller = self._ctx.callers.get(uuid)
        if caller is not None and caller.session:
            caller.session = ""
            self._ended(caller, "LOST")

    def _first(self, caller: CallerLeg, word: Word, said: Do) -> None:
        """Say the first word to who has arrived, by the way he came, and do *said* when it is out."""
        if caller.parked:
            self._parked.say(caller, word, said)
            return
        ctx = self._ctx
        ctx.commands += [Execute(caller.session, name, argument) for name, argument in on_socket(word)]
        ctx.commands.append(CloseSession(caller.session))
        ctx.sessions.pop(caller.session, None)
        caller.session = ""
        said()

    # -- the engine's commands

    def hold(self, cmd: Hold) -> None:
        """Hand an arrived caller to his hold, or rewrite what his channel says of his visit."""
        caller = self._known(cmd.leg.uuid)
        if caller is None:
            return
        ctx = self._ctx
        caller.call, caller.hold = cmd.call, cmd
        if caller.expects_word:
            word = handover.to_hold(cmd, caller.event, ctx.facts, ctx.offset)
            self._first(caller, word, partial(self._handed, caller))
        else:
            self.rewrite(caller)

    def _handed(self, caller: CallerLeg) -> None:
        caller.media = caller.media or self._ctx.facts.answer != "ring_ready"
        caller.phase = "handed"
        self.watch(caller)

    def lead_to_hold(self, cmd: Hold) -> None:
        """Bring a caller to his hold by the link: his socket is dead."""
        ctx = self._ctx
        variables = [one for one in handover.hold_variables(cmd, ctx.facts, ctx.offset) if one[1]]
        uuid = quoting.uuid(cmd.leg.uuid)
        ctx.api(f"uuid_setvar_multi {uuid} {quoting.setvars(variables)}")
        ctx.api(f"uuid_transfer {uuid} {HOLD} XML {ctx.facts.context}")

    def rewrite(self, caller: CallerLeg) -> None:
        """Write the visit's variables on a channel that is on hold already."""
        ctx = self._ctx
        if caller.hold is not None and not caller.expects_word:
            written = handover.visit_variables(caller.hold, ctx.facts, ctx.offset)
            variables = quoting.setvars([(name, value) for name, value in written if value or name in _MAY_BE_EMPTY])
            ctx.api(f"uuid_setvar_multi {quoting.uuid(caller.uuid)} {variables}")

    def announce(self, cmd: Announce) -> None:
        """Play a prompt once, when the caller stands; one that can't be written is left out, since he must stay."""
        caller = self._known(cmd.leg.uuid)
        try:
            text = f"uuid_broadcast {quoting.uuid(cmd.leg.uuid)} {quoting.playable(cmd.prompt)} aleg"
        except quoting.Unquotable:
            return
        if caller is not None:
            self.when_free(caller, partial(self._ctx.api, text))

    def send(self, cmd: Send) -> None:
        """Send a caller into a step; as a first word, without answering him if the step is to hang up."""
        caller = self._known(cmd.leg.uuid)
        if caller is None:
            return
        caller.call, caller.step = cmd.call, cmd.step
        try:
            if caller.expects_word:
                self._send_first(caller, cmd.step)
            elif isinstance(cmd.step, HangUp) and not caller.stands:
                self._sent(caller)
                self._ctx.api(f"uuid_kill {quoting.uuid(caller.uuid)} {_cause(cmd.step.cause)}")
            else:
                text = f"uuid_transfer {quoting.uuid(caller.uuid)} {_inline(cmd.step)} inline"
                self.when_free(caller, partial(self._transfer, caller, text))
        except quoting.Unquotable as fault:
            caller.step = None
            self._ctx.emit(StepDone(call=cmd.call, ok=False, detail=str(fault)))

    def _send_first(self, caller: CallerLeg, step: Voicemail | HangUp) -> None:
        if isinstance(step, HangUp):
            word = handover.hung_up(step.cause or _NORMAL)
        else:
            word = handover.to_mailbox(caller.call, step.mailbox, caller.event, self._ctx.facts)
        self._first(caller, word, partial(self._sent, caller))

    def _sent(self, caller: CallerLeg) -> None:
        caller.phase, caller.stands, caller.sent_at = "sent", False, self._ctx.now

    def _transfer(self, caller: CallerLeg, text: str) -> None:
        self._sent(caller)
        self._ctx.api(text, partial(self._transferred, caller))

    def _transferred(self, caller: CallerLeg, answer: str) -> None:
        if answer.startswith("-") and self._current(caller) and caller.step is not None:
            caller.step, caller.phase, caller.stands = None, "waiting", True
            self._ctx.emit(StepDone(call=caller.call, ok=False, detail=answer))

    def drop(self, cmd: Drop) -> None:
        """Hang the caller up."""
        caller = self._ctx.callers.get(cmd.leg.uuid)
        if caller is None:
            return
        if caller.expects_word:
            self._first(caller, handover.hung_up(cmd.cause or _NORMAL), partial(self._ending, caller))
        else:
            self._ending(caller)
            self._ctx.api(f"uuid_kill {quoting.uuid(caller.uuid)} {_cause(cmd.cause)}")

    def _ending(self, caller: CallerLeg) -> None:
        caller.phase, caller.stands, caller.step = "ending", False, None
        caller.queue.clear()

    def refuse(self, cmd: Refuse) -> None:
        """Leave the caller to the dialplan's fallback; he is not ours any more."""
        ctx = self._ctx
        caller = ctx.callers.get(cmd.leg.uuid)
        if caller is None:
            return
        word = handover.refused(cmd.why, ctx.facts)
        if caller.expects_word:
            self._first(caller, word, partial(self._forget, caller))
        else:
            self.when_free(caller, partial(self._to_fallback, caller, word))

    def _to_fallback(self, caller: CallerLeg, word: Word) -> None:
        for text in on_link(caller.uuid, word):
            self._ctx.api(text)
        self._forget(caller)

    def _forget(self, caller: CallerLeg) -> None:
        del self._ctx.callers[caller.uuid]

    # -- on hold

    def stands(self, caller: CallerLeg) -> None:
        """His hold says that he is in it: do what has waited for that."""
        if caller.phase in ("handed", "waiting"):
            caller.phase, caller.stands, caller.checks = "waiting", True, 0
            self.drain(caller)

    def when_free(self, caller: CallerLeg, do: Do) -> None:
        """Do *do* as soon as the caller stands and everything asked for earlier is done."""
        caller.queue.append(do)
        self.drain(caller)

    def drain(self, caller: CallerLeg) -> None:
        """Do what waits, until something moves him."""
        while caller.queue and caller.stands and self._ctx.link and self._current(caller):
            caller.queue.pop(0)()

    def watch(self, caller: CallerLeg) -> None:
        """Make sure that a caller on his way to the hold gets there."""
        self._ctx.after(STAND_SECONDS, partial(self._look, caller))

    def _look(self, caller: CallerLeg) -> None:
        if caller.phase == "handed" and self._current(caller):
            self._ctx.api(f"uuid_exists {quoting.uuid(caller.uuid)}", partial(self._looked, caller))

    def _looked(self, caller: CallerLeg, answer: str) -> None:
        if caller.phase != "handed" or not self._current(caller):
            return
        if answer == "false":
            self._ended(caller, "LOST")
            return
        caller.checks += 1
        facts = self._ctx.facts
        if caller.checks > 1:  # he has had 4 s: what was to bring him there is lost
            self._ctx.api(f"uuid_transfer {quoting.uuid(caller.uuid)} {HOLD} XML {facts.context}")
        self.watch(caller)

    # -- ending

    def hung_up(self, caller: CallerLeg, cause: str, event: Event | None) -> None:
        """His channel has ended: the engine hears how."""
        ctx = self._ctx
        if caller.session:
            ctx.commands.append(CloseSession(caller.session))
            ctx.sessions.pop(caller.session, None)
        if caller.phase == "sent" and isinstance(caller.step, Voicemail) and event is not None:
            caller.phase = "left"
            ctx.after(LENGTH_SECONDS, partial(self.mailbox_left, caller, event))
            return
        del ctx.callers[caller.uuid]
        if caller.phase in ("sent", "left") and caller.step is not None:
            ctx.emit(StepDone(call=caller.call, ok=True, detail=cause))
        else:
            ctx.emit(CallerGone(ctx.leg(caller.uuid), cause))

    def mailbox_left(self, caller: CallerLeg, event: Event) -> None:
        """How long the message is comes with CHANNEL_HANGUP_COMPLETE, some milliseconds later, or not at all."""
        if caller.phase == "left" and self._current(caller):
            del self._ctx.callers[caller.uuid]
            self._ctx.emit(_mailbox_done(caller, event, self._ctx.now))

    # -- helpers

    def _known(self, uuid: str) -> CallerLeg | None:
        """Return the leg a command is about; where it is gone, say so."""
        caller = self._ctx.callers.get(uuid)
        if caller is None:
            self.unknown(uuid)
        return None if caller is None or caller.phase in ("ending", "sent", "left") else caller

    def unknown(self, uuid: str, otherwise: Input | None = None) -> None:
        """Find out whether a caller whom only the engine knows is gone; a predecessor's may be on his way somewhere.

        *otherwise* is told where he is not.
        """

        def answered(answer: str) -> None:
            if answer == "false":
                self._ctx.emit(CallerGone(self._ctx.leg(uuid), "LOST"))
            elif otherwise is not None:
                self._ctx.emit(otherwise)

        self._ctx.api(f"uuid_exists {quoting.uuid(uuid)}", answered)

    def _current(self, caller: CallerLeg) -> bool:
        return self._ctx.callers.get(caller.uuid) is caller


def who(event: Event) -> Caller:
    """Return who calls, as the switch says it, cut to what is passed on."""
    # Some providers say it by the number alone, as RFC 3323 allows, and send no Privacy header for the switch to note.
    hidden = "true" in (event.hide_name, event.hide_number) or event.caller_number.lower() == "anonymous"
    # FreeSWITCH leaves the backslashes in the name that SIP puts before its quotes and backslashes (measured).
    name = _QUOTED_PAIR.sub(r"\1", event.caller_name)
    return Caller(number=event.caller_number[: quoting.MAX_NUMBER], name=name[: quoting.MAX_NAME], hidden=hidden)


def whole(text: str) -> int | None:
    """Return a priority the dialplan set (-100 to 100), or None where it set none that makes sense."""
    digits = text.removeprefix("-")
    return max(-100, min(100, int(text))) if digits.isascii() and digits.isdecimal() and len(digits) < 6 else None


def _cause(cause: str) -> str:
    return quoting.cause(cause or _NORMAL)


def _inline(step: Voicemail | HangUp) -> str:
    if isinstance(step, HangUp):
        return f"hangup:{_cause(step.cause)}"
    return quoting.inline(handover.voicemail(step.mailbox))


def _mailbox_done(caller: CallerLeg, event: Event, now: float) -> StepDone:
    """Return how a stay in a mailbox ended: a message's length in seconds, or nothing left.

    It has failed when the switch, not the caller, ended it as soon as it had begun.
    """
    seconds = message_seconds(event.voicemail_length)
    if seconds:
        return StepDone(call=caller.call, ok=True, detail=f"message of {seconds} s")
    at_once = now - caller.sent_at < QUICK_SECONDS + LENGTH_SECONDS
    if at_once and (event.hangup_disposition.startswith("send_") or event.hangup_cause == "DESTINATION_OUT_OF_ORDER"):
        return StepDone(call=caller.call, ok=False, detail=event.hangup_cause or "ended at once")
    return StepDone(call=caller.call, ok=True, detail="no message")


def message_seconds(length: str) -> int:
    """Return the seconds in ``00:00:09`` or ``9``; 0 for anything else."""
    parts = length.split(":")
    if not all(part.isdecimal() and len(part) < 6 for part in parts):
        return 0
    return sum(int(part) * 60**place for place, part in enumerate(reversed(parts)))
