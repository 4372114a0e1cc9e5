from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.esl.errors import RemoteProtocolError
from fsqueue.esl.events import Event, channel_data, clean, decode, decode_plain, from_values
from fsqueue.esl.framing import Frame, FrameReader, decode_values, parse_headers
from tests.esl import captures

# The display names of the seven hostile callers, as FreeSWITCH holds them less control characters.
HELD = {
    1: 'O\'Brien, \\"x\\" {a=b} [c]',
    2: "Zażółć gęślą",
    3: "avariable_evil: yes",
    4: "x%{system(id)}y",
    5: "=?UTF-8?Q?q?=",
    6: "|;<script>&amp;",
    7: "\ufffdbroken",
}
FIELDS = {field.metadata["header"]: field.name for field in dataclasses.fields(Event) if field.metadata}


def frames(name: str) -> list[Frame]:
    return FrameReader().feed(b"".join(captures.received(name)))


def as_held(value: object) -> str:
    return value if isinstance(value, str) else "ARRAY::" + "|:".join(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", captures.names())
def test_every_captured_event_decodes_to_what_its_json_holds(name: str) -> None:
    for frame in frames(name):
        if frame.content_type != "text/event-json":
            continue
        event = decode(frame.body)
        held = json.loads(frame.body.decode("utf-8", "replace"))
        for header, field in FIELDS.items():
            value = as_held(held.get(header, ""))
            assert getattr(event, field) == (value if field == "body" else clean(value)), header


@pytest.mark.parametrize("name", captures.names())
def test_every_captured_plain_event_has_its_name_and_time(name: str) -> None:
    for frame in frames(name):
        if frame.content_type == "text/event-plain":
            event = decode_plain(frame.body)
            assert event.name
            assert event.timestamp.isdecimal()
            assert (event.body != "") == (event.name == "BACKGROUND_JOB")


@pytest.mark.parametrize("kind", ["hostile-caller-id", "hostile-caller-id-plain"])
@pytest.mark.parametrize("caller", HELD)
def test_a_hostile_name_on_the_dialplans_socket_comes_out_as_held_and_forges_nothing(kind: str, caller: int) -> None:
    answers = [frame for frame in frames(f"{kind}.outbound-{caller}") if "Event-Name" in frame.headers]
    assert len(answers) == 1
    assert channel_data(answers[0]).caller_name == HELD[caller]
    assert channel_data(answers[0]).uuid
    assert not [name for name in decode_values(answers[0].headers) if "evil" in name.lower()]


@pytest.mark.parametrize(
    ("kind", "read"), [("hostile-caller-id", decode), ("hostile-caller-id-plain", decode_plain)], ids=["json", "plain"]
)
def test_a_hostile_name_in_events_comes_out_as_held(kind: str, read: object) -> None:
    events = [read(f.body) for f in frames(f"{kind}.inbound") if f.content_type.startswith("text/event-")]  # type: ignore[operator]
    seen = {event.caller_name for event in events if event.caller_name}
    assert set(HELD.values()) <= seen
    assert {name for name in seen if "evil" in name} == {HELD[3]}


def test_no_reader_of_the_plain_capture_ever_holds_a_forged_header() -> None:
    bodies = [f.body for f in frames("hostile-caller-id-plain.inbound") if f.content_type == "text/event-plain"]
    assert any(b"%0Avariable_evil" in body for body in bodies), "the capture holds the attack"
    for body in bodies:
        assert not [name for name in decode_values(parse_headers(body.partition(b"\n\n")[0])) if "evil" in name]


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert decode(b'{"Event-Name":"DTMF","Caller-Caller-ID-Name":"\xffx"}').caller_name == "\ufffdx"


def test_values_that_are_no_text_are_made_text() -> None:
    event = decode(b'{"Event-Name":7,"Unique-ID":null,"Job-UUID":true,"contact":["a","b"],"user":{"a":1},"host":1.5}')
    assert (event.name, event.uuid, event.job, event.contact) == ("7", "", "true", "ARRAY::a|:b")
    assert event.reg_host == "1.5"
    assert "a" in event.reg_user


def test_raw_control_characters_and_half_surrogates_spoil_no_event() -> None:
    event = decode(b'{"Event-Name":"X\x01","Caller-Caller-ID-Name":"a\\ud800b","Unique-ID":"\\ud83d\\ude00"}')
    assert (event.name, event.caller_name, event.uuid) == ("X", "a\ufffdb", "\U0001f600")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"7", b'"x"', b"null", b"{", b'{"a":}', b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000]
)
def test_what_is_no_json_object_is_a_remote_error(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode(data)


def test_a_remote_error_carries_nothing_of_what_was_sent() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(b'{"hunter2')
    assert caught.value.__cause__ is None
    assert "hunter2" not in repr(caught.value)


def test_what_is_read_late_is_as_if_all_had_been_read_at_once() -> None:
    for frame in frames("hostile-caller-id.inbound"):
        if frame.content_type == "text/event-json":
            late, values = decode(frame.body), json.loads(frame.body.decode("utf-8", "replace"))
            at_once = from_values({header: as_held(value) for header, value in values.items()})
            assert late == at_once
            assert repr(late) == repr(at_once)


def test_an_event_has_no_other_attributes_and_cannot_be_changed() -> None:
    event = decode(b'{"Event-Name":"DTMF"}')
    assert not hasattr(event, "no_such_field")
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.name = "X"  # type: ignore[misc]


@pytest.mark.parametrize("value", [b'"\\q"', b'"\xff"', b"[1]", b"1", b"null", b'"\x01"', b'"\\ud800"'])
def test_a_field_read_late_never_raises(value: bytes) -> None:
    try:
        event = decode(b'{"Event-Name":"DTMF","Hangup-Cause":' + value + b',"Caller-Context":' + value + b"}")
    except RemoteProtocolError:
        return
    assert event.name == "DTMF"
    assert isinstance(event.hangup_cause, str)
    assert isinstance(event.context, str)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=40), max_size=12), st.booleans())
