"""The world as it is: event sockets, TCP, the control socket, files. Used by commands, which are no daemon and may wait."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import pwd
import stat
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gevent
from gevent import socket

from fsqueue.config.model import Configuration
from fsqueue.config.passwords import PasswordError, password_of
from fsqueue.control.client import Client, ControlRefusedError, UnreachableError
from fsqueue.control.protocol import Events, Status
from fsqueue.doctor.probe import DaemonSeen, FileSeen, ProbeError
from fsqueue.esl import commands
from fsqueue.esl.errors import ConnectError, EslError
from fsqueue.esl.events import Event
from fsqueue.esl.link import Link
from fsqueue.switch.dialplan import FALLBACK_EVENT, KNOCK, SECONDS_TO_ANSWER

HOLD_EVENT = "fsqueue::hold"

TIMEOUT = 5.0
"""Seconds for one answer of a switch."""


class LiveProbe:
    """Asks the real ones. `close` when done."""

    def __init__(self, configuration: Configuration, base: Path, control: Path) -> None:
        """Ask the switches of *configuration*, whose relative paths begin at *base*, and the daemon at *control*."""
        self._configuration = configuration
        self._base = base
        self._control = control
        self._links: dict[str, Link] = {}
        self._listeners: list[Callable[[Event], None]] = []

    def close(self) -> None:
        """Say goodbye to every switch."""
        for link in self._links.values():
            link.stop()
        self._links.clear()

    # --- a switch -----------------------------------------------------------------------------------------------------

    def log_in(self, switch: str) -> str:
        """Connect and log in; return what is wrong and what to do, or nothing."""
        settings = self._configuration.switches[switch]
        link = Link(
            settings.host,
            settings.port,
            partial(password_of, settings, self._base),
            self._heard,
            switch=switch,
            timeout=TIMEOUT,
        )
        try:
            link.connect()
        except (ConnectError, PasswordError) as error:
            return str(error)
        self._links[switch] = link
        return ""

    def api(self, switch: str, command: str) -> str:
        """Return what the switch answers to an API command.

        Raises:
            ProbeError: it has answered nothing, or we are not logged in.
        """
        name, _, arguments = command.partition(" ")
        try:
            return self._link(switch).send(commands.api(name, arguments), TIMEOUT).text
        except EslError as error:
            raise ProbeError(str(error) or "no answer") from error

    def listen(self, switch: str, listener: Callable[[Event], None], filters: tuple[tuple[str, str], ...]) -> None:
        """Have *listener* told of the events that pass *filters*, until `close`. Raises ProbeError."""
        link = self._link(switch)
        self._listeners.append(listener)
        names = ("CHANNEL_CREATE", "CHANNEL_PROGRESS", "CHANNEL_PROGRESS_MEDIA", "CHANNEL_ANSWER", "CHANNEL_BRIDGE")
        ends = ("CHANNEL_UNBRIDGE", "CHANNEL_HANGUP", "BACKGROUND_JOB")
        try:
            for header, value in filters:
                link.send(commands.filter_(header, value), TIMEOUT)
            link.send(commands.events((*names, *ends), (HOLD_EVENT, FALLBACK_EVENT)), TIMEOUT)
        except EslError as error:
            raise ProbeError(str(error)) from error

    def background(self, switch: str, command: str) -> str:
        """Have the switch run an API command in the background; return the job's id. Raises ProbeError."""
        name, _, arguments = command.partition(" ")
        job = str(uuid.uuid4())
        try:
            self._link(switch).send(commands.bgapi(name, arguments, job=job), TIMEOUT)
        except EslError as error:
            raise ProbeError(str(error)) from error
        return job

    def enter(self, switch: str, extension: str, context: str) -> str:
        """Have an empty channel dial into the dialplan; return why ours refused it, or nothing if it never came to an end there."""
        own = str(uuid.uuid4())
        refusals: list[str] = []
        ended: list[bool] = []

        def heard(event: Event) -> None:
            # Several are under way after each other on one link, so each listens for itself.
            if event.uuid != own:
                return
            if event.subclass == FALLBACK_EVENT:
                refusals.append(event.fsq_refused)
            elif event.name == "CHANNEL_HANGUP":
                ended.append(True)

        self.listen(switch, heard, (("Unique-ID", own),))
        variables = f"origination_uuid={own},fsqueue_to={KNOCK}"
        self.background(switch, f"originate {{{variables}}}null/doctor {extension} XML {context}")
        end = time.monotonic() + SECONDS_TO_ANSWER + 3
        while not refusals and not ended and time.monotonic() < end:
            gevent.sleep(0.02)
        with contextlib.suppress(ProbeError):
            self.api(switch, f"uuid_kill {own}")
        return refusals[0] if refusals else ""

    def laps(self, switch: str, seconds: float) -> dict[str, int]:
        """Count the laps that callers' holds begin within *seconds*, by caller."""
        counts: dict[str, int] = {}

        def heard(event: Event) -> None:
            if event.subclass == HOLD_EVENT:
                counts[event.uuid] = counts.get(event.uuid, 0) + 1

        self.listen(switch, heard, (("Event-Subclass", HOLD_EVENT),))
        gevent.sleep(seconds)
        self._listeners.remove(heard)
        return counts

    def _link(self, switch: str) -> Link:
        link = self._links.get(switch)
        if link is None:
            raise ProbeError(f"not logged in to [switches.{switch}]")
        return link

    def _heard(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    # --- the machine --------------------------------------------------------------------------------------------------

    def daemon(self) -> DaemonSeen:
        """Ask the daemon over its control socket."""
        try:
            status = Client(self._control).get(Status, "status")
        except (UnreachableError, ControlRefusedError) as error:
            return DaemonSeen(trouble=str(error))
        return DaemonSeen(version=status.version, switches={switch.id: switch.up for switch in status.switches})

    def story(self, number: str, since: float) -> tuple[str, ...]:
        """Ask the daemon what happened to a caller since a moment."""
        try:
            told = Client(self._control).get(Events, "recent", query={"caller": number, "last": 20})
        except (UnreachableError, ControlRefusedError):
            return ()
        return tuple(event.words for event in told.events if event.t >= since)

    def listens(self, address: str) -> bool:
        """Whether somebody takes TCP connections at HOST:PORT."""
        host, _, port = address.rpartition(":")
        try:
            with gevent.Timeout(TIMEOUT, TimeoutError()):
                socket.create_connection((host.strip("[]"), int(port))).close()
        except OSError:
            return False
        return True

    def file(self, path: Path) -> FileSeen:
        """Look at a file of this machine."""
        try:
            seen = path.stat()
        except OSError as error:
            return FileSeen(exists=isinstance(error, PermissionError))
        try:
            owner = pwd.getpwuid(seen.st_uid).pw_name
        except KeyError:
            owner = str(seen.st_uid)
        return FileSeen(
            exists=True,
            readable=os.access(path, os.R_OK),
            writable=os.access(path, os.W_OK),
            mode=stat.S_IMODE(seen.st_mode),
            owner=owner,
        )

    def local(self, host: str) -> bool:
        """Whether *host* is a loopback name or address."""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def now(self) -> float:
        """Return this machine's time in epoch seconds."""
        return time.time()
