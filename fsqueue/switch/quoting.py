"""The one place where text becomes part of a command: everything that a caller, a phone or a file says passes here.

FreeSWITCH reads the same characters as separators in one place and expands them in the next, and it percent-decodes
display names into SIP headers (measured: a caller named ``a%0D%0AX-Evil%3A 1`` put a header of his own into an INVITE).
So there is one function per place, each of which returns text that is inert there or raises :class:`Unquotable`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_NAME = 80
"""Longest display name, in characters, that is passed on; a 20 kB name makes each event 84 kB."""
MAX_NUMBER = 64

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# With `inbound-use-callid-as-uuid` it is the caller's own Call-ID.
_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:/+=~\[\]-]{0,127}")
_CAUSE = re.compile(r"[A-Z][A-Z0-9_]{1,63}")
_WORD = re.compile(r"[A-Za-z0-9._:+-]{1,128}")
_USER = re.compile(r"[0-9A-Za-z.!~*+_#-]{1,64}@[0-9A-Za-z.:_\[\]-]{1,255}")
_KEY = re.compile(r"[0-9*#]")
_NOT_IN_NUMBER = re.compile(r"[^A-Za-z0-9+*#._-]")
# A space ends an argument, quotes and backslashes change how the rest is read, `$` expands, `;` separates variables.
_UNPLAYABLE = re.compile("[\x00-\x20\x7f-\x9f\u2028\u2029'\"\\\\$;|^]")
# `:_:` separates whole originates wherever it stands, and what follows `^` is taken for the To header (read).
_IN_CONTACT = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff,'\"\\${}|^]|(?<=:)_(?=:)")
_AFTER_BRACES = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Unquotable(ValueError):  # noqa: N818 — said as one says it
    """The text can't stand where it should; the message names the place, never the text itself."""


def _checked(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise Unquotable(f"not {what}")
    return text


def uuid(text: str) -> str:
    """Return *text* if it can be a channel's or job's uuid: one word, without what quotes, separates or expands."""
    return _checked(_UUID, text, "a uuid")


def is_uuid(text: str) -> bool:
    """Whether :func:`uuid` takes *text*."""
    return _UUID.fullmatch(text) is not None


def cause(text: str) -> str:
    """Return *text* if it looks like a hangup cause (``USER_BUSY``)."""
    return _checked(_CAUSE, text, "a hangup cause")


def word(text: str) -> str:
    """Return *text* if it is one harmless word: an owner, an extension of the dialplan, a context."""
    return _checked(_WORD, text, "one word")


def user(text: str) -> str:
    """Return *text* if it is ``user@domain``, for a look-up of registrations and for mailboxes."""
    return _checked(_USER, text, "user@domain")


def key(text: str) -> str:
    """Return the pattern for one key of a telephone, as ``play_and_get_digits`` wants it."""
    digit = _checked(_KEY, text, "a key of a telephone")
    return "[*]" if digit == "*" else digit


def encode(text: str) -> str:
    """Percent-encode every byte outside ``[A-Za-z0-9]``: inert in braces, in ``multiset`` and in ``uuid_setvar_multi``."""
    data = text.encode("utf-8", "replace")
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 0x80 else f"%{byte:02X}" for byte in data)


def display_name(text: str) -> str:
    """Return a caller's name for ``origination_caller_id_name``: 500 of 500 nasty names came through unchanged so."""
    clean = _CONTROL.sub("", text)[:MAX_NAME]
    return encode(clean.replace("\\", "\\\\").replace('"', "'"))


def number(text: str) -> str:
    """Return what is a telephone number in *text*: it becomes the user part of a SIP address, where no quoting holds."""
    return _NOT_IN_NUMBER.sub("", text)[:MAX_NUMBER]


def dialled(text: str) -> str:
    """Return the dialled number for ``destination_number``: plain where it is one, every other byte encoded."""
    return "".join(c if not _NOT_IN_NUMBER.match(c) else encode(c) for c in text[:MAX_NUMBER])


def plain(text: str) -> str:
    """Return *text* for a variable of ours: as it is where it is an id or a number, else encoded."""
    return text if _WORD.fullmatch(text) else encode(text)


