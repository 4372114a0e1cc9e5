"""A set-up to be broken: a FreeSWITCH with its sample configuration, phones, and fsqueue beside it, all in one folder.

Everything is done to it as a sysadmin would: files are edited, modules unloaded, processes ended, and what `fsqueue` says is
read from its `--json`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import msgspec
from gevent import subprocess as green

from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from scripts import vanilla
from tests.contract.freeswitch import PORTS, port_block
from tests.contract.media import Media
from tests.contract.people import Caller, Notebook, Phone
from tests.contract.rawesl import RefusedError, Switch
from tests.contract.sip import Account, NoAnswerError

FSQUEUE = (sys.executable, "-c", "from fsqueue_cli.main import main; main()")

CONFIG = """
[daemon]
state = "{folder}/state"
[switches.main]
host = "127.0.0.1"
port = {esl}
password_file = "esl-password"
[listen]
dialplan = "127.0.0.1:{listen}"
[telephony]
domain = "example.com"
[members.anna]
dial = "user/1001@example.com"
extension = "1001"
[members.jan]
dial = "user/1002@example.com"
extension = "1002"
[groups.sales]
extension = "7001"
members = ["anna", "jan"]
[groups.sales.unanswered]
action = "voicemail"
mailbox = "1000@example.com"
[numbers."+48221234567"]
group = "sales"
"""

PLACES = (
    "conf",
    "log",
    "run",
    "db",
    "storage",
    "cache",
    "temp",
    "recordings",
    "certs",
    "scripts",
    "htdocs",
    "grammar",
    "sounds",
)


class WrongError(Exception):
    """Something is not as it has to be."""


class Ran(msgspec.Struct, frozen=True):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Seen(msgspec.Struct, frozen=True):
    """A finding of doctor's, as its JSON has it."""

    check: str
    state: str
    text: str
    remedy: str = ""
    switch: str = ""


