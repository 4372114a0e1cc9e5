from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import COMMENTED, Shell


@pytest.fixture
def empty(tmp_path: Path) -> Shell:
    """An empty folder."""
    return Shell(tmp_path)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder with a commented configuration."""
    found = Shell(tmp_path)
    found.write(COMMENTED)
    return found
