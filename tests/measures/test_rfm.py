"""RFM: eight classes, one for each customer."""

from __future__ import annotations

import numpy as np
import pytest
from histories import make_history, ours

from sim.measures.history import History
from sim.measures.table import MEASURES

CLASSES = {
    "rfm_general_win_back": "...",
    "rfm_important_win_back": "..m",
    "rfm_general_keep": ".f.",
    "rfm_important_keep": ".fm",
    "rfm_general_develop": "r..",
    "rfm_important_develop": "r.m",
    "rfm_general_value": "rf.",
    "rfm_important_value": "rfm",
}
PEOPLE = np.array([1, 2, 4, 8, 16, 32, 64, 128])


@pytest.fixture
def run() -> History:
    return make_history(rfm=PEOPLE)


@pytest.mark.parametrize(("name", "letters"), CLASSES.items())
def test_a_class_is_recency_frequency_and_money(run, name, letters):
    """Recency is the highest of three bits, money the lowest."""
    bits = int("".join("0" if letter == "." else "1" for letter in letters), 2)
    assert ours(MEASURES[name](run)) == PEOPLE[bits]


def test_every_customer_is_in_one_class(run):
    assert {name for name in MEASURES if name.startswith("rfm_")} == set(CLASSES)
    assert sum(ours(MEASURES[name](run)) for name in CLASSES) == PEOPLE.sum()


def test_only_the_company_itself_knows(run):
    for name in CLASSES:
        assert np.isnan(MEASURES[name](run)[..., 1:]).all()
