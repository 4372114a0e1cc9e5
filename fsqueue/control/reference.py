"""The page on the control API, made from its endpoints: ``python -m fsqueue.control.reference > docs/api.md``."""

from __future__ import annotations

import sys

import msgspec

from fsqueue.control.app import MAX_WATCHERS
from fsqueue.control.endpoints import ENDPOINTS, EVENTS_PATH, METRICS_PATH, Endpoint
from fsqueue.control.openapi import document
from fsqueue.control.protocol import MAX_BODY, STATUS, EventQuery

_HEAD = f"""\
# The API

HTTP/1.1 and JSON over the Unix socket `/run/fsqueue/control.sock` (mode 0660, the group of `[control]`), and over TCP with
`Authorization: Bearer TOKEN`, if `[control]` says so. This page is made from the endpoints; `GET /openapi.json` is the same for programs,
with every field. Times are epoch seconds, durations seconds. A body has at most {MAX_BODY // 1024} kB.

What is not carried out is answered by an object with `code` (for programs), `error` (what is wrong), `remedy` (what to do) and `details`:

| status | `code` |
|---|---|
"""

_STREAM = f"""\

## The stream

`GET {EVENTS_PATH}` with {{query}}: what happens, one JSON object a line, for as long as the connection stands; at most
{MAX_WATCHERS} at a time. `"type": "event"` is something that happened, `"type": "notice"` is the stream's own: `heartbeat` every 15
seconds of silence, `missed` where events are not kept any more, `dropped` for who reads too slowly, `ending` when the daemon ends.

## Metrics

`GET {METRICS_PATH}`: the figures to alert on, as OpenMetrics text.
"""


def page() -> str:
    """Return the page."""
    codes: dict[int, list[str]] = {}
    for code, status in STATUS.items():
        codes.setdefault(status, []).append(f"`{code}`")
    parts = [_HEAD, *(f"| {status} | {', '.join(names)} |\n" for status, names in sorted(codes.items()))]
    parts.append("\n## Asking and telling\n\n| | takes | gives | |\n|---|---|---|---|\n")
    parts += [_row(endpoint) for endpoint in ENDPOINTS]
    parts.append(_STREAM.format(query=_fields(EventQuery)))
    return "".join(parts)


def _row(endpoint: Endpoint) -> str:
    takes = _fields(endpoint.body if endpoint.changes else endpoint.query)
    given = ", ".join(f"`{name}`" for name in endpoint.gives.__struct_fields__)
    return f"| `{endpoint.method} {endpoint.path}` | {takes} | {given} | {endpoint.summary} |\n"


def _fields(kind: type[msgspec.Struct]) -> str:
    """Return the fields of *kind*, with what each may be where that is little."""
    told = []
    schemas = msgspec.json.decode(document(""))["components"]["schemas"]
    for name in kind.__struct_fields__:
        values = schemas[kind.__name__]["properties"][name].get("enum")
        few = values is not None and len(values) <= 3
        told.append(f"`{name}` ({', '.join(map(str, values))})" if few else f"`{name}`")
    return ", ".join(told)


if __name__ == "__main__":
    sys.stdout.write(page())
