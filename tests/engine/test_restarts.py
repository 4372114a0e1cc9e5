"""Random histories with changes of the configuration: a start finds in the records what the run before it knew."""

from __future__ import annotations

import pytest

from fsqueue.engine import messages as m
from tests.engine.playing import play
from tests.engine.test_histories import durable, replayed

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
    engine = type(world.engine)(world.first_plan)  # the file of before all changes: some groups are gone, some are back
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
