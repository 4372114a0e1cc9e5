"""Settings of the switch and the site that bite: what takes callers out of our hands, holds them up, or lets strangers in."""

from __future__ import annotations

from collections.abc import Iterator

from fsqueue.doctor.findings import Finding, fail, ok, warn
from fsqueue.doctor.people_checks import params_of, phone_profiles
from fsqueue.doctor.probe import Case, Probe
from fsqueue.switch.live_dialplan import read

BITES = ("park_after_bridge", "uuid_bridge_park_on_cancel", "park_timeout", "media_timeout", "rtp_timeout_sec")
"""Variables that, set for every call, take callers out of fsqueue's hands."""

LAP_SECONDS = 4
"""How long the laps of those who wait are counted."""


def loopback(case: Case, _: Probe) -> Iterator[Finding]:
    """No member is dialled through loopback/…: such a leg is offered L16 only and fails."""
    for key, member in case.configuration.members.items():
        if "loopback/" in member.dial:
            yield warn(
                "bites",
                f"{key} is dialled by {member.dial}: such calls fail",
                "dial the phone itself, with user/ or sofia/",
            )


def unauthenticated(case: Case, probe: Probe) -> Iterator[Finding]:
    """The profile of the members' phones authenticates; else their own calls can't be seen, nor who picks up."""
    for name, params in phone_profiles(case, probe):
        if params.get("auth-calls") == "false":
            yield warn(
                "bites",
                f"the SIP profile {name} has auth-calls=false: members' own calls are not seen, and they can't pick up",
                f"set auth-calls=true in the profile {name}",
            )


def bites(case: Case, probe: Probe) -> Iterator[Finding]:
    """No variable is set, for all calls or in the entry contexts, that takes callers out of our hands."""
    found = False
    for name in BITES:
        value = probe.api(case.switch, f"global_getvar {name}").strip()
        if value and not value.startswith("-ERR"):
            found = True
            yield warn("bites", f"the global variable {name} is {value[:60]}", f"take {name} out of vars.xml")
    for context in case.configuration.telephony.entry_contexts:
        for extension, name in _set_in(probe.api(case.switch, f"xml_locate dialplan context name {context}")):
            found = True
            yield warn(
                "bites",
                f"the extension {extension} in the context {context} sets {name}",
                f"make sure that no call for fsqueue passes it, or take {name} out",
            )
    if not found:
        yield ok("bites", "no variable is set that takes callers out of fsqueue's hands")


def _set_in(shown: str) -> list[tuple[str, str]]:
    live = read(shown)
    return [
        (extension.get("name"), action.get("data").partition("=")[0])
        for extension in (live.children if live is not None else ())
        for condition in extension.children
        for action in condition.children
        if action.get("application") in ("set", "export") and action.get("data").partition("=")[0] in BITES
    ]


def samples(case: Case, probe: Probe) -> Iterator[Finding]:
    """FreeSWITCH's sample passwords have been changed: everybody knows them, and its sample dialplan delays calls until then."""
    if probe.api(case.switch, "global_getvar default_password").strip() == "1234":
        yield warn(
            "bites",
            "the phones' default_password is still 1234: strangers register with it, and FreeSWITCH's sample dialplan makes "
            "every call wait ten seconds",
            "change default_password in vars.xml and in the phones, then fs_cli -x reloadxml",
        )
    live = read(probe.api(case.switch, "xml_locate configuration configuration name event_socket.conf"))
    if any(one.get("name") == "password" and one.get("value") == "ClueCon" for one in params_of(live)):
        yield warn(
            "bites",
            "the event socket's password is still ClueCon: whoever reaches its port can do all that FreeSWITCH can",
            "change it in event_socket.conf.xml and in fsqueue's esl-password, then fs_cli -x 'reload mod_event_socket'",
        )


def spinning(case: Case, probe: Probe) -> Iterator[Finding]:
    """Who waits now hears laps of half a minute: one a second means that nothing plays, more that the hold is not ours."""
    owner = case.configuration.daemon.owner
    if not any(
        f"fsq1|{owner}|call|" in line for line in probe.api(case.switch, "show channels like fsq1|").splitlines()
    ):
        return
    laps = probe.laps(case.switch, LAP_SECONDS)
    most = max(laps.values(), default=0)
    if most > 2 * LAP_SECONDS:
        yield fail(
            "holds",
            f"callers' holds spin: one made {most} laps in {LAP_SECONDS} s, which costs a core a caller",
            "fsqueue dialplan install: the hold in force is not fsqueue's, whose laps take a second at least",
        )
    elif most >= LAP_SECONDS - 1:
        yield warn(
            "holds",
            f"a caller waits in laps of a second: his music ends at once ({most} laps in {LAP_SECONDS} s)",
            "see the findings on music; is there a file in the stream, and does FreeSWITCH know its format?",
        )
    else:
        yield ok("holds", "the holds of those who wait turn as they should")
