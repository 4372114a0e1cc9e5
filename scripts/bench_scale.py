"""How much one process carries: calls a second, callers who wait, members rung at once.

The real daemon, as a process, on the embedded switch, over real sockets. The references are of the same run: a bare script on the
same switch, the same daemon while nobody waits, the same daemon ringing one member.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from random import Random
from typing import Any

import gevent

from fsqueue.simswitch.people import CallerScript
from scripts.bench_figures import cpu_seconds, milliseconds, ratio, resident_bytes
from scripts.bench_stage import Stage, Times, members_for, stage
from tests.contract.freeswitch import DOMAIN

P99 = 0.050
"""Seconds from the socket's connect to the offer's command that 99 of 100 calls may take."""

RATES = (25, 50, 75, 100, 125, 150, 200, 250, 300)
"""Calls a second that are tried one after the other."""

TRY_SECONDS = 5.0
HELD_SECONDS = 60.0
WAITING = 2000
IDLE_SECONDS = 35.0
AT_ONCE = 200
REPEATS = 5

QUIET_SECONDS = 5.0
"""Seconds after which a daemon has done what a start, or callers who have come, give it to do."""

FLAT = 1.5
"""Times what a caller costs in a line a quarter as long."""

IDLE_PERCENT = 3.0
"""Of a core, for all who wait: each of them is heard of once in 30 seconds, when his hold begins its next lap."""


def held(rates: tuple[int, ...], try_seconds: float, seconds: float) -> dict[str, dict[str, Any]]:
    """Return the highest of *rates* that stands for so many *seconds*, for fsqueue and for the bare script."""
    found = {}
    for name, module in (("fsqueue", ""), ("bare", "scripts.bench_bare")):
        with stage(members_for(max(rates)), answered_by=module) as one:
            found[name] = _highest(one, rates, try_seconds, seconds)
    return found


def _highest(one: Stage, rates: tuple[int, ...], try_seconds: float, seconds: float) -> dict[str, Any]:
    """Go up until it doesn't stand, then down until it stands for the whole time."""
    good = list(itertools.takewhile(lambda rate: _stands(_load(one, rate, try_seconds)), rates))
    for rate in reversed(good or rates[:1]):
        taken = _load(one, rate, seconds)
        if _stands(taken):
            break
    return taken


def _stands(taken: dict[str, Any]) -> bool:
    return bool(taken["p99"] < P99 * 1e3 and not taken["unserved"])


def _load(one: Stage, rate: int, seconds: float) -> dict[str, Any]:
    cpu, own, began = cpu_seconds(one.pid), time.process_time(), time.monotonic()
    count = math.ceil(rate * seconds)
    one.load(rate, count, Random(rate))
    times, took = Times(), time.monotonic() - began
    times.add(one.world, count)
    return {
        "calls_per_second": rate,
        "seconds": seconds,
        **milliseconds(times.offer),
        "bridge_p99": milliseconds(times.bridge)["p99"],
        "unserved": times.lost,
        "cpu_ms_per_call": round((cpu_seconds(one.pid) - cpu) / count * 1e3, 2),
        "switch_busy_percent": round((time.process_time() - own) / took * 100),
    }


