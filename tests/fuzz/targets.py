"""What is fuzzed, one function per place where bytes of strangers come in: each takes bytes and asserts what must hold.

None of them only "does not crash": framing must not depend on how the stream was cut, an event must say what its JSON
says, and what callers send must come out of every command as the data that it was, beside exactly the variables, applications
and dial strings that are ours. `scripts/fuzz` feeds them by coverage; the corpus it left is replayed by test_corpus.py.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections import deque
from collections.abc import Callable, Sequence
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from fsqueue.config.check import check_text
from fsqueue.config.plan import to_plan
from fsqueue.control.endpoints import ENDPOINTS, Request, respond
from fsqueue.control.wire import encode as encode_answer
from fsqueue.engine.messages import Arrived, Caller, CallOpened, Hold, Leg, Ring
from fsqueue.esl import commands
from fsqueue.esl.errors import LocalProtocolError, RemoteProtocolError
from fsqueue.esl.events import Event, clean, decode, decode_plain, from_values
from fsqueue.esl.framing import CommandReader, FrameReader, decode_values, parse_headers
from fsqueue.facts import dialplan_facts, switch_facts
from fsqueue.journal import entries, words
from fsqueue.journal.entries import CorruptLineError, Gap, Unknown
from fsqueue.simswitch import originate
from fsqueue.switch import quoting
from fsqueue.switch.dialplan import render, render_entry
from fsqueue.switch.legs import Core
from fsqueue.switch.messages import (
    Api,
    BgApi,
    Execute,
    LinkUp,
    Out,
    Phone,
    Reply,
    SocketArrived,
    SwitchCommand,
    SwitchFacts,
    Tick,
)
from tests.control.desks import FakeDesk

NOW = 1_800_000_000.0
CORE = "11111111-2222-3333-4444-555555555555"
CALLER = "caaaaaaa-2222-3333-4444-555555555555"
_HEADERS = [field.metadata["header"] for field in dataclasses.fields(Event) if field.metadata]
_FIELDS = {field.metadata["header"]: field.name for field in dataclasses.fields(Event) if field.metadata}


def _pieces(data: bytes, count: int) -> list[str]:
    """Cut *data* into *count* texts; U+001F is where one ends, so that the fuzzer can move the borders."""
    parts = data.decode("utf-8", "replace").split("\x1f", count - 1)
    return parts + [""] * (count - len(parts))


# --- the event socket ---------------------------------------------------------------------------------------------------


def frames(data: bytes) -> None:
    """A stream gives the same frames whole and byte by byte, or the same refusal."""
    assert _read(FrameReader, [data]) == _read(FrameReader, [data[i : i + 1] for i in range(len(data))])


def commands_in(data: bytes) -> None:
    """The same for what a client sends."""
    assert _read(CommandReader, [data]) == _read(CommandReader, [data[i : i + 1] for i in range(len(data))])


def _read(kind: type[FrameReader] | type[CommandReader], chunks: Sequence[bytes]) -> tuple[list[object], bool]:
    reader, found, refused = kind(), [], False
    for chunk in chunks:
        try:
            found += reader.feed(chunk)
        except RemoteProtocolError:
            refused = True
            break
    # Of a stream that is refused, reading it whole gives nothing where reading it in pieces gave what came before.
    return ([] if refused else [repr(one) for one in found]), refused


def event_json(data: bytes) -> None:
    """An event can be read, field by field, in any order, and nothing in it ends a line; or it is refused."""
    try:
        event = decode(data)
    except RemoteProtocolError:
        return
    again = decode(data)
    for name in _FIELDS.values():
        value = getattr(event, name)
        assert isinstance(value, str)
        assert name == "body" or value == clean(value)
    for name in reversed(_FIELDS.values()):
        assert getattr(again, name) == getattr(event, name)


def event_values(data: bytes) -> None:
    """FreeSWITCH's own compact JSON gives exactly what it holds, by the quick way as by the careful one."""
    texts = _pieces(data, 12)
    values = {"Event-Name": texts[0]}
    for at, text in enumerate(texts[1:]):
        # Half of them under names that are read, the others under names made of what the caller may have sent.
        values.setdefault(text if at % 2 else _HEADERS[(len(text) * 7 + at) % len(_HEADERS)], texts[-1 - at])
    for escaped in (False, True):
        event = decode(json.dumps(values, separators=(",", ":"), ensure_ascii=escaped).encode())
        for header, name in _FIELDS.items():
            held = values.get(header, "")
            assert getattr(event, name) == (held if name == "body" else clean(held)), header


