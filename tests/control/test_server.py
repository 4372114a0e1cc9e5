"""The server over real sockets; waits are short and bounded."""

from __future__ import annotations

import json
import os
import shutil
import socket as plain
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import gevent
import pytest
from gevent import socket

from fsqueue.control.board import QUEUE
from fsqueue.control.kept import Kept
from fsqueue.control.protocol import EventQuery
from fsqueue.control.server import ControlServer
from fsqueue.control.settings import ControlError, ControlSettings, SocketTakenError
from fsqueue.engine.messages import Duty, MemberChanged
from tests.control.desks import FakeDesk, NeverKept

Start = Callable[..., ControlServer]


@pytest.fixture
def desk() -> FakeDesk:
    desk = FakeDesk()
    desk.arrive("c1", name="Zażółć")
    return desk


@pytest.fixture
def start(desk: FakeDesk, tmp_path: Path) -> Iterator[Start]:
    started: list[ControlServer] = []

    def starting(
        *, patience: float = 5.0, heartbeat: float = 5.0, kept: Kept | None = None, **settings: Any
    ) -> ControlServer:
        given = ControlSettings(**{"socket": tmp_path / "c.sock", **settings})
        server = ControlServer(desk, given, patience=patience, heartbeat=heartbeat, kept=kept or NeverKept())
        server.start()
        started.append(server)
        return server

    yield starting
    for server in started:
        server.stop()


def connect(tmp_path: Path) -> Any:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(5.0)
    sock.connect(str(tmp_path / "c.sock"))
    return sock


def exchange(tmp_path: Path, request: bytes) -> tuple[int, dict[str, str], bytes]:
    sock = connect(tmp_path)
    try:
        sock.sendall(request)
        return read_answer(sock)
    finally:
        sock.close()


def read_answer(sock: Any) -> tuple[int, dict[str, str], bytes]:
    file = sock.makefile("rb")
    try:
        status = int(file.readline().split()[1])
        headers = {}
        while line := file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, file.read(int(headers.get("content-length", 0)))
    finally:
        file.close()


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


class Stream:
    """A watcher that reads when told to."""

    def __init__(self, tmp_path: Path, query: str = "") -> None:
        self.sock = connect(tmp_path)
        self.sock.sendall(get("/v1/events" + query))
        self.file = self.sock.makefile("rb")
        assert b"200" in self.file.readline()
        while self.file.readline().strip():
            pass

    def chunk(self) -> list[dict[str, Any]]:
        """Return the lines of the next chunk; none at the stream's end."""
        size = int(self.file.readline() or b"0", 16)
        data = self.file.read(size)
        self.file.readline()
        return [json.loads(line) for line in data.splitlines()]

    def close(self) -> None:
        self.file.close()
        self.sock.close()


# --- the place --------------------------------------------------------------------------------------------------------


def test_the_socket_is_for_its_owner_and_group_alone_and_goes_with_the_server(start: Start, tmp_path: Path) -> None:
    server = start()
    assert stat.S_IMODE((tmp_path / "c.sock").stat().st_mode) == 0o660
    server.stop()
    assert not (tmp_path / "c.sock").exists()


def test_the_group_that_is_configured_gets_the_socket(start: Start, tmp_path: Path) -> None:
    import grp

    start(group=grp.getgrgid(os.getegid()).gr_name)
    assert (tmp_path / "c.sock").stat().st_gid == os.getegid()


def test_a_group_that_is_not_there_is_named(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="no group no-such-group"):
        start(group="no-such-group")
    assert start()  # and the place is free again


def test_a_socket_that_a_crash_left_behind_is_replaced(start: Start, tmp_path: Path) -> None:
    left = plain.socket(plain.AF_UNIX, plain.SOCK_STREAM)
    left.bind(str(tmp_path / "c.sock"))
    left.close()
    start()
    assert exchange(tmp_path, get("/v1/status"))[0] == 200


def test_a_second_daemon_is_refused_and_the_first_one_keeps_its_socket(start: Start, tmp_path: Path) -> None:
    start()
    with pytest.raises(SocketTakenError, match="another fsqueue listens"):
        start()
    assert exchange(tmp_path, get("/v1/status"))[0] == 200


