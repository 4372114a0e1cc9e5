"""The XML that hands calls to fsqueue, rendered from the configuration: a context of our own, and the lines that lead into it.

Everything of ours stands in one context, so that nothing of the site's runs between two laps of a hold. The site's entry contexts get
one extension, which only transfers there. Text from the configuration is data here: what could be read as a variable, a function or a
second word of a command is either refused or written so that FreeSWITCH takes it literally.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Literal
from xml.sax.saxutils import quoteattr

import msgspec

FALLBACK = "fsqueue-fallback"
"""Extension in our context for calls that fsqueue can't keep: transfer them to `fsqueue-fallback XML CONTEXT`."""

HOLD = "fsqueue-hold"
"""Extension in our context where callers wait: transfer them to `fsqueue-hold XML CONTEXT`, set on them what it reads first."""

WHY = "fsqueue_refused"
"""Channel variable that says why a call goes to the fallback: `daemon_silent`, `daemon_down`, `hold_over`, or what the daemon set."""

FALLBACK_EVENT = "fsqueue::fallback"
"""Subclass of the CUSTOM event that a call on its way to the fallback sends, with all its variables."""

ARRIVAL_EVENT = "fsqueue::arrival"
"""Subclass of the CUSTOM event by which a call that is handed over parked says so, with all its variables."""

KNOCK = "fsqueue-doctor"
"""`fsqueue_to` of an empty call by which it is seen whether calls reach us. It is told so, and is no call of anybody's."""

KNOCKED = "doctor"
"""What such a call is refused with."""

SECONDS_TO_LOOK_AGAIN = 3
"""Seconds between a hold's two looks at a lease that is over: time for the daemon to see that the switch's clock has jumped."""

SECONDS_TO_ANSWER = 6
"""Seconds that the daemon has from a call's arrival to the hold's first lap; then the call goes to the fallback."""

DOWN = "NORMAL_TEMPORARY_FAILURE"
"""The cause with which a call ends that nobody takes: before an answer this is a 503, after it a BYE."""

_DIALLED = re.compile(r"[0-9A-Za-z*#+_.-]{1,64}")
_NAME = re.compile(r"[0-9A-Za-z_.-]{1,64}")
_CONTEXT = re.compile(r"[0-9A-Za-z_.@-]{1,64}")
_SOCKET = re.compile(r"[0-9A-Za-z_.-]+:[0-9]{1,5}|\[[0-9A-Fa-f:.]+\]:[0-9]{1,5}")
_FALLBACK = re.compile(r"[0-9A-Za-z*#+_.-]{1,64}(?: XML [0-9A-Za-z_.@-]{1,64})?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")


class DialplanFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the dialplan has to know of a configuration.

    `owner`: `daemon.owner`. `socket`: host:port where the daemon listens for the dialplan. `context`: name of our own context.
    `entry_contexts`: the site's contexts that calls come in by, one or more; in the last, colleagues reach each other, so a caller whom
    a member transfers is looked up there. `numbers`: `[numbers.X]`; each also matches with and without a leading `+` or `00`.
    `extensions`: those of groups. `pickup_code`: also matched with a colleague's extension behind it; empty for none. `codes`: the
    codes that are dialled as they stand (log in, log out, pause). `fallback`: `fsqueue-fallback` for our own, else an extension of the
    site's, as `EXTENSION` (in the last entry context) or `EXTENSION XML CONTEXT`. `music`: `telephony.music`, heard by callers whose own
    music can't be played. `answer`: as `telephony.answer`; with `ring_ready` the hold is silent, or it would be early media.
    `hand_over`: as `telephony.hand_over`.
    """

    owner: str = "fsqueue"
    socket: str = "127.0.0.1:8084"
    context: str = "fsqueue"
    entry_contexts: tuple[str, ...] = ("public", "default")
    numbers: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    pickup_code: str = "*8"
    codes: tuple[str, ...] = ()
    fallback: str = FALLBACK
    music: str = "local_stream://default"
    answer: Literal["answer", "pre_answer", "ring_ready"] = "answer"
    hand_over: Literal["socket", "park"] = "socket"

    def __post_init__(self) -> None:
        """Refuse what could not stand in a dialplan as mere data (ValueError)."""
        _check("owner", self.owner, _NAME)
        _check("socket", self.socket, _SOCKET)
        _check("fallback", self.fallback, _FALLBACK)
        for context in (self.context, *self.entry_contexts):
            _check("context", context, _CONTEXT)
        for dialled in (
            *self.numbers,
            *self.extensions,
            *self.codes,
            *([self.pickup_code] if self.pickup_code else []),
        ):
            _check("number", dialled, _DIALLED)
        if not self.entry_contexts or self.context in self.entry_contexts:
            raise ValueError(
                f"entry contexts are one or more, and other ones than {self.context!r}: {self.entry_contexts!r}"
            )
        if not self.music or _UNPRINTABLE.search(self.music):
            raise ValueError(f"music can't be empty or have control characters or backslashes: {self.music!r}")


def render(facts: DialplanFacts) -> str:
    """Return our own context, to be included among the site's dialplans (vanilla: `dialplan/fsqueue.xml`)."""
    extensions = [
        _arrival(facts),
        _codes(facts),
        _hold(facts),
        _hold_default(facts),
        _hold_again(facts),
        _fallback(facts),
    ]
    lines = [
        f"<context name={quoteattr(facts.context)}>",
        *_indent(line for one in extensions for line in one),
        "</context>",
    ]
    return _document(
        "fsqueue's own context. Include it beside the site's contexts; nothing else belongs in here.",
        lines,
    )


