"""Where things are found."""

from pathlib import Path

import pytest

from fsqueue.places import config_path, shared, state_path


def test_the_option_wins_over_the_environment_and_that_over_the_usual_place() -> None:
    assert config_path("a.toml", {"FSQUEUE_CONFIG": "b.toml"}) == Path("a.toml")
    assert config_path(None, {"FSQUEUE_CONFIG": "b.toml"}) == Path("b.toml")
    assert config_path(None, {}) == Path("/etc/fsqueue/fsqueue.toml")


def test_state_is_where_the_option_the_file_or_systemd_says() -> None:
    environ = {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}
    assert state_path("/opt", "/conf", environ) == Path("/opt")
    assert state_path(None, "/conf", environ) == Path("/conf")
    assert state_path(None, None, environ) == Path("/var/lib/one")


def test_state_of_an_ordinary_user_is_below_his_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.access", lambda *_: False)
    assert state_path(None, None, {"XDG_STATE_HOME": "/home/x/state"}) == Path("/home/x/state/fsqueue")


@pytest.mark.parametrize("name", ["conf/fsqueue.toml", "conf/fsqueue.schema.json", "conf/event_socket.conf.xml"])
def test_what_administrators_copy_comes_with_the_package(name: str) -> None:
    assert shared(name).is_file()


def test_a_missing_file_says_what_to_do() -> None:
    with pytest.raises(FileNotFoundError, match="install it again"):
        shared("conf/nonsense")
