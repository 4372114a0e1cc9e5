"""A switch with the product's own dialplan, and a client that does what the captured one did, command by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from fsqueue.esl.framing import Command, CommandReader, FrameReader
from fsqueue.simswitch.actors import Caller, Phone
from fsqueue.simswitch.dialplan import Dialplan
from fsqueue.simswitch.faults import Fault, Faults
from fsqueue.simswitch.leg import Leg
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.session import Session
from fsqueue.simswitch.timing import Timing
from fsqueue.simswitch.world import Config, World
from fsqueue.switch.dialplan import DialplanFacts, render, render_entry

START = 1_800_000_000.0
EVENTS = (
    "event json CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_HANGUP CHANNEL_HANGUP_COMPLETE "
    "CHANNEL_PARK CHANNEL_HOLD CHANNEL_UNHOLD BACKGROUND_JOB DTMF CUSTOM sofia::register sofia::unregister sofia::expire "
    "vm::maintenance fsqueue::arrival fsqueue::hold fsqueue::fallback"
)
HAND_OVER = (
    ("multiset", "sofia_session_timeout=90 rtp_liberal_dtmf=true"),
    ("answer", ""),
    (
        "multiset",
        "fsqueue_version=1 fsqueue_call=c1 fsqueue_group=sales fsqueue_deadline=1900000000 destination_number=7001 "
        "presence_data=fsq1|pbx|c1|sales|1 playback_terminators=none transfer_after_bridge=fsqueue-hold:XML:fsqueue "
        "uuid_bridge_continue_on_cancel=true fsqueue_music=local_stream://default",
    ),
    ("unset", "hangup_after_bridge"),
    ("transfer", "fsqueue-hold XML fsqueue"),
)


class Client:
    """One connection to the switch, with everything it was sent."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._reader = FrameReader()
        self._commands = CommandReader()
        self.frames: list[tuple[str, str]] = []
        self._events: list[dict[str, str]] = []

    def read(self) -> None:
        for data in self.session.outbox:
            for frame in self._reader.feed(data):
                if frame.content_type == "text/event-json":
                    self._events.append(json.loads(frame.body))
                self.frames.append((frame.content_type, frame.reply_text or frame.body.decode()))
        self.session.outbox.clear()

    @property
    def events(self) -> list[dict[str, str]]:
        self.read()
        return self._events

    def send(self, *lines: str) -> str:
        """Send one command and return the last thing that was said."""
        for command in self._commands.feed(("\n".join(lines) + "\n\n").encode()):
            self.session.take(command)
        self.read()
        return self.frames[-1][1] if self.frames else ""

    def execute(self, application: str, argument: str = "") -> str:
        return self.send(
            "sendmsg", "call-command: execute", f"execute-app-name: {application}", f"execute-app-arg: {argument}"
        )

    def hand_over(self) -> None:
        """Do with a call what the daemon does: connect, answer, variables, hold, exit."""
        self.send("connect")
        for application, argument in HAND_OVER:
            self.execute(application, argument)
        self.send("exit")


@dataclass
class Lab:
    """A world, its event socket's client, and the connections of its calls."""

    world: World
    client: Client
    arrivals: list[Client] = field(default_factory=list)

    def run(self, seconds: float) -> None:
        self.world.advance(self.world.now + seconds)
        self.client.read()

    def until(self, name: str, leg: str = "", seconds: float = 30.0) -> dict[str, str]:
        """Go on step by step until an event has come; return it."""
        end = self.world.now + seconds
        seen = len(self.client.events)
        while True:
            for event in self.client.events[seen:]:
                if name in (event["Event-Name"], event.get("Event-Subclass")) and leg in ("", event.get("Unique-ID")):
                    return event
            seen = len(self.client.events)
            due = self.world.deadline()
            assert due is not None, f"no {name}, and nothing more will happen"
            assert due <= end, f"no {name} within {seconds} s"
            self.world.advance(due)

    def call(self, number: str = "5551", to: str = "7001", **script: object) -> Caller:
        return self.world.call(CallerScript(number=number, name=number, to=to, **script))  # type: ignore[arg-type]

    def waiting(self, **script: object) -> Caller:
        """Return a caller who is in his hold."""
        caller = self.call(**script)
        self.until("fsqueue::hold")
        return caller

    def phone(self, user: str = "1001", *reactions: Reaction, **script: object) -> Phone:
        made = PhoneScript(user=user, domain="lab", reactions=reactions or (Reaction(kind="ignore"),), **script)  # type: ignore[arg-type]
        return self.world.phones(made)[0]

    def offer(self, uuid: str, phone: Phone, then: str = "&park()", **variables: str) -> str:
        braces = {"origination_uuid": uuid, "originate_timeout": "10", "presence_id": phone.who, **variables}
        dial = f"sofia/internal/{phone.contact}"
        text = ",".join(f"{name}={value}" for name, value in braces.items())
        self.client.send(f"bgapi originate {{{text}}}{dial} {then}", f"Job-UUID: job-{uuid}")
        self.run(0.003)
        return self.client.frames[-1][1]

    def told(self) -> list[str]:
        """Return what was said of legs, as the captures are written down: event, role, states, cause, pair, who hung up."""
        roles: dict[str, str] = {}
        counts = {"C": 0, "M": 0}
        lines = []
        for event in self.client.events:
            name = event.get("Event-Subclass") or event["Event-Name"]
            uuid = event.get("Unique-ID", "")
            if uuid and uuid not in roles:
                kind = "C" if event["Call-Direction"] == "inbound" else "M"
                counts[kind] += 1
                roles[uuid] = f"{kind}{counts[kind]}"
            if not name.startswith("sofia::"):
                lines.append(" ".join(word for word in _words(name, event, roles) if word))
        return lines


