"""The thin driver of one switch: queue in, core, bytes out.

One greenlet owns the core; events, replies, sessions and the engine's commands reach it through one queue, so nothing is
locked and the link's reader never waits. Inputs are taken before deadlines; after a stall (`fsqueue.stalls`) no deadline
counts until the switch has been heard.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

import gevent
import msgspec
from gevent.event import Event as Flag

from fsqueue.engine.messages import Command, Input, Ring
from fsqueue.esl import commands
from fsqueue.esl.connection import Reply as EslReply
from fsqueue.esl.errors import EslError
from fsqueue.esl.errors import LinkDown as EslLinkDown
from fsqueue.esl.events import Event
from fsqueue.esl.link import Link
from fsqueue.esl.outbound import Session
from fsqueue.esl.reconnecting import Listener, Reconnecting, Timing
from fsqueue.stalls import Stalls
from fsqueue.switch import filters
from fsqueue.switch.legs import Core
from fsqueue.switch.messages import (
    Api,
    BgApi,
    CloseSession,
    Execute,
    Foreseen,
    Item,
    LinkDown,
    LinkUp,
    NewFacts,
    Reply,
    SocketArrived,
    SocketClosed,
    SwitchCommand,
    SwitchFacts,
    Tick,
)

log = logging.getLogger(__name__)

BATCH = 100
"""Items in a row before other greenlets get their turn."""

LONGEST_SLEEP = 1.0
"""Real seconds; the clock may run faster than the one gevent sleeps by."""

KNOCK_SECONDS = 0.005
"""Real seconds between two looks of a switch for its events while a phone rings; by itself it looks every 20 ms."""

Emit = Callable[[tuple[Input, ...]], None]


class DaemonClock(Protocol):
    """`fsqueue.clock.Clock`: the time in epoch seconds, and how long a span of it really takes."""

    def __call__(self) -> float:
        """Return the time."""

    def real(self, seconds: float) -> float:
        """Return real seconds."""


class _Up(msgspec.Struct, frozen=True):
    """The new link, subscribed, before the core hears of it."""

    link: Link
    core: str


class _Heard(msgspec.Struct, frozen=True):
    """A probe's answer: everything that came before it has been handled by now."""

    answered: Callable[[], None]


