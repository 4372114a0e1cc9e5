"""Draws the state diagrams of call, offer and member into docs/state-diagrams.md, from the engine's own tables."""

from __future__ import annotations

import sys
from pathlib import Path

from fsqueue.engine.tables import TABLES, Table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "state-diagrams.md"

HEAD = """# State diagrams

Drawn by `scripts/diagrams` from `fsqueue/engine/tables.py`, which is what the engine runs on; don't edit this page.
Events that are ignored in a state stand in the table below each diagram, with the reason.
"""

TITLES = {
    "call": "A call: one caller's stay, from hand-over to its one end",
    "offer": "An offer: one attempt to ring one member for one call",
    "member": "A member: what he holds",
}


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(section(machine) for machine in TABLES)])


def section(machine: str) -> str:
    """Return one machine's diagram and its table of ignored events."""
    table, states, events = TABLES[machine]
    lines = [f"## {TITLES[machine]}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {states[0]}"]
    lines += arrows(table, states, events)
    lines += [f"    {states[-1]} --> [*]"] if machine != "member" else []
    lines += ["```", "", "| state | event | ignored, since |", "| --- | --- | --- |"]
    lines += [
        f"| {state} | {event} | {table[state, event].why} |"
        for state in states
        for event in events
        if not table[state, event].do
    ]
    return "\n".join([*lines, ""])


def arrows(table: Table, states: tuple[str, ...], events: tuple[str, ...]) -> list[str]:
    """Return one arrow for each pair of states, labelled with all events that lead along it."""
    labels: dict[tuple[str, str], list[str]] = {}
    for state in states:
        for event in events:
            row = table[state, event]
            for to in row.to if row.do else ():
                labels.setdefault((state, to), []).append(event)
    return [f"    {state} --> {to}: {', '.join(those)}" for (state, to), those in labels.items()]


def main(arguments: list[str]) -> int:
    """Write the page, or with ``--check`` say whether it is up to date."""
    text = page()
    if "--check" in arguments:
        if PAGE.exists() and PAGE.read_text("utf-8") == text:
            return 0
        print(f"{PAGE} is out of date; run scripts/diagrams", file=sys.stderr)
        return 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
