"""How figures are made of what was measured: percentiles, ratios, and what a process uses."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

PERCENTILES = (50, 95, 99)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that *percent* of the *values* don't exceed; the largest where there are too few to tell."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of times in *seconds*, in milliseconds."""
    return {f"p{percent}": round(percentile(seconds, percent) * 1e3, 2) for percent in PERCENTILES}


def ratio(value: float, reference: float, digits: int = 2) -> float:
    """Return *value* against *reference*; a reference of nothing counts as the least that can be measured."""
    return round(value / max(reference, 1e-9), digits)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used so far, its ended children's left out."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
