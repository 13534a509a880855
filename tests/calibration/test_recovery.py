"""Data that the engine made with known parameters give those parameters back, within their errors.

The markets are such that what is estimated is exactly what is lived: choice is taste, price,
feature and habit, and all of a firm's customers buy from it alone. What a market with bonds makes
of the estimates is told in `docs/validation.md`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import sim
from sim.calibration.export import DAYS_PER_QUARTER, export_log, export_panel
from sim.calibration.fit import Fit
from sim.calibration.panel import fit_panel
from sim.calibration.reading import read_log, read_panel
from sim.calibration.transactions import fit_transactions
from sim.config.market import (
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
from sim.config.rivals import Move, Rival, Rivals
from sim.types import Channel, RivalKind

HOUSEHOLDS = 400
CUSTOMERS = 3000
DAYS_OF_A_FITS_QUARTER = 365.25 / 4
BUYERS = {"name": "known", "title": "Known", "currency": "CNY", "company_customers": 1000,
          "segments": (Segment("all", share=1.0),), "lapse_quarters": 1,
          "word_of_mouth": WordOfMouth(neighbours=0)}  # fmt: skip
"""What all the markets share: one segment, nobody who talks."""


class Recovered(NamedTuple):
    """An estimate of a parameter whose value is known."""

    name: str
    z: float
    """By how many standard errors it is off."""


def compare(fit: Fit, truth: dict[str, float]) -> Iterator[Recovered]:
    for name, value in truth.items():
        estimate, se = fit.parameters[name]
        yield Recovered(name, (estimate - value) / se)


def compare_settings(fit: Fit, truth: dict[str, float]) -> Iterator[Recovered]:
    """As `compare`, in the form in which the market file states the error: normal or lognormal."""
    for path, value in truth.items():
        [(form, (estimate, error))] = fit.market[path].items()
        gap = np.log(estimate / value) if form == "lognormal" else estimate - value
        yield Recovered(path, float(gap / error))


def within(recovered: list[Recovered]) -> float:
    """Return the share of estimates within two standard errors of the truth."""
    return float(np.mean([abs(each.z) <= 2.0 for each in recovered]))


def biases(recovered: list[Recovered]) -> dict[str, float]:
    """Return for each kind of parameter the mean error in units of what chance makes of it."""
    kinds: dict[str, list[float]] = {}
    for each in recovered:
        kind = each.name if each.name.startswith("rate.") else each.name.split(".")[0]
        kinds.setdefault(kind, []).append(each.z)
    return {kind: float(np.mean(z) * np.sqrt(len(z))) for kind, z in kinds.items()}


# --- panels -------------------------------------------------------------------------------------


def market_of_choice(rng: np.random.Generator) -> Market:
    """Return a market in which choice is taste, price, feature and habit, and nobody leaves."""
    brands = tuple(
        Brand(name, appeal=rng.normal(0.0, 0.7), taste=rng.uniform(0.6, 1.4),
              price=rng.uniform(0.9, 1.1), awareness=1.0)
        for name in ("focal", "rival_1", "rival_2", "rival_3")
    )  # fmt: skip
    return Market(
        **BUYERS, brands=brands, basket=10.0,
        weights=ChoiceWeights(value=0.0, bond=0.0, habit=rng.uniform(1.0, 3.0),
                              price=rng.uniform(3.0, 6.0), reference=0.0),
        spread=Spread(taste=rng.uniform(0.8, 1.5), value=0.0, bond=0.0,
                      price=rng.uniform(0.3, 0.6), habit=rng.uniform(0.2, 0.5)),
        learning=Learning(habit_smoothing=rng.uniform(0.6, 0.85)),
        rate=Rate(shape=2.0, mean=2.0, expansion=0.0, acceleration=0.0),
        leaving=Leaving(beta=10_000.0),
    )  # fmt: skip


def _turns(channel: Channel, up: float, down: float, on: set[int]) -> list[Move]:
    return [
        Move(channel, up if quarter in on else down, (quarter, quarter), every=8)
        for quarter in range(1, 9)
    ]


def about_the_usual() -> Rivals:
    """Return rivals whose ln(price) and feature vary about where the residents' habits come from.

    As `price_variation`, but so that the mean of what varies is 0: the estimator takes for a
    household's first habit the one that settles at the panel's mean prices.
    """
    turns = {  # quarters of eight with a high price, with a feature
        "rival_1": (0.12, {1, 3, 5, 7}, {2, 3, 6, 7}),
        "rival_2": (0.10, {1, 2, 5, 6}, {3, 4, 5, 6}),
        "rival_3": (0.15, {1, 2, 3, 4}, {2, 4, 5, 7}),
    }
    return Rivals(
        "about_the_usual", "Prices go up and down",
        {
            name: Rival(RivalKind.SCHEDULE, (
                *_turns(Channel.PRICE, np.expm1(step), np.expm1(-step), high),
                *_turns(Channel.FEATURE, 0.25, -0.25, featured),
            ))
            for name, (step, high, featured) in turns.items()
        },
    )  # fmt: skip


def truth_of_choice(market: Market, feature: float) -> dict[str, float]:
    """Return the parameters of choice by the names that a fit gives them."""
    first, *others = market.brands
    return {
        "habit": market.weights.habit,
        "habit_sd_ln": market.spread.habit,
        "alpha": market.learning.habit_smoothing,
        "price": market.weights.price,
        "price_sd_ln": market.spread.price,
        "feat": feature,
        **{f"appeal.{brand.name}": brand.appeal - first.appeal for brand in others},
        **{f"taste_sd.{b.name}": market.spread.taste * b.taste for b in market.brands},
    }


def recover_choice(numbers: range, folder: Path, **settings) -> list[Recovered]:
    """Let the engine make a panel of each market, and estimate all parameters of choice."""
    shipped = sim.load(None, ["plan=today", "baseline=today"])
    recovered = []
    for number in numbers:
        market = market_of_choice(np.random.default_rng(number))
        config = replace(
            shipped, market=market, rivals=about_the_usual(), customers=HOUSEHOLDS, quarters=16,
            burn_in=1, seed=number,
        )  # fmt: skip
        made = export_panel(config, HOUSEHOLDS, burn_in=True)
        panel = read_panel(made.save(folder / "panel.parquet")[0], holdout=0.0)
        fit = fit_panel(panel, replications=2, **settings)
        recovered += compare(fit, truth_of_choice(market, made.truth["feature_logit"]))
    return recovered


def test_a_panel_gives_back_how_its_households_choose(tmp_path):
    recovered = recover_choice(range(2), tmp_path, draws=(32, 128))
    assert len(recovered) == 2 * 13
    assert within(recovered) >= 0.9
    assert max(abs(each.z) for each in recovered) < 4.0


@pytest.mark.slow
def test_nineteen_of_twenty_parameters_of_choice_are_recovered(tmp_path):
    recovered = recover_choice(range(24), tmp_path)
    assert within(recovered) >= 0.95
    assert all(abs(bias) < 3.5 for bias in biases(recovered).values()), biases(recovered)


# --- order logs ---------------------------------------------------------------------------------


def market_of_orders(rng: np.random.Generator) -> Market:
    """Return a market in which all buy from one firm and may leave after an order.

    Customers buy now and then, so that two things hardly count in which a log differs from the
    model: orders of one day are one row, and the engine gives every newcomer half a quarter.
    """
    return Market(
        **BUYERS,
        brands=(
            Brand("focal", appeal=10.0, awareness=1.0),
            Brand("rival_1", appeal=-10.0, awareness=1.0),
        ),
        basket=rng.uniform(20.0, 200.0),
        weights=ChoiceWeights(value=0.0, bond=0.0, habit=0.0, price=0.0, reference=0.0),
        spread=Spread(taste=0.0, basket=rng.uniform(0.3, 0.8)),
        rate=Rate(shape=rng.uniform(0.5, 1.5), mean=rng.uniform(0.2, 0.4), half_life=1e6,
                  expansion=0.0, acceleration=0.0),
        leaving=Leaving(alpha=rng.uniform(0.6, 1.2), beta=rng.uniform(3.0, 8.0), satisfaction=0.0,
                        bond=0.0),
    )  # fmt: skip


def recover_orders(numbers: range, folder: Path, customers: int) -> list[Recovered]:
    """Let the engine make an order log of each market's newcomers, and estimate its parameters."""
    shipped = sim.load(None, ["plan=today", "baseline=today", "rivals=hold"])
    recovered = []
    for number in numbers:
        market = market_of_orders(np.random.default_rng(number))
        config = replace(
            shipped, market=market, customers=customers, quarters=32, burn_in=1, seed=number
        )
        made = export_log(config, customers, newcomers=True)
        log = read_log(made.save(folder / "log.parquet")[0], holdout=0.0)
        fit = fit_transactions(log, customers="cohort")
        truth = {
            "rate.shape": market.rate.shape,
            "rate.mean": market.rate.mean * DAYS_OF_A_FITS_QUARTER / DAYS_PER_QUARTER,
            "leaving.alpha": market.leaving.alpha,
            "leaving.beta": market.leaving.beta,
            "basket": market.basket,
            "spread.basket": market.spread.basket,
        }
        recovered += compare_settings(fit, truth)
    return recovered


def test_a_log_gives_back_how_its_customers_buy_and_leave(tmp_path):
    recovered = recover_orders(range(1), tmp_path, 2000)
    assert len(recovered) == 6
    assert within(recovered) >= 0.9
    assert max(abs(each.z) for each in recovered) < 4.0


@pytest.mark.slow
def test_nineteen_of_twenty_parameters_of_buying_are_recovered(tmp_path):
    recovered = recover_orders(range(20), tmp_path, CUSTOMERS)
    chance = np.sqrt(0.95 * 0.05 / len(recovered))
    assert within(recovered) >= 0.95 - 2.0 * chance
    assert all(abs(bias) < 3.5 for bias in biases(recovered).values()), biases(recovered)