def render_entry(facts: DialplanFacts) -> str:
    """Return what goes first inside each of `facts.entry_contexts` (vanilla: `dialplan/public/00_fsqueue.xml`, `default/…`)."""
    dialled = [*map(_number_pattern, facts.numbers), *map(_literal, facts.extensions), *_code_patterns(facts)]
    lines = _extension(
        "fsqueue-entry",
        [("destination_number", f"^({'|'.join(dialled)})$")],
        [_action("transfer", f"$1 XML {facts.context}")],
    )
    return _document(
        f"fsqueue's numbers, extensions and codes. Include it first inside the contexts {' and '.join(facts.entry_contexts)}.",
        lines if dialled else [],
    )


def render_document(facts: DialplanFacts) -> str:
    """Return our own context as the whole document that mod_xml_curl's server answers with when it is asked for it."""
    inner = "\n".join(render(facts).splitlines()[1:-1])
    return f'<document type="freeswitch/xml">\n  <section name="dialplan">\n{inner}\n  </section>\n</document>\n'


def render_records(facts: DialplanFacts) -> str:
    """Return the records that FusionPBX's Dialplan Manager has to have, each with what its form asks for above its XML.

    FusionPBX keeps the extensions of a context in a database and makes the context around them at every call.
    """
    own = [line[4:] for line in render(facts).splitlines()[4:-2]]
    entry = [line[2:] for line in render_entry(facts).splitlines()[3:-1]]
    records = [
        *_record("fsqueue", facts.context, "200", own),
        *(line for context in facts.entry_contexts for line in _record("fsqueue-entry", context, "10", entry)),
    ]
    return "\n".join([*records, ""])


def _record(name: str, context: str, order: str, extensions: list[str]) -> list[str]:
    form = f"Name {name}, Context {context}, Domain Global, Order {order}, Continue false, Enabled"
    return [f"<!-- Dialplan Manager, add: {form}. Save, and by the button XML: -->", *extensions]


def _arrival(facts: DialplanFacts) -> list[str]:
    dialled = [*map(_number_pattern, facts.numbers), *map(_literal, facts.extensions), "fsqueue"]
    return [
        "<!-- A call for a group. A site that decides for itself sets fsqueue_to and transfers to the extension fsqueue.",
        "     Whoever is not in his hold in time goes to the fallback: a daemon that is mute keeps nobody. -->",
        *_extension(
            "fsqueue-arrival",
            [("destination_number", f"^(?:{'|'.join(dialled)})$"), *_if_alive(facts)],
            [
                _set_all(
                    *_identity(facts),
                    # Transfers look the number up in the caller's own context, which after the hold is ours.
                    ("force_transfer_context", facts.entry_contexts[-1]),
                    (WHY, "daemon_silent"),
                ),
                _action("sched_transfer", f"+{SECONDS_TO_ANSWER} {FALLBACK} XML {facts.context}"),
                *_hand_over(facts),
                *_if_down(facts, ("set", f"{WHY}=daemon_down"), ("transfer", f"{FALLBACK} XML {facts.context}")),
            ],
        ),
    ]


