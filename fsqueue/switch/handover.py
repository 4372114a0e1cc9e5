"""The first word to who has arrived: his variables, and what his channel does next. No function here sends anything.

What works only before the answer is written before it; after the last application the channel lives in FreeSWITCH on its
own. How it is said depends on the way the call came in by, see `fsqueue.switch.ways`.
"""

from __future__ import annotations

import msgspec

from fsqueue.engine.messages import Hold
from fsqueue.esl.events import Event
from fsqueue.switch import quoting
from fsqueue.switch.dialplan import FALLBACK, HOLD, WHY
from fsqueue.switch.messages import SwitchFacts

VERSION = "1"
"""Of the meaning of our channel variables."""

Application = tuple[str, str]
Variables = tuple[tuple[str, str], ...]

BEFORE_ANSWER = (("sofia_session_timeout", "90"), ("rtp_liberal_dtmf", "true"))
"""A caller whose network died ends after 86 s; keys sent by SIP INFO count. Neither takes effect after the answer."""

_MICRO = 1_000_000


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What is said first to a channel that has arrived and does nothing until then.

    `variables` are written first; those with an empty value are unset. `then`: what it does, in order; the last application
    takes it elsewhere, ends it, or keeps it. `takes_back`: what the dialplan has scheduled is to be taken back, since what
    comes then doesn't do that by itself.
    """

    variables: Variables = ()
    then: tuple[Application, ...]
    takes_back: bool = False


def music(hold: Hold, facts: SwitchFacts) -> str:
    """Return what the caller hears; the installation's music where the number's can't be written, so that he stays."""
    for choice in (hold.music, facts.music):
        try:
            return quoting.playable(choice)
        except quoting.Unquotable:
            continue
    return "local_stream://default"


def visit_variables(hold: Hold, facts: SwitchFacts, offset: float) -> list[tuple[str, str]]:
    """Return what a visit writes on its channel, at first and when it changes; empty values are to be unset.

    *offset* is the switch's clock minus ours in seconds: the deadline is compared with the switch's.
    """
    return [
        ("fsqueue_version", VERSION),
        ("fsqueue_owner", quoting.word(facts.owner)),
        ("fsqueue_arrival", quoting.plain(hold.arrival)),
        ("fsqueue_call", quoting.plain(hold.call)),
        ("fsqueue_group", quoting.plain(hold.group)),
        ("fsqueue_number", quoting.dialled(hold.number)),
        ("fsqueue_joined", str(round(hold.joined * _MICRO))),
        ("fsqueue_entered", str(round(hold.entered * _MICRO))),
        ("fsqueue_deadline", str(int(hold.deadline + offset))),
        ("fsqueue_priority", str(hold.priority)),
        ("fsqueue_music", music(hold, facts)),
        (
            "presence_data",
            quoting.presence(facts.owner, "call", hold.call, hold.group, str(round(hold.joined * _MICRO))),
        ),
        ("destination_number", quoting.dialled(hold.dialled)),
    ]


def _holding_variables(facts: SwitchFacts) -> list[tuple[str, str]]:
    """Return what makes a bridge that fails, or a member who hangs up at once, bring the caller back to his hold."""
    return [
        ("playback_terminators", "none"),
        ("uuid_bridge_continue_on_cancel", "true"),
        *returning_variables(facts),
    ]


def returning_variables(facts: SwitchFacts) -> list[tuple[str, str]]:
    """Return what brings a caller back to his hold after a talk."""
    return [("transfer_after_bridge", f"{HOLD}:XML:{facts.context}"), ("hangup_after_bridge", "false")]


def hold_variables(hold: Hold, facts: SwitchFacts, offset: float) -> list[tuple[str, str]]:
    """Return all that a caller on hold has on his channel; empty values are to be unset."""
    return visit_variables(hold, facts, offset) + _holding_variables(facts)


def to_hold(hold: Hold, arrived: Event, facts: SwitchFacts, offset: float) -> Word:
    """Return what hands an arrived caller to his hold."""
    variables = [*before_answer(arrived), *hold_variables(hold, facts, offset)]
    # Taken once: else the next entry of this channel would lead to the same group again.
    taken = [("fsqueue_to", "")] if arrived.fsq_to else []
    return Word(
        variables=(*variables, *taken),
        then=(*answer(arrived, facts.answer), ("transfer", f"{HOLD} XML {facts.context}")),
    )


def before_answer(arrived: Event) -> Variables:
    """Return what works only while the call is not answered."""
    return () if arrived.answer_state == "answered" else BEFORE_ANSWER


def answer(arrived: Event, mode: str) -> tuple[Application, ...]:
    """Return how the call is answered by *mode* (``telephony.answer``), if it isn't yet."""
    return () if arrived.answer_state == "answered" else ((mode, ""),)


def to_mailbox(call: str, mailbox: str, arrived: Event, facts: SwitchFacts) -> Word:
    """Return what sends an arrived caller straight to voicemail, findable as *call* by a later process."""
    variables = (
        ("fsqueue_call", quoting.plain(call)),
        ("fsqueue_arrival", quoting.plain(arrived.fsq_arrival or "none")),
        ("presence_data", quoting.presence(facts.owner, "call", call, "", "0")),
    )
    return Word(
        variables=(*before_answer(arrived), *variables),
        then=(*answer(arrived, "answer"), voicemail(mailbox)),
        takes_back=True,
    )


def voicemail(mailbox: str) -> Application:
    """Return what lets a caller leave a message in *mailbox* (``user@domain``)."""
    name, _, domain = quoting.user(mailbox).partition("@")
    return ("voicemail", f"default {domain} {name}")


def hung_up(cause: str) -> Word:
    """Return what ends a call with *cause*, which an unanswered one's far end is told by its SIP code."""
    return Word(then=(("hangup", quoting.cause(cause)),))


def refused(why: str, facts: SwitchFacts) -> Word:
    """Return what leaves the call to the dialplan's fallback, which takes its own schedule back, saying *why*."""
    return Word(
        variables=((WHY, quoting.plain(why) or "unknown"),), then=(("transfer", f"{FALLBACK} XML {facts.context}"),)
    )
