"""From a list of figures to the set of markets that show them.

A firm that has no purchase records still knows its share, its churn, its NPS. Markets are simulated
under today's plan, all in the same worlds, and those whose figures agree with the firm's are kept.
Not one of them is the answer: a study draws from the whole set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.calibration.fit import Fit
from sim.calibration.history_matching import Goal, Runs, Waves, match, systematic
from sim.calibration.market_set import MarketSet, make_fit
from sim.calibration.prior import Prior, make_prior
from sim.calibration.rows import read_rows
from sim.config.build import Limits, Unknowns
from sim.config.fields import Uncertain, number
from sim.config.market import Joint, Market
from sim.config.matching import Matching
from sim.config.study import Config
from sim.engines.local import LocalEngine, StoppedError
from sim.errors import ConfigError
from sim.finance.cash_flow import customer_scale
from sim.measures.history import History
from sim.measures.table import COUNTS, MEASURES
from sim.model import LoyaltyModel
from sim.types import F64, QUARTERS_PER_YEAR

ALIASES = {
    "market_share": "share",
    "scr": "share_of_requirements",
    "frequency": "purchase_frequency",
    "repeat": "repeat_rate",
    "annual_churn": "churn_annual",
    "csat": "satisfaction",
    "ces": "effort",
    "premium": "price_premium",
}
"""Other names of measures."""
SHARES = (
    "penetration", "share", "share_of_requirements", "repeat_rate", "retention", "churn",
    "churn_annual", "cross_purchase", "activity", "positive_opinions", "problem_rate", "trust",
    "bond", "value", "habit", "awareness",
)  # fmt: skip
"""Measures between 0 and 1."""
RANGES = {
    **dict.fromkeys(SHARES, Limits("a share, not percent", 0.0, 1.0)),
    "satisfaction": Limits("0..10", 0.0, 10.0),
    "effort": Limits("0..10", 0.0, 10.0),
    "nps": Limits("points", -100.0, 100.0),
    **{name: Limits("", 0.0) for name in COUNTS},
}
"""What a measure can be."""
NORMAL_95 = 1.959964
FRESH_SEED = 1_000_003
"""Added to the seed for the worlds in which the set is looked at again."""


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that the market should show under today's plan."""

    measure: str
    value: float | None = number(None, unit="as the measure")
    """The middle of the interval if not given."""
    brand: str = ""
    """The focal one if not given."""
    segment: str = "all"
    se: float | None = number(None, unit="as the measure, standard error", low=0)
    low: float | None = number(None, unit="as the measure, lower end of a 95% interval")
    high: float | None = number(None, unit="as the measure, upper end of a 95% interval")
    weight: float | None = number(None, unit="how many figures it counts as", low=1e-6, high=1e6)
    """Without se and interval: the se is `tolerance` of the value over the root of the weight."""
    quarter: int | None = number(None, unit="quarter of the plan", low=1, high=40)
    """The mean of the plan's first year, or that of its end for `churn_annual`, if not given."""
    note: str = ""
    place: str = ""
    """Where it stands: file and row."""

    def __post_init__(self) -> None:
        """Check that there is a value, and at most one way to say how sure it is."""
        for name in ("value", "se", "low", "high"):
            if isinstance(getattr(self, name), Uncertain):
                raise ConfigError("is a distribution", key=name, allowed="a number; give an se")
        if (self.low is None) != (self.high is None):
            missing = "low" if self.low is None else "high"
            raise ConfigError("is missing", key=missing, allowed="both ends of the interval")
        ways = [way for way in ("se", "low", "weight") if getattr(self, way) is not None]
        if len(ways) > 1:
            raise ConfigError(
                f"stands beside {ways[0]}", key=ways[1], allowed="one of se, low with high, weight"
            )
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ConfigError(f"{self.low:g} is not below high, {self.high:g}", key="low")
        if self.value is None and self.low is None:
            raise ConfigError("is missing", key="value", allowed="a value, or low and high")
        if self.value is not None and not self._between(self.value):
            raise ConfigError(
                f"{self.value:g} is not between low, {self.low:g}, and high, {self.high:g}",
                key="value",
            )

    def _between(self, value: float) -> bool:
        return self.low is None or self.high is None or self.low <= value <= self.high

    @property
    def middle(self) -> float:
        """The value, or the middle of the interval."""
        if self.value is not None:
            return self.value
        assert self.low is not None
        assert self.high is not None
        return 0.5 * (self.low + self.high)

    def error(self, tolerance: float) -> float:
        """Return the standard error; `tolerance` is that of a figure without one, as a share."""
        if self.se is not None:
            return self.se
        if self.low is not None and self.high is not None:
            return (self.high - self.low) / (2.0 * NORMAL_95)
        if self.middle == 0.0:
            raise ConfigError("is missing", key="se", allowed="an se for a figure of zero")
        return tolerance * abs(self.middle) / math.sqrt(self.weight or 1.0)


