"""`fsqueue run`, which on SIGUSR1 writes down what is alive in it: `python -m tests.soak.counted FILE RUN-OPTIONS…`."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import gevent
import greenlet

from fsqueue.daemon import main


def count(place: Path) -> None:
    """Write the numbers of live greenlets and of objects by type, the most frequent first."""
    gc.collect()
    objects = gc.get_objects()
    alive = sum(1 for one in objects if isinstance(one, greenlet.greenlet) and not one.dead)
    types = Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in objects)
    said = {"greenlets": alive, "objects": len(objects), "types": dict(types.most_common(40))}
    whole = place.with_suffix(".new")
    whole.write_text(json.dumps(said))
    whole.replace(place)


if __name__ == "__main__":
    gevent.signal_handler(signal.SIGUSR1, count, Path(sys.argv[1]))
    os.environ.setdefault("FSQUEUE_SOCKET", str(Path(sys.argv[1]).with_name("control.sock")))
    sys.exit(main(sys.argv[2], sys.argv[3]))
