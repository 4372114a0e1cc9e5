"""Bridges: a caller and a member's leg, from the engine's Connect to the end of their talk.

``uuid_bridge CALLER MEMBER``, in this order, and nothing before it. ``+OK`` promises nothing: only CHANNEL_BRIDGE for the
pair confirms, and under load it was 4 s late. Whatever goes wrong, the member's leg is killed first; the caller comes back
to his hold by himself, and his hold's event is the only proof of it (all measured on FreeSWITCH 1.11).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fsqueue.engine.messages import Connect, Connected, ConnectFailed, OfferEnded, OtherCall, TalkEnded
from fsqueue.esl.events import Event
from fsqueue.switch import handover, quoting
from fsqueue.switch.callers import Callers, Ended
from fsqueue.switch.codes import Codes
from fsqueue.switch.context import CallerLeg, Context, Talk
from fsqueue.switch.dialplan import FALLBACK, HOLD

WAIT_SECONDS = 6.0
"""How long an answered member waits, silent, for a caller who isn't in his hold yet."""

SETTLE_SECONDS = 0.25
"""How long uuid_bridge waits at most, after CHANNEL_ANSWER, for the member's originate to be over: for CHANNEL_PARK or the
job's answer, which come 20 to 30 ms after it. A bridge that meets the end of the originate is lost in a way that says
nothing: `+OK`, no CHANNEL_BRIDGE, silence for the caller, and after 20 s the end of both (3 of 2,850 sent at once; none of
2,080 sent a few milliseconds later; but 1 of some 400 of those on a busy machine; measured)."""

LEFT_SECONDS = 1.2
"""The same for a leg that a predecessor rang: he may have said uuid_bridge just before he died, and a second one for the
same caller must not meet it. The second snapshot of a new link (1 s) has shown by then what became of it."""

UNCONFIRMED_SECONDS = 6.0
"""After this without CHANNEL_BRIDGE the bridge counts as missed."""

RETURN_SECONDS = 4.0
"""A caller is back in his hold within a second; after this we ask whether he exists."""

MISSED_SECONDS = 1.0
"""The same after a bridge that was never confirmed: mostly it has not moved him at all, and no event of his hold comes."""

STOOD_SECONDS = 2.0
"""A talk that its member ends earlier was none: the caller waits on."""

EARLY = "the member hung up at once"

_WHERE = "${Caller-Destination-Number}"
"""What tells a caller in his hold from one who was sent somewhere else."""


