"""What all tests share: programs run beside them, and how long an example takes is no matter of theirs."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.beside import Beside, Done

# Beside others an example takes as long as the machine likes.
settings.register_profile("suite", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

BESIDE = pytest.StashKey[Beside]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that ask for a program behind all others, both in the (random) order that they have."""
    items.sort(key=lambda item: item.get_closest_marker("beside") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to run what is asked for: the long ones first, the others in the order in which they will be asked for."""
    marks = [mark for item in session.items if (mark := item.get_closest_marker("beside"))]
    marks.sort(key=lambda mark: -mark.kwargs.get("seconds", 0))
    if marks and not session.config.option.collectonly:
        session.config.stash[BESIDE] = Beside(list(dict.fromkeys(mark.args for mark in marks)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Leave nothing running, if the tests were ended before."""
    if BESIDE in session.config.stash:
        session.config.stash[BESIDE].close()


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> Done:
    """Return what came of the program that the test's mark `beside` asks for."""
    mark = request.node.get_closest_marker("beside")
    return request.config.stash[BESIDE].done(mark.args)
