"""Bearer tokens for control over TCP: who may ask, and who may tell as well."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

from fsqueue.control.settings import ControlError

MIN_LENGTH = 20
"""Characters of a token: 20 random ones can't be guessed over a network."""


@dataclass(frozen=True, slots=True)
class Token:
    """One secret, whose it is, and whether it may change anything."""

    name: str
    secret: bytes
    full: bool


class Tokens:
    """All tokens that are known."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        """Know *tokens*."""
        self._tokens = tokens

    def __contains__(self, token: object) -> bool:
        """Whether *token* is known still."""
        return token in self._tokens

    def replace(self, others: Tokens) -> None:
        """Know the *others* instead, from now on."""
        self._tokens = others._tokens

    def of(self, authorization: str) -> Token | None:
        """Return the token that an ``Authorization`` header carries; None for an unknown one.

        Every token is compared, in constant time: how long it takes says nothing about any.
        """
        scheme, _, given = authorization.partition(" ")
        secret = given.strip().encode("utf-8", "replace")
        found = None
        for token in self._tokens:
            if hmac.compare_digest(token.secret, secret):
                found = token
        return found if scheme.lower() == "bearer" else None


def read_tokens(read: Path | None, full: Path | None) -> Tokens:
    """Read both files.

    Raises:
        ControlError: neither has a token, one can't be read, is open to others, or has a line that is no token.
    """
    tokens = [*_of_file(read, full=False), *_of_file(full, full=True)]
    if not tokens:
        raise ControlError("control over TCP needs a token: put a line `NAME TOKEN` into its file of tokens")
    return Tokens(tuple(tokens))


def _of_file(path: Path | None, *, full: bool) -> list[Token]:
    if path is None:
        return []
    try:
        if path.stat().st_mode & 0o007:
            raise ControlError(f"{path} can be read by everybody on this machine; chmod 640 it")
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(f"the tokens in {path} can't be read: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or len(words[1]) < MIN_LENGTH:
            raise ControlError(f"{path}:{number}: not `NAME TOKEN` with a token of {MIN_LENGTH} characters or more")
        found.append(Token(words[0], words[1].encode(), full))
    return found
