"""``fsqueue top``: the status, live, in a window of its own."""

from __future__ import annotations

import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from fsqueue.control.protocol import Status
from fsqueue_cli import completion
from fsqueue_cli.exits import Exit, FailedError
from fsqueue_cli.nouns import Verb

if TYPE_CHECKING:
    from fsqueue.control.client import Client
    from fsqueue_cli.live_screen import View

Keys = Callable[[float], str]
"""Waits for so many seconds at most; returns what was pressed."""

INTERVAL = 1.0
"""Seconds between questions to the daemon."""

FRAME = 0.25
"""Seconds between looks at the clock and the window's size; a key, or an answer, is shown at once."""


@click.command(cls=Verb, exits=(Exit.DAEMON_UNREACHABLE,))
@click.argument("group", required=False, shell_complete=completion.names("groups"))
@click.option("--sort", type=click.Choice(["wait", "group", "state"]), default="wait", show_default=True, help="Order.")
@click.option("--find", default="", metavar="TEXT", help="Only what has this in its name, number or id.")
@click.option("--socket", metavar="PATH", help="The daemon's control socket [$FSQUEUE_SOCKET, /run/fsqueue/…].")
def top(group: str | None, sort: str, find: str, socket: str | None) -> None:
    """Show who waits, what members do and how today goes, live. It stays when the daemon is restarted.

    Keys: s another order; g the next group, a all; / shows only what has a text in its name, number or id (a member, a caller, a
    state); q quits.

    Example: fsqueue top
    """
    from fsqueue.control.client import Client
    from fsqueue.places import control_socket
    from fsqueue_cli.live_screen import View

    if not sys.stdout.isatty():
        raise FailedError("top needs a terminal; fsqueue status --json is for programs")
    _run(Client(control_socket(socket)), View(sort=sort, group=group or "", find=find))


def _run(client: Client, view: View) -> None:
    from rich.console import Console
    from rich.live import Live

    from fsqueue_cli.live_screen import render

    console = Console(highlight=False, emoji=False)
    news: queue.SimpleQueue[Status | str] = queue.SimpleQueue()
    threading.Thread(target=_ask, args=(client, news), daemon=True).start()
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        shown: object = None
        while not view.ended:
            fresh = _take_news(view, news)
            now = time.monotonic()
            # It is open all day: drawn when there is something new to see, which is news, a second, another window or a key.
            if fresh or shown != (int(now), console.size):
                shown = (int(now), console.size)
                live.update(render(view, now, console.height), refresh=True)
            for key in pressed(FRAME):
                view.press(key)
                shown = None


def _take_news(view: View, news: queue.SimpleQueue[Status | str]) -> bool:
    """Take what has come in; tell whether there was anything."""
    fresh = not news.empty()
    while not news.empty():
        said = news.get()
        if isinstance(said, str):
            view.trouble = said
        else:
            view.take(said, time.monotonic())
    return fresh


def _ask(client: Client, news: queue.SimpleQueue[Status | str]) -> None:
    """Ask again and again, in a thread of its own: a daemon that doesn't answer must not make keys wait."""
    from fsqueue.control.client import ControlRefusedError, UnreachableError

    while True:
        try:
            news.put(client.get(Status, "status"))
        except (UnreachableError, ControlRefusedError) as error:
            news.put(str(error))
        time.sleep(INTERVAL)


@contextmanager
def _keys() -> Iterator[Keys]:
    """Take keys as they are pressed, without Enter; leave the terminal as it was."""
    if not sys.stdin.isatty():
        yield _no_keys
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield _pressed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _pressed(seconds: float) -> str:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return os.read(sys.stdin.fileno(), 64).decode("utf-8", "replace") or "q" if ready else ""


def _no_keys(seconds: float) -> str:
    time.sleep(seconds)
    return ""
