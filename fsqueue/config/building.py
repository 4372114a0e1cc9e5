"""Makes the typed configuration from what has the right shape.

Where something required is missing or wrong (and has been reported), a harmless stand-in takes its place, so that the
relations of the rest can still be checked; such a configuration never leaves this package.
"""

from typing import Any

import msgspec

from fsqueue.config.model import Configuration, Control, Daemon, Group, Listen, Member, Number, Switch, Telephony
from fsqueue.config.shape import Row, Shaped
from fsqueue.engine.model import Distribution, Forward, HangUp, Step, ToGroup, Voicemail, Wait

RINGS: dict[Distribution, int] = {"evenly": 4, "in-order": 4, "to-all": 12}
MAX_WAIT_SECONDS = 3600
MAX_WAIT_SECONDS_TO_ALL = 600


def build(shaped: Shaped) -> Configuration:
    """The configuration that the file means."""
    return Configuration(
        daemon=msgspec.convert(shaped.single["daemon"].values, Daemon),
        control=msgspec.convert(shaped.single["control"].values, Control),
        switches={key: _switch(row) for key, row in shaped.keyed["switches"].items()},
        listen=msgspec.convert(shaped.single["listen"].values, Listen),
        telephony=msgspec.convert(shaped.single["telephony"].values, Telephony),
        members={key: _member(key, row) for key, row in shaped.keyed["members"].items()},
        groups={key: _group(key, row) for key, row in shaped.keyed["groups"].items()},
        numbers={key: _number(row) for key, row in shaped.keyed["numbers"].items()},
    )


def _switch(row: Row) -> Switch:
    return msgspec.convert({"host": "", **row.values}, Switch)


def _member(key: str, row: Row) -> Member:
    return msgspec.convert({"name": key, "dial": "", **row.values}, Member)


def _number(row: Row) -> Number:
    return msgspec.convert({"group": "", **row.values}, Number)


def _group(key: str, row: Row) -> Group:
    steps = {occasion: HangUp() if step is None else _step(step) for occasion, step in row.steps.items()}
    values: dict[str, Any] = {"name": key, **row.values}
    distribution: Distribution = values.get("distribution", "evenly")
    unanswered = steps.pop("unanswered", Wait())
    values.setdefault("rings", RINGS[distribution])
    values.setdefault("max_wait_seconds", _max_wait(distribution, unanswered))
    return msgspec.structs.replace(msgspec.convert(values, Group), unanswered=unanswered, **steps)


def _max_wait(distribution: Distribution, unanswered: Step) -> int:
    endless = distribution == "to-all" and isinstance(unanswered, Wait)
    return MAX_WAIT_SECONDS_TO_ALL if endless else MAX_WAIT_SECONDS


def _step(row: Row) -> Step:
    values: dict[str, Any] = dict(row.values)
    action = values.pop("action")
    if action == "voicemail":
        return Voicemail(values["mailbox"])
    if action == "group":
        return ToGroup(values["group"])
    if action == "wait":
        return Wait(values.get("prompt", ""))
    if action == "hangup":
        return HangUp(values.get("cause", ""))
    return Forward(
        member=values.get("member", ""),
        number=values.get("number", ""),
        timeout=float(values.get("timeout_seconds", 30)),
        key=values.get("key", ""),
        prompt=values.get("prompt", ""),
        caller_id=values.get("caller_id", "caller"),
    )
