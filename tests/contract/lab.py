"""A lab: a switch with phones and callers, and fsqueue as its own process beside it. Scenarios run in it, whatever the switch is.

What a scenario is told comes from three sides that don't know each other: the sightings of callers and phones, the daemon's journal,
and the switch itself.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Literal, Protocol

import gevent

from fsqueue.config.model import Configuration
from fsqueue.config.reading import load
from fsqueue.control.client import Client
from fsqueue.control.protocol import DrainDone, Members, Status
from fsqueue.facts import dialplan_facts
from fsqueue.simswitch.actors import Caller as SimCaller
from fsqueue.simswitch.actors import Phone as SimPhone
from fsqueue.simswitch.dialplan import Dialplan as SimDialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Sighting
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry
from tests.contract.freeswitch import COLLEAGUES, DOMAIN, PASSWORD, Dialplan, FreeSwitch, NotStartedError, Site
from tests.contract.media import Media
from tests.contract.people import Caller, Notebook, Phone
from tests.contract.rawesl import Switch
from tests.contract.sip import Account, Leg

Record = dict[str, Any]

Way = Literal["socket", "park"]
WAYS: tuple[Way, ...] = ("socket", "park")

FSQUEUE = (sys.executable, "-c", "from fsqueue_cli.main import main; main()")
"""The command `fsqueue` of this checkout, installed or not."""

SLACK = 3.0
"""How many times longer than with a real switch is waited with the embedded one: it plays beside other tests, and what there is to
wait for may then take as long as the machine likes."""

TOLERANCE = 2.0
"""Seconds that two sightings of one thing may lie apart on a busy machine, over real sockets. A caller whose bridge broke
off a lap of his hold in its first second hears nothing for one: the hold takes that lap's music for unplayable."""


class FailedError(AssertionError):
    """Something that a scenario waited for did not come about."""


class Board(Protocol):
    """The switch's side of a lab: where the daemon finds it, and the people around it."""

    @property
    def esl(self) -> int:
        """Port of its event socket on 127.0.0.1."""

    @property
    def password(self) -> str:
        """Password of its event socket."""

    @property
    def sightings(self) -> list[Sighting]:
        """All sightings so far."""

    def start(self, configuration: Configuration) -> None:
        """Start the switch with the dialplan of a configuration."""

    def phone(self, script: PhoneScript) -> None:
        """Set up a user's phones."""

    def register(self, user: str, *, present: bool) -> None:
        """Let a user's phones register, or take their registrations back."""

    def caller(self, script: CallerScript) -> None:
        """Let a caller dial now."""

    def answer(self, user: str) -> None:
        """Let a user answer the call that rings at his phone and that his script lets ring."""

    def hold(self, who: str) -> None:
        """Let a user (his phone's talk) or a caller put the other side on hold."""

    def resume(self, who: str) -> None:
        """Let a user or a caller come back from hold."""

    def transfer(self, who: str, to: str) -> None:
        """Let a user or a caller send the other side to an extension, blind."""

    def join(self, who: str, consulted: str) -> None:
        """Let a user send the other side, attended, to whom he has called meanwhile as the caller `consulted`."""

    def hang_up(self, who: str) -> None:
        """Let a user or a caller hang up."""

    def headers(self, user: str) -> list[tuple[str, str]]:
        """All SIP headers of the INVITEs that a user's phones have got; nothing where there is no SIP."""

    def legs(self) -> int:
        """How many channels the switch has now."""

    def log(self) -> str:
        """The end of the switch's log."""

    def stop(self) -> None:
        """End it, at once."""


