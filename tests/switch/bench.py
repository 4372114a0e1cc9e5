"""A core on a bench: scripted events in, and a switch that answers API commands as a real one does."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from fsqueue.engine.messages import Connect, Hold, Input, Leg, Ring, Snapshot
from fsqueue.esl.events import Event
from fsqueue.switch.ids import job_uuid, leg_uuid
from fsqueue.switch.legs import Core
from fsqueue.switch.messages import (
    Api,
    BgApi,
    CloseSession,
    Execute,
    Item,
    LinkUp,
    Phone,
    Reply,
    SocketArrived,
    SwitchCommand,
    SwitchFacts,
    Tick,
)
from fsqueue.switch.talks import SETTLE_SECONDS

T = TypeVar("T")

START = 1_795_474_358.0
CALLER = "cc96744e-ee7c-4311-be49-7756ff5eea7c"
ANNA = Phone(member="anna", dial="user/1001@lab", user="1001@lab")
JAN = Phone(member="jan", dial="user/1002@lab", user="1002@lab")
DESK = Phone(member="desk", dial="sofia/gateway/pbx/200", registers=False)
FACTS = SwitchFacts(
    owner="pbx", phones={p.member: p for p in (ANNA, JAN, DESK)}, outbound="sofia/gateway/provider/{number}"
)


def event(name: str, uuid: str = "", **fields: str) -> Event:
    """An event by our own field names; a ``CUSTOM`` one by its subclass."""
    if "::" in name:
        return Event(name="CUSTOM", subclass=name, uuid=uuid, **fields)
    return Event(name=name, uuid=uuid, **fields)


def leg(uuid: str = CALLER) -> Leg:
    return Leg(switch="main", uuid=uuid)


class Bench:
    """Gives items to a core; keeps what comes out; answers what it asks."""

    def __init__(self, facts: SwitchFacts = FACTS, *, link: bool = True) -> None:
        self.core = Core("main", facts)
        self.facts = facts
        self.now = START
        self.skew = 0.0
        self.out: list[SwitchCommand] = []
        self.inputs: list[Input] = []
        self.alive: list[str] = []
        self.contacts: dict[str, str] = {
            "1001@lab": "sofia/internal/sip:1001@127.0.0.1:7001",
            "1002@lab": "sofia/internal/sip:1002@127.0.0.1:7002",
        }
        self.rows: list[dict[str, str]] = []
        self.dumps: dict[str, dict[str, str]] = {}
        self.answers: dict[str, str] = {}
        self.mute = False
        if link:
            self.give(LinkUp("core-1"))
            self.clear()

    # -- in

    def give(self, *items: Item) -> list[Input]:
        """Hand items in, answer what they ask, and return the inputs they led to."""
        before = len(self.inputs)
        for item in items:
            self._take(item)
            if isinstance(item, Connect):
                self.wait(SETTLE_SECONDS)
        return self.inputs[before:]

    def _take(self, item: Item) -> None:
        out = self.core.handle(item, self.now)
        self.out += out.commands
        self.inputs += out.inputs
        for command in out.commands:
            if isinstance(command, Api) and not self.mute:
                self._take(Reply(command.ref, self.answer(command.text)))

    def see(self, name: str, uuid: str = CALLER, **fields: str) -> list[Input]:
        """An event arrives; the bench keeps track of which channels exist."""
        if name == "CHANNEL_CREATE":
            self.alive.append(uuid)
        if name == "CHANNEL_HANGUP" and uuid in self.alive:
            self.alive.remove(uuid)
            fields.setdefault("hangup_cause", "NORMAL_CLEARING")
        return self.give(event(name, uuid, **fields))

    def wait(self, seconds: float) -> list[Input]:
        """Let time pass, with every deadline on the way; periodic snapshots are left out of what is returned."""
        before, end = len(self.inputs), self.now + seconds
        while (due := self.core.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self._take(Tick())
        self.now = end
        return [given for given in self.inputs[before:] if not isinstance(given, Snapshot)]

    def clear(self) -> None:
        self.out.clear()
        self.inputs.clear()

    def answer(self, text: str) -> str:
        """What FreeSWITCH says (measured)."""
        for prefix, answer in self.answers.items():
            if text.startswith(prefix):
                return answer
        name, _, rest = text.partition(" ")
        first = rest.split(" ")[0]
        match name:
            case "strepoch":
                return str(int(self.now + self.skew))
            case "sofia_contact":
                return self.contacts.get(first.removeprefix("*/"), "error/user_not_registered")
            case "uuid_exists":
                return "true" if first in self.alive else "false"
            case "uuid_getvar":
                return "playback" if first in self.alive else "-ERR No such channel!"
            case "uuid_kill":
                return "+OK" if first in self.alive else "-ERR No such channel!"
            case "uuid_bridge":
                both = rest.split(" ")
                return f"+OK {both[1]}" if all(uuid in self.alive for uuid in both) else "-ERR Invalid uuid"
            case "show":
                return json.dumps({"row_count": len(self.rows), **({"rows": self.rows} if self.rows else {})})
            case "uuid_dump":
                return json.dumps(self.dumps[first]) if first in self.dumps else "-ERR No such channel!"
            case "eval":
                return "fsqueue-hold" if "Destination" in rest else "@"
        return "+OK"

    # -- out

    def texts(self, start: str = "") -> list[str]:
        """API commands so far, in the foreground and the background, that begin with *start*."""
        return [c.text for c in self.out if isinstance(c, Api | BgApi) and c.text.startswith(start)]

    def said(self, session: str = "s1") -> list[str]:
        """What was executed on a session: ``app arg``, and ``close``."""
        said = []
        for c in self.out:
            if isinstance(c, Execute) and c.session == session:
                said.append(f"{c.application} {c.argument}".strip())
            elif isinstance(c, CloseSession) and c.session == session:
                said.append("close")
        return said

    def got(self, kind: type[T]) -> list[T]:
        return [given for given in self.inputs if isinstance(given, kind)]

    # -- scenes

    def arrive(self, uuid: str = CALLER, session: str = "s1", **fields: str) -> list[Input]:
        """A caller is handed over by the dialplan."""
        if uuid not in self.alive:
            self.alive.append(uuid)
        shown: dict[str, Any] = {
            "direction": "inbound",
            "answer_state": "ringing",
            "caller_number": "5551",
            "caller_name": "Ewa",
            "destination": "7001",
            "fsq_owner": "pbx",
            "fsq_arrival": f"arr-{session}",
            "core": "core-1",
            **fields,
        }
        return self.give(SocketArrived(session, event("CHANNEL_DATA", uuid, **shown)))

    def hold(self, uuid: str = CALLER, call: str = "c1", **changes: Any) -> Hold:
        facts: dict[str, Any] = {
            "call": call,
            "leg": leg(uuid),
            "arrival": "arr-s1",
            "group": "sales",
            "number": "48221234567",
            "music": "local_stream://jazz",
            "dialled": "7001",
            "priority": 0,
            "joined": self.now,
            "entered": self.now,
            "deadline": self.now + 3720,
            **changes,
        }
        return Hold(**facts)

    def waiting(self, uuid: str = CALLER, session: str = "s1", call: str = "c1") -> None:
        """A caller arrives and stands in his hold."""
        self.arrive(uuid, session)
        self.give(self.hold(uuid, call))
        self.see("fsqueue::hold", uuid, fsq_owner="pbx", fsq_call=call)

    def ring(self, offer: str = "c1.1", member: str = "anna", **changes: Any) -> Ring:
        facts: dict[str, Any] = {"offer": offer, "call": offer.partition(".")[0], "leg": leg(), "member": member}
        return Ring(**{**facts, "timeout": 20.0, **changes})

    def ringing(self, offer: str = "c1.1", member: str = "anna") -> str:
        """A member's phone rings; return its leg."""
        self.give(self.ring(offer, member))
        uuid = leg_uuid("pbx", offer, 0)
        self.see("CHANNEL_CREATE", uuid, direction="outbound", fsq_owner="pbx")
        self.see("CHANNEL_PROGRESS", uuid, direction="outbound", fsq_owner="pbx")
        return uuid

    def answered(self, offer: str = "c1.1", member: str = "anna") -> str:
        uuid = self.ringing(offer, member)
        self.see("CHANNEL_ANSWER", uuid, direction="outbound", fsq_owner="pbx")
        return uuid

    def connect(self, offer: str = "c1.1", call: str = "c1", taker: str = "") -> list[Input]:
        return self.give(
            Connect(call=call, leg=leg(), offer=offer, taker=leg(taker) if taker else None),
        )

    def bridge(self, member: str, caller: str = CALLER) -> list[Input]:
        return self.see("CHANNEL_BRIDGE", caller, bridge_a=caller, bridge_b=member, other_leg=member)

    def talking(self, offer: str = "c1.1", member: str = "anna") -> str:
        """A caller and a member talk, since just now."""
        self.waiting()
        uuid = self.answered(offer, member)
        self.connect(offer)
        self.bridge(uuid)
        return uuid

    def job(self, offer: str, body: str, index: int = 0) -> list[Input]:
        return self.give(event("BACKGROUND_JOB", job=job_uuid(leg_uuid("pbx", offer, index)), body=body + "\n"))
