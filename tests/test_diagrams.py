"""The drawn diagrams are those of the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from fsqueue.engine import tables

SCRIPT = Path(__file__).parent.parent / "scripts" / "diagrams.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("diagrams", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert load().main(["--check"]) == 0


def test_a_changed_table_makes_the_page_out_of_date(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(tables.CALL, ("waiting", "answered"), tables.Row("connect", ("talking",)))
    assert load().main(["--check"]) == 1
    assert "run scripts/diagrams" in capsys.readouterr().err


def test_every_state_and_every_event_is_on_the_page() -> None:
    text = load().page()
    for _, states, events in tables.TABLES.values():
        assert all(word in text for word in (*states, *events))