class Lab:
    """One scenario's lab. `config` is the TOML of groups and numbers; switch, socket and state are put before it."""

    def __init__(self, board: Board, way: Way = "socket", *, program: tuple[str, ...] = FSQUEUE) -> None:
        """Make a folder; nothing is started yet.

        Calls are handed over by *way* (`telephony.hand_over`). `program` is the command `fsqueue`.
        """
        self.board, self._program = board, program
        self.way: Way = way
        self._folder = tempfile.TemporaryDirectory(prefix="fsqueue-contract-")
        self.folder = Path(self._folder.name)
        self._listen = _free_port()
        self._daemon: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        """When the last daemon was started (epoch seconds)."""
        self.measured: list[str] = []
        """What this scenario measured, in words, for who reads the result."""
        self.forgiven: list[str] = []
        """Kinds of violations that this scenario brings about on purpose: nobody can act who is stopped."""

    # --- the stage

    @property
    def other_way(self) -> Way:
        """The way by which calls are not handed over here."""
        return "park" if self.way == "socket" else "socket"

    def start(self, config: str, *phones: PhoneScript, daemon: bool = True, installed: Way | None = None) -> None:
        """Start the switch, register the phones, then start the daemon, unless told not to.

        *installed*: by which way the dialplan on the switch hands calls over, if not by that of the configuration.
        """
        path = self.folder / "fsqueue.toml"
        path.touch(mode=0o600)
        path.write_text(self._head(0) + handed_over(config, installed or self.way))
        self.board.start(self._load(path))
        path.write_text(self._head(self.board.esl) + handed_over(config, self.way))
        for script in phones:
            self.board.phone(script)
        if daemon:
            self.start_daemon()

    def start_daemon(self, **environ: str) -> None:
        """Start `fsqueue run` and wait until it knows the switch and its registrations."""
        before = len(self._log_lines())
        self.started_at = time.time()
        with (self.folder / "daemon.log").open("ab") as output:
            self._daemon = subprocess.Popen(
                [
                    *self._program,
                    "run",
                    "--config",
                    str(self.folder / "fsqueue.toml"),
                    "--state",
                    str(self.folder / "state"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(sys.path), "FSQUEUE_SOCKET": str(self.folder / "control.sock")}
                | environ,
            )
        self.until(lambda: self._daemon_ended() or self._connected(before), 15, "the daemon knows the switch")
        if self._daemon_ended():
            raise FailedError(f"the daemon did not start:\n{self.daemon_log()}")

    def stop_daemon(self) -> None:
        """Ask the daemon to end (SIGTERM) and wait for it, at most 10 s."""
        self._end_daemon(signal.SIGTERM)

    def drain_daemon(self) -> None:
        """Have it take no new calls, and end with the last one; returns at once."""
        Client(self.folder / "control.sock").post(DrainDone, "drain")

    def daemon_exits(self, seconds: float) -> int:
        """Wait until the daemon has ended by itself, and return its exit code."""
        process = self._daemon
        assert process is not None
        self.until(lambda: process.poll() is not None, seconds, "the daemon ends by itself")
        self._daemon = None
        return process.returncode

    def kill_daemon(self) -> None:
        """Kill it (SIGKILL)."""
        self._end_daemon(signal.SIGKILL)

    def pause_daemon(self) -> None:
        """Make it mute (SIGSTOP): its sockets stay open."""
        os.killpg(self.daemon_pid, signal.SIGSTOP)

    def continue_daemon(self) -> None:
        """Let it go on (SIGCONT)."""
        os.killpg(self.daemon_pid, signal.SIGCONT)

    @property
    def daemon_pid(self) -> int:
        """The running daemon's process."""
        assert self._daemon is not None
        return self._daemon.pid

    def took_calls_at(self) -> float:
        """When the last daemon said that it takes calls (epoch seconds): Python's own start is before it."""
        line = next(line for line in reversed(self._log_lines()) if "takes calls at" in line)
        return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").timestamp()

    def api(self, command: str) -> str:
        """Ask the switch itself, on a connection of its own."""
        with Switch(self.board.esl, self.board.password) as switch:
            return switch.api(command).strip()

    def status(self) -> Status:
        """What the daemon shows of everything now."""
        return Client(self.folder / "control.sock").get(Status, "status")

    def close(self) -> None:
        """End everything."""
        if self._daemon is not None:
            self._end_daemon(signal.SIGKILL)
        self.board.stop()
        self._folder.cleanup()

    @property
    def dialplan_port(self) -> int:
        """The port on 127.0.0.1 that the switch's dialplan connects to, whoever listens there."""
        return self._listen

    # --- what happens

    def call(self, to: str, number: str = "600100200", name: str = "Ala", **script: Any) -> str:
        """Let somebody call; returns his number (a colleague's `user@domain`), by which sightings name him."""
        caller = CallerScript(number=number, name=name, to=to, **script)
        self.board.caller(caller)
        return caller.user or caller.number

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Wait until a condition holds, at most `seconds` with a real switch. Raises FailedError, saying `what` did not come about."""
        seconds *= 1.0 if isinstance(self.board, RealBoard) else SLACK
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise FailedError(f"not within {seconds:g} s: {what}")
            gevent.sleep(0.02)

    def saw(self, who: str, what: str, seconds: float = 15.0, *, times: int = 1, **fields: str) -> Sighting:
        """Wait until `who` has seen something (for the `times`-th time), with the fields given, and return that sighting."""

        def found() -> list[Sighting]:
            return [
                s for s in self.sightings(who, what) if all(value in getattr(s, key) for key, value in fields.items())
            ]

        wanted = "".join(f" {key}={value!r}" for key, value in fields.items())
        self.until(
            lambda: len(found()) >= times,
            seconds,
            f"{who} sees {what}{wanted}" + (f", {times} times" if times > 1 else ""),
        )
        return found()[times - 1]

    def sightings(self, who: str = "", what: str = "") -> list[Sighting]:
        """All sightings so far, of somebody and of something if given."""
        return [s for s in self.board.sightings if who in ("", s.who) and what in ("", s.what)]

    def records(self, kind: str = "") -> list[Record]:
        """The daemon's journal so far, of one kind if given."""
        lines = [line for file in sorted((self.folder / "state" / "journal").glob("*")) for line in _whole_lines(file)]
        return [record for record in map(_record, lines) if record and kind in ("", record.get("kind"))]

    def ended(self, seconds: float = 10.0) -> Record:
        """Wait for the end of the one call there was, and return its record; a second end is an error."""
        self.until(lambda: self.records("CallEnded"), seconds, "the call has its end in the journal")
        ends = self.records("CallEnded")
        if len(ends) > 1:
            raise FailedError(f"one call, but {len(ends)} ends: {ends}")
        return ends[0]

    def members(self) -> dict[str, str]:
        """Each member's state as the daemon shows it to people now."""
        shown = Client(self.folder / "control.sock").get(Members, "members")
        return {member.id: member.state for member in shown.members}

    def daemon_log(self, lines: int = 60) -> str:
        """The end of the daemon's log."""
        return "\n".join(self._log_lines()[-lines:])

    # --- inside

    def _head(self, esl: int) -> str:
        return f"""
[switches.main]
host = "127.0.0.1"
port = {esl or 8021}
password = "{self.board.password}"
[listen]
dialplan = "127.0.0.1:{self._listen}"
"""

    def _load(self, path: Path) -> Configuration:
        loaded = load(path)
        if loaded.configuration is None:
            raise FailedError("the lab's configuration has errors:\n" + "\n".join(map(str, loaded.problems)))
        return loaded.configuration

    def _log_lines(self) -> list[str]:
        place = self.folder / "daemon.log"
        return place.read_text(errors="replace").splitlines() if place.exists() else []

    def _connected(self, before: int) -> bool:
        return any("switch main" in line and "reach" in line for line in self._log_lines()[before:])

    def _daemon_ended(self) -> bool:
        return self._daemon is None or self._daemon.poll() is not None

    def _end_daemon(self, by: signal.Signals) -> None:
        process, self._daemon = self._daemon, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, by)
        end = time.monotonic() + 10
        while process.poll() is None:
            if time.monotonic() > end:
                os.killpg(process.pid, signal.SIGKILL)
            gevent.sleep(0.02)


