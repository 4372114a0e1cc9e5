"""The commands that ask and tell the daemon: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest
from fsqueue_cli.exits import Exit

from fsqueue.control.protocol import CallDetail, CallDone, Calls, Events, MemberDone, Problem, Status
from fsqueue.journal.history.files import NoHistoryError
from tests.cli.live_daemons import LiveDaemon, live_daemon
from tests.cli.shell import Shell
from tests.control.desks import FakeDesk

NASTY = "evil\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202eevil\r\nx"


@pytest.fixture
def daemon(shell: Shell) -> Iterator[LiveDaemon]:
    with live_daemon(shell.socket) as daemon:
        for n in (1, 2, 3):
            daemon.do(lambda desk, n=n: desk.arrive(f"c{n}", name=f"Caller {n}", number=f"+4860000000{n}"))
        yield daemon


def pass_time(daemon: LiveDaemon, seconds: float) -> None:
    def wait(desk: FakeDesk) -> None:
        desk.now += seconds

    daemon.do(wait)


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_shows_groups_calls_members_and_today(shell: Shell, daemon: LiveDaemon) -> None:
    pass_time(daemon, 65.0)
    daemon.do(lambda desk: desk.answer("c1"))
    pass_time(daemon, 10.0)
    daemon.do(lambda desk: desk.hang_up("c1"))
    shown = shell.run("status")
    assert shown.exit_code == Exit.DONE
    assert "main in reach" in shown.stdout
    assert "today 1 call, 1 answered, 0 missed · level 0% · wait avg 1:05 max 1:05\n" in shown.stdout
    sales = next(line for line in shown.stdout.splitlines() if line.startswith("sales"))
    assert sales.split()[1:] == ["2", "1:15", "0", "1/2", "0", "1", "0", "0%", "1:05", "1:05"]
    assert "Caller 2 +48600000002" in shown.stdout
    assert "Anna Nowak" in shown.stdout
    assert max(len(line) for line in shown.stdout.splitlines()) <= 80


def test_status_of_a_group_leaves_the_others_out(shell: Shell, daemon: LiveDaemon) -> None:
    shown = shell.run("status support").stdout
    assert "support" in shown
    assert "Caller 1" not in shown
    assert "Anna" not in shown


def test_json_is_what_the_api_says(shell: Shell, daemon: LiveDaemon) -> None:
    for line, shape in (
        ("status", Status),
        ("status sales", Status),
        ("call list", Calls),
        ("call show c1", CallDetail),
        ("tail", Events),
        ("member pause anna", MemberDone),
        ("call move c3 --head", CallDone),
        ("call hangup c3 --yes", CallDone),
    ):
        result = shell.run(f"{line} --json")
        assert result.exit_code == Exit.DONE, line
        msgspec.json.decode(result.stdout, type=shape)


@pytest.mark.parametrize(
    "line", ["status", "tail", "call list", "call show c1", "member login anna", "call move c1 --head"]
)
def test_without_a_daemon_each_command_says_where_it_looked_and_what_to_do(shell: Shell, line: str) -> None:
    result = shell.run(line)
    assert result.exit_code == Exit.DAEMON_UNREACHABLE
    assert result.stdout == ""
    assert f"no fsqueue listens at {shell.socket}" in result.stderr
    assert "systemctl start fsqueue" in result.stderr


def test_the_option_names_another_socket(shell: Shell, daemon: LiveDaemon) -> None:
    assert shell.run("status", "--socket", str(shell.folder / "other")).exit_code == Exit.DAEMON_UNREACHABLE
    assert shell.run("status", "--socket", str(shell.socket)).exit_code == Exit.DONE


@pytest.mark.parametrize(
    "line",
    ["status nope", "call show nope", "call move nope --head", "call hangup nope --yes", "member login nope",
     "call move c1 --group nope"],
)  # fmt: skip
def test_an_unknown_name_is_exit_3_and_says_what_there_is(shell: Shell, daemon: LiveDaemon, line: str) -> None:
    result = shell.run(line)
    assert result.exit_code == Exit.NO_SUCH_THING
    assert "there is no" in result.stderr
    assert result.stdout == ""


def test_a_program_that_is_no_fsqueue_is_told_apart(shell: Shell) -> None:
    from tests.cli.daemons import daemon_at

    with daemon_at(shell.socket) as other:
        other.say("GET", "/v1/status", {"unlike": "us"})
        result = shell.run("status")
    assert result.exit_code == Exit.DAEMON_UNREACHABLE
    assert "are both of one version?" in result.stderr


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_is_ok_when_all_is_well(shell: Shell, daemon: LiveDaemon) -> None:
    result = shell.run("status --check")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "FSQUEUE OK - 3 waiting | waiting=3;;;0 longest=0s;120;300;0 calls=3;;;0\n"


@pytest.mark.parametrize(("waited", "code"), [(119.0, 0), (120.0, 1), (299.0, 1), (300.0, 2)])
def test_check_tells_of_long_waits(shell: Shell, daemon: LiveDaemon, waited: float, code: int) -> None:
    pass_time(daemon, waited)
    assert shell.run("status --check").exit_code == code


def test_thresholds_are_options(shell: Shell, daemon: LiveDaemon) -> None:
    pass_time(daemon, 15.0)
    assert shell.run("status --check --wait-warning 10").exit_code == 1
    assert shell.run("status --check --wait-warning 10 --wait-critical 15").exit_code == 2


def test_callers_with_nobody_online_for_a_minute_are_critical_and_not_before(shell: Shell, daemon: LiveDaemon) -> None:
    daemon.do(lambda desk: desk.arrive("n1", to="night"))
    pass_time(daemon, 59.0)
    assert shell.run("status --check").exit_code == 0
    pass_time(daemon, 1.0)
    result = shell.run("status --check")
    assert result.exit_code == 2
    assert result.stdout.startswith("FSQUEUE CRITICAL - 1 caller waits in night and nobody is online | ")
    assert shell.run("status sales --check").exit_code == 0


def test_a_switch_out_of_reach_is_critical(shell: Shell, daemon: LiveDaemon) -> None:
    from fsqueue.engine.messages import SwitchDown

    daemon.do(lambda desk: desk.put(SwitchDown("main")))
    result = shell.run("status --check")
    assert (result.exit_code, "switch main is out of reach" in result.stdout) == (2, True)


def test_a_disk_that_takes_no_records_is_critical_and_seen_in_status(shell: Shell, daemon: LiveDaemon) -> None:
    daemon.do(lambda desk: setattr(desk, "ills", ("the disk takes no records; look at df",)))
    result = shell.run("status --check")
    assert (result.exit_code, "the disk takes no records" in result.stdout) == (2, True)
    assert "the disk takes no records" in shell.run("status").stdout


def test_what_keeps_a_switch_away_is_said_wherever_it_is_shown(shell: Shell, daemon: LiveDaemon) -> None:
    from fsqueue.engine.messages import SwitchDown

    daemon.do(lambda desk: desk.put(SwitchDown("main")))
    daemon.do(lambda desk: desk.switch_ills.update(main="the password is refused"))
    assert "main OUT OF REACH: the password is refused" in shell.run("status").stdout
    assert "main is out of reach: the password is refused" in shell.run("status --check").stdout


def test_no_daemon_is_critical_and_an_unknown_group_unknown(shell: Shell) -> None:
    result = shell.run("status --check")
    assert (result.exit_code, len(result.stdout.splitlines())) == (2, 1)
    with live_daemon(shell.socket):
        result = shell.run("status nope --check")
    assert (result.exit_code, result.stdout.startswith("FSQUEUE UNKNOWN - there is no group nope")) == (3, True)


def test_no_permission_is_unknown_and_says_whose_group_is_needed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsqueue.control import client

    def refused(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(client._UnixConnection, "connect", refused)
    result = shell.run("status --check")
    assert (result.exit_code, "who is in its group" in result.stdout) == (3, True)
    assert shell.run("status").exit_code == Exit.DAEMON_UNREACHABLE


# --- members ----------------------------------------------------------------------------------------------------------


def test_members_log_out_in_pause_and_resume(shell: Shell) -> None:
    with live_daemon(shell.socket) as daemon:
        said = {}
        for line in ("logout anna --reason home", "login anna", "pause anna --reason lunch", "resume anna"):
            result = shell.run(f"member {line}")
            assert (result.exit_code, result.stdout) == (Exit.DONE, "")
            said[line] = result.stderr, daemon.do(lambda desk: desk.picture().members[0])
    assert [text for text, _ in said.values()] == [
        "anna is logged out\n",
        "anna is logged in\n",
        "anna is paused\n",
        "anna is logged in\n",
    ]
    assert [m.reason for _, m in said.values()] == ["home", "", "lunch", ""]
    assert [m.state for _, m in said.values()] == ["logged out", "available", "paused", "available"]


def test_a_member_who_rings_is_told_that_it_counts_later(shell: Shell, daemon: LiveDaemon) -> None:
    assert shell.run("member logout anna").stderr == "anna is logged out; it counts after the call he has\n"


def test_a_reason_that_is_no_text_is_refused(shell: Shell, daemon: LiveDaemon) -> None:
    for reason in ("\x1b[31m", "x" * 300, "a\nb"):
        result = shell.run("member pause anna --reason", reason)
        assert result.exit_code == Exit.FAILED
        assert "\x1b" not in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert daemon.do(lambda desk: desk.orders) == []


# --- calls ------------------------------------------------------------------------------------------------------------


def test_calls_are_listed_in_their_order(shell: Shell, daemon: LiveDaemon) -> None:
    pass_time(daemon, 7.0)
    lines = shell.run("call list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["CALL", "c1", "c2", "c3"]
    assert lines[1].split()[1:] == ["Caller", "1", "+48600000001", "sales", "1", "rings", "anna", "7", "s"]


def test_no_calls_is_said_apart_from_the_data(shell: Shell) -> None:
    with live_daemon(shell.socket):
        result = shell.run("call list")
        assert (result.stdout, result.stderr) == ("", "there is no call\n")
        assert json.loads(shell.run("call list --json").stdout)["calls"] == []


def test_a_call_is_shown_with_its_reasons_also_when_it_is_over(shell: Shell, daemon: LiveDaemon) -> None:
    shown = shell.run("call show c1").stdout
    assert "rings anna" in shown
    assert "place    1, priority 0" in shown
    daemon.do(lambda desk: desk.leave("c1"))
    shown = shell.run("call show c1").stdout
    assert "rings anna" in shown
    assert "ended: the caller hung up" in shown


def test_a_call_that_is_over_is_shown_from_what_the_daemon_remembers_while_no_history_can_be_read(
    shell: Shell, daemon: LiveDaemon
) -> None:
    daemon.do(lambda desk: desk.leave("c1"))
    daemon.do(lambda desk: setattr(desk, "trouble", NoHistoryError("not built yet")))
    shown = shell.run("call show c1").stdout
    assert "state  over" in shown
    assert "ended, abandoned" in shown


def test_a_call_is_moved_to_the_head_or_to_a_group(shell: Shell, daemon: LiveDaemon) -> None:
    assert shell.run("call move c3 --head").stderr == "c3 is number 1 in sales\n"
    assert shell.run("call move c2 --group night").stderr == "c2 is number 1 in night\n"
    assert daemon.do(lambda desk: [c.group for c in desk.picture().calls]) == ["sales", "night", "sales"]


@pytest.mark.parametrize("line", ["call move c1", "call move c1 --head --group night", "call move c1 --group ''"])
def test_a_move_says_where_to(shell: Shell, daemon: LiveDaemon, line: str) -> None:
    assert shell.run(line).exit_code == Exit.USAGE
    assert daemon.do(lambda desk: desk.orders) == []


def test_a_call_that_is_talked_is_not_moved(shell: Shell, daemon: LiveDaemon) -> None:
    daemon.do(lambda desk: desk.answer("c1"))
    result = shell.run("call move c1 --group night")
    assert result.exit_code == Exit.REFUSED
    assert result.stderr == "fsqueue: call c1 was not moved: it is being talked; only a call that waits can be moved\n"


def test_a_call_is_ended_when_that_was_confirmed(shell: Shell, daemon: LiveDaemon) -> None:
    assert shell.run("call hangup c2", answer="n\n").exit_code == Exit.FAILED
    assert len(daemon.do(lambda desk: desk.picture().calls)) == 3
    result = shell.run("call hangup c2", answer="y\n")
    assert result.exit_code == Exit.DONE
    assert "hang up Caller 2 +48600000002?" in result.stderr
    assert "c2 has ended: ended_by_staff" in result.stderr
    assert shell.run("call hangup c2 --yes").exit_code == Exit.REFUSED


def test_a_daemon_that_is_held_up_is_a_failure_not_a_done(shell: Shell, daemon: LiveDaemon) -> None:
    daemon.do(lambda desk: setattr(desk, "held_up", True))
    result = shell.run("member logout anna")
    assert (result.exit_code, "whether it was done is not known" in result.stderr) == (Exit.FAILED, True)


# --- tail -------------------------------------------------------------------------------------------------------------


def test_tail_shows_the_past_one_line_for_each_thing(shell: Shell, daemon: LiveDaemon) -> None:
    lines = shell.run("tail").stdout.splitlines()
    assert any(line.endswith("c2 +48600000002 (Caller 2) → sales: in line") for line in lines)
    assert not any("had turn" in line for line in lines)
    assert len(shell.run("tail -n 2").stdout.splitlines()) == 2
    assert shell.run("tail -n 0").stdout == ""


def test_tail_chooses_by_group_member_and_caller(shell: Shell, daemon: LiveDaemon) -> None:
    daemon.do(lambda desk: desk.arrive("n1", to="night", number="+49"))
    assert all("night" in line for line in shell.run("tail --group night").stdout.splitlines())
    assert "rings anna" in shell.run("tail --member anna").stdout
    assert all("c2" in line for line in shell.run("tail --caller 0002").stdout.splitlines())
    assert shell.run("tail --caller nobody").stdout == ""


# --- what callers send ------------------------------------------------------------------------------------------------


def test_hostile_names_never_reach_a_terminal_as_escapes(shell: Shell, daemon: LiveDaemon) -> None:
    daemon.do(lambda desk: desk.arrive("evil", name=NASTY, number=NASTY))
    daemon.do(lambda desk: desk.put())
    for line in ("status", "call list", "call show evil", "tail", "status --check"):
        for more in ("", " --json"):
            result = shell.run(line + more)
            assert result.exit_code == 0
            shown = result.stdout + result.stderr
            assert "evil" in shown or "check" in line
            assert "".join(shown.split("\n")).isprintable(), (line + more, shown)
    result = shell.run("call hangup evil", answer="n\n")
    assert "".join(result.stderr.split("\n")).isprintable()


def test_hostile_answers_of_a_daemon_are_made_printable_too(shell: Shell) -> None:
    from tests.cli.daemons import daemon_at

    with daemon_at(shell.socket) as other:
        other.say("GET", "/v1/status", Problem(code="refused", error=NASTY, remedy=NASTY), 409)
        result = shell.run("status")
    assert result.exit_code == Exit.REFUSED
    assert result.stderr.rstrip("\n").isprintable()
