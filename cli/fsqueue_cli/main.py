"""The ``fsqueue`` command: its commands, and how it ends.

Exit codes are the product's contract: scripts and units rely on them.
"""

from __future__ import annotations

import sys

import click

from fsqueue_cli.demo import demo
from fsqueue_cli.doctor import doctor
from fsqueue_cli.exits import Exit
from fsqueue_cli.frame import CommandLine
from fsqueue_cli.history import history
from fsqueue_cli.import_command import import_file
from fsqueue_cli.live import LIVE
from fsqueue_cli.missed import missed
from fsqueue_cli.report import report
from fsqueue_cli.run import run
from fsqueue_cli.verbs import NOUNS

__all__ = ["Exit", "cli", "main"]


@click.group(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fsqueue")
def cli() -> None:
    """Call queues for FreeSWITCH: groups of people answer a company's calls, by rules kept in one file."""


cli.add_command(run)
cli.add_command(demo)
cli.add_command(doctor)
for _command in (*LIVE, missed, report, history, import_file):
    cli.add_command(_command)
for _noun in NOUNS:
    cli.add_command(_noun)


def main() -> None:
    """Run the command line; the entry point of the console script."""
    cli(prog_name="fsqueue")
    sys.exit(Exit.DONE)
