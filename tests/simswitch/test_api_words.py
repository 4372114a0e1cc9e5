"""The words that the switch answers with are those of a real one (captured on FreeSWITCH 1.11)."""

from __future__ import annotations

import pytest

from fsqueue.simswitch.originate import braces, parse

from .conftest import Client, Lab

API = {
    "nosuchcommand x": "-ERR nosuchcommand Command not found!\n",
    "uuid_bridge a b": "-ERR Invalid uuid\n",
    "uuid_kill nope": "-ERR No such channel!\n",
    "uuid_transfer nope 1 XML x": "-ERR No such channel!\n",
    "originate": (
        "-USAGE: <call url> <exten>|&<application_name>(<app_args>) [<dialplan>] [<context>] [<cid_name>] [<cid_num>] [<timeout_sec>]\n"
    ),
    "originate user/nobody &park()": "-ERR SUBSCRIBER_ABSENT\n",
    "hash insert/fsqueue/alive/1": "+OK\n",
    "hash insert/fsqueue/alive/": "-ERR Usage: hash insert|insert_ifempty|select|delete|delete_ifmatch/realm/key[/value]\n",
    "reloadxml": "+OK [Success]\n",
    "uuid_exists nope": "false",
    "show channels as json": '{"row_count": 0}\n',
}

COMMANDS = {
    "nosuchverb": "-ERR command not found",
    "event json NO_SUCH_EVENT": "-ERR no keywords supplied",
    "filter Unique-ID x": "+OK filter added. [Unique-ID]=[x]",
    "filter delete all": "+OK filter deleted. [all][]",
    "nixevent CHANNEL_EXECUTE": "+OK events nixed",
    "noevents": "+OK no longer listening for events",
    "connect": "-ERR command not found",
}


@pytest.mark.parametrize("command", API)
def test_api_commands_answer_in_its_words(lab: Lab, command: str) -> None:
    assert lab.client.send(f"api {command}") == API[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_answer_in_its_words(lab: Lab, command: str) -> None:
    assert lab.client.send(command) == COMMANDS[command]


def test_messages_to_nobody_are_refused(lab: Lab) -> None:
    answer = lab.client.send("sendmsg nope", "call-command: execute", "execute-app-name: answer")
    assert answer == "-ERR invalid session id [nope]"


def test_nothing_is_done_before_the_log_in(lab: Lab) -> None:
    stranger = Client(lab.world.open())
    assert stranger.send("api status") == "-ERR command not found"
    stranger.send("auth wrong")
    assert [text for kind, text in stranger.frames if kind == "command/reply"] == [
        "-ERR command not found",
        "-ERR invalid",
    ]
    assert stranger.frames[-1][0] == "text/disconnect-notice"
    assert stranger.session.closed


def test_variables_are_read_and_written(lab: Lab) -> None:
    caller = lab.waiting()
    assert caller.leg is not None
    uuid = caller.leg.uuid
    assert lab.client.send(f"api uuid_getvar {uuid} no_such_variable") == "_undef_"
    assert lab.client.send(f"api uuid_setvar_multi {uuid} a=1;b=2") == "+OK\n"
    assert lab.client.send(f"api uuid_getvar {uuid} b") == "2"
    assert lab.client.send(f"api eval uuid:{uuid} ${{a}}-${{caller_id_number}}") == "1-5551"
    lab.client.send(f"api uuid_setvar {uuid} destination_number 7001")
    assert lab.client.send(f"api eval uuid:{uuid} ${{destination_number}}") == "7001"
    place = lab.client.send(f"api eval uuid:{uuid} ${{Caller-Destination-Number}}")
    assert place == next(leg for leg in lab.world.legs.values() if leg.uuid == uuid).destination != "7001"
    assert lab.client.send(f"api uuid_broadcast {uuid} tone_stream://x aleg") == "+OK Message sent\n"


def test_pipelined_commands_are_answered_in_order(lab: Lab) -> None:
    phone = lab.phone("1001")
    lab.client.frames.clear()
    lab.client.send(f"bgapi originate {{origination_uuid=m1}}sofia/internal/{phone.contact} &park()", "Job-UUID: j")
    for number in range(500):
        lab.client.send(f"api eval {number}")
    lab.run(0.1)
    assert [text for kind, text in lab.client.frames if kind.endswith(("reply", "response"))] == [
        "+OK Job-UUID: j",
        *map(str, range(500)),
    ]


def test_an_api_originate_keeps_its_connection_waiting(lab: Lab) -> None:
    phone = lab.phone("1001")
    lab.client.frames.clear()
    lab.client.send(f"api originate {{origination_uuid=m1,originate_timeout=3}}sofia/internal/{phone.contact} &park()")
    lab.client.send("api uuid_exists nope")
    lab.run(1)
    assert not [text for kind, text in lab.client.frames if kind == "api/response"]
    lab.run(3)
    assert [text for kind, text in lab.client.frames if kind == "api/response"] == ["-ERR NO_ANSWER\n", "false"]


def test_braces_hold_commas_in_quotes() -> None:
    assert braces("{a=1,b='x,y',c=p\\,q}rest") == ({"a": "1", "b": "x,y", "c": "p,q"}, "rest")


def test_an_order_says_whom_to_call_and_what_then() -> None:
    order = parse("{origination_uuid=u}sofia/internal/sip:1@h:5 'play_and_get_digits:1 1 1 1 # a b c 1,park' inline")
    assert order is not None
    assert (order.dial, [application for application, _ in order.actions]) == (
        "sofia/internal/sip:1@h:5",
        ["play_and_get_digits", "park"],
    )
    assert parse("{never closed user/1 &park()") is None
