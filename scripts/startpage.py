"""What scripts/startpage does: carries out docs/index.md's own code blocks, as a new user of a machine with a FreeSWITCH.

The page is read, not repeated: each block is typed into a login shell as it stands, in the order of the page, and what the
page says around the blocks is done where it says it: a second terminal, a phone that is picked up, a call from another one.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gevent
from gevent import subprocess as green

from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction, Sighting
from scripts import vanilla
from scripts.pages import Block, blocks
from scripts.trees import Tree, run
from tests.contract.freeswitch import NotInstalledError, find
from tests.contract.media import Media
from tests.contract.people import Caller, Notebook, Phone
from tests.contract.rawesl import RefusedError, Switch
from tests.contract.sip import Account

PAGE = Path(__file__).parent.parent / "docs" / "index.md"
READER = "newcomer"
"""The fresh account."""

STAYS = "fsqueue run"
"""The command that goes on until it is ended; what comes after it on the page is typed into a second terminal."""

READY = "switch main"
"""What it says when it is there: its switch is in reach."""

OWN = {"the password": "password"}
"""What a reader puts in the place of the page's words."""

CALLED = "7001"
"""What the page has the reader dial."""

SECONDS = 300.0
"""Longest time for one command; installing is what takes longest."""


class FailedError(Exception):
    """The page does not work as it stands."""


class SkippedError(Exception):
    """There is not what it takes to try."""


def main(words: list[str]) -> int:
    """Carry the page out; return 0 where it leads to an answered call, 1 where not, 77 where it can't be tried."""
    options = _arguments(words)
    try:
        program = find(options.freeswitch)
        samples = vanilla.samples(program, options.conf)
    except (NotInstalledError, vanilla.NoSamplesError) as why:
        print(f"startpage: skipped, {why}", file=sys.stderr)
        return 77
    run("ip", "link", "set", "lo", "up")
    machine = Machine(Path(options.folder), program, samples)
    try:
        machine.start()
        Reading(machine, blocks(PAGE), verbose=options.verbose).read()
    except FailedError as error:
        print(f"FAILED: {error}")
        return 1
    except SkippedError as why:
        print(f"startpage: skipped, {why}", file=sys.stderr)
        return 77
    finally:
        machine.close()
    return 0


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/startpage", description=__doc__)
    parser.add_argument("folder", help=argparse.SUPPRESS)
    parser.add_argument("--freeswitch", metavar="PATH", required=True, help="an installed FreeSWITCH")
    parser.add_argument("--conf", metavar="DIR", help="its sample configuration, where it isn't found beside it")
    parser.add_argument("--verbose", action="store_true", help="show what every command prints")
    return parser.parse_args(words)


