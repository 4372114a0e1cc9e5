from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsqueue.esl import commands
from fsqueue.esl.errors import LocalProtocolError
from fsqueue.esl.framing import Command, CommandReader
from tests.esl import captures


def rebuild(command: Command) -> bytes | None:
    """The same command by its builder, or None for what has none."""
    verb, _, rest = command.line.partition(" ")
    first, _, later = rest.partition(" ")
    match verb:
        case "auth":
            return commands.auth(rest)
        case "api":
            return commands.api(first, later)
        case "bgapi":
            return commands.bgapi(first, later, job=command.headers["Job-UUID"])
        case "connect":
            return commands.connect()
        case "exit":
            return commands.exit_()
        case "noevents":
            return commands.noevents()
        case "linger":
            return commands.linger(int(rest) if rest else None)
        case "filter":
            return commands.filter_delete(later) if first == "delete" else commands.filter_(first, later)
        case "event" if first == "json" and "NO_SUCH" not in rest:
            names, _, subclasses = later.partition(" CUSTOM ")
            return commands.events(names.split(), subclasses.split())
        case "sendmsg" if command.headers.get("call-command") == "execute":
            argument = command.headers.get("execute-app-arg", "")
            return commands.execute(command.headers["execute-app-name"], argument, uuid=rest)
    return None


@pytest.mark.parametrize("name", captures.names())
def test_builders_write_what_the_captured_client_wrote(name: str) -> None:
    for data in captures.sent(name):
        [command] = CommandReader().feed(data)
        built = rebuild(command)
        assert built in (None, data)


def test_most_captured_commands_have_a_builder() -> None:
    every = [CommandReader().feed(data)[0] for name in captures.names() for data in captures.sent(name)]
    assert sum(rebuild(command) is not None for command in every) > 0.9 * len(every)


def test_each_command_has_these_bytes() -> None:
    assert commands.auth("pä ss") == "auth pä ss\n\n".encode()
    assert (
        commands.events(["CHANNEL_ANSWER"], ["fsqueue::hold"]) == b"event json CHANNEL_ANSWER CUSTOM fsqueue::hold\n\n"
    )
    assert commands.filter_("Event-Subclass", "/^(sofia|vm)::/") == b"filter Event-Subclass /^(sofia|vm)::/\n\n"
    assert commands.bgapi("originate", "{a=b}user/1 &park()", job="j1") == (
        b"bgapi originate {a=b}user/1 &park()\nJob-UUID: j1\n\n"
    )
    assert commands.execute_locked("answer", uuid="u1") == (
        b"sendmsg u1\ncall-command: execute\nexecute-app-name: answer\nevent-lock: true\n\n"
    )
    assert commands.hangup("USER_BUSY") == b"sendmsg\ncall-command: hangup\nhangup-cause: USER_BUSY\n\n"
    assert commands.linger(5) == b"linger 5\n\n"
    assert commands.myevents(uuid="u") == b"myevents json u\n\n"


BUILDERS = {
    "auth": commands.auth,
    "api": lambda text: commands.api("x", text),
    "api's name": lambda text: commands.api(text, "x"),
    "bgapi": lambda text: commands.bgapi("x", text, job="j"),
    "bgapi's name": lambda text: commands.bgapi(text, job="j"),
    "bgapi's job": lambda text: commands.bgapi("x", job=text),
    "filter": lambda text: commands.filter_("x", text),
    "filter's header": lambda text: commands.filter_(text, "x"),
    "filter delete": lambda text: commands.filter_delete("x", text),
    "event": lambda text: commands.events([text]),
    "subclass": lambda text: commands.events([], [text]),
    "execute": commands.execute,
    "execute's argument": lambda text: commands.execute("x", text),
    "execute's uuid": lambda text: commands.execute("x", uuid=text),
    "execute locked": lambda text: commands.execute_locked("x", text),
    "hangup": commands.hangup,
    "hangup's uuid": lambda text: commands.hangup("X", uuid=text),
    "myevents": lambda text: commands.myevents(uuid=text),
}


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b", "\n", "a\n\napi status", "\ud800"])
def test_no_part_of_a_command_can_begin_another_line(builder: str, bad: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        BUILDERS[builder](bad)
    assert not re.search("api status", str(caught.value)), "what is refused is not quoted"


@given(st.sampled_from(sorted(BUILDERS)), st.text(max_size=40))
def test_any_text_makes_exactly_one_command_or_none(builder: str, text: str) -> None:
    try:
        data = BUILDERS[builder](text)
    except LocalProtocolError:
        return
    assert len(CommandReader().feed(data)) == 1
    assert data.count(b"\n\n") == 1
    assert data.endswith(b"\n\n")


@pytest.mark.parametrize("word", ["", "two words"])
def test_where_a_word_is_due_nothing_else_is_taken(word: str) -> None:
    for make in (commands.api, commands.execute, commands.hangup):
        with pytest.raises(LocalProtocolError):
            make(word)


def test_nonsense_is_refused() -> None:
    for make in (
        lambda: commands.linger(0),
        lambda: commands.events([]),
        lambda: commands.events(["CUSTOM"]),
        lambda: commands.auth(""),
        lambda: commands.filter_("x", " "),
    ):
        with pytest.raises(LocalProtocolError):
            make()
