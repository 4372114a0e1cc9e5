"""``fsqueue status``: one look at what is, or a verdict on it for monitoring."""

from __future__ import annotations

import sys

import click

from fsqueue.control.protocol import Status
from fsqueue_cli import completion, talk
from fsqueue_cli.live_link import ASKS, Link, give_raw, to_daemon
from fsqueue_cli.nouns import Verb

ROWS = 40
"""Calls that are shown; ``fsqueue call list`` shows all."""


@click.command(cls=Verb, gives=Status, exits=ASKS)
@click.argument("group", required=False, shell_complete=completion.names("groups"))
@click.option("--check", is_flag=True, help="One line and exit code 0 to 3, for monitoring systems.")
@click.option(
    "--wait-warning", type=click.FloatRange(0), default=120.0, show_default=True, metavar="S",
    help="With --check: warn when a caller has waited for so many seconds.",
)  # fmt: skip
@click.option(
    "--wait-critical", type=click.FloatRange(0), default=300.0, show_default=True, metavar="S",
    help="With --check: critical when a caller has waited for so many seconds.",
)  # fmt: skip
@click.option(
    "--nobody", type=click.FloatRange(0), default=60.0, show_default=True, metavar="S",
    help="With --check: critical when callers have waited so long in a group with nobody online.",
)  # fmt: skip
@to_daemon
def status(
    link: Link, group: str | None, check: bool, wait_warning: float, wait_critical: float, nobody: float
) -> None:
    """Show who waits and for how long, what members do, and how today went; of all groups, or of one.

    With --check: 0 all is well; 1 a caller waits long; 2 longer still, callers wait and nobody is online, a switch is out
    of reach, the disk takes no records, or no daemon answers; 3 it can't be told.

    Example: fsqueue status sales
    """
    if check:
        from fsqueue_cli.live_check import Thresholds

        thresholds = Thresholds(wait_warning=wait_warning, wait_critical=wait_critical, nobody=nobody)
        sys.exit(_check(link, group, thresholds))
    raw = link.client.get_raw("status", query={"group": group})
    if link.as_json:
        give_raw(raw)
        return
    _show(link.client.decode(raw, Status))


def _check(link: Link, group: str | None, thresholds: object) -> int:
    """Print the verdict; return the plugin's exit code. Nothing but the line may be said, whatever happens."""
    from fsqueue.control.client import ControlRefusedError, DeniedError, UnreachableError
    from fsqueue_cli.live_check import Thresholds, Verdict, line
    from fsqueue_cli.live_check import check as judge
    from fsqueue_cli.picture import shown

    assert isinstance(thresholds, Thresholds)  # noqa: S101 - the command made it
    try:
        verdict, text = judge(link.client.get(Status, "status", query={"group": group}), thresholds)
    except DeniedError as error:
        verdict, text = Verdict.UNKNOWN, line(Verdict.UNKNOWN, str(error))
    except UnreachableError as error:
        verdict, text = Verdict.CRITICAL, line(Verdict.CRITICAL, str(error))
    except ControlRefusedError as error:
        verdict, text = Verdict.UNKNOWN, line(Verdict.UNKNOWN, f"{error.problem.error}; {error.problem.remedy}")
    talk.give(shown(text) + "\n")
    return verdict


def _show(found: Status) -> None:
    from rich.console import Console

    from fsqueue_cli import live_tables, picture

    coloured = talk.coloured(sys.stdout)
    console = Console(file=sys.stdout, force_terminal=coloured, no_color=not coloured, highlight=False, emoji=False)
    seen = live_tables.as_picture(found)
    console.print(live_tables.headline(found))
    console.print()
    console.print(live_tables.groups(found))
    if found.calls:
        console.print()
        console.print(live_tables.plain(picture.calls(seen, ROWS), "calls"))
    if found.members:
        console.print()
        console.print(live_tables.plain(picture.members(seen), "members"))
