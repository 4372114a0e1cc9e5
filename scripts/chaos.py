"""The command line of the chaos runs: which mode, how long, by which seed; the report, and the exit code."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import msgspec

from tests.chaos import virtual_run
from tests.engine import broken

BREAKS = ("double-offer", "lose-place", "drop-caller")


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line; on bad usage, exit with 2."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--virtual", action="store_true", help="one process, virtual time, exactly repeatable")
    mode.add_argument("--sockets", action="store_true", help="the daemon as a process, the embedded switch over TCP")
    mode.add_argument(
        "--freeswitch", metavar="PATH", help="the daemon as a process, a FreeSWITCH that is started for it"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=1000, help="with --virtual: how many")
    parser.add_argument(
        "--hours", type=float, default=0.0, help="with --virtual: the callers' time they are spread over"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="with --sockets: how long")
    parser.add_argument("--kills", type=int, default=20, help="with --freeswitch: how many")
    parser.add_argument("--twice", action="store_true", help="with --virtual: do it again and compare the journals")
    parser.add_argument(
        "--break", dest="broken", choices=BREAKS, help="break the rules on purpose; a violation must be found"
    )
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Do one run; return 0 when nothing was violated, 1 otherwise."""
    chosen = arguments(words)
    if chosen.sockets:
        from tests.chaos import socket_run  # noqa: PLC0415 - gevent and processes, for this way alone

        return _told(socket_run.run(chosen.seed, chosen.minutes, chosen.broken or ""))
    if chosen.freeswitch:
        from tests.chaos import freeswitch_run  # noqa: PLC0415

        return _told(freeswitch_run.run(chosen.freeswitch, chosen.seed, chosen.kills, chosen.broken or ""))
    how = cast(AbstractContextManager[None], broken.WAYS[chosen.broken]() if chosen.broken else nullcontext())
    with how:
        report = virtual_run.run(chosen.seed, chosen.faults, chosen.hours)
        code = _told(report)
        if chosen.twice:
            again = virtual_run.run(chosen.seed, chosen.faults, chosen.hours)
            same = again.digest == report.digest
            sys.stderr.write(f"the second run's journal is {'the same' if same else 'ANOTHER: ' + again.digest}\n")
            code = code or int(not same)
    return code


def _told(report: msgspec.Struct) -> int:
    print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    return int(bool(getattr(report, "violations", ())))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
