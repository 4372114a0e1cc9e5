"""What the parts of the core share: the legs themselves, time, timers, and the way out for commands and inputs.

Everything is driven by one item at a time, so nothing here is locked; dicts keep their order, so the same history gives
the same result.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from fsqueue.engine.messages import Hold, Input, Leg, Outcome, Ring, WithdrawWhy
from fsqueue.engine.model import HangUp, Voicemail
from fsqueue.esl.events import Event
from fsqueue.switch.messages import Api, BgApi, SwitchCommand, SwitchFacts

Do = Callable[[], None]


@dataclass(slots=True, eq=False)
class Timer:
    """Something to do at *due* (epoch seconds), unless cancelled."""

    due: float
    do: Do
    cancelled: bool = False

    def cancel(self) -> None:
        """Don't do it."""
        self.cancelled = True


CallerPhase = Literal["arriving", "handed", "waiting", "sent", "left", "ending"]
"""arriving: in the dialplan's socket, or parked by it · handed: on the way to his hold · waiting: with us (on hold, or in a bridge, which
a :class:`Talk` tells) · sent: in a step · left: hung up in a mailbox, and his message's length is still on the way ·
ending: we are hanging him up."""


_REMEMBERED = 500
"""Ended channels: a second's worth of a busy switch, twice as long as its table of channels is late."""


@dataclass(slots=True, eq=False)
class CallerLeg:
    """A caller's channel during one visit; the next arrival of the same channel is another object."""

    uuid: str
    event: Event
    """As it arrived."""
    session: str = ""
    """The dialplan's socket that waits for our first word."""
    parked: bool = False
    """The dialplan has parked him until our first word, which is said on the link."""
    since: float = 0.0
    """When he was surely parked."""
    word: Do | None = None
    """The first word to who is parked, while it can't be said."""
    call: str = ""
    hold: Hold | None = None
    phase: CallerPhase = "arriving"
    stands: bool = False
    """He is in his hold: a command that moves him takes effect. Sent earlier it is lost without an error."""
    media: bool = False
    """He has been answered, or has early media: a bridge doesn't drop him."""
    found_talking: bool = False
    """A predecessor's, found in a talk: of his visit nothing is known here but its id."""
    has_talked: bool = False
    """His channel may have been in a talk: what was written on it for that one's end may come about yet."""
    queue: list[Do] = field(default_factory=list)
    """What waits for him to stand."""
    step: Voicemail | HangUp | None = None
    sent_at: float = 0.0
    checks: int = 0
    """How often we asked since when he should stand."""

    @property
    def expects_word(self) -> bool:
        """Whether nothing has been said to him yet."""
        return bool(self.session) or self.parked

    @property
    def arrival(self) -> str:
        """What the dialplan calls this arrival."""
        return self.event.fsq_arrival or self.uuid


@dataclass(slots=True, eq=False)
class PhoneLeg:
    """One phone of an offer: one originate, one channel."""

    uuid: str
    job: str
    existed: bool = False
    """Its channel was seen."""
    answered: bool = False
    settled: bool = False
    """Its originate is over: it was parked, or its job has said so."""
    over: bool = False
    kill: str = ""
    """The cause it was, or is to be, killed with."""
    outcome: Outcome = "no_answer"
    cause: str = ""


@dataclass(slots=True, eq=False)
class Offer:
    """One offer's phones."""

    id: str
    call: str
    member: str
    ring: Ring | None = None
    """None: found on the switch, rung by a predecessor."""
    phones: list[PhoneLeg] = field(default_factory=list)
    dialled: bool = False
    """The originates are out."""
    rang: bool = False
    winner: PhoneLeg | None = None
    withdrawn: WithdrawWhy | None = None


TalkPhase = Literal["queued", "asked", "up", "back", "left", "over"]
"""queued: the caller doesn't stand yet · asked: uuid_bridge is out · up: CHANNEL_BRIDGE came · back: it failed, and the
caller is on his way back · left: the caller was handed on and the member talks to somebody else · over: the member is
free."""


@dataclass(slots=True, eq=False)
class Talk:
    """A caller and a member's leg, from Connect on."""

    call: str
    offer: str
    member: str
    caller: str
    leg: str
    """The member's channel: the phone that won, or the one that dialled the pickup code."""
    taker: bool = False
    phase: TalkPhase = "queued"
    connected: bool = False
    """The engine was told so."""
    withdrawn: bool = False
    gone: bool = False
    """The member's channel has ended."""
    flipped: bool = False
    """The switch has confirmed that this caller's end needs nobody."""
    why: str = ""
    refer: str = ""
    """The waiting channel that the member transferred his caller to."""
    timer: Timer | None = None
    settling: Do | None = None
    """What waits for the end of the member's originate."""


