"""No sequence of commands ever leaves a file that does not check, loses a comment, or changes it when refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fsqueue.config.check import check_text
from tests.cli.shell import COMMENTED, Shell

GROUPS = st.sampled_from(["sales", "support", "night", "new-1"])
MEMBERS = st.sampled_from(["anna", "jan", "ola", "ewa", "new-1"])
NUMBERS = st.sampled_from(["+48221234567", "48221234567", "+48500", "0048500"])
EXTENSIONS = st.sampled_from(["1001", "1002", "7001", "7002", "*8"])
STEPS = st.one_of(
    st.sampled_from(["wait", "hangup", "hangup:USER_BUSY", "voicemail:1@example.com", "wait:a,b.wav", "voicemail:x"]),
    st.builds("group:{}".format, GROUPS),
    st.builds("forward:{}".format, MEMBERS),
    st.builds("forward:+48601234567,timeout_seconds={}".format, st.integers(0, 400)),
)
TEXTS = st.text(max_size=8)


def option(name: str, values: st.SearchStrategy[object]) -> st.SearchStrategy[list[str]]:
    return st.builds(lambda value: [f"--{name}", str(value)], values)


GROUP_OPTIONS = st.lists(
    st.one_of(
        option("member", MEMBERS),
        option("rings", st.integers(-1, 70)),
        option("extension", EXTENSIONS),
        option("distribution", st.sampled_from(["evenly", "in-order", "to-all", "random"])),
        option("max-waiting", st.integers(0, 5)),
        option("name", TEXTS),
        option("prefix", TEXTS),
        option("unanswered", STEPS),
        option("offline", STEPS),
        option("full", STEPS),
        st.sampled_from([["--pickup"], ["--no-pickup"]]),
    ),
    max_size=3,
).map(lambda options: [word for one in options for word in one])
MEMBER_OPTIONS = st.lists(
    st.one_of(option("dial", MEMBERS.map("user/{}@example.com".format)), option("name", TEXTS)), max_size=2
).map(lambda options: [word for one in options for word in one])
UNSET = st.lists(st.sampled_from(["unanswered", "offline", "rings", "members", "extension"]), max_size=2).map(
    lambda keys: [word for key in keys for word in ("--unset", key)]
)


def words(*parts: object) -> st.SearchStrategy[list[str]]:
    """A command line of words, strategies of a word, and strategies of several."""
    strategies = [part if isinstance(part, st.SearchStrategy) else st.just(str(part)) for part in parts]
    return st.tuples(*strategies).map(
        lambda found: [word for part in found for word in (part if isinstance(part, list) else [part])]
    )


KEEPING = st.one_of(
    words("group", "add", GROUPS, GROUP_OPTIONS),
    words("group", "rename", GROUPS, GROUPS),
    words("member", "add", MEMBERS, "--dial", MEMBERS.map("user/{}@example.com".format)),
    words("member", "set", MEMBERS, MEMBER_OPTIONS),
    words("member", "rename", MEMBERS, MEMBERS),
    words("member", "join", MEMBERS, GROUPS),
    words("member", "move", MEMBERS, GROUPS, "--position", st.integers(1, 4).map(str)),
    words("number", "add", NUMBERS, "--group", GROUPS),
    words("number", "set", NUMBERS, "--group", GROUPS),
    words("pickup", st.sampled_from(["allow", "forbid"]), GROUPS),
    words("pickup", "code", EXTENSIONS),
)
"""Commands that remove nothing, so every comment stays."""

REMOVING = st.one_of(
    words("group", "set", GROUPS, GROUP_OPTIONS, UNSET),
    words("group", "remove", GROUPS, "--yes", st.sampled_from([[], ["--cascade"]])),
    words("member", "remove", MEMBERS, "--yes", st.sampled_from([[], ["--cascade"]])),
    words("member", "leave", MEMBERS, GROUPS),
    words("number", "remove", NUMBERS, "--yes"),
)
"""Commands after which the comments of what is gone may be gone."""

STANDING = [line for line in COMMENTED.splitlines() if line.startswith("#")]
"""Comments on lines of their own, which belong to nothing that a command could remove."""

ALL = [part.partition("#")[2] for part in COMMENTED.splitlines() if "#" in part]


def run_all(lines: list[list[str]], kept: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder))
        shell.write(COMMENTED)
        for line in lines:
            before = shell.read()
            result = shell.run("", *line)
            after = shell.read()
            assert check_text(after, "f").configuration is not None, line
            if result.exit_code != 0:
                assert after == before, line
            for comment in kept:
                assert comment in after, line
        assert [entry.name for entry in Path(folder).iterdir()] == ["fsqueue.toml"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(KEEPING, min_size=1, max_size=8))
def test_who_only_adds_and_changes_loses_no_comment(lines: list[list[str]]) -> None:
    run_all(lines, ALL)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(KEEPING, REMOVING), min_size=1, max_size=8))
def test_whatever_is_done_the_file_checks_and_keeps_its_headings(lines: list[list[str]]) -> None:
    run_all(lines, STANDING)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(KEEPING, REMOVING), min_size=1, max_size=4))
def test_a_dry_run_does_what_it_would_and_writes_nothing(lines: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder))
        shell.write(COMMENTED)
        for line in lines:
            before = shell.read()
            dry = shell.run("", *line, "--dry-run")
            assert shell.read() == before
            assert shell.run("", *line).exit_code == dry.exit_code, line
