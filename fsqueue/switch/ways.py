"""The two ways in by which a call is handed over, and how its first word is said on each.

By a *socket* the dialplan opens a connection for the call, on which applications are executed one by one: the quickest,
but the connection costs FreeSWITCH 1.5 MB until the call ends. *Parked* the call says that it is there by an event, and is
told by API commands on the one link that there is anyway; those are run in order, and expand no variables.
"""

from __future__ import annotations

from fsqueue.esl.events import Event
from fsqueue.switch import quoting
from fsqueue.switch.handover import Application, Word

_OUTLIVE_THE_SOCKET = ("voicemail",)
"""Applications that must not be executed from the socket, which is closed right after the word: they are transferred to."""


def has_left(event: Event) -> bool:
    """Whether the channel of a socket is elsewhere by now: the dialplan has taken it to the fallback, since we were mute.

    FreeSWITCH answers `connect` all the same, and words said on the socket would fetch the caller from there (measured).
    """
    return event.current_application not in ("", "socket")


def on_socket(word: Word) -> list[Application]:
    """Return the applications that say *word* on the dialplan's socket."""
    # The channel's own uuid is known to itself alone.
    said: list[Application] = [("set", "fsqueue_unscheduled=${sched_del(${uuid})}")] if word.takes_back else []
    if written := [(name, value) for name, value in word.variables if value]:
        said.append(("multiset", quoting.multiset(written)))
    said += [("unset", name) for name, value in word.variables if not value]
    return said + [_outliving(one) for one in word.then]


def _outliving(application: Application) -> Application:
    if application[0] in _OUTLIVE_THE_SOCKET:
        return ("transfer", f"{quoting.inline(application)} inline")
    return application


def on_link(uuid: str, word: Word) -> list[str]:
    """Return the API commands that say *word* to the parked channel *uuid*."""
    channel = quoting.uuid(uuid)
    said = [f"sched_del {channel}"] if word.takes_back else []
    if word.variables:
        said.append(f"uuid_setvar_multi {channel} {quoting.setvars(word.variables)}")
    return [*said, _moving(channel, word.then)]


def _moving(channel: str, then: tuple[Application, ...]) -> str:
    """Return the one command that lets the channel do *then*."""
    match then:
        case (("hangup", cause),):
            return f"uuid_kill {channel} {cause}"
        case (("transfer", where),):
            return f"uuid_transfer {channel} {where}"
        case _:
            return f"uuid_transfer {channel} {quoting.inline(*then)} inline"
