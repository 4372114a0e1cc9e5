"""The daemon: puts the parts together, and takes them apart again.

    dialplan's sockets, event sockets → switch drivers → owner (the engine) → journal → switch drivers

One gevent hub. Ending it leaves every caller in his hold in FreeSWITCH, where the next start finds him.
"""

from __future__ import annotations

import gc
import ipaddress
import logging
import signal
import sys
import time
from functools import partial
from pathlib import Path

import gevent
from gevent.event import Event

from fsqueue.clock import Clock, continued
from fsqueue.config.model import Configuration
from fsqueue.config.passwords import password_of
from fsqueue.config.plan import to_plan
from fsqueue.config.reading import Loaded, load
from fsqueue.control.desk import DaemonDesk
from fsqueue.control.protocol import Problem
from fsqueue.control.server import ControlServer
from fsqueue.control.settings import ControlError, ControlSettings
from fsqueue.draining import Drainage
from fsqueue.engine.engine import Engine
from fsqueue.engine.messages import (
    Announce,
    Checkpoint,
    Command,
    Configure,
    Confirm,
    Connect,
    Drop,
    Hold,
    Record,
    Refuse,
    Renamed,
    Ring,
    Send,
    TurnUsed,
    Withdraw,
)
from fsqueue.engine.view import Picture, picture
from fsqueue.esl.outbound import OutboundServer
from fsqueue.facts import switch_facts
from fsqueue.journal import segments
from fsqueue.journal.entries import Gap, Unknown
from fsqueue.journal.history.process import HistoryProcess
from fsqueue.journal.segments import JournalError
from fsqueue.journal.words import Names, line
from fsqueue.journal.writer import Journal
from fsqueue.logs import LogFormat, start_logging
from fsqueue.notify import Notifier, attend
from fsqueue.owner import Owner
from fsqueue.places import config_path, listening_socket, state_path
from fsqueue.stalls import Stalls
from fsqueue.switch.arrivals import Arrivals
from fsqueue.switch.driver import SwitchDriver
from fsqueue.switch.ids import CallIds
from fsqueue.switch.order import rings_first
from fsqueue.timekeeping import Timekeeper

log = logging.getLogger("fsqueue")

SWITCH_SECONDS = 0.0005
"""After so long a thread of ours gives Python's lock to one that waits for it."""

EXIT_FAILED = 1
EXIT_CONFIGURATION = 5