class RealBoard:
    """A FreeSWITCH of our own, with SIP phones."""

    def __init__(self, program: Path, site: Site | None = None) -> None:
        """`program` is what `freeswitch.find` returned; `site` what the switch has beside what every lab has."""
        self._program, self._site = program, site
        self._media = Media()
        self._book = Notebook()
        self._phones: dict[str, Phone] = {}
        self._callers: list[Caller] = []
        self._switch: FreeSwitch | None = None
        self._esl: Switch | None = None
        self.password = "lab-" + os.urandom(8).hex()

    @property
    def media(self) -> Media:
        """Where its phones' and callers' sound goes."""
        return self._media

    @property
    def book(self) -> Notebook:
        """Where they write down what they see."""
        return self._book

    def api(self, command: str) -> str:
        """Ask the switch itself."""
        assert self._esl is not None
        return self._esl.api(command)

    def invite(self, user: str) -> list[tuple[str, str]]:
        """The headers of the newest INVITE that a user's phones have got."""
        return self._phones[user].invites[-1]

    @property
    def switch(self) -> FreeSwitch:
        """The running FreeSWITCH."""
        assert self._switch is not None
        return self._switch

    @property
    def esl(self) -> int:
        """Port of its event socket."""
        return self.switch.esl

    @property
    def sightings(self) -> list[Sighting]:
        """All sightings so far."""
        return self._book.sightings

    def start(self, configuration: Configuration) -> None:
        """Write its configuration and start it."""
        facts = dialplan_facts(configuration)
        dialplan = Dialplan(ours=render(facts), entry=render_entry(facts))
        self._switch = FreeSwitch(self._program, dialplan, self.password, self._site)
        try:
            self._switch.start()
        except NotStartedError:
            # Its ports were free when they were asked for; by the time it binds them another run may have one.
            self._switch.close()
            self._switch = FreeSwitch(self._program, dialplan, self.password, self._site)
            self._switch.start()
        self._esl = Switch(self._switch.esl, self.password)

    def phone(self, script: PhoneScript) -> None:
        """Set up a user's phones; the password is every user's."""
        self._phones[script.user] = Phone(script, self.switch.internal, PASSWORD, self._media, self._book)

    def register(self, user: str, *, present: bool) -> None:
        """Let a user's phones register, or take their registrations back."""
        phone = self._phones[user]
        if present:
            phone.register()
        else:
            phone.unregister()

    def caller(self, script: CallerScript) -> None:
        """Let a caller dial; a colleague dials from the side where users authenticate."""
        user = (script.user or "").partition("@")[0]
        account = Account(user, DOMAIN, PASSWORD) if user else None
        server = self.switch.internal if user else self.switch.external
        domain = DOMAIN if user else "127.0.0.1"
        caller = Caller(script, server, domain, account, self._media, self._book)
        self._callers.append(caller)
        caller.start()

    def answer(self, user: str) -> None:
        """Send a 200."""
        self._phones[user].answer()

    def hold(self, who: str) -> None:
        """Put the other side on hold by a re-INVITE."""
        self._leg(who).hold()

    def resume(self, who: str) -> None:
        """Come back from hold by a re-INVITE."""
        self._leg(who).unhold()

    def transfer(self, who: str, to: str) -> None:
        """Send a REFER. Raises FailedError when it isn't accepted."""
        _accepted(self._leg(who).refer(to))

    def join(self, who: str, consulted: str) -> None:
        """Send a REFER with Replaces. Raises FailedError when it isn't accepted."""
        other = self._leg(consulted)
        _accepted(self._leg(who).refer(other.dialled, other))

    def hang_up(self, who: str) -> None:
        """Send a BYE, or a CANCEL."""
        self._leg(who).hang_up()

    def vanish(self, caller: str) -> None:
        """Take a caller's network away: no BYE, no RTP, no answer to anything."""
        self._leg(caller).finish("NETWORK_GONE", "himself")
        next(one for one in reversed(self._callers) if one.who == caller).close()

    def gap(self, caller: str) -> float:
        """The longest time in seconds that a caller got no packet in; it is counted anew from here."""
        stream = self._leg(caller).stream
        longest, stream.longest_gap = stream.longest_gap, 0.0
        return longest

    def originate(self, dial: str, application: str) -> None:
        """Have the switch itself call, in the background."""
        assert self._esl is not None
        self._esl.send(f"bgapi originate {dial} {application}")

    def _leg(self, who: str) -> Leg:
        """The call that a user's phone has answered, or the newest one of a caller."""
        if who in self._phones:
            talks = [leg for leg in self._phones[who].legs if leg.answered.is_set() and not leg.over.is_set()]
            return talks[0]
        return next(one for one in reversed(self._callers) if one.who == who).leg

    def code(self, number: str) -> int:
        """The final SIP code of a caller's last INVITE (200 answered, 486 busy …); 0 while there is none."""
        return next(caller.code for caller in reversed(self._callers) if caller.script.number == number)

    def headers(self, user: str) -> list[tuple[str, str]]:
        """All headers of the INVITEs that a user's phones have got."""
        return [header for invite in self._phones[user].invites for header in invite]

    def legs(self) -> int:
        """How many channels FreeSWITCH has now."""
        assert self._esl is not None
        return int(self._esl.api("show channels count").split()[0])

    def log(self) -> str:
        """The end of FreeSWITCH's log."""
        return self._switch.tail(40) if self._switch is not None else ""

    def stop(self) -> None:
        """End it, at once."""
        for caller in self._callers:
            caller.close()
        for phone in self._phones.values():
            phone.close()
        self._media.close()
        if self._esl is not None:
            self._esl.close()
        if self._switch is not None:
            self._switch.close()


