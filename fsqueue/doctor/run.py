"""The checks in their order: along the way that a call takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from fsqueue.doctor import bite_checks, dialplan_checks, machine_checks, people_checks, switch_checks
from fsqueue.doctor.findings import Finding, State, skip
from fsqueue.doctor.probe import Case, Probe, ProbeError

Check = Callable[[Case, Probe], Iterator[Finding]]

OF_A_SWITCH: tuple[Check, ...] = (
    switch_checks.version,
    switch_checks.modules,
    switch_checks.takes_calls,
    dialplan_checks.dialplan,
    dialplan_checks.entries,
    dialplan_checks.fallback,
    dialplan_checks.hand_over,
    people_checks.phones,
    people_checks.music,
    people_checks.prompts,
    people_checks.mailboxes,
    people_checks.gateways,
    people_checks.clock,
    people_checks.lease,
    people_checks.dead_callers,
    bite_checks.unauthenticated,
    bite_checks.loopback,
    bite_checks.samples,
    bite_checks.spinning,
    bite_checks.bites,
)

OF_THE_MACHINE: tuple[Check, ...] = (machine_checks.daemon, machine_checks.permissions)


def examine(case: Case, probe: Probe) -> Iterator[Finding]:
    """Yield what each check finds, as soon as it has; what rests on something broken is skipped with a word why."""
    broken = False
    for finding in machine_checks.configuration(case, probe):
        yield finding
        if finding.state is State.FAIL:
            broken = True
    if broken:
        yield skip("configuration", "all else, until the configuration can be run")
        return
    for switch in case.configuration.switches:
        for finding in _examine_switch(replace(case, switch=switch), probe):
            yield replace(finding, switch=switch)
    for check in OF_THE_MACHINE:
        yield from check(case, probe)


def _examine_switch(case: Case, probe: Probe) -> Iterator[Finding]:
    for finding in switch_checks.reached(case, probe):
        yield finding
        if finding.state is State.FAIL:
            yield skip("switch", "all that FreeSWITCH itself would have to be asked about")
            return
    for check in OF_A_SWITCH:
        try:
            yield from check(case, probe)
        except ProbeError as error:
            yield skip(check.__name__, f"FreeSWITCH gave no answer: {error}")
