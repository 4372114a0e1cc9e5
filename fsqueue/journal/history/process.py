"""The daemon's side of the history: starts the process that keeps it, and starts it again when it ends."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

import gevent
from gevent import subprocess

from fsqueue.logs import LogFormat

log = logging.getLogger(__name__)

LONGEST = 60.0
"""Seconds between attempts at most, when it ends again and again."""


_BEGIN = (
    "import os, sys; sys.path[:] = sys.argv.pop(1).split(os.pathsep); "
    "from fsqueue.journal.history.following import main; sys.exit(main(sys.argv[1:]))"
)
"""What the process runs: this very installation, wherever it lies (a Debian package's folder is in no path of a bare
Python), and nothing out of the folder that the daemon was started in."""


class HistoryProcess:
    """Keeps the history below *state* while the daemon runs. *keep_days* as `following.Follower` has it.

    It logs as the daemon does, in *log_format*.
    """

    def __init__(self, state: Path, keep_days: float = 0.0, log_format: LogFormat = "text") -> None:
        places = os.pathsep.join(place for place in sys.path if Path(place).is_absolute())
        self._command = [
            *(sys.executable, "-I", "-c", _BEGIN, places),
            *(str(state), "--keep-days", f"{keep_days:g}", "--log-format", log_format),
        ]
        self._process: Any = None
        self._greenlet: Any = None

    def start(self) -> None:
        """Start it; returns at once."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self, timeout: float = 5.0) -> None:
        """End it, and wait *timeout* seconds at most; a history that is behind catches up at the next start."""
        if self._greenlet is not None:
            self._greenlet.kill()
        if self._process is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _run(self) -> None:
        pause = 1.0
        while True:
            try:
                self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)
                code = self._process.wait()
                self._process.stdin.close()
            except OSError as error:
                code = error
            log.error("history: its process ended (%s); starting it again in %g s; calls go on", code, pause)
            gevent.sleep(pause)
            pause = min(LONGEST, pause * 2)
