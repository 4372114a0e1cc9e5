"""A stand-in for the daemon's control socket: it answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec


class StandIn:
    """Answers by method and path; what it wasn't told is not found."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: dict[tuple[str, str], tuple[int, object]] = {
            ("POST", "/v1/reload"): (200, {"done": "it was taken over", "warnings": []})
        }

    def say(self, method: str, path: str, answer: object, status: int = 200) -> None:
        self.answers[method, path] = (status, answer)

    def told(self, method: str) -> list[tuple[str, Any]]:
        return [(path, body) for verb, path, body in self.asked if verb == method]


class _Handler(BaseHTTPRequestHandler):
    daemon: StandIn

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.daemon.asked.append((self.command, self.path, msgspec.json.decode(body) if body else None))
        missing = {"code": "not_found", "error": f"there is no {self.path}", "remedy": "look at what there is"}
        status, answer = self.daemon.answers.get((self.command, self.path), (404, missing))
        data = msgspec.json.encode(answer)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = _answer  # noqa: N815 - the name that http.server looks for
    do_POST = _answer  # noqa: N815

    def address_string(self) -> str:
        return "here"

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def daemon_at(path: Path) -> Iterator[StandIn]:
    """Listen at *path* while the test runs."""
    found = StandIn()
    handler = type("Handler", (_Handler,), {"daemon": found})
    with socketserver.ThreadingUnixStreamServer(str(path), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
