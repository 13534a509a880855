"""Markets, offers and populations for the tests of kernels, from few numbers to many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.config.market import (
    Bond,
    Brand,
    Journey,
    Learning,
    Leaving,
    Market,
    Rate,
    Segment,
    Service,
    Spread,
    Subscription,
    Survey,
    WeightFactors,
    WordOfMouth,
)
from sim.config.warning import EarlyWarning
from sim.kernels import layout as at
from sim.kernels.layout import Offer, Tally, Traits, Treatment
from sim.kernels.quarter import create_residents, live_quarter
from sim.measures.record import empty_tally
from sim.offer import Product, environment, make_offer
from sim.population import Population
from sim.traits import make_traits, no_treatment, start_value
from sim.types import N_CHANNELS, Channel, MarketKind

FIVE = tuple(
    Brand(f"brand {k}", appeal=appeal, awareness=0.6)
    for k, appeal in enumerate([0.8, 0.4, 0.0, -0.4, -0.8])
)
THREE = (
    Segment("ordinary", share=0.5),
    Segment("young", share=0.42, weights=WeightFactors(price=1.3)),
    Segment("high-end", share=0.08, rate=2.0, basket=3.0),
)


@dataclass
class Scene:
    """A population with the traits of its market."""

    market: Market
    population: Population
    traits: Traits
    seed: int = 1
    replication: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Brands and segments."""
        return len(self.market.brands), len(self.market.segments)

    def offer(self, plan_quarter: int = 0, channels: np.ndarray | None = None, **change) -> Offer:
        """Return the offer of a quarter; without channels, nobody does anything."""
        n_brands, n_segments = self.shape
        offer = make_offer(
            Product(self.market),
            np.zeros((n_brands, N_CHANNELS, n_segments)) if channels is None else channels,
            np.full((n_brands, n_segments), 0.8),
            0.8,
            environment(self.market, plan_quarter),
            start_value(self.market),
            np.zeros(n_segments, dtype=np.float32),
        )
        return offer._replace(**change)

    def tally(self, n_quarters: int = 20) -> Tally:
        """Return an empty tally."""
        n_brands, n_segments = self.shape
        return empty_tally(n_segments, n_brands, n_quarters)

    def live(
        self,
        offer: Offer,
        quarter: int,
        ranges: list[tuple[int, int]] | None = None,
        treatment: Treatment | None = None,
    ) -> list[Tally]:
        """Take the population through a quarter, range by range, and let opinions be heard."""
        treatment = treatment or no_treatment(self.shape[1])
        columns = self.population.columns
        brand, valence = columns.opinion_brand.copy(), columns.opinion_valence.copy()
        tallies = []
        for first, last in ranges or [(0, len(self.population))]:
            tallies.append(self.tally())
            live_quarter(
                columns, self.traits, offer, treatment, tallies[-1], brand, valence, first, last,
                quarter, self.seed, self.replication,
            )  # fmt: skip
        columns.opinion_brand[:], columns.opinion_valence[:] = brand, valence
        return tallies


def make_scene(
    n_customers: int,
    market: Market | None = None,
    seed: int = 1,
    replication: int = 0,
    n_slots: int = 0,
) -> Scene:
    """Return residents of a market, by default one with five brands and three segments."""
    market = market or make_market()
    population = Population(n_customers, market, n_slots)
    scene = Scene(
        market, population, make_traits(market, population.block_start), seed, replication
    )
    create_residents(
        population.columns, scene.traits, scene.offer(), 0, n_customers, seed, replication
    )
    return scene


def make_market(**change) -> Market:
    """Return a market of five brands and three segments, with the changes given."""
    given = {"name": "m", "title": "m", "currency": "CNY", "company_customers": 1000,
             "brands": FIVE, "segments": THREE, "basket": 250.0}  # fmt: skip
    return Market(**(given | change))


