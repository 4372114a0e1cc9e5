"""Keeps one link to a switch up, for ever: back-off, a ping that finds dead links, and one clear line per trouble."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable

import gevent
import msgspec
from gevent.event import Event as Flag

from fsqueue.esl import commands
from fsqueue.esl.complaints import Complaints
from fsqueue.esl.connection import Reply, guarded
from fsqueue.esl.errors import CommandTimeout, ConnectError, EslError, LinkDown
from fsqueue.esl.events import Event
from fsqueue.esl.link import Link

_log = logging.getLogger("fsqueue.esl")
_STOPPED = "stopped"
_EPOCH = re.compile("[0-9]{1,12}")


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long things take, in seconds."""

    first_delay: float = 0.1
    """Before the second attempt; doubled for each further one."""
    longest_delay: float = 5.0
    """The most between two attempts; a link that stood this long was a success, and the delays begin anew."""
    connect: float = 5.0
    """For each step of connecting: the socket, the switch's greeting, the log-in."""
    ping_interval: float = 5.0
    ping_timeout: float = 10.0
    """A link whose ping has no answer for so long is dead: TCP alone notices nothing when the network is gone."""
    quiet: float = 60.0
    """Between two log lines about the same trouble."""

    def delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after *failures* in a row (1 or more); *chance* in [0, 1) takes up to half off."""
        # The exponent is capped since a float overflows after a thousand attempts.
        longest = min(self.longest_delay, self.first_delay * 2.0 ** min(failures - 1, 60))
        return longest * (1 - chance / 2)


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told. ``on_event`` must not wait for anything; the others may use ``link.send``."""

    on_up: Callable[[Link, str], None]
    """The new link and the switch's Core-UUID (empty if it would not tell). Runs before the first ping: subscribe here."""
    on_down: Callable[[str], None]
    """Why the link that ``on_up`` was told of has ended; after its last event."""
    on_event: Callable[[Event], None]
    on_clock: Callable[[int, float, float], None] | None = None
    """At each ping: the switch's epoch seconds, and our clock when the ping went out and when its answer came."""


class Reconnecting:
    """One switch's link, kept up by one greenlet between ``start`` and ``stop``."""

    def __init__(
        self,
        host: str,
        port: int,
        password: Callable[[], str],
        listener: Listener,
        *,
        switch: str = "main",
        timing: Timing | None = None,
        sleep: Callable[[float], object] = gevent.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; *password* is asked anew at each attempt, so that a corrected file is enough to recover."""
        self._host, self._port, self._password = host, port, password
        self._listener = listener
        self._switch = switch
        self._timing = timing or Timing()
        self._sleep, self._clock, self._chance = sleep, clock, chance
        self._complaints = Complaints(self._timing.quiet)
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self.link: Link | None = None
        """The link while it is up, else None."""
        self.trouble = ""
        """What keeps the link down, in words for people; empty while it is up."""

    def start(self) -> None:
        """Begin to connect, in a greenlet of its own."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """End the link and connect no more. ``on_down`` has been called when this returns, if it was up."""
        greenlet, self._greenlet = self._greenlet, None
        if greenlet is not None:
            greenlet.kill()

    def _run(self) -> None:
        failures = 0
        while True:
            failures = 1 if self._attempt() >= self._timing.longest_delay else failures + 1
            self._sleep(self._timing.delay(failures, self._chance()))

    def _attempt(self) -> float:
        """Connect once, stay with the link until it ends, and return for how many seconds it stood."""
        link = Link(
            self._host,
            self._port,
            self._password,
            self._listener.on_event,
            switch=self._switch,
            timeout=self._timing.connect,
        )
        try:
            link.connect()
            core = self._core_uuid(link)
        except ConnectError as error:
            self._complain(error.fault.value, str(error))
        except EslError as error:
            self._complain("no answer", f"{link.address} logged us in but answers no command: {error}")
        except Exception:  # noqa: BLE001 — a fault of ours must not be the end of all attempts
            _log.exception("connecting to %s failed", link.address)
        else:
            return self._attend(link, core)
        finally:
            link.drop(_STOPPED)
        return 0.0

    def _core_uuid(self, link: Link) -> str:
        reply = link.send(commands.api("global_getvar", "core_uuid"), self._timing.connect)
        return reply.text.strip() if reply.ok else ""

    def _attend(self, link: Link, core: str) -> float:
        """Announce *link*, ping it until it ends, announce that, and return for how many seconds it stood."""
        began = self._clock()
        self.link, self.trouble = link, ""
        _log.info("connected to FreeSWITCH at %s ([switches.%s])", link.address, self._switch)
        try:
            self._listener.on_up(link, core)
            while not link.down.wait(self._timing.ping_interval):
                self._ping(link)
                if self._clock() - began >= self._timing.longest_delay:
                    self._complaints.settled()  # not at once: a link that comes and goes is the same trouble
        except EslError as error:
            link.drop(str(error))
        except Exception:  # noqa: BLE001 — as in _attempt
            _log.exception("taking up the link to %s failed", link.address)
            link.drop("taking it up failed")
        finally:
            link.drop(_STOPPED)
            self.link = None
            link.drain(1.0)
            if link.reason != _STOPPED:
                self._complain(f"lost: {link.reason}", f"lost the link to FreeSWITCH at {link.address}: {link.reason}")
            guarded(lambda: self._listener.on_down(link.reason))
        return self._clock() - began

    def _ping(self, link: Link) -> None:
        """Ask for the switch's clock; raise CommandTimeout if the link is dead."""
        sent = self._clock()
        answers: list[tuple[Reply, float]] = []
        answered = Flag()

        def take(outcome: Reply | LinkDown) -> None:
            if not isinstance(outcome, LinkDown):
                answers.append((outcome, self._clock()))
            answered.set()

        link.post(commands.api("strepoch"), take)
        # The second, short wait is for a process that was stopped itself: its timer fires before it has read.
        if not answered.wait(self._timing.ping_timeout) and not answered.wait(self._timing.ping_timeout / 20):
            raise CommandTimeout(f"a ping had no answer for {self._timing.ping_timeout:g} s")
        if answers and self._listener.on_clock is not None:
            reply, received = answers[0]
            if _EPOCH.fullmatch(reply.text):
                self._listener.on_clock(int(reply.text), sent, received)

    def _complain(self, kind: str, text: str) -> None:
        self.trouble = text
        if self._complaints.due(kind, self._clock()):
            _log.warning("%s", text)
