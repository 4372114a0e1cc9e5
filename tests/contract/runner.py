"""Runs scenarios, one after another, each in a lab of its own, and judges what is left when it is over."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Literal

import gevent
import msgspec

from fsqueue.simswitch.people import Sighting
from fsqueue.simswitch.witness import violations
from tests.contract.lab import TOLERANCE, Board, FailedError, Lab, Way
from tests.contract.scenarios import Scenario

Outcome = Literal["passed", "failed", "skipped"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a scenario went. `why`: the failure, with what everybody saw, or why it was skipped; empty when passed."""

    name: str
    rule: str
    outcome: Outcome
    seconds: float = 0.0
    measured: tuple[str, ...] = ()
    why: str = ""


def run(scenario: Scenario, board: Callable[[], Board], way: Way = "socket") -> Result:
    """Run one scenario on a new board, by one way in. Whatever goes wrong in it is its failure, not ours."""
    began = time.monotonic()
    lab = Lab(board(), way)
    try:
        scenario.run(lab)
        _afterwards(lab)
        why = ""
    except AssertionError as failure:
        why = _told(lab, str(failure))
    except Exception:  # noqa: BLE001 - a scenario that stumbles is a failed one, and the others are to run
        why = _told(lab, traceback.format_exc())
    finally:
        lab.close()
    outcome: Outcome = "failed" if why else "passed"
    return Result(
        name=scenario.name,
        rule=scenario.rule,
        outcome=outcome,
        seconds=round(time.monotonic() - began, 1),
        measured=tuple(lab.measured),
        why=why,
    )


def skipped(scenario: Scenario, why: str) -> Result:
    """A scenario that could not be run: never counted as passed."""
    return Result(name=scenario.name, rule=scenario.rule, outcome="skipped", why=why)


def _afterwards(lab: Lab) -> None:
    """Let what is under way come to its end, then look for what must never be."""
    lab.until(lambda: lab.board.legs() == 0, 20.0, "no leg is left on the switch")
    gevent.sleep(0.3)
    seen = violations(lab.sightings(), tolerance=TOLERANCE, end=time.time())
    found = [one for one in seen if one.kind not in lab.forgiven]
    if found:
        raise FailedError("; ".join(f"{one.who}: {one.kind}: {one.detail}" for one in found))


def _told(lab: Lab, failure: str) -> str:
    parts = [failure, "what everybody saw:", *map(_line, lab.sightings()), "the daemon:", lab.daemon_log(40)]
    switch = lab.board.log()
    return "\n".join([*parts, *(["the switch:", switch] if switch else [])])


def _line(seen: Sighting) -> str:
    first = f"  {seen.t % 1000:8.3f} {seen.who:14} {seen.what:10}"
    return f"{first} {seen.peer} {seen.detail}".rstrip()
