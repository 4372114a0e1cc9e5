"""Random configurations, from a string of numbers, and changes to them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fsqueue.engine.messages import Renamed
from fsqueue.engine.model import Forward, Group, HangUp, Member, Number, Plan, Step, ToGroup, Voicemail, Wait


class Draw:
    """Choices made by a string of bytes; when it is used up, always the first."""

    def __init__(self, source: bytes) -> None:
        """Begin at the first byte."""
        self._bytes: Iterator[int] = iter(source)

    def __call__(self, *options: object) -> object:
        """Return one of *options*."""
        return options[next(self._bytes, 0) % len(options)]

    def number(self, least: int, most: int) -> int:
        """Return a number of that range."""
        return least + next(self._bytes, 0) % (most - least + 1)


def make_plan(source: bytes) -> Plan:
    """Return the configuration that *source* stands for: 1 to 4 members in 1 to 3 groups, every kind of step."""
    draw = Draw(source)
    count = draw.number(1, 3)
    members = {f"m{i}": _member(draw, i) for i in range(draw.number(1, 4))}
    groups = {f"g{i}": _group(draw, i, count, list(members)) for i in range(count)}
    numbers = {
        f"4822{i}": Number(
            id=f"4822{i}",
            group=f"g{draw.number(0, count - 1)}",
            music=str(draw("", "jazz")),
            priority=(None, 1, -1)[draw.number(0, 2)],
        )
        for i in range(2)
    }
    return Plan(
        members=members,
        groups=groups,
        numbers=numbers,
        rest=float(draw.number(0, 2) * 2.5),
        max_calls=(2000, 2000, 3)[draw.number(0, 2)],
        max_forwards=draw.number(0, 1),
    )


def _member(draw: Draw, i: int) -> Member:
    return Member(
        id=f"m{i}",
        user=f"m{i}@example.com",
        extension=f"10{i}",
        registers=draw.number(0, 3) == 3,
        pause_after=(0, 0, 2)[draw.number(0, 2)],
    )


def _step(draw: Draw, count: int, members: list[str], *, wait: bool) -> Step:
    kinds = 6 if wait else 5
    kind = draw.number(0, kinds - 1)
    if kind == 0:
        return HangUp(str(draw("", "USER_BUSY")))
    if kind == 1:
        return Voicemail("1000@example.com")
    if kind == 2:
        return ToGroup(f"g{draw.number(0, count - 1)}")
    if kind == 3:
        return Forward(member=members[draw.number(0, len(members) - 1)], timeout=7.0)
    if kind == 4:
        return Forward(number="+48600", timeout=12.0, key=str(draw("", "1")))
    return Wait(str(draw("", "sorry.wav")))


def _group(draw: Draw, i: int, count: int, members: list[str]) -> Group:
    distribution = draw("evenly", "in-order", "to-all")
    waits = distribution != "in-order" and draw.number(0, 1) == 0
    unanswered: Step = Wait(str(draw("", "sorry.wav"))) if waits else _step(draw, count, members, wait=False)
    optional = [_step(draw, count, members, wait=False) if draw.number(0, 3) == 0 else None for _ in range(3)]
    first = draw.number(0, len(members) - 1)
    order = members[first:] + members[:first]
    return Group(
        id=f"g{i}",
        extension=f"70{i}",
        members=tuple(order[: draw.number(0, 7) % (len(members) + 1) or len(members)]),
        distribution=distribution,  # type: ignore[arg-type]
        rings=draw.number(1, 3),
        priority=draw.number(-1, 1),
        pickup=draw.number(0, 3) > 0,
        wrap_up=(0.0, 3.0, 8.0)[draw.number(0, 2)],
        max_waiting=(0, 0, 1, 2)[draw.number(0, 3)],
        max_wait=(12.0, 30.0, 60.0, 600.0)[draw.number(0, 3)],
        unanswered=unanswered,
        offline=optional[0],
        full=optional[1],
        waited=optional[2],
    )


def changed_plan(plan: Plan, first: Plan, pick: int) -> tuple[Plan, tuple[Renamed, ...]]:
    """Return *plan* after one change: something removed, renamed or set; or *first*, with all that it has, again."""
    how = pick % 8
    members, groups = dict(plan.members), dict(plan.groups)
    member, group = _nth(list(members), pick // 8), _nth(list(groups), pick // 8)
    if how == 0 and group and len(groups) > 1:
        del groups[group]
        groups = {name: _without_group(g, group) for name, g in groups.items()}
        numbers = {n: v for n, v in plan.numbers.items() if v.group != group}
        return msgspec.structs.replace(plan, groups=groups, numbers=numbers), ()
    if how == 1 and member and len(members) > 1:
        del members[member]
        groups = {name: _without_member(g, member) for name, g in groups.items()}
        return msgspec.structs.replace(plan, members=members, groups=groups), ()
    if how == 2 and member:
        return _rename_member(plan, member), (Renamed("member", member, f"{member}x"),)
    if how == 3 and group:
        return _rename_group(plan, group), (Renamed("group", group, f"{group}x"),)
    if how in (4, 5) and group:
        other: dict[str, object] = (
            {"unanswered": HangUp(), "rings": 2} if how == 4 else {"max_wait": 20.0, "wrap_up": 4.0}
        )
        groups[group] = msgspec.structs.replace(groups[group], **other)
        return msgspec.structs.replace(plan, groups=groups), ()
    if how == 6 and group:
        groups[group] = msgspec.structs.replace(groups[group], distribution=("evenly", "to-all")[pick // 8 % 2])
        return msgspec.structs.replace(plan, groups=groups), ()
    return first, ()


def _nth(names: list[str], n: int) -> str:
    return names[n % len(names)] if names else ""


def _steps_of(group: Group) -> dict[str, Step | None]:
    return {name: getattr(group, name) for name in ("unanswered", "offline", "full", "waited")}


def _changed_steps(group: Group, old: Step, new: Step | None) -> Group:
    return msgspec.structs.replace(
        group, **{n: (new or HangUp()) if s == old else s for n, s in _steps_of(group).items()}
    )


def _without_group(group: Group, gone: str) -> Group:
    return _changed_steps(group, ToGroup(gone), None)


def _without_member(group: Group, gone: str) -> Group:
    group = msgspec.structs.replace(group, members=tuple(m for m in group.members if m != gone))
    return _changed_steps(group, Forward(member=gone, timeout=7.0), None)


def _rename_member(plan: Plan, old: str) -> Plan:
    new = f"{old}x"
    members = {}
    for name, member in plan.members.items():
        renamed = name == old
        members[new if renamed else name] = msgspec.structs.replace(member, id=new) if renamed else member
    groups = {}
    for name, group in plan.groups.items():
        changed = msgspec.structs.replace(group, members=tuple(new if m == old else m for m in group.members))
        groups[name] = _changed_steps(changed, Forward(member=old, timeout=7.0), Forward(member=new, timeout=7.0))
    return msgspec.structs.replace(plan, members=members, groups=groups)


def _rename_group(plan: Plan, old: str) -> Plan:
    new = f"{old}x"
    groups = {}
    for name, group in plan.groups.items():
        changed = _changed_steps(group, ToGroup(old), ToGroup(new))
        groups[new if name == old else name] = msgspec.structs.replace(changed, id=new if name == old else name)
    numbers = {n: msgspec.structs.replace(v, group=new if v.group == old else v.group) for n, v in plan.numbers.items()}
    return msgspec.structs.replace(plan, groups=groups, numbers=numbers)
