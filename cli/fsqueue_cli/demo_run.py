"""Runs the demo and shows it; apart from the command, so that ``fsqueue --help`` need not load gevent."""

from __future__ import annotations

import logging
import sys
import time

import gevent
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from fsqueue.demo import Demo, Settings, Summary
from fsqueue_cli.picture import render

FRAMES = 4.0
"""Pictures a second."""


def main(*, calls: int, phones: int, speed: float, seed: int, as_json: bool) -> int:
    """Run a demo to its end; return the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    demo = Demo(Settings(calls=calls, phones=phones, speed=speed, seed=seed))
    demo.start()
    limit = time.monotonic() + demo.limit()
    console = Console()
    if as_json or not console.is_terminal:
        while not demo.over and time.monotonic() < limit:
            gevent.sleep(0.2)
    else:
        _watch(demo, console, limit)
    summary = demo.stop()
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(summary).decode(), indent=2) + "\n")
    else:
        _show(summary, console)
    return 1 if summary.violations else 0


def _watch(demo: Demo, console: Console, limit: float) -> None:
    from_outside = f"from another terminal: export FSQUEUE_SOCKET={demo.socket}; fsqueue top"
    with Live(console=console, refresh_per_second=FRAMES, auto_refresh=False, transient=True) as live:
        while not demo.over and time.monotonic() < limit:
            headline = f"fsqueue demo · {len(demo.ended)} of {len(demo.callers)} calls ended · {demo.settings.speed:g}× real time"
            rows = max(4, console.height - 16 - len(demo.picture().members) - len(demo.picture().groups))
            live.update(render(demo.picture(), f"{headline}\n{from_outside}", rows), refresh=True)
            gevent.sleep(1.0 / FRAMES)


def _show(summary: Summary, console: Console) -> None:
    table = Table(title=f"{summary.calls} calls in {summary.seconds / 60:.0f} minutes", title_justify="left")
    table.add_column("group")
    for column in ("calls", "answered", "missed"):
        table.add_column(column, justify="right")
    for group, count in summary.by_group.items():
        table.add_row(group, str(count.calls), str(count.answered), str(count.missed))
    table.add_section()
    table.add_row("all", str(summary.calls), str(summary.answered), str(summary.missed))
    console.print(table)
    console.print("How they ended: " + ", ".join(f"{reason} {count}" for reason, count in summary.by_reason.items()))
    for violation in summary.violations:
        console.print("VIOLATION: " + str(violation), markup=False, style="bold red")
    if not summary.violations:
        console.print("No caller was lost, no phone had two calls, none rang for nobody.")
