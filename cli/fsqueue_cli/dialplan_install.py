"""``fsqueue dialplan install``: puts the XML where FreeSWITCH reads it, and has FreeSWITCH show that it took."""

from __future__ import annotations

from pathlib import Path

import click

from fsqueue_cli import talk
from fsqueue_cli.exits import Exit, FailedError, NoSuchThingError
from fsqueue_cli.files import FileName, Place, read_configuration, reads
from fsqueue_cli.nouns import Verb, dialplan
from fsqueue_cli.shapes import DialplanInstalled


@dialplan.command("install", cls=Verb, gives=DialplanInstalled, exits=(Exit.CONFIGURATION_INVALID, Exit.NO_SUCH_THING))
@click.option("--dir", "folder", type=FileName(), help="FreeSWITCH's dialplan folder [FreeSWITCH is asked].")
@click.option("--switch", "switch", metavar="ID", help="Which of [switches] [the first].")
@click.option("--dry-run", is_flag=True, help="Show the diff; write and reload nothing.")
@reads
def install_dialplan(place: Place, folder: str | None, switch: str | None, dry_run: bool) -> int:
    """Write the dialplan where FreeSWITCH reads it, reload its XML, and have it show that it took.

    Our own context becomes fsqueue.xml in FreeSWITCH's dialplan folder, the lines that lead there 00_fsqueue.xml in the
    folder of each entry context. A file that fsqueue has not written is never touched; what FreeSWITCH doesn't take is put
    back. Exits with 1 when calls would still not reach fsqueue.

    Where FreeSWITCH asks somebody else for its dialplan (mod_xml_curl, a Lua script, FusionPBX), nothing is written unless
    --dir names a folder; what has to be put where is said instead.

    Example: fsqueue dialplan install --dry-run
    """
    from fsqueue.dialplan_files import InstallError, elsewhere, folder_of, install, plan
    from fsqueue.doctor import dialplan_checks
    from fsqueue.doctor.findings import State
    from fsqueue.doctor.live import LiveProbe
    from fsqueue.doctor.probe import Case, ProbeError
    from fsqueue.facts import dialplan_facts
    from fsqueue.switch.dialplan_source import Source, dialplan_source

    configuration = read_configuration(place)
    key = next(iter(configuration.switches), "") if switch is None else switch
    if key not in configuration.switches:
        raise NoSuchThingError(f"the configuration has no [switches.{key or 'X'}]; name one with --switch")
    facts = dialplan_facts(configuration)
    probe = LiveProbe(configuration, place.path.parent, Path())
    try:
        if not (dry_run and folder) and (trouble := probe.log_in(key)):
            raise FailedError(trouble)
        source = Source() if dry_run and folder else dialplan_source(lambda command: probe.api(key, command))
        if source.kind != "files" and not folder:
            raise FailedError(elsewhere(source, facts))
        where = Path(folder) if folder else folder_of(lambda command: probe.api(key, command))
        found = plan(facts, where)
        if not place.as_json:
            talk.give_diff(found.diff())
        left: tuple[str, ...] = ()
        if not dry_run:
            left = install(found, facts, lambda command: probe.api(key, command))
        if not dry_run and source.kind != "files":
            # What FreeSWITCH shows is then not what a call gets to see; an empty call is.
            case = Case(path=place.path, configuration=configuration, switch=key)
            looked = [*dialplan_checks.dialplan(case, probe), *dialplan_checks.entries(case, probe)]
            left += tuple(f"{one.text}: {one.remedy}" for one in looked if one.state is not State.OK)
    except (InstallError, ProbeError) as error:
        raise FailedError(str(error)) from error
    finally:
        probe.close()
    notes = left if not dry_run else found.notes
    done = DialplanInstalled(
        folder=str(where),
        written=tuple(str(one.path) for one in found.changes if one.after is not None),
        removed=tuple(str(one.path) for one in found.changes if one.after is None),
        diff=found.diff(),
        reloaded=not dry_run,
        proved=not dry_run and not left,
        notes=notes,
    )
    _tell(place, done, dry_run)
    return Exit.FAILED if left else Exit.DONE


def _tell(place: Place, done: DialplanInstalled, dry_run: bool) -> None:
    if place.as_json:
        talk.give_json(done)
        return
    for note in done.notes:
        talk.say(note)
    if dry_run:
        talk.say("nothing was written" if done.diff else f"{done.folder} has all of it already; nothing to write")
    elif done.proved:
        changed = len(done.written) + len(done.removed)
        what = f"{talk.count(changed, 'file')} changed in {done.folder}" if changed else f"{done.folder} had it all"
        talk.say(f"{what}; FreeSWITCH has reloaded its XML and shows it in force")
    else:
        talk.say("the hold is in place, but calls don't all lead to fsqueue yet; see fsqueue doctor")
