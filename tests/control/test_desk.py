"""The daemon's desk, on the real owner and journal; only the switch is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gevent
import pytest

from fsqueue.clock import Clock
from fsqueue.config.model import Configuration
from fsqueue.config.plan import to_plan
from fsqueue.config.reading import load
from fsqueue.config.secrets import masked, seal
from fsqueue.control import desk as desk_module
from fsqueue.control import handlers
from fsqueue.control.desk import DaemonDesk
from fsqueue.control.protocol import DutyOrder, EventQuery, Problem, Reloaded
from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import Arrived, CalledBack, CallerGone, Configure, Duty, Leg, Renamed, Snapshot
from fsqueue.journal.history import queries
from fsqueue.journal.history.files import NoHistoryError
from fsqueue.journal.history.following import Follower
from fsqueue.journal.writer import Journal
from fsqueue.owner import Owner

TEXT = """\
[switches.main]
host = "127.0.0.1"
password = "secret"
[members.anna]
dial = "user/1001@example.com"
[groups.sales]
members = ["anna"]
service_level_seconds = 7
"""


class Daemon:
    """What a desk needs of a daemon, without sockets."""

    def __init__(self, folder: Path, configuration: Configuration) -> None:
        self.clock = Clock()
        self.journal = Journal(folder / "journal", on_trouble=lambda _: None, on_recovered=lambda _: None)
        engine = Engine(to_plan(configuration))
        self.owner = Owner(engine, self.journal, self.clock, lambda _: None)
        self.taken: list[tuple[Configuration, tuple[Renamed, ...]]] = []
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def reconfigure(self, configuration: Configuration, renamed: tuple[Renamed, ...] = ()) -> None:
        self.taken.append((configuration, renamed))
        self.owner.put([Configure(to_plan(configuration), renamed)])

    def switch_troubles(self) -> dict[str, str]:
        return {"main": "connection refused"}

    def start(self) -> None:
        self._greenlet = gevent.spawn(self.owner.run)

    def stop(self) -> None:
        self.owner.stop()
        if self._greenlet is not None:
            self._greenlet.join(5.0)
        self.journal.close()


class Place:
    """A folder with a configuration, where daemons are started one after the other."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "fsqueue.toml"
        self.file.write_text(TEXT)
        self.file.chmod(0o600)
        self._folder = folder
        self._daemon: Daemon | None = None

    def start(self) -> DaemonDesk:
        loaded = load(self.file)
        assert loaded.configuration is not None
        self._daemon = Daemon(self._folder, loaded.configuration)
        desk = DaemonDesk(self._daemon, loaded)
        self._daemon.start()
        return desk

    @property
    def daemon(self) -> Daemon:
        assert self._daemon is not None
        return self._daemon

    def stop(self) -> None:
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.stop()


def arrive(call: str) -> Arrived:
    return Arrived(leg=Leg("main", call), arrival=call, new_call=call, to="sales")


def test_an_order_is_confirmed_when_its_records_are_on_the_board(place: Place) -> None:
    desk = place.start()
    assert desk.order(Duty("anna", "paused", "lunch", "kate"))
    assert [e.words for e in desk.board.past(EventQuery(member="anna"))] == ["anna: paused, lunch; by kate"]
    assert desk.picture().members[0].duty == "paused"


def test_an_order_that_changes_nothing_is_confirmed_too(place: Place) -> None:
    from fsqueue.engine.messages import Hangup

    assert place.start().order(Hangup("nope"))


def test_orders_are_confirmed_while_inputs_pour_in(place: Place) -> None:
    desk = place.start()
    place.daemon.owner.put([Snapshot(switch="main", core="c")])
    place.daemon.owner.put([arrive(f"c{n:03}") for n in range(300)])
    done = handlers.duty(desk, "anna", DutyOrder(duty="out"), "kate")
    assert done.member.duty == "out"