class EmbeddedBoard:
    """The embedded switch, in real time, over real sockets."""

    def __init__(self, world: World | None = None) -> None:
        """Make a world in which nobody is yet, unless one is given."""
        self._world = world or World(
            time.time(), Random(1), config=Config(password="embedded", mailboxes=(f"1001@{DOMAIN}",))
        )
        self.password = self._world.password
        self._shell = Shell(self._world)
        self._phones: dict[str, list[SimPhone]] = {}
        self._callers: dict[str, SimCaller] = {}

    @property
    def esl(self) -> int:
        """Port of its event socket."""
        return self._shell.address[1]

    @property
    def sightings(self) -> list[Sighting]:
        """All sightings so far."""
        return list(self._world.sightings)

    def start(self, configuration: Configuration) -> None:
        """Take the dialplan and let time pass."""
        dialplan = SimDialplan()
        facts = dialplan_facts(configuration)
        dialplan.include(render(facts))
        for context in facts.entry_contexts:
            dialplan.include(render_entry(facts), context)
        dialplan.include(f"<include>{COLLEAGUES}</include>", "default")
        self._world.dialplan = dialplan
        self._shell.start()

    def phone(self, script: PhoneScript) -> None:
        """Set up a user's phones."""
        self._phones[script.user] = self._world.phones(script)
        self._shell.settle()

    def register(self, user: str, *, present: bool) -> None:
        """Let a user's phones register, or take their registrations back."""
        for phone in self._phones[user]:
            if present:
                self._world.registrar.register(phone)
            else:
                self._world.registrar.unregister(phone)
        self._shell.settle()

    def caller(self, script: CallerScript) -> None:
        """Let a caller dial now."""
        self._shell.settle()
        caller = self._world.call(script)
        self._callers[caller.who] = caller
        self._shell.settle()

    def answer(self, user: str) -> None:
        """Pick up."""
        self._shell.settle()
        next(one for one in self._phones[user] if one.rings).answer()
        self._shell.settle()

    def hold(self, who: str) -> None:
        """Put the other side on hold."""
        self._shell.settle()
        self._hand(who).hold()
        self._shell.settle()

    def resume(self, who: str) -> None:
        """Come back from hold."""
        self._shell.settle()
        self._hand(who).resume()
        self._shell.settle()

    def transfer(self, who: str, to: str) -> None:
        """Send the other side to an extension, blind."""
        self._shell.settle()
        self._hand(who).transfer(to)
        self._shell.settle()

    def join(self, who: str, consulted: str) -> None:
        """Send the other side to whom the user has called."""
        self._shell.settle()
        self._talking(who).join(self._callers[consulted])
        self._shell.settle()

    def hang_up(self, who: str) -> None:
        """Hang up."""
        self._shell.settle()
        self._hand(who).hang_up()
        self._shell.settle()

    def _hand(self, who: str) -> SimPhone | SimCaller:
        return self._talking(who) if who in self._phones else self._callers[who]

    def _talking(self, user: str) -> SimPhone:
        """The one of a user's phones that has answered."""
        return next(one for one in self._phones[user] if any(ring.answered for ring in one.rings))

    def headers(self, user: str) -> list[tuple[str, str]]:
        """There is no SIP here."""
        return []

    def legs(self) -> int:
        """How many legs the world has now."""
        return sum(1 for leg in self._world.legs.values() if not leg.gone)

    def log(self) -> str:
        """It keeps none."""
        return ""

    def stop(self) -> None:
        """Stop time."""
        self._shell.stop()


def handed_over(config: str, way: Way) -> str:
    """Return the configuration by which calls are handed over by *way*."""
    key = f'hand_over = "{way}"\n'
    return (
        config.replace("[telephony]\n", f"[telephony]\n{key}", 1)
        if "[telephony]\n" in config
        else f"[telephony]\n{key}{config}"
    )


def _accepted(code: int) -> None:
    if code != 202:
        raise FailedError(f"REFER: {code} where 202 was expected")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _whole_lines(file: Path) -> list[bytes]:
    """The lines of a journal's segment that are written to their end."""
    data = file.read_bytes() if file.is_file() else b""
    return data.split(b"\n")[:-1]


def _record(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
