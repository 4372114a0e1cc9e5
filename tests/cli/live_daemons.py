"""The real control server, with a real engine behind it and no switch, in a thread: what commands talk to in tests."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gevent

from fsqueue.control.server import ControlServer
from fsqueue.control.settings import ControlSettings
from tests.control.desks import FakeDesk, NeverKept


class LiveDaemon:
    """Its desk belongs to its thread: what touches it goes through `do`."""

    def __init__(self, path: Path, desk: FakeDesk) -> None:
        self._path = path
        self._desk = desk
        self._jobs: queue.SimpleQueue[Callable[[FakeDesk], Any] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)

    def do(self, job: Callable[[FakeDesk], Any]) -> Any:
        self._jobs.put(job)
        return self._results.get(timeout=10.0)

    def start(self) -> None:
        self._thread.start()
        self.do(lambda _: None)

    def stop(self) -> None:
        self._jobs.put(None)
        self._thread.join(10.0)

    def _run(self) -> None:
        server = ControlServer(self._desk, ControlSettings(socket=self._path), heartbeat=0.5, kept=NeverKept())
        server.start()
        while (job := self._next()) is not None:
            self._results.put(job(self._desk))
        server.stop()
        gevent.get_hub().destroy(destroy_loop=True)

    def _next(self) -> Callable[[FakeDesk], Any] | None:
        while self._jobs.empty():
            gevent.sleep(0.005)
        return self._jobs.get()


@contextmanager
def live_daemon(path: Path, desk: FakeDesk | None = None) -> Iterator[LiveDaemon]:
    """Serve *desk* at *path* while the test runs."""
    daemon = LiveDaemon(path, desk or FakeDesk())
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
