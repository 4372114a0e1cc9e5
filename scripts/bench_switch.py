"""On a real FreeSWITCH: INVITE to INVITE, pick-up to bridge, and what callers who wait cost the switch.

fsqueue, mod_callcenter and a bare script that does nothing but connect, originate and bridge answer the same callers on the same
switch in the same run, in turn. mod_callcenter looks for a free agent every 100 ms; the bare script is the floor of any queue
outside the switch. It comes in two: one bridges at the member's answer, which on this switch loses one call in a thousand, and one
waits as fsqueue does, until the member's originate has ended. The limits are against the first.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from xml.sax.saxutils import quoteattr

import gevent

from scripts.bench_figures import cpu_seconds, milliseconds, percentile, ratio, resident_bytes
from scripts.bench_phones import Street, Times
from scripts.bench_stage import end_script, start_script
from tests.contract.freeswitch import DOMAIN, Site, find
from tests.contract.lab import Lab, RealBoard

USERS = tuple(str(number) for number in range(1001, 1041))
RATE = 10.0
"""Calls a second."""

CALLS = 100
"""Of one round."""

ROUNDS = 3
WAITING = 100
"""Callers who wait while the switch's CPU is taken."""

IDLE_SECONDS = 15.0

EXTENSIONS = {"fsqueue": "7000", "bare": "8001", "bare, settled": "8002", "mod_callcenter": "8003"}
WAITING_AT = {"fsqueue": "7001", "bare": "8011", "mod_callcenter": "8013", "music alone": "8014"}
"""The same with nobody who could answer."""

LIMITS = {
    "INVITE to INVITE, p50 to mod_callcenter": 1 / 3,
    "INVITE to INVITE, p95 to mod_callcenter": 1 / 2,
    "INVITE to INVITE, p50 to bare": 1.3,
    "INVITE to INVITE, p95 to bare": 1.3,
    "pick-up to bridge, p50 to bare": 1.2,
    "pick-up to bridge, p95 to bare": 1.2,
}


def _extension(number: str, *actions: tuple[str, str]) -> str:
    lines = "".join(f"<action application={quoteattr(name)} data={quoteattr(data)}/>" for name, data in actions)
    return (
        f"<extension name='bench-{number}'><condition field='destination_number' expression='^{number}$'>"
        f"{lines}</condition></extension>"
    )


def _callcenter(users: tuple[str, ...]) -> str:
    """Return mod_callcenter's configuration: a queue with all users as agents, and one with none."""

    def params(**values: object) -> str:
        return "".join(f"<param name='{name.replace('_', '-')}' value='{value}'/>" for name, value in values.items())

    queue = params(
        strategy="longest-idle-agent",
        moh_sound="local_stream://default",
        time_base_score="system",
        max_wait_time=0,
        max_wait_time_with_no_agent=0,
        max_wait_time_with_no_agent_time_reached=5,
        tier_rules_apply="false",
        discard_abandoned_after=60,
        abandoned_resume_allowed="false",
    )
    agents = "".join(
        f"<agent name='{user}@{DOMAIN}' type='callback' contact='user/{user}@{DOMAIN}' status='Available' max-no-answer='0' "
        "wrap-up-time='0' reject-delay-time='0' busy-delay-time='0' no-answer-delay-time='0'/>"
        for user in users
    )
    tiers = "".join(f"<tier agent='{user}@{DOMAIN}' queue='busy@default' level='1' position='1'/>" for user in users)
    return (
        f"<settings/><queues><queue name='busy@default'>{queue}</queue><queue name='empty@default'>{queue}</queue></queues>"
        f"<agents>{agents}</agents><tiers>{tiers}</tiers>"
    )


def _site(ports: dict[str, int]) -> Site:
    sockets = {EXTENSIONS["bare"]: "bare", EXTENSIONS["bare, settled"]: "bare, settled", WAITING_AT["bare"]: "mute"}
    public = "".join(
        _extension(number, ("socket", f"127.0.0.1:{ports[name]} async full")) for number, name in sockets.items()
    )
    public += _extension(EXTENSIONS["mod_callcenter"], ("callcenter", "busy@default"))
    public += _extension(WAITING_AT["mod_callcenter"], ("callcenter", "empty@default"))
    public += _extension(WAITING_AT["music alone"], ("answer", ""), ("playback", "local_stream://default"))
    return Site(
        modules=("callcenter",),
        configurations={"callcenter.conf": _callcenter(USERS)},
        public=public,
        users=USERS,
        loglevel="warning",
    )


def _config() -> str:
    members = "".join(f'[members.m{user}]\ndial = "user/{user}@{DOMAIN}"\n' for user in USERS)
    return f"""
[daemon]
max_calls = 10000
[telephony]
rest_seconds = 0
{members}
[members.nobody]
dial = "user/1999@{DOMAIN}"
[groups.busy]
extension = "{EXTENSIONS["fsqueue"]}"
members = {[f"m{user}" for user in USERS]!r}
[groups.empty]
extension = "{WAITING_AT["fsqueue"]}"
members = ["nobody"]
"""


