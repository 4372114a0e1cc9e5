"""Runs the measurements of ``bench_*.py`` and prints each figure beside its reference of the same run.

Machines differ and are noisy, so what counts is the ratio; the times are there to be read with it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

PARTS = {
    "decode": "an event, against greenswitch's own parser",
    "engine": "an offer, as line, members and groups grow",
    "call": "our part of a call, on the embedded switch, against greenswitch's stock server and a bare script",
    "scale": "what one process carries, on the embedded switch",
    "history": "questions to the history, as it grows a hundredfold",
    "arrival": "the two ways in on a real FreeSWITCH: parked, against the dialplan's socket",
    "watchers": "an offer's delay while a hundred people watch, and one of them never reads",
    "switch": "a call on a real FreeSWITCH, against mod_callcenter and a bare script",
}
ON_FREESWITCH = ("switch", "arrival")
"""Parts that need a real one, and are left out without it."""


def machine() -> dict[str, Any]:
    """Return what the figures were measured on, and how busy it was beside them."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def _processor() -> str:
    """Return the processor's name, as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def measure(part: str, freeswitch: str | None) -> dict[str, Any]:
    """Run one part; its figures stand under ``figures`` or ``questions``, each with its ``ratio``."""
    module = importlib.import_module(f"scripts.bench_{part}")
    result: dict[str, Any] = module.run(freeswitch) if part in ON_FREESWITCH else module.run()
    result["ratio"] = result.get("ratio", result.get("worst"))
    return result


def table(part: str, result: dict[str, Any]) -> str:
    """Return the figures of one part in columns."""
    figures: dict[str, dict[str, Any]] = result.get("figures") or result["questions"]
    lines = [f"{part}: {PARTS[part]}"]
    for name, figure in figures.items():
        values = "  ".join(f"{key} {_shown(value)}" for key, value in figure.items() if key != "ratio")
        lines.append(f"  {name:<42} {figure['ratio']:>7}  {values}")
    verdict = "met" if result["passed"] else "NOT MET"
    return "\n".join([*lines, f"  {'ratio':<42} {result['ratio']:>7}  limit {result['limit']}: {verdict}", ""])


def _shown(value: Any) -> str:
    return " / ".join(f"{size}: {each}" for size, each in value.items()) if isinstance(value, dict) else str(value)


def main() -> int:
    """Run what was asked for; 0 when every ratio is met, else 1."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, metavar="NAME", help=f"one part: {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="print the JSON alone")
    parser.add_argument(
        "--freeswitch",
        metavar="PATH",
        help=f"prefix or program of an installed FreeSWITCH (the part switch wants mod_callcenter in it), for the parts that are left out without it: "
        f"{', '.join(ON_FREESWITCH)}. None of its configuration is used",
    )
    asked = parser.parse_args()
    if asked.only in ON_FREESWITCH and not asked.freeswitch:
        parser.error(f"the part {asked.only} needs --freeswitch PATH")
    parts = [asked.only] if asked.only else [part for part in PARTS if part not in ON_FREESWITCH or asked.freeswitch]
    results: dict[str, Any] = {}
    for part in parts:
        results[part] = measure(part, asked.freeswitch)
        if not asked.json:
            print(table(part, results[part]), flush=True)
    passed = all(result["passed"] for result in results.values())
    if asked.json:
        print(json.dumps({"machine": machine(), "passed": passed, "parts": results}, indent=2))
    else:
        print(", ".join(f"{key} {value}" for key, value in machine().items()))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
