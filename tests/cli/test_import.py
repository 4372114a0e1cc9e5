"""What other programs' queues become: configurations that check, with a note on each thing that has no equal."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from fsqueue_cli.exits import Exit
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.config.check import check_text
from tests.cli.shell import Shell

CALLCENTER = """\
<configuration name="callcenter.conf" description="CallCenter">
  <settings>
    <param name="odbc-dsn" value="pgsql://hostaddr=127.0.0.1 dbname=freeswitch"/>
  </settings>
  <queues>
    <queue name="helpdesk@default">
      <param name="strategy" value="longest-idle-agent"/>
      <param name="moh-sound" value="$${hold_music}"/>
      <param name="record-template" value="$${recordings_dir}/${uuid}.wav"/>
      <param name="time-base-score" value="system"/>
      <param name="max-wait-time" value="300"/>
      <param name="max-wait-time-with-no-agent" value="30"/>
      <param name="max-wait-time-with-no-agent-time-reached" value="5"/>
      <param name="tier-rules-apply" value="true"/>
      <param name="tier-rule-wait-second" value="60"/>
      <param name="discard-abandoned-after" value="60"/>
      <param name="abandoned-resume-allowed" value="true"/>
    </queue>
    <queue name="orders@default">
      <param name="strategy" value="ring-all"/>
      <param name="max-wait-time" value="0"/>
      <param name="announce-sound" value="wait.wav"/>
    </queue>
    <queue name="night@default"><param name="strategy" value="top-down"/></queue>
  </queues>
  <agents>
    <agent name="2001@default" type="callback" contact="[leg_timeout=15]user/2001@$${domain}" status="Available"
           max-no-answer="3" wrap-up-time="10" reject-delay-time="7" busy-delay-time="60"/>
    <agent name="2002@default" type="callback" contact="[leg_timeout=15,codec=PCMA]user/2002@$${domain}"
           status="On Break" max-no-answer="0" wrap-up-time="10" reject-delay-time="7"/>
    <agent name="mobile@default" type="uuid-standby" contact="sofia/gateway/out/48600100200" status="Logged Out"/>
  </agents>
  <tiers>
    <tier agent="2002@default" queue="helpdesk@default" level="1" position="2"/>
    <tier agent="2001@default" queue="helpdesk@default" level="1" position="1"/>
    <tier agent="mobile@default" queue="helpdesk@default" level="2" position="1"/>
    <tier agent="2001@default" queue="orders@default"/>
    <tier agent="gone@default" queue="orders@default"/>
  </tiers>
</configuration>
"""

QUEUES = """\
; the company's queues
[general]
persistentmembers = yes
autofill = yes
monitor-format = wav            ; as ever

[standard](!)                   ; a template
strategy = rrmemory
timeout = 15
retry = 5
wrapuptime = 10
ringinuse = no
musicclass = default

;--
[old]
member => SIP/1
--;

[helpdesk](standard)
musicclass = calm
maxlen = 20
weight = 5
servicelevel = 30
joinempty = unavailable,invalid
announce-frequency = 60
member => PJSIP/2001,0,Maria Lis
member => PJSIP/2002@pbx,1,Adam Sowa,PJSIP/2002
member => Local/2003@queue/n,0
member => DAHDI/g1/5551234

[orders](standard)
strategy = ringall
timeout = 0
autopause = yes
context = leave
member => PJSIP/2001

[line](standard)
strategy = linear
monitor-type = MixMonitor
monitor-format = wav

