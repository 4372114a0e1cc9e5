"""What our part of a call takes: from the socket's connect to the offer's command, from the answer to the bridge's command.

The real daemon, as a process, on the embedded switch, over real sockets; the switch's clock takes the times. The same callers
come, in turn, to an application on greenswitch's stock ``OutboundESLServer``, which is the reference, and to a bare script
that does nothing but connect, originate and bridge, which is the floor.
"""

from __future__ import annotations

from contextlib import ExitStack
from random import Random
from typing import Any

from scripts.bench_figures import milliseconds, percentile, ratio
from scripts.bench_stage import Times, members_for, stage

CALLS = {1: 20, 20: 300, 100: 1500}
"""How many calls at each rate (calls a second)."""

ROUNDS = 2
LIMIT = 1.0
"""Times what the stock server takes from connect to offer, at each rate and percentile."""

CONTENDERS = {"fsqueue": "", "stock": "scripts.bench_stock", "bare": "scripts.bench_bare"}


def measure(rates: dict[int, int], rounds: int) -> dict[int, dict[str, Times]]:
    """Return what calls took by rate and by who answered; they take turns, and get the same callers."""
    found = {rate: {name: Times() for name in CONTENDERS} for rate in rates}
    with ExitStack() as ending:
        answering = {
            name: ending.enter_context(stage(members_for(max(rates)), answered_by=module))
            for name, module in CONTENDERS.items()
        }
        for rate, calls in rates.items():
            for nth in range(rounds):
                for name, each in answering.items():
                    each.load(rate, calls // rounds, Random(nth))
                    found[rate][name].add(each.world, calls // rounds)
    return found


def figure(what: str, times: dict[str, Times]) -> dict[str, Any]:
    """Return the percentiles of `offer` or `bridge` and the worst ratio to the stock server's."""
    taken = {name: getattr(each, what) for name, each in times.items()}
    ratios = {
        f"p{percent}": ratio(percentile(taken["fsqueue"], percent), percentile(taken["stock"], percent))
        for percent in (50, 95, 99)
    }
    floor = [ratio(percentile(taken["fsqueue"], p), percentile(taken["bare"], p)) for p in (50, 95, 99)]
    return {
        **{f"{name}_ms": milliseconds(each) for name, each in taken.items()},
        "to_bare": dict(zip(("p50", "p95", "p99"), floor, strict=True)),
        "unserved": {name: each.lost for name, each in times.items()},
        "ratios": ratios,
        "ratio": max(ratios.values()),
    }


def run(rates: dict[int, int] | None = None, rounds: int = ROUNDS) -> dict[str, Any]:
    """Return for each rate what both ways took."""
    found = measure(rates or CALLS, rounds)
    figures: dict[str, Any] = {}
    for rate, times in found.items():
        figures[f"connect to offer, {rate}/s"] = figure("offer", times)
        figures[f"answer to bridge, {rate}/s"] = figure("bridge", times)
    worst = max(figures[name]["ratio"] for name in figures if name.startswith("connect"))
    return {
        "reference": "greenswitch's stock OutboundESLServer, same callers, same run",
        "ratio_is": "time taken to the stock server's, the worst of p50, p95 and p99; limited from connect to offer, since "
        "before a bridge fsqueue waits for the end of the member's originate, and the others don't",
        "figures": figures,
        "ratio": worst,
        "limit": LIMIT,
        "passed": worst <= LIMIT and not any(each["unserved"]["fsqueue"] for each in figures.values()),
    }
