"""The field's models of a customer base: NBD, BG/NBD, Pareto/NBD, and gamma-gamma for amounts.

Each sees a customer as three numbers: how often it came back (`x`), when it did so last
(`recency`) and how long it has been watched (`age`); customers with the same three are one cell.
Time is in weeks since the first order, which is known and tells nothing about the rate.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.polynomial.legendre import leggauss
from scipy.linalg import eigh_tridiagonal
from scipy.special import betaln, gammaln, hyp2f1, polygamma
from scipy.stats import nbinom

from sim.calibration.estimation import Maximum, Prior, describe, maximize, with_gradient
from sim.calibration.fit import Estimate
from sim.calibration.observed import Integers
from sim.types import F64

NODES = 64
"""Points of the quadratures over time and over the probability of leaving."""
GUESS = 0.3
"""Standard error of the logarithm of a parameter that nothing is known of yet."""
MOST = 1e4
"""Largest parameter, and the inverse of the smallest: beyond, the data tell nothing."""
TINY = 1e-12
"""Smallest point of a quadrature over probabilities."""
PRIOR_SD = 20.0
"""Of the logarithm of a parameter: keeps it finite where the data cannot."""


@dataclass(frozen=True)
class Histories:
    """Customers by what the field's models know of them; one row per cell."""

    x: F64
    """Orders after the first."""
    recency: F64
    """Weeks from the first order to the last."""
    age: F64
    """Weeks from the first order to the end of what was watched."""
    n: F64
    """Customers in the cell."""
    cell: Integers
    """(n_customers,) the cell of each."""

    @cached_property
    def pairs(self) -> tuple[F64, F64, Integers, Integers]:
        """Numbers of repeats with a time, each pair once: x, time, and by cell those of both times.

        There are far fewer than cells in a large log, and what costs depends on such a pair.
        """
        both = np.concatenate(
            [np.column_stack([self.x, self.recency]), np.column_stack([self.x, self.age])]
        )
        pairs, number = np.unique(both, axis=0, return_inverse=True)
        x, time = pairs.T.copy()
        at_recency, at_age = number.reshape(2, -1)
        return x, time, at_recency, at_age


def collect(x: F64, recency: F64, age: F64) -> Histories:
    """Put customers with the same history into one cell."""
    cells, cell, n = np.unique(
        np.column_stack([x, recency, age]), axis=0, return_inverse=True, return_counts=True
    )
    x, recency, age = cells.T.copy()
    return Histories(x, recency, age, n.astype(float), cell.ravel())


def positive(at: F64) -> F64:
    """Return parameters whose logarithms are given."""
    return np.asarray(np.exp(np.clip(at, -np.log(MOST), np.log(MOST))))


class Lifetime(ABC):
    """A model of repeat buying; its parameters are positive and estimated as logarithms."""

    name: str
    parameters: tuple[str, ...]

    @abstractmethod
    def log_likelihood(self, at: F64, seen: Histories) -> F64:
        """Return each cell's log-likelihood: the density of its order times."""

    @abstractmethod
    def repeats(self, at: F64, age: F64) -> F64:
        """Return the repeat orders expected of a new customer up to an age."""

    @abstractmethod
    def active(self, at: F64, start: F64, stop: F64) -> F64:
        """Return the probability that a new customer orders between two ages."""

    @abstractmethod
    def ahead(self, at: F64, seen: Histories, horizon: float) -> F64:
        """Return the orders expected of each cell in the weeks after its age."""

    def at_least(self, at: F64, n: int, age: F64) -> F64 | None:
        """Return the probability of n or more repeat orders up to an age; None if it is unknown."""
        del at, n, age
        return None

    def describe(self, found: Maximum) -> dict[str, Estimate]:
        """Name the estimates."""
        return describe(found, lambda at: dict(zip(self.parameters, positive(at), strict=True)))

    def fit(self, seen: Histories) -> Maximum:
        """Maximise the likelihood."""

        def total(at: F64) -> float:
            return float(seen.n @ self.log_likelihood(positive(at), seen))

        size = len(self.parameters)
        prior = Prior(np.zeros(size), np.full(size, PRIOR_SD))
        spread = GUESS**2 * np.eye(size)
        return maximize(with_gradient(total), np.zeros(size), prior=prior, spread=spread)


