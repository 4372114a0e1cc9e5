"""A changed file is handed to the running daemon, which confirms; no daemon is no error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fsqueue.engine.messages import Renamed
from fsqueue_cli.exits import Exit
from fsqueue_cli.running import ControlRefusedError, NoDaemonError, Running, UnreachableError
from fsqueue_cli.shapes import DaemonState


def hand_over(path: Path, renamed: Sequence[Renamed], moves: Sequence[tuple[str, str]]) -> tuple[DaemonState, int]:
    """Have the running daemon take the file over; return what came of that, and the exit code."""
    running = Running()
    try:
        if (other := other_file(running, path)) is not None:
            says = f"the fsqueue that runs here uses {other}; it was not told"
            return DaemonState(state="other_file", says=says), Exit.DONE
        moved = _move(running, moves)
        taken = _reload(running, renamed)
    except NoDaemonError:
        return DaemonState(
            state="not_running", says="written; no fsqueue runs here, the next start takes it"
        ), Exit.DONE
    except ControlRefusedError as error:
        found = error.problem
        says = f"written, but the running fsqueue did not take it over: {found.error}; {found.remedy}"
        invalid = found.code == "invalid_configuration"
        code = Exit.CONFIGURATION_INVALID if invalid else Exit.FAILED
        return DaemonState(state="refused", says="; ".join((says, *found.details))), code
    except UnreachableError as error:
        return DaemonState(state="unreachable", says=f"written, but {error}"), Exit.DAEMON_UNREACHABLE
    says = "the running fsqueue has taken it over"
    return DaemonState(state="taken_over", says=f"{moved}{says}{taken}"), Exit.DONE


def other_file(running: Running, path: Path) -> str | None:
    """Return the file that the daemon runs on where that is another one than *path*; None too where it doesn't tell."""
    try:
        used = running.configuration().path
    except ControlRefusedError:
        return None
    return used if Path(used).resolve() != path.resolve() else None


def _move(running: Running, moves: Sequence[tuple[str, str]]) -> str:
    done = 0
    for call, group in moves:
        try:
            running.move(call, group)
            done += 1
        except ControlRefusedError:
            continue  # somebody answered it, or it hung up, since we looked
    return f"moved {done} of {len(moves)} waiting calls; " if moves else ""


def _reload(running: Running, renamed: Sequence[Renamed]) -> str:
    """Reload; what is left to say of it. A daemon that knows no renames takes them as a removal and an addition."""
    try:
        running.reload(renamed)
    except ControlRefusedError as error:
        if not renamed or error.problem.code != "bad_request":
            raise
        running.reload()
        return ", but as a removal and an addition: it is of a version that knows no renames"
    return ""
