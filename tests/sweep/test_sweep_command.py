"""`fidelio sweep` from design to rows: the same figures as single runs, nothing lived twice."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from sweeps import DESIGN, design, parts, sweep

import sim
from sim.cli import main
from sim.config.load import load
from sim.engines.local import LocalEngine
from sim.study import LEVELS, OUTCOMES, Task, run_replication

SMALL = ["customers=200"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a sweep `done` of six points in two worlds."""
    made = tmp_path_factory.mktemp("sweeps")
    assert sweep(f"design={design(made)}", f"out={made / 'done'}", "replications=2") == 0
    return made


@pytest.fixture
def done(folder, tmp_path):
    """A copy of that sweep, for who changes it."""
    return shutil.copytree(folder / "done", tmp_path / "done")


def lived(margin, budget, replication):
    """Return a unit as a single study lives it: the naive reference."""
    plan = load("retail_three_phase", SMALL).plan
    spends = [
        f"plan.phases.{phase.name}.spend.{lever}={budget * amount}"
        for phase in plan.phases for lever, amount in phase.spend.items()
    ]  # fmt: skip
    config = load("retail_three_phase", [*SMALL, f"finance.gross_margin={margin}", *spends])
    return config, run_replication(config, Task(replication, replication), LocalEngine(1, 200))


@pytest.mark.parametrize(("margin", "budget", "world"), [(0.2, 0.5, 0), (0.3, 1.0, 1)])
def test_rows_are_what_a_single_study_finds(folder, margin, budget, world):
    config, reference = lived(margin, budget, world)
    with sim.open(folder / "done") as opened:
        found = opened.points.query("margin == @margin and budget == @budget")
        unit = found[["point"]].assign(replication=world)
        rows, quarters, segments = (
            table.merge(unit) for table in (opened.outcomes, opened.quarters, opened.segments)
        )
    assert set(rows.plan) == {"three_phase", "today"}
    for row in rows.itertuples():
        result = reference.plans[row.plan]
        for name in OUTCOMES:
            np.testing.assert_equal(float(getattr(row, name)), result.outcomes[name])
        own = quarters[quarters.plan == row.plan].sort_values("quarter")
        np.testing.assert_array_equal(own.net, result.tables["cash_flow"]["net"])
        table = result.measures.query("segment == 'all' and brand == 'focal' and quarter >= 1")
        for name in ("churn", "share", "loyalty_index", "nps"):
            np.testing.assert_array_equal(own[name], table[name])
        by_segment = segments[segments.plan == row.plan].set_index("segment")
        focal = result.measures.query("brand == 'focal' and quarter >= 9")
        for segment in config.market.segments:
            of_segment = focal[focal.segment == segment.name]
            for name in ("share", "repeat_rate", "loyalty_index"):
                expected = of_segment[LEVELS[name]].mean()
                assert by_segment[name][segment.name] == pytest.approx(expected, rel=1e-12)
            last = of_segment.churn_annual.iloc[-1]
            np.testing.assert_equal(by_segment.churn_annual[segment.name], last)


def test_every_point_is_there_once_per_world_and_plan(folder):
    with sim.open(folder / "done") as opened:
        counts = opened.outcomes.groupby(["point", "replication", "plan"]).size()
    assert len(counts) == 6 * 2 * 2
    assert set(counts) == {1}


def test_more_replications_leave_the_rows_that_were_there(done):
    with sim.open(done) as opened:
        before = opened.outcomes
    assert sweep(f"extend={done}", "replications=+2") == 0
    with sim.open(done) as opened:
        after = opened.outcomes
    assert sorted(after.replication.unique()) == [0, 1, 2, 3]
    kept = after[after.replication < 2].reset_index(drop=True)
    np.testing.assert_array_equal(kept.npv, before.npv)
    assert len(after) == 2 * len(before)


def test_a_grid_gets_more_points_from_another_design(done, tmp_path):
    more = DESIGN.replace("[0.2, 0.25, 0.3]", "[0.3, 0.35]")
    assert sweep(f"extend={done}", f"design={design(tmp_path, more)}") == 0
    with sim.open(done) as opened:
        assert len(opened.points) == 10
        # The two points with a margin of .3 were there before: they are the same runs.
        assert opened.points.run.nunique() == 8
        assert len(opened.outcomes) == 10 * 2 * 2
        repeated = opened.outcomes.query("plan == 'three_phase' and replication == 0")
        npvs = repeated.merge(opened.points, on="point").query("margin == 0.3").npv
        assert npvs.nunique() == 2


def test_a_drawn_design_goes_on_where_it_ended(tmp_path):
    factors = "[{key: finance.gross_margin, name: margin, low: 0.2, high: 0.3}]"
    file = design(tmp_path, kind="sobol", points=4, seed=3, factors=factors)
    assert sweep(f"design={file}", f"out={tmp_path / 'a'}", "replications=1") == 0
    assert sweep(f"extend={tmp_path / 'a'}", "points=+4") == 0
    assert sweep(f"design={file}", f"out={tmp_path / 'b'}", "replications=1", "points=8") == 0
    with sim.open(tmp_path / "a") as a, sim.open(tmp_path / "b") as b:
        np.testing.assert_array_equal(a.points.margin, b.points.margin)
        np.testing.assert_array_equal(a.outcomes.npv, b.outcomes.npv)


