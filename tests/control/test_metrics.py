"""The metrics agree with the records and the picture, and are what OpenMetrics allows."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from fsqueue.control.health import Health
from fsqueue.control.metrics import STATES, Metrics
from fsqueue.engine import roster
from fsqueue.engine.messages import ANSWERED, CallEnded, Caller, CallOpened, Offered, OfferOver, Talking
from fsqueue.engine.view import CallView, GroupView, MemberView, Picture, SwitchView
from tests.journal.histories import GROUPS, play

ALERTS = Path(__file__).parents[2] / "conf" / "prometheus-rules.yml"
DASHBOARD = Path(__file__).parents[2] / "conf" / "grafana-dashboard.json"

HEALTH = Health(version="1", journal_trouble=False, journal_seq=7, held_up=0.1)


def nobody() -> dict[str, float | None]:
    return {}


def group(name: str, **facts: object) -> GroupView:
    known: dict[str, object] = {
        "id": name, "name": name, "extension": "", "distribution": "evenly", "waiting": (), "talking": 0, "members": (),
        "online": 0, "available": 0, "longest_since": None,
    }  # fmt: skip
    return GroupView(**{**known, **facts})  # type: ignore[arg-type]


def member(name: str, state: str) -> MemberView:
    return MemberView(id=name, name=name, extension="", state=state, duty="in", reason="")


EMPTY = Picture(t=100.0, groups=tuple(group(g) for g in GROUPS), members=(), calls=(), switches=())


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = metrics.text().decode()
    assert text.endswith("# EOF\n")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**given: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(given.items()))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_counters_are_what_counting_the_records_gives(seed: int) -> None:
    metrics = Metrics(lambda: EMPTY, lambda: HEALTH, lambda _: 20.0, nobody)
    log = play(seed)
    for record, t in log:
        metrics.observe(record, t)
    found = samples(metrics)
    ends = [r for r, _ in log if isinstance(r, CallEnded)]
    assert found["fsqueue_calls_opened_total", ()] == sum(isinstance(r, CallOpened) for r, _ in log)
    for (name, reason), count in Counter((r.group, r.reason) for r in ends).items():
        assert found["fsqueue_calls_ended_total", labels(group=name, reason=reason)] == count
    quick = Counter(r.group for r in ends if r.reason in ANSWERED and r.waited <= 20.0)
    for name in GROUPS:
        assert found["fsqueue_calls_answered_within_service_level_total", labels(group=name)] == quick[name]
    last: dict[str, str] = {}
    group_of = {r.offer: r.group for r, _ in log if isinstance(r, Offered)}
    for record, _ in log:
        if isinstance(record, Talking):
            last[record.offer] = "taken"
        elif isinstance(record, OfferOver):
            last[record.offer] = record.outcome
    for (name, outcome), count in Counter((group_of[o], outcome) for o, outcome in last.items()).items():
        assert found["fsqueue_offers_total", labels(group=name, outcome=outcome)] == count
    for name, outcome in {(r.group, "answered" if r.reason in ANSWERED else "missed") for r in ends}:
        waits = [r.waited for r in ends if r.group == name and (r.reason in ANSWERED) == (outcome == "answered")]
        assert found["fsqueue_wait_seconds_count", labels(group=name, outcome=outcome)] == len(waits)
        assert found["fsqueue_wait_seconds_sum", labels(group=name, outcome=outcome)] == pytest.approx(sum(waits))
        under = sum(w <= 20.0 for w in waits)
        assert found["fsqueue_wait_seconds_bucket", labels(group=name, outcome=outcome, le="20.0")] == under


def test_gauges_are_those_of_the_picture_of_that_moment() -> None:
    now = [EMPTY]
    metrics = Metrics(lambda: now[0], lambda: HEALTH, lambda _: 20.0, nobody)
    assert samples(metrics)["fsqueue_waiting", labels(group="sales")] == 0
    now[0] = Picture(
        t=100.0,
        groups=(group("sales", waiting=("a", "b"), longest_since=70.0, online=2, available=1, members=("x", "y", "z")),),
        members=(member("x", "talking"), member("y", "logged out"), member("z", "talking")),
        calls=(
            CallView(
                id="a", state="waiting", caller=Caller("+48", 'x"\n# EOF'), number="", dialled="", group="sales", position=1,
                joined=70.0, entered=70.0, limit=99.0, priority=0,
            ),
        ),
        switches=(SwitchView(id="main", up=True, core=""), SwitchView(id="b", up=False, core="")),
    )  # fmt: skip
    found = samples(metrics)
    assert found["fsqueue_waiting", labels(group="sales")] == 2
    assert found["fsqueue_longest_wait_seconds", labels(group="sales")] == 30.0
    assert found["fsqueue_group_online", labels(group="sales")] == 2
    assert found["fsqueue_members", labels(state="talking")] == 2
    assert found["fsqueue_members", labels(state="logged_out")] == 1
    assert found["fsqueue_members", labels(state="paused")] == 0
    assert found["fsqueue_switch_up", labels(switch="main")] == 1
    assert found["fsqueue_switch_up", labels(switch="b")] == 0
    assert found["fsqueue_calls", ()] == 1


def test_trouble_shows() -> None:
    health = msgspec.structs.replace(HEALTH, journal_trouble=True, held_up=3.5)
    found = samples(Metrics(lambda: EMPTY, lambda: health, lambda _: 20.0, nobody))
    assert found["fsqueue_journal_trouble", ()] == 1
    assert found["fsqueue_held_up_seconds", ()] == 3.5
    assert found["fsqueue_journal_records_total", ()] == 7


def test_what_is_not_over_is_all_that_is_remembered() -> None:
    metrics = Metrics(lambda: EMPTY, lambda: HEALTH, lambda _: 20.0, nobody)
    for record, t in play(1, 300):
        metrics.observe(record, t)
    assert len(metrics._group_of) + len(metrics._talking) < 20


def test_every_word_for_a_member_that_the_rules_use_is_a_state_here() -> None:
    text = Path(roster.__file__).read_text()
    body = text[text.index("def describe") : text.index("def refresh")]
    used = {*re.findall(r'"([a-z -]+)"', body.split('"""', 2)[2])} - {"in", "talk", "offer"}
    assert used <= {*STATES}