class Clinic:
    """The whole set-up; `open` makes it well, `close` leaves nothing."""

    def __init__(self, program: Path, samples: Path, modules: str | None) -> None:
        self.program, self.modules = program, modules
        self._folder = tempfile.TemporaryDirectory(prefix="fsqueue-clinic-")
        self.folder = Path(self._folder.name)
        self._ports_lock, first = port_block()
        self.ports = vanilla.Ports(first + 1, first + 2, first + 3, (first + 6, first + PORTS - 2))
        self.secrets = vanilla.Secrets()
        self.listen = first + 4
        self.media, self.book = Media(), Notebook()
        self.phones: dict[str, Phone] = {}
        self.callers: list[Caller] = []
        self._switch: subprocess.Popen[bytes] | None = None
        self._daemon: subprocess.Popen[bytes] | None = None
        for place in PLACES[1:]:
            (self.folder / place).mkdir()
        vanilla.lay_out(samples, self.conf, self.ports, self.secrets)
        vanilla.furnish(self.folder / "sounds" / "music" / "8000", self.folder / "certs")
        internal = self.conf / "sip_profiles" / "internal.xml"
        many = '<param name="multiple-registrations" value="contact"/>'
        internal.write_text(internal.read_text().replace("</settings>", f"{many}</settings>", 1))

    @property
    def conf(self) -> Path:
        """FreeSWITCH's configuration."""
        return self.folder / "conf"

    @property
    def file(self) -> Path:
        """Fsqueue's configuration."""
        return self.folder / "fsqueue.toml"

    @property
    def secret(self) -> Path:
        """The file with the event socket's password."""
        return self.folder / "esl-password"

    def open(self) -> None:
        """Start everything, and see that doctor has nothing to say."""
        self.file.write_text(CONFIG.format(folder=self.folder, esl=self.ports.esl, listen=self.listen))
        self.secret.touch(mode=0o600)
        self.secret.write_text(self.secrets.esl)
        self.start_switch()
        self.must("dialplan install")
        self.start_daemon()
        self.well("as it was set up")

    def close(self) -> None:
        """End everything."""
        for one in (*self.callers, *self.phones.values()):
            one.close()
        self.media.close()
        self.stop_daemon(signal.SIGKILL)
        self.stop_switch()
        self._ports_lock.close()
        self._folder.cleanup()

    # --- FreeSWITCH

    def start_switch(self) -> None:
        """Start FreeSWITCH and register the phones: Anna has one, Jan two."""
        args = [word for place in PLACES for word in (f"-{place}", str(self.folder / place))]
        args += ["-mod", self.modules] if self.modules else []
        with (self.folder / "freeswitch.out").open("ab") as output:
            self._switch = subprocess.Popen(
                [self.program, "-nonat", "-nf", "-nc", "-nocal", "-np", *args],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        self.until(self._up, 30, "FreeSWITCH is up")
        for user, contacts in (("1001", 1), ("1002", 2)):
            if user in self.phones:
                self.phones[user].register()
                continue
            script = PhoneScript(
                user=user, domain=vanilla.DOMAIN, contacts=contacts, reactions=(Reaction(after=0.5, talk=5.0),)
            )
            self.phones[user] = Phone(script, self.ports.internal, self.secrets.phones, self.media, self.book)

    def stop_switch(self) -> None:
        """Kill FreeSWITCH."""
        process, self._switch = self._switch, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def api(self, command: str) -> str:
        """Tell FreeSWITCH something, as fs_cli does."""
        with Switch(self.ports.esl, self.secrets.esl) as switch:
            return switch.api(command).strip()

    @contextlib.contextmanager
    def edited(self, name: str, before: str, after: str) -> Iterator[None]:
        """Have a file of FreeSWITCH's configuration say something else for a while."""
        file = self.conf / name
        text = file.read_text()
        if before not in text:
            raise WrongError(f"{name} has no {before}")
        file.write_text(text.replace(before, after, 1))
        self.api("reloadxml")
        try:
            yield
        finally:
            file.write_text(text)
            with contextlib.suppress(OSError, RefusedError):
                self.api("reloadxml")

    def _up(self) -> bool:
        with contextlib.suppress(OSError, RefusedError):
            return "is ready" in self.api("status") and f":{self.ports.internal}" in self.api("sofia status")
        return False

    # --- fsqueue

    def start_daemon(self) -> None:
        """Start `fsqueue run`, and wait until its switch is in reach."""
        with (self.folder / "daemon.log").open("ab") as output:
            self._daemon = subprocess.Popen(
                [*FSQUEUE, "run"],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environ(), start_new_session=True,
            )  # fmt: skip
        self.until(self.reached, 20, "the daemon has its switch")

    def stop_daemon(self, by: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        process, self._daemon = self._daemon, None
        if process is not None:
            process.send_signal(by)
            process.wait(20)

    def signal_daemon(self, what: signal.Signals) -> None:
        """Stop it in its tracks, or let it go on."""
        assert self._daemon is not None
        self._daemon.send_signal(what)

    def run(self, words: str) -> Ran:
        """Run a command of fsqueue's."""
        process = green.Popen(
            [*FSQUEUE, *shlex.split(words)],
            stdout=green.PIPE,
            stderr=green.PIPE,
            stdin=green.DEVNULL,
            env=self._environ(),
        )
        out, err = process.communicate()
        return Ran(process.returncode, out.decode(), err.decode())

    def must(self, words: str) -> Ran:
        """Run a command that has to succeed."""
        ran = self.run(words)
        if ran.code != 0:
            raise WrongError(f"fsqueue {words} ended with {ran.code}: {ran.err}{ran.out[-2000:]}")
        return ran

    def doctor(self, words: str = "") -> list[Seen]:
        """Return what doctor finds."""
        ran = self.run(f"doctor --json {words}")
        found: Any = json.loads(ran.out)
        seen = [msgspec.convert(one, Seen) for one in found["findings"]]
        failed = any(one.state == "fail" for one in seen)
        if ran.code != int(failed) or found["ok"] == failed:
            raise WrongError(f"doctor ended with {ran.code}, and its findings are {ran.out}")
        return seen

    def well(self, when: str) -> None:
        """See that doctor has nothing to say; what takes a while to come back has that while."""
        end = time.monotonic() + 30
        while bad := [one for one in self.doctor() if one.state != "ok"]:
            if time.monotonic() > end:
                raise WrongError(f"{when}, doctor is not content: {bad}")
            gevent.sleep(0.5)

    def reached(self) -> bool:
        """Whether the daemon has its switch in reach."""
        ran = self.run("status --json")
        return ran.code == 0 and all(one["up"] for one in json.loads(ran.out)["switches"])

    def _environ(self) -> dict[str, str]:
        own = {"FSQUEUE_CONFIG": str(self.file), "FSQUEUE_SOCKET": str(self.folder / "control.sock")}
        return os.environ | own | {"PYTHONPATH": os.pathsep.join(sys.path)}

    # --- people

    def call(self, to: str, user: str = "1003") -> Caller:
        """Let somebody dial, who waits as long as it takes."""
        name = f"{user}@{vanilla.DOMAIN}"
        account = Account(user, vanilla.DOMAIN, self.secrets.phones)
        script = CallerScript(number=user, name=user, to=to, user=name)
        caller = Caller(script, self.ports.internal, vanilla.DOMAIN, account, self.media, self.book)
        self.callers.append(caller)
        caller.start()
        return caller

    @contextlib.contextmanager
    def unregistered(self, *users: str) -> Iterator[None]:
        """Take phones away for a while."""
        for user in users:
            with contextlib.suppress(NoAnswerError):
                self.phones[user].unregister()
        yield
        for user in users:
            self.phones[user].register()

    def until(self, what: Callable[[], bool], seconds: float, words: str) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                log = self.folder / "log" / "freeswitch.log"
                tail = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise WrongError(f"not within {seconds:.0f} s: {words}\n{tail}")
            gevent.sleep(0.1)
