"""Random histories with changes of the configuration: a start finds in the records what the run before it knew."""

from __future__ import annotations

import random

import pytest

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from tests.engine.playing import play
from tests.engine.test_histories import durable, replayed
from tests.engine.watch import Watch
from tests.engine.world import ACTIONS, World

SEEDS = [seed for seed in range(150) if any(isinstance(given, m.Configure) for given, _ in play(seed, 70).history)]


def test_half_of_the_histories_change_the_configuration() -> None:
    assert len(SEEDS) > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_a_start_follows_removals_and_renames(seed: int) -> None:
    world = play(seed, 70)
    live, found = durable(world.engine.state, world.now), replayed(world, world.records)
    # The few seconds in which a switch that could not ring is left alone are nobody's rest, and no record.
    for facts in (live, found):
        del facts["quiet"]
    offers, live_offers = found.pop("offers"), live.pop("offers")
    assert found == live
    assert isinstance(offers, dict)
    assert isinstance(live_offers, dict)
    assert {key: offers[key] for key in live_offers} == live_offers


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_waits_without_a_deadline_after_a_start_with_whatever_file(seed: int) -> None:
    world = play(seed, 70)
    waiting = [call.id for call in world.engine.state.calls.values() if call.state == "waiting"]
    engine = Engine(world.first_plan)  # the file of before all changes: some groups are gone, some are back
    engine.restore(world.records, world.now)
    now, ended = world.now, []
    for switch in ("a", "b"):
        legs = tuple(m.SeenLeg(uuid=leg.uuid, kind="caller") for leg in world.callers if leg.switch == switch)
        engine.handle(m.Snapshot(switch=switch, core="core9", legs=legs), now)
    while (due := engine.deadline()) is not None and due < now + 100_000:
        step = engine.handle(m.Wake(), max(now, due))
        ended += [record.call for record in step.records if isinstance(record, m.CallEnded)]
    left = [call.id for call in engine.state.calls.values() if call.state in ("waiting", "sent")]
    assert left == []
    assert set(waiting) <= {*ended, *[call.id for call in engine.state.calls.values()]}


def carried_on(seed: int) -> World:
    """Play a history, start anew from its records, and play on: phones and callers go on as if nothing had been."""
    world = play(seed, 50)
    world.engine = Engine(world.plan)
    world.engine.restore(world.records, world.now)
    world.watch = Blind(world.plan)
    chance = random.Random(seed)
    for switch in (1, 3):
        world.act("snapshot", switch)
        world.act("register", switch // 2)
    for _ in range(80):
        world.act(chance.choice(list(ACTIONS)), chance.randrange(256))
    return world


class Blind(Watch):
    """An onlooker who came late knows too little to judge; what he counts is below."""

    def see(self, given: m.Input, now: float, step: m.Step, deadline: float | None) -> None:
        """Look away."""


@pytest.mark.parametrize("seed", range(200))
def test_E1_every_call_ends_once_across_a_start(seed: int) -> None:
    world = carried_on(seed)
    for caller in list(world.callers.values()):
        world.give(m.CallerGone(caller.leg))
    for switch in ("a", "b"):
        for _ in range(2):
            world.give(m.Snapshot(switch=switch, core=f"core{world.cores[switch]}"))
    opened = [record.call for record, _ in world.records if isinstance(record, m.CallOpened)]
    ended = [record.call for record, _ in world.records if isinstance(record, m.CallEnded)]
    assert sorted(ended) == sorted(opened)
    assert world.engine.state.calls == {}
    assert [p.id for p in world.engine.state.people.values() if p.holding == "talk"] == []
