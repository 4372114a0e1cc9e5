"""300 calls through the daemon: whoever is asked how many there were, and how they ended, says the same.

What callers and phones saw with their own eyes is the measure; status, missed calls, report, export, the API, its stream and the
metrics are asked as people ask them, from processes of their own.

The demo's clock runs faster than ours, and so do the switch's own deadlines: a caller for whom the daemon had no word for six of his
seconds, 0.3 of ours, goes to the dialplan's fallback by himself, which is right on a machine that had no time for us. We have never
heard of him. So it is not a number of callers that is expected, but that each caller is counted, and counted as what he saw, unless
he saw nothing but the fallback; and more callers come until there are enough who are counted.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gevent
import msgspec
import pytest
from gevent import subprocess
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from fsqueue.config.model import identity
from fsqueue.control.client import Client
from fsqueue.control.protocol import HistoryCalls, MissedCalls, Status
from fsqueue.demo import Demo, Settings, caller_scripts
from fsqueue.engine.messages import ANSWERED
from fsqueue.journal.history.queries import CallRow
from fsqueue.simswitch.people import Sighting

pytestmark = pytest.mark.agreement

CALLS = 300
"""That are to be counted, at least."""

WAVE = 60
"""Callers who come besides when those before them were not enough."""

SPEED = 20.0

COMMAND = (sys.executable, "-c", "from fsqueue_cli.main import main; main()")


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have it be about noon: "today" must not end in the middle of a run that takes half an hour of the callers' time."""
    monkeypatch.setenv("TZ", f"Etc/GMT{time.gmtime().tm_hour - 12:+d}")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_status_missed_report_api_and_the_phones_themselves_count_the_same(noon: None) -> None:
    demo = Demo(Settings(calls=CALLS + 10, phones=40, speed=SPEED))
    demo.start()
    assert demo.daemon is not None
    configuration = demo.daemon.configuration
    client = Client(demo.socket)
    stream = EndsOfStream(demo.socket)
    try:
        play(demo, client)
        seen = what_callers_saw(demo.world.sightings)
        assert len(seen) == len(demo.world.callers)
        counted = check_each(client, seen)
        assert len(counted) >= CALLS
        answered_by = [phone for phone in counted.values() if phone]
        check_totals(demo, client, len(counted), len(answered_by))
        members = {identity(m, None): key for key, m in configuration.members.items()}
        check_members(demo, Counter(members[phone] for phone in answered_by if phone in members))
        until(lambda: sum(stream.reasons.values()) == len(counted), 60.0)
        assert stream.reasons == Counter(history_of(client)[number].reason for number in counted)
    finally:
        stream.close()
        demo.stop()


def play(demo: Demo, client: Client) -> None:
    """Let callers come until there are enough of whom the daemon has heard, and it has told the history of all of them."""
    for wave in range(20):
        until(lambda: demo.over, demo.limit())
        if len(demo.ended) >= CALLS:
            until(lambda: ended_in_history(client) == len(demo.ended), 60.0)
            return
        demo.shell.settle()  # its time has stood still since nothing was to happen
        for n, script in enumerate(caller_scripts(Settings(calls=WAVE + 2, phones=40, seed=wave + 2))[:WAVE]):
            demo.world.call(msgspec.structs.replace(script, number=f"+487{wave:02}{n:05}", variables={}))
        demo.shell.settle()
    raise AssertionError("the machine has no time for any caller")


def until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        gevent.sleep(0.2)


# --- what people saw --------------------------------------------------------------------------------------------------


class Saw(NamedTuple):
    """What one caller saw of his call."""

    last: str
    """Whom he heard last; empty where he heard nobody, or music after it: music after a voice means that he waited on."""
    taken: bool
    """He saw anything beside having dialled and being gone."""


def what_callers_saw(sightings: Iterable[Sighting]) -> dict[str, Saw]:
    """Return it by the callers' numbers; each calls once."""
    found: dict[str, Saw] = {}
    for one in sorted(sightings, key=lambda s: s.t):
        if one.side != "caller":
            continue
        if one.what == "dialled":
            assert one.who not in found
            found[one.who] = Saw(last="", taken=False)
        elif one.what in ("connected", "music"):
            found[one.who] = Saw(last=(one.peer or "somebody") if one.what == "connected" else "", taken=True)
        elif one.what != "gone":
            found[one.who] = found[one.who]._replace(taken=True)
    return found


