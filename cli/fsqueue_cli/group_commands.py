"""``fsqueue group``: add, change, show and remove groups."""

from __future__ import annotations

from typing import Any

import click

from fsqueue.config import edit
from fsqueue.config.model import Configuration, Group
from fsqueue.config.plan import to_plan
from fsqueue.config.settings import GROUPS, IDENTIFIER, Value
from fsqueue.engine.messages import Renamed
from fsqueue.engine.model import Occasion
from fsqueue_cli import completion, step_words, talk
from fsqueue_cli.changes import Plan, Target, carry_out, changes, confirm, preview
from fsqueue_cli.exits import Exit, RefusalError
from fsqueue_cli.files import Place, no_such_thing, read_configuration, reads
from fsqueue_cli.nouns import Verb, group
from fsqueue_cli.options import NewIdType, given, given_steps, key_options, unset_option
from fsqueue_cli.shapes import Change, GroupDetails, GroupList, GroupRow
from fsqueue_cli.things import ids, need, set_keys, unset_keys
from fsqueue_cli.timeline import timeline

GROUP = click.argument("key", metavar="GROUP", shell_complete=completion.names("groups"))
NEW = NewIdType(IDENTIFIER, "group")
EDIT = (Exit.CONFIGURATION_INVALID, Exit.REFUSED, Exit.DAEMON_UNREACHABLE)


@group.command("list", cls=Verb, gives=GroupList, exits=(Exit.CONFIGURATION_INVALID,))
@reads
def list_groups(place: Place) -> None:
    """List all groups, in the file's order.

    Example: fsqueue group list
    """
    configuration = read_configuration(place)
    rows = tuple(_row(key, one, configuration) for key, one in configuration.groups.items())
    if place.as_json:
        talk.give_json(GroupList(file=str(place.path), groups=rows))
        return
    if not rows:
        talk.say("there are no groups yet: fsqueue group add NAME")
        return
    talk.give_table(
        ("GROUP", "EXT.", "NUMBERS", "HOW", "RINGS", "PICKUP", "UNANSWERED", "MEMBERS"),
        [
            (
                row.id,
                row.extension or "",
                " ".join(row.numbers),
                row.distribution,
                str(row.rings),
                "yes" if row.pickup else "no",
                row.unanswered,
                " ".join(row.members),
            )
            for row in rows
        ],
    )


def _row(key: str, one: Group, configuration: Configuration) -> GroupRow:
    return GroupRow(
        id=key,
        name=one.name,
        extension=one.extension,
        distribution=one.distribution,
        rings=one.rings,
        members=one.members,
        pickup=one.pickup,
        numbers=numbers_of(key, configuration),
        unanswered=step_words.word(one.unanswered, configuration.members),
    )


def numbers_of(key: str, configuration: Configuration) -> tuple[str, ...]:
    """Return the numbers that lead to the group *key*."""
    return tuple(number for number, one in configuration.numbers.items() if one.group == key)


@group.command("show", cls=Verb, gives=GroupDetails, exits=(Exit.NO_SUCH_THING, Exit.CONFIGURATION_INVALID))
@GROUP
@reads
def show_group(place: Place, key: str) -> None:
    """Show a group's settings as they are in effect, and a call's way through it.

    Example: fsqueue group show sales
    """
    configuration = read_configuration(place)
    if key not in configuration.groups:
        raise no_such_thing("group", key, list(configuration.groups))
    details = _details(key, configuration)
    if place.as_json:
        talk.give_json(details)
        return
    talk.give_facts(_facts(details, configuration))
    talk.give("\nA call:\n")
    for moment in details.timeline:
        talk.give(f"  {moment.when}: {moment.what}\n")


def _details(key: str, configuration: Configuration) -> GroupDetails:
    one = configuration.groups[key]
    engine = to_plan(configuration).groups[key]

    def word(occasion: Occasion) -> str:
        return step_words.word(engine.step(occasion), configuration.members)

    return GroupDetails(
        id=key,
        name=one.name,
        extension=one.extension,
        members=one.members,
        distribution=one.distribution,
        rings=one.rings,
        ring_seconds=configuration.telephony.ring_seconds,
        priority=one.priority,
        pickup=one.pickup,
        wrap_up_seconds=one.wrap_up_seconds,
        max_waiting=one.max_waiting,
        max_wait_seconds=one.max_wait_seconds,
        prefix=one.prefix,
        service_level_seconds=one.service_level_seconds,
        unanswered=word("unanswered"),
        offline=word("offline"),
        full=word("full"),
        waited=word("waited"),
        numbers=numbers_of(key, configuration),
        timeline=timeline(configuration, key),
    )


def _facts(one: GroupDetails, configuration: Configuration) -> list[tuple[str, str]]:
    people = [f"{key} ({configuration.members[key].name})" for key in one.members]
    own = configuration.groups[one.id]
    default = {step: "" if getattr(own, step) else " (default)" for step in ("offline", "full", "waited")}
    return [
        ("group", one.id),
        ("name", one.name),
        ("extension", one.extension or "none"),
        ("numbers", ", ".join(one.numbers) or "none"),
        ("members", ", ".join(people) or "none"),
        ("distribution", one.distribution),
        ("rings", f"{one.rings}, of {talk.seconds(one.ring_seconds)} each"),
        ("priority", str(one.priority)),
        ("pickup", "yes" if one.pickup else "no"),
        ("wrap-up", talk.seconds(one.wrap_up_seconds)),
        ("max-waiting", str(one.max_waiting) if one.max_waiting else "no limit"),
        ("max-wait", talk.seconds(one.max_wait_seconds)),
        ("prefix", one.prefix or "none"),
        ("service level", talk.seconds(one.service_level_seconds)),
        ("unanswered", one.unanswered),
        ("offline", one.offline + default["offline"]),
        ("full", one.full + default["full"] if one.max_waiting else "never"),
        ("waited", one.waited + default["waited"]),
    ]


