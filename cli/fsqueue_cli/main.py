"""The ``fsqueue`` command: its commands, and how it ends.

Exit codes are the product's contract: scripts and units rely on them.
"""

from __future__ import annotations

import sys
from enum import IntEnum

import click

from fsqueue_cli.demo import demo
from fsqueue_cli.run import run


class Exit(IntEnum):
    """What the command's exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NO_SUCH_THING = 3
    DAEMON_UNREACHABLE = 4
    CONFIGURATION_INVALID = 5
    REFUSED = 6


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fsqueue")
def cli() -> None:
    """Call queues for FreeSWITCH: groups of people answer a company's calls, by rules kept in one file."""


cli.add_command(run)
cli.add_command(demo)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    cli(prog_name="fsqueue")
    sys.exit(Exit.DONE)
