"""A change touches nothing but what it changes: comments, order and layout are a person's and stay."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from fsqueue.config import edit
from fsqueue.config.check import check_text

SAMPLE = (Path(__file__).parents[2] / "conf" / "fsqueue.toml").read_text(encoding="utf-8")

HANDMADE = """\
# heading 1: by hand
groups = { sales = { members = [ 'anna' , "jan" ], rings = 4 }, support = {} }   # all on a line

members.anna = { dial = "user/1001@example.com" } # the boss
members.jan.dial = 'user/1002@example.com'
members.jan.name = 'Jan'   # not the boss

# heading 2

[numbers]
'+48221234567'.group = "sales" # old
"48221234568" = { group = 'support', priority = 5 }

# heading 3

[switches . "main"]
host = '127.0.0.1'

password = "x # y"   # in clear
# heading 4: at the end"""

UNORDERED = """\
[groups]
# heading 1: groups
sales.members = [ # who
    # the old ones
    "anna", "jan",
    # the new ones

    "ola"   # no comma here
]
sales.unanswered.action = "group"   # up
sales.unanswered.group = "support"

[members.anna]
dial = "user/1001@example.com"

# heading 4: out of order

  [groups.support.unanswered]   # before its group
  action = "hangup"

[members.jan]
dial = "user/1002@example.com"
# extension = "1002"

[groups.support]
members = []
# rings = 5

# heading 5: more members
[members.ola]
dial = "user/1003@example.com"

[switches.main]
host = "127.0.0.1"
password = "x"
[numbers."+48221234567"]
group = "sales"
"""
LAYOUTS = {
    "sample": SAMPLE,
    "handmade": HANDMADE,
    "unordered": UNORDERED,
    "windows": UNORDERED.replace("\n", "\r\n"),
    "empty": "",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layouts_are_right(layout: str) -> None:
    assert [problem for problem in check_text(LAYOUTS[layout], layout).problems if problem.severity == "error"] == []


Case = tuple[Callable[..., str], tuple[Any, ...], str, str]
GROUP = "[groups.sales]\nrings = 4 # four\n\n# next\n[groups.support]\n"
CASES: dict[str, Case] = {
    "a value keeps its comment": (
        edit.set_value, (("groups", "sales", "rings"), 6), GROUP, GROUP.replace("4 #", "6 #"),
    ),
    "a value keeps its quotes": (
        edit.set_value, (("telephony", "music"), "new"), "telephony.music = 'old' # x", "telephony.music = 'new' # x",
    ),
    "a text with a quote in it is written in double quotes": (
        edit.set_value, (("telephony", "music"), "it's"), "telephony.music = 'old'", 'telephony.music = "it\'s"',
    ),
    "a new key stands below the last of its table": (
        edit.set_value,
        (("groups", "sales", "pickup"), True),
        GROUP,
        "[groups.sales]\nrings = 4 # four\npickup = true\n\n# next\n[groups.support]\n",
    ),
    "a new key is as far in as the one above": (
        edit.set_value, (("telephony", "music"), "x"), "[telephony]\n\trest_seconds = 5",
        '[telephony]\n\trest_seconds = 5\n\tmusic = "x"\n',
    ),
    "a first key stands below its header": (
        edit.set_value, (("groups", "support", "rings"), 5), GROUP, GROUP + "rings = 5\n",
    ),
    "a key goes into the braces of its table": (
        edit.set_value, (("groups", "a", "rings"), 5), "groups = { a = { pickup = true } } # x\n",
        "groups = { a = { pickup = true, rings = 5 } } # x\n",
    ),
    "a key goes into empty braces": (
        edit.set_value, (("groups", "a", "rings"), 5), "groups.a = {}", "groups.a = { rings = 5 }",
    ),
    "a key is dotted where its table is": (
        edit.set_value, (("groups", "a", "rings"), 5), "groups.a.pickup = true # x\n\n[telephony]\n",
        "groups.a.pickup = true # x\ngroups.a.rings = 5\n\n[telephony]\n",
    ),
    "a group that was named by its step gets its header": (
        edit.set_value, (("groups", "a", "rings"), 5), '# a\n\n[groups.a.unanswered]\naction = "hangup"\n',
        '# a\n\n[groups.a]\nrings = 5\n\n[groups.a.unanswered]\naction = "hangup"\n',
    ),
    "a single table is made": (
        edit.set_value, (("telephony", "ring_seconds"), 6), "[groups.a]\n", "[groups.a]\n\n[telephony]\nring_seconds = 6\n",
    ),
    "an unset key takes its line": (
        edit.unset_value, (("groups", "sales", "rings"),), GROUP, "[groups.sales]\n\n# next\n[groups.support]\n",
    ),
    "an unset key takes its comma": (
        edit.unset_value, (("groups", "a", "rings"),), "groups.a = { rings = 5, pickup = true }",
        "groups.a = { pickup = true }",
    ),
    "an unset last key takes the comma before it": (
        edit.unset_value, (("groups", "a", "rings"),), "groups.a = { pickup = true, rings = 5 }",
        "groups.a = { pickup = true }",
    ),
    "a new thing stands after the last of its kind, before the next heading": (
        edit.add, ("groups", "b", {"members": ("x", "y"), "rings": 5}), "[groups.a]\nrings = 4 # x\n\n# heading\n[telephony]\n",
        '[groups.a]\nrings = 4 # x\n\n[groups.b]\nmembers = ["x", "y"]\nrings = 5\n\n# heading\n[telephony]\n',
    ),
    "a comment right below a group's keys is the group's": (
        edit.add, ("groups", "b", {}), "[groups.a]\n# rings = 4\n\n[telephony]\n",
        "[groups.a]\n# rings = 4\n\n[groups.b]\n\n[telephony]\n",
    ),
    "the first thing of its kind ends the file": (
        edit.add, ("members", "anna", {"dial": "user/1@x"}), "[telephony]", '[telephony]\n\n[members.anna]\ndial = "user/1@x"\n',
    ),
    "a file can be begun": (edit.add, ("groups", "a", {}), "", "[groups.a]\n"),
    "a number is quoted where it must be": (
        edit.add, ("numbers", "+48", {"group": "a"}), "# x\n", '# x\n\n[numbers."+48"]\ngroup = "a"\n',
    ),
    "a thing is added as the others are written": (
        edit.add, ("groups", "b", {"rings": 5}), "groups = { a = {} }", "groups = { a = {}, b = { rings = 5 } }",
    ),
    "removing takes the thing and one gap": (
        edit.remove, ("groups", "a"), "[groups.a]\nrings = 4\n# was 3\n\n# b comes next\n[groups.b]\n",
        "# b comes next\n[groups.b]\n",
    ),
    "removing takes a thing's steps, wherever they stand": (
        edit.remove, ("groups", "a"),
        '[groups.a]\n[groups.b]\n\n# c\n[groups.a.unanswered]\naction = "hangup"\n\n[groups.c]\n',
        "[groups.b]\n\n# c\n\n[groups.c]\n",
    ),
    "removing from braces": (edit.remove, ("groups", "a"), "groups = { a = {}, b = {} } # x", "groups = { b = {} } # x"),
    "removing dotted keys": (
        edit.remove, ("groups", "a"), "groups.a.rings = 5\ngroups.a.pickup = true\ngroups.b.rings = 3\n",
        "groups.b.rings = 3\n",
    ),
    "a new name is written wherever the old one was": (
        edit.rename, ("groups", "a", "z"),
        "[groups.a] # a\n[groups.'a'.unanswered]\naction = \"group\"\ngroup = 'b'\n"
        '[groups.b]\nfull = { action = "group", group = "a" }\nmembers = ["a"]\n[numbers]\n1.group = "a" # a\n',
        "[groups.z] # a\n[groups.z.unanswered]\naction = \"group\"\ngroup = 'b'\n"
        '[groups.b]\nfull = { action = "group", group = "z" }\nmembers = ["a"]\n[numbers]\n1.group = "z" # a\n',
    ),
    "a member's new name is written in every list": (
        edit.rename, ("members", "a", "z"),
        "members.a.dial = 'user/1'\n[groups.a]\nmembers = ['a', # a\n  \"b\"]\n"
        "offline = { action = 'forward', member = 'a' }\n",
        "members.z.dial = 'user/1'\n[groups.a]\nmembers = [\"z\", # a\n  \"b\"]\n"
        "offline = { action = 'forward', member = \"z\" }\n",
    ),
    "a new step stands after its group": (
        edit.set_step, ("a", "full", {"action": "hangup"}), "[groups.a]\nrings = 4\n\n[groups.b]\n",
        '[groups.a]\nrings = 4\n\n[groups.a.full]\naction = "hangup"\n\n[groups.b]\n',
    ),
    "a step keeps the comments of what stays": (
        edit.set_step, ("a", "full", {"action": "voicemail", "mailbox": "1@x"}),
        '[groups.a.full] # when full\naction = "group" # how\ngroup = "b"\n',
        '[groups.a.full] # when full\naction = "voicemail" # how\nmailbox = "1@x"\n',
    ),
    "a step in braces stays in braces": (
        edit.set_step, ("a", "full", {"action": "hangup"}), 'groups.a.full = { action = "group", group = "b" } # x',
        'groups.a.full = { action = "hangup" } # x',
    ),
    "a group that was named by its step only stays when that goes": (
        edit.unset_step, ("a", "full"), '# a\n\n[groups.a.full]\naction = "hangup"\n', "# a\n\n[groups.a]\n",
    ),
    "a group that was named by a dotted key only stays when that goes": (
        edit.unset_value, (("groups", "a", "rings"),), "[groups]\n  a.rings = 5 # x\nb.rings = 4\n",
        "[groups]\n  a = {}\nb.rings = 4\n",
    ),
    "a group that was named so in braces stays": (
        edit.unset_value, (("groups", "a", "rings"),), "groups = { a.rings = 5, b = {} }", "groups = { a = {}, b = {} }",
    ),
    "a comment on a list's first line stays there": (
        edit.move, ("a", "x", 2), 'groups.a.members = [ # who\n  "x", "y", # both\n]\n',
        'groups.a.members = [ # who\n "y", # both\n  "x",\n]\n',
    ),
    "who joins stands at the end, in the list's own layout": (
        edit.join, ("a", "z"), 'members.z = {}\n[groups.a]\nmembers = [\n\t"x", # ex\n\t"y"  # why\n]\n',
        'members.z = {}\n[groups.a]\nmembers = [\n\t"x", # ex\n\t"y",  # why\n\t"z",\n]\n',
    ),
    "who joins a list on one line stays on it": (
        edit.join, ("a", "z"), "members.z = {}\ngroups.a.members = [ 'x' , 'y' ] # list\n",
        "members.z = {}\ngroups.a.members = [ 'x' , 'y', \"z\" ] # list\n",
    ),
    "who joins first": (
        edit.join, ("a", "z"), "members.z = {}\ngroups.a.members = [] # list\n",
        'members.z = {}\ngroups.a.members = ["z"] # list\n',
    ),
    "who joins a list of comments stands below them": (
        edit.join, ("a", "z"), "members.z = {}\ngroups.a.members = [\n  # nobody yet\n]\n",
        'members.z = {}\ngroups.a.members = [\n  # nobody yet\n    "z",\n]\n',
    ),
    "who joins a group without a list": (
        edit.join, ("a", "z"), "members.z = {}\n[groups.a]\n", 'members.z = {}\n[groups.a]\nmembers = ["z"]\n',
    ),
    "who leaves takes his comment, not the one above": (
        edit.leave, ("a", "y"), 'groups.a.members = [\n  "x", # ex\n  # others:\n  "y", # why\n  "z",\n]\n',
        'groups.a.members = [\n  "x", # ex\n  "z",\n  # others:\n]\n',
    ),
    "who is moved takes his comment along": (
        edit.move, ("a", "z", 1), 'groups.a.members = [\n  "x", # ex\n  "y",\n  "z" # zed\n]\n',
        'groups.a.members = [\n  "z", # zed\n  "x", # ex\n  "y",\n]\n',
    ),
    "who is moved on one line": (
        edit.move, ("a", "x", 9), 'groups.a.members = ["x", "y",  "z"]\n', 'groups.a.members = ["y", "z", "x"]\n',
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_edit(name: str) -> None:
    function, arguments, before, after = CASES[name]
    assert function(before, *arguments) == after
    windows = before.replace("\n", "\r\n")
    assert function(windows, *arguments).replace("\r\n", "\n") == after
    assert "\n" not in function(windows, *arguments).replace("\r\n", "") or "\n" not in before


REFUSED: list[tuple[Callable[..., str], tuple[Any, ...], type[edit.EditError], str]] = [
    (edit.set_value, (("groups", "none", "rings"), 4), edit.NoSuchThingError, "there is no group none"),
    (edit.unset_value, (("groups", "sales", "priority"),), edit.NoSuchThingError, "groups.sales.priority is not set"),
    (edit.add, ("groups", "sales", {}), edit.AlreadyThereError, "there is a group sales already"),
    (edit.remove, ("members", "none"), edit.NoSuchThingError, "there is no member none"),
    (edit.remove, ("numbers", "none"), edit.NoSuchThingError, "there is no number none"),
    (edit.rename, ("groups", "none", "x"), edit.NoSuchThingError, "there is no group none"),
    (edit.rename, ("groups", "none", "none"), edit.NoSuchThingError, "there is no group none"),
    (edit.rename, ("groups", "sales", "support"), edit.AlreadyThereError, "there is a group support already"),
    (edit.set_step, ("none", "full", {"action": "hangup"}), edit.NoSuchThingError, "there is no group none"),
    (edit.unset_step, ("sales", "full"), edit.NoSuchThingError, "groups.sales.full is not set"),
    (edit.join, ("sales", "none"), edit.NoSuchThingError, "there is no member none"),
    (edit.leave, ("sales", "ewa"), edit.NoSuchThingError, "ewa is not in the group sales"),
    (edit.move, ("sales", "ewa", 1), edit.NoSuchThingError, "ewa is not in the group sales"),
]


@pytest.mark.parametrize(("function", "arguments", "error", "message"), REFUSED)
def test_what_cannot_be_done_is_said(
    function: Callable[..., str], arguments: tuple[Any, ...], error: type[edit.EditError], message: str
) -> None:
    with pytest.raises(error) as caught:
        function(SAMPLE, *arguments)
    assert str(caught.value) == message


def test_what_is_in_use_is_not_removed_and_says_where() -> None:
    with pytest.raises(edit.StillReferredError) as caught:
        edit.remove(SAMPLE, "members", "ewa")
    assert str(caught.value) == "the member ewa is still in use: groups.support.members, groups.reception.waited.member"
    assert caught.value.references == (("groups", "support", "members", 1), ("groups", "reception", "waited", "member"))


def test_a_file_that_is_no_toml_is_not_edited() -> None:
    with pytest.raises(edit.TooUnusualError, match="no valid TOML"):
        edit.add("[groups", "groups", "a", {})


def test_a_layout_that_cannot_be_edited_safely_is_left_alone() -> None:
    with pytest.raises(edit.TooUnusualError, match="change it by hand"):
        edit.set_value("[[telephony]]\nx = 1\n", ("telephony", "x"), 2)


def test_nothing_to_do_is_nothing_done() -> None:
    assert edit.join(SAMPLE, "sales", "anna") == SAMPLE
    assert edit.move(SAMPLE, "sales", "anna", 1) == SAMPLE
    assert edit.rename(SAMPLE, "groups", "sales", "sales") == SAMPLE


def comments(text: str) -> list[str]:
    """The comments that stand on lines of their own as headings."""
    return sorted(
        line.strip() for line in text.splitlines() if line.strip().startswith(("# heading", "# --", "# Sales:"))
    )


def line_ends(text: str) -> list[str]:
    """All comments, those of strings left out: none of the layouts has one in a text but `y`."""
    return sorted(part.strip() for line in text.splitlines() for part in line.replace("x # y", "").split("#", 1)[1:])


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, tuple[Any, ...]]:
    """A change in words: what and with which names; names are picked from a small pool, so that they often meet."""
    group, other = draw(groups), draw(groups)
    member = draw(members)
    occasion = draw(st.sampled_from(["unanswered", "offline", "full", "waited"]))
    step = draw(
        st.sampled_from(
            [
                {"action": "hangup", "cause": "USER_BUSY"},
                {"action": "voicemail", "mailbox": "1@example.com"},
                {"action": "group", "group": other},
                {"action": "forward", "member": member, "timeout_seconds": 20},
            ]
        )
    )
    number = draw(st.sampled_from(["+48221234567", "48221234568", "+4912", "7"]))
    texts = draw(st.sampled_from(["plain", "it's", 'say "x"', "a \\ b", "x # y", "ż"]))
    dial = f"user/{draw(st.integers(2000, 2005))}@example.com"
    return draw(
        st.sampled_from(
            [
                ("set_value", (("groups", group, "rings"), draw(st.integers(1, 60)))),
                ("set_value", (("groups", group, "name"), texts)),
                ("set_value", (("telephony", "music"), texts)),
                ("set_value", (("members", member, "name"), texts)),
                ("set_value", (("groups", group, "members"), tuple(draw(st.lists(members, unique=True, max_size=4))))),
                ("add", ("groups", group, draw(st.sampled_from([{}, {"rings": 3, "name": texts}])))),
                ("add", ("members", member, {"dial": dial})),
                ("add", ("numbers", number, {"group": group})),
                ("rename", ("groups", group, other)),
                ("rename", ("members", member, draw(members))),
                ("set_step", (group, occasion, step)),
                ("join", (group, member)),
                ("move", (group, member, draw(st.integers(1, 4)))),
                ("leave", (group, member)),
                ("unset_value", (("groups", group, draw(st.sampled_from(["rings", "name", "members"]))),)),
                ("unset_step", (group, occasion)),
                ("remove", ("groups", group)),
                ("remove_with_references", ("groups", group)),
                ("remove_with_references", ("members", member)),
                ("remove", ("numbers", number)),
            ]
        )
    )


groups = st.sampled_from(["sales", "support", "reception", "night"])
members = st.sampled_from(["anna", "jan", "ola", "ewa", "new"])
KEEP_ALL = {"set_value", "add", "rename", "join", "move"}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(LAYOUTS)), st.lists(changes(), min_size=1, max_size=12))
def test_whatever_is_done_the_file_stays_a_persons_file(
    layout: str, history: list[tuple[str, tuple[Any, ...]]]
) -> None:
    text = LAYOUTS[layout]
    for name, arguments in history:
        try:
            changed = getattr(edit, name)(text, *arguments)
        except (edit.NoSuchThingError, edit.AlreadyThereError, edit.StillReferredError):
            continue
        assert comments(changed) == comments(text), (name, arguments)
        if name in KEEP_ALL and arguments[0][-1] != "members":
            assert line_ends(changed) == line_ends(text), (name, arguments)
        assert changed.count("\r\n") == (changed.count("\n") if layout == "windows" else 0)
        assert "\n\n\n\n" not in changed.replace("\r", "")
        checked = check_text(changed, "x")
        if checked.configuration is not None:  # what doesn't check is not written
            text = changed
    assert tomlkit.parse(text).unwrap() == tomllib.loads(text)
