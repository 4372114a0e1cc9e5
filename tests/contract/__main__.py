"""`python -m tests.contract`: run the scenarios on the embedded switch or, with --freeswitch, on a real one.

Exit codes: 0 all passed, 1 one failed, 2 usage, 77 a FreeSWITCH was asked for and there is none.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import msgspec

import tests.contract.scenarios_freezing
import tests.contract.scenarios_people
import tests.contract.scenarios_restarts
import tests.contract.scenarios_steps
import tests.contract.scenarios_ways  # noqa: F401  (they register themselves)
from tests.contract.freeswitch import NotInstalledError, find
from tests.contract.lab import WAYS, Board, EmbeddedBoard, RealBoard, Way
from tests.contract.runner import Result, run, skipped
from tests.contract.scenarios import SCENARIOS, Scenario

SKIPPED = 77


def main(arguments: list[str]) -> int:
    """Run what is asked for; returns the exit code."""
    options = _parser().parse_args(arguments)
    chosen = [one for one in SCENARIOS if not options.only or one.name in options.only]
    if unknown := [name for name in options.only or [] if name not in [one.name for one in SCENARIOS]]:
        sys.stderr.write(f"no such scenario: {', '.join(unknown)}; there are: {', '.join(s.name for s in SCENARIOS)}\n")
        return 2
    if options.list:
        sys.stdout.write("".join(f"{one.name}: {one.rule}\n" for one in chosen))
        return 0
    if options.freeswitch is None:
        return _report([_told(_embedded(one, options.way)) for one in chosen], "the embedded switch", options.json)
    try:
        program = find(options.freeswitch or None)
    except NotInstalledError as why:
        _report([skipped(one, str(why)) for one in chosen], "no switch", options.json)
        sys.stderr.write(f"skipped: {why}\n")
        return SKIPPED
    board: Callable[[], Board] = lambda: RealBoard(program)  # noqa: E731
    return _report([_told(run(one, board, options.way)) for one in chosen], "FreeSWITCH", options.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/contract", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--freeswitch",
        metavar="PATH",
        nargs="?",
        const="",
        help="prefix or program of an installed FreeSWITCH; without PATH the one in $PATH. None of its configuration is used",
    )
    parser.add_argument(
        "--way", choices=WAYS, default=WAYS[0], help="how the dialplan hands calls over: by its socket, or parked"
    )
    parser.add_argument("--only", metavar="NAME", action="append", help="run this scenario only; may be given again")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    parser.add_argument("--list", action="store_true", help="print the scenarios and the rules they hold")
    return parser


def _embedded(scenario: Scenario, way: Way) -> Result:
    return skipped(scenario, scenario.real_only) if scenario.real_only else run(scenario, EmbeddedBoard, way)


def _told(result: Result) -> Result:
    measured = "".join(f"; {text}" for text in result.measured)
    sys.stderr.write(f"{result.outcome:7} {result.name} ({result.seconds} s){measured}\n")
    return result


def _report(results: list[Result], switch: str, as_json: bool) -> int:
    counts = {name: sum(1 for one in results if one.outcome == name) for name in ("passed", "failed", "skipped")}
    if as_json:
        text = msgspec.json.format(
            msgspec.json.encode({"switch": switch, **counts, "scenarios": results}), indent=2
        ).decode()
    else:
        lines = [f"{one.outcome} {one.name}: {one.rule}\n{one.why}" for one in results if one.why]
        text = "\n".join([*lines, f"{switch}: " + ", ".join(f"{count} {name}" for name, count in counts.items())])
    sys.stdout.write(text + "\n")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
