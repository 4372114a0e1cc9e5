"""What people do with calls as with any phone call: hold, transfer, call a colleague in between, vanish from the network.

Each ends with nobody left on the switch, every member as free as he is, and as many recorded ends as calls were opened.
"""

from __future__ import annotations

import gevent

from fsqueue.simswitch.people import Reaction
from tests.contract.lab import Lab, RealBoard, Record
from tests.contract.scenarios import ANNA, BUSY, JAN, LONG_RINGS, OLA, SALES, SILENT, at, check, config, phone, scenario

TALKS = Reaction(after=0.4)
SUPPORT_EXTENSION, SALES_EXTENSION = "7002", "7001"
LONG_ENOUGH = 2.5
"""Seconds after which a talk has stood: one that its member ends within two is none."""


def ends(lab: Lab, count: int, seconds: float = 15.0) -> list[Record]:
    """Wait until `count` calls have ended, each once and none besides them; return their ends."""
    lab.until(lambda: len(lab.records("CallEnded")) >= count, seconds, f"{count} calls have their end in the journal")
    found = lab.records("CallEnded")
    opened = [record["call"] for record in lab.records("CallOpened")]
    check(sorted(end["call"] for end in found) == sorted(opened), f"opened {opened}, ended {found}")
    check(len(found) == count, f"{len(found)} ends where {count} were expected: {found}")
    return found


def free(lab: Lab, *members: str) -> None:
    """Wait until members are available again, and nobody is left on the switch."""
    lab.until(lambda: lab.board.legs() == 0, 15.0, "no leg is left on the switch")
    lab.until(lambda: all(state(lab, one) == "available" for one in members), 6.0, f"{members} are available again")


def state(lab: Lab, member: str) -> str:
    """How the daemon shows a member."""
    return lab.members()[member]


def stands(lab: Lab, member: str) -> None:
    """Let a member's talk stand for long enough, as the daemon counts it: it may have heard of it late."""
    lab.until(lambda: state(lab, member) == "talking", 5.0, f"{member} is shown as talking")
    gevent.sleep(LONG_ENOUGH)


def talking_with_anna(lab: Lab, *, ola: Reaction = TALKS, **script: float) -> str:
    """Begin a talk of a caller with Anna, in a lab where Ola of the support is there too, and let it stand."""
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, registered=False), phone(OLA, ola))
    caller = lab.call(SALES, **script)
    lab.saw(caller, "connected", peer=at(ANNA))
    stands(lab, "anna")
    return caller


@scenario(
    "Either side of a talk puts the other on hold and comes back; it stays one talk, and the member is not free in it"
)
def hold_in_the_talk(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    for who in (ANNA, caller):
        lab.board.hold(who)
        gevent.sleep(1.0)
        check(state(lab, "anna") == "talking", f"held by {who}, Anna is {state(lab, 'anna')}")
        lab.board.resume(who)
        gevent.sleep(0.5)
    check(not lab.records("CallEnded"), "nobody has hung up")
    lab.board.hang_up(caller)
    check(ends(lab, 1)[0]["reason"] == "answered", "answered")
    free(lab, "anna")


@scenario("A caller who holds us and presses keys while he waits keeps his place, and is connected when he is back")
def hold_and_keys_while_waiting(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, SILENT, TALKS), phone(JAN, registered=False))
    caller = lab.call(SALES, keys=((1.0, "5"), (1.2, "*"), (1.4, "#")))
    lab.saw(caller, "keyed", times=3)
    lab.board.hold(caller)
    gevent.sleep(1.0)
    lab.board.resume(caller)
    lab.saw(caller, "connected", 20.0, peer=at(ANNA))
    lab.board.hang_up(caller)
    check(len(lab.records("VisitBegan")) == 1, "it is one visit")
    check(ends(lab, 1)[0]["reason"] == "answered", "answered")
    free(lab, "anna")


