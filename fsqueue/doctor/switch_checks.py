"""The switch itself: reached, known, taking calls, with its modules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fsqueue.config.model import Configuration
from fsqueue.doctor.findings import Finding, fail, ok, warn
from fsqueue.doctor.probe import Case, Probe
from fsqueue.engine.model import Voicemail

OLDEST = (1, 10)
"""Of FreeSWITCH's versions: before it, sched_del and the bridges' variables are not what holds rely on."""


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


def takes_calls(case: Case, probe: Probe) -> Iterator[Finding]:
    """It takes calls now, and as many legs at once as the largest group makes."""
    if probe.api(case.switch, "fsctl pause_check").strip() == "true":
        yield fail("takes_calls", "FreeSWITCH is paused: it takes and makes no calls", "fs_cli -x 'fsctl resume'")
        return
    found = re.search(r"per Sec out of max (\d+)", probe.api(case.switch, "status"))
    most, group = _largest(case.configuration)
    if found is not None and most > int(found[1]):
        yield warn(
            "takes_calls",
            f"FreeSWITCH makes at most {found[1]} legs a second, and {group} rings {most} phones at once",
            f"set sessions-per-second in switch.conf.xml to {2 * most} or more, and fs_cli -x 'fsctl sps {2 * most}'",
        )
    else:
        yield ok("takes_calls", "FreeSWITCH takes calls")


def _largest(configuration: Configuration) -> tuple[int, str]:
    """Return how many members the largest group has that rings them all together, and its id."""
    sizes = [(len(group.members), key) for key, group in configuration.groups.items() if group.distribution == "to-all"]
    return max(sizes, default=(0, ""))
