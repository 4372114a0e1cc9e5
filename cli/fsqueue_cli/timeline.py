"""A call's way through a group in words: who is rung when, when it is sent on at the latest, and where to."""

from __future__ import annotations

from collections.abc import Iterator

from fsqueue.config.model import Configuration, Group
from fsqueue.config.plan import to_plan
from fsqueue.engine.model import Forward, HangUp, Step, ToGroup, Voicemail, Wait
from fsqueue_cli.shapes import Moment
from fsqueue_cli.talk import count, seconds

ORDER = {
    "evenly": "whose turn was longest ago is rung first",
    "in-order": "the first in the list who is free is rung first",
}


def timeline(configuration: Configuration, key: str) -> tuple[Moment, ...]:
    """Return what happens to a call in the group *key*, in the order of time."""
    return tuple(_moments(configuration, key))


def _moments(configuration: Configuration, key: str) -> Iterator[Moment]:
    group = configuration.groups[key]
    # The engine's own defaults of the steps (S1), so that these words can't differ from what is done.
    step = to_plan(configuration).groups[key].step
    ring = configuration.telephony.ring_seconds
    window = group.rings * ring
    if group.max_waiting:
        yield Moment(when=f"when {count(group.max_waiting, 'call')} wait already", what=step_words(step("full")))
    yield Moment(when="from the start", what=_ringing(group, window))
    offline = step("offline")
    waits = isinstance(offline, Wait)
    if waits:
        yield Moment(when="when all are away", what="waits until somebody is back")
    else:
        later = f"at once when all are away; while it waits, {seconds(ring)} after the last one left"
        yield Moment(when=later, what=step_words(offline))
    unanswered = step("unanswered")
    if isinstance(unanswered, Wait):
        played = f"{unanswered.prompt} is played, and " if unanswered.prompt else ""
        yield Moment(when="when all were rung and nobody took it", what=f"{played}waits on; all are rung again")
        yield Moment(when=f"after at most {seconds(group.max_wait_seconds)}", what=step_words(step("waited")))
        return
    most = latest(group, window)
    if most < group.max_wait_seconds:
        when = f"when all were rung and nobody took it, after at most {seconds(most)}{_counted(group)}"
        yield Moment(when=when, what=step_words(unanswered))
    else:
        yield Moment(when="when all were rung and nobody took it", what=step_words(unanswered))
        yield Moment(when=f"after at most {seconds(group.max_wait_seconds)}", what=step_words(step("waited")))


def latest(group: Group, window: float) -> float:
    """Return after how many seconds a pass over a group is over at the latest (rule U2), `max_wait_seconds` apart.

    Each of its members can ring for one window, and before each there can be just less than one in which nobody is
    free. With `to-all` one window is rung for all, with a pause before and one after it.
    """
    if group.distribution == "to-all":
        return 3 * window
    return max(1, 2 * len(group.members)) * window


def _counted(group: Group) -> str:
    return " as the first in line" if group.distribution == "to-all" else ""


def _ringing(group: Group, window: float) -> str:
    if not group.members:
        return "nobody is rung: the group has no members"
    if len(group.members) == 1:
        return f"{group.members[0]} is rung for {seconds(window)}"
    if group.distribution == "to-all":
        return f"all who are free are rung at once for {seconds(window)}, for the first in line"
    return f"rung {seconds(window)} each, one after another; {ORDER[group.distribution]}"


def step_words(step: Step) -> str:
    """Return what *step* does to the call."""
    if isinstance(step, Voicemail):
        return f"sent to the voicemail {step.mailbox}"
    if isinstance(step, ToGroup):
        return f"sent on to the group {step.group}, with its place in line"
    if isinstance(step, Wait):
        return "waits"
    if isinstance(step, HangUp):
        return f"ended with {step.cause}" if step.cause else "ended, and listed as missed"
    return _forward(step)


def _forward(step: Forward) -> str:
    key = f", who presses {step.key} to take it" if step.key else ""
    return f"forwarded to {step.member or step.number}{key}; rung {seconds(step.timeout)}, then ended as missed"
