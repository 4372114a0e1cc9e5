"""What goes into the core of legs beside the engine's commands and FreeSWITCH's events, and what comes out of it.

A *session* is one connection of the dialplan's ``socket``, named by the driver. Texts that come out are quoted already.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fsqueue.engine.messages import Command as EngineCommand
from fsqueue.engine.messages import Input, Ring
from fsqueue.esl.events import Event

AnswerMode = Literal["answer", "pre_answer", "ring_ready"]


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """How one member is rung."""

    member: str
    dial: str
    """FreeSWITCH dial string, as in the configuration."""
    user: str = ""
    """``user@domain``, by which his registrations and his other calls are known; empty where nobody says."""
    registers: bool = True
    """He is reachable only while a phone of *user* is registered (``user/…``)."""


class SwitchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the legs of one switch need of the configuration. Times are in seconds."""

    owner: str = "fsqueue"
    phones: dict[str, Phone] = {}
    """By member."""
    answer: AnswerMode = "answer"
    music: str = "local_stream://default"
    outbound: str = ""
    """Dial string with ``{number}``; empty: numbers can't be dialled."""
    caller_id_number: str = ""
    caller_id_name: str = ""
    pickup_code: str = "*8"
    login_code: str = ""
    logout_code: str = ""
    pause_code: str = ""
    context: str = "fsqueue"
    lease: float = 60.0
    lease_every: float = 10.0
    snapshot_every: float = 30.0


# --- in -----------------------------------------------------------------------------------------------------------------


class NewFacts(msgspec.Struct, frozen=True):
    """The configuration changed; what runs goes on."""

    facts: SwitchFacts


class LinkUp(msgspec.Struct, frozen=True):
    """The link stands, is subscribed and filtered; *core* is the switch's Core-UUID."""

    core: str


class LinkDown(msgspec.Struct, frozen=True):
    """The link is gone: replies that are still due never come."""


class Reply(msgspec.Struct, frozen=True):
    """The answer to ``Api`` number *ref*."""

    ref: int
    text: str


class Foreseen(msgspec.Struct, frozen=True):
    """An offer is decided and being written down: *ring* follows as a command, unless we die before."""

    ring: Ring


class SocketArrived(msgspec.Struct, frozen=True):
    """The dialplan handed a channel over; the event is its whole data."""

    session: str
    event: Event


class SocketClosed(msgspec.Struct, frozen=True):
    """The session's connection ended, by whomever."""

    session: str


class Tick(msgspec.Struct, frozen=True):
    """Time has come to what ``deadline()`` named."""


Item = EngineCommand | Foreseen | Event | Reply | SocketArrived | SocketClosed | LinkUp | LinkDown | NewFacts | Tick


# --- out ----------------------------------------------------------------------------------------------------------------


class Api(msgspec.Struct, frozen=True):
    """``api TEXT`` on the link; a :class:`Reply` with *ref* follows."""

    ref: int
    text: str


class BgApi(msgspec.Struct, frozen=True):
    """``bgapi TEXT`` on the link with a Job-UUID of ours; its BACKGROUND_JOB follows."""

    job: str
    text: str


class Execute(msgspec.Struct, frozen=True):
    """``sendmsg execute`` on an outbound session."""

    session: str
    application: str
    argument: str = ""


class CloseSession(msgspec.Struct, frozen=True):
    """``exit`` on an outbound session, and its end."""

    session: str


SwitchCommand = Api | BgApi | Execute | CloseSession


class Out(msgspec.Struct, frozen=True):
    """What one item led to, each in order."""

    commands: tuple[SwitchCommand, ...] = ()
    inputs: tuple[Input, ...] = ()
