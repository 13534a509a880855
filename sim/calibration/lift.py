"""From the results of tests to what a lever does: a firm's own evidence beside success stories.

A test says what a lever moved: an A/B test, a pilot region, a campaign with a control group. The
engine says what the test would have shown at given sizes of the lever's effects. Between the two a
common factor on all sizes is updated, and with it the lever's file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from sim.calibration.fit import Estimate, Fit
from sim.calibration.laboratory import Laboratory, Progress, Response
from sim.calibration.lever_sizes import Size, lever_sizes, moved
from sim.calibration.lift_tests import LiftTest, check_test
from sim.config.build import assign, build, dump
from sim.config.fields import Uncertain
from sim.config.lever import Lever
from sim.config.matching import LiftSettings
from sim.config.study import Config
from sim.errors import ConfigError
from sim.types import F64

ROUNDS = 3
"""Times that the response is looked at again where the posterior lies."""
NARROWEST = 0.25
"""Least half-width of the factor over which the response is looked at."""
CURVED = 0.1
"""Distance from a straight line, as a share of its rise, that is told."""
CONTRADICTION = 0.05
"""Probability of a result as far from what was expected, below which test and prior disagree."""
HARDLY = 0.98
"""Posterior sd as a share of the prior's, above which the tests told hardly anything."""


class LiftFit(NamedTuple):
    """What tests made of a lever."""

    fit: Fit
    lever: Lever


class Normal(NamedTuple):
    """A normal distribution; an sd of infinity says nothing."""

    mean: float
    sd: float


class Beliefs(NamedTuple):
    """What is thought of the common factor, before and after the tests, and what they say alone."""

    prior: Normal
    likelihood: Normal

    @property
    def posterior(self) -> Normal:
        """Both together."""
        return combine(self.prior, self.likelihood)

    @property
    def narrower(self) -> float:
        """The posterior's sd as a share of the prior's."""
        return self.posterior.sd / self.prior.sd if self.prior.sd > 0.0 else 1.0

    @property
    def changed(self) -> bool:
        """Whether the tests told anything to speak of."""
        shift = abs(self.posterior.mean - self.prior.mean)
        return self.narrower < HARDLY or shift > (1.0 - HARDLY) * self.prior.sd


def fit_lift(
    tests: Sequence[LiftTest],
    lever: str,
    config: Config,
    settings: LiftSettings | None = None,
    *,
    source: str = "tests",
    progress: Progress | None = None,
) -> LiftFit:
    """Update what a lever does by what tests of it showed.

    Parameters
    ----------
    tests
        Results; those of other levers are left alone.
    lever
        Name of the lever.
    config
        Its market is the one that the tests were made in.
    settings
        How the tests are lived again.
    source
        What the tests are from, as the lever's file is to name it.
    progress
        Called with (done, planned) after each world.

    Returns
    -------
    The fit, and the lever with its sizes as they are after the tests.

    Raises
    ------
    ConfigError
        If there is no such lever, no test of it, or a test names what the market does not have.

    Notes
    -----
    Each test is lived in paired worlds: the lever alone, ready and with all customers treated, at
    the test's spend, against no lever. A common factor f multiplies all sizes (f = 1: their means).
    The response of a test's figure is taken as a line, intercept + slope x f, where the posterior
    lies; its bend is told. Prior f ~ Normal(1, t^2): t is the mean over sizes of sd / mean, each
    weighted by its part in the figures, for a success story exaggerates all its effects alike. Then
    (conjugate normal)

        1 / sd^2 = 1 / t^2 + sum slope^2 / v         mean = sd^2 (1 / t^2 + sum slope (effect -
        intercept) / v),    v = se^2 + chance^2

    A size x with mean m becomes m x mean + (x - m) sd / t: the posterior's mean and spread in the
    shape that it had. All customers count as treated: what they tell each other is part of it.
    """
    settings = settings or LiftSettings()
    own = [test for test in tests if test.lever == lever]
    if lever not in config.lever:
        raise ConfigError(f"no lever '{lever}'", key="lever", value=lever, known=config.lever,
                          file=own[0].place if own else "")  # fmt: skip
    for test in own:
        check_test(test, config)
    if not own:
        raise ConfigError(f"no test is of lever '{lever}'", key="lever", value=lever,
                          known={test.lever for test in tests})  # fmt: skip
    sizes = lever_sizes(config.lever[lever], settings.prior_sd)
    if not sizes:
        raise ConfigError(
            "has no effect that a test could tell", key=f"lever.{lever}",
            allowed="a lever with effects, or a membership or save_offer with pull",
        )  # fmt: skip
    laboratory = Laboratory(config, lever, own, sizes, settings, progress)
    first = response = laboratory.look(1.0, 1.0)
    for _ in range(ROUNDS):
        beliefs = weigh(response, own, sizes)
        low, high = response.factors.min(), response.factors.max()
        if low <= beliefs.posterior.mean <= high and response.bend.max() <= CURVED:
            break
        width = max(2.0 * beliefs.posterior.sd, NARROWEST)
        response = laboratory.look(beliefs.posterior.mean, width)
    beliefs = weigh(response, own, sizes)
    updated = _updated(config.lever[lever], sizes, beliefs, source)
    return LiftFit(_make_fit(own, lever, sizes, first, response, beliefs, source), updated)


