"""What a firm's order log says of its category: among rivals, its customers stay as the log says.

A log tells how often customers order from one firm and when they stop. In a market of several
brands the firm gets a part of what people buy, and whoever goes to a rival stops, too. So the rate
and the leaving of the category are found by simulation: with them, the focal brand's customers do
what the model that was fitted to the log says of the firm's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from sim.calibration.fit import Fit
from sim.calibration.forecast import count_repeats, track
from sim.calibration.incidence import (
    RANGES,
    Calendar,
    Form,
    Grid,
    Likelihood,
    Parameters,
    Watch,
    make_calendar,
)
from sim.calibration.market_file import calibrated_market
from sim.calibration.observed import Integers
from sim.calibration.transactions import PATHS
from sim.config.build import Unknowns, realise
from sim.config.market import Market
from sim.config.study import Config
from sim.engines.local import LocalEngine, StoppedError
from sim.kernels import layout as at
from sim.measures.record import Record
from sim.model import LoyaltyModel
from sim.types import F64, QUARTERS_PER_YEAR, MarketKind

Progress = Callable[[int, int], None]

MOST_QUARTERS = 5
"""Quarters after the first that a cohort is followed for."""
LEAST_QUARTERS = 3
"""Quarters from which on leaving is matched, too."""
COHORTS = 6
"""Quarters whose first-time buyers are followed."""
SETTLED = 4
"""Quarters that do not count: first-time buyers are often residents whose past is drawn."""
YEARS = 2
"""How long the focal brand is watched where nobody is new."""
DAYS_OF_ENTRY = 90
"""Days of a quarter over which a cohort comes."""
WEEKS_PER_QUARTER = 13
POINTS = 16
"""Markets of a round of the search."""
REACH = {"rate.mean": 1.0, "leaving.beta": 2.0}
"""Half-width of the first round, in logarithms."""
HALVINGS = 2
"""Times that the width is halved."""
MOST_ROUNDS = 6
EDGE = 0.9
"""Share of the half-width beyond which the best point lies at the edge."""
FINE = 65
"""Points on each axis among which the best one of a round is found."""
LOOSE = 1.0
"""Standard deviation of a factor's logarithm before the log is seen: counts as one more figure, and
keeps the market near the log where its quarters cannot tell."""
LEAST_CUSTOMERS = 2_000
"""Of a world, however often they buy."""
CHECKS = 12
"""Fresh worlds in which the matched market is lived."""
FEWEST = 200
"""Focal customers, or first-time buyers, in a round's markets below which nothing is matched."""
MISSED = 3.0
"""Standard errors beyond which the log's cohort counts as not reached."""


@dataclass(frozen=True)
class Goal:
    """What the focal brand's customers are to do: ratios of what a simulation counts."""

    told: str
    """What is to be so, in words."""
    unit: str
    scale: float
    """By which a figure is shown in that unit."""
    quarter: tuple[int, ...]
    """Quarters after the first."""
    expected: F64
    """(n_figures,) what the fitted model says of the log's customers."""
    error: F64
    """(n_figures,) its standard error by the number of customers in the log."""
    n_quarters: int
    """To be simulated."""
    count: Callable[[Sequence[Record]], F64]
    """(n_figures + 1,) what the figures are shares of, then what each counts."""


