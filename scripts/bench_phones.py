"""SIP phones and callers for the part on a real switch: they note when each message went and came, and neither send nor read sound.

What a caller sees of a queue is his INVITE and, at a member's phone, the INVITE that follows from it; what he hears of a pick-up is
its bridge, which the switch's own CHANNEL_BRIDGE tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

import gevent

from scripts.bench_stage import PICKS_UP, TALKS
from tests.contract.freeswitch import DOMAIN, PASSWORD
from tests.contract.media import Heard, Media, Stream
from tests.contract.rawesl import Event, Switch
from tests.contract.sip import Account, Endpoint, Leg


class Deaf(Media):
    """Sound that is neither sent nor read: the ports are there, and the system throws away what comes."""

    def __init__(self) -> None:
        """Begin."""
        super().__init__(sending=False)

    def open(self, leg: str, heard: Callable[[Heard], None]) -> Stream:
        """Give a leg a port that nobody reads."""
        stream = super().open(leg, heard)
        stream._reader.kill(block=False)
        return stream


@dataclass
class Times:
    """What the calls of some rounds took, in seconds; `calls` were made."""

    invite: list[float] = field(default_factory=list)
    """From a caller's INVITE to the member's."""
    bridge: list[float] = field(default_factory=list)
    """From the member's 200 to the switch's CHANNEL_BRIDGE."""
    calls: int = 0

    @property
    def lost(self) -> int:
        """Calls that were not bridged."""
        return self.calls - len(self.bridge)


class Street:
    """The phones of all members, and callers as many as come."""

    def __init__(self, internal: int, external: int, esl: int, password: str, users: tuple[str, ...]) -> None:
        """Register the *users* at the port *internal*; callers come to *external*. The event socket is listened to."""
        self._media = Deaf()
        self._callers = Endpoint(external, self._media, lambda leg: leg.reject(486))
        self._phones = [Endpoint(internal, self._media, self._rung, Account(user, DOMAIN, PASSWORD)) for user in users]
        for phone in self._phones:
            phone.register()
        self._legs: dict[str, Leg] = {}
        self._invited: dict[str, float] = {}
        self._accepted: dict[str, float] = {}
        self._times = Times()
        self._round = 0
        self._switch = Switch(esl, password, "CHANNEL_BRIDGE")
        self._switch.heard = self._bridged

    def close(self) -> None:
        """End everything, without a word to the switch."""
        for endpoint in (self._callers, *self._phones):
            endpoint.close()
        self._media.close()
        self._switch.close()

    def load(self, to: str, rate: float, calls: int, rng: Random) -> Times:
        """Let *calls* callers come to the extension *to*, *rate* a second on average, and return what they took."""
        times = self._times = Times(calls=calls)
        due = time.monotonic()
        for _ in range(calls):
            due += rng.expovariate(rate)
            gevent.sleep(max(0.0, due - time.monotonic()))
            gevent.spawn(self.dial, to)
        self._finish(15.0)
        return times

    def dial(self, to: str) -> Leg:
        """Let one caller come; returns when he is answered, refused or gone."""
        self._round += 1
        number = f"600{self._round:06}"
        leg = Leg.outgoing(self._callers, number, f"Caller {self._round}", to, "127.0.0.1")
        self._legs[number] = leg
        leg.ended = partial(self._forget, leg)
        self._invited[number] = time.monotonic()
        leg.call()
        return leg

    def hang_up(self) -> None:
        """Let everybody who is there hang up."""
        gevent.joinall([gevent.spawn(leg.hang_up) for leg in self._legs.values() if not leg.over.is_set()], timeout=20)
        self._legs.clear()

    def _forget(self, leg: Leg) -> None:
        self._callers.legs.pop(leg.id, None)

    def _finish(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while any(not leg.over.is_set() for leg in self._legs.values()) and time.monotonic() < end:
            gevent.sleep(0.05)
        self.hang_up()
        gevent.sleep(0.5)

    def _rung(self, leg: Leg) -> None:
        now = time.monotonic()
        if leg.peer in self._invited:
            self._times.invite.append(now - self._invited.pop(leg.peer))
        leg.ringing()
        if not leg.over.wait(PICKS_UP):
            self._accepted[leg.peer] = time.monotonic()
            leg.accept()
        leg.over.wait(60.0)
        leg.endpoint.legs.pop(leg.id, None)

    def _bridged(self, event: Event) -> None:
        number = event.get("Caller-Caller-ID-Number", "")
        accepted = self._accepted.pop(number, None)
        if accepted is not None:
            self._times.bridge.append(time.monotonic() - accepted)
            gevent.spawn_later(TALKS, self._legs[number].hang_up)
