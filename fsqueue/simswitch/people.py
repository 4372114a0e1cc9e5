"""What callers and phones do and see: the scripts they follow, and the sightings they write down.

The scripts say nothing of a switch, so the same ones drive the embedded switch and real SIP phones, and the sightings of both are judged
by the same rules (`fsqueue.simswitch.witness`). All times are seconds; `after` counts from what is reacted to, `at` from the start of
the run, and `Sighting.t` is epoch seconds of the clock that everybody in the run shares.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ReactionKind = Literal["answer", "ignore", "reject"]


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone does with one INVITE.

    `after`: seconds from the INVITE to the answer or the refusal, 0 or more; of no meaning for "ignore".
    `code`: the SIP code of a refusal, 300 to 699 (486 busy, 603 declined, 480 unavailable, 404, 302 …).
    `talk`: seconds from being connected with a caller until this phone hangs up; None: never by himself; 0: he hangs up right at
    answering, whether or not a caller is there yet.
    `stays`: seconds from his own answer until he hangs up, connected or not (the way to hang up in the middle of bridging); None: no
    such limit.
    `keys`: digits that he presses, each with its seconds from the answer.
    `ringing`: the phone says 180 at once.
    """

    kind: ReactionKind = "answer"
    after: float = 2.0
    code: int = 486
    talk: float | None = None
    stays: float | None = None
    keys: tuple[tuple[float, str], ...] = ()
    ringing: bool = True

    def __post_init__(self) -> None:
        """Refuse what no phone can do."""
        if min(self.after, self.talk or 0, self.stays or 0) < 0:
            raise ValueError(
                f"a reaction's times are 0 or more: after={self.after} talk={self.talk} stays={self.stays}"
            )
        if not 300 <= self.code <= 699:
            raise ValueError(f"a phone refuses with a SIP code of 300 to 699, not {self.code}")


class PhoneScript(msgspec.Struct, frozen=True, kw_only=True):
    """One user's phones: where they are registered and how they react.

    `reactions` are used in turn, one for each call that rings, and begin again after the last. Where several contacts ring for one call,
    the user acts at the first of them and the others only ring.
    `contacts`: how many phones are registered under the user, 1 or more. `registered`: False for one that isn't (it can register
    later). `auth`: the switch asks for its password, so calls that it makes carry `sip_auth_username`.
    `ignores`: caller numbers that this user lets ring, whatever the reactions say.
    `lines`: how many calls each phone has at a time, 1 or more; a further one is refused as busy.
    """

    user: str
    domain: str
    reactions: tuple[Reaction, ...] = (Reaction(),)
    contacts: int = 1
    registered: bool = True
    auth: bool = True
    ignores: tuple[str, ...] = ()
    lines: int = 1

    def __post_init__(self) -> None:
        """Refuse a phone that could not react, or that is nowhere."""
        if not self.reactions or self.contacts < 1 or self.lines < 1:
            raise ValueError(f"{self.user}@{self.domain} needs at least one reaction, one contact and one line")

    @property
    def name(self) -> str:
        """`user@domain`, which is how sightings call this phone."""
        return f"{self.user}@{self.domain}"

    def reaction(self, nth: int) -> Reaction:
        """The reaction to this user's `nth` call, counted from 0."""
        return self.reactions[nth % len(self.reactions)]


class CallerScript(msgspec.Struct, frozen=True, kw_only=True):
    """One caller and what he does.

    `number`, `name`: his caller id. `to`: what he dials. `at`: seconds from the start of the run.
    `patience`: seconds from dialling until he hangs up, unless he is connected with somebody then (and if he is put back to the music
    later, at once); None: he waits for ever.
    `talk`: seconds in one talk until he hangs up; None: never by himself.
    `keys`: digits that he presses, each with its seconds from the answer.
    `user`: `user@domain` of a colleague calling from his authenticated phone; None: an outside caller.
    `variables`: channel variables that the site's dialplan would have set before handing over, such as `fsqueue_to`.
    `headers`: SIP headers that his INVITE has beside the usual ones, such as `Privacy`.
    """

    number: str
    name: str
    to: str
    at: float = 0.0
    patience: float | None = None
    talk: float | None = None
    keys: tuple[tuple[float, str], ...] = ()
    user: str | None = None
    variables: dict[str, str] = {}
    headers: dict[str, str] = {}


CallerSaw = Literal["dialled", "answered", "music", "silence", "connected", "keyed", "gone"]
PhoneSaw = Literal["ringing", "cancelled", "refused", "answered", "connected", "alone", "ended"]


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a caller or a phone saw with its own eyes.

    `who`: a caller's number, or a phone's `user@domain`. `leg`: which of its calls (the SIP dialog; the channel's uuid where the
    switch is embedded), so that two phones of one user, or two calls of one number, are told apart.
    `peer`: the other party where it is known: for "ringing" the number shown, for "connected" who is heard.

    A caller sees: dialled · answered (a 200) · music · silence · connected (to which phone) · keyed · gone (`detail`: the cause and by
    whom, as in "NORMAL_CLEARING by himself", "USER_BUSY by the switch").
    A phone sees: ringing (`detail`: the name shown) · cancelled (`detail`: why, as in "completed elsewhere") · refused (by its own
    user) · answered · connected (with which caller) · alone (nobody is heard any more) · ended (`detail`: who hung up).
    """

    t: float
    who: str
    what: CallerSaw | PhoneSaw
    leg: str
    side: Literal["caller", "phone"]
    peer: str = ""
    peer_leg: str = ""
    detail: str = ""
