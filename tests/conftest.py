"""Fixtures for several packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import cast

import pytest

from tests.engine.broken import WAYS


@pytest.fixture
def broken() -> Iterator[Callable[[str], None]]:
    """Break every engine for the rest of the test, in a way of `tests.engine.broken`."""
    with ExitStack() as stack:
        yield lambda way: stack.enter_context(cast("AbstractContextManager[None]", WAYS[way]()))