class Talks:
    """All talks of a switch; found by offer, by the caller's channel and by the member's."""

    def __init__(self, ctx: Context, callers: Callers, codes: Codes, ended: Ended, find: Callable[[str], None]) -> None:
        """*ended* is called for a caller who turns out to be gone, *find* with the channel of one to be found on hold."""
        self._ctx, self._callers, self._codes, self._ended, self._find = ctx, callers, codes, ended, find
        self.by_offer: dict[str, Talk] = {}
        self.by_caller: dict[str, Talk] = {}
        self.by_leg: dict[str, Talk] = {}

    # -- connecting

    def connect(self, cmd: Connect) -> None:
        """Bridge as soon as the caller stands (and who picked up by a code is answered)."""
        ctx = self._ctx
        if cmd.offer in self.by_offer:
            return
        leg = cmd.taker.uuid if cmd.taker is not None else self._winner(cmd.offer)
        caller = ctx.callers.get(cmd.leg.uuid)
        if caller is None or caller.phase in ("sent", "ending"):
            self._kill(leg)
            if caller is None:
                self._callers.unknown(cmd.leg.uuid, ConnectFailed(cmd.call, cmd.offer, "the caller is not in his hold"))
        elif not leg or (cmd.taker is not None and leg not in ctx.codes):
            ctx.emit(ConnectFailed(cmd.call, cmd.offer, "the member's leg is gone"))
        else:
            member = ctx.offers[cmd.offer].member if cmd.offer in ctx.offers else ""
            talk = Talk(cmd.call, cmd.offer, member, caller.uuid, leg, taker=cmd.taker is not None)
            self.add(talk)
            talk.timer = ctx.after(WAIT_SECONDS, partial(self._waited, talk))
            ready = partial(self._callers.when_free, caller, partial(self._bridge, talk, caller))
            if talk.taker:
                self._codes.take(leg, cmd.offer, ready)
            elif not self._rung_by_us(cmd.offer):
                ctx.after(LEFT_SECONDS, ready)
            else:
                talk.settling = ready
                ctx.after(SETTLE_SECONDS, partial(self._settle, talk))
                self.settled(leg)

    def settled(self, leg: str) -> None:
        """The member's leg was parked, or its job has answered: if so, his originate can be met no more."""
        talk, known = self.by_leg.get(leg), self._ctx.phones.get(leg)
        if talk is not None and (known is None or known[1].settled):
            self._settle(talk)

    def _settle(self, talk: Talk) -> None:
        ready, talk.settling = talk.settling, None
        if ready is not None:
            ready()

    def add(self, talk: Talk) -> None:
        """Know a talk by its three names; an older one of the same caller is over for him."""
        self.by_offer[talk.offer] = self.by_caller[talk.caller] = self.by_leg[talk.leg] = talk

    def _rung_by_us(self, offer: str) -> bool:
        known = self._ctx.offers.get(offer)
        return known is None or known.ring is not None

    def _winner(self, offer: str) -> str:
        known = self._ctx.offers.get(offer)
        return known.winner.uuid if known is not None and known.winner is not None and not known.winner.over else ""

    def _bridge(self, talk: Talk, caller: CallerLeg) -> None:
        if talk.phase != "queued":
            return
        ctx, uuid = self._ctx, quoting.uuid(caller.uuid)
        talk.phase, caller.stands = "asked", False
        self._cancel(talk)
        if not caller.media:
            # A bridge drops a caller without media: 5 of 5.
            ctx.api(f"uuid_pre_answer {uuid}")
            caller.media = True
        if caller.has_talked:
            # What an earlier talk of this channel was to end with may have come about after his hold's last lap: said on a
            # link that stood still for seconds, or by a predecessor. A member who hangs up at once would take him along.
            ctx.api(f"uuid_setvar_multi {uuid} {quoting.setvars(handover.returning_variables(ctx.facts))}")
        ctx.api(f"uuid_bridge {uuid} {quoting.uuid(talk.leg)}", partial(self._asked, talk))
        talk.timer = ctx.after(UNCONFIRMED_SECONDS, partial(self._unconfirmed, talk))

    def _asked(self, talk: Talk, answer: str) -> None:
        if answer.startswith("-") and talk.phase == "asked":
            self._fail(talk, answer)
            self._ask(talk)  # nothing was moved, so no hold event comes

    def _waited(self, talk: Talk) -> None:
        if talk.phase == "queued":
            self._fail_unmoved(talk, "the caller's hold did not stand in time")

    def _unconfirmed(self, talk: Talk) -> None:
        # Without a link nobody can confirm: the snapshot after it tells.
        if talk.phase == "asked" and self._ctx.link:
            self._fail(talk, "the bridge was not confirmed", MISSED_SECONDS)

    def bridged(self, event: Event) -> None:
        """CHANNEL_BRIDGE: the talk stands if it is about its pair."""
        pair = (event.bridge_a or event.uuid, event.bridge_b or event.other_leg)
        for caller, member in (pair, pair[::-1]):
            if caller in self._ctx.callers:
                self.adopt(self._ctx.callers[caller].call, caller, member)

    def adopt(self, call: str, caller: str, member: str) -> None:
        """The pair is bridged: by us, while there was no link, or by a predecessor. The engine hears it where it may not."""
        talk = self.by_caller.get(caller)
        if talk is not None:
            if talk.leg == member:
                self._stands(talk)
            return
        known = self._ctx.phones.get(member)
        if known is None or known[0].ring is not None or known[0].withdrawn is not None:
            return
        offer, phone = known
        offer.winner, phone.answered = phone, True
        self._ctx.ringing.pop(member, None)
        self.add(Talk(call, offer.id, offer.member, caller, member, phase="asked"))
        self._stands(self.by_offer[offer.id], found=True)

    def _stands(self, talk: Talk, *, found: bool = False) -> None:
        if talk.phase not in ("queued", "asked"):
            return
        talk.phase, talk.connected = "up", True
        self._cancel(talk)
        if found:
            self._ctx.emit(Connected(talk.call, talk.offer, True, talk.member, self._ctx.switch))
        else:
            self._ctx.emit(Connected(talk.call, talk.offer))
        self.let_stand(talk)

    def let_stand(self, talk: Talk) -> None:
        """Let the talk's end need nobody, when it has stood long enough."""
        talk.timer = self._ctx.after(STOOD_SECONDS, partial(self._flip, talk))

    def _flip(self, talk: Talk) -> None:
        caller = self._ctx.callers.get(talk.caller)
        if caller is not None:
            caller.has_talked = True
        if talk.phase in ("up", "over"):
            text = f"uuid_setvar_multi {quoting.uuid(talk.caller)} transfer_after_bridge=;hangup_after_bridge=true"
            self._ctx.api(text, partial(self._flipped, talk))

    def _flipped(self, talk: Talk, answer: str) -> None:
        talk.flipped = talk.flipped or answer.startswith("+OK")

    # -- failing

    def _fail(self, talk: Talk, why: str, back: float = RETURN_SECONDS) -> None:
        """The bridge may have moved the caller: kill the member first, then wait for the caller's hold."""
        talk.phase, talk.why = "back", why
        if not talk.gone:
            self._kill(talk.leg)
        self._cancel(talk)
        talk.timer = self._ctx.after(back, partial(self._ask, talk))

    def _fail_unmoved(self, talk: Talk, why: str) -> None:
        """The caller was never moved: he stands, or is about to."""
        talk.phase, talk.why = "back", why
        if not talk.gone:
            self._kill(talk.leg)
        self._released(talk)

    def _ask(self, talk: Talk) -> None:
        if talk.phase == "back" and self.by_caller.get(talk.caller) is talk:
            if not talk.gone:
                self._kill(talk.leg)
            self._ctx.api(f"uuid_exists {quoting.uuid(talk.caller)}", partial(self._exists, talk))

    def _exists(self, talk: Talk, answer: str) -> None:
        caller = self._ctx.callers.get(talk.caller)
        if talk.phase != "back" or self.by_caller.get(talk.caller) is not talk or caller is None:
            return
        if answer == "false":
            self._ended(caller, "LOST")
        else:
            self._ctx.api(f"eval uuid:{quoting.uuid(talk.caller)} {_WHERE}", partial(self._found, talk))

    def _found(self, talk: Talk, place: str) -> None:
        """He exists, but his hold has not spoken; his member may have sent him to a colleague while there was no link."""
        caller = self._ctx.callers.get(talk.caller)
        if talk.phase != "back" or self.by_caller.get(talk.caller) is not talk or caller is None:
            return
        if place == FALLBACK:
            self._ended(caller, "FALLBACK")
        elif not place or place.startswith(("-", HOLD)):
            self._back(talk, caller)
        else:
            if not talk.connected:
                talk.connected = True
                self._ctx.emit(Connected(talk.call, talk.offer))
            self._over(talk, "transferred")

    def _back(self, talk: Talk, caller: CallerLeg) -> None:
        self._released(talk)
        if caller.found_talking:
            # He has never arrived in this life: he is found on hold now, as he would have been by the start.
            del self._ctx.callers[caller.uuid]
            self._find(caller.uuid)
        else:
            self._callers.stands(caller)

    def _released(self, talk: Talk) -> None:
        """The caller has nothing to do with this talk any more."""
        self._cancel(talk)
        if self.by_caller.get(talk.caller) is talk:
            del self.by_caller[talk.caller]
        talk.phase = "over"
        if not talk.withdrawn:
            self._ctx.emit(ConnectFailed(talk.call, talk.offer, talk.why))
        if talk.gone:
            self._forget(talk)

    def on_hold(self, caller: CallerLeg) -> bool:
        """The caller's hold speaks; return whether a talk explains it, so that he doesn't simply stand."""
        talk = self.by_caller.get(caller.uuid)
        if talk is None or talk.phase == "queued":
            return False
        if talk.phase == "up" and not talk.flipped:
            # The bridge ended, and its member's hang-up is still on the way.
            self._fail(talk, EARLY)
        self._came_back(talk, caller)
        return True

    def _came_back(self, talk: Talk, caller: CallerLeg) -> None:
        if talk.phase == "back":
            self._back(talk, caller)
        elif talk.phase in ("up", "over"):
            self._hang_up(talk)
        # asked: this lap began before the bridge took effect; the bridge's own timer decides.

    def _hang_up(self, talk: Talk) -> None:
        """A talk that counted is over: its caller, back in the hold, is hung up as the flip would have done."""
        self._ctx.api(f"uuid_kill {quoting.uuid(talk.caller)} NORMAL_CLEARING")

    # -- what happens to the legs

    def member_event(self, event: Event) -> None:
        """Anything of a member's leg may name the waiting channel that he transfers his caller to."""
        talk = self.by_leg.get(event.uuid)
        if talk is not None and event.refer_uuid:
            talk.refer = event.refer_uuid

    def member_gone(self, uuid: str, event: Event | None) -> Talk | None:
        """The member's leg has ended; return its talk, if it had one."""
        talk = self.by_leg.get(uuid)
        if talk is None or talk.gone:
            return talk
        talk.gone = True
        if talk.phase == "queued":
            self._fail_unmoved(talk, "the member hung up")
        elif talk.phase == "asked":
            self._fail(talk, "the member hung up")
        elif talk.phase == "up":
            self._up_ends(talk, event)
        elif talk.phase == "left":
            self._ctx.emit(OtherCall(self._ctx.leg(talk.leg), talk.member, present=False))
            self._over(talk, "hung up")
        elif talk.phase == "over":
            self._forget(talk)
        if event is None:
            # Nobody saw his end, so it may be long ago; and his hold has spoken by then, or has nothing to say for a lap.
            self._ask(talk)
        if talk.withdrawn and talk.taker and not talk.connected:
            self._ctx.emit(OfferEnded(talk.offer, "withdrawn"))
        return talk

    def _up_ends(self, talk: Talk, event: Event | None) -> None:
        transferred = event is not None and (event.endpoint_disposition == "BLIND_TRANSFER" or event.refer_uuid != "")
        if transferred:
            if not talk.flipped:
                # At once, or the caller comes back to the hold after his talk with the colleague.
                self._flip(talk)
            self._over(talk, "transferred")
        elif talk.flipped:
            self._over(talk, "hung up")
        else:
            self._fail(talk, EARLY)

    def _over(self, talk: Talk, why: str) -> None:
        """The talk counted and its member is free. It is kept until its caller's leg ends, which may still come back."""
        talk.phase = "over"
        self._ctx.emit(TalkEnded(talk.call, talk.offer, why))
        if self.by_caller.get(talk.caller) is not talk:
            self._forget(talk)

    def caller_gone(self, caller: CallerLeg, *, handed_on: bool) -> None:
        """The caller's leg has ended: his member's leg ends too, unless that one was *handed on* to somebody by a transfer."""
        talk = self.by_caller.pop(caller.uuid, None)
        if talk is None:
            return
        self._cancel(talk)
        if talk.gone:
            if talk.connected and talk.phase == "back":
                self._ctx.emit(TalkEnded(talk.call, talk.offer, talk.why))
            self._forget(talk)
        elif talk.phase == "up" and handed_on:
            talk.phase = "left"
            self._ctx.emit(OtherCall(self._ctx.leg(talk.leg), talk.member, present=True))
        else:
            self._kill(talk.leg)
            self._without_caller(talk)

    def _without_caller(self, talk: Talk) -> None:
        """Only the member's hang-up is left to come, and it ends a talk that stood, or an offer that came too late."""
        if talk.connected:
            talk.phase, talk.flipped = "up", True
        else:
            talk.phase, talk.withdrawn = "over", True

    def caller_left(self, uuid: str) -> None:
        """The caller arrived anew, by a transfer: the member's hang-up ends the talk, whatever bridge events say."""
        talk = self.by_caller.pop(uuid, None)
        if talk is not None:
            self._cancel(talk)
            if talk.gone:
                self._forget(talk)
            else:
                if not talk.connected:
                    self._kill(talk.leg)
                self._without_caller(talk)

    def member_left(self, uuid: str) -> None:
        """The member's leg arrived as a caller: whom he talked to has transferred him."""
        talk = self.by_leg.get(uuid)
        if talk is not None:
            talk.gone = True
            self._cancel(talk)
            self.by_caller.pop(talk.caller, None)
            self._over(talk, "transferred by the caller")

    def withdraw(self, offer: str) -> bool:
        """The engine takes the offer back although it was connecting; return whether it was a pickup's."""
        talk = self.by_offer.get(offer)
        if talk is None:
            return False
        talk.withdrawn = True
        if talk.phase == "queued":
            self._fail_unmoved(talk, "withdrawn")
        elif talk.phase == "asked":
            self._fail(talk, "withdrawn")
        elif talk.taker and not talk.gone:
            self._kill(talk.leg)
        return talk.taker

    def link_up(self) -> None:
        """Events were missed: a bridge that was under way has its time anew, and every member's leg is asked for."""
        for talk in list(self.by_offer.values()):
            if talk.phase == "asked":
                self._cancel(talk)
                talk.timer = self._ctx.after(UNCONFIRMED_SECONDS, partial(self._unconfirmed, talk))
            elif talk.phase == "over" and not talk.connected and not talk.gone:
                self._kill(talk.leg)
            elif talk.phase == "up" and not talk.flipped:
                self.let_stand(talk)
            self._ask(talk)
            if not talk.gone:
                self._ctx.api(f"uuid_exists {quoting.uuid(talk.leg)}", partial(self._member_exists, talk))

    def _member_exists(self, talk: Talk, answer: str) -> None:
        if answer == "false" and talk.taker and not talk.gone:
            self.member_gone(talk.leg, None)

    def forget(self) -> None:
        """The switch was restarted: all legs are gone."""
        for talk in list(self.by_offer.values()):
            self._forget(talk)

    # -- helpers

    def _kill(self, uuid: str) -> None:
        if uuid:
            self._ctx.api(f"uuid_kill {quoting.uuid(uuid)} NORMAL_CLEARING")

    def _cancel(self, talk: Talk) -> None:
        if talk.timer is not None:
            talk.timer.cancel()
            talk.timer = None

    def _forget(self, talk: Talk) -> None:
        self._cancel(talk)
        for names, name in ((self.by_offer, talk.offer), (self.by_leg, talk.leg), (self.by_caller, talk.caller)):
            if names.get(name) is talk:
                del names[name]
