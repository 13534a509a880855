"""What moves an outcome of a sweep: effects of factors, indices, a surface over two of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from SALib.analyze import morris as salib_morris
from SALib.analyze import sobol as salib_sobol
from scipy.stats import norm, t

from sim.config.design import MORRIS_LEVELS
from sim.sweep.means import (
    I64,
    Document,
    Means,
    Varied,
    column_of,
    first_points,
    group_size,
)
from sim.types import F64

LEVELS: Final = 12
"""Distinct numbers up to which each is shown by itself; more are put into bins."""
BINS: Final = 10
POINTS_PER_BIN: Final = 8
RESAMPLES: Final = 400
GROUPS: Final = 500
"""Groups of points that the bootstrap draws: as good as points, and cheap with a million."""
SEED: Final = 1
"""Of bootstraps and samples: the same page each time."""
SURE: Final = 0.95
Z: Final = float(norm.ppf(0.5 + SURE / 2))


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Effect:
    """How the mean outcome goes with one factor, all others as they were varied.

    Attributes
    ----------
    at
        Where each level or bin lies: the factor's mean in it, shape (k,).
    low, high
        Ends of the 95% interval of the mean, shape (k,); NaN where there is one point.
    labels
        Texts of a factor that is no number, by level.
    binned
        Whether numbers were put into bins of equal counts.
    share
        First-order index: the share of the variance between points that the factor explains alone.
    """

    factor: Varied
    at: F64
    mean: F64
    low: F64
    high: F64
    n: I64
    labels: tuple[str, ...]
    binned: bool
    share: Interval


# --- main effects --------------------------------------------------------------------------------


def main_effects(means: Means) -> list[Effect]:
    """Return the effect of every factor, the one that explains most first."""
    clusters = _numbered(means.clusters)
    groups = _groups(clusters)
    effects = [_effect(means, factor, clusters, groups) for factor in means.factors]
    return sorted(effects, key=lambda effect: -effect.share.value)


def bins_of(factor: Varied, n_clusters: int) -> tuple[I64, bool]:
    """Return the level or bin of each point, numbered from 0, and whether they are bins.

    Bins hold equal numbers of points; equal values are never parted. Where points were drawn
    together in few clusters there are fewer bins, since there is less to tell bins apart by.
    """
    distinct, codes = np.unique(factor.numbers, return_inverse=True)
    if not factor.is_number or len(distinct) <= LEVELS:
        return codes.astype(np.int64), False
    n = int(np.clip(n_clusters // POINTS_PER_BIN, 2, BINS))
    edges = np.quantile(factor.numbers, np.arange(1, n) / n)
    return np.unique(np.searchsorted(edges, factor.numbers), return_inverse=True)[1], True


def _effect(means: Means, factor: Varied, clusters: I64, groups: I64) -> Effect:
    bins, binned = bins_of(factor, int(clusters.max()) + 1)
    n = np.bincount(bins)
    at = np.bincount(bins, factor.numbers) / n if binned else np.unique(factor.numbers)
    mean = np.bincount(bins, means.mean) / n
    half = _half_widths(means.mean, bins, mean, clusters)
    labels = () if factor.is_number else tuple(factor.levels[int(place)] for place in at)
    share = explained(means.mean, bins, groups)
    return Effect(factor, at, mean, mean - half, mean + half, n, labels, binned, share)


def _numbered(clusters: I64) -> I64:
    """Return clusters numbered from 0."""
    numbers: I64 = np.unique(clusters, return_inverse=True)[1].astype(np.int64)
    return numbers


def _half_widths(values: F64, bins: I64, mean: F64, clusters: I64) -> F64:
    """Return half the 95% interval of the mean in each bin, shape (k,).

    Notes
    -----
    Points of a cluster are not independent: what they lie off the mean is summed by cluster first.
    Where each point is its own cluster, this is the standard error of a mean.
    """
    n_bins, place = len(mean), bins
    off: F64 = values - mean[bins]
    if int(clusters.max()) + 1 < len(clusters):
        cells, where = np.unique(clusters * n_bins + bins, return_inverse=True)
        off = np.bincount(where, off).astype(np.float64)
        place = (cells % n_bins).astype(np.int64)
    n = np.bincount(place, minlength=n_bins).astype(np.float64)
    squares = np.bincount(place, off**2, minlength=n_bins)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(squares * n / (n - 1)) / np.bincount(bins)
        half: F64 = t.ppf(0.5 + SURE / 2, n - 1) * error
    return half


def _groups(clusters: I64) -> I64:
    """Return a group for each point, clusters whole, by chance: at most GROUPS of them."""
    shuffled = np.random.default_rng(SEED).permutation(int(clusters.max()) + 1)
    groups: I64 = shuffled[clusters] % GROUPS
    return groups


def explained(values: F64, bins: I64, groups: I64) -> Interval:
    """Return the share of the variance of some values that lies between bins.

    Parameters
    ----------
    values
        Mean outcome of each point, shape (n,).
    bins
        The factor's level or bin at each point, shape (n,), numbered from 0.
    groups
        What the bootstrap draws as a whole, shape (n,), numbered from 0.

    Notes
    -----
    The correlation ratio of the outcome with the factor (Pearson 1905), an estimate of the
    first-order index from any independent points, less what chance alone gives it: epsilon squared
    (Kelley 1935). The interval is 1.96 standard errors of a bootstrap over groups.
    """
    n_bins, n_groups = int(bins.max()) + 1, int(groups.max()) + 1
    if len(values) <= n_bins or np.ptp(values) == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    centred = values - values.mean()
    cell = groups * n_bins + bins
    shape, length = (n_groups, n_bins), n_groups * n_bins
    sums = np.bincount(cell, centred, length).reshape(shape)
    counts = np.bincount(cell, minlength=length).reshape(shape).astype(np.float64)
    squares = np.bincount(groups, centred**2, n_groups)
    once = np.ones((1, n_groups))
    value = float(_epsilon(once @ sums, once @ counts, once @ squares)[0])
    rng = np.random.default_rng(SEED)
    drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), RESAMPLES).astype(float)
    # A draw has the bins' noise twice, its own and the data's: the spread is used, not the place.
    spread = float(np.std(_epsilon(drawn @ sums, drawn @ counts, drawn @ squares), ddof=1))
    return Interval(value, value - Z * spread, value + Z * spread)


def _epsilon(sums: F64, counts: F64, squares: F64) -> F64:
    n = counts.sum(axis=1)
    filled = (counts > 0).sum(axis=1)
    overall = sums.sum(axis=1) ** 2 / n
    between = np.divide(sums**2, counts, out=np.zeros_like(sums), where=counts > 0).sum(axis=1)
    total = squares - overall
    left = np.divide(total - (between - overall), total, out=np.ones_like(total), where=total > 0)
    share: F64 = 1 - left * (n - 1) / np.maximum(n - filled, 1)
    return share


# --- indices of designs that are made for them ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sobol:
    """Sobol indices of a Saltelli design, see `sobol_indices`.

    Attributes
    ----------
    first, total
        By factor.
    second
        By pair of factors; empty if the design does not sample them.
    samples, left_out
        Base samples that are used, and those that are not complete.
    """

    names: tuple[str, ...]
    first: tuple[Interval, ...]
    total: tuple[Interval, ...]
    second: dict[tuple[str, str], Interval]
    samples: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Morris:
    """Elementary effects of a Morris design, see `morris_effects`.

    Attributes
    ----------
    mu_star
        Mean size of the effect of a factor that goes over its whole range, in outcome units.
    mu, sigma
        Mean and standard deviation of the effect, shape (n_factors,).
    """

    names: tuple[str, ...]
    mu_star: tuple[Interval, ...]
    mu: F64
    sigma: F64
    trajectories: int
    left_out: int


FEWEST_SAMPLES: Final = 8
"""Base samples or trajectories below which indices would tell nothing."""


def sobol_indices(values: F64, names: Sequence[str]) -> Sobol | None:
    """Return first-order, total and second-order Sobol indices by SALib.

    Parameters
    ----------
    values
        Mean outcome at each point, shape (base samples, points of each), in the order of SALib's
        sampler; NaN where there is none: that base sample is left out whole.
    names
        The factors, in the design's order.

    Returns
    -------
    Sobol | None
        None if too few base samples are complete, or all points give the same.

    Notes
    -----
    Estimators of Saltelli et al. (2010) and Saltelli (2002); intervals are 1.96 standard errors of
    a bootstrap over base samples.
    """
    whole = values[np.isfinite(values).all(axis=1)]
    if len(whole) < FEWEST_SAMPLES or np.ptp(whole) == 0:
        return None
    n = len(names)
    second = values.shape[1] == 2 * n + 2
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Constant values encountered")  # of one resample
        found = salib_sobol.analyze(
            _problem(names), whole.ravel(), calc_second_order=second, num_resamples=100, seed=SEED
        )
    pairs = {
        (names[i], names[j]): _around(found["S2"][i, j], found["S2_conf"][i, j])
        for i, j in combinations(range(n if second else 0), 2)
    }
    first = tuple(map(_around, found["S1"], found["S1_conf"]))
    total = tuple(map(_around, found["ST"], found["ST_conf"]))
    return Sobol(tuple(names), first, total, pairs, len(whole), len(values) - len(whole))


def morris_effects(values: F64, inputs: F64, names: Sequence[str], levels: int) -> Morris | None:
    """Return the elementary effects of factors by SALib.

    Parameters
    ----------
    values
        Mean outcome at each point, shape (trajectories, n_factors + 1); NaN where there is none:
        that trajectory is left out whole.
    inputs
        The factors at each point, shape (trajectories, n_factors + 1, n_factors); only the
        direction of each step is used.
    names
        The factors, in the design's order.
    levels
        Levels of the design's grid, of which a step takes half.

    Returns
    -------
    Morris | None
        None if too few trajectories are complete.

    Notes
    -----
    Morris (1991); the mean of sizes is Campolongo, Cariboni & Saltelli's (2007).
    """
    whole = np.isfinite(values).all(axis=1)
    if whole.sum() < FEWEST_SAMPLES:
        return None
    found = salib_morris.analyze(
        _problem(names), inputs[whole].reshape(-1, len(names)), values[whole].ravel(),
        num_resamples=1000, num_levels=levels, seed=SEED,
    )  # fmt: skip
    return Morris(
        tuple(names),
        tuple(map(_around, found["mu_star"], found["mu_star_conf"])),
        np.asarray(found["mu"], dtype=np.float64),
        np.asarray(found["sigma"], dtype=np.float64),
        int(whole.sum()),
        int((~whole).sum()),
    )


def sobol_of(means: Means) -> Sobol | None:
    """Return the Sobol indices of a sweep, None unless its design is Saltelli's and complete."""
    ordered = _in_order(means, "saltelli")
    found = None if ordered is None else sobol_indices(ordered[0], ordered[2])
    if found is None:
        return None
    asked = _asked(means, found.names)
    names = tuple(found.names[j] for j in asked)
    return replace(
        found,
        names=names,
        first=tuple(found.first[j] for j in asked),
        total=tuple(found.total[j] for j in asked),
        second={pair: one for pair, one in found.second.items() if {*pair} <= {*names}},
    )