class SwitchDriver:
    """Keeps one switch's link, its sessions and its core together."""

    def __init__(
        self,
        switch: str,
        address: tuple[str, int],
        password: Callable[[], str],
        facts: SwitchFacts,
        emit: Emit,
        *,
        clock: DaemonClock,
        new_call: Callable[[float], str],
        timing: Timing | None = None,
        stalls: Stalls | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """*emit* gets the engine's inputs in order and must not wait; *new_call* and *stalls* are shared by all switches."""
        self.switch = switch
        self.core = Core(switch, facts, new_call)
        self._facts = facts
        self._emit = emit
        self._clock = clock
        self._queue: deque[Item | _Up | _Heard] = deque()
        self._awake = Flag()
        self._resting = False
        """The greenlet sleeps and nobody takes items in its place."""
        self._knocking = False
        self._planned = 0.0
        """When it wakes by itself (real, monotonic seconds)."""
        self._link: Link | None = None
        self._sessions: dict[str, Session] = {}
        self._closing: dict[str, Flag] = {}
        self._said: dict[str, list[bytes]] = {}
        """What one item makes us say on each session."""
        self._numbers = itertools.count(1)
        self._greenlet: gevent.Greenlet[[], None] | None = None
        self._monotonic = monotonic
        self._stalls = stalls or Stalls(monotonic)
        self._stalls.watch(switch, self._probe)
        listener = Listener(on_up=self._on_up, on_down=self._on_down, on_event=self._put)
        self._reconnecting = Reconnecting(*address, password, listener, switch=switch, timing=timing)

    # -- from outside

    @property
    def up(self) -> bool:
        """Whether calls can be taken: the link stands and the core knows it."""
        return self._link is not None and self.core.up

    @property
    def core_uuid(self) -> str:
        """The switch's Core-UUID; empty before the first link."""
        return self.core.core_uuid

    @property
    def trouble(self) -> str:
        """What keeps the link down, in words for people; empty while it is up."""
        return self._reconnecting.trouble

    def start(self) -> None:
        """Begin to connect."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)
            self._reconnecting.start()

    def stop(self) -> None:
        """End the link; calls go on in FreeSWITCH, on hold or in talk."""
        self._reconnecting.stop()
        greenlet, self._greenlet = self._greenlet, None
        if greenlet is not None:
            greenlet.kill()
        for flag in self._closing.values():
            flag.set()

    def carry_out(self, wanted: Iterable[Command]) -> None:
        """Take the engine's commands; from any greenlet."""
        for command in wanted:
            self._put(command)

    def foresee(self, ring: Ring) -> None:
        """Prepare for a command that is being written down; from any greenlet, also on behalf of an item that is being taken.

        That one's own commands are out when the engine hears of it, so what is asked here need not wait behind the writing.
        """
        self._take(Foreseen(ring))

    def configure(self, facts: SwitchFacts) -> None:
        """Take a new configuration; calls go on, and the switch is asked for the new members' events."""
        self._facts = facts
        self._put(NewFacts(facts))
        link = self._link
        if link is not None:
            try:
                self._filter(link)
            except EslError as fault:
                link.drop(str(fault))

    def shift(self, seconds: float) -> None:
        """The clock was set by *seconds*, while nobody was in a call."""
        self.core.shift(seconds)

    def attend(self, session: Session, event: Event) -> None:
        """See one of the dialplan's connections through: returns when the core, or the peer, has ended it."""
        name = f"{self.switch}-{next(self._numbers)}"
        closing = self._closing[name] = Flag()
        self._sessions[name] = session
        self._put(SocketArrived(name, event))
        gevent.wait([closing, session.down], count=1)
        self._sessions.pop(name, None)
        self._closing.pop(name, None)
        if not closing.is_set():
            self._put(SocketClosed(name))

    # -- the link's greenlets

    def _on_up(self, link: Link, core: str) -> None:
        """Subscribe first, so that the snapshot that follows misses nothing."""
        self._filter(link)
        link.send(commands.events(filters.EVENTS, filters.SUBCLASSES))
        self._put(_Up(link, core))

    def _filter(self, link: Link) -> None:
        """Ask for our own legs, our members' and the jobs; taking the old filters back lets all pass for a moment."""
        link.post(commands.filter_delete("all"), _unheard)
        for header, value in filters.filters(self._facts):
            link.post(commands.filter_(header, value), _unheard)

    def _on_down(self, _why: str) -> None:
        self._put(LinkDown())

    def _put(self, item: Item | _Up | _Heard) -> None:
        """Queue *item*, and take it at once where nobody is at work: to wake another greenlet for it costs 0.2 ms."""
        self._queue.append(item)
        if not self._resting:
            return  # whoever is at work takes it in its turn
        self._resting = False
        try:
            self._take_some()
        finally:
            self._resting = True
        if self._queue or self._monotonic() + self._sleep() < self._planned:
            self._awake.set()

    def _probe(self, answered: Callable[[], None]) -> bool:
        """Ask the switch something; its answer takes its turn behind all that was said before it."""
        link = self._link
        if link is None:
            return False
        try:
            link.post(commands.api("strepoch"), lambda _: self._put(_Heard(answered)))
        except EslLinkDown:
            return False
        return True

    # -- whoever is at work; nobody else is meanwhile, since nothing in here waits

    def _run(self) -> None:
        while True:
            seconds = self._sleep()
            self._planned = self._monotonic() + seconds
            self._resting = True
            self._awake.wait(seconds)
            self._resting = False
            self._awake.clear()
            self._stalls.woke(self._planned)
            self._drain()
            self._come_due()

    def _sleep(self) -> float:
        due = self.core.deadline()
        if due is None or self._stalls.catching_up(self.switch):
            return LONGEST_SLEEP
        return min(LONGEST_SLEEP, max(0.0, self._clock.real(due - self._clock())))

    def _come_due(self) -> None:
        due = self.core.deadline()
        if due is not None and due <= self._clock() and not self._stalls.catching_up(self.switch):
            self._take(Tick())

    def _drain(self) -> None:
        self._take_some()
        while self._queue:
            gevent.sleep(0)
            self._take_some()

    def _take_some(self) -> None:
        for _ in range(BATCH):
            if not self._queue:
                return
            item = self._queue.popleft()
            if isinstance(item, _Up):
                self._link = item.link
                self._take(LinkUp(item.core))
            elif isinstance(item, _Heard):
                item.answered()
            else:
                if isinstance(item, LinkDown):
                    self._link = None
                self._take(item)

    def _take(self, item: Item) -> None:
        try:
            out = self.core.handle(item, self._clock())
        except Exception:
            # One leg's trouble must not take the others with it.
            log.exception(
                "the legs of [switches.%s] failed at %s; please report this", self.switch, type(item).__name__
            )
            return
        for command in out.commands:
            self._guarded(command, partial(self._send, command))
        for session, said in self._said.items():
            self._guarded(said, partial(self._say, session, said))
        self._said.clear()
        if out.inputs:
            self._emit(out.inputs)
        if self.core.ringing and not self._knocking:
            self._knocking = True
            gevent.spawn(self._knock)

    def _knock(self) -> None:
        """While a phone rings, have the switch tell us at once of what happens to it."""
        try:
            while self.core.ringing and self._link is not None:
                self._link.knock()
                gevent.sleep(KNOCK_SECONDS)
        finally:
            self._knocking = False

    def _guarded(self, what: object, send: Callable[[], None]) -> None:
        try:
            send()
        except EslError as fault:
            log.warning("[switches.%s] %s not sent: %s", self.switch, type(what).__name__, fault)

    def _send(self, command: SwitchCommand) -> None:
        match command:
            case Api(ref, text):
                if self._link is not None:
                    name, _, arguments = text.partition(" ")
                    self._link.post(commands.api(name, arguments), partial(self._replied, self._link, ref))
            case BgApi(job, text):
                if self._link is not None:
                    name, _, arguments = text.partition(" ")
                    self._link.post(commands.bgapi(name, arguments, job=job), _unheard)
            case Execute(session, application, argument):
                self._said.setdefault(session, []).append(commands.execute(application, argument))
            case CloseSession(session):
                # The server says `exit` and reads until FreeSWITCH closes: closing with answers unread would reset the
                # connection, and the reset can overtake our last commands.
                self._say(session, self._said.pop(session, []))
                if session in self._closing:
                    self._closing[session].set()

    def _say(self, session: str, said: list[bytes]) -> None:
        """Say all of it in one piece."""
        if said and session in self._sessions:
            self._sessions[session].post_all(said, _unheard)

    def _replied(self, link: Link, ref: int, outcome: EslReply | EslLinkDown) -> None:
        if isinstance(outcome, EslReply) and link is self._link:
            self._put(Reply(ref, outcome.text))


def _unheard(_outcome: EslReply | EslLinkDown) -> None:
    """What matters of these answers shows in events."""