class Scene:
    """The switch, its phones, and all who answer."""

    def __init__(self, board: RealBoard, lab: Lab, scripts: list[subprocess.Popen[bytes]]) -> None:
        """Register the phones, then start the daemon, so that it finds them."""
        switch = board.switch
        self.switch, self.lab, self.scripts = switch, lab, scripts
        self.street = Street(switch.internal, switch.external, switch.esl, switch.password, USERS)
        lab.start_daemon()


@contextmanager
def scene(program: Path) -> Iterator[Scene]:
    """Set everything up on a switch of its own, and take it down."""
    ports = {name: _free_port() for name in ("bare", "bare, settled", "mute")}
    board = RealBoard(program, _site(ports))
    lab = Lab(board)
    scripts: list[subprocess.Popen[bytes]] = []
    try:
        lab.start(_config(), daemon=False)
        for name, port in ports.items():
            options = ["--settled"] if name == "bare, settled" else []
            users = [] if name == "mute" else list(USERS)
            scripts.append(start_script("scripts.bench_bare", board.esl, port, board.password, [*options, *users]))
        yield Scene(board, lab, scripts)
    finally:
        for script in scripts:
            end_script(script)
        lab.close()


def calls(stage: Scene, rounds: int, number: int) -> dict[str, Times]:
    """Return what calls took by who answered; they take turns."""
    found = {name: Times() for name in EXTENSIONS}
    for to in EXTENSIONS.values():
        stage.street.load(to, RATE, 10, Random(0))  # what is done once is done now
    for nth in range(rounds):
        for name, to in EXTENSIONS.items():
            taken = stage.street.load(to, RATE, number, Random(nth))
            found[name].invite += taken.invite
            found[name].bridge += taken.bridge
            found[name].calls += taken.calls
    return found


def waiting(program: Path, callers: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return per way of waiting what the switch needs for so many callers: of a core in per cent, and memory of each.

    Each on a switch of its own: memory that one has given back would be the next one's.
    """
    found: dict[str, dict[str, float]] = {}
    for name, to in WAITING_AT.items():
        with scene(program) as stage:
            _come(stage.street, to, 10)  # what the first one brings with him is no matter of each
            stage.street.hang_up()
            gevent.sleep(2.0)
            pid, before = stage.switch.pid, resident_bytes(stage.switch.pid)
            _come(stage.street, to, callers)
            gevent.sleep(2.0)
            began = cpu_seconds(pid)
            gevent.sleep(seconds)
            found[name] = {
                "cpu_percent": round((cpu_seconds(pid) - began) / seconds * 100, 1),
                "kB_per_caller": round((resident_bytes(pid) - before) / callers / 1000),
            }
    return found


def _come(street: Street, to: str, callers: int) -> None:
    for _ in range(callers):
        gevent.spawn(street.dial, to)
        gevent.sleep(0.03)


def limited(found: dict[str, Times]) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = {}
    for key, limit in LIMITS.items():
        what, _, rest = key.partition(", ")
        percent, _, reference = rest.partition(" to ")
        field = "invite" if what.startswith("INVITE") else "bridge"
        mine, theirs = (percentile(getattr(found[name], field), int(percent[1:])) for name in ("fsqueue", reference))
        figures[key] = {
            "ms": round(mine * 1e3, 1),
            "reference_ms": round(theirs * 1e3, 1),
            "limit": round(limit, 2),
            "ratio": ratio(mine, theirs),
        }
    return figures


def told(found: dict[str, Times]) -> dict[str, Any]:
    """Return the percentiles of everybody; the ratio is that of the median to the bare script's."""
    shown: dict[str, Any] = {}
    for field, what in (("invite", "INVITE to INVITE"), ("bridge", "pick-up to bridge")):
        floor = percentile(getattr(found["bare"], field), 50)
        for name, times in found.items():
            taken = getattr(times, field)
            shown[f"{what}: {name}"] = {
                **milliseconds(taken),
                "unserved": times.lost,
                "ratio": ratio(percentile(taken, 50), floor),
            }
    return shown


def run(freeswitch: str, rounds: int = ROUNDS, number: int = CALLS, callers: int = WAITING) -> dict[str, Any]:
    """Measure on the FreeSWITCH at the path *freeswitch*."""
    with scene(find(freeswitch)) as stage:
        version = stage.switch.version
        found = calls(stage, rounds, number)
    idle = waiting(find(freeswitch), callers, IDLE_SECONDS)
    figures = limited(found)
    passed = all(each["ratio"] <= each["limit"] for each in figures.values()) and not found["fsqueue"].lost
    reference = idle["mod_callcenter"]
    for name, each in idle.items():
        figures[f"{callers} waiting: {name}"] = {
            **each,
            "ratio": ratio(each["cpu_percent"], reference["cpu_percent"]),
        }
    return {
        "freeswitch": version,
        "calls_per_second": RATE,
        "reference": "mod_callcenter and bare scripts on the same switch, same callers, in turn",
        "ratio_is": "times the reference; the worst of each to its limit",
        "figures": figures | told(found),
        "ratio": max(round(figures[key]["ratio"] / limit, 2) for key, limit in LIMITS.items()),
        "limit": 1.0,
        "passed": passed,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
