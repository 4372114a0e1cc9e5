"""What becomes of calls that nobody takes, where it is more than a bridge: forwards that come back, prompts, limits, hidden callers.

Beside `scenarios_rules`, which has the rules' common ways.
"""

from __future__ import annotations

import re
import time
import wave
from pathlib import Path

import gevent

from fsqueue.simswitch.people import Reaction
from tests.contract.lab import Lab, RealBoard, Record
from tests.contract.rawesl import Event, Switch
from tests.contract.scenarios import ANNA, JAN, OLA, SALES, SILENT, at, check, config, phone, scenario
from tests.contract.scenarios_rules import TALKS, put_after, reasons, told

RECIPES = Path(__file__).parent.parent.parent / "docs" / "recipes.md"
MOBILE = "48700000001"
AWAY = phone(ANNA, registered=False), phone(JAN, registered=False)


def forward(*more: str) -> str:
    """The step that dials Ola's phone as if it were outside."""
    return "\n".join((f'action = "forward"\nnumber = "{OLA}"\ntimeout_seconds = 20', *more))


def offer_to(lab: Lab, number: str) -> Record:
    """The record of the offer to a number, once there is one."""
    lab.until(lambda: [r for r in lab.records("Offered") if r["number"] == number], 5.0, f"{number} is dialled")
    return next(r for r in lab.records("Offered") if r["number"] == number)


# --- forwards that come back


@scenario("A forward that comes back in is turned away as busy, and is no call of its own (S2)")
def forward_that_comes_back(lab: Lab) -> None:
    lab.start(config(step=forward()), *AWAY, phone(OLA, SILENT))
    caller = lab.call(SALES, number="600100201")
    lab.saw(at(OLA), "ringing")
    back = lab.call(SALES, number="600100202", headers={"X-FSQueue-Forward": offer_to(lab, OLA)["offer"]})
    lab.saw(back, "gone", 3.0, detail="USER_BUSY by the switch")
    told(lab, back, 486)
    check(not lab.sightings(back, "answered"), "our own hold answered our own forward")
    lab.board.hang_up(caller)
    lab.saw(caller, "gone", detail="by himself")
    check(lab.ended()["reason"] == "abandoned", "the caller's call went on meanwhile")


@scenario("A diverted mobile that brings the forward back under the caller's number is known by its Diversion (S2)")
def forward_diverted_back(lab: Lab) -> None:
    lab.start(config(step=forward()), *AWAY, phone(OLA, SILENT))
    caller = lab.call(SALES, number="48600100201", patience=8.0)
    lab.saw(at(OLA), "ringing")
    offer_to(lab, OLA)
    diversion = f"<sip:{OLA}@provider.example>;reason=unconditional"
    back = lab.call(SALES, number="48600100201", name="back", headers={"Diversion": diversion})
    check(back == caller, "they show the same number")
    lab.saw(caller, "gone", 3.0, detail="USER_BUSY by the switch")
    lab.saw(caller, "gone", detail="by himself")
    check(lab.ended()["reason"] == "abandoned", "the caller's call went on meanwhile")


@scenario(
    "A forward that goes round through the trunk ends as not answered, at once (S2)",
    real_only="the embedded switch has no trunk",
)
def forward_round_the_trunk(lab: Lab) -> None:
    lab.start(config(step=f'action = "forward"\nnumber = "{MOBILE}"'), *AWAY, daemon=False)
    assert isinstance(lab.board, RealBoard)
    switch, file = lab.board.switch, lab.folder / "fsqueue.toml"
    round_trip = f"sofia/external/{{number}}@127.0.0.1:{switch.external}"
    file.write_text(file.read_text().replace('outbound = "user/{number}@lab"', f'outbound = "{round_trip}"'))
    _site(
        lab.board,
        f'<condition field="destination_number" expression="^{MOBILE}$">'
        f'<action application="transfer" data="{SALES} XML public"/></condition>',
    )
    lab.start_daemon()
    caller = lab.call(SALES, number="600100201")
    lab.saw(caller, "gone", 5.0, detail="NO_ANSWER by the switch")
    check(lab.ended()["reason"] == "no_answer", str(lab.ended()))
    check(len(lab.records("CallOpened")) == 1, "the forward became a call of its own")
    check(any("turned away" in r["action"] for r in lab.records("Decided")), "why is on record")


@scenario("A forward to a member who declines ends the call as not answered (S2)")
def forward_declined_by_the_member(lab: Lab) -> None:
    step = 'action = "forward"\nmember = "ola"\ntimeout_seconds = 8'
    lab.start(config(step=step), *AWAY, phone(OLA, Reaction(kind="reject", code=603, after=0.3)))
    caller = lab.call(SALES)
    lab.saw(at(OLA), "refused")
    lab.saw(caller, "gone", 5.0, detail="by the switch")
    check(lab.ended()["reason"] == "no_answer", "no_answer")


# --- who hides himself