def test_results_are_taken_over_from_a_sweep_beside_it(folder, tmp_path, capsys):
    shutil.copytree(folder / "done", tmp_path / "done")
    again = [f"design={design(tmp_path)}", f"out={tmp_path / 'again'}", "replications=3"]
    settings = ["workers=1", "shard_units=4", "progress=false"]
    assert main(["sweep", *again, *settings]) == 0
    assert main(["sweep", *again[:1], f"out={tmp_path / 'alone'}", again[2], *settings,
                 "reuse=[]"]) == 0  # fmt: skip
    known = pq.read_table(tmp_path / "again" / "known" / "0000.parquet").to_pandas()
    taken = known[known.replication < 2]
    assert len(taken.groupby(["run", "replication"])) == 6 * 2
    assert parts(tmp_path / "again") == parts(tmp_path / "alone")


def test_a_sweep_is_done_again_from_its_folder(folder, tmp_path):
    assert sweep(f"design={folder / 'done'}", f"out={tmp_path / 'again'}") == 0
    assert parts(tmp_path / "again") == parts(folder / "done")


def test_choices_and_plans_stand_side_by_side(tmp_path):
    factors = "[{key: rivals, values: [hold, price_war]}]"
    file = design(tmp_path, factors=factors, plans="[three_phase, service_first]")
    assert sweep(f"design={file}", f"out={tmp_path / 'a'}", "replications=1") == 0
    with sim.open(tmp_path / "a") as opened:
        wide = opened.sql("select rivals, plan, npv, share from outcomes join points using (point)")
    assert sorted(wide.plan.unique()) == ["service_first", "three_phase", "today"]
    assert wide.groupby("plan").share.nunique().eq(2).all()
    for rivals in ("hold", "price_war"):
        config = load("retail_three_phase", [*SMALL, f"rivals={rivals}"])
        reference = run_replication(config, Task(0, 0), LocalEngine(1, 200))
        row = wide.query("rivals == @rivals and plan == 'three_phase'")
        assert row.npv.item() == reference.plans["three_phase"].outcomes["npv"]


def test_a_point_that_cannot_be_lived_is_a_row_with_its_error(tmp_path, capsys):
    # With a shape so small and a rate so low, nobody buys of the focal brand in a tiny market.
    factors = (
        "[{key: market.company_customers, name: firm, values: [500000]},"
        " {key: market.rate.mean, name: rate, values: [0.45, 0.0001]}]"
    )
    file = design(tmp_path, factors=factors)
    assert sweep(f"design={file}", f"out={tmp_path / 'a'}", "replications=2") == 0
    assert "2 of 4 units failed" in capsys.readouterr().out
    with sim.open(tmp_path / "a") as opened:
        failures, outcomes = opened.failures, opened.outcomes
    assert set(failures.error) == {
        "burn_in: leaves the focal brand without a single customer when the plan begins; "
        "allowed: a longer burn-in or more simulated customers"
    }
    assert list(failures.replication) == [0, 1]
    assert outcomes[outcomes.error.notna()].npv.isna().all()
    assert outcomes[outcomes.error.isna()].npv.notna().all()


def test_a_point_that_does_not_end_is_cut_and_the_others_are_lived(tmp_path):
    factors = "[{key: customers, values: [200, 30000000, 300]}]"
    file = design(tmp_path, factors=factors, settings="{}")
    assert sweep(f"design={file}", f"out={tmp_path / 'a'}", "replications=1", "limit=1.5") == 0
    with sim.open(tmp_path / "a") as opened:
        failures, outcomes = opened.failures, opened.outcomes
    assert list(failures.error) == ["was not done within 1.5 seconds"]
    assert list(failures.point) == [1]
    assert sorted(outcomes[outcomes.npv.notna()].point.unique()) == [0, 2]


@pytest.mark.slow
def test_failed_units_are_lived_again_when_asked(tmp_path):
    factors = "[{key: customers, values: [200, 1000000]}]"
    file = design(tmp_path, factors=factors, settings="{}")
    assert sweep(f"design={file}", f"out={tmp_path / 'a'}", "replications=1", "limit=0.5") == 0
    assert sweep(f"resume={tmp_path / 'a'}") == 0
    with sim.open(tmp_path / "a") as opened:
        assert len(opened.failures) == 1
    assert sweep(f"resume={tmp_path / 'a'}", "retry=true", "limit=60") == 0
    with sim.open(tmp_path / "a") as opened:
        assert len(opened.failures) == 0
        assert opened.outcomes.npv.notna().all()


