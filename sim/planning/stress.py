"""A stress test: plans lived under shocks, each against the baseline under the same shock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from sim.config.plan import Phase, Plan
from sim.config.shock import shock_names
from sim.config.stress import ALL, Covenant
from sim.config.study import Config
from sim.errors import ConfigError
from sim.finance.cash_flow import SPEND
from sim.finance.risk_figures import probability_of_loss, tail_mean
from sim.planning.failing import wilson
from sim.planning.future import AS_PLANNED, Case, Future, as_planned
from sim.planning.life import FLOWS
from sim.planning.lives import Lives
from sim.planning.paired import Paired, paired
from sim.planning.ranking import Estimate, Standing, estimate, standings
from sim.planning.shocks import Blow, NothingStruckError, read_blow, strike, timed
from sim.sweep.analysis import Interval
from sim.types import F64, QUARTERS_PER_YEAR

I64: TypeAlias = npt.NDArray[np.int64]
KEPT: Final = 0
"""Quarter of breach where a covenant is kept."""
CENTS: Final = 2
TOLERANCE: Final = 0.01
"""Currency by which a sum may pass a limit by rounding alone."""


# --- what is tried -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """A plan that is to be lived under a shock.

    Attributes
    ----------
    plan
        As it is planned.
    blow
        None for the study as planned.
    future
        What the study becomes; None if the shock does not touch the plan.
    missed
        Parts of the shock that do not touch the plan, by name, each with the reason.
    phase
        The phase in which alone it strikes; "" if it strikes as it is.
    """

    plan: Plan
    blow: Blow | None
    future: Future | None
    missed: dict[str, str] = field(default_factory=dict)
    phase: str = ""

    @property
    def shock(self) -> str:
        """Name of the shock."""
        return self.blow.name if self.blow else AS_PLANNED

    @property
    def title(self) -> str:
        """What a reader is told of it."""
        if self.future is not None:
            return self.future.title
        return self.blow.title if self.blow else ""

    @property
    def cases(self) -> list[Case]:
        """The plan as the shock leaves it, and the baseline in the same future; none if missed."""
        if self.future is None:
            return []
        config = self.future.config
        return [Case(config.plan, self.future), Case(config.baseline, self.future)]


@dataclass(frozen=True)
class StressTest:
    """All that is to be lived.

    Attributes
    ----------
    config
        The study.
    plans
        Those that are tried.
    blows
        The shocks, in order.
    trials
        Each plan as planned, then under each shock, plan by plan.
    phased
        Each plan under shocks that strike in one of its phases alone.
    remarks
        What does not touch which plan, and why.
    """

    config: Config
    plans: tuple[Plan, ...]
    blows: tuple[Blow, ...]
    trials: tuple[Trial, ...]
    phased: tuple[Trial, ...]
    remarks: tuple[str, ...]

    @property
    def cases(self) -> list[Case]:
        """All cases, in the order of trials and phased."""
        return [case for trial in (*self.trials, *self.phased) for case in trial.cases]


def make_stress_test(
    config: Config, shocks: Sequence[str], folders: Sequence[str | Path] = (), *,
    by_phase: bool = False,
) -> StressTest:  # fmt: skip
    """Return what a stress test lives, all of it checked.

    Parameters
    ----------
    config
        The study, whose plans are tried: `plans`, or `plan` if there are none.
    shocks
        Names, paths, several at once with `+` between; `all` for every shock there is, less those
        of which a part touches no plan: a remark says so.
    folders
        Folders with a `shock/` of one's own.
    by_phase
        Whether each shock that can be timed also strikes in each phase of a plan alone.

    Raises
    ------
    ConfigError
        If a shock does not exist, contradicts itself or another that it is combined with, or is
        named and touches no plan.
    """
    plans = config.plans or (config.plan,)
    if all(plan == config.baseline for plan in plans):
        raise ConfigError(
            f"'{plans[0].name}' is what it would be set against", key="plan", value=plans[0].name,
            allowed="a plan other than the baseline",
        )  # fmt: skip
    blows, left_out = _blows(config, shocks, folders)
    trials = {
        (plan.name, blow.name): _trial(config, plan, blow) for plan in plans for blow in blows
    }
    remarks = [*left_out, *_missed(plans, blows, trials)]
    phased: list[Trial] = []
    if by_phase:
        phased, untimed = _phased(config, [each for each in trials.values() if each.future])
        remarks += untimed
    ordered = [
        each for plan in plans for each in (
            Trial(plan, None, as_planned(_alone(config, plan))),
            *(trials[plan.name, blow.name] for blow in blows),
        )
    ]  # fmt: skip
    return StressTest(
        config, tuple(plans), tuple(blows), tuple(ordered), tuple(phased), tuple(remarks)
    )


def _alone(config: Config, plan: Plan) -> Config:
    return replace(config, plan=plan, plans=())


def _blows(
    config: Config, shocks: Sequence[str], folders: Sequence[str | Path]
) -> tuple[list[Blow], list[str]]:
    """Return the shocks that are asked for, and what is to be said of those left out."""
    blows, left_out = list[Blow](), list[str]()
    for given in shocks:
        for name in shock_names(folders) if given == ALL else (given,):
            blow = read_blow(name, folders)
            if blow.name in {other.name for other in blows}:
                if given == ALL:
                    continue
                raise ConfigError(f"'{blow.name}' stands twice", key="shocks", value=blow.name,
                                  allowed="each shock once")  # fmt: skip
            try:
                strike(config, blow)
                blows.append(blow)
            except NothingStruckError as error:
                if given != ALL:
                    raise
                left_out.append(f"Left out: {blow.title}. It finds nothing to strike: "
                                f"{error.problem}.")  # fmt: skip
    if not blows:
        raise ConfigError("none of them touches a plan", key="shocks", value=list(shocks),
                          allowed="a plan with phases and a budget")  # fmt: skip
    return blows, left_out


def _trial(config: Config, plan: Plan, blow: Blow) -> Trial:
    """Return a plan under a shock, less the parts of the shock that do not touch it."""
    own, missed = _alone(config, plan), dict[str, str]()
    for part in blow.parts:
        try:
            strike(own, replace(blow, parts=(part,)))
        except NothingStruckError as error:
            missed[part.name] = error.problem
    left = tuple(part for part in blow.parts if part.name not in missed)
    future = strike(own, replace(blow, parts=left))[0] if left else None
    return Trial(plan, blow, future, missed)


def _missed(
    plans: Sequence[Plan], blows: Sequence[Blow], trials: dict[tuple[str, str], Trial]
) -> list[str]:
    """Return a remark on each shock that, or a part of which, does not touch some plans."""
    remarks = []
    for blow in blows:
        own = {plan.title: trials[plan.name, blow.name].missed for plan in plans}
        for part in dict.fromkeys(name for missed in own.values() for name in missed):
            whom = [title for title, missed in own.items() if part in missed]
            what = f"{blow.title}, its part {part}" if blow.is_combination else blow.title
            reason = own[whom[0]][part]
            remarks.append(f"{what}: does not touch {' and '.join(whom)} ({reason}).")
    return remarks


def _phased(config: Config, trials: Sequence[Trial]) -> tuple[list[Trial], list[str]]:
    """Return plans under shocks that strike in a phase alone, and remarks on what cannot."""
    found, untimed = list[Trial](), dict[str, str]()
    for trial in trials:
        blow, own = trial.blow, _alone(config, trial.plan)
        assert blow is not None  # only the study as planned has none
        for phase in phases_in_time(config, trial.plan):
            try:
                future = strike(own, timed(own, blow, phase.quarters))[0]
            except NothingStruckError as error:
                untimed[blow.title] = error.problem
            else:
                found.append(Trial(trial.plan, blow, future, phase=phase.name))
    return found, [f"{title}: cannot strike in a phase alone, for it {why}."
                   for title, why in untimed.items()]  # fmt: skip


def phases_in_time(config: Config, plan: Plan) -> list[Phase]:
    """Return the phases of a plan that lie in the study, in their order in time."""
    inside = [phase for phase in plan.phases if phase.quarters[1] <= config.quarters]
    return sorted(inside, key=lambda phase: phase.quarters)


# --- what came of it -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of a plan under a shock, in common worlds.

    Attributes
    ----------
    trial
        What was tried.
    money
        Against the baseline under the same shock.
    spend
        What the plan itself cost against the baseline, shape (n_worlds, n_quarters), in currency.
    planned
        Money of the plan without a shock.
    """

    trial: Trial
    money: Paired
    spend: F64
    planned: Paired

    @cached_property
    def npv(self) -> Estimate:
        """Net present value in currency."""
        return estimate(self.money.npv)

    @cached_property
    def change(self) -> Estimate:
        """Net present value less that without the shock, world by world."""
        return estimate(self.money.npv - self.planned.npv)

    @property
    def loss(self) -> float:
        """Share of worlds in which the plan loses against the baseline."""
        return probability_of_loss(self.money.npv)

    @property
    def tail(self) -> float:
        """Mean net present value of the worst twentieth of worlds, in currency."""
        return tail_mean(self.money.npv)

    @property
    def paid_back(self) -> float:
        """Share of worlds in which the plan pays back within the horizon."""
        return float(np.isfinite(self.money.payback_quarter).mean())

    @property
    def payback(self) -> float:
        """Median quarter of payback, discounted; NaN if fewer than half of the worlds reach it."""
        reached = np.where(np.isnan(self.money.payback_quarter), np.inf, self.money.payback_quarter)
        middle = float(np.median(reached)) if self.paid_back > 0.5 else np.inf  # noqa: PLR2004
        return middle if np.isfinite(middle) else float("nan")


