"""What scripts/package-check does: the life of the Debian package in a throw-away system tree.

The switch is the embedded one, in this process, over TCP. One caller talks and one waits through everything that happens to
the package and the daemon, and neither must notice: who waits hears music throughout and keeps his place.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Protocol

import gevent
from gevent import socket
from gevent import subprocess as green
from msgspec.structs import replace

from fsqueue.clock import Clock
from fsqueue.config.check import check_text
from fsqueue.control.client import Client, ControlRefusedError, UnreachableError
from fsqueue.control.protocol import Calls
from fsqueue.facts import dialplan_facts
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.shell import Shell
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import render, render_entry
from scripts.pages import blocks
from scripts.trees import CommandError, Tree, run

ROOT = Path(__file__).parent.parent
PRODUCTION = ROOT / "docs" / "production.md"
UNIT = "/lib/systemd/system/fsqueue.service"
FILE = "/etc/fsqueue/fsqueue.toml"

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

EXPOSURE = 2.0
"""What `systemd-analyze security` may say at most, of 10. (The daemon needs the network, which alone is half a point.)"""


class FailedError(Exception):
    """A step did not come out as it must."""


def main() -> int:
    """Walk through the package's life; return the exit code."""
    folder, lower, init = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    what = "a copy of this system" if lower == Path("/") else f"a clean {lower.name} by debootstrap"
    how = "systemd in it, by systemd-nspawn" if init == "systemd" else "no systemd, but a notify socket of our own"
    print(f"in {what}, with {how}", flush=True)
    tree = Tree(folder, lower)
    try:
        old, new = build(folder)
        with Site() as site:
            Life(tree, Systemd(tree) if init == "systemd" else OwnNotify(tree), site, old, new).live()
    except (FailedError, CommandError) as error:
        print(f"FAILED: {error}")
        return 1
    print("all steps came out as they must")
    return 0


def build(folder: Path) -> tuple[Path, Path]:
    """Build the package, and a second one of the next revision, so that there is something to upgrade to."""
    done = subprocess.run(
        [ROOT / "scripts" / "build-deb", "--revision", "1", "--out", folder],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True,
    )  # fmt: skip
    first = Path(done.stdout.strip().splitlines()[-1])
    second = first.with_name(first.name.replace("-1_", "-2_"))
    unpacked = folder / "unpacked"
    run("dpkg-deb", "--raw-extract", str(first), str(unpacked))
    control = unpacked / "DEBIAN" / "control"
    control.write_text(re.sub(r"^(Version: .*)-1$", r"\1-2", control.read_text(), flags=re.MULTILINE))
    # Little is gained by compressing what is unpacked a minute later.
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(unpacked), str(second))
    return first, second


class Site:
    """The embedded switch over TCP: a phone that answers, a caller who gets it, and one who waits for it."""

    def __init__(self) -> None:
        clock = Clock(1.0)
        self.world = World(clock(), Random(1), config=Config(password="right"))
        self.shell = Shell(self.world, speed=1.0)
        self.shell.start()
        self.world.phones(PhoneScript(user="1001", domain="example.com", reactions=(Reaction(after=0.5),)))
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.listen = int(sock.getsockname()[1])
        self.text = CONFIG.format(esl=self.shell.address[1], listen=self.listen)
        configuration = check_text(self.text, "fsqueue.toml").configuration
        assert configuration is not None
        facts = replace(dialplan_facts(configuration), socket=f"127.0.0.1:{self.listen}")
        dialplan = Dialplan()
        dialplan.include(render(facts))
        dialplan.include(render_entry(facts), "public")
        self.world.dialplan = dialplan

    def __enter__(self) -> Site:
        """Time passes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.shell.stop()

    def call(self, number: str) -> None:
        """Let somebody dial the group."""
        self.world.call(CallerScript(number=number, name="Nowak", to="7001"))
        self.shell.settle()

    def saw(self, who: str, *what: str, since: int = 0) -> bool:
        """Whether somebody saw one of these; the first *since* sightings don't count."""
        return any(one.who == who and one.what in what for one in self.world.sightings[since:])


class Init(Protocol):
    """What starts and ends the service in the tree."""

    tree: Tree

    def boot(self) -> None:
        """Get it going."""

    def do(self, *command: str) -> str:
        """Run a command in the tree. Raises CommandError."""

    def path(self, name: str) -> Path:
        """Return a file as processes in the tree see it."""

    def put(self, package: Path) -> str:
        """Bring a package file into the tree; return its name there."""

    def installed(self) -> None:
        """Look at what a first installation did to the service."""

    def start(self) -> None:
        """Start it; it is ready, and has its switch in reach."""

    def after_replacing(self) -> None:
        """The package's scripts have replaced it; see to it that the new one runs."""

    def trials(self, life: Life) -> None:
        """What else this init can show."""

    def stop(self) -> None:
        """Ask it to end."""

    def halt(self) -> None:
        """End all of it."""