def event_plain(data: bytes) -> None:
    """A value never passes for another header: FreeSWITCH leaves a %0A that is there as it is."""
    decode_plain(data)
    name, evil = _pieces(data, 2)
    sent = f"Event-Name: DTMF\nCaller-Caller-ID-Name: {_as_sent(name)}\nDTMF-Digit: {_as_sent(evil)}\n\n".encode()
    event = decode_plain(sent)
    assert event.name == "DTMF"
    for field in _FIELDS.values():
        assert field in ("name", "caller_name", "digit") or not getattr(event, field)
    held = decode_values(parse_headers(sent.partition(b"\n\n")[0]))
    assert sorted(held) == ["Caller-Caller-ID-Name", "DTMF-Digit", "Event-Name"]


def _as_sent(text: str) -> str:
    r"""Encode as FreeSWITCH does, for whom ``%`` and what is printable ASCII need nothing."""
    return "".join(
        c if "\x20" < c < "\x7f" else "".join(f"%{b:02X}" for b in c.encode("utf-8", "replace")) for c in text
    )


# --- what callers send, on its way to the switch ------------------------------------------------------------------------

FACTS = SwitchFacts(
    phones={
        "anna": Phone(member="anna", dial="user/1001@example.com", user="1001@example.com"),
        "desk": Phone(member="desk", dial="sofia/gateway/x/100", registers=False),
    },
    outbound="sofia/gateway/provider/{number}",
    caller_id_number="48221112233",
)
"""One member who registers, one who doesn't, and a way to dial numbers."""

APPLICATIONS = {"multiset", "answer", "unset", "transfer", "set", "hangup", "playback", "park"}
CHANNEL_VARIABLES = {
    *("fsqueue_version", "fsqueue_owner", "fsqueue_arrival", "fsqueue_call", "fsqueue_group", "fsqueue_number"),
    *("fsqueue_joined", "fsqueue_entered", "fsqueue_deadline", "fsqueue_priority", "fsqueue_music", "fsqueue_refused"),
    *("presence_data", "destination_number", "playback_terminators", "transfer_after_bridge", "fsqueue_to"),
    *("uuid_bridge_continue_on_cancel", "hangup_after_bridge", "sofia_session_timeout", "rtp_liberal_dtmf"),
}
ORIGINATION_VARIABLES = {
    *("origination_uuid", "ignore_early_media", "outbound_redirect_fatal", "originate_timeout", "park_timeout"),
    *("loopback_bowout", "fsqueue_owner", "fsqueue_offer", "fsqueue_member", "presence_data", "hold_music"),
    *("rtp_liberal_dtmf", "presence_id", "dialed_user", "dialed_domain", "origination_caller_id_number"),
    *("origination_caller_id_name", "origination_privacy", "sip_h_X-FSQueue-Forward"),
}
API_COMMANDS = {
    *("hash", "strepoch", "sofia_contact", "show", "uuid_exists", "uuid_kill", "uuid_setvar_multi", "uuid_transfer"),
    *("uuid_dump", "uuid_bridge", "uuid_pre_answer", "eval", "uuid_broadcast", "uuid_setvar", "originate"),
}


def arrival(data: bytes) -> None:
    """A caller who says whatever he likes is held, rung for, and told of, without a word of his being anything but data."""
    name, number, dialled, arrival_, carried, music, answer, prefix = _pieces(data, 8)
    core = Core("main", FACTS, lambda _: "00059a1b2c3d4")
    _check(core.handle(LinkUp(CORE), NOW))
    event = from_values(
        {
            "Event-Name": "CHANNEL_DATA",
            "Unique-ID": CALLER,
            "Core-UUID": CORE,
            "Caller-Caller-ID-Name": name,
            "Caller-Caller-ID-Number": number,
            "Caller-Destination-Number": dialled,
            "variable_fsqueue_arrival": arrival_,
            "variable_fsqueue_call": carried,
            "variable_fsqueue_number": carried,
            "variable_fsqueue_priority": carried,
        }
    )
    out = core.handle(SocketArrived("s1", event), NOW)
    _check(out)
    came = [one for one in out.inputs if isinstance(one, Arrived)]
    if not came:
        return  # he dialled a code
    caller = came[0].caller
    leg = Leg("main", CALLER)
    hold = Hold(
        call=came[0].new_call,
        leg=leg,
        arrival=came[0].arrival,
        group="sales",
        number=carried,
        music=music,
        dialled=came[0].dialled,
        priority=0,
        joined=NOW,
        entered=NOW,
        deadline=NOW + 3720,
    )
    _check(core.handle(hold, NOW))
    held = from_values({"Event-Name": "CUSTOM", "Event-Subclass": "fsqueue::hold", "Unique-ID": CALLER})
    _check(core.handle(held, NOW))
    _check(core.handle(hold, NOW))  # written anew on a caller who is on hold
    for at, member in enumerate(("anna", "desk", "")):
        ring = Ring(
            offer=f"00059a1b2c3d4.{at}",
            call=came[0].new_call,
            leg=leg,
            member=member,
            number="" if member else number,
            timeout=20.0,
            caller=caller,
            prefix=prefix,
            music=music,
        )
        out = core.handle(ring, NOW)
        _check(out, ring)
        for asked in [one for one in out.commands if isinstance(one, Api) and "sofia_contact" in one.text]:
            _check(core.handle(Reply(asked.ref, answer), NOW), ring)


