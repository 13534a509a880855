"""Which assumption decides: a screening, indices of what it keeps, where the better plan changes.

Two sweeps. In the first (Morris) every assumption that the plans meet is varied; in the second
(Saltelli) those that the first one keeps. In both a further factor, `world`, gives each base sample
worlds of its own: neighbours that are compared lie in the same worlds, and luck has an index, as
every assumption has (the seed as an input: Mazo 2021). Whatever is uncertain and not varied is
drawn with the world, as a study draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from sim.config.build import Limits, dump, uncertain_parameters
from sim.config.design import MORRIS_LEVELS, Design, DesignKind, Factor
from sim.config.edit import find_settings
from sim.config.fields import Uncertain
from sim.config.plan import Plan
from sim.config.study import Config
from sim.errors import ConfigError, StoreError
from sim.planning.flip import (
    Assumption,
    Flip,
    Response,
    flips,
    respond,
    share_where,
    worth_knowing,
    worth_of_all,
)
from sim.study import LEVELS
from sim.study import MONEY as MONEY_OUTCOMES
from sim.sweep.analysis import Interval, Morris, Sobol, morris_of, sobol_of
from sim.sweep.means import Asked, Means, read_means

WORLD: Final = "world"
"""Column of the factor that gives each base sample worlds of its own."""
SEEDS: Final = 2**32
AGAINST_TODAY: Final = ("npv", "roi", "incremental_margin")
"""Outcomes that are of a plan against today's already."""
OUTCOMES: Final = (*AGAINST_TODAY, *LEVELS, "clv")
"""Outcomes that exist in every world, so that their mean is one."""
LESS_IS_BETTER: Final = ("churn_annual",)
FEWEST_POINTS: Final = 40
"""Points below which a curve would tell nothing."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be explained.

    Attributes
    ----------
    config
        The study.
    outcome
        Of each plan, against today's.
    plans
        Names of the plans.
    assumptions
        What is not known exactly and can move these plans, by path.
    joint
        Names of the market's joint draws: drawn whole with the world, not varied.
    """

    config: Config
    outcome: str
    plans: tuple[str, ...]
    assumptions: dict[str, Assumption]
    joint: tuple[str, ...]

    @property
    def today(self) -> str:
        """Name of the baseline."""
        return self.config.baseline.name

    @property
    def better(self) -> int:
        """1 if more of the outcome is better, else -1."""
        return -1 if self.outcome in LESS_IS_BETTER else 1

    def points(self, trajectories: int, samples: int, most: int) -> tuple[int, int]:
        """Return how many points the screening has, and the indices at most."""
        n = len(self.assumptions)
        return trajectories * (n + 2), samples * (2 * (min(most, n) + 1) + 2)


def question_of(config: Config, outcome: str) -> Question:
    """Return what is to be explained of a study.

    Raises
    ------
    ConfigError
        If there is no such outcome, a plan is today's, or nothing is uncertain.
    """
    if outcome not in OUTCOMES:
        exists = outcome in MONEY_OUTCOMES
        problem = "does not exist in every world, or is decided" if exists else "no such outcome"
        raise ConfigError(problem, key="outcome", value=outcome, known=OUTCOMES)
    plans = config.plans or (config.plan,)
    for plan in plans:
        if _decided(plan) == _decided(config.baseline):
            raise ConfigError(
                f"{plan.name} is the baseline: nothing tells them apart",
                key="plans" if config.plans else "plan", value=plan.name,
                allowed="plans that differ from the baseline",
            )  # fmt: skip
    assumptions = assumptions_of(config)
    if not assumptions:
        raise ConfigError(
            "nothing is uncertain that these plans meet", key="market",
            allowed="numbers with a distribution, {triangular: [0, 0.1, 0.3]}, in the market or in"
            " levers that a plan pays for",
        )  # fmt: skip
    names = tuple(dict.fromkeys(plan.name for plan in plans))
    joint = tuple(draws.name for draws in config.market.joint)
    return Question(config, outcome, names, assumptions, joint)


def _decided(plan: Plan) -> dict[str, Any]:
    """Return a plan without its words."""
    words = ("name", "title", "description", "provenance")
    return {name: item for name, item in dump(plan).items() if name not in words}


def assumptions_of(config: Config) -> dict[str, Assumption]:
    """Return what is not known exactly and can move the plans of a study, by path.

    Left out are levers that neither a plan nor the baseline pays for, and numbers that a
    calibration draws together (`market.joint`): varied one by one they would make markets that the
    data exclude.
    """
    plans = config.plans or (config.plan,)
    paid = {lever for plan in (*plans, config.baseline) for lever in plan.levers}
    found = {}
    for path, (given, low, high) in uncertain_parameters(config).items():
        top, _, rest = path.partition(".")
        unpaid = top == "lever" and rest.partition(".")[0] not in paid
        twice = top == "plan" and config.plans  # stands below `plans` once more
        if isinstance(given, Uncertain) and not unpaid and not twice:
            found[path] = Assumption(path, given, low, high, _limits(config, path).unit)
    return found


