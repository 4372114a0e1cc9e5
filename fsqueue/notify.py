"""Tells systemd how we are: ready, reloading, stopping, alive. A datagram of ``KEY=value`` lines to ``$NOTIFY_SOCKET``.

Alive means that the rules' loop goes round, not that this process exists: a daemon that is stuck stops reading its event
sockets, and a client that doesn't read freezes FreeSWITCH for everybody, so it must be killed rather than kept.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping

import gevent

log = logging.getLogger(__name__)

STATUS_EVERY = 5.0
"""Seconds between two looks at what the status line has to say."""

STUCK = 10.0
"""Seconds without progress after which we no longer say that we are alive; a round takes one second at most."""


class Notifier:
    """Says things to systemd; to nobody where it did not start us."""

    def __init__(self, environ: Mapping[str, str] = os.environ, pid: int | None = None) -> None:
        """Read the socket's address and the watchdog's time from *environ*; *pid* is ours unless given."""
        self._address = environ.get("NOTIFY_SOCKET", "")
        self.watchdog = _watchdog(environ, os.getpid() if pid is None else pid) if self._address else 0.0
        """Seconds after which systemd kills a service that it has not heard of; 0: never."""
        self._said = ""

    def ready(self, status: str) -> None:
        """The start is over, or a reload: configuration, journal and control socket stand."""
        self._said = status
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it. The time lets systemd tell an answer from one to an earlier signal."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, text: str) -> None:
        """Show *text* in ``systemctl status``; the same text again is not sent."""
        if text != self._said:
            self._said = text
            self._send(_status(text))

    def alive(self) -> None:
        """Keep the watchdog quiet."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1", _status("stopping; callers stay on hold in FreeSWITCH"))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the NUL of an abstract address, which no environment variable can hold.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # systemd being restarted, or its queue being full, must not be our end, nor may we wait for it.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), address)


def attend(notifier: Notifier, progress: Callable[[], float], status: Callable[[], str]) -> None:
    """Keep systemd told, for ever; in a greenlet of its own.

    *progress* is when the rules' loop last went round, in monotonic seconds. *status* is asked every few seconds.
    """
    every = min(STATUS_EVERY, notifier.watchdog / 4 or STATUS_EVERY)
    while True:
        report(notifier, time.monotonic() - progress(), status)
        gevent.sleep(every)


def report(notifier: Notifier, age: float, status: Callable[[], str]) -> None:
    """Say once how we are; *age* is how long ago the rules' loop last went round, in seconds."""
    if age < min(STUCK, notifier.watchdog / 2 or STUCK):
        notifier.status(status())
        if notifier.watchdog:
            notifier.alive()
        return
    stuck = f"no progress for {age:.0f} s"
    notifier.status(stuck)
    log.error("%s; systemd's watchdog ends this process if that goes on", stuck)


def _watchdog(environ: Mapping[str, str], pid: int) -> float:
    """Seconds of the watchdog, if it is meant for us; systemd names the process so that children don't take it for theirs."""
    given, whose = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not given.isdecimal() or (whose and whose != str(pid)):
        return 0.0
    return int(given) / 1_000_000


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())
