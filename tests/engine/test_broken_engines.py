"""The property tests are tests: each engine that is broken on purpose is found by them, by assertion."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import cast

import pytest

from tests.engine.broken import WAYS
from tests.engine.playing import play

SEEDS = 300
"""Histories to find a broken engine in; most are found in the first ten."""


def test_the_engine_as_it_is_breaks_no_rule_in_the_same_histories() -> None:
    for seed in range(SEEDS):
        play(seed)


@pytest.mark.parametrize("way", WAYS)
def test_a_broken_engine_is_found(way: str) -> None:
    with cast("AbstractContextManager[None]", WAYS[way]()):
        for seed in range(SEEDS):
            try:
                play(seed)
            except AssertionError:
                return
    pytest.fail(f"{way} was not found in {SEEDS} histories")