def match_cohort(
    fit: Fit,
    config: Config,
    *,
    customers: int = 20_000,
    worlds: int = 2,
    progress: Progress | None = None,
) -> Fit:
    """Set the category's rate and leaving so that the focal brand's customers are as the log's.

    Parameters
    ----------
    fit
        What an order log gave, of `fit_transactions`.
    config
        Its market has the rivals and all that the log does not tell; its baseline is today's plan.
    customers
        Simulated customers of a world; fewer where the log's buy more than once a quarter, so that
        a world costs as much.
    worlds
        Worlds that each market of the search is lived in.
    progress
        Called with (done, planned) after each market.

    Returns
    -------
    Fit
        `rate.mean` and `leaving.beta` of `market` and `joint` times a factor each, so relative
        errors and what draws have to do with each other stay; `parameters` are the log's own. A
        note has the factors and what difference remains, `series["cohort_in_market"]` both curves.
        Where nothing can be matched, the fit as it was, with a note that says why.

    Notes
    -----
    A cohort is matched by the share of the focal brand's first-time buyers of a quarter who buy
    again in each of up to five quarters that follow. Where the log's customers bought before it
    began, nobody is new, and one figure is matched by the rate alone: orders per quarter of those
    who order within a year. How they leave is not in such a log; they are taken to leave as often
    in a quarter, not after as many orders, as in the market of `config`.

    Least squares, each share weighted by its binomial variance among the log's customers. A round
    of the search lives a lattice of markets, each in worlds of its own, and fits a second-order
    response surface to the logarithms of the figures (Box & Wilson 1951), which so rests on all
    worlds of the round; the next lattice lies, half as wide, around the surface's best point.
    Numbers that are uncertain have their medians. Seasons are left out on both sides. The log's
    cohort is what the fitted model says of customers who come evenly over a quarter, not the log's
    active customers by calendar quarter, among whom there are new ones.
    """
    n_brands = len(config.market.brands)
    if config.market.kind is MarketKind.SUBSCRIPTION:
        return _unmatched(fit, "under contracts people buy every quarter, whatever their rate")
    goal, free = _make_goal(fit)
    trials = Trials(fit, config, goal, customers)
    values = {path: fit.parameters[path].estimate for path in free}
    found = _search(trials, goal, values, worlds, progress)
    if found is None:
        whom = "customers" if trials.opened else "first-time buyers"
        return _unmatched(fit, f"{config.market.focal.name} has hardly any {whom} there")
    matched = {path: values[path] * factor for path, factor in found.items()}
    lived = trials.live([matched], CHECKS, lambda _: None)[0]
    made = _with_factors(fit, goal, found, lived, (config.market.focal.name, n_brands))
    return _with_leaving(made, config.market, trials.beta(matched)) if trials.opened else made


def _unmatched(fit: Fit, why: str) -> Fit:
    note = (
        "`rate.mean` and `leaving` are the log's own and not matched to the market's rivals: "
        f"{why}. The focal brand's customers may buy less there than the log's, and go sooner."
    )
    return replace(fit, notes=[*fit.notes, note])


# What the log says --------------------------------------------------------------------------------


def _make_goal(fit: Fit) -> tuple[Goal, list[str]]:
    """Return what is to be shown and the settings that are to show it."""
    named = {name: fit.parameters[path].estimate for name, path in PATHS.items()
             if path in fit.parameters}  # fmt: skip
    named |= {name: fit.parameters[name].estimate for name in ("novelty", "fade")
              if name in fit.parameters}  # fmt: skip
    point = Parameters(**named, season=np.ones(QUARTERS_PER_YEAR))
    if PATHS["beta"] not in fit.parameters:
        return _yearly_goal(fit, point), [PATHS["mean"]]
    observed = len(fit.series["tracking"]["week"]) // WEEKS_PER_QUARTER - 1
    n = min(max(observed, 1), MOST_QUARTERS)
    return _cohort_goal(fit, point, n), [PATHS["mean"], PATHS["beta"]][: 1 + (n >= LEAST_QUARTERS)]


def _cohort_goal(fit: Fit, point: Parameters, n: int) -> Goal:
    """Return the activity of a cohort that comes evenly over a quarter, in the `n` after it."""
    calendar = _calendar(n + 1)
    days = np.arange(DAYS_OF_ENTRY)
    active = track(_follow(point, calendar, days, opened=False), point, calendar).active
    shares = active[1:] / len(days)
    last = SETTLED + COHORTS

    def count(records: Sequence[Record]) -> F64:
        buyers = np.array([[records[first + age].cohort[first] for first in range(SETTLED, last)]
                           for age in range(n + 1)])  # fmt: skip
        return np.asarray(buyers.sum(axis=1), float)

    return Goal(
        told="as many of its first-time buyers buy again in each later quarter",
        unit="points", scale=100.0, quarter=tuple(range(1, n + 1)), expected=shares,
        error=np.sqrt(np.maximum(shares * (1.0 - shares), 1.0 / fit.n_units) / fit.n_units),
        n_quarters=last + n, count=count,
    )  # fmt: skip


