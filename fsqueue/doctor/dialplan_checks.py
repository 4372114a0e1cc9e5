"""The dialplan: in force, leading to us from every entry context, and handing calls over to us."""

from __future__ import annotations

from collections.abc import Iterator

from fsqueue.doctor.findings import Finding, fail, ok, skip, warn
from fsqueue.doctor.probe import Case, Probe
from fsqueue.facts import dialplan_facts
from fsqueue.switch.dialplan import FALLBACK, HOLD, KNOCKED, DialplanFacts
from fsqueue.switch.dialplan_source import Source, dialplan_source
from fsqueue.switch.live_dialplan import answers, context_state, entry_state

INSTALL = "fsqueue dialplan install"


def dialplan(case: Case, probe: Probe) -> Iterator[Finding]:
    """Our own context is in force, as this configuration makes it."""
    facts = dialplan_facts(case.configuration)
    source = dialplan_source(lambda command: probe.api(case.switch, command))
    if source.kind != "files":
        yield _asked_hold(case, probe, facts, source)
        return
    state = context_state(facts, probe.api(case.switch, f"xml_locate dialplan context name {facts.context}"))
    if state == "current":
        yield ok("dialplan", f"the context {facts.context} is in force, as the configuration makes it")
    elif state == "outdated":
        yield fail("dialplan", f"the context {facts.context} in FreeSWITCH is not that of the configuration", INSTALL)
    else:
        yield fail("dialplan", f"FreeSWITCH has no context {facts.context}: no call can be held", INSTALL)


def entries(case: Case, probe: Probe) -> Iterator[Finding]:
    """Each entry context leads what is dialled to us, and nothing before it takes that away."""
    facts = dialplan_facts(case.configuration)
    source = dialplan_source(lambda command: probe.api(case.switch, command))
    if source.kind != "files":
        yield from _asked_entries(case, probe, facts, source)
        return
    for context in facts.entry_contexts:
        entry = entry_state(facts, probe.api(case.switch, f"xml_locate dialplan context name {context}"))
        if not entry.has_context:
            yield warn(
                "entries",
                f"FreeSWITCH has no context {context}",
                "name those that calls come in by in telephony.entry_contexts",
            )
        elif entry.state == "missing":
            yield fail("entries", f"nothing in the context {context} leads to fsqueue", INSTALL)
        elif entry.state == "outdated":
            yield fail("entries", f"the lines in the context {context} are not those of the configuration", INSTALL)
        else:
            yield from _first(context, entry.taken)


def _asked_hold(case: Case, probe: Probe, facts: DialplanFacts, source: Source) -> Finding:
    """Look for our context where only a call gets to see it: by an empty one, which a hold without a deadline refuses."""
    if reason := _unknockable(case, probe, facts):
        return skip("dialplan", f"the dialplan comes from {source.name}, and no empty call can look at it: {reason}")
    if probe.enter(case.switch, HOLD, facts.context) == "hold_over":
        return ok("dialplan", f"an empty call came to the hold in the context {facts.context}, from {source.name}")
    return fail(
        "dialplan",
        f"an empty call for {HOLD} in the context {facts.context} led nowhere: no call can be held",
        _put(source, facts.context, ""),
    )


def _asked_entries(case: Case, probe: Probe, facts: DialplanFacts, source: Source) -> Iterator[Finding]:
    if reason := _unknockable(case, probe, facts):
        yield skip("entries", f"the dialplan comes from {source.name}, and no empty call can look at it: {reason}")
        return
    for context in facts.entry_contexts:
        for dialled in (*facts.numbers[:1], *facts.extensions[:1]):
            if probe.enter(case.switch, dialled, context):
                yield ok("entries", f"an empty call for {dialled} in the context {context} came to fsqueue")
            else:
                yield fail(
                    "entries",
                    f"an empty call for {dialled} in the context {context} did not come to fsqueue",
                    _put(source, context, " --entry"),
                )


def _unknockable(case: Case, probe: Probe, facts: DialplanFacts) -> str:
    """Return why no empty call can be sent, or nothing."""
    if facts.fallback != FALLBACK:
        # It would end there, and may ring somebody's phone.
        return "it would end at telephony.fallback; see doctor --call GROUP"
    if probe.api(case.switch, "module_exists mod_loopback").strip() != "true":
        return "mod_loopback is not loaded; see doctor --call GROUP"
    return ""


def _put(source: Source, context: str, option: str) -> str:
    """Say what has to be put where, so that *source* answers with it."""
    if source.kind == "fusionpbx":
        return f"put the records that fsqueue dialplan show --fusionpbx prints into Dialplan Manager ({context})"
    place = "first into" if option else "as"
    return f"have it answer with what fsqueue dialplan show{option} prints, {place} the context {context}"


def _first(context: str, taken: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    for extension, dialled in taken:
        yield fail(
            "entries",
            f"in the context {context} the extension {extension} stands before fsqueue's and takes {dialled}",
            f"move fsqueue's lines to the beginning of the context, take {dialled} out of {extension}, or use another one",
        )
    if not taken:
        yield ok("entries", f"the context {context} leads to fsqueue")


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
    facts = dialplan_facts(case.configuration)
    parked = case.configuration.telephony.hand_over == "park"
    address = case.configuration.listen.dialplan
    host = case.configuration.switches[case.switch].host
    if not parked and not probe.local(host) and probe.local(address.rpartition(":")[0].strip("[]")):
        yield fail(
            "hand_over",
            f"FreeSWITCH is at {host}, and from there {address} is FreeSWITCH's own machine",
            "set listen.dialplan to this machine's address, and listen.allow to FreeSWITCH's",
        )
    elif reason := _unknockable(case, probe, facts):
        yield skip("hand_over", f"no empty call was sent: {reason}")
    elif parked:
        yield _knocked_parked(probe.enter(case.switch, "fsqueue", facts.context))
    else:
        yield _knocked(address, probe.enter(case.switch, "fsqueue", facts.context), probe)


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
