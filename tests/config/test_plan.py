"""What the engine is given of a configuration."""

from pathlib import Path

import pytest

from fsqueue.config.check import check_text
from fsqueue.config.model import Configuration, Member, identity, user_of_dial
from fsqueue.config.plan import to_plan
from fsqueue.engine.model import Forward, HangUp, Plan, ToGroup, Voicemail, Wait

HEAD = 'switches.main = { host = "127.0.0.1", password = "secret" }\n'
SAMPLE = Path(__file__).parents[2] / "conf" / "fsqueue.toml"


def configuration(text: str) -> Configuration:
    checked = check_text(HEAD + text, "x")
    assert checked.configuration is not None, checked.problems
    return checked.configuration


def plan(text: str) -> Plan:
    return to_plan(configuration(text))


def test_a_bare_group_has_the_defaults_of_the_rules() -> None:
    group = plan("[groups.sales]\n").groups["sales"]
    assert (group.id, group.name, group.distribution, group.rings, group.max_wait) == (
        "sales",
        "sales",
        "evenly",
        4,
        3600,
    )
    assert group.unanswered == Wait()


@pytest.mark.parametrize(
    ("keys", "rings", "max_wait"),
    [
        ("", 4, 3600),
        ('distribution = "to-all"', 12, 600),
        ('distribution = "to-all"\nunanswered.action = "hangup"', 12, 3600),
        ('distribution = "to-all"\nmax_wait_seconds = 60\nrings = 2', 2, 60),
        ('distribution = "in-order"\nunanswered.action = "hangup"', 4, 3600),
    ],
)
def test_rings_and_the_longest_wait_follow_from_the_distribution(keys: str, rings: int, max_wait: float) -> None:
    group = plan(f"[groups.sales]\n{keys}\n").groups["sales"]
    assert (group.rings, group.max_wait) == (rings, max_wait)


def test_every_kind_of_step_arrives() -> None:
    groups = plan("""
telephony.outbound = "sofia/gateway/provider/{number}"
telephony.caller_id_number = "+48221234567"
members.anna = { dial = "user/1001@example.com" }
[groups.a]
max_waiting = 3
unanswered = { action = "wait", prompt = "/wait.wav" }
offline = { action = "forward", number = "+48601234567", key = "1", caller_id = "own", timeout_seconds = 20 }
full = { action = "hangup", cause = "USER_BUSY" }
waited = { action = "group", group = "b" }
[groups.b]
unanswered = { action = "voicemail", mailbox = "1000@example.com" }
offline = { action = "forward", member = "anna" }
waited = { action = "hangup" }
""").groups
    assert groups["a"].unanswered == Wait("/wait.wav")
    assert groups["a"].offline == Forward(number="+48601234567", key="1", caller_id="own", timeout=20.0)
    assert groups["a"].full == HangUp("USER_BUSY")
    assert groups["a"].waited == ToGroup("b")
    assert groups["b"].unanswered == Voicemail("1000@example.com")
    assert groups["b"].offline == Forward(member="anna", timeout=30.0)
    assert groups["b"].waited == HangUp()
    assert groups["b"].full is None


def test_numbers_and_extensions_are_as_they_are_looked_up() -> None:
    found = plan(
        'groups.sales.extension = "007001"\nnumbers."+48221234567".group = "sales"\nnumbers."0049".group = "sales"\n'
    )
    assert list(found.numbers) == ["48221234567", "49"]
    assert [number.id for number in found.numbers.values()] == ["48221234567", "49"]
    assert found.groups["sales"].extension == "7001"


def test_the_telephony_of_the_rules_arrives() -> None:
    found = plan(
        'daemon.max_calls = 9\ntelephony = { ring_seconds = 6, rest_seconds = 7, max_forwards = 8, music = "m" }\n'
    )
    assert (found.ring, found.rest, found.max_forwards, found.music, found.max_calls) == (6.0, 7.0, 8, "m", 9)


@pytest.mark.parametrize(
    ("dial", "user", "domain", "who", "registers"),
    [
        ("user/1001@example.com", None, None, "1001@example.com", True),
        ("user/1001@Example.COM", None, "other.com", "1001@example.com", True),
        ("user/1001", None, "example.com", "1001@example.com", True),
        ("{a=b,c=d}[e=f]user/1001@example.com", None, None, "1001@example.com", True),
        ("user/1001@example.com", "1002", "example.com", "1002@example.com", True),
        ("sofia/gateway/provider/48601234567", None, "example.com", None, False),
        ("sofia/gateway/provider/48601234567", "1001@example.com", None, "1001@example.com", False),
        ("user/1001@example.com,user/1002@example.com", None, None, None, False),
        ("{broken user/1001", None, "example.com", None, False),
        ("user/", None, "example.com", None, False),
    ],
)
def test_a_member_is_the_user_that_is_named_or_dialled(
    dial: str, user: str | None, domain: str | None, who: str | None, registers: bool
) -> None:
    member = Member(name="anna", dial=dial, user=user)
    assert identity(member, domain) == who
    assert (user_of_dial(dial) is not None) is registers
    (given,) = to_plan(configuration_of(member, domain)).members.values()
    assert (given.user, given.registers) == (who or "", registers)


def configuration_of(member: Member, domain: str | None) -> Configuration:
    bare = Configuration(members={"anna": member})
    return Configuration(members=bare.members, telephony=type(bare.telephony)(domain=domain))


def test_the_sample_makes_a_plan_with_each_distribution() -> None:
    checked = check_text(SAMPLE.read_text(encoding="utf-8"), "x")
    assert checked.configuration is not None
    found = to_plan(checked.configuration)
    assert [group.distribution for group in found.groups.values()] == ["evenly", "in-order", "to-all"]
    assert all(member.user and member.registers and member.pause_after == 3 for member in found.members.values())
    assert found.groups["reception"].rings == 12
