"""The set of markets that show what was wanted: what it covers, and what the reader has to know."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.calibration.fit import Estimate, Fit
from sim.calibration.history_matching import Goal, Runs
from sim.calibration.prior import Prior
from sim.config.matching import Matching
from sim.types import F64

UNINFORMED = 0.9
"""Spread of a parameter over the set, against the prior's, from which the targets tell nothing."""
TIED = 0.8
"""Correlation over the set from which two parameters are told only together."""
ENOUGH = 0.5
"""Share of the set's members that should be different markets."""
UNIFORM_SD = 1.0 / math.sqrt(12.0)


@dataclass(frozen=True)
class MarketSet:
    """What the waves left, and what follows from it.

    Attributes
    ----------
    described
        Columns with a row per figure: its name, measure, brand, segment, value and se.
    members
        Rows of the runs that make the set; empty if no market fits.
    fresh
        Shape (members, figures): the members' figures in other worlds; None if not looked at.
    """

    described: Mapping[str, list[Any]]
    goal: Goal
    prior: Prior
    runs: Runs
    members: NDArray[np.intp]
    fresh: F64 | None
    matching: Matching

    @property
    def names(self) -> list[str]:
        """What the figures are called."""
        return list(self.described["figure"])

    @cached_property
    def away(self) -> F64:
        """Implausibility of each market in each figure, shape (markets, figures)."""
        return self.runs.implausibility(self.goal)

    @cached_property
    def best(self) -> int:
        """Row of the member that fits best; of the closest market if none fits."""
        if len(self.members):
            return int(self.members[np.argmin((self.away[self.members] ** 2).sum(axis=1))])
        return int(np.argmin(self.away.max(axis=1)))

    @cached_property
    def table(self) -> F64:
        """The members' numbers, shape (members, free numbers)."""
        if len(self.members):
            return self.prior.table(self.runs.points[self.members])
        return np.empty((0, len(self.prior.numbers)))

    @cached_property
    def spread(self) -> F64:
        """Spread of each number over the set as a share of the prior's; NaN for no set."""
        if len(self.members):
            sd: F64 = self.runs.points[self.members].std(axis=0)
            return sd / UNIFORM_SD
        return np.full(len(self.prior.numbers), np.nan)


def make_fit(found: MarketSet, source: str) -> Fit:
    """Return a set of markets as a fit: the set, its best member, estimates over it, and notes."""
    prior, runs = found.prior, found.runs
    fits = len(found.members) > 0
    columns = dict(zip(prior.paths, found.table.T, strict=True))
    at_best = prior.values(runs.points[found.best])
    told = f"calibrated: {source}" if fits else f"assumed: as near to {source} as any tried"
    return Fit(
        kind="targets",
        source=source,
        n_units=len(found.names),
        n_train=len(runs.points),
        n_test=0,
        train_ll=None,
        test_ll=None,
        parameters={
            path: Estimate(float(column.mean()), float(column.std(ddof=1)))
            if fits
            else Estimate(at_best[path], None)
            for path, column in columns.items()
        },
        market=at_best,
        provenance=dict.fromkeys(prior.paths, told),
        joint={path: column.tolist() for path, column in columns.items()} if fits else {},
        notes=_notes(found),
        series={
            "targets": _target_columns(found),
            "parameters": _parameter_columns(found),
        },
    )


def _target_columns(found: MarketSet) -> dict[str, list[Any]]:
    """Return a row per figure: what was wanted, and what best, set and fresh worlds show."""
    n = len(found.names)
    columns = {
        **found.described,
        "chance_sd": np.sqrt(found.runs.noise * found.matching.worlds).tolist(),
        "best": found.runs.means[found.best].tolist(),
        "misfit": found.away[found.best].tolist(),
    }
    fitting = found.runs.means[found.members] if len(found.members) else None
    for name, values in (("set", fitting), ("fresh", found.fresh)):
        columns[f"{name}_mean"] = [None] * n if values is None else values.mean(axis=0).tolist()
        columns[f"{name}_sd"] = [None] * n if values is None else values.std(axis=0).tolist()
    return columns