class Life:
    """The steps, in order."""

    def __init__(self, tree: Tree, init: Init, site: Site, old: Path, new: Path) -> None:
        self.tree, self.init, self.site = tree, init, site
        self.old, self.new = old, new
        self.waiting: tuple[str, float] = ("", 0.0)
        self.quiet_since = 0

    def live(self) -> None:
        """Take all steps."""
        try:
            self.init.boot()
            self.installed()
            self.started()
            self.calls()
            self.replaced("upgraded", self.new)
            self.replaced("downgraded", self.old)
            self.init.trials(self)
            self.removed()
        finally:
            self.init.halt()

    def installed(self) -> None:
        """A first install makes user and folders, and a command that runs."""
        self.init.do("dpkg", "--install", self.init.put(self.old))
        must(self.init.do("id", "-un", "fsqueue").strip() == "fsqueue", "the package made no user fsqueue")
        for place, mode, owner in (("/etc/fsqueue", 0o2750, "root"), ("/var/lib/fsqueue", 0o750, "fsqueue")):
            seen = self.tree.path(place).stat()
            must(stat.S_IMODE(seen.st_mode) == mode, f"{place} has mode {stat.S_IMODE(seen.st_mode):o}, not {mode:o}")
            must(self.init.do("stat", "-c", "%U", place).strip() == owner, f"{place} is not {owner}'s")
        must('"title": "fsqueue' in self.init.do("fsqueue", "config", "schema"), "the command does not run")
        self.init.installed()
        say("installed: user, folders with their modes, and a command that runs")

    def started(self) -> None:
        """The daemon starts as its user, is ready, and reaches the switch."""
        self.write(self.site.text)
        secret = self.tree.path("/etc/fsqueue/esl-password")
        secret.touch(mode=0o640)
        secret.write_text("right\n")
        self.init.do("chown", "root:fsqueue", "/etc/fsqueue/esl-password")
        self.init.start()
        say("started: ready as its own user, with the switch in reach")

    def write(self, text: str) -> None:
        """Change the configuration."""
        self.tree.path(FILE).write_text(text)

    def calls(self) -> None:
        """One talks, one waits."""
        self.site.call("600")
        until(lambda: self.site.saw("600", "connected"), 15, "the first caller was not connected")
        self.site.call("601")
        until(lambda: self.site.saw("601", "music"), 10, "the second caller never heard music")
        self.waiting = self.place()
        self.quiet_since = len(self.site.world.sightings)
        say("calls up: one talks, one waits with music")

    def place(self) -> tuple[str, float]:
        """Return the waiting call's id and when it joined."""
        client = Client(self.init.path("/run/fsqueue/control.sock"))
        found: list[tuple[str, float]] = []

        def one() -> bool:
            # The switch lives in this process, and the client knows nothing of gevent: a thread asks.
            try:
                calls = gevent.get_hub().threadpool.apply(client.get, (Calls, "calls")).calls
            except (UnreachableError, ControlRefusedError):  # it is just being replaced
                return False
            found[:] = [(call.id, call.joined) for call in calls if call.state == "waiting"]
            return sorted(call.state for call in calls) == ["talking", "waiting"]

        until(one, 60, "the daemon does not know the two calls")
        return found[0]

    def unnoticed(self, what: str) -> None:
        """Neither caller has noticed *what*, and the daemon knows both as before."""
        must(self.place() == self.waiting, f"{what}: the caller has lost his place")
        for who in ("600", "601"):
            seen = [one.what for one in self.site.world.sightings[self.quiet_since :] if one.who == who]
            must(not seen, f"{what}: the caller {who} noticed: {seen}")

    def replaced(self, what: str, package: Path) -> None:
        """Another version takes over."""
        self.init.do("dpkg", "--install", self.init.put(package))
        self.init.after_replacing()
        self.unnoticed(what)
        say(f"{what} to {package.name}: the talk went on, music too, and who waits kept his place")

    def removed(self) -> None:
        """Removal leaves what people made; purge leaves nothing."""
        self.init.stop()
        self.init.do("dpkg", "--remove", "fsqueue")
        must(not self.tree.path("/usr/bin/fsqueue").exists(), "removal left the command")
        must(self.tree.path(FILE).exists(), "removal took the configuration")
        must(any(self.tree.path("/var/lib/fsqueue").iterdir()), "removal took the state")
        self.init.do("dpkg", "--purge", "fsqueue")
        left = [
            place
            for place in ("/etc/fsqueue", "/var/lib/fsqueue", "/usr/lib/fsqueue", UNIT, "/run/fsqueue")
            if self.init.path(place).exists()
        ]
        must(not left, f"purge left {left}")
        must("fsqueue" not in self.tree.path("/etc/passwd").read_text(), "purge left the user")
        must("fsqueue" not in self.tree.path("/etc/group").read_text(), "purge left the group")
        say("removed with configuration and state kept, then purged without a trace")


