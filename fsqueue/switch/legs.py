"""The second pure core: the legs of one switch. Commands and events in, ESL commands and the engine's inputs out.

``handle(item, now) -> Out`` and ``deadline()`` are all there is; no I/O and no clock. The engine alone decides who gets a
call; this core knows what that means on FreeSWITCH, in which order, and what to do when it doesn't come about. Each kind
of leg has a module; here items are given to them, and the end of a leg to all whom it concerns.
"""

from __future__ import annotations

from collections.abc import Callable

from fsqueue.engine.messages import (
    Announce,
    CallerGone,
    Confirm,
    Connect,
    Drop,
    Hold,
    Refuse,
    Ring,
    Send,
    SwitchDown,
    SwitchRestarted,
    Withdraw,
)
from fsqueue.esl.events import Event
from fsqueue.switch.callers import Callers
from fsqueue.switch.codes import Codes, is_code
from fsqueue.switch.context import CallerLeg, Context
from fsqueue.switch.dialplan import ARRIVAL_EVENT, FALLBACK_EVENT
from fsqueue.switch.ids import CallIds
from fsqueue.switch.lease import Lease
from fsqueue.switch.members import Members, authenticated
from fsqueue.switch.messages import (
    CloseSession,
    Foreseen,
    Item,
    LinkDown,
    LinkUp,
    NewFacts,
    Out,
    Reply,
    SocketArrived,
    SocketClosed,
    SwitchFacts,
    Tick,
)
from fsqueue.switch.offers import Offers
from fsqueue.switch.parked import Parked
from fsqueue.switch.snapshots import Snapshots
from fsqueue.switch.strays import Strays
from fsqueue.switch.talks import Talks

AHEAD_SECONDS = 0.01
"""How long a caller's way into his hold may wait for a phone to be rung: some 1 ms, unless the switch is slow to answer."""

REFER_SECONDS = 0.5
"""How long an arrival by transfer waits for the event that says whom it takes over (20 ms, measured)."""

REPLACED_SECONDS = 1.0
"""How long a waiting leg that an attended transfer has ended waits for who takes its place."""

_NEW = ("CHANNEL_CREATE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER")
"""What is said of a leg that an originate makes, before it can be in any talk."""

_HANGUPS = ("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE")