def morris_of(means: Means) -> Morris | None:
    """Return the elementary effects of a sweep, None unless its design is Morris's and complete."""
    ordered = _in_order(means, "morris")
    if ordered is None:
        return None
    values, inputs, names = ordered
    levels = morris_levels(means.documents[0]["design"])
    found = morris_effects(values, inputs, names, levels)
    if found is None:
        return None
    asked = _asked(means, names)
    return replace(
        found,
        names=tuple(names[j] for j in asked),
        mu_star=tuple(found.mu_star[j] for j in asked),
        mu=found.mu[asked],
        sigma=found.sigma[asked],
    )


def _asked(means: Means, names: Sequence[str]) -> list[int]:
    """Return the places of the factors that are asked for."""
    asked = {*means.constant, *(factor.name for factor in means.factors)}
    return [place for place, name in enumerate(names) if name in asked]


def morris_levels(design: Document) -> int:
    """Return the number of levels of a Morris design's grid."""
    given = [factor["levels"] for factor in design["factors"]]
    return next((int(levels) for levels in given if levels), MORRIS_LEVELS)


def _in_order(means: Means, kind: str) -> tuple[F64, F64, tuple[str, ...]] | None:
    """Return outcomes by base sample, factors by base sample and point, and the factors' names.

    Points of an extension with the same factors follow: its base samples are as good.
    """
    design = means.documents[0]["design"]
    if design["kind"] != kind:
        return None
    names = tuple(column_of(factor) for factor in design["factors"])
    ends = first_points(means.documents)
    every = {factor.name: factor.numbers for factor in means.every}
    columns = [every[name] for name in names]
    values, inputs = [], []
    for document, first, end in zip(means.documents, ends, ends[1:], strict=False):
        own = document.get("design", {})
        if end == first or own["kind"] != kind or own["factors"] != design["factors"]:
            continue
        chosen = (means.points >= first) & (means.points < end)
        place = means.points[chosen] - first
        size = group_size(own, end - first)
        outcome = np.full(end - first, np.nan)
        outcome[place] = means.mean[chosen]
        given = np.zeros((end - first, len(names)))
        for j, column in enumerate(columns):
            given[place, j] = column[chosen]
        values.append(outcome.reshape(-1, size))
        inputs.append(given.reshape(-1, size, len(names)))
    return np.concatenate(values), np.concatenate(inputs), names


