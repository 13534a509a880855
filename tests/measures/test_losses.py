"""How many losses fall early, over relationships that were followed long enough."""

from __future__ import annotations

import math

import numpy as np
from histories import make_record

from sim.measures.losses import early_loss_share

N_QUARTERS = 12


def run(*losses: tuple[int, int, int]) -> list:
    """Return a run in whose last quarter n people are lost: (first purchase, tenure, n)."""
    table = np.zeros((N_QUARTERS, N_QUARTERS), dtype=np.int64)
    for first, tenure, n in losses:
        table[first, tenure] += n
    records = [
        make_record(quarter=lived - 8, lived=lived, n_quarters=N_QUARTERS)
        for lived in range(1, N_QUARTERS)
    ]
    last = make_record(quarter=4, lived=N_QUARTERS, n_quarters=N_QUARTERS, losses=table)
    return [*records, last]


def test_the_first_two_quarters_are_early():
    records = run((0, 0, 5), (1, 1, 3), (2, 2, 1), (3, 7, 1))
    assert early_loss_share(records) == 8 / 10
    assert early_loss_share(records, quarters_early=1) == 5 / 10


def test_relationships_of_too_late_a_beginning_are_passed_over():
    records = run((3, 0, 6), (3, 4, 4), (4, 0, 1000))
    assert early_loss_share(records) == 0.6
    assert early_loss_share(records, followed=7) == 1006 / 1010


def test_losses_of_all_quarters_are_summed():
    records = run((0, 0, 2)) + run((0, 5, 2))
    assert early_loss_share(records) == 0.5


def test_nobody_lost_is_no_share():
    assert math.isnan(early_loss_share(run()))
    assert math.isnan(early_loss_share(run((9, 0, 5))))
