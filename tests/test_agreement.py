"""300 calls through the daemon: whoever is asked how many there were, and how they ended, says the same.

What callers and phones saw with their own eyes is the measure; status, missed calls, report, the API and the metrics are asked
as people ask them, from processes of their own.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import subprocess
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from fsqueue import demo as demo_module
from fsqueue.config.model import identity
from fsqueue.config.reading import Loaded
from fsqueue.control.client import Client
from fsqueue.control.desk import DaemonDesk
from fsqueue.control.protocol import HistoryCalls, MissedCalls, Status
from fsqueue.control.server import ControlServer
from fsqueue.control.settings import ControlSettings
from fsqueue.daemon import Daemon
from fsqueue.demo import Demo, Settings
from fsqueue.engine.messages import ANSWERED
from fsqueue.journal.history.process import HistoryProcess
from fsqueue.simswitch.people import Sighting

pytestmark = pytest.mark.agreement

CALLS = 300
COMMAND = (sys.executable, "-c", "from fsqueue_cli.main import main; main()")


class WholeDaemon(Daemon):
    """The daemon as `fsqueue run` has it: with control and history."""

    def start(self) -> None:
        text = Loaded(path=self.state / "fsqueue.toml", text="", configuration=self.configuration, problems=())
        desk = DaemonDesk(self, text)
        super().start()
        self.control = ControlServer(desk, ControlSettings(socket=self.socket))
        self.control.start()
        self.history = HistoryProcess(self.state)
        self.history.start()

    @property
    def socket(self) -> Path:
        return self.state / "control.sock"

    def stop(self) -> None:
        self.control.stop()
        super().stop()
        self.history.stop()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have it be about noon: "today" must not end in the middle of a run that takes half an hour of the callers' time."""
    monkeypatch.setenv("TZ", f"Etc/GMT{time.gmtime().tm_hour - 12:+d}")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_status_missed_report_api_and_the_phones_themselves_count_the_same(
    noon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_module, "Daemon", WholeDaemon)
    demo = Demo(Settings(calls=CALLS, phones=40, speed=25.0))
    demo.start()
    daemon = demo.daemon
    assert isinstance(daemon, WholeDaemon)
    try:
        until(lambda: demo.over, demo.limit())
        client = Client(daemon.socket)
        until(lambda: ended_in_history(client) == CALLS, 20.0)
        answered_by = last_voices(demo.world.sightings)
        check_totals(daemon, client, len(answered_by), sum(phone != "" for phone in answered_by.values()))
        members = {identity(m, None): key for key, m in daemon.configuration.members.items()}
        check_members(daemon, Counter(members[phone] for phone in answered_by.values() if phone in members))
    finally:
        summary = demo.stop()
    assert summary.calls == CALLS


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        gevent.sleep(0.2)


# --- what people saw --------------------------------------------------------------------------------------------------


def last_voices(sightings: Iterable[Sighting]) -> dict[str, str]:
    """Return, by each call that was dialled, whom the caller heard last; empty where he heard nobody, or music after it.

    Music after a voice: it left him at once, and he waited on.
    """
    found: dict[str, str] = {}
    for one in sorted(sightings, key=lambda s: s.t):
        if one.side == "caller" and one.what == "dialled":
            found[one.leg] = ""
        elif one.side == "caller" and one.what in ("connected", "music"):
            found[one.leg] = (one.peer or "somebody") if one.what == "connected" else ""
    return found


# --- what is said of it -----------------------------------------------------------------------------------------------


def in_thread(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do *work*, which blocks, while the daemon's greenlets go on."""
    return gevent.get_hub().threadpool.apply(work, arguments, named)


def ended_in_history(client: Client) -> int:
    found = in_thread(client.get, HistoryCalls, "history", "calls", query={"limit": "2000"})
    return sum(row.ended is not None for row in found.calls)


def command(daemon: WholeDaemon, *words: str) -> Any:
    given = subprocess.run([*COMMAND, *words, "--json"], stdout=subprocess.PIPE, check=True)
    return json.loads(given.stdout)


def report(daemon: WholeDaemon, by: str) -> Any:
    return command(daemon, "report", "--by", by, "--state", str(daemon.state), "--until", "2099-01-01")


def check_totals(daemon: WholeDaemon, client: Client, calls: int, answered: int) -> None:
    """Everybody counts *calls*, of which *answered* were, and the reasons and groups are the same everywhere."""
    today = in_thread(client.get, Status, "status").today
    assert (today.calls, today.answered, today.missed) == (calls, answered, calls - answered)
    assert calls == CALLS
    missed_by_reason = {reason: n for reason, n in today.by_reason.items() if reason not in ANSWERED}

    shown = command(daemon, "status", "--socket", str(daemon.socket))
    assert shown["today"]["by_reason"] == today.by_reason
    groups = {group["id"]: (group["today"]["answered"], group["today"]["missed"]) for group in shown["groups"]}

    given = command(daemon, "missed", "list", "--state", str(daemon.state), "--until", "2099-01-01", "--limit", "0")
    assert Counter(row["reason"] for row in given["missed"]) == missed_by_reason
    told = in_thread(client.get, MissedCalls, "missed", query={"limit": "2000"})
    assert [row.id for row in told.missed] == [row["id"] for row in given["missed"]]

    rows = in_thread(client.get, HistoryCalls, "history", "calls", query={"limit": "2000"}).calls
    assert Counter(row.reason for row in rows) == today.by_reason

    by_group = report(daemon, "group")["calls"]
    total = by_group["total"]
    assert (total["offered"], total["answered"], total["missed"]) == (calls, answered, calls - answered)
    assert total["missed_by_reason"] == missed_by_reason
    reported = {row["key"]: (row["answered"], row["missed"]) for row in by_group["rows"] if row["key"]}
    assert reported == {key: figures for key, figures in groups.items() if key in reported}
    assert all(figures == (0, 0) for key, figures in groups.items() if key not in reported)

    assert ends_in_metrics(client) == today.by_reason


def ends_in_metrics(client: Client) -> dict[str, int]:
    command_line = ["curl", "-sf", "--unix-socket", str(client.path), "http://fsqueue/metrics"]
    text = subprocess.run(command_line, stdout=subprocess.PIPE, check=True).stdout.decode()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "fsqueue_calls_ended_total":
                found[sample.labels["reason"]] += int(sample.value)
    return {reason: n for reason, n in found.items() if n}


def check_members(daemon: WholeDaemon, answered: Counter[str]) -> None:
    """The report gives each member the calls that his phone had."""
    rows = report(daemon, "member")["members"]["rows"]
    assert {row["key"]: row["answered"] for row in rows if row["answered"]} == dict(answered)
