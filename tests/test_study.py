"""What a study promises: paired plans, two layers of uncertainty, stopping, and its files."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sim
import sim.study
from sim.engines.local import LocalEngine
from sim.population import Population
from sim.study import (
    MEASURED,
    OUTCOMES,
    TABLES,
    Groundwork,
    StudyResult,
    Task,
    drift_warnings,
    run_replication,
    run_study,
)

SMALL = ["customers=1000", "replications=6", "engine.progress=false"]
PLANS = "plans=[today,three_phase,service_first]"
SPREAD = {"mean", "low", "high", "p10", "p50", "p90", "chance_sd", "ignorance_sd"}


@pytest.fixture(scope="module")
def result() -> StudyResult:
    return run_study(sim.load("retail_three_phase", SMALL))


@pytest.fixture(scope="module")
def compared() -> StudyResult:
    return run_study(sim.load("retail_three_phase", [*SMALL, PLANS], command="compare"))


def test_the_summary_has_every_outcome_with_its_spread(result: StudyResult) -> None:
    summary = result.summary()
    assert set(summary["outcomes"]) == set(OUTCOMES)
    for outcome in summary["outcomes"].values():
        assert set(outcome) == {"baseline", "plan", "difference"}
        assert set(outcome["difference"]) == SPREAD
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert 0 <= summary["probability_of_loss"] <= 1
    npv = summary["outcomes"]["npv"]["difference"]
    assert npv["low"] < npv["mean"] < npv["high"]
    assert npv["p10"] < npv["p50"] < npv["p90"]


def test_a_difference_is_taken_world_by_world(result: StudyResult) -> None:
    table = result.outcomes.set_index(["plan", "replication"])
    apart = table.loc["three_phase", "share"] - table.loc["today", "share"]
    assert np.allclose(result.difference("three_phase", "share"), apart)


def test_money_reconciles_with_the_cash_flow(result: StudyResult) -> None:
    flows = result.cash_flow.pivot_table("net", ["plan", "replication"], "quarter")
    extra = flows.loc["three_phase"] - flows.loc["today"]
    rate = result.config.finance.quarterly_rate
    discount = (1 + rate) ** -np.arange(extra.shape[1])
    assert np.allclose(extra.to_numpy() @ discount, result.values("three_phase", "npv"))
    margin, spend = (result.values("three_phase", n) for n in ("incremental_margin", "spend"))
    assert np.allclose(margin - spend, extra.sum(axis=1))


def test_twins_share_parameters_and_not_the_world(result: StudyResult) -> None:
    for twin in result.twins:
        [first] = [r for r in result.replications if r.task.parameters == twin.task.parameters]
        assert twin.parameters == first.parameters
        assert not twin.plans["today"].measures.equals(first.plans["today"].measures)
    drawn = pd.DataFrame([r.parameters for r in result.replications])
    assert (drawn.nunique() == len(drawn)).all()


def test_without_uncertain_numbers_all_spread_is_chance() -> None:
    config = sim.load(
        None,
        [*SMALL, "market=mobile_telecom", "plan.phases=[{name: a, quarters: [1, 2], "
         "spend: {core_team: 1e6, technology_team: 1e6}}]"],
    )  # fmt: skip
    spread = run_study(config).spread("three_phase", "share")
    assert spread["ignorance_sd"] == 0.0


def test_precision_adds_worlds_until_the_mean_is_known_closely_enough() -> None:
    few = run_study(sim.load("retail_three_phase", SMALL))
    wide = few.spread("three_phase", "npv")
    target = (wide["high"] - wide["low"]) / 2 / 1.5
    more = run_study(sim.load("retail_three_phase", [*SMALL, f"precision={target}"]))
    npv = more.spread("three_phase", "npv")
    assert len(more.replications) > len(few.replications)
    assert (npv["high"] - npv["low"]) / 2 <= target
    assert (
        more.values("three_phase", "npv")[:6].tolist() == few.values("three_phase", "npv").tolist()
    )


def test_precision_gives_up_at_the_most_replications_allowed() -> None:
    asked = [*SMALL, "precision=1", "engine.max_replications=8"]
    assert len(run_study(sim.load("retail_three_phase", asked)).replications) == 8


def test_an_interrupt_keeps_what_is_finished() -> None:
    def stop_after_three(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    config = sim.load("retail_three_phase", [*SMALL, "replications=40"])
    result = run_study(config, stop_after_three)
    assert result.interrupted
    assert 2 <= len(result.replications) <= 3
    assert np.isfinite(result.values("three_phase", "npv")).all()


def test_an_interrupt_before_two_worlds_keeps_nothing() -> None:
    def stop_at_once(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(sim.load("retail_three_phase", SMALL), stop_at_once)


def test_compared_plans_meet_the_same_worlds(compared: StudyResult, result: StudyResult) -> None:
    """Adding plans to a comparison moves none of them."""
    assert compared.values("three_phase", "npv").tolist() == (
        result.values("three_phase", "npv").tolist()
    )
    summary = compared.summary()
    assert sum(plan["probability_best"] for plan in summary["plans"].values()) == pytest.approx(1)
    [pair] = [p for p in summary["pairwise"] if {p["plan"], p["other"]} == {"three_phase", "today"}]
    mean = summary["plans"]["three_phase"]["outcomes"]["npv"]["difference"]["mean"]
    assert abs(pair["npv_difference"]["mean"]) == pytest.approx(abs(mean))


def test_two_plans_of_one_name_are_refused() -> None:
    with pytest.raises(sim.ConfigError, match="twice"):
        run_study(sim.load("retail_three_phase", [*SMALL, "plans=[today,today]"], "compare"))
    with pytest.raises(sim.ConfigError, match="baseline's name"):
        run_study(sim.load("retail_three_phase", [*SMALL, "plan.name=today"]))


def test_a_market_that_moves_before_the_plan_is_warned_of(result: StudyResult) -> None:
    quiet = result.measures[result.measures.plan == "today"].copy()
    assert drift_warnings(quiet, "focal") == ()
    moving = quiet.copy()
    moving["share"] += 0.05 * moving["quarter"]
    [warning] = drift_warnings(moving, "focal")
    assert warning.startswith("share still moves by +0.")


def test_the_python_face(tmp_path: Path) -> None:
    result = sim.simulate(sim.load("retail_three_phase", ["customers=1_000", "replications=2"]))
    assert result.summary()["customers"] == 1000
    assert {"plan", "quarter", "share"} <= set(result.measures.columns)
    assert result.cash_flow["net"].notna().all()
    page = result.to_html(tmp_path / "deep" / "report.html").read_text("utf-8")
    assert "fidelio run scenario=retail_three_phase customers=1_000 replications=2" in page
    assert len(result.plot().axes) == 3


@pytest.mark.parametrize("command", [["run"], ["compare", PLANS]])
def test_a_command_leaves_every_file_and_says_where(command: list[str], tmp_path: Path) -> None:
    arguments = [*command, "scenario=retail_three_phase", *SMALL, f"hydra.run.dir={tmp_path}/out"]
    done = subprocess.run(
        [sys.executable, "-m", "sim", *arguments], check=True, capture_output=True, text=True
    )
    files = {path.name for path in (tmp_path / "out").iterdir()}
    tables = {f"{name}.parquet" for name in ("outcomes", "statement", *TABLES)}
    assert files == {"summary.json", "manifest.json", "scorecard.json", "report.html", *tables}
    assert f"Report:  {tmp_path}/out/report.html" in done.stdout
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["seed"] == 1
    assert manifest["peak_memory_mib"] > 0
    assert {"configuration", "hash", "versions", "seconds", "provenance"} <= set(manifest)


def test_a_benchmark_of_an_unknown_measure_is_refused() -> None:
    marks = "[{measure: churn_anual, value: 0.35}]"
    config = sim.load("retail_three_phase", [*SMALL, f"market.benchmarks={marks}"])
    with pytest.raises(sim.ConfigError, match="did you mean 'churn_annual'"):
        run_study(config)


def test_what_all_worlds_share_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config = sim.load("retail_three_phase", SMALL)
    called: list[str] = []
    for name in ("Unknowns", "planned_schedule"):
        kept = getattr(sim.study, name)

        def call(*given: Any, kept: Any = kept, name: str = name) -> Any:
            called.append(name)
            return kept(*given)

        monkeypatch.setattr(sim.study, name, call)
    run_study(config)
    assert sorted(called) == ["Unknowns", *["planned_schedule"] * len(config.every_plan)]


def test_no_more_than_two_populations_are_ever_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The burnt-in state and the life that goes on from it, whatever the number of lives."""
    config = sim.load("retail_three_phase", [*SMALL, "risks=retail", PLANS], command="compare")
    alive: weakref.WeakSet[Population] = weakref.WeakSet()
    most = lives = 0
    copy = Population.copy

    def counted(population: Population) -> Population:
        nonlocal most, lives
        twin = copy(population)
        alive.update((population, twin))
        most, lives = max(most, len(alive)), lives + 1
        return twin

    monkeypatch.setattr(Population, "copy", counted)
    gc.disable()
    try:
        found = run_replication(config, Task(0, 0), LocalEngine(1, config.customers))
    finally:
        gc.enable()
    assert any(len(plan.tables["events"]["risk"]) for plan in found.plans.values())
    assert lives > len(found.plans), "no plan was lived again without its events"
    assert most == 2


