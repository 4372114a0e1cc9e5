"""The seconds of the rules as callers and phones see them.

The scenarios of the contract are as slow as the machine on the embedded switch, and hold a real one alone to its seconds; here are
theirs, in the same configuration, on virtual time.
"""

from __future__ import annotations

import pytest

from fsqueue.config import check_text
from fsqueue.simswitch.actors import Caller
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.virtual.site import Site
from tests.chaos import load
from tests.contract.scenarios import ANNA, BUSY, DECLINES, JAN, LONG_RINGS, OLA, SALES, SILENT, at, config, phone

TALKS = Reaction(after=0.5, talk=3.0)
WINDOW = 4.0
AT_ONCE = 0.3
"""Seconds within which something happens that nobody waits for: the wire to the switch and back, several times."""

FORWARD = f'action = "forward"\nnumber = "{OLA}"\ntimeout_seconds = 60'


class Stage:
    """The contract's installation, with these phones."""

    def __init__(self, text: str, *phones: PhoneScript) -> None:
        checked = check_text(load.HEAD + text, "seconds.toml")
        assert checked.configuration is not None, checked.problems
        self.site = Site(checked.configuration, 1)
        self.phones = {script.user: self.site.world.phones(script) for script in phones}
        self.wait(3.0)

    def call(self, number: str = "600100200", **script: float) -> Caller:
        """Somebody calls now."""
        return self.site.world.call(CallerScript(number=number, name="Ala", to=SALES, **script))  # type: ignore[arg-type]

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.site.advance(self.site.now + seconds)

    def saw(self, who: str, what: str, nth: int = 0) -> float:
        """When somebody saw something, for the *nth* time from 0."""
        return [seen.t for seen in self.site.world.sightings if (seen.who, seen.what) == (who, what)][nth]


def test_a_phone_rings_for_its_window_and_the_next_one_at_once_after_it() -> None:
    stage = Stage(config(), phone(ANNA, SILENT), phone(JAN, SILENT))
    stage.call()
    stage.wait(12.0)
    for user in (ANNA, JAN):
        assert stage.saw(at(user), "cancelled") - stage.saw(at(user), "ringing") == pytest.approx(WINDOW, abs=0.2)
    assert stage.saw(at(JAN), "ringing") - stage.saw(at(ANNA), "cancelled") < AT_ONCE


@pytest.mark.parametrize(
    "refuses",
    [BUSY, DECLINES, Reaction(kind="reject", code=302, after=0.2), Reaction(kind="reject", code=486, after=0, ringing=False)],
    ids=["busy", "declined", "redirected", "busy at once"],
)  # fmt: skip
def test_a_phone_that_refuses_costs_its_caller_no_time(refuses: Reaction) -> None:
    stage = Stage(config(), phone(ANNA, refuses), phone(JAN, TALKS))
    caller = stage.call()
    stage.wait(3.0)
    assert stage.saw(at(JAN), "ringing") - stage.saw(caller.who, "dialled") < refuses.after + 3 * AT_ONCE


def test_with_nobody_there_the_step_is_taken_at_once() -> None:
    stage = Stage(config(step='action = "hangup"'), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = stage.call()
    stage.wait(3.0)
    assert stage.saw(caller.who, "gone") - stage.saw(caller.who, "dialled") < 2 * AT_ONCE


@pytest.mark.parametrize(
    ("text", "rung", "phones"),
    [
        (LONG_RINGS, ANNA, (phone(ANNA, SILENT), phone(JAN, registered=False))),
        (config(step=FORWARD), OLA, (phone(ANNA, registered=False), phone(JAN, registered=False), phone(OLA, SILENT))),
    ],
    ids=["a member's", "a forward's"],
)
def test_a_phone_stops_at_once_when_its_caller_hangs_up(text: str, rung: str, phones: tuple[PhoneScript, ...]) -> None:
    stage = Stage(text, *phones)
    caller = stage.call()
    stage.wait(2.0)
    caller.hang_up()
    stage.wait(2.0)
    assert stage.saw(at(rung), "ringing") < stage.saw(caller.who, "gone")
    assert stage.saw(at(rung), "cancelled") - stage.saw(caller.who, "gone") < AT_ONCE


def test_when_the_caller_hangs_up_in_the_talk_the_members_phone_is_free_at_once() -> None:
    stage = Stage(config(), phone(ANNA), phone(JAN, registered=False))
    caller = stage.call(talk=3.0)
    stage.wait(6.0)
    assert stage.saw(at(ANNA), "ended") - stage.saw(caller.who, "gone") < AT_ONCE


def test_all_other_phones_stop_at_once_when_one_answers() -> None:
    text = LONG_RINGS.replace("rings = 15", 'rings = 15\ndistribution = "to-all"')
    stage = Stage(text, phone(ANNA, TALKS, contacts=2), phone(JAN, SILENT))
    stage.call()
    stage.wait(3.0)
    for user in (ANNA, JAN):
        assert stage.saw(at(user), "cancelled") - stage.saw(at(ANNA), "answered") < AT_ONCE


@pytest.mark.parametrize("after", [0.5, 1.0, 1.8])
def test_a_phone_that_registers_in_a_ring_to_all_joins_at_once_and_rings_for_what_is_left(after: float) -> None:
    text = config('distribution = "to-all"')
    stage = Stage(text, phone(ANNA, SILENT), phone(JAN, SILENT, registered=False))
    stage.call()
    stage.wait(after)
    registered = stage.site.now
    stage.site.world.registrar.register(stage.phones[JAN][0])
    stage.wait(WINDOW - after + 0.5)
    assert stage.saw(at(JAN), "ringing") - registered < AT_ONCE
    assert stage.saw(at(JAN), "cancelled") == pytest.approx(stage.saw(at(ANNA), "cancelled"), abs=0.1)


def test_after_a_talk_a_member_is_left_alone_for_his_wrap_up_and_no_longer() -> None:
    text = config("wrap_up_seconds = 3")
    stage = Stage(text, phone(ANNA, Reaction(after=0.3, talk=2.5)), phone(JAN, registered=False))
    stage.call("600100201")
    stage.wait(1.0)
    stage.call("600100202")
    stage.wait(8.0)
    assert stage.saw(at(ANNA), "ringing", 1) - stage.saw(at(ANNA), "ended") == pytest.approx(3.0, abs=AT_ONCE)


def test_who_has_waited_for_as_long_as_the_group_allows_is_sent_away_then() -> None:
    stage = Stage(config("max_wait_seconds = 7"), phone(ANNA, SILENT), phone(JAN, SILENT))
    caller = stage.call()
    stage.wait(9.0)
    assert stage.saw(caller.who, "gone") - stage.saw(caller.who, "dialled") == pytest.approx(7.0, abs=2 * AT_ONCE)
    assert stage.saw(at(JAN), "cancelled") - stage.saw(caller.who, "gone") < AT_ONCE


def test_a_member_who_calls_out_while_his_phone_rings_is_rung_no_longer() -> None:
    stage = Stage(LONG_RINGS, phone(ANNA, SILENT), phone(JAN, registered=False), phone(OLA))
    stage.call()
    stage.wait(2.0)
    dialled = stage.site.now
    stage.site.world.call(CallerScript(number=ANNA, name="Anna", to=OLA, user=at(ANNA)))
    stage.wait(2.0)
    assert stage.saw(at(ANNA), "cancelled") - dialled < 2 * AT_ONCE