@dataclass(frozen=True)
class Interaction:
    """What a combination does beside the sum of what its parts do alone, world by world."""

    outcome: Outcome
    parts: Estimate
    """Sum of the changes by each part alone."""
    beyond: Estimate
    """Change by the combination less that sum."""


@dataclass(frozen=True)
class Result:
    """A stress test that was lived.

    Attributes
    ----------
    test
        What was tried.
    worlds
        In how many worlds each.
    outcomes
        By plan and shock, `as_planned` among them.
    phased
        By plan, shock and phase.
    """

    test: StressTest
    worlds: int
    outcomes: dict[tuple[str, str], Outcome]
    phased: dict[tuple[str, str, str], Outcome]

    @property
    def shocks(self) -> list[str]:
        """Names of the shocks, in order."""
        return [blow.name for blow in self.test.blows]

    @property
    def plans(self) -> list[str]:
        """Names of the plans, in order."""
        return [plan.name for plan in self.test.plans]

    def worst(self, plan: str) -> Outcome:
        """Return a plan under the shock that leaves it with the lowest mean net present value."""
        return min((self.outcomes[plan, shock] for shock in self.shocks),
                   key=lambda outcome: outcome.npv.mean)  # fmt: skip

    def sorted_by_change(self, plan: str) -> list[Outcome]:
        """Return a plan under each shock that touches it, the largest change first."""
        touched = [one for shock in self.shocks if (one := self.outcomes[plan, shock]).trial.future]
        return sorted(touched, key=lambda outcome: -abs(outcome.change.mean))

    def robustness(self, plans: Sequence[str]) -> list[Standing]:
        """Return where plans stand by their net present value under their own worst shock."""
        return standings(plans, np.array([self.worst(plan).money.npv for plan in plans]))

    def interactions(self) -> list[Interaction]:
        """Return what combinations do beyond their parts, where each part was lived alone."""
        found = []
        for plan in self.plans:
            for blow in self.test.blows:
                outcome = self.outcomes[plan, blow.name]
                parts = [part.name for part in blow.parts if part.name not in outcome.trial.missed]
                if len(parts) > 1 and all((plan, part) in self.outcomes for part in parts):
                    changes = [own.money.npv - own.planned.npv
                               for part in parts if (own := self.outcomes[plan, part])]  # fmt: skip
                    together = np.sum(changes, axis=0)
                    beyond = outcome.money.npv - outcome.planned.npv - together
                    beyond = beyond.round(CENTS)  # sums in another order differ by rounding
                    found.append(Interaction(outcome, estimate(together), estimate(beyond)))
        return found


