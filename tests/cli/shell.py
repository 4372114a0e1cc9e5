"""Runs commands as a shell would, in this process, on a configuration in a folder of its own."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from click.testing import CliRunner, Result
from fsqueue_cli.main import cli

COMMENTED = """\
# The company's lines.  Keep this comment.

[switches.main]   # the only switch
host = '127.0.0.1'
password = "secret"

[telephony]
domain = "example.com"     # all phones
outbound = "sofia/gateway/provider/{number}"
# music: ask marketing before changing it
music = "local_stream://default"


# ---- people ----------------------------------------------------------
[members.anna]             # sales lead
name = "Anna Nowak"
extension = "1001"
dial = "user/1001@example.com"

[members.jan]
dial = 'user/1002@example.com'   # single quotes on purpose
extension = "1002"

[members.ola]
dial = "user/1003@example.com"

# ---- groups ----------------------------------------------------------
[groups.sales]             # the important one
rings = 4                  # twenty seconds
members = [
    "anna",   # first
    "jan",
]
pickup = true

[groups.sales.unanswered]  # nobody took it
action = "group"
group = "support"          # they know everything

[groups.support]
members = ["ola"]

[numbers."+48221234567"]   # printed on the cards
group = "sales"

# the end
"""


@dataclass(frozen=True, slots=True)
class Shell:
    """A folder with a configuration, and no daemon unless a test starts one."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "fsqueue.toml"

    @property
    def socket(self) -> Path:
        return self.folder / "control.sock"

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def read(self) -> str:
        return self.file.read_text(encoding="utf-8")

    def run(self, line: str, *more: str, answer: str | None = None) -> Result:
        """Run ``fsqueue LINE MORE…``; *line* is split as a shell splits it."""
        env = {"FSQUEUE_CONFIG": str(self.file), "FSQUEUE_SOCKET": str(self.socket), "NO_COLOR": None, "COLUMNS": "80"}
        result = CliRunner(env=env).invoke(cli, [*shlex.split(line), *more], prog_name="fsqueue", input=answer)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    def json(self, line: str) -> Any:
        result = self.run(f"{line} --json")
        return msgspec.json.decode(result.stdout)