class Machine:
    """A copy of this system as the page takes it for granted: a FreeSWITCH with phones registered on it, and a fresh account."""

    def __init__(self, folder: Path, program: Path, samples: Path) -> None:
        self.tree = Tree(folder, Path("/"))
        self.tree.furnish()
        self.tree.show(program.parent.parent)
        self.program, self.samples = program, samples
        self.ports, self.secrets = vanilla.Ports(), vanilla.Secrets()
        self.media, self.book = Media(), Notebook()
        self.phones: list[Phone] = []
        self._switch: subprocess.Popen[bytes] | None = None
        self._trouble = ""
        self._wheels(folder / "wheels")
        self._account()
        self._freeswitch()

    def _wheels(self, wheels: Path) -> None:
        """Let pip find the freshly built wheel, and nothing else than was fetched for it."""
        run("cp", "-a", str(wheels), str(self.tree.path("/srv/wheels")))
        self.tree.path("/etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /srv/wheels\n")

    def _account(self) -> None:
        """Make the reader's account: he may become root, as the page needs of him."""
        self.tree.do("useradd", "--create-home", "--shell", "/bin/bash", READER)
        sudoers = self.tree.path(f"/etc/sudoers.d/{READER}")
        sudoers.parent.mkdir(exist_ok=True)
        sudoers.write_text(f"{READER} ALL=(ALL) NOPASSWD: ALL\n")
        sudoers.chmod(0o440)
        # What a log-in makes where systemd runs.
        number = self.tree.do("id", "-u", READER).strip()
        self.tree.do("install", "-d", "-m", "700", "-o", READER, f"/run/user/{number}")
        for place in ("/etc/fsqueue", "/var/lib/fsqueue", "/run/fsqueue"):
            if self.tree.path(place).exists():
                raise FailedError(f"this system has a {place}; the account would not be a fresh one")

    def _freeswitch(self) -> None:
        """Lay out the samples as packages do: in /etc, written by root and read by FreeSWITCH's own user alone."""
        self.tree.do("useradd", "--system", "--home", "/var/lib/freeswitch", "freeswitch")
        conf = self.tree.path("/etc/freeswitch")
        if conf.exists():
            run("rm", "-r", str(conf))
        vanilla.lay_out(self.samples, conf, self.ports, self.secrets)
        vanilla.furnish(
            self.tree.path("/var/lib/freeswitch/sounds/music/8000"), self.tree.path("/var/lib/freeswitch/certs")
        )
        self.tree.do(
            "mkdir", "-p", "/var/log/freeswitch", "/run/freeswitch", *map("/var/lib/freeswitch/{}".format, VARIABLE)
        )
        self.tree.do("chown", "-R", "freeswitch:", "/var/lib/freeswitch", "/var/log/freeswitch", "/run/freeswitch")
        self.tree.do("chown", "-R", "root:freeswitch", "/etc/freeswitch")
        self.tree.do("chmod", "-R", "u=rwX,g=rX,o=", "/etc/freeswitch")

    def start(self) -> None:
        """Start FreeSWITCH and register three phones."""
        lib = "/var/lib/freeswitch"
        places = {
            "conf": "/etc/freeswitch",
            "log": "/var/log/freeswitch",
            "run": "/run/freeswitch",
            "sounds": f"{lib}/sounds",
        }
        places |= {name: f"{lib}/{name}" for name in VARIABLE}
        args = [word for name, place in places.items() for word in (f"-{name}", place)]
        with self.log("freeswitch.out").open("wb") as output:
            self._switch = subprocess.Popen(
                ["chroot", str(self.tree.root), str(self.program), "-u", "freeswitch", "-g", "freeswitch",
                 "-nonat", "-nf", "-nc", "-nocal", "-np", *args],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 30
        while not self._up():
            if time.monotonic() > end or self._switch.poll() is not None:
                raise SkippedError(f"FreeSWITCH did not start: {self._trouble}\n{self.tail()}")
            gevent.sleep(0.2)
        with Switch(self.ports.esl, self.secrets.esl) as switch:
            print(f"a fresh account on {switch.api('version').strip()}, with its own sample configuration")
        picks_up = Reaction(after=1.0, talk=6.0)
        for user in ("1001", "1002", "1003"):
            script = PhoneScript(user=user, domain=vanilla.DOMAIN, reactions=(picks_up,))
            self.phones.append(Phone(script, self.ports.internal, self.secrets.phones, self.media, self.book))

    def call(self, user: str, to: str) -> Caller:
        """Dial *to* from a phone of *user*."""
        name = f"{user}@{vanilla.DOMAIN}"
        script = CallerScript(number=user, name=user, to=to, user=name, talk=3.0)
        account = Account(user, vanilla.DOMAIN, self.secrets.phones)
        caller = Caller(script, self.ports.internal, vanilla.DOMAIN, account, self.media, self.book)
        caller.start()
        return caller

    def saw(self, who: str, what: str, seconds: float, since: int = 0) -> Sighting:
        """Wait until somebody has seen something; the first *since* sightings don't count."""
        end = time.monotonic() + seconds
        while True:
            for sighting in self.book.sightings[since:]:
                if (sighting.who, sighting.what) == (who, what):
                    return sighting
            if time.monotonic() > end:
                raise FailedError(f"{who} did not see {what} within {seconds:.0f} s: {self.book.sightings[since:]}")
            gevent.sleep(0.05)

    def tail(self) -> str:
        """Return the end of FreeSWITCH's log."""
        log = self.tree.path("/var/log/freeswitch/freeswitch.log")
        text = (
            log.read_text(errors="replace") if log.exists() else self.log("freeswitch.out").read_text(errors="replace")
        )
        return "\n".join(text.splitlines()[-40:])

    def log(self, name: str) -> Path:
        """Return a file for what a process prints."""
        return self.tree.root.parent / name

    def close(self) -> None:
        """End FreeSWITCH, and whatever of the reader's still runs."""
        for phone in self.phones:
            phone.close()
        self.media.close()
        if self._switch is not None:
            self._switch.kill()
            self._switch.wait()

    def _up(self) -> bool:
        try:
            with Switch(self.ports.esl, self.secrets.esl) as switch:
                self._trouble = switch.api("status") + switch.api("sofia status")
        except (OSError, RefusedError) as error:
            self._trouble = str(error)
        return "is ready" in self._trouble and f":{self.ports.internal}" in self._trouble


VARIABLE = ("db", "storage", "recordings", "cache", "certs", "temp", "scripts", "htdocs", "grammar")
"""FreeSWITCH's folders below /var/lib/freeswitch, as its options name them."""


class Terminal:
    """A login shell of the reader's, typed into a command at a time."""

    def __init__(self, machine: Machine) -> None:
        self._lines: list[str] = []
        self._marks = itertools.count(1)
        self._shell = green.Popen(
            ["chroot", str(machine.tree.root), "runuser", "--login", READER],
            stdin=green.PIPE, stdout=green.PIPE, stderr=green.STDOUT, cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "LANG": "C.UTF-8"}, start_new_session=True,
        )  # fmt: skip
        self._reader = gevent.spawn(self._read)

    def do(self, command: str, seconds: float = SECONDS) -> str:
        """Type a command and wait for its end; return what it printed. Raises FailedError unless it ends with 0."""
        mark, begin = f"-- {next(self._marks)} ended with", len(self._lines)
        self._type(f"{command}\nprintf '\\n%s %s\\n' '{mark}' $?\n")
        ended = self._wait(lambda: self._found(f"^{mark} [0-9]+$", begin), seconds, command, begin)
        said = "\n".join(self._lines[begin:ended]).strip()
        if not self._lines[ended].endswith(" 0"):
            raise FailedError(f"{command}\n{said}\n{self._lines[ended]}")
        return said

    def stay(self, command: str, words: str, seconds: float = 30) -> str:
        """Type a command that goes on, and wait until it says *words*; return what it printed until then."""
        begin = len(self._lines)
        self._type(f"{command}\n")
        ended = self._wait(lambda: self._found(re.escape(words), begin), seconds, command, begin)
        return "\n".join(self._lines[begin : ended + 1])

    def said(self) -> str:
        """Return all that has been printed here."""
        return "\n".join(self._lines)

    def close(self) -> None:
        """Hang the line up: the shell and what runs in it end."""
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, 15)
            self._shell.wait(20)
        self._reader.kill()

    def _type(self, text: str) -> None:
        self._shell.stdin.write(text.encode())
        self._shell.stdin.flush()

    def _found(self, pattern: str, begin: int) -> int | None:
        return next((n for n in range(begin, len(self._lines)) if re.search(pattern, self._lines[n])), None)

    def _wait(self, what: Callable[[], int | None], seconds: float, command: str, begin: int) -> int:
        end = time.monotonic() + seconds
        while (found := what()) is None:
            if time.monotonic() > end or self._shell.poll() is not None:
                raise FailedError(f"{command}: no end after {seconds:.0f} s:\n" + "\n".join(self._lines[begin:]))
            gevent.sleep(0.02)
        return found

    def _read(self) -> None:
        for line in self._shell.stdout:
            self._lines.append(line.decode(errors="replace").rstrip("\n"))