def live_test(
    test: StressTest, lives: Lives, worlds: int, progress: Callable[[int, int], None] | None = None
) -> Result:
    """Live a stress test.

    Parameters
    ----------
    test
        What is tried.
    lives
        Of the study.
    worlds
        How many worlds, common to all plans and shocks.
    progress
        Called with (lives done, lives asked for).

    Raises
    ------
    ConfigError, EngineError, StoreError
        As `Lives.live`.
    """
    lived = lives.live(test.cases, range(worlds), progress)
    pairs = iter(zip(lived.flows[::2], lived.flows[1::2], lived.rates[::2], strict=True))
    outcomes: dict[tuple[str, str], Outcome] = {}
    planned: dict[str, Outcome] = {}
    for trial in test.trials:
        name = trial.plan.name
        if trial.blow is None:
            planned[name] = _outcome(trial, next(pairs), None)
        touched = trial.blow is not None and trial.future is not None
        outcomes[name, trial.shock] = (
            _outcome(trial, next(pairs), planned[name].money) if touched
            else replace(planned[name], trial=trial)
        )  # fmt: skip
    phased = {
        (trial.plan.name, trial.shock, trial.phase):
            _outcome(trial, next(pairs), planned[trial.plan.name].money)
        for trial in test.phased
    }  # fmt: skip
    return Result(test, worlds, outcomes, phased)


