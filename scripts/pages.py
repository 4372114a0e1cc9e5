"""The code blocks of a Markdown page, as what carries them out needs them: in order, with their language and line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: what stands after its first fence, the line that it begins in, the last title before it, its text."""

    language: str
    line: int
    title: str
    text: str

    def commands(self) -> list[str]:
        """Return the commands of a shell's block; a line that a backslash continues is one with the next."""
        found: list[str] = []
        for line in self.text.splitlines():
            if found and found[-1].endswith("\\"):
                found[-1] = f"{found[-1]}\n{line}"
            elif line.strip() and not line.lstrip().startswith("#"):
                found.append(line)
        return found


def blocks(page: Path) -> list[Block]:
    """Return all blocks of *page*, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], text.count("\n", 0, found.start()) + 1, _title(text[: found.start()]), found[2])
        for found in _FENCE.finditer(text)
    ]


def _title(before: str) -> str:
    titles = re.findall(r"^#{1,6} (.+)$", _FENCE.sub("", before), re.MULTILINE)
    return str(titles[-1]) if titles else ""
