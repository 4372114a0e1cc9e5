"""A change is handed to the daemon that runs: what it is told, what it answers, and what is said when there is none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from fsqueue_cli.exits import Exit

from fsqueue.control.protocol import CallDone, GroupDetail, MemberDetail
from fsqueue.engine.view import CallView, MemberView
from tests.cli.daemons import StandIn, daemon_at
from tests.cli.shell import COMMENTED, Shell


@pytest.fixture
def daemon(shell: Shell) -> Iterator[StandIn]:
    with daemon_at(shell.socket) as found:
        yield found


def group_detail(calls: list[str]) -> dict[str, Any]:
    return {"calls": [{"id": "c0", "state": "talking"}, *({"id": one, "state": "waiting"} for one in calls)]}


def test_what_is_read_of_answers_is_in_them() -> None:
    """The stand-in says no more than is read; that the daemon says as much its own types tell."""
    assert "calls" in GroupDetail.__struct_fields__
    assert {"id", "state"} <= {*CallView.__struct_fields__}
    assert {"member"} <= {*MemberDetail.__struct_fields__}
    assert {"state"} <= {*MemberView.__struct_fields__}
    assert {"done"} <= {*CallDone.__struct_fields__}


def test_no_daemon_is_no_error_and_is_said(shell: Shell) -> None:
    result = shell.run("group set sales --rings 6")
    assert result.exit_code == Exit.DONE
    assert "no fsqueue runs here" in result.stderr
    assert shell.json("group set sales --rings 7")["daemon"]["state"] == "not_running"


def test_a_change_is_taken_over_at_once(shell: Shell, daemon: StandIn) -> None:
    result = shell.run("group set sales --rings 6")
    assert "the running fsqueue has taken it over" in result.stderr
    assert daemon.told("POST") == [("/v1/reload", {})]


def test_a_dry_run_and_what_is_unchanged_tell_the_daemon_nothing(shell: Shell, daemon: StandIn) -> None:
    shell.run("group set sales --rings 6 --dry-run")
    shell.run("group set sales --rings 4")
    shell.run("group set sales --distribution nonsense")
    assert daemon.asked == []


def test_a_rename_is_told_as_one(shell: Shell, daemon: StandIn) -> None:
    shell.run("group rename sales trade")
    shell.run("member rename anna ann")
    assert daemon.told("POST") == [
        ("/v1/reload", {"renamed": [{"kind": "group", "old": "sales", "new": "trade"}]}),
        ("/v1/reload", {"renamed": [{"kind": "member", "old": "anna", "new": "ann"}]}),
    ]


def test_a_daemon_that_knows_no_renames_is_told_to_reload_and_people_are_told_so(shell: Shell, daemon: StandIn) -> None:
    complaint = {"code": "bad_request", "error": "unknown field", "remedy": "see /openapi.json"}
    daemon.say("POST", "/v1/reload", complaint, 400)
    result = shell.run("group rename sales trade")
    assert len(daemon.told("POST")) == 2, "once more, without the renames"
    assert "did not take it over" in result.stderr
    assert "trade" in shell.read()


def test_a_daemon_that_refuses_is_an_error_and_the_file_is_written(shell: Shell, daemon: StandIn) -> None:
    problem = {
        "code": "invalid_configuration", "error": "it has errors", "remedy": "mend them", "details": ["f:1: x: y; z"],
    }  # fmt: skip
    daemon.say("POST", "/v1/reload", problem, 409)
    result = shell.run("group set sales --rings 6")
    assert result.exit_code == Exit.CONFIGURATION_INVALID
    assert (
        "written, but the running fsqueue did not take it over: it has errors; mend them; f:1: x: y; z" in result.stderr
    )
    assert "rings = 6" in shell.read()


def test_a_daemon_on_another_file_is_left_alone(shell: Shell, daemon: StandIn) -> None:
    daemon.say("GET", "/v1/configuration", {"path": "/elsewhere/fsqueue.toml", "text": ""})
    result = shell.run("group set sales --rings 6")
    assert result.exit_code == Exit.DONE
    assert "uses /elsewhere/fsqueue.toml" in result.stderr
    assert daemon.told("POST") == []
    reload = shell.run("config reload")
    assert reload.exit_code == Exit.REFUSED
    assert "--config /elsewhere/fsqueue.toml" in reload.stderr


def test_something_that_is_no_daemon_is_told_apart(shell: Shell) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shell.socket))
        listener.listen()
        listener.close()
        result = shell.run("group set sales --rings 6")
    assert "no fsqueue runs here" in result.stderr, "a socket left behind by a crash is nobody"


def test_callers_of_a_removed_group_are_moved_before_it_is_gone(shell: Shell, daemon: StandIn) -> None:
    daemon.say("GET", "/v1/groups/sales", group_detail(["c1", "c2"]))
    daemon.say("POST", "/v1/calls/c1/move", {"done": "moved", "call": None})
    result = shell.run("group remove sales --cascade --to support --yes")
    assert result.exit_code == Exit.DONE
    assert daemon.told("POST") == [
        ("/v1/calls/c1/move", {"group": "support"}),
        ("/v1/calls/c2/move", {"group": "support"}),
        ("/v1/reload", {}),
    ]
    assert "moved 1 of 2 waiting calls" in result.stderr, "the other hung up meanwhile"


def test_who_removes_a_group_is_told_who_waits_in_it(shell: Shell, daemon: StandIn) -> None:
    daemon.say("GET", "/v1/groups/sales", group_detail(["c1", "c2"]))
    result = shell.run("group remove sales --cascade")
    assert result.exit_code == Exit.REFUSED
    assert "2 calls waiting in it end as missed (--to GROUP moves them)" in result.stderr
    assert daemon.told("POST") == []
    assert shell.read() == COMMENTED


def test_who_removes_a_member_is_told_that_his_talk_goes_on(shell: Shell, daemon: StandIn) -> None:
    daemon.say("GET", "/v1/members/ola", {"member": {"state": "talking"}})
    result = shell.run("member remove ola --cascade")
    assert "ola is talking now: that goes on to its end" in result.stderr


def test_diff_shows_what_a_reload_would_change(shell: Shell, daemon: StandIn) -> None:
    running = COMMENTED.replace("rings = 4 ", "rings = 3 ")
    daemon.say("GET", "/v1/configuration", {"path": str(shell.file), "text": running})
    result = shell.run("config diff")
    assert result.exit_code == Exit.DONE
    assert "-rings = 3                  # twenty seconds" in result.stdout.splitlines()
    assert shell.json("config diff")["differs"] is True
    daemon.say("GET", "/v1/configuration", {"path": str(shell.file), "text": COMMENTED})
    same = shell.run("config diff")
    assert (same.stdout, same.stderr) == ("", f"{shell.file} is what runs\n")


def test_a_reload_says_what_the_daemon_says(shell: Shell, daemon: StandIn) -> None:
    result = shell.run("config reload")
    assert (result.exit_code, result.stderr) == (Exit.DONE, "it was taken over\n")
    assert shell.json("config reload") == {"file": str(shell.file), "done": "it was taken over", "warnings": []}


def test_a_wrong_file_is_not_even_offered(shell: Shell, daemon: StandIn) -> None:
    shell.write(COMMENTED.replace("rings = 4 ", "rings = 99 "))
    result = shell.run("config reload")
    assert result.exit_code == Exit.CONFIGURATION_INVALID
    assert daemon.asked == []


@pytest.mark.parametrize("line", ["config diff", "config reload"])
def test_without_a_daemon_there_is_nothing_to_ask(line: str, shell: Shell) -> None:
    result = shell.run(line)
    assert result.exit_code == Exit.DAEMON_UNREACHABLE
    assert str(shell.socket) in result.stderr


def test_a_daemon_that_hangs_up_is_said_after_the_file_is_written(shell: Shell) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(shell.socket))
    listener.listen()

    def hang_up() -> None:
        listener.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    result = shell.run("group set sales --rings 6")
    thread.join()
    listener.close()
    assert result.exit_code == Exit.DAEMON_UNREACHABLE
    assert "written, but the fsqueue at" in result.stderr
    assert "rings = 6" in shell.read()
