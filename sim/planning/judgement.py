"""What a search found, judged in worlds that it never used, beside simple rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sim.config.optimise import Optimise
from sim.config.plan import Plan
from sim.finance.risk_figures import half_width
from sim.planning.allocation import Allocation, Space, with_budget
from sim.planning.goals import FRESH, GOALS, Bench, Goal
from sim.planning.optimiser import Evaluate, Found, Search, Trial
from sim.planning.ranking import Estimate
from sim.planning.yardsticks import equal_split, evidence_split
from sim.types import F64

BEST, YOURS, EQUAL, SOURCES, GREEDY = "best", "yours", "equal", "sources", "greedy"
"""Names of what is judged: the best plan, the user's own, and the rules."""
MEMBER: Final = "pareto_"
"""What the names of a Pareto set's other plans begin with."""
SHADOW_SHARE: Final = 0.1
"""Share of the evaluations that the best use of more, and of less, money is looked for with."""
FEWEST: Final = 16


@dataclass(frozen=True)
class Judged:
    """A plan in the fresh worlds.

    Attributes
    ----------
    values
        Each goal of the bench in each world, shape (n_worlds, n_goals).
    allocation
        None for the user's plan as it is, which need not lie on the steps or within the limits.
    """

    name: str
    plan: Plan
    allocation: Allocation | None
    values: F64


@dataclass(frozen=True)
class Shadow:
    """What a little more and a little less money is worth.

    Attributes
    ----------
    less, more
        The best plans found with these budgets.
    """

    share: float
    less: Judged
    more: Judged


@dataclass(frozen=True)
class Verdict:
    """What came of it all.

    Attributes
    ----------
    goals
        The objectives first, then what is told besides.
    n_objectives
        How many of the goals are objectives.
    judged
        By name, the best plan first; plans of a Pareto set are `pareto_1`, `pareto_2`, ...
    members
        Names of the Pareto set's plans, the best one first; it alone if there is one objective.
    found
        What the search gave; its figures are of the race's worlds, and optimistic.
    """

    space: Space
    goals: tuple[Goal, ...]
    n_objectives: int
    judged: dict[str, Judged]
    members: tuple[str, ...]
    found: Found
    shadow: Shadow

    @property
    def best(self) -> Judged:
        """The best plan."""
        return self.judged[BEST]

    def figure(self, name: str, goal: str) -> Estimate:
        """Return a goal of a plan, with its interval, in the fresh worlds."""
        place = self._place(goal)
        return self.goals[place].estimate(self.judged[name].values[:, place])

    def gain(self, name: str, goal: str) -> Estimate:
        """Return by how much the best plan's goal is above another's in the same fresh worlds."""
        place = self._place(goal)
        return self.goals[place].estimate(
            self.best.values[:, place], self.judged[name].values[:, place]
        )

    def optimism(self, place: int = 0) -> Estimate:
        """Return the search's figure of the best plan less the fresh one, for an objective.

        The worlds differ, so both figures' errors add up; of a mean of the worst worlds there is no
        interval.
        """
        goal, own = self.goals[place], self.found.best.values[:, place]
        fresh = self.best.values[:, place]
        gap = goal.figure(own) - goal.figure(fresh)
        half = math.nan if goal.tail else math.hypot(half_width(own), half_width(fresh))
        nan = math.nan
        return Estimate(gap, gap - half, gap + half, nan, nan, nan, len(own))

    def price(self, goal: str = "npv") -> Estimate:
        """Return what one more unit of budget adds to a goal, at the budget as it is."""
        place = self._place(goal)
        more, less = (side.values[:, place] for side in (self.shadow.more, self.shadow.less))
        money = 2 * self.shadow.share * self.space.budget
        own = self.goals[place].estimate(more, less)
        scaled = {name: getattr(own, name) / money for name in ("mean", "low", "high", "p10",
                                                                "p50", "p90")}  # fmt: skip
        return Estimate(**scaled, n=own.n)

    def side(self, name: str, goal: str = "npv") -> Estimate:
        """Return what "more" or "less" money changes of a goal, against the best plan."""
        place = self._place(goal)
        side: Judged = getattr(self.shadow, name)
        return self.goals[place].estimate(side.values[:, place], self.best.values[:, place])

    def _place(self, goal: str) -> int:
        return [each.name for each in self.goals].index(goal)