class Figure(NamedTuple):
    """Where a target's figure stands in a history."""

    name: str
    measure: str
    quarters: tuple[int, int]
    """First and last quarter of the plan over which it is the mean."""
    segment: int
    brand: int

    def of(self, history: History) -> float:
        """Return the figure, NaN where it does not exist."""
        first, last = self.quarters
        chosen = (history.quarters >= first) & (history.quarters <= last)
        values = MEASURES[self.measure](history)[chosen, self.segment, self.brand]
        try:
            scale = customer_scale(history) if self.measure in COUNTS else 1.0
        except ConfigError:  # the focal brand has no customer whom to scale by
            return math.nan
        return float(values.mean() * scale)


Progress = Callable[[int, int], None]


def read_targets(path: str | Path) -> list[Target]:
    """Return the targets of a CSV, Parquet or YAML file.

    Columns are the fields of `Target`: `measure`, `value`, and as needed `brand`, `segment`, `se`
    or `low` and `high` or `weight`, `quarter`, `note`.

    Raises
    ------
    DataError
        If the file cannot be read or has no rows.
    ConfigError
        If a row cannot be used; it names the row.
    """
    return read_rows(Target, path, "targets")


def fit_targets(
    targets: Sequence[Target],
    config: Config,
    matching: Matching,
    *,
    source: str = "targets",
    progress: Progress | None = None,
) -> Fit:
    """Find the markets that show the figures that a firm has.

    Parameters
    ----------
    targets
        The figures.
    config
        Its market gives what is not free, its baseline is today's plan.
    matching
        What is free, and how much is simulated.
    source
        What the figures are from, as the market file is to name it.
    progress
        Called with (done, planned) after each market; fewer than planned are needed as a rule.

    Returns
    -------
    The set as `joint`, the member that fits best as `market`, estimates over the set. An empty set
    comes with a note of what cannot be met, and the closest market. After an interrupt, of what was
    done so far.

    Raises
    ------
    ConfigError
        If a target names what the market does not have, or a free number cannot be freed.

    Notes
    -----
    Markets are kept if no figure is further than `threshold` from its target in units of
    sqrt(se^2 + (discrepancy x value)^2 + chance^2), and weighted by exp(-sum I^2 / 2): see
    `history_matching`. All markets meet the same worlds and the same draws of what else is
    uncertain.
    """
    config = _today(config, matching, targets)
    named = [_named(target, config.market) for target in targets]
    figures = [_figure(target, config.market) for target in named]
    _check_twice(figures, named)
    prior = make_prior(matching.free, config.market, [target.brand for target in named])
    errors = np.array([_error(target, matching) for target in named])
    values = np.array([target.middle for target in named])
    goal = Goal(values, errors**2 + (matching.discrepancy * values) ** 2)
    waves = Waves(matching.first, matching.wave, matching.waves, 2.0 * matching.members,
                  matching.threshold, matching.search)  # fmt: skip
    planned = waves.first + waves.size * waves.most + matching.members
    counter = _Counter(progress, planned)
    simulator = Simulator(config, prior, figures, matching.worlds, config.seed, counter)
    runs = match(simulator, goal, len(prior.numbers), waves)
    _check_exist(runs, figures, named)
    members = _members(runs, goal, matching)
    fresh = None
    if not runs.interrupted and len(members):
        try:
            fresh = _look_again(simulator, runs.points[members])
        except KeyboardInterrupt:
            runs.interrupted = True
    counter.finish()
    described = {
        "figure": [figure.name for figure in figures],
        "measure": [target.measure for target in named],
        "brand": [target.brand for target in named],
        "segment": [target.segment for target in named],
        "value": values.tolist(),
        "se": errors.tolist(),
    }
    found = MarketSet(described, goal, prior, runs, members, fresh, matching)
    return make_fit(found, source)


