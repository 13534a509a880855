"""History matching: which inputs of a simulator give outputs that agree with what was observed.

The inputs lie in the unit cube, where the prior is uniform. Waves of simulations are laid where an
emulator, a quadratic regression on the simulations so far, sees inputs that may agree. What is
simulated is weighted by how well it agrees, so that the members of the set are draws from the
inputs that fit, and not the single best of them.

Sources: Vernon, Goldstein & Bower 2010 (implausibility, waves); Pukelsheim 1994 (the three sigma
rule); Neal 2001 (tempering); Veach & Guibas 1995 (weights of several designs at once).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from scipy import special, stats

from sim.types import F64, Mask

SOBOL_SEED = 20_250_101
CLOUD = 4096
"""Points at which the emulator is looked at, per step of tempering."""
STEPS = 40
"""Steps of tempering at most."""
LEAST_EFFECTIVE = 0.15
"""Effective share of a cloud that a step of tempering leaves at least."""
WIDER = 1.3
"""How much wider than what it is to cover a proposal is, in standard deviations."""
UNIFORM = 0.1
"""Share of a proposal that is uniform over the cube: nothing is ever ruled out by it."""
SPARE = 1.5
"""Simulations per coefficient that a regression needs."""
CLOSEST = 20
"""Simulations that a search for the closest inputs starts from."""

Simulate = Callable[[F64], Iterator[tuple[int, F64, F64]]]
"""Takes inputs (n, n_dims); yields row, outputs (n_outputs,) and their variances, as they come."""


class Goal(NamedTuple):
    """What was observed, by output."""

    value: F64
    variance: F64
    """Of the observation, and of what the simulator leaves out."""


class Waves(NamedTuple):
    """How much is simulated."""

    first: int
    """Simulations that are spread over the whole prior."""
    size: int
    """Simulations of each wave after it."""
    most: int
    """Waves after the first at most."""
    enough: float
    """Effective number of simulations that agree, at which no further wave is needed."""
    threshold: float
    """Implausibility up to which an input is kept."""
    search: int
    """Simulations that look for the closest inputs if none agrees."""


@dataclass
class Runs:
    """What was simulated so far.

    Attributes
    ----------
    points
        Shape (n, n_dims), in the unit cube.
    means, variances
        Shape (n, n_outputs).
    wave
        Shape (n,): 0 for the first; -1 for a search.
    designs
        Logarithm of each wave's density over the cube, as a function of points.
    interrupted
        Whether the user cut the waves short.
    """

    points: F64
    means: F64
    variances: F64
    wave: F64
    designs: list[Callable[[F64], F64]] = field(default_factory=list)
    interrupted: bool = False

    @property
    def noise(self) -> F64:
        """Variance of the outputs by chance, as in the latest wave, shape (n_outputs,)."""
        latest = self.variances[self.wave == self.wave.max()]
        known = [column[np.isfinite(column)] for column in latest.T]
        return np.array([np.median(column) if len(column) else 0.0 for column in known])

    def implausibility(self, goal: Goal) -> F64:
        """Return how far each output is from what was observed, shape (n, n_outputs).

        Notes
        -----
        I = abs(mean - value) / sqrt(variance of observation and simulator + chance). An output that
        does not exist is infinitely far.
        """
        away = np.abs(self.means - goal.value) / np.sqrt(goal.variance + self.noise)
        return np.where(np.isnan(away), np.inf, away)

    def plausible(self, goal: Goal, threshold: float) -> Mask:
        """Return which simulations agree with all that was observed, shape (n,)."""
        agree: Mask = self.implausibility(goal).max(axis=1) <= threshold
        return agree

    def weights(self, goal: Goal, threshold: float) -> F64:
        """Return the weight of each simulation as a draw from the inputs that fit; they sum to 1.

        Zeros if none agrees.

        Notes
        -----
        w ~ exp(-sum I^2 / 2) / (sum over waves of n_k g_k), where I is at most the threshold; g_k
        is the density from which wave k was laid. What a search found has no density and counts
        only if the waves found nothing.
        """
        away = self.implausibility(goal)
        agree = away.max(axis=1) <= threshold
        laid = self.wave >= 0
        if (agree & laid).any():
            agree &= laid
            counts = [np.sum(self.wave == k) for k in range(len(self.designs))]
            parts = [np.log(n) + g(self.points[agree])
                     for n, g in zip(counts, self.designs, strict=True) if n]  # fmt: skip
            density = special.logsumexp(parts, axis=0)
        else:
            density = np.zeros(agree.sum())
        weights = np.zeros(len(agree))
        if agree.any():
            weights[agree] = special.softmax(-0.5 * np.sum(away[agree] ** 2, axis=1) - density)
        return weights


def match(
    simulate: Simulate, goal: Goal, n_dims: int, waves: Waves, seed: int = SOBOL_SEED
) -> Runs:
    """Simulate in waves until enough simulations agree with what was observed.

    Parameters
    ----------
    simulate
        The simulator; the same inputs must give the same outputs.
    goal
        What was observed.
    n_dims
        Number of inputs.
    waves
        How much is simulated.
    seed
        Of the scrambled Sobol sequences.

    Returns
    -------
    All simulations. If the user interrupts, those done so far, marked so.

    Raises
    ------
    KeyboardInterrupt
        If the user interrupts before anything is simulated.
    """
    first = spread(max(waves.first, int(SPARE * n_coefficients(n_dims)) + 1), n_dims, seed)
    none = np.empty((0, len(goal.value)))
    runs = Runs(np.empty((0, n_dims)), none, none, np.empty(0))
    try:
        _extend(runs, simulate, first, 0, lambda points: np.zeros(len(points)))
        if np.isfinite(runs.means).all(axis=1).sum() <= n_dims:
            return runs  # what hardly ever exists cannot be learnt from
        for wave in range(1, waves.most + 1):
            if effective(runs.weights(goal, waves.threshold)) >= waves.enough:
                break
            cloud = _next_wave(runs, goal, seed + wave)
            points = cloud.points[systematic(cloud.weights, waves.size)]
            _extend(runs, simulate, points, wave, cloud.log_density)
        if not runs.plausible(goal, waves.threshold).any():
            _search(runs, simulate, goal, waves.search, seed)
    except KeyboardInterrupt:
        if not len(runs.points):
            raise
        runs.interrupted = True
    return runs


def _extend(
    runs: Runs, simulate: Simulate, points: F64, wave: int, density: Callable[[F64], F64] | None
) -> None:
    """Simulate and add what was done, also if the user interrupts."""
    done: dict[int, tuple[F64, F64]] = {}
    if density is not None:
        runs.designs.append(density)
    try:
        for row, means, variances in simulate(points):
            done[row] = (means, variances)
    finally:
        rows = sorted(done)
        if rows:
            runs.points = np.vstack([runs.points, points[rows]])
            runs.means = np.vstack([runs.means, [done[row][0] for row in rows]])
            runs.variances = np.vstack([runs.variances, [done[row][1] for row in rows]])
            runs.wave = np.append(runs.wave, np.full(len(rows), wave))


def _next_wave(runs: Runs, goal: Goal, seed: int) -> Cloud:
    """Return where inputs may agree, as an emulator sees it that is best there."""
    near = np.ones(len(runs.points))
    for _ in range(2):
        emulator = Emulator(runs.points, runs.means, near)
        log_density = emulator.likelihood(goal._replace(variance=goal.variance + runs.noise))
        cloud = temper(log_density, runs.points.shape[1], seed)
        near = _nearness(runs.points, cloud)
    return cloud


def _nearness(points: F64, cloud: Cloud) -> F64:
    """Return weights that fall off with the distance from a cloud, in its own standard units."""
    mean, covariance = _moments(cloud.points, cloud.weights)
    away = points - mean
    distance = np.einsum("ij,ij->i", away @ np.linalg.inv(covariance), away) / points.shape[1]
    near: F64 = 1.0 / (1.0 + distance / 4.0) ** 2
    return near


def _search(runs: Runs, simulate: Simulate, goal: Goal, n_trials: int, seed: int) -> None:
    """Look for the inputs whose worst output is closest to what was observed, with Optuna's TPE."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=0)
    study = optuna.create_study(sampler=sampler)
    names = [f"x{i}" for i in range(runs.points.shape[1])]
    space: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in names
    }
    worst = runs.implausibility(goal).max(axis=1)
    for row in np.argsort(worst, kind="stable")[:CLOSEST]:
        if np.isfinite(worst[row]):
            study.add_trial(optuna.create_trial(
                params=dict(zip(names, runs.points[row].tolist(), strict=True)),
                distributions=space, value=float(worst[row]),
            ))  # fmt: skip
    for _ in range(n_trials):
        trial = study.ask(space)
        _extend(runs, simulate, np.array([[trial.params[name] for name in names]]), -1, None)
        found = float(runs.implausibility(goal)[-1].max())
        known = np.isfinite(found)
        state = optuna.trial.TrialState.COMPLETE if known else optuna.trial.TrialState.FAIL
        study.tell(trial, found if known else None, state=state)


