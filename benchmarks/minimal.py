"""The minimal model: what every peer computes, and the figures by which they are told equal.

Each quarter a customer has Poisson(rate) occasions, rate ~ Gamma over customers (NBD, Ehrenberg
1959). At an occasion it picks one of five brands by multinomial logit,

    U_b = taste_b + weight_value P_b + weight_habit H_b

lives through delta = noise z - P_b with the brand picked, and learns (Oliver 1980; Guadagni &
Little 1983):

    P_b += learning * delta, times `negativity` if delta < 0
    H_c  = smoothing H_c + (1 - smoothing) [c = b]    for every brand c

Everybody starts with P = 0 and H = 1 / 5. No word of mouth, bond, problems, price moves, drift or
leaving.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

QUARTERS = 12

Numbers = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Parameters:
    """The numbers of the minimal model: a first repertoire market."""

    appeal: tuple[float, ...] = (0.8, 0.4, 0.0, -0.4, -0.8)
    taste_sd: float = 1.2
    rate_shape: float = 0.6
    rate_mean: float = 2.5
    weight_value: float = 1.0
    weight_habit: float = 2.0
    learning: float = 0.15
    negativity: float = 2.0
    noise: float = 0.5
    smoothing: float = 0.7

    @property
    def n_brands(self) -> int:
        """Count of brands."""
        return len(self.appeal)


PARAMETERS = Parameters()


class Customers(NamedTuple):
    """What is fixed about customers; drawn outside the clock."""

    rate: NDArray[np.float64]  # (n,) purchases per quarter
    taste: NDArray[np.float64]  # (n_brands, n)


def draw_customers(n_customers: int, rng: np.random.Generator) -> Customers:
    """Draw rates and tastes."""
    p = PARAMETERS
    rate = rng.gamma(p.rate_shape, p.rate_mean / p.rate_shape, n_customers)
    taste = np.array(p.appeal)[:, None] + p.taste_sd * rng.normal(size=(p.n_brands, n_customers))
    return Customers(rate, taste)


def by_rate(customers: Customers) -> Customers:
    """Return the customers in falling order of rate.

    Neighbours then buy about as often, which is what a program needs that takes many customers
    through their occasions side by side.
    """
    order = np.argsort(-customers.rate, kind="stable")
    return Customers(customers.rate[order], customers.taste[:, order])


class Outcome(NamedTuple):
    """What a run leaves behind."""

    seconds: float
    purchases: NDArray[np.float64]  # (n_brands,) in all quarters
    value: Numbers  # (n_brands, n) perceived value at the end
    habit: Numbers  # (n_brands, n) habit at the end
    bought: Numbers | None = None
    """(n_brands, n) purchases of each customer, from a peer that tells how much they vary."""


class Unavailable(Exception):  # noqa: N818 - a state of this machine, not an error of ours
    """A peer cannot run here; the message says what is missing."""


class Figure(NamedTuple):
    """A mean over customers, with its standard deviation over customers."""

    mean: float
    sd: float
    n: int


def pooled(figures: list[Figure]) -> Figure:
    """Return the figure of all customers of several runs."""
    n = np.array([figure.n for figure in figures])
    means = np.array([figure.mean for figure in figures])
    squares = np.array([figure.sd**2 + figure.mean**2 for figure in figures])
    mean = float(np.average(means, weights=n))
    variance = float(np.average(squares, weights=n)) - mean**2
    return Figure(mean, max(variance, 0.0) ** 0.5, int(n.sum()))


def over_customers(x: Numbers) -> Figure:
    """Return mean and spread of one number per customer."""
    return Figure(float(x.mean(dtype=np.float64)), float(x.std(dtype=np.float64)), len(x))


class Run(NamedTuple):
    """What is kept of an outcome: a million customers of each peer would not fit into memory."""

    seconds: float
    purchases: NDArray[np.float64]  # (n_brands,)
    value: Figure  # mean over brands
    concentration: Figure  # sum over brands of H^2
    bought: Numbers | None

    @staticmethod
    def of(outcome: Outcome) -> Run:
        """Return the figures of an outcome."""
        return Run(
            outcome.seconds,
            outcome.purchases,
            over_customers(outcome.value.mean(axis=0)),
            over_customers((outcome.habit**2).sum(axis=0)),
            outcome.bought,
        )


@dataclass(slots=True)
class Peer:
    """One implementation, timed on fresh customers once per repeat."""

    name: str
    customers: int
    threads: int
    runs: list[Run] = field(default_factory=list)
    missing: str = ""
    """Why it cannot run here, if it cannot."""

    @property
    def seconds_per_purchase(self) -> float:
        """Return the best of the repeats: what else the machine did can only add time."""
        return float(min(run.seconds / run.purchases.sum() for run in self.runs))

    @property
    def seconds_per_customer_quarter(self) -> float:
        """Return the best of the repeats."""
        return min(run.seconds for run in self.runs) / (self.customers * QUARTERS)


def figures(peer: Peer, spread: dict[str, float]) -> dict[str, Figure]:
    """Return what a peer's repeats, taken together, say of the market.

    Shares catch choice, purchases catch incidence, value catches learning (and its asymmetry) and
    concentration, the mean of sum_b H_b^2, catches habit. `spread` holds the standard deviations
    over customers of what not every peer keeps by customer: shares and purchases.
    """
    n = sum(run.value.n for run in peer.runs)
    purchases = np.sum([run.purchases for run in peer.runs], axis=0)
    named = {f"share of brand {b}": x / purchases.sum() for b, x in enumerate(purchases)}
    named["purchases per customer"] = purchases.sum() / n
    result = {name: Figure(float(mean), spread[name], n) for name, mean in named.items()}
    result["perceived value"] = pooled([run.value for run in peer.runs])
    result["habit concentration"] = pooled([run.concentration for run in peer.runs])
    return result


def spread_over_customers(bought: Numbers) -> dict[str, float]:
    """Return how shares and purchases vary over customers, from purchases of shape (n_brands, n).

    A share is a ratio of means, whose error is that of the mean of (x_ib - share_b n_i) / mean(n),
    the usual linearisation; purchases of one customer are not independent, customers are.
    """
    bought = bought.astype(np.float64)
    total = bought.sum(axis=0)
    share = bought.sum(axis=1) / total.sum()
    residual = (bought - share[:, None] * total) / total.mean()
    spread = {f"share of brand {b}": float(r.std()) for b, r in enumerate(residual)}
    return spread | {"purchases per customer": float(total.std())}


def limit(n_peers: int, n_figures: int, chance: float = 1e-3) -> float:
    """Return the standard errors that chance exceeds in a share `chance` of runs at most.

    Every figure of every pair of peers is compared, so that each comparison gets its part of
    `chance` (Bonferroni), split over both tails.
    """
    comparisons = n_figures * n_peers * (n_peers - 1) / 2
    return -NormalDist().inv_cdf(chance / (2.0 * max(comparisons, 1.0)))


def disagreements(peers: list[Peer]) -> list[str]:
    """Return a line for each figure in which two peers differ by more than chance allows."""
    bought = np.concatenate(
        [r.bought for p in peers for r in p.runs if r.bought is not None], axis=1
    )
    spread = spread_over_customers(bought)
    found = [figures(peer, spread) for peer in peers]
    errors = limit(len(peers), len(found[0]))
    lines = []
    for i, first in enumerate(peers):
        for j, second in enumerate(peers[i + 1 :], start=i + 1):
            for name, a in found[i].items():
                b = found[j][name]
                error = (a.sd**2 / a.n + b.sd**2 / b.n) ** 0.5
                if abs(a.mean - b.mean) > errors * error:
                    lines.append(
                        f"{name}: {first.name} {a.mean:.5f}, {second.name} {b.mean:.5f}, "
                        f"{abs(a.mean - b.mean) / error:.1f} standard errors apart"
                    )
    return lines
