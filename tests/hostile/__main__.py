"""`python -m tests.hostile`: callers with names, numbers and headers from a nasty alphabet; what the phones were sent is compared.

Exit codes: 0 every promise was kept, 1 one was broken, 2 usage, 77 a FreeSWITCH was asked for and there is none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import msgspec

from tests.contract.freeswitch import NotInstalledError, find
from tests.contract.lab import Board, RealBoard
from tests.hostile.run import embedded, play

SKIPPED = 77


def main(arguments: list[str]) -> int:
    """Run what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/hostile", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--freeswitch", metavar="PATH", nargs="?", const="", help="a real one, as scripts/contract has it"
    )
    parser.add_argument("--callers", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    board: Callable[[], Board] = embedded
    if options.freeswitch is not None:
        try:
            program = find(options.freeswitch or None)
        except NotInstalledError as why:
            sys.stderr.write(f"skipped: {why}\n")
            return SKIPPED
        board = lambda: RealBoard(program)  # noqa: E731
    report = play(board, options.seed, options.callers)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
