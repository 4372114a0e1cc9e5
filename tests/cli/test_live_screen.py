"""What ``fsqueue top`` shows: in any window, with any number of callers, with and without a daemon."""

from __future__ import annotations

import io

import pytest
from fsqueue_cli.live_screen import SORTS, View, render
from rich.console import Console

from fsqueue.control import handlers
from fsqueue.control.protocol import StatusQuery
from fsqueue.engine.messages import Arrived, Caller, Duty, Leg, OfferEnded
from fsqueue.engine.model import Group, Member, Plan
from tests.control.desks import FakeDesk


def lines(view: View, now: float = 0.0, width: int = 80, height: int = 24) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=False, highlight=False, emoji=False)
    console.print(render(view, now, height))
    return out.getvalue().splitlines()


def view_of(desk: FakeDesk, sort: str = "wait", group: str = "") -> View:
    view = View(sort=sort, group=group)
    view.take(handlers.status(desk, StatusQuery()), 0.0)
    return view


def busy(groups: int = 30, members: int = 60, calls: int = 90) -> FakeDesk:
    plan = Plan(
        members={f"member-{n}": Member(id=f"member-{n}", name=f"Somebody {n}") for n in range(members)},
        groups={
            f"g{n}": Group(id=f"g{n}", members=tuple(f"member-{m}" for m in range(n, members, groups)))
            for n in range(groups)
        },
    )
    desk = FakeDesk(plan, reachable=tuple(plan.members)[::2])
    for n in range(calls):
        desk.arrive(f"c{n:03}", to=f"g{n % groups}", name="Zażółć " * 10, number=f"+486{n:08}")
        desk.now += 1.0
    return desk


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 12), (80, 8), (100, 30), (200, 60), (132, 25)])
def test_it_fits_the_window(width: int, height: int) -> None:
    for desk in (FakeDesk(), busy()):
        for view in (
            view_of(desk),
            View(trouble="no fsqueue listens"),
            view_of(desk, group=next(iter(desk.group_facts()))),
        ):
            shown = lines(view, 0.0, width, height)
            assert max(len(line) for line in shown) <= width
            assert len(shown) <= max(height, 11), shown


def test_every_part_is_there_in_80_by_24_and_says_how_much_more_there_is() -> None:
    shown = "\n".join(lines(view_of(busy())))
    assert "main in reach" in shown
    assert "g0" in shown
    assert "+48600000000" in shown
    assert "Somebody" in shown
    assert shown.count(" more") == 3


def test_waits_go_on_between_two_answers_and_stop_when_none_come() -> None:
    desk = FakeDesk()
    desk.arrive("c1")
    view = view_of(desk)
    assert "2 s" in "\n".join(lines(view, 2.0))
    view.trouble = "no fsqueue listens"
    shown = "\n".join(lines(view, 60.0))
    assert "NO ANSWER for 1:00: no fsqueue listens" in shown
    assert "c1" not in shown
    assert "3 s" in shown


def test_news_end_the_trouble() -> None:
    view = view_of(FakeDesk())
    view.trouble = "gone"
    view.take(handlers.status(FakeDesk(), StatusQuery()), 10.0)
    assert "NO ANSWER" not in "\n".join(lines(view, 10.0))


def test_keys_sort_choose_a_group_and_quit() -> None:
    view = view_of(FakeDesk())
    seen = []
    for _ in SORTS:
        view.press("s")
        seen.append(view.sort)
    assert sorted(seen) == sorted(SORTS)
    groups = []
    for _ in range(4):
        view.press("g")
        groups.append(view.group)
    assert groups == ["sales", "support", "night", ""]
    view.press("g")
    view.press("a")
    assert view.group == ""
    view.press("x")
    assert not view.ended
    view.press("q")
    assert view.ended


def typed(view: View, keys: str) -> list[str]:
    for key in keys:
        view.press(key)
    return lines(view, height=60)


