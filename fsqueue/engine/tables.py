"""The transitions of calls, offers and members, as data.

Every state has a row for every event of its machine, or says that the event is ignored there and why. The engine does
nothing to a state but by a row: it looks the row up, runs the action of that name, and checks that the state it ended
in is one that the row names. The diagrams in the docs are drawn from these tables, and the tests compute from them
what is missing and what was never taken.

**Call.** `waiting`: in a group's line, ringing somebody or nobody. `forwarding`: a forward's target rings, outside any
pass (S2). `connecting`: a member has answered and is being bridged. `talking`. `sent`: in voicemail, or being hung up.
`ended`: over, with its one reason.

**Offer.** `asked`: the switch was told to ring. `ringing`: a phone said so. `answered`: picked up, and it won the call.
`withdrawn`: called off, until its legs are gone. `over`.

**Member**: what he *holds* (M3). `free`, `offer` (the one that rings or connects), `talk`.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One transition: the action that carries it out and the states it may end in."""

    do: str
    """Name of the action; empty: the event is ignored in this state."""
    to: tuple[str, ...]
    why: str = ""


Table = dict[tuple[str, str], Row]

CALL_STATES = ("waiting", "forwarding", "connecting", "talking", "sent", "ended")
CALL_EVENTS = (
    "answered", "picked_up", "offer_over", "connected", "connect_failed", "talk_ended", "caller_gone", "step_done",
    "all_away", "passed_over", "waited_out", "moved", "hung_up", "taken_over", "rearrived", "group_removed",
    "vanished", "stuck",
)  # fmt: skip

OFFER_STATES = ("asked", "ringing", "answered", "withdrawn", "over")
OFFER_EVENTS = ("ringing", "answered", "ended", "window_over", "withdraw", "connected", "connect_failed", "limit")

MEMBER_STATES = ("free", "offer", "talk")
MEMBER_EVENTS = ("rung", "picked", "connected", "released", "other_released")


def _ignored(state: str, why: str) -> Row:
    return Row("", (state,), why)


def _rows(state: str, rows: dict[str, Row], ignored: dict[str, str]) -> Table:
    table = {(state, event): row for event, row in rows.items()}
    table |= {(state, event): _ignored(state, why) for event, why in ignored.items()}
    return table


_LEFT = ("waiting", "forwarding", "sent", "ended")
"""Where a step can leave a call: in another line (or this one), at a forward's target, sent, or ended."""

_NO_WINNER = "nobody of this call has been answered; the word comes too late or twice"
_NOT_IN_LINE = "the rules of the line are for calls in line"
_NOT_SENT = "it was sent nowhere"
_ONE_TARGET = "a forward rings outside any pass; nobody can pick it up (P1 takes offers of a group)"

