"""What callers hear and members are rung by: phones, music, prompts, mailboxes, gateways, clocks, the lease, dead callers."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from fsqueue.config.model import Configuration, identity
from fsqueue.config.relations import steps
from fsqueue.doctor.findings import Finding, fail, ok, skip, warn
from fsqueue.doctor.probe import Case, Probe
from fsqueue.engine.model import Forward, Voicemail, Wait
from fsqueue.switch import quoting
from fsqueue.switch.live_dialplan import Element, read

ENOUGH = 20
"""Members whose phones show which SIP profiles are the phones'."""

GATEWAY = re.compile(r"sofia/gateway/([^/,|\]]+)/")

FAR = 2.0
"""Seconds between two clocks that are worth a word; whole seconds are all that a switch tells."""


def phones(case: Case, probe: Probe) -> Iterator[Finding]:
    """Each member's phones are registered; each of them is rung."""
    for key, member in case.configuration.members.items():
        user = identity(member, case.configuration.telephony.domain)
        if user is None:
            yield warn(
                "phones",
                f"{key} can be rung by {member.dial}, but nobody can tell which SIP user that is",
                f"fsqueue member set {key} --user USER@DOMAIN, or pickup and own calls won't be seen",
            )
        elif "user/" in member.dial:
            yield _phone(case, probe, key, user)
        else:
            yield ok("phones", f"{key} is rung by {member.dial}, which needs no registration")
    yield from _one_each(case, probe)


def _one_each(case: Case, probe: Probe) -> Iterator[Finding]:
    """Say where a second phone of a user takes the first one's place: FreeSWITCH does so unless told otherwise."""
    for name, params in phone_profiles(case, probe):
        if params.get("multiple-registrations", "false") in ("false", "no"):
            yield ok(
                "phones",
                f"the SIP profile {name} keeps one phone for each user, the last that registered; for several set "
                "multiple-registrations=contact in it",
            )


def _phone(case: Case, probe: Probe, key: str, user: str) -> Finding:
    name, _, domain = user.partition("@")
    try:
        contacts = quoting.contacts(probe.api(case.switch, f"sofia_contact */{quoting.user(user)}"))
    except quoting.Unquotable:
        return fail("phones", f"{key}: {user} can't be asked for", f"correct members.{key}.dial or its user")
    if contacts:
        rung = "1 phone is" if len(contacts) == 1 else f"{len(contacts)} phones are"
        return ok("phones", f"{key}: {rung} registered as {user}" + (", each is rung" if len(contacts) > 1 else ""))
    if probe.api(case.switch, f"user_exists id {name} {domain}").strip() != "true":
        return fail(
            "phones",
            f"{key}: FreeSWITCH's directory has no user {user}",
            f"add him to the directory, or correct members.{key}.dial",
        )
    return warn("phones", f"{key}: no phone is registered as {user}", "he is offline until one is")


def music(case: Case, probe: Probe) -> Iterator[Finding]:
    """What waiting callers are to hear is there."""
    for source, where in music_of(case.configuration):
        yield _playable(case, probe, "music", source, where)


def prompts(case: Case, probe: Probe) -> Iterator[Finding]:
    """What is said to those who wait on, and to those who are asked for a key, is there."""
    for key, group in case.configuration.groups.items():
        for occasion, step in steps(group):
            if isinstance(step, Wait | Forward) and step.prompt:
                yield _playable(case, probe, "prompts", step.prompt, f"groups.{key}.{occasion}.prompt")


def mailboxes(case: Case, probe: Probe) -> Iterator[Finding]:
    """Each voicemail box that a step leads to is that of a user in the directory."""
    for key, group in case.configuration.groups.items():
        for name, step in steps(group):
            if not isinstance(step, Voicemail):
                continue
            user, _, domain = step.mailbox.partition("@")
            domain = domain or case.configuration.telephony.domain or ""
            where = f"groups.{key}.{name}.mailbox"
            if domain and probe.api(case.switch, f"user_exists id {user} {domain}").strip() != "true":
                yield fail(
                    "mailboxes",
                    f"{where}: FreeSWITCH's directory has no user {user}@{domain}, so callers get no voicemail",
                    f"add him to the directory, or correct {where}",
                )
            else:
                yield ok("mailboxes", f"{where}: {step.mailbox} is a user's")


def gateways(case: Case, probe: Probe) -> Iterator[Finding]:
    """The gateways that forwards and members are dialled by are there and up."""
    dials = {"telephony.outbound": case.configuration.telephony.outbound or ""}
    dials |= {f"members.{key}.dial": member.dial for key, member in case.configuration.members.items()}
    for where, dial in dials.items():
        found = GATEWAY.search(dial)
        if found is None:
            continue
        said = probe.api(case.switch, f"sofia status gateway {found[1]}")
        state = re.search(r"^State\s+(\S+)", said, re.MULTILINE)
        status = re.search(r"^Status\s+(\S+)", said, re.MULTILINE)
        if state is None:
            yield fail("gateways", f"{where}: FreeSWITCH has no gateway {found[1]}", f"add it, or correct {where}")
        elif state[1] in ("REGED", "NOREG") and (status is None or status[1].startswith("UP")):
            yield ok("gateways", f"{where}: the gateway {found[1]} is up")
        else:
            yield warn(
                "gateways",
                f"{where}: the gateway {found[1]} is {state[1]}{f' and {status[1]}' if status else ''}",
                f"fs_cli -x 'sofia status gateway {found[1]}' says more; its password, and the way to the provider",
            )


