"""How the switch takes in what a caller calls himself in his INVITE's From (read, and seen with 500 names)."""

from __future__ import annotations

from urllib.parse import unquote


def taken_in(name: str) -> str:
    """Return the caller id's name for a display *name* as its owner means it.

    The backslashes that SIP puts before quotes and backslashes stay in it. ``%XX`` is undone, and a NUL that comes of it
    ends the name; control characters become blanks, but for line ends; ``${`` becomes ``%{``.
    """
    text = name.replace("\\", "\\\\").replace('"', '\\"')
    if "%" in text:
        text = unquote(text, errors="replace")
    text = text.partition("\0")[0]
    text = "".join(" " if char < " " and char not in "\r\n" else char for char in text)
    return text.replace("${", "%{")
