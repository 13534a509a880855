"""Where a plan fails: regions of a sweep's factors in which many points do, by PRIM.

PRIM peels a box of all points, a slice of a factor at a time, so that the share of failing points
in it (its density) rises while its share of all that fail (its coverage) falls. Which box on the
way is chosen, which of its limits are kept and how sure they are is settled here; peeling is done
by the EMA Workbench, which is imported only when it is needed.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import binom

from sim.engines.remote import find_package
from sim.errors import ConfigError
from sim.planning.failing import FEWEST_EACH, Failing, Flags, wilson
from sim.sweep.analysis import Interval
from sim.sweep.means import I64, Varied
from sim.types import F64

PACKAGE, EXTRA = "ema_workbench.analysis.prim", "discovery"
SLICE: Final = 0.05
"""Share of the points that is peeled off, or pasted on, at a time."""
DENSE: Final = 0.8
"""Share of a region's points that should fail."""
CHANCE: Final = 0.05
"""Quasi-p above which a limit may be luck."""
AGAIN: Final = 0.5
"""Share of the resamples in which a limit must be found again."""
FOLDS: Final = 5
TINY: Final = 1e-9
"""What the package tells failing points by, and below which density it would give no box."""
MOST_POINTS: Final = 5000
"""Points that are looked at; of more, so many are drawn."""
SEED: Final = 1
"""Of resamples, folds and samples: the same regions each time."""
LOW, HIGH, AMONG = "low", "high", "among"
"""Sides of a restriction: at least, at most, one of some texts."""

Tell = Callable[[str], None]


class Restriction(NamedTuple):
    """A limit of a region: one side of a number, or some of a factor's texts.

    Attributes
    ----------
    factor
        Its column.
    side
        `low`, `high` or `among`.
    limit
        The least or the greatest value inside; NaN for texts.
    levels
        Places of the texts inside.
    quasi_p
        How probable so dense a region were if the limit did nothing; NaN if not computed.
    again
        Share of resamples of the points in which it was found again; NaN if not tried.
    """

    factor: str
    side: str
    limit: float
    levels: tuple[int, ...] = ()
    quasi_p: float = math.nan
    again: float = math.nan

    @property
    def place(self) -> tuple[str, str]:
        """What it restricts, whatever the limit."""
        return self.factor, self.side

    def holds(self, values: F64) -> Flags:
        """Return which values of its factor lie inside."""
        if self.side == AMONG:
            return np.isin(values, self.levels)
        inside: Flags = values >= self.limit if self.side == LOW else values <= self.limit
        return inside


Restrictions = tuple[Restriction, ...]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The boxes on the way inwards, the first of them around everything.

    Attributes
    ----------
    boxes
        The limits of each.
    coverage, density, mass
        Of each: share of the failing points, share that fails, share of the points. Shape (n,).
    """

    boxes: tuple[Restrictions, ...]
    coverage: F64
    density: F64
    mass: F64

    @property
    def n_factors(self) -> I64:
        """How many factors each box restricts, shape (n,)."""
        return np.array([len({one.factor for one in box}) for box in self.boxes], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A limit that is not kept, and why: `luck` (quasi-p) or `unstable` (not found again)."""

    restriction: Restriction
    why: str


@dataclass(frozen=True, slots=True)
class Region:
    """A box of factors in which many points fail.

    Attributes
    ----------
    restrictions, dropped
        What it rests on, and what was found too but may be luck.
    inside
        Which points lie in it and in no region before it, shape (n,).
    failing
        How many of them fail.
    coverage, density
        Share of all failing points that lie in it, and share of its points that fail, with 95%
        intervals as if its limits had been known beforehand.
    trajectory, chosen
        The way inwards, and the place of the box that it was made from.
    dense
        Whether that box is as dense as was wanted.
    """

    restrictions: Restrictions
    dropped: tuple[Dropped, ...]
    inside: Flags
    failing: int
    coverage: Interval
    density: Interval
    trajectory: Trajectory
    chosen: int
    dense: bool