[orders](+)
member => SIP/2004
#include more.conf
"""

RING_GROUPS = """\
"ring_group_uuid","ring_group_name","ring_group_extension","ring_group_greeting","ring_group_call_timeout",\
"ring_group_strategy","ring_group_cid_name_prefix","ring_group_ringback","ring_group_missed_call_app",\
"ring_group_missed_call_data","ring_group_forward_enabled","ring_group_forward_destination","ring_group_timeout_app",\
"ring_group_timeout_data","ring_group_context","ring_group_enabled","ring_group_description","destinations"
"a1","Help, desk","7001","","30","simultaneous","Help: ","${us-ring}","email","boss@example.org","false","","transfer",\
"*992001 XML pbx.example.org","pbx.example.org","true","","2001|2002|48600100200"
"a2","Orders","7002","hello.wav","","sequence","","","","","true","48600","transfer","7001 XML pbx.example.org",\
"pbx.example.org","true","",2002
"a3","Night","7003","","60","rollover","","","","","","","hangup","USER_BUSY","pbx.example.org","true","","2003"
"a4","Boss","7004","","20","random","","","","","","","transfer","2001 XML pbx.example.org","pbx.example.org","true","","2002"
"a5","Odd","7005","","20","enterprise","","","","","","","lua","x.lua","pbx.example.org","true","","2002"
"a6","Closed","7006","","20","enterprise","","","","","","","","","pbx.example.org","false","","2002"
"""


def imported(shell: Shell, text: str, *options: str) -> tuple[dict[str, Any], str]:
    """What the printed TOML says, and its comments; it always checks."""
    source = shell.folder / "source"
    source.write_text(text, encoding="utf-8")
    result = shell.run("import", str(source), *options)
    assert result.exit_code == Exit.DONE, result.stderr
    checked = check_text(result.stdout, "imported")
    assert checked.configuration is not None
    notes = [line.removeprefix("# ") for line in result.stdout.splitlines() if line.startswith("# ")]
    said = [line.removeprefix("note: ") for line in result.stderr.splitlines()]
    assert [line for line in said if not any(line.endswith(note) for note in notes)] == [], (
        "what is told stands there too"
    )
    return tomllib.loads(result.stdout), "\n".join(notes)


def test_callcenter_queues_become_groups_of_the_same_agents(empty: Shell) -> None:
    data, _ = imported(empty, CALLCENTER, "--domain", "pbx.example.org")
    assert data["telephony"]["domain"] == "pbx.example.org"
    assert data["telephony"]["rest_seconds"] == 7
    assert data["members"]["2001"] == {"dial": "user/2001", "extension": "2001", "pause_after": 3}
    assert data["members"]["mobile"] == {"dial": "sofia/gateway/out/48600100200"}
    assert data["groups"]["helpdesk"] == {
        "name": "helpdesk", "distribution": "evenly", "max_wait_seconds": 300,
        "members": ["2001", "2002", "mobile"], "rings": 12,
    }  # fmt: skip
    assert data["groups"]["orders"] == {
        "name": "orders", "distribution": "to-all", "max_wait_seconds": 86400, "members": ["2001"],
        "wrap_up_seconds": 10, "rings": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    "note",
    [
        "odbc-dsn",
        "moh-sound $${hold_music}",
        "record-template",
        "max-wait-time-with-no-agent 30",
        "tier-rules-apply",
        "abandoned-resume-allowed",
        "max-wait-time 0",
        "announce-sound wait.wav",
        "strategy top-down",
        "variables codec=PCMA",
        "status On Break",
        "type uuid-standby",
        "status Logged Out",
        "busy-delay-time",
        "leg_timeout is said for some agents only",
        "wrap-up-time differs",
        "gone@default in orders@default",
        "telephony.domain is a stand-in",
    ],
)
def test_what_callcenter_has_and_we_have_not_is_noted(note: str, empty: Shell) -> None:
    text = CALLCENTER.replace('status="Logged Out"', 'status="Logged Out" wrap-up-time="0"')
    assert note in imported(empty, text)[1]


def test_asterisk_queues_become_groups(empty: Shell) -> None:
    data, _ = imported(empty, QUEUES, "--domain", "pbx.example.org")
    assert list(data["groups"]) == ["helpdesk", "orders", "line"], "templates and comments are no queues"
    assert data["groups"]["helpdesk"] == {
        "name": "helpdesk", "distribution": "evenly", "rings": 3, "wrap_up_seconds": 10, "max_waiting": 20,
        "priority": 5, "service_level_seconds": 30, "max_wait_seconds": 86400,
        "members": ["maria-lis", "2003", "adam-sowa"],
    }  # fmt: skip
    assert data["groups"]["orders"]["distribution"] == "to-all"
    assert data["groups"]["orders"]["rings"] == 60
    assert data["groups"]["orders"]["members"] == ["maria-lis", "2004"], "one person in two queues is one member"
    assert data["members"]["maria-lis"] == {
        "dial": "user/2001", "name": "Maria Lis", "extension": "2001", "pause_after": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "note",
    [
        "musicclass calm",
        "joinempty unavailable,invalid",
        "announce-frequency 60",
        "penalties 0, 1, 0",
        "DAHDI/g1/5551234: is no phone",
        "Local/2003@queue/n",
        "PJSIP/2002@pbx,1,Adam Sowa,PJSIP/2002: what follows the name",
        "strategy linear",
        "context leave",
        "retry",
        "monitor-format wav: recording is FreeSWITCH's",
        "general monitor-format = wav",
        "#include more.conf",
        "timeout of the dialplan's Queue()",
        "telephony.domain is a stand-in",
    ],
)
def test_what_asterisk_has_and_we_have_not_is_noted(note: str, empty: Shell) -> None:
    assert note in imported(empty, QUEUES)[1]


def test_fusionpbx_ring_groups_become_groups(empty: Shell) -> None:
    data, _ = imported(empty, RING_GROUPS)
    groups = data["groups"]
    assert data["telephony"]["domain"] == "pbx.example.org", "the context of the rows"
    assert list(groups) == ["help-desk", "orders", "night", "boss", "odd"]
    assert groups["help-desk"] == {
        "name": "Help, desk", "extension": "7001", "members": ["m2001", "m2002"], "distribution": "to-all", "rings": 6,
        "max_wait_seconds": 30, "prefix": "Help: ",
        "unanswered": {"action": "voicemail", "mailbox": "2001@pbx.example.org"},
    }  # fmt: skip
    assert groups["orders"]["distribution"] == "in-order"
    assert groups["orders"]["unanswered"] == {"action": "group", "group": "help-desk"}
    assert groups["night"]["unanswered"] == {"action": "hangup", "cause": "USER_BUSY"}
    assert groups["boss"]["unanswered"] == {"action": "forward", "member": "m2001"}
    assert groups["odd"]["unanswered"] == {"action": "hangup"}


@pytest.mark.parametrize(
    "note",
    [
        "48600100200 is no extension",
        "strategy random",
        "greeting hello.wav",
        "forward to 48600",
        "missed calls by email to boss@example.org",
        "ringback ${us-ring}",
        "timeout lua x.lua",
        "Closed (7006) is disabled",
        "delay and timeout of each destination",
    ],
)
def test_what_fusionpbx_has_and_we_have_not_is_noted(note: str, empty: Shell) -> None:
    assert note in imported(empty, RING_GROUPS)[1]


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        ("<configuration><queues>", "it is no XML", Exit.FAILED),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", "entities", Exit.FAILED),
        ("<configuration/>", "no <queues>", Exit.FAILED),
        ("[general]\na=b\n", "no queue", Exit.FAILED),
        ("ring_group_name\nx\n", "ring_group_extension", Exit.FAILED),
        ("what is this?", "--from", Exit.FAILED),
        ("", "--from", Exit.FAILED),
    ],
)
def test_what_can_not_be_read_is_told(text: str, said: str, code: Exit, empty: Shell) -> None:
    (empty.folder / "source").write_text(text, encoding="utf-8")
    result = empty.run("import", str(empty.folder / "source"))
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


def test_a_file_that_is_not_there_is_no_such_thing(empty: Shell) -> None:
    assert empty.run("import nothing.conf").exit_code == Exit.NO_SUCH_THING
    (empty.folder / "bytes").write_bytes(b"[q]\n\xff\xfe")
    assert "not UTF-8" in empty.run("import", str(empty.folder / "bytes")).stderr


HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(HOSTILE, HOSTILE, HOSTILE, st.integers(-5, 10**8))
def test_whatever_stands_in_queues_conf_the_toml_is_one_that_checks(
    name: str, member: str, music: str, number: int
) -> None:
    from fsqueue_cli.moving import queues_conf

    text = f"[q{name}]\nstrategy={name}\ntimeout={number}\nmusicclass={music}\nmember => PJSIP/2001,{number},{member}\n[z]\n"
    checked = check_text(queues_conf.read(text, "").toml(), "imported")
    assert checked.configuration is not None, checked.problems


@given(HOSTILE, HOSTILE, HOSTILE, st.integers(-5, 10**8))
def test_whatever_stands_in_ring_groups_the_toml_is_one_that_checks(
    name: str, data: str, prefix: str, number: int
) -> None:
    import csv
    import io

    from fsqueue_cli.moving import ring_groups

    out = io.StringIO()
    columns = ["name", "extension", "call_timeout", "cid_name_prefix", "timeout_app", "timeout_data", "greeting"]
    rows = csv.writer(out)
    rows.writerow([*(f"ring_group_{column}" for column in columns), "destinations"])
    rows.writerow([name, "7001", number, prefix, "transfer", data, prefix, f"2001|{data}"])
    rows.writerow([data, "7002", number, prefix, "voicemail", f"default {name} {data}", "", "2001|2002"])
    checked = check_text(ring_groups.read(out.getvalue(), "").toml(), "imported")
    assert checked.configuration is not None, checked.problems


IN_XML = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=40)


@given(IN_XML, IN_XML, st.integers(-5, 10**8))
def test_whatever_stands_in_callcenter_conf_the_toml_is_one_that_checks(name: str, contact: str, number: int) -> None:
    from xml.etree import ElementTree

    from fsqueue_cli.moving import callcenter

    root = ElementTree.Element("configuration")
    queue = ElementTree.SubElement(ElementTree.SubElement(root, "queues"), "queue", {"name": name})
    for key in ("strategy", "moh-sound", "announce-sound"):
        ElementTree.SubElement(queue, "param", {"name": key, "value": contact})
    ElementTree.SubElement(queue, "param", {"name": "max-wait-time", "value": str(number)})
    agent = {"name": name, "contact": contact, "wrap-up-time": str(number), "reject-delay-time": str(number)}
    ElementTree.SubElement(ElementTree.SubElement(root, "agents"), "agent", agent)
    ElementTree.SubElement(ElementTree.SubElement(root, "tiers"), "tier", {"agent": name, "queue": name})
    checked = check_text(callcenter.read(ElementTree.tostring(root, encoding="unicode"), "").toml(), "imported")
    assert checked.configuration is not None, checked.problems
