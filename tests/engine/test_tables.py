"""The transition tables as data: complete, and every state of them reached."""

from __future__ import annotations

import pytest

from fsqueue.engine import calls, offers
from fsqueue.engine.tables import TABLES


@pytest.mark.parametrize("machine", TABLES)
def test_every_state_has_a_row_or_an_explicit_ignored_for_every_event(machine: str) -> None:
    table, states, events = TABLES[machine]
    assert set(table) == {(state, event) for state in states for event in events}


@pytest.mark.parametrize("machine", TABLES)
def test_what_is_ignored_says_why_and_stays_where_it_is(machine: str) -> None:
    table, _, _ = TABLES[machine]
    for (state, _), row in table.items():
        if not row.do:
            assert row.why
            assert row.to == (state,)


@pytest.mark.parametrize("machine", TABLES)
def test_every_state_can_be_reached_and_rows_lead_only_to_states(machine: str) -> None:
    table, states, _ = TABLES[machine]
    assert {to for row in table.values() for to in row.to} <= set(states)
    reached = {states[0]}
    while more := {to for (state, _), row in table.items() if state in reached for to in row.to} - reached:
        reached |= more
    assert reached == set(states)


@pytest.mark.parametrize(("machine", "actions"), [("call", calls._ACTIONS), ("offer", offers._ACTIONS)])
def test_actions_and_rows_name_each_other(machine: str, actions: dict[str, object]) -> None:
    assert {row.do for row in TABLES[machine][0].values() if row.do} == set(actions)


@pytest.mark.parametrize(("machine", "state"), [("call", "ended"), ("offer", "over")])
def test_the_end_is_the_end(machine: str, state: str) -> None:
    table, _, events = TABLES[machine]
    assert all(table[state, event].do == "" for event in events)
