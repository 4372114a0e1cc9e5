"""Engines broken on purpose, one decision each: what the checks of rules, demo and chaos must find.

Each patch changes one decision and raises nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from fsqueue.engine import calls, offers, roster, rules, visits
from fsqueue.engine.messages import CallEnded, Connect
from fsqueue.engine.state import Call, Offer, Person, Queue, State


@contextmanager
def ring_busy() -> Iterator[None]:
    """Ring members whatever call they have already (M1, M3)."""

    def is_free(s: State, person: Person, switch: str) -> bool:
        return roster.is_online(s, person, switch)

    real = roster.member_event

    def member_event(s: State, offer: Offer, event: str) -> bool:
        person = s.people.get(offer.member)
        if person is not None and event == "rung" and person.holding != "free":
            person.holds = offer.id
            return True
        return real(s, offer, event)

    with patch.object(roster, "is_free", is_free), patch.object(roster, "member_event", member_event):
        yield


@contextmanager
def double_offer() -> Iterator[None]:
    """Let a member hold nothing while he is rung, so that the next caller gets him too (M3)."""
    real = roster.member_event

    def member_event(s: State, offer: Offer, event: str) -> bool:
        done = real(s, offer, event)
        person = s.people.get(offer.member)
        if person is not None and event == "rung":
            person.holding, person.holds = "free", ""
            roster.refresh(s, person)
        return done

    with patch.object(roster, "member_event", member_event):
        yield


@contextmanager
def drop_caller() -> Iterator[None]:
    """Forget a caller whose first offer was not taken: he stands in no line any more (section "What must always hold")."""

    def note_idle(s: State, call: Call) -> None:
        visits.leave_line(s, call)

    with patch.object(calls, "note_idle", note_idle):
        yield


@contextmanager
def lose_place() -> Iterator[None]:
    """Put a caller who enters another group, or comes back from a failed bridge, at the end of the line (L1, S3)."""
    real = visits.stand_in_line

    def stand_in_line(s: State, call: Call, queue: Queue) -> None:
        call.place = max(call.place, s.now)
        real(s, call, queue)

    with patch.object(visits, "stand_in_line", stand_in_line):
        yield


@contextmanager
def connect_two() -> Iterator[None]:
    """Connect whoever is rung for a caller, not only who answered (section "What must always hold")."""
    real = calls._connect

    def connect(s: State, call: Call, what: calls.Event) -> None:
        others = [offer for offer in call.live.values() if what.offer is not None and offer.id != what.offer.id]
        with patch.object(offers, "withdraw_all", lambda *_, **__: None):
            real(s, call, what)
        for offer in others:
            s.command(Connect(call=call.id, leg=call.leg, offer=offer.id))

    with patch.dict(calls._ACTIONS, {"connect": connect}):
        yield


@contextmanager
def twice_in_a_pass() -> Iterator[None]:
    """Forget who was rung in this pass (D1)."""
    real = offers.ring_member

    def ring_member(s: State, call: Call, queue: Queue, member: str, until: float) -> None:
        real(s, call, queue, member, until)
        call.rung.clear()

    with patch.object(offers, "ring_member", ring_member):
        yield


@contextmanager
def no_rest() -> Iterator[None]:
    """Let nobody rest or wrap up (M2)."""
    with patch.object(roster, "quieten", lambda *_: None):
        yield


@contextmanager
def end_twice() -> Iterator[None]:
    """Record the end of a call two times (E1)."""
    real = visits.end

    def end(s: State, call: Call, *rest: str) -> None:
        real(s, call, *rest)  # type: ignore[arg-type]
        ended = next(r for r in reversed(s.records) if isinstance(r, CallEnded))
        s.record(ended)

    with patch.object(visits, "end", end):
        yield


@contextmanager
def never_over() -> Iterator[None]:
    """Take no step when everybody was rung (U2)."""
    with patch.object(rules, "_check_passed", lambda *_: None), patch.object(rules, "_idle", lambda *_: None):
        yield


WAYS: dict[str, Callable[[], object]] = {
    "ring-busy": ring_busy,
    "double-offer": double_offer,
    "drop-caller": drop_caller,
    "lose-place": lose_place,
    "connect-two": connect_two,
    "twice-in-a-pass": twice_in_a_pass,
    "no-rest": no_rest,
    "end-twice": end_twice,
    "never-over": never_over,
}
"""By name; each is a context manager while which every engine is broken."""
