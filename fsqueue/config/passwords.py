"""The event socket's password: from the configuration, or from a file beside it that only the daemon can read."""

import stat
from pathlib import Path

from fsqueue.config.model import Configuration, Switch
from fsqueue.config.problems import Report, printable

_LONGEST = 4096


class PasswordError(OSError):
    """A password can't be had. `problem` says why and `remedy` what would be right; to who only reads files it is one that fails."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


def password_of(switch: Switch, folder: Path) -> str:
    """The switch's password; `folder` is the configuration's, where a relative `password_file` starts.

    Raises PasswordError when the file is missing, unreadable, empty, or holds anything but one line.
    """
    if switch.password_file is None:
        return switch.password or ""
    return _read(folder / switch.password_file)


def _read(path: Path) -> str:
    try:
        if not path.is_file():
            raise FileNotFoundError(2, "No such file")
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
    except OSError as error:
        words = "does not exist" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"
        remedy = "write the event socket's password into it, readable by the daemon's user alone"
        raise PasswordError(f"the file {printable(str(path))} {words}", remedy) from error
    text = data.decode("utf-8", errors="replace").rstrip("\r\n")
    if not text.strip():
        raise PasswordError(f"the file {printable(str(path))} is empty", "write the event socket's password into it")
    if len(data) > _LONGEST or any(not char.isprintable() for char in text):
        problem = f"the file {printable(str(path))} holds more than one line of plain text"
        raise PasswordError(problem, "write nothing but the event socket's password into it")
    return text


def check_passwords(configuration: Configuration, file: Path, report: Report) -> None:
    """Report password files that can't be used, and passwords that others on this machine can read."""
    for key, switch in configuration.switches.items():
        if switch.password is None and switch.password_file is None:
            continue  # reported already
        name = "password" if switch.password_file is None else "password_file"
        path = ("switches", key, name)
        holder = file if switch.password_file is None else file.parent / switch.password_file
        try:
            password_of(switch, file.parent)
        except PasswordError as error:
            report.error(path, error.problem, error.remedy)
            continue
        if _is_world_readable(holder):
            what = f"everybody on this machine can read {printable(str(holder))}"
            report.warning(path, what, f"chmod o-rwx {printable(str(holder))}")


def _is_world_readable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IROTH)
    except OSError:
        return False
