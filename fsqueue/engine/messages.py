"""What goes into the engine and what comes out: inputs, commands, records.

Times are epoch seconds and never stand in a message: the driver passes `now` beside each input, and a record gets its
time where it is written (:class:`Stamped` is for the journal). A leg is (switch, uuid); a call is not a leg; an offer
is ``CALL.n``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from fsqueue.engine.model import HangUp, Plan, Voicemail


class Leg(msgspec.Struct, frozen=True, order=True):
    """A FreeSWITCH channel: *uuid* on the switch with the configuration's id *switch*."""

    switch: str
    uuid: str


class Caller(msgspec.Struct, frozen=True):
    """Who calls, as the switch says it, without control characters. Data, never trusted."""

    number: str = ""
    name: str = ""
    hidden: bool = False
    """Anonymous: neither number nor name may be passed on to anybody outside (S2)."""


Outcome = Literal["declined", "busy", "no_answer", "unreachable", "failed", "withdrawn", "lost"]
"""How an offer ended without a talk. `failed`: the switch could not ring (its limit, say); nobody is to blame."""

Reason = Literal[
    "answered", "forwarded", "voicemail", "abandoned", "no_answer", "offline", "timed_out",
    "full", "step_failed", "ended_by_staff", "group_removed", "fallback", "lost",
]  # fmt: skip
"""The one reason a call ends with (E1); the first two are answered, all others missed."""

ANSWERED: tuple[Reason, ...] = ("answered", "forwarded")

DutyState = Literal["in", "out", "paused"]

WithdrawWhy = Literal["elsewhere", "timeout", "caller_gone", "step"]
"""`elsewhere` shows "answered elsewhere" on the phone, the others a missed call."""


# --- inputs -----------------------------------------------------------------------------------------------------------


class SeenLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One channel of ours in a snapshot of the switch."""

    uuid: str
    kind: Literal["caller", "offer", "sought"]
    """sought: not seen, and being looked for. Neither its presence nor its absence is known."""
    call: str = ""
    offer: str = ""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The switch is in reach, its registrations are known, and these are all channels of ours on it.

    What a snapshot shows but the engine doesn't know comes as `Arrived` before it. Absence counts when seen twice,
    since the switch's channel table is up to half a second behind its events.
    """

    switch: str
    core: str
    """The switch's Core-UUID; another one than before means that it was restarted and all its legs are gone."""
    legs: tuple[SeenLeg, ...] = ()


class SwitchRestarted(msgspec.Struct, frozen=True, tag=True):
    """The switch that is reached again is another one than before: all its legs are gone. Comes before what arrives on it."""

    switch: str
    core: str
    """Its new Core-UUID."""


class SwitchDown(msgspec.Struct, frozen=True, tag=True):
    """The switch is out of reach: no rule fires for its calls until the next `Snapshot`."""

    switch: str


