"""The quality of a warning, counted over people whose end is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from histories import make_history, make_market, make_record, ours

from sim.measures import early_warning
from sim.measures.history import History
from sim.measures.table import MEASURES

# Rows green, yellow, red; columns kept, lost.
JUDGED = np.array([[70, 6], [12, 4], [3, 5]])
LEAD = np.array([6, 2, 4, 3, 0, 0, 0, 0, 0])


def test_warned_customers_are_counted_by_level():
    run = make_history(warned=np.array([80, 15, 5]))
    assert ours(early_warning.warned_yellow(run)) == 15
    assert ours(early_warning.warned_red(run)) == 5


def test_by_hand():
    run = make_history(judged=JUDGED, lead=LEAD)
    assert ours(early_warning.warning_precision(run)) == pytest.approx(9 / 24)
    assert ours(early_warning.warning_recall(run)) == pytest.approx(9 / 15)
    assert ours(early_warning.warning_accuracy(run)) == pytest.approx((70 + 9) / 100)
    assert ours(early_warning.warning_lead(run)) == pytest.approx((2 + 8 + 9) / 15)


@pytest.mark.parametrize(
    ("judged", "precision", "recall", "accuracy"),
    [
        ([[90, 0], [0, 4], [0, 6]], 1.0, 1.0, 1.0),  # knows all
        ([[0, 10], [45, 0], [45, 0]], 0.0, 0.0, 0.0),  # knows the opposite
        ([[90, 10], [0, 0], [0, 0]], None, 0.0, 0.9),  # never warns
        ([[0, 0], [90, 10], [0, 0]], 0.1, 1.0, 0.1),  # warns of everybody
        ([[90, 0], [10, 0], [0, 0]], 0.0, None, 0.9),  # nobody is lost
    ],
)
def test_the_ends_of_the_scales(judged, precision, recall, accuracy):
    run = make_history(judged=np.array(judged))
    found = [ours(MEASURES[f"warning_{name}"](run)) for name in ("precision", "recall", "accuracy")]
    for value, expected in zip(found, (precision, recall, accuracy), strict=True):
        assert math.isnan(value) if expected is None else value == pytest.approx(expected)


def test_rates_are_of_the_judgements_of_a_year():
    market = make_market()
    quarters = [
        make_record(quarter=k + 1, market=market, judged=np.array([[0, 0], [10 - k, k], [0, 0]]))
        for k in range(6)
    ]
    found = early_warning.warning_precision(History(quarters, market))[:, -1, 0]
    np.testing.assert_allclose(found, [0.0, 0.05, 0.1, 0.15, 0.25, 0.35])


def test_each_segment_is_judged_by_its_own():
    run = make_history(judged=JUDGED)
    values = early_warning.warning_recall(run)
    np.testing.assert_allclose(values[0, :, 0], 9 / 15)
    assert np.isnan(values[..., 1]).all(), "rivals tell nobody"


def test_nothing_judged_is_no_answer():
    run = make_history({"...x": 5})
    for name in ("precision", "recall", "accuracy", "lead"):
        assert math.isnan(ours(MEASURES[f"warning_{name}"](run)))
