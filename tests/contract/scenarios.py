"""What must hold of a call on any switch: one scenario each, told in callers, phones and the call's recorded end.

A scenario gets a fresh lab and says what it expects; whatever it doesn't wait for is judged afterwards by `runner`: nobody lost, no
phone ringing for nobody, no leg left on the switch.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
import msgspec

from fsqueue.simswitch.people import PhoneScript, Reaction
from tests.contract.freeswitch import DOMAIN
from tests.contract.lab import Lab, RealBoard

Run = Callable[[Lab], None]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario: its `name`, the `rule` it holds, and `run`. `real_only` names why where it needs a real switch; else empty."""

    name: str
    rule: str
    run: Run
    real_only: str = ""


SCENARIOS: list[Scenario] = []

SALES, SUPPORT = "+48221000001", "+48221000002"
ANNA, JAN, OLA = "1001", "1002", "1003"


def scenario(rule: str, *, real_only: str = "") -> Callable[[Run], Run]:
    """Register a function as a scenario named like itself."""

    def register(run: Run) -> Run:
        SCENARIOS.append(Scenario(name=run.__name__.replace("_", "-"), rule=rule, run=run, real_only=real_only))
        return run

    return register


def config(
    sales: str = "", *, step: str = 'action = "wait"', support: str = 'action = "hangup"', more: str = ""
) -> str:
    """The lab's configuration: three members, the group `sales` of Anna and Jan, and `support` of Ola. Rings last two seconds."""
    return f"""
[telephony]
ring_seconds = 2
rest_seconds = 1
domain = "{DOMAIN}"
outbound = "user/{{number}}@{DOMAIN}"
[members.anna]
name = "Anna"
extension = "{ANNA}"
dial = "user/{ANNA}@{DOMAIN}"
[members.jan]
name = "Jan"
extension = "{JAN}"
dial = "user/{JAN}@{DOMAIN}"
[members.ola]
name = "Ola"
extension = "{OLA}"
dial = "user/{OLA}@{DOMAIN}"
[groups.sales]
extension = "7001"
members = ["anna", "jan"]
rings = 2
pickup = true
{sales}
[groups.sales.unanswered]
{step}
[groups.support]
extension = "7002"
members = ["ola"]
rings = 2
[groups.support.unanswered]
{support}
[numbers."{SALES}"]
group = "sales"
[numbers."{SUPPORT}"]
group = "support"
music = "local_stream://jazz"
{more}
"""


def phone(user: str, *reactions: Reaction, **more: object) -> PhoneScript:
    """A user's phone; without reactions it answers after half a second."""
    return PhoneScript(user=user, domain=DOMAIN, reactions=reactions or (Reaction(after=0.5),), **more)  # type: ignore[arg-type]


def at(user: str) -> str:
    """How sightings call a user's phone."""
    return f"{user}@{DOMAIN}"


def check(condition: object, text: str) -> None:
    """Fail with a text unless a condition holds."""
    if not condition:
        raise AssertionError(text)


def in_time(lab: Lab, kept: object, text: str) -> None:
    """Fail unless a time was kept, on a real switch. The embedded one plays beside other tests, and is as slow as the machine then:
    there the rules have their seconds on virtual time, in tests/engine and tests/virtual."""
    check(kept or not isinstance(lab.board, RealBoard), text)


LONG_RINGS = config().replace("rings = 2", "rings = 15")
"""As usual, but phones ring for half a minute: whatever stops one sooner isn't the end of its window."""

BUSY, DECLINES = Reaction(kind="reject", code=486, after=0.2), Reaction(kind="reject", code=603, after=0.2)
SILENT = Reaction(kind="ignore")


@scenario(
    "A caller hears music, the member who answers is connected with him, and when the member hangs up the call is over"
)
def answered_and_the_member_hangs_up(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=1.5, talk=3.0)), phone(JAN, SILENT, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "music")
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(at(ANNA), "connected", peer=caller)
    lab.saw(caller, "gone", detail="by the switch")
    end = lab.ended()
    check(end["reason"] == "answered", f"ended as {end['reason']}")
    check(end["member"] == "anna", f"answered by {end['member']}")
    check(end["talked"] > 2.0, f"talked {end['talked']} s")