@scenario("A caller who asks for privacy by a header stays anonymous on the member's phone and on a forward")
def privacy_by_header(lab: Lab) -> None:
    lab.start(
        config(step=forward()), phone(ANNA, Reaction(kind="reject", code=486, after=0.2)), AWAY[1], phone(OLA, TALKS)
    )
    hidden = {"Privacy": "id", "P-Asserted-Identity": '"Ala" <sip:+48600100201@127.0.0.1>'}
    caller = lab.call(SALES, number="600100201", name="Ala", headers=hidden)
    for user in (ANNA, OLA):
        rang = lab.saw(at(user), "ringing", 8.0)
        check(
            "600100201" not in rang.peer + rang.detail and "Ala" not in rang.detail,
            f"{user} saw {rang.peer} {rang.detail}",
        )
    shown = [value for user in (ANNA, OLA) for _, value in lab.board.headers(user)]
    check(not [value for value in shown if "600100201" in value or "Ala" in value], f"an INVITE says {shown}")
    lab.saw(caller, "connected", peer=at(OLA))
    lab.saw(caller, "gone")
    lab.ended()


# --- limits of the whole


@scenario("Beyond max_calls a caller goes to the fallback at once, is told 503 and never answered")
def overload_is_service_unavailable(lab: Lab) -> None:
    lab.start("[daemon]\nmax_calls = 1\n" + config(), phone(ANNA, SILENT), phone(JAN, SILENT))
    first = lab.call(SALES, number="600100201")
    lab.saw(first, "music")
    second = lab.call(SALES, number="600100202")
    lab.saw(second, "gone", 4.0, detail="by the switch")
    told(lab, second, 503)
    check(not lab.sightings(second, "answered"), "he was answered before he was refused")
    lab.board.hang_up(first)
    lab.saw(first, "gone", detail="by himself")
    reasons(lab, 2)
    third = lab.call(SALES, number="600100203")
    lab.saw(third, "answered")
    lab.board.hang_up(third)
    lab.saw(third, "gone")
    check(reasons(lab, 3) == ["fallback", "abandoned", "abandoned"], str(reasons(lab, 3)))


# --- prompts


@scenario(
    "Who waits on hears the prompt once, music again after it, and is then connected as ever (S1)",
    real_only="the embedded switch plays no announcements",
)
def prompt_while_waiting(lab: Lab) -> None:
    prompt = lab.folder / "wait.wav"
    _speak(prompt, 1.0)
    away = phone(ANNA, TALKS, registered=False), AWAY[1]
    lab.start(config(step=f'action = "wait"\nprompt = "{prompt}"'), *away)
    with Switch(lab.board.esl, lab.board.password) as switch:
        switch.send("event json PLAYBACK_START PLAYBACK_STOP")
        caller = lab.call(SALES)
        lab.saw(caller, "music")
        lab.until(lambda: len(_played(switch.events, prompt)) >= 2, 4.0, "the prompt begins and ends")
        gevent.sleep(PASS_AND_MORE)
        check(len(_played(switch.events, prompt)) == 2, f"played {_played(switch.events, prompt)}")
    check(lab.sightings(caller)[-1].what == "music", "music goes on")
    lab.board.register(ANNA, present=True)
    lab.saw(caller, "connected", 8.0, peer=at(ANNA))
    lab.saw(caller, "gone")
    check(lab.ended()["reason"] == "answered", "answered")


PASS_AND_MORE = 5.0
"""Seconds in which a second pass begins: two rings of two seconds, and one more."""


def _played(events: list[Event], prompt: Path) -> list[str]:
    return [e["Event-Name"] for e in events if e.get("Playback-File-Path") == str(prompt)]


def _speak(place: Path, seconds: float) -> None:
    """Write a file that lasts so long; what is said in it is nothing."""
    with wave.open(str(place), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(round(16000 * seconds)))


# --- opening hours


@scenario(
    "The recipe for opening hours, as documented, lets callers in during them and not outside them (N1)",
    real_only="the embedded switch has no calendar",
)
def opening_hours_as_documented(lab: Lab) -> None:
    lab.start(config(), phone(ANNA, TALKS), AWAY[1])
    assert isinstance(lab.board, RealBoard)
    hours = HOURS.search(RECIPES.read_text())
    check(hours, "the recipe is there")
    assert hours is not None
    now = time.localtime()
    today, tomorrow = (now.tm_wday + 1) % 7 + 1, (now.tm_wday + 2) % 7 + 1
    for number, day in (("48221110001", today), ("48221110002", tomorrow)):
        recipe = hours[1].replace("48221234567", number).replace("sales-hours", f"hours-{number}")
        check('wday="2-6" time-of-day="08:00-16:00"' in recipe, "its hours are where they were")
        _site(lab.board, recipe.replace('wday="2-6" time-of-day="08:00-16:00"', f'wday="{day}"'))
    caller = lab.call("48221110001", number="600100201")
    lab.saw(caller, "connected", peer=at(ANNA))
    lab.saw(caller, "gone")
    closed = lab.call("48221110002", number="600100202")
    lab.saw(closed, "answered")
    lab.saw(closed, "gone", detail="by the switch")
    check(reasons(lab, 1) == ["answered"], "who calls outside the hours is no call of ours")


HOURS = re.compile(r'```xml\n(<extension name="sales-hours".*?</extension>)\n```', re.DOTALL)


def _site(board: RealBoard, extension: str) -> None:
    """Give the site's context `public` an extension more; a bare condition is named for it."""
    whole = extension if extension.startswith("<extension") else f'<extension name="more">{extension}</extension>'
    put_after(board.switch.folder / "conf" / "dialplan" / "site.xml", '<context name="public">', whole)
    with Switch(board.esl, board.password) as switch:
        check(switch.api("reloadxml").startswith("+OK [Success]"), "the switch takes the extension")
