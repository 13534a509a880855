"""The order in which buyers are seated: most occasions first, everybody once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sim.kernels.buyers import order_buyers
from sim.kernels.layout import BLOCK, WIDTH

MANY = 64  # from so many occasions on, buyers stand in front in no order

occasions = hnp.arrays(
    np.int32, st.integers(0, 300), elements=st.one_of(st.integers(0, 4), st.integers(0, 200))
)


def order(planned: np.ndarray) -> tuple[np.ndarray, int]:
    """Return places in order, and how many of them buy."""
    place = np.full(len(planned) + WIDTH, 12345, np.uint32)
    return place, order_buyers(planned, place, len(planned))


@given(occasions)
def test_buyers_stand_first_most_occasions_first_and_everybody_once(planned):
    place, n_buyers = order(planned)
    n = len(planned)
    assert n_buyers == np.count_nonzero(planned)
    np.testing.assert_array_equal(np.sort(place[:n]), np.arange(n))
    seated = np.minimum(planned[place[:n]], MANY)
    assert np.all(np.diff(seated) <= 0)
    assert np.all(planned[place[:n_buyers]] > 0)
    assert not planned[place[n_buyers:n]].any()


@given(occasions)
def test_the_last_strip_is_filled_up_with_the_first_row(planned):
    place, _ = order(planned)
    assert not place[len(planned) :].any()


@given(occasions)
def test_those_who_buy_as_often_stand_in_the_order_of_their_rows(planned):
    """So results do not depend on anything but the rows."""
    place, _ = order(planned)
    capped = np.minimum(planned, MANY)
    np.testing.assert_array_equal(place[: len(planned)], np.argsort(-capped, kind="stable"))


@pytest.mark.parametrize("n_occasions", [0, 1, MANY, 1000])
@pytest.mark.parametrize("n", [1, WIDTH, WIDTH + 1, BLOCK])
def test_all_alike_stay_as_they_are(n, n_occasions):
    place, n_buyers = order(np.full(n, n_occasions, np.int32))
    assert n_buyers == (n if n_occasions else 0)
    np.testing.assert_array_equal(place[:n], np.arange(n))
