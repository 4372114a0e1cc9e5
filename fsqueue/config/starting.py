"""What of a configuration counts only from the next start on: places to listen at and to connect to, and whose the callers are."""

from __future__ import annotations

import msgspec

from fsqueue.config.model import Configuration

_DAEMON = ("owner", "state", "history_days")


def waiting_for_a_start(running: Configuration, wanted: Configuration) -> tuple[str, ...]:
    """Return the paths of what differs between *wanted* and what was *running* from the start, and can't be taken over since."""
    found = [f"daemon.{name}" for name in _DAEMON if getattr(running.daemon, name) != getattr(wanted.daemon, name)]
    for table, one, other in (("listen", running.listen, wanted.listen), ("control", running.control, wanted.control)):
        found += [f"{table}.{name}" for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    for switch in dict.fromkeys((*running.switches, *wanted.switches)):
        if running.switches.get(switch) != wanted.switches.get(switch):
            found.append(f"switches.{switch}")
    return tuple(found)


def as_started(running: Configuration, wanted: Configuration) -> Configuration:
    """Return *wanted* with whose the callers are as it is *running*: those on hold carry that owner's name."""
    return msgspec.structs.replace(wanted, daemon=msgspec.structs.replace(wanted.daemon, owner=running.daemon.owner))
