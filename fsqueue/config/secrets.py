"""Keeps passwords out of what is shown: differences, and what the daemon tells of the file that it runs."""

from __future__ import annotations

import hashlib
import re
import secrets

MASK = '"…"'
"""Stands for a password; TOML all the same."""

_PASSWORD = re.compile(
    r"""(\bpassword["']?[ \t]*=[ \t]*)(\"{3}(?:\\.|[^\\])*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[^\s#,}]+)""",
    re.DOTALL,
)


def masked(text: str) -> str:
    """Return the configuration *text* with a `MASK` for each password; right or wrong, it need not be TOML."""
    return _PASSWORD.sub(lambda found: found[1] + MASK, text)


def salt() -> str:
    """Return a new salt for `seal`."""
    return secrets.token_hex(16)


def seal(text: str, salted: str) -> str:
    """Return what tells whether another text is exactly this one, passwords included, without telling anything else of it."""
    return hashlib.scrypt(text.encode("utf-8", "surrogateescape"), salt=salted.encode(), n=2**12, r=8, p=1).hex()
