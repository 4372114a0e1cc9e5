"""Does to a running fsqueue what must not harm it, and judges it by what callers and phones saw.

Prints a report as JSON; what led to a violation goes to stderr. Exits with 0 when `violations` is empty, 1 when it is not,
2 on bad usage, 77 where there is no FreeSWITCH.
"""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import cast

import msgspec

from tests.chaos import virtual_run
from tests.contract.lab import WAYS
from tests.engine import broken

BREAKS = ("double-offer", "lose-place", "drop-caller")


EPILOG = """\
a look (half a minute):   scripts/chaos --virtual --faults 1000 --seed 7
two days of calls:        scripts/chaos --virtual --faults 20000 --hours 48
hours on real sockets:    scripts/chaos --sockets --minutes 240
a night on a FreeSWITCH:  scripts/chaos --freeswitch /usr --kills 1000
"""

NO_FREESWITCH = 77
"""Exit code, as scripts/contract has it: nothing was tried."""


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line; on bad usage, exit with 2."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--virtual", action="store_true", help="one process, virtual time, exactly repeatable")
    mode.add_argument("--sockets", action="store_true", help="the daemon as a process, the embedded switch over TCP")
    mode.add_argument(
        "--freeswitch", metavar="PATH", help="the daemon as a process, a FreeSWITCH that is started for it"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same one does the same things; default 1")
    parser.add_argument("--faults", type=int, default=1000, help="with --virtual: how many; default 1000")
    parser.add_argument(
        "--hours", type=float, default=0.0, help="with --virtual: the callers' time they are spread over"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="with --sockets: how long; default 1")
    parser.add_argument(
        "--kills",
        type=int,
        default=20,
        help="with --freeswitch: how often the daemon is killed (other troubles come with it); default 20",
    )
    parser.add_argument("--way", choices=WAYS, default=WAYS[0], help="with --virtual: how calls are handed over")
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
        return _on_freeswitch(chosen)
    how = cast(AbstractContextManager[None], broken.WAYS[chosen.broken]() if chosen.broken else nullcontext())
    with how:
        report = virtual_run.run(chosen.seed, chosen.faults, chosen.hours, way=chosen.way)
        code = _told(report)
        if chosen.twice:
            again = virtual_run.run(chosen.seed, chosen.faults, chosen.hours, way=chosen.way)
            same = again.digest == report.digest
            sys.stderr.write(f"the second run's journal is {'the same' if same else 'ANOTHER: ' + again.digest}\n")
            code = code or int(not same)
    return code


def _on_freeswitch(chosen: argparse.Namespace) -> int:
    from tests.chaos import freeswitch_run  # noqa: PLC0415 - as above
    from tests.contract.freeswitch import NotInstalledError  # noqa: PLC0415

    try:
        return _told(freeswitch_run.run(chosen.freeswitch, chosen.seed, chosen.kills, chosen.broken or ""))
    except NotInstalledError as error:
        sys.stderr.write(f"{error}\n")
        return NO_FREESWITCH


def _told(report: msgspec.Struct) -> int:
    print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    return int(bool(getattr(report, "violations", ())))


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)  # a daemon on virtual time lives in this process, and is held up often
    sys.exit(main(sys.argv[1:]))