def random_market(
    draw_number, rng: np.random.Generator, n_brands: int, n_segments: int, kind: MarketKind
) -> Market:
    """Return a market; `draw_number(low, high)` gives its parameters, `rng` brands and segments."""
    x = draw_number
    brands = tuple(
        Brand(
            f"brand {k}", appeal=rng.uniform(-1.5, 1.5), price=rng.uniform(0.7, 1.4),
            awareness=rng.uniform(0.05, 1), availability=rng.uniform(0.3, 1),
            problem=rng.uniform(0, 0.4), on_time=rng.uniform(), taste=2.0 * (k + 1) / n_brands,
        )
        for k in range(n_brands)
    )  # fmt: skip
    shares = rng.dirichlet(np.full(n_segments, 3.0))
    segments = tuple(
        Segment(
            f"segment {k}", share=share, rate=rng.uniform(0.5, 2), basket=rng.uniform(0.5, 2),
            weights=WeightFactors(
                value=rng.uniform(0, 2), bond=rng.uniform(0, 2), habit=rng.uniform(0, 2),
                price=rng.uniform(0, 1.5), reference=rng.uniform(0, 2),
            ),
        )
        for k, share in enumerate(shares)
    )  # fmt: skip
    return make_market(
        brands=brands, segments=segments, kind=kind, lapse_quarters=int(rng.integers(1, 5)),
        expectation_drift=x(0, 0.1),
        rate=Rate(
            shape=x(0.2, 3), mean=x(0.2, 4), half_life=x(0.5, 40), growth=x(-0.2, 0.2),
            season=tuple(rng.uniform(0.6, 1.4, 4)), expansion=x(0, 0.5), acceleration=x(0, 3),
            payback=x(0, 1),
        ),
        leaving=Leaving(
            alpha=x(0.3, 2), beta=x(1, 20), satisfaction=x(0, 2), bond=x(0, 2),
            bond_reference=x(0, 0.3), market_age=int(rng.integers(0, 40)),
        ),
        spread=Spread(
            taste=x(0, 2), value=x(0, 0.5), bond=x(0, 0.5), habit=x(0, 0.5), price=x(0, 0.5),
            basket=x(0, 0.8),
        ),
        learning=Learning(
            rate=x(0, 0.4), negativity=x(1, 3), noise=x(0.05, 1), habit_smoothing=x(0, 0.95),
            reference_smoothing=x(0, 1), gain_factor=x(0, 1),
        ),
        service=Service(
            loss=x(0, 3), complaint=x(0, 1), repair=x(0, 1), late_factor=x(1, 3),
        ),
        bond=Bond(gain=x(0.01, 0.3), decay=x(0.01, 0.3)),
        word_of_mouth=WordOfMouth(
            neighbours=int(rng.integers(0, 13)), rewiring=x(0, 1),
            leader_share=float(rng.choice([0.0, 0.03, 0.1, 1.0])),
            leader_attention=x(0, 0.9), leader_weight=x(0, 4), voice=x(0, 1), awareness=x(0, 0.5),
            value=x(0, 0.3), bond=x(0, 0.3), awareness_decay=x(0, 0.5),
        ),
        survey=Survey(
            satisfaction_intercept=x(-1, 1), satisfaction_slope=x(0, 3),
            recommend_intercept=x(-1, 2), recommend_value=x(0, 2), recommend_bond=x(0, 3),
            recommend_experience=x(0, 2), product_lines=x(1, 8),
        ),
        subscription=Subscription(attention=x(0, 1), switching_cost=x(0, 4)),
        journey=Journey(first_experience=x(0, 8)),
        warning=EarlyWarning(
            intercept=rng.uniform(-4, 1), overdue=x(0, 3), frequency=x(0, 3), trend=x(0, 3),
            dissatisfaction=x(0, 3), complaint=x(0, 3), prior=x(0, 4), yellow=rng.uniform(0.1, 0.5),
            red=rng.uniform(0.5, 0.9),
        ),
    )  # fmt: skip


