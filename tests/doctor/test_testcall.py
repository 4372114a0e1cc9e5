"""A test call: what is told of it follows from what was seen."""

from __future__ import annotations

import pytest

from fsqueue.config.check import check_text
from fsqueue.doctor.testcall import NUMBER, Trace, dialled, told
from fsqueue.esl.events import Event

HOLD = Event(name="CUSTOM", subclass="fsqueue::hold", uuid="c", caller_number=NUMBER, fsq_group="sales")
FALLBACK = Event(name="CUSTOM", subclass="fsqueue::fallback", uuid="c", caller_number=NUMBER, fsq_refused="daemon_down")


def offer(name: str, member: str = "anna", owner: str = "fsqueue") -> Event:
    return Event(name=name, uuid=f"m-{member}", fsq_offer="c1.1", fsq_member=member, fsq_owner=owner)


BRIDGE = Event(name="CHANNEL_BRIDGE", uuid="c", bridge_a="c", bridge_b="m-anna")


def seen(*events: tuple[float, Event]) -> Trace:
    trace = Trace(100.0, "fsqueue")
    for when, event in events:
        trace.take(event, 100.0 + when)
    return trace


def words(trace: Trace) -> list[tuple[str, str]]:
    return [(finding.state.value, finding.text) for finding in told(trace, "sales", "7001", 30)]


def test_each_step_is_told_with_what_it_took() -> None:
    trace = seen(
        (0.04, HOLD),
        (0.06, offer("CHANNEL_CREATE")),
        (0.09, offer("CHANNEL_PROGRESS")),
        (0.07, offer("CHANNEL_CREATE", "jan")),
        (2.0, offer("CHANNEL_ANSWER")),
        (2.05, BRIDGE),
        (3.0, HOLD),
    )
    assert words(trace) == [
        ("ok", "held for sales 40 ms after dialling 7001"),
        ("ok", "anna was rung after 60 ms"),
        ("ok", "jan was rung after 70 ms"),
        ("ok", "anna answered, and was connected 50 ms later"),
    ]


@pytest.mark.parametrize(
    ("events", "last"),
    [
        ((), ("fail", "the call for 7001 did not come to its hold")),
        (((1.0, FALLBACK),), ("fail", "the call for 7001 went to the fallback: daemon_down")),
        (
            ((0.1, Event(name="BACKGROUND_JOB", body="-ERR CHAN_NOT_IMPLEMENTED\n")),),
            ("fail", "FreeSWITCH could not dial 7001: -ERR CHAN_NOT_IMPLEMENTED"),
        ),
        (((0.1, HOLD),), ("fail", "nobody was rung within 30 s")),
        (((0.1, HOLD), (0.2, offer("CHANNEL_CREATE"))), ("warn", "nobody answered within 30 s")),
        (((0.1, HOLD), (1.0, offer("CHANNEL_CREATE")), (2.0, offer("CHANNEL_ANSWER"))),
         ("fail", "anna answered and was not connected")),
    ],
)  # fmt: skip
def test_a_call_that_stops_on_its_way_says_where(
    events: tuple[tuple[float, Event], ...], last: tuple[str, str]
) -> None:
    assert words(seen(*events))[-1] == last


def test_other_peoples_calls_are_not_taken_for_the_test_call() -> None:
    stranger = Event(name="CUSTOM", subclass="fsqueue::hold", uuid="x", caller_number="600")
    trace = seen((0.1, stranger), (0.2, offer("CHANNEL_CREATE", owner="other")))
    assert (trace.hold, trace.rings) == (None, {})


def test_a_refusal_ends_the_waiting() -> None:
    assert seen((0.1, FALLBACK)).over


@pytest.mark.parametrize(
    ("lines", "to"),
    [('extension = "7001"\n', "7001"), ('[numbers."+4822"]\ngroup = "sales"\n', "+4822"), ("", "")],
)
def test_a_group_is_dialled_by_its_extension_else_by_a_number(lines: str, to: str) -> None:
    checked = check_text('[switches.main]\nhost = "h"\npassword = "x"\n[groups.sales]\n' + lines, "f")
    assert checked.configuration is not None, checked.problems
    assert dialled(checked.configuration, "sales") == to


def test_a_call_that_a_rule_sent_on_at_once_is_told_with_the_daemons_own_words() -> None:
    trace = seen()
    trace.story = ("came for sales", "sent to the voicemail of 1000@example.com: nobody is there (U1)")
    (finding,) = told(trace, "sales", "7001", 30)
    assert finding.state == "fail"
    assert "did not hold it: came for sales; sent to the voicemail" in finding.text
    assert "fsqueue group show sales" in finding.remedy