class Systemd:
    """systemd in the tree, by systemd-nspawn. It shares our network, so the embedded switch is within its reach."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._leader = 0
        self._nspawn: green.Popen | None = None

    def boot(self) -> None:
        """Boot, and wait until all units of the clean system have started."""
        # What nspawn keeps of a machine while it runs is to end with us.
        Path("/run/systemd/nspawn").mkdir(parents=True, exist_ok=True)
        run("mount", "-t", "tmpfs", "tmpfs", "/run/systemd/nspawn")
        with (self.tree.root.parent / "console").open("wb") as console:
            self._nspawn = green.Popen(
                ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe",
                 "--directory", str(self.tree.root)],
                stdin=green.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        until(self._found, 10, f"systemd-nspawn started nothing: {self._said()}")
        until(self._up, 60, f"systemd did not come up: {self._said()}")
        version = self.do("systemctl", "--version").splitlines()[0]
        say(f"booted: {version}")

    def do(self, *command: str) -> str:
        """Run a command among the tree's processes."""
        into = ("nsenter", "--target", str(self._leader), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd")
        return run(*into, *command)

    def path(self, name: str) -> Path:
        """Return a file as the tree's processes see it: /run is a file system that systemd has mounted for them alone."""
        return Path(f"/proc/{self._leader}/root") / name.lstrip("/")

    def put(self, package: Path) -> str:
        """Bring a package file into the tree, where systemd doesn't mount anything over it."""
        place = f"/root/{package.name}"
        self.tree.path(place).write_bytes(package.read_bytes())
        return place

    def installed(self) -> None:
        """It is enabled, and not started, since there is no configuration yet."""
        must(self._show("UnitFileState") == "enabled", "the unit was not enabled")
        must(self._show("ActiveState") == "inactive", "the service was started without a configuration")
        said = self.do("systemd-analyze", "verify", "fsqueue.service").strip()
        must(not said, f"systemd-analyze verify: {said}")
        # Its columns need a terminal's width.
        said = self.do("env", "COLUMNS=200", "systemd-analyze", "security", "--no-pager", "fsqueue.service")
        level = re.search(r"exposure level for fsqueue\.service: ([0-9.]+)", said)
        must(level is not None, f"systemd-analyze security says no level: {said[-200:]}")
        assert level is not None
        must(float(level[1]) <= EXPOSURE, f"exposure {level[1]}, more than {EXPOSURE}:\n{said}")
        say(f"systemd-analyze: the unit verifies; exposure {level[1]} of 10")

    def start(self) -> None:
        """`systemctl start` returns when it is ready."""
        self.do("systemctl", "start", "fsqueue.service")
        must(self._show("ActiveState") == "active", "not active after the start")
        self._reached()
        seen = self.path("/run/fsqueue").stat()
        must(stat.S_IMODE(seen.st_mode) == 0o750, f"/run/fsqueue has mode {stat.S_IMODE(seen.st_mode):o}")
        must(self.do("ps", "-o", "user=", "-p", self._show("MainPID")).strip() == "fsqueue", "it runs as somebody else")
        lines = [json.loads(line) for line in self._journal("--output", "json")]
        own = [line for line in lines if line.get("_COMM", "").startswith(("fsqueue", "python3"))]
        must(bool(own), "the journal has nothing of it")
        must(all(line["PRIORITY"] in "3456" for line in own), "lines in the journal without a priority of their own")
        bad = [line["MESSAGE"] for line in own if line["PRIORITY"] in "34" or "Error" in line["MESSAGE"]]
        must(not bad, f"warnings at the start: {bad}")

    def after_replacing(self) -> None:
        """The package's own scripts have had systemd restart it."""
        self._reached()

    def trials(self, life: Life) -> None:
        """Reload, a file with errors, kill -9, the watchdog, and a start that can't succeed."""
        self._reloads(life)
        self._killed(life)
        self._stuck(life)
        self._restored(life)
        self._refused(life)

    def stop(self) -> None:
        """`systemctl stop` returns when it has ended, and that is a success."""
        self.do("systemctl", "stop", "fsqueue.service")
        must(self._show("Result") == "success", f"its end was {self._show('Result')}")

    def halt(self) -> None:
        """Halt the system in the tree."""
        if self._nspawn is None or self._nspawn.poll() is not None:
            return
        # SIGTERM to nspawn asks its systemd to shut down in order.
        self._nspawn.terminate()
        with gevent.Timeout(30, False):
            self._nspawn.wait()
            return
        self._nspawn.kill()
        self._nspawn.wait()

    # --- trials

    def _reloads(self, life: Life) -> None:
        main = self._show("MainPID")
        life.write(life.site.text + '[groups.support]\nextension = "7002"\nmembers = ["anna"]\n')
        self.do("systemctl", "reload", "fsqueue.service")
        until(lambda: "support" in self.do("fsqueue", "status", "--json"), 10, "a reload did not bring the new group")
        life.write("nonsense = 1\n")
        self.do("systemctl", "reload", "fsqueue.service")
        until(lambda: "nonsense" in "\n".join(self._journal()), 10, "the journal says nothing of the file's error")
        must("support" in self.do("fsqueue", "status", "--json"), "a file with errors changed something")
        life.write(life.site.text)
        self.do("systemctl", "reload", "fsqueue.service")
        until(lambda: "support" not in self.do("fsqueue", "status", "--json"), 10, "a reload did not take the group")
        must(self._show("MainPID") == main, "a reload restarted it")
        life.unnoticed("reloaded")
        say("systemctl reload takes a changed file over, and nothing of one with errors")

    def _killed(self, life: Life) -> None:
        before = int(self._show("NRestarts"))
        self.do("systemctl", "kill", "--signal=KILL", "fsqueue.service")
        until(lambda: int(self._show("NRestarts")) == before + 1, 15, "it was not restarted after kill -9")
        self._reached()
        life.unnoticed("killed")
        say("after kill -9 it is started again, unnoticed by both callers")

    def _stuck(self, life: Life) -> None:
        """A process that stands still is what the watchdog is for."""
        before, began = int(self._show("NRestarts")), time.monotonic()
        self.do("kill", "-STOP", self._show("MainPID"))
        until(
            lambda: int(self._show("NRestarts")) == before + 1, 55, "the watchdog did not end a daemon that stood still"
        )
        took = time.monotonic() - began
        must("watchdog" in "\n".join(self._journal()).lower(), "the journal does not name the watchdog")
        self._reached()
        life.unnoticed("stuck")
        say(
            f"stopped in its tracks, the watchdog ends it after {took:.0f} s and it is started again, unnoticed by both"
        )

    def _restored(self, life: Life) -> None:
        """The documentation's own commands for backup and restore bring everything back, with calls up."""
        backup, restore = (block.commands() for block in blocks(PRODUCTION) if block.title == "Backup and restore")
        self._typed(backup)
        self.stop()
        self.do("sh", "-c", "rm -rf /var/lib/fsqueue/* /etc/fsqueue/*")
        self._typed(restore)
        self._reached()
        life.unnoticed("restored")
        kept = self.do("stat", "-c", "%U %a", "/etc/fsqueue/esl-password", "/var/lib/fsqueue/journal").split("\n")
        must(kept[:2] == ["root 640", "fsqueue 700"], f"restored with owners and modes {kept}")
        say("backed up, lost and restored by the documentation's own commands, unnoticed by both callers")

    def _typed(self, commands: list[str]) -> None:
        for command in commands:
            self.do("sh", "-c", f"cd /root && {command}")

    def _refused(self, life: Life) -> None:
        """With errors in the file a start fails at once, says why, and is not tried again for ever."""
        self.stop()
        life.write("nonsense = 1\n")
        try:
            self.do("systemctl", "start", "fsqueue.service")
        except CommandError:
            pass
        else:
            raise FailedError("it started with errors in its configuration")
        gevent.sleep(3)  # RestartSec is one
        must(self._show("ActiveState") == "failed", f"after exit code 5 it is {self._show('ActiveState')}")
        must(self._show("ExecMainStatus") == "5", f"it ended with {self._show('ExecMainStatus')}, not 5")
        life.write(life.site.text)
        self.do("systemctl", "start", "fsqueue.service")
        self._reached()
        life.unnoticed("started again")
        say("a start with errors in the file fails with exit code 5 and is not repeated; corrected, it starts")

    # --- asking

    def _reached(self) -> None:
        until(lambda: self._show("ActiveState") == "active", 30, "it is not active")
        until(
            lambda: "main: in reach" in self._show("StatusText"),
            30,
            f"systemctl status never showed the switch in reach, but {self._show('StatusText')}",
        )

    def _show(self, what: str) -> str:
        return self.do("systemctl", "show", "--value", "--property", what, "fsqueue.service").strip()

    def _journal(self, *options: str) -> list[str]:
        return self.do("journalctl", "--unit", "fsqueue", "--no-pager", "--quiet", *options).splitlines()

    def _found(self) -> bool:
        assert self._nspawn is not None
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        self._leader = int(children[-1]) if children else 0
        return bool(self._leader)

    def _up(self) -> bool:
        try:
            return self.do("systemctl", "is-system-running").strip() == "running"
        except CommandError as error:
            # The state stands in the text also where the exit code is not 0.
            return "degraded" in str(error) and self._degraded(str(error))

    def _degraded(self, said: str) -> bool:
        failed = self.do("systemctl", "list-units", "--failed", "--plain", "--no-legend").strip()
        raise FailedError(f"the clean system is degraded: {said}\n{failed}")

    def _said(self) -> str:
        return (self.tree.root.parent / "console").read_text(errors="replace")[-2000:]


class OwnNotify:
    """No init: the unit's command as the unit's user, as systemd would run it as far as that is seen from the daemon."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._process: green.Popen | None = None
        self._ear: socket.socket | None = None
        self._command: list[str] = []
        self._user = ""

    def boot(self) -> None:
        """There is nothing to boot."""
        self.tree.furnish()

    def do(self, *command: str) -> str:
        """Run a command in the tree."""
        return self.tree.do(*command)

    def path(self, name: str) -> Path:
        """Return a file of the tree."""
        return self.tree.path(name)

    def put(self, package: Path) -> str:
        """Bring a package file into the tree."""
        self.tree.path(f"/tmp/{package.name}").write_bytes(package.read_bytes())
        return f"/tmp/{package.name}"

    def installed(self) -> None:
        """Read what is to be run from the unit."""
        unit = self.tree.path(UNIT).read_text()
        self._command = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)[0].split()
        self._user = re.findall(r"^User=(.+)$", unit, re.MULTILINE)[0]
        self.do("install", "-d", "-m", "750", "-o", self._user, "-g", self._user, "/run/fsqueue")
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind(str(self.tree.path("/run/notify")))
        self.do("chown", self._user, "/run/notify")

    def start(self) -> None:
        """Start it and wait until it is ready and says that the switch is in reach."""
        environ = ("NOTIFY_SOCKET=/run/notify", "STATE_DIRECTORY=/var/lib/fsqueue", "WATCHDOG_USEC=20000000")
        with (self.tree.root.parent / "log").open("ab") as log:
            self._process = green.Popen(
                ["chroot", str(self.tree.root), "runuser", "-u", self._user, "--", "env", *environ, *self._command],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._hear("READY=1")
        self._hear("STATUS=main: in reach")

    def after_replacing(self) -> None:
        """What `systemctl try-restart` in the package's script does where systemd runs."""
        self._end()
        self.start()

    def trials(self, life: Life) -> None:
        """Killed, it comes back by nobody but us, so there is only that to show."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        self._process.wait(20)
        self.start()
        life.unnoticed("killed")
        say("after kill -9 and a new start neither caller has noticed")

    def stop(self) -> None:
        """Ask it to end, and take what systemd would take."""
        self._end()
        self.do("rm", "-r", "/run/fsqueue")

    def halt(self) -> None:
        """End it for sure."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _end(self) -> None:
        assert self._process is not None
        # runuser passes SIGTERM on to what it has started.
        self._process.terminate()
        self._hear("STOPPING=1")
        must(self._process.wait(20) is not None, "the daemon did not end")

    def _hear(self, words: str) -> None:
        assert self._ear is not None
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with gevent.Timeout(end - time.monotonic(), False):
                if any(line.startswith(words) for line in self._ear.recv(4096).decode().splitlines()):
                    return
        raise FailedError(f"the daemon never said {words}; its log:\n{(self.tree.root.parent / 'log').read_text()}")


def until(what: Callable[[], bool], seconds: float, words: str) -> None:
    """Wait until *what* holds."""
    end = time.monotonic() + seconds
    for _ in itertools.count():
        if what():
            return
        if time.monotonic() > end:
            raise FailedError(words)
        gevent.sleep(0.1)


def must(holds: bool, words: str) -> None:
    """Fail with *words* unless it holds."""
    if not holds:
        raise FailedError(words)


def say(text: str) -> None:
    """Tell of a step that is done."""
    print(f"ok  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
