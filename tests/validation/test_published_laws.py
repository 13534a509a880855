"""Laws as questions: they see what is there, and a market without it fails them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import sim
from sim.types import MarketKind
from sim.validation import laws
from sim.validation.card import Scorecard
from sim.validation.observation import Purchases, Watch, World, watch
from sim.validation.published import published
from sim.validation.scorecard import score, tried

CUSTOMERS = 6_000


def card(*overrides: str) -> Scorecard:
    config = sim.load(None, ["market=online_retail", *overrides])
    return score(config, replications=2, customers=CUSTOMERS, quick=True)


def verdict(made: Scorecard, law: str) -> str:
    return next(line.verdict for line in made.lines if line.name == law)


def figure(made: Scorecard, law: str, name: str) -> float:
    line = next(line for line in made.lines if line.name == law)
    value = next(reading.observed for reading in line.readings if reading.name == name)
    assert value is not None
    return value


def world_of(counts: np.ndarray) -> Any:
    """Return a world in which these purchases were seen; shape (people, brands, quarters)."""
    n_people, _, n_quarters = counts.shape
    person = np.tile(np.arange(n_people), (n_quarters, 1))
    order = np.full((n_quarters, 1, 0), -1, np.int8)
    purchases = Purchases(counts.astype(np.int16), person, order, np.arange(0))
    return SimpleNamespace(
        today=SimpleNamespace(purchases=purchases), config=SimpleNamespace(quarters=n_quarters)
    )


TRIALS = published().trials


def in_first_quarter(year: np.ndarray, n_quarters: int = 8) -> np.ndarray:
    counts = np.zeros((*year.shape, n_quarters), int)
    counts[:, :, 0] = year
    return counts


def test_every_law_has_a_question_and_every_question_a_law() -> None:
    assert [law.name for law in published().laws] == [*laws.LAWS]


def test_the_heaviest_fifths_share_of_sales_is_counted() -> None:
    year = np.array([[6], [1], [1], [1], [1], [0], [0]])
    found = laws.pareto_share(world_of(in_first_quarter(year)), TRIALS)
    assert found.figures["top_fifth"] == pytest.approx(0.6)


def test_who_buys_as_before_leaves_no_fifth_and_strangers_leave_it_by_four_fifths() -> None:
    rng = np.random.default_rng(1)
    year = rng.permutation(np.arange(1, 2001))[:, None]
    counts = np.zeros((2000, 1, 8), int)
    counts[:, :, 0], counts[:, :, 4] = year, year
    assert laws.buyer_moderation(world_of(counts), TRIALS).figures["leave"] == 0.0
    counts[:, :, 4] = rng.permutation(year)
    assert laws.buyer_moderation(world_of(counts), TRIALS).figures["leave"] == pytest.approx(
        0.8, abs=0.05
    )


def test_ties_at_the_line_of_the_heaviest_fifth_are_shared_out() -> None:
    weight = laws._heaviest(np.array([3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]))
    assert weight.sum() == pytest.approx(2.0)
    assert weight[:3] == pytest.approx([1.0, 0.5, 0.5])


def test_independent_buyers_duplicate_in_proportion_and_lovers_of_two_brands_do_not() -> None:
    rng = np.random.default_rng(2)
    year = (rng.random((20_000, 4)) < [0.5, 0.4, 0.3, 0.2]).astype(int)
    found = laws.duplication(world_of(in_first_quarter(year)), TRIALS).figures
    assert found["d"] == pytest.approx(1.0, abs=0.03)
    assert found["variation"] < 0.05
    year[:, 1] = year[:, 0]  # a partition: two brands that the same people buy
    assert laws.duplication(world_of(in_first_quarter(year)), TRIALS).figures["variation"] > 0.2


def test_requirements_are_seen_in_a_window_that_is_long_enough() -> None:
    counts = np.zeros((100, 2, 16), int)
    counts[:, 0, 0::4] = 1  # a purchase a year of one brand, and of the other
    counts[:, 1, 1::4] = 1
    found = laws.share_of_requirements(world_of(counts), TRIALS).figures
    assert found["years"] == 3.0  # two purchases a year, five are asked for
    assert found["requirements"] == pytest.approx(0.5)
    assert found["sole"] == 0.0


def test_people_who_are_alike_fail_the_laws_of_difference() -> None:
    """Nobody buys more often, likes or is used to anything: no Pareto share, no Dirichlet."""
    made = card(
        "market.rate.shape=100", "market.spread.taste=0.0", "market.weights.habit=0.0",
        "market.segments.vip.rate=1", "market.rate.half_life=0.5",
    )  # fmt: skip
    assert verdict(made, "pareto_share") == "fail"
    assert verdict(made, "dirichlet_fit") == "fail"
    assert figure(made, "dirichlet_fit", "s") > 5
    assert verdict(made, "identical_plans") == "pass"


def test_people_who_do_not_mind_prices_fail_the_laws_of_price() -> None:
    made = card("market.weights.price=0.0", "market.weights.reference=0.0")
    assert abs(figure(made, "price_response", "elasticity")) < 0.2
    assert verdict(made, "price_response") == verdict(made, "promotion_bump") == "fail"


def test_the_shipped_retail_market_shows_what_is_asked_quickly() -> None:
    made = card()
    failed = {line.name for line in made.failed}
    assert not failed
    assert verdict(made, "state_dependence") == "untried"


def test_contracts_are_asked_what_holds_for_contracts() -> None:
    asked = {law.name for law in published().laws if MarketKind.SUBSCRIPTION in law.kinds}
    made = score(sim.load(None, ["market=bank"]), replications=2, customers=3_000, quick=True)
    assert {line.name for line in made.lines} == asked
    assert figure(made, "share_of_requirements", "sole") > 0.6


def test_a_panel_of_the_markets_households_is_in_the_order_of_time() -> None:
    config = tried(sim.load(None, ["market=online_retail"]), 3_000)
    panel = laws._panel(World(config, 0), TRIALS)
    assert panel.first[-1] == len(panel.chosen) == len(panel.price)
    assert np.all(np.diff(panel.first) >= laws.SHORTEST)
    assert panel.price.mean() == pytest.approx(1.0)
    assert np.ptp(panel.price[:, 0]) == 0.0  # the focal brand's price stays


def test_whoever_watches_counts_every_purchase_that_the_records_have() -> None:
    config = tried(sim.load(None, ["market=grocery"]), 2_000)
    world = World(config, 0)
    life = world.today
    seen = life.purchases.counts.sum(axis=0).T
    assert np.array_equal(seen, life.measure("purchases"))
    assert life.purchases.person.max() + 1 == len(life.purchases.counts)


def test_nobody_watched_leaves_no_people() -> None:
    config = tried(sim.load(None, ["market=online_retail"]), 500)
    model = sim.LoyaltyModel(config, collect=False, observe=4)
    assert len(watch(model, 1, Watch()).counts) == 0
