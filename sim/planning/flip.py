"""Where along an assumption the better plan changes, how likely that is, what knowing it is worth.

All of it comes from one regression: what outcomes are to be expected at each value of an
assumption, all others averaged over what is believed of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sim.config.distributions import FORMS
from sim.config.fields import Uncertain
from sim.sweep.analysis import SEED, SURE, Interval
from sim.types import F64

I64 = npt.NDArray[np.int64]

CELLS: Final = 100
"""Equally likely parts of an assumption's range; a curve is followed over their middles."""
RESAMPLES: Final = 400
GROUPS: Final = 200
"""Groups of base samples that the bootstrap draws."""
FOLDS: Final = 5
KNOTS: Final = {2: (), 3: (0.1, 0.5, 0.9), 4: (0.05, 0.35, 0.65, 0.95),
                5: (0.05, 0.275, 0.5, 0.725, 0.95)}  # fmt: skip
"""Where a curve may bend, as probabilities (Harrell 2001); two ends make a straight line."""
WORTH: Final = 0.002
"""Share of the variance that more columns must foretell to be taken."""
POINTS_PER_COLUMN: Final = 8
MOST_COLUMNS: Final = 160
AT_ONCE: Final = 50
"""Resamples that are solved together."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number that is not known exactly.

    Attributes
    ----------
    path
        Of the setting.
    number
        Its distribution.
    low, high
        What the setting allows: the distribution is cut off there.
    unit
        Of the setting, in words.
    """

    path: str
    number: Uncertain
    low: float
    high: float
    unit: str = ""

    def at(self, probabilities: F64) -> F64:
        """Return its quantiles, shape as given."""
        found = [self.number.quantile(float(u), self.low, self.high) for u in probabilities]
        return np.array(found, dtype=np.float64)

    def below(self, value: float) -> float:
        """Return the probability that the truth is less than a value."""
        family, known = FORMS[self.number.form], self.number.parameters
        first, last = family.cdf(self.low, *known), family.cdf(self.high, *known)
        own = family.cdf(min(max(value, self.low), self.high), *known)
        return (own - first) / (last - first)


@dataclass(frozen=True, slots=True)
class Response:
    """What outcomes are to be expected along each assumption, all others averaged.

    Attributes
    ----------
    at
        Middles of equally likely cells of each assumption, shape (n_assumptions, CELLS).
    curves
        Expected outcome there, shape (n_assumptions, CELLS, n_outcomes).
    curves_again
        The same for each resample, shape (RESAMPLES, n_assumptions, CELLS, n_outcomes).
    overall
        Expected outcome over everything, shape (n_outcomes,).
    overall_again
        For each resample, shape (RESAMPLES, n_outcomes).
    expected
        Expected outcome at each point, shape (n_points, n_outcomes).
    told
        Share of each outcome's variance between points that is foretold of points that the
        regression has not seen, shape (n_outcomes,).
    knots
        Of each curve; 2 for straight lines.
    paired
        Whether products of two assumptions are in it.
    """

    assumptions: tuple[Assumption, ...]
    at: F64
    curves: F64
    curves_again: F64
    overall: F64
    overall_again: F64
    expected: F64
    told: F64
    knots: int
    paired: bool

    def overall_interval(self, outcome: int) -> Interval:
        """Return the expected outcome over everything, with its 95% interval."""
        return around(float(self.overall[outcome]), self.overall_again[:, outcome])

    def shares(self, outcome: int) -> tuple[Interval, ...]:
        """Return how much of what can be expected each assumption decides, luck averaged out.

        The variance of its curve beside that of all curves together, with its 95% interval.
        """
        parts = _parts(self.curves[..., outcome])
        again = _parts(self.curves_again[..., outcome])
        return tuple(around(float(part), again[:, place]) for place, part in enumerate(parts))

    def leaders(self, outcome: int) -> tuple[Assumption, ...]:
        """Return the assumptions that may decide most, the likeliest first.

        Those with the largest share in 5% of the resamples or more.
        """
        first = _parts(self.curves_again[..., outcome]).argmax(axis=1)
        often = np.bincount(first, minlength=len(self.assumptions)) / len(first)
        order = np.argsort(-often, kind="stable")
        return tuple(self.assumptions[place] for place in order if often[place] >= 1 - SURE)

    def band(self, place: int, outcome: int) -> tuple[F64, F64]:
        """Return the ends of the 95% interval of a curve, shape (CELLS,) each."""
        ends = np.quantile(self.curves_again[:, place, :, outcome], _ENDS, axis=0)
        return ends[0], ends[1]


