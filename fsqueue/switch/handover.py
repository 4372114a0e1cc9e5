"""The words with which a caller is taken from the dialplan's socket: his variables, and what is executed in which order.

What works only before the answer comes first; then the answer, everything of ours, and a transfer to the hold, after
which the channel lives in FreeSWITCH on its own. No function here sends anything.
"""

from __future__ import annotations

from fsqueue.engine.messages import Hold
from fsqueue.esl.events import Event
from fsqueue.switch import quoting
from fsqueue.switch.dialplan import FALLBACK, HOLD, WHY
from fsqueue.switch.messages import SwitchFacts

VERSION = "1"
"""Of the meaning of our channel variables."""

Application = tuple[str, str]

BEFORE_ANSWER = (("sofia_session_timeout", "90"), ("rtp_liberal_dtmf", "true"))
"""A caller whose network died ends after 86 s; keys sent by SIP INFO count. Neither takes effect after the answer."""

_MICRO = 1_000_000


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
        ("transfer_after_bridge", f"{HOLD}:XML:{facts.context}"),
        ("uuid_bridge_continue_on_cancel", "true"),
        ("hangup_after_bridge", "false"),
    ]


def hold_variables(hold: Hold, facts: SwitchFacts, offset: float) -> list[tuple[str, str]]:
    """Return all that a caller on hold has on his channel; empty values are to be unset."""
    return visit_variables(hold, facts, offset) + _holding_variables(facts)


def to_hold(hold: Hold, arrived: Event, facts: SwitchFacts, offset: float) -> list[Application]:
    """Return what hands an arrived caller to his hold."""
    variables = hold_variables(hold, facts, offset)
    unset = [name for name, value in variables if not value]
    # Taken once: else the next entry of this channel would lead to the same group again.
    unset += ["fsqueue_to"] if arrived.fsq_to else []
    return [
        *before_answer(arrived),
        *answer(arrived, facts.answer),
        ("multiset", quoting.multiset([(name, value) for name, value in variables if value])),
        *(("unset", name) for name in unset),
        ("transfer", f"{HOLD} XML {facts.context}"),
    ]


def before_answer(arrived: Event) -> list[Application]:
    """Return what works only while the call is not answered."""
    return [] if arrived.answer_state == "answered" else [("multiset", quoting.multiset(BEFORE_ANSWER))]


def answer(arrived: Event, mode: str) -> list[Application]:
    """Return how the call is answered by *mode* (``telephony.answer``), if it isn't yet."""
    return [] if arrived.answer_state == "answered" else [(mode, "")]


def to_mailbox(call: str, mailbox: str, arrived: Event, facts: SwitchFacts) -> list[Application]:
    """Return what sends an arrived caller straight to voicemail, findable as *call* by a later process."""
    variables = [
        ("fsqueue_call", quoting.plain(call)),
        ("fsqueue_arrival", quoting.plain(arrived.fsq_arrival or "none")),
        ("presence_data", quoting.presence(facts.owner, "call", call, "", "0")),
    ]
    return [
        # The dialplan has scheduled its fallback, and only a hold takes that back by itself.
        ("set", "fsqueue_unscheduled=${sched_del(${uuid})}"),
        *before_answer(arrived),
        *answer(arrived, "answer"),
        ("multiset", quoting.multiset(variables)),
        ("transfer", f"{voicemail(mailbox)} inline"),
    ]


def voicemail(mailbox: str) -> str:
    """Return the inline dialplan that lets a caller leave a message in *mailbox* (``user@domain``)."""
    name, _, domain = quoting.user(mailbox).partition("@")
    return quoting.inline(("voicemail", f"default {domain} {name}"))


def refused(why: str, facts: SwitchFacts) -> list[Application]:
    """Return what leaves the call to the dialplan's fallback, which takes its own schedule back, saying *why*."""
    return [("set", f"{WHY}={quoting.plain(why) or 'unknown'}"), ("transfer", f"{FALLBACK} XML {facts.context}")]
