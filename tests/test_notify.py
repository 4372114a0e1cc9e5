"""What systemd is told, over a notify socket of the test's own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fsqueue.notify import STUCK, Notifier, report


class Ear:
    """The other end of a notify socket."""

    def __init__(self, address: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.settimeout(5)

    def heard(self) -> list[str]:
        return self.sock.recv(4096).decode().splitlines()

    def silent(self) -> bool:
        self.sock.setblocking(False)
        try:
            return not self.sock.recv(4096)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(5)


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(str(tmp_path / "notify"))
    yield ear
    ear.sock.close()


def notifier(ear: Ear, **environ: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": ear.sock.getsockname(), **environ}, pid=7)


def test_ready_comes_with_what_is_known_of_the_switches(ear: Ear) -> None:
    notifier(ear).ready("main: nothing listens\nat 127.0.0.1:8021")
    assert ear.heard() == ["READY=1", "STATUS=main: nothing listens at 127.0.0.1:8021"]


def test_a_reload_bears_the_monotonic_time_of_its_beginning(ear: Ear) -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier(ear).reloading()
    word, stamp = ear.heard()
    assert word == "RELOADING=1"
    assert before <= int(stamp.removeprefix("MONOTONIC_USEC=")) <= before + 10_000_000


def test_the_same_status_is_told_once(ear: Ear) -> None:
    one = notifier(ear)
    one.status("main: in reach")
    one.status("main: in reach")
    assert ear.heard() == ["STATUS=main: in reach"]
    assert ear.silent()


def test_an_abstract_address_is_understood() -> None:
    name = f"fsqueue-test-{time.monotonic_ns()}"
    ear = Ear("\0" + name)
    Notifier({"NOTIFY_SOCKET": "@" + name}).stopping()
    assert ear.heard()[0] == "STOPPING=1"
    ear.sock.close()


def test_whoever_was_not_started_by_systemd_says_nothing_and_has_no_watchdog() -> None:
    one = Notifier({"WATCHDOG_USEC": "30000000"})
    one.ready("main: in reach")
    assert one.watchdog == 0


def test_a_systemd_that_is_away_ends_nothing(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("main: in reach")


@pytest.mark.parametrize(("pid", "seconds"), [("7", 30.0), ("8", 0.0), ("", 30.0)])
def test_a_watchdog_counts_only_for_the_process_it_names(ear: Ear, pid: str, seconds: float) -> None:
    assert notifier(ear, WATCHDOG_USEC="30000000", WATCHDOG_PID=pid).watchdog == seconds


def test_the_watchdog_is_fed_while_the_rules_go_round(ear: Ear) -> None:
    report(notifier(ear, WATCHDOG_USEC="30000000"), 1.0, lambda: "main: in reach")
    assert ear.heard() == ["STATUS=main: in reach"]
    assert ear.heard() == ["WATCHDOG=1"]


def test_the_watchdog_starves_when_the_rules_stand_still_though_the_process_lives(
    ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    report(notifier(ear, WATCHDOG_USEC="30000000"), STUCK, lambda: "main: in reach")
    assert ear.heard() == [f"STATUS=no progress for {STUCK:.0f} s"]
    assert ear.silent()
    assert "no progress" in caplog.text


def test_a_short_watchdog_starves_sooner(ear: Ear) -> None:
    report(notifier(ear, WATCHDOG_USEC="4000000"), 2.5, lambda: "main: in reach")
    assert ear.heard() == ["STATUS=no progress for 2 s"]
    assert ear.silent()


# --- the daemon as a program ------------------------------------------------------------------------------------------

CONFIG = """
[switches.main]
host = "127.0.0.1"
port = {esl}
password = "x"
[listen]
dialplan = "127.0.0.1:{listen}"
[members.anna]
dial = "user/1001@example.com"
[groups.sales]
members = ["anna"]
"""


def test_a_daemon_is_ready_without_its_switch_says_so_and_goes_through_reload_and_stop(
    ear: Ear, tmp_path: Path
) -> None:
    config = tmp_path / "fsqueue.toml"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(esl=free_port(), listen=free_port()))
    root = Path(__file__).parent.parent
    environ = os.environ | {
        "PYTHONPATH": f"{root}:{root / 'cli'}",
        "NOTIFY_SOCKET": ear.sock.getsockname(),
        "WATCHDOG_USEC": "800000",
        "FSQUEUE_SOCKET": str(tmp_path / "control.sock"),
    }
    program = "from fsqueue_cli.main import main; main()"
    arguments = ["run", "--config", str(config), "--state", str(tmp_path / "state")]
    ear.sock.settimeout(20)
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], env=environ, stderr=subprocess.DEVNULL
    ) as daemon:
        try:
            assert ear.heard()[0] == "READY=1"
            wait_for(ear, "WATCHDOG=1")
            assert "nothing listens" in wait_for(ear, "STATUS=main")
            daemon.send_signal(signal.SIGHUP)
            wait_for(ear, "RELOADING=1")
            wait_for(ear, "READY=1")
            daemon.terminate()
            wait_for(ear, "STOPPING=1")
            assert daemon.wait(20) == 0
        finally:
            daemon.kill()


def wait_for(ear: Ear, words: str) -> str:
    for _ in range(200):
        for line in ear.heard():
            if line.startswith(words):
                return line
    raise AssertionError(f"{words} was never said")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
