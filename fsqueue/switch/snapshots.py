"""What is on the switch: every channel of ours, found by ``presence_data``, at each new link and periodically.

Adoption is arrival: a caller whom we don't know, on hold, arrives with what his own variables say. The channel table is up
to 420 ms behind the events (measured on FreeSWITCH 1.11), so absence is never believed: ``uuid_exists`` settles it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from math import inf

import msgspec

from fsqueue.engine.messages import Answered, Arrived, CallerGone, Ringing, SeenLeg, Snapshot
from fsqueue.engine.model import Voicemail
from fsqueue.esl.errors import RemoteProtocolError
from fsqueue.esl.events import Event, decode
from fsqueue.switch import quoting
from fsqueue.switch.callers import Callers, Ended, who, whole
from fsqueue.switch.codes import Codes
from fsqueue.switch.context import CallerLeg, Context, Offer, PhoneLeg
from fsqueue.switch.dialplan import HOLD
from fsqueue.switch.ids import job_uuid
from fsqueue.switch.members import Members, authenticated
from fsqueue.switch.offers import Offers
from fsqueue.switch.parked import APPLICATION, Parked
from fsqueue.switch.talks import Talks

SECOND_LOOK = 1.0
"""From the answer to the first snapshot of a link to the second; an absence counts for the engine when seen twice, and two
tables of one moment, which a slow link answers together, are one sight."""

MAX_ASKED = 500
"""Inbound channels that are asked one by one whose they are, when a link is new."""

_WHO = "${variable_sip_auth_username}@${variable_domain_name}"

_UP = ("ACTIVE", "HELD", "UNHELD")
"""What the table's `callstate` says of a leg that has been answered."""

_MARK = re.compile(r"fsq[0-9]+")
"""With which the `presence_data` of our legs begins, in any version: a later one may only add fields behind those we read."""

_MICRO = 1_000_000


class Row(msgspec.Struct, frozen=True):
    """One channel of ``show channels as json``, as far as we read it."""

    uuid: str = ""
    direction: str = ""
    state: str = ""
    dest: str = ""
    context: str = ""
    application: str = ""
    application_data: str = ""
    callstate: str = ""
    presence_id: str = ""
    presence_data: str = ""


class _Table(msgspec.Struct, frozen=True):
    rows: list[Row] = []


def rows_of(answer: str) -> list[Row] | None:
    """Return the channels in an answer, none for ``{"row_count": 0}``; None when it is no answer.

    A stranger's channel whose uuid can stand in no command is left out: it must not cost us the sight of all others.
    """
    try:
        rows = msgspec.json.decode(answer.encode("utf-8", "replace"), type=_Table).rows
    except (msgspec.DecodeError, RecursionError):
        return None
    return [row for row in rows if quoting.is_uuid(row.uuid)]


def ours(row: Row, owner: str) -> list[str]:
    """Return the fields of a leg of *owner* after ``fsq1|OWNER``: kind, id, group or member, …; empty for others.

    The column itself is looked at: ``like`` searches all of them, so a caller's name can match.
    """
    fields = row.presence_data.split("|")
    known = len(fields) > 4 and _MARK.fullmatch(fields[0]) and fields[1] == owner and fields[2] in ("call", "offer")
    return fields[2:] if known else []