def _yearly_goal(fit: Fit, point: Parameters) -> Goal:
    """Return the orders per quarter of those who order within a year, where nobody is new."""
    calendar = _calendar(QUARTERS_PER_YEAR)
    followed = _follow(point, calendar, np.array([-1]), opened=True)
    orders = np.array([point.mean / count_repeats(followed, point, calendar, 1)[1]])
    last = SETTLED + YEARS * QUARTERS_PER_YEAR
    within_a_year = np.arange(at.HISTORY_SIZE) & (2**QUARTERS_PER_YEAR - 1) > 0

    def count(records: Sequence[Record]) -> F64:
        buyers = sum(r.history[-1, 0, within_a_year].sum() for r in records[last - 1 :: -4][:YEARS])
        sold = sum(r.flow[-1, 0, at.PURCHASES] for r in records[SETTLED:last])
        return np.array([QUARTERS_PER_YEAR * buyers, sold], float)

    rate = fit.parameters[PATHS["mean"]]
    return Goal(
        told="who orders from it within a year orders as often", unit="orders", scale=1.0,
        quarter=(1,), expected=orders, error=orders * (rate.se or 0.01 * rate.estimate)
        / rate.estimate, n_quarters=last, count=count,
    )  # fmt: skip


def _calendar(n_quarters: int) -> Calendar:
    """Return so many quarters of a year that begins with day 0."""
    months = np.arange("2001-01", "2011-01", dtype="M8[M]")
    day = int((months[3 * n_quarters].astype("M8[D]") - np.datetime64("2001-01-01")).astype(int))
    return make_calendar(-1, [day - 1], "")


def _follow(point: Parameters, calendar: Calendar, days: Integers, *, opened: bool) -> Likelihood:
    """Return customers who come on given days, one on each, as the model follows them."""
    n, ones = len(days), np.ones(len(days))
    blocks = len(calendar.of_name)
    watch = Watch(
        entry=days, counts=np.zeros((n, blocks), np.int64), last=days, n=ones, cell=np.arange(n),
        ages=np.zeros(1), opened=opened, rate=ones, leaving=ones,
    )  # fmt: skip
    followed = Likelihood(watch, calendar, Form())
    step, low = 0.1, followed.grid.rate[1]  # rates of anybody, whatever they ordered
    highest = point.scale * (point.shape + 10.0 * math.sqrt(point.shape) + 20.0)
    n_rates = max(math.ceil(math.log(highest / low) / step), 5) + 1
    followed.grid = Grid(np.concatenate([[0.0], low * np.exp(step * np.arange(n_rates))]), step)
    return followed


# The market ---------------------------------------------------------------------------------------


class Trials:
    """The calibrated market under today's plan, in which rate and leaving can be anything.

    Parameters
    ----------
    fit
        What the log gave.
    config
        The market of the rest.
    goal
        What is counted.
    customers
        Simulated customers of a world.
    """

    def __init__(self, fit: Fit, config: Config, goal: Goal, customers: int) -> None:
        market = calibrated_market(replace(fit, joint={}), config.market, config.market.name)
        today = replace(
            config,
            market=replace(market, rate=replace(market.rate, season=(1.0,) * QUARTERS_PER_YEAR)),
            plan=config.baseline,
            plans=(),
            risks=replace(config.risks, register=()),
            customers=min(customers, max(LEAST_CUSTOMERS, int(customers / market.rate.mean))),
            quarters=max(config.quarters, goal.n_quarters - config.burn_in),
        )
        self.config = realise(today, lambda _: 0.5)
        self.goal, self.world = goal, count()
        self.opened = PATHS["beta"] not in fit.parameters
        self.usual = config.market.rate.mean  # at which its leaving is as it states

    def live(
        self, cases: Sequence[Mapping[str, float]], worlds: int, tell: Callable[[int], None]
    ) -> F64:
        """Return what is counted in each case, shape (n_cases, worlds, n_figures + 1).

        All worlds are new, so that the chance of one is not in two of them; `tell` is given how
        many are done.
        """
        engine = LocalEngine(self.config.engine.threads, self.config.customers)
        known = [Unknowns(self._with_numbers(case)) for case in cases]
        tasks = [(row, k, next(self.world)) for row in range(len(cases)) for k in range(worlds)]
        counts = np.zeros((len(cases), worlds, len(self.goal.expected) + 1))

        def live(task: tuple[int, int, int]) -> tuple[int, int, F64]:
            row, k, world = task
            return row, k, self._live_in(known[row], world, engine)

        for done, (row, k, counted) in enumerate(engine.run(live, tasks)):
            counts[row, k] = counted
            tell(done + 1)
        return counts

    def beta(self, case: Mapping[str, float]) -> float:
        """Return a case's `leaving.beta`."""
        leaving = self.config.market.leaving
        if not self.opened:
            return case.get(PATHS["beta"], leaving.beta)
        low, high = RANGES["beta"]
        faster = case[PATHS["mean"]] / self.usual  # alpha / (alpha + beta) is as much lower
        return min(max(faster * (leaving.alpha + leaving.beta) - leaving.alpha, low), high)

    def _with_numbers(self, case: Mapping[str, float]) -> Config:
        market = self.config.market
        rate = replace(market.rate, mean=case[PATHS["mean"]])
        leaving = replace(market.leaving, beta=self.beta(case))
        return replace(self.config, market=replace(market, rate=rate, leaving=leaving))

    def _live_in(self, case: Unknowns, world: int, engine: LocalEngine) -> F64:
        model = LoyaltyModel(case, replication=world, collect=False)
        for _ in range(self.goal.n_quarters):
            if engine.stopping.is_set():
                raise StoppedError
            model.step()
        counted = self.goal.count(model.records)
        model.release()
        return counted


