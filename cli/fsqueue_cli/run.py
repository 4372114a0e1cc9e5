"""``fsqueue run``: the daemon in the foreground, as systemd and people start it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fsqueue_cli.exits import Exit
from fsqueue_cli.nouns import Verb

if TYPE_CHECKING:
    from fsqueue.logs import LogFormat


@click.command(cls=Verb, exits=(Exit.CONFIGURATION_INVALID,))
@click.option("--config", metavar="FILE", help="Configuration [$FSQUEUE_CONFIG, /etc/fsqueue/fsqueue.toml].")
@click.option("--state", metavar="DIR", help="Where the journal is kept [daemon.state, $STATE_DIRECTORY, …].")
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="One line, or one JSON object a line, for each thing that happens.",
)
def run(config: str | None, state: str | None, log_format: LogFormat) -> None:
    """Take calls until SIGTERM or Ctrl-C; callers on hold stay on hold in FreeSWITCH when this ends.

    One line is logged for each thing that happens, on standard error. SIGHUP takes over a changed configuration;
    one that has errors changes nothing.

    Example: fsqueue run --config ./fsqueue.toml --state ./state
    """
    from fsqueue.daemon import main

    sys.exit(main(config, state, log_format))
