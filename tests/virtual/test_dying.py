"""The daemon dies at any step: after each command of a call there is, and its successor carries on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fsqueue.engine.messages import CallEnded
from fsqueue.simswitch.people import Reaction
from fsqueue.switch.messages import SwitchCommand
from tests.virtual.stage import BOX, SALES, SUPPORT, Stage

SHORTLY = Reaction(after=2.0, talk=8.0)


def answered(stage: Stage) -> None:
    """A caller is answered, and his member hangs up."""
    stage.call(SALES)


def answered_after_a_refusal(stage: Stage) -> None:
    """Two callers for one member, who hangs up at once the first time."""
    stage.call(SALES, patience=60.0, talk=10.0)
    stage.call(SALES, at=1.0, patience=60.0, talk=10.0)


def forwarded(stage: Stage) -> None:
    """Nobody answers in support, and the caller is forwarded to a number."""
    stage.call(SUPPORT, patience=90.0)


def voicemail(stage: Stage) -> None:
    """A caller leaves a message."""
    stage.call(BOX, patience=25.0)


def picked_up(stage: Stage) -> None:
    """A colleague picks the call up by the code."""
    stage.call(SALES, patience=60.0, talk=15.0)
    stage.site.world.agenda.after(1.0, lambda: stage.colleague("1001@lab", "*8"))


def given_up(stage: Stage) -> None:
    """A caller hangs up while a phone rings for him."""
    stage.call(SALES, patience=5.0)


STORIES: dict[str, tuple[Callable[[Stage], None], dict[str, Reaction]]] = {
    "answered": (answered, {"1001": SHORTLY}),
    "two callers, a member who hangs up at once": (answered_after_a_refusal, {"1001": Reaction(after=1.5, stays=0.4)}),
    "forwarded": (forwarded, {"1003": SHORTLY}),
    "voicemail": (voicemail, {}),
    "picked up": (picked_up, {}),
    "given up": (given_up, {}),
}

SERVED = {"answered": ["answered"], "voicemail": ["voicemail"], "given up": ["abandoned"]}
"""How the calls of a story end whenever the daemon dies, if the next one is there within seconds."""

AWAY = {"at once": 0.0, "three seconds": 3.0, "a minute and a half": 90.0}


def mortal(stage: Stage, step: int, away: float) -> list[str]:
    """Let the daemon die after the *step*-th command of the call, and its successor come *away* seconds later."""
    said: list[str] = []
    daemon = stage.daemon
    send = daemon._send

    def counted(command: SwitchCommand) -> None:
        if daemon.killed:
            return
        send(command)
        if not _of_a_call(command):
            return
        said.append(str(command))
        if len(said) == step:
            stage.site.kill()
            stage.site.world.agenda.after(away, stage.site.start)

    daemon._send = counted  # type: ignore[method-assign]
    return said


def _of_a_call(command: SwitchCommand) -> bool:
    text = getattr(command, "text", "")
    return not text.startswith(("hash ", "strepoch", "show channels", "sofia_contact */", "uuid_exists"))


def length(name: str) -> int:
    """How many commands a story has when nobody dies."""
    play, answers = STORIES[name]
    stage = Stage(answers=answers)
    said = mortal(stage, -1, 0.0)
    play(stage)
    stage.wait(120.0)
    return len(said)


CASES = [(name, step) for name in STORIES for step in range(1, length(name) + 1)]


@pytest.mark.parametrize("away", AWAY.values(), ids=AWAY.keys())
@pytest.mark.parametrize(("name", "step"), CASES)
def test_a_daemon_that_dies_after_any_command_of_a_call_loses_nothing(name: str, step: int, away: float) -> None:
    play, answers = STORIES[name]
    stage = Stage(answers=answers)
    said = mortal(stage, step, away)
    play(stage)
    wrong = stage.wrong()
    assert wrong == [], "\n".join([*said, *map(str, wrong)])
    assert len(said) >= step, "it has died"


@pytest.mark.parametrize("away", ["at once", "three seconds"])
@pytest.mark.parametrize(("name", "step"), [case for case in CASES if case[0] in SERVED])
def test_a_call_ends_as_it_would_have_whatever_the_moment_of_death(name: str, step: int, away: str) -> None:
    play, answers = STORIES[name]
    stage = Stage(answers=answers)
    mortal(stage, step, AWAY[away])
    play(stage)
    stage.wait(120.0)
    assert stage.reasons() == SERVED[name]


@pytest.mark.parametrize("step", range(1, length("answered")))
def test_a_call_that_ended_while_nothing_ran_is_lost_with_the_interval_or_what_can_still_be_seen(step: int) -> None:
    """Away for longer than the lease: the dialplan has taken who waited, and talks have ended by themselves."""
    stage = Stage(answers={"1001": SHORTLY})
    mortal(stage, step, AWAY["a minute and a half"])
    stage.call(SALES)
    stage.wait(200.0)
    (end,) = [record for record in stage.records() if isinstance(record, CallEnded)]
    assert end.unseen_since is not None
    assert end.reason == ("answered" if stage.talked() else "lost")