def test_who_listens_there_without_our_lock_keeps_the_socket(start: Start, tmp_path: Path) -> None:
    with plain.socket(plain.AF_UNIX, plain.SOCK_STREAM) as other:
        other.bind(str(tmp_path / "c.sock"))
        other.listen(1)
        with pytest.raises(SocketTakenError):
            start()
    assert (tmp_path / "c.sock").exists()


def test_a_file_that_is_no_socket_is_never_removed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "c.sock").write_text("precious")
    with pytest.raises(ControlError, match="is no socket"):
        start()
    assert (tmp_path / "c.sock").read_text() == "precious"


def test_a_path_too_long_for_a_socket_is_said_to_be_so(start: Start, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="longer than 107 bytes"):
        start(socket=tmp_path / ("x" * 120))


# --- requests ---------------------------------------------------------------------------------------------------------


def test_status_is_served_as_json(start: Start, tmp_path: Path) -> None:
    start()
    status, headers, body = exchange(tmp_path, get("/v1/status"))
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["calls"][0]["caller"]["name"] == "Zażółć"


def test_whoever_changes_something_sees_it_in_what_he_asks_next(start: Start, desk: FakeDesk, tmp_path: Path) -> None:
    start(kept=Kept(clock=lambda: 0.0))  # as if no time passed at all
    before = exchange(tmp_path, get("/v1/members"))[2]
    desk.put(Duty("anna", "paused", "lunch", ""))
    assert exchange(tmp_path, get("/v1/members"))[2] == before
    assert exchange(tmp_path, post("/v1/members/jan/duty", b'{"duty": "paused"}'))[0] == 200
    after = json.loads(exchange(tmp_path, get("/v1/members"))[2])["members"]
    assert [member["duty"] for member in after] == ["paused", "paused"]


def test_answers_to_other_questions_and_refusals_are_not_mixed_up(start: Start, tmp_path: Path) -> None:
    start(kept=Kept(clock=lambda: 0.0))
    for _ in range(2):
        assert exchange(tmp_path, get("/v1/status?group=nope"))[0] == 404
        assert len(json.loads(exchange(tmp_path, get("/v1/status?group=sales"))[2])["groups"]) == 1
        assert len(json.loads(exchange(tmp_path, get("/v1/status"))[2])["groups"]) == 3
        assert exchange(tmp_path, b"GET /v1/status HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n[1,2]")[0] == 400


