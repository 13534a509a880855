"""Sums that are kept side by side and folded at the end of a block."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from sim.kernels import record
from sim.kernels.layout import BLOCK, WIDTH

fold = njit(cache=True)(lambda sums: record.fold(sums))


def test_counts_are_folded_exactly():
    """As large as a block's counts of purchases may be: up to 2^24 a float32 misses none."""
    rng = np.random.default_rng(2)
    sums = rng.integers(0, 2**24 // WIDTH, (30, WIDTH)).astype(np.float32)
    expected = sums.sum(axis=1, dtype=np.float64)
    fold(sums)
    np.testing.assert_array_equal(sums[:, 0], expected)
    assert BLOCK * 1000 < 2**24


@pytest.mark.parametrize("spread", [0.0, 1.0, 5.0])
def test_money_is_folded_to_float32_rounding(spread):
    """By halves: log2(WIDTH) roundings of half a unit of 2^-23 each."""
    sums = np.random.default_rng(3).lognormal(5.0, spread, (100, WIDTH)).astype(np.float32)
    expected = sums.sum(axis=1, dtype=np.float64)
    fold(sums)
    error = np.abs(sums[:, 0] / expected - 1.0)
    assert error.max() <= math.log2(WIDTH) * 2.0**-24 * 1.01


def test_rows_are_folded_apart():
    sums = np.zeros((3, WIDTH), np.float32)
    sums[1] = 1.0
    fold(sums)
    assert sums[:, 0].tolist() == [0.0, WIDTH, 0.0]