def _codes(facts: DialplanFacts) -> list[str]:
    patterns = _code_patterns(facts)
    if not patterns:
        return []
    parking = [_action("set", f"park_timeout={SECONDS_TO_ANSWER}:{DOWN}")] if facts.hand_over == "park" else []
    return [
        "<!-- Codes that members dial. They have no hold, so nothing is scheduled that somebody would have to take back. -->",
        *_extension(
            "fsqueue-code",
            [("destination_number", f"^(?:{'|'.join(patterns)})$"), *_if_alive(facts)],
            [_set_all(*_identity(facts)), *parking, *_hand_over(facts), *_if_down(facts, ("hangup", DOWN))],
        ),
    ]


def _hand_over(facts: DialplanFacts) -> list[str]:
    """Give the call to the daemon.

    Parked, it says so just before: the daemon's word may be there before the park is, and ends it all the same. Nothing may
    stand behind the park: a transfer from outside ends it some microseconds before it takes effect, and in a `sleep` of six
    seconds with the fallback behind it that would now and then send a caller to the fallback who is being taken.
    """
    if facts.hand_over == "park":
        return [_action("event", f"Event-Name=CUSTOM,Event-Subclass={ARRIVAL_EVENT}"), _action("park", "")]
    return [_action("socket", f"{facts.socket} async full")]


def _if_alive(facts: DialplanFacts) -> list[tuple[str, str]]:
    """A socket finds out by itself whether the daemon is there; a parked call goes by its lease."""
    return [(_lease(facts.owner), "^1$")] if facts.hand_over == "park" else []


def _if_down(facts: DialplanFacts, *actions: tuple[str, str]) -> list[str]:
    """What is done while the daemon is down: what stands behind the socket, or what is done without a lease."""
    write = _otherwise if facts.hand_over == "park" else _action
    return [write(application, data) for application, data in actions]


def _identity(facts: DialplanFacts) -> tuple[tuple[str, str], ...]:
    """What makes a caller ours even if he hangs up before the daemon has said a word, and this arrival a new visit."""
    return ("fsqueue_arrival", "${create_uuid()}"), ("fsqueue_owner", facts.owner)


def _set_all(*variables: tuple[str, str]) -> str:
    """Set several variables by one action: each action costs the switch some 0.2 ms of events about it (measured)."""
    return _action("multiset", " ".join(f"{name}={value}" for name, value in variables))


def _hold(facts: DialplanFacts) -> list[str]:
    return [
        "<!-- The hold: laps of music, each begun only while the daemon's lease and the caller's own last moment are ahead. -->",
        *_hold_lap(facts, HOLD, "${fsqueue_music}", _next_lap(facts)),
    ]


def _hold_default(facts: DialplanFacts) -> list[str]:
    if facts.answer == "ring_ready":
        return []
    return [
        "<!-- A lap for whom his own music could not be played: he is to hear something. It is a hold like the other: a bridge",
        "     that breaks off a lap in its first second and then fails comes here, and the daemon must hear that he is back. -->",
        *_hold_lap(facts, f"{HOLD}-default", _unexpanded(facts.music), HOLD),
    ]


def _hold_lap(facts: DialplanFacts, name: str, music: str, then: str) -> list[str]:
    return _extension(
        name,
        [("destination_number", f"^{name}$"), (_alive(), "^11$")],
        [
            _action("set", "fsqueue_unscheduled=${sched_del(${uuid})}"),
            _action("set", "max_forwards=70"),
            _action("unset", "transfer_history"),
            _action("set", f"transfer_after_bridge={HOLD}:XML:{facts.context}"),
            _action("event", "Event-Name=CUSTOM,Event-Subclass=fsqueue::hold"),
            *_lap(facts, music, 30, 1, _action),
            _action("transfer", f"{then} XML {facts.context}"),
            *_lap(facts, music, SECONDS_TO_LOOK_AGAIN, SECONDS_TO_LOOK_AGAIN, _otherwise),
            _otherwise("transfer", f"{HOLD}-again XML {facts.context}"),
        ],
    )


def _hold_again(facts: DialplanFacts) -> list[str]:
    return [
        "<!-- The second look of a hold whose time seems to be over: where the switch's clock has jumped it is not. -->",
        *_extension(
            f"{HOLD}-again",
            [("destination_number", f"^{HOLD}-again$"), (_alive(), "^11$")],
            [
                _action("transfer", f"{HOLD} XML {facts.context}"),
                _otherwise("set", f"{WHY}=hold_over"),
                _otherwise("transfer", f"{FALLBACK} XML {facts.context}"),
            ],
        ),
    ]


