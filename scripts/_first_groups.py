"""Runs the README's session "First groups" in an empty folder and compares what it prints with what the README shows.

With --write the README is made to show what was printed.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
HEADING = "## First groups\n"
MOST_COMMANDS = 9


@dataclass(frozen=True)
class Ran:
    """One command of the session: what was typed, what it printed, how it ended."""

    command: str
    printed: str
    code: int


def session(readme: str) -> tuple[int, int]:
    """Return where the session's block begins and ends in the README."""
    section = readme.index(HEADING)
    begin = readme.index("```console\n", section) + len("```console\n")
    return begin, readme.index("```", begin)


def commands(block: str) -> list[str]:
    """Return the commands of a block: lines after a $, with those that a backslash continues."""
    found: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(line.removeprefix("$ "))
        elif found and found[-1].endswith("\\"):
            found[-1] += f"\n{line}"
    return found


def run(typed: list[str], folder: Path) -> list[Ran]:
    """Run the commands one after the other, as a person's shell would in *folder*."""
    # Without a terminal, and away from a daemon that may run on this machine.
    env = {key: value for key, value in os.environ.items() if not key.startswith("FSQUEUE_")}
    env |= {
        "FSQUEUE_SOCKET": str(folder / "no-daemon"),
        "PATH": f"{Path(sys.executable).parent}:{env.get('PATH', '')}",
        "COLUMNS": "100",
    }
    done: list[Ran] = []
    for command in typed:
        words = shlex.split(command.replace("\\\n", " "))
        if words[0] == "export":
            env |= dict(word.split("=", 1) for word in words[1:])
            done.append(Ran(command, "", 0))
            continue
        ran = subprocess.run(
            words, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        done.append(Ran(command, ran.stdout, ran.returncode))
    return done


def faults(done: list[Ran], folder: Path) -> list[str]:
    """Return what is not as the session promises: three groups with pickup, by few commands that all succeed."""
    found = [f"{ran.command}: exit code {ran.code}: {ran.printed}" for ran in done if ran.code != 0]
    if len(done) > MOST_COMMANDS:
        found.append(f"{len(done)} commands, more than {MOST_COMMANDS}")
    if done[-1].command != "fsqueue config check --strict":
        found.append("the last command is not fsqueue config check --strict")
    file = folder / "fsqueue.toml"
    groups = tomllib.loads(file.read_text(encoding="utf-8")).get("groups", {}) if file.exists() else {}
    working = [key for key, group in groups.items() if group.get("members") and group.get("pickup")]
    if len(working) < 3:
        found.append(f"{len(working)} groups with members and pickup, not three")
    return found


def main() -> int:
    """Run the session; return 0 where all is as it should be."""
    readme = README.read_text(encoding="utf-8")
    begin, end = session(readme)
    with tempfile.TemporaryDirectory(prefix="first-groups-") as name:
        done = run(commands(readme[begin:end]), Path(name))
        found = faults(done, Path(name))
    printed = "".join(f"$ {ran.command}\n{ran.printed}" for ran in done)
    if "--write" in sys.argv[1:]:
        README.write_text(readme[:begin] + printed + readme[end:], encoding="utf-8")
    elif printed != readme[begin:end]:
        found.append("the README shows something else; scripts/first-groups --write corrects it")
    print(printed, end="")
    for fault in found:
        print(f"first-groups: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
