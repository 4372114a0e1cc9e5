"""The exact bytes of every command, each written in one piece.

Only the framing is protected here: a carriage return, a line feed or a NUL in any part would be another command, and is
refused. What a value means inside braces, a dial string or an application's argument is quoted where those are made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fsqueue.esl.errors import LocalProtocolError

_FORBIDDEN = re.compile("[\r\n\0]")


def _line(*parts: str) -> bytes:
    """Return *parts* as one line without its end."""
    for part in parts:
        if _FORBIDDEN.search(part):
            # What is refused is not quoted: it may be a password, and it would break the log's line too.
            raise LocalProtocolError("a line break or NUL inside a command")
    try:
        return " ".join(part for part in parts if part).encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("half a surrogate pair inside a command: no text that can be encoded") from None


def _word(what: str, text: str) -> str:
    """Return *text*, which must be one word: it stands where a space begins the next part."""
    if not text or any(character.isspace() for character in text):
        raise LocalProtocolError(f"{what} must be one word")
    return text


def _message(*lines: bytes) -> bytes:
    return b"\n".join(lines) + b"\n\n"


def auth(password: str) -> bytes:
    """Log in with the event socket's password."""
    if not password:
        raise LocalProtocolError("an empty password")
    return _message(_line("auth", password))


def connect() -> bytes:
    """Take a call over on the dialplan's socket; the answer carries the channel's data."""
    return _message(b"connect")


def exit_() -> bytes:
    """Say goodbye: FreeSWITCH answers and closes."""
    return _message(b"exit")


def myevents(*, uuid: str = "") -> bytes:
    """Ask for all events of one channel as JSON: on an outbound socket of its own, else of *uuid*."""
    return _message(_line("myevents", "json", _word("uuid", uuid) if uuid else ""))


def linger(seconds: int | None = None) -> bytes:
    """Keep an outbound socket open after the hang-up until all events are sent, at most *seconds* (1 or more)."""
    if seconds is not None and seconds < 1:
        raise LocalProtocolError("linger takes one second or more")
    return _message(_line("linger", "" if seconds is None else str(seconds)))


def events(names: Sequence[str], subclasses: Sequence[str] = ()) -> bytes:
    """Subscribe to events as JSON: *names* such as ``CHANNEL_ANSWER``, *subclasses* of CUSTOM such as ``sofia::register``.

    CUSTOM stands last, since FreeSWITCH takes every word after it for a subclass.
    """
    if "CUSTOM" in names:
        raise LocalProtocolError("CUSTOM comes with its subclasses, not among the names")
    words = [_word("an event's name", name) for name in (*names, *subclasses)]
    if not words:
        raise LocalProtocolError("a subscription to nothing")
    if subclasses:
        words.insert(len(names), "CUSTOM")
    return _message(_line("event", "json", *words))


def noevents() -> bytes:
    """End every subscription."""
    return _message(b"noevents")


def filter_(header: str, value: str) -> bytes:
    """Let events pass whose *header* is *value*, or matches it where it is ``/regex/``; several filters are OR."""
    if not value.strip():
        raise LocalProtocolError("a filter without a value")
    return _message(_line("filter", _word("a filter's header", header), value))


def filter_delete(header: str, value: str = "") -> bytes:
    """Take back the filters on *header* (``all``: every one), or only the one with *value*."""
    return _message(_line("filter", "delete", _word("a filter's header", header), value))


def api(command: str, arguments: str = "") -> bytes:
    """Run an API command; the connection's later commands wait for its answer."""
    return _message(_line("api", _word("an API command", command), arguments))


def bgapi(command: str, arguments: str = "", *, job: str) -> bytes:
    """Run an API command in the background; its result is the BACKGROUND_JOB event whose ``Job-UUID`` is *job*."""
    return _message(
        _line("bgapi", _word("an API command", command), arguments),
        _line("Job-UUID:", _word("a job's id", job)),
    )


def execute(application: str, argument: str = "", *, uuid: str = "") -> bytes:
    """Run a dialplan application on a channel: *uuid*, or on an outbound socket its own; queued after what runs."""
    return _message(*_execute(application, argument, uuid))


def execute_locked(application: str, argument: str = "", *, uuid: str = "") -> bytes:
    """As :func:`execute`, with ``event-lock``: the channel takes the next message when this application is done."""
    return _message(*_execute(application, argument, uuid), b"event-lock: true")


def _execute(application: str, argument: str, uuid: str) -> list[bytes]:
    lines = [
        _line("sendmsg", _word("a uuid", uuid) if uuid else ""),
        b"call-command: execute",
        _line("execute-app-name:", _word("an application", application)),
    ]
    if argument:
        lines.append(_line("execute-app-arg:", argument))
    return lines


def hangup(cause: str, *, uuid: str = "") -> bytes:
    """Hang up a channel with *cause*, such as ``USER_BUSY``: *uuid*, or on an outbound socket its own."""
    return _message(
        _line("sendmsg", _word("a uuid", uuid) if uuid else ""),
        b"call-command: hangup",
        _line("hangup-cause:", _word("a cause", cause)),
    )