def _outcome(trial: Trial, pair: tuple[F64, F64, F64], planned: Paired | None) -> Outcome:
    """Return what came of a trial, of the flows of plan and baseline, and the discount rates."""
    plan, baseline, rates = pair
    money = paired(plan, baseline, rates)
    columns = [FLOWS.index(name) for name in SPEND]
    spend = -(plan - baseline)[:, :, columns].sum(axis=2)
    return Outcome(trial, money, spend, planned or money)


# --- covenants -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Breach:
    """How often a plan under a shock breaks a covenant.

    Attributes
    ----------
    outcome, covenant
        Of what.
    quarters
        Quarter in which it is first broken, shape (n_worlds,); 0 where it is kept.
    """

    outcome: Outcome
    covenant: Covenant
    quarters: I64

    @property
    def share(self) -> float:
        """Share of worlds that break it."""
        return float((self.quarters != KEPT).mean())

    @property
    def interval(self) -> Interval:
        """Interval in which the chance of a breach lies, 95%."""
        return wilson(self.share, len(self.quarters))

    @property
    def first(self) -> int | None:
        """Earliest quarter in which a world breaks it."""
        broken = self.quarters[self.quarters != KEPT]
        return int(broken.min()) if len(broken) else None

    @property
    def usual(self) -> float | None:
        """Median quarter of the first breach, of the worlds that break it."""
        broken = self.quarters[self.quarters != KEPT]
        return float(np.median(broken)) if len(broken) else None


def breaches(result: Result, covenants: Sequence[Covenant]) -> list[Breach]:
    """Return how often each plan breaks each covenant under each shock, and as planned."""
    return [
        Breach(outcome, covenant, first_breach(outcome, covenant))
        for covenant in covenants
        for outcome in result.outcomes.values()
    ]


def first_breach(outcome: Outcome, covenant: Covenant) -> I64:
    """Return the quarter in which a covenant is first broken in each world, 0 where it is kept.

    Cash is opening cash and incremental cash so far, undiscounted. What is spent in a year is the
    plan's own cost against the baseline in quarters 1 to 4, 5 to 8, ...; it is broken in the
    quarter in which the year's spending passes the limit. Payback is discounted, and is missed in
    its quarter.
    """
    if covenant.cash_at_least is not None:
        broken = covenant.opening + outcome.money.cumulative < covenant.cash_at_least
    elif covenant.yearly_spend_at_most is not None:
        broken = _within_year(outcome.spend) > covenant.yearly_spend_at_most + TOLERANCE
    else:
        due = covenant.payback_by or outcome.spend.shape[1]
        late = ~(outcome.money.payback_quarter <= due) & (outcome.spend.sum(axis=1) > 0)
        return np.where(late, due, KEPT).astype(np.int64)
    first = broken.argmax(axis=1) + 1
    return np.where(broken.any(axis=1), first, KEPT).astype(np.int64)


def _within_year(spend: F64) -> F64:
    """Return what was spent of each year by each quarter, shape as given."""
    total = np.zeros_like(spend)
    for first in range(0, spend.shape[1], QUARTERS_PER_YEAR):
        year = slice(first, first + QUARTERS_PER_YEAR)
        total[:, year] = spend[:, year].cumsum(axis=1)
    return total
