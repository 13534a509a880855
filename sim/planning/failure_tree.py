"""Where a plan fails, by a tree: CART, which cuts all points in two again and again.

It stands beside PRIM, which peels: where both name the same factors the answer leans on neither
method. The tree is scikit-learn's. That of the EMA Workbench is the same one, but with texts its
boxes are wrong (a leaf's texts are those of others, for the sets are shared), and it has no seed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from sim.engines.remote import find_package
from sim.planning.discovery import (
    AMONG,
    EXTRA,
    FOLDS,
    HIGH,
    LOW,
    SEED,
    Restriction,
    Restrictions,
    folds_of,
)
from sim.planning.failing import Failing, Flags, wilson
from sim.sweep.analysis import Interval
from sim.sweep.means import I64, Varied
from sim.types import F64

LEAVES: Final = 12
"""Leaves at most: more are no words any longer."""
NO_CUT: Final = 1.0
"""Cost of a leaf at which no cut pays: more than any impurity."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A box at an end of the tree: its limits, points, how many fail, coverage and density."""

    restrictions: Restrictions
    points: int
    failing: int
    coverage: Interval
    density: Interval

    @property
    def fails(self) -> bool:
        """Whether most of its points do."""
        return 2 * self.failing > self.points


@dataclass(frozen=True, slots=True)
class FailureTree:
    """A pruned tree.

    Attributes
    ----------
    leaves
        The densest first.
    accuracy
        Share of points that are foretold rightly by trees made from the other points.
    guess
        Share that is right if one always says what most points do.
    coverage, density
        Of the leaves that fail, at points kept back; NaN if none did.
    """

    leaves: tuple[Leaf, ...]
    accuracy: Interval
    guess: float
    coverage: Interval
    density: Interval


class _Column(NamedTuple):
    """A column that the tree cuts: a number, or whether a factor is one of its texts."""

    factor: Varied
    level: int | None


def grow(failing: Failing, smallest: float) -> FailureTree:
    """Return the tree of which points fail, pruned by cross-validation.

    Parameters
    ----------
    failing
        The points, and which of them fail.
    smallest
        Share of the points that a leaf has at least.

    Notes
    -----
    CART with cost-complexity pruning, the smallest tree within a standard error of the best
    (Breiman, Friedman, Olshen & Stone 1984).
    """
    columns, x = _columns(failing.factors)
    y, folds = failing.fails, folds_of(failing.clusters)
    least = max(math.ceil(smallest * len(y)), 2)
    tree = _tree(least)
    alphas = tree.cost_complexity_pruning_path(x, y).ccp_alphas
    middles = [*np.sqrt(np.maximum(alphas[:-1] * alphas[1:], 0)), NO_CUT]
    wrong = np.array([_foretold(x, y, folds, least, alpha) != y for alpha in middles])
    chosen = middles[_simplest(wrong)]
    fitted = _tree(least, chosen).fit(x, y)
    foretold = _foretold(x, y, folds, least, chosen)
    hit = int((foretold & y).sum())
    groups = len(np.unique(failing.clusters))
    return FailureTree(
        tuple(sorted(_leaves(fitted, columns, x, failing), key=lambda leaf: -leaf.density.value)),
        wilson(float((foretold == y).mean()), groups),
        float(max(y.mean(), 1 - y.mean())),
        wilson(hit / max(int(y.sum()), 1), len(np.unique(failing.clusters[y]))),
        wilson(hit / int(foretold.sum()) if foretold.any() else math.nan,
               len(np.unique(failing.clusters[foretold]))),
    )  # fmt: skip


def _tree(least: int, alpha: float = 0.0) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is imported
        package = find_package("sklearn.tree", EXTRA)
    return package.DecisionTreeClassifier(min_samples_leaf=least, max_leaf_nodes=LEAVES,
                                          ccp_alpha=alpha, random_state=SEED)  # fmt: skip


def _columns(factors: tuple[Varied, ...]) -> tuple[list[_Column], F64]:
    columns, values = [], []
    for factor in factors:
        if factor.is_number:
            columns.append(_Column(factor, None))
            values.append(factor.numbers)
            continue
        for level in range(len(factor.levels)):
            columns.append(_Column(factor, level))
            values.append((factor.numbers == level).astype(np.float64))
    return columns, np.column_stack(values)


def _foretold(x: F64, y: Flags, folds: I64, least: int, alpha: float) -> Flags:
    """Return what trees made from other points say of each."""
    said = np.zeros(len(y), dtype=bool)
    for fold in range(FOLDS):
        own = folds == fold
        fitted = _tree(max(round(least * (~own).mean()), 2), alpha).fit(x[~own], y[~own])
        said[own] = fitted.predict(x[own])
    return said


def _simplest(wrong: Flags) -> int:
    """Return the row of the most pruned tree within a standard error of the best."""
    errors = wrong.mean(axis=1)
    best = int(np.argmin(errors))
    allowed = errors[best] + float(np.std(wrong[best])) / math.sqrt(wrong.shape[1])
    return int(np.flatnonzero(errors <= allowed)[-1])


def _leaves(fitted: Any, columns: list[_Column], x: F64, failing: Failing) -> Iterator[Leaf]:
    ends = fitted.apply(x)
    y, clusters = failing.fails, failing.clusters
    for node, cuts in _paths(fitted.tree_):
        inside = ends == node
        n, k = int(inside.sum()), int((inside & y).sum())
        yield Leaf(
            tuple(_limits(columns, cuts)), n, k,
            wilson(k / int(y.sum()), len(np.unique(clusters[y]))),
            wilson(k / n, len(np.unique(clusters[inside]))),
        )  # fmt: skip


Cut = tuple[int, float, bool]
"""Column, where it is cut, and whether the upper part is taken."""


def _paths(
    tree: Any, node: int = 0, cuts: tuple[Cut, ...] = ()
) -> Iterator[tuple[int, tuple[Cut, ...]]]:
    """Yield each leaf with the cuts that lead to it."""
    if tree.children_left[node] < 0:
        yield node, cuts
        return
    column, where = int(tree.feature[node]), float(tree.threshold[node])
    yield from _paths(tree, int(tree.children_left[node]), (*cuts, (column, where, False)))
    yield from _paths(tree, int(tree.children_right[node]), (*cuts, (column, where, True)))


def _limits(columns: list[_Column], cuts: tuple[Cut, ...]) -> Iterator[Restriction]:
    """Yield the limits that some cuts make together."""
    for factor in dict.fromkeys(columns[column].factor.name for column, _, _ in cuts):
        own = [(columns[column], where, upper) for column, where, upper in cuts
               if columns[column].factor.name == factor]  # fmt: skip
        varied = own[0][0].factor
        if varied.is_number:
            lows = [where for _, where, upper in own if upper]
            highs = [where for _, where, upper in own if not upper]
            if lows:
                inside = varied.numbers[varied.numbers > max(lows)]
                yield Restriction(factor, LOW, float(inside.min()))
            if highs:
                inside = varied.numbers[varied.numbers <= min(highs)]
                yield Restriction(factor, HIGH, float(inside.max()))
            continue
        levels = {*range(len(varied.levels))}
        for column, _, upper in own:
            levels = levels & {column.level} if upper else levels - {column.level}
        yield Restriction(factor, AMONG, math.nan, tuple(sorted(levels)))
