"""The same question gets the same answer: to the bit, on any number of threads, in any process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.model import CHUNK, LoyaltyModel
from sim.study import StudyResult, run_study

SMALL = ["customers=1500", "replications=3", "engine.progress=false"]


def study(*overrides: str) -> StudyResult:
    return run_study(sim.load("retail_three_phase", [*SMALL, *overrides]))


def states(model: LoyaltyModel) -> dict[str, bytes]:
    return {
        name: column.tobytes()
        for name, column in zip(
            model.population.columns._fields, model.population.columns, strict=True
        )
    }


def test_today_against_today_differs_by_exactly_nothing() -> None:
    summary = study("plan=today").summary()
    for name, outcome in summary["outcomes"].items():
        assert outcome["difference"] == dict.fromkeys(outcome["difference"], 0.0), name
        assert outcome["plan"] == outcome["baseline"] or outcome["baseline"] is None
    assert summary["probability_of_loss"] == 0.0


def test_a_plan_that_spends_nothing_differs_by_exactly_nothing() -> None:
    spend = "[{name: all, quarters: [1, 12], spend: {data_platform: 0, promotion: 0}}]"
    summary = study("plan=today", "plan.name=idle", f"plan.phases={spend}").summary()
    for outcome in summary["outcomes"].values():
        assert outcome["difference"]["mean"] == 0.0


def test_a_lever_without_effect_costs_its_money_and_moves_no_customer() -> None:
    phases = "[{name: all, quarters: [1, 4], spend: {core_team: 400000}}]"
    result = study("plan=today", "plan.name=team_only", f"plan.phases={phases}")
    for replication in result.replications:
        assert replication.plans["team_only"].measures.equals(replication.plans["today"].measures)
    assert result.values("team_only", "npv").max() < -380_000
    assert np.allclose(result.values("team_only", "spend"), 400_000)


def test_plans_share_burn_in_and_worlds() -> None:
    """Up to the first quarter in which money is spent, plan and baseline are the same run."""
    table = study().measures
    before = dict(tuple(table[table.quarter <= 0].groupby("plan")))
    plan, base = (
        before[name].drop(columns="plan").reset_index(drop=True)
        for name in ("three_phase", "today")
    )
    assert plan.equals(base)


def test_one_and_two_threads_give_the_same_bytes() -> None:
    one, two = (study(f"engine.threads={n}") for n in (1, 2))
    assert one.measures.equals(two.measures)
    assert one.cash_flow.equals(two.cash_flow)
    assert one.summary() == two.summary()


def test_chunks_may_run_in_any_order() -> None:
    """Within a quarter no customer depends on another: chunks lived backwards change no bit."""
    config = sim.load("retail_three_phase", [f"customers={2 * CHUNK + 100}", "quarters=12"])

    def backwards(work, chunks):
        done = {chunk: work(chunk) for chunk in reversed(list(chunks))}
        return [done[chunk] for chunk in sorted(done)]

    models = [LoyaltyModel(config, collect=False, mapper=mapper) for mapper in (map, backwards)]
    for model in models:
        for _ in range(3):
            model.step()
    assert states(models[0]) == states(models[1])
    assert np.array_equal(models[0].records[-1].flow, models[1].records[-1].flow)


def test_seed_and_replication_make_other_worlds() -> None:
    config = sim.load("retail_three_phase", ["customers=500"])
    worlds = [
        LoyaltyModel(config, collect=False, **key)
        for key in ({}, {"replication": 1}, {"rng": 99}, {"replication": 0})
    ]
    for model in worlds:
        model.step()
    first, other, seeded, again = (states(model)["rate"] for model in worlds)
    assert first == again
    assert len({first, other, seeded}) == 3


def test_a_rivals_move_shifts_no_draw_of_a_market_that_does_not_feel_it() -> None:
    """A move of size zero goes through all the code of a move, and changes no bit."""
    moves = "{kind: schedule, moves: [{channel: feature, size: 0.0, quarters: [1, 8]}]}"
    still, moving = (
        study("plan=today", *extra) for extra in ([], [f"rivals.brands={{rival_2: {moves}}}"])
    )
    assert still.measures.equals(moving.measures)


def test_common_worlds_make_the_difference_far_surer() -> None:
    """The paired difference varies much less than two runs on worlds of their own would."""
    result = study("customers=4000", "replications=12")
    flows = result.cash_flow.groupby(["plan", "replication"])["net"].sum().unstack("plan")
    paired = (flows["three_phase"] - flows["today"]).var()
    apart = (flows["three_phase"] - np.roll(flows["today"], 1)).var()
    assert apart > 10 * paired


@pytest.mark.parametrize("command", ["run"])
def test_two_processes_write_the_same_bytes(tmp_path: Path, command: str) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        arguments = [
            "scenario=retail_three_phase",
            *SMALL,
            "report=none",
            f"hydra.run.dir={folder}",
        ]
        subprocess.run(
            [sys.executable, "-m", "sim", command, *arguments], check=True, capture_output=True
        )
    for name in ("summary.json", "measures.parquet", "cash_flow.parquet", "outcomes.parquet"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