def waiting(callers: int, seconds: float) -> dict[str, dict[str, Any]]:
    """Return what callers who wait cost the daemon: memory of each, and CPU while nothing happens."""
    config = f"""
[daemon]
max_calls = 10000
[members.nobody]
dial = "user/1999@{DOMAIN}"
[groups.empty]
extension = "7000"
members = ["nobody"]
"""
    with stage(1, config) as one:
        gevent.sleep(QUIET_SECONDS)
        alone = _cpu_percent(one, seconds)
        sizes = {0: resident_bytes(one.pid)}
        for size in (callers // 4, callers):
            _come(one, max(sizes), size)
            sizes[size] = resident_bytes(one.pid)
        full = _cpu_percent(one, seconds)
    first = sizes[callers // 4] - sizes[0]
    rest = sizes[callers] - sizes[callers // 4]
    few, many = first / (callers // 4), rest / (callers - callers // 4)
    return {
        "memory of one who waits": {
            "kB": round(many / 1e3, 1),
            "kB_in_a_short_line": round(few / 1e3, 1),
            "MB_daemon": round(sizes[callers] / 1e6),
            "callers": callers,
            "ratio": ratio(many, few),
        },
        "CPU while nothing happens": {
            "percent_of_a_core": full,
            "percent_with_nobody": alone,
            "callers": callers,
            "ratio": ratio(full, max(alone, 0.1)),
        },
    }


def _come(one: Stage, first: int, last: int) -> None:
    """Let callers come, some 60 a second, and wait until all are on hold and quiet."""
    for n in range(first, last):
        one.lab.board.caller(CallerScript(number=f"600{n:06}", name=f"Caller {n}", to="7000"))
        gevent.sleep(0.015)
    gevent.sleep(QUIET_SECONDS)


def _cpu_percent(one: Stage, seconds: float) -> float:
    began = cpu_seconds(one.pid)
    gevent.sleep(seconds)
    return round((cpu_seconds(one.pid) - began) / seconds * 100, 2)


def at_once(members: int, repeats: int) -> dict[str, Any]:
    """Return how long it takes until all of so many members ring for one caller, against one member ringing alone."""
    everybody, alone = _all_ring(members, repeats), _all_ring(1, repeats)
    each = everybody / members
    return {
        "ms_until_the_last": round(everybody * 1e3, 1),
        "ms_each": round(each * 1e3, 2),
        "ms_of_one_alone": round(alone * 1e3, 2),
        "members": members,
        "ratio": ratio(each, alone),
    }


def _all_ring(members: int, repeats: int) -> float:
    """Return the median of the seconds from a caller's socket to the last command that rings for him."""
    users = [str(1001 + n) for n in range(members)]
    config = "".join(f'[members.m{user}]\ndial = "user/{user}@{DOMAIN}"\n' for user in users)
    config += (
        f'[groups.all]\nextension = "7000"\ndistribution = "to-all"\nmembers = {[f"m{user}" for user in users]!r}\n'
    )
    with stage(members, f"[telephony]\nrest_seconds = 0\n{config}", picks_up=None) as one:
        return statistics.median(_ring_all(one, members, n) for n in range(repeats))


def _ring_all(one: Stage, members: int, nth: int) -> float:
    number = f"601{nth:06}"
    one.world.begin_round()
    one.lab.call("7000", number=number)
    one.lab.until(lambda: len(one.world.rung.get(number, ())) == members, 20, f"all {members} members ring")
    one.lab.board.hang_up(number)
    one.lab.until(lambda: not one.lab.board.legs(), 20, "nobody rings any more")
    gevent.sleep(0.5)
    return max(one.world.rung[number]) - one.world.connected[number]


def run(
    rates: tuple[int, ...] = RATES,
    try_seconds: float = TRY_SECONDS,
    seconds: float = HELD_SECONDS,
    callers: int = WAITING,
    idle: float = IDLE_SECONDS,
    members: int = AT_ONCE,
) -> dict[str, Any]:
    """Return the figures of all three."""
    highest = held(rates, try_seconds, seconds)
    mine, bare = highest["fsqueue"], highest["bare"]
    figures: dict[str, dict[str, Any]] = {
        "calls a second, held": {**mine, "ratio": ratio(mine["calls_per_second"], bare["calls_per_second"])},
        "calls a second, held: bare": {**bare, "ratio": 1.0},
        "CPU of one call": {
            "ms": mine["cpu_ms_per_call"],
            "bare_ms": bare["cpu_ms_per_call"],
            "ratio": ratio(mine["cpu_ms_per_call"], bare["cpu_ms_per_call"]),
        },
        **waiting(callers, idle),
        f"{members} members rung at once": at_once(members, REPEATS),
    }
    memory, quiet = figures["memory of one who waits"], figures["CPU while nothing happens"]
    together = figures[f"{members} members rung at once"]
    return {
        "reference": "a bare script on the same switch; a line a quarter as long; the daemon with nobody; one member alone",
        "ratio_is": "cost to the reference's; that of calls a second is how many to how many. Limited: memory and members",
        "p99_limit_ms": P99 * 1e3,
        "idle_limit_percent": IDLE_PERCENT,
        "figures": figures,
        "ratio": max(memory["ratio"], together["ratio"]),
        "limit": FLAT,
        "passed": _stands(mine)
        and max(memory["ratio"], together["ratio"]) <= FLAT
        and quiet["percent_of_a_core"] <= IDLE_PERCENT,
    }
