"""The minimal model in our engine: its own kernel, other mechanisms turned off by configuration.

Nothing is taken out: the kernel still computes word of mouth, bond, service, leaving and all
measures, with parameters at which they do nothing. So our time is that of the full kernel's code.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.minimal import PARAMETERS, QUARTERS, Outcome
from sim.config.market import (
    Bond,
    Brand,
    ChoiceWeights,
    Learning,
    Leaving,
    Market,
    Rate,
    Segment,
    Spread,
    WordOfMouth,
)
from sim.kernels import layout as at
from sim.kernels.quarter import create_residents, live_quarter
from sim.measures.record import add_tallies, empty_tally
from sim.model import CHUNK
from sim.offer import Product, environment, make_offer
from sim.population import Population
from sim.traits import Traits, make_traits, no_treatment
from sim.types import N_CHANNELS


def minimal_market() -> Market:
    """Return the market of the minimal model."""
    p = PARAMETERS
    weights = ChoiceWeights(
        value=p.weight_value, bond=0.0, habit=p.weight_habit, price=0.0, reference=0.0
    )
    return Market(
        name="minimal",
        title="Choice, learning and habit",
        currency="EUR",
        company_customers=1,
        brands=tuple(
            Brand(f"brand {b}", appeal=appeal, awareness=1.0, problem=0.0)
            for b, appeal in enumerate(p.appeal)
        ),
        segments=(Segment("all", share=1.0),),
        weights=weights,
        basket=1.0,
        rate=Rate(
            shape=p.rate_shape,
            mean=p.rate_mean,
            half_life=1e18,  # no drift
            expansion=0.0,
            acceleration=0.0,
            payback=0.0,
        ),
        # Leaving cannot be forbidden: one purchase in a million ends in it, and the residents are
        # those of a category that began today, as many of each rate as there are.
        leaving=Leaving(alpha=0.01, beta=10_000.0, satisfaction=0.0, bond=0.0, market_age=0),
        spread=Spread(taste=p.taste_sd, value=0.0, bond=0.0, habit=0.0, price=0.0, basket=0.0),
        learning=Learning(
            rate=p.learning,
            negativity=p.negativity,
            noise=p.noise,
            habit_smoothing=p.smoothing,
            reference_smoothing=0.0,
        ),
        bond=Bond(gain=0.0, decay=0.0),
        word_of_mouth=WordOfMouth(
            neighbours=0, voice=0.0, leader_share=0.0, awareness=0.0, value=0.0, bond=0.0,
            awareness_decay=0.0,
        ),
    )  # fmt: skip


def plain_offer(market: Market) -> at.Offer:
    """Return the offer of brands that do nothing, in a market whose newcomers expect nothing."""
    n_brands, n_segments = len(market.brands), len(market.segments)
    return make_offer(
        Product(market),
        np.zeros((n_brands, N_CHANNELS, n_segments)),
        np.full((n_brands, n_segments), float(market.bond.trust)),
        float(market.bond.trust),
        environment(market, 1),
        np.zeros((n_brands, n_segments), np.float32),
        np.zeros(n_segments, np.float32),
    )


def draw_population(market: Market, n_customers: int, seed: int) -> tuple[Population, Traits]:
    """Return customers as a run of the engine would begin with them."""
    population = Population(n_customers, market)
    traits = make_traits(market, population.block_start)
    create_residents(population.columns, traits, plain_offer(market), 0, n_customers, seed, 0)
    return population, traits


def forget_past(population: Population) -> None:
    """Take the residents' past from them: the minimal model starts everybody without one."""
    columns = population.columns
    columns.habit.fill(1.0 / len(columns.habit))
    columns.bond.fill(0.0)
    columns.history.fill(0)
    columns.last_brand.fill(-1)


class Quarters:
    """Lives through quarters as `sim.model.LoyaltyModel` does: chunks of customers, mapped."""

    def __init__(self, population: Population, traits: Traits, offer: at.Offer, seed: int) -> None:
        self.population, self.traits, self.offer, self.seed = population, traits, offer, seed
        self.treatment = no_treatment(len(traits.rate_mean))
        columns = population.columns
        self.opinions = (
            np.empty_like(columns.opinion_brand),
            np.empty_like(columns.opinion_valence),
        )
        self.n_chunks = -(-len(population) // CHUNK)

    def live(self, quarter: int, pool: ThreadPoolExecutor) -> at.Tally:
        """Take everybody through a quarter and return what they did."""
        columns = self.population.columns
        n_segments, n_brands = len(self.traits.rate_mean), len(self.traits.appeal)

        def live_chunk(chunk: int) -> at.Tally:
            first, last = chunk * CHUNK, min((chunk + 1) * CHUNK, len(self.population))
            tally = empty_tally(n_segments, n_brands, quarter + 1)
            live_quarter(
                columns, self.traits, self.offer, self.treatment, tally, *self.opinions, first,
                last, quarter, self.seed, 0,
            )  # fmt: skip
            return tally

        tally = add_tallies(list(pool.map(live_chunk, range(self.n_chunks))))
        columns.opinion_brand[:], columns.opinion_valence[:] = self.opinions
        return tally


def run(n_customers: int, threads: int, seed: int) -> Outcome:
    """Run the minimal model; the clock runs over the quarters only."""
    market = minimal_market()
    population, traits = draw_population(market, n_customers, seed)
    forget_past(population)
    quarters = Quarters(population, traits, plain_offer(market), seed)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(abs, range(threads)))  # threads are started before the clock
        began = time.perf_counter()
        tallies = [quarters.live(quarter, pool) for quarter in range(QUARTERS)]
        seconds = time.perf_counter() - began
    bought = sum(tally.flow[:, :, at.PURCHASES].sum(axis=0) for tally in tallies)
    return Outcome(
        seconds,
        bought,
        population.columns.value.astype(np.float64),
        population.columns.habit.astype(np.float64),
    )