def combine(prior: Normal, likelihood: Normal) -> Normal:
    """Return the posterior of a normal prior and a normal likelihood: precisions add."""
    if math.isinf(likelihood.sd) or prior.sd == 0.0:
        return prior
    precision = prior.sd**-2 + likelihood.sd**-2
    mean = (prior.mean * prior.sd**-2 + likelihood.mean * likelihood.sd**-2) / precision
    return Normal(mean, precision**-0.5)


# --- updating ------------------------------------------------------------------------------------


def _variances(response: Response, tests: Sequence[LiftTest]) -> F64:
    """Return the variance of each test's result, with the chance of the simulation."""
    return np.array([test.se for test in tests]) ** 2 + response.chance**2


def weigh(response: Response, tests: Sequence[LiftTest], sizes: Sequence[Size]) -> Beliefs:
    """Return prior and likelihood of the common factor, given how the tests' figures respond."""
    variances = _variances(response, tests)
    information = float((response.slope**2 / variances).sum())
    # In the units of the tests' own errors, so that figures of different kinds can be added.
    share = (response.single / np.sqrt(variances)).sum(axis=1)
    known = share @ np.abs([size.mean for size in sizes])
    if information == 0.0 or known == 0.0:
        return Beliefs(Normal(1.0, 0.0), Normal(1.0, math.inf))
    effects = np.array([test.effect for test in tests])
    mean = float((response.slope * (effects - response.intercept) / variances).sum() / information)
    prior = Normal(1.0, float(share @ [size.sd for size in sizes] / known))
    return Beliefs(prior, Normal(mean, information**-0.5))


def _updated(lever: Lever, sizes: Sequence[Size], beliefs: Beliefs, source: str) -> Lever:
    """Return the lever with its sizes moved and narrowed as the factor was."""
    if not beliefs.changed:
        return lever
    data = dump(lever)
    provenance = dict(lever.provenance)
    for size in sizes:
        assign(data, size.path, moved(size, beliefs.posterior.mean, beliefs.narrower))
        provenance[size.path] = f"calibrated: {source}"
    return build(Lever, {**data, "provenance": provenance}, f"lever.{lever.name}")


# --- what was found ------------------------------------------------------------------------------


def _make_fit(
    tests: Sequence[LiftTest],
    lever: str,
    sizes: Sequence[Size],
    first: Response,
    response: Response,
    beliefs: Beliefs,
    source: str,
) -> Fit:
    """Return what was found; what the prior expected of the tests is from the `first` look."""
    prior, posterior = beliefs.prior, beliefs.posterior
    expected = first.intercept + first.slope
    effects = np.array([test.effect for test in tests])
    spread = np.sqrt(_variances(first, tests) + (first.slope * prior.sd) ** 2)
    surprise = special.erfc(np.abs(effects - expected) / spread / math.sqrt(2.0))
    told = {"prior": prior, "likelihood": beliefs.likelihood, "posterior": posterior}
    factors = {
        f"factor.{name}": Estimate(belief.mean, belief.sd if math.isfinite(belief.sd) else None)
        for name, belief in told.items()
    }
    after = {
        f"lever.{lever}.{size.path}": Estimate(
            size.mean * posterior.mean, size.sd * beliefs.narrower
        )
        for size in sizes
    }
    return Fit(
        kind="lift",
        source=source,
        n_units=len(tests),
        n_train=len(tests),
        n_test=0,
        train_ll=None,
        test_ll=None,
        parameters={**factors, **after},
        market={},
        provenance={},
        notes=list(_notes(tests, lever, sizes, response, beliefs, expected, surprise)),
        series={
            "tests": {
                "figure": [test.name for test in tests],
                "spend": [test.spend for test in tests],
                "scale": [test.scale.value for test in tests],
                "effect": effects.tolist(),
                "se": [test.se for test in tests],
                "chance_se": response.chance.tolist(),
                "prior_mean": expected.tolist(),
                "prior_sd": np.abs(first.slope * prior.sd).tolist(),
                "posterior_mean": (response.intercept + response.slope * posterior.mean).tolist(),
                "posterior_sd": np.abs(response.slope * posterior.sd).tolist(),
                "surprise": surprise.tolist(),
            },
            "response": {
                "factor": response.factors.tolist(),
                **{f"test {i}": column.tolist() for i, column in enumerate(response.effects.T, 1)},
            },
        },
    )  # fmt: skip


def _notes(
    tests: Sequence[LiftTest],
    lever: str,
    sizes: Sequence[Size],
    response: Response,
    beliefs: Beliefs,
    expected: F64,
    surprise: F64,
) -> Iterator[str]:
    if not beliefs.changed:
        yield f"the tests tell hardly anything about {lever}: it stays as it was"
    for test, foreseen, chance in zip(tests, expected, surprise, strict=True):
        if chance < CONTRADICTION:
            yield (
                f"test and prior contradict each other: {test.name} moved by {test.effect:.3g} "
                f"(s.e. {test.se:.2g}), {foreseen:.3g} was expected (p {chance:.2g}); what lies "
                "between them fits neither well"
            )
    for test, bend in zip(tests, response.bend, strict=True):
        if bend > CURVED:
            yield (
                f"{test.name} does not answer in a straight line: it departs from it by {bend:.0%} "
                "of its rise, so that the update is approximate"
            )
    fixed = [size.path for size in sizes if not isinstance(size.stated, Uncertain)]
    if fixed:
        yield f"{', '.join(fixed)} had no distribution: an sd as a share of it is assumed"
