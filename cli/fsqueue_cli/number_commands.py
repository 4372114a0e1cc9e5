"""``fsqueue number``: which number leads to which group, and what its callers hear."""

from __future__ import annotations

from typing import Any

import click

from fsqueue.config import edit
from fsqueue.config.settings import NUMBER, NUMBERS
from fsqueue_cli import completion, talk
from fsqueue_cli.changes import Plan, Target, carry_out, changes, confirm, preview
from fsqueue_cli.exits import Exit
from fsqueue_cli.files import Place, read_configuration, reads
from fsqueue_cli.nouns import Verb, number
from fsqueue_cli.options import NewIdType, given, key_options, unset_option
from fsqueue_cli.shapes import Change, NumberList, NumberRow
from fsqueue_cli.things import need, number_in, set_keys, unset_keys

OLD = click.argument("key", metavar="NUMBER", shell_complete=completion.names("numbers"))
EDIT = (Exit.NO_SUCH_THING, Exit.CONFIGURATION_INVALID, Exit.REFUSED, Exit.DAEMON_UNREACHABLE)


@number.command("list", cls=Verb, gives=NumberList, exits=(Exit.CONFIGURATION_INVALID,))
@reads
def list_numbers(place: Place) -> None:
    """List all numbers with their groups, and the music and priority in effect.

    Example: fsqueue number list
    """
    configuration = read_configuration(place)
    rows = tuple(
        NumberRow(
            number=key,
            group=one.group,
            music=one.music or configuration.telephony.music,
            priority=configuration.groups[one.group].priority if one.priority is None else one.priority,
        )
        for key, one in configuration.numbers.items()
    )
    if place.as_json:
        talk.give_json(NumberList(file=str(place.path), numbers=rows))
        return
    if not rows:
        talk.say("there are no numbers yet: fsqueue number add NUMBER --group GROUP")
        return
    cells = [(row.number, row.group, row.music, str(row.priority)) for row in rows]
    talk.give_table(("NUMBER", "GROUP", "MUSIC", "PRIORITY"), cells)


@number.command("add", cls=Verb, gives=Change, exits=EDIT)
@click.argument("key", metavar="NUMBER", type=NewIdType(NUMBER, "number"))
@key_options(NUMBERS)
@changes
def add_number(target: Target, key: str, **options: Any) -> int:
    """Lead a number to a group. A leading + or 00 makes no difference when it is dialled.

    The dialplan has to hand its calls over: `fsqueue dialplan install`.

    Example: fsqueue number add +48221234567 --group sales --music local_stream://jazz
    """
    values = given(NUMBERS, options)
    if "group" not in values:
        raise click.UsageError("give --group, such as --group sales")

    def change(text: str) -> str:
        need(text, "groups", str(values["group"]))
        return edit.add(text, "numbers", key, values)

    return carry_out(target, Plan(edit=change))


@number.command("set", cls=Verb, gives=Change, exits=EDIT)
@OLD
@key_options(NUMBERS)
@unset_option(NUMBERS)
@changes
def set_number(target: Target, key: str, unset: tuple[str, ...], **options: Any) -> int:
    """Change a number: its next caller goes there; who waits stays where he is.

    Example: fsqueue number set +48221234567 --group support
    """
    values = given(NUMBERS, options)
    if both := [one for one in unset if one in values]:
        raise click.UsageError(f"{both[0]} is both given and unset")

    def change(text: str) -> str:
        path = ("numbers", number_in(text, key))
        if "group" in values:
            need(text, "groups", str(values["group"]))
        return unset_keys(set_keys(text, path, values), path, unset)

    return carry_out(target, Plan(edit=change))


@number.command("remove", cls=Verb, gives=Change, exits=EDIT)
@OLD
@click.option("--yes", is_flag=True, help="Don't ask.")
@changes
def remove_number(target: Target, key: str, yes: bool) -> int:
    """Remove a number: its next caller is refused, so the dialplan has to lead him elsewhere. Who waits stays.

    Example: fsqueue number remove +48221234567
    """

    def change(text: str) -> str:
        return edit.remove(text, "numbers", number_in(text, key))

    plan = Plan(edit=change)
    preview(target, plan)
    if not target.dry_run:
        confirm(f"Remove the number {key}?", yes)
    return carry_out(target, plan)
