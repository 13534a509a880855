"""Tables hold every outcome, add up, and read the right way round."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim.errors import StoreError
from sim.report import tables
from sim.report.folder import read_folder
from sim.report.words import Words

Writer = Callable[..., Path]


def test_every_outcome_of_the_summary_has_a_row(run_folder: Writer) -> None:
    def change(summary: dict, _: dict) -> None:
        summary["outcomes"]["early_warning"] = {
            "baseline": 1.0,
            "plan": 2.0,
            "difference": {"mean": 1.0, "low": 0.5, "high": 1.5},
        }

    run = read_folder(run_folder(replications=8, change=change))
    groups = tables.outcome_groups(Words(), run)
    assert sum(len(group.rows) for group in groups) == len(run.summary["outcomes"]) == 17
    assert groups[-1].rows[-1].name == "Early warning"


def test_less_churn_reads_better_and_more_spend_reads_higher(run_folder: Writer) -> None:
    run = read_folder(run_folder())
    rows = {row.name: row for group in tables.outcome_groups(Words(), run) for row in group.rows}
    assert rows["Annual churn"].reading == "better"
    assert rows["Annual churn"].difference.startswith("\N{MINUS SIGN}")
    assert next(row for name, row in rows.items() if name.startswith("Spend")).reading == "higher"


def test_payback_that_is_never_reached_says_so(run_folder: Writer) -> None:
    run = read_folder(run_folder("promotion_first", gain=0.2))
    assert run.summary["outcomes"]["payback_quarter"]["plan"] is None
    assert tables.payback_tile(Words(), run, "promotion_first").value == "Never"
    rows = [row for group in tables.outcome_groups(Words(), run) for row in group.rows]
    payback = next(row for row in rows if row.name == "Payback quarter")
    assert payback.difference == "never"
    assert payback.reading == "never within 12 quarters"


def test_payback_is_the_quarter_by_which_half_of_the_futures_are_paid(run_folder: Writer) -> None:
    folder = run_folder(gain=2)
    run = read_folder(folder)
    quarters = np.sort(run.replicated("three_phase", "payback_quarter").fillna(np.inf))
    shown = tables.payback_tile(Words(), run, "three_phase").value
    assert int(shown.split("\xa0")[1]) == quarters[len(quarters) // 2]


def test_the_cash_flow_adds_up(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=8))
    parts = [part for parts in tables.CASH_PARTS.values() for part in parts]
    whole = sum(run.incremental("three_phase", part) for part in parts)
    np.testing.assert_allclose(whole, run.incremental("three_phase"))
    assert len(tables.cash_rows(run)) == run.quarters


def test_points_are_shown_where_members_hold_some(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=4))
    assert tables.owes_points(run)
    unit = tables.cash_unit(run, "three_phase")
    assert tables.cash_rows(run)[-1].cells[-1] == unit.number(4e4 * run.quarters)
    without = read_folder(run_folder("service_first", replications=4))
    assert not tables.owes_points(without)
    assert len(tables.cash_rows(without)[0].cells) == len(tables.CASH_COLUMNS)


def test_a_cash_flow_without_the_newer_columns_is_read(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=4))
    newer = ["membership_fees", "save_offer_cost", "points_liability"]
    old = replace(run, cash_flow=run.cash_flow.drop(columns=newer))
    assert not old.cash("three_phase", "membership_fees").to_numpy().any()
    assert len(tables.cash_rows(old)) == run.quarters


def test_discounted_cash_ends_at_the_net_present_value(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=8))
    ends = run.cumulative_cash("three_phase").iloc[-1]
    np.testing.assert_allclose(ends, run.replicated("three_phase", "npv"))


def test_payback_on_average_is_the_last_crossing(run_folder: Writer) -> None:
    run = read_folder(run_folder(gain=2))
    mean = run.cumulative_cash("three_phase").mean(axis=1)
    quarter = run.payback_on_average("three_phase")
    assert quarter is not None
    assert (mean.loc[quarter:] >= 0).all()
    assert mean.loc[quarter - 1] < 0


def test_planned_spend_adds_up(run_folder: Writer, compare_folder: Writer) -> None:
    by_phase = tables.spend_by_phase(Words(), read_folder(run_folder(replications=4)))
    assert by_phase is not None
    assert by_phase.totals == ["1.10", "2.60", "3.00"]
    by_plan = tables.spend_by_plan(read_folder(compare_folder(replications=4)))
    assert by_plan is not None
    assert len(set(by_plan.totals)) == 1


def test_a_plan_without_phases_has_no_spend_table(run_folder: Writer) -> None:
    assert tables.spend_by_phase(Words(), read_folder(run_folder("today", replications=4))) is None


def test_plans_are_ranked_and_the_baseline_is_not_among_them(compare_folder: Writer) -> None:
    run = read_folder(compare_folder())
    means = [run.difference(plan, "npv")["mean"] for plan in run.plans]
    assert means == sorted(means, reverse=True)
    assert "today" not in run.plans


def test_a_pair_is_told_from_the_better_side(compare_folder: Writer) -> None:
    for row in tables.pair_rows(Words(), read_folder(compare_folder())):
        assert row.mean.startswith("+")


def test_turning_a_difference_twice_gives_it_back() -> None:
    found = {"mean": 1.0, "low": 0.5, "high": 1.5, "p10": -1.0, "p50": 1.0, "p90": 3.0}
    assert tables.turned(tables.turned(found)) == found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.25, "0.25"),
        (float("nan"), "–"),
        ([0, 0.5], "0 … 0.5"),
        ({"triangular": [0, 1]}, "Triangular 0 … 1"),
        ("file.csv", "file.csv"),
    ],
)
def test_parameters_of_any_type_are_readable(value: object, text: str) -> None:
    assert tables.parameter_value(value) == text


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not the folder of a finished run"):
        read_folder(tmp_path)


def test_a_rate_that_some_futures_lack_is_told_by_its_median(run_folder: Writer) -> None:
    def change(summary: dict, _: dict) -> None:
        summary["outcomes"]["irr"]["difference"].update(mean=None, low=None, high=None, p50=0.12)

    run = read_folder(run_folder(replications=8, change=change))
    rows = [row for group in tables.outcome_groups(Words(), run) for row in group.rows]
    rate = next(row for row in rows if row.name == "Internal rate of return")
    assert (rate.difference, rate.suffix) == ("+12%", "median")


def test_a_terminal_gets_the_same_outcomes_as_text(run_folder: Writer) -> None:
    run = read_folder(run_folder("promotion_first", gain=0.2, replications=8))
    rows = tables.outcome_rows(run.summary["outcomes"], "CNY")
    assert [len(row) for row in rows] == [6] * len(run.summary["outcomes"])
    payback = next(row for row in rows if row[0] == "Payback quarter")
    assert payback[3] == "never"
    assert not any("nan" in cell or "None" in cell for row in rows for cell in row)