class Tested(NamedTuple):
    """How regions do at points that they were not made from.

    Attributes
    ----------
    coverage, density
        With 95% intervals; NaN if no region was found in any fold.
    found
        Folds in which a region was found.
    """

    coverage: Interval
    density: Interval
    found: int


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where a plan fails.

    Attributes
    ----------
    failing
        The points that were looked at.
    drawn_of
        Number of points that they were drawn from.
    wanted
        Density that a region should have.
    first
        The first way inwards, whether a region came of it or not.
    chosen
        The place of the box that was chosen on it.
    dropped
        Limits of that box that are not kept.
    regions
        Those that were found, the first one first; none if failures gather nowhere.
    tested_first, tested
        The first region, and all together, at points kept back.
    """

    failing: Failing
    drawn_of: int
    wanted: float
    first: Trajectory
    chosen: int
    dropped: tuple[Dropped, ...]
    regions: tuple[Region, ...]
    tested_first: Tested
    tested: Tested

    @property
    def base(self) -> float:
        """Share of all points that fail."""
        return float(self.failing.fails.mean())

    @property
    def proven(self) -> bool:
        """Whether the first region is denser than everything at points kept back, at 5%."""
        return bool(self.regions) and self.tested_first.density.low > self.base


class Rule(NamedTuple):
    """How a box is chosen, and how many regions there may be."""

    density: float | None = None
    """None: 0.8, or halfway from the share of all points that fails to 1 if that is more."""
    box: int | None = None
    """Number of the first region's box on the way inwards, from 1."""
    regions: int = 2
    smallest: float = 0.05
    resamples: int = 20


class _Points(NamedTuple):
    """What regions are looked for in."""

    factors: tuple[Varied, ...]
    clusters: I64
    fails: Flags

    def only(self, chosen: Flags | I64) -> _Points:
        factors = tuple(replace(f, numbers=f.numbers[chosen]) for f in self.factors)
        return _Points(factors, self.clusters[chosen], self.fails[chosen])


def discover(failing: Failing, rule: Rule, tell: Tell = lambda _: None) -> Discovery:
    """Find the regions in which a plan fails, and say how sure they are.

    Parameters
    ----------
    failing
        The points of a sweep, and which of them fail.
    rule
        How a box is chosen.
    tell
        Told what is being done.

    Raises
    ------
    ConfigError
        If the EMA Workbench is not installed, or no box can be chosen as asked.

    Notes
    -----
    PRIM is Friedman & Fisher's (1999), with the gain in density per point that is lost, as the EMA
    Workbench has it (Kwakkel & Jaxa-Rozen 2016). Scenario discovery, coverage, density, quasi-p
    and resampling are Bryant & Lempert's (2010).
    """
    n = len(failing)
    if n > MOST_POINTS:
        failing = failing.only(_drawn(failing.clusters))
    points = _Points(failing.factors, failing.clusters, failing.fails)
    wanted = wanted_density(float(points.fails.mean()), rule.density)
    tell("peeling")
    first = peel(points, rule.smallest)
    chosen, _ = choose(first, wanted, rule.box)
    if rule.box is not None:
        wanted = float(first.density[chosen])
    regions = [*_regions(points, wanted, rule, tell)]
    dropped = regions[0].dropped if regions else _kept(
        points, first.boxes[chosen], wanted, rule, tell)[1]  # fmt: skip
    tell("testing at points kept back")
    tested_first, tested = _tested(points, wanted, rule)
    return Discovery(failing, n, wanted, first, chosen, dropped, tuple(regions), tested_first,
                     tested)  # fmt: skip


def wanted_density(base: float, given: float | None) -> float:
    """Return the density that a region should have.

    Raises
    ------
    ConfigError
        If as many points fail anywhere.
    """
    if given is None:
        return max(DENSE, (1 + base) / 2)
    if given <= base:
        raise ConfigError(
            f"{base:.3g} of all points fail anyway", key="density", value=given,
            allowed=f"more than {base:.3g}, to 1",
        )  # fmt: skip
    return given


def _drawn(clusters: I64) -> Flags:
    """Return which points are looked at of too many: whole clusters, by lot."""
    distinct, places, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.random.default_rng(SEED).permutation(len(distinct))
    taken = np.zeros(len(distinct), dtype=bool)
    taken[order[np.cumsum(sizes[order]) <= MOST_POINTS]] = True
    return np.asarray(taken[places])


