"""The experiment on budget cuts: plans that sum up, a design that composes, right tables."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.cli import main
from sim.config.design import read_design

ROOT = Path(__file__).parents[1]
HERE = ROOT / "experiments" / "budget_cuts"
POINTS = 4


@pytest.fixture(scope="module")
def scripts():
    """The experiment's two scripts as modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(HERE)
        yield importlib.import_module("plans"), importlib.import_module("answer")
        for name in ("plans", "answer"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of the design, with few points."""
    folder = tmp_path_factory.mktemp("budget_cuts") / "sweep"
    small = [f"points={POINTS}", "customers=200", "workers=1", "progress=false", "reuse=[]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)  # the design names its plans from there
        assert main(["sweep", f"design={HERE / 'design.yaml'}", f"out={folder}", *small]) == 0
    return folder


def spends(folder):
    """Return what each plan of the sweep spends: plan to phase to lever to money."""
    with sim.open(folder) as opened:
        [made] = opened.documents[0]["configurations"]
    return {
        plan["name"]: {phase["name"]: phase["spend"] for phase in plan["phases"]}
        for plan in made["configuration"]["plans"]
    }


def test_plan_files_are_what_the_script_makes_of_the_shipped_plan(scripts):
    plans, _ = scripts
    found = {path.name: path.read_text(encoding="utf-8") for path in HERE.glob("plans/*.yaml")}
    assert found == plans.plan_files()


def test_each_plan_gives_up_its_cut_in_its_phase_and_keeps_all_levers(scripts, swept):
    plans, answer = scripts
    spent = spends(swept)
    full = spent[plans.FULL]
    assert sum(sum(spend.values()) for spend in full.values()) == plans.TOTAL
    for name, (place, cut) in answer.PLANS.items():
        if name == answer.NOTHING:
            continue
        own = spent[name]
        less = {phase: sum(full[phase].values()) - sum(own[phase].values()) for phase in full}
        assert sum(less.values()) == cut, name
        assert {phase: [*spend] for phase, spend in own.items()} == {
            phase: [*spend] for phase, spend in full.items()
        }
        for phase, spend in own.items():
            money = sum(full[phase].values())
            expected = (
                cut * money / plans.TOTAL if place == plans.EVENLY else cut * (phase == place)
            )
            assert less[phase] == pytest.approx(expected, abs=2)
            for lever, amount in spend.items():  # as the phase, to whole yuan
                assert amount > 0
                assert amount == pytest.approx(full[phase][lever] * (1 - expected / money), abs=3)


def test_the_design_sets_all_cuts_beside_the_full_plan(scripts):
    plans, answer = scripts
    design = read_design(str(HERE / "design.yaml"))
    assert design.n_points == 10_240
    named = [Path(plan).stem for plan in design.plans]
    assert named == [plans.FULL, *(plan for plan in answer.PLANS if plan != answer.NOTHING)]


def test_tables_hold_what_the_rows_say(scripts, swept):
    plans, answer = scripts
    with sim.open(swept) as opened:
        assert opened.failures.empty
        tables = answer.answer(opened)
        outcomes, segments = opened.outcomes, opened.segments
    npv = outcomes.pivot_table("npv", "point", "plan")
    spend = outcomes.pivot_table("spend", "point", "plan")
    cuts = tables["cuts"].set_index(["place", "cut"])
    assert len(cuts) == len(plans.PLACES) * len(plans.CUTS) + 1
    for plan, at in answer.PLANS.items():
        assert cuts.points[at] == POINTS
        assert cuts.npv[at] == pytest.approx((npv[plan] - npv[plans.FULL]).mean() / 1e6)
        assert cuts.saved[at] == pytest.approx((spend[plans.FULL] - spend[plan]).mean() / 1e6)
        assert cuts.saved[at] >= at[1] / 1e6  # its upkeep is saved too
        assert cuts.npv_low[at] <= cuts.npv[at] <= cuts.npv_high[at]
    young = segments[segments.segment == "young"].pivot_table("loyalty_index", "point", "plan")
    row = tables["segments"].query("segment == 'young' and place == 'mid' and cut == 1_000_000")
    difference = young.cut_mid_1000 - young.three_phase
    assert row.loyalty.item() == pytest.approx(difference.mean())


def test_points_do_not_share_a_world(swept):
    with sim.open(swept) as opened:
        assert opened.points.world.nunique() == POINTS


def test_firms_are_split_by_each_factor_and_one_place_is_best(scripts, swept):
    plans, answer = scripts
    with sim.open(swept) as opened:
        firms = answer.firms_table(answer.paired(opened))
    sizes = firms.groupby(["factor", "place"]).points.sum()
    assert (sizes == POINTS).all()
    for _, part in firms.groupby(["factor", "fifth"]):
        top = part[part.standing == "best"]
        assert top.npv.tolist() == [part.npv.max()]
        assert part.place.tolist() == list(plans.PLACES)


def test_places_are_told_apart_only_where_the_data_do(scripts):
    _, answer = scripts
    table = pd.DataFrame(
        {
            "good": [1.0, 1.2, 0.8, 1.1] * 5,
            "as_good": [1.3, 0.6, 1.2, 0.9] * 5,
            "bad": [0.0, 0.2, -0.2, 0.1] * 5,
        }
    )
    assert answer.standings(table) == {"good": "best", "as_good": "not told apart", "bad": "worse"}


def test_the_script_writes_tables_and_figure(scripts, swept, tmp_path, capsys):
    _, answer = scripts
    answer.main(str(swept), str(tmp_path))
    assert "units done" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "answer.png", "contests.csv", "cuts.csv", "firms.csv", "segments.csv",
    ]  # fmt: skip
    assert len(pd.read_csv(tmp_path / "firms.csv")) > 0
