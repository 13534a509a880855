"""What the processor is asked for: one rounding, a choice without a branch, arrays on the stack."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit

from sim.kernels import instructions
from sim.kernels.instructions import reserve

LARGEST = (2**24 - 1) * 2.0**104
fma_of = njit(cache=True)(lambda a, b, c: instructions.fma(a, b, c))
pick_of = njit(cache=True)(lambda condition, yes, no: instructions.pick(condition, yes, no))

numbers = st.floats(-1e9, 1e9, width=32)


def fits(x: np.float32, exact: Fraction) -> bool:
    """Return whether no float32 is nearer to a number than x."""
    error = abs(Fraction(float(x)) - exact)
    beside = (np.nextafter(x, np.float32(side)) for side in (-np.inf, np.inf))
    return all(error <= abs(Fraction(float(other)) - exact) for other in beside)


@given(numbers, numbers, numbers)
@example(1.0 + 2.0**-23, 1.0 - 2.0**-23, -1.0)  # two roundings leave nothing of it
def test_fma_is_the_float32_that_is_nearest_to_a_times_b_plus_c(a, b, c):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    assert fits(fma_of(np.float32(a), np.float32(b), np.float32(c)), exact)


def test_fma_rounds_once_where_a_product_and_a_sum_would_round_twice():
    a, b, c = np.float32(1 + 2**-13), np.float32(1 - 2**-13), np.float32(-1)
    assert a * b + c == 0.0
    assert fma_of(a, b, c) == -(2.0**-26)


def test_fma_overflows_and_keeps_what_is_no_number():
    assert fma_of(np.float32(LARGEST), np.float32(2.0), np.float32(0.0)) == np.inf
    assert math.isnan(fma_of(np.float32(np.inf), np.float32(0.0), np.float32(1.0)))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, np.int64])
def test_pick_returns_one_of_two_numbers_and_their_type(kind):
    assert pick_of(True, kind(3), kind(4)) == 3
    assert pick_of(False, kind(3), kind(4)) == 4
    assert {type(x) for x in pick_of.nopython_signatures[-1].args[1:]} == {
        type(pick_of.nopython_signatures[-1].return_type)
    }


def test_pick_keeps_what_is_no_number_out_of_the_answer():
    nothing = np.float32(np.nan)
    assert pick_of(False, nothing, np.float32(2.0)) == 2.0
    assert math.isnan(pick_of(True, nothing, np.float32(2.0)))


@njit(cache=True)
def fill_three(n):
    """Return what three arrays on the stack hold after each was filled with numbers of its own."""
    first = reserve((n, 5), np.float32)
    second = reserve((3,), np.int64)
    third = reserve((2, n, 7), np.uint8)
    first[:] = np.float32(1.5)
    second[:] = -(2**40)
    third[:] = np.uint8(255)
    first[n - 1] += np.float32(1.0)
    return first.copy(), second.copy(), third.copy()


@njit(cache=True)
def lay_out(n):
    """Return places in memory, and steps between elements, of two arrays on the stack."""
    one, other = reserve((2, n, 3), np.float64), reserve((n,), np.int32)
    one[0, 0, 0], other[0] = 1.0, 1
    return one.ctypes.data, other.ctypes.data, one.strides, one.shape, one.size, one.itemsize


@pytest.mark.parametrize("n", [1, 2, 64, 1000])
def test_arrays_on_the_stack_are_independent(n):
    first, second, third = fill_three(n)
    assert first.shape == (n, 5)
    assert third.shape == (2, n, 7)
    assert np.all(first[:-1] == 1.5)
    assert np.all(first[-1] == 2.5)
    assert np.all(second == -(2**40))
    assert np.all(third == 255)


@pytest.mark.parametrize("n", [1, 3, 64])
def test_an_array_on_the_stack_is_contiguous_and_begins_at_a_line_of_the_cache(n):
    one, other, strides, shape, size, itemsize = lay_out(n)
    assert one % 64 == other % 64 == 0
    assert shape == (2, n, 3)
    assert strides == (n * 3 * 8, 3 * 8, 8)
    assert (size, itemsize) == (2 * n * 3, 8)
    assert other + 4 * n <= one or one + 8 * size <= other


@njit(cache=True)
def _count_down(n):
    own = reserve((16,), np.int64)
    own[:] = n
    below = _count_down(n - 1) if n > 0 else 0
    return below + own.sum()


def test_every_call_has_arrays_of_its_own():
    assert _count_down(9) == 16 * sum(range(10))
