"""A call centre as greenswitch's own classes make it: the stock OutboundESLServer, and an InboundESL that rings and bridges.

Each caller is answered and hears music; the next user in turn is rung for him, and bridged to him when he answers.
``python -m scripts.bench_stock ESL LISTEN PASSWORD USER…``
"""

from __future__ import annotations

import itertools
import sys
import uuid

import gevent
from gevent.event import Event
from greenswitch.esl import ESLEvent, InboundESL, NotConnectedError, OutboundESLServer, OutboundSession

from tests.contract.freeswitch import DOMAIN


class Centre:
    """Whom to ring for whom."""

    def __init__(self, esl: int, password: str, users: list[str]) -> None:
        """Log in to the event socket."""
        self.switch = InboundESL("127.0.0.1", esl, password)
        self.switch.connect()
        self.switch.register_handle("CHANNEL_ANSWER", self._answered)
        self.switch.send("event plain CHANNEL_ANSWER")
        self._turns = itertools.cycle(users)
        self._callers: dict[str, str] = {}

    def serve(self, session: OutboundSession) -> _Call:
        """Make the application for one call, as `OutboundESLServer` wants it."""
        return _Call(self, session)

    def ring(self, caller: str, number: str) -> None:
        """Ring the next user for a caller."""
        leg = str(uuid.uuid4())
        self._callers[leg] = caller
        options = f"origination_uuid={leg},origination_caller_id_number={number},ignore_early_media=true"
        self.switch.send(f"bgapi originate {{{options}}}user/{next(self._turns)}@{DOMAIN} &park()")

    def _answered(self, event: ESLEvent) -> None:
        leg = event.headers["Unique-ID"]
        caller = self._callers.pop(leg, None)
        if caller is not None:
            self.switch.send(f"api uuid_bridge {caller} {leg}")


class _Call:
    """One call's application."""

    def __init__(self, centre: Centre, session: OutboundSession) -> None:
        self._centre, self._session = centre, session

    def run(self) -> None:
        over = Event()
        self._session.register_handle("DISCONNECT", lambda _: over.set())
        try:
            self._centre.ring(self._session.uuid, self._session.caller_id_number)
            self._session.answer()
            self._session.playback("local_stream://default", block=False)
        except NotConnectedError:
            return
        over.wait()


def main() -> None:
    """Serve until killed."""
    esl, listen, password, *users = sys.argv[1:]
    centre = Centre(int(esl), password, users)
    server = OutboundESLServer(bind_port=int(listen), application=centre.serve, max_connections=100_000)
    gevent.spawn_later(0.2, print, "ready", flush=True)
    server.listen()


if __name__ == "__main__":
    main()