def music_of(configuration: Configuration) -> list[tuple[str, str]]:
    """Return each music of a configuration once, with the first key that names it."""
    found = {configuration.telephony.music: "telephony.music"}
    for key, number in configuration.numbers.items():
        if number.music:
            found.setdefault(number.music, f'numbers."{key}".music')
    return list(found.items())


def _playable(case: Case, probe: Probe, check: str, source: str, where: str) -> Finding:
    if source.startswith("local_stream://"):
        name = source.removeprefix("local_stream://").split("/")[0]
        if any(character.isspace() for character in name) or not name:
            return skip(check, f"{where}: {source} is no name of one stream")
        if probe.api(case.switch, f"local_stream show {name}").startswith("-ERR"):
            return fail(
                check,
                f"{where}: FreeSWITCH has no local_stream {name}, so its callers hear the default music or nothing",
                f"add {name} to local_stream.conf.xml and reload mod_local_stream, or correct {where}",
            )
        return ok(check, f"{where}: {source} plays")
    if source.startswith("/"):
        if probe.api(case.switch, f"file_exists {source}").strip() != "true":
            return fail(check, f"{where}: FreeSWITCH has no file {source}", f"put it there, or correct {where}")
        return ok(check, f"{where}: {source} is there")
    return skip(check, f"{where}: nothing to look at for {source}")


def clock(case: Case, probe: Probe) -> Iterator[Finding]:
    """The switch's clock and ours agree; fsqueue measures the distance, but two logs with two times are hard to read."""
    said = probe.api(case.switch, "strepoch").strip()
    if not said.isdecimal():
        yield warn("clock", "FreeSWITCH doesn't tell its time", "is mod_commands loaded?")
        return
    distance = int(said) - probe.now()
    if abs(distance) > FAR:
        yield warn(
            "clock",
            f"FreeSWITCH's clock is {abs(distance):.0f} s {'ahead of' if distance > 0 else 'behind'} this machine's",
            "have both set by NTP, and tell a running FreeSWITCH: fs_cli -x 'fsctl sync_clock'",
        )
    else:
        yield ok("clock", "FreeSWITCH's clock and this machine's agree")


def lease(case: Case, probe: Probe) -> Iterator[Finding]:
    """The daemon renews the lease that every hold asks for."""
    owner = case.configuration.daemon.owner
    said = probe.api(case.switch, f"hash select/fsqueue/alive-{owner}").strip()
    now = probe.api(case.switch, "strepoch").strip()
    remedy = "start the daemon: systemctl start fsqueue; if it runs, journalctl -u fsqueue says why it can't connect"
    if not said.isdecimal():
        yield fail("lease", f"there is no lease for {owner}: every caller goes to the fallback", remedy)
    elif now.isdecimal() and int(said) <= int(now):
        yield fail("lease", f"the lease ended {int(now) - int(said)} s ago: every caller goes to the fallback", remedy)
    else:
        yield ok("lease", "the daemon renews the lease that callers' holds ask for")


def dead_callers(case: Case, probe: Probe) -> Iterator[Finding]:
    """Callers whose network died are noticed: by session timers, which a profile can switch off."""
    known = profiles(case, probe)
    off = [name for name, params in known if params.get("enable-timer") == "false"]
    if not known:
        yield skip("dead_callers", "FreeSWITCH doesn't show its SIP profiles (sofia.conf)")
    for name in off:
        yield warn(
            "dead_callers",
            f"the SIP profile {name} has enable-timer=false: a caller whose network died waits for ever",
            f"take enable-timer out of the profile {name}, and fs_cli -x 'sofia profile {name} restart'",
        )
    if known and not off:
        yield ok("dead_callers", "session timers end callers whose network died")


def profiles(case: Case, probe: Probe) -> list[tuple[str, dict[str, str]]]:
    """Return the SIP profiles with their params."""
    live = read(probe.api(case.switch, "xml_locate configuration configuration name sofia.conf"))
    return [
        (one.get("name"), {param.get("name"): param.get("value") for param in params_of(one)})
        for one in _all(live, "profile")
    ]


def phone_profiles(case: Case, probe: Probe) -> list[tuple[str, dict[str, str]]]:
    """Return the SIP profiles that members' phones are registered at; while none is, those of the last entry context."""
    inner = case.configuration.telephony.entry_contexts[-1]
    known = profiles(case, probe)
    used: set[str] = set()
    users = [identity(member, case.configuration.telephony.domain) for member in case.configuration.members.values()]
    for user in [user for user in users if user is not None][:ENOUGH]:
        with contextlib.suppress(quoting.Unquotable):
            used |= set(re.findall(r"sofia/([^/,]+)/", probe.api(case.switch, f"sofia_contact */{quoting.user(user)}")))
    return [(name, params) for name, params in known if (name in used if used else params.get("context") == inner)]


def params_of(root: Element | None) -> list[Element]:
    """Return every param of a part of the configuration."""
    return _all(root, "param")


def _all(root: Element | None, tag: str) -> list[Element]:
    if root is None:
        return []
    below = [found for child in root.children for found in _all(child, tag)]
    return [*([root] if root.tag == tag else []), *below]
