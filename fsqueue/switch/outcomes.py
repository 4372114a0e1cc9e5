"""From hangup causes to how an offer ended, for one phone and for all phones of a member together."""

from __future__ import annotations

from collections.abc import Sequence

from fsqueue.engine.messages import Outcome

_OF_CAUSE: dict[str, Outcome] = {
    "USER_BUSY": "busy",
    "CALL_REJECTED": "declined",
    "NORMAL_CLEARING": "declined",
    "NO_ANSWER": "no_answer",
    "NO_USER_RESPONSE": "no_answer",  # a phone's 480: "do not disturb" or nobody logged in at it
    "ALLOTTED_TIMEOUT": "no_answer",
    "ORIGINATOR_CANCEL": "no_answer",
    "LOSE_RACE": "no_answer",
    "SWITCH_CONGESTION": "failed",
    "SYSTEM_SHUTDOWN": "failed",
    "MANAGER_REQUEST": "failed",
    "LOST": "lost",
}

# What the person did comes before what the line did: somebody who declined at one phone has seen the call.
_RANK: tuple[Outcome, ...] = ("declined", "busy", "no_answer", "lost", "failed", "unreachable", "withdrawn")


def of_phone(cause: str, *, existed: bool) -> Outcome:
    """Return how one phone's part ended by *cause*; *existed* says that its channel was ever seen.

    DESTINATION_OUT_OF_ORDER without a channel is the switch at its limit, or a uuid used twice: nobody is to blame. What
    is not in the list is a phone that could not be rung (NORMAL_TEMPORARY_FAILURE, USER_NOT_REGISTERED, 404 …).
    """
    if cause == "DESTINATION_OUT_OF_ORDER" and not existed:
        return "failed"
    return _OF_CAUSE.get(cause, "unreachable")


def of_offer(phones: Sequence[Outcome]) -> Outcome:
    """Return how the offer ended, from how each of its phones did; unreachable when it had none."""
    return min(phones, key=_RANK.index, default="unreachable")
