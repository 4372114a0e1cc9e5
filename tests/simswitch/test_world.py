"""The whole world: the same history twice, faults where they are asked for, and many calls without a violation."""

from __future__ import annotations

from random import Random

import pytest

from fsqueue.simswitch.agenda import Agenda
from fsqueue.simswitch.faults import Fault
from fsqueue.simswitch.people import CallerScript, PhoneScript, Reaction
from fsqueue.simswitch.timing import Timing
from fsqueue.simswitch.witness import violations

from .conftest import Lab, LabMaker

EVENING = 600.0


def bridge_everybody(lab: Lab) -> None:
    """Be a very small daemon: ring the phones in turn for whoever is back in his hold, bridge who answers, withdraw after 8 s."""
    waiting: list[str] = []
    offers: dict[str, str] = {}
    count = 0
    read = 0
    free = [f"10{number:02d}@lab" for number in range(4)]
    while lab.world.now < 1_800_000_000.0 + EVENING:
        lab.run(0.02)
        for event in lab.client.events[read:]:
            read += 1
            leg, name = event.get("Unique-ID", ""), event.get("Event-Subclass") or event["Event-Name"]
            if name == "fsqueue::hold" and leg not in waiting and leg not in offers.values():
                waiting.append(leg)
            elif name == "CHANNEL_ANSWER" and leg in offers:
                lab.client.send(f"api uuid_bridge {offers[leg]} {leg}")
            elif name == "CHANNEL_HANGUP":
                waiting = [one for one in waiting if one != leg]
                for offer, caller in offers.items():
                    if caller == leg:
                        lab.client.send(f"api uuid_kill {offer} ORIGINATOR_CANCEL")
                if leg in offers:
                    free.append(event["Channel-Presence-ID"])
                    caller = offers.pop(leg)
                    if caller in lab.world.legs and event.get("Other-Leg-Unique-ID", "") == "":
                        waiting.append(caller)
        while waiting and free:
            count += 1
            user, caller = free.pop(0), waiting.pop(0)
            offers[f"m{count}"] = caller
            number = lab.world.legs[caller].caller_number
            phone = lab.world.registrar.phones[user][0]
            lab.offer(f"m{count}", phone, origination_caller_id_number=number, originate_timeout="8", park_timeout="20")


def evening(make_lab: LabMaker, seed: int) -> Lab:
    chance = Random(seed)
    lab = make_lab(seed=seed, timing=Timing(heartbeat=0))
    for number in range(4):
        reactions = tuple(
            chance.choice(
                (
                    Reaction(after=chance.uniform(0, 6), talk=chance.uniform(5, 30)),
                    Reaction(after=chance.uniform(0, 6), stays=chance.uniform(0, 0.15)),
                    Reaction(kind="reject", after=chance.uniform(0, 3)),
                    Reaction(kind="ignore"),
                )
            )
            for _ in range(12)
        )
        lab.world.phones(PhoneScript(user=f"10{number:02d}", domain="lab", reactions=reactions))
    for number in range(30):
        script = CallerScript(
            number=f"555{number:03d}",
            name="x",
            to="7001",
            at=chance.uniform(0, EVENING / 2),
            patience=chance.uniform(0, 120),
            talk=chance.choice((None, chance.uniform(0, 20))),
        )
        lab.world.call(script)
    bridge_everybody(lab)
    return lab


def test_the_same_seed_and_scripts_give_the_same_history(make_lab: LabMaker) -> None:
    one, two = evening(make_lab, 5), evening(make_lab, 5)
    assert len(one.client.events) > 200
    assert one.client.events == two.client.events
    assert one.world.sightings == two.world.sightings


def test_another_seed_gives_another_history(make_lab: LabMaker) -> None:
    assert evening(make_lab, 5).world.sightings != evening(make_lab, 6).world.sightings


@pytest.mark.parametrize("seed", range(4))
def test_an_evening_served_with_care_has_no_violations(make_lab: LabMaker, seed: int) -> None:
    lab = evening(make_lab, seed)
    assert violations(lab.world.sightings, tolerance=0.3, end=lab.world.now) == []
    gone = [one for one in lab.world.sightings if one.what == "gone"]
    assert len(gone) == 30
    assert len({one.who for one in lab.world.sightings if one.side == "caller" and one.what == "connected"}) > 5