def playable(text: str) -> str:
    """Return music or a prompt (a file, ``local_stream://…``, ``tone_stream://…``) if it can stand unquoted.

    Raises:
        Unquotable: it is empty, or has a space, a quote, a backslash, or one of ``$ ; | ^``.
    """
    if not text or _UNPLAYABLE.search(text):
        raise Unquotable("not playable: spaces, quotes, backslashes and $ ; | ^ can't stand in it")
    return text


def contact(text: str) -> str:
    """Return one contact of ``sofia_contact`` for a dial string: verbatim but for what would end or expand it.

    The switch's form carries ``fs_path``, WebSocket and NAT marks that must stay; what phones say of themselves is in it.
    """
    if not text.startswith("sofia/"):
        raise Unquotable("not a contact")
    return _IN_CONTACT.sub(lambda found: encode(found.group()), text)


def contacts(answer: str) -> tuple[str, ...]:
    """Return the contacts in the answer of ``sofia_contact``, inert; none for ``error/user_not_registered``.

    Split only at ``,sofia/``: a comma inside a contact is the phone's.
    """
    text = answer.strip()
    if not text.startswith("sofia/"):
        return ()
    first, *others = text.split(",sofia/")
    return tuple(contact(part) for part in (first, *(f"sofia/{other}" for other in others)))


def dial_string(text: str) -> str:
    """Return a dial string of the configuration if it can stand in an ``originate``: no line ends, no open quote.

    Raises:
        Unquotable: it has control characters, a space outside single quotes, or an odd number of single quotes.
    """
    outside = "".join(text.split("'")[::2])
    if not text or _AFTER_BRACES.search(text) or text.count("'") % 2 or " " in outside:
        raise Unquotable("not a dial string")
    return text


def outbound(pattern: str, to: str) -> str:
    """Return the dial string for the number *to* by ``telephony.outbound`` (*pattern*, with ``{number}`` in it)."""
    digits = number(to)
    if not any(map(str.isalnum, digits)) or "{number}" not in pattern:
        raise Unquotable("no way to dial a number")
    return dial_string(pattern.replace("{number}", digits))


def braces(variables: Sequence[tuple[str, str]]) -> str:
    """Return ``{a=b,c=d}`` for an ``originate``; the values are inert already.

    Raises:
        Unquotable: a value has a character that would end it.
    """
    for _name, value in variables:
        if re.search(r"[\s,{}'\[\]|^]|:_:", value) and not value.startswith("fsq1|"):
            raise Unquotable("a value that can't stand in braces")
    return "{" + ",".join(f"{name}={value}" for name, value in variables) + "}"


def setvars(variables: Sequence[tuple[str, str]]) -> str:
    """Return ``a=b;c=d`` for ``uuid_setvar_multi``; the values are inert already."""
    if any(re.search(r"[\s;'\"]", value) for _name, value in variables):
        raise Unquotable("a value that can't stand in uuid_setvar_multi")
    return ";".join(f"{name}={value}" for name, value in variables)


def multiset(variables: Sequence[tuple[str, str]]) -> str:
    """Return ``a=b c=d`` for the application ``multiset``; ``${…}`` would be expanded there (``${system(id)}`` ran)."""
    if any(not value or re.search(r"[\s$'\"\\]", value) for _name, value in variables):
        raise Unquotable("a value that can't stand in multiset")
    return " ".join(f"{name}={value}" for name, value in variables)


def inline(*applications: tuple[str, str]) -> str:
    """Return an inline dialplan in its single quotes: ``'app:arg,app:arg'``, or with commas inside ``'m:^:app:arg^app:arg'``.

    Raises:
        Unquotable: an argument has a quote, a backslash, ``$`` or ``^`` (where it is split, the call is hung up).
    """
    for _application, argument in applications:
        if re.search(r"[\^'\\$\x00-\x1f\x7f]", argument):
            raise Unquotable("an argument that can't stand in an inline dialplan")
    # A comma inside an argument splits it, and the call is hung up with DESTINATION_OUT_OF_ORDER; another mark can be named.
    mark, first = ("^", "m:^:") if any("," in argument for _, argument in applications) else (",", "")
    steps = mark.join(
        f"{application}:{argument}" if argument else application for application, argument in applications
    )
    return f"'{first}{steps}'"


def presence(*fields: str) -> str:
    """Return ``fsq1|…`` for ``presence_data``, by which ``show channels like fsq`` finds our legs."""
    return "|".join(("fsq1", *(plain(field) for field in fields)))
