"""Every key, table and list item has the line it stands on, however the file is written."""

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fsqueue.config.positions import lines_of
from fsqueue.config.problems import Path


def test_tables_keys_and_items_in_every_way_of_writing() -> None:
    text = '''# a comment with [brackets] and key = "value"
top = 1

[groups.sales]   # [groups.other]
name = "a ] # } , string"
members = [ # one per line
  "anna", 'jan',
  # "nobody",
  "ola",
]
unanswered.action = "group"
unanswered . "group" = "support"
[ groups . "sup\\u0070ort" ]
text = """
[not.a.table]
"quoted"" \\""" """
after = \'\'\'
it's\'\'\'\'
when = 1979-05-27 07:32:00Z # a date
inline = { a = 1, b.c = [ { d = 2 }, { d = 3 } ], "e" = {} }
[numbers."+48221234567"]
group = "sales"
[numbers.'#']
group = "sales"
[[list]]
x = 1
[[list]]
x = 2
[list.sub]
y = 3'''
    tomllib.loads(text)
    lines = lines_of(text)
    expected: dict[Path, int] = {
        ("top",): 2,
        ("groups",): 4,
        ("groups", "sales"): 4,
        ("groups", "sales", "members"): 6,
        ("groups", "sales", "members", 0): 7,
        ("groups", "sales", "members", 1): 7,
        ("groups", "sales", "members", 2): 9,
        ("groups", "sales", "unanswered"): 11,
        ("groups", "sales", "unanswered", "action"): 11,
        ("groups", "sales", "unanswered", "group"): 12,
        ("groups", "support"): 13,
        ("groups", "support", "text"): 14,
        ("groups", "support", "after"): 17,
        ("groups", "support", "when"): 19,
        ("groups", "support", "inline", "b", "c", 1, "d"): 20,
        ("groups", "support", "inline", "e"): 20,
        ("numbers",): 21,
        ("numbers", "+48221234567"): 21,
        ("numbers", "+48221234567", "group"): 22,
        ("numbers", "#"): 23,
        ("list", 0, "x"): 26,
        ("list", 1, "x"): 28,
        ("list", 1, "sub", "y"): 30,
    }
    assert {path: lines.get(path) for path in expected} == expected


def test_windows_line_ends_count_once() -> None:
    assert lines_of('[a]\r\nb = [\r\n  "c",\r\n]\r\nd = 1\r\n')[("a", "d")] == 5


def test_a_later_header_is_the_better_place_for_its_own_table() -> None:
    lines = lines_of('[groups.a.full]\naction = "hangup"\n[groups.a]\nrings = 4\n')
    assert lines[("groups", "a")] == 3
    assert lines[("groups", "a", "full")] == 1


def paths(value: Any, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [inner for key, item in value.items() for inner in paths(item, (*path, key))]
    if isinstance(value, list):
        found += [inner for place, item in enumerate(value) for inner in paths(item, (*path, place))]
    return found


scalars = st.sampled_from(
    ["1", '"a"', '"# ] } , \\" \'"', "'\"'", "1979-05-27 07:32:00", "true", '"""a\n"b" ""c"""', "''"]
)
space = st.sampled_from(["", " ", "\t"])
blank = st.sampled_from(["", " ", "\n", " # ] comment\n", "\n\n"])


def lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    items = st.lists(st.tuples(blank, inner, blank).map("".join), max_size=3)
    return st.tuples(items, blank).map(lambda pair: f"[{','.join(pair[0])}{pair[1]}]")


def inline_tables(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    keys = st.sampled_from(["a", "b.c", '"d e"', "'#'", "f . g"])
    pairs = st.lists(st.tuples(keys, space, inner), max_size=3, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: "{" + ",".join(f" {key}{gap}={value} " for key, gap, value in found) + "}")


values = st.recursive(scalars, lambda inner: lists(inner) | inline_tables(inner), max_leaves=8)


@given(st.lists(st.tuples(blank, space, values, st.sampled_from(["", " # x = 1"])), max_size=6))
def test_whatever_the_parser_takes_has_a_place_for_every_path(pairs: list[tuple[str, str, str, str]]) -> None:
    text = "".join(f"{before}\n{gap}k{n} = {value}{after}\n" for n, (before, gap, value, after) in enumerate(pairs))
    data = tomllib.loads(text)
    lines = lines_of(text)
    assert sorted(map(repr, lines)) == sorted(map(repr, paths(data)))
    rows = text.split("\n")
    assert all(f"k{n} =" in rows[lines[(f"k{n}",)] - 1] for n in range(len(pairs)))
