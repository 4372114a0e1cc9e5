"""The embedded switch: a world of legs, callers and phones on virtual time, which does what a real FreeSWITCH was seen to do.

Pure: no sockets, no clock, and no chance but what is drawn from the `Random` it is given, so that the same history comes out the same.
Commands go in by sessions, time by `advance`, and everything comes out in the sessions' outboxes and in `sightings`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from fsqueue.simswitch import api, bridging, events, hangups, running
from fsqueue.simswitch.actors import Caller, Phone
from fsqueue.simswitch.agenda import Agenda
from fsqueue.simswitch.applications import APPLICATIONS, park
from fsqueue.simswitch.dialplan import Actions, Dialplan
from fsqueue.simswitch.expand import expand
from fsqueue.simswitch.faults import Faults
from fsqueue.simswitch.leg import Leg
from fsqueue.simswitch.naming import taken_in
from fsqueue.simswitch.people import CallerScript, PhoneScript, Sighting
from fsqueue.simswitch.registrar import Registrar
from fsqueue.simswitch.session import Session
from fsqueue.simswitch.timing import Timing

if TYPE_CHECKING:
    from fsqueue.simswitch.events import EventData
    from fsqueue.simswitch.leg import Run
    from fsqueue.simswitch.originate import Attempt


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a world is made with.

    `entry`: the context that outside callers come in by; `inside`: that of colleagues. `sounds`: seconds of each file that can be played;
    of streams (`local_stream://`, `tone_stream://`, `silence_stream://MS`) every one can. `mailboxes`: `user@domain` of each, besides
    everybody who has a phone.
    """

    password: str = "ClueCon"  # noqa: S105  (FreeSWITCH's own default)
    timing: Timing = Timing()
    entry: str = "public"
    inside: str = "default"
    sounds: dict[str, float] = {}
    mailboxes: tuple[str, ...] = ()