class Snapshots:
    """Takes snapshots and settles what differs from what we know."""

    def __init__(
        self,
        ctx: Context,
        callers: Callers,
        parked: Parked,
        offers: Offers,
        talks: Talks,
        members: Members,
        codes: Codes,
        ended: Ended,
    ) -> None:
        """*ended* is called for a caller who turns out to be gone."""
        self._ctx, self._callers, self._parked, self._offers = ctx, callers, parked, offers
        self._talks, self._members, self._codes, self._ended = talks, members, codes, ended
        self._round = 0
        self._picked_up: list[str] = []
        """Offers found answered: their answer was said to nobody."""

    def begin(self) -> None:
        """A new link: look at once, once more after a second, and then periodically."""
        self._round += 1
        self._look(partial(self._first, self._round))

    def stop(self) -> None:
        """The link is down."""
        self._round += 1

    def _look(self, then: Callable[[], None]) -> None:
        """Take a snapshot of ours, and see who else talks."""
        self.take()

        def answered(answer: str) -> None:
            self._others(answer)
            then()

        self._ctx.api("show channels as json", answered)

    def _first(self, of_round: int) -> None:
        self._ctx.after(SECOND_LOOK, partial(self._second, of_round))

    def _second(self, of_round: int) -> None:
        """Look once more at everything: of a call that began just before this link, only the table tells, and it was late."""
        if of_round == self._round:
            self._look(partial(self._seen_twice, of_round))

    def _seen_twice(self, of_round: int) -> None:
        if self._ctx.sought:
            self._first(of_round)  # somebody was still being looked for, so his absence has not counted
        else:
            self._ctx.after(self._ctx.facts.snapshot_every, partial(self._again, of_round))

    def _again(self, of_round: int) -> None:
        if of_round == self._round:
            self._members.ask_some()
            self.take()
            self._ctx.after(self._ctx.facts.snapshot_every, partial(self._again, of_round))

    def take(self) -> None:
        """Ask for all channels of ours."""
        self._ctx.api("show channels like fsq as json", self._taken)

    def _taken(self, answer: str) -> None:
        rows = rows_of(answer)
        if rows is None:
            return
        mine = [
            (row, fields)
            for row in rows
            if row.uuid not in self._ctx.hung_up and (fields := ours(row, self._ctx.facts.owner))
        ]
        for row, fields in mine:
            if fields[0] == "offer":
                self._offer_seen(row, fields)
        waiting = [row for row, fields in mine if fields[0] == "call" and self._call_seen(row, fields)]
        self._absent({row.uuid: None for row, _ in mine})
        seen = [_seen(row, fields) for row, fields in mine]
        if waiting:
            self._dump(waiting, seen)
        else:
            self._tell(seen)

    def _tell(self, seen: Sequence[SeenLeg]) -> None:
        """Tell the engine, with the callers we know of besides: the table is behind the events."""
        for found in self._picked_up:
            self._offers.keep_winner(found)
            self._ctx.emit(Answered(found))  # callers are known by now, so that what follows finds them
        self._picked_up.clear()
        listed = {leg.uuid: leg for leg in seen}
        for caller in self._ctx.callers.values():
            if caller.uuid not in listed:
                listed[caller.uuid] = SeenLeg(uuid=caller.uuid, kind="caller", call=caller.call)
        for uuid, call in self._ctx.sought.items():
            if uuid not in listed:
                listed[uuid] = SeenLeg(uuid=uuid, kind="sought", call=call)
        for talk in self._talks.by_offer.values():
            # What is still being settled is not absent: the talk's end, or its caller's return, is told when it is known.
            if talk.phase != "over" and talk.leg not in listed:
                listed[talk.leg] = SeenLeg(uuid=talk.leg, kind="offer", call=talk.call, offer=talk.offer)
        for known, phone in self._ctx.phones.values():
            if phone.uuid not in listed:
                listed[phone.uuid] = SeenLeg(uuid=phone.uuid, kind="offer", call=known.call, offer=known.id)
        self._ctx.emit(Snapshot(switch=self._ctx.switch, core=self._ctx.core, legs=tuple(listed.values())))

    # -- what we don't know

    def _offer_seen(self, row: Row, fields: list[str]) -> None:
        """A member's leg that a predecessor rang: from now on its events count."""
        ctx = self._ctx
        answered = row.callstate in _UP
        if row.uuid in ctx.phones and answered and not ctx.phones[row.uuid][1].answered:
            self._offers.created(row.uuid)
            self._offers.answered(row.uuid)  # it was said while there was no link
        if row.uuid in ctx.phones or row.uuid in ctx.codes or row.uuid in ctx.callers or not fields[1]:
            return
        offer = ctx.offers.get(fields[1]) or Offer(fields[1], fields[1].rpartition(".")[0], fields[2], dialled=True)
        ctx.offers[offer.id] = offer
        phone = PhoneLeg(row.uuid, job_uuid(row.uuid), existed=True, answered=answered)
        self._offers.add(offer, phone)
        if not answered:
            ctx.emit(Ringing(offer.id))
        elif row.state == "CS_EXCHANGE_MEDIA":
            return  # in a talk already
        elif offer.winner is None and row.application != "play_and_get_digits":
            offer.winner = phone
            self._picked_up.append(offer.id)

    def _call_seen(self, row: Row, fields: list[str]) -> bool:
        """Return whether this is a caller on hold whom we don't know."""
        ctx = self._ctx
        caller = ctx.callers.get(row.uuid)
        talking = row.application == "uuid_bridge" and row.state != "CS_EXECUTE"
        on_hold = row.state == "CS_EXECUTE" and row.dest.startswith(HOLD)
        if talking and row.application_data in ctx.hung_up:
            return False  # the row is from before the end of his talk; what he does now is told by events
        if caller is None:
            if talking:
                self._talk_seen(row, fields)
            elif row.application == "voicemail":
                self._mailbox_seen(row, fields)
            elif not on_hold:
                # In a step: if he is a member he is on the phone all the same (M1).
                ctx.api(f"eval uuid:{quoting.uuid(row.uuid)} {_WHO}", partial(self._other, row.uuid))
            return on_hold
        if talking:
            self._talks.adopt(fields[1], row.uuid, row.application_data)
        elif on_hold and not caller.stands and row.uuid not in self._talks.by_caller:
            self._callers.stands(caller)  # his hold's event came while there was no link
        if caller.phase == "ending":
            ctx.api(f"uuid_kill {quoting.uuid(row.uuid)} NORMAL_CLEARING")
        return False

    def _talk_seen(self, row: Row, fields: list[str]) -> None:
        """A talk that a predecessor connected: follow its two legs to their end."""
        ctx = self._ctx
        caller = CallerLeg(row.uuid, Event(uuid=row.uuid), call=fields[1], phase="waiting", media=True)
        caller.found_talking = True
        ctx.callers[row.uuid] = caller
        self._talks.adopt(fields[1], row.uuid, row.application_data)
        # A member who called us is on the phone; the table has no authenticated name.
        self._ctx.api(f"eval uuid:{quoting.uuid(row.uuid)} {_WHO}", partial(self._calls_us, row.uuid))

    def _mailbox_seen(self, row: Row, fields: list[str]) -> None:
        """A caller whom a predecessor sent to voicemail: how long his message is comes with his hang-up."""
        ctx = self._ctx
        caller = CallerLeg(row.uuid, Event(uuid=row.uuid), call=fields[1], phase="sent", media=True)
        caller.step, caller.sent_at = Voicemail(row.application_data), -inf
        ctx.callers[row.uuid] = caller
        ctx.api(f"eval uuid:{quoting.uuid(row.uuid)} {_WHO}", partial(self._calls_us, row.uuid))

    def _calls_us(self, uuid: str, answer: str) -> None:
        if uuid in self._ctx.callers:
            self._members.calls_us(uuid, answer)

    def find(self, uuid: str) -> None:
        """Take in a caller who is back in his hold, and of whom nobody here has heard but in his talk."""
        self._ctx.api(f"uuid_dump {quoting.uuid(uuid)} json", partial(self._dumped, uuid))

    def _dump(self, waiting: Sequence[Row], seen: Sequence[SeenLeg]) -> None:
        """Read each unknown caller's variables; the last answer completes the snapshot (answers keep their order)."""
        *others, last = waiting
        for row in others:
            self._ctx.api(f"uuid_dump {quoting.uuid(row.uuid)} json", partial(self._dumped, row.uuid))
        self._ctx.api(f"uuid_dump {quoting.uuid(last.uuid)} json", partial(self._dumped_last, last.uuid, seen))

    def _dumped_last(self, uuid: str, seen: Sequence[SeenLeg], answer: str) -> None:
        self._dumped(uuid, answer)
        self._tell(seen)

    def _dumped(self, uuid: str, answer: str) -> None:
        try:
            event = decode(answer.encode("utf-8", "replace"))
        except RemoteProtocolError:
            # "-ERR No such channel!": he has hung up, and the table is late. Nothing else will tell of it.
            self._ctx.emit(CallerGone(self._ctx.leg(uuid), "LOST"))
            return
        if event.channel_state in ("CS_EXECUTE", ""):  # else he has left his hold since the table was made
            self.adopt(event)

    def adopt(self, event: Event) -> None:
        """A caller on hold arrives with what his channel says, unless we know him by now, or he isn't ours."""
        ctx = self._ctx
        if event.uuid in ctx.callers or event.fsq_owner != ctx.facts.owner or not event.fsq_call:
            return
        caller = CallerLeg(event.uuid, event, call=event.fsq_call, phase="waiting", stands=True)
        caller.media = event.answer_state in ("answered", "early")
        caller.has_talked = True  # a predecessor may have bridged him, and said what is to come after that
        ctx.callers[event.uuid] = caller
        self._members.calls_us(event.uuid, authenticated(event))
        ctx.emit(
            Arrived(
                leg=ctx.leg(event.uuid),
                arrival=event.fsq_arrival or event.uuid,
                new_call=ctx.new_call(ctx.now),
                caller=who(event),
                priority=whole(event.fsq_priority),
                found=True,
                call=event.fsq_call,
                group=event.fsq_group,
                number=event.fsq_number,
                joined=_seconds(event.fsq_joined),
                entered=_seconds(event.fsq_entered),
            )
        )

    # -- what is not there

    def _absent(self, listed: dict[str, None]) -> None:
        for caller in list(self._ctx.callers.values()):
            if caller.uuid not in listed and not caller.session and caller.phase != "left":
                self._ctx.api(f"uuid_exists {quoting.uuid(caller.uuid)}", partial(self._missing, caller))
        for offer, phone in list(self._ctx.phones.values()):
            if phone.uuid not in listed and phone.existed:
                self._offers.check(offer, phone)
        for uuid in list(self._ctx.codes):
            self._ctx.api(f"uuid_exists {quoting.uuid(uuid)}", partial(self._code_missing, uuid))
        for uuid in self._members.known():
            self._ctx.api(f"uuid_exists {quoting.uuid(uuid)}", partial(self._other_missing, uuid))

    def _missing(self, caller: CallerLeg, answer: str) -> None:
        if answer == "false" and self._ctx.callers.get(caller.uuid) is caller:
            self._ended(caller, "LOST")

    def _code_missing(self, uuid: str, answer: str) -> None:
        if answer == "false":
            self._talks.member_gone(uuid, None)
            self._codes.gone(uuid)

    def _other_missing(self, uuid: str, answer: str) -> None:
        if answer == "false":
            self._members.ended(uuid)

    # -- other calls of members that began before this link

    def _others(self, answer: str) -> None:
        self._look_for_parked(answer)
        strangers = [row for row in rows_of(answer) or [] if not _MARK.match(row.presence_data.partition("|")[0])]
        asked = 0
        for row in strangers:
            if row.uuid in self._ctx.callers or row.uuid in self._ctx.codes or row.uuid in self._members.known():
                continue
            if row.direction == "outbound":
                # The table lags behind a channel's end too.
                self._ctx.api(f"uuid_exists {quoting.uuid(row.uuid)}", partial(self._outbound, row))
            elif asked < MAX_ASKED:
                # `show channels` has no authenticated name, and what it has of inbound legs is not to be believed.
                asked += 1
                self._ctx.api(f"eval uuid:{quoting.uuid(row.uuid)} {_WHO}", partial(self._other, row.uuid))

    def _outbound(self, row: Row, answer: str) -> None:
        if answer == "true" and row.uuid not in self._ctx.phones:
            self._other(row.uuid, row.presence_id)

    def _look_for_parked(self, answer: str) -> None:
        """Take in who was handed over, parked, while there was no link."""
        facts = self._ctx.facts
        for row in rows_of(answer) or []:
            if row.application == APPLICATION and row.context == facts.context and row.uuid not in self._ctx.codes:
                self._parked.look(row.uuid)

    def _other(self, uuid: str, answer: str) -> None:
        if uuid not in self._members.known() and uuid not in self._ctx.codes:
            self._members.began(uuid, answer)


def _seen(row: Row, fields: list[str]) -> SeenLeg:
    if fields[0] == "call":
        return SeenLeg(uuid=row.uuid, kind="caller", call=fields[1])
    return SeenLeg(uuid=row.uuid, kind="offer", call=fields[1].rpartition(".")[0], offer=fields[1])


def _seconds(micro: str) -> float | None:
    """Return the epoch seconds that ``fsqueue_joined`` says in microseconds, or None."""
    return int(micro) / _MICRO if micro.isdecimal() and len(micro) < 20 else None
