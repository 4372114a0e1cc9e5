"""A test call through the switch, as a caller's: what each step of it took.

A loopback channel dials the group's extension or number in an entry context; what runs from there on is the site's
dialplan, ours, the daemon, and the members' phones.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Protocol

import gevent
import msgspec

from fsqueue.config.model import Configuration
from fsqueue.doctor.findings import Finding, fail, ok, warn
from fsqueue.doctor.probe import Case, ProbeError
from fsqueue.esl.events import Event
from fsqueue.switch.dialplan import FALLBACK_EVENT

CHECK = "call"
NUMBER = "fsqueue-doctor"
"""The test caller's number, by which his legs are found again; phones show it."""

HOLD_SECONDS = 9.0
"""Longest time until the hold stands; after six seconds the dialplan itself goes to the fallback."""

ASK_SECONDS = 1.0
"""While no hold is seen, how often the daemon is asked what it knows of the call."""

TALK_SECONDS = 2.0
"""How long the talk is left alone before the test call is ended."""


class CallProbe(Protocol):
    """What a test call needs of the world."""

    def api(self, switch: str, command: str) -> str:
        """Return what the switch answers. Raises ProbeError."""

    def background(self, switch: str, command: str) -> str:
        """Run an API command in the background; return the job's id. Raises ProbeError."""

    def listen(self, switch: str, listener: Callable[[Event], None], filters: tuple[tuple[str, str], ...]) -> None:
        """Tell *listener* of the events that pass *filters*. Raises ProbeError."""

    def story(self, number: str, since: float) -> tuple[str, ...]:
        """Return what the daemon has recorded of a caller since a moment (epoch), in words; nothing if it can't be asked."""

    def now(self) -> float:
        """Return this machine's time in epoch seconds."""


class Trace(msgspec.Struct):
    """When what was seen of a test call first, in monotonic seconds."""

    began: float
    owner: str
    caller: str = ""
    """Uuid of the caller's leg in the queue."""
    hold: float | None = None
    group: str = ""
    rings: dict[str, float] = {}
    """Members' legs in the order in which their phones were asked, by member."""
    answered: float | None = None
    bridged: float | None = None
    member: str = ""
    refused: str = ""
    over: bool = False
    failed: str = ""
    story: tuple[str, ...] = ()
    """What the daemon recorded of a call that came to no hold: it took the call, and a rule sent it on at once."""

    def take(self, event: Event, now: float) -> None:
        """Note what *event* tells."""
        if event.name == "CUSTOM" and event.caller_number == NUMBER:
            if event.subclass == FALLBACK_EVENT:
                self.refused, self.over = event.fsq_refused or "unknown", True
            elif self.hold is None:
                self.hold, self.caller, self.group = now, event.uuid, event.fsq_group
        elif event.name == "CHANNEL_BRIDGE" and self.caller and self.caller in (event.bridge_a, event.bridge_b):
            # It comes once, on the caller's leg.
            self.bridged = self.bridged or now
        elif event.fsq_offer and event.fsq_owner == self.owner:
            self._take_offer(event, now)
        elif event.name == "BACKGROUND_JOB" and event.body.startswith("-ERR") and self.hold is None:
            self.failed, self.over = event.body.strip(), True

    def _take_offer(self, event: Event, now: float) -> None:
        member = event.fsq_member or event.fsq_offer
        if event.name in ("CHANNEL_CREATE", "CHANNEL_PROGRESS"):
            self.rings.setdefault(member, now)
        elif event.name == "CHANNEL_ANSWER" and self.answered is None:
            self.answered, self.member = now, member


