"""Answers that are kept for a moment."""

from __future__ import annotations

import pytest

from fsqueue.control.kept import SHARE, SHORTEST, Kept


class Time:
    def __init__(self) -> None:
        self.now = 100.0
        self.made = 0

    def make(self, takes: float = 0.0) -> bytes:
        self.now += takes
        self.made += 1
        return b"answer %d" % self.made


def test_who_asks_within_a_moment_gets_the_same_answer_and_later_a_new_one() -> None:
    time = Time()
    kept = Kept(lambda: time.now)
    assert kept.get("status", time.make) == b"answer 1"
    time.now += SHORTEST * 0.9
    assert kept.get("status", time.make) == b"answer 1"
    assert kept.get("calls", time.make) == b"answer 2"
    time.now += SHORTEST
    assert kept.get("status", time.make) == b"answer 3"


def test_making_answers_takes_no_more_than_its_share_however_many_ask() -> None:
    time = Time()
    kept = Kept(lambda: time.now)
    end = time.now + 60.0
    while time.now < end:
        kept.get("status", lambda: time.make(takes=0.1))
        time.now += 0.001
    assert time.made * 0.1 / 60.0 <= SHARE * 1.05


def test_after_a_change_every_answer_is_made_anew() -> None:
    time = Time()
    kept = Kept(lambda: time.now)
    kept.get("status", time.make)
    kept.forget()
    assert kept.get("status", time.make) == b"answer 2"


def test_what_was_refused_is_not_kept() -> None:
    time = Time()
    kept = Kept(lambda: time.now)

    def refuse() -> bytes:
        raise LookupError

    with pytest.raises(LookupError):
        kept.get("status", refuse)
    assert kept.get("status", time.make) == b"answer 1"


def test_old_answers_take_no_memory() -> None:
    time = Time()
    kept = Kept(lambda: time.now)
    for n in range(1000):
        kept.get(n, time.make)
        time.now += SHORTEST / 10
    assert len(kept._answers) <= 12