class NBD(Lifetime):
    """Purchases at a steady rate that differs between customers, and nobody leaves.

    Notes
    -----
    Ehrenberg (1959), Applied Statistics 8(1): Poisson with rate gamma(r, alpha) over customers.
    """

    name = "NBD"
    parameters = ("r", "alpha_weeks")

    def log_likelihood(self, at: F64, seen: Histories) -> F64:
        """Return each cell's log-likelihood: the density of its order times."""
        r, alpha = at
        return _mixed_poisson(r, alpha, seen.x, seen.age)

    def repeats(self, at: F64, age: F64) -> F64:
        """Return the repeat orders expected of a new customer up to an age."""
        r, alpha = at
        return np.asarray(r / alpha * age)

    def active(self, at: F64, start: F64, stop: F64) -> F64:
        """Return the probability that a new customer orders between two ages."""
        r, alpha = at
        return np.asarray(1.0 - (alpha / (alpha + stop - start)) ** r)

    def ahead(self, at: F64, seen: Histories, horizon: float) -> F64:
        """Return the orders expected of each cell in the weeks after its age."""
        r, alpha = at
        return np.asarray((r + seen.x) / (alpha + seen.age) * horizon)

    def at_least(self, at: F64, n: int, age: F64) -> F64:
        """Return the probability of n or more repeat orders up to an age."""
        r, alpha = at
        return np.asarray(nbinom.sf(n - 1, r, alpha / (alpha + age)))


class BGNBD(Lifetime):
    """NBD with leaving after a repeat order, by a probability that differs between customers.

    Notes
    -----
    Fader, Hardie & Lee (2005), Marketing Science 24(2): the likelihood is equation 6, what is
    expected of a customer equation 10. The probability of leaving is beta(a, b); given it, expected
    repeats are (1 - (alpha / (alpha + p t))^r) / p, which is averaged by Gauss-Jacobi quadrature.
    """

    name = "BG/NBD"
    parameters = ("r", "alpha_weeks", "a", "b")

    def log_likelihood(self, at: F64, seen: Histories) -> F64:
        """Return each cell's log-likelihood: the density of its order times."""
        return np.logaddexp(*self._branches(at, seen))

    def repeats(self, at: F64, age: F64) -> F64:
        """Return the repeat orders expected of a new customer up to an age."""
        r, alpha, a, b = at
        p, weight = beta_nodes(a, b)
        return np.asarray((1.0 - (alpha / (alpha + np.multiply.outer(age, p))) ** r) / p @ weight)

    def active(self, at: F64, start: F64, stop: F64) -> F64:
        """Return the probability that a new customer orders between two ages."""
        r, alpha, a, b = at
        p, weight = beta_nodes(a, b)
        until = alpha + np.multiply.outer(start, p)
        gap = np.asarray(stop - start)[..., None]
        return np.asarray(((alpha / until) ** r - (alpha / (until + gap)) ** r) @ weight)

    def ahead(self, at: F64, seen: Histories, horizon: float) -> F64:
        """Return the orders expected of each cell in the weeks after its age."""
        r, alpha, a, b = at
        alive, gone = self._branches(at, seen)
        known = alpha + seen.age
        z = horizon / (known + horizon)
        kept = (known / (known + horizon)) ** (r + seen.x)
        kept *= hyp2f1(r + seen.x, b + seen.x, a + b + seen.x - 1.0, z)
        stay = np.exp(alive - np.logaddexp(alive, gone))
        return np.asarray(stay * (a + b + seen.x - 1.0) / (a - 1.0) * (1.0 - kept))

    def at_least(self, at: F64, n: int, age: F64) -> F64:
        """Return the probability of n or more repeat orders up to an age."""
        r, alpha, a, b = at
        stays = 1.0 if n == 0 else np.exp(betaln(a, b + n - 1) - betaln(a, b))
        return np.asarray(stays * nbinom.sf(n - 1, r, alpha / (alpha + age)))

    @staticmethod
    def _branches(at: F64, seen: Histories) -> tuple[F64, F64]:
        """Return the log-likelihood with the customer still there, and with it gone."""
        r, alpha, a, b = at
        x = seen.x
        alive = betaln(a, b + x) - betaln(a, b) + _mixed_poisson(r, alpha, x, seen.age)
        gone = betaln(a + 1.0, b + np.maximum(x, 1.0) - 1.0) - betaln(a, b)
        gone = np.where(x > 0, gone + _mixed_poisson(r, alpha, x, seen.recency), -np.inf)
        return alive, gone


