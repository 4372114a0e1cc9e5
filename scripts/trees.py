"""Throw-away system trees: a file system to install and run things in, whose changes are in memory and gone afterwards.

To be used in a mount namespace of one's own (`unshare --mount`): what is mounted here ends with it.
"""

from __future__ import annotations

from pathlib import Path

from gevent import subprocess as green

DEVICES = (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9))


class CommandError(Exception):
    """A command ended with another code than 0; the text has what it printed."""


def run(*command: str) -> str:
    """Run a command, other greenlets going on meanwhile; return what it printed. Raises CommandError."""
    process = green.Popen(command, stdin=green.DEVNULL, stdout=green.PIPE, stderr=green.STDOUT)
    said = process.communicate()[0].decode(errors="replace")
    if process.returncode != 0:
        raise CommandError(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return str(said)


class Tree:
    """A copy of the tree *lower* below *folder*/root, which nothing that happens in it reaches."""

    def __init__(self, folder: Path, lower: Path) -> None:
        self.root = folder / "root"
        memory = folder / "memory"
        for place in (self.root, memory):
            place.mkdir()
        run("mount", "-t", "tmpfs", "tmpfs", str(memory))
        (memory / "upper").mkdir()
        (memory / "work").mkdir()
        options = f"lowerdir={lower},upperdir={memory}/upper,workdir={memory}/work"
        run("mount", "-t", "overlay", "overlay", "-o", options, str(self.root))

    def furnish(self) -> None:
        """Mount what a system without an init of its own needs: processes, a few devices, folders that start empty."""
        run("mount", "-t", "proc", "proc", str(self.root / "proc"))
        # Devices of its own: the real /dev is nothing that a copy may reach.
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.root / "dev"))
        for name, minor in DEVICES:
            run("mknod", "-m", "666", str(self.root / "dev" / name), "c", "1", str(minor))
        (self.root / "dev" / "fd").symlink_to("/proc/self/fd")
        (self.root / "dev" / "shm").mkdir(mode=0o1777)
        # As on every system. A socket in the overlay itself refused connections from outside of it when tried.
        run("mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", str(self.root / "tmp"))
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.root / "run"))

    def show(self, place: Path) -> None:
        """Make a folder of the real system visible in the tree, by the same name, where it isn't."""
        if not self.path(str(place)).exists() or not any(self.path(str(place)).iterdir()):
            self.path(str(place)).mkdir(parents=True, exist_ok=True)
            run("mount", "--rbind", str(place), str(self.path(str(place))))

    def do(self, *command: str) -> str:
        """Run *command* in the tree; return what it printed. Raises CommandError."""
        return run("chroot", str(self.root), *command)

    def path(self, name: str) -> Path:
        """Return a file of the tree."""
        return self.root / name.lstrip("/")
