"""This machine: the configuration, the running daemon, and who may read and write what."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from fsqueue.config.problems import Severity
from fsqueue.doctor.findings import Finding, fail, ok, skip, warn
from fsqueue.doctor.probe import Case, Probe
from fsqueue.places import SERVICE_STATE

SERVICE_USER = "fsqueue"


def configuration(case: Case, _: Probe) -> Iterator[Finding]:
    """The file says something that can be run."""
    for problem in case.problems:
        where = f"{problem.file}:{problem.line}: {problem.path}: {problem.problem}"
        if problem.severity is Severity.ERROR:
            yield fail("configuration", where, problem.remedy)
        else:
            yield warn("configuration", where, problem.remedy)
    if not any(problem.severity is Severity.ERROR for problem in case.problems):
        groups, members = len(case.configuration.groups), len(case.configuration.members)
        counts = f"{groups} group{'s' * (groups != 1)}, {members} member{'s' * (members != 1)}"
        yield ok("configuration", f"{case.path} can be run: {counts}")


def daemon(case: Case, probe: Probe) -> Iterator[Finding]:
    """The daemon runs, is of this version, and has all switches in reach."""
    seen = probe.daemon()
    if seen.trouble:
        what, _, remedy = seen.trouble.partition(": ")
        yield fail("daemon", what, remedy or "journalctl -u fsqueue says why")
        return
    if seen.version != case.version:
        yield warn(
            "daemon",
            f"the daemon that runs is {seen.version}, this command is {case.version}",
            "systemctl restart fsqueue; callers on hold stay there",
        )
    for switch in case.configuration.switches:
        if switch not in seen.switches:
            yield fail("daemon", f"the daemon doesn't know [switches.{switch}]", "fsqueue config reload, or restart it")
        elif not seen.switches[switch]:
            yield fail(
                "daemon", f"the daemon is not connected to [switches.{switch}]", "journalctl -u fsqueue says why"
            )
    if seen.version == case.version and all(seen.switches.get(switch) for switch in case.configuration.switches):
        yield ok("daemon", f"fsqueue {seen.version} runs, with every switch in reach")


def permissions(case: Case, probe: Probe) -> Iterator[Finding]:
    """Passwords can be read by the daemon alone, and the state can be written by it."""
    yield from _passwords(case, probe)
    folder = probe.file(case.state)
    service = case.state == SERVICE_STATE
    make = (
        f"install -d -m 750 -o {SERVICE_USER} -g {SERVICE_USER} {case.state}" if service else f"mkdir -p {case.state}"
    )
    if not folder.exists:
        yield warn("permissions", f"there is no state folder {case.state} yet", f"the daemon makes it, or: {make}")
    elif service and folder.owner not in (SERVICE_USER, "root"):
        yield fail(
            "permissions",
            f"{case.state} belongs to {folder.owner}, and the service runs as {SERVICE_USER}",
            f"chown -R {SERVICE_USER}: {case.state}",
        )
    elif not service and not folder.writable:
        yield fail("permissions", f"{case.state} can't be written", f"let the user who runs fsqueue write {case.state}")
    elif folder.mode & stat.S_IROTH:
        yield warn(
            "permissions",
            f"everybody on this machine can read {case.state}, which has callers' numbers in it",
            f"chmod o-rwx {case.state}",
        )
    else:
        yield ok("permissions", f"{case.state} is the daemon's own")


def _passwords(case: Case, probe: Probe) -> Iterator[Finding]:
    for key, switch in case.configuration.switches.items():
        place = case.path if switch.password_file is None else case.path.parent / switch.password_file
        seen = probe.file(place)
        if not seen.exists or not seen.readable:
            yield skip("permissions", f"{place} can't be looked at by you; run this as root")
        elif seen.mode & stat.S_IROTH:
            yield warn(
                "permissions", f"everybody on this machine can read the password in {place}", f"chmod o-rwx {place}"
            )
        else:
            yield ok("permissions", f"the password of [switches.{key}] in {place} is not for everybody")
