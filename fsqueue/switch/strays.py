"""Callers whom a predecessor had taken from the dialplan, and died before he had handed them on.

Where we died in the first milliseconds FreeSWITCH keeps such a caller, answered or not, in the dead socket until the dialplan's own
schedule fetches him, six seconds after he came, to the fallback; a little later it leads him there at once. Who comes in between brings him to where the engine wants him. Everybody else whom
only the engine knows is let be: what is to be known of him comes by snapshots and by his hold's events.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fsqueue.engine.messages import CallerGone, Hold, Send
from fsqueue.esl.events import Event
from fsqueue.switch import quoting
from fsqueue.switch.callers import Callers
from fsqueue.switch.context import CallerLeg, Context

ARRIVES_SECONDS = 2.0
"""So long after he was fetched a caller's hold has spoken, or he is where he can't be fetched from."""

SURE_SECONDS = 0.3
"""Between the two looks that it takes: he may be on his way, or have arrived anew."""

HANDING_OVER = ("socket", "multiset", "set", "unset", "answer", "pre_answer", "ring_ready")
"""What a caller in a socket, or on his way out of it, has executed last (`current_application`)."""

_ANSWER = {"answer": "uuid_answer", "pre_answer": "uuid_pre_answer"}


class Strays:
    """Looks for callers who are known to the engine alone."""

    def __init__(self, ctx: Context, callers: Callers) -> None:
        """*callers* carries out what the engine wants, once they are known."""
        self._ctx, self._callers = ctx, callers

    def fetch(self, wanted: Hold | Send) -> None:
        """Carry *wanted* out on a caller who is stuck in a socket; say so if he is gone."""
        self._ctx.sought[wanted.leg.uuid] = wanted.call
        self._ask(wanted, partial(self._look_again, wanted))

    def _ask(self, wanted: Hold | Send, stuck: Callable[[], None]) -> None:
        uuid = wanted.leg.uuid

        def answered(answer: str) -> None:
            if uuid not in self._ctx.callers and answer in HANDING_OVER:
                stuck()
                return
            self._found(uuid)  # elsewhere, or he has come by himself
            if uuid not in self._ctx.callers and answer.startswith("-ERR"):
                self._ctx.emit(CallerGone(wanted.leg, "LOST"))

        self._ctx.api(f"uuid_getvar {quoting.uuid(uuid)} current_application", answered)

    def _look_again(self, wanted: Hold | Send) -> None:
        self._ctx.after(SURE_SECONDS, lambda: self._ask(wanted, partial(self._take, wanted)))

    def _found(self, uuid: str) -> None:
        self._ctx.sought.pop(uuid, None)

    def _take(self, wanted: Hold | Send) -> None:
        ctx, uuid = self._ctx, quoting.uuid(wanted.leg.uuid)
        if ctx.facts.answer in _ANSWER:
            ctx.api(f"{_ANSWER[ctx.facts.answer]} {uuid}")
        if isinstance(wanted, Hold):
            self._callers.lead_to_hold(wanted)  # and his hold's event says that he has arrived there
            ctx.after(ARRIVES_SECONDS, partial(self._found, wanted.leg.uuid))
            return
        self._found(wanted.leg.uuid)
        ctx.api(f"sched_del {uuid}")  # what a hold would take back by itself
        ctx.callers[wanted.leg.uuid] = CallerLeg(
            wanted.leg.uuid, Event(uuid=wanted.leg.uuid), call=wanted.call, phase="waiting", stands=True
        )
        self._callers.send(wanted)