def test_what_a_careless_daemon_does_is_seen_by_the_people(make_lab: LabMaker) -> None:
    lab = make_lab()
    first, second = lab.phone("1001", Reaction(after=0)), lab.phone("1002", Reaction(after=0))
    caller, other = lab.waiting(), lab.call("5552")
    lab.until("fsqueue::hold")
    assert caller.leg is not None
    for name, phone in (("m1", first), ("m2", second)):
        lab.offer(name, phone, origination_caller_id_number="5551")
        lab.until("CHANNEL_ANSWER", name)
        lab.client.send(f"api uuid_bridge {caller.leg.uuid} {name}")
        lab.until("CHANNEL_BRIDGE")
    lab.offer("m3", second, origination_caller_id_number="5552")
    lab.offer("m4", lab.phone("1003"), origination_caller_id_number="5552")
    lab.run(3)
    other.hang_up()
    lab.run(10)
    found = {(one.kind, one.who) for one in violations(lab.world.sightings, tolerance=0.3, end=lab.world.now)}
    assert found == {
        ("no end", "5551"),
        ("two phones keep one caller", "5551"),
        ("two calls on one phone", "1002@lab"),
        ("ringing for nobody", "1003@lab"),
    }


def test_dropped_events_are_never_heard(make_lab: LabMaker) -> None:
    lab = make_lab(faults=(Fault(kind="drop", of="CHANNEL_ANSWER"),))
    lab.waiting()
    assert not any("CHANNEL_ANSWER" in line for line in lab.told())


def test_a_fault_strikes_as_often_as_its_probability_says(make_lab: LabMaker) -> None:
    lab = make_lab(faults=(Fault(kind="drop", of="sofia::register", probability=0.5),))
    for number in range(100):
        lab.phone(f"{number}")
    lab.run(0.1)
    assert 30 < len(lab.client.events) < 70


def test_a_late_event_is_overtaken(make_lab: LabMaker) -> None:
    lab = make_lab(faults=(Fault(kind="delay", of="CHANNEL_CREATE", seconds=2),))
    lab.call()
    lab.run(3)
    assert [line.split()[0] for line in lab.told()] == [
        "CHANNEL_PARK",
        "CHANNEL_ANSWER",
        "fsqueue::hold",
        "CHANNEL_CREATE",
    ]


def test_a_doubled_event_comes_twice_with_one_sequence_number(make_lab: LabMaker) -> None:
    lab = make_lab(faults=(Fault(kind="duplicate", of="fsqueue::hold", seconds=1),))
    lab.call()
    lab.run(3)
    holds = [event for event in lab.client.events if event.get("Event-Subclass") == "fsqueue::hold"]
    assert len(holds) == 2
    assert holds[0] == holds[1]


def test_late_replies_keep_their_order(make_lab: LabMaker) -> None:
    lab = make_lab(faults=(Fault(kind="delay", of="reply", seconds=1),))
    lab.run(5)
    lab.client.frames.clear()
    lab.client.send("api eval 1")
    lab.client.send("api eval 2")
    assert lab.client.frames == []
    lab.run(1.5)
    assert [text for _, text in lab.client.frames] == ["1"]
    lab.run(1)
    assert [text for _, text in lab.client.frames] == ["1", "2"]


def test_time_stands_still_unless_told_and_things_happen_in_the_order_they_were_asked_for() -> None:
    agenda = Agenda(100.0)
    done: list[str] = []
    agenda.after(2, lambda: done.append("late"))
    agenda.after(1, lambda: done.append("a"))
    agenda.after(1, lambda: done.append("b"))
    agenda.after(1.5, lambda: done.append("never")).cancel()
    agenda.advance(101.0)
    assert (done, agenda.now, agenda.deadline()) == (["a", "b"], 101.0, 102.0)
    agenda.advance(101.5)
    assert done == ["a", "b"]
    agenda.advance(110.0)
    assert (done, agenda.now, agenda.deadline()) == (["a", "b", "late"], 110.0, None)
