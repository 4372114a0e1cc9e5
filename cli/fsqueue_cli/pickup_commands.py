"""``fsqueue pickup``: the code by which a member takes a call that rings at a colleague, and where it works."""

from __future__ import annotations

import click

from fsqueue.config.model import Configuration, identity
from fsqueue.config.settings import TELEPHONY, Setting
from fsqueue_cli import completion, talk
from fsqueue_cli.changes import Plan, Target, carry_out, changes
from fsqueue_cli.exits import Exit
from fsqueue_cli.files import Place, read_configuration, reads
from fsqueue_cli.nouns import Verb, pickup
from fsqueue_cli.options import TextType
from fsqueue_cli.shapes import Change, PickupDetails, PickupGroup
from fsqueue_cli.things import need, set_keys

GROUP = click.argument("key", metavar="GROUP", shell_complete=completion.names("groups"))
EDIT = (Exit.CONFIGURATION_INVALID, Exit.REFUSED, Exit.DAEMON_UNREACHABLE)


def _code_setting() -> Setting:
    return next(setting for setting in TELEPHONY.settings if setting.name == "pickup_code")


@pickup.command("show", cls=Verb, gives=PickupDetails, exits=(Exit.CONFIGURATION_INVALID,))
@reads
def show_pickup(place: Place) -> None:
    """Show the pickup code, the groups that allow it, and members who can't use it.

    Example: fsqueue pickup show
    """
    configuration = read_configuration(place)
    details = _details(configuration)
    if place.as_json:
        talk.give_json(details)
        return
    talk.give(
        f"{details.code} takes what has been ringing longest; {details.code} and an extension, what rings there\n"
    )
    talk.give_table(
        ("GROUP", "PICKUP", "MEMBERS", "CAN'T: NOTHING SAYS WHICH SIP USER"),
        [
            (one.id, "allowed" if one.allowed else "forbidden", " ".join(one.members), " ".join(one.nameless))
            for one in details.groups
        ],
    )


def _details(configuration: Configuration) -> PickupDetails:
    telephony = configuration.telephony
    groups = tuple(
        PickupGroup(
            id=key,
            allowed=group.pickup,
            members=group.members,
            nameless=tuple(
                name for name in group.members if identity(configuration.members[name], telephony.domain) is None
            ),
        )
        for key, group in configuration.groups.items()
    )
    return PickupDetails(code=telephony.pickup_code, groups=groups)


@pickup.command("code", cls=Verb, gives=Change, exits=EDIT)
@click.argument("code", metavar="CODE", type=TextType(_code_setting()))
@changes
def set_code(target: Target, code: str) -> int:
    """Set the code that is dialled to pick up. The dialplan changes with it: `fsqueue dialplan install`.

    Example: fsqueue pickup code '*8'
    """
    return carry_out(target, Plan(edit=lambda text: set_keys(text, ("telephony",), {"pickup_code": code})))


@pickup.command("allow", cls=Verb, gives=Change, exits=(*EDIT, Exit.NO_SUCH_THING))
@GROUP
@changes
def allow_pickup(target: Target, key: str) -> int:
    """Let members of a group take its ringing calls from each other.

    Example: fsqueue pickup allow sales
    """
    return carry_out(target, _pickup(key, allowed=True))


@pickup.command("forbid", cls=Verb, gives=Change, exits=(*EDIT, Exit.NO_SUCH_THING))
@GROUP
@changes
def forbid_pickup(target: Target, key: str) -> int:
    """Have a group's calls be answered only by who is rung.

    Example: fsqueue pickup forbid sales
    """
    return carry_out(target, _pickup(key, allowed=False))


def _pickup(key: str, *, allowed: bool) -> Plan:
    def change(text: str) -> str:
        need(text, "groups", key)
        return set_keys(text, ("groups", key), {"pickup": allowed})

    return Plan(edit=change)