def test_a_compact_event_gives_what_its_json_holds(values: dict[str, str], escaped: bool) -> None:
    held = {"Event-Name": "DTMF", **values}
    event = decode(json.dumps(held, separators=(",", ":"), ensure_ascii=escaped).encode())
    for header, field in FIELDS.items():
        text = held.get(header, "")
        assert getattr(event, field) == (text if field == "body" else clean(text))


@pytest.mark.parametrize("nasty", ['","Unique-ID":"evil', ',"Unique-ID":"evil', "\\", '\\","Unique-ID":"evil', ","])
def test_no_value_can_pass_for_a_header(nasty: str) -> None:
    data = json.dumps({"Event-Name": "DTMF", "a": nasty, nasty: nasty, "z": ""}, separators=(",", ":")).encode()
    assert decode(data).uuid == ""
    with_uuid = data[:-1] + b',"Unique-ID":"u"}'
    assert decode(with_uuid).uuid == "u"


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.text(max_size=40), max_size=12))
def test_any_text_comes_through_less_control_characters(values: dict[str, str]) -> None:
    event = decode(json.dumps(values).encode())
    for header, field in FIELDS.items():
        text = values.get(header, "")
        assert getattr(event, field) == (text if field == "body" else clean(text))


@given(st.text(max_size=60))
def test_clean_leaves_nothing_that_ends_a_line(text: str) -> None:
    assert len(clean(text).splitlines()) <= 1
    assert "\x1b" not in clean(text)


def test_an_answer_to_connect_without_a_channel_is_a_remote_error() -> None:
    with pytest.raises(RemoteProtocolError):
        channel_data(Frame({"Content-Type": "command/reply", "Reply-Text": "-ERR no"}))
