"""Maximum likelihood: the top, how sharp it is, and errors carried to what is reported."""

from __future__ import annotations

import numpy as np
import pytest

from sim.calibration.estimation import Prior, climb, describe, invert, maximize, with_gradient

SAMPLE = np.random.default_rng(3).normal(2.0, 3.0, 400)


def normal_likelihood(at):
    """Return that of SAMPLE for a mean and the logarithm of an sd."""
    mean, sd = at[0], np.exp(at[1])
    return float(np.sum(-(((SAMPLE - mean) / sd) ** 2) / 2 - np.log(sd)))


def test_of_a_normal_sample_the_mean_and_sd_are_found_with_the_errors_of_the_textbook():
    found = maximize(with_gradient(normal_likelihood), np.zeros(2))
    named = describe(found, lambda at: {"mean": at[0], "sd": float(np.exp(at[1]))})
    sd, n = SAMPLE.std(), len(SAMPLE)
    assert named["mean"].estimate == pytest.approx(SAMPLE.mean(), abs=1e-4)
    assert named["mean"].se == pytest.approx(sd / np.sqrt(n), rel=1e-3)
    assert named["sd"].estimate == pytest.approx(sd, rel=1e-4)
    assert named["sd"].se == pytest.approx(sd / np.sqrt(2 * n), rel=1e-3)


def test_a_good_guess_of_the_spread_leads_to_the_same_top():
    function = with_gradient(normal_likelihood)
    guessed = climb(function, np.zeros(2), spread=np.diag([0.02, 0.002]))
    assert guessed == pytest.approx(climb(function, np.zeros(2)), abs=1e-4)


def test_a_prior_tells_what_the_data_do_not():
    def one_known(at):
        return -((at[0] - 1) ** 2) * 50, np.array([-(at[0] - 1) * 100, 0.0])

    prior = Prior(np.array([0.0, 4.0]), np.array([10.0, 0.5]))
    found = maximize(one_known, np.zeros(2), prior=prior)
    assert found.at == pytest.approx([1 / (1 + 1e-4), 4.0], abs=1e-4)
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx([0.1, 0.5], rel=1e-3)
    assert found.log_likelihood == pytest.approx(0.0, abs=1e-5)  # without the prior


def test_a_flat_direction_is_counted_and_not_divided_by():
    inverse, flat = invert(np.diag([4.0, 0.0]))
    assert flat == 1
    assert inverse == pytest.approx(np.diag([0.25, 0.0]))


def test_a_step_beyond_what_numbers_hold_is_taken_back():
    def steep(at):
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(at[0] ** 2)
            return float(-e + 3 * at[0]), np.array([float(-2 * at[0] * e + 3)])

    at = climb(steep, np.array([0.0]), spread=np.array([[100.0]]))
    assert 2 * at[0] * np.exp(at[0] ** 2) == pytest.approx(3, abs=1e-3)
