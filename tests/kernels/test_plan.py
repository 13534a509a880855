"""How often each buys: Poisson counts in lanes are the Poisson quantiles."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from scipy import stats

from sim.kernels import plan
from sim.kernels.layout import WIDTH
from sim.kernels.philox import MANY


@njit(cache=True, error_model="numpy")
def draw_counts(words, means):
    """Return the counts of whole strips."""
    counts, work = np.empty(len(words), np.int32), np.empty((3, WIDTH))
    for first in range(0, len(words), WIDTH):
        plan.draw_counts(
            counts[first : first + WIDTH], words[first : first + WIDTH].view(np.int32),
            means[first : first + WIDTH], work[0], work[1], work[2],
        )  # fmt: skip
    return counts


def quantiles(words: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return the exact counts."""
    return np.maximum(stats.poisson.ppf((words + 0.5) / 2**32, means), 0)


def on_a_hair(words: np.ndarray, means: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return where u is so near an edge of the count that float32 may see it on the other side.

    The sum begins with exp32(-mean), whose relative error is below 3e-7, of a mean that is rounded
    to float32, by 6e-8 of itself. From MANY on everything is float64.
    """
    u = (words + 0.5) / 2**32
    hair = np.where(means < MANY, 3e-7 + 6e-8 * means, 1e-10)
    return (np.abs(stats.poisson.cdf(counts, means) - u) < hair) | (
        np.abs(stats.poisson.cdf(counts - 1, means) - u) < hair
    )


@pytest.mark.parametrize("spread", [(0.0, 0.3), (0.0, 5.0), (0.0, 30.0), (50.0, 70.0), (0.0, 2e3)])
def test_counts_in_lanes_are_the_poisson_quantiles(spread):
    """Also where a strip has some who buy hardly ever and some who buy a thousand times."""
    rng = np.random.default_rng(4)
    n = 400 * WIDTH
    words = rng.integers(0, 2**32 - 2**16, n).astype(np.uint32)
    means = rng.uniform(*spread, n)
    counts = draw_counts(words, means)
    exact = quantiles(words, means)
    hairs = on_a_hair(words, means, exact)
    np.testing.assert_array_equal(counts[~hairs], exact[~hairs])
    assert np.abs(counts - exact).max() <= 1
    assert hairs.mean() < 5e-4


def test_counts_of_many_draws_follow_the_poisson_law():
    n = 1000 * WIDTH
    words = np.random.default_rng(5).integers(0, 2**32, n).astype(np.uint32)
    counts = draw_counts(words, np.full(n, 1.3))
    seen = np.bincount(np.minimum(counts, 7), minlength=8)
    law = [*stats.poisson.pmf(range(7), 1.3), stats.poisson.sf(6, 1.3)]
    assert stats.chisquare(seen, np.array(law) * n).pvalue > 0.01


def test_who_has_no_rate_has_no_occasion():
    words = np.random.default_rng(6).integers(0, 2**32, WIDTH).astype(np.uint32)
    assert not draw_counts(words, np.zeros(WIDTH)).any()


def test_a_count_depends_on_no_other_lane():
    """In whatever company: the strip adds up together or leaves the lane to go on alone."""
    rng = np.random.default_rng(7)
    words = rng.integers(0, 2**32 - 2**16, WIDTH).astype(np.uint32)
    means = rng.uniform(0, 10, WIDTH)
    together = draw_counts(words, means)
    for j in range(WIDTH):
        for others in (0.0, 40.0, 500.0):
            company = np.full(WIDTH, others)
            company[j] = means[j]
            assert draw_counts(words, company)[j] == together[j]


@pytest.mark.parametrize("below", [0, 16, 256, 1024])
def test_the_highest_words_draw_the_highest_counts_and_none_beyond(below):
    """The sum of probabilities must reach every uniform; some lanes only, so that a strip ends."""
    rng = np.random.default_rng(8)
    n = 200 * WIDTH
    means, words = rng.uniform(0.01, 12, n), np.full(n, 2**31, np.uint32)
    high = np.arange(n) % 16 == 0
    words[high] = 2**32 - 1 - below
    counts = draw_counts(words, means)
    u = (words[high] + 0.5) / 2**32
    assert np.all(counts[high] <= stats.poisson.ppf(1 - (1 - u) / 1e4, means[high]))
