"""What the configuration commands do and say, beside what their golden files hold."""

from __future__ import annotations

import fcntl
import os
import tomllib

import pytest
from fsqueue_cli.exits import Exit

from fsqueue.config.reading import load
from tests.cli.shell import COMMENTED, Shell

# --- beginning --------------------------------------------------------------------------------------------------------


def test_the_first_add_begins_a_file_that_the_daemon_takes(empty: Shell) -> None:
    result = empty.run("group add sales")
    assert result.exit_code == Exit.DONE
    assert result.stdout == ""
    loaded = load(empty.file)
    assert loaded.configuration is not None
    assert [problem.path for problem in loaded.problems] == ["groups.sales"], "it has no members yet, and that is all"
    assert tomllib.loads(empty.read())["groups"] == {"sales": {}}


def test_the_new_password_is_random_and_its_owners_alone(empty: Shell) -> None:
    empty.run("member add anna --dial user/1001@example.com")
    password = empty.folder / "esl-password"
    assert password.stat().st_mode & 0o077 == 0 or os.geteuid() == 0
    assert password.stat().st_mode & 0o007 == 0
    first = password.read_text(encoding="ascii")
    assert len(first.strip()) >= 32
    password.unlink()
    empty.file.unlink()
    empty.run("member add anna --dial user/1001@example.com")
    assert password.read_text(encoding="ascii") != first


def test_a_password_that_is_there_is_kept(empty: Shell) -> None:
    (empty.folder / "esl-password").write_text("ClueCon\n", encoding="ascii")
    result = empty.run("group add sales")
    assert (empty.folder / "esl-password").read_text(encoding="ascii") == "ClueCon\n"
    assert "password" not in result.stderr


def test_a_dry_run_begins_nothing(empty: Shell) -> None:
    result = empty.run("group add sales --dry-run")
    assert result.exit_code == Exit.DONE
    assert "+[groups.sales]" in result.stdout
    assert list(empty.folder.iterdir()) == []


@pytest.mark.parametrize("line", ["group set sales", "group list", "number add 1 --group sales", "config diff"])
def test_only_an_add_begins_a_file(line: str, empty: Shell) -> None:
    result = empty.run(line)
    assert result.exit_code == Exit.CONFIGURATION_INVALID
    assert "does not exist" in result.stderr
    assert list(empty.folder.iterdir()) == []


def test_no_folders_are_made_for_a_mistyped_name(empty: Shell) -> None:
    result = empty.run("group add sales --config", str(empty.folder / "not" / "there.toml"))
    assert result.exit_code == Exit.FAILED
    assert "create it first" in result.stderr
    assert list(empty.folder.iterdir()) == []


