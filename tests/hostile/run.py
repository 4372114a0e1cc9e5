"""Plays callers with hostile names, numbers and headers, and compares what a phone was sent with what it may have been sent.

Several lanes go at once, each with a group, a phone and one caller at a time, so that an INVITE's caller is known without believing
anything that he said.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.parse import unquote

import gevent
import msgspec

from fsqueue.esl.events import clean
from fsqueue.simswitch.naming import taken_in
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.switch.quoting import MAX_NAME
from tests.contract.freeswitch import DOMAIN
from tests.contract.lab import FSQUEUE, Board, EmbeddedBoard, FailedError, Lab, RealBoard
from tests.contract.people import Caller
from tests.hostile.texts import EVIL, headers, names, numbers

LANES = 4
PATIENCE = 20.0
"""Seconds for an INVITE to come; on a busy machine too."""

CONFIG = f"""
[telephony]
ring_seconds = 30
rest_seconds = 0
domain = "{DOMAIN}"
""" + "".join(
    f"""
[members.m{lane}]
dial = "user/{1001 + lane}@{DOMAIN}"
[groups.g{lane}]
extension = "{7001 + lane}"
members = ["m{lane}"]
prefix = "[g{lane}] "
unanswered = {{ action = "wait" }}
offline = {{ action = "hangup" }}
"""
    for lane in range(LANES)
)


class Report(msgspec.Struct, kw_only=True):
    """What a run came to. `broken`: each promise that was not kept, in words."""

    switch: str
    seed: int
    callers: int
    reached: int
    """INVITEs that came to a phone."""
    unchanged: int
    """Names that stood in an INVITE's From as the caller had them."""
    invite_headers: tuple[str, ...]
    """Every header that an INVITE of ours had."""
    outputs: int
    """Commands whose output was looked through."""
    log_lines: int
    broken: list[str]


def play(make: Callable[[], Board], seed: int, count: int) -> Report:
    """Play *count* callers in a lab of their own."""
    lab = Lab(make())
    try:
        return _Run(lab, seed, count).play()
    finally:
        lab.close()