@scenario("When the caller hangs up in the talk, the member's phone is free at once")
def answered_and_the_caller_hangs_up(lab: Lab) -> None:
    lab.start(config(), phone(ANNA), phone(JAN, registered=False))
    caller = lab.call(SALES, talk=3.0)
    lab.saw(caller, "connected")
    lab.saw(caller, "gone", detail="by himself")
    lab.saw(at(ANNA), "ended", 3.0, detail="by the switch")
    check(lab.ended()["reason"] == "answered", "a talk that the caller ends is answered")


@scenario("A caller who hangs up on hold is missed, as abandoned")
def abandoned_on_hold(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, BUSY), phone(JAN, BUSY))
    caller = lab.call(SALES)
    lab.saw(at(JAN), "refused")
    lab.saw(caller, "music")
    lab.board.hang_up(caller)
    lab.saw(caller, "gone", detail="by himself")
    check(lab.ended()["reason"] == "abandoned", "abandoned")


@scenario("When the caller hangs up, the phone that rings for him stops")
def abandoned_while_ringing(lab: Lab) -> None:
    lab.start(LONG_RINGS, phone(ANNA, SILENT), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ringing", peer=caller)
    gevent.sleep(1.5)
    lab.board.hang_up(caller)
    gone = lab.saw(caller, "gone")
    cancelled = lab.saw(at(ANNA), "cancelled", 5.0)
    in_time(lab, cancelled.t - gone.t < 1.0, f"the phone rang on for {cancelled.t - gone.t:.1f} s")
    check(lab.ended()["reason"] == "abandoned", "abandoned")


@scenario("A member who doesn't answer is rung for his window and no longer, and then the next one rings (D1)")
def no_answer_then_the_next_member(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, SILENT), phone(JAN, Reaction(after=0.5, talk=3.0)))
    caller = lab.call(SALES)
    rang = lab.saw(at(ANNA), "ringing")
    stopped = lab.saw(at(ANNA), "cancelled")
    in_time(lab, 3.5 < stopped.t - rang.t < 5.0, f"rang for {stopped.t - rang.t:.1f} s where a window is 4")
    lab.saw(caller, "connected", peer=at(JAN))
    end = lab.ended()
    check((end["reason"], end["member"]) == ("answered", "jan"), str(end))


@scenario("A busy phone is passed over at once, and its member's turn is used")
def busy_then_the_next_member(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, BUSY), phone(JAN, Reaction(after=0.5, talk=3.0)))
    caller = lab.call(SALES)
    refused = lab.saw(at(ANNA), "refused")
    rang = lab.saw(at(JAN), "ringing")
    in_time(lab, rang.t - refused.t < 1.0, f"{rang.t - refused.t:.1f} s from one phone to the next")
    lab.saw(caller, "connected", peer=at(JAN))
    lab.ended()
    check(lab.records("OfferOver")[0]["outcome"] == "busy", "the offer ended busy")


@scenario("A member who declines is asked again only after his rest, and the caller hears music meanwhile (M2)")
def declined_then_the_next_member(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, DECLINES), phone(JAN, Reaction(after=0.5, talk=3.0)))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "refused", detail="603")
    lab.saw(caller, "connected", peer=at(JAN))
    lab.ended()
    check(lab.records("OfferOver")[0]["outcome"] == "declined", "the offer ended declined")


@scenario("With all members unregistered the step is taken at once (U1)")
def all_members_unregistered(lab: Lab) -> None:
    lab.start(config(step='action = "hangup"'), phone(ANNA, registered=False), phone(JAN, registered=False))
    began = time.time()
    caller = lab.call(SALES)
    gone = lab.saw(caller, "gone", 5.0, detail="by the switch")
    in_time(lab, gone.t - began < 2.0, f"took {gone.t - began:.1f} s")
    check(lab.ended()["reason"] == "offline", "offline")


@scenario("A phone that registers while a caller waits is rung for him (M1)")
def a_phone_registers_while_a_caller_waits(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.3, talk=3.0), registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "music")
    check(not lab.sightings(at(ANNA)), "nobody rings yet")
    lab.board.register(ANNA, present=True)
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.ended()


