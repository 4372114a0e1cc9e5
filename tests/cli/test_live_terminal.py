"""``tail -f`` and ``top`` as processes of their own: in a pipe, in a terminal, and over a restart of the daemon."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.live_daemons import live_daemon
from tests.cli.shell import Shell
from tests.control.desks import FakeDesk

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from fsqueue_cli.main import main; main()"]
LONG = 15.0
"""Seconds after which something that should have come by itself has not: the machine may be busy."""


def environment(shell: Shell) -> dict[str, str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "cli")])
    return {**os.environ, "FSQUEUE_SOCKET": str(shell.socket), "PYTHONPATH": paths, "TERM": "xterm", "NO_COLOR": "1"}


class Output:
    """What a descriptor has said so far, read without ever waiting for long."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.text = ""

    def until(self, pattern: str) -> str:
        """Wait for *pattern* in what is said from now on; return what was said."""
        end = time.monotonic() + LONG
        fresh = ""
        while not re.search(pattern, fresh):
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{pattern} did not come; this did: {fresh[-2000:]!r}"
            with contextlib.suppress(OSError):  # Linux says EIO when a terminal's other end is closed
                data = os.read(self._descriptor, 65536)
            assert data, f"it ended before {pattern}: {fresh[-2000:]!r}"
            fresh += data.decode("utf-8", "replace")
        self.text += fresh
        return fresh


# --- tail -f ----------------------------------------------------------------------------------------------------------


def _hear_interrupts() -> None:
    """A shell has its background jobs, such as a whole test run, ignore Ctrl-C, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def tail(shell: Shell, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Output, Output]]:
    with subprocess.Popen(
        [*COMMAND, "tail", "-f", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(shell),
        preexec_fn=_hear_interrupts,  # noqa: PLW1509 - it touches nothing that threads share
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            yield process, Output(process.stdout.fileno()), Output(process.stderr.fileno())
        finally:
            process.kill()


def test_tail_follows_over_a_restart_and_misses_nothing(shell: Shell) -> None:
    desk = FakeDesk()
    desk.arrive("c1")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        first.enter_context(live_daemon(shell.socket, desk))
        _, out, err = stack.enter_context(tail(shell, "--json", "-n", "2000"))
        out.until(r'"kind":"Offered"')
        first.close()
        err.until("trying again")
        desk.arrive("c2")  # while nobody listens
        with live_daemon(shell.socket, desk) as daemon:
            out.until(r'"call":"c2"')
            err.until("the daemon is back")
            daemon.do(lambda d: d.leave("c1"))
            out.until(r'"kind":"CallEnded"')
    seqs = [json.loads(line)["seq"] for line in out.text.splitlines()]
    assert seqs == list(range(1, seqs[-1] + 1))


def test_tail_that_finds_nobody_at_first_ends(shell: Shell) -> None:
    with tail(shell) as (process, _, err):
        err.until("no fsqueue listens")
        assert process.wait(LONG) == 4


def test_ctrl_c_ends_tail_without_a_word(shell: Shell) -> None:
    with live_daemon(shell.socket) as daemon, tail(shell) as (process, out, _):
        daemon.do(lambda desk: desk.arrive("c1"))
        out.until("c1")
        process.send_signal(signal.SIGINT)
        assert process.wait(LONG) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


def test_a_reader_that_has_had_enough_ends_tail_quietly(shell: Shell) -> None:
    with live_daemon(shell.socket) as daemon, tail(shell) as (process, out, _):
        daemon.do(lambda desk: desk.arrive("c1"))
        out.until("c1")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        daemon.do(lambda desk: desk.arrive("c2"))
        assert process.wait(LONG) == 0
        assert process.stderr.read() == b""


# --- top --------------------------------------------------------------------------------------------------------------


class Terminal:
    """``fsqueue top`` in a terminal of its own."""

    def __init__(self, shell: Shell, columns: int = 80, lines: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, lines)
        self.process = subprocess.Popen(
            [*COMMAND, "top"],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(shell),
            start_new_session=True,
        )
        os.close(theirs)
        self.output = Output(self._ours)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def end(self) -> int:
        """Wait for its end, reading on: a terminal that isn't read holds it up."""
        end = time.monotonic() + LONG
        while self.process.poll() is None and time.monotonic() < end:
            ready, _, _ = select.select([self._ours], [], [], 0.05)
            if ready:
                with contextlib.suppress(OSError):
                    self.output.text += os.read(self._ours, 65536).decode("utf-8", "replace")
        with contextlib.suppress(OSError):
            while select.select([self._ours], [], [], 0.0)[0] and (data := os.read(self._ours, 65536)):
                self.output.text += data.decode("utf-8", "replace")
        code = self.process.poll()
        assert code is not None, "it does not end"
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(shell: Shell) -> Iterator[Terminal]:
    found = Terminal(shell)
    yield found
    found.close()


def test_top_lives_through_a_restart_and_a_resized_window_and_quits_at_q(shell: Shell, terminal: Terminal) -> None:
    terminal.output.until("no fsqueue listens")
    desk = FakeDesk()
    with live_daemon(shell.socket, desk) as daemon:
        terminal.output.until("Anna Nowak")
        daemon.do(lambda d: d.arrive("c1", name="Zażółć"))
        terminal.output.until("Zażółć")
        terminal.press("s")
        terminal.output.until("by group")
        terminal.press("g")
        terminal.output.until("group sales")
    terminal.output.until("NO ANSWER for")
    terminal.resize(132, 40)
    with live_daemon(shell.socket, desk):
        screen = terminal.output.until("group sales · by group")
        assert max(len(line) for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen).splitlines()) > 80
        terminal.press("q")
        assert terminal.end() == 0
    # On the alternate screen, and back from it.
    assert "\x1b[?1049h" in terminal.output.text
    assert terminal.output.text.rstrip().endswith(("\x1b[?1049l", "\x1b[?25h"))


def test_top_gives_the_terminal_back_as_it_was(shell: Shell, terminal: Terminal) -> None:
    before = termios.tcgetattr(terminal._ours)
    terminal.output.until("quit")
    assert termios.tcgetattr(terminal._ours)[3] != before[3]
    terminal.press("q")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal._ours)[3] == before[3]


def test_top_without_a_terminal_says_what_to_use_instead(shell: Shell) -> None:
    result = shell.run("top")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "fsqueue status --json" in result.stderr
