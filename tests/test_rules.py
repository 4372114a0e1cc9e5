"""`scripts/rules --check`: every rule of the queue has tests, and they are tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_each_rule_broken_on_purpose_fails_its_own_tests_and_no_others() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/rules.py", "--check"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