class Reading:
    """The page, read from its beginning to its end."""

    def __init__(self, machine: Machine, page: list[Block], *, verbose: bool) -> None:
        self.machine, self.verbose = machine, verbose
        self.page = [block for block in page if block.language == "sh"]
        self.terminals = [Terminal(machine)]
        self.began = time.monotonic()

    def read(self) -> None:
        """Carry out every block, and then dial."""
        try:
            for block in self.page:
                for command in commands(block, {"the password": self.machine.secrets.esl}):
                    self._carry_out(block, command)
            self._dial()
            self._look()
        finally:
            for terminal in reversed(self.terminals):
                terminal.close()
        print(f"from a fresh account to an answered call in {time.monotonic() - self.began:.0f} s")

    def _carry_out(self, block: Block, command: str) -> None:
        began = time.monotonic()
        since = len(self.machine.book.sightings)
        if command == STAYS:
            said = self.terminals[-1].stay(command, READY)
            self.terminals.append(Terminal(self.machine))
        else:
            said = self.terminals[-1].do(command)
        if "--call" in command:
            self.machine.saw(self._member(since), "answered", 1.0, since)
        if "fail  " in said or "warn  " in said:
            raise FailedError(f"line {block.line}: {command}: not all is well:\n{said}")
        self._tell(block, command, said, time.monotonic() - began)

    def _member(self, since: int) -> str:
        return next((one.who for one in self.machine.book.sightings[since:] if one.what == "answered"), "nobody")

    def _dial(self) -> None:
        """What the page says last: dial from any phone; a caller hears music, and a member gets him."""
        began, since = time.monotonic(), len(self.machine.book.sightings)
        caller = self.machine.call("1003", CALLED)
        connected = self.machine.saw(caller.who, "connected", 20, since)
        if connected.peer not in {f"{user}@{vanilla.DOMAIN}" for user in ("1001", "1002")}:
            raise FailedError(f"the caller talks with {connected.peer}, who is no member")
        self.machine.saw(connected.peer, "connected", 2, since)
        self.machine.saw(caller.who, "gone", 10, since)
        took = connected.t - self.machine.saw(caller.who, "dialled", 0, since).t
        print(
            f"ok  1003 dials {CALLED}, hears and is heard by {connected.peer} after {took:.1f} s ({time.monotonic() - began:.1f} s)"
        )

    def _look(self) -> None:
        """The daemon counts both calls as answered."""
        status = self.terminals[-1].do("fsqueue status --json")
        if not re.search(r'"answered": 2\b', status):
            raise FailedError(f"the daemon did not count two answered calls:\n{status}")
        print("ok  the daemon counts two calls, both answered")

    def _tell(self, block: Block, command: str, said: str, took: float) -> None:
        print(f"ok  {block.title}: {command} ({took:.1f} s)", flush=True)
        if self.verbose and said:
            print("".join(f"      {line}\n" for line in said.splitlines()), end="", flush=True)


def commands(block: Block, own: dict[str, str]) -> list[str]:
    """Return a block's commands with what a reader puts in the place of the page's words."""
    found = block.commands()
    for words, meant in own.items():
        found = [command.replace(words, meant) for command in found]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
