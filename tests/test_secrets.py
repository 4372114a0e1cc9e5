"""A password is in no log, no output, no answer, no error and no process list; files that tell who called are for the daemon alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.config.secrets import MASK, masked, salt, seal
from fsqueue.control.client import Client

SECRET = "hunter2secret"
ROOT = Path(__file__).parent.parent
PROGRAM = (sys.executable, "-c", "from fsqueue_cli.main import main; main()")
CONFIG = f"""
[listen]
dialplan = "127.0.0.1:%(port)s"

[switches.main]
host = "127.0.0.1"
port = 9
password = "{SECRET}"

[members.anna]
dial = "user/1001@lab"

[groups.sales]
members = ["anna"]
extension = "7001"
"""


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'cli'}",
        "FSQUEUE_SOCKET": str(folder / "c.sock"),
        "FSQUEUE_CONFIG": str(folder / "f.toml"),
    }


def fsqueue(folder: Path, *line: str) -> str:
    done = subprocess.run(
        [*PROGRAM, *line], capture_output=True, text=True, env=environment(folder), check=False, timeout=60
    )
    return done.stdout + done.stderr


@pytest.fixture(params=["text", "json"], scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A daemon whose switch is not there, as a process of its own with the usual umask."""
    tmp_path = tmp_path_factory.mktemp("running")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "f.toml").write_text(CONFIG % {"port": port})
    (tmp_path / "f.toml").chmod(0o600)
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [*PROGRAM, "run", "--state", str(tmp_path / "state"), "--log-format", request.param],
        stdout=log,
        stderr=log,
        env=environment(tmp_path),
        umask=0o022,
    )
    (tmp_path / "pid").write_text(str(process.pid))
    end = time.monotonic() + 30
    while not (tmp_path / "c.sock").exists() or not (tmp_path / "state" / "history").exists():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < end
        time.sleep(0.05)
    yield tmp_path
    process.send_signal(signal.SIGTERM)
    process.wait(20)
    log.close()
    assert SECRET not in (tmp_path / "log").read_text()


def test_no_password_is_told_by_anything_that_talks(running: Path) -> None:
    client = Client(running / "c.sock")
    for path in ("configuration", "status", "groups", "members", "calls", "recent"):
        assert SECRET.encode() not in client.get_raw(path)
    said = [
        fsqueue(running, *line.split())
        for line in (
            "config show",
            "config show --json",
            "config check",
            "config diff",
            "config diff --json",
            "group add zwei --member anna --dry-run",
            "member set anna --name Anna --dry-run",
            "status",
            "status --json",
            "doctor",
            "doctor --json",
            "dialplan show",
        )
    ]
    assert not [text for text in said if SECRET in text]
    text = (running / "f.toml").read_text()
    (running / "f.toml").write_text(text.replace(SECRET, "another" + SECRET))
    changed = fsqueue(running, "config", "diff")
    assert SECRET not in changed
    assert "a password differs" in changed
    assert json.loads(fsqueue(running, "config", "diff", "--json"))["differs"] is True
    (running / "f.toml").write_text(text.replace(f'"{SECRET}"', f'"{SECRET}'))  # no TOML any more
    assert SECRET not in fsqueue(running, "config", "check")
    assert SECRET not in fsqueue(running, "config", "reload")
    (running / "f.toml").write_text(text)


def test_no_password_is_in_the_process_list(running: Path) -> None:
    pid = (running / "pid").read_text()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for one in (pid, *children):
        assert SECRET.encode() not in Path(f"/proc/{one}/cmdline").read_bytes()


def test_what_is_written_is_for_the_daemon_alone_whatever_the_umask(running: Path) -> None:
    state = running / "state"
    found = {path.relative_to(state): stat.S_IMODE(path.stat().st_mode) for path in state.rglob("*")}
    assert any("journal" in str(path) for path in found)
    assert any("history" in str(path) for path in found)
    # A folder that nobody else may enter guards what is in it.
    open_to_others = {
        str(path): oct(mode)
        for path, mode in found.items()
        if mode & 0o077
        and not any(found.get(parent, 0o777) & 0o077 == 0 for parent in path.parents if parent != Path())
    }
    assert not open_to_others
    assert stat.S_IMODE((running / "c.sock").stat().st_mode) == 0o660


# --- the mask


@pytest.mark.parametrize(
    "line",
    [
        f'password = "{SECRET}"',
        f"password='{SECRET}'",
        f'"password" = "{SECRET}"',
        f'switches.main.password="{SECRET}" # why',
        f'main = {{ host = "x", password = "{SECRET}", port = 1 }}',
        f'password = """\n{SECRET}\n"""',
        f"password = '''{SECRET}\n'''",
        f'password = "a\\"{SECRET}"',
        f"password = {SECRET}",
        f'password = "{SECRET}',
    ],
)
def test_a_password_is_masked_however_it_is_written(line: str) -> None:
    text = masked(f'[switches.main]\nhost = "h"\n{line}\nport = 1\n')
    assert SECRET not in text
    assert MASK in text
    assert 'host = "h"' in text


def test_what_is_no_password_stays() -> None:
    text = 'password_file = "/etc/x"\n# the password is in a file\n[groups.password]\nname = "password"\n'
    assert masked(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_masking_never_fails_and_is_done_once(text: str) -> None:
    assert masked(masked(text)) == masked(text)


def test_a_seal_tells_whether_a_text_is_this_one_and_nothing_else() -> None:
    salted = salt()
    assert seal("a", salted) == seal("a", salted) != seal("b", salted)
    assert seal("a", salted) != seal("a", salt())
    assert re.fullmatch(r"[0-9a-f]{128}", seal("a", salted))
