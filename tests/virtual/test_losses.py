"""The switch goes, in each state that a call can be in: links cut, half-open or stalled, the switch or the daemon restarted.

Whatever happens meanwhile: no ghost call, no member who stays stuck, no phone that rings for nobody, one end for each call, and
whoever calls next is served at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from fsqueue.simswitch.people import Reaction
from tests.virtual.stage import ANNA, BOX, JAN, OLA, SUPPORT, Stage

LATER = Reaction(after=2.0)
AT_ONCE = Reaction(after=2.0, stays=0.5)

# --- the states: each brings a call to the very moment -------------------------------------------------------------------


def phase(stage: Stage, wanted: str) -> bool:
    caller = stage.caller()
    return caller is not None and caller.phase == wanted


def talk_phase(stage: Stage, wanted: str, *, flipped: bool = False) -> bool:
    talk = stage.talk()
    return talk is not None and talk.phase == wanted and talk.flipped == flipped


def arriving() -> Stage:
    """On the dialplan's socket, before our first word."""
    stage = Stage()
    caller = stage.call()
    stage.until(lambda: caller.leg is not None and caller.leg.session is not None)
    return stage


def handed() -> Stage:
    """On the way to his hold."""
    stage = Stage()
    stage.call()
    stage.until(lambda: phase(stage, "handed"))
    return stage


def asked() -> Stage:
    """The originate is out, no channel of it was seen."""
    stage = Stage()
    stage.call()
    stage.until(lambda: (offer := stage.offer()) is not None and offer.dialled)
    return stage


def ringing() -> Stage:
    """A phone rings."""
    stage = Stage()
    stage.call()
    stage.until(lambda: stage.offer_state() == "ringing")
    stage.wait(1.0)
    return stage


def two_phones_ring() -> Stage:
    """Both phones of a member ring."""
    stage = Stage(contacts=2)
    stage.call()
    stage.until(lambda: stage.offer_state() == "ringing")
    stage.wait(1.0)
    return stage


def waiting() -> Stage:
    """On hold while nobody is free."""
    stage = Stage()
    stage.call()
    stage.until(lambda: stage.offer_state() == "ringing")
    stage.phones[ANNA][0].reject(603)
    stage.until(lambda: stage.offer_state() == "")
    stage.wait(1.0)
    return stage


def withdrawn() -> Stage:
    """His member's window is over, and the phone is being stopped."""
    stage = Stage()
    stage.call()
    stage.until(lambda: stage.offer_state() == "withdrawn")
    return stage


def answered() -> Stage:
    """Picked up, not yet asked to be bridged."""
    stage = Stage(answers={"1001": LATER})
    stage.call()
    stage.until(lambda: talk_phase(stage, "queued"))
    return stage


def bridging() -> Stage:
    """uuid_bridge is out."""
    stage = Stage(answers={"1001": LATER})
    stage.call()
    stage.until(lambda: talk_phase(stage, "asked"))
    return stage


def just_talking() -> Stage:
    """Bridged, for less than two seconds."""
    stage = Stage(answers={"1001": LATER})
    stage.call()
    stage.until(lambda: talk_phase(stage, "up"))
    stage.wait(0.5)
    return stage


def talking() -> Stage:
    """A talk that has stood."""
    stage = Stage(answers={"1001": LATER})
    stage.call()
    stage.until(lambda: talk_phase(stage, "up", flipped=True))
    stage.wait(1.0)
    return stage


def coming_back() -> Stage:
    """The member hung up at once, and the caller is on his way back to his hold."""
    stage = Stage(answers={"1001": AT_ONCE})
    stage.call()
    stage.until(lambda: talk_phase(stage, "back"))
    return stage


def forwarding() -> Stage:
    """A forward's target rings."""
    stage = Stage(answers={"1002": Reaction(kind="reject", after=0.2)})
    stage.call(SUPPORT)
    stage.until(lambda: stage.call_state() == "forwarding" and stage.offer_state() == "ringing")
    stage.wait(1.0)
    return stage


def leaving_a_message() -> Stage:
    """In voicemail."""
    stage = Stage()
    stage.call(BOX)
    stage.until(lambda: phase(stage, "sent"))
    stage.wait(5.0)
    return stage


def has_left_a_message() -> Stage:
    """Hung up in voicemail, the message's length not told yet."""
    stage = leaving_a_message()
    stage.site.world.callers[0].hang_up()
    stage.until(lambda: phase(stage, "left") or not stage.legs.callers)
    return stage


def picking_up() -> Stage:
    """A colleague has dialled the pickup code."""
    stage = ringing()
    stage.colleague(ANNA, "*8")
    stage.until(lambda: (talk := stage.talk()) is not None and talk.taker)
    return stage


def picked_up() -> Stage:
    """In a talk with who dialled the pickup code."""
    stage = ringing()
    stage.colleague(ANNA, "*8")
    stage.until(lambda: talk_phase(stage, "up", flipped=True))
    return stage


def ended_by_staff() -> Stage:
    """Being hung up."""
    stage = ringing()
    stage.end()
    stage.until(lambda: phase(stage, "ending"))
    return stage


