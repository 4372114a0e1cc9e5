"""Threads of a process of ours held as a disk, or a fault, may hold them: stopped one by one, while the others go on.

A disk that hangs keeps the thread that called it inside the system, and no file system that every machine has can be made to
do that on demand. Stopping just that thread, which a parent may do to its child by ptrace(2), looks the same from everywhere
else: the other threads run, and what this one was to do is not done.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_WALL = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace of thread {thread}: {os.strerror(error)}")


def threads(process: int) -> tuple[list[int], list[int]]:
    """Return the process's main thread, and its others."""
    found = [int(task.name) for task in Path(f"/proc/{process}/task").iterdir()]
    return [process], sorted(thread for thread in found if thread != process)


@contextmanager
def held(chosen: list[int]) -> Iterator[None]:
    """Hold these threads of a child while the block runs. Raises OSError where this system allows no such thing."""
    stopped: list[int] = []
    try:
        for thread in chosen:
            _ptrace(_SEIZE, thread)
            _ptrace(_INTERRUPT, thread)
            os.waitpid(thread, _WALL)
            stopped.append(thread)
        yield
    finally:
        for thread in stopped:
            with suppress(ProcessLookupError):  # it was killed meanwhile
                _ptrace(_DETACH, thread)