# The search ---------------------------------------------------------------------------------------


def _search(
    trials: Trials, goal: Goal, values: Mapping[str, float], worlds: int, progress: Progress | None
) -> dict[str, float] | None:
    """Return the factor on each value that shows the goal best; None if nobody is there to see."""
    start = np.log(list(values.values()))
    limits = np.log([RANGES[path.rpartition(".")[2]] for path in values]) - start[:, None]
    width = np.array([REACH[path] for path in values])
    centre, halvings = np.zeros(len(values)), 0
    lattice = _lattice(round(POINTS ** (1.0 / len(values))), len(values))
    for done in range(MOST_ROUNDS):
        ends = np.clip(np.array([centre - width, centre + width]), *limits.T)
        middle, half = ends.mean(axis=0), np.diff(ends, axis=0)[0] / 2.0
        cases = [
            dict(zip(values, np.exp(start + middle + half * u).tolist(), strict=True))
            for u in lattice
        ]
        planned = len(cases) * worlds * (done + 1 + HALVINGS - halvings)
        before = len(cases) * worlds * done

        def tell(n: int, before: int = before, planned: int = planned) -> None:
            if progress is not None:
                progress(before + n, planned)

        counted = trials.live(cases, worlds, tell).sum(axis=1)
        if counted[:, 0].sum() < FEWEST:
            return None
        best = _best_point(lattice, counted, goal, middle, half)
        centre = middle + half * best
        reached = (np.abs(best) > EDGE) & (np.abs(centre[:, None] - limits).min(axis=1) > half / 10)
        if not reached.any():
            if halvings == HALVINGS:
                break
            halvings, width = halvings + 1, width / 2.0
    return dict(zip(values, np.exp(centre).tolist(), strict=True))


