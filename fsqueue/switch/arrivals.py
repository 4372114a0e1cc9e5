"""Whose call is it: gives each connection of the dialplan to the driver of its switch, by Core-UUID.

A call that can't be taken goes to the dialplan's fallback at once, with a variable that says why: FreeSWITCH has no way back of
its own from a socket that is closed at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from fsqueue.esl import commands
from fsqueue.esl.connection import Reply
from fsqueue.esl.errors import EslError, LinkDown
from fsqueue.esl.events import Event
from fsqueue.esl.outbound import Session
from fsqueue.switch import handover, quoting
from fsqueue.switch.codes import REFUSED_TONE, is_code, told
from fsqueue.switch.dialplan import KNOCK, KNOCKED
from fsqueue.switch.driver import SwitchDriver
from fsqueue.switch.handover import Word
from fsqueue.switch.messages import SwitchFacts
from fsqueue.switch.ways import has_left, on_socket

log = logging.getLogger(__name__)


class Arrivals:
    """The handler for `fsqueue.esl.outbound.OutboundServer`, shared by all switches."""

    def __init__(self, drivers: Sequence[SwitchDriver], facts: Callable[[], SwitchFacts]) -> None:
        """*facts* are those of the configuration in force."""
        self._drivers = tuple(drivers)
        self._facts = facts

    def on_call(self, session: Session, event: Event) -> None:
        """Handle one connection; returns when it may be closed."""
        if has_left(event):
            log.warning("a call came so late that the dialplan's fallback has it; was this process held up?")
            return
        driver = next((driver for driver in self._drivers if event.core and driver.core_uuid == event.core), None)
        if driver is None:
            # Its own link may not have come up yet; until it has, nobody knows whose Core-UUID this is.
            self._refuse(session, event, "unknown_switch")
        elif not driver.up:
            self._refuse(session, event, "link_down")
        elif not quoting.is_uuid(event.uuid):
            # The caller's own Call-ID, where the profile uses it: nothing could ever be said to this channel.
            self._refuse(session, event, "unusable_uuid")
        elif event.fsq_to == KNOCK:
            self._post(session, handover.refused(KNOCKED, self._facts()))
        else:
            driver.attend(session, event)

    def _refuse(self, session: Session, event: Event, why: str) -> None:
        facts = self._facts()
        word = told(REFUSED_TONE) if is_code(event, facts) else handover.refused(why, facts)
        log.warning("a call from the dialplan can't be taken (%s)", why)
        self._post(session, word)

    def _post(self, session: Session, word: Word) -> None:
        try:
            for application, argument in on_socket(word):
                session.post(commands.execute(application, argument), _unheard)
        except EslError:
            return  # he has hung up


def _unheard(_outcome: Reply | LinkDown) -> None:
    """What is queued on the channel is done by FreeSWITCH."""
