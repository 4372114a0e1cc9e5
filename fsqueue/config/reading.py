"""Reads a configuration file and checks it, with what belongs to it on this machine."""

import os
from pathlib import Path

from msgspec import Struct

from fsqueue.config.check import has_errors, inspect
from fsqueue.config.model import Configuration
from fsqueue.config.passwords import check_passwords
from fsqueue.config.problems import Problem, Report

LONGEST = 16 * 1024 * 1024


class Loaded(Struct, frozen=True, kw_only=True):
    """A file as it was read. `configuration` is None where one of the problems is an error; `text` as it was then."""

    path: Path
    text: str
    configuration: Configuration | None
    problems: tuple[Problem, ...]


def load(path: str | os.PathLike[str]) -> Loaded:
    """Read and check a configuration file; everything wrong is in `problems`, nothing is raised."""
    place = Path(path)
    report = Report(str(place))
    text = _read(place, report)
    configuration = None if text is None else inspect(text, report)
    if configuration is not None:
        check_passwords(configuration, place, report)
    problems = report.problems()
    return Loaded(
        path=place, text=text or "", configuration=None if has_errors(problems) else configuration, problems=problems
    )


def _read(path: Path, report: Report) -> str | None:
    try:
        if path.exists() and not path.is_file():
            report.syntax(1, "is no regular file", "name a TOML file")
            return None
        data = path.read_bytes() if path.stat().st_size <= LONGEST else None
    except OSError as error:
        report.syntax(1, *_unreadable(error))
        return None
    except ValueError:
        report.syntax(1, "is no name that a file can have", "name a TOML file")
        return None
    if data is None:
        report.syntax(1, f"is larger than {LONGEST // 1024 // 1024} MiB", "name a configuration file")
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        report.syntax(line, f"the byte 0x{data[error.start]:02x} is not UTF-8", "save the file as UTF-8")
        return None


def _unreadable(error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "does not exist", "name another with --config, or begin one with fsqueue group add NAME"
    if isinstance(error, PermissionError):
        return "can't be read: permission denied", "let the user who runs this read it"
    return f"can't be read: {(error.strerror or str(error)).lower()}", "name a file that can be read"