@scenario("Of two members who answer at the same moment one is connected and the other gets a clear end (D4)")
def two_members_answer_at_once(lab: Lab) -> None:
    together = Reaction(after=1.0)
    lab.start(config('distribution = "to-all"'), phone(ANNA, together), phone(JAN, together))
    caller = lab.call(SALES, talk=4.0)
    lab.saw(caller, "connected")
    lab.saw(caller, "gone", detail="by himself")
    lab.ended()
    talked = {s.who for s in lab.sightings(what="connected") if s.side == "phone"}
    check(len(talked) == 1, f"connected with {sorted(talked)}")
    for who in (at(ANNA), at(JAN)):
        lab.until(
            lambda who=who: lab.sightings(who, "ended") or lab.sightings(who, "cancelled"),  # type: ignore[misc]
            3.0,
            f"{who} has an end",
        )


@scenario("The others' phones say that it was answered elsewhere (D4)")
def to_all_answered_elsewhere(lab: Lab) -> None:
    lab.start(config('distribution = "to-all"'), phone(ANNA, Reaction(after=1.0, talk=3.0)), phone(JAN, SILENT))
    caller = lab.call(SALES)
    lab.saw(at(JAN), "ringing")
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(at(JAN), "cancelled", detail="completed elsewhere")
    lab.ended()


@scenario("A member who hangs up at the moment of answering costs no caller: the next one is connected (M2)")
def member_gone_at_the_moment_of_answering(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.5, talk=0)), phone(JAN, Reaction(after=0.5, talk=3.0)))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ended")
    lab.saw(caller, "connected", 25.0, peer=at(JAN))
    end = lab.ended()
    check((end["reason"], end["member"]) == ("answered", "jan"), str(end))


@scenario("A member who hangs up while he is being bridged costs no caller either")
def member_gone_in_the_middle_of_bridging(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, Reaction(after=0.5, stays=0.05)), phone(JAN, Reaction(after=0.5, talk=3.0)))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ended")
    lab.saw(caller, "connected", 25.0, peer=at(JAN))
    check(lab.ended()["member"] == "jan", "Jan has the call")


@scenario("All phones of a member ring, and the others stop when one answers")
def two_phones_of_one_member(lab: Lab) -> None:
    lab.start(LONG_RINGS, phone(ANNA, Reaction(after=1.0, talk=3.0), contacts=2), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ringing", times=2)
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(at(ANNA), "cancelled", 3.0)
    lab.ended()
    legs = {s.leg for s in lab.sightings(at(ANNA), "ringing")}
    check(len(legs) == 2, f"{len(legs)} phones rang")


HOSTILE = {
    "O'Brien {a=b} [c]": "O'Brien {a=b} [c]",
    "Zażółć gęślą": "Zażółć gęślą",
    "x${system(id)}y": "x%{system(id)}y",
    "a%0D%0AX-Evil%3A 1": "aX-Evil: 1",
    "|;<script>&amp;": "|;<script>&amp;",
    "=?UTF-8?Q?q?=": "=?UTF-8?Q?q?=",
}
"""Display names that callers make up, and how they reach us: FreeSWITCH itself writes `%{` for `${` and decodes `%XX` when they come in."""


@scenario("Names that callers made up reach the phone as they are and forge no header")
def hostile_names(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, SILENT), phone(JAN, registered=False))
    for index, (name, shown) in enumerate(HOSTILE.items()):
        caller = lab.call(SALES, number=f"60010020{index}", name=name)
        seen = lab.saw(at(ANNA), "ringing", peer=caller)
        check(seen.detail in (name, shown), f"{name!r} is shown as {seen.detail!r}")
        lab.board.hang_up(caller)
        lab.saw(caller, "gone")
    forged = [header for header in lab.board.headers(ANNA) if "evil" in header[0].lower()]
    check(not forged, f"forged: {forged}")


@scenario("While nobody listens on the socket callers go to the fallback")
def daemon_down(lab: Lab) -> None:
    lab.start(config(), daemon=False)
    caller = lab.call(SALES)
    lab.saw(caller, "gone", 5.0, detail="NORMAL_TEMPORARY_FAILURE by the switch")
    check(not lab.sightings(caller, "answered"), "he was not answered")