# --- emulator ------------------------------------------------------------------------------------


def n_coefficients(n_dims: int) -> int:
    """Return the number of coefficients of a full quadratic."""
    return (n_dims + 1) * (n_dims + 2) // 2


class Emulator:
    """A weighted quadratic regression of each output on the inputs, with its own uncertainty.

    Too few simulations leave out products, then squares.

    Parameters
    ----------
    points
        Shape (n, n_dims).
    outputs
        Shape (n, n_outputs); simulations with an output that does not exist are left out.
    weights
        Shape (n,): how much each simulation counts.
    """

    def __init__(self, points: F64, outputs: F64, weights: F64) -> None:
        known = ~np.isnan(outputs).any(axis=1)
        weights = weights[known] / weights[known].max()
        self.n_dims = points.shape[1]
        n_effective = weights.sum() ** 2 / (weights**2).sum()
        self.squares = n_effective >= SPARE * (1 + 2 * self.n_dims)
        self.products = n_effective >= SPARE * n_coefficients(self.n_dims)
        self.centre = np.average(points[known], axis=0, weights=weights)
        self.scale = np.sqrt(
            np.average((points[known] - self.centre) ** 2, axis=0, weights=weights)
        )
        root = np.sqrt(weights)[:, None]
        terms = root * self._terms(points[known])
        # A trace of a ridge: inputs of few simulations may not tell all coefficients apart.
        inner = terms.T @ terms
        inner += 1e-8 * np.trace(inner) / len(inner) * np.eye(len(inner))
        self.inverse = np.linalg.inv(inner)
        self.coefficients = self.inverse @ (terms.T @ (root * outputs[known]))
        residual = root * outputs[known] - terms @ self.coefficients
        freedom = max(n_effective - len(inner), 1.0)
        per_weight = n_effective / weights.sum()
        self.variance = (residual**2).sum(axis=0) * per_weight / freedom

    def _terms(self, points: F64) -> F64:
        z = (points - self.centre) / self.scale
        columns = [np.ones((len(z), 1)), z]
        if self.squares:
            columns.append(z**2)
        if self.products:
            first, second = np.triu_indices(self.n_dims, 1)
            columns.append(z[:, first] * z[:, second])
        return np.hstack(columns)

    def predict(self, points: F64) -> tuple[F64, F64]:
        """Return the outputs expected at inputs and their variances, shapes (n, n_outputs)."""
        terms = self._terms(points)
        leverage = np.einsum("ij,ij->i", terms @ self.inverse, terms)
        return terms @ self.coefficients, np.outer(1.0 + leverage, self.variance)

    def likelihood(self, goal: Goal) -> Callable[[F64], F64]:
        """Return the log-likelihood of what was observed as a function of inputs."""

        def log_likelihood(points: F64) -> F64:
            mean, variance = self.predict(points)
            total = variance + goal.variance
            summed: F64 = ((mean - goal.value) ** 2 / total + np.log(total)).sum(axis=1)
            return -0.5 * summed

        return log_likelihood