class Daemon:
    """Everything of one installation. `start`, then `stop`; in between all happens in greenlets."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        state: Path,
        base: Path = Path(),
        clock: Clock | None = None,
        log_records: bool = True,
    ) -> None:
        """Read the journal below *state* and get ready; *base* is where relative paths of the configuration begin.

        Raises:
            JournalError: the state folder can't be used, or another daemon uses it.
        """
        self.state = state
        self.configuration = configuration
        engine = Engine(to_plan(configuration))
        folder = state / "journal"
        self.names = Names()
        self.journal = Journal(
            folder,
            on_trouble=lambda text: log.error("%s", text),
            on_recovered=lambda text: log.warning("%s", text),
        )
        past = lately(folder)
        self.clock = clock or continued(state, past[-1][1] if past else 0.0)
        engine.restore(past, self.clock())
        stalls = Stalls()
        self.owner = Owner(engine, self.journal, self.clock, self._carry_out, stalls, foresee=self._foresee)
        if log_records:
            self.owner.observe(self._log)
        calls = CallIds()
        self._drivers = {
            key: SwitchDriver(
                key,
                (switch.host, switch.port),
                partial(password_of, switch, base),
                switch_facts(configuration),
                self.owner.put,
                clock=self.clock,
                new_call=calls,
                stalls=stalls,
            )
            for key, switch in configuration.switches.items()
        }
        host, port = split_address(configuration.listen.dialplan)
        networks = [ipaddress.ip_network(network) for network in configuration.listen.allow]
        arrivals = Arrivals(list(self._drivers.values()), lambda: switch_facts(self.configuration))
        self._server = OutboundServer((host, port), arrivals.on_call, allow=networks)
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self.drainage = Drainage(self._left, self.clock)
        self._timekeeper = Timekeeper(self.clock, state, self._idle, self._shift)
        self._timekeeping: gevent.Greenlet[[], None] | None = None

    # --- life -----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen for the dialplan, and begin to connect to the switches.

        Raises:
            OSError: the dialplan's address is taken, or not ours.
        """
        self._server.start()
        self._greenlet = gevent.spawn(self.owner.run)
        self.owner.put([Configure(to_plan(self.configuration))])
        for driver in self._drivers.values():
            driver.start()
        if self.clock.speed == 1.0:
            self.clock.keep(self.state)
            self._timekeeping = gevent.spawn(self._timekeeper.run)

    def _left(self) -> int:
        """How much there is to finish: calls, and members' legs of calls that are over."""
        state = self.owner.engine.state
        return len(state.calls) + sum(offer.call not in state.calls for offer in state.offers.values())

    def stop(self) -> None:
        """End: links first, then what is still to be written. Callers stay in their holds, talks go on."""
        self._server.stop()
        if self._timekeeping is not None:
            self._timekeeping.kill()
        for driver in self._drivers.values():
            driver.stop()
        self.owner.stop()
        if self._greenlet is not None:
            self._greenlet.join(5.0)
        self.journal.close()
        self.owner.tell()

    @property
    def dialplan_port(self) -> int:
        """The port the dialplan connects to."""
        return self._server.port

    def wait_until_ready(self, seconds: float) -> bool:
        """Wait until every switch is in reach and its registrations are known; tell whether that came about."""
        end = time.monotonic() + seconds
        while not (ready := all(self._known(key) for key in self._drivers)) and time.monotonic() < end:
            gevent.sleep(0.01)
        return ready

    def in_words(self) -> str:
        """Return one line on which switches are in reach, what keeps the others out of it, and whether we drain."""
        drivers = self._drivers.items()
        switches = [f"{key}: {'in reach' if one.up else one.trouble or 'connecting'}" for key, one in drivers]
        return "; ".join([*switches, *filter(None, [self.drainage.in_words()])])

    def switch_troubles(self) -> dict[str, str]:
        """Return what keeps each switch that is out of reach out of it, as far as it is known."""
        return {key: one.trouble for key, one in self._drivers.items() if one.trouble and not one.up}

    def _known(self, key: str) -> bool:
        switch = self.owner.engine.state.switches.get(key)
        return switch is not None and switch.known

    def picture(self) -> Picture:
        """Return what people may see now."""
        return picture(self.owner.engine.state, self.clock())

    def reconfigure(self, configuration: Configuration, renamed: tuple[Renamed, ...] = ()) -> None:
        """Take over a checked configuration without touching a call in progress; what was *renamed* keeps its past."""
        self.configuration = configuration
        facts = switch_facts(configuration)
        for driver in self._drivers.values():
            driver.configure(facts)
        self.owner.put([Configure(to_plan(configuration), renamed)])

    def _idle(self) -> bool:
        """Whether nobody is in a call with us, and no rule waits for its time."""
        engine = self.owner.engine
        return not engine.state.calls and not engine.state.offers and engine.deadline() is None

    def _shift(self, seconds: float) -> None:
        for driver in self._drivers.values():
            driver.shift(seconds)

    # --- between the parts ------------------------------------------------------------------------------------------------

    def _carry_out(self, commands: tuple[Command, ...]) -> None:
        """Hand each command to the driver of the switch it is for; an offer's belongs to its caller's switch."""
        for command in rings_first(commands):
            switch = command.switch if isinstance(command, Withdraw) else _switch_of(command)
            for key, driver in self._drivers.items():
                if switch in ("", key):
                    driver.carry_out((command,))

    def _foresee(self, commands: tuple[Command, ...]) -> None:
        """Tell the drivers of the rings that are being written down."""
        for command in commands:
            if isinstance(command, Ring) and command.leg.switch in self._drivers:
                self._drivers[command.leg.switch].foresee(command)

    def _log(self, record: Record, _: float) -> None:
        chatty = isinstance(record, TurnUsed | Checkpoint)
        level = logging.DEBUG if chatty else logging.INFO
        log.log(level, "%s", line(record, self.names), extra={"record": record})
        self.names.learn(record)


def _switch_of(command: Ring | Hold | Announce | Connect | Send | Drop | Refuse | Confirm) -> str:
    return command.leg.switch


def lately(folder: Path) -> list[tuple[Record, float]]:
    """Return the records below *folder* from the last checkpoint on, with their times.

    What this version doesn't know can't concern its state.
    """
    found: list[tuple[Record, float]] = []
    for segment in reversed(segments.segments(folder)):
        found = [
            (entry.record, entry.t)
            for entry in segments.tail(folder, segments.first_seq(segment) - 1)
            if not isinstance(entry.record, Gap | Unknown)
        ]
        for at in range(len(found) - 1, -1, -1):
            if isinstance(found[at][0], Checkpoint):
                return found[at:]
    return found


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT`` or ``[HOST]:PORT``; the configuration was checked."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


