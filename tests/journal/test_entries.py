"""Journal lines: what goes in comes out, what isn't known is kept, and nothing a caller sends escapes."""

from __future__ import annotations

import json

import pytest

from fsqueue.engine.messages import Caller, CallOpened, Leg, Record
from fsqueue.journal.entries import RECORD_KINDS, CorruptLineError, Gap, Unknown, decode, encode
from tests.journal.samples import SAMPLES

HOSTILE = '\x1b[2J\r\n\0\x7f\x9b31m\u202eevil\u2028\ud800\U000e0041 "quoted\\" Zażółć 漢字 😀'


def opened(name: str) -> CallOpened:
    return CallOpened(
        call="01J", leg=Leg("main", "u"), arrival="a", caller=Caller("+48", name), number="48", dialled="48", music="",
        priority=None, joined=1.5,
    )  # fmt: skip


def test_every_kind_of_record_has_a_sample() -> None:
    assert {type(sample) for sample in SAMPLES} == set(RECORD_KINDS)


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: type(record).__name__)
def test_what_is_written_is_read_back_equal(record: Record) -> None:
    line = encode(7, 1790000000.123456, record)
    entry = decode(line)
    assert (entry.seq, entry.t, entry.record) == (7, 1790000000.123456, record)
    assert entry.line + b"\n" == line


@pytest.mark.parametrize("kind", [*RECORD_KINDS, Gap], ids=lambda kind: kind.__name__)
def test_no_field_of_a_record_hides_one_of_the_frame(kind: type[Record]) -> None:
    assert not {"v", "seq", "t", "kind", "type"} & set(kind.__struct_fields__)


def test_a_line_begins_with_its_frame() -> None:
    assert encode(3, 4.5, Gap(last=9, why="full")) == b'{"v":1,"seq":3,"t":4.5,"kind":"Gap","last":9,"why":"full"}\n'


def test_no_character_of_a_callers_name_leaves_the_json_string() -> None:
    line = encode(1, 1.0, opened(HOSTILE))
    assert line.count(b"\n") == 1
    assert line.decode().rstrip("\n").isprintable()
    entry = decode(line)
    assert isinstance(entry.record, CallOpened)
    assert entry.record.caller.name == HOSTILE.replace("\ud800", "?")
    assert json.loads(line)["caller"]["name"] == entry.record.caller.name


@pytest.mark.parametrize("code", [*range(0x20), *range(0x7F, 0xA1), 0xAD, 0x200B, 0x202E, 0x2066, 0xFEFF, 0xE0001])
def test_each_control_character_comes_back_and_never_stands_in_the_line(code: int) -> None:
    line = encode(1, 1.0, opened(f"a{chr(code)}b"))
    assert chr(code) not in line.decode().removesuffix("\n")
    assert decode(line).record == opened(f"a{chr(code)}b")


def test_an_unknown_kind_is_kept_as_it_is() -> None:
    line = b'{"v":1, "kind":"Callback","seq":12,"t":3.25,"call":"x","odd":[1,{"a":null}]}'
    entry = decode(line + b"\n")
    assert isinstance(entry.record, Unknown)
    assert (entry.record.kind, entry.seq, entry.t, entry.last) == ("Callback", 12, 3.25, 12)
    assert entry.line == line


def test_an_unknown_field_is_passed_over_and_kept() -> None:
    line = encode(5, 1.0, opened("Jan")).replace(b'"music"', b'"mood":{"x":1},"music"')
    entry = decode(line)
    assert entry.record == opened("Jan")
    assert entry.line + b"\n" == line


def test_a_value_this_version_cannot_read_makes_the_entry_unknown_not_corrupt() -> None:
    line = encode(5, 1.0, opened("Jan")).replace(b'"joined":1.5', b'"joined":"later"')
    record = decode(line).record
    assert isinstance(record, Unknown)
    assert "joined" in record.why


def test_a_line_of_a_later_format_is_not_guessed_at() -> None:
    record = decode(encode(5, 1.0, opened("Jan")).replace(b'"v":1', b'"v":2')).record
    assert isinstance(record, Unknown)
    assert "format 2" in record.why


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"{}", b"[1]", b"null", b"\0\0\0", b"\xff\xfe", b'{"v":1,"seq":"1","t":1,"kind":"Gap"}',
        b'{"v":1,"seq":0,"t":1,"kind":"X"}', b'{"v":1,"seq":-3,"t":1,"kind":"X"}', b'{"v":1,"seq":1,"t":1,"kind":"X"}}',
    ],
)  # fmt: skip
def test_what_has_no_frame_of_ours_is_corrupt(line: bytes) -> None:
    with pytest.raises(CorruptLineError):
        decode(line)


def test_a_line_cut_anywhere_is_corrupt() -> None:
    line = encode(1, 1.0, opened("Zażółć")).removesuffix(b"\n")
    for end in range(len(line)):
        with pytest.raises(CorruptLineError):
            decode(line[:end])


def test_a_gap_stands_for_all_its_numbers() -> None:
    assert decode(encode(3, 4.5, Gap(last=9, why="full"))).last == 9