# --- targets and free numbers in a market --------------------------------------------------------


def _today(config: Config, matching: Matching, targets: Sequence[Target]) -> Config:
    """Return the study of today's plan alone, in small worlds without events."""
    last = max([QUARTERS_PER_YEAR, *(target.quarter or 0 for target in targets)])
    return replace(
        config,
        plan=config.baseline,
        plans=(),
        risks=replace(config.risks, register=()),
        customers=matching.customers,
        quarters=last,
    )


def _named(target: Target, market: Market) -> Target:
    """Return a target with the measure's own name and a brand, after checking both."""
    where = target.place
    measure = ALIASES.get(target.measure, target.measure)
    if measure not in MEASURES:
        raise ConfigError(
            f"'{target.measure}' is no measure", key="measure", value=target.measure, file=where,
            known=[*MEASURES, *ALIASES],
        )  # fmt: skip
    brands = [brand.name for brand in market.brands]
    brand = target.brand or market.focal.name
    segments = [segment.name for segment in market.segments] + ["all"]
    for key, given, known in (("brand", brand, brands), ("segment", target.segment, segments)):
        if given not in known:
            raise ConfigError(f"'{given}' is not in market {market.name}", key=key, value=given,
                              file=where, known=known)  # fmt: skip
    limits = RANGES.get(measure, Limits())
    if not limits.low <= target.middle <= limits.high:
        raise ConfigError(f"{target.middle:g} is no {measure}", key="value", file=where,
                          allowed=limits.allowed)  # fmt: skip
    return replace(target, measure=measure, brand=brand)


def _figure(target: Target, market: Market) -> Figure:
    segments = [segment.name for segment in market.segments] + ["all"]
    brands = [brand.name for brand in market.brands]
    parts = [target.measure, target.brand, target.segment if target.segment != "all" else ""]
    if target.quarter is not None:
        quarters = (target.quarter, target.quarter)
        parts.append(f"quarter {target.quarter}")
    else:
        start = QUARTERS_PER_YEAR if target.measure == "churn_annual" else 1
        quarters = (start, QUARTERS_PER_YEAR)
    name = " ".join(filter(None, parts))
    return Figure(name, target.measure, quarters, segments.index(target.segment),
                  brands.index(target.brand))  # fmt: skip


def _error(target: Target, matching: Matching) -> float:
    try:
        return target.error(matching.tolerance)
    except ConfigError as error:
        raise error.with_file(target.place) from None


def _check_twice(figures: Sequence[Figure], targets: Sequence[Target]) -> None:
    if not figures:
        raise ConfigError("no target is given", key="targets", allowed="one figure or more")
    for first, second in combinations(range(len(figures)), 2):
        if figures[first] == figures[second]:
            raise ConfigError(
                f"'{figures[first].name}' was given before, as target {first + 1}",
                key="measure", file=targets[second].place, allowed="each figure once",
            )  # fmt: skip


# --- simulating ----------------------------------------------------------------------------------


