"""What a start finds, and what becomes of callers where there is none: within two seconds, or within lease and one lap."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from fsqueue.engine.messages import CallEnded, CallOpened, VisitBegan
from fsqueue.simswitch.faults import Fault, Faults
from fsqueue.simswitch.hangups import hang_up
from fsqueue.simswitch.people import Reaction
from fsqueue.switch.dialplan import SECONDS_TO_ANSWER
from tests.chaos.virtual_run import left_over
from tests.virtual.stage import ANNA, Stage
from tests.virtual.test_losses import STATES, talk_phase

LEASE, LAP = 60.0, 30.0
SOON = 2.0


@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
def test_if_fsqueue_stays_away_nobody_is_on_hold_after_lease_and_one_lap(state: Callable[[], Stage]) -> None:
    stage = state()
    stage.site.kill()
    stage.wait(LEASE + LAP + 1.0)
    legs = [leg for leg in stage.site.world.legs.values() if leg.bridge is None]
    assert [leg.uuid for leg in legs if leg.application in ("playback", "sleep", "socket")] == []


@pytest.mark.parametrize("seed", range(8))
def test_all_of_a_long_line_are_in_the_fallback_by_then(seed: int) -> None:
    stage = Stage(seed=seed)
    chance = Random(seed)
    for _ in range(30):
        stage.call(at=chance.uniform(0.0, 25.0))
    stage.wait(25.0)
    died = stage.now
    stage.site.kill()
    stage.wait(LEASE + LAP + 1.0)
    gone = [seen.t - died for seen in stage.site.world.sightings if seen.what == "gone"]
    assert len(gone) == 30
    assert max(gone) <= LEASE + LAP + 0.1
    stage.site.start()
    stage.wait(2.0)
    ends = [record for record in stage.records() if isinstance(record, CallEnded)]
    assert {end.reason for end in ends} == {"lost"}
    assert all(end.unseen_since is not None and end.unseen_since <= died for end in ends)


@pytest.mark.parametrize("behaves", ["stopped", "killed"])
def test_a_daemon_that_accepts_and_stays_mute_or_dies_keeps_no_caller_from_the_fallback(behaves: str) -> None:
    stage = Stage()
    stage.daemon.stop()
    caller = stage.call()
    stage.wait(2.0)
    if behaves == "killed":
        stage.site.kill()
    stage.wait(SECONDS_TO_ANSWER)
    assert len(stage.saw(caller.who, "gone")) == 1


@pytest.mark.parametrize("away", [0.0, 0.3, 1.0, 5.0, 20.0, 55.0])
def test_who_could_be_offered_is_offered_within_two_seconds_of_the_start(away: float) -> None:
    stage = Stage()
    (phone,) = stage.phones[ANNA]
    stage.site.world.registrar.unregister(phone)
    stage.wait(1.0)
    first, second = stage.call(), stage.call(at=0.5)
    stage.wait(5.0)
    stage.site.kill()
    stage.site.world.registrar.register(phone)
    stage.wait(away)
    began = stage.now
    stage.site.start()
    stage.wait(SOON)
    (rang,) = stage.saw(ANNA, "ringing")
    assert rang - began < SOON
    assert not stage.saw(first.who, "silence") + stage.saw(second.who, "silence")


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of which the disk has kept nothing"])
@pytest.mark.parametrize("seen", [True, False], ids=["his hold heard", "his hold found in silence"])
def test_a_caller_who_was_in_a_talk_at_a_start_is_rung_for_when_his_member_leaves_at_once(
    recorded: bool, seen: bool
) -> None:
    stage = Stage(answers={"1001": Reaction(after=2.0)})
    stage.site.disk.failing = not recorded
    stage.call()
    stage.until(lambda: talk_phase(stage, "up"))
    stage.site.kill()
    stage.site.disk.recover()
    stage.site.start()
    stage.until(lambda: talk_phase(stage, "up"))
    if not seen:
        stage.site.world.faults = Faults((Fault(kind="drop", of="fsqueue::hold"),))
    stage.phones[ANNA][0].hang_up()
    stage.wait(6.5)
    stage.site.world.faults = Faults()
    stage.wait(8.0)
    assert len(stage.saw(ANNA, "ringing")) == 2
    assert stage.wrong() == []


@pytest.mark.parametrize("seed", range(10))
def test_waiting_callers_are_put_back_in_the_order_they_joined_with_all_of_their_wait(seed: int) -> None:
    chance = Random(seed)
    stage = Stage(seed=seed, answers={"1001": Reaction(after=1.0, talk=4.0)})
    callers = [stage.call(at=chance.uniform(0.0, 15.0)) for _ in range(8)]
    stage.wait(20.0)
    for _ in range(3):
        stage.site.kill()
        stage.wait(chance.choice((0.0, 0.7, 4.0)))
        stage.site.start()
        stage.wait(chance.uniform(0.1, 3.0))
    stage.wait(60.0)
    opened = {r.call: r for r in stage.records() if isinstance(r, CallOpened)}
    assert len(opened) == len(callers)
    answered = [seen.peer for seen in stage.site.world.sightings if seen.who == ANNA and seen.what == "connected"]
    by_joining = [r.caller.number for r in sorted(opened.values(), key=lambda r: r.joined)]
    assert list(dict.fromkeys(answered)) == by_joining
    for end in [r for r in stage.records() if isinstance(r, CallEnded)]:
        assert end.waited + end.talked <= stage.now - opened[end.call].joined
    visits = [r for r in stage.records() if isinstance(r, VisitBegan)]
    assert len(visits) == len(callers), "nobody entered twice"


def test_a_call_that_the_switch_ends_before_it_is_asked_for_leaves_nothing_behind() -> None:
    stage = Stage()
    caller = stage.call()
    stage.until(lambda: caller.leg is not None and caller.leg.session is not None)
    assert caller.leg is not None
    hang_up(stage.site.world, caller.leg, "NORMAL_TEMPORARY_FAILURE")
    stage.wait(1.0)
    assert left_over(stage.site) == []