_ENDS: Final = (0.5 - SURE / 2, 0.5 + SURE / 2)


def _parts(curves: F64) -> F64:
    """Return each curve's share of the variance of all, (..., n_assumptions, CELLS) to (..., n)."""
    variance = curves.var(axis=-1)
    total = variance.sum(axis=-1, keepdims=True)
    parts: F64 = np.divide(variance, total, out=np.zeros_like(variance), where=total > 0)
    return parts


def around(value: float, again: F64) -> Interval:
    """Return an estimate with the middle 95% of its resamples, shape (n,), which may be infinite.

    The interval is widened to hold the estimate, should it lie outside.
    """
    ordered = np.sort(again)
    last = len(ordered) - 1
    low = float(ordered[int(np.floor(_ENDS[0] * last))])
    high = float(ordered[int(np.ceil(_ENDS[1] * last))])
    return Interval(value, min(low, value), max(high, value))


# --- the regression ------------------------------------------------------------------------------


def respond(assumptions: Sequence[Assumption], points: F64, values: F64, clusters: I64) -> Response:
    """Estimate what outcomes are to be expected along each assumption.

    Parameters
    ----------
    assumptions
        What was varied, independently of each other and as believed.
    points
        Their values, shape (n_points, n_assumptions).
    values
        Outcomes, shape (n_points, n_outcomes).
    clusters
        Which points were drawn together (a base sample) and are not independent, shape (n_points,).

    Notes
    -----
    Least squares on a natural cubic spline of each assumption (linear beyond its outer knots) and,
    if that foretells more, products of two. All columns are centred under the assumptions' own
    distributions, and those are independent of each other: so the part of the fit that belongs to
    one assumption is the conditional mean, whatever interplay is left out, and the constant is the
    mean over everything. How many knots is chosen by cross-validation over base samples. Intervals
    are of a bootstrap over groups of base samples; each of these has worlds of its own, so that
    luck is in them.
    """
    assumptions = tuple(assumptions)
    numbers = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    shuffled = np.random.default_rng(SEED).permutation(int(numbers.max()) + 1)
    groups: I64 = shuffled[numbers] % GROUPS
    fit = _choose(assumptions, points, values, groups)
    weights = np.linalg.solve(_eased(fit.squares.sum(axis=0)), fit.products.sum(axis=0))
    again = _resampled(fit)
    at = np.array([one.at((np.arange(CELLS) + 0.5) / CELLS) for one in assumptions])
    curves, curves_again = [], []
    for place, (one, middles) in enumerate(zip(assumptions, at, strict=True)):
        own = _own_columns(fit.knots, place)
        terms = _along(one, middles, fit.knots)
        curves.append(weights[0] + terms @ weights[own])
        curves_again.append(again[:, :1] + np.einsum("gq,rqm->rgm", terms, again[:, own]))
    return Response(
        assumptions, at, np.array(curves), np.stack(curves_again, axis=1), weights[0], again[:, 0],
        fit.columns @ weights, fit.told, fit.knots, fit.paired,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Fit:
    """The columns of a regression, and their sums of squares and products by group."""

    knots: int
    paired: bool
    columns: F64
    squares: F64
    products: F64
    told: F64


def _choose(assumptions: tuple[Assumption, ...], points: F64, values: F64, groups: I64) -> _Fit:
    """Return the regression with as many columns as pay, straight lines to begin with."""
    best = _fit(assumptions, points, values, groups, 2, paired=False)
    for knots, paired in [(knots, False) for knots in KNOTS if knots > 2] + [(0, True)]:  # noqa: PLR2004
        more = knots or best.knots
        n_columns = 1 + len(assumptions) * (more - 1)
        n_columns += len(assumptions) * (len(assumptions) - 1) // 2 if paired else 0
        if n_columns > min(MOST_COLUMNS, len(points) // POINTS_PER_COLUMN):
            continue
        found = _fit(assumptions, points, values, groups, more, paired=paired)
        if found.told.mean() > best.told.mean() + WORTH:
            best = found
    return best


def _fit(
    assumptions: tuple[Assumption, ...], points: F64, values: F64, groups: I64, knots: int, *,
    paired: bool,
) -> _Fit:  # fmt: skip
    parts = [_along(one, points[:, place], knots) for place, one in enumerate(assumptions)]
    columns = [np.ones((len(points), 1)), *parts]
    if paired:
        columns += [one[:, :1] * other[:, :1] for one, other in combinations(parts, 2)]
    made = np.hstack(columns)
    own = [groups == group for group in range(int(groups.max()) + 1)]
    squares = np.array([made[chosen].T @ made[chosen] for chosen in own])
    products = np.array([made[chosen].T @ values[chosen] for chosen in own])
    told = _foretold(made, values, groups % FOLDS, squares, products)
    return _Fit(knots, paired, made, squares, products, told)


def _own_columns(knots: int, place: int) -> slice:
    first = 1 + place * (knots - 1)
    return slice(first, first + knots - 1)


def _along(assumption: Assumption, numbers: F64, knots: int) -> F64:
    """Return the columns of one assumption, centred under its distribution, (n, knots - 1)."""
    middles = assumption.at((np.arange(CELLS) + 0.5) / CELLS)
    low, middle, high = assumption.at(np.array([0.05, 0.5, 0.95]))
    width = (high - low) or 1.0
    bends = (assumption.at(np.array(KNOTS[knots])) - middle) / width
    terms: F64 = _spline((numbers - middle) / width, bends)
    centre: F64 = _spline((middles - middle) / width, bends).mean(axis=0)
    return terms - centre


def _spline(z: F64, bends: F64) -> F64:
    """Return a natural cubic spline's columns: the number itself, then one for each inner bend.

    Notes
    -----
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, section 5.2.1.
    """
    if not len(bends):
        return z[:, None]
    cubes = np.clip(z[:, None] - bends, 0.0, None) ** 3
    bent = (cubes[:, :-1] - cubes[:, -1:]) / (bends[-1] - bends[:-1])
    return np.hstack([z[:, None], bent[:, :-1] - bent[:, -1:]])


def _foretold(columns: F64, values: F64, folds: I64, squares: F64, products: F64) -> F64:
    """Return the share of each outcome's variance that is foretold of each fold by the others."""
    error = np.zeros(values.shape[1])
    of_group = np.arange(len(squares)) % FOLDS
    for fold in np.unique(of_group):
        others = of_group != fold
        weights = np.linalg.solve(_eased(squares[others].sum(axis=0)), products[others].sum(axis=0))
        held = folds == fold
        error += ((values[held] - columns[held] @ weights) ** 2).sum(axis=0)
    spread = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    told: F64 = np.divide(spread - error, spread, out=np.zeros_like(spread), where=spread > 0)
    return told


def _eased(squares: F64) -> F64:
    """Return sums of squares that can be solved even where two columns say the same."""
    size = np.trace(squares, axis1=-2, axis2=-1)[..., None, None] / squares.shape[-1]
    eased: F64 = squares + 1e-10 * size * np.eye(squares.shape[-1])
    return eased


def _resampled(fit: _Fit) -> F64:
    """Return the weights of each resample of groups, shape (RESAMPLES, columns, outcomes)."""
    n_groups = len(fit.squares)
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), RESAMPLES).astype(float)
    found: list[Any] = []
    for first in range(0, RESAMPLES, AT_ONCE):
        times = drawn[first : first + AT_ONCE]
        squares = np.tensordot(times, fit.squares, axes=1)
        found.append(np.linalg.solve(_eased(squares), np.tensordot(times, fit.products, axes=1)))
    return np.concatenate(found)


