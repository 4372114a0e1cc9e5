"""A run on virtual time: people, faults, and a report; the same seed gives the same journal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from random import Random

import msgspec

from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import CallEnded
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.virtual.site import Site
from tests.contract.lab import Way

from . import load
from .faults import Injector
from .judge import Run, Wrong, held_over, judge
from .story import story

SETTLE = 1500.0
"""Seconds after the last fault: longer than any caller waits, and any step lasts."""

CALL_GAP = 4.0
"""Mean seconds between two outside callers: more than their phones can take, so that there is a line to keep in order."""

FAULT_GAP = 9.0
"""Mean seconds between two faults."""


class Report(msgspec.Struct, kw_only=True):
    """What a run came to."""

    mode: str
    seed: int
    hours: float
    """Of the callers' time."""
    callers: int
    faults: int
    faults_by_kind: dict[str, int]
    lives: int
    """How often the daemon was started."""
    calls: int
    ended: dict[str, int]
    held_over: int
    """Callers who waited with music at the moment of a kill, the same one once for each."""
    longest_silence: float
    """The longest that one of them heard nothing because of it, in seconds."""
    lost_callers: int
    violations: list[Wrong]
    digest: str = ""


def run(
    seed: int,
    faults: int,
    hours: float = 0.0,
    on_engine: Callable[[Engine], None] | None = None,
    way: Way = "socket",
) -> Report:
    """Do *faults* faults, in *hours* hours of the callers' time (0: as long as they take); calls come in by *way*."""
    rng = Random(seed)
    site = Site(load.configuration(way), seed, on_engine=on_engine)
    _site_dialplan(site.world.dialplan)
    people = load.People(site.world, Random(rng.random()), gap=CALL_GAP)
    gap = hours * 3600.0 / max(1, faults) if hours else FAULT_GAP
    injector = Injector(site, Random(rng.random()), faults, gap=gap)
    began = site.now
    while not injector.over:
        site.advance(site.now + 60.0)
    site.advance(site.now + 30.0)
    people.settle()
    site.advance(site.now + 115.0)
    injector.repair()
    site.advance(site.now + SETTLE)
    return _report(seed, site, people, injector, began)


def _site_dialplan(dialplan: Dialplan) -> None:
    dialplan.include(load.SITE)


def _report(seed: int, site: Site, people: load.People, injector: Injector, began: float) -> Report:
    records = site.disk.records()
    ended: dict[str, int] = {}
    for record, _ in records:
        if isinstance(record, CallEnded):
            ended[record.reason] = ended.get(record.reason, 0) + 1
    seen = Run(
        sightings=site.world.sightings,
        records=records,
        blind=site.blind,
        slow=[*injector.slow, *((t, t + 3.0) for t in injector.restarts)],
        unwritten=injector.unwritten,
        restarts=injector.restarts,
        dead=injector.dead,
        handed=tuple(people.hands),
        away=people.away,
        end=site.now,
    )
    wrong, held = [*judge(seen), *left_over(site)], held_over(seen)
    for one in wrong:
        sys.stderr.write(story(one, seen.sightings, records, injector.done, site.blind))
    return Report(
        mode="virtual",
        seed=seed,
        hours=round((site.now - began) / 3600.0, 2),
        callers=len(people.callers),
        faults=sum(injector.by_kind.values()),
        faults_by_kind=dict(sorted(injector.by_kind.items())),
        lives=site.lives,
        calls=sum(ended.values()),
        ended=dict(sorted(ended.items())),
        held_over=len(held),
        longest_silence=round(max((one.silence for one in held), default=0.0), 2),
        lost_callers=sum(one.kind in ("lost caller", "no end") for one in wrong),
        violations=wrong,
        digest=site.disk.digest,
    )


def left_over(site: Site) -> list[Wrong]:
    """Return what is still there when everybody has gone home: calls, offers, members who are not free, legs."""
    found: list[Wrong] = []

    def note(kind: str, who: object, detail: object) -> None:
        found.append(Wrong(kind=kind, t=site.now, who=str(who), detail=str(detail)))

    daemon = site.daemon
    if daemon is None:
        note("no daemon", "", "it does not run at the end")
        return found
    for trouble in (*site.troubles, *daemon.troubles):
        note("exception", "", trouble)
    state = daemon.engine.state
    for call in state.calls.values():
        note("still open", call.id, f"{call.state} in {call.group}")
    for offer in state.offers.values():
        note("still open", offer.id, offer.state)
    for person in state.people.values():
        if person.holding != "free" or person.others or (person.duty == "in" and not person.free.get("main")):
            note("not free", person.id, f"{person.holding} {person.holds} {person.duty} others={list(person.others)}")
    for leg in site.world.legs.values():
        note("leg left", leg.uuid, f"{leg.name} {leg.application} {leg.state}")
    for name, size in daemon.core.sizes().items():
        if size:
            note("remembered", name, f"{size} left")
    return found