def _check(out: Out, ring: Ring | None = None) -> None:
    for command in out.commands:
        data, line = _wire(command)
        whole = CommandReader().feed(data)
        assert len(whole) == 1, "one command is one command"
        assert whole[0].line == line
        if isinstance(command, Execute):
            _check_execute(command)
        elif isinstance(command, Api | BgApi):
            _check_api(command.text, ring)


def _wire(command: SwitchCommand) -> tuple[bytes, str]:
    match command:
        case Api(_, text):
            name, _, arguments = text.partition(" ")
            return commands.api(name, arguments), f"api {text}"
        case BgApi(job, text):
            name, _, arguments = text.partition(" ")
            return commands.bgapi(name, arguments, job=job), f"bgapi {text}"
        case Execute(_, application, argument):
            return commands.execute(application, argument), "sendmsg"
    return b"exit\n\n", "exit"


def _check_execute(command: Execute) -> None:
    assert command.application in APPLICATIONS, command.application
    if command.application == "multiset":
        for pair in command.argument.split(" "):
            name, equals, value = pair.partition("=")
            assert equals, pair
            assert name in CHANNEL_VARIABLES, name
            assert "$" not in value, "it would be expanded"
    elif command.application == "set":
        name, _, value = command.argument.partition("=")
        assert name in CHANNEL_VARIABLES or command.argument == "fsqueue_unscheduled=${sched_del(${uuid})}", name
    elif command.application == "unset":
        assert command.argument in CHANNEL_VARIABLES, command.argument
    elif command.application == "transfer":
        assert re.fullmatch(r"fsqueue-(hold|fallback) XML fsqueue", command.argument), command.argument


def _check_api(text: str, ring: Ring | None) -> None:
    name, _, arguments = text.partition(" ")
    assert name in API_COMMANDS, name
    if name == "uuid_setvar_multi":
        uuid, _, variables = arguments.partition(" ")
        assert quoting.is_uuid(uuid)
        for pair in variables.split(";"):
            assert pair.partition("=")[0] in CHANNEL_VARIABLES, pair
    elif name == "originate":
        assert ring is not None
        _check_originate(arguments, ring)


def _check_originate(arguments: str, ring: Ring) -> None:
    """Read it as the switch does: our variables and no others, one place to dial, one thing to do there."""
    order = originate.parse(arguments)
    assert order is not None, "an order that the switch can't read"
    assert set(order.variables) <= ORIGINATION_VARIABLES, set(order.variables) - ORIGINATION_VARIABLES
    assert order.actions == [("park", "")]
    assert len(originate.places(order.dial)) == 1, order.dial
    assert not re.search(r"[\s{}'\"$|]", order.dial)
    if not ring.member:
        assert re.fullmatch(r"sofia/gateway/provider/[A-Za-z0-9+*#._-]+", order.dial)
    assert re.fullmatch(r"[A-Za-z0-9./_-]*", order.variables.get("sip_h_X-FSQueue-Forward", ""))
    shown = order.variables.get("origination_caller_id_name", "")
    assert re.fullmatch(r"[A-Za-z0-9%]*", shown)
    wanted = ring.prefix + (ring.caller.name or ring.caller.number)
    if ring.caller.hidden:
        wanted = ring.prefix + "Anonymous"
    if ring.caller_id == "caller":
        kept = clean(wanted)[: quoting.MAX_NAME].encode("utf-8", "replace").decode()
        assert unquote(shown) == kept.replace("\\", "\\\\").replace('"', "'")