@group.command("add", cls=Verb, gives=Change, exits=(*EDIT, Exit.NO_SUCH_THING))
@click.argument("key", metavar="GROUP", type=NEW)
@key_options(GROUPS)
@changes
def add_group(target: Target, key: str, **options: Any) -> int:
    """Add a group; with nothing but a name its callers wait until a member is free.

    Where there is no configuration yet, a new one is begun.

    Example: fsqueue group add sales --member anna --member jan --rings 4
    """

    def change(text: str) -> str:
        text = edit.add(text, "groups", key, given(GROUPS, options))
        return _set_steps(text, key, given_steps(GROUPS, options))

    return carry_out(target, Plan(edit=lambda text: change(_checked(text, options)), begins=True))


@group.command("set", cls=Verb, gives=Change, exits=(*EDIT, Exit.NO_SUCH_THING))
@GROUP
@key_options(GROUPS)
@unset_option(GROUPS)
@changes
def set_group(target: Target, key: str, unset: tuple[str, ...], **options: Any) -> int:
    """Change a group. Calls in progress go on; those that wait follow the new rules at once.

    Example: fsqueue group set sales --unanswered voicemail:1000@example.com --offline forward:jan
    """
    values, steps = given(GROUPS, options), given_steps(GROUPS, options)
    both = [key for key in unset if key in values or key in steps]
    if both:
        raise click.UsageError(f"{both[0]} is both given and unset")

    def change(text: str) -> str:
        need(text, "groups", key)
        text = set_keys(_checked(text, options), ("groups", key), values)
        return unset_keys(_set_steps(text, key, steps), ("groups", key), unset)

    return carry_out(target, Plan(edit=change))


def _checked(text: str, options: dict[str, Any]) -> str:
    """The same text, when the members that the options name are there."""
    for one in options["members"]:
        need(text, "members", one)
    return text


def _set_steps(text: str, key: str, steps: dict[str, str]) -> str:
    members = ids(text, "members")
    for occasion, word in steps.items():
        try:
            values: dict[str, Value] = step_words.parse(word, members)
        except step_words.StepWordError as error:
            raise click.UsageError(f"--{occasion}: {error}") from error
        if values["action"] == "wait" and occasion != "unanswered":
            raise click.UsageError(f"--{occasion}: a call can't wait here; only unanswered can be wait")
        for kind, table in (("member", "members"), ("group", "groups")):
            if kind in values:
                need(text, table, str(values[kind]))
        text = edit.set_step(text, key, occasion, values)
    return text


@group.command("rename", cls=Verb, gives=Change, exits=(*EDIT, Exit.NO_SUCH_THING))
@GROUP
@click.argument("new", metavar="NEW", type=NEW)
@changes
def rename_group(target: Target, key: str, new: str) -> int:
    """Give a group another id, in all places that name it. Turns, callers and history stay.

    Example: fsqueue group rename sales vertrieb
    """

    def change(text: str) -> str:
        need(text, "groups", key)
        return edit.rename(text, "groups", key, new)

    renamed = (Renamed("group", key, new),) if new != key else ()
    return carry_out(target, Plan(edit=change, renamed=renamed))


@group.command("remove", cls=Verb, gives=Change, exits=(*EDIT, Exit.NO_SUCH_THING))
@GROUP
@click.option("--cascade", is_flag=True, help="Remove what leads to it too: numbers, and steps of other groups.")
@click.option("--to", metavar="GROUP", shell_complete=completion.names("groups"), help="Move who waits in it there.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@changes
def remove_group(target: Target, key: str, to: str | None, cascade: bool, yes: bool) -> int:
    """Remove a group. Who waits in it is moved with --to, else his call ends as missed; talks go on.

    Example: fsqueue group remove sales --to support
    """
    if to == key:
        raise click.UsageError("--to is the group that is removed")

    def change(text: str) -> str:
        need(text, "groups", key)
        if to is not None:
            need(text, "groups", to)
        return (edit.remove_with_references if cascade else edit.remove)(text, "groups", key)

    plan = Plan(edit=change)
    preview(target, plan)
    waiting = () if target.dry_run else _waiting(target, key)
    if not target.dry_run:
        confirm(_question(key, to, len(waiting)), yes)
    moves = tuple((call, to) for call in waiting) if to is not None else ()
    return carry_out(target, Plan(edit=change, moves=moves))


def _question(key: str, to: str | None, waiting: int) -> str:
    if not waiting:
        return f"Remove the group {key}?"
    one = waiting == 1
    end = (
        f"{'is' if one else 'are'} moved to {to}"
        if to is not None
        else f"end{'s' * one} as missed (--to GROUP moves them)"
    )
    return f"Remove the group {key}? {talk.count(waiting, 'call')} waiting in it {end}."


def _waiting(target: Target, key: str) -> tuple[str, ...]:
    from fsqueue_cli.handing_over import other_file
    from fsqueue_cli.running import ControlRefusedError, NoDaemonError, Running, UnreachableError

    running = Running()
    try:
        return () if other_file(running, target.path) is not None else running.waiting(key)
    except NoDaemonError:
        return ()
    except (UnreachableError, ControlRefusedError) as error:
        # Whoever waits would be lost without a word.
        raise RefusalError(f"who waits in {key} can't be asked: {error}") from error
