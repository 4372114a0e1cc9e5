"""Clocks jump, ours and the switch's, forwards and backwards: no call ends and no phone rings because of it."""

from __future__ import annotations

import pytest

from fsqueue.config.check import check_text
from fsqueue.engine.messages import CallEnded
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.switch.lease import MEASURE_EVERY
from fsqueue.virtual.site import Site

LEASE, LAP, AGAIN = 60.0, 30.0, 3.0

CONFIG = """
[switches.main]
host = "127.0.0.1"
password = "x"
[telephony]
domain = "lab"
[members.anna]
dial = "user/1001@lab"
[groups.sales]
extension = "7001"
members = ["anna"]
rings = 4
unanswered = { action = "wait" }
offline = { action = "hangup" }
"""


def waiting_room(reaction: Reaction | None = None, callers: int = 31) -> Site:
    """Return a site where a caller talks and the others wait, each in another second of his lap."""
    found, problems = check_text(CONFIG, "f.toml")
    assert found is not None, problems
    site = Site(found, 1)
    answers = reaction or Reaction(after=1.0)
    site.world.phones(PhoneScript(user="1001", domain="lab", reactions=(answers,)))
    site.advance(site.now + 5)
    for number in range(callers):
        site.world.call(CallerScript(number=f"600{number:03}", name="Ala", to="7001"))
        site.advance(site.now + 1)
    return site


def ended(site: Site) -> list[str]:
    return [record.reason for record, _ in site.disk.records() if isinstance(record, CallEnded)]


def rings(site: Site) -> int:
    return sum(one.what == "ringing" for one in site.world.sightings)


MOMENTS = (0.0, MEASURE_EVERY / 2, MEASURE_EVERY - 0.01)
"""Between two measurements of the switch's clock."""


@pytest.mark.parametrize("jump", [61.0, 3600.0, 86_400.0, -30.0, -3600.0, -86_400.0])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_jump_of_the_switchs_clock_sends_nobody_to_the_fallback_and_rings_nobody(jump: float, moment: float) -> None:
    site = waiting_room()
    site.advance(site.now + 10 + moment)
    before = rings(site)
    site.world.clock_ahead += jump
    site.advance(site.now + 2 * LAP)
    assert ended(site) == []
    assert rings(site) == before
    assert len(site.world.legs) == 32


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_after_a_jump_callers_still_wait_no_longer_for_a_dead_daemon_than_they_would_have(jump: float) -> None:
    site = waiting_room()
    site.world.clock_ahead += jump
    site.advance(site.now + MEASURE_EVERY + 1)
    site.kill()
    site.advance(site.now + LEASE + LAP + AGAIN + 1)
    assert sum(one.what == "gone" and one.side == "caller" for one in site.world.sightings) == 30  # one is in a talk


def test_his_own_last_moment_moves_with_the_switchs_clock() -> None:
    site = waiting_room()
    leg = next(leg for leg in site.world.legs.values() if leg.caller_number == "600005")
    before = int(leg.variables["fsqueue_deadline"])
    site.world.clock_ahead += 7200.0
    site.advance(site.now + MEASURE_EVERY + 0.5)
    assert int(leg.variables["fsqueue_deadline"]) == pytest.approx(before + 7200, abs=2)


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_the_machines_clock_moves_no_window(jump: float) -> None:
    site = waiting_room(Reaction(kind="ignore"), callers=1)
    site.clock_jump += jump
    start = next(one.t for one in site.world.sightings if one.what == "ringing")
    site.advance(start + 19.8)
    assert [one.what for one in site.world.sightings if one.side == "phone"] == ["ringing"]
    site.advance(start + 20.5)
    assert [one.what for one in site.world.sightings if one.side == "phone"] == ["ringing", "cancelled"]


def test_a_clock_that_was_set_back_between_two_lives_costs_nobody_his_place_or_a_member_his_rest() -> None:
    """Where the machine was not started anew the clock simply goes on: see below, and test_clock."""
    site = waiting_room(Reaction(kind="reject", after=1.0, code=603))
    site.kill()
    site.set_clock(-7200.0)
    site.advance(site.now + 2)
    before = rings(site)
    site.start()
    site.advance(site.now + 20)
    assert ended(site) == []
    # Whoever declines rests five seconds, by any clock.
    assert 2 <= rings(site) - before <= 5


@pytest.mark.parametrize("failing", [False, True])
def test_the_next_life_goes_on_with_the_clock_whatever_the_systems_says_and_the_disk_has_kept(failing: bool) -> None:
    site = waiting_room(callers=0)
    site.disk.failing = failing
    site.clock_jump = -7200.0
    site.advance(site.now + 30)
    site.kill()
    site.start()
    assert site.daemon is not None
    assert site.daemon.clock() == site.now


@pytest.mark.parametrize("seconds", [7200.0, -7200.0])
def test_a_step_of_our_own_clock_leaves_the_lease_and_everything_that_is_to_be_done_in_step(seconds: float) -> None:
    site = waiting_room(callers=0)
    daemon = site.daemon
    assert daemon is not None
    site.advance(site.now + 17)
    daemon._offset += seconds
    daemon.core.shift(seconds)
    site.world.call(CallerScript(number="600999", name="Ala", to="7001"))
    for _ in range(120):
        site.advance(site.now + 1)
        assert 40 <= int(site.world.hash["fsqueue/alive-fsqueue"]) - site.now <= 62
    assert ended(site) == []
    assert "connected" in [one.what for one in site.world.sightings]
