"""Where the control API is offered, and to whom."""

from __future__ import annotations

from pathlib import Path

import msgspec


class ControlSettings(msgspec.Struct, frozen=True, kw_only=True):
    """By default a Unix socket alone, for root, the daemon's user and its group."""

    socket: Path
    group: str = ""
    """The system's group that may use the socket; empty: the daemon's own."""
    tcp: str = ""
    """``HOST:PORT`` to listen at as well, with tokens; empty: not at all. It is plain HTTP: beyond loopback it belongs
    behind a proxy that speaks TLS.
    """
    allow: tuple[str, ...] = ()
    """Networks that may connect over TCP, beside loopback."""
    read_tokens: Path | None = None
    """File of tokens that may ask, one ``NAME TOKEN`` a line."""
    full_tokens: Path | None = None
    """File of tokens that may ask and tell."""


class ControlError(Exception):
    """The control API can't be offered; the text says why and what to do."""


class SocketTakenError(ControlError):
    """Another daemon is there already."""