@dataclass(slots=True, eq=False)
class CodeLeg:
    """A colleague's channel that dialled one of our codes."""

    uuid: str
    session: str
    arrival: str
    user: str
    answered: bool
    parked: bool = False
    """The dialplan has parked it until our word."""
    since: float = 0.0
    """When it was surely parked."""
    word: Do | None = None
    """Our word to a parked leg, while it can't be said."""
    used: bool = False


class Context:
    """Shared by the parts of one switch's core."""

    def __init__(self, switch: str, facts: SwitchFacts, new_call: Callable[[float], str]) -> None:
        """Begin with no legs and the link down."""
        self.switch = switch
        self.facts = facts
        self.new_call = new_call
        self.now = 0.0
        self.link = False
        self.core = ""
        self.offset = 0.0
        """The switch's clock minus ours, in seconds."""
        self.callers: dict[str, CallerLeg] = {}
        self.offers: dict[str, Offer] = {}
        self.forwards: dict[str, Ring] = {}
        """The offers to numbers among them, since an arrival may be one of these that came back."""
        self.phones: dict[str, tuple[Offer, PhoneLeg]] = {}
        self.jobs: dict[str, tuple[Offer, PhoneLeg]] = {}
        self.ringing: dict[str, None] = {}
        """The legs whose originate is not over: they may be answered any moment, and their bridge waits for its end."""
        self.codes: dict[str, CodeLeg] = {}
        self.sessions: dict[str, str] = {}
        """The channel of each open session."""
        self.sought: dict[str, str] = {}
        """Channels (and their calls) that only the engine knows, and that are being looked for: their absence says nothing yet."""
        self.hung_up: dict[str, None] = {}
        """Channels whose end was heard lately: the table of channels may still show them, and what they were bridged to."""
        self.commands: list[SwitchCommand] = []
        self.inputs: list[Input] = []
        self._replies: dict[int, Callable[[str], None]] = {}
        self._ref = 0
        self._timers: list[tuple[float, int, Timer]] = []
        self._timer_seq = 0

    def leg(self, uuid: str) -> Leg:
        """Return the engine's name of a channel."""
        return Leg(switch=self.switch, uuid=uuid)

    def emit(self, given: Input) -> None:
        """Tell the engine."""
        self.inputs.append(given)

    def heard_end(self, uuid: str) -> None:
        """A channel has ended, as its event says; no uuid is used twice."""
        self.hung_up[uuid] = None
        if len(self.hung_up) > _REMEMBERED:
            del self.hung_up[next(iter(self.hung_up))]

    # -- commands on the link

    def api(self, text: str, then: Callable[[str], None] | None = None) -> None:
        """Send an API command; *then* gets its answer, unless the link drops before. Nothing is sent while it is down."""
        if not self.link:
            return
        self._ref += 1
        if then is not None:
            self._replies[self._ref] = then
        self.commands.append(Api(self._ref, text))

    def bgapi(self, job: str, text: str) -> None:
        """Run an API command in the background."""
        if self.link:
            self.commands.append(BgApi(job, text))

    def reply(self, ref: int, text: str) -> None:
        """An API command was answered."""
        then = self._replies.pop(ref, None)
        if then is not None:
            then(text.strip())

    def forget_replies(self) -> None:
        """The link dropped: what was asked has no answer."""
        self._replies.clear()

    # -- timers

    def after(self, seconds: float, do: Do) -> Timer:
        """Do *do* in *seconds*."""
        timer = Timer(self.now + seconds, do)
        self._timer_seq += 1
        heapq.heappush(self._timers, (timer.due, self._timer_seq, timer))
        return timer

    def shift(self, seconds: float) -> None:
        """Move every timer, and the time itself, by *seconds*."""
        self.now += seconds
        self.offset -= seconds
        for _, _, timer in self._timers:
            timer.due += seconds
        self._timers = [(timer.due, number, timer) for _, number, timer in self._timers]

    def deadline(self) -> float | None:
        """Return when the next timer is due (epoch seconds), or None."""
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def run_due(self) -> None:
        """Do everything that is due."""
        while (due := self.deadline()) is not None and due <= self.now:
            heapq.heappop(self._timers)[2].do()
