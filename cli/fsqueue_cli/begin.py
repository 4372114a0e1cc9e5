"""A new configuration: what the first `add` writes where there is no file yet, and the password that goes with it."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

PASSWORD_FILE = "esl-password"  # noqa: S105 - a file's name

FIRST_TEXT = f"""\
# fsqueue: who answers the company's calls. One file, for people and for commands such as `fsqueue group add` alike, which
# keep comments, order and layout. `fsqueue config check` says what is wrong with it. A key that isn't here has its default:
# `fsqueue config show` prints them all.

[switches.main]
# FreeSWITCH, over mod_event_socket.
host = "127.0.0.1"
port = 8021
# The password alone, in a file that only fsqueue's user can read; a relative path starts at this file's folder.
password_file = "{PASSWORD_FILE}"

[listen]
# Where the dialplan hands calls over: `fsqueue dialplan install` puts that into FreeSWITCH.
dialplan = "127.0.0.1:8084"

[telephony]
ring_seconds = 5     # what "a ring" is
pickup_code = "*8"   # takes what rings at a colleague; *81002 takes what rings at 1002
music = "local_stream://default"
"""


def make_password_file(config: Path) -> Path | None:
    """Write a random password beside *config* where there is none; return its file if it was written.

    Only its owner can read it; in a folder that an administrator has given to a group (the daemon's), that group too.
    """
    path = config.parent / PASSWORD_FILE  # where the daemon looks for it: beside the name, not behind a link
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    with open(handle, "w", encoding="ascii") as file:  # noqa: PTH123 - a handle, no path
        folder = path.parent.stat()
        if os.geteuid() == 0 and folder.st_gid != 0:
            # Without the right to give it away it stays with who made it, which is safe.
            with contextlib.suppress(OSError):
                os.fchown(file.fileno(), -1, folder.st_gid)
                os.fchmod(file.fileno(), 0o640)
        file.write(secrets.token_urlsafe(24) + "\n")
    return path