@scenario(
    "A member who transfers a caller to a colleague is free, the colleague isn't, and the call has one end: answered"
)
def blind_transfer_to_a_colleague(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    lab.board.transfer(ANNA, OLA)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.until(lambda: state(lab, "anna") == "available", 6.0, "Anna is available")
    check(state(lab, "ola") != "available", "Ola talks, and counts as available")
    lab.board.hang_up(caller)
    check(ends(lab, 1)[0]["member"] == "anna", "it was Anna's call")
    free(lab, "anna", "ola")


@scenario("A caller whom a member transfers to a group is a new call there, and the old one was answered (N2)")
def blind_transfer_to_a_group(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    lab.board.transfer(ANNA, SUPPORT_EXTENSION)
    lab.saw(caller, "connected", peer=at(OLA))
    stands(lab, "ola")
    lab.board.hang_up(caller)
    found = ends(lab, 2)
    check([(end["reason"], end["member"]) for end in found] == [("answered", "anna"), ("answered", "ola")], str(found))
    free(lab, "anna", "ola")


@scenario(
    "A caller who transfers a member to a group makes him a caller there, who is not free while he waits and talks"
)
def blind_transfer_by_the_caller(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    lab.board.transfer(caller, SUPPORT_EXTENSION)
    lab.saw(at(OLA), "connected")
    gevent.sleep(LONG_ENOUGH)
    check(state(lab, "anna") != "available", "Anna talks with Ola, and counts as available")
    lab.board.hang_up(ANNA)
    check([end["reason"] for end in ends(lab, 2)] == ["answered", "answered"], "both calls were answered")
    free(lab, "anna", "ola")


@scenario("A member whom his caller transfers to a colleague talks on, and is not free until that is over")
def blind_transfer_by_the_caller_to_a_colleague(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    lab.board.transfer(caller, OLA)
    lab.saw(at(OLA), "connected", peer=at(ANNA))
    check(ends(lab, 1)[0]["reason"] == "answered", "the caller's own call is over")
    gevent.sleep(1.5)
    check(state(lab, "anna") != "available", "Anna talks with Ola, and counts as available")
    check(state(lab, "ola") != "available", "Ola talks with Anna, and counts as available")
    lab.board.hang_up(ANNA)
    free(lab, "anna", "ola")


@scenario(
    "A caller who is transferred in the first second of a talk doesn't come back to us after his talk with the colleague"
)
def blind_transfer_at_once(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, registered=False), phone(OLA, Reaction(after=0.4, talk=2.5)))
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(ANNA))
    gevent.sleep(0.6)
    lab.board.transfer(ANNA, OLA)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.saw(caller, "gone", detail="by the switch")
    check(len(lab.sightings(caller, "connected")) == 2, "he was connected twice, and to nobody else")
    check([(end["reason"], end["member"]) for end in ends(lab, 1)] == [("answered", "anna")], "it was Anna's call")
    free(lab, "anna", "ola")


@scenario("A member who asks a colleague first and then joins the two is free, and the colleague isn't")
def attended_transfer_to_a_colleague(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    lab.board.hold(ANNA)
    asked = lab.call(OLA, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(asked, "connected", peer=at(OLA))
    lab.board.join(ANNA, asked)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.until(lambda: state(lab, "anna") == "available", 8.0, "Anna is available")
    check(state(lab, "ola") != "available", "Ola talks, and counts as available")
    lab.board.hang_up(caller)
    check(ends(lab, 1)[0]["member"] == "anna", "it was Anna's call")
    free(lab, "anna", "ola")


@scenario("Who is transferred, attended, into a call that waits takes that call over (N2)")
def attended_transfer_to_a_group_that_waits(lab: Lab) -> None:
    lab.start(
        config(support='action = "wait"'), phone(ANNA, TALKS), phone(JAN, registered=False), phone(OLA, BUSY, TALKS)
    )
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(ANNA))
    stands(lab, "anna")
    lab.board.hold(ANNA)
    asked = lab.call(SUPPORT_EXTENSION, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(at(OLA), "refused")
    lab.saw(asked, "music")
    lab.board.join(ANNA, asked)
    lab.saw(caller, "connected", 20.0, peer=at(OLA))
    lab.until(lambda: state(lab, "anna") == "available", 8.0, "Anna is available")
    stands(lab, "ola")
    lab.board.hang_up(caller)
    found = ends(lab, 2)
    check([(end["reason"], end["member"]) for end in found] == [("answered", "anna"), ("answered", "ola")], str(found))
    free(lab, "anna", "ola")


@scenario(
    "Who is joined with a group's member who has answered talks to him, and that member is not free until it is over (M3)"
)
def attended_transfer_to_a_group_that_answered(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    lab.board.hold(ANNA)
    asked = lab.call(SUPPORT_EXTENSION, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(asked, "connected", peer=at(OLA))
    stands(lab, "ola")
    lab.board.join(ANNA, asked)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.until(lambda: state(lab, "anna") == "available", 8.0, "Anna is available")
    gevent.sleep(1.5)
    check(state(lab, "ola") != "available", "Ola talks, and counts as available")
    lab.board.hang_up(caller)
    check([end["reason"] for end in ends(lab, 2)] == ["answered", "answered"], "both calls were answered")
    free(lab, "anna", "ola")


@scenario("A member who called out in our talk isn't rung when that talk is over, but when his own call is (M1)")
def second_line_outlasts_the_talk(lab: Lab) -> None:
    caller = talking_with_anna(lab)
    private = lab.call(OLA, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(private, "connected", peer=at(OLA))
    lab.board.hang_up(caller)
    ends(lab, 1)
    second = lab.call(SALES, number="600100300", name="Ewa")
    lab.saw(second, "music")
    gevent.sleep(2.5)
    check(len(lab.sightings(at(ANNA), "ringing")) == 1, "Anna is rung in a call of her own")
    lab.board.hang_up(private)
    lab.saw(second, "connected", peer=at(ANNA))
    lab.board.hang_up(second)
    ends(lab, 2)
    free(lab, "anna", "ola")


@scenario("A member whom a colleague calls in our talk isn't rung for the group while that second line is up (M1)")
def second_line_from_a_colleague(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.5), lines=2), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(ANNA))
    stands(lab, "anna")
    colleague = lab.call(ANNA, number=OLA, name="Ola", user=at(OLA))
    lab.saw(colleague, "connected", peer=at(ANNA))
    lab.board.hang_up(caller)
    ends(lab, 1)
    check(state(lab, "anna") != "available", "Anna counts as free in a colleague's call")
    second = lab.call(SALES, number="600100300", name="Ewa")
    lab.saw(second, "music")
    gevent.sleep(2.5)
    check(len(lab.sightings(at(ANNA), "ringing")) == 2, "Anna is rung in a call of her own")
    lab.board.hang_up(colleague)
    lab.saw(second, "connected", peer=at(ANNA))
    lab.board.hang_up(second)
    ends(lab, 2)
    free(lab, "anna")


@scenario("A member in a colleague's direct call is not rung for a group until it is over (M1)")
def direct_call_before_a_callers(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), phone(JAN, registered=False), phone(OLA))
    colleague = lab.call(ANNA, number=OLA, name="Ola", user=at(OLA))
    lab.saw(colleague, "connected", peer=at(ANNA))
    caller = lab.call(SALES)
    lab.saw(caller, "music")
    gevent.sleep(2.5)
    check(len(lab.sightings(at(ANNA), "ringing")) == 1, "Anna is rung while she talks to Ola")
    lab.board.hang_up(colleague)
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.board.hang_up(caller)
    ends(lab, 1)
    free(lab, "anna", "ola")


@scenario("A member who starts a call while we ring him is rung no longer (M3)")
def calls_out_while_we_ring(lab: Lab) -> None:
    lab.start(LONG_RINGS, phone(ANNA, SILENT, TALKS), phone(JAN, registered=False), phone(OLA))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ringing")
    private = lab.call(OLA, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(at(ANNA), "cancelled", 2.0)
    check(not lab.sightings(caller, "gone"), "the caller waits on")
    lab.saw(private, "connected", peer=at(OLA))
    lab.board.hang_up(private)
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.board.hang_up(caller)
    ends(lab, 1)
    free(lab, "anna", "ola")


@scenario("A colleague who calls his own group is a caller like any other, and isn't rung for himself (M1)")
def colleague_calls_his_group(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, SILENT), phone(JAN, TALKS))
    colleague = lab.call(SALES_EXTENSION, number=ANNA, name="Anna", user=at(ANNA))
    lab.saw(colleague, "connected", peer=at(JAN))
    check(state(lab, "anna") != "available", "Anna is in a call, and counts as available")
    lab.board.hang_up(colleague)
    check(ends(lab, 1)[0]["member"] == "jan", "Jan had it")
    check(not lab.sightings(at(ANNA), "ringing"), "Anna was rung for her own call")
    free(lab, "anna", "jan")


@scenario(
    "A call that the switch makes to itself over a loopback leg is one call with one end", real_only="loopback legs"
)
def loopback_caller(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.4, talk=3.0, stays=6.0)), phone(JAN, registered=False))
    assert isinstance(lab.board, RealBoard)
    lab.board.originate(f"{{origination_caller_id_number=600100200}}loopback/{SALES}/public", "&park()")
    lab.saw(at(ANNA), "answered")
    end = ends(lab, 1, 20.0)[0]
    check((end["reason"], end["member"]) == ("answered", "anna"), str(end))
    free(lab, "anna")


@scenario(
    "A caller whose network is gone while he waits is over after one and a half minutes", real_only="SIP session timers"
)
def network_gone_while_waiting(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "music")
    assert isinstance(lab.board, RealBoard)
    lab.board.vanish(caller)
    check(ends(lab, 1, 110.0)[0]["reason"] == "abandoned", "a caller who is gone has abandoned his call")
    lab.until(lambda: lab.board.legs() == 0, 5.0, "no leg is left on the switch")
