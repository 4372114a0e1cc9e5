"""``fsqueue tail``: what happens, one line for each thing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping

import click
import msgspec

from fsqueue.control.protocol import MAX_EVENTS, EventHead, Events
from fsqueue_cli import completion, talk
from fsqueue_cli.live_link import ASKS, Link, give_raw, to_daemon
from fsqueue_cli.nouns import Verb

RETRY = 1.0
"""Seconds between attempts to find the daemon again."""

COLOURS: Mapping[str, str] = {
    "CallOpened": "white",
    "VisitBegan": "white",
    "Offered": "yellow",
    "OfferAnswered": "green",
    "Talking": "green",
    "OfferOver": "magenta",
    "Decided": "blue",
    "MemberChanged": "cyan",
    "ConfigTaken": "cyan",
    "SwitchChanged": "red",
}

BOOKKEEPING = ("TurnUsed",)
"""Kinds that only matter to who looks for why somebody was rung; JSON has them."""


class SeenEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Of past events: what people read."""

    events: tuple[EventHead, ...]


@click.command(cls=Verb, gives=Events, exits=ASKS)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, also when the daemon is restarted.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0, MAX_EVENTS),
    default=20,
    show_default=True,
    help="Begin with so many past ones.",
)
@click.option(
    "--group", default="", metavar="ID", help="Only of this group.", shell_complete=completion.names("groups")
)
@click.option(
    "--member", default="", metavar="ID", help="Only of this one.", shell_complete=completion.names("members")
)
@click.option("--caller", default="", metavar="TEXT", help="Only of callers whose number or name has this in it.")
@to_daemon
def tail(link: Link, follow: bool, lines: int, group: str, member: str, caller: str) -> None:
    """Show what happens, one line for each thing. With --follow --json: one JSON object a line.

    Example: fsqueue tail -f --group sales
    """
    query: dict[str, str | int | None] = {"group": group, "member": member, "caller": caller, "last": lines}
    try:
        if follow:
            _follow(link, query)
        else:
            _past(link, query)
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # Who reads has had enough; Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _past(link: Link, query: Mapping[str, str | int | None]) -> None:
    raw = link.client.get_raw("recent", query=query)
    if link.as_json:
        give_raw(raw)
        return
    for event in link.client.decode(raw, SeenEvents).events:
        _print(event.kind, event.t, event.words)


def _follow(link: Link, query: dict[str, str | int | None]) -> None:
    from fsqueue.control.client import DeniedError, UnreachableError

    lost = False
    begun = False
    for_next = dict(query)
    while True:
        try:
            for seq in _stream(link, for_next):
                if lost:
                    talk.say("the daemon is back")
                lost, begun = False, True
                for_next.pop("last", None)
                for_next["after"] = seq
        except DeniedError:
            raise
        except UnreachableError as error:
            if not begun:
                raise
            if not lost:
                talk.say(f"{error}; trying again")
            lost = True
        time.sleep(RETRY)


def _stream(link: Link, query: Mapping[str, str | int | None]) -> Iterator[int]:
    """Print one stream to its end; yield the number to come back after."""
    from fsqueue.control.protocol import Notice
    from fsqueue.control.wire import printable

    for said, raw in link.client.events(query):
        if isinstance(said, Notice):
            if said.notice in ("missed", "dropped"):
                talk.say(said.text)
        elif link.as_json:
            talk.give(printable(raw.decode()))
        else:
            _print(said.kind, said.t, said.words)
        sys.stdout.flush()
        yield said.seq


def _print(kind: str, t: float, words: str) -> None:
    if kind in BOOKKEEPING:
        return
    from fsqueue_cli.picture import shown

    local = time.localtime(t)
    today = local[:3] == time.localtime()[:3]
    stamp = time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S", local)
    text = shown(words)
    if talk.coloured(sys.stdout):
        colour = _end_colour(words) if kind == "CallEnded" else COLOURS.get(kind)
        text = click.style(text, fg=colour)
        stamp = click.style(stamp, dim=True)
    talk.give(f"{stamp} {text}\n")


def _end_colour(words: str) -> str:
    return "green" if ": ended, answered" in words or ": ended, forwarded" in words else "red"
