"""Early warning and tiers: rows say what the tables hold, and are left out where there is none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.report import early_warning, membership, write_page
from sim.report.folder import RunFolder, read_folder
from sim.report.words import ENGLISH, Words

Writer = Callable[..., Path]


def judged(run: RunFolder, plan: float | None, baseline: float | None) -> RunFolder:
    """Return the run with these precisions in every future."""
    measures = run.measures.copy()
    measures["warning_precision"] = np.where(measures["plan"] == "today", baseline, plan)
    measures["warning_precision"] = measures["warning_precision"].astype(float)
    return replace(run, measures=measures)


def test_who_is_saved_is_measured_against_those_who_would_leave(run_folder: Writer) -> None:
    run = read_folder(run_folder(replications=4))
    assert early_warning.saved_share(judged(run, 0.45, 0.6), "three_phase") == pytest.approx(
        (0.25, 0.25, 0.25)
    )
    assert np.isnan(early_warning.saved_share(judged(run, 0.4, 0.0), "three_phase")).all()
    rows = early_warning.warning_rows(Words(), judged(run, None, None))
    told = {row.name: row.cells for row in rows}
    assert told["Precision"] == told["Share saved"] == ["–"]


def test_a_plan_without_offers_has_no_table_of_warnings(
    run_folder: Writer, compare_folder: Writer
) -> None:
    def change(_: dict, about: dict) -> None:
        for lever in about["configuration"]["lever"].values():
            lever["save_offer"] = None

    silent = read_folder(run_folder(replications=4, change=change))
    assert early_warning.warning_rows(Words(), silent) == []
    run = read_folder(compare_folder(replications=4))
    assert early_warning.plans_that_save(run) == run.plans
    old = replace(run, measures=run.measures.drop(columns=list(early_warning.WARNING_ROWS)))
    assert early_warning.warning_rows(Words(), old) == []


def moved(run: RunFolder, *rows: tuple[int, int, int, float]) -> RunFolder:
    """Return the run with these moves, (quarter, tier before, tier now, people), everywhere."""
    table = [
        ("three_phase", r, quarter, segment, before, now, people)
        for r in range(run.replications)
        for segment in ("all", "regulars")
        for quarter, before, now, people in rows
    ]
    names = ["plan", "replication", "quarter", "segment", "from_tier", "to_tier", "customers"]
    return replace(run, tiers=pd.DataFrame(table, columns=names))


def test_tiers_are_told_at_the_start_and_at_the_end(run_folder: Writer) -> None:
    run = moved(
        read_folder(run_folder(replications=4)),
        (1, 1, 1, 75.0), (1, 2, 2, 25.0), (12, 1, 1, 30.0), (12, 1, 2, 10.0), (12, 1, 0, 5.0),
        (12, 2, 2, 50.0), (12, 0, 3, 10.0),
    )  # fmt: skip
    rows = membership.tier_rows(Words(), run)
    assert [row.name for row in rows] == ["Member", "Silver", "Gold"]
    assert [row.members for row in rows] == [("75", "30"), ("25", "60"), ("0", "10")]
    assert [row.share for row in rows] == [("75%", "30%"), ("25%", "60%"), ("0%", "10%")]
    # Of 75 + 45 people-quarters at the lowest tier, ten moves up and five out: 4 x 10 / 120 a year.
    assert rows[0].moved == ("33%", "–", "17%")
    assert rows[1].moved == ("0%", "0%", "0%")
    assert rows[2].moved == ("–", "–", "–")


def test_tiers_without_rules_are_numbered(run_folder: Writer) -> None:
    def change(_: dict, about: dict) -> None:
        about["configuration"].pop("lever")

    run = moved(read_folder(run_folder(replications=4, change=change)), (1, 0, 2, 5.0))
    assert [row.name for row in membership.tier_rows(Words(), run)] == ["Tier 1", "Tier 2"]


def test_nobody_in_a_tier_is_no_table(run_folder: Writer) -> None:
    assert membership.tier_rows(Words(), moved(read_folder(run_folder(replications=4)))) == []


@pytest.mark.parametrize("whole", [True, False])
def test_the_page_has_the_sections_that_the_folder_has(run_folder: Writer, whole: bool) -> None:
    html = write_page(run_folder(replications=8, whole=whole)).read_text(encoding="utf-8")
    for key in ("section.rollout", "section.risks", "section.tiers"):
        assert (f"<h2>{ENGLISH[key]}</h2>" in html) == whole