def known() -> set[str]:
    health = msgspec.structs.replace(HEALTH, history_behind=0)
    metrics = Metrics(lambda: EMPTY, lambda: health, lambda _: 20.0, nobody)
    for record, t in play(1, 100):
        metrics.observe(record, t)
    return {name for name, _ in samples(metrics)} | {"fsqueue_switch_up"}


def test_the_dashboard_asks_only_for_figures_that_there_are() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(asked) > 10
    for expression in asked:
        names = re.findall(r"\bfsqueue_[a-z_]+", expression)
        assert names
        assert {*names} <= known(), expression


def test_alerts_ask_only_for_figures_that_there_are_and_say_what_to_do() -> None:
    (alerts,) = yaml.safe_load(ALERTS.read_text())["groups"]
    assert len(alerts["rules"]) > 5
    for rule in alerts["rules"]:
        assert {*re.findall(r"\bfsqueue_[a-z_]+", rule["expr"])} <= known(), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["what_to_do"]


def test_callers_who_wait_while_nobody_is_online_are_told_from_when_both_are_so() -> None:
    picture = msgspec.structs.replace(
        EMPTY,
        groups=(
            group("sales", waiting=("a",), longest_since=40.0),
            group("support", waiting=("b",), longest_since=90.0),
            group("night", longest_since=None),
            group("lunch", waiting=("c",), longest_since=10.0),
        ),
    )
    away = {"sales": 70.0, "support": 5.0, "night": 5.0, "lunch": None}
    found = samples(Metrics(lambda: picture, lambda: HEALTH, lambda _: 20.0, lambda: away))
    told = {name: found["fsqueue_waiting_for_nobody_seconds", labels(group=name)] for name in away}
    assert told == {"sales": 30.0, "support": 10.0, "night": 0.0, "lunch": 0.0}


def test_names_are_as_openmetrics_wants_them() -> None:
    """Counters end in _total, what is measured in seconds says so, and nothing but the process's own is without our name."""
    health = msgspec.structs.replace(HEALTH, history_behind=3)
    text = Metrics(lambda: EMPTY, lambda: health, lambda _: 20.0, nobody).text().decode()
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation, family.name
        assert family.name.startswith(("fsqueue", "process_"))
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name == f"{family.name}_total"
            if any(word in family.name for word in ("wait_", "talk_", "held_up", "nobody")):
                assert family.name.endswith("_seconds")


def test_a_history_that_cannot_be_read_is_not_said_to_be_up_to_date() -> None:
    found = samples(Metrics(lambda: EMPTY, lambda: HEALTH, lambda _: 20.0, nobody))
    assert ("fsqueue_history_behind_records", ()) not in found