# --- peeling -------------------------------------------------------------------------------------


@cache
def _package() -> Any:
    """Import the EMA Workbench; leave warnings and matplotlib's settings as they were."""
    matplotlib = find_package("matplotlib", EXTRA)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of engines of its own that are not installed
        return find_package(PACKAGE, EXTRA)


def check_package() -> None:
    """Raise ConfigError, naming the extra to install, if the EMA Workbench is not there."""
    _package()


def peel(points: _Points, smallest: float) -> Trajectory:
    """Return the boxes from all points inwards, as the EMA Workbench's PRIM finds them.

    Parameters
    ----------
    points
        Factors, and which points fail.
    smallest
        Share of the points that a box has at least.

    Notes
    -----
    Columns go by number: the package drops one that is called "scenario". Texts are their places
    among the levels: it keeps them in sets, whose order would depend on the process. Numbers are
    doubles: it cannot paste integers of 32 bits.
    """
    fails = points.fails
    if fails.all() or not fails.any():
        return _trajectory(points, [()])
    frame = pd.DataFrame({
        f"f{j}": f.numbers if f.is_number else pd.Categorical(f.numbers.astype(np.int64))
        for j, f in enumerate(points.factors)
    })  # fmt: skip
    package = _package()
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, FutureWarning):  # of pandas, met by the package
            warnings.simplefilter("ignore", kind)
        found = package.Prim(frame, fails.astype(np.int64), threshold=TINY, peel_alpha=SLICE,
                             paste_alpha=SLICE, mass_min=smallest)  # fmt: skip
        boxes = [box.to_dict("list") for box in found.find_box().box_lims]
    first = boxes[0]
    return _trajectory(points, [tuple(_restrictions(points, box, first)) for box in boxes])


def _restrictions(
    points: _Points, box: Mapping[str, Any], first: Mapping[str, Any]
) -> Iterator[Restriction]:
    """Yield the limits of a box of the package that are not those of the first one."""
    for j, factor in enumerate(points.factors):
        name = f"f{j}"
        if name not in box:  # a text that is the same at all points
            continue
        low, high = box[name]
        if not factor.is_number:
            if low != first[name][0]:
                yield Restriction(factor.name, AMONG, math.nan, tuple(sorted(map(int, low))))
            continue
        numbers = factor.numbers
        if low > first[name][0]:
            yield Restriction(factor.name, LOW, float(numbers[numbers >= low].min()))
        if high < first[name][1]:
            yield Restriction(factor.name, HIGH, float(numbers[numbers <= high].max()))


def _trajectory(points: _Points, boxes: Sequence[Restrictions]) -> Trajectory:
    columns = {factor.name: factor.numbers for factor in points.factors}
    inside = np.array([within(columns, box) for box in boxes])
    failing = (inside & points.fails).sum(axis=1)
    return Trajectory(
        tuple(boxes),
        failing / max(int(points.fails.sum()), 1),
        failing / np.maximum(inside.sum(axis=1), 1),
        inside.mean(axis=1),
    )


def within(columns: Mapping[str, F64], box: Restrictions) -> Flags:
    """Return which points lie in a box, by the columns of factors."""
    n = len(next(iter(columns.values())))
    inside = np.ones(n, dtype=bool)
    for one in box:
        inside &= one.holds(columns[one.factor])
    return inside


def choose(way: Trajectory, wanted: float, box: int | None = None) -> tuple[int, bool]:
    """Return the place of the box that is chosen, and whether it is as dense as wanted.

    Of the boxes that are dense enough it is the one with the highest harmonic mean of coverage and
    density; of all boxes, if none is. `box` names one by its number instead.

    Raises
    ------
    ConfigError
        If there is no box of that number.
    """
    if box is not None:
        if box > len(way.boxes):
            raise ConfigError("there is no such box", key="box", value=box,
                              allowed=f"1 to {len(way.boxes)}")  # fmt: skip
        return box - 1, True
    together = way.coverage + way.density
    balance = np.divide(2 * way.coverage * way.density, together, out=np.zeros_like(together),
                        where=together > 0)  # fmt: skip
    dense = (way.density >= wanted - 1e-12) & (way.coverage > 0)
    if dense.any():
        balance[~dense] = -1
    # Of boxes that do as well, the one that says least.
    best = np.flatnonzero(balance >= balance.max() - 1e-12)
    return int(best[np.argmin(way.n_factors[best])]), bool(dense.any())


