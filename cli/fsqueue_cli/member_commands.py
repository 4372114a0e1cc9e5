"""``fsqueue member``: add, change, show and remove members, and say in which groups they are."""

from __future__ import annotations

from typing import Any

import click

from fsqueue.config import edit
from fsqueue.config.model import Configuration, Member, identity
from fsqueue.config.relations import steps
from fsqueue.config.settings import IDENTIFIER, MEMBERS
from fsqueue.engine.messages import Renamed
from fsqueue.engine.model import Forward
from fsqueue_cli import completion, talk
from fsqueue_cli.changes import Plan, Target, carry_out, changes, confirm, preview
from fsqueue_cli.exits import Exit, NoSuchThingError
from fsqueue_cli.files import Place as File
from fsqueue_cli.files import no_such_thing, read_configuration, reads
from fsqueue_cli.nouns import Verb, member
from fsqueue_cli.options import NewIdType, WholeType, given, key_options, unset_option
from fsqueue_cli.shapes import Change, MemberDetails, MemberList, MemberRow, Place
from fsqueue_cli.things import need, set_keys, unset_keys

MEMBER = click.argument("key", metavar="MEMBER", shell_complete=completion.names("members"))
GROUP_LIST = click.argument(
    "groups", metavar="GROUP...", nargs=-1, required=True, shell_complete=completion.names("groups")
)
NEW = NewIdType(IDENTIFIER, "member")
EDIT = (Exit.NO_SUCH_THING, Exit.CONFIGURATION_INVALID, Exit.REFUSED, Exit.DAEMON_UNREACHABLE)


@member.command("list", cls=Verb, gives=MemberList, exits=(Exit.CONFIGURATION_INVALID,))
@reads
def list_members(place: File) -> None:
    """List all members, in the file's order. Who is online, and what he does, `fsqueue status` shows.

    Example: fsqueue member list
    """
    configuration = read_configuration(place)
    rows = tuple(_row(key, one, configuration) for key, one in configuration.members.items())
    if place.as_json:
        talk.give_json(MemberList(file=str(place.path), members=rows))
        return
    if not rows:
        talk.say("there are no members yet: fsqueue member add NAME --dial user/1001@example.com")
        return
    talk.give_table(
        ("MEMBER", "NAME", "EXT.", "DIAL", "GROUPS"),
        [(row.id, row.name, row.extension or "", row.dial, " ".join(row.groups)) for row in rows],
    )


def _row(key: str, one: Member, configuration: Configuration) -> MemberRow:
    return MemberRow(
        id=key, name=one.name, extension=one.extension, dial=one.dial, groups=_groups_of(key, configuration)
    )


def _groups_of(key: str, configuration: Configuration) -> tuple[str, ...]:
    return tuple(name for name, group in configuration.groups.items() if key in group.members)


@member.command("show", cls=Verb, gives=MemberDetails, exits=(Exit.NO_SUCH_THING, Exit.CONFIGURATION_INVALID))
@MEMBER
@reads
def show_member(place: File, key: str) -> None:
    """Show a member's settings, his groups, and his place in each.

    Example: fsqueue member show anna
    """
    configuration = read_configuration(place)
    if key not in configuration.members:
        raise no_such_thing("member", key, list(configuration.members))
    details = _details(key, configuration)
    if place.as_json:
        talk.give_json(details)
    else:
        talk.give_facts(_facts(details))


def _details(key: str, configuration: Configuration) -> MemberDetails:
    one = configuration.members[key]
    user = identity(one, configuration.telephony.domain)
    places = tuple(
        Place(group=name, position=group.members.index(key) + 1, of=len(group.members))
        for name, group in configuration.groups.items()
        if key in group.members
    )
    return MemberDetails(
        id=key,
        name=one.name,
        extension=one.extension,
        dial=one.dial,
        user=user,
        pause_after=one.pause_after,
        groups=places,
        forwards=tuple(
            f"{name}.{occasion}"
            for name, group in configuration.groups.items()
            for occasion, step in steps(group)
            if isinstance(step, Forward) and step.member == key
        ),
        may_pick_up=tuple(place.group for place in places if user and configuration.groups[place.group].pickup),
    )


def _facts(one: MemberDetails) -> list[tuple[str, str]]:
    places = [f"{place.group} ({place.position} of {place.of})" for place in one.groups]
    return [
        ("member", one.id),
        ("name", one.name),
        ("extension", one.extension or "none"),
        ("dial", one.dial),
        ("user", one.user or "nothing says which SIP user this is"),
        ("pause-after", f"{talk.count(one.pause_after, 'offer')} in a row not taken" if one.pause_after else "never"),
        ("groups", ", ".join(places) or "none, so never rung"),
        ("forwards to him", ", ".join(one.forwards) or "none"),
        ("may pick up in", ", ".join(one.may_pick_up) or "no group"),
    ]