# --- where the better side changes ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flip:
    """Where along one assumption the expected outcome changes its sign, all others averaged.

    Attributes
    ----------
    value
        Where; of several places the one nearest to the median. None if it never does.
    low, high
        Ends of its 95% interval; infinite where the sign may not change at all on that side.
    above
        Whether it has changed above the value, not below.
    beyond
        Probability that the truth lies where the sign is the other one.
    possible
        Share of resamples in which the sign changes at all.
    """

    assumption: Assumption
    value: float | None
    low: float
    high: float
    above: bool
    beyond: Interval
    possible: float


def flips(response: Response, outcome: int) -> tuple[Flip, ...]:
    """Return, for each assumption, where the sign of an expected outcome changes.

    Parameters
    ----------
    response
        The regression.
    outcome
        Place of the outcome in it: a plan against today's, or one plan against another.
    """
    holds = 1.0 if response.overall[outcome] >= 0 else -1.0
    return tuple(
        _flip(one, response.at[place], holds * response.curves[place, :, outcome],
              holds * response.curves_again[:, place, :, outcome])
        for place, one in enumerate(response.assumptions)
    )  # fmt: skip


def _flip(assumption: Assumption, at: F64, side: F64, again: F64) -> Flip:
    """Return where a curve falls below zero, given that curve for each resample, too."""
    changed = again < 0
    possible = float(changed.any(axis=1).mean())
    beyond = around(_beyond(assumption, at, side), changed.mean(axis=1))
    places = crossings(at, side)
    if not places:
        return Flip(assumption, None, -np.inf, np.inf, True, beyond, possible)
    value, above = min(places, key=lambda place: abs(assumption.below(place[0]) - 0.5))
    ends = around(value, np.array([_crossing_near(at, one, value, above=above) for one in again]))
    return Flip(assumption, value, ends.low, ends.high, above, beyond, possible)


