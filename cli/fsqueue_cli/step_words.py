"""A step in one word of the command line: ``voicemail:1000@example.com``, ``forward:jan,timeout_seconds=20``, ``wait``.

    ACTION[:TARGET][,KEY=VALUE…]

The target is what the action needs (a mailbox, a member or number, a group) or what it can do with most (a prompt, a
cause); every key of a step can be named as well. A comma belongs to a value unless a key and = follow it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from fsqueue.config.problems import nearest, one_of, shown
from fsqueue.config.settings import ACTIONS, NUMBER, STEP, ActionKeys, Kind, Setting, Value
from fsqueue.engine.model import Forward, HangUp, Step, ToGroup, Voicemail, Wait
from fsqueue_cli.typed import typed_fault

_KEYS = "|".join(setting.name for setting in STEP.settings if setting.name != "action")
_PART = re.compile(rf"^({_KEYS})=(.*)$", re.DOTALL)
_COMMA = re.compile(rf",(?=(?:{_KEYS})=)")
_DIGITS = re.compile(r"^\+?[0-9*#]+$")

TARGETS: Mapping[str, tuple[str, ...]] = {
    "voicemail": ("mailbox",),
    "forward": ("member", "number"),
    "group": ("group",),
    "wait": ("prompt",),
    "hangup": ("cause",),
}
"""What stands after the colon, by action."""

SYNTAX = "voicemail:MAILBOX, forward:MEMBER, forward:NUMBER, group:GROUP, wait or hangup"


class StepWordError(ValueError):
    """A word that is no step; the message is one line for people."""


def parse(word: str, members: Container[str]) -> dict[str, Value]:
    """Return the keys of a step's table; what stands after `forward:` is one of *members*, or a number if it looks like one.

    Raises:
        StepWordError: it is no step, or a value is out of range.
    """
    first, *more = _COMMA.split(word)
    action, colon, target = first.partition(":")
    kind = _kind(action)
    keys: dict[str, str] = {}
    if colon:
        # `wait:prompt=a.wav` is as good as `wait,prompt=a.wav`.
        named = _PART.match(target)
        _put(keys, kind, *(named.groups() if named else (_target_key(action, target, members), target)))
    for part in more:
        key, _, value = part.partition("=")
        _put(keys, kind, key, value)
    if kind.needs and not any(need in keys for need in kind.needs):
        example = one_of([f"{action}:{_setting(need).example}" for need in kind.needs])
        raise StepWordError(f"{action} needs a {one_of(kind.needs)}: {example}")
    return {"action": action, **{key: _value(key, value) for key, value in keys.items()}}


def _kind(action: str) -> ActionKeys:
    for kind in ACTIONS:
        if kind.action == action:
            return kind
    meant = nearest(action, [kind.action for kind in ACTIONS])
    raise StepWordError(f"{shown(action)} is no step; {f'did you mean {meant}?' if meant else f'write {SYNTAX}'}")


def _target_key(action: str, target: str, members: Container[str]) -> str:
    first, *others = TARGETS[action]
    if others and target not in members and _DIGITS.match(target) and re.search(NUMBER.pattern, target):
        return others[0]
    return first


def _put(keys: dict[str, str], kind: ActionKeys, key: str, value: str) -> None:
    allowed = (*kind.needs, *kind.takes)
    if key not in allowed:
        raise StepWordError(f"{key} doesn't go with {kind.action}, which takes {one_of(allowed)}")
    if key in keys:
        raise StepWordError(f"{key} is given twice")
    keys[key] = value


def _setting(key: str) -> Setting:
    return next(setting for setting in STEP.settings if setting.name == key)


def _value(key: str, text: str) -> Value:
    setting = _setting(key)
    if setting.kind is Kind.WHOLE:
        if not re.fullmatch(r"-?[0-9]{1,12}", text) or not setting.low <= int(text) <= setting.high:
            words = f"a whole number from {setting.low} to {setting.high} {setting.unit}".rstrip()
            raise StepWordError(f"{key} must be {words}, not {shown(text)}")
        return int(text)
    if (fault := typed_fault(setting, text)) is not None:
        raise StepWordError(f"{key}: {fault[0]}; {fault[1]}")
    return text


def word(step: Step, members: Container[str] = ()) -> str:
    """Return *step* as it would be typed where these *members* are known."""
    if isinstance(step, Voicemail):
        return f"voicemail:{step.mailbox}"
    if isinstance(step, ToGroup):
        return f"group:{step.group}"
    if isinstance(step, Wait):
        return f"wait:{step.prompt}" if step.prompt else "wait"
    if isinstance(step, HangUp):
        return f"hangup:{step.cause}" if step.cause else "hangup"
    return _forward(step, members)


def _forward(step: Forward, members: Container[str]) -> str:
    # A number that would be taken for a member has to say that it is none.
    plain = not step.number or (_DIGITS.match(step.number) is not None and step.number not in members)
    parts = [f"forward:{'' if plain else 'number='}{step.number or step.member}"]
    if step.timeout != 30:
        parts.append(f"timeout_seconds={step.timeout:g}")
    if step.key:
        parts.append(f"key={step.key}")
    if step.prompt:
        parts.append(f"prompt={step.prompt}")
    if step.caller_id != "caller":
        parts.append(f"caller_id={step.caller_id}")
    return ",".join(parts)