@member.command("add", cls=Verb, gives=Change, exits=EDIT)
@click.argument("key", metavar="MEMBER", type=NEW)
@key_options(MEMBERS)
@changes
def add_member(target: Target, key: str, **options: Any) -> int:
    """Add a member; he is logged in, and rung as soon as he is in a group and his phone is registered.

    Where there is no configuration yet, a new one is begun.

    Example: fsqueue member add anna --dial user/1001@example.com --extension 1001
    """
    values = given(MEMBERS, options)
    if "dial" not in values:
        raise click.UsageError("give --dial, such as --dial user/1001@example.com")
    return carry_out(target, Plan(edit=lambda text: edit.add(text, "members", key, values), begins=True))


@member.command("set", cls=Verb, gives=Change, exits=EDIT)
@MEMBER
@key_options(MEMBERS)
@unset_option(MEMBERS)
@changes
def set_member(target: Target, key: str, unset: tuple[str, ...], **options: Any) -> int:
    """Change a member. A ring or talk of his goes on as it began; what is set counts from the next one.

    Example: fsqueue member set anna --dial user/1011@example.com --unset extension
    """
    values = given(MEMBERS, options)
    if both := [one for one in unset if one in values]:
        raise click.UsageError(f"{both[0]} is both given and unset")

    def change(text: str) -> str:
        need(text, "members", key)
        return unset_keys(set_keys(text, ("members", key), values), ("members", key), unset)

    return carry_out(target, Plan(edit=change))


@member.command("rename", cls=Verb, gives=Change, exits=EDIT)
@MEMBER
@click.argument("new", metavar="NEW", type=NEW)
@changes
def rename_member(target: Target, key: str, new: str) -> int:
    """Give a member another id, in all places that name him. Turns, talks and history stay.

    Example: fsqueue member rename anna anna-nowak
    """

    def change(text: str) -> str:
        need(text, "members", key)
        return edit.rename(text, "members", key, new)

    renamed = (Renamed("member", key, new),) if new != key else ()
    return carry_out(target, Plan(edit=change, renamed=renamed))


@member.command("remove", cls=Verb, gives=Change, exits=EDIT)
@MEMBER
@click.option("--cascade", is_flag=True, help="Take him out of all groups, and steps that forward to him, too.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@changes
def remove_member(target: Target, key: str, cascade: bool, yes: bool) -> int:
    """Remove a member. While he rings or talks it counts after that.

    Example: fsqueue member remove anna --cascade
    """

    def change(text: str) -> str:
        need(text, "members", key)
        return (edit.remove_with_references if cascade else edit.remove)(text, "members", key)

    plan = Plan(edit=change)
    preview(target, plan)
    if not target.dry_run:
        state = _state(target, key)
        now = f" {key} is {state} now: that goes on to its end." if state in {"ringing", "talking"} else ""
        confirm(f"Remove the member {key}?{now}", yes)
    return carry_out(target, plan)


def _state(target: Target, key: str) -> str:
    """What the running daemon says of him; nothing where it can't be asked, since nothing depends on it."""
    from fsqueue_cli.handing_over import other_file
    from fsqueue_cli.running import ControlRefusedError, Running, UnreachableError

    running = Running()
    try:
        return "" if other_file(running, target.path) is not None else running.member_state(key)
    except (UnreachableError, ControlRefusedError):
        return ""


@member.command("join", cls=Verb, gives=Change, exits=EDIT)
@MEMBER
@GROUP_LIST
@changes
def join_groups(target: Target, key: str, groups: tuple[str, ...]) -> int:
    """Put a member at the end of groups' lists; he is rung for who waits there at once.

    Example: fsqueue member join anna sales support
    """

    def change(text: str) -> str:
        need(text, "members", key)
        for name in groups:
            need(text, "groups", name)
            text = edit.join(text, name, key)
        return text

    return carry_out(target, Plan(edit=change))


@member.command("leave", cls=Verb, gives=Change, exits=EDIT)
@MEMBER
@GROUP_LIST
@changes
def leave_groups(target: Target, key: str, groups: tuple[str, ...]) -> int:
    """Take a member out of groups. A ring or talk of his for one of them goes on.

    Example: fsqueue member leave anna support
    """

    def change(text: str) -> str:
        need(text, "members", key)
        for name in dict.fromkeys(groups):
            need(text, "groups", name)
            text = _leave(text, name, key)
        return text

    return carry_out(target, Plan(edit=change))


def _leave(text: str, group: str, key: str) -> str:
    try:
        return edit.leave(text, group, key)
    except edit.NoSuchThingError as error:
        raise NoSuchThingError(f"{error}; fsqueue member show {key} says where he is") from error


@member.command("move", cls=Verb, gives=Change, exits=EDIT)
@MEMBER
@click.argument("group", metavar="GROUP", shell_complete=completion.names("groups"))
@click.option(
    "--position",
    type=WholeType(1, 100_000),
    required=True,
    help="Place in the list, from 1; beyond the end is the end.",
)
@changes
def move_member(target: Target, key: str, group: str, position: int) -> int:
    """Move a member to another place in a group's list, which in-order rings from its beginning.

    Example: fsqueue member move anna support --position 1
    """

    def change(text: str) -> str:
        need(text, "members", key)
        need(text, "groups", group)
        try:
            return edit.move(text, group, key, position)
        except edit.NoSuchThingError as error:
            raise NoSuchThingError(f"{error}; fsqueue member join {key} {group} puts him there") from error

    return carry_out(target, Plan(edit=change))
