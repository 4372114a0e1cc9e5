"""``fsqueue doctor``: walks the whole path of a call and says, in order, what works and what to do about what doesn't."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from fsqueue_cli import completion, talk
from fsqueue_cli.exits import Exit
from fsqueue_cli.files import Place, no_such_thing, reads
from fsqueue_cli.nouns import Verb
from fsqueue_cli.shapes import DoctorFinding, DoctorReport

if TYPE_CHECKING:
    from fsqueue.doctor.findings import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": None}


@click.command("doctor", cls=Verb, gives=DoctorReport, exits=(Exit.FAILED, Exit.NO_SUCH_THING))
@click.option(
    "--call",
    "group",
    metavar="GROUP",
    shell_complete=completion.names("groups"),
    help="Place a test call to this group: its members' phones really ring.",
)
@click.option(
    "--seconds",
    type=click.IntRange(5, 300),
    default=30,
    show_default=True,
    help="With --call: how long to wait for somebody to answer.",
)
@click.option(
    "--socket", "control", metavar="PATH", help="The daemon's control socket [$FSQUEUE_SOCKET, /run/fsqueue/…]."
)
@reads
def doctor(place: Place, group: str | None, seconds: int, control: str | None) -> int:
    """Say what works between FreeSWITCH, fsqueue and the phones, and what to do about what doesn't.

    Nothing is changed. To see whether FreeSWITCH reaches the daemon, an empty call is handed over and refused. Exits
    with 1 when something doesn't work.

    Example: fsqueue doctor --call sales
    """
    from importlib.metadata import version

    from fsqueue.config.model import Configuration
    from fsqueue.config.reading import load
    from fsqueue.doctor.findings import failed
    from fsqueue.doctor.live import LiveProbe
    from fsqueue.doctor.probe import Case
    from fsqueue.doctor.run import examine
    from fsqueue.doctor.testcall import place_call
    from fsqueue.places import control_socket, state_path

    loaded = load(place.path)
    configuration = loaded.configuration or Configuration()
    if loaded.configuration and group is not None and group not in configuration.groups:
        raise no_such_thing("group", group, list(configuration.groups))
    case = Case(
        path=loaded.path,
        configuration=configuration,
        problems=loaded.problems,
        state=state_path(None, configuration.daemon.state),
        version=version("fsqueue"),
    )
    probe = LiveProbe(configuration, loaded.path.parent, control_socket(control))
    try:
        findings = _shown(place, examine(case, probe))
        if group is not None and loaded.configuration:
            findings += _shown(place, place_call(case, probe, group, seconds))
    finally:
        probe.close()
    if place.as_json:
        rows = tuple(
            DoctorFinding(check=f.check, state=f.state.value, text=f.text, remedy=f.remedy, switch=f.switch)
            for f in findings
        )
        talk.give_json(DoctorReport(ok=not failed(findings), findings=rows))
    return Exit.FAILED if failed(findings) else Exit.DONE


def _shown(place: Place, findings: Iterable[Finding]) -> list[Finding]:
    """Return all findings; for people each is printed as soon as it is there, since some take seconds."""
    seen = []
    for finding in findings:
        seen.append(finding)
        if not place.as_json:
            for line in lines(finding):
                talk.give(line + "\n")
    return seen


def lines(finding: Finding) -> list[str]:
    """Return a finding as lines for people: what was found and, below it, what to do."""
    import sys

    from fsqueue.config.problems import printable

    mark = f"{finding.state.value:<4}"
    if talk.coloured(sys.stdout):
        mark = click.style(mark, fg=COLOURS[finding.state.value])
    where = f"[{finding.switch}] " if finding.switch else ""
    made = [f"{mark}  {where}{printable(finding.text, talk.LONGEST)}"]
    if finding.remedy:
        made.append(f"      → {printable(finding.remedy, talk.LONGEST)}")
    return made
