"""Small SIP phones over UDP on loopback: an endpoint with its transactions, and the legs (dialogs) on it.

What a phone or a caller does with a leg is not said here but in `people`: this module only speaks the protocol, and as much of it as
FreeSWITCH uses towards a phone. Everything runs on one gevent hub.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
from collections.abc import Callable

import gevent
from gevent import event, queue, socket

from tests.contract.media import Heard, Media, Stream
from tests.contract.message import Headers, MalformedError, Message, address, authorize, parse, quoted, respond, user_of

ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REFER, NOTIFY")
FIRST_WAIT = 0.5
"""Seconds before the first retransmission (SIP's T1)."""

PHRASES = {180: "Ringing", 200: "OK", 302: "Moved Temporarily", 404: "Not Found", 480: "Temporarily Unavailable"}
PHRASES |= {
    481: "Call Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    503: "Service Unavailable",
    603: "Decline",
}

CAUSES = {
    404: "UNALLOCATED_NUMBER",
    408: "NO_USER_RESPONSE",
    480: "NO_ANSWER",
    486: "USER_BUSY",
    487: "ORIGINATOR_CANCEL",
}
CAUSES |= {502: "DESTINATION_OUT_OF_ORDER", 503: "NORMAL_TEMPORARY_FAILURE", 603: "CALL_REJECTED"}


class NoAnswerError(Exception):
    """A request got no final response."""


class Account:
    """A user of the switch: `user`, `password` and the `domain` that he registers in."""

    def __init__(self, user: str, domain: str, password: str) -> None:
        """Keep them."""
        self.user, self.domain, self.password = user, domain, password


class Endpoint:
    """One UDP port that talks to one SIP port of the switch. `ring` is called for each new incoming call."""

    def __init__(self, server: int, media: Media, ring: Callable[[Leg], None], account: Account | None = None) -> None:
        """Open the port; nothing is registered yet. `server`: the switch's SIP port on 127.0.0.1."""
        self.server, self.media, self.ring, self.account = ("127.0.0.1", server), media, ring, account
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.legs: dict[str, Leg] = {}
        self._waiting: dict[tuple[str, str], queue.Queue[Message]] = {}
        self._responses: dict[tuple[str, str], Message] = {}
        self._reader = gevent.spawn(self._read)
        self._registration = (secrets.token_hex(8), itertools.count(1))

    def contact(self, user: str) -> str:
        """The Contact of this endpoint."""
        return f"<sip:{user}@127.0.0.1:{self.port}>"

    def register(self, seconds: int = 3600) -> None:
        """Register the account's user here for `seconds`; 0 takes the registration back. Raises NoAnswerError."""
        assert self.account is not None
        user, domain = self.account.user, self.account.domain
        call_id, numbers = self._registration
        headers: Headers = [
            ("From", f"<sip:{user}@{domain}>;tag={secrets.token_hex(4)}"),
            ("To", f"<sip:{user}@{domain}>"),
            ("Call-ID", call_id),
            ("Contact", f"{self.contact(user)};expires={seconds}"),
            ("Expires", str(seconds)),
        ]
        response = self.request(Message(method="REGISTER", uri=f"sip:{domain}", headers=headers), numbers)
        if response.code != 200:
            raise NoAnswerError(f"REGISTER of {user}: {response.code} {response.phrase}")

    def request(self, message: Message, numbers: itertools.count[int]) -> Message:
        """Send a request other than INVITE, authenticate if asked to, and return the final response. Raises NoAnswerError."""
        plain = list(message.headers)
        for _ in range(3):
            branch = self.begin(message, next(numbers))
            response = self._final(message, branch)
            if response.code not in (401, 407) or self.account is None:
                return response
            message.headers = [*plain, self.credentials(response, message)]
        return response

    def credentials(self, challenge: Message, request: Message) -> tuple[str, str]:
        """The header that answers a 401 or 407."""
        assert self.account is not None
        asked, said = (
            ("www-authenticate", "Authorization")
            if challenge.code == 401
            else ("proxy-authenticate", "Proxy-Authorization")
        )
        return said, authorize(
            challenge.one(asked), request.method, request.uri, self.account.user, self.account.password
        )

    def begin(self, message: Message, number: int) -> str:
        """Put Via and CSeq on a request and send it; its responses can be awaited by `next_response` with the branch returned."""
        branch = "z9hG4bK" + secrets.token_hex(8)
        via = f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={branch};rport"
        message.headers = [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("CSeq", f"{number} {message.method}"),
            *message.headers,
        ]
        self._waiting[branch, message.method] = queue.Queue()
        self.send(message)
        return branch

    def next_response(self, branch: str, method: str, seconds: float | None) -> Message | None:
        """The next response of a transaction, or None after `seconds`."""
        try:
            response: Message = self._waiting[branch, method].get(timeout=seconds)
        except queue.Empty:
            return None
        return response

    def send(self, message: Message) -> None:
        """Send to the switch; a closed endpoint sends nothing."""
        with contextlib.suppress(OSError):
            self._socket.sendto(message.encode(), self.server)

    def answer(self, request: Message, response: Message) -> None:
        """Send a response and remember it for when the request comes again."""
        self._responses[request.branch, request.method] = response
        self.send(response)

    def close(self) -> None:
        """Vanish: no BYE, no un-REGISTER."""
        self._reader.kill(block=False)
        self._socket.close()
        for leg in list(self.legs.values()):
            leg.stream.close()

    def _final(self, message: Message, branch: str) -> Message:
        wait = FIRST_WAIT
        while wait < 8:
            response = self.next_response(branch, message.method, wait)
            if response is not None and response.code >= 200:
                return response
            if response is None:
                self.send(message)
                wait *= 2
        raise NoAnswerError(f"{message.method} {message.uri}")

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(65535)
            except OSError:
                return
            with contextlib.suppress(MalformedError):
                message = parse(data)
                if message.code:
                    self._response(message)
                else:
                    self._request(message)

    def _response(self, message: Message) -> None:
        waiting = self._waiting.get((message.branch, message.cseq[1]))
        if waiting is not None:
            waiting.put(message)

    def _request(self, message: Message) -> None:
        again = self._responses.get((message.branch, message.method))
        if again is not None:
            self.send(again)
            return
        leg = self.legs.get(message.call_id)
        if leg is not None:
            leg.requested(message)
        elif message.method == "INVITE":
            leg = Leg.incoming(self, message)
            self.legs[leg.id] = leg
            gevent.spawn(self.ring, leg)
        elif message.method != "ACK":
            known = message.method in ("OPTIONS", "NOTIFY")
            code = 200 if known else 481
            self.answer(message, respond(message, code, PHRASES[code], secrets.token_hex(4), [ALLOW]))


class Leg:
    """One call of one endpoint, from either side.

    `id` is its Call-ID. `dialled` is the extension that it called, if it did. `peer` and `shown` are the number and the name of the other side's From or To as they came. `answered` and
    `over` are gevent events; `cause` and `by` say how it ended. `heard` is called when what it hears changes, `ended` once at its end.
    """

    def __init__(self, endpoint: Endpoint, call_id: str, user: str) -> None:
        """Use `incoming` or `outgoing`."""
        self.endpoint, self.id, self.user = endpoint, call_id, user
        self.tag = secrets.token_hex(4)
        self.local = self.remote = self.target = ""
        self.peer = self.shown = self.dialled = ""
        self.invite = Message()
        self.answered, self.acknowledged, self.over = event.Event(), event.Event(), event.Event()
        self.cause = self.by = self.reason = ""
        self.heard: Callable[[Heard], None] = lambda _: None
        self.ended: Callable[[], None] = lambda: None
        self.referred: list[str] = []
        self.numbers = itertools.count(1)
        self.stream: Stream = endpoint.media.open(call_id, self._hears)

    @classmethod
    def incoming(cls, endpoint: Endpoint, invite: Message) -> Leg:
        """A leg for an INVITE that has come."""
        leg = cls(endpoint, invite.call_id, user_of(invite.uri))
        leg.invite = invite
        leg.shown, uri, _ = address(invite.one("from"))
        leg.peer = user_of(uri)
        leg.local, leg.remote = f"{invite.one('to')};tag={leg.tag}", invite.one("from")
        leg.target = address(invite.one("contact"))[1]
        leg.media_target(invite.body)
        return leg

    @classmethod
    def outgoing(cls, endpoint: Endpoint, number: str, name: str, to: str, domain: str) -> Leg:
        """A leg that `call` will dial: from `number` with `name`, to the extension `to`."""
        leg = cls(endpoint, f"{secrets.token_hex(10)}@127.0.0.1", number)
        leg.local = f"{quoted(name)} <sip:{number}@{domain}>;tag={leg.tag}"
        leg.remote = f"<sip:{to}@{domain}>"
        leg.dialled = to
        leg.target = f"sip:{to}@127.0.0.1:{endpoint.server[1]}"
        endpoint.legs[leg.id] = leg
        return leg

    # --- called side

    def ringing(self) -> None:
        """Say 180."""
        self._respond(self.invite, 180)

    def accept(self) -> None:
        """Say 200 and repeat it until the ACK comes; does nothing once the call is over."""
        if self.over.is_set():
            return
        self.answered.set()
        self._respond(self.invite, 200, body=self._sdp())
        gevent.spawn(self._repeat_200)

    def reject(self, code: int) -> None:
        """Refuse with a final code, 300 to 699."""
        if not self.over.is_set():
            extra = [("Contact", "<sip:9999@127.0.0.1>")] if 300 <= code < 400 else []
            self._respond(self.invite, code, extra=extra)
            self.finish(CAUSES.get(code, str(code)), "himself")

    # --- calling side

    def call(self, extra: Headers | None = None) -> int:
        """Dial, and return the final code (200 answered). Blocks; `cancel` from elsewhere makes it return 487."""
        headers: Headers = [("From", self.local), ("To", self.remote), ("Call-ID", self.id)]
        headers += [
            ("Contact", self.endpoint.contact(self.user)),
            ALLOW,
            ("Content-Type", "application/sdp"),
            *(extra or []),
        ]
        invite = Message(method="INVITE", uri=self.target, headers=headers, body=self._sdp())
        for _ in range(2):
            response = self._invite(invite)
            if response.code not in (401, 407) or self.endpoint.account is None:
                break
            invite.headers = [*headers, self.endpoint.credentials(response, invite)]
        if response.code != 200:
            self.finish(_cause(response) or CAUSES.get(response.code, str(response.code)), "the switch")
        return response.code

    def cancel(self) -> None:
        """Give up dialling: once the switch has said anything at all, as SIP wants it."""
        while not self._provisional.wait(0.05):
            if self.over.is_set() or self.answered.is_set():
                return
        branch = self.invite.branch
        kept = [
            (name, value)
            for name, value in self.invite.headers
            if name in ("Via", "From", "To", "Call-ID", "Max-Forwards")
        ]
        cseq = ("CSeq", f"{self.invite.cseq[0]} CANCEL")
        self.endpoint._waiting[branch, "CANCEL"] = queue.Queue()
        self.by = "himself"
        self.endpoint.send(Message(method="CANCEL", uri=self.invite.uri, headers=[*kept, cseq]))

    # --- in the call

    def hang_up(self) -> None:
        """End it as fits its state: BYE, CANCEL, or nothing when it is over."""
        if self.over.is_set():
            return
        if not self.answered.is_set():
            self.cancel()
            return
        self.finish("NORMAL_CLEARING", "himself")
        with contextlib.suppress(NoAnswerError):
            self.request("BYE")

    def hold(self) -> None:
        """Put the other side on hold (re-INVITE, sendonly)."""
        self._reinvite("sendonly")

    def unhold(self) -> None:
        """Take it back."""
        self._reinvite("sendrecv")

    def refer(self, to: str, replaces: Leg | None = None) -> int:
        """Transfer the other side to the extension `to`, attended when `replaces` is our leg with it. Returns the code (202)."""
        where = f"sip:{to}@127.0.0.1:{self.endpoint.server[1]}"
        if replaces is not None:
            tag = address(replaces.remote)[2]
            ours = address(replaces.local)[2]
            where += f"?Replaces={replaces.id}%3Bto-tag%3D{tag}%3Bfrom-tag%3D{ours}"
        local = address(self.local)[1]
        return self.request("REFER", [("Refer-To", f"<{where}>"), ("Referred-By", f"<{local}>")]).code

    def press(self, digit: str) -> None:
        """Send one DTMF digit by SIP INFO."""
        self.request("INFO", [("Content-Type", "application/dtmf-relay")], f"Signal={digit}\r\nDuration=160\r\n")

    def request(self, method: str, extra: Headers | None = None, body: str = "") -> Message:
        """Send a request within the call and return the final response. Raises NoAnswerError."""
        headers: Headers = [("From", self.local), ("To", self.remote), ("Call-ID", self.id)]
        headers += [("Contact", self.endpoint.contact(self.user)), *(extra or [])]
        return self.endpoint.request(Message(method=method, uri=self.target, headers=headers, body=body), self.numbers)

    def _hears(self, what: Heard) -> None:
        self.heard(what)

    def finish(self, cause: str, by: str) -> None:
        """Note the end, once."""
        if not self.over.is_set():
            self.cause, self.by = cause, self.by or by
            self.over.set()
            self.stream.close()
            self.ended()

    # --- what the switch asks for

    def requested(self, message: Message) -> None:
        """Take a request within this call."""
        match message.method:
            case "ACK":
                self.acknowledged.set()
            case "CANCEL":
                self._respond(message, 200)
                self._cancelled(message)
            case "BYE":
                self._respond(message, 200)
                self.finish(_cause(message) or "NORMAL_CLEARING", "the switch")
            case "INVITE" | "UPDATE":
                self.media_target(message.body)
                self._respond(message, 200, body=self._sdp())
            case "NOTIFY":
                self.referred.append(message.body.strip())
                self._respond(message, 200)
            case _:
                self._respond(message, 200)

    def media_target(self, sdp: str) -> None:
        """Send our media where an SDP says; nowhere when it holds us or says nothing."""
        host = re.search(r"^c=IN IP4 (\S+)", sdp, re.MULTILINE)
        port = re.search(r"^m=audio (\d+)", sdp, re.MULTILINE)
        if host and port:
            self.stream.target = (host[1], int(port[1])) if int(port[1]) else None

    def _cancelled(self, cancel: Message) -> None:
        if not self.answered.is_set() and not self.over.is_set():
            self.reason = cancel.one("reason")
            self._respond(self.invite, 487)
            self.finish("ORIGINATOR_CANCEL", "the switch")

    def _respond(self, request: Message, code: int, extra: Headers | None = None, body: str = "") -> None:
        contact = [("Contact", self.endpoint.contact(self.user)), ALLOW] if code < 300 else []
        response = respond(request, code, PHRASES.get(code, "Refused"), self.tag, [*contact, *(extra or [])], body)
        self.endpoint.answer(request, response)

    def _repeat_200(self) -> None:
        wait = FIRST_WAIT
        while not self.acknowledged.wait(wait) and wait < 8:
            self._respond(self.invite, 200, body=self._sdp())
            wait *= 2

    def _invite(self, invite: Message) -> Message:
        self._provisional = event.Event()
        branch = self.endpoint.begin(invite, next(self.numbers))
        self.invite = invite
        wait: float | None = FIRST_WAIT
        while True:
            response = self.endpoint.next_response(branch, "INVITE", wait)
            if response is None:
                if wait is None or wait > 8:
                    return Message(code=408, phrase="No response")
                self.endpoint.send(invite)
                wait *= 2
                continue
            wait = None
            self._provisional.set()
            if response.code < 200:
                self.media_target(response.body)
                continue
            self._take_final(invite, response, branch)
            return response

    def _take_final(self, invite: Message, response: Message, branch: str) -> None:
        """Acknowledge; with a 200 the call stands, and further copies of it are acknowledged too."""
        kept = [(name, value) for name, value in invite.headers if name in ("From", "Call-ID", "Max-Forwards")]
        if response.code >= 300:
            via = [("Via", invite.one("via")), ("To", response.one("to")), ("CSeq", f"{invite.cseq[0]} ACK")]
            self.endpoint.send(Message(method="ACK", uri=invite.uri, headers=[*via, *kept]))
            return
        self.remote = response.one("to")
        self.target = address(response.one("contact"))[1] or self.target
        self.media_target(response.body)
        ack = Message(method="ACK", uri=self.target, headers=[("To", self.remote), *kept])
        self.endpoint.begin(ack, invite.cseq[0])
        self.answered.set()
        gevent.spawn(self._acknowledge_again, branch, ack)

    def _acknowledge_again(self, branch: str, ack: Message) -> None:
        while not self.over.is_set():
            if self.endpoint.next_response(branch, "INVITE", 1.0) is not None:
                self.endpoint.send(ack)

    def _reinvite(self, direction: str) -> None:
        headers: Headers = [("From", self.local), ("To", self.remote), ("Call-ID", self.id)]
        headers += [("Contact", self.endpoint.contact(self.user)), ("Content-Type", "application/sdp")]
        invite = Message(method="INVITE", uri=self.target, headers=headers, body=self._sdp(direction))
        response = self._invite(invite)
        if response.code != 200:
            raise NoAnswerError(f"re-INVITE: {response.code}")

    def _sdp(self, direction: str = "sendrecv") -> str:
        lines = [
            "v=0",
            f"o=- {self.stream.port} {next(self.numbers)} IN IP4 127.0.0.1",
            "s=-",
            "c=IN IP4 127.0.0.1",
            "t=0 0",
        ]
        lines += [
            f"m=audio {self.stream.port} RTP/AVP 0 101",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000",
        ]
        return "\r\n".join([*lines, "a=fmtp:101 0-16", "a=ptime:20", f"a={direction}", ""])


def _cause(message: Message) -> str:
    """The switch's own word for why, from the Reason header."""
    found = re.search(r'text="([^"]*)"', message.one("reason"))
    return found[1] if found else ""