def transferred() -> Stage:
    """His member has sent him to another group, where a phone rings."""
    stage = talking()
    stage.handed.append(stage.site.world.callers[0].who)
    stage.phones[ANNA][0].transfer("7002")
    stage.until(lambda: len(stage.saw(JAN, "ringing")) == 1)
    return stage


STATES: tuple[Callable[[], Stage], ...] = (
    arriving, handed, asked, ringing, two_phones_ring, waiting, withdrawn, answered, bridging, just_talking, talking,
    coming_back, forwarding, leaving_a_message, has_left_a_message, picking_up, picked_up, ended_by_staff, transferred,
)  # fmt: skip

# --- the losses -----------------------------------------------------------------------------------------------------------


def cut(stage: Stage) -> None:
    """The link breaks, and comes back at once."""
    assert stage.daemon.link.wire is not None
    stage.daemon.link.wire.cut()


def half_open(stage: Stage) -> None:
    """The network is gone without a word; a ping finds out."""
    assert stage.daemon.link.wire is not None
    stage.daemon.link.wire.half_open = True


def slow(stage: Stage, seconds: float) -> None:
    """Nothing gets through for a while, either way, and then all of it at once."""
    assert stage.daemon.link.wire is not None
    stage.daemon.link.wire.stall(seconds)


def out_of_reach(stage: Stage) -> None:
    """The event socket can't be reached for 20 seconds."""
    stage.site.refusing_until = stage.now + 20.0
    cut(stage)


def switch_restarted(stage: Stage) -> None:
    """FreeSWITCH dies and is there again two seconds later, without any call."""
    stage.restarts.append(stage.now)
    stage.site.world.crash()
    stage.site.refusing_until = stage.now + 2.0


def daemon_killed(stage: Stage, seconds: float) -> None:
    """kill -9, and a new start."""
    stage.site.kill()
    stage.site.world.agenda.after(seconds, stage.site.start)


def daemon_stopped(stage: Stage, seconds: float) -> None:
    """SIGSTOP, and SIGCONT."""
    daemon = stage.daemon
    daemon.stop()
    stage.site.world.agenda.after(seconds, daemon.go_on)


LOSSES: dict[str, Callable[[Stage], None]] = {
    "link cut": cut,
    "link half-open": half_open,
    "link slow by a second": partial(slow, seconds=1.0),
    "link slow by ten seconds": partial(slow, seconds=10.0),
    "switch out of reach": out_of_reach,
    "switch restarted": switch_restarted,
    "daemon killed": partial(daemon_killed, seconds=0.5),
    "daemon away for longer than the lease": partial(daemon_killed, seconds=100.0),
    "daemon stopped for a second": partial(daemon_stopped, seconds=0.9),
    "daemon stopped for 15 seconds": partial(daemon_stopped, seconds=15.0),
}

# --- what happens meanwhile -------------------------------------------------------------------------------------------------


def nothing(_stage: Stage) -> None:
    """Everybody stays as he is."""


def callers_leave(stage: Stage) -> None:
    """Outside callers hang up."""
    for caller in stage.site.world.callers:
        if "@" not in caller.who:
            caller.hang_up()


def phones_are_picked_up(stage: Stage) -> None:
    """Whatever rings is answered, and stays so for a minute."""
    for phone in [*stage.phones[ANNA], *stage.phones[JAN], *stage.phones[OLA]]:
        phone.answer()
        stage.site.world.agenda.after(60.0, phone.hang_up)


def members_leave(stage: Stage) -> None:
    """Who talks hangs up, who is rung declines, who has picked up by a code hangs up too."""
    for phone in [*stage.phones[ANNA], *stage.phones[JAN], *stage.phones[OLA]]:
        phone.hang_up()
        phone.reject(603)
    for caller in stage.site.world.callers:
        if "@" in caller.who:
            caller.hang_up()


MEANWHILE = (nothing, callers_leave, phones_are_picked_up, members_leave)

SOON = 0.3
"""Seconds from the loss to what happens meanwhile."""


@pytest.mark.parametrize("meanwhile", MEANWHILE, ids=lambda one: one.__name__)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("state", STATES, ids=lambda one: one.__name__)
def test_nothing_is_lost_whatever_goes_in_whatever_state(
    state: Callable[[], Stage], loss: str, meanwhile: Callable[[Stage], None]
) -> None:
    stage = state()
    LOSSES[loss](stage)
    stage.site.world.agenda.after(SOON, lambda: meanwhile(stage))
    assert stage.wrong() == []


def test_what_a_slow_link_says_late_of_one_talk_does_not_end_the_next_one() -> None:
    stage = Stage(answers={"1001": LATER, "1002": Reaction(after=1.0, stays=0.3)})
    caller = stage.call()
    stage.until(lambda: talk_phase(stage, "up"))
    stage.wait(1.5)
    slow(stage, 9.0)
    stage.wait(3.0)
    stage.handed.append(caller.who)
    stage.phones[ANNA][0].transfer("7002")
    stage.until(lambda: stage.saw(JAN, "ended"))
    stage.wait(1.0)
    assert stage.saw(caller.who, "gone") == []
    assert stage.wrong() == []