def _limits(config: Config, path: str) -> Limits:
    return find_settings(config, path)[0].limits


# --- designs -------------------------------------------------------------------------------------


def screening_design(question: Question, trajectories: int) -> Design:
    """Return the design in which every assumption is varied a little (Morris).

    Levels are the middles of equally likely quarters of each assumption; the worlds are of as many
    seeds, drawn from the study's.
    """
    seed = question.config.seed
    worlds = np.random.default_rng(seed).choice(SEEDS, MORRIS_LEVELS, replace=False)
    world = Factor("seed", WORLD, values=tuple(map(int, worlds)))
    factors = (*map(Factor, question.assumptions), world)
    return Design("screening", DesignKind.MORRIS, factors=factors, points=trajectories, seed=seed)


def indices_design(question: Question, kept: Sequence[str], samples: int) -> Design:
    """Return the design in which the kept assumptions are varied as believed (Saltelli)."""
    world = Factor("seed", WORLD, low=0, high=SEEDS - 1)
    return Design("indices", DesignKind.SALTELLI, factors=(*map(Factor, kept), world),
                  points=samples, seed=question.config.seed)  # fmt: skip


# --- what the sweeps gave ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Contrast:
    """One side of a decision against another: a plan against today's, or against another plan.

    Attributes
    ----------
    means
        The plan's outcome less the other's, at each point.
    """

    plan: str
    other: str
    means: Means


def contrasts_of(sweep: Asked, question: Question) -> tuple[Contrast, ...]:
    """Return each plan against today's; of several plans also the best one against the second.

    Raises
    ------
    StoreError
        If no point is complete.
    """
    means = {plan: _against_today(sweep, question, plan) for plan in question.plans}
    found = [Contrast(plan, question.today, own) for plan, own in means.items()]
    if len(means) > 1:
        ranked = sorted(means, key=lambda plan: -question.better * float(means[plan].mean.mean()))
        best, second = ranked[:2]
        difference = means[best].mean - means[second].mean
        found.append(Contrast(best, second, replace(means[best], mean=difference)))
    return tuple(found)


def _against_today(sweep: Asked, question: Question, plan: str) -> Means:
    own = read_means(sweep, question.outcome, plan)
    if question.outcome in AGAINST_TODAY:
        return own
    today = read_means(sweep, question.outcome, question.today)
    if not np.array_equal(own.points, today.points):
        raise StoreError(f"{question.outcome} does not exist at all points of {plan} and "
                         f"{question.today}")  # fmt: skip
    return replace(own, mean=own.mean - today.mean)


@dataclass(frozen=True, slots=True)
class Screening:
    """What a screening found.

    Attributes
    ----------
    effects
        Elementary effects for each contrast, the world's too.
    kept
        Assumptions that the rule keeps, those first that matter most.
    beyond
        Assumptions that the rule would have kept, had there been room for more.
    """

    contrasts: tuple[Contrast, ...]
    effects: tuple[Morris, ...]
    kept: tuple[str, ...]
    beyond: tuple[str, ...]


def screen(sweep: Asked, question: Question, share: float, most: int) -> Screening:
    """Return which assumptions matter.

    An assumption is kept if for any plan, or for the best two against each other, the upper end of
    the 95% interval of its mean effect (mu*) reaches a share of the largest assumption's mu*. Of
    more than `most` the largest remain, by mu* beside the largest.

    Parameters
    ----------
    sweep
        The screening.
    question
        What it is about.
    share, most
        The rule.

    Raises
    ------
    StoreError
        If too few trajectories are complete, or no assumption moves anything.
    """
    contrasts = contrasts_of(sweep, question)
    effects = []
    for contrast in contrasts:
        found = morris_of(contrast.means)
        if found is None:
            raise StoreError(f"too few trajectories are complete: {_first_failure(contrast.means)}")
        effects.append(found)
    kept, beyond = kept_of(effects, share, most)
    if not kept:
        raise StoreError(f"no assumption moves {question.outcome} of {', '.join(question.plans)}")
    return Screening(contrasts, tuple(effects), kept, beyond)


