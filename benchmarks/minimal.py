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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

QUARTERS = 4


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


class Outcome(NamedTuple):
    """What a run leaves behind."""

    seconds: float
    purchases: NDArray[np.float64]  # (n_brands,) in all quarters
    value: NDArray[np.float64]  # (n_brands, n) perceived value at the end
    habit: NDArray[np.float64]  # (n_brands, n) habit at the end
    bought: NDArray[np.float64] | None = None
    """(n_brands, n) purchases of each customer, from the peer that tells how much they vary."""


@dataclass(slots=True)
class Peer:
    """One implementation, timed on fresh customers once per repeat."""

    name: str
    customers: int
    threads: int
    runs: list[Outcome] = field(default_factory=list)

    @property
    def seconds_per_purchase(self) -> float:
        """Return the best of the repeats: what else the machine did can only add time."""
        return min(run.seconds / run.purchases.sum() for run in self.runs)

    @property
    def seconds_per_customer_quarter(self) -> float:
        """Return the best of the repeats."""
        return min(run.seconds for run in self.runs) / (self.customers * QUARTERS)


class Figure(NamedTuple):
    """A mean over customers, with its standard deviation over customers."""

    mean: float
    sd: float
    n: int


def figures(peer: Peer, spread: dict[str, float]) -> dict[str, Figure]:
    """Return what a peer's repeats, taken together, say of the market.

    Shares catch choice, purchases catch incidence, value catches learning (and its asymmetry) and
    concentration, the mean of sum_b H_b^2, catches habit. `spread` holds the standard deviations
    over customers of what not every peer keeps by customer: shares and purchases.
    """
    n = peer.customers * len(peer.runs)
    purchases = sum(run.purchases for run in peer.runs)
    value = np.concatenate([run.value.mean(axis=0) for run in peer.runs])
    concentration = np.concatenate([(run.habit**2).sum(axis=0) for run in peer.runs])
    named = {f"share of brand {b}": x / purchases.sum() for b, x in enumerate(purchases)}
    named["purchases per customer"] = purchases.sum() / n
    result = {name: Figure(float(mean), spread[name], n) for name, mean in named.items()}
    result["perceived value"] = Figure(float(value.mean()), float(value.std()), n)
    result["habit concentration"] = Figure(
        float(concentration.mean()), float(concentration.std()), n
    )
    return result


def spread_over_customers(bought: NDArray[np.float64]) -> dict[str, float]:
    """Return how shares and purchases vary over customers, from purchases of shape (n_brands, n).

    A share is a ratio of means, whose error is that of the mean of (x_ib - share_b n_i) / mean(n),
    the usual linearisation; purchases of one customer are not independent, customers are.
    """
    total = bought.sum(axis=0)
    share = bought.sum(axis=1) / total.sum()
    residual = (bought - share[:, None] * total) / total.mean()
    spread = {f"share of brand {b}": float(r.std()) for b, r in enumerate(residual)}
    return spread | {"purchases per customer": float(total.std())}


def disagreements(peers: list[Peer], limit: float = 4.5) -> list[str]:
    """Return a line for each figure in which two peers differ by more than chance allows.

    The limit is in standard errors of the difference: with 8 figures and 10 pairs of peers, chance
    alone passes 4.5 in fewer than one run in a thousand.
    """
    bought = np.concatenate(
        [r.bought for p in peers for r in p.runs if r.bought is not None], axis=1
    )
    spread = spread_over_customers(bought)
    found = [figures(peer, spread) for peer in peers]
    lines = []
    for i, first in enumerate(peers):
        for j, second in enumerate(peers[i + 1 :], start=i + 1):
            for name, a in found[i].items():
                b = found[j][name]
                error = (a.sd**2 / a.n + b.sd**2 / b.n) ** 0.5
                if abs(a.mean - b.mean) > limit * error:
                    lines.append(
                        f"{name}: {first.name} {a.mean:.5f}, {second.name} {b.mean:.5f}, "
                        f"{abs(a.mean - b.mean) / error:.1f} standard errors apart"
                    )
    return lines
