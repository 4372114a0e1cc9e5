"""What decoding an event costs, against greenswitch's own parser on the same events, captured on a real switch."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from greenswitch.esl import ESLEvent

from fsqueue.esl.events import Event, decode
from fsqueue.esl.framing import FrameReader
from tests.esl import captures

LIMIT = 20.0
"""At least so many times as fast as greenswitch."""

ROUNDS = 40


def bodies() -> list[bytes]:
    """Return the bodies of all captured JSON events, less those with bytes that greenswitch's parser can't read."""
    return [
        frame.body
        for name in captures.names()
        for frame in FrameReader().feed(b"".join(captures.received(name)))
        if frame.content_type == "text/event-json" and _is_utf8(frame.body)
    ]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def as_plain(body: bytes) -> str:
    """Return the same event in the old format, url-encoded per value, as greenswitch's parser takes it."""
    lines = []
    for name, value in json.loads(body).items():
        text = value if isinstance(value, str) else "ARRAY::" + "|:".join(value)
        lines.append(f"{name}: {quote(text, safe=' !$&()*+,-./:;<=>?@[]^_`{|}~')}\n")
    return "".join(lines)


def _as_the_legs_do(data: bytes) -> Event:
    """Decode, and read what ``fsqueue.switch.legs`` reads of any event to see whom it concerns."""
    event = decode(data)
    if event.name == "BACKGROUND_JOB":
        _ = event.job
    elif event.name == "CUSTOM":
        _ = event.subclass, event.uuid
    else:
        _ = event.uuid
    return event


def _hangup(data: bytes) -> Event:
    """Decode, and read what a hang-up is asked for, the event with most questions."""
    event = _as_the_legs_do(data)
    _ = event.hangup_cause, event.endpoint_disposition, event.refer_uuid
    return event


def _arrival(data: bytes) -> Event:
    """Decode, and read what only the first sight of a caller needs."""
    event = _hangup(data)
    _ = event.caller_name, event.caller_number, event.fsq_call, event.fsq_group
    return event


def _seconds(parse: Callable[[Any], object], inputs: list[Any]) -> float:
    """Return the CPU seconds that one event costs in this round."""
    began = time.process_time()
    for each in inputs:
        parse(each)
    return (time.process_time() - began) / len(inputs)


def run() -> dict[str, Any]:
    """Return microseconds per event and how many times as fast as greenswitch each way of reading is."""
    events = bodies()
    plain = [as_plain(body) for body in events]
    ways: dict[str, tuple[Callable[[Any], object], list[Any]]] = {
        "greenswitch": (ESLEvent, plain),
        "decoded": (_as_the_legs_do, events),
        "and read as a hang-up": (_hangup, events),
        "and read as an arrival": (_arrival, events),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        # In turn within a round, so that a busy moment of the machine falls on all of them.
        for name, (parse, inputs) in ways.items():
            best[name] = min(best[name], _seconds(parse, inputs))
    reference = best["greenswitch"]
    figures = {name: {"us": round(best[name] * 1e6, 2), "ratio": round(reference / best[name], 1)} for name in ways}
    ratio = figures["decoded"]["ratio"]
    return {
        "events": len(events),
        "mean_bytes": sum(map(len, events)) // len(events),
        "reference": "greenswitch",
        "ratio_is": "times as fast as the reference",
        "figures": figures,
        "ratio": ratio,
        "limit": LIMIT,
        "passed": ratio >= LIMIT,
    }
