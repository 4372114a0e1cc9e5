"""Where the control socket is, without reading the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsqueue import places


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Somebody who is neither root nor the service's user, on a machine without the service."""
    monkeypatch.setattr("os.geteuid", lambda: 1234)
    monkeypatch.setattr(places, "SERVICE_SOCKET", tmp_path / "run" / "fsqueue" / "control.sock")
    return {"XDG_RUNTIME_DIR": str(tmp_path / "user")}


def test_what_is_given_wins_and_the_option_before_the_variable(ordinary: dict[str, str]) -> None:
    given = {**ordinary, "FSQUEUE_SOCKET": "/tmp/a"}
    for find in (places.listening_socket, places.control_socket):
        assert find("/tmp/b", given) == Path("/tmp/b")
        assert find(None, given) == Path("/tmp/a")


def test_a_daemon_of_ones_own_is_below_the_runtime_folder(ordinary: dict[str, str], tmp_path: Path) -> None:
    assert places.listening_socket(None, ordinary) == tmp_path / "user" / "fsqueue" / "control.sock"
    assert places.listening_socket(None, {}) == Path("/run/user/1234/fsqueue/control.sock")


def test_the_services_user_and_root_listen_at_the_services_place(
    ordinary: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    places.SERVICE_SOCKET.parent.mkdir(parents=True)
    assert places.listening_socket(None, ordinary) == places.SERVICE_SOCKET
    monkeypatch.setattr("os.geteuid", lambda: 0)
    places.SERVICE_SOCKET.parent.rmdir()
    assert places.listening_socket(None, ordinary) == places.SERVICE_SOCKET


def test_the_service_is_looked_for_first_and_named_when_there_is_nobody(
    ordinary: dict[str, str], tmp_path: Path
) -> None:
    own = tmp_path / "user" / "fsqueue" / "control.sock"
    assert places.control_socket(None, ordinary) == places.SERVICE_SOCKET
    own.parent.mkdir(parents=True)
    own.touch()
    assert places.control_socket(None, ordinary) == own
    places.SERVICE_SOCKET.parent.mkdir(parents=True)
    places.SERVICE_SOCKET.touch()
    assert places.control_socket(None, ordinary) == places.SERVICE_SOCKET