def _lap(facts: DialplanFacts, music: str, seconds: int, least: int, make: Callable[[str, str], str]) -> list[str]:
    """At most *seconds* of music and, if there is none, at least *least*: an unplayable file must not spin."""
    if facts.answer == "ring_ready":
        return [make("sleep", f"{seconds}000")]
    return [
        make("set", f"playback_timeout_sec={seconds}"),
        make("set", "playback_ms=0"),
        make("playback", music),
        make("sleep", f"${{cond(${{playback_ms}} < 1000 ? {least}000 : 1)}}"),
    ]


def _next_lap(facts: DialplanFacts) -> str:
    if facts.answer == "ring_ready":
        return HOLD
    return f"${{cond(${{playback_ms}} < 1000 ? {HOLD}-default : {HOLD})}}"


def _alive() -> str:
    return _lease("${fsqueue_owner}") + "${cond(0${fsqueue_deadline} > ${strepoch()} ? 1 : 0)}"


def _lease(owner: str) -> str:
    return f"${{cond(0${{hash(select/fsqueue/alive-{owner})}} > ${{strepoch()}} ? 1 : 0)}}"


def _fallback(facts: DialplanFacts) -> list[str]:
    end = _action("hangup", DOWN)
    if facts.fallback != FALLBACK:
        elsewhere = facts.fallback if " " in facts.fallback else f"{facts.fallback} XML {facts.entry_contexts[-1]}"
        end = _action("transfer", elsewhere)
    return [
        "<!-- fsqueue is gone, or can't take this call. What we had arranged for the caller ends here: he must neither be fetched",
        "     from where he goes now by the schedule, nor come back to the hold when a talk there is over. -->",
        *_extension(
            FALLBACK,
            [("destination_number", f"^{FALLBACK}$")],
            [
                _action("set", "fsqueue_unscheduled=${sched_del(${uuid})}"),
                _action("unset", "transfer_after_bridge"),
                _action("unset", "uuid_bridge_continue_on_cancel"),
                _action("unset", "playback_terminators"),
                _action("unset", "playback_timeout_sec"),
                _action("event", f"Event-Name=CUSTOM,Event-Subclass={FALLBACK_EVENT}"),
                end,
            ],
        ),
    ]


def _code_patterns(facts: DialplanFacts) -> list[str]:
    pickup = [_literal(facts.pickup_code) + "[0-9]*"] if facts.pickup_code else []
    return [*pickup, *map(_literal, facts.codes)]


def _number_pattern(number: str) -> str:
    bare = number.removeprefix("+") if number.startswith("+") else number.removeprefix("00")
    return "(?:[+]|00)?" + _literal(bare)


def _literal(dialled: str) -> str:
    """Return a regular expression for exactly this text; brackets, since FreeSWITCH itself takes some backslashes away."""
    return "".join(char if char.isalnum() or char in "_-" else f"[{char}]" for char in dialled)


def _unexpanded(text: str) -> str:
    return text.replace("$", "\\$") if "${" in text else text


def _check(what: str, value: str, allowed: re.Pattern[str]) -> None:
    if not allowed.fullmatch(value):
        raise ValueError(f"{what} {value!r} can't stand in a dialplan: it would have to match {allowed.pattern}")


def _document(comment: str, lines: list[str]) -> str:
    # FreeSWITCH drops whole every line of an included file that has one of these two tags in it.
    text = [f"<!-- {comment}", "     Made by `fsqueue dialplan show`: change the configuration instead. -->"]
    return "\n".join(["<include>", *_indent([*text, *lines]), "</include>", ""])


def _extension(name: str, conditions: list[tuple[str, str]], actions: list[str]) -> list[str]:
    """Return an extension whose actions are done when each condition, a field and its expression, holds."""
    *first, last = [f"field={quoteattr(field)} expression={quoteattr(expression)}" for field, expression in conditions]
    inner = [*(f"<condition {one}/>" for one in first), f"<condition {last}>", *_indent(actions), "</condition>"]
    return [f"<extension name={quoteattr(name)}>", *_indent(inner), "</extension>"]


def _action(application: str, data: str) -> str:
    return f"<action application={quoteattr(application)} data={quoteattr(data)}/>"


def _otherwise(application: str, data: str) -> str:
    return f"<anti-action application={quoteattr(application)} data={quoteattr(data)}/>"


def _indent(lines: Iterable[str]) -> list[str]:
    return ["  " + line for line in lines]
