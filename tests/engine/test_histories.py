"""Random histories against the onlooker: what must always hold, and every rule, whatever happens in whatever order."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from fsqueue.engine.state import State
from fsqueue.engine.tables import TABLES
from tests.engine.playing import begin, play
from tests.engine.world import ACTIONS, World

HISTORIES = int(os.environ.get("FSQUEUE_HISTORIES", "1000"))
"""Set it higher by hand for hours of them."""

STEPS = 100
"""Actions in a history at most; hypothesis makes them shorter and longer, each action one input or a few."""

_DRAWN = [name for name, (_, weight) in ACTIONS.items() for _ in range(weight)]


class Ran:
    """What one run of the machine was made of."""

    def __init__(self) -> None:
        self.histories = 0
        self.inputs = 0
        self.rows: Counter[tuple[str, str, str]] = Counter()

    def observe(self, machine: str, state: str, event: str) -> None:
        """Count a row that was taken."""
        self.rows[machine, state, event] += 1


def machine(ran: Ran) -> type[RuleBasedStateMachine]:
    """Return a state machine that counts into *ran*."""

    class Histories(RuleBasedStateMachine):
        world: World

        @initialize(source=st.binary(min_size=64, max_size=64))
        def start(self, source: bytes) -> None:
            self.world = begin(source, ran.observe)

        @rule(name=st.sampled_from(_DRAWN), pick=st.integers(0, 255))
        def act(self, name: str, pick: int) -> None:
            self.world.act(name, pick)

        def teardown(self) -> None:
            if hasattr(self, "world"):
                ran.histories += 1
                ran.inputs += len(self.world.history)

    return Histories


def test_every_rule_holds_in_random_histories_and_no_row_is_left_untaken() -> None:
    """Section "What must always hold", M1 to M3, D1 to D4, L1, U1, U2, U4, S1 to S3, E1, P1, N2."""
    ran = Ran()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine(ran),
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            deadline=None,
            # The same histories at every run, so that a change is to blame for a failure; many and new ones by hand.
            derandomize="FSQUEUE_HISTORIES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert ran.histories >= HISTORIES
    assert ran.inputs / ran.histories >= 60
    for seed in range(400):  # rare rows want more arrivals than a search for small examples makes
        play(seed, 60, ran.observe)
    never = [
        key
        for name, (table, _, _) in TABLES.items()
        for key in ((name, state, event) for (state, event), row in table.items() if row.do)
        if key not in ran.rows
    ]
    assert never == []


@pytest.mark.parametrize("seed", range(60))
def test_the_same_history_gives_the_same_steps(seed: int) -> None:
    world = play(seed)
    again = Engine(world.first_plan)
    assert [again.handle(given, now) for given, now in world.history] == world.steps


def durable(s: State, now: float) -> dict[str, object]:
    """What must survive a restart."""
    return {
        "calls": {
            call.id: (call.leg, call.arrival, call.joined, call.group, call.state, call.visits, call.winner, call.reason if call.state == "sent" else "")
            for call in s.calls.values()
        },
        "line": {key: [call.id for _, call in queue.line] for key, queue in s.queues.items()},
        "rung": {call.id: set(call.rung) for call in s.calls.values() if call.state == "waiting"},
        # One that was withdrawn has a new limit of ten seconds, one that rings its old window.
        "offers": {o.id: (o.member, o.number, o.state == "over") for o in s.offers.values() if o.state != "withdrawn"},
        "talks": {p.id for p in s.people.values() if p.holding == "talk"},
        "duty": {p.id: (p.duty, p.untaken) for p in s.people.values() if not p.gone},
        "quiet": {p.id: p.quiet_until for p in s.people.values() if not p.gone and p.quiet_until > now},
        "turns": {key: {m: t for m, t in queue.turns.items() if t >= 0} for key, queue in s.queues.items()},
    }  # fmt: skip


def replayed(world: World, records: list[tuple[m.Record, float]]) -> dict[str, object]:
    engine = Engine(world.plan)
    engine.restore(records, world.now)
    return durable(engine.state, world.now)


def settled(seed: int) -> World:
    """Play a history without changes of the configuration, which is read from its file at a start."""
    world = World(begin(seed.to_bytes(4, "big") * 16).plan)
    import random

    chance = random.Random(seed)
    world.act("register", 0)
    world.act("snapshot", 1)
    names = [name for name in _DRAWN if name != "configure"]
    for _ in range(60):
        world.act(chance.choice(names), chance.randrange(256))
    return world


@pytest.mark.parametrize("seed", range(80))
def test_a_start_finds_in_the_records_what_the_run_before_it_knew(seed: int) -> None:
    world = settled(seed)
    live = durable(world.engine.state, world.now)
    found = replayed(world, world.records)
    offers, live_offers = found.pop("offers"), live.pop("offers")
    assert found == live
    assert isinstance(offers, dict)
    assert isinstance(live_offers, dict)
    # Withdrawals are no records: what they were for is over when its end is seen, or not seen twice.
    assert {key: offers[key] for key in live_offers} == live_offers


@pytest.mark.parametrize("seed", range(80))
def test_a_checkpoint_says_what_all_records_before_it_say(seed: int) -> None:
    world = settled(seed)
    kept = m.Checkpoint.__struct_fields__
    assert kept
    assert replayed(world, [(world.engine.checkpoint(), world.now)]) == durable(world.engine.state, world.now)
