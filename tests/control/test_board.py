from __future__ import annotations

import json

from fsqueue.control.board import ENDED_CALLS, PENDING, STORY, Board, Watch, wire_line
from fsqueue.control.protocol import EventQuery
from fsqueue.control.today import Today
from fsqueue.engine.messages import (
    CallEnded,
    Caller,
    CallOpened,
    Checkpoint,
    Duty,
    Forgotten,
    Leg,
    MemberChanged,
    Offered,
    Record,
    Talking,
    VisitBegan,
)
from fsqueue.journal.entries import Entry
from tests.control.desks import FakeDesk


def board(next_seq: int = 1, recent: int = 100) -> Board:
    return Board(next_seq, lambda _: 20.0, Today(day=lambda _: "today"), recent)


def opened(call: str, caller: Caller | None = None) -> CallOpened:
    return CallOpened(
        call=call,
        leg=Leg("main", call),
        arrival=call,
        caller=caller or Caller("+48600000001", "Nowak"),
        number="",
        dialled="7001",
        music="",
        priority=None,
        joined=0.0,
    )


def story(call: str) -> list[Record]:
    return [
        opened(call),
        VisitBegan(call=call, group="sales", n=1, entered=0.0, joined=0.0, priority=0, limit=60.0),
        Offered(offer=f"{call}.1", call=call, group="sales", member="anna", until=20.0, rule="D2"),
        Talking(call=call, offer=f"{call}.1", member="anna", waited=3.0),
        CallEnded(call=call, reason="answered", waited=3.0, talked=9.0, group="sales", member="anna"),
    ]


def tell(told: Board, records: list[Record]) -> None:
    for record in records:
        told.observe(record, 100.0)


def test_events_are_numbered_as_the_journal_numbers_them() -> None:
    told = board(next_seq=17)
    tell(told, story("c1"))
    assert [event.seq for event in told.past(EventQuery())] == [17, 18, 19, 20, 21]
    assert told.last == 21


def test_an_event_says_which_call_group_member_and_caller_it_is_about() -> None:
    told = board()
    tell(told, story("c1"))
    event = told.past(EventQuery())[3]
    assert (event.call, event.group, event.member, event.number) == ("c1", "sales", "anna", "+48600000001")
    assert event.words == "c1 +48600000001 (Nowak): answered by anna after 3 s"


def test_a_hidden_caller_is_not_named_and_not_found_by_his_number() -> None:
    told = board()
    tell(told, [opened("c1", Caller("+48600000001", "Nowak", hidden=True))])
    assert [(e.number, e.name) for e in told.past(EventQuery())] == [("", "")]
    assert told.past(EventQuery(caller="4860")) == ()


def test_queries_choose_by_group_member_call_and_caller() -> None:
    told = board()
    tell(told, [*story("c1"), opened("c2", Caller("+49", "Müller")), MemberChanged(member="jan", duty="out")])
    assert {e.call for e in told.past(EventQuery(group="sales"))} == {"c1"}
    assert [e.kind for e in told.past(EventQuery(member="jan"))] == ["MemberChanged"]
    assert [e.kind for e in told.past(EventQuery(call="c2"))] == ["CallOpened"]
    assert [e.call for e in told.past(EventQuery(caller="MÜLL"))] == ["c2"]
    assert [e.seq for e in told.past(EventQuery(last=2))] == [6, 7]
    assert [e.seq for e in told.past(EventQuery(after=5))] == [6, 7]


def test_only_the_newest_events_are_kept_and_the_board_knows_what_it_let_go() -> None:
    told = board(recent=3)
    tell(told, story("c1"))
    assert [e.seq for e in told.past(EventQuery())] == [3, 4, 5]
    assert told.evicted == 2


def test_a_call_keeps_its_story_when_the_newest_events_have_moved_on() -> None:
    told = board(recent=3)
    tell(told, [*story("c1")[:-1], *story("c2"), *story("c3")])
    assert [e.kind for e in told.of_call("c1")] == ["CallOpened", "VisitBegan", "Offered", "Talking"]
    assert [e.kind for e in told.of_call("c2")][-1] == "CallEnded"


def test_a_long_story_keeps_its_beginning_and_its_end() -> None:
    told = board()
    visits: list[Record] = [
        VisitBegan(call="c1", group="sales", n=n, entered=0.0, joined=0.0, priority=0, limit=60.0)
        for n in range(STORY * 2)
    ]
    tell(told, [opened("c1"), *visits])
    kept = told.of_call("c1")
    assert len(kept) == STORY
    assert (kept[0].seq, kept[-1].seq) == (1, STORY * 2 + 1)


def test_stories_of_ended_calls_are_bounded() -> None:
    told = board()
    for n in range(ENDED_CALLS + 5):
        tell(told, story(f"c{n}"))
    assert told.of_call("c4") == ()
    assert told.of_call("c5")
    assert told.of_call(f"c{ENDED_CALLS + 4}")


def test_records_that_nobody_asks_for_are_bounded_too() -> None:
    told = board()
    for n in range(PENDING * 3):
        told.observe(MemberChanged(member=f"m{n}", duty="in"), 0.0)
    assert len(told._pending) <= PENDING