def _lattice(n: int, n_axes: int) -> F64:
    """Return the points of an even lattice on the cube from -1 to 1."""
    axes = np.meshgrid(*[np.linspace(-1.0, 1.0, n)] * n_axes, indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def _terms(points: F64) -> F64:
    """Return constant, linear and second-order terms."""
    pairs = [points[:, i] * points[:, j] for i in range(points.shape[1]) for j in range(i + 1)]
    return np.column_stack([np.ones(len(points)), points, *pairs])


def _best_point(lattice: F64, counted: F64, goal: Goal, middle: F64, half: F64) -> F64:
    """Return the point of the cube at which the response surface is nearest to the goal."""
    ratio = (counted[:, 1:] + 0.5) / (counted[:, :1] + 1.0)  # so that there is a logarithm
    surface = np.linalg.lstsq(_terms(lattice), np.log(ratio))[0]
    points = _lattice(FINE, lattice.shape[1])
    away = (np.exp(_terms(points) @ surface) - goal.expected) / goal.error
    prior = (middle + half * points) / LOOSE
    best: F64 = points[np.argmin((away**2).sum(axis=1) + (prior**2).sum(axis=1))]
    return best


# What came out ------------------------------------------------------------------------------------


def _with_factors(
    fit: Fit, goal: Goal, factors: Mapping[str, float], lived: F64, place: tuple[str, int]
) -> Fit:
    """Return the fit with its settings times the factors, and a note of what they show."""
    focal, n_brands = place
    shown = lived[:, 1:].sum(axis=0) / lived[:, 0].sum()
    chance = (lived[:, 1:] / lived[:, :1]).std(axis=0, ddof=1) / math.sqrt(len(lived))
    cohort = PATHS["beta"] in fit.parameters
    whom = "cohort" if cohort else "customers"
    market, joint, stated = dict(fit.market), dict(fit.joint), dict(fit.provenance)
    for path, factor in factors.items():
        low, high = RANGES[path.rpartition(".")[2]]
        market[path] = _scaled(market[path], factor)
        stated[path] = (
            f"calibrated: {fit.source}, and matched to its {whom} among {n_brands} brands, "
            f"{factor:.3g} times the log's {fit.parameters[path].estimate:.4g}"
        )
        if path in joint:
            joint[path] = [min(max(value * factor, low), high) for value in joint[path]]
    series = dict(fit.series)
    if cohort:
        series["cohort_in_market"] = {
            "quarter": [0, *goal.quarter],
            "log": [1.0, *goal.expected.tolist()],
            "simulated": [1.0, *shown.tolist()],
        }
    notes = [
        *fit.notes,
        _describe(goal, factors, shown, chance, f"{focal} among {n_brands} brands"),
    ]
    if cohort and PATHS["beta"] not in factors:
        notes.append(
            f"{len(goal.quarter)} quarters after the first are too few to tell the category's "
            "leaving from its rate among rivals: `leaving` is the log's own."
        )
    return replace(
        fit, market=market, joint=joint, provenance=stated, notes=notes,
        series=series,
    )  # fmt: skip


def _with_leaving(fit: Fit, below: Market, beta: float) -> Fit:
    """Return the fit with a leaving that is as frequent in a quarter as in the market below."""
    path = PATHS["beta"]
    stated = (
        f"assumed: as many leave in a quarter as in {below.name}; the log has nobody who leaves"
    )
    note = (
        "Who bought before the log began and orders to its end tells nothing of leaving: "
        f"`{path}` is set so that as many leave in a quarter as in {below.name}."
    )
    return replace(
        fit,
        market={**fit.market, path: beta},
        provenance={**fit.provenance, path: stated},
        notes=[*fit.notes, note],
    )


def _scaled(value: Any, factor: float) -> Any:
    """Return a number, or the distribution of one, times a factor."""
    if not isinstance(value, Mapping):
        return value * factor
    [(kind, numbers)] = value.items()
    if kind == "lognormal":  # median and sd of the logarithm
        return {kind: [numbers[0] * factor, numbers[1]]}
    return {kind: [number * factor for number in numbers]}


def _describe(goal: Goal, factors: Mapping[str, float], shown: F64, chance: F64, place: str) -> str:
    """Say what was changed, and how near the simulated customers are to the log's."""
    off = shown - goal.expected
    k = int(np.argmax(np.abs(off)))
    changes = " and ".join(f"`{path}` is {factor:.2f} times" for path, factor in factors.items())
    missed = np.abs(off) > MISSED * np.hypot(goal.error, chance)
    where = f" in quarter {goal.quarter[k]}" if len(goal.quarter) > 1 else ""
    text = (
        f"The market's rate and leaving are the category's, of which this firm, {place}, gets a "
        f"part: {changes} what the log gives, so that {goal.told} as the fitted model says. In "
        f"fresh worlds the largest difference is {off[k] * goal.scale:+.2g} {goal.unit}{where}, "
        f"with a standard error of {chance[k] * goal.scale:.2g} by chance of the worlds."
    )
    if missed.any():
        text += " That is more than chance: with all else in this market the two agree no better."
    return text
