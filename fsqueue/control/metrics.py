"""The figures an operator alerts on, as OpenMetrics: what is, from the engine's picture; what happened, from the records.

Counting a record costs some additions; the text is made when somebody asks. Counters begin at 0 with the process, as Prometheus
expects. No label holds what a caller sent, and none is a member's id: groups, switches, reasons and states are few.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from fsqueue.control.health import Health
from fsqueue.engine.messages import ANSWERED, CallEnded, CallOpened, ConfigTaken, Offered, OfferOver, Record, Talking
from fsqueue.engine.view import Picture

__all__ = ["CONTENT_TYPE", "Metrics"]

WAITS = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0)
TALKS = (10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
"""Upper ends of the histograms' buckets, in seconds."""

STATES = (
    "available", "ringing", "talking", "on another call", "wrap-up", "resting", "paused", "logged out", "offline",
)  # fmt: skip
"""What members are shown to do; each is told also when nobody does it, or an alert on it would never end."""


class _Buckets:
    """How often something took how long."""

    def __init__(self, ends: tuple[float, ...]) -> None:
        self._ends = ends
        self._counts = [0] * (len(ends) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect.bisect_left(self._ends, seconds)] += 1
        self._sum += seconds

    def put(self, family: HistogramMetricFamily, labels: list[str]) -> None:
        total, buckets = 0, []
        for end, count in zip((*map(str, self._ends), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((end, total))
        family.add_metric(labels, buckets, self._sum)


class Metrics(Collector):
    """Counts records and, when asked, tells them with the picture of that moment.

    *picture*, *health* and *nobody_since* (by group, in epoch seconds; None while somebody is online) are called when the text is
    made; *service_level* gives a group's `service_level_seconds`. `observe` is for the engine's owner. Nothing here blocks.
    """

    def __init__(
        self,
        picture: Callable[[], Picture],
        health: Callable[[], Health],
        service_level: Callable[[str], float],
        nobody_since: Callable[[], Mapping[str, float | None]],
    ) -> None:
        self._picture = picture
        self._nobody_since = nobody_since
        self._health = health
        self._service_level = service_level
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(
            registry=self._registry
        )  # processor, memory, open files: under the names all of Prometheus knows
        self._opened = 0
        self._ended: dict[tuple[str, str], int] = {}
        self._within: dict[str, int] = {}
        self._waits: dict[tuple[str, str], _Buckets] = {}
        self._talks: dict[str, _Buckets] = {}
        self._offers: dict[tuple[str, str], int] = {}
        self._group_of: dict[str, str] = {}
        """Of offers that are not over."""
        self._talking: dict[str, str] = {}
        """The offer that each call talks by."""
        self._configurations = 0

    def text(self) -> bytes:
        """Return all figures as OpenMetrics text, to be sent with `CONTENT_TYPE`."""
        text: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return text

    # --- counting -------------------------------------------------------------------------------------------------------

    def observe(self, record: Record, _t: float) -> None:
        """Count *record*; to be called for each, once, in order."""
        match record:
            case CallOpened():
                self._opened += 1
            case Offered():
                self._group_of[record.offer] = record.group
            case OfferOver():
                if self._talking.get(record.call) == record.offer:
                    del self._talking[record.call]
                self._over(record.offer, record.outcome)
            case Talking():
                self._talking[record.call] = record.offer
            case CallEnded():
                self._end(record)
            case ConfigTaken():
                self._configurations += 1
            case _:
                pass

    def _over(self, offer: str, outcome: str) -> None:
        key = (self._group_of.pop(offer, ""), outcome)
        self._offers[key] = self._offers.get(key, 0) + 1

    def _end(self, ended: CallEnded) -> None:
        group, answered = ended.group, ended.reason in ANSWERED
        key = (group, ended.reason)
        self._ended[key] = self._ended.get(key, 0) + 1
        if answered and ended.waited <= self._service_level(group):
            self._within[group] = self._within.get(group, 0) + 1
        outcome = "answered" if answered else "missed"
        self._waits.setdefault((group, outcome), _Buckets(WAITS)).add(ended.waited)
        if answered:
            self._talks.setdefault(group, _Buckets(TALKS)).add(ended.talked)
        # Only now it is certain that the talk stood: an offer whose member leaves at once is over with another outcome.
        offer = self._talking.pop(ended.call, None)
        if offer is not None:
            self._over(offer, "taken")

    # --- telling --------------------------------------------------------------------------------------------------------

    def describe(self) -> Iterator[Metric]:
        """Name nothing ahead: the picture is not to be asked for when this is registered."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield everything as it is now."""
        picture = self._picture()
        yield from self._what_is(picture)
        yield from _groups(picture)
        yield self._nobody(picture)
        yield from self._what_happened(picture)

    def _what_is(self, picture: Picture) -> Iterator[Metric]:
        health = self._health()
        yield InfoMetricFamily("fsqueue", "The daemon.", {"version": health.version})
        up = GaugeMetricFamily(
            "fsqueue_switch_up", "1: the switch is in reach and its registrations known.", labels=["switch"]
        )
        for switch in picture.switches:
            up.add_metric([switch.id], int(switch.up))
        yield up
        members = GaugeMetricFamily("fsqueue_members", "Members by what they do.", labels=["state"])
        doing = [member.state for member in picture.members]
        for state in (*STATES, *sorted({*doing} - {*STATES})):
            members.add_metric([state.replace(" ", "_")], doing.count(state))
        yield members
        yield GaugeMetricFamily("fsqueue_calls", "Calls in progress, whatever they do.", len(picture.calls))
        trouble = "1: the disk takes no records; calls go on, records are kept in memory."
        yield GaugeMetricFamily("fsqueue_journal_trouble", trouble, int(health.journal_trouble))
        yield CounterMetricFamily("fsqueue_journal_records", "Records since the journal began.", health.journal_seq)
        lost = "Records that could be written neither at once nor later: the disk took none, and the memory for them was full."
        yield CounterMetricFamily("fsqueue_journal_lost_records", lost, health.journal_lost)
        yield GaugeMetricFamily("fsqueue_watchers", "Who follow the stream of events.", health.watchers)
        if health.history_behind is not None:
            behind = "Records of the journal that the history doesn't have yet; absent while no history can be read."
            yield GaugeMetricFamily("fsqueue_history_behind_records", behind, health.history_behind)
        late = "Since the rules' loop went round last; above 1 the process is held up."
        yield GaugeMetricFamily("fsqueue_held_up_seconds", late, health.held_up)

    def _nobody(self, picture: Picture) -> Metric:
        words = "For how long callers have been waiting while nobody of the group was online; 0 when that isn't so."
        family = GaugeMetricFamily("fsqueue_waiting_for_nobody_seconds", words, labels=["group"])
        since = self._nobody_since()
        for group in picture.groups:
            away = since.get(group.id)
            both = away is not None and group.longest_since is not None
            lasted = picture.t - max(away or 0.0, group.longest_since or 0.0) if both else 0.0
            family.add_metric([group.id], max(0.0, lasted))
        return family

    def _what_happened(self, picture: Picture) -> Iterator[Metric]:
        ids = [group.id for group in picture.groups]
        yield CounterMetricFamily("fsqueue_calls_opened", "Calls that came.", self._opened)
        ended = CounterMetricFamily(
            "fsqueue_calls_ended", "Calls by their one end; answered and forwarded are answered, all others missed.",
            labels=["group", "reason"],
        )  # fmt: skip
        # A series that appears with its first call would hide that call from rate(): those people alert on are there from the start.
        for group, reason in sorted(
            {**dict.fromkeys((g, r) for g in ids for r in ("answered", "abandoned")), **self._ended}
        ):
            ended.add_metric([group, reason], self._ended.get((group, reason), 0))
        yield ended
        within = CounterMetricFamily(
            "fsqueue_calls_answered_within_service_level",
            "Calls answered within their group's service_level_seconds; by fsqueue_calls_ended it is the service level.",
            labels=["group"],
        )
        for group in sorted({**dict.fromkeys(ids), **self._within}):
            within.add_metric([group], self._within.get(group, 0))
        yield within
        waits = HistogramMetricFamily(
            "fsqueue_wait_seconds", "From joining to the talk, or to the end.", labels=["group", "outcome"]
        )
        for (group, outcome), buckets in sorted(self._waits.items()):
            buckets.put(waits, [group, outcome])
        yield waits
        talks = HistogramMetricFamily("fsqueue_talk_seconds", "Length of the talks.", labels=["group"])
        for group, buckets in sorted(self._talks.items()):
            buckets.put(talks, [group])
        yield talks
        offers = CounterMetricFamily("fsqueue_offers", "Offers that are over, by how.", labels=["group", "outcome"])
        for (group, outcome), count in sorted(self._offers.items()):
            offers.add_metric([group, outcome], count)
        yield offers
        yield CounterMetricFamily("fsqueue_configurations", "Configurations that took effect.", self._configurations)


def _groups(picture: Picture) -> Iterator[Metric]:
    told: tuple[tuple[str, str, list[float]], ...] = (
        ("fsqueue_waiting", "Callers in line.", [len(g.waiting) for g in picture.groups]),
        (
            "fsqueue_longest_wait_seconds", "How long the caller who has waited longest waits; 0 when nobody does.",
            [max(0.0, picture.t - g.longest_since) if g.longest_since is not None else 0.0 for g in picture.groups],
        ),
        ("fsqueue_talking", "Calls being talked or connected.", [g.talking for g in picture.groups]),
        ("fsqueue_group_members", "Members of the group.", [len(g.members) for g in picture.groups]),
        ("fsqueue_group_online", "Members neither unreachable, logged out nor paused.", [g.online for g in picture.groups]),
        ("fsqueue_group_available", "Members who may be rung now.", [g.available for g in picture.groups]),
    )  # fmt: skip
    for name, words, values in told:
        family = GaugeMetricFamily(name, words, labels=["group"])
        for group, value in zip(picture.groups, values, strict=True):
            family.add_metric([group.id], value)
        yield family
