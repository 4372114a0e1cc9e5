"""The configuration as typed, frozen values: what is left of the file when it has been read and checked.

Defaults, units and ranges are those of `settings`; where a default depends on other keys (`Group.rings`,
`Group.max_wait_seconds`) the value here is the one in effect.
"""

from typing import Literal

from msgspec import Struct, field

from fsqueue.engine.model import Distribution, Step, Wait


class Daemon(Struct, frozen=True, kw_only=True):
    """[daemon]: `max_calls` 1 to 100,000; `state` an absolute path, None for the usual places; `history_days` 0: for ever."""

    owner: str = "fsqueue"
    max_calls: int = 2000
    state: str | None = None
    history_days: int = 0


class Control(Struct, frozen=True, kw_only=True):
    """[control]: `group` of the system, None for the daemon's own; `tcp` HOST:PORT, None for not at all; `allow` networks; paths may be relative."""

    group: str | None = None
    tcp: str | None = None
    allow: tuple[str, ...] = ()
    read_tokens_file: str | None = None
    full_tokens_file: str | None = None


class Switch(Struct, frozen=True, kw_only=True):
    """[switches.X]: exactly one of `password` and `password_file` is set; the file's path may be relative."""

    host: str
    port: int = 8021
    password: str | None = None
    password_file: str | None = None

    def __repr__(self) -> str:
        # A password must not reach a log by way of a repr.
        secret = "password=…" if self.password_file is None else f"password_file={self.password_file!r}"
        return f"Switch(host={self.host!r}, port={self.port}, {secret})"


class Listen(Struct, frozen=True, kw_only=True):
    """[listen]: `dialplan` is HOST:PORT; `allow` are networks, empty where only loopback may connect."""

    dialplan: str = "127.0.0.1:8084"
    allow: tuple[str, ...] = ()


class Telephony(Struct, frozen=True, kw_only=True):
    """[telephony]: `ring_seconds` 1 to 60, `rest_seconds` 0 to 3600; `max_forwards` 0 means no limit."""

    ring_seconds: int = 5
    rest_seconds: int = 5
    pickup_code: str = "*8"
    login_code: str | None = None
    logout_code: str | None = None
    pause_code: str | None = None
    music: str = "local_stream://default"
    answer: Literal["answer", "pre_answer", "ring_ready"] = "answer"
    hand_over: Literal["socket", "park"] = "socket"
    domain: str | None = None
    outbound: str | None = None
    caller_id_number: str | None = None
    caller_id_name: str | None = None
    max_forwards: int = 0
    context: str = "fsqueue"
    entry_contexts: tuple[str, ...] = ("public", "default")
    fallback: str = "fsqueue-fallback"


class Member(Struct, frozen=True, kw_only=True):
    """[members.X]: `user` as the file has it, see `identity`; `pause_after` 0 to 100 offers, 0 meaning never."""

    dial: str
    name: str
    extension: str | None = None
    user: str | None = None
    pause_after: int = 0


class Group(Struct, frozen=True, kw_only=True):
    """[groups.X]: `rings` 1 to 60 and `max_wait_seconds` 1 to 86,400 are those in effect; `max_waiting` 0: no limit.

    `unanswered` is always there; the other steps are None where the file doesn't set them.
    """

    name: str
    extension: str | None = None
    members: tuple[str, ...] = ()
    distribution: Distribution = "evenly"
    rings: int = 4
    priority: int = 0
    pickup: bool = False
    wrap_up_seconds: int = 0
    max_waiting: int = 0
    max_wait_seconds: int = 3600
    prefix: str = ""
    service_level_seconds: int = 20
    unanswered: Step = field(default_factory=Wait)
    offline: Step | None = None
    full: Step | None = None
    waited: Step | None = None


class Number(Struct, frozen=True, kw_only=True):
    """[numbers.X]: `music` and `priority` (−100 to 100) are None where telephony's and the group's count."""

    group: str
    music: str | None = None
    priority: int | None = None


class Configuration(Struct, frozen=True, kw_only=True):
    """The whole file; switches, members, groups and numbers in its order, by their id (numbers as written)."""

    daemon: Daemon = field(default_factory=Daemon)
    control: Control = field(default_factory=Control)
    switches: dict[str, Switch] = field(default_factory=dict)
    listen: Listen = field(default_factory=Listen)
    telephony: Telephony = field(default_factory=Telephony)
    members: dict[str, Member] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    numbers: dict[str, Number] = field(default_factory=dict)


def identity(member: Member, domain: str | None) -> str | None:
    """The member's SIP user as user@domain, or None where nothing says who he is.

    From `user`, else from a dial string of one `user/…`; `domain` is `telephony.domain` and fills in where theirs is
    missing. The domain is in lower case, as SIP compares it; the user is not, as SIP doesn't.
    """
    user = member.user or user_of_dial(member.dial)
    if user is None:
        return None
    name, _, own = user.partition("@")
    place = own or domain
    return f"{name}@{place.lower()}" if place else None


def user_of_dial(dial: str) -> str | None:
    """What follows `user/` in a dial string that rings one user, less its leading variables; else None."""
    bare = dial
    while bare[:1] in {"{", "[", "<"}:
        end = bare.find({"{": "}", "[": "]", "<": ">"}[bare[0]])
        if end < 0:
            return None
        bare = bare[end + 1 :]
    if not bare.startswith("user/") or "," in bare or "|" in bare or ":_:" in bare:
        return None
    return bare.removeprefix("user/") or None