def test_curl_is_told_what_everybody_is_told(start: Start, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("no curl here")
    start()
    command = [curl, "-sS", "--unix-socket", str(tmp_path / "c.sock"), "http://localhost/v1/calls"]
    done = gevent.get_hub().threadpool.apply(subprocess.run, (command,), {"capture_output": True, "timeout": 10})
    assert json.loads(done.stdout) == json.loads(exchange(tmp_path, get("/v1/calls"))[2])


def test_an_action_names_the_user_at_the_other_end(start: Start, desk: FakeDesk, tmp_path: Path) -> None:
    import pwd

    start()
    status, _, body = exchange(tmp_path, post("/v1/members/anna/duty", b'{"duty": "paused", "reason": "lunch"}'))
    assert (status, json.loads(body)["member"]["duty"]) == (200, "paused")
    assert desk.orders[0].by == pwd.getpwuid(os.getuid()).pw_name


def test_one_connection_carries_many_requests(start: Start, tmp_path: Path) -> None:
    start()
    sock = connect(tmp_path)
    for _ in range(3):
        sock.sendall(get("/v1/groups"))
        assert read_answer(sock)[0] == 200
    sock.close()


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (get("/"), 404),
        (get("/v1/nothing"), 404),
        (get("/v1/calls/%00%ff%1b%5b31m"), 404),
        (get("/v1/groups/..%2f..%2fetc"), 404),
        (get("/v1/status?group=" + "x" * 65), 400),
        (get("/v1/status?group=a&group=b"), 400),
        (get("/v1/recent?last=1,2"), 400),
        (get("/v1/events?after=-1"), 400),
        (get("/v1/events?nope=1"), 400),
        (post("/v1/status", b"{}"), 405),
        (b"DELETE /v1/calls/c1 HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        (post("/v1/members/anna/duty", b"\x00\xff"), 400),
        (post("/v1/members/anna/duty", b"x" * 70_000), 413),
        (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n", 400),
        (b"\x00\x01\x02\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET /v1/status HTTP/9.9\r\n\r\n", 400),
    ],
)
def test_hostile_requests_get_a_4xx_and_the_server_goes_on(
    start: Start, tmp_path: Path, request_: bytes, expected: int
) -> None:
    start()
    status, headers, body = exchange(tmp_path, request_)
    assert status == expected
    if headers.get("content-type") == "application/json":
        said = json.loads(body)
        assert said["error"]
        assert said["remedy"]
        assert body.decode().isprintable()
    assert exchange(tmp_path, get("/v1/status"))[0] == 200


def test_what_a_caller_sends_never_reaches_a_terminal_as_an_escape(
    start: Start, desk: FakeDesk, tmp_path: Path
) -> None:
    start()
    desk.arrive("c9", name="\x1b[2J\x9b31m\x7f\u202e\ud800", number="\x1b]0;x\x07")
    for path in ("/v1/status", "/v1/calls", "/v1/calls/c9", "/v1/recent"):
        status, _, body = exchange(tmp_path, get(path))
        assert (status, body.decode().isprintable()) == (200, True)


def test_a_fault_of_ours_is_a_500_that_tells_nothing_of_the_inside(
    start: Start, desk: FakeDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    start()
    monkeypatch.setattr(desk, "picture", lambda: 1 / 0)
    status, _, body = exchange(tmp_path, get("/v1/status"))
    assert (status, json.loads(body)["code"]) == (500, "failed")
    assert b"ZeroDivision" not in body
    assert "please report this" in caplog.text


def test_a_peer_that_is_mute_is_cut_off(start: Start, tmp_path: Path) -> None:
    start(patience=0.2)
    sock = connect(tmp_path)
    sock.sendall(b"GET /v1/sta")
    assert sock.recv(100) == b""
    sock.close()


# --- TCP --------------------------------------------------------------------------------------------------------------


READ, FULL = "r" * 24, "f" * 24


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, Any]:
    for name, text in (("read", f"# wall board\nboard {READ}\n"), ("full", f"shift {FULL}\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return {"tcp": "127.0.0.1:0", "read_tokens": tmp_path / "read", "full_tokens": tmp_path / "full"}


def over_tcp(server: ControlServer, request: bytes) -> tuple[int, dict[str, str], bytes]:
    sock = socket.create_connection(("127.0.0.1", server.tcp_port), 5.0)
    try:
        sock.sendall(request)
        return read_answer(sock)
    finally:
        sock.close()


@pytest.mark.parametrize(
    ("header", "asking", "telling"),
    [
        ("", 401, 401),
        ("Authorization: Bearer wrong\r\n", 401, 401),
        (f"Authorization: Basic {READ}\r\n", 401, 401),
        ("Authorization: Bearer \r\n", 401, 401),
        ("Authorization: Bearer \xff\xfe\r\n", 401, 401),
        (f"Authorization: Bearer {READ}\r\n", 200, 403),
        (f"Authorization: Bearer {FULL}\r\n", 200, 200),
        (f"authorization: bearer {FULL}\r\n", 200, 200),
    ],
)
def test_tcp_needs_a_token_and_a_reading_one_only_reads(
    start: Start, tokens: dict[str, Any], header: str, asking: int, telling: int
) -> None:
    server = start(**tokens)
    assert over_tcp(server, get("/v1/status", header))[0] == asking
    assert over_tcp(server, post("/v1/members/anna/duty", b'{"duty":"out"}', header))[0] == telling
    assert over_tcp(server, get("/v1/nothing", header))[0] in (401, 404)


@pytest.mark.parametrize(
    ("address", "comes_in"),
    [("127.0.0.1", True), ("10.0.0.9", True), ("10.0.1.9", False), ("::ffff:10.0.0.9", True), ("2001:db8::1", False)],
)
def test_over_tcp_only_the_networks_that_are_named_may_connect(
    start: Start, tokens: dict[str, Any], address: str, comes_in: bool, caplog: pytest.LogCaptureFixture
) -> None:
    server = start(**tokens, allow=("10.0.0.0/24",))
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    stranger: Any = SimpleNamespace(family=socket.AF_INET, close=theirs.close)
    handled: list[object] = []
    listener: Any = server._servers[1]
    with patch("gevent.pywsgi.WSGIServer.handle", lambda _self, sock, _address: handled.append(sock)):
        listener.handle(stranger, (address, 5000))
    assert (handled == [stranger]) is comes_in
    assert ("control.allow" in caplog.text) is not comes_in
    if not comes_in:
        assert ours.recv(10) == b""  # without a word
    ours.close()
    theirs.close()


def test_tokens_are_read_again_and_who_came_by_one_that_is_gone_is_let_go(
    start: Start, desk: FakeDesk, tokens: dict[str, Any]
) -> None:
    server = start(**tokens)
    streams = {}
    for token in (READ, FULL):
        streams[token] = socket.create_connection(("127.0.0.1", server.tcp_port), 5.0)
        streams[token].sendall(get("/v1/events", f"Authorization: Bearer {token}\r\n"))
        assert b"heartbeat" in streams[token].recv(4096)
    tokens["read_tokens"].write_text("board " + "n" * 24)
    assert server.reload_tokens() == ()
    assert over_tcp(server, get("/v1/status", f"Authorization: Bearer {READ}\r\n"))[0] == 401
    assert over_tcp(server, get("/v1/status", f"Authorization: Bearer {'n' * 24}\r\n"))[0] == 200
    assert b"not known any more" in streams[READ].recv(4096)
    desk.arrive("c2")
    assert b"c2" in streams[FULL].recv(1 << 16)
    for stream in streams.values():
        stream.close()


def test_a_file_of_tokens_with_a_fault_changes_nothing_and_is_named(start: Start, tokens: dict[str, Any]) -> None:
    server = start(**tokens)
    tokens["full_tokens"].write_text("short x")
    (warning,) = server.reload_tokens()
    assert "full:1: not `NAME TOKEN`" in warning
    assert over_tcp(server, get("/v1/status", f"Authorization: Bearer {FULL}\r\n"))[0] == 200


def test_an_action_over_tcp_names_its_token(start: Start, desk: FakeDesk, tokens: dict[str, Any]) -> None:
    server = start(**tokens)
    over_tcp(server, post("/v1/calls/c1/hangup", b"", f"Authorization: Bearer {FULL}\r\n"))
    assert desk.orders[0].by == "shift"


def test_the_configuration_is_not_told_over_tcp_but_to_the_daemons_own_user(
    start: Start, tokens: dict[str, Any], tmp_path: Path
) -> None:
    server = start(**tokens)
    assert over_tcp(server, get("/v1/configuration", f"Authorization: Bearer {FULL}\r\n"))[0] == 403
    assert exchange(tmp_path, get("/v1/configuration"))[0] == 200


def test_a_refused_token_is_never_repeated(start: Start, tokens: dict[str, Any]) -> None:
    server = start(**tokens)
    answer = over_tcp(server, get("/v1/status", "Authorization: Bearer supersecret\r\n"))
    assert answer[1]["www-authenticate"] == "Bearer"
    assert b"supersecret" not in answer[2]


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        ("board short\n", 0o600, "20 characters"),
        (f"board {READ}\n", 0o644, "chmod 640"),
        ("# none\n", 0o600, "needs a token"),
        (f"{READ}\n", 0o600, ":1: not"),
    ],
)
def test_tokens_that_are_weak_open_or_missing_stop_tcp_with_the_reason(
    start: Start, tmp_path: Path, text: str, mode: int, said: str
) -> None:
    (tmp_path / "read").write_text(text)
    (tmp_path / "read").chmod(mode)
    with pytest.raises(ControlError, match=said):
        start(tcp="127.0.0.1:0", read_tokens=tmp_path / "read")
    assert not (tmp_path / "c.sock").exists()


@pytest.mark.parametrize("address", ["8085", "127.0.0.1:x", "127.0.0.1:99999", "192.0.2.1:8085"])
def test_an_address_that_is_none_or_not_ours_is_named(start: Start, tokens: dict[str, Any], address: str) -> None:
    with pytest.raises(ControlError, match="control can't listen at"):
        start(**{**tokens, "tcp": address})


# --- the stream -------------------------------------------------------------------------------------------------------


def test_events_come_as_they_happen(start: Start, desk: FakeDesk, tmp_path: Path) -> None:
    start()
    stream = Stream(tmp_path)
    assert [line["type"] for line in stream.chunk()] == ["notice"]
    desk.leave("c1")
    assert "CallEnded" in [line["kind"] for line in stream.chunk()]
    stream.close()


def test_who_comes_back_misses_nothing_and_sees_nothing_twice(start: Start, desk: FakeDesk, tmp_path: Path) -> None:
    start()
    stream = Stream(tmp_path, "?last=2000")
    seen = [line["seq"] for line in stream.chunk() if line["type"] == "event"]
    stream.close()
    desk.arrive("c2")
    stream = Stream(tmp_path, f"?after={seen[-1]}")
    again = [line["seq"] for line in stream.chunk() if line["type"] == "event"]
    desk.leave("c2")
    again += [line["seq"] for line in stream.chunk()]
    stream.close()
    assert seen + again == [e.seq for e in desk.board.past(EventQuery())]


def test_a_silent_stream_shows_that_it_lives(start: Start, tmp_path: Path) -> None:
    start(heartbeat=0.1)
    stream = Stream(tmp_path)
    assert [line["notice"] for _ in range(3) for line in stream.chunk()] == ["heartbeat"] * 3
    stream.close()


def test_a_stream_says_that_the_daemon_ends(start: Start, tmp_path: Path) -> None:
    server = start()
    stream = Stream(tmp_path)
    stream.chunk()
    gevent.spawn(server.stop)
    assert stream.chunk()[-1]["notice"] == "ending"
    assert stream.chunk() == []
    stream.close()


def test_a_watcher_that_has_gone_is_forgotten(start: Start, desk: FakeDesk, tmp_path: Path) -> None:
    start(heartbeat=0.05)
    stream = Stream(tmp_path)
    assert desk.board.watchers == 1
    stream.close()
    with gevent.Timeout(5.0):
        while desk.board.watchers:
            gevent.sleep(0.02)


def test_a_watcher_that_never_reads_holds_up_nobody_and_takes_bounded_memory(
    start: Start, desk: FakeDesk, tmp_path: Path
) -> None:
    """Against sockets' buffers: far more is told than they and the queue together hold."""
    start(patience=30.0)
    lazy, reader = Stream(tmp_path), Stream(tmp_path)
    reader.chunk()
    sent, got = 0, 0
    while sent < QUEUE * 6:
        for _ in range(QUEUE // 4):
            desk.board.observe(MemberChanged(member="anna", duty="in", why="x" * 150), desk.now)
            sent += 1
        desk.board.catch_up()
        while got < sent:
            got += sum(line["type"] == "event" for line in reader.chunk())
        queued = [len(watch) for watch in desk.board._watches.values()]
        assert max(queued) <= QUEUE
    assert got == sent
    assert sorted(watch.dropped for watch in desk.board._watches.values())[0] is False
    assert sum(watch.dropped for watch in desk.board._watches.values()) == 1
    # When it reads again, it finds what was under way, and then that it was dropped and where to come back.
    lines: list[dict[str, Any]] = []
    while chunk := lazy.chunk():
        lines += chunk
    assert lines[-1]["notice"] == "dropped"
    assert lines[-1]["seq"] == lines[-2]["seq"]
    lazy.close()
    reader.close()


def test_watchers_are_limited_and_the_others_are_told(start: Start, tmp_path: Path) -> None:
    server = start()
    server._control._max_watchers = 1
    stream = Stream(tmp_path)
    status, _, body = exchange(tmp_path, get("/v1/events"))
    assert (status, json.loads(body)["code"]) == (503, "overloaded")
    stream.close()


def test_the_client_of_the_command_line_runs_without_gevent() -> None:
    code = "import sys, fsqueue.control.client; sys.exit('gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 0


def test_metrics_are_openmetrics_text(start: Start, tmp_path: Path) -> None:
    start()
    status, headers, body = exchange(tmp_path, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 200
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert b"fsqueue_calls_opened_total 1.0\n" in body
    assert body.endswith(b"# EOF\n")
