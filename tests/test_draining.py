"""A drain to its end: when the process may go, and what its status says until then."""

from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest

from fsqueue.draining import LAST_WORDS, LOOK, Drainage


class Calls:
    """So many calls, on a clock that the test sets."""

    def __init__(self) -> None:
        self.left, self.now = 2, 1000.0
        self.drainage = Drainage(lambda: self.left, lambda: self.now)  # type: ignore[arg-type]

    def over(self, seconds: float) -> bool:
        return bool(self.drainage.over.wait(seconds))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """One that looks a hundred times as often."""
    monkeypatch.setattr("fsqueue.draining.LOOK", LOOK / 100)
    monkeypatch.setattr("fsqueue.draining.LAST_WORDS", LAST_WORDS / 100)
    calls = Calls()
    yield calls
    calls.drainage.cancel()


def test_it_is_over_when_the_last_call_is(calls: Calls) -> None:
    calls.drainage.begin("kate", None)
    assert not calls.over(0.1)
    calls.left = 0
    assert calls.over(5.0)


def test_it_is_over_when_its_limit_comes(calls: Calls) -> None:
    calls.drainage.begin("kate", 60.0)
    calls.now += 59.9
    assert not calls.over(0.1)
    calls.now += 0.1
    assert calls.over(5.0)


def test_another_word_changes_the_limit_and_nothing_else(calls: Calls) -> None:
    calls.drainage.begin("kate", 1.0)
    calls.drainage.begin("jan", None)
    calls.now += 10.0
    assert not calls.over(0.1)
    assert (calls.drainage.since, calls.drainage.by, calls.drainage.until) == (1000.0, "kate", None)


def test_called_off_it_never_is_over_and_can_begin_anew(calls: Calls) -> None:
    calls.drainage.begin("kate", None)
    calls.drainage.cancel()
    calls.left = 0
    assert not calls.over(0.1)
    calls.drainage.begin("kate", None)
    assert calls.over(5.0)


def test_a_call_that_comes_back_in_the_last_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsqueue.draining.LOOK", 0.01)
    monkeypatch.setattr("fsqueue.draining.LAST_WORDS", 0.2)
    calls = Calls()
    calls.left = 0
    calls.drainage.begin("kate", None)
    gevent.sleep(0.05)
    calls.left = 1
    assert not calls.over(0.3)
    calls.left = 0
    assert calls.over(5.0)


def test_it_says_what_is_left(calls: Calls) -> None:
    assert calls.drainage.in_words() == ""
    calls.drainage.begin("kate", None)
    assert calls.drainage.in_words() == "draining, 2 left"
    calls.left = 0
    assert calls.drainage.in_words() == "draining, nothing left"
