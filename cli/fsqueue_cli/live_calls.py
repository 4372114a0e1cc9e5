"""``fsqueue call list | show | move | hangup``: the calls there are, what happened to them, and what to do with them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import msgspec

from fsqueue.control.protocol import CallDetail, CallDone, Calls, EventHead, MoveOrder
from fsqueue.engine.view import CallView
from fsqueue.journal.history.queries import CallDetails
from fsqueue_cli import completion, talk
from fsqueue_cli.live_link import ASKS, TELLS, Link, give_raw, to_daemon
from fsqueue_cli.live_member import said
from fsqueue_cli.nouns import Verb, call

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class SeenCalls(msgspec.Struct, frozen=True, kw_only=True):
    """Of the calls: what is shown."""

    t: float
    calls: tuple[CallView, ...]


class SeenCallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Of one call: what is shown."""

    t: float
    id: str
    call: CallView | None
    events: tuple[EventHead, ...]
    past: CallDetails | None = None


def _ids(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the ids of the calls there are; nothing where no daemon answers at once."""
    from click.shell_completion import CompletionItem

    from fsqueue.control.client import Client, ControlRefusedError, UnreachableError
    from fsqueue.places import control_socket
    from fsqueue_cli.picture import party

    try:
        found = Client(control_socket(ctx.params.get("socket")), timeout=1.0).get(SeenCalls, "calls")
    except (UnreachableError, ControlRefusedError):
        return []
    return [CompletionItem(one.id, help=party(one)) for one in found.calls if one.id.startswith(incomplete)]


CALL = click.argument("key", metavar="CALL", shell_complete=_ids)


@call.command("list", cls=Verb, gives=Calls, exits=ASKS)
@to_daemon
def list_calls(link: Link) -> None:
    """List the calls that are not over, those in line first, in their order.

    Example: fsqueue call list
    """
    from fsqueue_cli.picture import duration, party

    raw = link.client.get_raw("calls")
    if link.as_json:
        give_raw(raw)
        return
    found = link.client.decode(raw, SeenCalls)
    if not found.calls:
        talk.say("there is no call")
        return
    rows = [
        (one.id, party(one), one.group, str(one.position or ""), _state(one), duration(found.t - one.joined))
        for one in found.calls
    ]
    talk.give_table(("CALL", "CALLER", "GROUP", "PLACE", "STATE", "SINCE"), rows)


def _state(one: CallView) -> str:
    if one.rings:
        return "rings " + ", ".join(ring.member or ring.number for ring in one.rings)
    return f"talks with {one.member}" if one.state == "talking" else one.state


@call.command("show", cls=Verb, gives=CallDetail, exits=ASKS)
@CALL
@to_daemon
def show_call(link: Link, key: str) -> None:
    """Show a call and what happened to it, with the rules and reasons, also when it is over.

    Example: fsqueue call show CALL
    """
    from fsqueue_cli.picture import duration, party

    raw = link.client.get_raw("calls", key)
    if link.as_json:
        give_raw(raw)
        return
    found = link.client.decode(raw, SeenCallDetail)
    if found.past is not None:
        from fsqueue.journal.history import story, times

        talk.give(story.text(found.past, times.local_zone()))
        return
    facts = [("call", found.id)]
    if (one := found.call) is not None:
        facts += [("caller", party(one)), ("dialled", one.dialled), ("group", one.group), ("state", _state(one))]
        facts += [("place", f"{one.position}, priority {one.priority}")] if one.position else []
        facts += [("joined", f"{_clock(one.joined)}, {duration(found.t - one.joined)} ago"), ("switch", one.switch)]
    else:
        facts += [("state", "over")]
    talk.give_facts(facts)
    talk.give("\n")
    for event in found.events:
        talk.give_facts([(_clock(event.t), event.words.removeprefix(found.id).lstrip(" :"))])


def _clock(t: float) -> str:
    local = time.localtime(t)
    return time.strftime("%H:%M:%S" if local[:3] == time.localtime()[:3] else "%Y-%m-%d %H:%M:%S", local)


@call.command("move", cls=Verb, gives=CallDone, exits=TELLS)
@CALL
@click.option("--group", metavar="ID", help="To this group.", shell_complete=completion.names("groups"))
@click.option("--head", is_flag=True, help="To the head of its line.")
@to_daemon
def move_call(link: Link, key: str, group: str | None, head: bool) -> None:
    """Move a waiting call to another group, where it keeps its place by time, or to the head of its line.

    Example: fsqueue call move CALL --group support
    """
    if (group is None) != head:
        raise click.UsageError("say where to: --group ID, or --head")
    if group == "":
        raise click.UsageError("--group needs a group's id")
    said(link, link.client.post_raw("calls", key, "move", body=MoveOrder(group=group or "")))


@call.command("hangup", cls=Verb, gives=CallDone, exits=TELLS)
@CALL
@click.option("--yes", is_flag=True, help="Don't ask.")
@to_daemon
def hang_up_call(link: Link, key: str, yes: bool) -> None:
    """End a call, whatever it does: the caller is hung up.

    Example: fsqueue call hangup CALL --yes
    """
    if not yes:
        from fsqueue_cli.picture import party

        one = link.client.decode(link.client.get_raw("calls", key), SeenCallDetail).call
        who = party(one) if one is not None else "its caller"
        click.confirm(
            f"End call {one.id if one is not None else 'that is over'} and hang up {who}?", abort=True, err=True
        )
    said(link, link.client.post_raw("calls", key, "hangup"))
