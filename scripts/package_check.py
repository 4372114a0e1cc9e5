"""What scripts/package-check does: the life of the Debian package in a throw-away copy of this system.

The copy is an overlay of / whose changes are in memory. The switch is the embedded one, in this process, over TCP; a caller
waits on it through every upgrade, and must neither be lost nor lose his place.
"""

from __future__ import annotations

import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import gevent
from gevent import socket
from gevent import subprocess as green
from msgspec.structs import replace

from fsqueue.clock import Clock
from fsqueue.config.check import check_text
from fsqueue.control.client import Client
from fsqueue.control.protocol import Calls
from fsqueue.facts import dialplan_facts
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry

ROOT = Path(__file__).parent.parent

CONFIG = """
[switches.main]
host = "127.0.0.1"
port = {esl}
password_file = "esl-password"
[listen]
dialplan = "127.0.0.1:{listen}"
[members.anna]
dial = "user/1001@example.com"
[groups.sales]
extension = "7001"
members = ["anna"]
"""


class FailedError(Exception):
    """A step did not come out as it must."""


def main() -> int:
    """Walk through the package's life; return the exit code."""
    print("no systemd in the copy: the unit's command is run as the unit's user, with a notify socket of our own")
    folder = Path(sys.argv[1])
    try:
        old, new = build(folder, "1"), build(folder, "2")
        Life(System(folder), old, new).live()
    except FailedError as error:
        print(f"FAILED: {error}")
        return 1
    print("all steps came out as they must")
    return 0


