"""``fsqueue drain``: no new calls, those there are to their end, and then the daemon's end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import chain

import click
import msgspec

from fsqueue.control.protocol import MAX_DRAIN, DrainDone, DrainOrder, EventHead, Notice
from fsqueue_cli import talk
from fsqueue_cli.exits import FailedError
from fsqueue_cli.live_link import TELLS, Link, to_daemon
from fsqueue_cli.live_member import said
from fsqueue_cli.nouns import Verb
from fsqueue_cli.running import Confirmed

SAY_EVERY = 10.0
"""Seconds between two lines on how many calls are left."""


class SeenCall(msgspec.Struct, frozen=True, kw_only=True):
    """Of a call: which it is."""

    id: str


class SeenStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Of a status: what is not over."""

    seq: int
    calls: tuple[SeenCall, ...]


class SeenDrain(msgspec.Struct, frozen=True, kw_only=True):
    """Of a `DrainChanged`: what it says."""

    draining: bool


class SeenEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Of an event: the record of a drain that was called off."""

    record: SeenDrain


@click.command(cls=Verb, gives=DrainDone, exits=TELLS)
@click.option(
    "--timeout", type=click.FloatRange(0, MAX_DRAIN), metavar="S",
    help="End in so many seconds at the latest; who still waits then stays on hold for the next start, or for a minute.",
)  # fmt: skip
@click.option("--cancel", is_flag=True, help="Call it off: calls are taken again.")
@click.option("--no-wait", is_flag=True, help="Don't wait for the end.")
@to_daemon
def drain(link: Link, timeout: float | None, cancel: bool, no_wait: bool) -> None:
    """Take no new calls, finish those there are, and end the daemon; for an upgrade, or a move to another machine.

    New callers go to the dialplan's fallback. Who waits goes on being served, talks go on, and a caller whom a member
    transfers to a group is taken. systemd doesn't start a daemon again that has drained. Asked for again, it is the
    limit that changes.

    Waits for the end: 0 when the last call was over, 1 when the limit came first or somebody called it off.

    Example: fsqueue drain --timeout 900
    """
    if cancel and (no_wait or timeout is not None):
        raise click.UsageError("--cancel calls a drain off; it goes with no other option")
    if cancel:
        said(link, link.client.post_raw("drain", "cancel"))
    elif no_wait:
        said(link, link.client.post_raw("drain", body=DrainOrder(timeout=timeout)))
    else:
        _wait(link, DrainOrder(timeout=timeout))


def _wait(link: Link, order: DrainOrder) -> None:
    """Give the order, follow the calls to their ends, and the daemon to its own."""
    seen = link.client.get(SeenStatus, "status")
    left = {call.id: None for call in seen.calls}
    stream = link.client.events({"after": seen.seq})
    # The stream stands before the order is given: a daemon without calls has ended in half a second.
    first = next(stream)
    answer = link.client.post(Confirmed, "drain", body=order)
    if not link.as_json:
        talk.say(answer.done)
    _follow(link, chain((first,), stream), left)
    if left:
        raise FailedError(
            f"the limit came with {talk.count(len(left), 'call')} left: talks go on, and who waits stays on hold for a "
            "minute; systemctl start fsqueue finds them"
        )
    done = "drained: no call is left, and fsqueue has ended"
    if link.as_json:
        talk.give_json(DrainDone(done=done, draining=None, calls=0))
    else:
        talk.say(done)


def _follow(link: Link, stream: Iterable[tuple[EventHead | Notice, bytes]], left: dict[str, None]) -> None:
    """Keep *left*, the calls that are not over, until the daemon says that it ends."""
    said_at = time.monotonic()
    for line, raw in stream:
        if isinstance(line, EventHead):
            _take(link, line, raw, left)
        if not link.as_json and left and time.monotonic() - said_at >= SAY_EVERY:
            said_at = time.monotonic()
            talk.say(f"{talk.count(len(left), 'call')} left")


def _take(link: Link, event: EventHead, raw: bytes, left: dict[str, None]) -> None:
    if event.kind == "CallOpened":
        left[event.call] = None
    elif event.kind == "CallEnded":
        left.pop(event.call, None)
    elif event.kind == "DrainChanged" and not link.client.decode(raw, SeenEvent).record.draining:
        raise FailedError(f"{event.words}; fsqueue goes on running, so drain again when it may end")
