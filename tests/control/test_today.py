from __future__ import annotations

import time

import pytest

from fsqueue.control.protocol import Figures
from fsqueue.control.today import Today, local_day
from fsqueue.engine.messages import CallEnded, Reason

DAY = 86_400.0


def today() -> Today:
    return Today(day=lambda t: f"{int(t // DAY):08}")


def ended(reason: Reason, waited: float, group: str = "sales") -> CallEnded:
    return CallEnded(call="c", reason=reason, waited=waited, group=group)


def test_calls_are_answered_plus_missed_and_by_reason_adds_up() -> None:
    count = today()
    for reason, waited in (("answered", 4.0), ("forwarded", 30.0), ("abandoned", 8.0), ("abandoned", 2.0)):
        count.take(ended(reason, waited), 10.0, 20.0)  # type: ignore[arg-type]
    figures = count.figures(20.0)
    assert (figures.calls, figures.answered, figures.missed) == (4, 2, 2)
    assert figures.by_reason == {"abandoned": 2, "answered": 1, "forwarded": 1}
    assert sum(figures.by_reason.values()) == figures.calls


def test_service_level_is_answered_within_the_limit_of_all_calls_and_the_limit_itself_is_within() -> None:
    count = today()
    count.take(ended("answered", 20.0), 10.0, 20.0)
    count.take(ended("answered", 20.1), 10.0, 20.0)
    count.take(ended("abandoned", 1.0), 10.0, 20.0)
    assert (count.figures(10.0).within, count.figures(10.0).service_level) == (1, 0.3333)


def test_waits_are_those_of_all_calls() -> None:
    count = today()
    count.take(ended("answered", 10.0), 10.0, 20.0)
    count.take(ended("timed_out", 50.0), 10.0, 20.0)
    assert (count.figures(10.0).wait_average, count.figures(10.0).wait_longest) == (30.0, 50.0)


def test_a_day_without_calls_has_no_service_level_rather_than_a_bad_one() -> None:
    assert today().figures(10.0) == Figures()
    assert Figures().service_level is None


def test_groups_are_counted_apart_and_a_call_in_none_counts_in_the_whole() -> None:
    count = today()
    count.take(ended("answered", 1.0, "sales"), 10.0, 20.0)
    count.take(ended("fallback", 1.0, ""), 10.0, 20.0)
    assert (count.of_group("sales", 10.0).calls, count.of_group("support", 10.0).calls) == (1, 0)
    assert count.figures(10.0).calls == 2


def test_midnight_begins_anew_also_when_nothing_ends() -> None:
    count = today()
    count.take(ended("answered", 1.0), DAY - 1.0, 20.0)
    assert count.figures(DAY - 0.5).calls == 1
    assert count.figures(DAY).calls == 0
    assert count.of_group("sales", DAY).calls == 0
    count.take(ended("answered", 1.0), DAY + 1.0, 20.0)
    assert count.figures(DAY + 2.0).calls == 1


def test_what_ended_before_the_newest_day_is_passed_over() -> None:
    count = today()
    count.take(ended("answered", 1.0), DAY, 20.0)
    count.take(ended("answered", 1.0), DAY - 1.0, 20.0)
    assert count.figures(DAY).calls == 1


def test_a_renamed_group_keeps_its_figures() -> None:
    count = today()
    count.take(ended("answered", 1.0), 10.0, 20.0)
    count.rename("sales", "shop")
    assert (count.of_group("shop", 10.0).calls, count.of_group("sales", 10.0).calls) == (1, 0)


def test_the_day_is_the_local_one(monkeypatch: pytest.MonkeyPatch) -> None:
    before_midnight_utc = 1_800_053_000.0  # 22:43 UTC
    try:
        for zone, date in (("UTC0", "2027-01-15"), ("XST-2", "2027-01-16")):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            assert local_day(before_midnight_utc) == date
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_clock_that_was_set_back_by_days_begins_anew() -> None:
    count = today()
    count.take(ended("answered", 1.0), 30 * DAY, 20.0)
    assert count.figures(3 * DAY).calls == 0
    count.take(ended("answered", 1.0), 3 * DAY + 1, 20.0)
    assert count.figures(3 * DAY + 2).calls == 1


@pytest.mark.parametrize(("date", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_of_23_or_25_hours_is_one_day(date: str, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Warsaw")
    time.tzset()
    try:
        begins = time.mktime(time.strptime(date, "%Y-%m-%d"))
        assert {local_day(begins + hour * 3600) for hour in range(hours)} == {date}
        assert local_day(begins + hours * 3600) != date != local_day(begins - 1)
        count = Today()
        for hour in range(-1, hours + 1):
            count.take(ended("answered", 1.0), begins + hour * 3600, 20.0)
            if 0 <= hour < hours:
                assert count.figures(begins + hour * 3600).calls == hour + 1
        assert count.figures(begins + hours * 3600).calls == 1
    finally:
        monkeypatch.undo()
        time.tzset()