CALL: Table = (
    _rows(
        "waiting",
        {
            "answered": Row("connect", ("connecting",), "who answers first, wins"),
            "picked_up": Row("connect", ("connecting",), "P1"),
            "offer_over": Row("look_again", ("waiting",), "D1: the next member, or U2"),
            "caller_gone": Row("abandon", ("ended",), "E1 abandoned"),
            "all_away": Row("all_away", _LEFT, "U1"),
            "passed_over": Row("passed_over", _LEFT, "U2"),
            "waited_out": Row("waited_out", _LEFT, "U4"),
            "moved": Row("move", _LEFT, "staff"),
            "hung_up": Row("end_by_staff", ("ended",), "E1 ended_by_staff"),
            "taken_over": Row("take_over", ("waiting",), "N2"),
            "rearrived": Row("close_moved", ("ended",), "its channel was sent somewhere else"),
            "group_removed": Row("close_removed", ("ended",), "E1 group_removed"),
            "vanished": Row("lose", ("ended",), "E1 lost: the switch doesn't have the caller"),
        },
        {
            "connected": _NO_WINNER,
            "connect_failed": _NO_WINNER,
            "talk_ended": _NO_WINNER,
            "step_done": _NOT_SENT,
            "stuck": _NOT_SENT,
        },
    )
    | _rows(
        "forwarding",
        {
            "answered": Row("connect", ("connecting",), "S2"),
            "offer_over": Row("forward_failed", ("sent",), "S2: not taken"),
            "caller_gone": Row("abandon", ("ended",), "E1 abandoned"),
            "moved": Row("move", _LEFT, "staff takes it back into a line"),
            "hung_up": Row("end_by_staff", ("ended",), "E1 ended_by_staff"),
            "taken_over": Row("take_over", ("forwarding",), "N2"),
            "rearrived": Row("close_moved", ("ended",), "its channel was sent somewhere else"),
            "vanished": Row("lose", ("ended",), "E1 lost"),
        },
        {
            "picked_up": _ONE_TARGET,
            "connected": _NO_WINNER,
            "connect_failed": _NO_WINNER,
            "talk_ended": _NO_WINNER,
            "step_done": "its step is the forward, whose end its offer tells",
            "all_away": _NOT_IN_LINE,
            "passed_over": _NOT_IN_LINE,
            "waited_out": _NOT_IN_LINE,
            "group_removed": "it has left the line; the target's timeout bounds it",
            "stuck": _NOT_SENT,
        },
    )
    | _rows(
        "connecting",
        {
            "connected": Row("talk", ("talking",), "CHANNEL_BRIDGE came"),
            "connect_failed": Row("requeue", ("waiting", "sent"), "the same place, in the same pass"),
            "offer_over": Row("requeue", ("waiting", "sent"), "the member's leg ended before the bridge"),
            "caller_gone": Row("abandon", ("ended",), "E1 abandoned"),
            "hung_up": Row("end_by_staff", ("ended",), "E1 ended_by_staff"),
            "taken_over": Row("requeue_taken_over", ("waiting", "sent"), "N2: the bridge was for the leg that goes"),
            "rearrived": Row("close_moved", ("ended",), "its channel was sent somewhere else"),
            "vanished": Row("lose", ("ended",), "E1 lost"),
        },
        {
            "answered": "the others were withdrawn when the first answered; a late answer is hung up",
            "picked_up": "it has its winner",
            "talk_ended": "there is no talk yet",
            "step_done": _NOT_SENT,
            "all_away": _NOT_IN_LINE,
            "passed_over": _NOT_IN_LINE,
            "waited_out": "U4 never cuts a call that a member has answered",
            "moved": "refused: a member has answered",
            "group_removed": "a member has answered; it counts after the talk",
            "stuck": _NOT_SENT,
        },
    )
    | _rows(
        "talking",
        {
            "connect_failed": Row("requeue", ("waiting", "sent"), "its member ended it within two seconds"),
            "talk_ended": Row("end_talk", ("ended",), "E1 answered"),
            "caller_gone": Row("end_talk", ("ended",), "E1 answered: hung up in a talk"),
            "hung_up": Row("end_by_staff", ("ended",), "E1 answered, by staff"),
            "rearrived": Row("end_talk", ("ended",), "transferred: the old visit was talked"),
            "vanished": Row("end_talk", ("ended",), "E1 answered: it ended unseen"),
        },
        {
            "answered": "it has its winner",
            "picked_up": "it has its winner",
            "offer_over": "the offer became this talk",
            "connected": "said twice",
            "step_done": _NOT_SENT,
            "all_away": _NOT_IN_LINE,
            "passed_over": _NOT_IN_LINE,
            "waited_out": _NOT_IN_LINE,
            "moved": "refused: it is being talked",
            "taken_over": "only a call that waits can be taken over (N2)",
            "group_removed": "it counts after the talk",
            "stuck": _NOT_SENT,
        },
    )
    | _rows(
        "sent",
        {
            "step_done": Row("finish_step", ("ended",), "E1 by the step; a failed one is step_failed (S3)"),
            "caller_gone": Row("finish_step", ("ended",), "E1 by the step"),
            "rearrived": Row("finish_step", ("ended",), "his channel left the step for a new visit"),
            "hung_up": Row("end_by_staff", ("ended",), "E1 ended_by_staff"),
            "vanished": Row("finish_step", ("ended",), "E1 by the step"),
            "stuck": Row("stop_step", ("ended",), "nothing waits without a deadline"),
        },
        {
            "answered": "its offers were withdrawn when it was sent on",
            "picked_up": "it has left the line",
            "offer_over": "its offers were withdrawn when it was sent on",
            "connected": _NO_WINNER,
            "connect_failed": _NO_WINNER,
            "talk_ended": _NO_WINNER,
            "all_away": _NOT_IN_LINE,
            "passed_over": _NOT_IN_LINE,
            "waited_out": _NOT_IN_LINE,
            "moved": "refused: it has left the line",
            "taken_over": "only a call that waits can be taken over (N2)",
            "group_removed": "it has left the line",
        },
    )
    | {("ended", event): _ignored("ended", "a call ends once (E1)") for event in CALL_EVENTS}
)

