"""Where things are: the configuration, the state, the files that came with the package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

DEFAULT_CONFIG = Path("/etc/fsqueue/fsqueue.toml")
SERVICE_STATE = Path("/var/lib/fsqueue")
SERVICE_SOCKET = Path("/run/fsqueue/control.sock")


def config_path(option: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the configuration file: ``--config``, else ``$FSQUEUE_CONFIG``, else the usual place."""
    return Path(option or environ.get("FSQUEUE_CONFIG") or DEFAULT_CONFIG)


def state_path(option: str | None, configured: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state folder: ``--state``, else ``daemon.state``, else what systemd gave, else the usual place.

    The usual place is /var/lib/fsqueue for root and for who may write there (the service's user), and below
    ``$XDG_STATE_HOME`` for everybody else.
    """
    if option or configured:
        return Path(option or configured or "")
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":", 1)[0])  # systemd separates several with colons; the first is ours
    if os.geteuid() == 0 or os.access(SERVICE_STATE, os.W_OK):
        return SERVICE_STATE
    home = environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "fsqueue"


def shared(name: str) -> Path:
    """Return a file or folder of ``conf/`` or ``dialplan/`` as it came with the package (``conf/fsqueue.toml``).

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    here = Path(__file__).resolve().parent
    for root in (here / "share", here.parent):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(f"{name} did not come with this installation of fsqueue; install it again")


# --- the control socket: found without reading the configuration --------------------------------------------------------


def listening_socket(option: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where a daemon listens for control: *option*, else ``$FSQUEUE_SOCKET``, else the usual place.

    The usual place is below /run/fsqueue for root and for who may write there (the service's user, to whom systemd
    gives it), and below ``$XDG_RUNTIME_DIR`` for everybody else.
    """
    if given := option or environ.get("FSQUEUE_SOCKET"):
        return Path(given)
    if os.geteuid() == 0 or os.access(SERVICE_SOCKET.parent, os.W_OK):
        return SERVICE_SOCKET
    return _own_socket(environ)


def control_socket(option: str | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where a daemon is found: *option*, else ``$FSQUEUE_SOCKET``, else the usual place where there is one.

    One's own daemon, below ``$XDG_RUNTIME_DIR``, is looked for only where no service listens.
    """
    if given := option or environ.get("FSQUEUE_SOCKET"):
        return Path(given)
    own = _own_socket(environ)
    return own if own.exists() and not SERVICE_SOCKET.exists() else SERVICE_SOCKET


def _own_socket(environ: Mapping[str, str]) -> Path:
    runtime = environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return Path(runtime) / "fsqueue" / "control.sock"