class World:
    """See the module. All times are epoch seconds of the switch's clock, which `strepoch` tells until it jumps (`clock_ahead`)."""

    def __init__(
        self,
        now: float,
        rng: Random,
        dialplan: Dialplan | None = None,
        *,
        config: Config | None = None,
        faults: Faults | None = None,
        dial_out: Callable[[Leg, str, int], None] | None = None,
    ) -> None:
        """Begin at `now`. `dial_out` connects a call's `socket` application: it calls `socket_connected` or `socket_refused` later."""
        self.config = config or Config()
        self.agenda = Agenda(now)
        self.rng, self.timing, self.password = rng, self.config.timing, self.config.password
        self.dialplan = dialplan or Dialplan()
        self.faults = faults or Faults()
        self.applications = APPLICATIONS
        self.dial_out: Callable[[Leg, str, int], None] = dial_out or (
            lambda leg, _host, _port: self.socket_refused(leg)
        )
        self.legs: dict[str, Leg] = {}
        self.hash: dict[str, str] = {}
        self.attempts_of: dict[str, list[Attempt]] = {}
        self.sessions: list[Session] = []
        self.sightings: list[Sighting] = []
        self.on_sighting: Callable[[Sighting], None] | None = None
        self.callers: list[Caller] = []
        self.refusing = False
        self.clock_ahead = 0.0
        """Seconds by which the switch's clock has jumped: `fsctl sync_clock`, or a machine that was moved. What goes on goes on."""
        self.since, self.sessions_since, self.peak = now, 0, 0
        self._sequence = 0
        self._ended: list[tuple[float, Leg]] = []
        self.core = self.new_uuid()
        self.globals = {"hostname": "embedded", "core_uuid": self.core, "domain": "127.0.0.1"}
        self.registrar = Registrar(self)
        self._beat()

    # Time.

    @property
    def now(self) -> float:
        """The switch's clock."""
        return self.agenda.now

    def deadline(self) -> float | None:
        """Return when something happens next by itself; None: nothing will."""
        return self.agenda.deadline()

    def advance(self, to: float) -> None:
        """Let everything happen up to `to`."""
        self.agenda.advance(to)

    def _beat(self) -> None:
        if self.timing.heartbeat:
            self.agenda.after(self.timing.heartbeat, self._beat)
            if self.sessions:
                self.emit("HEARTBEAT", {"Event-Info": "System Ready", "Session-Count": str(len(self.legs))})

    # People.

    def phones(self, script: PhoneScript) -> list[Phone]:
        """Add a user and his phones."""
        return self.registrar.add(script)

    def call(self, script: CallerScript) -> Caller:
        """Add a caller, who dials `script.at` seconds from now."""
        caller = Caller(self, script)
        self.callers.append(caller)
        self.agenda.after(script.at, caller.dial)
        return caller

    def saw(self, sighting: Sighting) -> None:
        """Write down what somebody saw."""
        self.sightings.append(sighting)
        if self.on_sighting is not None:
            self.on_sighting(sighting)

    # What comes in from the wire.

    def invited_by(self, caller: Caller) -> Leg:
        """An INVITE of a caller: make his leg and let the dialplan have it."""
        leg = self._incoming(caller)
        if self.refusing:
            self.agenda.after(self.timing.create, lambda: self._refuse(leg))
            return leg
        self.agenda.after(self.timing.create, lambda: self._arrived(leg))
        return leg

    def _refuse(self, leg: Leg) -> None:
        if leg.gone:
            return
        leg.answer, leg.cause = "hangup", "NORMAL_TEMPORARY_FAILURE"
        if leg.party is not None:
            leg.party.gone(leg, leg.cause, True)

    def _arrived(self, leg: Leg) -> None:
        if leg.gone:
            return
        self.add(leg)
        self.say(leg, "CHANNEL_CREATE")
        leg.call_state = "RINGING"
        running.enter(self, leg, leg.destination, "XML", leg.context)

    def _incoming(self, caller: Caller) -> Leg:
        script = caller.script
        user, _, domain = (script.user or "").partition("@")
        uuid, sender = self.new_uuid(), user or script.number
        known = self.registrar.users.get(script.user or "")
        name = f"sofia/internal/{sender}@{domain or '127.0.0.1'}" if user else f"sofia/external/{sender}@127.0.0.1:5080"
        variables = {
            "direction": "inbound",
            "uuid": uuid,
            "call_uuid": uuid,
            "sip_from_user": sender,
            "channel_name": name,
            "sip_req_user": script.to,
            "sip_to_user": script.to,
            "max_forwards": "70",
            "endpoint_disposition": "DELAYED NEGOTIATION",
        }
        if user:
            variables["presence_id"] = script.user or ""
        if user and (known is None or known.script.auth):
            variables |= {"sip_authorized": "true", "sip_auth_username": user, "sip_auth_realm": domain}
            variables |= {"user_name": user, "domain_name": domain, "user_context": self.config.inside}
        return Leg(
            uuid=uuid,
            direction="inbound",
            name=name,
            caller_name=taken_in(script.name),
            caller_number=sender if user else script.number,
            destination=script.to,
            context=self.config.inside if user else self.config.entry,
            created=self.now,
            party=caller,
            variables=variables | _of_headers(script.headers) | script.variables,
            hidden=_hidden(script.headers),
        )

    def picked_up(self, leg: Leg) -> None:
        """A phone has sent its 200."""
        leg.taken = True
        self.agenda.after(self.timing.answer, lambda: self._picked_up(leg))

    def _picked_up(self, leg: Leg) -> None:
        if leg.gone:
            return
        self._say_answer(leg)
        if leg.attempt is not None:
            leg.attempt.answered(self, leg)

    def progressed(self, leg: Leg) -> None:
        """A phone has sent its 180."""
        if not leg.gone and leg.answer == "ringing":
            self.say(leg, "CHANNEL_PROGRESS")
            leg.call_state = "RINGING"
            caller = leg.linked_to
            if caller is not None and caller.answer == "ringing":
                self.say(caller, "CHANNEL_PROGRESS")

    def refused(self, leg: Leg, code: int) -> None:
        """A phone has refused with a SIP code."""
        hangups.hung_up(self, leg, hangups.cause_of(code))

    def pressed(self, leg: Leg, digit: str) -> None:
        """A key was pressed at the far end."""
        if leg.gone:
            return
        self.emit(
            "DTMF", {**events.channel_headers(leg), "DTMF-Digit": digit, "DTMF-Duration": "800", "DTMF-Source": "RTP"}
        )
        leg.keys += digit
        running.resume(self, leg, "key")

    def hold(self, leg: Leg) -> None:
        """A far end puts us on hold."""
        if not leg.gone and not leg.held:
            leg.held, leg.call_state = True, "HELD"
            self.say(leg, "CHANNEL_HOLD")

    def unhold(self, leg: Leg) -> None:
        """A far end comes back from hold."""
        if not leg.gone and leg.held:
            leg.held, leg.call_state = False, "UNHELD"
            self.say(leg, "CHANNEL_UNHOLD")
            leg.call_state = "ACTIVE"

    # Sockets of calls.

    def socket_connected(self, leg: Leg) -> Session:
        """Somebody listens at the address of a call's `socket` application; return the connection."""
        session = self.open(leg)
        running.resume(self, leg, "connected")
        return session

    def socket_refused(self, leg: Leg) -> None:
        """Nobody listens there: the call goes on in the dialplan."""
        self.agenda.after(0.0, lambda: running.resume(self, leg, "refused"))

    def open(self, leg: Leg | None = None) -> Session:
        """Return a new connection: to the event socket, or from a call."""
        session = Session(self, leg)
        if leg is not None:
            leg.session = session
        self.sessions.append(session)
        return session

    def left(self, session: Session) -> None:
        """A connection is over. A call stays where it is."""
        self.sessions = [one for one in self.sessions if one is not session]
        if session.leg is not None and session.leg.session is session:
            session.leg.session = None
            self.agenda.after(0.0, partial(self._closed, session.leg))

    def _closed(self, leg: Leg) -> None:
        if leg.application == "socket":
            running.resume(self, leg, "closed")

    # What is said.

    def emit(self, name: str, headers: EventData) -> None:
        """Say an event to everybody who wants to hear it, faults permitting."""
        self._sequence += 1
        event = {"Event-Name": name, **events.core_headers(self.core, self.now, self._sequence), **headers}
        for delay in self.faults.event(name, headers.get("Event-Subclass", "")):
            late = delay + self.timing.delivery
            if late:
                self.agenda.after(late, lambda: self._tell(event))
            else:
                self._tell(event)

    def _tell(self, event: EventData) -> None:
        for session in tuple(self.sessions):
            session.hear(event)

    def say(self, leg: Leg, name: str, headers: EventData | None = None) -> None:
        """Say an event about a leg, with all its variables."""
        self.emit(name, {**(headers or {}), **events.channel_headers(leg), **events.variable_headers(leg)})

    def data(self, leg: Leg) -> EventData:
        """Return what `connect` and `uuid_dump` say of a leg."""
        self._sequence += 1
        core = events.core_headers(self.core, self.now, self._sequence)
        about = events.channel_headers(leg)
        caller = {f"Channel-{k.removeprefix('Caller-')}": v for k, v in about.items() if k.startswith("Caller-")}
        return {"Event-Name": "CHANNEL_DATA", **core, **caller, **about, **events.variable_headers(leg)}

    def sounds(self, leg: Leg, what: str, other: Leg | None) -> None:
        """Let a far end hear something from now on; what it hears already is not said again."""
        hearing = (what, other.uuid if other is not None else "")
        if leg.gone or leg.answer != "answered" or leg.hearing == hearing:
            return
        leg.hearing = hearing
        if leg.party is not None:
            leg.party.hears(leg, what, other)

    # Legs.

    def add(self, leg: Leg) -> None:
        """Take a leg into the table."""
        self.legs[leg.uuid] = leg
        leg.variables["session_id"] = str(self.sessions_since + 1)
        self.sessions_since += 1
        self.peak = max(self.peak, len(self.legs))

    def forget(self, leg: Leg) -> None:
        """A leg has hung up: no command finds it any more, and whoever was rung for it is not rung on."""
        self.legs.pop(leg.uuid, None)
        self._ended.append((self.now, leg))
        self._ended = [(when, one) for when, one in self._ended if when > self.now - self.timing.table_lag]
        for attempt in self.attempts_of.pop(leg.uuid, ()):
            for one in attempt.legs:
                if attempt.winner is None and not one.gone:
                    self.agenda.after(self.timing.kill, partial(hangups.hang_up, self, one, "ORIGINATOR_CANCEL"))

    def table(self) -> list[Leg]:
        """Return the legs that `show channels` lists: those of a moment ago."""
        then = self.now - self.timing.table_lag
        return [leg for when, leg in self._ended if when > then >= leg.created] + [
            leg for leg in self.legs.values() if leg.created <= then
        ]

    def on_its_way(self, leg: Leg) -> bool:
        """Whether a leg has been told to go somewhere and isn't there yet: whatever else moves it now is lost."""
        return leg.moving or any(application == "transfer" for application, _ in leg.messages)

    def answer(self, leg: Leg) -> None:
        """Answer an incoming call."""
        self._say_answer(leg)
        if leg.party is not None:
            leg.party.answered(leg)

    def _say_answer(self, leg: Leg) -> None:
        if leg.direction == "inbound":
            leg.call_state, leg.variables["endpoint_disposition"] = "EARLY", "EARLY MEDIA"
        leg.answer, leg.answered_at = "answered", self.now
        self.say(leg, "CHANNEL_ANSWER")
        leg.call_state, leg.variables["endpoint_disposition"] = "ACTIVE", "ANSWER"

    def early(self, leg: Leg) -> None:
        """Send early media to an incoming call."""
        if leg.answer == "ringing":
            leg.answer, leg.call_state, leg.variables["endpoint_disposition"] = "early", "EARLY", "EARLY MEDIA"
            self.say(leg, "CHANNEL_PROGRESS_MEDIA")

    def park(self, leg: Leg) -> Run:
        """Return what a parked leg does."""
        return park(self, leg, "")

    def run(self, leg: Leg, actions: Actions) -> Run:
        """Return what a leg does that is led to `actions`."""
        return running.execute(self, leg, actions)

    def schedule_move(self, leg: Leg, seconds: str, target: tuple[str, str, str]) -> None:
        """Move a leg in `+SECONDS`, or at an epoch second."""

        def act() -> None:
            if not leg.gone:
                bridging.leave(self, leg)
                running.move(self, leg, *target)

        leg.tasks.append(self.agenda.after(self._until(seconds), act))

    def schedule_end(self, leg: Leg, seconds: str, cause: str) -> None:
        """Hang a leg up in `+SECONDS`, or at an epoch second."""
        leg.tasks.append(self.agenda.after(self._until(seconds), lambda: hangups.hang_up(self, leg, cause)))

    def _until(self, seconds: str) -> float:
        return float(seconds[1:] or "0") if seconds.startswith("+") else float(seconds or "0") - self.now

    # Words, sounds, addresses.

    def new_uuid(self) -> str:
        """Return a uuid, drawn from the world's own chance."""
        return str(UUID(int=self.rng.getrandbits(128), version=4))

    def variable(self, leg: Leg | None, name: str) -> str:
        """Return what `${name}` means for a leg: its own variable, a field of its call, or a global one."""
        if leg is not None:
            if name in leg.variables:
                return leg.variables[name]
            fields = {
                "destination_number": leg.destination,
                "caller_id_number": leg.caller_number,
                "caller_id_name": leg.caller_name,
                "uuid": leg.uuid,
                "context": leg.context,
            }
            if name in fields:
                return fields[name]
        return self.globals.get(name, "")

    def ask(self, name: str, arguments: str) -> str:
        """Return what `${name(arguments)}` says."""
        return api.ask(self, name, arguments)

    def expand(self, leg: Leg | None, text: str) -> str:
        """Return a text with all `${…}` in it replaced."""
        return expand(text, lambda name: self.variable(leg, name), self.ask)

    def resolve(self, address: str) -> tuple[Phone | None, str, dict[str, str]] | str:
        """Return who is behind a dial string; see `Registrar.resolve`."""
        return self.registrar.resolve(address)

    def length_of(self, sound: str) -> float | None:
        """Return how many seconds a sound lasts; None: it never ends; 0: it can't be played."""
        if sound.startswith("local_stream://"):
            return None
        if sound.startswith("silence_stream://"):
            length = int(sound.removeprefix("silence_stream://").split(",")[0] or "0")
            return None if length < 0 else length / 1000
        if sound.startswith("tone_stream://"):
            return None if "loops=-1" in sound else 1.0
        return self.config.sounds.get(sound, 0.0)

    def has_mailbox(self, user: str, domain: str) -> bool:
        """Whether there is a mailbox."""
        name = f"{user}@{domain}"
        return name in self.config.mailboxes or name in self.registrar.users

    def leave_message(self, leg: Leg) -> None:
        """Say that a message was left, if the leg that ends was recording one."""
        if not leg.recording_since:
            return
        length = int(self.now - leg.recording_since)
        _, domain, user = leg.application_data.split()[:3]
        box = {"VM-User": user, "VM-Domain": domain}
        leg.recording_since = 0.0
        self.say(
            leg,
            "CUSTOM",
            {
                "Event-Subclass": "vm::maintenance",
                "VM-Action": "leave-message",
                **box,
                "VM-Caller-ID-Name": leg.caller_name,
                "VM-Caller-ID-Number": leg.caller_number,
                "VM-Folder": "inbox",
                "VM-UUID": leg.uuid,
                "VM-Message-Len": str(length),
                "VM-Timestamp": str(int(self.now)),
            },
        )
        self.emit(
            "CUSTOM", {"Event-Subclass": "vm::maintenance", "VM-Action": "mwi-update", **box, "VM-Total-New": "1"}
        )
        leg.variables["voicemail_message_len"] = f"{length // 3600:02d}:{length // 60 % 60:02d}:{length % 60:02d}"

    # The whole switch.

    def shut_down(self) -> None:
        """End every call with SYSTEM_SHUTDOWN and every connection, as an orderly shutdown does."""
        for leg in tuple(self.legs.values()):
            hangups.hang_up(self, leg, "SYSTEM_SHUTDOWN")
            hangups.complete(self, leg)
        self.crash()

    def crash(self) -> None:
        """Die and start anew: connections break without a word, calls and the shared table are gone, registrations stay."""
        for session in tuple(self.sessions):
            session.close()
        for leg in tuple(self.legs.values()):
            running.stop(leg)
            leg.answer, leg.cause = "hangup", "CRASH"
            for timer in leg.tasks:
                timer.cancel()
            if leg.party is not None:
                leg.party.gone(leg, "CRASH", True)
        self.legs.clear()
        self.hash.clear()
        self.attempts_of.clear()
        self.core = self.globals["core_uuid"] = self.new_uuid()
        self.since = self.now


def _of_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return the variables that an INVITE's further headers become: X-… and P-…, Diversion, and History-Info by its own name."""
    found = {}
    for name, value in headers.items():
        if name.startswith(("X-", "P-")) or name == "Diversion":
            found[f"sip_h_{name}"] = value
        elif name == "History-Info":
            found["sip_history_info"] = value
    return found


def _hidden(headers: dict[str, str]) -> bool:
    """Whether `Privacy: id` asks for neither name nor number to be shown."""
    return "id" in headers.get("Privacy", "").split(";")
