"""History matching on simulators that can be computed, against a dense grid."""

from __future__ import annotations

import numpy as np
import pytest

from sim.calibration import history_matching as hm
from sim.calibration.history_matching import Emulator, Goal, Waves, effective, match, spread

WAVES = Waves(first=64, size=48, most=8, enough=100.0, threshold=3.0, search=24)
NOISE = 1e-6


def outputs(points):
    """Two outputs of four inputs; the last input moves neither."""
    return np.column_stack(
        [points[:, 0] + points[:, 1] ** 2, np.exp(points[:, 1]) - 0.8 * points[:, 2]]
    )


def simulate(points):
    for row, output in enumerate(outputs(points)):
        yield row, output, np.full(2, NOISE)


@pytest.fixture(scope="module")
def goal() -> Goal:
    return Goal(np.array([0.9, 1.2]), np.array([0.02, 0.03]) ** 2)


@pytest.fixture(scope="module")
def runs(goal):
    return match(simulate, goal, 4, WAVES)


def moments(weights, points):
    mean = weights @ points
    return mean, np.sqrt(weights @ (points - mean) ** 2)


def test_the_set_is_the_posterior_of_a_dense_grid(goal, runs):
    grid = spread(2**17, 4, 99)
    away = np.abs(outputs(grid) - goal.value) / np.sqrt(goal.variance + NOISE)
    exact = np.exp(-0.5 * (away**2).sum(axis=1)) * (away.max(axis=1) <= WAVES.threshold)
    mean, sd = moments(exact / exact.sum(), grid)
    weights = runs.weights(goal, WAVES.threshold)
    found_mean, found_sd = moments(weights, runs.points)
    assert effective(weights) >= WAVES.enough
    error = sd / np.sqrt(effective(weights))
    assert np.all(np.abs(found_mean - mean) < 4 * error)
    assert np.allclose(found_sd, sd, rtol=0.25)


def test_what_is_kept_agrees_and_the_rest_does_not_count(goal, runs):
    weights = runs.weights(goal, WAVES.threshold)
    away = np.abs(runs.means - goal.value) / np.sqrt(goal.variance + runs.noise)
    assert np.array_equal(weights > 0, away.max(axis=1) <= WAVES.threshold)
    assert weights.sum() == pytest.approx(1.0)


def test_waves_go_where_inputs_agree(goal, runs):
    share = [np.mean(runs.plausible(goal, 3.0)[runs.wave == k]) for k in range(len(runs.designs))]
    assert share[-1] > 4 * share[0]


def test_the_same_question_gets_the_same_answer(goal, runs):
    again = match(simulate, goal, 4, WAVES)
    assert np.array_equal(again.points, runs.points)
    assert np.array_equal(again.weights(goal, 3.0), runs.weights(goal, 3.0))


def test_what_cannot_be_met_gives_no_set_and_the_closest_inputs(goal):
    asked = goal._replace(value=np.array([2.5, 1.2]))  # the first output reaches 2
    runs = match(simulate, asked, 4, WAVES._replace(most=3))
    assert not runs.weights(asked, 3.0).any()
    closest = runs.implausibility(asked).max(axis=1).min()
    best_possible = 0.5 / np.sqrt(asked.variance[0] + NOISE)
    assert best_possible <= closest < 1.1 * best_possible


def test_an_interrupt_leaves_what_was_done(goal):
    def interrupted(points):
        for row, found in enumerate(simulate(points)):
            if row == 40:
                raise KeyboardInterrupt
            yield found

    runs = match(interrupted, goal, 4, WAVES)
    assert runs.interrupted
    assert len(runs.points) == 40

    def at_once(points):
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        match(at_once, goal, 4, WAVES)


def test_outputs_that_do_not_exist_never_agree(goal):
    def holes(points):
        for row, output, variance in simulate(points):
            yield row, np.where(points[row, 3] > 0.5, np.nan, output), variance

    runs = match(holes, goal, 4, WAVES)
    weights = runs.weights(goal, 3.0)
    assert weights.any()
    assert np.all(runs.points[weights > 0, 3] <= 0.5)


def test_an_emulator_of_a_quadratic_is_exact():
    points = spread(64, 3, 5)
    truth = 1 + points @ [2, -1, 0.5] + points[:, 0] * points[:, 2] - points[:, 1] ** 2
    new = spread(32, 3, 6)
    expected = 1 + new @ [2, -1, 0.5] + new[:, 0] * new[:, 2] - new[:, 1] ** 2
    mean, variance = Emulator(points, truth[:, None], np.ones(64)).predict(new)
    assert np.allclose(mean[:, 0], expected, atol=1e-5)
    assert variance.max() < 1e-8


def test_an_emulator_knows_how_far_off_it_is():
    points, new = spread(256, 2, 7), spread(256, 2, 8)

    def wave(x):
        return np.sin(6 * x[:, :1]) + x[:, 1:]

    mean, variance = Emulator(points, wave(points), np.ones(256)).predict(new)
    score = (wave(new) - mean) / np.sqrt(variance)
    assert 0.7 < score.std() < 1.3


def test_few_simulations_leave_products_then_squares_out():
    points = spread(64, 6, 9)
    outputs_ = points @ np.arange(6.0)[:, None]
    assert Emulator(points, outputs_, np.ones(64)).products
    few = Emulator(points[:24], outputs_[:24], np.ones(24))
    assert few.squares
    assert not few.products
    fewer = Emulator(points[:12], outputs_[:12], np.ones(12))
    assert not fewer.squares
    assert np.allclose(fewer.predict(points)[0], outputs_, atol=1e-4)


def test_a_tempered_cloud_has_the_moments_of_a_narrow_normal():
    mean, sd = np.array([0.3, 0.6, 0.5]), np.array([0.001, 0.02, 0.05])
    cloud = hm.temper(lambda x: -0.5 * (((x - mean) / sd) ** 2).sum(axis=1), 3, 1)
    found_mean, found_sd = moments(cloud.weights, cloud.points)
    assert np.allclose(found_mean, mean, atol=0.1 * sd.max())
    assert np.allclose(found_sd, sd, rtol=0.1)
    density = np.exp(cloud.log_density(mean[None]))
    assert density == pytest.approx(1 / np.prod(np.sqrt(2 * np.pi) * sd), rel=0.1)


def test_systematic_resampling_gives_each_row_its_share():
    weights = np.array([0.5, 0.0, 0.25, 0.25])
    assert hm.systematic(weights, 8).tolist() == [0, 0, 0, 0, 2, 2, 3, 3]
