"""Fit the weights of the early-warning score to each market's own customers.

    python experiments/early_warning/fit.py [MARKET ...]

A firm would fit them to its records of who came back. Here the records are simulated: what the
company could see of its customers at the end of a quarter, and who of them was lost a lapse window
later. Half of the worlds serve to fit, the other half to judge. Levels are set so that as many
customers are warned as will be lost, the worst quarter of them in red.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.optimize import minimize

import sim
from sim.config.build import realise
from sim.config.files import choices
from sim.model import LoyaltyModel
from sim.traits import lapse_mask

SIGNS = ("intercept", "overdue", "frequency", "trend", "dissatisfaction")
PRIOR = 4.0
WORLDS = 6
RED_SHARE = 0.25


def rhythm(history: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return quarters since the last purchase, and the share of quarters with one."""
    bits = (history[:, None] >> np.arange(16)) & 1
    recency = bits.argmax(axis=1)
    longest = 15 - bits[:, ::-1].argmax(axis=1)
    return recency, bits.sum(axis=1) / (longest - recency + 1 + PRIOR)


def signs_of(model: LoyaltyModel, spend_before: np.ndarray) -> np.ndarray:
    """Return what the company sees of each customer, shape (n_customers, n signs)."""
    columns = model.population.columns
    recency, frequency = rhythm(columns.history[0].astype(np.int64))
    spend = columns.trailing_spend - 0.75 * spend_before
    usual = np.maximum(spend_before, 1e-9)
    trend = np.where(spend_before > 0, np.clip(1.0 - 4.0 * spend / usual, -1.0, 1.0), 0.0)
    answered = columns.satisfaction > 0
    unhappy = np.where(answered, 1.0 - columns.satisfaction / 100.0, 0.0)
    return np.stack(
        [np.ones(len(recency)), recency * frequency, -frequency, trend, unhappy], axis=1
    )


def records(market: str, world: int) -> tuple[np.ndarray, np.ndarray]:
    """Return signs and fate of a market's focal customers in one world."""
    asked = [f"market={market}", "plan=today", "customers=30000", "burn_in=16", "quarters=8"]
    config = realise(sim.load(None, asked), lambda path: 0.5)
    model = LoyaltyModel(config, replication=world, collect=False).burn_in()
    before = model.population.columns.trailing_spend.copy()
    model.step()
    columns, window = model.population.columns, lapse_mask(config.market)
    customer = (columns.history[0] & window) > 0
    signs, birth = signs_of(model, before), columns.birth.copy()
    for _ in range(config.market.lapse_window):
        model.step()
    lost = ((columns.history[0] & window) == 0) | (columns.birth > birth)
    return signs[customer], lost[customer]


def fit(signs: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """Return the weights of a logistic regression, none below 0 but the intercept's."""

    def misfit(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logit = signs @ weights
        slope = signs.T @ (1.0 / (1.0 + np.exp(-logit)) - lost)
        return float((np.logaddexp(0.0, logit) - logit * lost).sum()), slope

    bounds = [(None, None)] + [(0.0, None)] * (len(SIGNS) - 1)
    return minimize(misfit, np.zeros(len(SIGNS)), jac=True, bounds=bounds).x


def report(market: str) -> None:
    """Print a market's weights and levels, and how well they tell on worlds not fitted to."""
    halves = [[records(market, world) for world in range(first, WORLDS, 2)] for first in (0, 1)]
    (signs, lost), (new_signs, new_lost) = (
        tuple(np.concatenate(part) for part in zip(*half, strict=True)) for half in halves
    )
    weights = fit(signs, lost)
    score = 1.0 / (1.0 + np.exp(-(signs @ weights)))
    rate = lost.mean()
    yellow, red = np.quantile(score, [1.0 - rate, 1.0 - RED_SHARE * rate])
    told = 1.0 / (1.0 + np.exp(-(new_signs @ weights))) >= yellow
    hit = (told & new_lost).sum()
    named = ", ".join(f"{name}: {w:.2f}" for name, w in zip(SIGNS, weights, strict=True))
    print(f"{market}: {{{named}, prior: {PRIOR:g}, yellow: {yellow:.3f}, red: {red:.3f}}}")
    precision, recall = hit / told.sum(), hit / new_lost.sum()
    print(
        f"    lost {rate:.3f}; precision {precision:.3f}, recall {recall:.3f}, "
        f"accuracy {(told == new_lost).mean():.3f}, warned {told.mean():.3f}"
    )


if __name__ == "__main__":
    for name in sys.argv[1:] or choices("market"):
        report(name)