def kept_of(
    effects: Sequence[Morris], share: float, most: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the assumptions that the rule of `screen` keeps, and those it has no room for."""
    size: dict[str, float] = {}
    reach: dict[str, float] = {}
    for found in effects:
        own = {name: one for name, one in zip(found.names, found.mu_star, strict=True)
               if name != WORLD}  # fmt: skip
        largest = max((one.value for one in own.values()), default=0.0)
        for name, one in own.items():
            if largest > 0 and one.value > 0:
                size[name] = max(size.get(name, 0.0), one.value / largest)
                reach[name] = max(reach.get(name, 0.0), one.high / largest)
    kept = sorted((name for name in size if reach[name] >= share), key=lambda name: -size[name])
    return tuple(kept[:most]), tuple(kept[most:])


def _first_failure(means: Means) -> str:
    return means.failures[0].message if means.failures else "the sweep is not finished"


@dataclass(frozen=True, slots=True)
class Decision:
    """One contrast, explained.

    Attributes
    ----------
    mean
        Expected outcome of the plan less the other's, everything averaged.
    sobol
        Indices of the kept assumptions and of the world; None if too few samples are complete.
    told
        Share of the variance between points that the curves foretell.
    shares
        How much of what can be expected each kept assumption decides, luck averaged out.
    leaders
        Paths of the assumptions that may decide most; one if it is clear which.
    flips
        Where the better side changes, by kept assumption.
    reversed_in_worlds
        Share of points, luck included, at which the side that is worse on average is better.
    reversed_by_assumptions
        Share of points at which the assumptions alone let one expect so.
    """

    plan: str
    other: str
    mean: Interval
    sobol: Sobol | None
    told: float
    shares: tuple[Interval, ...]
    leaders: tuple[str, ...]
    flips: tuple[Flip, ...]
    reversed_in_worlds: Interval
    reversed_by_assumptions: float

    @property
    def is_clear(self) -> bool:
        """Whether the two sides can be told apart on average."""
        return self.mean.low > 0 or self.mean.high < 0


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What decides.

    Attributes
    ----------
    decisions
        As the contrasts.
    deciding
        Place of the decision between the best option and the next one, today's among them.
    worth
        What it is worth to know each kept assumption before choosing among all options, in the
        outcome's unit.
    worth_of_all
        The same for all of them at once, as far as they are told.
    """

    question: Question
    screening: Screening
    contrasts: tuple[Contrast, ...]
    response: Response
    decisions: tuple[Decision, ...]
    deciding: int
    worth: tuple[Interval, ...]
    worth_of_all: float

    @property
    def kept(self) -> tuple[str, ...]:
        """Paths of the assumptions that were kept."""
        return tuple(one.path for one in self.response.assumptions)


def explain(sweep: Asked, question: Question, screening: Screening) -> Sensitivity:
    """Return what decides, of a sweep over the assumptions that a screening kept.

    Raises
    ------
    StoreError
        If too few points are complete.
    """
    contrasts = contrasts_of(sweep, question)
    means = contrasts[0].means
    if len(means) < FEWEST_POINTS:
        raise StoreError(f"{len(means)} points are complete, of {FEWEST_POINTS} that are needed: "
                         f"{_first_failure(means)}")  # fmt: skip
    assumptions = [question.assumptions[path] for path in screening.kept]
    columns = {factor.name: factor.numbers for factor in means.every}
    points = np.column_stack([columns[path] for path in screening.kept])
    values = np.column_stack([contrast.means.mean for contrast in contrasts])
    response = respond(assumptions, points, values, means.clusters)
    decisions = tuple(_decision(contrast, response, place)
                      for place, contrast in enumerate(contrasts))  # fmt: skip
    options = np.zeros((len(question.plans) + 1, len(contrasts)))
    options[1:, : len(question.plans)] = question.better * np.eye(len(question.plans))
    deciding = _deciding(question, contrasts, response)
    return Sensitivity(
        question, screening, contrasts, response, decisions, deciding,
        worth_knowing(response, options), worth_of_all(response, options),
    )  # fmt: skip


def _decision(contrast: Contrast, response: Response, place: int) -> Decision:
    holds = 1.0 if response.overall[place] >= 0 else -1.0
    means = contrast.means
    return Decision(
        contrast.plan, contrast.other, response.overall_interval(place), sobol_of(means),
        float(response.told[place]), response.shares(place),
        tuple(one.path for one in response.leaders(place)), flips(response, place),
        share_where(holds * means.mean, means.clusters),
        float((holds * response.expected[:, place] < 0).mean()),
    )  # fmt: skip


def _deciding(question: Question, contrasts: Sequence[Contrast], response: Response) -> int:
    """Return the place of the contrast between the best option and the next one."""
    worth = question.better * response.overall[: len(question.plans)]
    ranked = np.argsort(-worth)
    if len(ranked) > 1 and worth[ranked[1]] > 0:
        return len(contrasts) - 1  # two plans before today's
    return int(ranked[0])
