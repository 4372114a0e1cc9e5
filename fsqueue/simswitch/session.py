"""One ESL client as the switch sees it: what it may do, what it listens for, and the bytes it is sent.

Pure: commands in, bytes in `outbox`; whoever has a socket moves both. Replies come in the order of the commands, and a command that
takes long (`api originate`) keeps the later ones waiting.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fsqueue.simswitch import api, events, filters, hangups, running

if TYPE_CHECKING:
    from fsqueue.esl.framing import Command
    from fsqueue.simswitch.events import EventData
    from fsqueue.simswitch.leg import Leg
    from fsqueue.simswitch.world import World

GOODBYE = b"Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n"


class Session:
    """A connection to the switch: to its event socket, or one that a call's `socket` application made (`leg`)."""

    def __init__(self, world: World, leg: Leg | None = None) -> None:
        """Begin; a client of the event socket is asked to log in."""
        self.world, self.leg = world, leg
        self.outbox: list[bytes] = []
        self.closed = False
        self.authenticated = leg is not None
        self.subscription = filters.Subscription()
        self._lingers = False
        self._connected = False
        self._queue: deque[Command] = deque()
        self._busy = False
        if leg is None:
            self._send(b"Content-Type: auth/request\n\n")

    # What the client says.

    def take(self, command: Command) -> None:
        """Take one command; it is carried out when those before it are."""
        self._queue.append(command)
        self._work()

    def _work(self) -> None:
        while self._queue and not self._busy and not self.closed:
            late = self.world.faults.reply()
            if late:
                self._busy = True
                self.world.agenda.after(late, self._late)
                return
            self._do(self._queue.popleft())

    def _late(self) -> None:
        self._busy = False
        if self._queue and not self.closed:
            self._do(self._queue.popleft())
        self._work()

    def _do(self, command: Command) -> None:
        verb, _, rest = command.line.strip().partition(" ")
        if not self.authenticated and verb not in ("auth", "exit"):
            self._reply("-ERR command not found")
            return
        handler = _VERBS.get(verb)
        if handler is None or (verb in _ONLY_CALLS and self.leg is None):
            self._reply("-ERR command not found")
            return
        handler(self, rest.strip(), command)

    def _auth(self, rest: str, _command: Command) -> None:
        if rest == self.world.password:
            self.authenticated = True
            self._reply("+OK accepted")
            return
        self._reply("-ERR invalid")
        self._goodbye()

    def _event(self, rest: str, _command: Command) -> None:
        form, *words = rest.split() or [""]
        if form not in ("json", "plain", "xml"):
            words, form = [form, *words], "plain"
        if not self.subscription.add(words):
            self._reply("-ERR no keywords supplied")
            return
        self.subscription.plain = form == "plain"
        self._reply(f"+OK event listener enabled {form}")

    def _filter(self, rest: str, _command: Command) -> None:
        words = rest.split(" ", 2)
        if words[0] == "delete":
            header = words[1] if len(words) > 1 else "all"
            value = words[2] if len(words) > 2 else ""
            self.subscription.filters = [
                one
                for one in self.subscription.filters
                if header != "all" and not (one.header == header and value in ("", one.value))
            ]
            self._reply(f"+OK filter deleted. [{header}][{value}]")
            return
        header, _, value = rest.partition(" ")
        if not value:
            self._reply("-ERR invalid syntax")
            return
        self.subscription.filters.append(filters.make(header, value))
        self._reply(f"+OK filter added. [{header}]=[{value}]")

    def _noevents(self, _rest: str, _command: Command) -> None:
        self.subscription.names.clear()
        self.subscription.subclasses.clear()
        self._reply("+OK no longer listening for events")

    def _nixevent(self, rest: str, _command: Command) -> None:
        words = rest.split()
        self.subscription.names = [name for name in self.subscription.names if name not in words]
        self.subscription.subclasses = [name for name in self.subscription.subclasses if name not in words]
        self._reply("+OK events nixed")

    def _api(self, rest: str, _command: Command) -> None:
        self._busy = at_once = True

        def say(text: str) -> None:
            self._busy = False
            self._body("api/response", text)
            if not at_once:
                self._work()

        api.run(self.world, rest, say)
        at_once = False

    def _bgapi(self, rest: str, command: Command) -> None:
        job = command.headers.get("Job-UUID") or self.world.new_uuid()
        world, timing = self.world, self.world.timing
        name, _, arguments = rest.partition(" ")
        core = world.core

        def begin() -> None:
            if world.core != core:
                return  # the switch has been restarted meanwhile

            def say(text: str) -> None:
                headers = {"Job-UUID": job, "Job-Command": name, "Job-Command-Arg": arguments, "_body": text}
                world.emit("BACKGROUND_JOB", headers)

            api.run(world, rest, say)

        def accepted() -> None:
            self._busy = False
            self._reply(f"+OK Job-UUID: {job}", {"Job-UUID": job})
            world.agenda.after(timing.create, begin)
            self._work()

        self._busy = True
        world.agenda.after(timing.job_reply, accepted)

    def _sendmsg(self, rest: str, command: Command) -> None:
        leg = self.world.legs.get(rest) if rest else self.leg
        if leg is None and self.leg is None:
            self._reply(f"-ERR invalid session id [{rest}]")
            return
        # A call that has just ended still takes everything, and does nothing.
        if leg is not None and not leg.gone:
            self._tell(leg, command)
        self._reply("+OK")

    def _tell(self, leg: Leg, command: Command) -> None:
        if command.headers.get("call-command") == "hangup":
            hangups.hang_up(self.world, leg, command.headers.get("hangup-cause", "NORMAL_CLEARING"))
            return
        argument = command.headers.get("execute-app-arg", "") or command.body.decode("utf-8", "replace").strip()
        running.tell(self.world, leg, command.headers.get("execute-app-name", ""), argument)

    def _connect(self, _rest: str, _command: Command) -> None:
        leg = self.leg
        if leg is None:
            return
        if not self._connected and not leg.gone:
            self._connected = True
            data = self.world.data(leg)
            self._send(
                "".join(f"{name}: {events.plain_value(value)}\n" for name, value in data.items()).encode()
                + b"Content-Type: command/reply\nReply-Text: %2BOK%0A\nSocket-Mode: async\nControl: full\n\n"
            )
            running.resume(self.world, leg, "attached")
            return
        self._reply("+OK")

    def _linger(self, _rest: str, _command: Command) -> None:
        self._lingers = True
        self._reply("+OK will linger")

    def _nolinger(self, _rest: str, _command: Command) -> None:
        self._lingers = False
        self._reply("+OK will not linger")

    def _myevents(self, rest: str, _command: Command) -> None:
        words = [word for word in rest.split() if word not in ("json", "plain")]
        uuid = self.leg.uuid if self.leg is not None else (words[0] if words else "")
        if self.leg is None and uuid not in self.world.legs:
            self._reply("-ERR invalid uuid")
            return
        self.subscription.only_leg = uuid
        self.subscription.names = ["ALL"]
        self.subscription.plain = "json" not in rest.split()
        self._reply("+OK Events Enabled")

    def _quietly(self, _rest: str, _command: Command) -> None:
        self._reply("+OK")

    def _exit(self, _rest: str, _command: Command) -> None:
        self._reply("+OK bye")
        self._goodbye()

    # What the client is sent.

    def hear(self, event: EventData) -> None:
        """Send an event, if this client wants it."""
        if self.closed or not self.authenticated or not self.subscription.wants(event):
            return
        if self.subscription.plain:
            kind, body = b"text/event-plain", events.as_plain(event)
        else:
            kind, body = b"text/event-json", events.as_json(event)
        self._send(b"Content-Length: %d\nContent-Type: %b\n\n" % (len(body), kind) + body)

    def channel_gone(self) -> None:
        """The call of this connection is over: say goodbye, unless the client wants to linger."""
        if not self.closed and not self._lingers:
            self._goodbye()

    def close(self) -> None:
        """The client is gone: closed, dead or cut off. Nothing of what it has begun ends with it."""
        self.closed = True
        self.world.left(self)

    def _reply(self, text: str, headers: dict[str, str] | None = None) -> None:
        extra = "".join(f"{name}: {value}\n" for name, value in (headers or {}).items())
        # Replies are cut at 512 bytes.
        self._send(f"Content-Type: command/reply\nReply-Text: {text[:511]}\n{extra}\n".encode())

    def _body(self, kind: str, text: str) -> None:
        body = text.encode("utf-8", "replace")
        self._send(f"Content-Type: {kind}\nContent-Length: {len(body)}\n\n".encode() + body)

    def _goodbye(self) -> None:
        controlled = ""
        if self.leg is not None:
            controlled = f"Controlled-Session-UUID: {self.leg.uuid}\nContent-Disposition: disconnect\n"
        head = f"Content-Type: text/disconnect-notice\n{controlled}Content-Length: {len(GOODBYE)}\n\n"
        self._send(head.encode() + GOODBYE)
        self.close()

    def _send(self, data: bytes) -> None:
        if not self.closed:
            self.outbox.append(data)


_ONLY_CALLS = ("connect", "linger", "nolinger")

_VERBS = {
    "auth": Session._auth,
    "event": Session._event,
    "filter": Session._filter,
    "noevents": Session._noevents,
    "nixevent": Session._nixevent,
    "api": Session._api,
    "bgapi": Session._bgapi,
    "sendmsg": Session._sendmsg,
    "connect": Session._connect,
    "linger": Session._linger,
    "nolinger": Session._nolinger,
    "myevents": Session._myevents,
    "divert_events": Session._quietly,
    "log": Session._quietly,
    "nolog": Session._quietly,
    "resume": Session._quietly,
    "exit": Session._exit,
}