def test_what_is_typed_after_a_slash_chooses_groups_callers_and_members() -> None:
    desk = FakeDesk(reachable=("anna", "jan"))
    desk.arrive("c1", name="Zażółć", number="+48600111222")
    desk.arrive("c2", name="Müller", number="+48600333444")
    view = view_of(desk)
    shown = "\n".join(typed(view, "/zażó"))
    assert "find: zażó" in shown
    assert ("Zażółć" in shown, "Müller" in shown, "Anna" in shown) == (True, False, True)
    assert "Müller" in "\n".join(typed(view, "\x7f\x7f\x7f\x7f333\r"))
    assert (view.typing, view.find) == (False, "333")
    assert "find 333" in "\n".join(lines(view))
    shown = "\n".join(typed(view, "/jan\r"))
    assert ("Jan Kowalski" in shown, "1001" in shown) == (True, False)
    shown = "\n".join(typed(view, "/x\x1b"))
    assert ("Zażółć" in shown, "Müller" in shown, view.find) == (True, True, "")


def test_keys_that_are_typed_do_nothing_else_and_a_hidden_number_is_not_found() -> None:
    desk = FakeDesk()
    desk.put(
        Arrived(
            leg=Leg("main", "leg-h"), arrival="a", new_call="h1", to="sales",
            caller=Caller(number="+48600999000", name="Hidden", hidden=True),
        )
    )  # fmt: skip
    view = view_of(desk)
    typed(view, "/qsga")
    assert (view.ended, view.sort, view.find) == (False, "wait", "qsga")
    assert "anonymous" not in "\n".join(typed(view, "\x1b/600999\r"))


def test_a_pause_during_a_ring_is_shown_as_what_comes_after_it() -> None:
    desk = FakeDesk()
    desk.arrive("c1")
    desk.put(Duty("anna", "paused", "lunch", ""))
    assert any("ringing, then paused (lunch)" in line for line in lines(view_of(desk)))


def test_who_rests_or_writes_up_his_talk_shows_for_how_long_yet() -> None:
    desk = FakeDesk()
    desk.arrive("c1")
    view = next(call for call in desk.picture().calls if call.id == "c1")
    desk.put(OfferEnded(view.rings[0].offer, "declined"))
    desk.now += 2.0
    assert any("resting, 3 s left" in line for line in lines(view_of(desk)))


def test_since_when_somebody_is_paused_is_shown() -> None:
    desk = FakeDesk()
    desk.put(Duty("anna", "paused", "lunch", ""))
    desk.now += 125.0
    (line,) = [line for line in lines(view_of(desk)) if "paused (lunch)" in line]
    assert line.rstrip().endswith("2:05")


def test_what_is_wrong_with_the_daemon_stands_at_the_top() -> None:
    desk = busy()
    desk.ills = ("the disk takes no records; look at df",)
    shown = lines(view_of(desk))
    assert "the disk takes no records" in shown[1]
    assert len(shown) <= 24


def test_a_chosen_group_shows_its_own_calls_and_members_only() -> None:
    desk = FakeDesk()
    desk.arrive("c1", number="+48111")
    desk.arrive("c2", to="night", number="+48222")
    shown = "\n".join(lines(view_of(desk, group="night")))
    assert "+48222" in shown
    assert "+48111" not in shown
    assert "Anna" not in shown


def test_a_chosen_group_that_is_removed_leaves_an_empty_screen_from_which_g_leads_on() -> None:
    view = view_of(FakeDesk(), group="gone")
    lines(view)
    view.press("g")
    assert view.group == ""


@pytest.mark.parametrize("sort", SORTS)
def test_each_order_is_one(sort: str) -> None:
    desk = FakeDesk()
    for n, to in enumerate(("night", "sales", "night", "sales")):
        desk.arrive(f"c{n}", to=to, number=f"+4800{n}")
        desk.now += 1.0
    text = "\n".join(lines(view_of(desk, sort)))
    order = [n for _, n in sorted((text.index(f"+4800{n}"), n) for n in range(4))]
    assert order == ([0, 2, 1, 3] if sort == "group" else [0, 1, 2, 3])


def test_hostile_names_stay_text() -> None:
    desk = FakeDesk()
    desk.arrive("c1", name="[bold red]\x1b[31m\x9b\x07[/]", number="[link=x]1")
    shown = lines(view_of(desk), width=200)
    assert "".join(shown).isprintable()
    assert any("[bold red]" in line for line in shown)
