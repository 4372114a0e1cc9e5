"""The daemon as a whole, on the embedded switch and real sockets: starting, refusing to start, recovering."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from fsqueue.clock import Clock, continued
from fsqueue.config import check_text
from fsqueue.config.model import Configuration
from fsqueue.daemon import Daemon, control_settings, lately, split_address
from fsqueue.engine.messages import CallEnded, Checkpoint, Hold, Leg, Record, Ring, Withdraw
from fsqueue.facts import dialplan_facts
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry
from fsqueue.switch.order import rings_first

SPEED = 10.0


@pytest.fixture(autouse=True)
def own_control_socket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the tests' daemons away from one that may run on this machine."""
    monkeypatch.setenv("FSQUEUE_SOCKET", str(tmp_path / "control.sock"))


CONFIG = """
[switches.main]
host = "127.0.0.1"
port = {port}
password = "{password}"
[listen]
dialplan = "127.0.0.1:{listen}"
[members.anna]
dial = "user/1001@example.com"
[groups.sales]
extension = "7001"
members = ["anna"]
"""


def configuration(port: int, *, password: str = "right", listen: int = 0) -> Configuration:
    # Port 0, "any free one", is for tests alone: in a file it would be an error.
    checked = check_text(CONFIG.format(port=port, password=password, listen=listen or 1), "test.toml")
    assert checked.configuration is not None, checked.problems
    if listen:
        return checked.configuration
    from msgspec.structs import replace

    return replace(checked.configuration, listen=replace(checked.configuration.listen, dialplan="127.0.0.1:0"))


