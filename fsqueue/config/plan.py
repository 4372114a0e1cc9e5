"""The engine's view of a configuration: groups, members, numbers and steps, without anything technical."""

from fsqueue.config.model import Configuration, Group, Member, Number, identity, user_of_dial
from fsqueue.engine import model as engine


def to_plan(configuration: Configuration) -> engine.Plan:
    """What the rules are applied to. The configuration must have been checked."""
    telephony = configuration.telephony
    numbers = {engine.plain_number(key): number for key, number in configuration.numbers.items()}
    return engine.Plan(
        members={key: _member(key, member, telephony.domain) for key, member in configuration.members.items()},
        groups={key: _group(key, group) for key, group in configuration.groups.items()},
        numbers={key: _number(key, number) for key, number in numbers.items()},
        ring=float(telephony.ring_seconds),
        rest=float(telephony.rest_seconds),
        music=telephony.music,
        max_calls=configuration.daemon.max_calls,
        max_forwards=telephony.max_forwards,
    )


def _member(key: str, member: Member, domain: str | None) -> engine.Member:
    return engine.Member(
        id=key,
        name=member.name,
        extension=member.extension or "",
        user=identity(member, domain) or "",
        dial=member.dial,
        registers=user_of_dial(member.dial) is not None,
        pause_after=member.pause_after,
    )


def _group(key: str, group: Group) -> engine.Group:
    return engine.Group(
        id=key,
        name=group.name,
        # Looked up after what was dialled has lost a leading 00, so it must lose it too.
        extension=engine.plain_number(group.extension or ""),
        members=group.members,
        distribution=group.distribution,
        rings=group.rings,
        priority=group.priority,
        pickup=group.pickup,
        wrap_up=float(group.wrap_up_seconds),
        max_waiting=group.max_waiting,
        max_wait=float(group.max_wait_seconds),
        prefix=group.prefix,
        service_level=float(group.service_level_seconds),
        unanswered=group.unanswered,
        offline=group.offline,
        full=group.full,
        waited=group.waited,
    )


def _number(key: str, number: Number) -> engine.Number:
    return engine.Number(id=key, group=number.group, music=number.music or "", priority=number.priority)
