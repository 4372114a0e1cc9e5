"""What can go wrong on an ESL link, typed by whose fault it is."""

from __future__ import annotations

import enum


class EslError(Exception):
    """Everything this package raises on purpose."""


class LocalProtocolError(EslError):
    """We were about to write something that is not one command: nothing has been written."""


class RemoteProtocolError(EslError):
    """The peer broke the protocol, or never spoke it."""


class NotEslError(RemoteProtocolError):
    """What the peer sent does not begin like ESL at all: the port belongs to something else."""

    def __init__(self, beginning: bytes = b"") -> None:
        """Quote *beginning* (at most 60 bytes, escaped), if there is something to quote."""
        quoted = ascii(beginning[:60].decode("latin-1"))
        super().__init__(f"the peer speaks no ESL; it began with {quoted}" if beginning else "the peer speaks no ESL")


class LinkDown(EslError):  # noqa: N818 — a state of the link, said as one says it
    """The link has ended, so this command has no answer; whether the switch carried it out is not known."""


class CommandTimeout(EslError):  # noqa: N818
    """No answer within the time given. The link still stands, and a late answer is dropped in its turn."""


class Fault(enum.Enum):
    """Why no link came about."""

    NO_SUCH_HOST = "no such host"
    UNREACHABLE = "unreachable"
    NO_ESL = "speaks no ESL"
    SILENT = "silent"
    ACCESS_DENIED = "access denied"
    NO_PASSWORD = "no password"  # noqa: S105 — a fault's name
    WRONG_PASSWORD = "wrong password"  # noqa: S105
    BROKEN = "broken off"


class ConnectError(EslError):
    """No link came about: *fault* is for programs, the text says what to do, without what the peer or we sent."""

    def __init__(self, fault: Fault, text: str) -> None:
        """Keep the *fault* beside the text."""
        super().__init__(text)
        self.fault = fault
