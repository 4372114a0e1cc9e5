from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.simswitch.dialplan import inline
from fsqueue.simswitch.originate import places
from fsqueue.switch import quoting
from fsqueue.switch.quoting import Unquotable

NASTY = st.text(max_size=120) | st.sampled_from(
    [
        'O\'Brien, "x" {a=b} [c]',
        "a%0D%0AX-Evil%3A 1",
        "x${system(id)}y",
        "a%0Avariable_evil: yes%0A",
        "|;<script>&amp;",
        "\r\nbgapi shutdown",
        "Zażółć gęślą",
        "\ud800",
    ]
)
INERT = re.compile(r"[A-Za-z0-9%]*")


@given(NASTY)
def test_display_names_and_values_are_letters_digits_and_percent_only(text: str) -> None:
    assert INERT.fullmatch(quoting.display_name(text))
    assert INERT.fullmatch(quoting.encode(text))


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\\u2028\u2029'), max_size=80)
)
def test_an_encoded_name_decodes_to_the_name(text: str) -> None:
    decoded = re.sub(
        r"(?:%[0-9A-F]{2})+", lambda m: bytes.fromhex(m[0].replace("%", "")).decode(), quoting.display_name(text)
    )
    assert decoded == text


def test_names_lose_control_characters_and_keep_quotes_harmless() -> None:
    assert quoting.display_name('a\r\nb "c" \\') == "ab%20%27c%27%20%5C%5C"


@given(NASTY)
def test_numbers_keep_only_what_is_a_number(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9+*#._-]{0,64}", quoting.number(text))


@given(NASTY)
def test_a_dialled_number_is_one_inert_word(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9+*#._%-]*", quoting.dialled(text))


@given(NASTY)
def test_a_contact_can_neither_end_nor_expand_a_dial_string(text: str) -> None:
    assert not re.search(r"[\s,'\"\\${}|]", quoting.contact("sofia/internal/" + text))


def test_contacts_are_split_only_where_the_next_one_begins() -> None:
    answer = (
        "sofia/internal/sip:1001@1.2.3.4:5060;fs_path=sip%3A1.2.3.4,x,sofia/internal/sip:1001@[::1]:5062;transport=ws\n"
    )
    assert quoting.contacts(answer) == (
        "sofia/internal/sip:1001@1.2.3.4:5060;fs_path=sip%3A1.2.3.4%2Cx",
        "sofia/internal/sip:1001@[::1]:5062;transport=ws",
    )


@pytest.mark.parametrize("answer", ["error/user_not_registered", "", "-ERR no reply", "loopback/1001,sofia/x"])
def test_what_is_no_contact_gives_none(answer: str) -> None:
    assert quoting.contacts(answer) == ()


def test_a_phones_contact_cannot_add_variables_or_endpoints() -> None:
    assert (
        quoting.contacts("sofia/internal/sip:{a=b}$${x}' |@h")[0]
        == "sofia/internal/sip:%7Ba=b%7D%24%24%7Bx%7D%27%20%7C@h"
    )


def test_a_phones_contact_cannot_begin_another_originate_or_name_another_to() -> None:
    contact = quoting.contacts("sofia/internal/sip:1001@h;x=:_:_:loopback/9^evil@h")[0]
    assert contact == "sofia/internal/sip:1001@h;x=:%5F:%5F:loopback/9%5Eevil@h"
    assert len(places(contact)) == 1


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (quoting.uuid, "a b"),
        (quoting.uuid, ""),
        (quoting.uuid, "-all"),
        (quoting.uuid, "a\nb"),
        (quoting.cause, "USER_BUSY x"),
        (quoting.cause, "user_busy"),
        (quoting.user, "1001@lab more"),
        (quoting.user, "1001"),
        (quoting.user, "*/@lab/x"),
        (quoting.word, "a b"),
        (quoting.key, "12"),
        (quoting.key, "x"),
        (quoting.playable, ""),
        (quoting.playable, "/a b.wav"),
        (quoting.playable, "${system(id)}"),
        (quoting.playable, "a;b=c"),
        (quoting.dial_string, "sofia/x y"),
        (quoting.dial_string, "sofia/x'y"),
        (quoting.dial_string, "sofia/x\ny"),
        (quoting.contact, "user/1001"),
    ],
)
def test_what_cannot_stand_in_its_place_is_refused_without_being_quoted(check: object, text: str) -> None:
    with pytest.raises(Unquotable) as refused:
        check(text)  # type: ignore[operator]
    assert not text or text not in str(refused.value)


@given(NASTY)
def test_an_inline_argument_is_never_split(text: str) -> None:
    try:
        written = quoting.inline(("hangup", text), ("park", ""))
    except Unquotable:
        return
    assert written.count("'") == 2
    assert inline(written) == [("hangup", text.rstrip()), ("park", "")]


def test_inline_applications_stand_in_single_quotes() -> None:
    assert quoting.inline(("voicemail", "default lab 1001"), ("park", "")) == "'voicemail:default lab 1001,park'"


def test_inline_applications_are_told_apart_by_another_mark_where_a_comma_belongs_to_an_argument() -> None:
    assert quoting.inline(("playback", "a,b"), ("park", "")) == "'m:^:playback:a,b^park'"


@pytest.mark.parametrize("bad", ["a b", "a,b", "{x}", "a\nb", "a'b"])
def test_values_in_braces_must_be_inert(bad: str) -> None:
    with pytest.raises(Unquotable):
        quoting.braces([("x", bad)])


def test_no_value_in_braces_begins_another_originate() -> None:
    with pytest.raises(Unquotable):
        quoting.braces([("hold_music", "local_stream://a:_:loopback/9")])


def test_empty_values_cannot_stand_in_multiset() -> None:
    with pytest.raises(Unquotable):
        quoting.multiset([("a", "")])


def test_a_number_is_put_into_the_outbound_dial_string_as_digits_only() -> None:
    assert quoting.outbound("sofia/gateway/p/{number}", "+48 22,1{x}") == "sofia/gateway/p/+48221x"
    with pytest.raises(Unquotable):
        quoting.outbound("", "48")


def test_keys_are_patterns_for_exactly_that_key() -> None:
    assert [quoting.key(k) for k in "1*#"] == ["1", "[*]", "#"]
