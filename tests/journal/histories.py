"""Random but sound histories: journal records as the engine writes them, made without it, for what reads journals."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random

from fsqueue.engine.messages import (
    CalledBack,
    CallEnded,
    Caller,
    CallOpened,
    ConfigTaken,
    Decided,
    DutyState,
    Forgotten,
    Leg,
    MemberChanged,
    OfferAnswered,
    Offered,
    OfferOver,
    Outcome,
    Reason,
    Record,
    Relegged,
    SwitchChanged,
    Talking,
    TurnUsed,
    VisitBegan,
)
from fsqueue.journal.entries import encode

GROUPS = ("sales", "support", "reception")
MEMBERS = ("anna", "jan", "ola", "ewa")
START = 1_790_000_000.0

_MISSED: tuple[Reason, ...] = ("voicemail", "abandoned", "no_answer", "offline", "timed_out", "full", "lost")
_UNTAKEN: tuple[Outcome, ...] = ("declined", "busy", "no_answer", "failed", "unreachable", "lost")


@dataclasses.dataclass
class Playing:
    """Writes down a day of calls; `log` holds records with their times."""

    rng: Random
    now: float = START
    log: list[tuple[Record, float]] = dataclasses.field(default_factory=list)
    busy: dict[str, float] = dataclasses.field(default_factory=dict)
    """Until when each member is occupied."""
    missed: list[str] = dataclasses.field(default_factory=list)

    def add(self, record: Record, after: float = 0.0) -> None:
        self.now += after
        self.log.append((record, self.now))

    def begin(self) -> None:
        self.add(SwitchChanged(switch="main", up=True, core="c"))
        self.add(ConfigTaken(groups=GROUPS, members=MEMBERS))

    def something(self, n: int) -> None:
        """Let one call, or one thing that people do, happen."""
        what = self.rng.random()
        if what < 0.12:
            duty: DutyState = self.rng.choice(("in", "out", "paused"))
            self.add(MemberChanged(member=self.rng.choice(MEMBERS), duty=duty, why="w", by="staff"), self.step(600))
        elif what < 0.17 and self.missed:
            self.add(CalledBack(call=self.rng.choice(self.missed), by="anna", note="reached him"), self.step(60))
        else:
            self.call(f"c{n:06}")

    def step(self, most: float) -> float:
        return round(self.rng.uniform(0.001, most), 3)

    def call(self, call: str) -> None:
        """Play one call from its beginning to its end, if it has one."""
        self.now += self.step(900)
        came = self.now
        caller = Caller(f"+4860000{self.rng.randrange(20):04}", self.rng.choice(("Jan", "", "=1+1", "Zażółć")))
        number = self.rng.choice(("48221234567", ""))
        self.add(
            CallOpened(
                call=call, leg=Leg("main", f"u-{call}"), arrival=f"a-{call}", caller=caller, number=number,
                dialled=number or "7001", music="", priority=None, joined=came,
            )
        )  # fmt: skip
        if self.rng.random() < 0.05:
            self.add(CallEnded(call=call, reason="fallback", waited=0.0, detail="no group"))
            self.missed.append(call)
            return
        offers = 0
        group = ""
        for n in range(1, self.rng.choice((2, 2, 2, 3, 4))):
            group = self.rng.choice([g for g in GROUPS if g != group])
            self.add(
                VisitBegan(call=call, group=group, n=n, entered=self.now, joined=came, priority=0, limit=came + 900)
            )
            if self.rng.random() < 0.1:
                self.add(
                    VisitBegan(call=call, group=group, n=n, entered=self.now, joined=came - 9, priority=0, limit=1e10)
                )
            for _ in range(self.rng.randrange(3)):
                offers += 1
                if self.offer(f"{call}.{offers}", call, group, came):
                    return
            action = self.rng.choice(("group", "voicemail 1000@example.com", "hangup"))
            self.add(
                Decided(call=call, group=group, rule="U2", action=action, because={"anna": "talking"}), self.step(20)
            )
        if self.rng.random() < 0.1:
            self.add(Relegged(call=call, leg=Leg("main", "u-x"), arrival=f"x-{call}", caller=Caller("+48700", "New")))
        if self.rng.random() < 0.04:
            return  # still waiting at the end of the day
        reason = self.rng.choice(_MISSED)
        self.add(CallEnded(call=call, reason=reason, waited=self.now + 1 - came, group=group), 1.0)
        self.missed.append(call)

    def offer(self, offer: str, call: str, group: str, came: float) -> bool:
        """Play one offer; tell whether it became a talk that stood."""
        member = self.rng.choice(MEMBERS)
        self.add(Offered(offer=offer, call=call, group=group, member=member, until=self.now + 20, rule="D2"))
        self.add(TurnUsed(group=group, member=member, turn=len(self.log)))
        self.now += self.step(20)
        if self.rng.random() < 0.5:
            outcome = self.rng.choice(_UNTAKEN)
            self.add(OfferOver(offer=offer, call=call, member=member, outcome=outcome, seconds=1.0, cause="X"))
            return False
        self.add(OfferAnswered(offer=offer, call=call))
        self.add(Talking(call=call, offer=offer, member=member, waited=self.now - came), 0.06)
        talked = self.now
        self.now += self.step(300)
        if self.rng.random() < 0.1:
            self.add(OfferOver(offer=offer, call=call, member=member, outcome="failed", seconds=1.0))
            return False
        reason: Reason = self.rng.choice(("answered", "answered", "forwarded"))
        self.add(
            CallEnded(
                call=call, reason=reason, waited=talked - came, talked=self.now - talked, group=group, member=member
            )
        )
        return True

    def forget(self, calls: tuple[str, ...]) -> None:
        self.add(Forgotten(calls=calls, by="staff"), 1.0)


def play(seed: int, things: int = 60) -> list[tuple[Record, float]]:
    """Return a history of so many *things*."""
    playing = Playing(Random(seed))
    playing.begin()
    for n in range(things):
        playing.something(n)
    return playing.log


def write(folder: Path, log: list[tuple[Record, float]], per_segment: int = 100, first: int = 1) -> None:
    """Write *log* as segments in *folder*, numbered from *first*."""
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(0, len(log), per_segment):
        part = log[at : at + per_segment]
        lines = [encode(first + at + i, t, record) for i, (record, t) in enumerate(part)]
        (folder / f"{first + at:020}.jsonl").write_bytes(b"".join(lines))
