"""What an offer costs the engine as the line, the members or the groups grow: a queue ten times as large is no slower.

In one cycle a member's other call ends, he is rung, and is withdrawn since he starts another call; then it is the next
member's turn, so that the line stays full. The measure is the CPU time per offer made, at each size against the smallest.
"""

from __future__ import annotations

import gc
import time
from typing import Any, Literal

from fsqueue.engine import messages as m
from fsqueue.engine.engine import Engine
from fsqueue.engine.model import Group, HangUp, Member, Plan, Wait

LIMIT = 1.5
"""Times the cost at the smallest size."""

START = 1_800_000_000.0
"""Epoch seconds."""

CYCLES = 50
ROUNDS = 12
Distribution = Literal["evenly", "in-order", "to-all"]
DISTRIBUTIONS: tuple[Distribution, ...] = ("evenly", "in-order", "to-all")
SIZES: dict[str, tuple[int, ...]] = {
    "waiting": (100, 1_000, 10_000),
    "members": (10, 100, 1_000),
    "groups": (10, 100, 1_000),
}


def plan(distribution: Distribution, *, members: int, groups: int) -> Plan:
    """Return so many *groups*, each with *members* of its own."""
    people = [[Member(id=f"m{g}-{n}", registers=False) for n in range(members)] for g in range(groups)]
    return Plan(
        members={member.id: member for team in people for member in team},
        groups={
            f"g{g}": Group(
                id=f"g{g}",
                members=tuple(member.id for member in team),
                distribution=distribution,
                rings=12,
                max_wait=360_000.0,
                unanswered=HangUp() if distribution == "in-order" else Wait(),
            )
            for g, team in enumerate(people)
        },
        rest=5.0,
        max_calls=100_000,
    )


class Load:
    """An engine with callers in the first group; one member is free at a time, and declines."""

    def __init__(self, distribution: Distribution, *, waiting: int, members: int, groups: int) -> None:
        """Fill the line; every member but one of the first group is on another call, so that it stays full."""
        self.now = START
        self.engine = Engine(plan(distribution, members=members, groups=groups))
        self._give(m.Snapshot(switch="a", core="core"))
        for n in range(members):
            self._give(m.OtherCall(m.Leg("a", f"other-{n}"), f"m0-{n}", True))
        for n in range(waiting):
            leg = m.Leg("a", f"leg-{n}")
            self._give(m.Arrived(leg=leg, arrival=f"arrival-{n}", new_call=f"c{n:06}", to="g0"))
        self._members = members
        self._turn = 0

    def _give(self, given: m.Input) -> list[m.Offered]:
        step = self.engine.handle(given, self.now)
        return [record for record in step.records if isinstance(record, m.Offered)]

    def cycle(self) -> int:
        """Let the next member be rung until he starts a call of his own; return how many offers that made."""
        name, leg = f"m0-{self._turn}", m.Leg("a", f"other-{self._turn}")
        self._turn = (self._turn + 1) % self._members
        self.now += 0.01
        made = self._give(m.OtherCall(leg, name, False))
        for offered in made:
            self._give(m.Ringing(offered.offer))
            # One who starts another call while we ring him is withdrawn (M3): the caller stays in line.
            self._give(m.OtherCall(leg, name, True))
            self._give(m.OfferEnded(offered.offer, "withdrawn"))
        return len(made)


def cost(load: Load) -> float:
    """Return the CPU seconds per offer in one round of cycles."""
    began = time.process_time()
    made = sum(load.cycle() for _ in range(CYCLES))
    spent = time.process_time() - began
    if made < CYCLES:
        raise AssertionError(f"{made} offers in {CYCLES} cycles: the load does not measure what it says")
    return spent / made


def costs(loads: dict[int, Load]) -> dict[int, float]:
    """Return the cost at each size: the best of rounds taken in turn, so that a busy moment falls on all of them."""
    best = dict.fromkeys(loads, float("inf"))
    gc.collect()
    for _ in range(ROUNDS):
        for size, load in loads.items():
            best[size] = min(best[size], cost(load))
    return best


def run() -> dict[str, Any]:
    """Return for each distribution and each thing that grows the microseconds per offer and their ratio."""
    found: dict[str, Any] = {}
    for distribution in DISTRIBUTIONS:
        for grows, sizes in SIZES.items():
            usual = {"waiting": 100, "members": 10, "groups": 1}
            measured = costs({size: Load(distribution, **{**usual, grows: size}) for size in sizes})
            found[f"{distribution}, {grows}"] = {
                "us": {str(size): round(each * 1e6, 1) for size, each in measured.items()},
                "ratio": round(measured[sizes[-1]] / measured[sizes[0]], 2),
            }
    worst = max(entry["ratio"] for entry in found.values())
    return {
        "reference": "the smallest size of the same run",
        "ratio_is": "cost of an offer at the largest size to that at the smallest",
        "figures": found,
        "ratio": worst,
        "limit": LIMIT,
        "passed": worst < LIMIT,
    }
