"""The log's lines: every kind of record has words, and no caller can write into them."""

from __future__ import annotations

import pytest

from fsqueue.engine.messages import (
    CallEnded,
    Caller,
    CallOpened,
    Decided,
    Leg,
    Offered,
    OfferOver,
    Record,
    Relegged,
    Talking,
)
from fsqueue.journal.entries import RECORD_KINDS, Gap, Unknown
from fsqueue.journal.words import Names, line, words
from tests.journal.samples import CALL, CALLER, SAMPLES


def opened(caller: Caller = CALLER) -> CallOpened:
    return CallOpened(
        call=CALL, leg=Leg("main", "u"), arrival="a", caller=caller, number="", dialled="7001", music="", priority=None,
        joined=1.0,
    )  # fmt: skip


def told(*records: Record) -> list[str]:
    names = Names()
    lines = []
    for record in records:
        lines.append(line(record, names))
        names.learn(record)
    return lines


def test_every_kind_of_record_has_words_of_its_own() -> None:
    missing = [kind.__name__ for kind in (*RECORD_KINDS, Gap, Unknown) if kind not in words.registry]
    assert not missing


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_each_record_is_one_printable_line_even_when_its_call_is_not_known(record: Record) -> None:
    (text,) = told(record)
    assert text
    assert text.isprintable()


def test_a_call_nobody_takes_reads_as_it_went() -> None:
    offer = Offered(offer=f"{CALL}.1", call=CALL, group="sales", member="anna", until=9.0, rule="D2")
    over = OfferOver(offer=f"{CALL}.1", call=CALL, member="anna", outcome="no_answer", seconds=20.0)
    because = {"anna": "rang 20 s", "jan": "on another call"}
    decided = Decided(call=CALL, group="sales", rule="U2", action="voicemail 1000@example.com", because=because)
    ended = CallEnded(call=CALL, reason="no_answer", waited=42.2)
    reasons = "voicemail 1000@example.com (U2: anna: rang 20 s; jan: on another call)"
    assert told(opened(), offer, over, decided, ended)[1:] == [
        f"{CALL} +48600100200 (Jan) → sales: rings anna",
        f"{CALL} +48600100200 (Jan): anna did not answer after 20 s",
        f"{CALL} +48600100200 (Jan) → sales: {reasons}",
        f"{CALL} +48600100200 (Jan): ended, no_answer after 42 s: {reasons}",
    ]


def test_a_call_that_is_answered_names_who_and_when() -> None:
    talking = Talking(call=CALL, offer=f"{CALL}.1", member="anna", waited=7.04)
    ended = CallEnded(call=CALL, reason="answered", waited=7.04, talked=61.3, member="anna")
    assert told(opened(), talking, ended)[1:] == [
        f"{CALL} +48600100200 (Jan): answered by anna after 7 s",
        f"{CALL} +48600100200 (Jan): ended, answered after 7 s, talked 61 s with anna",
    ]


def test_a_forward_to_a_number_names_the_number_to_its_end() -> None:
    offer = Offered(offer=f"{CALL}.2", call=CALL, group="sales", number="+48221", until=9.0, rule="S2")
    talking = Talking(call=CALL, offer=f"{CALL}.2", member="", waited=7.5)
    assert told(opened(), offer, talking)[1:] == [
        f"{CALL} +48600100200 (Jan) → sales: forwarded, rings +48221",
        f"{CALL} +48600100200 (Jan): answered by +48221 after 7.5 s",
    ]


def test_an_ended_call_is_forgotten() -> None:
    names = Names()
    for record in (*SAMPLES, CallEnded(call=CALL, reason="abandoned", waited=1.0)):
        names.learn(record)
    assert not names.calls


def test_who_takes_a_call_over_is_named_from_then_on() -> None:
    heir = Relegged(call=CALL, leg=Leg("main", "v"), arrival="b", caller=Caller("+49", "Eva"))
    ended = CallEnded(call=CALL, reason="abandoned", waited=1.0)
    assert told(opened(), heir, ended)[1:] == [
        f"{CALL} +48600100200 (Jan): now +49 (Eva) waits in this place",
        f"{CALL} +49 (Eva): ended, abandoned after 1 s",
    ]


def test_a_hidden_caller_stays_hidden() -> None:
    (text,) = told(opened(Caller("+48600100200", "Jan", hidden=True)))
    assert "600100200" not in text
    assert "Jan" not in text


@pytest.mark.parametrize(
    "evil",
    ["\x1b[2J\x1b]0;owned\x07", "a\nb\r\nc", "\x9b31m", "\u202egnp.exe", "\u2028x", "\x7f\x00", "\ud800", "\U000e0041", "x" * 9999],
)  # fmt: skip
@pytest.mark.parametrize("where", ["name", "number", "dialled", "cause", "detail", "because", "action", "kind"])
def test_nothing_from_outside_reaches_the_terminal_as_anything_but_text(evil: str, where: str) -> None:
    records: dict[str, Record | Unknown] = {
        "name": opened(Caller("+48", evil)),
        "number": opened(Caller(evil, "Jan")),
        "dialled": CallOpened(
            call=CALL, leg=Leg("main", "u"), arrival="a", caller=CALLER, number="", dialled=evil, music="", priority=None,
            joined=1.0,
        ),
        "cause": OfferOver(offer="o", call=CALL, member="anna", outcome="failed", seconds=1.0, cause=evil),
        "detail": CallEnded(call=CALL, reason="step_failed", waited=1.0, detail=evil),
        "because": Decided(call=CALL, group="sales", rule="U2", action="hangup", because={"anna": evil}),
        "action": Decided(call=CALL, group="sales", rule="U2", action=evil[:99]),
        "kind": Unknown(kind=evil, why=evil),
    }  # fmt: skip
    text = line(records[where], Names())
    assert text.isprintable()
    assert len(text) < 1000


def test_a_callers_name_cannot_pass_for_the_lines_own_words() -> None:
    (text,) = told(opened(Caller("1 → sales: x", "Jan) → sales: rings anna (")))
    assert text == f"{CALL} 1???sales??x (Jan] > sales: rings anna [): arrived, dialled 7001"
