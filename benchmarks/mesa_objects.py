"""The minimal model as Mesa objects: one `mesa.Agent` per customer.

Two natural styles. *Lists*: the agent keeps five-element lists and works with `math` and `random`.
*Arrays*: the agent keeps five-element NumPy arrays and draws with the model's NumPy generator.
Customers do not meet, so both use `AgentSet.do`, which is faster than the shuffled order.
"""

from __future__ import annotations

import math
import random
import time

import mesa
import numpy as np

from benchmarks.minimal import PARAMETERS, QUARTERS, Customers, Outcome, draw_customers

BRANDS = range(PARAMETERS.n_brands)


class ListCustomer(mesa.Agent):
    """A customer who works with plain floats."""

    def __init__(self, model: Market, rate: float, taste: list[float]) -> None:
        super().__init__(model)
        self.rate = rate
        self.taste = taste
        self.value = [0.0 for _ in BRANDS]
        self.habit = [1.0 / PARAMETERS.n_brands for _ in BRANDS]

    def step(self) -> None:
        """Live through a quarter."""
        for _ in range(draw_poisson(self.rate, self.random)):
            self.buy()

    def buy(self) -> None:
        """Choose a brand and learn from it."""
        p, rng, value = PARAMETERS, self.random, self.value
        weight_value, weight_habit = p.weight_value, p.weight_habit
        # Utilities stay within +-10: exp needs no shift.
        scores = [
            math.exp(taste + weight_value * v + weight_habit * h)
            for taste, v, h in zip(self.taste, value, self.habit, strict=True)
        ]
        brand = rng.choices(BRANDS, scores)[0]
        delta = rng.gauss(0.0, p.noise) - value[brand]
        value[brand] += p.learning * delta * (p.negativity if delta < 0.0 else 1.0)
        smoothing = p.smoothing
        self.habit = [smoothing * h for h in self.habit]
        self.habit[brand] += 1.0 - smoothing
        self.model.purchases[brand] += 1


class ArrayCustomer(mesa.Agent):
    """A customer who works with small NumPy arrays."""

    def __init__(self, model: Market, rate: float, taste: list[float]) -> None:
        super().__init__(model)
        self.rate = rate
        self.taste = np.array(taste)
        self.value = np.zeros(PARAMETERS.n_brands)
        self.habit = np.full(PARAMETERS.n_brands, 1.0 / PARAMETERS.n_brands)

    def step(self) -> None:
        """Live through a quarter."""
        for _ in range(self.model.rng.poisson(self.rate)):
            self.buy()

    def buy(self) -> None:
        """Choose a brand and learn from it."""
        p, rng = PARAMETERS, self.model.rng
        utility = self.taste + p.weight_value * self.value + p.weight_habit * self.habit
        scores = np.exp(utility - utility.max())
        brand = rng.choice(p.n_brands, p=scores / scores.sum())
        delta = rng.normal(0.0, p.noise) - self.value[brand]
        self.value[brand] += p.learning * delta * (p.negativity if delta < 0.0 else 1.0)
        self.habit *= p.smoothing
        self.habit[brand] += 1.0 - p.smoothing
        self.model.purchases[brand] += 1


class Market(mesa.Model):
    """All customers."""

    def __init__(self, kind: type[mesa.Agent], customers: Customers, seed: int) -> None:
        super().__init__(seed=seed)
        self.purchases = [0 for _ in BRANDS]
        for rate, taste in zip(customers.rate.tolist(), customers.taste.T.tolist(), strict=True):
            kind(self, rate, taste)

    def step(self) -> None:
        """Live through a quarter."""
        self.agents.do("step")


def draw_poisson(mean: float, rng: random.Random) -> int:
    """Draw from Poisson(mean) by counting arrivals, as one does without NumPy (Knuth 1969)."""
    limit, product, n = math.exp(-mean), rng.random(), 0
    while product > limit:
        n += 1
        product *= rng.random()
    return n


def run(kind: type[mesa.Agent], n_customers: int, seed: int) -> Outcome:
    """Run the model with agents of a kind; the clock runs over `Model.step` only."""
    model = Market(kind, draw_customers(n_customers, np.random.default_rng(seed)), seed)
    began = time.perf_counter()
    for _ in range(QUARTERS):
        model.step()
    seconds = time.perf_counter() - began
    value = np.array([agent.value for agent in model.agents]).T
    habit = np.array([agent.habit for agent in model.agents]).T
    return Outcome(seconds, np.array(model.purchases, dtype=np.float64), value, habit)
