"""The dialplan is read and expanded as the switch does it."""

from __future__ import annotations

import pytest

from fsqueue.simswitch.dialplan import Dialplan, inline
from fsqueue.simswitch.expand import cond, expand

XML = """
<include><context name="x">
  <extension name="first" continue="true"><condition field="destination_number" expression="^9(..)$">
    <action application="set" data="last=$1"/></condition></extension>
  <extension name="second"><condition field="destination_number" expression="^9"/>
    <condition field="${alive}" expression="^1$"><action application="a" data="${alive}"/><anti-action application="b" data=""/></condition>
  </extension>
  <extension name="third"><condition><action application="c" data=""/></condition></extension>
</context></include>
"""


def hunt(number: str, alive: str) -> list[tuple[str, str]]:
    plan = Dialplan()
    plan.include(XML)
    return plan.hunt("x", {"destination_number": number}, lambda text: text.replace("${alive}", alive))


def test_conditions_are_looked_at_in_order_and_actions_left_unexpanded() -> None:
    assert hunt("912", "1") == [("set", "last=12"), ("a", "${alive}")]


def test_what_is_otherwise_ends_the_hunt() -> None:
    assert hunt("9", "0") == [("b", "")]


def test_an_extension_whose_first_condition_fails_is_passed_over() -> None:
    assert hunt("8", "1") == [("c", "")]


@pytest.mark.parametrize("xml", ["<include>", "<include><extension name='a'/></include>"])
def test_what_is_no_dialplan_is_refused(xml: str) -> None:
    with pytest.raises(ValueError, match=r"XML|context"):
        Dialplan().include(xml)


def test_inner_expressions_come_first_and_an_escaped_dollar_stays() -> None:
    values = {"a": "5", "name": "a"}
    answers = expand(
        "${f(${a})}/${${name}}/\\${a}/${none}", lambda name: values.get(name, ""), lambda f, x: f"{f}<{x}>"
    )
    assert answers == "f<5>/5/${a}/"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5 < 10 ? y : n", "y"),
        ("0 > 1800000000 ? 1 : 0", "0"),
        ("0soon > 1 ? 1 : 0", "1"),
        ("a == a ? y : n", "y"),
        ("1 != 1 ? y : n", "n"),
    ],
)
def test_numbers_are_compared_as_numbers_and_words_by_their_lengths(text: str, value: str) -> None:
    assert cond(text) == value


def test_an_inline_dialplan_is_split_at_commas_or_at_its_own_separator() -> None:
    assert inline("'set:a=b c,park'") == [("set", "a=b c"), ("park", "")]
    assert inline("m:^:set:a=b,c^park") == [("set", "a=b,c"), ("park", "")]
