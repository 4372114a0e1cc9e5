"""What the switch says of members besides our own calls: whether a phone is registered, and their other calls (M1).

Truth about registrations is ``sofia_contact`` per member; every event that hints at a change makes us ask again, and none
is believed by itself (an unregistering phone may name no contact, ``show registrations`` has one row per user).
"""

from __future__ import annotations

from functools import partial

from fsqueue.engine.messages import OtherCall, Reach
from fsqueue.esl.events import Event
from fsqueue.switch import quoting
from fsqueue.switch.context import Context

ASKED_AT_ONCE = 50
"""Members asked for with each periodic snapshot, at 1.2 ms of the switch's time each (measured): with 2,000 of them
everybody once in twenty minutes, in a usual company everybody each time."""

_ENDS = ("CHANNEL_HANGUP", "CHANNEL_HANGUP_COMPLETE")


class Members:
    """Who is reachable, and which legs are somebody's other call."""

    def __init__(self, ctx: Context) -> None:
        """Begin without other calls."""
        self._ctx = ctx
        self._other: dict[str, str] = {}
        self._by_user: dict[str, tuple[str, ...]] = {}
        self._next = 0
        """Whose turn it is to be asked for without a reason."""
        self.facts_changed()

    def facts_changed(self) -> None:
        """Members were added, removed or given another phone."""
        by_user: dict[str, tuple[str, ...]] = {}
        for phone in self._ctx.facts.phones.values():
            if phone.user:
                by_user[phone.user] = (*by_user.get(phone.user, ()), phone.member)
        self._by_user = by_user

    # -- registrations

    def ask_all(self) -> None:
        """Ask for every member's registrations: on every new link, before its snapshot."""
        for member in self._ctx.facts.phones:
            self.ask(member)

    def ask_some(self) -> None:
        """Ask for some members' registrations, in turn: an event that hints at a change may have been lost."""
        names = [phone.member for phone in self._ctx.facts.phones.values() if phone.registers]
        for at in range(min(ASKED_AT_ONCE, len(names))):
            self.ask(names[(self._next + at) % len(names)])
        self._next += ASKED_AT_ONCE

    def ask(self, member: str) -> None:
        """Ask for one member's registrations, and tell the engine."""
        phone = self._ctx.facts.phones.get(member)
        if phone is None:
            return
        if not phone.registers:
            self._ctx.emit(Reach(self._ctx.switch, member, reachable=True))
            return
        try:
            self._ctx.api(f"sofia_contact */{quoting.user(phone.user)}", partial(self._answer, member))
        except quoting.Unquotable:
            self._ctx.emit(Reach(self._ctx.switch, member, reachable=False))

    def _answer(self, member: str, answer: str) -> None:
        self._ctx.emit(Reach(self._ctx.switch, member, reachable=bool(quoting.contacts(answer))))

    def registration(self, event: Event) -> None:
        """sofia::register, unregister, expire (other names for the user) or sip_user_state."""
        user = f"{event.from_user or event.reg_user}@{event.from_host or event.reg_host}"
        for member in self._by_user.get(user, ()):
            self.ask(member)

    # -- other calls

    def channel(self, event: Event) -> None:
        """An event of a channel that is none of our legs by its uuid."""
        known = event.uuid in self._other
        ours = event.fsq_owner == self._ctx.facts.owner
        # What a visit with us has left on the channel of who was sent on to somebody else makes it no leg of ours: he talks.
        if known and (event.name in _ENDS or (ours and not event.fsq_call)):
            self.ended(event.uuid)
        elif not known and not ours and event.name not in _ENDS and not self._dials_code(event):
            self.began(event.uuid, self.user_of(event))

    def began(self, uuid: str, user: str) -> None:
        """A call of *user* (``user@domain``, or empty) that is none of ours."""
        for member in self._by_user.get(user, ())[:1]:
            self._other[uuid] = member
            self._ctx.emit(OtherCall(self._ctx.leg(uuid), member, present=True))

    def calls_us(self, uuid: str, user: str) -> None:
        """A channel arrived as a caller of ours: his phone is busy with it until it ends, where *user* is a member."""
        if uuid not in self._other:
            self.began(uuid, user)
        elif self._other[uuid] not in self._by_user.get(user, ()):
            self.ended(uuid)
            self.began(uuid, user)

    def ended(self, uuid: str) -> None:
        """The channel has ended, or has turned out to be a member's leg of ours."""
        member = self._other.pop(uuid, None)
        if member is not None:
            self._ctx.emit(OtherCall(self._ctx.leg(uuid), member, present=False))

    def known(self) -> tuple[str, ...]:
        """Return the channels that are somebody's other call."""
        return tuple(self._other)

    def forget(self) -> None:
        """The switch was restarted: all its channels are gone."""
        for uuid in tuple(self._other):
            self.ended(uuid)

    def user_of(self, event: Event) -> str:
        """Return the ``user@domain`` whose leg this is, as far as the switch vouches for it, or nothing.

        To him: the presence id of an outbound leg. By him: whom the switch authenticated. Not the presence id of an inbound
        leg, which comes from the From header even where calls are authenticated; nor any caller id.
        """
        return event.presence_id if event.direction == "outbound" else authenticated(event)

    def _dials_code(self, event: Event) -> bool:
        """Calling one of our codes is no other call (P1); before our dialplan runs only what is dialled tells."""
        facts = self._ctx.facts
        duties = (facts.login_code, facts.logout_code, facts.pause_code)
        pickup = bool(facts.pickup_code) and event.destination.startswith(facts.pickup_code)
        return event.direction == "inbound" and (pickup or (bool(event.destination) and event.destination in duties))


def authenticated(event: Event) -> str:
    """Return ``user@domain`` of whom the switch authenticated on this leg, or nothing."""
    domain = event.sip_user_domain or event.sip_auth_realm
    return f"{event.sip_auth_user}@{domain}" if event.sip_auth_user and domain else ""