def test_a_daemon_that_is_held_up_is_said_to_be(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = place.start()
    gevent.sleep(0.01)
    monkeypatch.setattr(desk_module, "ORDER_LIMIT", 0.05)
    monkeypatch.setattr(place.daemon.owner, "put", lambda _: None)
    assert not desk.order(Duty("anna", "out"))


def test_a_reload_takes_the_file_over_and_says_what_runs(place: Place) -> None:
    desk = place.start()
    text = TEXT.replace("groups.sales", "groups.shop")
    place.file.write_text(text)
    answer = desk.reload((Renamed("group", "sales", "shop"),))
    assert isinstance(answer, Reloaded)
    assert [g.id for g in desk.picture().groups] == ["shop"]
    assert place.daemon.taken[0][1] == (Renamed("group", "sales", "shop"),)
    told = desk.configuration()
    assert (told.text, told.seal) == (masked(text), seal(text, told.salt))


def test_what_counts_only_from_the_next_start_on_is_said_until_then(place: Place) -> None:
    desk = place.start()
    changed = TEXT.replace("127.0.0.1", "10.0.0.1") + (
        '[control]\ngroup = "staff"\n[daemon]\nowner = "other"\nhistory_days = 30\n[listen]\ndialplan = "127.0.0.1:9"\n'
    )
    place.file.write_text(changed)
    for _ in range(2):
        answer = desk.reload()
        assert isinstance(answer, Reloaded)
        (warning,) = [line for line in answer.warnings if "next start" in line]
        assert "daemon.owner, daemon.history_days, listen.dialplan, control.group, switches.main:" in warning
    (taken, _) = place.daemon.taken[-1]
    assert taken.daemon.owner == "fsqueue", "callers on hold carry it"
    place.file.write_text(TEXT)
    answer = desk.reload()
    assert isinstance(answer, Reloaded)
    assert not answer.warnings


def test_what_is_reloaded_besides_warns_with_the_file(place: Place) -> None:
    desk = place.start()
    desk.also_reload(lambda: ("tokens: a fault",))
    answer = desk.reload()
    assert isinstance(answer, Reloaded)
    assert "tokens: a fault" in answer.warnings


def test_a_file_with_errors_changes_nothing_and_each_is_named(place: Place) -> None:
    desk = place.start()
    place.file.write_text(TEXT + "x = 1\n[groups.y]\nrings = 0\n")
    answer = desk.reload()
    assert isinstance(answer, Problem)
    said = "\n".join(answer.details)
    assert f"{place.file}:9: groups.sales.x:" in said
    assert f"{place.file}:11: groups.y.rings:" in said
    assert (place.daemon.taken, desk.configuration().text) == ([], masked(TEXT))


def test_a_switch_that_was_never_in_reach_is_shown_as_out_of_it(place: Place) -> None:
    desk = place.start()
    assert [(s.id, s.up) for s in desk.picture().switches] == [("main", False)]
    place.daemon.owner.put([Snapshot(switch="main", core="c")])
    assert desk.order(Duty("anna", "in"))
    assert [(s.id, s.up) for s in desk.picture().switches] == [("main", True)]


def test_groups_tell_their_service_level_and_since_when_nobody_is_online(place: Place) -> None:
    desk = place.start()
    before = place.daemon.clock()
    place.daemon.owner.put([Snapshot(switch="main", core="c")])
    assert desk.order(Duty("anna", "in"))
    facts = desk.group_facts()["sales"]
    assert facts.service_level == 7.0
    assert facts.nobody_since is not None
    assert before <= facts.nobody_since <= place.daemon.clock()


def test_todays_figures_and_stories_survive_a_restart(place: Place) -> None:
    desk = place.start()
    place.daemon.owner.put([Snapshot(switch="main", core="c"), arrive("c1"), arrive("c2")])
    place.daemon.owner.put([CallerGone(Leg("main", "c1"))])
    assert desk.order(Duty("anna", "paused"))
    told = [e.words for e in desk.board.of_call("c2")]
    place.stop()
    again = place.start()
    again.recall()
    now = place.daemon.clock()
    assert (again.board.today(now).calls, again.board.today(now).by_reason) == (1, {"abandoned": 1})
    assert [e.words for e in again.board.of_call("c2")] == told
    assert again.board.of_call("c1")[-1].kind == "CallEnded"


def test_segments_that_were_not_written_to_today_are_not_read(place: Place) -> None:
    import os

    desk = place.start()
    assert desk.order(Duty("anna", "paused"))
    place.stop()
    folder = place.file.parent / "journal"
    newest = sorted(folder.glob("*.jsonl"))[-1]
    assert list(desk_module.since(folder, newest.stat().st_mtime - 1.0))
    os.utime(newest, (1.0, 1.0))
    assert list(desk_module.since(folder, 1000.0)) == []


def test_what_people_note_is_written_told_and_then_in_the_history(place: Place) -> None:
    desk = place.start()
    place.daemon.owner.put([Snapshot(switch="main", core="c"), arrive("c1"), CallerGone(Leg("main", "c1"))])
    assert desk.order(Duty("anna", "in"))
    assert desk.note([CalledBack(call="c1", by="kate", note="all is well")])
    assert desk.board.past(EventQuery())[-1].kind == "CalledBack"
    follower = Follower(place.file.parent)
    follower.step()
    follower.close()
    details = desk.consult(lambda db: queries.call(db, "c1"))
    assert details is not None
    assert details.called_back is not None
    assert (details.call.reason, details.called_back.note) == ("abandoned", "all is well")


def test_what_a_question_to_the_history_raises_comes_back_to_who_asked(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    desk = place.start()
    with pytest.raises(NoHistoryError, match="no history"):
        desk.consult(lambda db: queries.call(db, "c1"))
    assert "Traceback" not in capfd.readouterr().err


def test_metrics_count_what_was_written_since_the_start(place: Place) -> None:
    desk = place.start()
    place.daemon.owner.put([Snapshot(switch="main", core="c"), arrive("c1"), CallerGone(Leg("main", "c1"))])
    assert desk.order(Duty("anna", "paused"))
    text = desk.metrics().decode()
    assert 'fsqueue_calls_ended_total{group="sales",reason="abandoned"} 1.0' in text
    assert 'fsqueue_members{state="paused"} 1.0' in text
    assert "fsqueue_journal_trouble 0.0" in text