def build(folder: Path, revision: str) -> Path:
    """Build the package as a revision of its own, so that there is something to upgrade to."""
    done = subprocess.run(
        [ROOT / "scripts" / "build-deb", "--revision", revision, "--out", folder],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    return Path(done.stdout.strip().splitlines()[-1])


class System:
    """A copy of this system that is gone when this process is."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        memory = folder / "memory"
        for place in (self.root, memory):
            place.mkdir()
        run("mount", "-t", "tmpfs", "tmpfs", str(memory))
        (memory / "upper").mkdir()
        (memory / "work").mkdir()
        options = f"lowerdir=/,upperdir={memory}/upper,workdir={memory}/work"
        run("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))
        run("mount", "-t", "proc", "proc", str(self.root / "proc"))
        # Devices of its own: the real /dev is nothing that a copy may reach.
        run("mount", "-t", "tmpfs", "tmpfs", str(self.root / "dev"))
        for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
            run("mknod", "-m", "666", str(self.root / "dev" / name), "c", "1", str(minor))
        # As on every system. A socket in the overlay itself refused connections from outside of it when tried.
        for place in ("tmp", "run"):
            run("mount", "-t", "tmpfs", "tmpfs", str(self.root / place))

    def do(self, *command: str) -> str:
        """Run *command* in the copy; return what it printed."""
        return run("chroot", str(self.root), *command)

    def install(self, package: Path) -> None:
        """Install, upgrade or downgrade."""
        (self.root / "tmp" / package.name).write_bytes(package.read_bytes())
        self.do("dpkg", "--install", f"/tmp/{package.name}")

    def path(self, name: str) -> Path:
        """Return a file of the copy."""
        return self.root / name.lstrip("/")


class Site:
    """The embedded switch over TCP, with one caller to wait."""

    def __init__(self) -> None:
        clock = Clock(1.0)
        self.world = World(clock(), Random(1), config=Config(password="right"))
        self.shell = Shell(self.world, speed=1.0)
        self.shell.start()
        self.world.phones(PhoneScript(user="1001", domain="example.com", registered=False))
        self.listen = free_port()
        self.text = CONFIG.format(esl=self.shell.address[1], listen=self.listen)
        configuration = check_text(self.text, "fsqueue.toml").configuration
        assert configuration is not None
        facts = replace(dialplan_facts(configuration), socket=f"127.0.0.1:{self.listen}")
        dialplan = Dialplan()
        dialplan.include(render(facts))
        dialplan.include(render_entry(facts), "public")
        self.world.dialplan = dialplan

    def call(self) -> None:
        """Let the caller dial."""
        self.world.call(CallerScript(number="600", name="Nowak", to="7001"))
        self.shell.settle()

    def saw(self, what: str) -> bool:
        """Whether the caller saw *what*."""
        return any(one.who == "600" and one.what == what for one in self.world.sightings)


class Life:
    """The steps, in order."""

    def __init__(self, system: System, old: Path, new: Path) -> None:
        self.system, self.old, self.new = system, old, new
        self.site = Site()
        self.service: Service | None = None

    def live(self) -> None:
        """Take all steps."""
        try:
            self.installed()
            self.started()
            call = self.waiting()
            self.replaced("upgraded", self.new, call)
            self.replaced("downgraded", self.old, call)
            self.removed()
        finally:
            if self.service is not None:
                self.service.kill()

    def installed(self) -> None:
        """A first install makes user and folders, and a command that runs."""
        self.system.install(self.old)
        must(self.system.do("id", "-un", "fsqueue").strip() == "fsqueue", "the package made no user fsqueue")
        for place, mode, owner in (("/etc/fsqueue", 0o2750, "root"), ("/var/lib/fsqueue", 0o750, "fsqueue")):
            seen = self.system.path(place).stat()
            must(stat.S_IMODE(seen.st_mode) == mode, f"{place} has mode {stat.S_IMODE(seen.st_mode):o}, not {mode:o}")
            must(self.system.do("stat", "-c", "%U", place).strip() == owner, f"{place} is not {owner}'s")
        said = self.system.do("fsqueue", "config", "schema")
        must('"title": "fsqueue' in said, "the command does not run from its package")
        say("installed: user, folders with their modes, and a command that runs")

    def started(self) -> None:
        """The daemon starts as its user, is ready, and reaches the switch."""
        self.system.path("/etc/fsqueue/fsqueue.toml").write_text(self.site.text)
        secret = self.system.path("/etc/fsqueue/esl-password")
        secret.touch(mode=0o640)
        secret.write_text("right\n")
        self.system.do("chown", "root:fsqueue", "/etc/fsqueue/esl-password")
        self.service = Service(self.system)
        self.service.start()
        say("started: ready as its own user, with the switch in reach")

    def waiting(self) -> tuple[str, float]:
        """A caller waits; return his call and his place."""
        self.site.call()
        until(lambda: self.site.saw("music"), 10, "the caller never heard music")
        return self.place()

    def place(self) -> tuple[str, float]:
        """Return the waiting call's id and when it joined."""
        client = Client(self.system.path("/run/fsqueue/control.sock"))
        found: list[tuple[str, float]] = []

        def one() -> bool:
            # The switch lives in this process, and the client knows nothing of gevent: a thread asks.
            found[:] = [
                (call.id, call.joined)
                for call in gevent.get_hub().threadpool.apply(client.get, (Calls, "calls")).calls
                if call.state == "waiting"
            ]
            return len(found) == 1

        until(one, 10, "the daemon does not know the waiting caller")
        return found[0]

    def replaced(self, what: str, package: Path, call: tuple[str, float]) -> None:
        """Another version takes over, and the caller waits on at his place."""
        assert self.service is not None
        self.system.install(package)
        self.service.restart()
        must(self.place() == call, f"after being {what} the caller has lost his place")
        must(not self.site.saw("gone") and not self.site.saw("silence"), f"while being {what} the caller noticed")
        say(f"{what} to {package.name}: the caller heard music throughout and kept his place")

    def removed(self) -> None:
        """Removal leaves what people made; purge leaves nothing."""
        assert self.service is not None
        self.service.stop()
        self.system.do("dpkg", "--remove", "fsqueue")
        must(not self.system.path("/usr/bin/fsqueue").exists(), "removal left the command")
        must(self.system.path("/etc/fsqueue/fsqueue.toml").exists(), "removal took the configuration")
        must(any(self.system.path("/var/lib/fsqueue").iterdir()), "removal took the state")
        self.system.do("dpkg", "--purge", "fsqueue")
        for place in ("/etc/fsqueue", "/var/lib/fsqueue", "/usr/lib/fsqueue", "/lib/systemd/system/fsqueue.service"):
            must(not self.system.path(place).exists(), f"purge left {place}")
        must("fsqueue" not in self.system.path("/etc/passwd").read_text(), "purge left the user")
        say("removed with configuration and state kept, then purged without a trace")


class Service:
    """The unit, as systemd would run it as far as that is seen from the daemon."""

    def __init__(self, system: System) -> None:
        self.system = system
        unit = system.path("/lib/systemd/system/fsqueue.service").read_text()
        self.command = re.findall(r"^ExecStart=(.+)$", unit, re.M)[0].split()
        self.user = re.findall(r"^User=(.+)$", unit, re.M)[0]
        self.process: green.Popen | None = None
        self.ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        system.do("install", "-d", "-m", "750", "-o", self.user, "-g", self.user, "/run/fsqueue")
        self.ear.bind(str(system.path("/run/fsqueue/notify")))
        system.do("chown", self.user, "/run/fsqueue/notify")

    def start(self) -> None:
        """Start it and wait until it is ready and says that the switch is in reach."""
        environ = ("NOTIFY_SOCKET=/run/fsqueue/notify", "STATE_DIRECTORY=/var/lib/fsqueue", "WATCHDOG_USEC=20000000")
        with (self.system.root.parent / "log").open("ab") as log:
            self.process = green.Popen(
                ["chroot", str(self.system.root), "runuser", "-u", self.user, "--", "env", *environ, *self.command],
                stdout=log, stderr=log,
            )  # fmt: skip
        self.hear("READY=1")
        self.hear("STATUS=main: in reach")

    def hear(self, words: str) -> None:
        """Wait for a line of what it tells systemd."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with gevent.Timeout(end - time.monotonic(), False):
                if any(line.startswith(words) for line in self.ear.recv(4096).decode().splitlines()):
                    return
        raise FailedError(f"the daemon never said {words}; its log:\n{(self.system.root.parent / 'log').read_text()}")

    def stop(self) -> None:
        """Ask it to end."""
        assert self.process is not None
        # runuser passes SIGTERM on to what it has started.
        self.process.terminate()
        self.hear("STOPPING=1")
        must(self.process.wait(20) is not None, "the daemon did not end")

    def restart(self) -> None:
        """What `systemctl try-restart` in the package's script does where systemd runs."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End it for sure."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run(*command: str) -> str:
    """Run a command, the switch in this process going on meanwhile; return what it printed."""
    process = green.Popen(command, stdout=green.PIPE, stderr=green.STDOUT)
    said = process.communicate()[0].decode(errors="replace")
    if process.returncode != 0:
        raise FailedError(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return str(said)


def until(what: Callable[[], bool], seconds: float, words: str) -> None:
    """Wait until *what* holds."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            raise FailedError(words)
        gevent.sleep(0.05)


def must(holds: bool, words: str) -> None:
    """Fail with *words* unless it holds."""
    if not holds:
        raise FailedError(words)


def say(text: str) -> None:
    """Tell of a step that is done."""
    print(f"ok  {text}", flush=True)


def free_port() -> int:
    """Return a TCP port that nobody has."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