def until(what: Callable[[], object], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        gevent.sleep(0.01)


class Site:
    """An embedded switch, and daemons that come and go."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.clock = Clock(SPEED)
        self.world = World(self.clock(), Random(1), config=Config(password="right"))
        self.shell = Shell(self.world, speed=SPEED)
        self.shell.start()
        self.daemons: list[Daemon] = []
        self.records: list[Record] = []

    def daemon(self, password: str = "right", port: int = 0) -> Daemon:
        config = configuration(port or self.shell.address[1], password=password)
        daemon = Daemon(config, state=self.state, clock=self.clock, log_records=False)
        daemon.owner.observe(lambda record, _: self.records.append(record))
        daemon.start()
        self.daemons.append(daemon)
        facts = dialplan_facts(config)
        from msgspec.structs import replace

        facts = replace(facts, socket=f"127.0.0.1:{daemon.dialplan_port}")
        dialplan = Dialplan()
        dialplan.include(render(facts))
        dialplan.include(render_entry(facts), "public")
        self.world.dialplan = dialplan
        return daemon

    def end(self, daemon: Daemon) -> None:
        self.daemons.remove(daemon)
        daemon.stop()

    def saw(self, who: str, what: str) -> bool:
        return any(s.who == who and s.what == what for s in self.world.sightings)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    for daemon in list(site.daemons):
        site.end(daemon)
    site.shell.stop()


def test_a_call_is_answered_and_ends_with_one_reason(site: Site) -> None:
    site.world.phones(PhoneScript(user="1001", domain="example.com", reactions=(Reaction(after=1, talk=5),)))
    daemon = site.daemon()
    assert daemon.wait_until_ready(5)
    site.world.call(CallerScript(number="600", name="Nowak", to="7001"))
    site.shell.settle()
    until(lambda: site.saw("600", "gone"))
    until(lambda: any(isinstance(r, CallEnded) for r in site.records))
    assert [r.reason for r in site.records if isinstance(r, CallEnded)] == ["answered"]


def test_a_new_daemon_takes_over_a_caller_who_waits_at_his_old_place(site: Site) -> None:
    """The phone registers only after the restart; the caller hears music throughout."""
    site.world.phones(PhoneScript(user="1001", domain="example.com", registered=False))
    first = site.daemon()
    assert first.wait_until_ready(5)
    site.world.call(CallerScript(number="600", name="Nowak", to="7001"))
    site.shell.settle()
    until(lambda: site.saw("600", "music"))
    (call,) = first.picture().calls
    site.end(first)

    second = site.daemon()
    assert second.wait_until_ready(5)
    gevent.sleep(0.1)
    (again,) = second.picture().calls
    assert (again.id, again.joined, again.state) == (call.id, call.joined, "waiting")
    assert not site.saw("600", "silence")
    assert not site.saw("600", "gone")


@pytest.mark.parametrize("ahead", [7200.0, -7200.0])
def test_a_clock_that_is_set_between_two_daemons_ends_no_call_and_moves_no_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "SPEED", 1.0)
    site = Site(tmp_path)
    site.world.phones(PhoneScript(user="1001", domain="example.com", registered=False))
    site.clock = continued(tmp_path)
    first = site.daemon()
    assert first.wait_until_ready(5)
    site.world.call(CallerScript(number="600", name="Nowak", to="7001"))
    site.shell.settle()
    until(lambda: site.saw("600", "music"))
    (call,) = first.picture().calls
    site.end(first)

    site.clock = continued(tmp_path, epoch=lambda: time.time() + ahead)
    second = site.daemon()
    assert second.wait_until_ready(5)
    gevent.sleep(0.2)
    (again,) = second.picture().calls
    assert (again.id, again.joined, again.state) == (call.id, call.joined, "waiting")
    assert second.clock() - again.joined < 60
    assert second.clock.behind() == pytest.approx(ahead, abs=1)
    site.end(second)
    site.shell.stop()


def test_a_wrong_password_is_one_clear_line_and_a_right_one_is_enough(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    daemon = site.daemon(password="wrong")
    until(lambda: "refused the password" in caplog.text)
    gevent.sleep(0.5)
    lines = [r.getMessage() for r in caplog.records if "refused the password" in r.getMessage()]
    assert len(lines) == 1
    assert "[switches.main]" in lines[0]
    assert "wrong" not in lines[0].replace("wrong password", "")
    site.world.password = "wrong"
    assert daemon.wait_until_ready(10)


def test_a_closed_port_is_one_clear_line_and_the_switch_is_found_when_it_comes(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    port = holder.getsockname()[1]
    daemon = site.daemon(port=port)
    until(lambda: str(port) in caplog.text)
    gevent.sleep(0.5)
    assert len([r for r in caplog.records if str(port) in r.getMessage()]) == 1
    holder.close()
    late = Shell(site.world, port=port, speed=SPEED)
    late.start()
    assert daemon.wait_until_ready(10)
    late.stop()


def test_a_peer_that_speaks_no_esl_is_one_clear_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    server = StreamServer(("127.0.0.1", 0), lambda sock, _: sock.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"))
    server.start()
    site.daemon(port=server.server_port)
    until(lambda: any(r.levelno >= logging.WARNING for r in caplog.records))
    gevent.sleep(0.3)
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    server.stop()


def test_a_journal_is_replayed_from_its_last_checkpoint(site: Site) -> None:
    daemon = site.daemon()
    assert daemon.wait_until_ready(5)
    site.end(daemon)
    again = site.daemon()
    assert again.wait_until_ready(5)
    site.end(again)
    kinds = [type(record) for record, _ in lately(site.state / "journal")]
    assert kinds[0] is Checkpoint
    assert kinds.count(Checkpoint) == 1


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:8084", ("127.0.0.1", 8084)), ("[::1]:8084", ("::1", 8084)), ("pbx:1", ("pbx", 1))],
)
def test_an_address_is_a_host_and_a_port(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


# --- as a program -------------------------------------------------------------------------------------------------------


def fsqueue(*arguments: str) -> subprocess.Popen[str]:
    program = "from fsqueue_cli.main import main; main()"
    root = Path(__file__).parent.parent
    environ = os.environ | {"PYTHONPATH": f"{root}:{root / 'cli'}"}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True, env=environ)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_control_is_offered_where_the_file_says_and_its_paths_begin_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSQUEUE_SOCKET", str(tmp_path / "c.sock"))
    text = '[control]\ngroup = "staff"\ntcp = "127.0.0.1:8086"\nread_tokens_file = "r"\nfull_tokens_file = "/etc/f"\n'
    configuration = check_text(text, "x").configuration
    assert configuration is not None
    found = control_settings(configuration, tmp_path)
    assert (found.socket, found.group, found.tcp) == (tmp_path / "c.sock", "staff", "127.0.0.1:8086")
    assert (found.read_tokens, found.full_tokens) == (tmp_path / "r", Path("/etc/f"))
    bare = control_settings(Configuration(), tmp_path)
    assert (bare.group, bare.tcp, bare.read_tokens, bare.full_tokens) == ("", "", None, None)


def test_all_problems_of_a_file_stop_the_start_at_once(tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text('[groups.sales]\nrings = 99\nmembers = ["nobody"]\n[listen]\ndialplan = 7\n')
    process = fsqueue("run", "--config", str(config))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    lines = [line for line in err.splitlines() if "warning:" not in line]
    assert len(lines) == 3
    for line in lines:
        assert re.match(re.escape(str(config)) + r":\d+: [\w.\[\]]+: .+; .+", line), line


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    process = fsqueue("run", "--config", str(tmp_path / "none.toml"))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 5
    assert err.startswith(f"{tmp_path}/none.toml:1: ")
    assert len(err.splitlines()) == 1


def test_it_runs_until_told_to_stop_and_takes_over_a_changed_file_on_the_way(tmp_path: Path) -> None:
    config = tmp_path / "fsqueue.toml"
    config.touch(mode=0o600)
    text = CONFIG.format(port=free_port(), password="x", listen=free_port())
    config.write_text(text)
    process = fsqueue("run", "--config", str(config), "--state", str(tmp_path / "state"))
    assert process.stderr is not None
    seen: list[str] = []

    def wait_for(words: str) -> None:
        for line in process.stderr:  # type: ignore[union-attr]
            seen.append(line)
            if words in line:
                return
        raise AssertionError("".join(seen))

    wait_for("configuration taken")
    config.write_text(text + '[groups.support]\nmembers = ["anna"]\n')
    process.send_signal(signal.SIGHUP)
    wait_for("support")
    config.write_text("nonsense = 1\n")
    process.send_signal(signal.SIGHUP)
    wait_for("the configuration that runs stays")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err


def test_two_daemons_never_share_a_state_folder(tmp_path: Path) -> None:
    config = tmp_path / "fsqueue.toml"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(port=free_port(), password="x", listen=free_port()))
    first = Daemon(configuration(1, listen=free_port()), state=tmp_path / "state")
    process = fsqueue("run", "--config", str(config), "--state", str(tmp_path / "state"))
    _, err = process.communicate(timeout=20)
    first.journal.close()
    assert process.returncode == 1
    assert len([line for line in err.splitlines() if "ERROR" in line]) == 1


def test_a_taken_address_stops_the_start_and_says_which_setting_to_change(tmp_path: Path) -> None:
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    holder.listen()
    config = tmp_path / "fsqueue.toml"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(port=free_port(), password="x", listen=holder.getsockname()[1]))
    process = fsqueue("run", "--config", str(config), "--state", str(tmp_path / "state"))
    _, err = process.communicate(timeout=20)
    holder.close()
    assert process.returncode == 1
    assert "listen.dialplan" in err


def test_phones_ring_before_the_hold_they_come_with_and_all_else_keeps_its_order() -> None:
    leg = Leg("main", "u1")
    hold = Hold(
        call="c1",
        leg=leg,
        arrival="a",
        group="g",
        number="",
        music="m",
        dialled="",
        priority=0,
        joined=0,
        entered=0,
        deadline=0,
    )
    first, second = (Ring(offer=f"c1.{n}", call="c1", leg=leg, timeout=20.0) for n in (1, 2))
    taken_back = Withdraw("c0.1", "caller_gone")
    assert rings_first((hold, first, second)) == [first, second, hold]
    assert rings_first((first, taken_back, hold, second)) == [first, taken_back, second, hold]
    assert rings_first((hold, taken_back, first)) == [hold, taken_back, first]