class _Counter:
    """Counts simulated markets and tells how many there are to be."""

    def __init__(self, progress: Progress | None, planned: int) -> None:
        self.progress, self.planned, self.done = progress, planned, 0

    def add(self) -> None:
        self.done += 1
        self.planned = max(self.planned, self.done)
        if self.progress is not None:
            self.progress(self.done, self.planned)

    def finish(self) -> None:
        """Tell that nothing more is to come."""
        if self.progress is not None:
            self.progress(self.done, self.done)


class Simulator:
    """Lives markets under today's plan and reads their figures.

    Parameters
    ----------
    config
        What all of them share.
    prior
        What a point of the unit cube stands for.
    figures
        What is read.
    worlds
        Worlds that each market is lived in, the same for all.
    seed
        Of those worlds.
    counter
        Told of each market.
    """

    def __init__(
        self, config: Config, prior: Prior, figures: Sequence[Figure], worlds: int, seed: int,
        counter: _Counter,
    ) -> None:  # fmt: skip
        self.prior, self.figures, self.worlds = prior, figures, worlds
        self.seed, self.counter = seed, counter
        market = config.market
        left = [{path: rows for path, rows in one.draws.items() if path not in prior.numbers}
                for one in market.joint]  # fmt: skip
        kept = (Joint(one.name, draws)
                for one, draws in zip(market.joint, left, strict=True) if draws)  # fmt: skip
        self.config = replace(config, market=replace(market, joint=tuple(kept)))

    def __call__(self, points: F64) -> Iterator[tuple[int, F64, F64]]:
        """Yield row, mean figures and their variances by chance, as markets are done."""
        engine = LocalEngine(self.config.engine.threads, self.config.customers)

        def live(row: int) -> tuple[int, F64]:
            return row, self.live(self.prior.values(points[row]), engine)

        for row, lived in engine.run(live, range(len(points))):
            self.counter.add()
            yield row, lived.mean(axis=0), lived.var(axis=0, ddof=1) / self.worlds

    def live(self, numbers: Mapping[str, float], engine: LocalEngine) -> F64:
        """Return the figures of a market, shape (worlds, figures).

        The numbers are put in as a joint of one row, which is quicker than to build a market.
        """
        market = self.config.market
        own = Joint("candidate", {path: (value,) for path, value in numbers.items()})
        config = replace(self.config, market=replace(market, joint=(*market.joint, own)))
        unknowns = Unknowns(config)
        return np.array([self._live_in(unknowns, world, engine) for world in range(self.worlds)])

    def _live_in(self, unknowns: Unknowns, world: int, engine: LocalEngine) -> list[float]:
        model = LoyaltyModel(unknowns, replication=world, rng=self.seed, collect=False)
        while model.running:
            if engine.stopping.is_set():
                raise StoppedError
            model.step()
        history = model.history()
        figures = [figure.of(history) for figure in self.figures]
        model.release()
        return figures


def _check_exist(runs: Runs, figures: Sequence[Figure], targets: Sequence[Target]) -> None:
    for figure, target, values in zip(figures, targets, runs.means.T, strict=True):
        if not np.isfinite(values).any():
            raise ConfigError(
                f"{figure.name} does not exist in any market under today's plan", key="measure",
                value=target.measure, file=target.place, allowed="a figure that today's plan shows",
            )  # fmt: skip


def _members(runs: Runs, goal: Goal, matching: Matching) -> NDArray[np.intp]:
    """Return the rows of the set's members; a row that counts for more stands more often."""
    weights = runs.weights(goal, matching.threshold)
    return systematic(weights, matching.members) if weights.any() else np.empty(0, dtype=np.intp)


def _look_again(simulator: Simulator, points: F64) -> F64:
    """Return the figures of the members in fresh worlds, shape (members, figures)."""
    again = Simulator(simulator.config, simulator.prior, simulator.figures, simulator.worlds,
                      simulator.seed + FRESH_SEED, simulator.counter)  # fmt: skip
    distinct, place = np.unique(points, axis=0, return_inverse=True)
    found = {row: mean for row, mean, _ in again(distinct)}
    means: F64 = np.array([found[row] for row in range(len(distinct))])
    return means[place.ravel()]
