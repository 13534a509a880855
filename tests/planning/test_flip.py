"""Where a decision flips, and what knowing is worth: cases with a known answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import norm, qmc

from sim.config.fields import Uncertain
from sim.planning.flip import (
    CELLS,
    Assumption,
    Response,
    crossings,
    flips,
    respond,
    share_where,
    worth_knowing,
    worth_of_all,
)

NORMAL = Assumption("market.weights.price", Uncertain("normal", (5.0, 0.8)), -np.inf, np.inf)
TRIANGLE = Assumption("lever.a.effects.match.size", Uncertain("triangular", (0, 0.1, 0.3)), -10, 10)
UNIFORM = Assumption("finance.gross_margin", Uncertain("uniform", (0.2, 0.4)), 0, 1)
EVERY = (NORMAL, TRIANGLE, UNIFORM)
BASE = 256


def sample(assumptions: tuple[Assumption, ...], n: int = BASE) -> np.ndarray:
    """Return independent draws of assumptions, evenly spread, (n, n_assumptions)."""
    cube = qmc.Sobol(len(assumptions), rng=7).random(n)
    return np.column_stack([one.at(u) for one, u in zip(assumptions, cube.T, strict=True)])


def of(
    function: Callable[[np.ndarray], np.ndarray],
    assumptions: tuple[Assumption, ...] = EVERY,
    luck: float = 0.0,
    n: int = BASE,
) -> Response:
    """Return the response of a function of assumptions, each point its own base sample."""
    points = sample(assumptions, n)
    values = function(points).reshape(n, -1)
    values = values + luck * np.random.default_rng(3).standard_normal(values.shape)
    return respond(assumptions, points, values, np.arange(n))


def test_a_line_flips_at_its_zero_and_with_the_exact_chance() -> None:
    # 2 (price - 5.8) + 30 (match - 0.4/3) + margin's own mean: along price zero lies at 5.8.
    found = flips(of(lambda x: 2 * (x[:, 0] - 5.8) + 30 * (x[:, 1] - 0.4 / 3)), 0)
    price = found[0]
    assert price.value == pytest.approx(5.8, abs=2e-3)  # the triangle's mean is over cells
    assert price.above
    assert price.beyond.value == pytest.approx(1 - norm.cdf(1.0), abs=2e-3)
    assert price.low - 1e-3 <= 5.8 <= price.high + 1e-3


def test_the_chance_is_that_of_the_assumptions_own_distribution_as_it_is_cut_off() -> None:
    cut = Assumption("a", Uncertain("normal", (0.0, 1.0)), 0.0, np.inf)
    assert cut.below(0.0) == 0.0
    assert cut.below(norm.ppf(0.75)) == pytest.approx(0.5)
    assert cut.at(np.array([0.5]))[0] == pytest.approx(norm.ppf(0.75))


def test_a_decision_that_holds_everywhere_flips_nowhere() -> None:
    found = flips(of(lambda x: 50 + x[:, 0], luck=0.1), 0)
    assert all(one.value is None for one in found)
    assert all(one.beyond.value == 0 and one.possible == 0 for one in found)


def test_a_sum_below_zero_flips_where_it_begins_to_pay() -> None:
    found = flips(of(lambda x: 10 * (x[:, 2] - 0.35)), 0)[2]
    assert found.value == pytest.approx(0.35, abs=1e-6)
    assert found.above
    assert found.beyond.value == pytest.approx(0.25, abs=1e-6)


def test_a_curve_that_comes_back_is_counted_on_both_sides() -> None:
    # Pays between 0.25 and 0.35 of a margin that is anywhere from 0.2 to 0.4: wrong half the time.
    found = flips(of(lambda x: 0.05**2 - (x[:, 2] - 0.3) ** 2 + 0.002, n=1024), 0)[2]
    half = np.sqrt(0.05**2 + 0.002)
    assert found.beyond.value == pytest.approx(1 - half / 0.1, abs=0.03)


def test_the_other_assumptions_are_averaged_whatever_their_interplay() -> None:
    # E[price * (margin - 0.25) | margin] = 5 (margin - 0.25); E[.. | price] = 0.05 price.
    response = of(lambda x: x[:, 0] * (x[:, 2] - 0.25), luck=0.02)
    assert response.paired
    np.testing.assert_allclose(response.curves[2, :, 0], 5 * (response.at[2] - 0.25), atol=0.02)
    np.testing.assert_allclose(response.curves[0, :, 0], 0.05 * response.at[0], atol=0.02)


def test_bends_are_followed_and_straight_lines_are_left_straight() -> None:
    bent = of(lambda x: np.exp(2 * (x[:, 0] - 5)), n=1024)
    assert bent.knots == 5
    assert of(lambda x: 3 * x[:, 0] - x[:, 2], luck=0.5).knots == 2


def test_luck_widens_intervals_and_they_cover_the_truth_as_often_as_they_say() -> None:
    covered = []
    for seed in range(25):
        points = sample(EVERY, 64)
        luck = np.random.default_rng(seed).normal(0, 1.5, 64)
        values = (2 * (points[:, 0] - 5.5) + luck)[:, None]
        found = flips(respond(EVERY, points, values, np.arange(64)), 0)[0]
        covered.append(found.low <= 5.5 <= found.high)
    assert np.mean(covered) >= 0.84  # 21 of 25


def test_points_of_one_base_sample_are_no_independent_evidence() -> None:
    points = sample(EVERY, 64)
    luck = np.random.default_rng(1).normal(0, 2, 64)
    values = (points[:, 0] - 5 + luck)[:, None]
    once = respond(EVERY, points, values, np.arange(64)).overall_interval(0)
    copies = respond(
        EVERY, np.tile(points, (9, 1)), np.tile(values, (9, 1)), np.tile(np.arange(64), 9)
    ).overall_interval(0)
    assert copies.high - copies.low == pytest.approx(once.high - once.low, rel=1e-6)


def test_where_resamples_may_not_flip_the_interval_is_open_on_that_side() -> None:
    found = flips(of(lambda x: 10 * (x[:, 2] - 0.225), luck=3.0), 0)[2]
    assert found.value is None or found.low == -np.inf
    assert found.possible > 0.1


def test_knowing_one_of_two_normals_is_worth_what_the_closed_form_says() -> None:
    # Net gain 0.3 + 1.0 a + 0.8 b: knowing a is worth E[max(0, N(0.3, 1))] - 0.3.
    two = tuple(Assumption(name, Uncertain("normal", (0.0, 1.0)), -np.inf, np.inf) for name in "ab")
    response = of(lambda x: 0.3 + x[:, 0] + 0.8 * x[:, 1], two, luck=0.5, n=2048)
    options = np.array([[0.0], [1.0]])
    for one, sd in zip(worth_knowing(response, options), (1.0, 0.8), strict=True):
        exact = sd * norm.pdf(0.3 / sd) + 0.3 * norm.cdf(0.3 / sd) - 0.3
        assert one.value == pytest.approx(exact, abs=0.03)
        assert one.low <= exact + 0.005
        assert one.high >= exact - 0.005
    sd = np.hypot(1.0, 0.8)
    exact = sd * norm.pdf(0.3 / sd) + 0.3 * norm.cdf(0.3 / sd) - 0.3
    assert worth_of_all(response, options) == pytest.approx(exact, abs=0.02)


def test_knowing_what_changes_no_decision_is_worth_nothing() -> None:
    response = of(lambda x: 50 + x[:, 0])
    for one in worth_knowing(response, np.array([[0.0], [1.0]])):
        assert one.value == pytest.approx(0, abs=1e-9)


def test_knowing_can_be_worth_nothing_for_one_pair_of_options_and_much_for_three() -> None:
    response = of(lambda x: np.column_stack([x[:, 0] - 4, 5.5 - x[:, 0]]))
    alone = worth_knowing(response, np.array([[0.0, 0.0], [1.0, 0.0]]))[0].value
    among = worth_knowing(response, np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))[0].value
    assert among > alone > 0


def test_a_crossing_lies_between_its_two_points_and_knows_its_side() -> None:
    at = np.array([0.0, 1.0, 2.0, 3.0])
    assert crossings(at, np.array([1.0, 1.0, -1.0, 3.0])) == [(1.5, True), (2.25, False)]


def test_the_share_of_points_on_the_other_side_is_counted_by_base_sample() -> None:
    values = np.repeat(np.where(np.arange(50) < 10, -1.0, 1.0), 4)
    found = share_where(values, np.repeat(np.arange(50), 4))
    assert found.value == pytest.approx(0.2)
    assert 0.07 < found.low < 0.14
    assert 0.26 < found.high < 0.34


def test_no_more_columns_are_taken_than_the_points_can_tell() -> None:
    many = tuple(
        Assumption(f"a{place}", Uncertain("uniform", (0.0, 1.0)), 0.0, 1.0) for place in range(12)
    )
    response = of(lambda x: x.sum(axis=1), many, luck=0.1, n=64)
    assert response.knots == 2
    assert response.at.shape == (12, CELLS)


def test_what_decides_is_told_by_variance_with_luck_averaged_out() -> None:
    response = of(lambda x: 2 * x[:, 0] + 20 * x[:, 1], luck=1.0, n=1024)
    first, second = (2 * 0.8) ** 2, (20 * np.std(TRIANGLE.at((np.arange(999) + 0.5) / 999))) ** 2
    shares = response.shares(0)
    assert shares[0].value == pytest.approx(first / (first + second), abs=0.05)
    assert shares[0].low < first / (first + second) < shares[0].high
    assert shares[2].value < 0.02
    assert [one.path for one in response.leaders(0)] == [NORMAL.path]


def test_luck_that_an_assumption_deals_anew_decides_nothing() -> None:
    # Each point has luck of its own, as large as all else: the curves average it out.
    response = of(lambda x: 2 * x[:, 2] / 0.0577, luck=2.0, n=1024)
    assert response.shares(0)[2].value > 0.95


def test_two_that_decide_alike_are_both_named() -> None:
    alike = (UNIFORM, Assumption("other", Uncertain("uniform", (0.2, 0.4)), 0, 1))
    response = of(lambda x: x.sum(axis=1), alike, luck=0.1)
    assert {one.path for one in response.leaders(0)} == {one.path for one in alike}
