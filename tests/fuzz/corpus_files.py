"""The corpus: for each target a text file, one input a line, written as Python writes bytes, so that a change can be read."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def read(target: str) -> list[bytes]:
    """Return the inputs kept for *target*; none where there is no file yet."""
    path = FOLDER / f"{target}.txt"
    if not path.exists():
        return []
    return [
        ast.literal_eval(line) for line in path.read_text("ascii").splitlines() if line and not line.startswith("#")
    ]


def write(target: str, inputs: Iterable[bytes]) -> int:
    """Keep *inputs* for *target*, the shortest first; return how many there are."""
    kept = sorted(set(inputs), key=lambda data: (len(data), data))
    (FOLDER / f"{target}.txt").write_text("".join(f"{data!r}\n" for data in kept), "ascii")
    return len(kept)
