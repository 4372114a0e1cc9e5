"""Runs programs beside the tests: they wait for most of their seconds, and the tests are work for the processor.

A test with the mark `beside` asks for a program, by the arguments that Python is to be given; the fixture `beside` is what came of it.
All programs begin when it is known which tests run, several at a time, and the tests that ask for them come last.

This module is also the process that runs them, apart from the tests' own: nothing that a test does to its process (its folder,
its environment, a patch) reaches a program, and no program shows in what a test counts of its process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

AT_ONCE = 3
"""Programs that run at a time: as many as come to their end while the tests run. More would only make each other late."""

LONGEST = 300.0
"""Seconds after which a program hangs: several times what the longest takes."""

ROOT = Path(__file__).parent.parent

Command = tuple[str, ...]
"""What Python is given to run."""


@dataclass(frozen=True)
class Done:
    """What came of a program: its exit code (-1: it was not run to its end), and all that it wrote."""

    code: int
    out: str
    err: str


class Beside:
    """Runs these programs, begun in this order, from now on until all have ended or `close` is called."""

    def __init__(self, commands: Sequence[Command]) -> None:
        """Begin."""
        self._done: dict[Command, Done] = {}
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(commands)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "cli"), str(ROOT)))},
            start_new_session=True,
        )

    def done(self, command: Command) -> Done:
        """Wait until a program has ended, and return what came of it."""
        assert self._process.stdout is not None
        while command not in self._done:
            line = self._process.stdout.readline()
            if not line:
                return Done(-1, "", "the process that was to run it has ended")
            told, *came = json.loads(line)
            self._done[tuple(told)] = Done(*came)
        return self._done[command]

    def close(self) -> None:
        """End what still runs, with everything that it has started."""
        self._process.communicate()


def main(commands: Sequence[Sequence[str]]) -> int:
    """Run these programs and say of each what came of it, a line for each; returns the exit code."""
    # What a shell has put in the background ignores interrupts, and hands that down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_the_tests, daemon=True).start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            under_way = {pool.submit(_run, command): command for command in commands}
            for ended in as_completed(under_way):
                sys.stdout.write(json.dumps([under_way[ended], *ended.result()]) + "\n")
                sys.stdout.flush()
        except (KeyboardInterrupt, BrokenPipeError):
            pool.shutdown(wait=True, cancel_futures=True)
            return 1
    return 0


def _end_with_the_tests() -> None:
    """Interrupt this process and all programs once nobody holds our standard input any more, however the tests have ended.

    Interrupted, a scenario of the contract stops its daemon; killed, it would leave it behind.
    """
    os.read(sys.stdin.fileno(), 1)
    os.killpg(0, signal.SIGINT)


def _run(command: Sequence[str]) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        return -1, "", str(problem)
    return done.returncode, done.stdout, done.stderr


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
