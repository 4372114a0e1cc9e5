from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.esl import framing
from fsqueue.esl.errors import NotEslError, RemoteProtocolError
from fsqueue.esl.framing import CommandReader, Frame, FrameReader, decode_values, parse_headers
from tests.esl import captures

GREETING = b"Content-Type: auth/request\n\n"


def test_there_are_captures_to_replay() -> None:
    assert len(captures.names()) > 80
    assert sum(len(captures.received(name)) for name in captures.names()) > 1500


def expected(message: bytes) -> tuple[dict[str, str], bytes]:
    """The frame of one captured message, worked out line by line."""
    head, _, body = message.partition(b"\n\n")
    lines = [line.split(b": ", 1) for line in head.split(b"\n") if line]
    headers: dict[str, str] = {}
    for name, value in (line if len(line) == 2 else (line[0].rstrip(b":"), b"") for line in lines):
        headers.setdefault(name.decode(), value.decode("utf-8", "replace").strip())
    return headers, body


@pytest.mark.parametrize("name", captures.names())
def test_a_capture_read_whole_gives_one_frame_for_each_message(name: str) -> None:
    messages = captures.received(name)
    reader = FrameReader()
    frames = reader.feed(b"".join(messages))
    assert [(frame.headers, frame.body) for frame in frames] == [expected(message) for message in messages]
    assert reader.pending == 0


@pytest.mark.parametrize("name", captures.names())
def test_a_capture_read_byte_by_byte_gives_the_same_frames_each_at_its_last_byte(name: str) -> None:
    reader = FrameReader()
    for message in captures.received(name):
        got: list[Frame] = []
        for at in range(len(message)):
            assert not got, "a frame came before its last byte"
            got = reader.feed(message[at : at + 1])
        assert [(frame.headers, frame.body) for frame in got] == [expected(message)]


@pytest.mark.parametrize("name", captures.names())
def test_trailing_data_waits_for_its_rest(name: str) -> None:
    reader = FrameReader()
    seen = 0
    messages = captures.received(name)
    half = 0
    for message, following in pairwise([*messages, GREETING]):
        ahead = max(1, len(following) // 2)
        frames = reader.feed(message[half:] + following[:ahead])
        assert len(frames) == 1
        assert reader.pending in (ahead, ahead - _head_if_whole(following[:ahead]))
        half = ahead
        seen += 1
    assert seen == len(messages)


def _head_if_whole(part: bytes) -> int:
    return part.index(b"\n\n") + 2 if b"\n\n" in part else 0


@pytest.mark.parametrize("name", captures.names())
def test_what_was_sent_reads_as_the_commands_it_was(name: str) -> None:
    commands = captures.sent(name)
    whole = CommandReader().feed(b"".join(commands))
    assert [command.line.encode() for command in whole] == [command.split(b"\n", 1)[0] for command in commands]
    reader = CommandReader()
    assert [c for data in commands for at in range(len(data)) for c in reader.feed(data[at : at + 1])] == whole


STREAM = b"".join(
    captures.received("answered-member-hangs-up.outbound-1")
    + captures.received("api-errors.inbound")
    + captures.received("offer-busy-486.inbound")[:12]
)
STREAM_FRAMES = FrameReader().feed(STREAM)


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_where_a_stream_is_split_does_not_matter(cuts: list[int]) -> None:
    reader = FrameReader()
    edges = [0, *sorted(cuts), len(STREAM)]
    assert [frame for a, b in pairwise(edges) for frame in reader.feed(STREAM[a:b])] == STREAM_FRAMES


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_noise_gives_frames_or_a_remote_error_and_never_anything_else(noise: bytes, cuts: list[int]) -> None:
    reader = FrameReader()
    for a, b in pairwise([0, *sorted(min(cut, len(noise)) for cut in cuts), len(noise)]):
        try:
            reader.feed(noise[a:b])
        except RemoteProtocolError:
            with pytest.raises(RemoteProtocolError):
                reader.feed(GREETING)
            return


@pytest.mark.parametrize(
    "banner",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        b"220 mail.example.com ESMTP\r\n",
        b"* OK IMAP4rev1\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x00" * 40,
        b"x" * 200,
    ],
)
def test_a_peer_that_speaks_no_esl_is_told_by_its_first_bytes(banner: bytes) -> None:
    with pytest.raises(NotEslError, match="speaks no ESL; it began with"):
        FrameReader().feed(banner)
    reader = FrameReader()
    one_by_one = (reader.feed(banner[at : at + 1]) for at in range(len(banner)))
    with pytest.raises(NotEslError):
        list(one_by_one)


def test_noise_after_the_greeting_is_not_quoted_since_it_may_be_our_password_echoed() -> None:
    reader = FrameReader()
    reader.feed(GREETING)
    with pytest.raises(NotEslError) as caught:
        reader.feed(b"auth hunter2\n\n")
    assert "hunter2" not in repr(caught.value)


@pytest.mark.parametrize(
    "length", [b"-1", b"1e3", b"0x10", b"", b"ten", b"99999999999999999999", b"16777217", b"3\xff"]
)
def test_a_content_length_that_is_no_number_or_too_large_is_a_remote_error(length: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        FrameReader().feed(b"Content-Type: api/response\nContent-Length: " + length + b"\n\nxyz")


def test_two_lengths_that_differ_are_a_remote_error() -> None:
    with pytest.raises(RemoteProtocolError):
        FrameReader().feed(b"Content-Length: 3\nContent-Length: 4\n\nabcd")


def test_the_largest_body_allowed_arrives_and_one_more_byte_is_refused_before_it_is_held() -> None:
    reader = FrameReader()
    body = b"x" * framing.MAX_BODY
    [frame] = reader.feed(b"Content-Type: api/response\nContent-Length: %d\n\n" % len(body) + body)
    assert frame.body == body
    with pytest.raises(RemoteProtocolError):
        reader.feed(b"Content-Type: api/response\nContent-Length: %d\n\n" % (len(body) + 1))


def test_an_endless_header_block_is_refused_at_the_limit() -> None:
    reader = FrameReader()
    line = b"X-Filler: " + b"y" * 1013 + b"\n"
    for _ in range(framing.MAX_HEADERS // len(line)):
        assert reader.feed(line) == []
    with pytest.raises(RemoteProtocolError, match="header block"):
        reader.feed(line * 2)


def test_byte_by_byte_costs_linear_time() -> None:
    def cost(size: int) -> float:
        data = b"Content-Type: x\nY: " + b"z" * size + b"\n\n"
        reader = FrameReader()
        began = time.process_time()
        frames = [frame for at in range(len(data)) for frame in reader.feed(data[at : at + 1])]
        assert len(frames) == 1
        return time.process_time() - began

    small = min(cost(10_000) for _ in range(3))
    assert cost(160_000) < 16 * small * 4  # quadratic would be 256 times


def test_blank_lines_between_messages_mean_nothing() -> None:
    assert len(FrameReader().feed(b"\n\n" + GREETING + b"\n" + GREETING)) == 2


def test_a_line_without_a_colon_continues_the_reply_above_it() -> None:
    assert parse_headers(b"Reply-Text: -ERR one\ntwo")["Reply-Text"] == "-ERR one\ntwo"


def test_of_two_headers_with_one_name_the_first_counts() -> None:
    assert parse_headers(b"A: 1\nA: 2") == {"A": "1"}


def test_values_are_decoded_once_and_after_the_split() -> None:
    assert decode_values(parse_headers(b"A: x%0AB: y\nC: %2541%FF+")) == {"A": "x\nB: y", "C": "%41\ufffd+"}
