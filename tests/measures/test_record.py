"""Sums: they do not depend on order, and those who left are remembered as long as they can be."""

from __future__ import annotations

import numpy as np
from histories import table_of
from hypothesis import given
from hypothesis import strategies as st

from sim.kernels.layout import HISTORY_SIZE, Tally
from sim.measures.record import add_tallies, age_departed, empty_tally, with_total


def random_tally(rng: np.random.Generator) -> Tally:
    empty = empty_tally(2, 3, 5)
    return Tally(
        *(
            rng.integers(0, 1000, column.shape) if column.dtype == np.int64
            else rng.normal(0.0, 1.0, column.shape)
            for column in empty
        )
    )  # fmt: skip


def test_a_quarter_passes_for_those_who_left():
    before = {"x......x": 3, "......x.": 4, "x.......": 5, ".x......": 6, "xxxxxxxx": 1}
    after = {"......x.": 3, ".....x..": 4, "x.......": 6, "xxxxxxx.": 1}
    # The five whose last purchase was seven quarters ago are out of sight.
    np.testing.assert_array_equal(age_departed(table_of(before)), table_of(after))


def test_nobody_buys_after_leaving_and_all_are_forgotten_in_eight_quarters():
    everybody = np.ones((2, 3, HISTORY_SIZE), dtype=np.int64)
    given_table = everybody.copy()
    n_before = everybody[0, 0, 1:].sum()
    for _ in range(8):
        everybody = age_departed(everybody)
        assert np.all(everybody[..., 1::2] == 0), "a purchase in the quarter that just passed"
        assert np.all(everybody.sum(axis=-1) < n_before)
        n_before = everybody[0, 0].sum()
    assert not everybody.any()
    assert given_table.all(), "the argument was changed"


@given(st.integers(0, 2**32 - 1), st.permutations(range(5)))
def test_counts_do_not_depend_on_the_order_of_chunks(seed, order):
    tallies = [random_tally(np.random.default_rng(seed + k)) for k in range(5)]
    straight, shuffled = add_tallies(tallies), add_tallies([tallies[k] for k in order])
    for name, ours, theirs in zip(Tally._fields, straight, shuffled, strict=True):
        if ours.dtype == np.int64:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
        else:
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12, err_msg=name)


def test_adding_changes_no_part_and_the_sum_of_one_is_a_copy():
    tally = random_tally(np.random.default_rng(1))
    kept = [column.copy() for column in tally]
    total = add_tallies([tally, tally])
    alone = add_tallies([tally])
    for column, before, twice, once in zip(tally, kept, total, alone, strict=True):
        np.testing.assert_array_equal(column, before)
        np.testing.assert_array_equal(twice, before + before)
        assert not np.shares_memory(once, column)


def test_the_last_row_is_the_whole_market():
    by_segment = np.array([[1, 2], [10, 20], [100, 200]])
    np.testing.assert_array_equal(with_total(by_segment)[-1], [111, 222])
    np.testing.assert_array_equal(with_total(by_segment)[:-1], by_segment)