def _parameter_columns(found: MarketSet) -> dict[str, list[Any]]:
    """Return a row per free number: prior, best, and what the set covers."""
    n = len(found.prior.numbers)
    low, high = found.prior.table(np.array([np.full(n, 0.025), np.full(n, 0.975)]))
    columns = {
        "path": found.prior.paths,
        "prior_low": low.tolist(),
        "prior_high": high.tolist(),
        "best": list(found.prior.values(found.runs.points[found.best]).values()),
        "low": [None] * n,
        "high": [None] * n,
        "spread_left": [None] * n,
    }
    if len(found.members):
        columns["low"] = found.table.min(axis=0).tolist()
        columns["high"] = found.table.max(axis=0).tolist()
        columns["spread_left"] = found.spread.tolist()
    return columns


def _notes(found: MarketSet) -> list[str]:
    """Say what the reader has to know."""
    runs = found.runs
    notes = []
    if runs.interrupted:
        notes.append(f"interrupted after {len(runs.points)} markets: the set is what they give")
    if len(found.members):
        notes += [*_about_set(found), *_about_numbers(found)]
    else:
        notes += [*_about_closest(found), *_about_conflicts(found)]
    return notes


def _about_set(found: MarketSet) -> Iterator[str]:
    n_distinct = len(np.unique(found.members))
    yield (
        f"{n_distinct} different markets fit, of {len(found.runs.points)} that were simulated; "
        f"studies draw from a set of {len(found.members)}, where better ones stand more often"
    )
    if n_distinct < ENOUGH * len(found.members):
        yield (
            f"only {n_distinct} different markets make the set: it may be narrower than the truth; "
            "more waves, or wider intervals, would tell"
        )
    if found.fresh is None:
        return
    off = np.abs(found.fresh.mean(axis=0) - found.goal.value) / np.sqrt(
        found.goal.variance + found.runs.noise
    )
    for name, away in zip(found.names, off, strict=True):
        if away > found.matching.threshold:
            yield f"in fresh worlds the set misses {name} by {away:.1f} standard errors"


def _about_numbers(found: MarketSet) -> Iterator[str]:
    paths = np.array(found.prior.paths)
    vague = found.spread >= UNINFORMED
    if vague.any():
        yield (
            f"the targets do not tell {', '.join(paths[vague])}: over the set it spreads as before"
        )
    points = found.runs.points[found.members]
    moves = points.std(axis=0) > 0
    for one, other in combinations(np.flatnonzero(moves), 2):
        tie = float(np.corrcoef(points[:, one], points[:, other])[0, 1])
        if abs(tie) > TIED:
            yield (
                f"the targets tell {paths[one]} and {paths[other]} only together "
                f"(correlation {tie:+.2f} over the set)"
            )


def _about_closest(found: MarketSet) -> Iterator[str]:
    away, shown = found.away[found.best], found.runs.means[found.best]
    worst = [
        f"{found.names[i]} is {shown[i]:.4g} and should be {found.goal.value[i]:.4g} "
        f"({away[i]:.1f} standard errors off)"
        for i in np.argsort(-away, kind="stable")
        if away[i] > found.matching.threshold
    ]
    yield (
        f"no market in the ranges meets all targets, of {len(found.runs.points)} that were "
        f"simulated; in the closest one {'; '.join(worst)}"
    )


def _about_conflicts(found: MarketSet) -> Iterator[str]:
    """Name what cannot be met alone, and which pairs cannot be met together."""
    names = found.names
    alone = found.away.min(axis=0) <= found.matching.threshold
    for i in np.flatnonzero(~alone):
        shown = found.runs.means[:, i]
        yield (
            f"{names[i]} cannot be met by itself in the ranges: {found.goal.value[i]:.4g} is "
            f"wanted, {np.nanmin(shown):.4g} to {np.nanmax(shown):.4g} was reached"
        )
    for one, other in combinations(np.flatnonzero(alone), 2):
        if found.away[:, [one, other]].max(axis=1).min() > found.matching.threshold:
            yield f"{names[one]} and {names[other]} were never met together"