def place_call(case: Case, probe: CallProbe, group: str, seconds: float) -> Iterator[Finding]:
    """Call *group* on the first switch, wait until somebody has answered, at most *seconds*, hang up, and tell."""
    to = dialled(case.configuration, group)
    if not to:
        yield fail(
            CHECK, f"{group} has neither an extension nor a number to dial", f"fsqueue group set {group} --extension …"
        )
        return
    switch = next(iter(case.configuration.switches))
    context = case.configuration.telephony.entry_contexts[-1]
    own = str(uuid.uuid4())
    trace = Trace(time.monotonic(), case.configuration.daemon.owner)
    try:
        probe.listen(
            switch,
            lambda event: trace.take(event, time.monotonic()),
            (("variable_fsqueue_owner", trace.owner), ("Event-Name", "BACKGROUND_JOB"), ("Unique-ID", own)),
        )
        trace.began = time.monotonic()
        name = f"origination_caller_id_number={NUMBER},origination_caller_id_name={NUMBER}"
        probe.background(
            switch,
            f"originate {{origination_uuid={own},{name},ignore_early_media=true,loopback_bowout=false}}"
            f"loopback/{to}/{context}/XML &park()",
        )
        began = probe.now()
        _wait(trace, seconds, lambda: probe.story(NUMBER, began - 1))
        for leg in (own, trace.caller):
            if leg:
                probe.api(switch, f"uuid_kill {leg}")
    except ProbeError as error:
        yield fail(CHECK, f"the test call broke off: {error}", "see whether FreeSWITCH is up, and try again")
        return
    yield from told(trace, group, to, seconds)


def dialled(configuration: Configuration, group: str) -> str:
    """Return what leads to *group*: its extension, else one of its numbers."""
    extension = configuration.groups[group].extension
    numbers = [number for number, one in configuration.numbers.items() if one.group == group]
    return extension or (numbers[0] if numbers else "")


def _wait(trace: Trace, seconds: float, story: Callable[[], tuple[str, ...]]) -> None:
    """Wait until the call was answered and stood for a moment, has ended, or has had its time."""
    asked = trace.began
    while not trace.over:
        now = time.monotonic()
        if trace.hold is None and now - asked > ASK_SECONDS:
            asked, trace.story = now, story()
            if len(trace.story) > 1:
                # More than that it came: a rule has decided.
                return
        if trace.hold is None and now - trace.began > HOLD_SECONDS:
            return
        if now - trace.began > seconds or (trace.bridged is not None and now - trace.bridged > TALK_SECONDS):
            return
        gevent.sleep(0.02)


def told(trace: Trace, group: str, to: str, seconds: float) -> Iterator[Finding]:
    """Say what became of a test call."""
    if trace.failed:
        yield fail(
            CHECK, f"FreeSWITCH could not dial {to}: {trace.failed}", "fsqueue dialplan install; load mod_loopback"
        )
    elif trace.refused:
        yield fail(
            CHECK,
            f"the call for {to} went to the fallback: {trace.refused}",
            "the findings above, or journalctl -u fsqueue",
        )
    elif trace.hold is None and trace.story:
        yield fail(
            CHECK,
            f"the daemon took the call for {to} and did not hold it: {'; '.join(trace.story)}",
            f"fsqueue group show {group} tells what its calls go through; is somebody there?",
        )
    elif trace.hold is None:
        yield fail(
            CHECK, f"the call for {to} did not come to its hold", "fsqueue dialplan install, then look at the log"
        )
    else:
        yield ok(CHECK, f"held for {trace.group or group} {_ms(trace.began, trace.hold)} after dialling {to}")
        yield from _rang(trace, seconds)


def _rang(trace: Trace, seconds: float) -> Iterator[Finding]:
    for member, when in trace.rings.items():
        yield ok(CHECK, f"{member} was rung after {_ms(trace.began, when)}")
    if not trace.rings:
        yield fail(CHECK, f"nobody was rung within {seconds:.0f} s", "fsqueue status says who is available")
    elif trace.answered is None:
        yield warn(
            CHECK, f"nobody answered within {seconds:.0f} s", "answer one of the phones while the test call rings"
        )
    elif trace.bridged is None:
        yield fail(CHECK, f"{trace.member} answered and was not connected", "journalctl -u fsqueue")
    else:
        yield ok(CHECK, f"{trace.member} answered, and was connected {_ms(trace.answered, trace.bridged)} later")


def _ms(since: float, until: float) -> str:
    return f"{(until - since) * 1000:.0f} ms"
