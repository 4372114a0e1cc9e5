"""A configuration is written whole or not at all, and nobody's change is lost."""

import os
import stat
import threading
from pathlib import Path

import pytest

from fsqueue.config.write import RefusedError, locked, write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "fsqueue.toml"
    path.write_bytes(b"old\n")
    return path


def left_behind(file: Path) -> list[str]:
    return sorted(path.name for path in file.parent.iterdir() if path != file)


def test_a_file_is_replaced_and_keeps_its_mode(file: Path) -> None:
    file.chmod(0o640)
    write(file, "new ż\n", "old\n")
    assert file.read_bytes() == "new ż\n".encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert left_behind(file) == []


def test_a_new_file_can_be_read_by_the_daemons_user(tmp_path: Path) -> None:
    write(tmp_path / "new.toml", "x\n", None)
    assert stat.S_IMODE((tmp_path / "new.toml").stat().st_mode) == 0o644


def test_line_ends_are_written_as_they_are(file: Path) -> None:
    write(file, "a\r\nb\n", "old\n")
    write(file, "c\r\n", "a\r\nb\n")
    assert file.read_bytes() == b"c\r\n"


def test_a_symbolic_link_is_followed(file: Path) -> None:
    link = file.parent / "link.toml"
    link.symlink_to("fsqueue.toml")
    write(link, "new\n", "old\n")
    assert link.is_symlink()
    assert file.read_text() == "new\n"


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(RefusedError):
        write(tmp_path / "a", "x", None)


@pytest.mark.parametrize(
    ("content", "before"), [(b"theirs\n", "old\n"), (b"", "old\n"), (b"\xff", "old\n"), (b"old\n", None)]
)
def test_a_file_that_changed_since_it_was_read_is_left_alone(file: Path, content: bytes, before: str | None) -> None:
    file.write_bytes(content)
    with pytest.raises(RefusedError, match="has been changed since it was read"):
        write(file, "mine\n", before)
    assert file.read_bytes() == content
    assert left_behind(file) == []


def test_a_file_that_is_gone_since_it_was_read_is_not_made_again(file: Path) -> None:
    file.unlink()
    with pytest.raises(RefusedError, match="has been changed since it was read"):
        write(file, "mine\n", "old\n")
    assert not file.exists()


def test_a_full_disk_changes_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RefusedError, match=r"can't be written: no space left on device; it is as it was"):
        write(file, "new\n", "old\n")
    assert file.read_text() == "old\n"
    assert left_behind(file) == []


def test_everything_is_on_the_disk_before_the_name_changes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(
        os,
        "fsync",
        lambda handle: (
            done.append("sync file" if os.fstat(handle).st_mode & 0o100000 else "sync folder"),
            sync(handle),
        )[1],
    )
    monkeypatch.setattr(Path, "replace", lambda self, target: (done.append("rename"), replace(self, target))[1])
    write(file, "new\n", "old\n")
    assert done == ["sync file", "rename", "sync folder"]


def test_an_owner_that_cannot_be_kept_refuses(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(handle: int, user: int, group: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    real = os.fstat

    def foreign(handle: int) -> os.stat_result:
        values = list(real(handle))
        values[4] += 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fchown", denied)
    monkeypatch.setattr(os, "fstat", foreign)
    with pytest.raises(RefusedError, match="run this as that user or as root"):
        write(file, "new\n", "old\n")
    assert file.read_text() == "old\n"
    assert left_behind(file) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, 12345, 54321)
    file.chmod(0o4640)
    write(file, "new\n", "old\n")
    found = file.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 54321, 0o4640)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="create it first"), locked(tmp_path / "none" / "fsqueue.toml"):
        pass
    with pytest.raises(RefusedError, match="no such file or directory"):
        write(tmp_path / "none" / "fsqueue.toml", "x", None)


def test_who_comes_second_waits_and_then_gives_up(file: Path) -> None:
    slept: list[float] = []
    with locked(file), pytest.raises(RefusedError, match="for 2 seconds; try again"), locked(file, 2.0, slept.append):
        pass
    assert sum(slept) == pytest.approx(2.0, abs=0.1)
    with locked(file, 0.0):  # and it is free again
        pass


def test_the_lock_is_the_same_by_every_name(file: Path) -> None:
    elsewhere = file.parent / "sub"
    elsewhere.mkdir()
    (elsewhere / "link.toml").symlink_to(file)
    with locked(elsewhere / "link.toml"), pytest.raises(RefusedError), locked(file, 0.0):
        pass


def test_an_error_inside_frees_the_lock(file: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(file):
        raise ZeroDivisionError
    with locked(file, 0.0):
        pass


def test_of_many_at_once_no_change_is_lost(file: Path) -> None:
    file.write_text("")
    failed: list[BaseException] = []

    def append(name: str) -> None:
        try:
            for _ in range(5):
                with locked(file):
                    before = file.read_text()
                    write(file, f"{before}{name}\n", before)
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    threads = [threading.Thread(target=append, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failed == []
    assert sorted(file.read_text().split()) == sorted(str(n) for n in range(4) for _ in range(5))