class EndsOfStream:
    """A process that reads the stream of events, and the reasons of the ends in it."""

    def __init__(self, path: Path) -> None:
        command = ["curl", "-sfN", "--unix-socket", str(path), "http://fsqueue/v1/events"]
        self.reasons: Counter[str] = Counter()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._greenlet = gevent.spawn(self._read)

    def _read(self) -> None:
        for text in self._process.stdout:
            line = json.loads(text)
            if line.get("kind") == "CallEnded":
                self.reasons[line["record"]["reason"]] += 1

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._greenlet.join()
        self._process.stdout.close()


# --- what is said of it -----------------------------------------------------------------------------------------------


def in_thread(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do *work*, which blocks, while the daemon's greenlets go on."""
    return gevent.get_hub().threadpool.apply(work, arguments, named)


def history_of(client: Client) -> dict[str, CallRow]:
    """Return all calls, by their callers' numbers."""
    found = in_thread(client.get, HistoryCalls, "history", "calls", query={"limit": "2000"})
    assert len({row.caller_number for row in found.calls}) == len(found.calls)
    return {row.caller_number: row for row in found.calls}


def ended_in_history(client: Client) -> int:
    return sum(row.ended is not None for row in history_of(client).values())


def check_each(client: Client, seen: dict[str, Saw]) -> dict[str, str]:
    """Check each caller's call; return whom the callers who are counted talked to, empty for nobody."""
    history = history_of(client)
    assert set(history) <= set(seen)
    forgotten = [number for number in seen if number not in history and seen[number].taken]
    assert not forgotten, "taken, and nowhere in the history"
    wrong = [(row, seen[number]) for number, row in history.items() if row.missed == bool(seen[number].last)]
    assert not wrong, "counted as what the caller did not see"
    return {number: seen[number].last for number in history}


def command_text(demo: Demo, *words: str) -> str:
    given = subprocess.run([*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    return str(given.stdout.decode())


def command(demo: Demo, *words: str) -> Any:
    return json.loads(command_text(demo, *words, "--json"))


def report(demo: Demo, by: str) -> Any:
    return command(demo, "report", "--by", by, "--state", str(demo.state), "--until", "2099-01-01")


def check_totals(demo: Demo, client: Client, calls: int, answered: int) -> None:
    """Everybody counts *calls*, of which *answered* were, and the reasons and groups are the same everywhere."""
    today = in_thread(client.get, Status, "status").today
    assert (today.calls, today.answered, today.missed) == (calls, answered, calls - answered)
    missed_by_reason = {reason: n for reason, n in today.by_reason.items() if reason not in ANSWERED}

    shown = command(demo, "status", "--socket", str(demo.socket))
    assert shown["today"]["by_reason"] == today.by_reason
    groups = {group["id"]: (group["today"]["answered"], group["today"]["missed"]) for group in shown["groups"]}

    given = command(demo, "missed", "list", "--state", str(demo.state), "--until", "2099-01-01", "--limit", "0")
    assert Counter(row["reason"] for row in given["missed"]) == missed_by_reason
    told = in_thread(client.get, MissedCalls, "missed", query={"limit": "2000"})
    assert [row.id for row in told.missed] == [row["id"] for row in given["missed"]]

    rows = in_thread(client.get, HistoryCalls, "history", "calls", query={"limit": "2000"}).calls
    assert Counter(row.reason for row in rows) == today.by_reason

    exported = command_text(demo, "history", "export", "--state", str(demo.state), "--until", "2099-01-01")
    assert Counter(row["reason"] for row in csv.DictReader(io.StringIO(exported))) == today.by_reason

    for by in ("number", "hour", "day"):
        laid_out = report(demo, by)["calls"]
        assert (laid_out["total"]["answered"], laid_out["total"]["missed"]) == (answered, calls - answered)
        assert sum(row["answered"] + row["missed"] for row in laid_out["rows"]) == calls

    by_group = report(demo, "group")["calls"]
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


def check_members(demo: Demo, answered: Counter[str]) -> None:
    """The report gives each member the calls that his phone had."""
    rows = report(demo, "member")["members"]["rows"]
    assert {row["key"]: row["answered"] for row in rows if row["answered"]} == dict(answered)
