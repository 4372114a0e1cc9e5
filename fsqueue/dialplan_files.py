"""Puts our dialplan where FreeSWITCH reads it, and has FreeSWITCH show that it took.

Only files that this has written are ever replaced or removed. What FreeSWITCH doesn't take is put back as it was, since
`reloadxml` answers `+OK` to broken XML too, and valid XML without our hold loses every caller at his next lap.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from fsqueue.switch.dialplan import DialplanFacts, render, render_entry
from fsqueue.switch.dialplan_source import Source
from fsqueue.switch.live_dialplan import context_state, entry_state

MARK = "Made by `fsqueue dialplan"
"""Stands in every file of ours, and in no other."""

OWN = "fsqueue.xml"
ENTRY = "00_fsqueue.xml"

Api = Callable[[str], str]
"""Asks FreeSWITCH an API command."""


class InstallError(Exception):
    """It can't be installed; the text says why and what to do."""


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file: `before` is None where there is none, `after` where it is to be removed."""

    path: Path
    before: str | None
    after: str | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done in FreeSWITCH's dialplan folder; `notes` are what a person has to do himself."""

    folder: Path
    changes: tuple[FileChange, ...]
    notes: tuple[str, ...] = ()

    def diff(self) -> str:
        """Return all changes as one unified diff."""
        return "".join(_diff(change) for change in self.changes)


def folder_of(api: Api) -> Path:
    """Ask FreeSWITCH where its dialplan's files are.

    Raises:
        InstallError: it doesn't say, or that is not on this machine.
    """
    said = api("global_getvar conf_dir").strip()
    if not said.startswith("/"):
        raise InstallError("FreeSWITCH doesn't say where its configuration is; name its dialplan's folder with --dir")
    folder = Path(said) / "dialplan"
    if not folder.is_dir():
        raise InstallError(
            f"FreeSWITCH's configuration is in {said}, and there is no {folder} on this machine; run this on FreeSWITCH's "
            "machine, name the folder with --dir, or put what fsqueue dialplan show prints where FreeSWITCH gets its dialplan"
        )
    return folder


def elsewhere(source: Source, facts: DialplanFacts) -> str:
    """Say what has to be put where, since FreeSWITCH asks *source* for its dialplan and not its files."""
    contexts = " and ".join(facts.entry_contexts)
    if source.kind == "fusionpbx":
        return (
            f"nothing was written: FreeSWITCH's dialplan comes from FusionPBX's database ({source.where}). Put the records that "
            "fsqueue dialplan show --fusionpbx prints into its Dialplan Manager; then fsqueue doctor proves it"
        )
    what = "fsqueue dialplan show --document" if source.kind == "xml_curl" else "fsqueue dialplan show"
    return (
        f"nothing was written: FreeSWITCH's dialplan comes from {source.name}. Have it answer with what {what} prints when the "
        f"context {facts.context} is asked for, and put what fsqueue dialplan show --entry prints first into {contexts}; then "
        "fsqueue doctor proves it. Where it has no answer FreeSWITCH reads its files: name their folder with --dir"
    )


def plan(facts: DialplanFacts, folder: Path) -> Plan:
    """Compare what `facts` need with what is in *folder*.

    Raises:
        InstallError: a file of somebody else's has one of our names, or can't be read.
    """
    wanted = {folder / OWN: render(facts)}
    notes = []
    for context in facts.entry_contexts:
        if (folder / context).is_dir():
            wanted[folder / context / ENTRY] = render_entry(facts)
        else:
            notes.append(
                f"there is no folder {folder / context} to put the lines for the context {context} into: put what fsqueue "
                f"dialplan show --entry prints first into that context"
            )
    try:
        stale = [path for path in sorted(folder.glob(f"*/{ENTRY}")) if path not in wanted and MARK in _text(path)]
        changes = [FileChange(path=path, before=_ours(path), after=text) for path, text in wanted.items()]
    except (OSError, UnicodeDecodeError) as error:
        raise InstallError(f"{folder} can't be read: {error}") from error
    changes += [FileChange(path=path, before=_text(path), after=None) for path in stale]
    return Plan(folder=folder, changes=tuple(one for one in changes if one.before != one.after), notes=tuple(notes))


