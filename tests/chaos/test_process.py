"""What the runs on processes are made of: the plan of troubles, the wire, and a daemon that breaks its rules."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from random import Random

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from .freeswitch_run import OTHERS, troubles_of
from .process_run import broken_program
from .proxy import Proxy
from .troubles import KILL


def test_each_trouble_comes_with_the_kills_and_the_same_seed_gives_the_same_order() -> None:
    kinds = troubles_of(Random(1), 20)
    assert kinds.count(KILL) == 20
    assert {*kinds} == {KILL, *OTHERS}
    assert kinds == troubles_of(Random(1), 20) != troubles_of(Random(2), 20)


@pytest.mark.parametrize(("way", "code"), [("drop-caller", 0), ("no-such-way", 1)])
def test_a_daemon_with_broken_rules_is_the_products_own_program_otherwise(way: str, code: int) -> None:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*broken_program(way), "--version"], env=environ, capture_output=True, check=False)
    assert done.returncode == code


@pytest.fixture
def wire() -> Iterator[tuple[Proxy, socket.socket]]:
    """A proxy before somebody who repeats all he hears, and a connection through it."""

    def repeat(sock: socket.socket, _peer: object) -> None:
        while data := sock.recv(100):
            sock.sendall(data)

    server = StreamServer(("127.0.0.1", 0), repeat)
    server.start()
    proxy = Proxy(int(server.server_port or 0))
    proxy.start()
    with socket.create_connection(("127.0.0.1", proxy.port)) as sock:
        sock.settimeout(5.0)
        yield proxy, sock
    proxy.stop()
    server.stop(timeout=1)


def test_a_wire_that_is_well_passes_everything_on(wire: tuple[Proxy, socket.socket]) -> None:
    _, sock = wire
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"


def test_a_silent_wire_passes_nothing_on_and_then_all_of_it(wire: tuple[Proxy, socket.socket]) -> None:
    proxy, sock = wire
    proxy.silence()
    sock.sendall(b"hello")
    sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        sock.recv(100)
    sock.settimeout(5.0)
    proxy.well()
    assert sock.recv(100) == b"hello"


def test_a_slow_wire_is_slow_both_ways(wire: tuple[Proxy, socket.socket]) -> None:
    proxy, sock = wire
    proxy.delay = 0.05
    began = time.monotonic()
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"
    assert time.monotonic() - began >= 0.1


def test_a_cut_wire_ends_at_once_and_one_that_refuses_takes_nobody(wire: tuple[Proxy, socket.socket]) -> None:
    proxy, sock = wire
    sock.sendall(b"hello")
    assert sock.recv(100) == b"hello"
    proxy.cut()
    assert sock.recv(100) == b""
    proxy.refusing = True
    with socket.create_connection(("127.0.0.1", proxy.port)) as another:
        another.settimeout(5.0)
        gevent.sleep(0)
        assert another.recv(100) == b""
