"""One record of each kind, with text that people of several countries would write."""

from __future__ import annotations

from fsqueue.engine.messages import (
    CalledBack,
    CallEnded,
    Caller,
    CallOpened,
    Checkpoint,
    ConfigTaken,
    Decided,
    DrainChanged,
    Forgotten,
    KeptCall,
    Leg,
    MemberChanged,
    OfferAnswered,
    Offered,
    OfferOver,
    Record,
    Relegged,
    Renamed,
    Requeued,
    Sent,
    SwitchChanged,
    Talking,
    TalkOver,
    TurnUsed,
    VisitBegan,
)

CALL = "01JD0000000000000000000001"
CALLER = Caller(number="+48600100200", name="Jan")

SAMPLES: tuple[Record, ...] = (
    CallOpened(
        call=CALL, leg=Leg("main", "u-1"), arrival="a-1", caller=CALLER, number="48221234567", dialled="+48221234567",
        music="local_stream://jazz", priority=None, joined=1790000000.25,
    ),
    VisitBegan(call=CALL, group="sales", n=1, entered=1790000000.25, joined=1790000000.25, priority=0, limit=1790003600.25),
    Relegged(call=CALL, leg=Leg("main", "u-2"), arrival="a-2", caller=Caller("+48600", "Żaneta", hidden=True)),
    Offered(offer=f"{CALL}.1", call=CALL, group="sales", member="anna", until=1790000020.25, rule="D2"),
    OfferAnswered(offer=f"{CALL}.1", call=CALL),
    OfferOver(offer=f"{CALL}.1", call=CALL, member="anna", outcome="no_answer", seconds=20.0, cause="NO_ANSWER"),
    Decided(
        call=CALL, group="sales", rule="U2", action="voicemail 1000@example.com",
        because={"anna": "rang 20 s", "jan": "on another call"},
    ),
    Sent(call=CALL, step="voicemail 1000@example.com", reason="voicemail"),
    Requeued(call=CALL, offer=f"{CALL}.1", why="gone before the bridge"),
    Talking(call=CALL, offer=f"{CALL}.1", member="anna", waited=7.04),
    TalkOver(call=CALL, offer=f"{CALL}.1", member="anna"),
    CallEnded(call=CALL, reason="no_answer", waited=42.2, group="sales"),
    MemberChanged(member="anna", duty="paused", why="lunch", by="staff", untaken=2, quiet_until=5.0, state="away"),
    TurnUsed(group="sales", member="anna", turn=17),
    ConfigTaken(groups=("sales",), members=("anna", "jan"), renamed=(Renamed("group", "sale", "sales"),)),
    SwitchChanged(switch="main", up=True, core="c-1"),
    DrainChanged(draining=True, calls=3, by="staff"),
    CalledBack(call=CALL, by="anna", note="sold him two"),
    Checkpoint(
        calls=(
            KeptCall(
                opened=CallOpened(
                    call=CALL, leg=Leg("main", "u-1"), arrival="a-1", caller=CALLER, number="", dialled="7001",
                    music="", priority=3, joined=1790000000.25,
                ),
                visit=None, state="waiting", reason="lost", rung=("anna",),
            ),
        ),
        turns=(TurnUsed(group="sales", member="anna", turn=17),),
        ended={"a-0": 1790000000.5},
    ),
    Forgotten(calls=(CALL,), by="staff"),
)  # fmt: skip