_GONE = "the offer is over"

OFFER: Table = (
    {
        (state, event): row
        for state in ("asked", "ringing")
        for event, row in {
            "ringing": Row("ring", ("ringing",)) if state == "asked" else _ignored("ringing", "another phone of his"),
            "answered": Row("win", ("answered",), "the first answer wins the call"),
            "ended": Row("end", ("over",), "declined, busy, no answer, unreachable, failed, lost"),
            "window_over": Row("run_out", ("withdrawn",), "D1: the window is over"),
            "withdraw": Row("withdraw", ("withdrawn",), "winner, caller gone, step, another call of his"),
            "connected": _ignored(state, "nothing of it was bridged by us"),
            "connect_failed": _ignored(state, "nothing of it was bridged by us"),
            "limit": _ignored(state, "only withdrawn offers have this limit"),
        }.items()
    }
    | {
        ("answered", "ringing"): _ignored("answered", "another phone of his"),
        ("answered", "answered"): _ignored("answered", "another phone of his, or said twice"),
        ("answered", "ended"): Row("end", ("over",), "gone before the bridge"),
        ("answered", "window_over"): _ignored("answered", "who picks up in the last instant gets the call"),
        ("answered", "withdraw"): Row("withdraw", ("withdrawn",), "caller gone, or ended by staff"),
        ("answered", "connected"): Row("become_talk", ("over",), "over: it is a talk now"),
        ("answered", "connect_failed"): Row("fail", ("withdrawn",), "its leg is hung up, surely"),
        ("answered", "limit"): _ignored("answered", "only withdrawn offers have this limit"),
        ("withdrawn", "ringing"): Row("kill", ("withdrawn",), "the first word was too early for the channel"),
        ("withdrawn", "answered"): Row("kill", ("withdrawn",), "D1: a withdrawn offer is final"),
        ("withdrawn", "ended"): Row("end", ("over",), "its legs are gone"),
        ("withdrawn", "window_over"): _ignored("withdrawn", "it is withdrawn already"),
        ("withdrawn", "withdraw"): _ignored("withdrawn", "it is withdrawn already"),
        ("withdrawn", "connected"): Row("kill", ("withdrawn",), "the bridge came after it was called off"),
        ("withdrawn", "connect_failed"): _ignored("withdrawn", "it is withdrawn already"),
        ("withdrawn", "limit"): Row("lose", ("over",), "at worst lost after 10 s"),
    }
    | {("over", event): _ignored("over", _GONE) for event in OFFER_EVENTS}
)

MEMBER: Table = {
    ("free", "rung"): Row("take", ("offer",), "D2 to D4, S2"),
    ("free", "picked"): Row("take", ("offer",), "P1"),
    ("free", "connected"): _ignored("free", "what he held was let go"),
    ("free", "released"): _ignored("free", "he holds nothing"),
    ("free", "other_released"): _ignored("free", "he holds nothing"),
    ("offer", "rung"): _ignored("offer", "M3: one offer at a time; the rules don't choose him"),
    ("offer", "picked"): Row("take", ("offer",), "P1: his own ringing offer is withdrawn first"),
    ("offer", "connected"): Row("talk", ("talk",), "the offer became a talk"),
    ("offer", "released"): Row("let_go", MEMBER_STATES, "the offer is over; he is free unless he is in another one"),
    ("offer", "other_released"): _ignored("offer", "a loser's end must not free the winner"),
    ("talk", "rung"): _ignored("talk", "M3: one talk at a time; the rules don't choose him"),
    ("talk", "picked"): _ignored("talk", "P1: anything but talking"),
    ("talk", "connected"): _ignored("talk", "he talks already"),
    ("talk", "released"): Row("let_go", MEMBER_STATES, "the talk is over; he is free unless he is in another one"),
    ("talk", "other_released"): _ignored("talk", "a loser's end must not free the winner"),
}

TABLES: dict[str, tuple[Table, tuple[str, ...], tuple[str, ...]]] = {
    "call": (CALL, CALL_STATES, CALL_EVENTS),
    "offer": (OFFER, OFFER_STATES, OFFER_EVENTS),
    "member": (MEMBER, MEMBER_STATES, MEMBER_EVENTS),
}