class ParetoNBD(Lifetime):
    """NBD with leaving at any time, by a rate that differs between customers.

    Notes
    -----
    Schmittlein, Morrison & Colombo (1987), Management Science 33(1), in the form of Fader & Hardie
    (2005), "A note on deriving the Pareto/NBD model", equations 19 to 22: purchase rates are
    gamma(r, alpha), leaving rates gamma(s, beta). The powers that the hypergeometric functions are
    multiplied by are kept as logarithms, so that frequent buyers do not underflow.
    """

    name = "Pareto/NBD"
    parameters = ("r", "alpha_weeks", "s", "beta_weeks")

    def log_likelihood(self, at: F64, seen: Histories) -> F64:
        """Return each cell's log-likelihood: the density of its order times."""
        return np.logaddexp(*self._branches(at, seen))

    def repeats(self, at: F64, age: F64) -> F64:
        """Return the repeat orders expected of a new customer up to an age."""
        r, alpha, s, beta = at
        return np.asarray(r / alpha * _mean_life(s, beta, age))

    def active(self, at: F64, start: F64, stop: F64) -> F64:
        """Return the probability that a new customer orders between two ages."""
        r, alpha, s, beta = at
        node, weight = leggauss(NODES)
        gap = np.asarray(stop - start)[..., None] / 2.0
        wait = gap * (1.0 + node)
        stays = (beta / (beta + np.asarray(start)[..., None] + wait)) ** s
        order = r / alpha * (alpha / (alpha + wait)) ** (r + 1.0)
        return np.asarray((gap * stays * order) @ weight)

    def ahead(self, at: F64, seen: Histories, horizon: float) -> F64:
        """Return the orders expected of each cell in the weeks after its age."""
        r, alpha, s, beta = at
        alive, gone = self._branches(at, seen)
        stay = np.exp(alive - np.logaddexp(alive, gone))
        life = _mean_life(s, beta + seen.age, np.asarray(horizon))
        return np.asarray(stay * (r + seen.x) / (alpha + seen.age) * life)

    @staticmethod
    def _branches(at: F64, seen: Histories) -> tuple[F64, F64]:
        """Return the log-likelihood with the customer still there, and with it gone."""
        r, alpha, s, beta = at
        x, time, at_recency, at_age = seen.pairs
        total, low, high = r + s + x, min(alpha, beta), max(alpha, beta)
        second = s + 1.0 if alpha >= beta else r + x
        tail = np.log(hyp2f1(total, second, total + 1.0, (high - low) / (high + time)))
        tail -= total * np.log(high + time)
        stays = _mixed_poisson(r, alpha, x, time) + s * np.log(beta / (beta + time))
        leaves = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
        leaves += np.log(s / total) + tail
        with np.errstate(divide="ignore"):
            between = np.log(-np.expm1(np.minimum(tail[at_age] - tail[at_recency], 0.0)))
        return stays[at_age], leaves[at_recency] + between


