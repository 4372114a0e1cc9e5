"""What systemd does for the daemon, as far as its watchdog goes: hears that it is ready and alive, and ends it when it isn't."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import gevent


class Supervisor:
    """Listens at `path` for what the daemon says of itself; `environ` is what it has to be started with."""

    def __init__(self, path: Path, watchdog: float) -> None:
        """End the daemon after `watchdog` seconds of silence, once it has been ready."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.watchdog = watchdog
        self.environ = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": str(int(watchdog * 1_000_000))}
        self.said: list[str] = []
        self.silent_since = 0.0

    def watch(self, process: int, seconds: float) -> float:
        """Watch the daemon for at most `seconds`; once it is silent for too long, kill it.

        Returns for how many seconds it had been silent; 0 when it was alive all the time.
        """
        self.silent_since = time.monotonic()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._hear()
            silent = time.monotonic() - self.silent_since
            if silent > self.watchdog:
                os.kill(process, signal.SIGKILL)
                return silent
            gevent.sleep(0.05)
        return 0.0

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _hear(self) -> None:
        while True:
            try:
                told = self._socket.recv(4096).decode()
            except BlockingIOError:
                return
            self.said.append(told)
            if "WATCHDOG=1" in told or "READY=1" in told:
                self.silent_since = time.monotonic()
