"""How the lab's phones know whom they hear."""

from __future__ import annotations

import pytest

from tests.contract.media import PACKET, _number, _pattern


@pytest.mark.parametrize("number", [1, 99, 100, 12345, 999999])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_a_pattern_is_recognised_wherever_a_packet_begins(number: int, offset: int) -> None:
    assert _number((_pattern(number) * 2)[offset : offset + PACKET]) == number


@pytest.mark.parametrize("payload", [b"", b"\xff" * PACKET, bytes(range(160)), _pattern(1)[:80] + _pattern(2)[:80]])
def test_music_silence_and_mixtures_are_no_pattern(payload: bytes) -> None:
    assert _number(payload) is None
