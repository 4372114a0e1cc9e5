"""SIP messages of the lab's phones: read, built, authenticated."""

from __future__ import annotations

import pytest

from tests.contract.message import MalformedError, address, authorize, parse, quoted, respond

INVITE = (
    b"INVITE sip:1001@127.0.0.1:5060 SIP/2.0\r\nv: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\r\n"
    b'From: "Ala" <sip:5551@lab>;tag=t1\r\nTo: <sip:1001@lab>\r\nCall-ID: c1\r\nCSeq: 7 INVITE\r\nContent-Length: 4\r\n\r\nv=0\n'
)


def test_a_request_is_read_with_its_short_header_names() -> None:
    message = parse(INVITE)
    assert (message.method, message.branch, message.cseq, message.body) == (
        "INVITE",
        "z9hG4bKa",
        (7, "INVITE"),
        "v=0\n",
    )


def test_a_response_repeats_what_it_answers_and_adds_one_tag() -> None:
    answer = parse(respond(parse(INVITE), 180, "Ringing", "mine").encode())
    assert (answer.code, answer.call_id, answer.branch) == (180, "c1", "z9hG4bKa")
    assert answer.one("to") == "<sip:1001@lab>;tag=mine"
    assert parse(respond(answer, 200, "OK", "other").encode()).one("to").count("tag=") == 1


@pytest.mark.parametrize("name", ["Ala", 'the "boss"', "a\\b", "a@b;c<d>", "", "Zażółć"])
def test_a_display_name_survives_being_quoted(name: str) -> None:
    assert address(f"{quoted(name)} <sip:1@lab>;tag=x") == (name, "sip:1@lab", "x")


def test_bytes_that_are_no_utf_8_go_through_unchanged() -> None:
    data = INVITE.replace(b"Ala", b"\xff\xfe")
    assert parse(data).one("from").encode(errors="surrogateescape") == b'"\xff\xfe" <sip:5551@lab>;tag=t1'


def test_a_digest_answer_is_the_one_of_rfc_2617() -> None:
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    answer = authorize(challenge, "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer


def test_what_is_no_sip_is_refused() -> None:
    with pytest.raises(MalformedError):
        parse(b"\r\n\r\n")
