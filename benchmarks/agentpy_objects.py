"""The minimal model as AgentPy objects: one `agentpy.Agent` per customer in an `AgentList`.

AgentPy has no columns of its own, so a customer keeps lists of five floats, the faster style of the
two in `mesa_objects.py`, and draws with the model's generator. The list calls each agent's method.
"""

from __future__ import annotations

import math
import time

import agentpy
import numpy as np

from benchmarks.mesa_objects import BRANDS, draw_poisson
from benchmarks.minimal import PARAMETERS, QUARTERS, Customers, Outcome, draw_customers


class Customer(agentpy.Agent):  # type: ignore[misc]
    """A customer who works with plain floats."""

    def setup(self, rate: float, taste: list[float]) -> None:
        """Begin without experience."""
        self.rate = rate
        self.taste = taste
        self.value = [0.0 for _ in BRANDS]
        self.habit = [1.0 / PARAMETERS.n_brands for _ in BRANDS]

    def live(self) -> None:
        """Live through a quarter."""
        for _ in range(draw_poisson(self.rate, self.model.random)):
            self.buy()

    def buy(self) -> None:
        """Choose a brand and learn from it."""
        p, rng, value = PARAMETERS, self.model.random, self.value
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


class Market(agentpy.Model):  # type: ignore[misc]
    """All customers."""

    def setup(self) -> None:
        """Make the customers."""
        customers: Customers = self.p.customers
        self.purchases = [0 for _ in BRANDS]
        self.customers = agentpy.AgentList(
            self,
            len(customers.rate),
            Customer,
            rate=agentpy.AttrIter(customers.rate.tolist()),
            taste=agentpy.AttrIter(customers.taste.T.tolist()),
        )

    def step(self) -> None:
        """Live through a quarter."""
        self.customers.live()


def run(n_customers: int, seed: int) -> Outcome:
    """Run the model; the clock runs over `Model.sim_step` only."""
    customers = draw_customers(n_customers, np.random.default_rng(seed))
    model = Market({"customers": customers})
    model.sim_setup(steps=QUARTERS, seed=seed)
    began = time.perf_counter()
    while model.running:
        model.sim_step()
    seconds = time.perf_counter() - began
    value = np.array([customer.value for customer in model.customers]).T
    habit = np.array([customer.habit for customer in model.customers]).T
    return Outcome(seconds, np.array(model.purchases, dtype=np.float64), value, habit)
