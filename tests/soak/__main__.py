"""`python -m tests.soak`: thousands of calls through `fsqueue run`, and whether it holds more after them than before.

It plays 1,000 calls and looks at the daemon's process, plays on to 10,000 and looks again; then comes more than it may take: a
thousand callers in one second, and a thousand members who all decline. After each the service must be as it was.
Exit codes: 0 all of it holds, 1 something grew or was not served, 2 usage.
"""

from __future__ import annotations

import argparse
import sys
import time

import gevent
import msgspec

from tests.soak.site import LIMIT, REFUSERS, Figures, Site

GROWTH_MB = 10.0
"""Megabytes that the process may have more after all calls than after the first tenth."""


class Report(msgspec.Struct, kw_only=True):
    """What a run came to. `broken`: each promise that was not kept, in words."""

    seed: int
    seconds: float = 0.0
    first: Figures | None = None
    last: Figures | None = None
    grew: dict[str, int] = {}
    """Objects by type, where there are 500 more or twice as many."""
    ended: dict[str, int] = {}
    burst: dict[str, float] = {}
    refusals: dict[str, float] = {}
    broken: list[str] = []


def main(arguments: list[str]) -> int:
    """Run what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=10_000, help="in all, 10 or more (default 10,000)")
    parser.add_argument("--at-once", type=int, default=40, help="callers at a time (default 40)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("calls", "burst", "refusals"), help="this part alone")
    options = parser.parse_args(arguments)
    report = Report(seed=options.seed)
    began = time.monotonic()
    site = Site(options.seed)
    try:
        site.start()
        if options.only in (None, "calls"):
            _calls(site, report, options.calls, options.at_once)
        if options.only in (None, "burst"):
            _burst(site, report)
        if options.only in (None, "refusals"):
            _refusals(site, report)
    except AssertionError as fault:
        report.broken.append(str(fault))
    finally:
        site.close()
    report.seconds = round(time.monotonic() - began, 1)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    return 1 if report.broken else 0


def _calls(site: Site, report: Report, calls: int, at_once: int) -> None:
    """Compare the process after a tenth of the calls with itself after all of them."""
    site.play(calls // 10, at_once)
    site.quiet()
    first = site.measure()
    _tell(f"after {first.calls} calls: {first.rss_mb} MB, {first.handles} handles, {first.greenlets} greenlets")
    site.play(calls - calls // 10, at_once)
    site.quiet()
    last = site.measure()
    _tell(f"after {last.calls} calls: {last.rss_mb} MB, {last.handles} handles, {last.greenlets} greenlets")
    report.grew = {
        name: count - first.types.get(name, 0)
        for name, count in last.types.items()
        if count - first.types.get(name, 0) >= min(500, first.types.get(name, 0) or 500)
    }
    report.first, report.last = _bare(first), _bare(last)
    report.ended = dict(site.over)
    if last.rss_mb > first.rss_mb + GROWTH_MB:
        report.broken.append(f"memory grew from {first.rss_mb} to {last.rss_mb} MB")
    if last.handles != first.handles:
        report.broken.append(f"file handles: {first.handles}, then {last.handles}")
    if last.greenlets != first.greenlets:
        report.broken.append(f"greenlets: {first.greenlets}, then {last.greenlets}")


def _burst(site: Site, report: Report) -> None:
    """A thousand in one second, of whom the limit lets some in: those are served, the others are in the fallback."""
    site.quiet()
    before, over, connected = site.measure(), site.over.total(), site.connected
    fell = site.over["NORMAL_TEMPORARY_FAILURE by the switch"]
    began = time.monotonic()
    for batch in range(20):
        site.shell.world.advance(site.shell.now())
        for at in range(50):
            site.call(("700", "701")[at % 2], 60.0, 0.3)
        site.shell.settle()
        gevent.sleep(max(0.0, began + (batch + 1) / 20 - time.monotonic()))
    came = time.monotonic() - began
    site.until(lambda: site.over.total() == over + 1000, 180, "each of a thousand has had his end")
    refused = site.over["NORMAL_TEMPORARY_FAILURE by the switch"] - fell
    taken = site.connected - connected
    most = site.most_at_once()
    served = _serves(site)
    site.quiet()
    after = site.measure()
    report.burst = {
        "seconds_in_which_they_came": round(came, 2),
        "connected": taken,
        "fallback": refused,
        "most_at_once": most,
        "limit": LIMIT,
        "call_right_after_connected_in_seconds": served,
        "rss_mb_before": before.rss_mb,
        "rss_mb_after": after.rss_mb,
    }
    _tell(f"a thousand in {came:.1f} s: {taken} connected, {refused} in the fallback; then {after.rss_mb} MB")
    if most > LIMIT:
        report.broken.append(f"{most} calls at a time, with a limit of {LIMIT}")
    if came < 5 and not refused:
        report.broken.append("a thousand at once, and nobody in the fallback")
    _as_before("a thousand callers", before, after, report)


def _refusals(site: Site, report: Report) -> None:
    """A thousand phones ring for one caller and all decline; everybody else is served meanwhile."""
    site.quiet()
    before, over = site.measure(), site.over.total()
    began = time.monotonic()
    site.call("709", None, 0.1)
    gevent.sleep(0.5)
    meanwhile = _serves(site)
    site.until(lambda: site.over.total() == over + 2, 120, "the caller for whom all decline has had his end")
    lasted = time.monotonic() - began
    site.quiet()
    after = site.measure()
    report.refusals = {
        "phones": REFUSERS,
        "seconds_until_all_had_declined": round(lasted, 2),
        "call_meanwhile_connected_in_seconds": meanwhile,
        "rss_mb_before": before.rss_mb,
        "rss_mb_after": after.rss_mb,
    }
    _tell(
        f"{REFUSERS} members declined in {lasted:.1f} s; a call meanwhile was connected in {meanwhile} s; {after.rss_mb} MB"
    )
    _as_before("a thousand who decline", before, after, report)


def _serves(site: Site) -> float:
    """Call once, and return after how many seconds a member was heard."""
    before, began = site.connected, time.monotonic()
    site.shell.world.advance(site.shell.now())
    site.call("700", 30.0, 0.1)
    site.shell.settle()
    site.until(lambda: site.connected > before, 30, "a call is answered")
    return round(time.monotonic() - began, 2)


def _as_before(what: str, before: Figures, after: Figures, report: Report) -> None:
    if (after.handles, after.greenlets) != (before.handles, before.greenlets):
        numbers = f"{before.handles} and {before.greenlets}, then {after.handles} and {after.greenlets}"
        report.broken.append(f"{what}: handles and greenlets were {numbers}")


def _bare(figures: Figures) -> Figures:
    return msgspec.structs.replace(figures, types={})


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