# --- as a program -------------------------------------------------------------------------------------------------------


def main(config: str | None, state: str | None, log_format: LogFormat = "text") -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT; return the exit code."""
    path = config_path(config)
    loaded = load(path)
    _report(loaded)
    if loaded.configuration is None:
        return EXIT_CONFIGURATION
    listener = start_logging(log_format)
    try:
        return _run(loaded, loaded.configuration, state, log_format)
    finally:
        listener.stop()


def _report(loaded: Loaded) -> None:
    for problem in loaded.problems:
        sys.stderr.write(f"{problem}\n")


def _run(loaded: Loaded, configuration: Configuration, state: str | None, log_format: LogFormat) -> int:
    try:
        folder = state_path(state, configuration.daemon.state)
        daemon = Daemon(configuration, state=folder, base=loaded.path.parent)
        desk = DaemonDesk(daemon, loaded)
        daemon.start()
    except JournalError as error:
        log.error("%s", error)
        return EXIT_FAILED
    except OSError as error:
        address = configuration.listen.dialplan
        log.error("can't listen for the dialplan at %s: %s; change listen.dialplan or end who has it", address, error)
        return EXIT_FAILED
    _prefer_calls()
    log.info("fsqueue takes calls at %s", configuration.listen.dialplan)
    history = HistoryProcess(daemon.state, configuration.daemon.history_days, log_format)
    history.start()
    control = _offer_control(desk, control_settings(configuration, loaded.path.parent))
    notifier = Notifier()
    notifier.ready(daemon.in_words())
    attending = gevent.spawn(attend, notifier, lambda: daemon.owner.progress, daemon.in_words)
    _until_told(desk, daemon, notifier)
    attending.kill()
    notifier.stopping()
    if control is not None:
        control.stop()
    log.info("%s", _last_words(daemon))
    daemon.stop()
    history.stop()
    return 0


def _prefer_calls() -> None:
    """Have Python itself hold up calls less: with its threads, and with its search for garbage.

    The thread that writes the journal needs Python's lock for some microseconds, and a command waits for its word; by default
    it gets the lock from a busy hub only after 5 ms. What the start has made lives as long as we do and need not be searched.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()


def _until_told(desk: DaemonDesk, daemon: Daemon, notifier: Notifier) -> None:
    """Wait for SIGTERM, SIGINT, or a drain's end; SIGHUP takes over the file. Handlers only set flags, the work is done here."""
    told = Event()
    stop = [False]

    def end() -> None:
        stop[0] = True
        told.set()

    handlers = [gevent.signal_handler(s, end) for s in (signal.SIGTERM, signal.SIGINT)]
    handlers.append(gevent.signal_handler(signal.SIGHUP, told.set))
    while True:
        gevent.wait([told, daemon.drainage.over], count=1)
        told.clear()
        if daemon.drainage.over.is_set():
            desk.note(())  # what the last call came to is written, and told to who watches
            break
        if stop[0]:
            break
        notifier.reloading()
        _reload(desk)
        notifier.ready(daemon.in_words())
    for handler in handlers:
        handler.cancel()


def _last_words(daemon: Daemon) -> str:
    if daemon.drainage.over.is_set() and not daemon.picture().calls:
        return "drained: no call is left; stopping"
    return "stopping; callers who wait stay on hold in FreeSWITCH for a minute, for the next start to find them"


def _reload(desk: DaemonDesk) -> None:
    answer = desk.reload()
    if isinstance(answer, Problem):
        for each in answer.details:
            log.warning("%s", each)
        log.error("%s", answer.error)
        return
    for each in answer.warnings:
        log.warning("%s", each)


def control_settings(configuration: Configuration, base: Path) -> ControlSettings:
    """Return where control is offered, and to whom; relative paths begin at *base*."""
    control = configuration.control
    return ControlSettings(
        socket=listening_socket(),
        group=control.group or "",
        tcp=control.tcp or "",
        allow=control.allow,
        read_tokens=base / control.read_tokens_file if control.read_tokens_file else None,
        full_tokens=base / control.full_tokens_file if control.full_tokens_file else None,
    )


def _offer_control(desk: DaemonDesk, settings: ControlSettings) -> ControlServer | None:
    """Listen for control. Where that fails calls go on all the same: nobody's call may depend on who watches it."""
    server = ControlServer(desk, settings)
    gevent.spawn(desk.recall)
    try:
        server.start()
    except ControlError as error:
        log.error("%s; calls are taken, but fsqueue status and its like can't reach this daemon", error)
        return None
    desk.also_reload(server.reload_tokens)
    return server
