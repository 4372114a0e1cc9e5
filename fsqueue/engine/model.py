"""The rules' own view of the configuration: what groups, members, numbers and steps are to the engine.

`fsqueue.config` builds a :class:`Plan` from the TOML file after checking it; the engine trusts what it is given here.
All times are in seconds. Ids are those of the file (``[groups.sales]`` is ``sales``).
"""

from __future__ import annotations

from typing import Literal

import msgspec

Distribution = Literal["evenly", "in-order", "to-all"]
"""How a group's members are rung: rules D2, D3 and D4."""


class Voicemail(msgspec.Struct, frozen=True, tag="voicemail"):
    """Step: the caller leaves a message in *mailbox* (``user@domain``)."""

    mailbox: str


class Forward(msgspec.Struct, frozen=True, kw_only=True, tag="forward"):
    """Step S2: ring one member, or one dialled number; exactly one of the two is set."""

    member: str = ""
    number: str = ""
    timeout: float = 30.0
    """Seconds the target may ring."""
    key: str = ""
    """A digit that the target has to press to accept; empty: none is asked for."""
    prompt: str = ""
    """What is played to who is asked for the key; empty: three short tones."""
    caller_id: Literal["caller", "own"] = "caller"


class ToGroup(msgspec.Struct, frozen=True, tag="group"):
    """Step S3: go on in another group, keeping place and total wait."""

    group: str


class Wait(msgspec.Struct, frozen=True, tag="wait"):
    """Step: stay in line with the number's music; *prompt* is played once a visit."""

    prompt: str = ""


class HangUp(msgspec.Struct, frozen=True, tag="hangup"):
    """Step: end the call; *cause* is a FreeSWITCH cause such as ``USER_BUSY``, empty for the one that fits the rule."""

    cause: str = ""


Step = Voicemail | Forward | ToGroup | Wait | HangUp
"""What is done with a call nobody takes (S1)."""

Occasion = Literal["unanswered", "offline", "full", "waited"]
"""Why a step is taken: U2, U1, `max_waiting`, U4."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An employee who answers."""

    id: str
    name: str = ""
    extension: str = ""
    user: str = ""
    """``user@domain`` whom the switch authenticates; empty where the file doesn't say who he is."""
    dial: str = ""
    """FreeSWITCH dial string; opaque to the engine."""
    registers: bool = True
    """Whether he is reachable only while a phone of his is registered (``user/…``)."""
    pause_after: int = 0
    """Offers in a row not taken, after which he is paused; 0: never."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A queue."""

    id: str
    name: str = ""
    extension: str = ""
    members: tuple[str, ...] = ()
    distribution: Distribution = "evenly"
    rings: int = 4
    """1 to 60; one is `Plan.ring` seconds."""
    priority: int = 0
    """-100 to 100; for calls that bring none."""
    pickup: bool = False
    wrap_up: float = 0.0
    max_waiting: int = 0
    """Calls in line above which `full` is taken; 0: no limit."""
    max_wait: float = 3600.0
    """Seconds from entering until U4. Every visit has an end: 3600 unless set (`to-all` that waits: 600)."""
    prefix: str = ""
    """Before the caller's name on the members' phones; `{group}` and `{waited}` are filled in when it is rung."""
    service_level: float = 20.0
    unanswered: Step = Wait()
    offline: Step | None = None
    full: Step | None = None
    waited: Step | None = None

    def step(self, occasion: Occasion) -> Step:
        """Return the step of *occasion* with S1's defaults.

        Each defaults to `unanswered`; where that is `wait`, `full` and `waited` hang up, since a call that may not
        wait, or has waited out, can't be told to wait.
        """
        own = {"unanswered": self.unanswered, "offline": self.offline, "full": self.full, "waited": self.waited}[
            occasion
        ]
        step = self.unanswered if own is None else own
        if isinstance(step, Wait) and occasion in ("full", "waited"):
            return HangUp()
        return step


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A dialled number (without a leading ``+`` or ``00``: N1) and where it leads."""

    id: str
    group: str
    music: str = ""
    priority: int | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the rules are applied to."""

    members: dict[str, Member] = {}
    groups: dict[str, Group] = {}
    numbers: dict[str, Number] = {}
    """By normalised number, see :func:`plain_number`."""
    ring: float = 5.0
    """Seconds of one ring."""
    rest: float = 5.0
    """Seconds a member rests after an offer he did not take (M2)."""
    music: str = "local_stream://default"
    """For who came by extension or transfer (N3)."""
    max_calls: int = 2000
    max_forwards: int = 0
    """Forwards to numbers at one time; 0: no cap."""

    def window(self, group: Group) -> float:
        """Seconds that one offer of *group* may ring."""
        return group.rings * self.ring


MAX_VISITS = 10
"""Visits of one call, after which a chain of groups counts as a loop (S3)."""

UNREACHABLE_FOR = 30.0
"""Seconds that a phone which could not be rung counts as unreachable (M1)."""

WITHDRAWAL_LIMIT = 10.0
"""Seconds in which a withdrawn offer must end; then it is taken for lost (the offer table)."""


def plain_number(dialled: str) -> str:
    """Return *dialled* as numbers are looked up: without a leading ``+`` or ``00`` (N1)."""
    if dialled.startswith("+"):
        return dialled[1:]
    return dialled[2:] if dialled.startswith("00") else dialled