def crossings(at: F64, side: F64) -> list[tuple[float, bool]]:
    """Return where a curve crosses zero, and whether it is below zero above that place.

    Parameters
    ----------
    at, side
        The curve, straight between its points, shape (n,) each; `at` rises.
    """
    found = []
    for place in np.flatnonzero((side[:-1] < 0) != (side[1:] < 0)):
        part = side[place] / (side[place] - side[place + 1])
        found.append((float(at[place] + part * (at[place + 1] - at[place])),
                      bool(side[place + 1] < 0)))  # fmt: skip
    return found


def _crossing_near(at: F64, side: F64, value: float, *, above: bool) -> float:
    """Return the crossing of the same kind nearest to a value; beyond all if there is none."""
    alike = [place for place, upward in crossings(at, side) if upward == above]
    if alike:
        return min(alike, key=lambda place: abs(place - value))
    everywhere = bool((side < 0).mean() > 0.5)  # noqa: PLR2004  # most of the range has changed
    return -np.inf if everywhere == above else np.inf


def _beyond(assumption: Assumption, at: F64, side: F64) -> float:
    """Return the probability that the truth lies where a curve is below zero."""
    edges = [0.0, *(assumption.below(place) for place, _ in crossings(at, side)), 1.0]
    first = 0 if side[0] < 0 else 1
    return float(sum(high - low for low, high in list(pairwise(edges))[first::2]))


def share_where(values: F64, clusters: I64) -> Interval:
    """Return the share of points with a negative outcome, with its 95% interval.

    Parameters
    ----------
    values
        The outcome at each point, shape (n,).
    clusters
        Which points were drawn together, shape (n,).
    """
    numbers = np.unique(clusters, return_inverse=True)[1]
    n = int(numbers.max()) + 1
    below, size = np.bincount(numbers, values < 0, n), np.bincount(numbers, minlength=n)
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    return around(float((values < 0).mean()), (drawn @ below) / (drawn @ size))


# --- what knowing is worth -----------------------------------------------------------------------


def worth_knowing(response: Response, options: F64) -> tuple[Interval, ...]:
    """Return what it is worth to know each assumption before choosing a plan (EVPPI).

    Parameters
    ----------
    response
        The regression.
    options
        Each option's outcome as a sum of the regression's outcomes, the more the better, shape
        (n_options, n_outcomes): a row of zeros is today's plan.

    Returns
    -------
    tuple[Interval, ...]
        By assumption, in the outcome's unit.

    Notes
    -----
    The mean of the best option's expectation at each value, less the best option's mean: expected
    value of partial perfect information, by regression (Strong, Oakley & Brennan 2014).
    """
    curves = response.curves @ options.T
    again = response.curves_again @ options.T
    overall = (response.overall @ options.T).max(axis=-1)
    overall_again = (response.overall_again @ options.T).max(axis=-1)
    # The mean of a curve over its cells is the constant, up to rounding.
    gains = np.maximum(curves.max(axis=-1).mean(axis=-1) - overall, 0.0)
    gains_again = again.max(axis=-1).mean(axis=-1) - overall_again[:, None]
    return tuple(
        around(float(gain), np.maximum(gains_again[:, place], 0.0))
        for place, gain in enumerate(gains)
    )


def worth_of_all(response: Response, options: F64) -> float:
    """Return what it is worth to know all these assumptions at once, see `worth_knowing`."""
    expected = response.expected @ options.T
    return float(expected.max(axis=1).mean() - expected.mean(axis=0).max())