# --- sampling ------------------------------------------------------------------------------------


class Cloud(NamedTuple):
    """Weighted points of the cube, and the density that they are of."""

    points: F64
    weights: F64
    log_density: Callable[[F64], F64]


def temper(log_target: Callable[[F64], F64], n_dims: int, seed: int) -> Cloud:
    """Return a cloud of a density over the unit cube that is known up to a factor.

    Notes
    -----
    Importance sampling in steps: from the uniform density to target^power with power rising to 1,
    as fast as LEAST_EFFECTIVE allows. Each step draws from a normal with the moments of the step
    before, cut off at the cube and mixed with the uniform. If STEPS do not get to power 1 (nothing
    agrees), the density is that of the power reached.
    """
    points, log_proposal = spread(CLOUD, n_dims, seed), np.zeros(CLOUD)
    power, step = 0.0, 0
    while True:
        target = log_target(points)
        power = max(power, _highest_power(target, log_proposal))
        log_weights = power * target - log_proposal
        weights = special.softmax(log_weights)
        step += 1
        if step == STEPS or (power == 1.0 and _are_effective(weights)):
            break
        points, log_proposal = _propose(points, weights, seed + 1000 * step)
    log_total = special.logsumexp(log_weights) - np.log(len(log_weights))
    return Cloud(points, weights, lambda x: power * log_target(x) - log_total)


