"""Forwards that come back in are known by their header, and suspected by their number."""

from __future__ import annotations

import msgspec
import pytest

from fsqueue.engine.messages import Arrived, Caller
from fsqueue.switch.returns import same_number
from tests.switch.bench import FACTS, Bench, leg

TARGET = "+48601234567"
OTHER = "11111111-1111-4111-8111-111111111111"


def forwarding(**ring: object) -> Bench:
    """A bench on which a forward of a call from 48225550001 rings."""
    b = Bench(msgspec.structs.replace(FACTS, caller_id_number="+48221234567"))
    b.waiting()
    b.give(b.ring("c1.1", "", number=TARGET, caller=Caller(number="48225550001"), **ring))
    return b


def came(b: Bench, **fields: str) -> tuple[str, bool]:
    b.arrive(OTHER, "s2", **{"caller_number": "0048225550009", **fields})
    arrived = b.got(Arrived)[-1]
    return arrived.returned, arrived.surely


def test_a_forward_says_in_a_header_which_one_it_is() -> None:
    assert "sip_h_X-FSQueue-Forward=c1.1," in forwarding().texts("originate")[0] + ","


def test_no_other_offer_has_that_header() -> None:
    b = Bench()
    b.waiting()
    b.give(b.ring())
    assert "FSQueue" not in b.texts("originate")[0]


def test_a_call_with_the_header_of_a_forward_that_rings_surely_came_back() -> None:
    assert came(forwarding(), forward_mark="c1.1") == ("c1.1", True)


@pytest.mark.parametrize("mark", ["", "c1.2", "c9.1", "nonsense"])
def test_a_call_with_another_header_is_a_call_like_any_other(mark: str) -> None:
    assert came(forwarding(), forward_mark=mark) == ("", False)


def test_a_call_from_the_number_that_a_forward_shows_may_have_come_back() -> None:
    assert came(forwarding(), caller_number="+48225550001") == ("c1.1", False)


@pytest.mark.parametrize(
    "said",
    [
        {"diversion": "<sip:0601234567@provider.example>;reason=unconditional"},
        {"history_info": "<sip:+48221234567@a>;index=1, <tel:+48601234567>;index=1.1"},
    ],
)
def test_one_that_says_it_was_diverted_where_the_forward_went_surely_did(said: dict[str, str]) -> None:
    assert came(forwarding(), caller_number="225550001", **said) == ("c1.1", True)


def test_a_diversion_alone_proves_nothing_since_others_call_that_mobile_too() -> None:
    assert came(forwarding(), diversion="<sip:+48601234567@provider.example>") == ("", False)


def test_with_the_companys_own_number_shown_that_number_is_what_comes_back() -> None:
    b = forwarding(caller_id="own")
    assert came(b, caller_number="48221234567") == ("c1.1", False)


def test_a_hidden_caller_leaves_no_number_to_go_by() -> None:
    b = Bench()
    b.waiting()
    b.give(b.ring("c1.1", "", number=TARGET, caller=Caller(number="anonymous", hidden=True)))
    assert came(b, caller_number="anonymous") == ("", False)


def test_the_caller_himself_arriving_anew_is_no_forward() -> None:
    b = forwarding()
    b.arrive(leg().uuid, "s2", caller_number="48225550001")
    assert b.got(Arrived)[-1].returned == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+48601234567", "601234567", True),
        ("0048601234567", "0601234567", True),
        ("601", "48601", False),
        ("601", "601", True),
        ("", "", False),
        ("anonymous", "", False),
    ],
)
def test_numbers_are_the_same_with_and_without_their_country(one: str, other: str, *, same: bool) -> None:
    assert same_number(one, other) is same
