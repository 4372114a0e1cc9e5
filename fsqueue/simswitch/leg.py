"""A leg: one channel of the switch, with its state, its variables and who is at its far end."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from fsqueue.simswitch.agenda import Timer
    from fsqueue.simswitch.bridging import Bridge
    from fsqueue.simswitch.originate import Attempt
    from fsqueue.simswitch.session import Session

# Why a leg that waits goes on.
Reason = Literal[
    "start", "time", "message", "break", "key", "connected", "refused", "attached", "closed", "answered", "failed"
]

# What a leg is doing: it yields how many seconds it waits at most (None: for ever), and is sent why it goes on.
Run = Generator[float | None, Reason, None]
Waiting = Generator[float | None, Reason, Reason]

STATE_NUMBERS = {
    "CS_NEW": 0,
    "CS_INIT": 1,
    "CS_ROUTING": 2,
    "CS_SOFT_EXECUTE": 3,
    "CS_EXECUTE": 4,
    "CS_EXCHANGE_MEDIA": 5,
    "CS_PARK": 6,
    "CS_CONSUME_MEDIA": 7,
    "CS_HIBERNATE": 8,
    "CS_RESET": 9,
    "CS_HANGUP": 10,
    "CS_REPORTING": 11,
}


class Party(Protocol):
    """Who is at the far end of a leg: a caller or a phone. He sees only what comes over the wire to him."""

    @property
    def who(self) -> str:
        """A caller's number, or a phone's `user@domain`."""

    def answered(self, leg: Leg) -> None:
        """The switch has answered his call."""

    def hears(self, leg: Leg, what: str, other: Leg | None) -> None:
        """He hears "music", "silence", or "talk" with `other` from now on."""

    def gone(self, leg: Leg, cause: str, by_switch: bool) -> None:
        """The leg is over."""


@dataclass(eq=False)
class Leg:
    """One channel. `answer` is what the `Answer-State` header says."""

    uuid: str
    direction: Literal["inbound", "outbound"]
    name: str
    caller_name: str
    caller_number: str
    destination: str
    context: str
    created: float
    party: Party | None = None
    variables: dict[str, str] = field(default_factory=dict)
    hidden: bool = False
    """The caller asked that neither his name nor his number be shown."""

    state: str = "CS_INIT"
    call_state: str = "DOWN"
    answer: Literal["ringing", "early", "answered", "hangup"] = "ringing"
    cause: str = ""
    answered_at: float = 0.0
    dialplan: str = "XML"
    other: str = ""
    hearing: tuple[str, str] = ("", "")
    held: bool = False
    parked: bool = False
    taken: bool = False
    application: str = ""
    application_data: str = ""

    run: Run | None = None
    waiting: Timer | None = None
    moving: bool = False
    messages: deque[tuple[str, str]] = field(default_factory=deque)
    keys: str = ""
    recording_since: float = 0.0
    tasks: list[Timer] = field(default_factory=list)

    bridge: Bridge | None = None
    attempt: Attempt | None = None
    session: Session | None = None
    linked_to: Leg | None = None

    @property
    def gone(self) -> bool:
        """Whether its hang-up has begun; to commands it doesn't exist any more."""
        return self.answer == "hangup"

    @property
    def has_media(self) -> bool:
        """Whether sound flows: answered, or early media."""
        return self.answer in ("answered", "early")

    @property
    def presence_id(self) -> str:
        """`Channel-Presence-ID`: whose leg this is, if whoever dialled it said so."""
        return self.variables.get("presence_id", "")

    def set(self, name: str, value: str) -> None:
        """Set a variable; an empty value unsets it, as the switch does."""
        if value:
            self.variables[name] = value
        else:
            self.variables.pop(name, None)

    def true(self, name: str) -> bool:
        """Whether a variable says yes in one of the switch's words."""
        return self.variables.get(name, "").lower() in ("true", "yes", "on", "enabled", "active", "allow", "1", "t")
