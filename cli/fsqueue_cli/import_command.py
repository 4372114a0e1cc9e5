"""``fsqueue import``: another program's queues as a configuration of ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import click

from fsqueue.config.check import check_text
from fsqueue.config.problems import Severity, shown
from fsqueue.config.settings import TELEPHONY, Setting
from fsqueue_cli import talk
from fsqueue_cli.exits import Exit, FailedError, InvalidError, NoSuchThingError
from fsqueue_cli.files import FileName, json_option
from fsqueue_cli.moving import callcenter, queues_conf, ring_groups
from fsqueue_cli.moving.draft import Draft, ImportFailedError
from fsqueue_cli.nouns import Verb
from fsqueue_cli.options import TextType
from fsqueue_cli.shapes import Imported

LONGEST = 16 * 1024 * 1024
READERS: dict[str, Callable[[str, str], Draft]] = {
    "callcenter": callcenter.read,
    "asterisk": queues_conf.read,
    "fusionpbx": ring_groups.read,
}


def _domain() -> Setting:
    return next(setting for setting in TELEPHONY.settings if setting.name == "domain")


@click.command("import", cls=Verb, gives=Imported, exits=(Exit.NO_SUCH_THING, Exit.CONFIGURATION_INVALID))
@click.argument("file", metavar="FILE", type=FileName())
@click.option("--from", "source", type=click.Choice(list(READERS)), help="What FILE is [seen by its content].")
@click.option("--domain", type=TextType(_domain()), help="SIP domain of the phones, where FILE doesn't say it.")
@json_option
def import_file(file: str, source: str | None, domain: str | None, as_json: bool) -> None:
    """Print a configuration that does what another program's does; nothing is written anywhere.

    FILE is mod_callcenter's callcenter.conf.xml, Asterisk's queues.conf, or FusionPBX's export of ring groups (CSV).
    What has no equal stands as a comment above what it is about, and is told on standard error.

    Example: fsqueue import /etc/freeswitch/autoload_configs/callcenter.conf.xml > fsqueue.toml
    """
    text = _read(Path(file))
    reader = READERS[source or _kind(text)]
    try:
        draft = reader(text, domain or "")
    except ImportFailedError as error:
        raise FailedError(f"{file} can't be imported: {error}") from error
    toml, notes = draft.toml(), draft.all_notes()
    wrong = [one for one in check_text(toml, "the configuration").problems if one.severity is Severity.ERROR]
    if as_json:
        talk.give_json(Imported(source=draft.source, toml=toml, notes=notes))
    else:
        talk.give(toml)
        for note in notes:
            talk.say(f"note: {note}")
    if wrong:
        raise InvalidError(*map(str, wrong), "correct these in what was printed, or in the file that was imported")


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LONGEST or not path.is_file():
            raise FailedError(f"{path} is no file of at most {LONGEST // 1024 // 1024} MiB")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise NoSuchThingError(f"{path} does not exist") from error
    except UnicodeDecodeError as error:
        raise FailedError(f"{path} is not UTF-8: the byte at {error.start}; convert it first") from error


def _kind(text: str) -> str:
    begun = text.lstrip()
    if begun.startswith("<"):
        return "callcenter"
    if "ring_group_" in begun.partition("\n")[0]:
        return "fusionpbx"
    if re.search(r"(?m)^\s*\[[^\]]+\]", begun):
        return "asterisk"
    raise FailedError(f"it isn't seen what this is, beginning with {shown(begun[:40])}; say it with --from")