def _highest_power(target: F64, log_proposal: F64) -> float:
    """Return the highest power of the target whose weights are still effective, by bisection."""

    def enough(power: float) -> bool:
        return _are_effective(special.softmax(power * target - log_proposal))

    if enough(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low


def _are_effective(weights: F64) -> bool:
    return effective(weights) >= LEAST_EFFECTIVE * len(weights)


def _propose(points: F64, weights: F64, seed: int) -> tuple[F64, F64]:
    """Return points from a normal in the cube, mixed with the uniform, and their log density."""
    mean, covariance = _moments(points, weights)
    normal = stats.multivariate_normal(mean, WIDER**2 * covariance)
    n_dims = len(mean)
    standard = special.ndtri(np.clip(spread(4 * CLOUD, n_dims, seed), 1e-12, 1.0 - 1e-12))
    drawn = mean + standard @ np.linalg.cholesky(WIDER**2 * covariance).T
    inside = np.all((drawn > 0.0) & (drawn < 1.0), axis=1)
    n_uniform = int(UNIFORM * CLOUD)
    kept = drawn[inside][: CLOUD - n_uniform]
    made = np.vstack([kept, spread(n_uniform, n_dims, seed + 1)])
    share = len(kept) / len(made)
    log_normal = normal.logpdf(made) - np.log(max(inside.mean(), 1e-12))
    return made, np.logaddexp(np.log(max(share, 1e-300)) + log_normal, np.log1p(-share))


def _moments(points: F64, weights: F64) -> tuple[F64, F64]:
    """Return weighted mean and covariance; the latter can be inverted."""
    mean = weights @ points
    away = points - mean
    covariance = (weights[:, None] * away).T @ away
    return mean, covariance + 1e-10 * np.eye(len(mean))


def effective(weights: F64) -> float:
    """Return how many equally weighted draws weights are worth (Kish 1965)."""
    total = float(np.sum(weights**2))
    return float(np.sum(weights)) ** 2 / total if total > 0.0 else 0.0


def systematic(weights: F64, n: int) -> NDArray[np.intp]:
    """Return n row numbers, each row as often as its weight says: systematic resampling."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges / edges[-1], (np.arange(n) + 0.5) / n)


def spread(n: int, n_dims: int, seed: int) -> F64:
    """Return the first n points of a scrambled Sobol sequence in the unit cube."""
    sequence = stats.qmc.Sobol(n_dims, rng=seed)
    points: F64 = sequence.random_base2(max(n - 1, 1).bit_length())[:n]
    return points
