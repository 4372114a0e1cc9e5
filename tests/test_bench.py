"""`scripts/bench`: each part runs, tiny, and gives figures with ratios. What the ratios are is no matter of a test."""

from __future__ import annotations

from typing import Any

import pytest

from scripts import bench, bench_call, bench_decode, bench_engine, bench_history, bench_scale, bench_stage, bench_switch
from scripts.bench_phones import Times


def check(part: str, result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    figures: dict[str, dict[str, Any]] = result.get("figures") or result["questions"]
    assert figures
    assert all(isinstance(figure["ratio"], float | int) for figure in figures.values())
    assert isinstance(result["passed"], bool)
    shown = bench.table(part, {**result, "ratio": result.get("ratio", result.get("worst"))})
    assert all(name in shown for name in figures)
    return figures


def test_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_decode, "ROUNDS", 1)
    assert "greenswitch" in check("decode", bench_decode.run())


def test_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_engine, "ROUNDS", 1)
    monkeypatch.setattr(bench_engine, "CYCLES", 2)
    monkeypatch.setattr(bench_engine, "SIZES", {"waiting": (2, 4), "members": (2, 4), "groups": (1, 2)})
    assert len(check("engine", bench_engine.run())) == 9


def test_history() -> None:
    check("history", bench_history.run(10_000, 20_000))


def test_call_serves_every_caller_whoever_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_stage, "WARM_CALLS", 2)
    figures = check("call", bench_call.run({20: 6}, 1))
    assert set(figures) == {"connect to offer, 20/s", "answer to bridge, 20/s"}
    for figure in figures.values():
        assert figure["unserved"] == {"fsqueue": 0, "stock": 0, "bare": 0}
        assert all(figure[f"{name}_ms"]["p50"] > 0 for name in ("fsqueue", "stock", "bare"))


def test_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_stage, "WARM_CALLS", 2)
    monkeypatch.setattr(bench_scale, "REPEATS", 1)
    monkeypatch.setattr(bench_scale, "QUIET_SECONDS", 0.1)
    result = bench_scale.run(rates=(10,), try_seconds=0.3, seconds=0.3, callers=8, idle=0.2, members=3)
    figures = check("scale", result)
    assert figures["calls a second, held"]["unserved"] == 0
    assert figures["3 members rung at once"]["ms_until_the_last"] > 0


def times(invite: float, bridge: float) -> Times:
    return Times(invite=[invite] * 3, bridge=[bridge] * 3, calls=3)


def test_the_switch_is_judged_by_the_limits_of_both_references() -> None:
    found = {
        "fsqueue": times(0.010, 0.070),
        "mod_callcenter": times(0.040, 0.060),
        "bare": times(0.008, 0.060),
        "bare, settled": times(0.008, 0.065),
    }
    figures = bench_switch.limited(found)
    assert set(figures) == set(bench_switch.LIMITS)
    assert figures["INVITE to INVITE, p50 to mod_callcenter"]["ratio"] == 0.25
    assert figures["INVITE to INVITE, p95 to bare"]["ratio"] == 1.25
    assert figures["pick-up to bridge, p50 to bare"]["ratio"] == 1.17
    assert all(each["ratio"] <= each["limit"] for each in figures.values())
    told = bench_switch.told(found)
    assert told["INVITE to INVITE: bare"]["ratio"] == 1.0
    assert told["pick-up to bridge: fsqueue"]["unserved"] == 0


def test_the_part_on_a_real_switch_asks_for_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--only", "switch"])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 2
    assert "--freeswitch" in capsys.readouterr().err
