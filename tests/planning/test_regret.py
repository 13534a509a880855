"""Regret, criteria and the value of knowing: cases worked by hand, and laws of noise."""

from __future__ import annotations

import numpy as np
import pytest

from sim.errors import ConfigError
from sim.planning.regret import (
    RESAMPLES,
    Mixture,
    Payoffs,
    check_targets,
    clairvoyance,
    criteria,
    expected_regrets,
    gaps,
    knowledge,
    largest_regrets,
    ranks,
    regret_matrix,
    shares_of,
    targets_met,
    told_apart_again,
    worst_futures,
)
from sim.sweep.analysis import Interval
from sim.types import F64

FLAT = 8
"""Worlds of a payoff matrix that is known exactly."""


def known(matrix: list[list[float]], weights: list[float] | None = None) -> Payoffs:
    """Return payoffs that are the same in every world."""
    table = np.array(matrix, dtype=float)
    npv = np.repeat(table[:, :, None], FLAT, axis=2)
    n_choices, n_futures = table.shape
    shares = np.array(weights) if weights else np.full(n_futures, 1 / n_futures)
    names = tuple(f"choice_{i}" for i in range(n_choices))
    return Payoffs(names, tuple(f"future_{j}" for j in range(n_futures)), npv, shares)


def noisy(means: F64, rng: np.random.Generator, n_worlds: int, sd: float = 1.0) -> Payoffs:
    """Return payoffs about some means, (n_choices, n_futures), noise independent."""
    npv = means[:, :, None] + sd * rng.standard_normal((*means.shape, n_worlds))
    npv[-1] = 0.0  # doing nothing
    n_choices, n_futures = means.shape
    names = tuple(f"choice_{i}" for i in range(n_choices))
    futures = tuple(f"future_{j}" for j in range(n_futures))
    return Payoffs(names, futures, npv, np.full(n_futures, 1 / n_futures))


def exactly(values: list[Interval]) -> list[float]:
    """Return values that are known exactly."""
    assert all(one.low == one.value == one.high for one in values)
    return [one.value for one in values]


class TestRegret:
    """Savage's omelet (The Foundations of Statistics, 1954, 2.5) with utilities for its outcomes.

    Break the sixth egg into the bowl, into a saucer, or throw it away; it is good or rotten.
    """

    OMELET = ([[6.0, 0.0], [5.5, 5.0], [5.0, 5.4]], [0.7, 0.3])

    def test_matrix_is_what_the_best_choice_earns_more(self):
        regret = regret_matrix(known(*self.OMELET))
        np.testing.assert_allclose(regret, [[0.0, 5.4], [0.5, 0.4], [1.0, 0.0]])

    def test_minimax_regret_is_the_saucer(self):
        largest = exactly(largest_regrets(known(*self.OMELET)))
        np.testing.assert_allclose(largest, [5.4, 0.5, 1.0])
        rule = rules(known(*self.OMELET))["max_regret"]
        assert rule.picks == (1,)

    def test_expected_regret_and_expected_value_add_up_to_the_same(self):
        payoffs = known(*self.OMELET)
        regrets = exactly(expected_regrets(payoffs))
        np.testing.assert_allclose(regrets, [1.62, 0.47, 0.7])
        np.testing.assert_allclose(np.ptp(payoffs.expected.mean(axis=1) + regrets), 0, atol=1e-12)

    def test_criteria_may_pick_different_choices(self):
        # Certain middle, gamble, and a choice that regrets little.
        payoffs = known([[0.0, 0.0], [10.0, -6.0], [5.0, -2.0]])
        found = rules(payoffs, optimism=1.0)
        picks = {name: found[name].picks for name in ("expected", "max_regret", "worst", "hurwicz")}
        assert picks == {"expected": (1,), "max_regret": (2,), "worst": (0,), "hurwicz": (1,)}

    def test_the_worst_future_is_found_and_told_from_others(self):
        worst = worst_futures(known([[3.0, -1.0, 2.0], [0.0, 0.0, 0.0]]))
        assert (worst[0].future, worst[0].npv.value, worst[0].also) == (1, -1.0, ())
        assert worst[1].also == (1, 2)  # doing nothing has no worst future
        among = worst_futures(known([[3.0, -1.0, 2.0], [0.0, 0.0, 0.0]]), [0, 2])
        assert (among[0].future, among[0].npv.value) == (2, 2.0)


def rules(payoffs: Payoffs, optimism: float | None = None) -> dict:
    """Return criteria by name; all targets are met."""
    met = np.ones(payoffs.npv.shape, dtype=bool)
    return {one.name: one for one in criteria(payoffs, met, optimism)}