def _problem(names: Sequence[str]) -> dict[str, Any]:
    bounds = [[0.0, 1.0]] * len(names)
    return {"num_vars": len(names), "names": list(names), "bounds": bounds}


def _around(value: float, half: float) -> Interval:
    return Interval(float(value), float(value - half), float(value + half))


# --- surfaces ------------------------------------------------------------------------------------

DEGREES: Final = (1, 2, 3, 4)
FOLDS: Final = 5
POINTS_PER_TERM: Final = 4
WORTH: Final = 0.005
"""Cross-validated R2 that a higher degree must add to be taken."""
FITTED: Final = 50_000
"""Points that a surface is fitted to, drawn by seed; more change nothing that can be seen."""
FEWEST_POINTS: Final = 30
TAIL: Final = 0.01
"""Share of points at each end of an axis that a map leaves out: few points say little there."""
GRID: Final = 61
LITTLE: Final = 0.1
"""Cross-validated R2 below which a map shows little."""
ADDED: Final = 0.02
"""Share of the variance that a pair must foretell beyond its stronger factor to be shown."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The outcome over two numeric factors, smoothed; others as they were varied.

    Attributes
    ----------
    r2
        Cross-validated: the share of the variance between points that these two foretell.
    at_x, at_y
        Values of the factors along the map, shape (m,): all but the outermost hundredths.
    values
        Shape (m, m): y by x.
    shown
        Places of the points that it was fitted to among those of the means.
    """

    x: Varied
    y: Varied
    degree: int
    r2: float
    at_x: F64
    at_y: F64
    values: F64
    shown: I64