class _Run:
    def __init__(self, lab: Lab, seed: int, count: int) -> None:
        self._lab, self._seed, self._count = lab, seed, count
        self._real = isinstance(lab.board, RealBoard)
        self._names = names(seed, count, raw=not self._real)
        self._numbers = numbers(seed, count)
        self._headers = headers(seed, count)
        self._broken: list[str] = []
        self._seen: set[str] = set()
        self._usual: set[str] = set()
        self._shown: dict[int, tuple[str, str]] = {}
        self._told: dict[int, tuple[str, str]] = {}
        """Each caller's name and number as the daemon wrote them down."""
        self._held: dict[int, str] = {}
        """Each caller's name as the switch itself has it."""
        self._outputs = 0

    def play(self) -> Report:
        lab = self._lab
        phones = [
            PhoneScript(user=str(1001 + lane), domain=DOMAIN, reactions=(Reaction(kind="ignore"),))
            for lane in range(LANES)
        ]
        lab.start(CONFIG, *phones)
        self._call(0, -1, "Ala", "600100200", [])
        self._usual = set(self._seen)
        lanes = [gevent.spawn(self._lane, lane) for lane in range(LANES)]
        gevent.joinall(lanes, raise_error=True)
        self._look_at_outputs()
        lab.until(lambda: lab.board.legs() == 0, 20.0, "no leg is left on the switch")
        unchanged = self._compare()
        log = self._look_at_log()
        self._look_at_journal()
        return Report(
            switch="FreeSWITCH" if self._real else "the embedded switch",
            seed=self._seed,
            callers=self._count,
            reached=len(self._shown) - 1,
            unchanged=unchanged,
            invite_headers=tuple(sorted(self._seen)),
            outputs=self._outputs,
            log_lines=log,
            broken=self._broken,
        )

    # --- calling

    def _lane(self, lane: int) -> None:
        for at in range(lane, self._count, LANES):
            self._call(lane, at, self._names[at], self._numbers[at], self._headers[at])

    def _call(self, lane: int, at: int, name: str, number: str, extra: list[tuple[str, str]]) -> None:
        """Let one caller ring the lane's phone, note what it was sent, and hang up."""
        phone = f"{1001 + lane}@{DOMAIN}"
        before = len(self._lab.sightings(phone, "ringing"))
        hang_up = self._dial(str(7001 + lane), name, number, extra)
        try:
            self._lab.until(
                lambda: len(self._lab.sightings(phone, "ringing")) > before, PATIENCE, f"a phone rings for {name!a}"
            )
            rung = self._lab.sightings(phone, "ringing")[before]
            self._shown[at] = (rung.detail, rung.peer)
            opened = [one for one in self._lab.records("CallOpened") if one["dialled"] == str(7001 + lane)][-1]
            self._told[at] = opened["caller"].get("name", ""), opened["caller"].get("number", "")
            self._held[at] = self._held_name(opened["leg"]["uuid"], name)
            self._look_at_invite(f"{1001 + lane}", name)
        except FailedError as fault:
            self._broken.append(str(fault))
        hang_up()
        try:
            self._lab.until(lambda: self._silent(phone), PATIENCE, f"the phone is silent after {name!a}")
        except FailedError as fault:
            self._broken.append(str(fault))

    def _silent(self, phone: str) -> bool:
        return len(self._lab.sightings(phone, "cancelled")) == len(self._lab.sightings(phone, "ringing"))

    def _dial(self, to: str, name: str, number: str, extra: list[tuple[str, str]]) -> Callable[[], None]:
        board = self._lab.board
        script = CallerScript(number=number, name=name, to=to)
        if isinstance(board, RealBoard):
            caller = Caller(script, board.switch.external, "127.0.0.1", None, board.media, board.book)
            gevent.spawn(caller.leg.call, list(extra))

            def hang_up() -> None:
                caller.leg.answered.wait(2.0)  # our phones can't give up a call that is being answered at this moment
                caller.leg.hang_up()
                gevent.spawn_later(2.0, caller.close)

            return hang_up
        board.caller(script)
        return lambda: board.hang_up(number)

    def _held_name(self, uuid: str, name: str) -> str:
        """Ask the switch what it took the name for, in JSON, which has no two meanings."""
        board = self._lab.board
        if not isinstance(board, RealBoard):
            return taken_in(name)
        said = board.api(f"uuid_dump {uuid} json")
        return str(json.loads(said, strict=False).get("Caller-Caller-ID-Name", ""))  # an empty header isn't sent

    def _look_at_invite(self, user: str, name: str) -> None:
        board = self._lab.board
        if not isinstance(board, RealBoard):
            return
        invite = board.invite(user)
        found = {header.lower() for header, _ in invite}
        self._seen |= found
        if self._usual and (new := found - self._usual):
            self._broken.append(f"{name!a}: headers that we didn't set: {sorted(new)}")
        for header, value in invite:
            # The caller's own name and number stand in these two, and nothing else of his anywhere.
            if EVIL.lower() in value.lower() and header.lower() not in ("from", "remote-party-id"):
                self._broken.append(f"{name!a}: {header}: {value!a}")

    # --- what came of it

    def _compare(self) -> int:
        """Compare what the phones were shown with what the daemon was told, and that with what the switch holds."""
        known = [at for at in self._told if at >= 0]
        return sum(self._is_unchanged(at, *self._told[at]) for at in known)

    def _is_unchanged(self, at: int, told: str, number: str) -> bool:
        held = self._held.get(at, "")
        # The plain header block by which the switch hands a call over can't tell a name's own %XX from its encoding.
        if told not in {_as_told(held), _as_told(unquote(held, errors="replace"))}:
            self._broken.append(f"the switch holds {held!a}, the daemon was told {told!a}")
            return False
        prefix = f"[g{at % LANES}] "
        expected = f"{prefix}{told or number}"[:MAX_NAME].replace('"', "'")
        shown = self._shown[at][0].encode(errors="surrogateescape").decode("utf-8", "replace")
        if not self._real:
            expected = expected.replace("\\", "\\\\")  # its phones are shown the header's text, not what it means
        if shown != expected:
            self._broken.append(f"the daemon was told {told!a}, the phone was shown {shown!a}")
            return False
        return True

    def _look_at_outputs(self) -> None:
        """Every command that prints what callers sent, for people and for programs, while one is on the line."""
        lab = self._lab
        hang_up = self._dial("7001", self._names[0], "6999999", [])
        lab.until(lambda: len(self._live()) == 1, PATIENCE, "the caller is in the status")
        call = self._live()[0]
        lines = [
            *(["status"], ["status", "g0"], ["status", "--json"], ["call", "list"], ["call", "list", "--json"]),
            *(
                ["call", "show", call],
                ["call", "show", call, "--json"],
                ["group", "show", "g0"],
                ["member", "show", "m0"],
            ),
            *(["tail"], ["tail", "--json"], ["missed", "list"], ["missed", "list", "--json"]),
            *(["history", "call", call], ["report"], ["history", "export"], ["history", "export", "--format", "jsonl"]),
        ]
        for line in lines:
            self._look_at(line)
        hang_up()

    def _live(self) -> list[str]:
        done = self._fsqueue(["call", "list", "--json"])
        return [call["id"] for call in json.loads(done.stdout)["calls"]] if done.returncode == 0 else []

    def _look_at(self, line: list[str]) -> None:
        done = self._fsqueue(line)
        said = f"fsqueue {' '.join(line)}"
        for text in (done.stdout, done.stderr):
            for one in text.split("\n"):
                if not one.isprintable():
                    self._broken.append(f"{said} prints {one!a}")
                    break
        if done.returncode == 2:
            self._broken.append(f"{said} is no command any more: {done.stderr!a}")
        self._outputs += 1
        if line == ["history", "export"]:
            for row in csv.reader(done.stdout.splitlines()):
                for cell in row:
                    if re.match(r"[=+\-@\t\r]", cell) and not re.fullmatch(r"\+?[0-9*#]*", cell):
                        self._broken.append(f"a spreadsheet would calculate {cell!a}")

    def _fsqueue(self, line: list[str]) -> subprocess.CompletedProcess[str]:
        folder = self._lab.folder
        environ = os.environ | {
            "PYTHONPATH": os.pathsep.join(sys.path),
            "FSQUEUE_SOCKET": str(folder / "control.sock"),
            "FSQUEUE_CONFIG": str(folder / "fsqueue.toml"),
            "COLUMNS": "200",
        }
        state = ["--state", str(folder / "state")] if line[0] in ("history", "report", "missed") else []
        process = subprocess.Popen(
            [*FSQUEUE, *line, *state], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True
        )
        # The switch's people live in this process: they must go on while the command runs.
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            gevent.sleep(0.02)
        out, err = process.communicate(timeout=5)
        return subprocess.CompletedProcess(line, process.returncode, out, err)

    def _look_at_log(self) -> int:
        lines = (self._lab.folder / "daemon.log").read_bytes().decode("utf-8", "replace").split("\n")
        for line in lines[:-1]:
            if not line.isprintable() or not re.match(r"\d{4}-\d\d-\d\d ", line):
                self._broken.append(f"a line of the log: {line!a}")
        return len(lines) - 1

    def _look_at_journal(self) -> None:
        for file in sorted((self._lab.folder / "state" / "journal").glob("*.jsonl")):
            for line in file.read_bytes().split(b"\n"):
                if not line.decode().isprintable():
                    self._broken.append(f"a line of the journal: {line!a}")


def _as_told(held: str) -> str:
    """Return a name as the switch holds it, as it is to be taken in: no control characters, quotes as their owner means them."""
    text = re.sub(r"\\([\"\\])", r"\1", clean(held))
    return text[:MAX_NAME].encode("utf-8", "replace").decode()


def embedded() -> Board:
    """Return the embedded switch, over real sockets."""
    return EmbeddedBoard()