def quoted(data: bytes) -> None:
    """Each kind of text is inert in its place, or refused."""
    text = data.decode("utf-8", "surrogateescape")
    for check in (quoting.uuid, quoting.cause, quoting.word, quoting.user, quoting.playable, quoting.dial_string):
        try:
            kept = check(text)
        except quoting.Unquotable:
            continue
        assert not re.search(r"[\r\n\0]", kept)
        assert check is quoting.dial_string or not re.search(r"[ \t\n\r\v\f'\"$\\]", kept)
    for made in (quoting.encode(text), quoting.display_name(text)):
        assert re.fullmatch(r"[A-Za-z0-9%]*", made)
    assert re.fullmatch(r"[A-Za-z0-9+*#._%-]*", quoting.dialled(text) + quoting.number(text))
    for one in quoting.contacts(f"sofia/internal/{text}"):
        assert not re.search(r"[\s,'\"\\${}|]", one)
        assert len(originate.places(one)) == 1
    try:
        line = commands.api("eval", text)
    except LocalProtocolError:
        return
    assert len(CommandReader().feed(line)) == 1


def table(data: bytes) -> None:
    """Whatever stands in the switch's table of channels, looking at it never fails, and leads to commands of ours alone."""
    core = Core("main", FACTS, lambda _: "00059a1b2c3d4")
    text = data.decode("utf-8", "replace")
    asked = deque(core.handle(LinkUp(CORE), NOW).commands)
    for _ in range(200):
        if not asked:
            break
        command = asked.popleft()
        if isinstance(command, Api):
            out = core.handle(Reply(command.ref, _ANSWERS.get(command.text.partition(" ")[0], text)), NOW)
            _check(out)
            asked += out.commands
    _check(core.handle(Tick(), NOW + 2.0))


_ANSWERS = {
    "hash": "+OK",
    "strepoch": str(int(NOW)),
    "sofia_contact": "error/user_not_registered",
    "uuid_exists": "true",
}


# --- files and the API --------------------------------------------------------------------------------------------------


def configuration(data: bytes) -> None:
    """Any text is taken or refused in lines for people; what is taken can be acted on."""
    found, problems = check_text(data.decode("utf-8", "replace"), "fsqueue.toml")
    for problem in problems:
        assert str(problem).isprintable(), problem
    if found is None:
        return
    to_plan(found)
    core = Core("main", switch_facts(found), lambda _: "00059a1b2c3d4")
    for command in core.handle(LinkUp(CORE), NOW).commands:
        assert len(CommandReader().feed(_wire(command)[0])) == 1
    facts = dialplan_facts(found)
    for text in (render(facts), render_entry(facts)):
        for element in ET.fromstring(text).iter("action"):
            assert element.get("application") in ("set", "multiset", "unset", "event", "playback", "sleep", "transfer",
                                                  "socket", "park", "hangup", "sched_transfer")  # fmt: skip


@functools.cache
def _desk() -> FakeDesk:
    desk = FakeDesk()
    desk.arrive("c1", name="Ala")
    return desk


def api(data: bytes) -> None:
    """Any query and body gets an answer that can be shown, and never more than a problem."""
    which, identity, keys, body = _pieces(data, 4)
    endpoint = ENDPOINTS[(ord(which[0]) if which else 0) % len(ENDPOINTS)]
    if "reload" in endpoint.path or "forget" in endpoint.path:
        return
    query = dict(pair.partition("=")[::2] for pair in keys.split("&") if pair)
    request = Request(id=identity, query=query, body=body.encode("utf-8", "replace"), by="somebody", trusted=False)
    answer = respond(endpoint, _desk(), request)
    assert answer.status in (200, 400, 403, 404, 409, 413, 422, 501, 503), answer
    said = encode_answer(answer.content)
    assert said.decode().isprintable()
    assert b'password = "secret"' not in said


def journal(data: bytes) -> None:
    """A line of the journal is read or refused, and what is made of it for people is one line that can be shown."""
    try:
        entry = entries.decode(data)
    except CorruptLineError:
        return
    assert words.line(entry.record, words.Names()).isprintable()
    if not isinstance(entry.record, Gap | Unknown):
        again = entries.encode(entry.seq, entry.t, entry.record)
        assert again.endswith(b"\n")
        assert again[:-1].decode().isprintable()


def said(data: bytes) -> None:
    """What a caller is called stands in the log's line and in no other place."""
    name, number = _pieces(data, 2)
    record = CallOpened(
        call="00059a1b2c3d4",
        leg=Leg("main", CALLER),
        arrival="a",
        caller=Caller(number=number, name=name),
        number="1",
        dialled=number,
        music="",
        priority=None,
        joined=NOW,
    )
    text = words.line(record, words.Names())
    assert text.isprintable()
    assert len(text) < 2000
    entry = entries.decode(entries.encode(1, NOW, record))
    assert words.line(entry.record, words.Names()).isprintable()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "frames": frames,
    "commands": commands_in,
    "event_json": event_json,
    "event_values": event_values,
    "event_plain": event_plain,
    "arrival": arrival,
    "quoted": quoted,
    "table": table,
    "configuration": configuration,
    "api": api,
    "journal": journal,
    "said": said,
}
