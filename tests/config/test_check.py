"""Whatever stands in a file, checking it ends with a configuration or with problems, never with a crash."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fsqueue.config.check import check_text
from fsqueue.config.plan import to_plan
from fsqueue.config.settings import STEP, TABLES

SAMPLE = (Path(__file__).parents[2] / "conf" / "fsqueue.toml").read_text(encoding="utf-8")
NAMES = sorted(
    {setting.name for table in (*TABLES, STEP) for setting in table.settings} | {"unanswered", "full", "sales"}
)
WORDS = st.sampled_from(
    [*NAMES, "x y", "+48", "anna", "wait", "group", "in-order", "user/1001", "\x1b[2J", "*8", "00", "é"]
)


def holds_for(text: str) -> None:
    """The rules of every result: one line each, of printable characters, on a line that the file has."""
    configuration, problems = check_text(text, "fsqueue.toml")
    errors = [problem for problem in problems if problem.severity == "error"]
    assert (configuration is None) is bool(errors)
    for problem in problems:
        assert str(problem).isprintable()
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.problem
        assert problem.remedy
    if configuration is not None:
        plan = to_plan(configuration)
        assert len(plan.numbers) == len(configuration.numbers)
        for group in plan.groups.values():
            assert all(member in plan.members for member in group.members)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    holds_for(text)


@given(st.integers(0, len(SAMPLE)), st.integers(0, 30), st.text(alphabet="[]{}\"'=#.,\n\\ a1-", max_size=8))
def test_the_sample_with_a_piece_cut_out_or_put_in(at: int, length: int, new: str) -> None:
    holds_for(SAMPLE[:at] + new + SAMPLE[at + length :])


@st.composite
def tables(draw: st.DrawFn) -> str:
    """Valid TOML made of the words of a configuration, in places where they may make sense or none."""
    values = st.recursive(
        WORDS.map(lambda word: json.dumps(word, ensure_ascii=True))
        | st.sampled_from(["1", "61", "true", "0.5", "nan", "1979-05-27"]),
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
            | st.dictionaries(WORDS, inner, max_size=3).map(
                lambda items: "{" + ", ".join(f"{json.dumps(key)} = {value}" for key, value in items.items()) + "}"
            )
        ),
        max_leaves=6,
    )
    names = st.sampled_from([table.name for table in TABLES])
    rows = draw(st.dictionaries(names, st.dictionaries(WORDS, values, max_size=4), max_size=4))
    return "".join(
        f"[{name}]\n" + "".join(f"{json.dumps(key)} = {value}\n" for key, value in row.items())
        for name, row in rows.items()
    )


@settings(max_examples=200)
@given(tables())
def test_any_tables(text: str) -> None:
    holds_for(text)


def test_thousands_of_members_and_a_long_chain_of_groups_check() -> None:
    members = "".join(f'[members.m{n}]\ndial = "user/{n}@example.com"\nextension = "{n}"\n' for n in range(2000))
    groups = "".join(
        f'[groups.g{n}]\nmembers = ["m{n}"]\nunanswered = {{ action = "group", group = "g{n + 1}" }}\n'
        for n in range(1200)
    )
    last = '[groups.g1200]\nmembers = ["m1300"]\n'
    problems = check_text(members + groups + last, "x").problems
    assert {problem.severity for problem in problems} == {"warning"}
