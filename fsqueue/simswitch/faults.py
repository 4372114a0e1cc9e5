"""What goes wrong on purpose between the switch and who listens to it: events dropped, late, doubled, out of order; late replies."""

from __future__ import annotations

from random import Random
from typing import Literal

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that goes wrong.

    `of`: an event's name or subclass, "reply" for replies to commands, or "*" for every event. `probability`: 0 to 1.
    `seconds`: how late a delayed event, a doubled one's second copy or a reply is (a late event is overtaken by others).
    """

    kind: Literal["drop", "delay", "duplicate"]
    of: str
    probability: float = 1.0
    seconds: float = 0.5


class Faults:
    """Consulted wherever the switch says something. Without faults it changes nothing and draws nothing."""

    def __init__(self, faults: tuple[Fault, ...] = (), rng: Random | None = None) -> None:
        """Let `faults` happen, by chance drawn from `rng`."""
        self.faults = faults
        self._rng = rng or Random(0)  # noqa: S311  (repeatable chance is the point)

    def _strikes(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._rng.random() < fault.probability

    def event(self, name: str, subclass: str) -> tuple[float, ...]:
        """Return the delays, in seconds, of each copy of an event that is to be sent; empty: it is lost."""
        delays: tuple[float, ...] = (0.0,)
        for fault in self.faults:
            if fault.of not in (name, subclass, "*") or fault.of == "" or not self._strikes(fault):
                continue
            if fault.kind == "drop":
                return ()
            late = delays[0] + fault.seconds
            delays = (late, *delays[1:]) if fault.kind == "delay" else (*delays, late)
        return delays

    def reply(self) -> float:
        """Return how many seconds late a reply is; replies never overtake each other."""
        return sum(f.seconds for f in self.faults if f.of == "reply" and f.kind == "delay" and self._strikes(f))
