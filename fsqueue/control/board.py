"""What happened lately, with its words: for who asks about a call, and for who watches.

Telling the board of a record costs next to nothing; the words, and the watchers' lines, are made in `catch_up`, which
whoever owns the loop calls soon after, and every reading calls first. Everything kept is bounded: the newest events,
the story of each call that is not over, those of some that are, and a queue for each watcher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from msgspec import UNSET

from fsqueue.control.protocol import MAX_EVENTS, Event, EventQuery, Figures, Line
from fsqueue.control.today import Today
from fsqueue.control.wire import encode
from fsqueue.engine.messages import CallEnded, Checkpoint, ConfigTaken, DutyState, Forgotten, MemberChanged, Record
from fsqueue.journal.entries import Entry, Gap, Unknown
from fsqueue.journal.words import Names, line

STORY = 400
"""Events kept of one call; of a longer story the first half and the newest stay."""

ENDED_CALLS = 500
"""Calls whose story is kept when they are over."""

PENDING = 1000
"""Records that may wait for `catch_up`; the next one is not told before they are digested."""

QUEUE = 1000
"""Lines that a watcher may be behind: at some 80 a second in a busy hour, more than ten seconds."""


PAUSE_EVERY = 200
"""Entries recalled before others get their turn: some two milliseconds."""

_Kept = tuple[int, float, Record]


class Watch:
    """One watcher: the lines he has not been sent yet, never more than a limit."""

    def __init__(self, query: EventQuery, wake: Callable[[], None], limit: int = QUEUE) -> None:
        """Hear of what *query* chooses; *wake* is called when there is something, and must not block."""
        self.query = query
        self.dropped = False
        """He was too slow; his queue is empty and nothing comes any more."""
        self.seq = 0
        """The newest event that was queued for him, or was not for him."""
        self.sent = 0
        """The newest event when his lines were last taken: all up to it that is for him is on its way to him."""
        self._wake = wake
        self._limit = limit
        self._lines: deque[bytes] = deque()

    def put(self, data: bytes) -> None:
        """Queue one line, or give him up when he is too far behind."""
        if self.dropped:
            return
        if len(self._lines) >= self._limit:
            self.dropped = True
            self._lines.clear()
        else:
            self._lines.append(data)
        self._wake()

    def take(self) -> bytes:
        """Return all lines that are queued, each with its line feed; empty when there are none."""
        data = b"".join(self._lines)
        self._lines.clear()
        if not self.dropped:
            self.sent = self.seq
        return data

    def __len__(self) -> int:
        """Return how many lines are queued."""
        return len(self._lines)


class Board:
    """The newest events, the calls' stories, today's figures, and the watchers."""

    def __init__(
        self,
        next_seq: int,
        service_level: Callable[[str], float],
        today: Today | None = None,
        recent: int = MAX_EVENTS,
    ) -> None:
        """Begin with the number *next_seq*, the journal's for its next record.

        *service_level* tells a group's service_level_seconds. *recent* is how many events are kept.
        """
        self.last = next_seq - 1
        """Number of the newest event that was digested."""
        self.evicted = next_seq - 1
        """Number of the newest event that is not kept (any more)."""
        self._service_level = service_level
        self._today = Today() if today is None else today
        self._names = Names()
        self._recent: deque[Event] = deque()
        self._keeps = recent
        self._pending: deque[tuple[Record, float]] = deque()
        self._recalling = False
        self._open: dict[str, list[Event]] = {}
        self._ended: dict[str, list[Event]] = {}
        self._watches: dict[int, Watch] = {}
        self._duties: dict[str, tuple[DutyState, float]] = {}
        """What each member's duty was in the newest record of him, and since when as far as is known."""

    # --- what comes in ------------------------------------------------------------------------------------------------

    def recall(self, entries: Iterable[Entry], pause: Callable[[], None] = lambda: None) -> None:
        """Take in what earlier runs wrote: *entries* of the journal, oldest first.

        *pause* is called every now and then, and may let other greenlets run: what they tell the board waits.
        """
        self._recalling = True
        try:
            self._recall(entries, pause)
        finally:
            self._recalling = False

    def _recall(self, entries: Iterable[Entry], pause: Callable[[], None]) -> None:
        recent: deque[_Kept] = deque(maxlen=self._keeps)
        stories: dict[str, list[_Kept]] = {}
        first = self.last + 1
        for n, entry in enumerate(entries):
            record = entry.record
            if entry.seq < first and not isinstance(record, Gap | Unknown):
                recent.append((entry.seq, entry.t, record))
                self._count(record, entry.t)
                _follow(stories, (entry.seq, entry.t, record))
            if n % PAUSE_EVERY == 0:
                pause()
        if recent:
            self.evicted = recent[0][0] - 1
        known = {kept[0]: kept for story in stories.values() for kept in story}
        known.update({kept[0]: kept for kept in recent})
        for seq in sorted(known):
            self._tell(*known[seq])

    def observe(self, record: Record, t: float) -> None:
        """Take in a record written at *t* (epoch seconds), in the journal's order."""
        if len(self._pending) >= PENDING:
            self.catch_up()
        self._pending.append((record, t))

    def catch_up(self) -> int:
        """Digest what has come in; return the number of the newest event."""
        while self._pending and not self._recalling:
            record, t = self._pending.popleft()
            self.last += 1
            event = self._tell(self.last, t, record)
            self._count(record, t)
            if event is not None and self._watches:
                self._spread(event)
        return self.last

    def _count(self, record: Record, t: float) -> None:
        if isinstance(record, CallEnded):
            self._today.take(record, t, self._service_level(record.group))
        elif isinstance(record, MemberChanged):
            if self._duties.get(record.member, ("in", t))[0] != record.duty:
                self._duties[record.member] = (record.duty, t)
        elif isinstance(record, ConfigTaken):
            self._rename(record)

    def _rename(self, taken: ConfigTaken) -> None:
        for renamed in taken.renamed:
            if renamed.kind == "group":
                self._today.rename(renamed.old, renamed.new)
            elif renamed.old in self._duties:
                self._duties[renamed.new] = self._duties.pop(renamed.old)

    def _tell(self, seq: int, t: float, record: Record) -> Event | None:
        """Make the event of *record*, and put it where it will be looked for; none of what is no news to people."""
        if isinstance(record, Checkpoint):
            return None
        event = _event(seq, t, record, self._names)
        self._names.learn(record)
        if seq > self.evicted:
            self._recent.append(event)
        while len(self._recent) > self._keeps:
            self.evicted = self._recent.popleft().seq
        if event.call:
            self._keep(event)
        if isinstance(record, Forgotten):
            self._forget(record.calls)
        return event

    def _keep(self, event: Event) -> None:
        told = self._ended if event.call in self._ended else self._open
        story = told.setdefault(event.call, [])
        if len(story) >= STORY:
            del story[STORY // 2]
        story.append(event)
        if isinstance(event.record, CallEnded):
            self._ended[event.call] = self._open.pop(event.call, story)
            while len(self._ended) > ENDED_CALLS:
                del self._ended[next(iter(self._ended))]

    def _forget(self, calls: tuple[str, ...]) -> None:
        """Keep nothing of these ended calls, which name somebody who is to be forgotten."""
        gone = dict.fromkeys(calls)
        for call in gone:
            self._ended.pop(call, None)
        self._recent = deque(event for event in self._recent if event.call not in gone)

    # --- what is asked ------------------------------------------------------------------------------------------------

    def of_call(self, call: str) -> tuple[Event, ...]:
        """Return what is known to have happened to *call*, oldest first; nothing of one that is not kept."""
        self.catch_up()
        return tuple(self._open.get(call) or self._ended.get(call) or ())

    def past(self, query: EventQuery) -> tuple[Event, ...]:
        """Return the kept events that *query* chooses, oldest first."""
        self.catch_up()
        after = -1 if query.after is UNSET else query.after
        chosen: list[Event] = []
        for event in reversed(self._recent):
            if event.seq <= after or (query.last is not UNSET and len(chosen) >= query.last):
                break
            if chooses(query, event):
                chosen.append(event)
        chosen.reverse()
        return tuple(chosen)

    def today(self, now: float) -> Figures:
        """Return the figures of the day of *now* (epoch seconds)."""
        self.catch_up()
        return self._today.figures(now)

    def today_of(self, group: str, now: float) -> Figures:
        """Return a group's figures of the day of *now* (epoch seconds)."""
        self.catch_up()
        return self._today.of_group(group, now)

    def duty_since(self, member: str, duty: DutyState) -> float | None:
        """Return since when *member* has had this *duty* (epoch seconds); None where no record that is known tells it."""
        self.catch_up()
        known, since = self._duties.get(member, ("", 0.0))
        return since if known == duty else None

    # --- who watches --------------------------------------------------------------------------------------------------

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watches)

    def watch(self, watch: Watch) -> None:
        """Have *watch* hear of everything that comes after now."""
        watch.seq = watch.sent = self.catch_up()
        self._watches[id(watch)] = watch

    def unwatch(self, watch: Watch) -> None:
        """Forget *watch*."""
        self._watches.pop(id(watch), None)

    def _spread(self, event: Event) -> None:
        data = b""
        for watch in self._watches.values():
            if not watch.dropped:
                watch.seq = event.seq
            if chooses(watch.query, event):
                data = data or wire_line(event)
                watch.put(data)