def surfaces(
    means: Means, effects: Sequence[Effect], most: int = 3, among: int = 6
) -> list[Surface]:
    """Return the pairs of numeric factors that foretell the outcome best, as surfaces.

    A pair of which one factor alone foretells as much is left out, unless there is no other.

    Parameters
    ----------
    means
        The sweep.
    effects
        Its main effects, strongest first.
    most
        How many pairs.
    among
        How many factors are looked at, those first that explain most alone.
    """
    if len(means) < FEWEST_POINTS or np.ptp(means.mean) == 0:
        return []
    chosen = [effect for effect in effects if effect.factor.is_number][:among]
    every = np.arange(len(means))
    fits = []
    for one, other in combinations(chosen, 2):
        fit = fit_surface(means, one.factor, other.factor, every)
        alone = max(one.share.value, other.share.value)
        fits.append((fit, fit.r2 - alone))
    fits.sort(key=lambda pair: -pair[0].r2)
    kept = [fit for fit, more in fits[1:] if more > ADDED and fit.r2 > LITTLE]
    return [fit for fit, _ in fits[:1]] + kept[: most - 1]


def facets(means: Means, surface: Surface, by: Varied, most: int = 4) -> dict[str, Surface]:
    """Return a surface at each level of a factor that is no number, the most frequent ones."""
    counts = np.bincount(by.numbers.astype(np.int64), minlength=len(by.levels))
    kept = sorted(np.argsort(-counts, kind="stable")[:most])
    return {
        by.levels[level]: fit_surface(
            means, surface.x, surface.y, np.flatnonzero(by.numbers == level)
        )
        for level in kept
        if counts[level] >= FEWEST_POINTS
    }


