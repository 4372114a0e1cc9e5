"""Steps: voicemail and hang-up, and how each says that it is done."""

from __future__ import annotations

import pytest

from fsqueue.engine.messages import CallerGone, Drop, Send, StepDone
from fsqueue.engine.model import HangUp, Voicemail
from tests.switch.bench import CALLER, Bench, leg


def in_mailbox() -> Bench:
    b = Bench()
    b.waiting()
    b.give(Send("c1", leg(), Voicemail("1000@lab")))
    return b


@pytest.mark.parametrize(("length", "seconds"), [("00:00:09", 9), ("01:02:03", 3723), ("9", 9)])
def test_a_message_left_says_how_long_it_is(length: str, seconds: int) -> None:
    b = in_mailbox()
    b.wait(12)
    assert b.see("CHANNEL_HANGUP") == []
    done = b.see("CHANNEL_HANGUP_COMPLETE", voicemail_length=length, hangup_cause="NORMAL_CLEARING")
    assert done == [StepDone(call="c1", ok=True, detail=f"message of {seconds} s")]


def test_a_hang_up_in_the_greeting_leaves_no_message_and_is_no_failure() -> None:
    b = in_mailbox()
    b.wait(0.5)
    b.see("CHANNEL_HANGUP", hangup_disposition="recv_bye")
    done = b.see("CHANNEL_HANGUP_COMPLETE", hangup_disposition="recv_bye")
    assert done == [StepDone(call="c1", ok=True, detail="no message")]


def test_a_mailbox_that_ends_the_call_at_once_has_failed() -> None:
    b = in_mailbox()
    b.see("CHANNEL_HANGUP", hangup_disposition="send_bye")
    (done,) = b.see("CHANNEL_HANGUP_COMPLETE", hangup_disposition="send_bye", hangup_cause="NORMAL_CLEARING")
    assert isinstance(done, StepDone)
    assert not done.ok


def test_a_length_that_never_comes_does_not_keep_the_step_open() -> None:
    b = in_mailbox()
    b.wait(5)
    b.see("CHANNEL_HANGUP")
    assert b.wait(1.1) == [StepDone(call="c1", ok=True, detail="no message")]


@pytest.mark.parametrize("mailbox", ["1000", "1000@lab,hangup", "a b@lab"])
def test_a_mailbox_that_cannot_be_written_fails_the_step_and_keeps_the_caller(mailbox: str) -> None:
    b = Bench()
    b.waiting()
    (done,) = b.give(Send("c1", leg(), Voicemail(mailbox)))
    assert isinstance(done, StepDone)
    assert not done.ok
    assert not b.texts("uuid_transfer")


def test_a_transfer_that_the_switch_refuses_fails_the_step() -> None:
    b = Bench()
    b.waiting()
    b.answers["uuid_transfer"] = "-ERR No such channel!"
    assert b.give(Send("c1", leg(), Voicemail("1000@lab"))) == [
        StepDone(call="c1", ok=False, detail="-ERR No such channel!")
    ]


def test_a_hang_up_step_gives_its_cause() -> None:
    b = Bench()
    b.waiting()
    b.give(Send("c1", leg(), HangUp("USER_BUSY")))
    assert b.texts("uuid_transfer") == [f"uuid_transfer {CALLER} hangup:USER_BUSY inline"]
    assert b.see("CHANNEL_HANGUP", hangup_cause="USER_BUSY") == [StepDone(call="c1", ok=True, detail="USER_BUSY")]


def test_a_hang_up_step_does_not_wait_for_the_hold() -> None:
    b = Bench()
    b.arrive()
    b.give(b.hold(), Send("c1", leg(), HangUp()))
    assert b.texts("uuid_kill") == [f"uuid_kill {CALLER} NORMAL_CLEARING"]


def test_staff_can_end_a_call_in_its_mailbox() -> None:
    b = in_mailbox()
    b.give(Drop(leg(), "NORMAL_CLEARING"))
    assert b.see("CHANNEL_HANGUP") == [CallerGone(leg(), "NORMAL_CLEARING")]
