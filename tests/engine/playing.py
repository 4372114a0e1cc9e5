"""Histories played by a seed: the same actions as the property tests', without the search for a smaller example."""

from __future__ import annotations

import random

from fsqueue.engine.state import Observer
from tests.engine.plans import make_plan
from tests.engine.world import ACTIONS, World

_NAMES = list(ACTIONS)
_WEIGHTS = [weight for _, weight in ACTIONS.values()]


def begin(source: bytes, observer: Observer | None = None) -> World:
    """Return a world with a random configuration whose switches are mostly in reach and phones registered."""
    world = World(make_plan(source), observer)
    world.watch.f.now = world.now
    ready = source[0] if source else 0
    if ready % 8 != 7:
        world.register(0)
        world.snapshot(1)
    if ready % 3 == 0:
        world.register(1)
        world.snapshot(3)
    return world


def play(seed: int, actions: int = 60, observer: Observer | None = None) -> World:
    """Play one history of so many actions; AssertionError tells the rule that was broken."""
    chance = random.Random(seed)
    world = begin(chance.randbytes(64), observer)
    for name in chance.choices(_NAMES, _WEIGHTS, k=actions):
        world.act(name, chance.randrange(256))
    return world