# --- which limits are kept -----------------------------------------------------------------------


def quasi_p(points: _Points, box: Restrictions, wider: Restrictions) -> float:
    """Return how probable so many failing points in a box were if one limit did nothing.

    Parameters
    ----------
    points
        Factors, and which points fail.
    box
        Its limits.
    wider
        The limits of the box with one of them taken away, or one more text let in.

    Notes
    -----
    Bryant & Lempert (2010): of a binomial distribution with the density of the wider box.
    """
    columns = {factor.name: factor.numbers for factor in points.factors}
    inside = within(columns, box)
    n, k = int(inside.sum()), int((inside & points.fails).sum())
    share = float(points.fails[within(columns, wider)].mean())
    return float(binom.sf(k - 1, n, share))


def _widened(points: _Points, box: Restrictions) -> Iterator[tuple[Restriction, Restrictions]]:
    """Yield each limit by itself, and the box without it: of texts, each that is left out."""
    names = {factor.name: len(factor.levels) for factor in points.factors}
    for j, one in enumerate(box):
        if one.side != AMONG:
            yield one, (*box[:j], *box[j + 1 :])
            continue
        every = range(names[one.factor])
        for level in (level for level in every if level not in one.levels):
            more = one._replace(levels=tuple(sorted((*one.levels, level))))
            alone = one._replace(levels=tuple(other for other in every if other != level))
            left = (more,) if len(more.levels) < len(every) else ()
            yield alone, (*box[:j], *left, *box[j + 1 :])


def without_luck(points: _Points, box: Restrictions) -> tuple[Restrictions, list[Dropped]]:
    """Drop limits whose quasi-p is above 5%, the worst first; the others get theirs.

    Each text that is left out is a limit by itself. The quasi-p of several is that of the worst.
    """
    dropped: list[Dropped] = []
    while box:
        tried = [(quasi_p(points, box, wider), alone, wider)
                 for alone, wider in _widened(points, box)]  # fmt: skip
        chance, alone, wider = max(tried, key=lambda each: each[0])
        if chance <= CHANCE:
            worst = {place: max(p for p, one, _ in tried if one.place == place)
                     for place in {one.place for one in box}}  # fmt: skip
            return tuple(one._replace(quasi_p=worst[one.place]) for one in box), dropped
        dropped.append(Dropped(alone._replace(quasi_p=chance), "luck"))
        box = wider
    return box, dropped


def _kept(
    points: _Points, box: Restrictions, wanted: float, rule: Rule, tell: Tell
) -> tuple[Restrictions, tuple[Dropped, ...]]:
    """Return the limits of a box that are neither luck nor unstable, and those that are."""
    kept, dropped = without_luck(points, box)
    if not kept:
        return kept, tuple(dropped)
    redrawn = [*_redrawn(points, wanted, rule, tell)]
    tried = [one._replace(again=_share_again(one, redrawn)) for one in kept]
    dropped += [Dropped(one, "unstable") for one in tried if one.again < AGAIN]
    kept = tuple(one for one in tried if one.again >= AGAIN)
    again, more = without_luck(points, kept)  # each leaned on those that are gone
    return again, (*dropped, *more)


