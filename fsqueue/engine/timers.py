"""Deadlines by name: one heap, where setting a name again replaces its time."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

Name = tuple[str, ...]


class Timers:
    """Named points in time (epoch seconds). At one instant they come due in the order they were set."""

    def __init__(self) -> None:
        """Start with none."""
        self._heap: list[tuple[float, int, Name]] = []
        self._set: dict[Name, tuple[float, int]] = {}
        self._count = 0

    def set(self, name: Name, when: float) -> None:
        """Make *name* due at *when*, instead of any time it had."""
        self._count += 1
        self._set[name] = (when, self._count)
        heappush(self._heap, (when, self._count, name))
        if len(self._heap) > 2 * len(self._set) + 1000:
            # An hour's U4 of calls that ended long ago would otherwise stay until it came due.
            self._heap = [(at, count, kept) for kept, (at, count) in self._set.items()]
            heapify(self._heap)

    def clear(self, name: Name) -> None:
        """Forget *name*; fine if it isn't set."""
        self._set.pop(name, None)

    def next(self) -> float | None:
        """Return the earliest time, or None when nothing is set."""
        heap = self._heap
        while heap and self._set.get(heap[0][2]) != heap[0][:2]:
            heappop(heap)
        return heap[0][0] if heap else None

    def pop_due(self, now: float) -> Name | None:
        """Take the first name that is due at *now*, or None."""
        when = self.next()
        if when is None or when > now:
            return None
        name = heappop(self._heap)[2]
        del self._set[name]
        return name