def _follow(stories: dict[str, list[_Kept]], kept: _Kept) -> None:
    """Put *kept* to the story of its call, and let go of the story of one that is over."""
    call = getattr(kept[2], "call", "")
    if isinstance(kept[2], CallEnded):
        stories.pop(call, None)
    elif call:
        story = stories.setdefault(call, [])
        if len(story) < STORY:
            story.append(kept)


def wire_line(said: Line) -> bytes:
    """Return *said* as it stands in the stream, line feed included."""
    return encode(said) + b"\n"


def chooses(query: EventQuery, event: Event) -> bool:
    """Whether *query* wants *event*, its numbers apart."""
    if query.group and query.group != event.group:
        return False
    if query.member and query.member != event.member:
        return False
    if query.call and query.call != event.call:
        return False
    wanted = query.caller.casefold()
    return not wanted or wanted in event.number.casefold() or wanted in event.name.casefold()


def _event(seq: int, t: float, record: Record, names: Names) -> Event:
    call = getattr(record, "call", "")
    words = line(record, names)
    known = names.of(call)
    caller = getattr(record, "caller", None) or known.caller
    offered = known.offers.get(getattr(record, "offer", ""), "")
    return Event(
        seq=seq,
        t=t,
        kind=type(record).__name__,
        words=words,
        call=call,
        group=getattr(record, "group", "") or known.group,
        member=getattr(record, "member", "") or offered,
        number="" if caller.hidden else caller.number,
        name="" if caller.hidden else caller.name,
        record=record,
    )