def test_the_manifest_says_what_was_swept(folder):
    manifest = json.loads((folder / "done" / "manifest.json").read_text("utf-8"))
    [configuration] = manifest["configurations"]
    assert manifest["command"].startswith("fidelio sweep design=")
    assert configuration["configuration"]["customers"] == 200
    assert manifest["block"]["units_per_shard"] == 4
    assert manifest["code"]["files"]["model.py"]


# --- another version of the model ----------------------------------------------------------------


@pytest.fixture
def older(done):
    """A sweep that another version of the model began, one shard of it missing."""
    path = done / "manifest.json"
    manifest = json.loads(path.read_text("utf-8"))
    manifest["code"]["files"]["model.py"] = "0" * 16
    manifest["code"]["version"] = "another"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    for part in (done / "parts").iterdir():
        part.unlink()
    return done


def test_a_sweep_of_another_version_is_refused_with_two_ways_out(older, capsys):
    assert sweep(f"resume={older}") == 2
    said = capsys.readouterr().err
    assert "sim/model.py differ from the version that began it" in said
    assert f"fidelio sweep resume={older} code=accept" in said
    assert f"fidelio sweep design={older} out=ANOTHER" in said
    assert not list((older / "parts").iterdir())


def test_a_sweep_of_another_version_goes_on_when_that_is_accepted(older):
    assert sweep(f"resume={older}", "code=accept") == 0
    assert sweep(f"resume={older}") == 0
    noted = json.loads((older / "extension-0001.json").read_text("utf-8"))
    assert noted["missing_then"] == 3
    with sim.open(older) as opened:
        assert len(opened.outcomes) == 6 * 2 * 2


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "nothing to sweep is given"),
        (["design=small", "out=o"], "no such design: small"),
        (["design=grid.yaml"], "out: is missing"),
        (["resume=a", "extend=b"], "resume and extend are given"),
        (["resume=a", "replications=4"], "a sweep is finished as it was begun"),
        (["extend=a"], "nothing to add"),
        (["extend=a", "replications=+2", "points=+2"], "points and replications to add"),
        (["design=d", "out=o", "replications=-3"], "'-3' is no number of replications"),
        (["design=d", "out=o", "engine=spark"], "'spark' is not known"),
        (["design=d", "out=o", "quarterly=[nett]"], "did you mean 'net'?"),
        (["design=d", "out=o", "segmental=[npv]"], "'npv' cannot be kept"),
        (["design=d", "out=o", "limit=0"], "limit"),
        (["design=d", "out=o", "shard_second=3"], "did you mean 'shard_seconds'?"),
        (["resume=nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = design(tmp_path)
    given = [text.replace("design=d", f"design={path}") for text in arguments]
    assert main(["sweep", *given]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("factors", "said"),
    [
        ("[{key: market.rate.meen, values: [0.1, 0.2]}]", "did you mean"),
        ("[{key: market.rate.mean, low: 0.2, high: 0.2}]", "empty range"),
        ("[{key: rivals, values: [hold, pricewar]}]", "price_war"),
        ("[{key: finance.gross_margin, values: [0.2, 7.0]}]", "finance.gross_margin"),
        (
            "[" + ",".join(f"{{key: market.segments.{name}.size, low: 0.1, high: 0.2, "
                           f"levels: 10000}}" for name in ("a", "b", "c")) + "]",
            "1,000,000,000,000 points",
        ),
    ],
)  # fmt: skip
def test_a_bad_factor_is_one_clear_line_before_anything_is_written(factors, said, tmp_path, capsys):
    file = design(tmp_path, factors=factors)
    assert sweep(f"design={file}", f"out={tmp_path / 'o'}") == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "o" / "manifest.json").exists()


def test_a_second_sweep_in_one_place_is_refused(folder, capsys):
    assert sweep(f"design={design(folder)}", f"out={folder / 'done'}") == 2
    assert "holds a sweep already" in capsys.readouterr().err


def test_points_of_other_factors_cannot_be_added(done, tmp_path, capsys):
    other = design(tmp_path, factors="[{key: finance.gross_margin, name: other, values: [0.2]}]")
    assert sweep(f"extend={done}", f"design={other}") == 2
    assert "otherwise than the sweep does" in capsys.readouterr().err


# --- elsewhere -----------------------------------------------------------------------------------


def test_a_sweep_may_lie_wherever_fsspec_reaches(folder, tmp_path, capsys):
    import fsspec

    place = f"memory://{tmp_path.name}/sweep"
    assert sweep(f"design={design(tmp_path)}", f"out={place}", "replications=2") == 0
    system = fsspec.filesystem("memory")
    names = system.ls(f"{place}/parts", detail=False)
    there = {name.rpartition("/")[2]: system.cat(name) for name in names}
    assert there == parts(folder / "done")
    assert sweep(f"extend={place}", "replications=+1") == 0
    capsys.readouterr()
    assert main(["query", place, "select count(*) as n from outcomes", "format=csv"]) == 0
    assert capsys.readouterr().out.split() == ["n", "36"]
