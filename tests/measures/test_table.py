"""The long table of a run, and what every measure promises."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
from histories import make_history

from sim.config.load import load
from sim.kernels import layout as at
from sim.measures.table import COUNTS, MEASURES, measure_table
from sim.model import LoyaltyModel

RANGE = re.compile(r"(-?\d+)\.\.(\d+)")


@pytest.fixture(scope="module")
def run():
    given = ["customers=1200", "burn_in=5", "quarters=4", "plan=today"]
    model = LoyaltyModel(load("retail_three_phase", given), collect=False)
    while model.running:
        model.step()
    return model.history()


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_says_what_it_counts(name):
    text = inspect.getdoc(MEASURES[name]) or ""
    words = r"\d\.\.\d|/|share|people|customers|count|currency|per |1 - "
    assert re.search(words, text, re.IGNORECASE), "neither unit nor formula"
    assert text.split("\n")[0].endswith(".")


def test_measures_have_one_shape_and_keep_their_promised_range(run):
    shape = (9, len(run.market.segments) + 1, len(run.market.brands))
    for name, measure in MEASURES.items():
        values = measure(run)
        assert values.shape == shape, name
        assert np.isfinite(values[-1, -1, 0]), f"{name} of the focal brand in the last quarter"
        found = RANGE.search(inspect.getdoc(measure) or "")
        if found:
            low, high = float(found[1]), float(found[2])
            assert np.nanmin(values) >= low, name
            assert np.nanmax(values) <= high, name
    shares = ("penetration", "share", "share_of_requirements", "repeat_rate", "retention", "churn",
              "churn_annual", "cross_purchase", "problem_rate")  # fmt: skip
    for name in shares:
        values = MEASURES[name](run)
        assert np.nanmin(values) >= 0, name
        assert np.nanmax(values) <= 1, name


def test_the_table_has_a_row_per_quarter_segment_and_brand(run):
    table = measure_table(run, 1.0)
    assert list(table.columns) == ["quarter", "segment", "brand", *MEASURES]
    assert len(table) == 9 * 4 * 5
    assert not table.duplicated(["quarter", "segment", "brand"]).any()
    assert list(table["quarter"].unique()) == list(range(-4, 5))
    assert list(table["segment"].unique()) == ["ordinary", "young", "vip", "all"]
    row = table[(table.quarter == 2) & (table.segment == "vip") & (table.brand == "rival_2")]
    for name, measure in MEASURES.items():
        np.testing.assert_array_equal(row[name], measure(run)[6, 2, 2], err_msg=name)


def test_counts_are_of_real_customers_and_ratios_are_not_touched(run):
    simulated, real = measure_table(run, 1.0), measure_table(run, 250.0)
    for name in MEASURES:
        factor = 250.0 if name in COUNTS else 1.0
        np.testing.assert_allclose(real[name], factor * simulated[name], err_msg=name)


def test_what_grows_with_the_market_is_a_count():
    """A market twice as large, everybody twice, has twice the counts and the same ratios."""
    flow = dict.fromkeys(range(at.N_FLOWS), 3.0)
    once = make_history({"...x": 5, "..xx": 4, "xx..": 3}, flow)
    twice = make_history({"...x": 10, "..xx": 8, "xx..": 6}, {k: 2 * v for k, v in flow.items()})
    for name, measure in MEASURES.items():
        factor = 2.0 if name in COUNTS else 1.0
        np.testing.assert_allclose(measure(twice), factor * measure(once), err_msg=name)


def test_the_whole_market_is_the_sum_of_its_segments(run):
    table = measure_table(run, 1.0).set_index(["quarter", "brand", "segment"])
    for name in ("customers", "buyers", "purchases", "revenue", "new_buyers"):
        wide = table[name].unstack("segment")
        np.testing.assert_allclose(wide["all"], wide.drop(columns="all").sum(axis=1), err_msg=name)


def test_shares_of_all_brands_sum_to_one(run):
    np.testing.assert_allclose(MEASURES["share"](run).sum(axis=-1), 1.0)
