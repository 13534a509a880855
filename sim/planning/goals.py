"""What a plan is to be good at: figures of its lives against today's, and which way is better."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from sim.config.plan import Plan
from sim.errors import ConfigError
from sim.finance.risk_figures import tail_mean
from sim.planning.future import Case, as_planned
from sim.planning.life import LEVEL_NAMES
from sim.planning.lives import Lived, Lives
from sim.planning.paired import Paired, paired
from sim.planning.ranking import Estimate, estimate
from sim.types import F64

FRESH: Final = 1_000_000
"""Number of the first world that no search uses: more than any study may have replications."""
RESAMPLES: Final = 1000
SEED: Final = 1
"""Of bootstraps: the same page each time."""


class Sight(NamedTuple):
    """What a goal is computed from: a plan's money and life, and the baseline's life."""

    money: Paired
    lived: Lived
    case: int
    baseline: int


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure to be made better.

    Attributes
    ----------
    best_is
        1 if more is better, else -1.
    of
        Gives the figure in each world, shape (n_worlds,).
    tail
        Whether it is the mean of the worst worlds, not of all.
    """

    name: str
    best_is: int
    of: Callable[[Sight], F64]
    tail: bool = False

    def figure(self, values: F64) -> float:
        """Return the figure over worlds, of one value for each, shape (n_worlds,)."""
        return tail_mean(values) if self.tail else float(values.mean())

    def estimate(self, values: F64, other: F64 | None = None) -> Estimate:
        """Return the figure, less another plan's in the same worlds, with its 95% interval.

        Notes
        -----
        Of a mean it is Student's t on the paired differences; of a mean of the worst worlds the
        percentiles of a bootstrap that draws whole worlds (Efron & Tibshirani 1993).
        """
        base = np.zeros_like(values) if other is None else other
        if not self.tail:
            return estimate(values - base)
        rng = np.random.default_rng(SEED)
        drawn = rng.integers(len(values), size=(RESAMPLES, len(values)))
        found = np.array([tail_mean(values[own]) - tail_mean(base[own]) for own in drawn])
        low, p10, p50, p90, high = np.quantile(found, (0.025, 0.1, 0.5, 0.9, 0.975))
        mean = tail_mean(values) - tail_mean(base)
        return Estimate(mean, float(low), float(high), float(p10), float(p50), float(p90),
                        len(values))  # fmt: skip


def _money(name: str, missing: float, sight: Sight) -> F64:
    values: F64 = getattr(sight.money, name)
    return np.where(np.isnan(values), missing, values)


def _payback(sight: Sight) -> F64:
    return _money("payback_quarter", sight.money.net.shape[1] + 1.0, sight)


def _loss(sight: Sight) -> F64:
    lost: F64 = (sight.money.npv < 0).astype(np.float64)
    return lost


def _level(name: str, sight: Sight) -> F64:
    change: F64 = sight.lived.level(sight.case, name) - sight.lived.level(sight.baseline, name)
    return change


_NPV = partial(_money, "npv", 0.0)
_ALL: Final = (
    Goal("npv", 1, _NPV),
    Goal("roi", 1, partial(_money, "roi", 0.0)),
    Goal("incremental_margin", 1, partial(_money, "margin", 0.0)),
    Goal("spend", -1, partial(_money, "spend", 0.0)),
    Goal("payback_quarter", -1, _payback),
    Goal("cvar_5", 1, _NPV, tail=True),
    Goal("probability_of_loss", -1, _loss),
    Goal("peak_funding", -1, partial(_money, "peak_funding", 0.0)),
    Goal("worst_quarter", 1, partial(_money, "worst_quarter", 0.0)),
    *(Goal(name, -1 if name == "churn_annual" else 1, partial(_level, name))
      for name in LEVEL_NAMES),
)  # fmt: skip
GOALS: Final = {goal.name: goal for goal in _ALL}
"""By name. Where nothing was spent, the return is 0; a plan that never pays back does so in the
quarter after the last. Levels are the plan's less the baseline's."""


def goals_named(names: Iterable[str]) -> tuple[Goal, ...]:
    """Return goals by name.

    Raises
    ------
    ConfigError
        If there is no such goal.
    """
    found = []
    for name in names:
        if name == "irr":
            raise ConfigError("does not exist in every world, so it is no objective",
                              key="objective", value=name, allowed="npv, roi")  # fmt: skip
        if name not in GOALS:
            raise ConfigError("no such outcome", key="objective", value=name, known=GOALS)
        found.append(GOALS[name])
    return tuple(found)


class Bench:
    """Plans tried in worlds of a study, each against the baseline in the same ones.

    Parameters
    ----------
    lives
        Of the study.
    goals
        What is measured of each plan.
    progress
        Called with (lives done, lives asked for) of each trial.
    """

    def __init__(
        self,
        lives: Lives,
        goals: Sequence[Goal],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.lives, self.goals, self.progress = lives, tuple(goals), progress
        self._future = as_planned(lives.config)

    def figures(self, plans: Sequence[Plan], worlds: Sequence[int]) -> F64:
        """Return each goal of each plan in each world, shape (n_plans, n_worlds, n_goals).

        Raises
        ------
        ConfigError, EngineError, StoreError
            If a plan cannot be lived, or its life not be kept.
        """
        plans = [*plans, self.lives.config.baseline]
        lived = self.lives.live([Case(plan, self._future) for plan in plans], worlds,
                                self.progress)  # fmt: skip
        base = len(plans) - 1
        money = [paired(lived.flows[case], lived.flows[base], lived.rates[case])
                 for case in range(base)]  # fmt: skip
        sights = [Sight(each, lived, case, base) for case, each in enumerate(money)]
        shape = (base, len(worlds), len(self.goals))
        found = [np.stack([goal.of(sight) for goal in self.goals], axis=-1) for sight in sights]
        return np.array(found).reshape(shape)
