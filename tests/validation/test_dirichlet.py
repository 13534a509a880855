"""The NBD-Dirichlet: it recovers what made the purchases, and tells what its source tells."""

from __future__ import annotations

import numpy as np
import pytest

from sim.validation.dirichlet import (
    fit_dirichlet,
    fit_nbd,
    nbd,
    nonbuyers,
    norms,
    shape_of,
)

SHARES = np.array([0.4, 0.3, 0.2, 0.1])


def made_by_a_dirichlet(s: float, mean: float, shape: float, people: int = 40_000) -> np.ndarray:
    rng = np.random.default_rng(5)
    total = rng.poisson(rng.gamma(shape, mean / shape, people))
    taste = rng.dirichlet(s * SHARES, people)
    return np.array([rng.multinomial(n, p) for n, p in zip(total, taste, strict=True)], float)


@pytest.mark.parametrize(("s", "mean", "shape"), [(1.2, 3.0, 0.6), (0.15, 4.0, 5.0)])
def test_a_dirichlet_is_recovered_from_its_own_purchases(
    s: float, mean: float, shape: float
) -> None:
    counts = made_by_a_dirichlet(s, mean, shape)
    found = fit_dirichlet(counts)
    assert found.s == pytest.approx(s, rel=0.05)
    assert found.mean == pytest.approx(mean, rel=0.03)
    assert found.shape == pytest.approx(shape, rel=0.05)
    assert found.shares == pytest.approx(SHARES, abs=0.01)
    expected = norms(found)
    buyers = (counts > 0).sum(axis=0)
    assert expected.penetration == pytest.approx(buyers / len(counts), rel=0.03)
    assert expected.frequency == pytest.approx(counts.sum(axis=0) / buyers, rel=0.03)


def test_the_nbd_grows_with_the_window_as_ehrenberg_says() -> None:
    """12 weeks: 20% buy 2.1 times; 48 weeks: about 35.5% buy 4.7 times; 62% of buyers repeat."""
    mean = 0.20 * 2.1
    shape = shape_of(mean, 0.20)
    year = 1.0 - nonbuyers(4 * mean, shape)
    twice = 1.0 - nonbuyers(2 * mean, shape)
    assert year == pytest.approx(0.355, abs=0.01)
    assert 4 * mean / year == pytest.approx(4.7, abs=0.15)
    assert (2 * 0.20 - twice) / 0.20 == pytest.approx(0.62, abs=0.03)


def test_the_nbd_is_a_distribution_with_its_mean_and_zeros() -> None:
    n = np.arange(3000.0)
    p = nbd(n, 2.5, 0.4)
    assert p.sum() == pytest.approx(1.0)
    assert p @ n == pytest.approx(2.5)
    assert p[0] == pytest.approx(nonbuyers(2.5, 0.4))


def test_more_buyers_than_any_spread_explains_are_poisson() -> None:
    assert shape_of(0.5, 0.9) == float("inf")
    assert nonbuyers(0.5, float("inf")) == pytest.approx(np.exp(-0.5))


def test_people_alike_have_a_large_shape() -> None:
    purchases = np.random.default_rng(3).poisson(2.0, 20_000).astype(float)
    assert fit_nbd(purchases)[1] > 50
