"""Strips: rows get into lanes and back, also those of a strip that is not full."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from sim.kernels import lanes
from sim.kernels.layout import WIDTH

load = njit(cache=True)(lambda lane, column: lanes.load(lane, column))
store = njit(cache=True)(lambda lane, column: lanes.store(lane, column))

KINDS = [np.float32, np.int8, np.uint8, np.int16, np.uint16]


@pytest.mark.parametrize("kind", KINDS)
@given(n=st.integers(0, WIDTH))
def test_lanes_without_a_row_get_nothing(kind, n):
    lane = np.full(WIDTH, 99, np.float32 if kind is np.float32 else np.int32)
    column = np.arange(1, n + 1).astype(kind)
    load(lane, column)
    np.testing.assert_array_equal(lane[:n], column)
    assert not lane[n:].any()


@pytest.mark.parametrize("kind", KINDS)
@given(first=st.integers(0, WIDTH), n=st.integers(0, WIDTH))
def test_what_is_stored_is_what_was_loaded_and_touches_no_other_row(kind, first, n):
    lane = np.arange(WIDTH, dtype=np.float32 if kind is np.float32 else np.int32)
    column = np.full(3 * WIDTH, 100, kind)
    store(lane, column[first : first + n])
    np.testing.assert_array_equal(column[first : first + n], lane[:n])
    assert np.all(np.delete(column, slice(first, first + n)) == 100)


@pytest.mark.parametrize("number", [-1, -128, 127])
def test_numbers_below_zero_stay_so(number):
    lane = np.zeros(WIDTH, np.int32)
    load(lane, np.full(3, number, np.int8))
    assert lane[:3].tolist() == [number] * 3


@njit(cache=True)
def fill_rows(n_rows, n_per_brand, n_brands):
    """Return copies of a strip's rows, each row filled with a number of its own."""
    rows, whole, brand = lanes.empty_rows(n_rows, n_per_brand, n_brands)
    for k in range(n_per_brand):
        for b in range(n_brands):
            brand[k, b] = np.float32(1000 + 100 * k + b)
    for k in range(n_rows):
        rows[k] = np.float32(k)
    whole[0] = np.int32(-7)
    return rows.copy(), whole.copy(), brand.copy()


@pytest.mark.parametrize(("n_per_brand", "n_brands"), [(0, 0), (1, 2), (8, 16)])
def test_rows_do_not_overlap_and_integers_are_the_same_rows(n_per_brand, n_brands):
    rows, whole, brand = fill_rows(5, n_per_brand, n_brands)
    assert rows.shape == whole.shape == (5, WIDTH)
    assert brand.shape == (n_per_brand, n_brands, WIDTH)
    assert np.all(whole[0] == -7)
    np.testing.assert_array_equal(rows.view(np.int32), whole)
    np.testing.assert_array_equal(rows[1:], np.repeat(np.arange(1, 5)[:, None], WIDTH, axis=1))
    expected = 1000 + 100 * np.arange(n_per_brand)[:, None] + np.arange(n_brands)
    np.testing.assert_array_equal(brand, np.repeat(expected[:, :, None], WIDTH, axis=2))
