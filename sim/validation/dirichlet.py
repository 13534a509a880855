"""The NBD-Dirichlet: how often people buy a category, and how they spread over its brands.

Goodhardt, Ehrenberg & Chatfield (1984), "The Dirichlet: a comprehensive model of buying behaviour",
Journal of the Royal Statistical Society A 147.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import gammaln

from sim.types import F64

LOG_RANGE = (-7.0, 7.0)
"""Natural logarithm of the shapes among which a fit looks."""
TAIL = 1e-7
"""Probability of buying more often than what is summed over."""


class Dirichlet(NamedTuple):
    """A fitted NBD-Dirichlet."""

    mean: float
    """Category purchases per person in the window, M."""
    shape: float
    """Shape of the Gamma that rates spread by, K."""
    s: float
    """Sum of the Dirichlet's parameters: 0 for people who each buy one brand only."""
    shares: F64
    """(n_brands,) of purchases; the Dirichlet's parameters are S times these."""


class Norms(NamedTuple):
    """What a Dirichlet expects of each brand, shape (n_brands,)."""

    penetration: F64
    frequency: F64
    """Purchases per buyer."""


def nbd(n: F64, mean: float, shape: float) -> F64:
    """Return the NBD's probability of n purchases."""
    log_p = (
        gammaln(shape + n) - gammaln(shape) - gammaln(n + 1.0)
        + shape * np.log(shape / (shape + mean)) + n * np.log(mean / (shape + mean))
    )  # fmt: skip
    p: F64 = np.exp(log_p)
    return p


def fit_nbd(purchases: F64) -> tuple[float, float]:
    """Return mean and shape of the NBD by maximum likelihood; purchases have shape (n_people,).

    The mean's estimate is the sample's mean; the shape is searched for.
    """
    n, people = np.unique(purchases, return_counts=True)
    mean = float(purchases.mean())

    def loss(log_shape: float) -> float:
        return -float(people @ np.log(np.maximum(nbd(n, mean, np.exp(log_shape)), 1e-300)))

    found = minimize_scalar(loss, bounds=LOG_RANGE, method="bounded")
    return mean, float(np.exp(found.x))


def shape_of(mean: float, penetration: float) -> float:
    """Return the NBD's shape from mean and zeros; infinity if no spread explains so many buyers.

    (1 + mean / k)^-k = 1 - penetration. The left side falls as k grows, to exp(-mean).
    """

    def gap(log_k: float) -> float:
        k = np.exp(log_k)
        return float(-k * np.log1p(mean / k) - np.log1p(-penetration))

    low, high = LOG_RANGE
    if gap(high) >= 0.0:
        return float("inf")
    return float(np.exp(brentq(gap, low, high))) if gap(low) > 0.0 else float(np.exp(low))


def nonbuyers(mean: float, shape: float) -> float:
    """Return the NBD's share of people who buy nothing; Poisson if the shape is infinite."""
    if np.isinf(shape):
        return float(np.exp(-mean))
    return float((1.0 + mean / shape) ** -shape)


def fit_dirichlet(counts: F64) -> Dirichlet:
    """Return the Dirichlet of purchases, shape (n_people, n_brands), in one window.

    Notes
    -----
    Its parameters are S p_b with p_b the shares of purchases, as in the source; S maximises the
    likelihood of how each person's purchases spread (Dirichlet-multinomial).
    """
    total = counts.sum(axis=1)
    shares = counts.sum(axis=0) / total.sum()
    n, people = np.unique(total, return_counts=True)
    bought = [np.unique(column, return_counts=True) for column in counts.T]

    def loss(log_s: float) -> float:
        s = np.exp(log_s)
        value = people @ (gammaln(s) - gammaln(s + n))
        for share, (r, times) in zip(shares, bought, strict=True):
            if share > 0.0:
                value += times @ (gammaln(s * share + r) - gammaln(s * share))
        return -float(value)

    found = minimize_scalar(loss, bounds=LOG_RANGE, method="bounded")
    return Dirichlet(*fit_nbd(total), float(np.exp(found.x)), shares)


def norms(fitted: Dirichlet) -> Norms:
    """Return penetration and frequency that a Dirichlet expects of each brand.

    Notes
    -----
    Somebody who buys n times does not buy brand b with the beta-binomial's probability
    B(S p_b, S (1 - p_b) + n) / B(S p_b, S (1 - p_b)) = prod of (S - S p_b + i) / (S + i), i < n.
    """
    largest = 1 + int(fitted.mean * (1.0 - np.log(TAIL) * max(1.0, 1.0 / fitted.shape)))
    n = np.arange(largest, dtype=np.float64)
    weight = nbd(n, fitted.mean, fitted.shape)
    s, others = fitted.s, fitted.s * (1.0 - fitted.shares[:, None])
    never = np.exp(gammaln(others + n) - gammaln(others) + gammaln(s) - gammaln(s + n)) @ weight
    penetration = 1.0 - never - (1.0 - weight.sum())
    return Norms(penetration, fitted.mean * fitted.shares / penetration)
