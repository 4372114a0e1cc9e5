"""What stands on the machine: the file itself and the password files it names."""

import os
from pathlib import Path

import pytest

from fsqueue.config.check import check_text
from fsqueue.config.model import Switch
from fsqueue.config.passwords import PasswordError, password_of
from fsqueue.config.reading import LONGEST, load

ROOT = Path(__file__).parents[2]
SWITCH = '[switches.main]\nhost = "127.0.0.1"\npassword_file = "secret"\n'


def messages(path: Path) -> list[str]:
    return [str(problem).replace(str(path.parent), "DIR") for problem in load(path).problems]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fsqueue.toml"
    path.write_text(SWITCH, encoding="utf-8")
    path.chmod(0o644)
    secret = tmp_path / "secret"
    secret.write_text("open sesame\n", encoding="utf-8")
    secret.chmod(0o600)
    return path


def test_a_file_and_its_password_are_read(file: Path) -> None:
    loaded = load(file)
    assert loaded.problems == ()
    assert loaded.text == SWITCH
    assert loaded.configuration is not None
    assert password_of(loaded.configuration.switches["main"], file.parent) == "open sesame"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert messages(tmp_path / "none.toml") == [
        "DIR/none.toml:1: file: does not exist; name another with --config, or begin one with fsqueue group add NAME"
    ]
    assert load(tmp_path / "none.toml").configuration is None


def test_a_folder_or_a_device_is_no_file(tmp_path: Path) -> None:
    assert messages(tmp_path) == [f"DIR/{tmp_path.name}:1: file: is no regular file; name a TOML file"]
    assert [problem.problem for problem in load("/dev/zero").problems] == ["is no regular file"]


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    assert [problem.problem for problem in load("a\0b").problems] == ["is no name that a file can have"]
    assert [problem.problem for problem in load("x" * 300).problems] == ["can't be read: file name too long"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_told(file: Path) -> None:
    file.chmod(0)
    assert messages(file) == [
        "DIR/fsqueue.toml:1: file: can't be read: permission denied; let the user who runs this read it"
    ]


def test_permission_denied_is_told_plainly(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert messages(file) == [
        "DIR/fsqueue.toml:1: file: can't be read: permission denied; let the user who runs this read it"
    ]


def test_a_huge_file_is_refused_unread(file: Path) -> None:
    os.truncate(file, LONGEST + 1)
    assert messages(file) == ["DIR/fsqueue.toml:1: file: is larger than 16 MiB; name a configuration file"]


def test_the_line_of_a_byte_that_is_not_utf8_is_told(file: Path) -> None:
    file.write_bytes(b'[groups.sales]\nname = "Sprzeda\xbf"\n')
    assert messages(file) == ["DIR/fsqueue.toml:2: file: the byte 0xbf is not UTF-8; save the file as UTF-8"]


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    problems = check_text("a = " + "[" * 100_000, "x").problems
    assert [str(problem) for problem in problems] == [
        "x:1: file: is nested too deeply; no table here is nested more than three deep"
    ]


def test_a_fault_at_the_very_end_has_the_last_line() -> None:
    problems = check_text("[telephony]\nring_seconds = 5\nring_seconds = 6", "x").problems
    assert [str(problem) for problem in problems] == [
        "x:3: file: no valid TOML: cannot overwrite a value; each key stands once in its table"
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file DIR/secret does not exist"),
        (b"", "the file DIR/secret is empty"),
        (b" \n", "the file DIR/secret is empty"),
        (b"one\ntwo\n", "the file DIR/secret holds more than one line of plain text"),
        (b"one\0two", "the file DIR/secret holds more than one line of plain text"),
        (b"x" * 5000, "the file DIR/secret holds more than one line of plain text"),
    ],
)
def test_a_password_file_that_cannot_be_used_is_an_error(file: Path, content: bytes | None, problem: str) -> None:
    secret = file.parent / "secret"
    secret.unlink()
    if content is not None:
        secret.write_bytes(content)
        secret.chmod(0o600)
    (message,) = messages(file)
    assert message.startswith(f"DIR/fsqueue.toml:3: switches.main.password_file: {problem}; ")
    assert load(file).configuration is None


def test_a_folder_is_no_password_file(tmp_path: Path) -> None:
    with pytest.raises(PasswordError, match="does not exist"):
        password_of(Switch(host="127.0.0.1", password_file=str(tmp_path)), Path("/"))


def test_a_password_that_everybody_can_read_is_a_warning(file: Path) -> None:
    (file.parent / "secret").chmod(0o644)
    assert messages(file) == [
        "DIR/fsqueue.toml:3: switches.main.password_file: warning: everybody on this machine can read DIR/secret; "
        "chmod o-rwx DIR/secret"
    ]
    assert load(file).configuration is not None


def test_a_password_in_a_file_that_everybody_can_read_is_a_warning(file: Path) -> None:
    file.write_text(SWITCH.replace("_file", ""), encoding="utf-8")
    assert messages(file) == [
        "DIR/fsqueue.toml:3: switches.main.password: warning: everybody on this machine can read DIR/fsqueue.toml; "
        "chmod o-rwx DIR/fsqueue.toml"
    ]
    file.chmod(0o640)
    assert messages(file) == []


def test_a_password_shows_in_no_repr() -> None:
    assert "hunter2" not in repr(Switch(host="127.0.0.1", password="hunter2"))


def test_the_sample_has_nothing_wrong_but_its_missing_password() -> None:
    sample = ROOT / "conf" / "fsqueue.toml"
    assert check_text(sample.read_text(encoding="utf-8"), "x").problems == ()
    assert [problem.path for problem in load(sample).problems] in ([], ["switches.main.password_file"])
