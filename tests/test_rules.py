"""`scripts/rules --check`: every rule of the queue has tests, and they are tests."""

from __future__ import annotations

import pytest

from tests.beside import Done


@pytest.mark.beside("scripts/rules.py", "--check", seconds=40)
def test_each_rule_broken_on_purpose_fails_its_own_tests_and_no_others(beside: Done) -> None:
    assert beside.code == 0, beside.out + beside.err