def test_a_replication_leaves_no_customers_in_memory() -> None:
    """Memory is flat in the number of worlds, without waiting for the garbage collector."""
    config = sim.load("retail_three_phase", SMALL)

    def populations() -> int:
        return sum(type(thing) is Population for thing in gc.get_objects())

    gc.collect()
    before = populations()
    gc.disable()
    try:
        run_replication(config, Task(0, 0), LocalEngine(1, config.customers))
        assert populations() == before
    finally:
        gc.enable()


def test_what_is_not_kept_is_not_made_and_moves_nothing() -> None:
    config = sim.load("retail_three_phase", ["customers=600", "risks=breach_certain"])
    groundwork, engine = Groundwork(config), LocalEngine(1, config.customers)
    whole = run_replication(groundwork, Task(1, 1), engine)
    known = Groundwork(config, groundwork.unknowns)
    some = run_replication(known, Task(1, 1), engine, ["cash_flow", "measures"], ["nps"])
    assert some.parameters == whole.parameters
    for name, result in some.plans.items():
        full = whole.plans[name]
        assert list(result.tables) == ["measures", "cash_flow"]
        assert list(result.measures) == ["quarter", "segment", "brand", "nps"]
        assert result.measures.equals(full.measures[list(result.measures)])
        assert result.cash_flow.equals(full.cash_flow)
        assert result.outcomes == pytest.approx(full.outcomes, rel=0, abs=0, nan_ok=True)
        assert full.tables.keys() == set(TABLES)
        assert list(full.measures)[3:] == list(MEASURED)