class TestKnowing:
    """The oil wildcatter's problem as textbooks have it (after Raiffa 1968): drill or not."""

    WELL = ([[-70.0, 50.0, 200.0], [0.0, 0.0, 0.0]], [0.5, 0.3, 0.2])

    def test_value_of_perfect_information(self):
        # Drilling earns 20 on average; a clairvoyant earns 0.3 x 50 + 0.2 x 200 = 55.
        found = knowledge(known(*self.WELL), [[0], [1], [2]])
        assert found.value == Interval(*(pytest.approx(35.0),) * 3)
        assert found.best == (1, 0, 0)

    def test_it_is_the_least_expected_regret(self):
        payoffs = known(*self.WELL)
        least = min(one.value for one in expected_regrets(payoffs))
        assert knowledge(payoffs, [[0], [1], [2]]).value.value == pytest.approx(least)

    def test_partial_knowledge_is_worth_less(self):
        # To know whether it is dry tells all; to know whether it soaks: 0.2 x 200 + 0.8 x 0 = 40.
        payoffs = known(*self.WELL)
        dry, soaking = (knowledge(payoffs, cells) for cells in ([[0], [1, 2]], [[2], [0, 1]]))
        assert dry.value.value == pytest.approx(35.0)
        assert soaking.value.value == pytest.approx(20.0)

    def test_knowing_what_changes_nothing_is_worth_nothing(self):
        found = knowledge(known([[5.0, 1.0], [0.0, 0.0]]), [[0], [1]])
        assert found.value == Interval(0.0, 0.0, 0.0)

    def test_a_future_without_weight_is_not_asked_about(self):
        found = knowledge(known(self.WELL[0], [0.5, 0.5, 0.0]), [[0], [1], [2]])
        assert found.payoffs.futures == ("future_0", "future_1")

    def test_knowing_all_is_worth_at_least_as_much(self):
        payoffs = noisy(np.zeros((4, 3)), np.random.default_rng(3), 50)
        some = knowledge(payoffs, [[0], [1], [2]]).value
        assert clairvoyance(payoffs).value > some.value
        assert clairvoyance(payoffs).high >= some.high


class TestNoise:
    """What chance does to largest values of means."""

    def test_truth_lies_between_what_is_seen_and_what_is_cross_fitted(self):
        # All choices are alike: true regret is 0, and the plain largest mean says otherwise.
        rng = np.random.default_rng(5)
        plain, fitted = [], []
        for _ in range(60):
            payoffs = noisy(np.zeros((4, 3)), rng, 20)
            plain.append(regret_matrix(payoffs).max(axis=1).mean())
            fitted.append(np.mean([one.value for one in largest_regrets(payoffs)]))
        assert np.mean(plain) > 0.3
        assert np.mean(fitted) < 0.4 * np.mean(plain)  # not 0: a regret is never told below 0

    @pytest.mark.parametrize("spread", [0.0, 1.0])
    def test_intervals_hold_the_truth(self, spread):
        rng = np.random.default_rng(7)
        means = spread * rng.standard_normal((4, 3))
        means[-1] = 0.0
        truth = (means.max(axis=0) - means).max(axis=1)
        weights = np.full(3, 1 / 3)
        worth = means.max(axis=0) @ weights - (means @ weights).max()
        held, knew = [], []
        for _ in range(100):
            payoffs = noisy(means, rng, 16)
            found = largest_regrets(payoffs)
            held.append([one.low <= t <= one.high for one, t in zip(found, truth, strict=True)])
            value = knowledge(payoffs, [[0], [1], [2]]).value
            knew.append(value.low <= worth + 1e-9 and worth <= value.high + 1e-9)
        assert np.mean(held, axis=0).min() >= 0.9
        assert np.mean(knew) >= 0.9

    def test_the_extreme_is_never_milder_than_the_average(self):
        rng = np.random.default_rng(29)
        for _ in range(10):
            payoffs = noisy(np.full((3, 4), 0.5), rng, 12)
            average, largest = expected_regrets(payoffs), largest_regrets(payoffs)
            assert all(a.value <= b.value for a, b in zip(average, largest, strict=True))
            worst = [one.npv.value for one in worst_futures(payoffs)]
            assert (worst <= payoffs.expected.mean(axis=1) + 1e-12).all()

    def test_gaps_hold_all_together(self):
        rng = np.random.default_rng(11)
        held = []
        for _ in range(150):
            found = gaps(noisy(np.zeros((4, 3)), rng, 16))
            held.append(bool(((found.low <= 0) & (found.high >= 0)).all()))
        assert 0.9 <= np.mean(held) < 1.0

    def test_plans_that_are_alike_are_not_ranked(self):
        rng = np.random.default_rng(13)
        wrong = 0
        for _ in range(20):
            found = rules(noisy(np.zeros((4, 3)), rng, 16))
            wrong += sum(
                len(found[name].picks) == 1 for name in ("expected", "max_regret", "worst")
            )
        assert wrong <= 6  # 5% of 60, and chance

    def test_plans_that_differ_much_are_ranked(self):
        means = np.array([[9.0, 8.0], [4.0, 5.0], [0.0, 0.0]])
        found = rules(noisy(means, np.random.default_rng(17), 40))
        for name in ("expected", "max_regret", "expected_regret", "worst", "cvar", "p50"):
            assert found[name].ranks == ((1, 1), (2, 2), (3, 3)), name