def test_the_usual_folder_is_made(empty: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = empty.folder / "etc" / "fsqueue" / "fsqueue.toml"
    monkeypatch.setattr("fsqueue_cli.changes.DEFAULT_CONFIG", usual)
    assert empty.run("group add sales --config", str(usual)).exit_code == Exit.DONE
    assert sorted(entry.name for entry in usual.parent.iterdir()) == ["esl-password", "fsqueue.toml"]


# --- changing ---------------------------------------------------------------------------------------------------------


def test_what_is_so_already_is_unchanged(shell: Shell) -> None:
    before = shell.file.stat().st_ino
    result = shell.run("group set sales --rings 4 --pickup --member anna --member jan")
    assert (result.exit_code, result.stderr) == (Exit.DONE, "unchanged\n")
    assert shell.file.stat().st_ino == before, "it is not even written anew"


def test_a_change_is_told_key_by_key(shell: Shell) -> None:
    said = shell.run("group set sales --rings 6 --unset pickup").stderr.splitlines()
    assert said[:2] == ["groups.sales.rings: 4 → 6", "groups.sales.pickup: true removed"]


def test_a_dry_run_shows_the_diff_and_writes_nothing(shell: Shell) -> None:
    result = shell.run("group set sales --rings 6 --dry-run")
    assert "-rings = 4                  # twenty seconds" in result.stdout.splitlines()
    assert "+rings = 6                  # twenty seconds" in result.stdout.splitlines()
    assert shell.read() == COMMENTED


def test_a_change_that_leaves_errors_is_refused_with_the_reason(shell: Shell) -> None:
    result = shell.run("group set support --distribution in-order")
    assert result.exit_code == Exit.REFUSED
    assert 'distribution = "in-order" needs the step unanswered' in result.stderr
    assert shell.read() == COMMENTED


def test_a_file_with_errors_is_changed_only_into_one_without(shell: Shell) -> None:
    broken = COMMENTED.replace('group = "support"', 'group = "nowhere"')
    shell.write(broken)
    result = shell.run("group set sales --rings 6")
    assert result.exit_code == Exit.CONFIGURATION_INVALID
    assert f"{shell.file}:38: groups.sales.unanswered.group:" in result.stderr
    assert shell.read() == broken
    assert shell.run("group set sales --unanswered group:support").exit_code == Exit.DONE


def test_a_file_that_is_no_toml_is_told_so(shell: Shell) -> None:
    shell.write("[groups.sales\n")
    result = shell.run("group set sales --rings 6")
    assert result.exit_code == Exit.CONFIGURATION_INVALID
    assert f"{shell.file}:1: file: no valid TOML" in result.stderr


def test_two_at_once_do_not_lose_a_change(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsqueue.config.write.locked.__wrapped__.__defaults__", (0.0, lambda _: None))
    handle = os.open(shell.folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        result = shell.run("group set sales --rings 6")
    finally:
        os.close(handle)
    assert result.exit_code == Exit.REFUSED
    assert "locked by another fsqueue command" in result.stderr
    assert shell.read() == COMMENTED


def test_a_change_by_hand_meanwhile_is_noticed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsqueue.config import write

    original = write.write

    def late(path: object, text: str, before: str | None) -> None:
        shell.write(COMMENTED + "# by hand\n")
        original(shell.file, text, before)

    monkeypatch.setattr(write, "write", late)
    result = shell.run("group set sales --rings 6")
    assert result.exit_code == Exit.REFUSED
    assert "has been changed since it was read" in result.stderr
    assert shell.read() == COMMENTED + "# by hand\n"


def test_permissions_stay_and_links_are_followed(shell: Shell) -> None:
    real = shell.folder / "real.toml"
    shell.file.rename(real)
    real.chmod(0o640)
    shell.file.symlink_to(real)
    assert shell.run("group set sales --rings 6").exit_code == Exit.DONE
    assert shell.file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert "rings = 6" in real.read_text(encoding="utf-8")


# --- removing ---------------------------------------------------------------------------------------------------------


def test_what_is_referred_to_is_not_removed_and_the_references_are_named(shell: Shell) -> None:
    result = shell.run("group remove support --yes")
    assert result.exit_code == Exit.REFUSED
    assert "groups.sales.unanswered.group" in result.stderr
    assert "--cascade" in result.stderr


@pytest.mark.parametrize(
    "line", ["group remove support --cascade", "member remove ola --cascade", "number remove 48221234567"]
)
def test_nothing_is_removed_where_nobody_can_say_yes(line: str, shell: Shell) -> None:
    result = shell.run(line)
    assert result.exit_code == Exit.REFUSED
    assert "--yes" in result.stderr
    assert shell.read() == COMMENTED


@pytest.mark.parametrize(("answer", "removed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_who_is_there_is_asked(answer: str, removed: bool, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fsqueue_cli.changes._somebody_is_here", lambda: True)
    result = shell.run("number remove +48221234567", answer=answer)
    assert result.exit_code == (Exit.DONE if removed else Exit.REFUSED)
    assert ("numbers" not in tomllib.loads(shell.read())) == removed
    assert result.stdout == ""


def test_a_missing_thing_is_told_before_anybody_is_asked(shell: Shell) -> None:
    result = shell.run("group remove slaes")
    assert result.exit_code == Exit.NO_SUCH_THING
    assert result.stderr == 'fsqueue: there is no group "slaes"; did you mean sales?\n'


def test_who_removes_more_than_fits_together_is_refused(shell: Shell) -> None:
    shell.run("group set sales --distribution in-order")
    result = shell.run("group remove support --cascade --yes")
    assert result.exit_code == Exit.REFUSED
    assert "needs the step unanswered" in result.stderr


# --- steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "table"),
    [
        ("voicemail:1000@example.com", {"action": "voicemail", "mailbox": "1000@example.com"}),
        ("forward:jan", {"action": "forward", "member": "jan"}),
        ("forward:+48601", {"action": "forward", "number": "+48601"}),
        ("forward:number=1002", {"action": "forward", "number": "1002"}),
        (
            "forward:+48601,timeout_seconds=20,key=1",
            {"action": "forward", "number": "+48601", "timeout_seconds": 20, "key": "1"},
        ),
        ("group:support", {"action": "group", "group": "support"}),
        ("wait", {"action": "wait"}),
        ("wait:/s/a,b.wav", {"action": "wait", "prompt": "/s/a,b.wav"}),
        ("wait,prompt=/s/a.wav", {"action": "wait", "prompt": "/s/a.wav"}),
        ("hangup", {"action": "hangup"}),
        ("hangup:USER_BUSY", {"action": "hangup", "cause": "USER_BUSY"}),
    ],
)
def test_every_step_can_be_said_in_a_word_and_is_shown_by_it(word: str, table: dict[str, object], shell: Shell) -> None:
    assert shell.run("group set sales --unanswered", word).exit_code == Exit.DONE
    assert tomllib.loads(shell.read())["groups"]["sales"]["unanswered"] == table
    shown = shell.json("group show sales")["unanswered"]
    assert shell.run("group set sales --unanswered", shown).stderr == "unchanged\n"


@pytest.mark.parametrize(
    ("word", "said", "code"),
    [
        ("voicemial:1@e.com", "did you mean voicemail?", Exit.USAGE),
        ("voicemail", "voicemail needs a mailbox", Exit.USAGE),
        ("forward", "forward needs a member or number", Exit.USAGE),
        ("forward:jan,timeout_seconds=301", "from 1 to 300 seconds", Exit.USAGE),
        ("forward:jan,cause=X", "cause doesn't go with forward", Exit.USAGE),
        ("forward:jan,key=1,key=2", "key is given twice", Exit.USAGE),
        ("hangup:BORED", '"BORED" is not known', Exit.USAGE),
        ("forward:jna", "did you mean jan?", Exit.NO_SUCH_THING),
        ("group:nowhere", 'there is no group "nowhere"', Exit.NO_SUCH_THING),
        ("group:sales", "calls would go in a circle: sales → sales", Exit.REFUSED),
        ("forward:jan,key=1", "only a number can be asked for a key", Exit.REFUSED),
    ],
)
def test_what_is_no_step_is_told_with_what_would_be(word: str, said: str, code: Exit, shell: Shell) -> None:
    result = shell.run("group set sales --unanswered", word)
    assert said in result.stderr
    assert result.exit_code == code
    assert shell.read() == COMMENTED


def test_only_unanswered_can_wait(shell: Shell) -> None:
    result = shell.run("group set sales --offline wait")
    assert result.exit_code == Exit.USAGE


def test_a_number_beside_a_member_of_that_name_stays_a_number(shell: Shell) -> None:
    shell.run("member add 600 --dial user/600@example.com")
    shell.run("group set sales --unanswered forward:number=600")
    assert shell.json("group show sales")["unanswered"] == "forward:number=600"


# --- renames, dialplan ------------------------------------------------------------------------------------------------


def test_a_rename_follows_in_all_places(shell: Shell) -> None:
    shell.run("group set sales --offline forward:jan")
    said = shell.run("member rename jan johann").stderr
    assert said.startswith("renamed the member jan to johann\n")
    data = tomllib.loads(shell.read())
    assert data["groups"]["sales"]["members"] == ["anna", "johann"]
    assert data["groups"]["sales"]["offline"]["member"] == "johann"


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("number add +48500 --group sales", True),
        ("group set sales --extension 7001", True),
        ("pickup code '*7'", True),
        ("pickup forbid sales", True),
        ("group set sales --rings 6", False),
        ("member join ola sales", False),
    ],
)
def test_a_change_says_when_the_dialplan_changes_with_it(line: str, needed: bool, shell: Shell) -> None:
    assert shell.json(f"{line} --dry-run")["dialplan_changed"] == needed


def test_the_dialplan_shown_is_that_of_the_configuration(shell: Shell) -> None:
    from fsqueue.facts import dialplan_facts
    from fsqueue.switch.dialplan import render, render_document, render_entry

    configuration = load(shell.file).configuration
    assert configuration is not None
    facts = dialplan_facts(configuration)
    assert shell.run("dialplan show").stdout == render(facts)
    assert shell.run("dialplan show --entry").stdout == render_entry(facts)
    assert shell.run("dialplan show --document").stdout == render_document(facts)
    assert shell.json("dialplan show")["entry_contexts"] == ["public", "default"]


def test_the_records_for_fusionpbx_come_with_a_word_on_the_contexts_name(shell: Shell) -> None:
    from fsqueue.facts import dialplan_facts
    from fsqueue.switch.dialplan import render_records

    configuration = load(shell.file).configuration
    assert configuration is not None
    shown = shell.run("dialplan show --fusionpbx")
    assert shown.stdout == render_records(dialplan_facts(configuration))
    assert "fsqueue@queues" in shown.stderr
    shell.write(
        shell.read() + '\n[telephony]\ncontext = "fsqueue@queues"\n'
        if "[telephony]" not in shell.read()
        else shell.read().replace("[telephony]", '[telephony]\ncontext = "fsqueue@queues"')
    )
    assert shell.run("dialplan show --fusionpbx").stderr == ""


# --- checking ---------------------------------------------------------------------------------------------------------


def test_check_prints_what_the_daemon_would_say(shell: Shell) -> None:
    shell.write(COMMENTED.replace("rings = 4 ", "rings = 99 ").replace('["ola"]', '["olla"]'))
    result = shell.run("config check")
    assert result.exit_code == Exit.CONFIGURATION_INVALID
    assert result.stdout == "".join(f"{problem}\n" for problem in load(shell.file).problems)
    assert len(result.stdout.splitlines()) >= 2


def test_strict_counts_warnings(shell: Shell) -> None:
    shell.write(COMMENTED.replace('["ola"]', "[]"))
    shell.file.chmod(0o600)
    assert shell.run("config check").exit_code == Exit.DONE
    strict = shell.run("config check --strict")
    assert strict.exit_code == Exit.CONFIGURATION_INVALID
    assert "groups.support: warning: has no members" in strict.stdout


def test_check_as_json_counts_what_there_is(shell: Shell) -> None:
    shell.file.chmod(0o600)
    found = shell.json("config check --strict")
    assert found == {
        "file": str(shell.file), "ok": True, "problems": [], "switches": 1, "groups": 2, "members": 3, "numbers": 1,
    }  # fmt: skip


def test_the_configuration_shown_means_what_the_file_means(shell: Shell) -> None:
    from fsqueue.config.check import check_text

    shown = shell.run("config show").stdout
    assert "secret" not in shown
    assert 'owner = "fsqueue"  # default' in shown
    again = check_text(shown.replace("[switches.main]\n", '[switches.main]\npassword = "secret"\n'), "shown")
    assert again.configuration == check_text(COMMENTED, "f").configuration


def test_the_schema_printed_is_the_one_published(shell: Shell) -> None:
    from fsqueue.config.schema import schema_text

    assert shell.run("config schema").stdout == schema_text()