def install(found: Plan, facts: DialplanFacts, api: Api) -> tuple[str, ...]:
    """Carry *found* out, reload FreeSWITCH's XML, and return what is still in the way, a line each; nothing when all is proved.

    Raises:
        InstallError: a file can't be written, or FreeSWITCH doesn't take them; all files are then as they were before.
    """
    try:
        _write(found.changes)
        reload(api)
        _prove_own(facts, api)
    except InstallError as error:
        _write([FileChange(path=one.path, before=one.after, after=one.before) for one in found.changes])
        if found.changes:
            api("reloadxml")
            raise InstallError(f"{error}; the files are as they were before") from error
        raise
    return unproved(facts, api)


def reload(api: Api) -> None:
    """Have FreeSWITCH read its XML anew.

    Raises:
        InstallError: there is an error in it. FreeSWITCH says +OK and keeps the old one.
    """
    said = api("reloadxml").strip()
    if not said.startswith("+OK") or "[error" in said.lower():
        raise InstallError(f"FreeSWITCH doesn't take its XML: {said}")


def unproved(facts: DialplanFacts, api: Api) -> tuple[str, ...]:
    """Return, a line each, which entry contexts don't lead to us."""
    lines: list[str] = []
    for context in facts.entry_contexts:
        entry = entry_state(facts, api(f"xml_locate dialplan context name {context}"))
        if not entry.has_context:
            lines.append(f"FreeSWITCH has no context {context}; see telephony.entry_contexts")
        elif entry.state != "current":
            lines.append(f"FreeSWITCH's context {context} does not lead to fsqueue: include {context}/*.xml in it")
        lines += [
            f"in the context {context} the extension {extension} stands before fsqueue's and takes {dialled}: move the include "
            "to the beginning of the context, or dial something else"
            for extension, dialled in entry.taken
        ]
    return tuple(lines)


def _prove_own(facts: DialplanFacts, api: Api) -> None:
    state = context_state(facts, api(f"xml_locate dialplan context name {facts.context}"))
    if state == "missing":
        raise InstallError(
            f"FreeSWITCH does not read {OWN} there: it has no context {facts.context} after the reload. Where its dialplan comes "
            "from mod_xml_curl or a database, put what fsqueue dialplan show prints there; fsqueue doctor proves it"
        )
    if state == "outdated":
        raise InstallError(f"after the reload FreeSWITCH still has another context {facts.context}; who else makes it?")


def _ours(path: Path) -> str | None:
    """Return what a file of ours holds, None where there is none."""
    if not path.exists() and not path.is_symlink():
        return None
    if path.is_symlink() or not path.is_file() or MARK not in _text(path):
        raise InstallError(f"{path} was not written by fsqueue; move it away, or name another folder with --dir")
    return _text(path)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _write(changes: Sequence[FileChange]) -> None:
    for change in changes:
        try:
            if change.after is None:
                change.path.unlink(missing_ok=True)
            else:
                _replace(change.path, change.after)
        except OSError as error:
            raise InstallError(
                f"{change.path} can't be written: {error.strerror or error}; run this as root"
            ) from error


def _replace(path: Path, text: str) -> None:
    """Write in one step, by a name that FreeSWITCH's include of *.xml passes over."""
    handle, name = tempfile.mkstemp(prefix=".fsqueue-", suffix=".new", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _diff(change: FileChange) -> str:
    before = (change.before or "").splitlines(keepends=True)
    after = (change.after or "").splitlines(keepends=True)
    old, new = (str(change.path) if text is not None else "/dev/null" for text in (change.before, change.after))
    return "".join(difflib.unified_diff(before, after, old, new))
