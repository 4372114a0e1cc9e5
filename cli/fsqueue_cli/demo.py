"""``fsqueue demo``: the daemon on the embedded switch, live."""

from __future__ import annotations

import sys

import click

from fsqueue_cli.nouns import Verb


@click.command(cls=Verb)
@click.option("--calls", type=click.IntRange(10, 100_000), default=60, show_default=True, help="Callers.")
@click.option("--phones", type=click.IntRange(8, 500), default=8, show_default=True, help="Members with a phone.")
@click.option("--speed", type=click.FloatRange(0.1, 50), default=20.0, show_default=True, help="Times real time.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed plays the same callers.")
@click.option("--json", "as_json", is_flag=True, help="No picture; print one JSON object at the end.")
def demo(calls: int, phones: int, speed: float, seed: int, as_json: bool) -> None:
    """Show a day's calls in a minute, without a FreeSWITCH: nothing outside a temporary folder is touched.

    The daemon is the real one, and top, tail, report and all others can look at it from another terminal; the switch, the callers and the phones are simulated. Exits with 1 when a caller or a
    phone saw something that must not happen: a lost caller, two calls on one phone, a phone ringing for nobody.

    Example: fsqueue demo --calls 200 --phones 20
    """
    from fsqueue_cli import demo_run

    sys.exit(demo_run.main(calls=calls, phones=phones, speed=speed, seed=seed, as_json=as_json))