def bench_goals(goals: Sequence[Goal]) -> tuple[Goal, ...]:
    """Return the objectives, and money and loyalty beside them where they are none."""
    besides = ("npv", "roi", "loyalty_index", "churn_annual", "spend")
    names = [goal.name for goal in goals]
    return (*goals, *(GOALS[name] for name in besides if name not in names))


def evaluation(bench: Bench, space: Space, n_objectives: int) -> Evaluate:
    """Return what gives a search the figures of allocations: the bench, in worlds from 0 on."""

    def evaluate(allocations: Sequence[Allocation], worlds: int) -> F64:
        plans = [space.plan_of(each, "candidate", "Candidate") for each in allocations]
        return bench.figures(plans, range(worlds))[:, :, :n_objectives]

    return evaluate


def judge(
    bench: Bench,
    search: Search,
    found: Found,
    yours: Plan,
    settings: Optimise,
) -> Verdict:
    """Judge what a search found, in as many fresh worlds as the study has replications.

    The best plan is chosen before these worlds are looked at.

    Raises
    ------
    EngineError, StoreError
        If a plan cannot be lived, or its life not be kept.
    """
    space = search.space
    wanted: dict[str, Allocation] = {BEST: found.best.allocation}
    others = [trial for trial in found.front if trial is not found.best]
    for number, trial in enumerate(_spread(others, settings.members - 1), 1):
        wanted[f"{MEMBER}{number}"] = trial.allocation
    members = tuple(wanted)
    wanted[EQUAL] = equal_split(space)
    wanted[SOURCES] = evidence_split(space, settings.groups)
    if search.greedy is not None:
        wanted[GREEDY] = search.greedy
    sides = {
        name: _side(search, found, factor)
        for name, factor in (("less", 1 - settings.shadow), ("more", 1 + settings.shadow))
    }
    judged = judged_fresh(bench, space, wanted | sides, yours)
    shadow = Shadow(settings.shadow, judged.pop("less"), judged.pop("more"))
    return Verdict(space, bench.goals, len(search.goals), judged, members, found, shadow)


def _spread(front: Sequence[Trial], n: int) -> list[Trial]:
    """Return so many of the trials of a front, evenly from one end to the other."""
    if len(front) <= n:
        return list(front)
    return [front[round(place)] for place in np.linspace(0, len(front) - 1, n)]


def judged_fresh(
    bench: Bench, space: Space, wanted: Mapping[str, Allocation], yours: Plan
) -> dict[str, Judged]:
    """Return allocations, and the user's plan after the first, in the fresh worlds."""
    names = list(wanted)
    plans = {name: space.plan_of(wanted[name], name, name) for name in names}
    ordered = {names[0]: plans[names[0]], YOURS: yours, **plans}
    worlds = range(FRESH, FRESH + bench.lives.config.replications)
    values = bench.figures(list(ordered.values()), worlds)
    return {name: Judged(name, plan, wanted.get(name), own)
            for (name, plan), own in zip(ordered.items(), values, strict=True)}  # fmt: skip


def _side(search: Search, found: Found, factor: float) -> Allocation:
    """Return the best allocation of a budget that is changed a little.

    The best plan is scaled and refined, beside the best of what was tried that this budget allows.
    A best plan that leaves money unspent stays the best one, as long as the budget pays for it.
    """
    space = with_budget(search.space, factor)
    spent = int(found.best.allocation.sum())
    if spent <= space.most and spent < search.space.most:
        return found.best.allocation  # the budget is not what holds it back
    tries = max(round(SHADOW_SHARE * search.settings.evaluations), FEWEST)
    starts = {"scaled": space.nearest(factor * found.best.allocation.astype(np.float64))}
    raced = [trial for trial in found.trials if trial.worlds == search.settings.race]
    allowed = [trial for trial in raced if space.allows(trial.allocation)]
    order = np.argsort([-search.score(trial)[0] for trial in allowed], kind="stable")
    starts |= {f"tried {place}": allowed[place].allocation for place in order[:2]}
    near = Search(space, search.evaluate, search.goals,
                  replace(search.settings, evaluations=max(tries, len(starts) + 1)))  # fmt: skip
    return near.polish(starts).best.allocation