class Core:
    """All legs of one switch."""

    def __init__(self, switch: str, facts: SwitchFacts, new_call: Callable[[float], str] | None = None) -> None:
        """*switch* is its id in the configuration; *new_call* makes call ids, one maker for all switches of a daemon."""
        ctx = self._ctx = Context(switch, facts, new_call or CallIds())
        self._lease = Lease(ctx, self._clock_jumped)
        self._parked = Parked(ctx, lambda event: self._arrived("", event), self._lost)
        self._callers = Callers(ctx, self._parked, self._lost)
        self._strays = Strays(ctx, self._callers)
        self._codes = Codes(ctx, self._parked)
        self._talks = Talks(ctx, self._callers, self._codes, self._lost, lambda uuid: self._snapshots.find(uuid))  # noqa: PLW0108 - made later
        self._offers = Offers(ctx, lambda uuid: self._talks.member_gone(uuid, None))
        self._members = Members(ctx)
        self._snapshots = Snapshots(
            ctx, self._callers, self._parked, self._offers, self._talks, self._members, self._codes, self._lost
        )
        self._deferred: dict[str, tuple[str, Event]] = {}
        """Arrivals by transfer, by the member's leg that may still tell whom they take over: session and event."""
        self._replaced: dict[str, str] = {}
        self._behind: list[Hold] = []
        """Holds that let their phones ring first."""

    @property
    def up(self) -> bool:
        """Whether the link stands."""
        return self._ctx.link

    @property
    def core_uuid(self) -> str:
        """The switch's Core-UUID, as last heard; empty before."""
        return self._ctx.core

    @property
    def ringing(self) -> bool:
        """Whether an originate is under way: a phone may be answered any moment, and a bridge waits for its end."""
        return bool(self._ctx.ringing)

    def sizes(self) -> dict[str, int]:
        """Return how much is remembered of each kind: nothing of any when nobody is in a call with us."""
        ctx, talks = self._ctx, self._talks
        return {
            "callers": len(ctx.callers),
            "offers": len(ctx.offers),
            "phones": len(ctx.phones),
            "jobs": len(ctx.jobs),
            "ringing": len(ctx.ringing),
            "codes": len(ctx.codes),
            "sessions": len(ctx.sessions),
            "sought": len(ctx.sought),
            "talks": len(talks.by_offer) + len(talks.by_caller) + len(talks.by_leg),
            "deferred": len(self._deferred) + len(self._replaced) + len(self._behind),
            "questions": self._offers.questions,
            "other calls": len(self._members.known()),
        }

    def deadline(self) -> float | None:
        """Return when a `Tick` is due (epoch seconds), or None."""
        return self._ctx.deadline()

    def shift(self, seconds: float) -> None:
        """The daemon's clock was set by *seconds*: what was to be done after some time is done after that time."""
        self._ctx.shift(seconds)

    def handle(self, item: Item, now: float) -> Out:
        """Take in one item at *now* (epoch seconds)."""
        ctx = self._ctx
        ctx.now = now
        self._dispatch(item)
        out = Out(tuple(ctx.commands), tuple(ctx.inputs))
        ctx.commands.clear()
        ctx.inputs.clear()
        return out

    def _dispatch(self, item: Item) -> None:
        if self._behind and not isinstance(item, Reply | Hold | Ring | Foreseen):
            self._hold_now()  # nothing else may come between the engine's commands
        match item:
            case Event():
                self._event(item)
            case Reply(ref, text):
                self._ctx.reply(ref, text)
                if self._behind and not any(self._offers.looks_for(hold.call) for hold in self._behind):
                    self._hold_now()
            case Tick():
                self._ctx.run_due()
            case SocketArrived(session, event):
                self._arrived(session, event)
            case SocketClosed(session):
                self._socket_closed(session)
            case LinkUp(core):
                self._link_up(core)
            case LinkDown():
                self._link_down()
            case NewFacts(facts):
                self._new_facts(facts)
            case _:
                self._command(item)

    def _command(self, cmd: Item) -> None:
        """Carry out what the engine wants."""
        match cmd:
            case Foreseen(ring):
                self._offers.foresee(ring)
            case Ring():
                self._offers.ring(cmd)
            case Withdraw():
                # A pickup's offer has no phones, so its leg and its end belong to the talk.
                if not self._talks.withdraw(cmd.offer):
                    self._offers.withdraw(cmd)
            case Connect():
                self._talks.connect(cmd)
            case Send() if cmd.leg.uuid not in self._ctx.callers:
                self._strays.fetch(cmd)
            case Hold() if self._offers.looks_for(cmd.call):
                # What a hold says takes the switch, and us, about a millisecond: a phone that only waits for its contact goes first.
                self._behind.append(cmd)
                self._ctx.after(AHEAD_SECONDS, self._hold_now)
            case Hold():
                self._hold(cmd)
            case Announce():
                self._callers.announce(cmd)
            case Send():
                self._callers.send(cmd)
            case Drop():
                self._drop(cmd)
            case Refuse():
                self._refuse(cmd)
            case Confirm():
                self._codes.confirm(cmd)

    def _hold_now(self) -> None:
        behind, self._behind = self._behind, []
        for hold in behind:
            self._hold(hold)

    def _hold(self, cmd: Hold) -> None:
        if cmd.leg.uuid in self._ctx.callers:
            self._callers.hold(cmd)
        else:
            self._strays.fetch(cmd)

    def _drop(self, cmd: Drop) -> None:
        if cmd.leg.uuid in self._ctx.codes:
            self._codes.refuse(Refuse(cmd.leg, cmd.cause))
        else:
            self._callers.drop(cmd)

    def _refuse(self, cmd: Refuse) -> None:
        if cmd.leg.uuid in self._ctx.codes:
            self._codes.refuse(cmd)
        else:
            self._callers.refuse(cmd)

    # -- arrivals, by the dialplan's sockets or parked

    def _arrived(self, session: str, event: Event) -> None:
        """The dialplan hands a channel over; *session* is empty for one that is parked."""
        uuid = event.uuid
        talk = self._talks.by_caller.get(uuid)
        if is_code(event, self._ctx.facts):
            self._members.ended(uuid)
            self._codes.arrived(session, event, authenticated(event))
        elif talk is not None and talk.phase == "up" and not talk.gone and not talk.refer and event.sip_referred_by:
            # The member transferred him and his own leg's events will tell whether to somebody who waits (N2).
            self._deferred[talk.leg] = (session, event)
            self._ctx.after(REFER_SECONDS, lambda: self._release(talk.leg))
        else:
            self._take_in(session, event, self._takes(talk.refer) if talk is not None else "")

    def _release(self, leg: str) -> None:
        deferred = self._deferred.pop(leg, None)
        if deferred is not None:
            talk = self._talks.by_leg.get(leg)
            self._take_in(*deferred, self._takes(talk.refer) if talk is not None else "")

    def _takes(self, waiting: str) -> str:
        """Return the call that waits, or waited until now, on the channel *waiting*."""
        caller = self._ctx.callers.get(waiting)
        return self._replaced.pop(waiting, "") or (caller.call if caller is not None else "")

    def _take_in(self, session: str, event: Event, takes: str) -> None:
        ctx, uuid = self._ctx, event.uuid
        user = authenticated(event)
        if uuid in ctx.phones:
            offer, _phone = ctx.phones[uuid]
            member = ctx.facts.phones.get(offer.member)
            user = user or (member.user if member is not None else "")
            self._talks.member_left(uuid)
            self._offers.left(uuid)
        self._talks.caller_left(uuid)
        # A member who calls a group himself is on the phone (M1), whosever leg that is now.
        self._members.calls_us(uuid, user)
        self._callers.arrived(session, event, user=user, takes=takes)

    def _socket_closed(self, session: str) -> None:
        for leg, (waiting, _event) in list(self._deferred.items()):
            if waiting == session:
                del self._deferred[leg]
        uuid = self._ctx.sessions.pop(session, "")
        self._codes.socket_closed(uuid)
        self._callers.socket_closed(uuid)

    def _left_parking(self, uuid: str) -> None:
        """The channel has ended, or gone to the fallback: there is nothing to take in any more."""
        for leg, (session, event) in list(self._deferred.items()):
            if event.uuid == uuid and not session:
                del self._deferred[leg]

    # -- the link

    def _link_up(self, core: str) -> None:
        ctx = self._ctx
        ctx.link = True
        if ctx.core and core != ctx.core:
            self._forget_all()
            ctx.emit(SwitchRestarted(ctx.switch, core))
        ctx.core = core
        self._lease.renew()
        self._members.ask_all()
        self._offers.link_up()
        self._talks.link_up()
        for caller in list(ctx.callers.values()):
            self._callers.watch(caller)
            self._callers.rewrite(caller)
        self._parked.link_up()
        self._snapshots.begin()

    def _clock_jumped(self) -> None:
        """The callers' own last moments are in the switch's time."""
        for caller in list(self._ctx.callers.values()):
            if not caller.expects_word and caller.phase in ("handed", "waiting"):
                self._callers.rewrite(caller)

    def _link_down(self) -> None:
        ctx = self._ctx
        if not ctx.link:
            return
        ctx.link = False
        ctx.forget_replies()
        ctx.sought.clear()
        self._lease.stop()
        self._snapshots.stop()
        self._offers.link_down()
        ctx.emit(SwitchDown(ctx.switch))

    def _forget_all(self) -> None:
        """The switch was restarted: its channels are gone."""
        ctx = self._ctx
        for session in ctx.sessions:
            ctx.commands.append(CloseSession(session))
        for names in (ctx.callers, ctx.offers, ctx.phones, ctx.jobs, ctx.ringing, ctx.codes, ctx.sessions):
            names.clear()
        self._talks.forget()
        self._members.forget()
        self._deferred.clear()
        self._replaced.clear()

    def _new_facts(self, facts: SwitchFacts) -> None:
        self._ctx.facts = facts
        self._members.facts_changed()
        self._members.ask_all()

    # -- events

    def _event(self, event: Event) -> None:
        if event.name == "BACKGROUND_JOB":
            if event.job in self._ctx.jobs:
                leg = self._ctx.jobs[event.job][1].uuid
                self._offers.job_done(event.job, event.body)
                self._talks.settled(leg)
        elif event.name == "CUSTOM":
            self._custom(event)
        elif event.name.startswith("CHANNEL_"):
            self._channel(event)

    def _custom(self, event: Event) -> None:
        if event.subclass == "fsqueue::hold":
            caller = self._ctx.callers.get(event.uuid)
            if caller is None:
                self._snapshots.adopt(event)
            elif not caller.expects_word and not self._talks.on_hold(caller):
                self._callers.stands(caller)
        elif event.subclass == ARRIVAL_EVENT:
            self._parked.said(event)
        elif event.subclass == FALLBACK_EVENT:
            self._fell_back(event)
        elif event.subclass.startswith("sofia::"):
            self._members.registration(event)

    def _fell_back(self, event: Event) -> None:
        """The dialplan sent a caller to the fallback: his own last moment has come, or we were too slow."""
        self._left_parking(event.uuid)
        caller = self._ctx.callers.get(event.uuid)
        if caller is not None:
            self._caller_ended(caller, "FALLBACK", None)
        else:
            self._stranger_gone(event, "FALLBACK")

    def _stranger_gone(self, event: Event, cause: str) -> None:
        """A leg of ours has gone that only the engine may know: a predecessor's caller who was not in his hold."""
        if event.fsq_owner == self._ctx.facts.owner:
            self._ctx.emit(CallerGone(self._ctx.leg(event.uuid), cause))

    def _channel(self, event: Event) -> None:
        uuid = event.uuid
        self._talks.member_event(event)
        if uuid in self._deferred and (event.refer_uuid or event.name in _HANGUPS):
            self._release(uuid)
        if event.name in _HANGUPS:
            self._hung_up(event)
        elif event.name == "CHANNEL_BRIDGE":
            self._talks.bridged(event)
        elif uuid in self._ctx.phones:
            self._phone(event)
        elif uuid in self._ctx.codes and event.name == "CHANNEL_ANSWER":
            self._codes.answered(uuid)
        elif event.name in _NEW and uuid not in self._ctx.callers:
            self._offers.late(event)
        if uuid not in self._ctx.callers and uuid not in self._ctx.codes and uuid not in self._ctx.phones:
            self._members.channel(event)

    def _phone(self, event: Event) -> None:
        uuid = event.uuid
        self._offers.created(uuid)
        match event.name:
            case "CHANNEL_PROGRESS" | "CHANNEL_PROGRESS_MEDIA":
                self._offers.progress(uuid)
            case "CHANNEL_ANSWER":
                self._offers.answered(uuid)
            case "CHANNEL_PARK":
                self._offers.parked(uuid, event.accept_digit)
                self._talks.settled(uuid)

    def _hung_up(self, event: Event) -> None:
        ctx, uuid = self._ctx, event.uuid
        ctx.heard_end(uuid)
        self._left_parking(uuid)
        talk = self._talks.member_gone(uuid, event)
        if uuid in ctx.phones:
            self._offers.gone(uuid, event.hangup_cause, talk)
        self._codes.gone(uuid)
        caller = ctx.callers.get(uuid)
        if caller is None:
            if event.name == "CHANNEL_HANGUP" and event.direction == "inbound":
                self._stranger_gone(event, event.hangup_cause)
            return
        if caller.phase == "left":
            if event.name == "CHANNEL_HANGUP_COMPLETE":
                self._callers.mailbox_left(caller, event)
        else:
            self._caller_ended(caller, event.hangup_cause, event)

    def _lost(self, caller: CallerLeg, cause: str) -> None:
        """A caller's leg turned out to be gone."""
        self._caller_ended(caller, cause, None)

    def _caller_ended(self, caller: CallerLeg, cause: str, event: Event | None) -> None:
        """In this order: a member who was handed on is somebody's other call before his own call is over."""
        waited = caller.phase in ("handed", "waiting") and caller.uuid not in self._talks.by_caller
        self._talks.caller_gone(caller, handed_on=cause == "ATTENDED_TRANSFER" or _handed_on(event))
        if cause == "ATTENDED_TRANSFER" and waited:
            self._replace(caller, cause)
        else:
            self._callers.hung_up(caller, cause, event)

    def _replace(self, caller: CallerLeg, cause: str) -> None:
        """A waiting leg ended since its user transfers somebody else into its place: that arrival comes right away."""
        ctx = self._ctx
        del ctx.callers[caller.uuid]
        self._replaced[caller.uuid] = caller.call

        def nobody_came() -> None:
            if self._replaced.pop(caller.uuid, None) is not None:
                ctx.emit(CallerGone(ctx.leg(caller.uuid), cause))

        ctx.after(REPLACED_SECONDS, nobody_came)


def _handed_on(event: Event | None) -> bool:
    """Whether a hang-up was a transfer: with hangup_after_bridge its cause is NORMAL_CLEARING, only the disposition tells (measured)."""
    return event is not None and event.endpoint_disposition in ("ATTENDED_TRANSFER", "BLIND_TRANSFER")