def _words(name: str, event: dict[str, str], roles: dict[str, str]) -> list[str]:
    leg = roles.get(event.get("Unique-ID", ""), "")
    if name == "BACKGROUND_JOB":
        good, *cause = event["_body"].split()
        return [name, good, *(cause if good == "-ERR" else [])]
    if name == "DTMF":
        return [name, leg, event["DTMF-Digit"]]
    pair = [roles[event[key]] for key in ("Bridge-A-Unique-ID", "Bridge-B-Unique-ID") if key in event]
    return [
        name,
        leg,
        event.get("Channel-State", ""),
        event.get("Answer-State", ""),
        event.get("Hangup-Cause", ""),
        "+".join(pair),
        event.get("variable_sip_hangup_disposition", "") if name == "CHANNEL_HANGUP_COMPLETE" else "",
        event.get("VM-Action", ""),
    ]


def dialplan(facts: DialplanFacts) -> Dialplan:
    made = Dialplan()
    made.include(render(facts))
    for context in facts.entry_contexts:
        made.include(render_entry(facts), context)
    made.include(
        '<include><extension name="colleagues"><condition field="destination_number" expression="^(10..)$">'
        '<action application="bridge" data="user/$1@lab"/></condition></extension></include>',
        "default",
    )
    return made


LabMaker = Callable[..., Lab]


@pytest.fixture
def make_lab() -> LabMaker:
    """Return a function that makes a lab: `timing`, `faults`, `config`, `serve` (what is done with a call; None: nobody listens)."""

    def make(
        timing: Timing | None = None,
        faults: tuple[Fault, ...] = (),
        serve: Callable[[Client], None] | None = Client.hand_over,
        seed: int = 1,
        answer: str = "answer",
        hand_over: str = "socket",
        **config: object,
    ) -> Lab:
        facts = DialplanFacts(
            extensions=("7001", "7002"),
            codes=("*90",),
            answer=answer,
            hand_over=hand_over,  # type: ignore[arg-type]
        )
        world = World(
            START,
            Random(seed),
            dialplan(facts),
            config=Config(timing=timing or Timing(heartbeat=0, overtaken=0), **config),  # type: ignore[arg-type]
            faults=Faults(faults, Random(seed)),
        )
        lab = Lab(world, Client(world.open()))

        def dial_out(leg: Leg, host: str, port: int) -> None:
            assert (host, port) == ("127.0.0.1", 8084)
            if serve is None:
                world.socket_refused(leg)
                return
            world.agenda.after(0, lambda: accept(leg))

        def accept(leg: Leg) -> None:
            client = Client(world.socket_connected(leg))
            lab.arrivals.append(client)
            assert serve is not None
            serve(client)

        world.dial_out = dial_out
        lab.client.send("auth ClueCon")
        lab.client.send(EVENTS)
        lab.client.send("api hash insert/fsqueue/alive-fsqueue/1900000000")
        return lab

    return make


@pytest.fixture
def lab(make_lab: LabMaker) -> Lab:
    """A lab as it comes."""
    return make_lab()


__all__ = ["Client", "Command", "Lab", "LabMaker"]