class TestMixture:
    def test_quantiles_and_tail_go_by_weight(self):
        payoffs = known([[-100.0, 10.0], [0.0, 0.0]], [0.02, 0.98])
        mixture, worlds = Mixture(payoffs), np.full((1, FLAT), 1 / FLAT)
        np.testing.assert_allclose(mixture.quantiles([0.01, 0.1], worlds)[0], [[-100, 10], [0, 0]])
        # Of the worst 5%, two parts of five are the disaster.
        np.testing.assert_allclose(mixture.tail_means(worlds)[0], [0.4 * -100 + 0.6 * 10, 0])

    def test_equal_weights_agree_with_numpy(self):
        payoffs = noisy(np.zeros((3, 4)), np.random.default_rng(19), 101)
        ours = Mixture(payoffs).quantiles([0.1], np.full((1, 101), 1 / 101))[0, :, 0]
        theirs = np.quantile(payoffs.npv.reshape(3, -1), 0.1, axis=1, method="inverted_cdf")
        np.testing.assert_allclose(ours, theirs)


class TestTargets:
    def test_all_have_to_be_met_and_what_does_not_exist_meets_none(self):
        outcomes = {"npv": np.array([[[1.0, 1.0, -1.0]]]),
                    "payback_quarter": np.array([[[8.0, np.nan, 3.0]]])}  # fmt: skip
        met = targets_met(outcomes, {"npv": 0.0, "payback_quarter": 8.0})
        assert met.ravel().tolist() == [True, False, False]

    def test_share_met_is_by_weight(self):
        payoffs = known([[1.0, -1.0], [0.0, 0.0]], [0.75, 0.25])
        met = targets_met({"npv": payoffs.npv}, {"npv": 0.0})
        found = {one.name: one for one in criteria(payoffs, met)}["share_met"]
        assert [one.value for one in found.values] == [0.75, 1.0]

    @pytest.mark.parametrize(
        ("targets", "said"),
        [({}, "names nothing"), ({"churn": 0.1}, "did you mean 'churn_annual'")],
    )
    def test_bad_targets(self, targets, said):
        with pytest.raises(ConfigError, match=said):
            check_targets(targets)


class TestRanks:
    def test_a_choice_that_cannot_be_told_from_the_best_may_be_first(self):
        apart = np.array([[0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
        assert ranks(np.array([3.0, 2.0, 1.0]), apart) == ((1, 2), (1, 3), (2, 3))

    def test_resamples_tell_apart_by_holm(self):
        rng = np.random.default_rng(23)
        value = np.array([0.0, 0.1, 10.0])
        again = value + rng.standard_normal((RESAMPLES, 3))
        apart = told_apart_again(value, again, 30)
        assert apart.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


class TestWeights:
    def test_equal_ones_if_none_is_given(self):
        np.testing.assert_allclose(shares_of({}, ["a", "b"]), [0.5, 0.5])
        np.testing.assert_allclose(shares_of({"a": 3, "b": 1}, ["a", "b"]), [0.75, 0.25])

    @pytest.mark.parametrize(
        ("weights", "said"),
        [
            ({"a": 1.0, "price_wars": 1.0}, "did you mean 'price_war'"),
            ({"a": 1.0}, "'price_war' has no weight"),
            ({"a": 0.0, "price_war": 0.0}, "sum to 0"),
        ],
    )
    def test_bad_weights(self, weights, said):
        with pytest.raises(ConfigError, match=said):
            shares_of(weights, ["a", "price_war"])