FIELD = (NBD(), BGNBD(), ParetoNBD())
"""The models that a calibration is set beside."""


# Amounts ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spending:
    """Amounts by customer: orders that count, and their mean."""

    orders: F64
    mean: F64


def fit_gamma_gamma(seen: Spending) -> Maximum:
    """Maximise the likelihood of customers' mean amounts; parameters are log p, q and gamma.

    Notes
    -----
    Fader, Hardie & Lee (2005), Journal of Marketing Research 42(4). An order is gamma(p, rate nu),
    nu is gamma(q, rate gamma) over customers, so a customer's mean order is p / nu. Money is in
    units of the mean, so that the start suits any currency.
    """
    unit = float(seen.mean.mean())
    x, value = seen.orders, seen.mean / unit

    def total(at: F64) -> float:
        p, q, gamma = np.exp(at)
        terms = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
        terms += p * x * np.log(x * value) - np.log(value)
        return float(np.sum(terms - (p * x + q) * np.log(gamma + x * value) - np.log(unit)))

    found = maximize(
        with_gradient(total),
        np.log([2.0, 4.0, 2.0]),
        prior=Prior(np.zeros(3), np.full(3, PRIOR_SD)),
    )
    return Maximum(
        found.at + np.array([0.0, 0.0, np.log(unit)]),
        found.covariance,
        found.log_likelihood,
        found.flat,
    )


def name_gamma_gamma(at: F64) -> dict[str, float]:
    """Name the parameters and what follows from them.

    Notes
    -----
    A customer's mean order has mean p gamma / (q - 1) where q > 1, and its logarithm the standard
    deviation trigamma(q)^1/2; one customer's orders vary by p^-1/2.
    """
    p, q, gamma = np.exp(at)
    return {
        "p": p,
        "q": q,
        "gamma": gamma,
        "mean": p * gamma / (q - 1.0) if q > 1.0 else np.inf,
        "sd_ln_between": float(polygamma(1, q)) ** 0.5,
        "cv_within": p**-0.5,
    }


# Shared forms -------------------------------------------------------------------------------------


def _mixed_poisson(r: float, alpha: float, x: F64, time: F64) -> F64:
    """Return the log density of x order times within a time, the rate being gamma(r, alpha)."""
    density = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + time)
    return np.asarray(density)


def _mean_life(s: float, beta: F64 | float, horizon: F64) -> F64:
    """Return the weeks that a customer stays within a horizon, its leaving rate gamma(s, beta)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        life = beta / (s - 1.0) * -np.expm1((s - 1.0) * np.log(beta / (beta + horizon)))
    return np.asarray(np.where(s == 1.0, beta * np.log1p(horizon / beta), life))


def beta_nodes(a: float, b: float, n: int = NODES) -> tuple[F64, F64]:
    """Return points and weights of the quadrature over beta(a, b); the weights sum to 1.

    Notes
    -----
    Golub & Welsch (1969), Mathematics of Computation 23(106), with the recurrence of the Jacobi
    polynomials. Their norm, which overflows where b is large, is not needed.
    """
    k = np.arange(1, n)
    high, low = b - 1.0, a - 1.0
    both = high + low
    twice = 2.0 * k + both
    diagonal = np.empty(n)
    diagonal[0] = (low - high) / (both + 2.0)
    diagonal[1:] = (low**2 - high**2) / (twice * (twice + 2.0))
    square = np.empty(n - 1)
    square[0] = 4.0 * (1.0 + high) * (1.0 + low) / ((2.0 + both) ** 2 * (3.0 + both))
    k, twice = k[1:], twice[1:]
    square[1:] = 4.0 * k * (k + high) * (k + low) * (k + both) / (twice**2 * (twice**2 - 1.0))
    x, vectors = eigh_tridiagonal(diagonal, np.sqrt(square))
    return np.clip((1.0 + x) / 2.0, TINY, 1.0), vectors[0] ** 2