def fit_surface(means: Means, x: Varied, y: Varied, points: I64) -> Surface:
    """Fit a polynomial to an outcome over two factors.

    Parameters
    ----------
    means
        The sweep.
    x, y
        Numeric factors.
    points
        Places of the points to be fitted, shape (n,).

    Notes
    -----
    Products of Legendre polynomials up to a total degree, by least squares. The degree is the
    lowest one whose cross-validated R2 no higher one betters by more than 0.005.
    """
    rng = np.random.default_rng(SEED)
    if len(points) > FITTED:
        points = np.sort(rng.choice(points, FITTED, replace=False))
    values = means.mean[points]
    u, v = (_unit(factor, factor.numbers[points]) for factor in (x, y))
    most = (len(np.unique(u)), len(np.unique(v)))
    clusters = _numbered(means.clusters[points])
    folds = (rng.permutation(int(clusters.max()) + 1) % FOLDS)[clusters]
    degree, r2 = 1, -np.inf
    for candidate in DEGREES:
        terms = _terms(u, v, candidate, most)
        if candidate > 1 and terms.shape[1] * POINTS_PER_TERM > clusters.max() + 1:
            break
        found = _cross_validated(terms, values, folds)
        if found > r2 + WORTH:
            degree, r2 = candidate, found
    weights, *_ = np.linalg.lstsq(_terms(u, v, degree, most), values, rcond=None)
    at_x, at_y = (_axis(factor, n) for factor, n in zip((x, y), most, strict=True))
    grid_u, grid_v = np.meshgrid(_unit(x, at_x), _unit(y, at_y))
    smooth = _terms(grid_u.ravel(), grid_v.ravel(), degree, most) @ weights
    return Surface(x, y, degree, float(r2), at_x, at_y, smooth.reshape(GRID, GRID), points)


def scaled(factor: Varied, numbers: F64) -> F64:
    """Return numbers on the scale on which a factor was varied."""
    return np.log10(numbers) if factor.log else numbers


def _unit(factor: Varied, numbers: F64) -> F64:
    """Map a factor's whole range to -1..1, on its scale."""
    own = scaled(factor, factor.numbers)
    low, high = float(own.min()), float(own.max())
    unit: F64 = 2 * (scaled(factor, numbers) - low) / (high - low) - 1
    return unit


def _axis(factor: Varied, levels: int) -> F64:
    shown = (0, 1) if levels <= LEVELS else (TAIL, 1 - TAIL)
    ends = np.quantile(scaled(factor, factor.numbers), shown)
    line: F64 = np.linspace(ends[0], ends[1], GRID)
    return 10**line if factor.log else line


def _terms(u: F64, v: F64, degree: int, most: tuple[int, int]) -> F64:
    """Return the polynomial's terms, shape (n, terms); no power that so few levels cannot tell."""
    in_u = np.polynomial.legendre.legvander(u, degree)
    in_v = np.polynomial.legendre.legvander(v, degree)
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)
              if i < most[0] and j < most[1]]  # fmt: skip
    return np.column_stack([in_u[:, i] * in_v[:, j] for i, j in powers])