def test_a_checkpoint_is_no_event_but_has_a_number() -> None:
    told = board()
    tell(told, [opened("c1"), Checkpoint(), opened("c2")])
    assert [e.seq for e in told.past(EventQuery())] == [1, 3]


def test_who_is_forgotten_is_nowhere_on_the_board() -> None:
    told = board()
    tell(told, [*story("c1"), *story("c2"), Forgotten(calls=("c1",))])
    left = b"".join(wire_line(event) for event in told.past(EventQuery()))
    assert b'"call":"c1"' not in left
    assert b'"call":"c2"' in left
    assert told.of_call("c1") == ()


# --- recalling ---


def entries(records: list[Record]) -> list[Entry]:
    return [Entry(n, 50.0, record) for n, record in enumerate(records, 1)]


def test_a_restart_recalls_figures_stories_and_numbers() -> None:
    past = [*story("c1"), *story("c2")[:-2]]
    told = board(next_seq=len(past) + 1)
    told.recall(entries(past))
    assert told.today(60.0).calls == 1
    assert told.today_of("sales", 60.0).answered == 1
    assert [e.kind for e in told.of_call("c2")] == ["CallOpened", "VisitBegan", "Offered"]
    assert told.evicted == 0
    tell(told, story("c2")[-2:])
    assert [e.seq for e in told.past(EventQuery(call="c2"))] == [6, 7, 8, 9, 10]
    assert told.today(100.0).calls == 2


def test_what_happens_while_recalling_comes_after_what_is_recalled() -> None:
    past = story("c1")
    told = board(next_seq=len(past) + 1)
    live = iter(story("c2"))

    def meanwhile() -> None:
        told.observe(next(live), 70.0)
        told.catch_up()

    told.recall(entries(past), meanwhile)
    assert [e.seq for e in told.past(EventQuery())] == [1, 2, 3, 4, 5, 6]


def test_entries_written_by_this_run_are_not_recalled_twice() -> None:
    past = story("c1")
    told = board(next_seq=4)
    tell(told, past[3:])
    told.recall(entries(past))
    assert [e.seq for e in told.past(EventQuery())] == [1, 2, 3, 4, 5]
    assert told.today(100.0).calls == 1


def test_recalling_more_than_is_kept_keeps_the_newest_and_the_stories_of_calls_that_go_on() -> None:
    past = [*story("c0")[:-1], *(r for n in range(1, 9) for r in story(f"c{n}"))]
    told = board(next_seq=len(past) + 1, recent=5)
    told.recall(entries(past))
    assert len(told.past(EventQuery())) == 5
    assert told.evicted == len(past) - 5
    assert [e.kind for e in told.of_call("c0")] == ["CallOpened", "VisitBegan", "Offered", "Talking"]


# --- watchers ---


def test_a_watcher_hears_what_he_asked_for_and_nothing_else() -> None:
    told = board()
    woken: list[int] = []
    watch = Watch(EventQuery(call="c2"), lambda: woken.append(1))
    tell(told, story("c2"))
    told.watch(watch)
    tell(told, [*story("c1"), opened("c2")])
    told.catch_up()
    lines = watch.take().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [11]
    assert woken == [1]
    assert watch.seq == 11


def test_a_watcher_who_never_reads_is_dropped_and_keeps_nothing_in_memory() -> None:
    told = board(recent=10)
    lazy, reader = Watch(EventQuery(), lambda: None, limit=20), Watch(EventQuery(), lambda: None, limit=20)
    told.watch(lazy)
    told.watch(reader)
    read = 0
    for n in range(50):
        tell(told, [MemberChanged(member=f"m{n}", duty="in")])
        told.catch_up()
        assert len(lazy) <= 20
        read += len(reader.take().splitlines())
    assert (lazy.dropped, len(lazy), reader.dropped, read) == (True, 0, False, 50)
    assert (lazy.sent, reader.sent) == (0, 50)


def test_who_has_left_hears_nothing_more() -> None:
    told = board()
    watch = Watch(EventQuery(), lambda: None)
    told.watch(watch)
    told.unwatch(watch)
    tell(told, story("c1"))
    told.catch_up()
    assert (told.watchers, len(watch)) == (0, 0)


def test_hostile_names_reach_neither_words_nor_lines_as_escapes() -> None:
    told = board()
    nasty = "\x1b]0;own\x07 \x9b31m \x7f \u202e \ud800 \n{}"
    tell(told, [opened("c1", Caller(number="\x1b[31m", name=nasty))])
    event = told.past(EventQuery())[0]
    assert event.words.isprintable()
    text = wire_line(event).decode()
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    assert json.loads(text)["name"].replace("?", "\ud800") == nasty


def test_since_when_a_member_is_paused_is_known_over_a_restart_and_not_changed_by_what_he_does_besides() -> None:
    desk = FakeDesk()
    began = desk.now
    desk.put(Duty("anna", "paused", "lunch", ""))
    desk.now += 60.0
    desk.put(Duty("anna", "paused", "still", ""))
    assert desk.board.duty_since("anna", "paused") == began
    again = Board(len(desk.journal) + 1, lambda _: 0.0)
    again.recall(desk.journal)
    assert again.duty_since("anna", "paused") == began
    assert again.duty_since("anna", "in") is None
    assert again.duty_since("jan", "in") is None
