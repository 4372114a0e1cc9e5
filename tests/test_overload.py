"""Too much at once, and a lot in the long run: the daemon on virtual time takes what it may, and keeps nothing of it.

`scripts/soak` does the same to the real process, over sockets, with thousands.
"""

from __future__ import annotations

import gc
from collections import Counter

import pytest

from fsqueue.config.check import check_text
from fsqueue.engine.messages import CallEnded
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.virtual.site import Site

LIMIT = 60
MEMBERS = 20


def config(members: int, distribution: str = "evenly", limit: int = LIMIT) -> str:
    texts = [f'[members.m{n}]\ndial = "user/{1000 + n}@lab"\n' for n in range(members)]
    return (
        f'[daemon]\nmax_calls = {limit}\n[switches.main]\nhost = "127.0.0.1"\npassword = "x"\n'
        '[telephony]\nrest_seconds = 0\ndomain = "lab"\n'
        + "".join(texts)
        + '[groups.sales]\nextension = "7001"\nrings = 2\n'
        f'distribution = "{distribution}"\nmembers = {[f"m{n}" for n in range(members)]}\n'
        'unanswered = { action = "hangup" }\noffline = { action = "hangup" }\n'
    )


def site(members: int = MEMBERS, reaction: Reaction | None = None, **options: str | int) -> Site:
    found, problems = check_text(config(members, **options), "f.toml")  # type: ignore[arg-type]
    assert found is not None, problems
    made = Site(found, 1)
    for number in range(members):
        script = PhoneScript(
            user=str(1000 + number), domain="lab", reactions=(reaction or Reaction(after=1.0, talk=5.0),)
        )
        made.world.phones(script)
    made.advance(made.now + 5)
    return made


def call(where: Site, number: int, patience: float | None = None) -> None:
    where.world.call(CallerScript(number=f"6{number:05}", name="Ala", to="7001", patience=patience, talk=3.0))


def saw(where: Site, what: str) -> list[str]:
    return [one.detail for one in where.world.sightings if one.side == "caller" and one.what == what]


def test_a_thousand_a_second_are_taken_up_to_the_limit_and_the_others_are_in_the_fallback_at_once() -> None:
    where = site()
    for number in range(300):
        call(where, number)
        where.advance(where.now + 0.001)
    where.advance(where.now + 0.5)
    daemon = where.daemon
    assert daemon is not None
    assert len(daemon.engine.state.calls) == LIMIT
    # Nobody waited for the dialplan's own patience (six seconds).
    assert saw(where, "gone") == ["NORMAL_TEMPORARY_FAILURE by the switch"] * (300 - LIMIT)
    where.advance(where.now + 60)
    ended = Counter(record.reason for record, _ in where.disk.records() if isinstance(record, CallEnded))
    assert ended == {"answered": LIMIT, "fallback": 300 - LIMIT}
    assert daemon.troubles == []


def test_after_too_many_the_next_caller_is_served_as_ever() -> None:
    where = site()
    for number in range(300):
        call(where, number)
    where.advance(where.now + 60)
    before = len(saw(where, "connected"))
    call(where, 999)
    where.advance(where.now + 1.5)
    assert len(saw(where, "connected")) == before + 1


def test_of_many_members_who_all_decline_each_is_rung_once_and_free_again() -> None:
    where = site(120, Reaction(kind="reject", after=0.2, code=603), distribution="to-all")
    call(where, 1)
    where.advance(where.now + 10)
    rung = Counter(one.who for one in where.world.sightings if one.what == "ringing")
    assert (len(rung), set(rung.values())) == (120, {1})
    assert saw(where, "gone") == ["NO_ANSWER by the switch"]
    assert kept(where) == {}


def test_nothing_is_kept_of_calls_that_are_over() -> None:
    where = site()
    play(where, 40)
    first = objects()
    play(where, 200)
    last = objects()
    assert last == first
    assert kept(where) == {}


@pytest.mark.parametrize("talk", [0.5, None])
def test_nothing_is_kept_of_callers_who_give_up_or_are_hung_up_on_at_once(talk: float | None) -> None:
    where = site(4, Reaction(after=0.5, talk=talk))
    for number in range(40):
        call(where, number, patience=1.0 + number % 7)
        where.advance(where.now + 0.7)
    where.advance(where.now + 120)
    assert kept(where) == {}


def play(where: Site, calls: int) -> None:
    """Let callers come and go, and wait until everything that was set for one has run out."""
    for number in range(calls):
        call(where, number, patience=0.3 if number % 9 == 0 else None)
        where.advance(where.now + 0.4)
    where.advance(where.now + 120)
    where.world.sightings.clear()
    where.world.callers.clear()


def kept(where: Site) -> dict[str, int]:
    """Return what the daemon still has of calls, by its name."""
    daemon = where.daemon
    assert daemon is not None
    state = daemon.engine.state
    sizes = {
        **daemon.core.sizes(),
        "calls": len(state.calls),
        "line": sum(len(queue.line) for queue in state.queues.values()),
        "holding": sum(person.holding != "free" for person in state.people.values()),
    }
    return {name: count for name, count in sizes.items() if count}


def objects() -> Counter[str]:
    """Return how many objects of the engine, the legs and the event socket there are, by type; those of rules are values."""
    gc.collect()
    parts = ("fsqueue.engine.state", "fsqueue.engine.timers", "fsqueue.switch.context", "fsqueue.esl")
    found = [type(one) for one in gc.get_objects() if str(type(one).__module__).startswith(parts)]
    return Counter(f"{one.__module__}.{one.__qualname__}" for one in found)
