"""The switch itself: reached, known, with its modules, its dialplan current, able to reach us."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fsqueue.config.model import Configuration
from fsqueue.doctor.findings import Finding, fail, ok, skip, warn
from fsqueue.doctor.probe import Case, Probe
from fsqueue.engine.model import Voicemail
from fsqueue.facts import dialplan_facts
from fsqueue.switch.dialplan import FALLBACK, KNOCKED
from fsqueue.switch.live_dialplan import answers, context_state, entry_state

OLDEST = (1, 10)
"""Of FreeSWITCH's versions: before it, sched_del and the bridges' variables are not what holds rely on."""

INSTALL = "fsqueue dialplan install"


def reached(case: Case, probe: Probe) -> Iterator[Finding]:
    """FreeSWITCH is there, speaks ESL, and takes the password."""
    switch = case.configuration.switches[case.switch]
    address = f"{switch.host}:{switch.port}"
    if trouble := probe.log_in(case.switch):
        what, _, remedy = trouble.partition("; ")
        yield fail("reached", what, remedy or f"check [switches.{case.switch}]")
    else:
        yield ok("reached", f"FreeSWITCH answers at {address} and takes the password")


def version(case: Case, probe: Probe) -> Iterator[Finding]:
    """Its version is one that is known to work."""
    said = probe.api(case.switch, "version short").strip()
    found = re.match(r"(\d+)\.(\d+)", said)
    if found is None:
        yield warn("version", f"FreeSWITCH doesn't say its version ({said[:60]!a})", "use 1.10 or later")
    elif (int(found[1]), int(found[2])) < OLDEST:
        yield fail("version", f"FreeSWITCH {said} is too old", "use 1.10 or later")
    else:
        yield ok("version", f"FreeSWITCH {said}")


def modules(case: Case, probe: Probe) -> Iterator[Finding]:
    """Every module that this configuration needs is loaded."""
    missing = [
        (name, why)
        for name, why in needed_modules(case.configuration)
        if probe.api(case.switch, f"module_exists {name}").strip() != "true"
    ]
    for name, why in missing:
        yield fail(
            "modules",
            f"{name} is not loaded: {why}",
            f"fs_cli -x 'load {name}', and name it in FreeSWITCH's modules.conf.xml so that it is there after a restart",
        )
    if not missing:
        yield ok("modules", "the modules needed are loaded")


def needed_modules(configuration: Configuration) -> list[tuple[str, str]]:
    """Return the modules that a configuration needs, and for what."""
    music = [configuration.telephony.music, *(number.music or "" for number in configuration.numbers.values())]
    dials = [member.dial for member in configuration.members.values()] + [configuration.telephony.outbound or ""]
    steps = [
        step
        for group in configuration.groups.values()
        for step in (group.unanswered, group.offline, group.full, group.waited)
    ]
    needs = [
        ("mod_commands", "everything is asked by it", True),
        ("mod_dptools", "answers, transfers and plays", True),
        ("mod_dialplan_xml", "calls come to us through the XML dialplan", True),
        (
            "mod_hash",
            "the hold asks it whether fsqueue is alive, and without it every caller goes to the fallback",
            True,
        ),
        ("mod_sofia", "members are rung by it", any("sofia/" in dial or "user/" in dial for dial in dials)),
        ("mod_loopback", "a member is dialled by it", any("loopback/" in dial for dial in dials)),
        ("mod_local_stream", "it plays the music on hold", any(one.startswith("local_stream:") for one in music)),
        ("mod_tone_stream", "it plays the tones", any(one.startswith("tone_stream:") for one in music)),
        ("mod_sndfile", "it plays files", any(one.startswith("/") for one in music)),
        ("mod_voicemail", "a group's step is voicemail", any(isinstance(step, Voicemail) for step in steps)),
    ]
    return [(name, why) for name, why, wanted in needs if wanted]


def dialplan(case: Case, probe: Probe) -> Iterator[Finding]:
    """Our own context is in force, as this configuration makes it."""
    facts = dialplan_facts(case.configuration)
    state = context_state(facts, probe.api(case.switch, f"xml_locate dialplan context name {facts.context}"))
    if state == "current":
        yield ok("dialplan", f"the context {facts.context} is in force, as the configuration makes it")
    elif state == "outdated":
        yield fail("dialplan", f"the context {facts.context} in FreeSWITCH is not that of the configuration", INSTALL)
    else:
        yield fail("dialplan", f"FreeSWITCH has no context {facts.context}: no call can be held", _how(case, probe))


def entries(case: Case, probe: Probe) -> Iterator[Finding]:
    """Each entry context leads what is dialled to us, and nothing before it takes that away."""
    facts = dialplan_facts(case.configuration)
    for context in facts.entry_contexts:
        entry = entry_state(facts, probe.api(case.switch, f"xml_locate dialplan context name {context}"))
        if not entry.has_context:
            yield warn(
                "entries",
                f"FreeSWITCH has no context {context}",
                "name those that calls come in by in telephony.entry_contexts",
            )
        elif entry.state == "missing":
            yield fail("entries", f"nothing in the context {context} leads to fsqueue", _how(case, probe))
        elif entry.state == "outdated":
            yield fail("entries", f"the lines in the context {context} are not those of the configuration", INSTALL)
        else:
            yield from _first(context, entry.taken)


def _first(context: str, taken: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    for extension, dialled in taken:
        yield fail(
            "entries",
            f"in the context {context} the extension {extension} stands before fsqueue's and takes {dialled}",
            f"move fsqueue's lines to the beginning of the context, take {dialled} out of {extension}, or use another one",
        )
    if not taken:
        yield ok("entries", f"the context {context} leads to fsqueue")


def _how(case: Case, probe: Probe) -> str:
    """What puts the dialplan in place: the command, or by hand where FreeSWITCH reads no files."""
    for module, name in (("mod_xml_curl", "mod_xml_curl"), ("mod_lua", "a Lua script (FusionPBX)")):
        if probe.api(case.switch, f"module_exists {module}").strip() == "true":
            return f"{INSTALL}; or, where the dialplan comes from {name}, put there what fsqueue dialplan show prints"
    return INSTALL


def fallback(case: Case, probe: Probe) -> Iterator[Finding]:
    """Where calls go while fsqueue is down, if the site has named a place of its own."""
    facts = dialplan_facts(case.configuration)
    if facts.fallback == FALLBACK:
        yield ok("fallback", "while fsqueue is down, callers get a 503, or are hung up")
        return
    extension, _, rest = facts.fallback.partition(" XML ")
    context = rest or facts.entry_contexts[-1]
    if answers(probe.api(case.switch, f"xml_locate dialplan context name {context}"), extension):
        yield ok("fallback", f"while fsqueue is down, callers go to {extension} in the context {context}")
    else:
        yield warn(
            "fallback",
            f"nothing in the context {context} seems to take calls for {extension}, telephony.fallback",
            f"add an extension {extension} to that context, or correct telephony.fallback",
        )


def hand_over(case: Case, probe: Probe) -> Iterator[Finding]:
    """FreeSWITCH hands calls over, by our socket or parked, and we take them."""
    parked = case.configuration.telephony.hand_over == "park"
    address = case.configuration.listen.dialplan
    host = case.configuration.switches[case.switch].host
    if not parked and not probe.local(host) and probe.local(address.rpartition(":")[0].strip("[]")):
        yield fail(
            "hand_over",
            f"FreeSWITCH is at {host}, and from there {address} is FreeSWITCH's own machine",
            "set listen.dialplan to this machine's address, and listen.allow to FreeSWITCH's",
        )
    elif dialplan_facts(case.configuration).fallback != FALLBACK:
        # The empty call would end there, and may ring somebody's phone.
        yield skip(
            "hand_over", "telephony.fallback leads elsewhere, so no empty call was sent; see doctor --call GROUP"
        )
    elif probe.api(case.switch, "module_exists mod_loopback").strip() != "true":
        yield skip("hand_over", "without mod_loopback FreeSWITCH can't make an empty call; see doctor --call GROUP")
    elif parked:
        yield _knocked_parked(probe.knock(case.switch))
    else:
        yield _knocked(address, probe.knock(case.switch), probe)


def _knocked_parked(why: str) -> Finding:
    """Translate how an empty call ended that was handed over parked."""
    if why == KNOCKED:
        return ok("hand_over", "FreeSWITCH hands calls over parked, and fsqueue takes them")
    if why == "daemon_silent":
        return fail(
            "hand_over",
            "a call was handed over parked, and nobody took it",
            "systemctl status fsqueue; if it runs, journalctl -u fsqueue says why, and [switches] must name this FreeSWITCH",
        )
    return _not_taken(why)


def _knocked(address: str, why: str, probe: Probe) -> Finding:
    """Translate how an empty call ended."""
    if why == KNOCKED:
        return ok("hand_over", f"FreeSWITCH hands calls over at {address}, and fsqueue takes them")
    if why == "daemon_silent":
        return fail(
            "hand_over", f"FreeSWITCH reached {address}, and nobody took the call", "journalctl -u fsqueue says why"
        )
    if why == "daemon_down" and not probe.listens(address):
        return fail("hand_over", f"nothing listens for the dialplan at {address}", "systemctl start fsqueue")
    if why == "daemon_down":
        return fail(
            "hand_over",
            f"FreeSWITCH can't connect to {address}, though somebody listens there",
            "let FreeSWITCH's machine through the firewall and listen.allow; fsqueue dialplan install, if the address changed",
        )
    if why in ("unknown_switch", "link_down"):
        return fail(
            "hand_over",
            "the daemon took a call but is not connected to the FreeSWITCH that it came from",
            "journalctl -u fsqueue says why; [switches] must name this FreeSWITCH",
        )
    return _not_taken(why)


def _not_taken(why: str) -> Finding:
    if why:
        return fail("hand_over", f"the daemon refuses calls: {why}", "journalctl -u fsqueue says why")
    return fail("hand_over", "an empty call from FreeSWITCH led nowhere", INSTALL)