def random_channels(rng: np.random.Generator, n_brands: int, n_segments: int) -> np.ndarray:
    """Return what brands might do in a quarter: each channel in about half of all places."""
    ranges = {
        Channel.FUNCTIONAL: (-0.5, 0.5), Channel.EMOTIONAL: (-0.5, 0.5),
        Channel.SOCIAL: (-0.5, 0.5),
        Channel.ECONOMIC: (-0.5, 0.5), Channel.MATCH: (-0.3, 0.3), Channel.PROBLEM: (-1, 1),
        Channel.ON_TIME: (-1, 1), Channel.STIMULUS: (-0.3, 0.3), Channel.AWARENESS: (0, 0.4),
        Channel.PRICE: (-0.2, 0.2), Channel.DISCOUNT: (0, 0.4), Channel.FEATURE: (-0.5, 1),
        Channel.AVAILABILITY: (-0.5, 0.2), Channel.ORDER_VALUE: (-0.3, 0.5), Channel.TRUST: (0, 0),
        Channel.VOICE: (-1, 2), Channel.BUZZ: (-0.2, 0.2),
    }  # fmt: skip
    channels = np.zeros((n_brands, N_CHANNELS, n_segments))
    for channel, (low, high) in ranges.items():
        acts = rng.random((n_brands, n_segments)) < 0.5
        channels[:, channel] = acts * rng.uniform(low, high, (n_brands, n_segments))
    return channels


def random_treatment(rng: np.random.Generator, n_segments: int, spend: float) -> Treatment:
    """Return what a company might do for single customers who spend about so much a year."""

    def by_standing(size: float) -> np.ndarray:
        return rng.uniform(-size, size, (at.N_TIERS * at.N_LEVELS, n_segments)).astype(np.float32)

    n_tiers = int(rng.integers(0, at.N_TIERS))
    steps = rng.uniform(0.1, 1.0, n_tiers) * spend / max(n_tiers, 1)
    return Treatment(
        pull=by_standing(1.0),
        quality=by_standing(0.5),
        stimulus=by_standing(0.9),
        enrolment=rng.uniform(0, 1, n_segments).astype(np.float32),
        tier_from=np.cumsum(steps, dtype=np.float32),
        earning=rng.uniform(0, 0.2, at.N_TIERS).astype(np.float32),
        redemption=rng.uniform(),
        expiry=rng.uniform(),
        coverage=rng.uniform(0, 1, at.N_LEVELS).astype(np.float32),
        money_line=spend,
    )


def shake(population: Population, rng: np.random.Generator) -> None:
    """Give the people pasts that residents do not have: opinions, tiers, arrivals, flags."""
    columns = population.columns
    n_brands, n = columns.taste.shape

    def some(share: float) -> np.ndarray:
        return rng.random(n) < share

    speaks = some(0.6)
    columns.opinion_brand[:] = np.where(speaks, rng.integers(0, n_brands, n), -1)
    columns.opinion_valence[:] = np.where(speaks, rng.integers(-127, 128, n), 0)
    columns.stock[:] = some(0.3) * rng.random(n)
    columns.flags[:] = some(0.4)
    columns.reference_log_price[:] += rng.uniform(-0.2, 0.2, n).astype(np.float32)
    columns.value[:] += rng.normal(0, 0.3, (n_brands, n)).astype(np.float32)
    columns.bond[:] = rng.random((n_brands, n)) * (rng.random((n_brands, n)) < 0.5)
    columns.awareness[:] = rng.uniform(0.02, 1, (n_brands, n))
    columns.history[:] = rng.integers(0, 1 << 16, (n_brands, n)) * (rng.random((n_brands, n)) < 0.7)
    columns.first_purchase[:] = rng.integers(-2, 1, n)
    columns.trailing_spend[:] = some(0.7) * rng.uniform(0, 8, n) * columns.basket
    columns.points[:] = some(0.5) * rng.uniform(0, 1, n) * columns.basket
    columns.tier[:] = some(0.5) * rng.integers(0, at.N_TIERS, n)
    columns.satisfaction[:] = some(0.7) * rng.integers(1, 101, n)
    levels = rng.integers(0, at.N_LEVELS, (at.WARNING_QUARTERS, n))
    columns.warnings[:] = sum(level << 2 * k for k, level in enumerate(levels * some(0.7)))
    columns.care[:] = some(0.5) * rng.integers(0, at.N_LEVELS, n)
    newcomer = some(0.1)
    columns.birth[newcomer], columns.last_brand[newcomer] = 0, -1
