"""Missed list, reports and calls say the same as counting the journal's records by hand."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import zoneinfo
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsqueue.engine.messages import (
    ANSWERED,
    CalledBack,
    CallEnded,
    CallOpened,
    ConfigTaken,
    MemberChanged,
    Offered,
    OfferOver,
    Record,
    Relegged,
    Talking,
    VisitBegan,
)
from fsqueue.journal import reports
from fsqueue.journal.history import export, files, queries, story, times
from fsqueue.journal.history.following import Follower
from fsqueue.journal.history.queries import CallFilter, CallRow, Range
from fsqueue.journal.reports import Chosen
from tests.journal.histories import MEMBERS, START, play, write

WARSAW = zoneinfo.ZoneInfo("Europe/Warsaw")
ALL = Range(START - 86400, START + 10 * 86400)


def lay_out(state: Path, log: list[tuple[Record, float]]) -> None:
    write(files.journal_folder(state), log)
    follower = Follower(state)
    follower.step()
    follower.close()


def reports_of(state: Path, within: Range, levels: dict[str, float]) -> dict[str, reports.CallReport]:
    db = files.open_to_read(state)
    kinds: tuple[reports.By, ...] = ("group", "number", "day", "hour")
    found = {by: reports.calls(db, Chosen(range=within), by, WARSAW, levels) for by in kinds}
    db.close()
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), part=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_every_report_of_a_range_has_the_calls_that_counting_the_records_gives(
    tmp_path_factory: pytest.TempPathFactory, seed: int, part: tuple[float, float]
) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed)
    lay_out(state, log)
    length = log[-1][1] - START
    within = Range(START + length * min(part), START + length * max(part))
    opened = {r.call: r for r, _ in log if isinstance(r, CallOpened) and within.start <= r.joined < within.end}
    ends = {r.call: r for r, _ in log if isinstance(r, CallEnded) and r.call in opened}
    answered = [r for r in ends.values() if r.reason in ANSWERED]
    reasons = Counter(r.reason for r in ends.values() if r.reason not in ANSWERED)
    offers = [r for r, _ in log if isinstance(r, Offered) and r.call in opened]
    level = {"sales": 5.0, "support": 60.0}
    within_t = [r for r in ends.values() if r.waited <= level.get(r.group, 20.0)]
    quick = sum(r.reason in ANSWERED for r in within_t)
    for by, report in reports_of(state, within, level).items():
        total = report.total
        assert (total.offered, total.answered, total.missed) == (len(opened), len(answered), len(ends) - len(answered))
        assert total.offered == total.answered + total.missed + total.in_progress
        assert total.missed_by_reason == dict(sorted(reasons.items()))
        assert total.rung == len(offers)
        assert total.wait.longest == pytest.approx(max((r.waited for r in ends.values()), default=0.0))
        assert total.talk.total == pytest.approx(sum(r.talked for r in answered))
        assert total.service_level == (quick / len(ends) if ends else None)
        for name in ("answered", "missed", "in_progress", "rung", "not_taken"):
            assert sum(getattr(row, name) for row in report.rows) == getattr(total, name), (by, name)
        for row in report.rows:
            assert row.offered == row.answered + row.missed + row.passed_on + row.in_progress
            assert row.missed == sum(row.missed_by_reason.values())
    db = files.open_to_read(state)
    listed = queries.missed(db, CallFilter(range=within, limit=0))
    assert Counter(row.reason for row in listed) == reasons
    assert {row.id for row in queries.calls(db, CallFilter(range=within, limit=0))} == set(opened)
    db.close()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_visits_and_offers_of_each_group_and_member_are_those_of_the_records(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed)
    lay_out(state, log)
    stays: Counter[str] = Counter()
    at: dict[str, str] = {}
    last_outcome: dict[str, str] = {}
    member_of = {r.offer: r.member for r, _ in log if isinstance(r, Offered)}
    for record, _ in log:
        if isinstance(record, VisitBegan):
            stays[record.group] += at.get(record.call) != record.group
            at[record.call] = record.group
        elif isinstance(record, Talking):
            last_outcome[record.offer] = "taken"
        elif isinstance(record, OfferOver):
            last_outcome[record.offer] = record.outcome
    db = files.open_to_read(state)
    groups = reports.calls(db, Chosen(range=ALL), "group", WARSAW)
    members = reports.members(db, Chosen(range=ALL), log[-1][1])
    db.close()
    assert {row.key: row.offered for row in groups.rows if row.key} == dict(stays)
    for row in members.rows:
        mine = [last_outcome.get(offer, "") for offer, member in member_of.items() if member == row.key]
        assert (row.rung, row.answered) == (len(mine), mine.count("taken"))
        assert row.not_taken == sum(outcome in reports.NOT_TAKEN for outcome in mine)
        assert row.rung == row.answered + row.not_taken + row.withdrawn + row.unreachable + row.in_progress


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), group=st.sampled_from(["", "sales"]), number=st.sampled_from(["", "0048221234567"]))
def test_a_report_of_one_group_or_number_counts_its_calls_alone(
    tmp_path_factory: pytest.TempPathFactory, seed: int, group: str, number: str
) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed)
    lay_out(state, log)
    of = {r.call for r, _ in log if isinstance(r, CallOpened) and (not number or r.number == "48221234567")}
    ends = [r for r, _ in log if isinstance(r, CallEnded) and r.call in of and (not group or r.group == group)]
    offers = [r for r, _ in log if isinstance(r, Offered) and r.call in of and (not group or r.group == group)]
    chosen = Chosen(range=ALL, group=group, number=number)
    db = files.open_to_read(state)
    kinds: tuple[reports.By, ...] = ("group", "number", "day", "hour")
    found = [reports.calls(db, chosen, by, WARSAW) for by in kinds]
    members = reports.members(db, chosen, log[-1][1]).total
    db.close()
    for report in found:
        assert (
            report.total.answered + report.total.missed == len(ends) == sum(r.answered + r.missed for r in report.rows)
        )
        assert report.total.answered == sum(r.reason in ANSWERED for r in ends)
        assert report.total.rung == len(offers) == sum(row.rung for row in report.rows)
    assert members.rung == len(offers)
    assert members.talk.total == pytest.approx(sum(r.talked for r in ends if r.reason in ANSWERED))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_time_on_duty_and_in_talk_is_that_of_a_fold_over_the_records(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed)
    lay_out(state, log)
    now = log[-1][1]
    spent: Counter[tuple[str, str]] = Counter()
    duty: dict[str, tuple[str, float]] = {}
    talk: dict[str, tuple[str, float]] = {}
    for record, t in log:
        if isinstance(record, ConfigTaken):
            duty |= {m: ("in", t) for m in record.members if m not in duty}
        elif isinstance(record, MemberChanged):
            before, since = duty[record.member]
            spent[record.member, before] += t - since  # type: ignore[assignment]
            duty[record.member] = (record.duty, t)
        elif isinstance(record, Talking):
            talk[record.call] = (record.member, t)
        elif isinstance(record, OfferOver | CallEnded) and record.call in talk:
            member, since = talk.pop(record.call)
            spent[member, "talking"] += t - since  # type: ignore[assignment]
    for member, (before, since) in duty.items():
        spent[member, before] += now - since  # type: ignore[assignment]
    db = files.open_to_read(state)
    rows = {row.key: row for row in reports.members(db, Chosen(range=ALL), now).rows}
    halves = [
        reports.members(db, Chosen(range=part), now)
        for part in (Range(ALL.start, START + 9000), Range(START + 9000, ALL.end))
    ]
    db.close()
    for member in MEMBERS:
        row = rows[member]
        found = (row.seconds_in, row.seconds_paused, row.seconds_out, row.seconds_talking)
        wanted = [spent[member, state] for state in ("in", "paused", "out", "talking")]
        assert found == pytest.approx(wanted, abs=1e-3)
        both = [sum(r.seconds_in for r in half.rows if r.key == member) for half in halves]
        assert sum(both) == pytest.approx(row.seconds_in, abs=1e-3), "a range's end cuts, and loses nothing"


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_each_filter_gives_what_a_look_at_every_call_gives(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    state = tmp_path_factory.mktemp("state")
    log = play(seed)
    lay_out(state, log)
    callers = {r.call: r.caller.number for r, _ in log if isinstance(r, CallOpened | Relegged)}
    marked = {r.call for r, _ in log if isinstance(r, CalledBack)}
    rung = {(r.member, r.call) for r, _ in log if isinstance(r, Offered)}
    been = {(r.group, r.call) for r, _ in log if isinstance(r, VisitBegan)}
    db = files.open_to_read(state)

    def ids(**wanted: object) -> set[str]:
        return {row.id for row in queries.calls(db, CallFilter(limit=0, **wanted))}  # type: ignore[arg-type]

    assert ids(caller="0048600000003") == {c for c, number in callers.items() if number == "+48600000003"}
    assert ids(member="jan") == {call for member, call in rung if member == "jan"}
    assert ids(group="support") == {call for group, call in been if group == "support"}
    missed = queries.missed(db, CallFilter(limit=0))
    assert {row.id for row in missed if row.called_back is not None} == marked
    left = queries.missed(db, CallFilter(limit=0), open_only=True)
    assert {row.id for row in left} == {row.id for row in missed} - marked
    newest = [row.id for row in queries.calls(db, CallFilter(limit=3))]
    assert newest == [row.id for row in queries.calls(db, CallFilter(limit=0))][:3]
    db.close()


def test_a_talk_whose_member_left_at_once_is_told_and_did_not_stand(tmp_path: Path) -> None:
    log = play(3, 300)
    lay_out(tmp_path, log)
    talked: dict[str, bool] = {}
    for record, _ in log:
        if isinstance(record, Talking):
            talked[record.offer] = True
        elif isinstance(record, OfferOver) and record.offer in talked:
            talked[record.offer] = False
    assert not all(talked.values())
    db = files.open_to_read(tmp_path)
    found = {}
    for row in queries.calls(db, CallFilter(limit=0)):
        details = queries.call(db, row.id)
        assert details is not None
        found |= {talk.offer: talk.stood for talk in details.talks}
        left = sum("left after" in line.text for line in story.tell(details))
        assert left == sum(not talk.stood for talk in details.talks)
    db.close()
    assert found == talked


def test_a_missed_caller_who_got_through_later_is_said_to_have(tmp_path: Path) -> None:
    log = play(3, 400)
    lay_out(tmp_path, log)
    db = files.open_to_read(tmp_path)
    rows = queries.missed(db, CallFilter(limit=0))
    answered = [row for row in queries.calls(db, CallFilter(limit=0)) if row.ended is not None and not row.missed]
    db.close()
    for row in rows:
        later = sorted(a.came for a in answered if a.caller_number == row.caller_number and a.came > row.came)
        assert bool(row.reached_later) == bool(later)
    assert any(row.reached_later for row in rows)


def test_a_call_is_told_with_who_did_what_and_why(tmp_path: Path) -> None:
    log = play(3, 200)
    lay_out(tmp_path, log)
    db = files.open_to_read(tmp_path)
    for row in queries.calls(db, CallFilter(limit=0)):
        details = queries.call(db, row.id)
        assert details is not None
        told = story.tell(details)
        assert [line.t for line in told] == sorted(line.t for line in told)
        assert all(line.text.isprintable() for line in told)
        assert sum("in line of" in line.text for line in told) == len(details.visits)
    assert queries.call(db, "nobody") is None
    db.close()


def test_the_reasons_of_a_step_name_what_each_member_did(tmp_path: Path) -> None:
    details = queries.CallDetails(
        call=queries.CallRow(
            id="c", came=0.0, caller_number="+48", caller_name="\x1b[2J", hidden=False, number="", dialled="7001",
            groups=("sales",), ended=25.0, reason="voicemail", missed=True, waited=25.0, talked=0.0, member="", detail="",
            switch="main",
        ),
        visits=(queries.VisitRow(group="sales", entered=0.0, left=25.0, outcome="missed", waited=25.0),),
        offers=(
            queries.OfferRow(
                offer="c.1", group="sales", member="anna", number="", rule="D2", began=0.0, answered=None, ended=20.0,
                outcome="no_answer", cause="",
            ),
        ),
        talks=(),
        decisions=(
            queries.DecisionRow(
                t=20.0, group="sales", rule="U2", action="voicemail 1000@example.com",
                because={"anna": "rung in this pass, resting", "jan": "on another call", "ola": "offline"},
            ),
        ),
        called_back=None,
    )  # fmt: skip
    text = story.text(details, datetime.UTC)
    assert (
        "  00:00:20  passed over, nobody took it (U2) → voicemail 1000@example.com: "
        "anna: rang 20 s, not answered; jan: on another call; ola: offline\n"
    ) in text
    assert "\x1b" not in text


# --- figures ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_percentile_is_the_least_value_that_so_many_dont_exceed(values: list[float]) -> None:
    spread = reports.spread(values)
    for share, value in ((0.5, spread.p50), (0.95, spread.p95), (1.0, spread.longest)):
        assert value in values
        assert sum(v <= value for v in values) >= share * len(values)
        assert sum(v < value for v in values) < share * len(values)


def test_the_service_level_is_the_share_of_all_ended_calls_and_nothing_of_none() -> None:
    assert reports.service_level(8, 6) == 0.75
    assert reports.service_level(0, 0) is None


@pytest.mark.parametrize(("day", "length"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_local_day_has_the_hours_it_has(day: str, length: int) -> None:
    within = times.range_of(day, day, 2e9, WARSAW)
    assert within.end - within.start == length * 3600
    assert len(times.days(within, WARSAW)) == 1
    hours = times.hours(within, WARSAW)
    assert len(hours) == len(dict(hours)) == length
    assert [part.start for _, part in hours[1:]] == [part.end for _, part in hours[:-1]]


def test_the_hour_that_comes_twice_is_two_rows() -> None:
    within = times.range_of("2026-10-25", "2026-10-25", 2e9, WARSAW)
    assert [name for name, _ in times.hours(within, WARSAW)][1:4] == [
        "2026-10-25 01:00+0200", "2026-10-25 02:00+0200", "2026-10-25 02:00+0100",
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["Australia/Lord_Howe", "Asia/Kathmandu", "America/St_Johns"])
def test_hours_cover_a_week_also_where_clocks_move_by_half_hours(zone: str) -> None:
    where = times.zone(zone)
    for week in ("2026-04-02", "2026-10-01", "2026-03-05"):
        start = times.moment(week, 0.0, where)
        parts = [part for _, part in times.hours(Range(start, start + 7 * 86400), where)]
        assert parts[0].start == start
        assert parts[-1].end == start + 7 * 86400
        assert all(a.end == b.start and b.end > b.start for a, b in pairwise(parts))


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "7x", "99999999d", "2026-01-01T99"])
def test_what_is_no_time_says_what_would_be(text: str) -> None:
    with pytest.raises(times.TimeError, match="write 2026-01-31"):
        times.moment(text, START, WARSAW)


def test_times_are_read_as_people_write_them() -> None:
    now = datetime.datetime(2026, 10, 26, 12, 0, tzinfo=WARSAW).timestamp()
    assert times.moment("12h", now, WARSAW) == now - 12 * 3600
    assert times.moment("1d", now, WARSAW) == times.moment("yesterday", now, WARSAW)
    assert times.moment("today", now, WARSAW) - times.moment("yesterday", now, WARSAW) == 25 * 3600
    assert times.moment("2026-10-26T10:00", now, WARSAW) == now - 2 * 3600
    assert times.range_of("today", "", now, WARSAW).end == now


# --- export -------------------------------------------------------------------------------------------------------------


def test_an_export_has_every_call_and_no_formula(tmp_path: Path) -> None:
    log = play(5, 100)
    lay_out(tmp_path, log)
    db = files.open_to_read(tmp_path)
    table, lines = io.StringIO(), io.BytesIO()
    count = export.csv_lines(queries.CallRow, queries.calls(db, CallFilter(limit=0)), table, WARSAW)
    assert export.json_lines(queries.calls(db, CallFilter(limit=0)), lines) == count
    db.close()
    assert count == sum(isinstance(r, CallOpened) for r, _ in log)
    assert "'=1+1" in table.getvalue()
    assert ",=1+1" not in table.getvalue()
    assert "+48600" in table.getvalue()
    assert [json.loads(line)["id"] for line in lines.getvalue().splitlines()]


@pytest.mark.parametrize(
    "name", ["=1+1", " =1+1", "-1", "@SUM(A1)", "+1x", "a;=1+1", "a,=1", "a| @x", 'a;"=1', "\t=1", "\r=1"]
)
@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
def test_no_cell_is_a_formula_whatever_separator_a_reader_splits_at(name: str, separator: str) -> None:
    row = CallRow(
        id="c1", came=START, caller_number=name, caller_name=name, hidden=False, number="+48600", dialled="7001",
        groups=("sales",), ended=None, reason="", missed=False, waited=1.0, talked=0.0, member="", detail="", switch="main",
    )  # fmt: skip
    table = io.StringIO()
    export.csv_lines(CallRow, [row], table, WARSAW)
    for cells in csv.reader(table.getvalue().splitlines(), delimiter=separator):
        for cell in cells:
            assert not re.match(r"\s*[\"]?[=+@-]", cell) or re.fullmatch(r"\+?[0-9*#]*", cell)


def test_visits_and_offers_by_themselves_are_those_of_the_calls_one_by_one(tmp_path: Path) -> None:
    lay_out(tmp_path, play(7, 100))
    db = files.open_to_read(tmp_path)
    details = [queries.call(db, row.id) for row in queries.calls(db, CallFilter(limit=0))]
    known = [one for one in details if one is not None]
    visits = list(queries.visits(db, CallFilter(limit=0)))
    assert [(v.call, v.group, v.entered, v.outcome) for v in visits] == [
        (one.call.id, v.group, v.entered, v.outcome) for one in known for v in one.visits
    ]
    offers = list(queries.offers(db, CallFilter(limit=0)))
    assert [(o.call, o.offer, o.member, o.outcome) for o in offers] == [
        (one.call.id, o.offer, o.member, o.outcome) for one in known for o in one.offers
    ]
    chosen = CallFilter(limit=0, group="support", member="jan")
    assert [o for o in offers if o.group == "support" and o.member == "jan"] == list(queries.offers(db, chosen))
    assert [v for v in visits if v.group == "support"] == list(queries.visits(db, CallFilter(limit=0, group="support")))
    db.close()
