"""The README's session does what it promises a new user, and prints what the README shows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "_first_groups.py"


def test_the_readmes_session_works_and_prints_what_it_shows() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("$ fsqueue") == 8
