"""The minimal model in whole-array NumPy.

Customers cannot buy twice at once, so occasions are looped by rank: first everyone's first purchase
of the quarter, then the second of those who buy twice, and so on. Buyers are ordered by how often
they buy, most first, so that those who still buy are the leading columns: each pass works on views,
without fancy indexing except at the brand chosen. float32, brand-major.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.minimal import PARAMETERS, QUARTERS, Outcome, draw_customers

F32 = NDArray[np.float32]


def live_quarter(
    rate: F32, taste: F32, value: F32, habit: F32, bought: F32, rng: np.random.Generator
) -> None:
    """Take all customers through a quarter; changes `value`, `habit` and `bought`."""
    occasions = rng.poisson(rate)
    order = np.argsort(-occasions, kind="stable")
    order = order[: np.count_nonzero(occasions)]
    # One gather and one scatter per quarter, instead of one per occasion.
    parts = [column[:, order] for column in (taste, value, habit, bought)]
    ascending = occasions[order][::-1]
    for k in range(ascending[-1] if len(ascending) else 0):
        still = len(order) - np.searchsorted(ascending, k, side="right")
        _buy(*(part[:, :still] for part in parts), rng)
    for column, part in zip((value, habit, bought), parts[1:], strict=True):
        column[:, order] = part


def _buy(taste: F32, value: F32, habit: F32, bought: F32, rng: np.random.Generator) -> None:
    """Let each customer (column) buy once and learn from it."""
    p = PARAMETERS
    columns = np.arange(taste.shape[1])
    scores = taste + np.float32(p.weight_value) * value + np.float32(p.weight_habit) * habit
    scores -= scores.max(axis=0)
    np.exp(scores, out=scores)
    np.cumsum(scores, axis=0, out=scores)
    target = rng.random(len(columns), dtype=np.float32) * scores[-1]
    brand = (scores[:-1] <= target).sum(axis=0)
    known = value[brand, columns]
    delta = np.float32(p.noise) * rng.standard_normal(len(columns), dtype=np.float32) - known
    step = np.float32(p.learning) * delta
    value[brand, columns] = known + np.where(delta < 0, np.float32(p.negativity) * step, step)
    habit *= np.float32(p.smoothing)
    habit[brand, columns] += np.float32(1.0 - p.smoothing)
    bought[brand, columns] += 1


def run(n_customers: int, seed: int) -> Outcome:
    """Run the model; the clock runs over the quarters only."""
    rng = np.random.default_rng(seed)
    customers = draw_customers(n_customers, rng)
    rate, taste = customers.rate.astype(np.float32), customers.taste.astype(np.float32)
    value = np.zeros_like(taste)
    habit = np.full_like(taste, 1.0 / PARAMETERS.n_brands)
    bought = np.zeros_like(taste)
    began = time.perf_counter()
    for _ in range(QUARTERS):
        live_quarter(rate, taste, value, habit, bought, rng)
    seconds = time.perf_counter() - began
    return Outcome(seconds, bought.sum(axis=1, dtype=np.float64), value, habit, bought)
