"""JSON that may be looked at: nothing in it can reach a terminal as an escape, and no text of a caller's makes it fail."""

from __future__ import annotations

import json

import msgspec

_ENCODER = msgspec.json.Encoder()


def encode(thing: object) -> bytes:
    """Return *thing* as one line of JSON, without a line feed, all of it printable."""
    try:
        text = _ENCODER.encode(thing).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which is no character and has no UTF-8
        whole = json.dumps(msgspec.to_builtins(thing), ensure_ascii=False, separators=(",", ":"))
        text = whole.encode("utf-8", "replace").decode()
    return printable(text).encode()


def printable(text: str) -> str:
    r"""Return JSON *text* with what is not printable in its strings written as ``\uXXXX``; line feeds and spaces stay.

    JSON itself escapes only what is below 0x20; DEL, the C1 controls (0x9b opens an escape sequence) and the marks that
    turn the direction of writing may stand in it as they are.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return "\\u007f" if char == "\x7f" else json.dumps(char)[1:-1]