@scenario("A daemon that has gone mute keeps nobody: the fallback comes after six seconds")
def daemon_mute(lab: Lab) -> None:
    lab.start(config(), phone(ANNA))
    lab.pause_daemon()
    caller = lab.call(SALES)
    lab.saw(caller, "gone", 9.0, detail="NORMAL_TEMPORARY_FAILURE by the switch")


@scenario("A number that leads nowhere goes to the fallback with the reason")
def unknown_number(lab: Lab) -> None:
    lab.start(config(), phone(ANNA))
    caller = lab.call(SALES, variables={"fsqueue_to": "48999999999"})
    lab.saw(caller, "gone", 5.0, detail="by the switch")
    check(not lab.sightings(caller, "answered"), "he was not answered")
    check(lab.ended()["reason"] == "fallback", "it was the daemon that sent him there")


@scenario("Voicemail takes the call when the step says so, and its end is recorded")
def voicemail(lab: Lab) -> None:
    step = f'action = "voicemail"\nmailbox = "{ANNA}@{DOMAIN}"'
    lab.start(config(step=step), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES, patience=8.0)
    lab.saw(caller, "answered")
    lab.saw(caller, "gone", detail="by")
    check(lab.ended()["reason"] == "voicemail", f"ended as {lab.records('CallEnded')}")


@scenario("A hang-up step ends the call with the cause that is configured")
def hangup_with_a_cause(lab: Lab) -> None:
    step = 'action = "hangup"\ncause = "USER_BUSY"'
    lab.start(config(step=step), phone(ANNA, registered=False), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(caller, "gone", 6.0, detail="USER_BUSY by the switch")
    lab.ended()


@scenario("A forward to a number connects the caller with who answers there")
def forward_to_a_number(lab: Lab) -> None:
    step = f'action = "forward"\nnumber = "{OLA}"'
    phones = phone(ANNA, registered=False), phone(JAN, registered=False), phone(OLA, Reaction(after=0.5, talk=3.0))
    lab.start(config(step=step), *phones)
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "forwarded", f"ended as {lab.records('CallEnded')}")


@scenario("A colleague who dials the pickup code takes the call that rings, and the other phone stops (P1)")
def pickup_by_code(lab: Lab) -> None:
    lab.start(LONG_RINGS, phone(ANNA, SILENT), phone(JAN, SILENT, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "ringing")
    colleague = lab.call("*8", number=JAN, name="Jan", user=at(JAN), talk=3.0)
    lab.saw(at(ANNA), "cancelled", detail="completed elsewhere")
    lab.saw(caller, "connected")
    lab.saw(colleague, "connected", peer=caller)
    lab.saw(caller, "gone", detail="by the switch")
    end = lab.ended()
    check((end["reason"], end["member"]) == ("answered", "jan"), str(end))


@scenario("A caller whose step leads to another group keeps his place and is answered there (S3)")
def chain_of_groups(lab: Lab) -> None:
    step = 'action = "group"\ngroup = "support"'
    phones = phone(ANNA, BUSY), phone(JAN, BUSY), phone(OLA, Reaction(after=0.5, talk=3.0))
    lab.start(config(step=step), *phones)
    caller = lab.call(SALES)
    lab.saw(caller, "connected", peer=at(OLA))
    lab.ended()
    check([visit["group"] for visit in lab.records("VisitBegan")] == ["sales", "support"], "two visits of one call")


@scenario("A caller on hold survives kill -9 of the daemon: music goes on, and its successor connects him")
def daemon_killed_and_started_again(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, BUSY, Reaction(after=0.5, talk=3.0)), phone(JAN, registered=False))
    caller = lab.call(SALES)
    lab.saw(at(ANNA), "refused")
    lab.saw(caller, "music")
    lab.kill_daemon()
    check(not lab.sightings(caller, "gone"), "he is still there")
    lab.start_daemon()
    lab.saw(caller, "connected", 20.0, peer=at(ANNA))
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "answered", "one call, one end")
    check(len(lab.records("CallOpened")) == 1, "and it was opened once")


from tests.contract import scenarios_rules as _rules  # noqa: E402, F401 - they register themselves, with what stands above