class Arrived(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A caller's channel is ours now: by our socket, parked for us, or found in a snapshot. It says only what the
    channel's own variables say.
    """

    leg: Leg
    arrival: str
    """Made new by the dialplan at each entry; one not seen before is a new visit."""
    new_call: str
    """The id a new call gets; ids sort by time."""
    to: str = ""
    """Where the dialplan sends it (`fsqueue_to`: a group's id, a number or an extension); wins over `dialled` (N1)."""
    dialled: str = ""
    caller: Caller = Caller()
    priority: int | None = None
    user: str = ""
    """``user@domain`` whom the switch authenticated on this leg, empty for a stranger."""
    found: bool = False
    """Found in a snapshot, already on hold; the fields below are what its variables say."""
    call: str = ""
    """The call id the channel carries: with `found` its own, else that of an older visit (a transfer)."""
    group: str = ""
    number: str = ""
    """The normalised number first dialled, kept through transfers (N3)."""
    joined: float | None = None
    entered: float | None = None
    takes: str = ""
    """The waiting call that an attended transfer hands to this caller (N2)."""
    returned: str = ""
    """The forward's offer that this call seems to have come back from; empty for any other call (S2)."""
    surely: bool = False
    """With `returned`: its INVITE proves it, and not only the number that it shows."""


class CallerGone(msgspec.Struct, frozen=True, tag=True):
    """The caller's channel ended; *cause* is the switch's word."""

    leg: Leg
    cause: str = ""


class Ringing(msgspec.Struct, frozen=True, tag=True):
    """A phone of the offer rings."""

    offer: str


class Answered(msgspec.Struct, frozen=True, tag=True):
    """A phone of the offer was picked up (and the key pressed, where one is asked for)."""

    offer: str


class OfferEnded(msgspec.Struct, frozen=True, tag=True):
    """All legs of the offer are gone and it was not connected."""

    offer: str
    outcome: Outcome
    cause: str = ""


class Connected(msgspec.Struct, frozen=True, tag=True):
    """Caller and offer are bridged: CHANNEL_BRIDGE came for the pair."""

    call: str
    offer: str
    found: bool = False
    """Seen in a snapshot, or where nobody of this process had asked for it: a predecessor's talk. Of such a one its
    legs say the rest, in case no record of it was kept."""
    member: str = ""
    switch: str = ""


class ConnectFailed(msgspec.Struct, frozen=True, tag=True):
    """The bridge did not come about, or the member ended it within two seconds; the caller is back in his hold."""

    call: str
    offer: str
    why: str = ""


class TalkEnded(msgspec.Struct, frozen=True, tag=True):
    """The member of this talk is free of it: hung up, or transferred it away."""

    call: str
    offer: str
    why: str = ""


class StepDone(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A step that was sent has ended: the caller is gone from it, or it could not be carried out."""

    call: str
    ok: bool
    detail: str = ""


class Reach(msgspec.Struct, frozen=True, tag=True):
    """Whether a phone of the member is registered on the switch."""

    switch: str
    member: str
    reachable: bool


class OtherCall(msgspec.Struct, frozen=True, tag=True):
    """A call of the member that is not ours began (`present`) or ended on one of his phones."""

    leg: Leg
    member: str
    present: bool


class Pickup(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An authenticated user dialled the pickup code; *extension* where he dialled a colleague's behind it (P1)."""

    leg: Leg
    user: str
    extension: str = ""


class DutyCode(msgspec.Struct, frozen=True, tag=True):
    """An authenticated user dialled the code for logging in, out, or pausing (which resumes when paused)."""

    leg: Leg
    user: str
    duty: DutyState


class Duty(msgspec.Struct, frozen=True, tag=True):
    """A member logs in or out, is paused, or resumes (`in`)."""

    member: str
    duty: DutyState
    reason: str = ""
    by: str = ""


class Move(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Staff moves a waiting call to another *group*, or (empty) to the head of its line."""

    call: str
    group: str = ""
    by: str = ""


class Hangup(msgspec.Struct, frozen=True, tag=True):
    """Staff ends a call."""

    call: str
    by: str = ""


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Staff wants no new calls taken; those there are go on to their end."""

    by: str = ""


class Undrain(msgspec.Struct, frozen=True, tag=True):
    """Staff has changed their mind: calls are taken again."""

    by: str = ""


class Renamed(msgspec.Struct, frozen=True):
    """An id that changed while the thing stayed (by the command line; by hand it is a removal and an addition)."""

    kind: Literal["group", "member"]
    old: str
    new: str


class Configure(msgspec.Struct, frozen=True, tag=True):
    """A checked configuration takes effect; calls in progress go on."""

    plan: Plan
    renamed: tuple[Renamed, ...] = ()


class Stalled(msgspec.Struct, frozen=True, tag=True):
    """This process was held up: what happened meanwhile is still under way, and nothing is decided until `CaughtUp`."""


class CaughtUp(msgspec.Struct, frozen=True, tag=True):
    """What happened during a stall has been handed in."""


class Wake(msgspec.Struct, frozen=True, tag=True):
    """Time has come to what `deadline()` named. Inputs of the same instant go before it."""


Input = (
    Snapshot | SwitchRestarted | SwitchDown | Arrived | CallerGone | Ringing | Answered | OfferEnded | Connected | ConnectFailed
    | TalkEnded | StepDone | Reach | OtherCall | Pickup | DutyCode | Duty | Move | Hangup | Drain | Undrain | Configure
    | Stalled | CaughtUp | Wake
)  # fmt: skip


# --- commands: idempotent; carried out by fsqueue.switch --------------------------------------------------------------


class Ring(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Ring a member's phones, or dial a number (one of the two is set), for a call."""

    offer: str
    call: str
    leg: Leg
    """The caller's."""
    member: str = ""
    number: str = ""
    timeout: float
    """Seconds; the engine's own deadline decides, this is the switch's safety net."""
    caller: Caller = Caller()
    prefix: str = ""
    """Text to stand before the caller's name."""
    music: str = ""
    """What the caller hears when the member holds him."""
    key: str = ""
    """What has to be pressed to accept; empty: picking up is enough."""
    prompt: str = ""
    """What is played to who is asked for *key*; empty: three short tones."""
    caller_id: Literal["caller", "own"] = "caller"


class Withdraw(msgspec.Struct, frozen=True, tag=True):
    """End the offer: whatever rings, has answered or will still answer of it."""

    offer: str
    why: WithdrawWhy
    switch: str = ""
    """Where its legs are; empty where nobody knows the offer (any more)."""


class Hold(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Keep the caller on hold with these facts on his channel; also rewrites them on one who is there already."""

    call: str
    leg: Leg
    arrival: str
    group: str
    number: str
    music: str
    dialled: str
    priority: int
    joined: float
    entered: float
    deadline: float
    """Epoch seconds of the engine's clock, after which the dialplan itself sends the caller to the fallback."""


class Announce(msgspec.Struct, frozen=True, tag=True):
    """Play *prompt* once to a caller on hold."""

    call: str
    leg: Leg
    prompt: str


class Connect(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Bridge the caller and the offer's answered leg (for a pickup *taker*, the leg that dialled the code)."""

    call: str
    leg: Leg
    offer: str
    taker: Leg | None = None


class Send(msgspec.Struct, frozen=True, tag=True):
    """Send the caller into a step; `StepDone` or `CallerGone` follows."""

    call: str
    leg: Leg
    step: Voicemail | HangUp


class Drop(msgspec.Struct, frozen=True, tag=True):
    """End the caller's leg; the call is over already."""

    leg: Leg
    cause: str


class Refuse(msgspec.Struct, frozen=True, tag=True):
    """Don't take this leg: a caller goes to the dialplan's fallback, who dialled a code hears a tone and is hung up."""

    leg: Leg
    why: str


class Confirm(msgspec.Struct, frozen=True, tag=True):
    """Tell who dialled a code, by a tone, that it was done."""

    leg: Leg
    what: str


Command = Ring | Withdraw | Hold | Announce | Connect | Send | Drop | Refuse | Confirm


# --- records: what the journal keeps; the engine's state is rebuilt from them -------------------------------------------


class CallOpened(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A call began."""

    call: str
    leg: Leg
    arrival: str
    caller: Caller
    number: str
    """Normalised number first dialled; empty for who came by extension."""
    dialled: str
    music: str
    priority: int | None
    joined: float
    found: bool = False
    returned: bool = False
    """It may be a forward that came back in, and is not forwarded outside again (S2)."""


class VisitBegan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The call entered a group (its *n*-th, from 1)."""

    call: str
    group: str
    n: int
    entered: float
    joined: float
    """Its place; changes only when staff moves it to the head."""
    priority: int
    limit: float
    """Epoch seconds of U4."""


class Relegged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Another caller took this call over (N2), or it was found on its channel again under a new arrival."""

    call: str
    leg: Leg
    arrival: str
    caller: Caller


class Offered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A member, or a number, is rung for the call."""

    offer: str
    call: str
    group: str
    member: str = ""
    number: str = ""
    until: float
    """Epoch seconds of the window's end."""
    rule: str
    """D2, D3, D4, S2 or P1."""


class OfferAnswered(msgspec.Struct, frozen=True, tag=True):
    """Somebody picked the offer up, and it won the call."""

    offer: str
    call: str


class OfferOver(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An offer ended without a talk; *seconds* it lasted."""

    offer: str
    call: str
    member: str
    outcome: Outcome
    seconds: float
    cause: str = ""


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A rule decided what becomes of the call; *because* says what each member was doing."""

    call: str
    group: str
    rule: str
    action: str
    because: dict[str, str] = {}


class Sent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The call left the queue for a step, in which it will end with *reason*."""

    call: str
    step: str
    """In words: ``voicemail 1000@example.com``, ``hangup USER_BUSY``."""
    reason: Reason


class Requeued(msgspec.Struct, frozen=True, tag=True):
    """The bridge of *offer* failed, and the caller is back at his place, in the same pass."""

    call: str
    offer: str
    why: str = ""


class Talking(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Caller and member (or number) talk."""

    call: str
    offer: str
    member: str
    waited: float
    """Seconds from joining."""


class TalkOver(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The member (or number) of a talk is free of it; the call's own end may come before or after."""

    call: str
    offer: str
    member: str


class CallEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The call's one end."""

    call: str
    reason: Reason
    waited: float
    """Seconds from joining to the talk, or to the end."""
    talked: float = 0.0
    group: str = ""
    """The last group it was in."""
    member: str = ""
    detail: str = ""
    unseen_since: float | None = None
    """Nobody saw the end: it came after this moment (epoch seconds) and before the record, and `waited` and `talked` are
    counted up to here. None: it was seen.
    """


class MemberChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A fact about a member changed; only the durable ones are kept across restarts (duty, untaken, quiet)."""

    member: str
    duty: DutyState
    why: str = ""
    by: str = ""
    untaken: int = 0
    """Offers in a row he did not take."""
    quiet_until: float = 0.0
    state: str = ""
    """What people are shown, derived at that moment."""


class TurnUsed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The member's place in the group's fair order: higher is later; -1 means never yet (D2)."""

    group: str
    member: str
    turn: int


class ConfigTaken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A configuration took effect; what it removed or added."""

    groups: tuple[str, ...]
    members: tuple[str, ...]
    renamed: tuple[Renamed, ...] = ()


class SwitchChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A switch came into reach or went out of it."""

    switch: str
    up: bool
    core: str = ""


class DrainChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """From now on no new calls are taken, or they are again; a start always takes calls."""

    draining: bool
    calls: int
    """How many were not over at that moment."""
    by: str = ""


class CalledBack(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A missed call was dealt with: somebody called back. Written for people; no rule looks at it."""

    call: str
    by: str = ""
    note: str = ""


class Forgotten(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The callers' numbers and names of these ended calls are to be blanked wherever they are kept.

    It names calls rather than a number, or a hash of one, which could be tried out: the order to forget must not itself
    remember.
    """

    calls: tuple[str, ...]
    by: str = ""


class KeptCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as a checkpoint keeps it: how it began, its visit, and what of this visit is no record of its own."""

    opened: CallOpened
    visit: VisitBegan | None
    state: str
    reason: Reason
    rung: tuple[str, ...] = ()
    idle_since: float = 0.0
    pass_until: float | None = None
    noted: bool = False
    offers: int = 0
    winner: str = ""
    talking_since: float = 0.0
    forward: bool = False
    step: str = ""
    """With the state `sent`: the step, in words."""


class KeptOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer, or the talk it became, as a checkpoint keeps it."""

    offered: Offered
    state: str
    began: float
    verdict: Outcome
    switch: str = ""
    """On which it rings or talks; empty in older ones, where its call tells."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """All that is durable at one moment: a start replays from the last one on, however long the history is."""

    calls: tuple[KeptCall, ...] = ()
    offers: tuple[KeptOffer, ...] = ()
    turns: tuple[TurnUsed, ...] = ()
    members: tuple[MemberChanged, ...] = ()
    ended: dict[str, float] = {}
    """Arrivals that ended lately, with the time."""


Record = (
    CallOpened | VisitBegan | Relegged | Offered | OfferAnswered | OfferOver | Decided | Sent | Requeued | Talking
    | TalkOver | CallEnded
    | MemberChanged | TurnUsed | ConfigTaken | SwitchChanged | DrainChanged | Checkpoint | CalledBack | Forgotten
)  # fmt: skip


class Step(msgspec.Struct, frozen=True):
    """What one input led to: records to write first, then commands to carry out."""

    records: tuple[Record, ...] = ()
    commands: tuple[Command, ...] = ()
