"""What is wrong with a text that was typed, beside what can be wrong with one that stands in a file."""

from __future__ import annotations

from fsqueue.config.problems import shown
from fsqueue.config.settings import Setting
from fsqueue.config.shape import text_fault


def typed_fault(setting: Setting, text: str) -> tuple[str, str] | None:
    """Return what is wrong with *text* as a value of *setting*, and what would be right, or None."""
    # A terminal's bytes that are no UTF-8 arrive as half characters, which no file could take.
    if any("\ud800" <= char <= "\udfff" for char in text):
        return f"{shown(text)} is not UTF-8", "type it in a terminal that is"
    return text_fault(setting, text)