def _redrawn(
    points: _Points, wanted: float, rule: Rule, tell: Tell
) -> Iterator[Mapping[tuple[str, str], Restriction]]:
    """Yield the limits that are found in as many points, drawn with replacement, clusters whole."""
    rng = np.random.default_rng(SEED)
    distinct, codes = np.unique(points.clusters, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    for j in range(rule.resamples):
        tell(f"resampling {j + 1} of {rule.resamples}")
        drawn = rng.integers(len(distinct), size=len(distinct))
        own = points.only(np.concatenate([members[cluster] for cluster in drawn]))
        way = peel(own, rule.smallest)
        box, _ = without_luck(own, way.boxes[choose(way, wanted)[0]])
        yield {one.place: one for one in box}


def _share_again(
    one: Restriction, redrawn: Sequence[Mapping[tuple[str, str], Restriction]]
) -> float:
    """Return the share of samples that restrict the same side; of texts, that keep a common one."""
    met = [found[one.place] for found in redrawn if one.place in found]
    if one.side == AMONG:
        met = [other for other in met if {*one.levels} & {*other.levels}]
    return len(met) / len(redrawn)


# --- regions -------------------------------------------------------------------------------------


def _regions(points: _Points, wanted: float, rule: Rule, tell: Tell) -> Iterator[Region]:
    """Yield regions, each among the points that those before it leave.

    The first one may be less dense than wanted, if nothing denser was found; others may not.
    """
    columns = {factor.name: factor.numbers for factor in points.factors}
    left = np.ones(len(points.fails), dtype=bool)
    for j in range(rule.regions):
        own = points.only(left)
        if min(int(own.fails.sum()), int((~own.fails).sum())) < FEWEST_EACH:
            return
        tell(f"peeling region {j + 1}")
        way = peel(own, rule.smallest)
        chosen, dense = choose(way, wanted, None if j else rule.box)
        if j and not dense:
            return
        kept, dropped = _kept(own, way.boxes[chosen], wanted, rule, tell)
        inside = within(columns, kept) & left
        if not kept or (j and points.fails[inside].mean() < wanted):
            return
        coverage, density, failing = _shares(points, inside)
        yield Region(kept, dropped, inside, failing, coverage, density, way, chosen, dense)
        left = left & ~inside


def _shares(points: _Points, inside: Flags) -> tuple[Interval, Interval, int]:
    """Return coverage and density of some points, and how many of them fail.

    Points that were drawn together count as one in the intervals: they are not independent.
    """
    fails, clusters = points.fails, points.clusters
    failing = int((inside & fails).sum())
    coverage = wilson(failing / max(int(fails.sum()), 1), len(np.unique(clusters[fails])))
    density = wilson(failing / max(int(inside.sum()), 1), len(np.unique(clusters[inside])))
    return coverage, density, failing


def folds_of(clusters: I64) -> I64:
    """Return the fold of each point, clusters whole, by lot."""
    distinct, places = np.unique(clusters, return_inverse=True)
    folds = np.random.default_rng(SEED).permutation(len(distinct)) % FOLDS
    return np.asarray(folds[places], dtype=np.int64)


def _tested(points: _Points, wanted: float, rule: Rule) -> tuple[Tested, Tested]:
    """Return how the first region does, and all do, in each fifth when made from the others.

    Limits are kept by quasi-p; points are not drawn again within each fold.
    """
    folds = folds_of(points.clusters)
    first, every = np.zeros((2, len(folds)), dtype=bool)
    found = 0
    for fold in range(FOLDS):
        kept_back = folds == fold
        boxes = [*_quick_boxes(points.only(~kept_back), wanted, rule)]
        columns = {factor.name: factor.numbers[kept_back] for factor in points.factors}
        inside = [within(columns, box) for box in boxes]
        if inside:
            found += 1
            first[kept_back] = inside[0]
            every[kept_back] = np.any(inside, axis=0)
    results = []
    for inside_all in (first, every):
        coverage, density, _ = _shares(points, inside_all)
        results.append(Tested(coverage, density, found))
    return results[0], results[1]


def _quick_boxes(points: _Points, wanted: float, rule: Rule) -> Iterator[Restrictions]:
    left = np.ones(len(points.fails), dtype=bool)
    columns = {factor.name: factor.numbers for factor in points.factors}
    for j in range(rule.regions):
        own = points.only(left)
        way = peel(own, rule.smallest)
        chosen, dense = choose(way, wanted)
        box, _ = without_luck(own, way.boxes[chosen])
        inside = within(columns, box) & left
        if not box or (j and (not dense or points.fails[inside].mean() < wanted)):
            return
        yield box
        left = left & ~inside