def _cross_validated(terms: F64, values: F64, folds: npt.NDArray[Any]) -> float:
    """Return 1 - squared error of prediction / variance, each fold foretold by the others."""
    own = [(terms[folds == fold], values[folds == fold]) for fold in range(FOLDS)]
    squares = [part.T @ part for part, _ in own]
    products = [part.T @ told for part, told in own]
    error = 0.0
    for fold, (part, told) in enumerate(own):
        weights, *_ = np.linalg.lstsq(
            sum(squares) - squares[fold], sum(products) - products[fold], rcond=None
        )
        error += float(((told - part @ weights) ** 2).sum())
    return 1 - error / float(((values - values.mean()) ** 2).sum())


# --- two factors of any kind, points -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crossed:
    """Mean outcome at every level of one factor together with every level of another.

    Attributes
    ----------
    mean
        Shape (rows, columns); NaN where there is no point.
    """

    row: Varied
    column: Varied
    row_labels: tuple[str, ...] | F64
    column_labels: tuple[str, ...] | F64
    mean: F64


def crossed(means: Means, row: Effect, column: Effect) -> Crossed:
    """Return the mean outcome by the levels or bins of two factors."""
    n_clusters = len(np.unique(means.clusters))
    rows, columns = (bins_of(effect.factor, n_clusters)[0] for effect in (row, column))
    shape = (len(row.at), len(column.at))
    cell, length = rows * shape[1] + columns, shape[0] * shape[1]
    n = np.bincount(cell, minlength=length).astype(np.float64)
    sums = np.bincount(cell, means.mean, length)
    mean = np.divide(sums, n, out=np.full(length, np.nan), where=n > 0).reshape(shape)
    return Crossed(row.factor, column.factor, row.labels or row.at, column.labels or column.at,
                   mean)  # fmt: skip


def ranked(means: Means, best_is: int) -> I64:
    """Return the places of the points, best first; `best_is` is 1 if more is better, else -1."""
    order: I64 = np.lexsort((means.points, -best_is * means.mean))
    return order


def point_table(means: Means, places: I64) -> pd.DataFrame:
    """Return points with their factors, their mean outcome and its standard error."""
    columns: dict[str, Any] = {"point": means.points[places]}
    for factor in means.factors:
        own = factor.numbers[places]
        columns[factor.name] = (
            own if factor.is_number else [factor.levels[int(place)] for place in own]
        )
    columns |= {means.outcome: means.mean[places], f"{means.outcome}.error": means.error[places]}
    return pd.DataFrame(columns)


def effect_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """Return all main effects as one table: a row per factor and level or bin."""
    frames = [
        pd.DataFrame(
            {
                "factor": effect.factor.name,
                "level": effect.labels or effect.at,
                "points": effect.n,
                "mean": effect.mean,
                "low": effect.low,
                "high": effect.high,
            }
        )
        for effect in effects
    ]
    return pd.concat([frame.astype({"level": object}) for frame in frames], ignore_index=True)


def share_table(effects: Sequence[Effect]) -> pd.DataFrame:
    """Return the share of the variance between points that each factor explains alone."""
    shares = [effect.share for effect in effects]
    return pd.DataFrame(
        {
            "factor": [effect.factor.name for effect in effects],
            "share": [share.value for share in shares],
            "low": [share.low for share in shares],
            "high": [share.high for share in shares],
        }
    )


def sobol_table(found: Sobol) -> pd.DataFrame:
    """Return Sobol indices as one table: a row per index."""
    rows = [
        (kind, name, "", one.value, one.low, one.high)
        for kind, of in (("S1", found.first), ("ST", found.total))
        for name, one in zip(found.names, of, strict=True)
    ]
    rows += [("S2", a, b, one.value, one.low, one.high) for (a, b), one in found.second.items()]
    return pd.DataFrame(rows, columns=["index", "factor", "with", "value", "low", "high"])


def morris_table(found: Morris) -> pd.DataFrame:
    """Return elementary effects as a table: a row per factor."""
    return pd.DataFrame(
        {
            "factor": found.names,
            "mu_star": [one.value for one in found.mu_star],
            "low": [one.low for one in found.mu_star],
            "high": [one.high for one in found.mu_star],
            "mu": found.mu,
            "sigma": found.sigma,
        }
    )
