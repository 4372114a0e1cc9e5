"""Answers about this moment, kept for a moment, for when many ask the same.

A hundred people in front of ``fsqueue top`` ask a hundred times a second, and an answer about a busy installation takes milliseconds
in which no call is looked after. So whoever asks within a tenth of a second gets the same answer, and the larger it is the longer it is
given, so that however many ask, answering takes a small share of the processor. Whoever changes something sees it in what he asks next.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

SHORTEST = 0.1
"""Seconds that an answer is given."""

SHARE = 0.05
"""Of the processor: an answer that took 20 ms to make is given for 0.4 s."""


class Kept:
    """The newest answer to each question; *clock* gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._answers: dict[Hashable, tuple[float, bytes]] = {}

    def get(self, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """Return the answer to *question*, made by *make* when there is none that is fresh.

        Whatever *make* raises is raised, and nothing is kept.
        """
        began = self._clock()
        until, answer = self._answers.get(question, (began, b""))
        if began < until:
            return answer
        answer = make()
        now = self._clock()
        self._answers = {key: kept for key, kept in self._answers.items() if now < kept[0]}
        self._answers[question] = (now + max(SHORTEST, (now - began) / SHARE), answer)
        return answer

    def forget(self) -> None:
        """Have all answers made anew: something was changed."""
        self._answers.clear()
