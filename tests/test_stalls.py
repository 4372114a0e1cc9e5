"""A process that was held up: who finds it out, and how long nothing is decided by the clock."""

from __future__ import annotations

from collections.abc import Callable

from fsqueue.stalls import CATCH_UP, Stalls


class Desk:
    """Two switches that answer when they are told to, and a clock that is set."""

    def __init__(self, *switches: str) -> None:
        self.now = 100.0
        self.asked: dict[str, list[Callable[[], None]]] = {switch: [] for switch in switches}
        self.down: list[str] = []
        self.over = 0
        self.stalls = Stalls(lambda: self.now)
        self.stalls.when_over(self.count)
        for switch in switches:
            self.stalls.watch(switch, lambda answered, switch=switch: self.ask(switch, answered))  # type: ignore[misc]

    def ask(self, switch: str, answered: Callable[[], None]) -> bool:
        self.asked[switch].append(answered)
        return switch not in self.down

    def count(self) -> None:
        self.over += 1

    def held_up(self, seconds: float) -> None:
        """A loop that meant to wake now wakes so much later."""
        planned = self.now
        self.now += seconds
        self.stalls.woke(planned)


def test_who_wakes_in_time_has_not_been_held_up() -> None:
    desk = Desk("main")
    desk.stalls.woke(desk.now + 5.0)
    desk.held_up(0.9)
    assert not desk.stalls.catching_up()
    assert desk.asked == {"main": []}


def test_after_a_stall_each_switch_is_caught_up_with_by_its_own_answer_and_all_by_the_last() -> None:
    desk = Desk("east", "west")
    desk.held_up(60.0)
    desk.asked["west"][0]()
    assert desk.stalls.catching_up("east")
    assert not desk.stalls.catching_up("west")
    assert desk.stalls.catching_up()
    assert desk.over == 0
    desk.asked["east"][0]()
    assert not desk.stalls.catching_up()
    assert desk.over == 1


def test_a_stall_that_several_loops_find_out_is_one_stall() -> None:
    desk = Desk("main")
    began = desk.now
    desk.held_up(60.0)
    desk.now += 0.5
    desk.stalls.woke(began + 0.3)
    assert len(desk.asked["main"]) == 1


def test_an_answer_to_what_was_asked_before_a_second_stall_says_nothing_of_it() -> None:
    desk = Desk("main")
    desk.held_up(60.0)
    desk.held_up(3.0)
    desk.asked["main"][0]()
    assert desk.stalls.catching_up("main")
    desk.asked["main"][1]()
    assert not desk.stalls.catching_up("main")


def test_a_second_stall_in_the_midst_of_the_first_has_its_whole_time() -> None:
    desk = Desk("main")
    desk.held_up(60.0)
    desk.held_up(CATCH_UP + 10.0)
    assert desk.stalls.catching_up()


def test_a_switch_that_does_not_answer_is_not_waited_for_longer_than_that() -> None:
    desk = Desk("main")
    desk.held_up(60.0)
    desk.now += CATCH_UP
    assert not desk.stalls.catching_up()
    assert not desk.stalls.catching_up("main")


def test_a_switch_out_of_reach_is_not_waited_for() -> None:
    desk = Desk("east", "west")
    desk.down = ["west"]
    desk.held_up(60.0)
    assert not desk.stalls.catching_up("west")
    desk.asked["east"][0]()
    assert not desk.stalls.catching_up()
