"""``fsqueue drain``: what it waits for, what it says, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from click.testing import Result
from fsqueue_cli.exits import Exit

from fsqueue.control.protocol import DrainDone, Status
from fsqueue.engine.messages import Undrain
from tests.cli.live_daemons import LiveDaemon, live_daemon
from tests.cli.shell import Shell


@pytest.fixture
def daemon(shell: Shell) -> Iterator[LiveDaemon]:
    with live_daemon(shell.socket) as daemon:
        daemon.do(lambda desk: desk.arrive("c1"))
        yield daemon


class Waiting:
    """A command that waits, beside the test."""

    def __init__(self, shell: Shell, line: str) -> None:
        self._results: list[Result] = []
        self._thread = threading.Thread(target=lambda: self._results.append(shell.run(line)))
        self._thread.start()

    def ended(self) -> Result:
        self._thread.join(20.0)
        return self._results[0]

    @property
    def waits(self) -> bool:
        self._thread.join(0.3)
        return self._thread.is_alive()


def draining(daemon: LiveDaemon) -> Callable[[], bool]:
    return lambda: bool(daemon.do(lambda desk: desk.draining is not None and desk.board.watchers > 0))


def until(true: Callable[[], bool]) -> None:
    for _ in range(400):
        if true():
            return
        threading.Event().wait(0.02)
    raise AssertionError("it did not come about")


def test_it_waits_for_the_last_call_and_for_the_daemons_end(shell: Shell) -> None:
    with live_daemon(shell.socket) as daemon:
        daemon.do(lambda desk: desk.arrive("c1"))
        waiting = Waiting(shell, "drain")
        until(draining(daemon))
        daemon.do(lambda desk: desk.leave("c1"))
        assert waiting.waits, "the daemon has not ended yet"
    done = waiting.ended()
    assert done.exit_code == Exit.DONE
    assert done.stderr.splitlines() == [
        "no new calls are taken from now on; 1 call is left",
        "drained: no call is left, and fsqueue has ended",
    ]


def test_calls_that_are_left_when_the_limit_comes_make_it_fail_and_say_where_they_are(shell: Shell) -> None:
    with live_daemon(shell.socket) as daemon:
        daemon.do(lambda desk: desk.arrive("c1"))
        waiting = Waiting(shell, "drain --timeout 5")
        until(draining(daemon))
    done = waiting.ended()
    assert done.exit_code == Exit.FAILED
    assert "1 call left" in done.stderr
    assert "systemctl start fsqueue" in done.stderr


def test_called_off_by_somebody_else_it_fails_and_says_so(shell: Shell, daemon: LiveDaemon) -> None:
    waiting = Waiting(shell, "drain")
    until(draining(daemon))
    daemon.do(lambda desk: desk.put(Undrain("ola")))
    done = waiting.ended()
    assert done.exit_code == Exit.FAILED
    assert "draining is called off, by ola: calls are taken again" in done.stderr


def test_as_json_the_end_has_the_documented_shape(shell: Shell) -> None:
    with live_daemon(shell.socket) as daemon:
        waiting = Waiting(shell, "drain --json")
        until(draining(daemon))
    done = waiting.ended()
    assert done.exit_code == Exit.DONE
    assert done.stderr == ""
    assert msgspec.json.decode(done.stdout, type=DrainDone).calls == 0


def test_without_waiting_it_says_what_is_left_and_status_shows_it(shell: Shell, daemon: LiveDaemon) -> None:
    answer: Any = shell.json("drain --no-wait --timeout 60")
    assert msgspec.convert(answer, DrainDone).calls == 1
    assert "DRAINING for" in shell.run("status").stdout
    assert msgspec.convert(shell.json("status"), Status).draining is not None
    checked = shell.run("status --check")
    assert checked.exit_code == 1
    assert "WARNING - draining for" in checked.stdout


def test_cancel_takes_calls_again_and_is_refused_where_nothing_drains(shell: Shell, daemon: LiveDaemon) -> None:
    assert shell.run("drain --cancel").exit_code == Exit.REFUSED
    shell.run("drain --no-wait")
    assert shell.run("drain --cancel").stderr == "calls are taken again\n"
    assert "DRAINING" not in shell.run("status").stdout


@pytest.mark.parametrize("line", ["drain --cancel --no-wait", "drain --cancel --timeout 5", "drain --timeout -1"])
def test_what_makes_no_sense_is_refused(shell: Shell, daemon: LiveDaemon, line: str) -> None:
    assert shell.run(line).exit_code == Exit.USAGE
    assert daemon.do(lambda desk: desk.draining) is None


def test_without_a_daemon_it_says_so(shell: Shell) -> None:
    assert shell.run("drain").exit_code == Exit.DAEMON_UNREACHABLE
