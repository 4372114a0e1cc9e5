"""The rules and their tests: which there are, and that they are tests.

With ``--check`` each rule is broken on purpose, by a patch of tests/engine/broken_rules.py. Some of its tests must then
fail, each by an assertion of its own, and the tests of all other rules must pass. Exits with 1 where that isn't so.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.engine import watch  # noqa: E402 - the checkout's own tests
from tests.engine.broken_rules import BROKEN, Patch  # noqa: E402

NAME = re.compile(r"test_([A-Z]\d)_")

RANDOM = re.compile(r"test_(restarts|histories|broken_engines)\.py")


class Results:
    """What one run of the examples came to, by test."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.passed: dict[str, list[str]] = {}
        self.failed: dict[str, list[str]] = {}
        self.stumbled: list[str] = []
        """Tests that failed by something else than an assertion of theirs."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the examples: what bears a rule's id and plays no random histories, which see every rule."""
        items[:] = [item for item in items if NAME.match(item.name) and not RANDOM.search(item.nodeid)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
        """Take a test's outcome."""
        report = yield
        rule = NAME.match(item.name)
        if rule is not None and report.when == "call":
            where = self.passed if report.passed else self.failed
            where.setdefault(rule[1], []).append(item.name)
            if not report.passed and not _asserted(call):
                self.stumbled.append(item.name)
        return report


def _asserted(call: pytest.CallInfo[Any]) -> bool:
    if call.excinfo is None or not call.excinfo.errisinstance(AssertionError):
        return False
    return (ROOT / "tests") in Path(str(call.excinfo.traceback[-1].path)).parents


def run(broken: Patch | None = None) -> Results:
    """Run the examples, without the onlooker that would see every rule in every example."""
    results = Results()
    arguments = [
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "tests/engine",
    ]
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(patch.object(watch, "expect", lambda *_: None))
        if broken is not None:
            stack.enter_context(broken)
        pytest.main(arguments, plugins=[results])
    return results


def check(rule: str) -> list[str]:
    """Break *rule* and return what is wrong with its tests, or with those of others."""
    results = run(BROKEN[rule]())
    wrong = [f"{rule}: {name} fails by something else than its assertions" for name in results.stumbled]
    if not results.failed.get(rule):
        wrong.append(f"{rule}: broken, and none of its tests fails")
    others = [name for other, names in results.failed.items() if other != rule for name in names]
    wrong += [f"{rule}: broken, and {name} fails" for name in others]
    failed, passed = len(results.failed.get(rule, ())), len(results.passed.get(rule, ()))
    what = (BROKEN[rule].__doc__ or "").strip()
    print(f"{rule}  {failed} of {failed + passed} of its tests fail, {len(others)} of others   {what}")
    return wrong


def main(arguments: list[str]) -> int:
    """List, or check."""
    sound = run()
    wrong = [f"{name} fails as it is" for names in sound.failed.values() for name in names]
    wrong += [f"{rule} has no tests" for rule in BROKEN if not sound.passed.get(rule)]
    wrong += [f"{rule} is broken by nothing" for rule in sound.passed if rule not in BROKEN]
    if "--check" in arguments:
        for rule in BROKEN:
            wrong += check(rule)
    else:
        for rule in BROKEN:
            print(rule, *sound.passed.get(rule, ()), sep="\n  ")
    for line in wrong:
        print(f"WRONG: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
