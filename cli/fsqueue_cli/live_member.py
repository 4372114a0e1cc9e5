"""``fsqueue member login | logout | pause | resume``: who answers, from now on and across restarts."""

from __future__ import annotations

from typing import Literal

import click

from fsqueue.control.protocol import DutyOrder, MemberDone
from fsqueue_cli import completion, talk
from fsqueue_cli.live_link import TELLS, Link, give_raw, to_daemon
from fsqueue_cli.nouns import Verb, member

MEMBER = click.argument("key", metavar="MEMBER", shell_complete=completion.names("members"))


@member.command("login", cls=Verb, gives=MemberDone, exits=TELLS)
@MEMBER
@to_daemon
def login(link: Link, key: str) -> None:
    """Log a member in: his phones ring from now on.

    Example: fsqueue member login anna
    """
    _set(link, key, "in", "")


@member.command("logout", cls=Verb, gives=MemberDone, exits=TELLS)
@MEMBER
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who look.")
@to_daemon
def logout(link: Link, key: str, reason: str) -> None:
    """Log a member out; a call that he has goes on, and one that rings at him rings on.

    Example: fsqueue member logout anna
    """
    _set(link, key, "out", reason)


@member.command("pause", cls=Verb, gives=MemberDone, exits=TELLS)
@MEMBER
@click.option("--reason", default="", metavar="TEXT", help="Why, for those who look: lunch, training.")
@to_daemon
def pause(link: Link, key: str, reason: str) -> None:
    """Pause a member until he resumes; a call that he has goes on.

    Example: fsqueue member pause anna --reason lunch
    """
    _set(link, key, "paused", reason)


@member.command("resume", cls=Verb, gives=MemberDone, exits=TELLS)
@MEMBER
@to_daemon
def resume(link: Link, key: str) -> None:
    """End a member's pause: his phones ring from now on.

    Example: fsqueue member resume anna
    """
    _set(link, key, "in", "")


def _set(link: Link, key: str, duty: Literal["in", "out", "paused"], reason: str) -> None:
    raw = link.client.post_raw("members", key, "duty", body=DutyOrder(duty=duty, reason=reason))
    said(link, raw)


def said(link: Link, raw: bytes) -> None:
    """Show what was done."""
    from fsqueue_cli.running import Confirmed

    if link.as_json:
        give_raw(raw)
    else:
        talk.say(link.client.decode(raw, Confirmed).done)
