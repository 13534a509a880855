"""Which assumption decides: screening, indices, decisions, on functions whose answer is known.

Sobol indices of the Ishigami function and elementary effects of sums are tested where they are
computed, in tests/sweep/test_sweep_analysis.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from sim.config.build import dump
from sim.config.design import Design
from sim.config.fields import Uncertain
from sim.config.load import load
from sim.config.market import Joint
from sim.config.study import Config
from sim.errors import ConfigError, StoreError
from sim.planning.sensitivity import (
    WORLD,
    Question,
    Screening,
    Sensitivity,
    assumptions_of,
    explain,
    indices_design,
    kept_of,
    question_of,
    screen,
    screening_design,
)
from sim.sweep.analysis import Interval, Morris
from sim.sweep.design import Sampling

PRICE, HABIT, TASTE = "market.weights.price", "market.weights.habit", "market.spread.taste"
SERVICE = "lever.service_experience.effects.functional.size"
Function = Callable[[Mapping[str, np.ndarray]], np.ndarray]


@cache
def study(*overrides: str) -> Config:
    """Return a study of one plan, or of several side by side."""
    command = "compare" if any(text.startswith("plans=") for text in overrides) else "run"
    return load(None, ["scenario=retail_three_phase", "customers=300", *overrides], command)


ONE = ("plan=service_only",)
TWO = ("plans=[service_only,membership_alone]",)


class Lived:
    """A sweep as if it had been lived: outcomes are functions of the factors, plan by plan."""

    def __init__(self, question: Question, design: Design, npv: Mapping[str, Function]) -> None:
        sampling = Sampling(design, question.config)
        batch = next(sampling.batches(sampling.n_points))
        numbers = {name: np.asarray(column, np.float64) for name, column in batch.items()}
        n = sampling.n_points
        points = pd.DataFrame({"point": np.arange(n), "run": np.arange(n), **batch})
        rows = [
            pd.DataFrame({
                "point": np.arange(n), "run": np.arange(n), "replication": 0, "plan": plan,
                "error": pd.Series([None] * n, dtype=object), "npv": own(numbers),
                "churn_annual": 0.5 - own(numbers) / 100,
            })
            for plan, own in {question.today: lambda _: np.zeros(n), **npv}.items()
        ]  # fmt: skip
        self.factors = numbers
        self.documents = [{
            "plans": [question.today, *npv], "points": n, "design": json.loads(
                json.dumps(dump(replace(design, factors=sampling.factors)))),
            "columns": {"outcomes": ["npv", "churn_annual"]},
            "block": {"first_run": 0, "runs": n, "replications": 1},
        }]  # fmt: skip
        self._connection = duckdb.connect()
        self._connection.register("points", points)
        self._connection.register("outcomes", pd.concat(rows, ignore_index=True))

    def sql(self, text: str) -> pd.DataFrame:
        return self._connection.sql(text).df()


def luck(factors: Mapping[str, np.ndarray], size: float) -> np.ndarray:
    """Return normal noise that depends on the world alone."""
    return size * np.array(
        [np.random.default_rng(int(seed)).standard_normal() for seed in factors[WORLD]]
    )


def screened(question: Question, kept: tuple[str, ...]) -> Screening:
    return Screening((), (), kept, ())


def explained(
    question: Question, kept: tuple[str, ...], npv: Mapping[str, Function], samples: int = 256
) -> Sensitivity:
    sweep = Lived(question, indices_design(question, kept, samples), npv)
    return explain(sweep, question, screened(question, kept))


# --- what is varied ------------------------------------------------------------------------------


def test_levers_that_nobody_pays_for_are_no_assumptions() -> None:
    found = assumptions_of(study(*ONE))
    levers = {path.split(".")[1] for path in found if path.startswith("lever.")}
    assert levers == {"service_experience", "training", "feedback_loop"}
    assert {PRICE, HABIT, TASTE} <= {*found}
    assert not any("privacy" in path for path in found)


def test_each_assumption_knows_its_distribution_range_and_unit() -> None:
    found = assumptions_of(study(*ONE))
    assert found[PRICE].number == Uncertain("normal", (5.25, 0.81))
    weeks = next(one for path, one in found.items() if path.endswith("weeks"))
    assert weeks.unit
    assert weeks.low == 0


def test_numbers_that_a_calibration_draws_together_are_not_varied_one_by_one() -> None:
    config = study(*ONE)
    joint = Joint("fit", {"weights.price": (4.0, 5.0, 6.0), "weights.habit": (1.0, 1.4, 1.6)})
    config = replace(config, market=replace(config.market, joint=(joint,)))
    question = question_of(config, "npv")
    assert PRICE not in question.assumptions
    assert HABIT not in question.assumptions
    assert TASTE in question.assumptions
    assert question.joint == ("fit",)


def test_neighbours_lie_in_the_same_worlds_and_base_samples_in_other_ones() -> None:
    question = question_of(study(*ONE), "npv")
    sweep = Lived(question, indices_design(question, (PRICE, TASTE), 32), {})
    worlds = sweep.factors[WORLD].reshape(32, 8)
    # A, AB (price, taste, world), BA (price, taste, world), B: all but the world's step share it.
    assert (worlds[:, [1, 2, 6]] == worlds[:, [0]]).all()
    assert (worlds[:, [3, 4, 5]] == worlds[:, [7]]).all()
    assert len(np.unique(worlds)) == 64


def test_another_seed_of_the_study_gives_other_worlds() -> None:
    studies = [replace(study(*ONE), seed=seed) for seed in (1, 2)]
    designs = [screening_design(question_of(one, "npv"), 8) for one in studies]
    assert designs[0].factors[-1].values != designs[1].factors[-1].values


# --- screening -----------------------------------------------------------------------------------


def morris(sizes: Mapping[str, float], half: float = 0.0) -> Morris:
    ends = tuple(Interval(size, size - half, size + half) for size in sizes.values())
    zeros = np.zeros(len(sizes))
    return Morris(tuple(sizes), ends, zeros, zeros, 10, 0)


def test_the_rule_keeps_what_may_reach_a_share_of_the_largest() -> None:
    sizes = {"a": 10.0, "b": 1.5, "c": 0.5, "d": 0.0, WORLD: 99.0}
    assert kept_of([morris(sizes)], 0.1, 9) == (("a", "b"), ())
    assert kept_of([morris(sizes, half=0.6)], 0.1, 9)[0] == ("a", "b", "c")
    assert kept_of([morris(sizes)], 0.0, 2) == (("a", "b"), ("c",))


def test_what_matters_for_one_decision_only_is_kept_too() -> None:
    found = kept_of([morris({"a": 9.0, "b": 0.1}), morris({"a": 0.01, "b": 0.2})], 0.5, 9)
    assert {*found[0]} == {"a", "b"}


def test_a_screening_finds_the_assumptions_of_a_function_and_no_others() -> None:
    question = question_of(study(*ONE), "npv")
    sweep = Lived(
        question,
        screening_design(question, 12),
        {"service_only": lambda x: 3 * x[PRICE] + 2 * x[HABIT] * x[TASTE] + luck(x, 1.0)},
    )
    found = screen(sweep, question, 0.05, 10)
    assert {*found.kept} == {PRICE, HABIT, TASTE}
    effects = dict(zip(found.effects[0].names, found.effects[0].sigma, strict=True))
    assert effects[PRICE] == pytest.approx(0, abs=1e-9)
    assert effects[HABIT] > 0
    assert effects[WORLD] > 0


def test_a_plan_that_no_assumption_moves_is_one_error() -> None:
    question = question_of(study(*ONE), "npv")
    sweep = Lived(question, screening_design(question, 8), {"service_only": lambda x: luck(x, 1)})
    with pytest.raises(StoreError, match="no assumption moves npv"):
        screen(sweep, question, 0.1, 10)


# --- indices and decisions -----------------------------------------------------------------------


def test_a_sum_has_indices_by_variances_and_luck_has_its_own() -> None:
    question = question_of(study(*ONE), "npv")
    weights = {PRICE: 1.0, HABIT: 3.0}
    found = explained(
        question,
        (PRICE, HABIT),
        {"service_only": lambda x: sum(w * x[name] for name, w in weights.items()) + luck(x, 0.8)},
        samples=512,
    )
    variance = {PRICE: 0.81**2, HABIT: (3 * 0.44) ** 2, WORLD: 0.8**2}
    total = sum(variance.values())
    sobol = found.decisions[0].sobol
    assert sobol is not None
    for name, one in zip(sobol.names, sobol.total, strict=True):
        assert one.value == pytest.approx(variance[name] / total, abs=0.06)
        assert one.low - 0.02 <= variance[name] / total <= one.high + 0.02


def test_the_value_at_which_a_plan_stops_paying_comes_out_whatever_else_is_uncertain() -> None:
    question = question_of(study(*ONE), "npv")
    # Pays unless price matters more than 5.8: one chance in four.
    found = explained(
        question,
        (PRICE, TASTE),
        {"service_only": lambda x: 5.8 - x[PRICE] + 2 * (x[TASTE] - 1.4) + luck(x, 0.5)},
    )
    [decision] = found.decisions
    flip = decision.flips[0]
    assert flip.value == pytest.approx(5.8, abs=0.1)
    assert flip.low < 5.8 < flip.high
    assert flip.above
    assert flip.beyond.value == pytest.approx(0.249, abs=0.04)
    assert decision.mean.value == pytest.approx(0.55, abs=0.06)
    assert 0.2 < decision.reversed_by_assumptions < decision.reversed_in_worlds.value + 0.05
    assert found.worth[0].value > found.worth[1].value


def test_of_several_plans_the_best_two_are_set_against_each_other() -> None:
    question = question_of(study(*TWO), "npv")
    found = explained(
        question,
        (PRICE, TASTE),
        {"service_only": lambda x: 1.0 + x[TASTE], "membership_alone": lambda x: x[PRICE] - 2.0},
    )
    assert [(d.plan, d.other) for d in found.decisions] == [
        ("service_only", "today"), ("membership_alone", "today"),
        ("membership_alone", "service_only")]  # fmt: skip
    assert found.deciding == 2
    # Membership is better by price - 4.4 on average: service is better below that.
    flip = found.decisions[2].flips[0]
    assert flip.value == pytest.approx(4.4, abs=0.02)
    assert not flip.above
    assert found.worth_of_all >= max(one.value for one in found.worth) - 1e-3


def test_where_only_one_plan_pays_the_decision_is_against_todays() -> None:
    question = question_of(study(*TWO), "npv")
    found = explained(
        question,
        (PRICE, TASTE),
        {"service_only": lambda x: 1.0 + x[TASTE], "membership_alone": lambda x: -x[PRICE]},
    )
    assert (found.decisions[found.deciding].plan, found.decisions[found.deciding].other) == (
        "service_only", "today")  # fmt: skip


def test_of_an_outcome_like_churn_less_is_better_and_todays_is_taken_off() -> None:
    question = question_of(study(*TWO), "churn_annual")
    found = explained(
        question,
        (PRICE, TASTE),
        {"service_only": lambda x: 5.0 + x[TASTE], "membership_alone": lambda x: x[PRICE]},
    )
    means = {(d.plan, d.other): d.mean.value for d in found.decisions}
    assert means["service_only", "today"] == pytest.approx(-0.064, abs=1e-3)
    assert found.decisions[-1].plan == "service_only"
    assert found.decisions[-1].mean.value < 0


def test_too_few_points_are_one_error() -> None:
    question = question_of(study(*ONE), "npv")
    sweep = Lived(
        question, indices_design(question, (PRICE,), 4), {"service_only": lambda x: x[PRICE]}
    )
    with pytest.raises(StoreError, match="24 points are complete, of 40 that are needed"):
        explain(sweep, question, screened(question, (PRICE,)))


# --- bad input -----------------------------------------------------------------------------------


def test_a_question_without_an_answer_is_one_error() -> None:
    one, two = study(*ONE), study(*TWO)
    today = two.baseline
    for config, outcome, said in (
        (one, "npw", "did you mean 'npv'"),
        (one, "payback_quarter", "does not exist in every world"),
        (replace(one, plan=today), "npv", "plan: today is the baseline"),
        (replace(two, plans=(two.plans[0], today)), "npv", "plans: today is the baseline"),
        (replace(one, plan=replace(today, name="same")), "npv", "same is the baseline"),
    ):
        with pytest.raises(ConfigError, match=said):
            question_of(config, outcome)


def test_a_study_in_which_all_is_known_is_one_error() -> None:
    config = study(*ONE)
    medians: dict[str, Any] = {
        "weights": replace(config.market.weights, price=5.0, habit=1.4),
        "spread": replace(config.market.spread, taste=1.4),
    }
    bare = replace(
        config,
        market=replace(config.market, **medians),
        lever={name: replace(lever, effects=(), tasks=()) for name, lever in config.lever.items()},
    )
    with pytest.raises(ConfigError, match="nothing is uncertain"):
        question_of(bare, "npv")
