"""A study: plans and baseline on the same worlds, replicated until the answer is sure enough.

Two layers of uncertainty are kept apart. Each replication draws one world (chance) and one set of
uncertain parameters (ignorance), shared by all its plans. A quarter of the replications are lived
again with the same parameters in another world; these twins tell how much of the spread is chance.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim import kernels
from sim.config.build import Unknowns, uncertain_parameters
from sim.config.finance import Finance
from sim.config.plan import Plan
from sim.config.study import Config
from sim.engines.local import LocalEngine, StoppedError
from sim.errors import ConfigError
from sim.finance import returns, risk_figures
from sim.finance.cash_flow import SPEND, cash_flow, customer_scale
from sim.finance.risk_figures import Spread
from sim.measures.columns import Table, from_rows, n_rows, stacked
from sim.measures.history import History
from sim.measures.lifetime_value import focal_lifetime_value, present_lifetime_value
from sim.measures.membership import tier_table
from sim.measures.table import MEASURES, measure_columns
from sim.model import LoyaltyModel
from sim.policies import Decision
from sim.processes.rollout import Work, planned_schedule
from sim.types import F64, QUARTERS_PER_YEAR

LEVELS = {
    "churn_annual": "churn_annual",
    "retention": "retention",
    "repeat_rate": "repeat_rate",
    "loyalty_index": "loyalty_index",
    "nps": "nps",
    "csat": "satisfaction",
    "share": "share",
    "penetration": "penetration",
    "purchase_frequency": "purchase_frequency",
}
"""Outcome to the measure whose mean over the last year it is, focal brand, whole market."""

MONEY = ("npv", "roi", "irr", "payback_quarter", "spend", "incremental_margin")
"""Outcomes of a plan against the baseline."""

OUTCOMES = (*MONEY, *LEVELS, "clv")

TABLES = {
    "measures": "every measure by quarter, segment and brand",
    "cash_flow": "money by quarter and component",
    "cohort": "how many of a quarter's first-time focal buyers buy in later ones, simulated people",
    "switching": "purchases of the plan's quarters by last and present brand",
    "levers": "what each lever got, how ready and how strong it was, by quarter and segment",
    "rollout": "tasks and waves, planned and done, in weeks from the plan's start",
    "events": "risk events that struck",
    "without_risks": "the plan's net cash by quarter in the same worlds if no event strikes",
    "decisions": "what reviews and gates decided",
    "tiers": "customers by membership tier before and after each quarter",
}
"""Tables of a study, each with a row's plan and replication, and what they hold."""

LIFETIME_VALUE = "lifetime_value"
MEASURED = (*MEASURES, LIFETIME_VALUE)
"""Columns of the table of measures; the last one takes money beside the history."""

# Worlds of twins are numbered from here, out of reach of any replication.
TWIN_WORLDS = 1 << 31
COMPILING = "Compiling the customers' loops for this processor, once: about a minute ..."
FEW = 100
"""Customers that are enough to have every loop compiled."""

DRIFT_TOLERANCE = {"share": 0.01, "bond": 0.01, "retention": 0.015}
"""Largest change in half a year that counts as settled."""

_MISSING = {"payback_quarter": np.inf}


@dataclass(frozen=True, slots=True)
class Task:
    """One world to live: its number, and the number of its parameter draw."""

    world: int
    parameters: int

    @property
    def twin(self) -> bool:
        """Whether this is the second life of a parameter draw."""
        return self.world >= TWIN_WORLDS


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What one plan gave in one world; tables have no columns for plan and replication yet."""

    tables: dict[str, Table]
    """By a name in TABLES."""
    outcomes: dict[str, float]

    @property
    def measures(self) -> pd.DataFrame:
        """A row per quarter x segment x brand, a column per measure."""
        return pd.DataFrame(self.tables["measures"])

    @property
    def cash_flow(self) -> pd.DataFrame:
        """A row per quarter, money by component."""
        return pd.DataFrame(self.tables["cash_flow"])


@dataclass(frozen=True, slots=True)
class Replication:
    """What one world gave: each plan and the baseline by name, and the parameters drawn."""

    task: Task
    plans: dict[str, PlanResult]
    parameters: dict[str, float]


@dataclass(frozen=True, slots=True)
class StudyResult:
    """The replications of a study and what follows from them.

    Attributes
    ----------
    config
        The study's configuration.
    plans
        Names of the plans that are set against the baseline.
    replications, twins
        In order of their world.
    seconds
        Wall-clock time of the replications.
    interrupted
        Whether the study was cut short.
    """

    config: Config
    plans: tuple[str, ...]
    replications: tuple[Replication, ...]
    twins: tuple[Replication, ...]
    seconds: float
    interrupted: bool = False
    _cache: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def baseline(self) -> str:
        """Name of the baseline."""
        return self.config.baseline.name

    @property
    def measures(self) -> pd.DataFrame:
        """Return a row per plan x replication x quarter x segment x brand, a column per measure."""
        return self.table("measures")

    @property
    def cash_flow(self) -> pd.DataFrame:
        """Return a row per plan x replication x quarter with money by component, in currency."""
        return self.table("cash_flow")

    @property
    def outcomes(self) -> pd.DataFrame:
        """Return a row per plan x replication with a column per outcome; money against baseline."""
        rows = [
            {"plan": plan, "replication": index, **replication.plans[plan].outcomes}
            for plan in (*self.plans, self.baseline)
            for index, replication in enumerate(self.replications)
        ]
        frame = pd.DataFrame(rows).drop_duplicates(["plan", "replication"], ignore_index=True)
        return frame[["plan", "replication", *OUTCOMES]]

    def values(self, plan: str, outcome: str, *, twins: bool = False) -> F64:
        """Return an outcome per replication, shape (n,); NaN where it does not exist."""
        chosen = self.twins if twins else self.replications
        return np.array([r.plans[plan].outcomes[outcome] for r in chosen], dtype=np.float64)

    def difference(self, plan: str, outcome: str, *, twins: bool = False) -> F64:
        """Return an outcome of the plan less the baseline's, per replication, shape (n,)."""
        own = self.values(plan, outcome, twins=twins)
        if outcome in MONEY:
            return own
        return own - self.values(self.baseline, outcome, twins=twins)

    def spread(self, plan: str, outcome: str) -> Spread:
        """Return how an outcome's difference to the baseline spreads over replications."""
        if self.changes_nothing(plan):
            return _ZERO.copy()
        values = self.difference(plan, outcome)
        again = self.difference(plan, outcome, twins=True)
        place = {r.task.parameters: index for index, r in enumerate(self.replications)}
        first = values[[place[twin.task.parameters] for twin in self.twins]]
        spread = risk_figures.describe(
            values, (first, again), missing_is=_MISSING.get(outcome, -np.inf)
        )
        if not self.replications[0].parameters and spread["mean"] is not None:
            # Nothing is uncertain, so there are no twins: all the spread is chance.
            return Spread(**{**spread, "chance_sd": float(values.std(ddof=1)), "ignorance_sd": 0.0})
        return spread

    def changes_nothing(self, plan: str) -> bool:
        """Return whether the plan is the baseline's run, to the bit, in every replication."""
        key = f"changes_nothing {plan}"
        if key not in self._cache:
            pairs = [(r.plans[plan].tables, r.plans[self.baseline].tables)
                     for r in self.replications]  # fmt: skip
            self._cache[key] = all(
                _same(own["cash_flow"], base["cash_flow"], ["net"])
                and _same(own["measures"], base["measures"], MEASURES)
                for own, base in pairs
            )
        return bool(self._cache[key])

    def plan_summary(self, plan: str) -> dict[str, Any]:
        """Return a plan's outcomes, probability of loss and CVaR; None where one does not exist."""
        npvs = self.values(plan, "npv")
        outcomes = {
            name: {
                "baseline": None if name in MONEY else _mean(self.values(self.baseline, name)),
                "plan": _mean(self.values(plan, name)),
                "difference": self.spread(plan, name),
            }
            for name in OUTCOMES
        }
        return {
            "outcomes": outcomes,
            "probability_of_loss": risk_figures.probability_of_loss(npvs),
            "cvar_5": risk_figures.tail_mean(npvs),
        }

    def summary(self) -> dict[str, Any]:
        """Return the study in figures: of one plan, or of several side by side."""
        head = {
            "scenario": self.config.scenario,
            "title": self.config.title,
            "baseline": self.baseline,
            "replications": len(self.replications),
            "customers": self.config.customers,
            "quarters": self.config.quarters,
            "seed": self.config.seed,
            "currency": self.config.market.currency,
        }
        if not self.config.plans:
            return {**head, "plan": self.plans[0], **self.plan_summary(self.plans[0])}
        best = self.probability_best()
        titles = {plan.name: plan.title for plan in self.config.plans}
        plans = {
            name: {
                "title": titles[name],
                **self.plan_summary(name),
                "probability_best": best[name],
            }
            for name in self.plans
        }
        return {**head, "plans": plans, "pairwise": self.pairwise()}

    def probability_best(self) -> dict[str, float]:
        """Return the share of replications where each plan has the highest NPV; ties are shared."""
        npvs = np.array([self.values(plan, "npv") for plan in self.plans])
        top = npvs == npvs.max(axis=0)
        return dict(zip(self.plans, (top / top.sum(axis=0)).mean(axis=1).tolist(), strict=True))

    def pairwise(self) -> list[dict[str, Any]]:
        """Return for each pair of plans the spread of the NPV difference on the same worlds."""
        pairs = [(a, b) for i, a in enumerate(self.plans) for b in self.plans[i + 1 :]]
        rows = []
        for plan, other in pairs:
            values = self.values(plan, "npv") - self.values(other, "npv")
            spread = risk_figures.describe(values, (values[:0], values[:0]), missing_is=-np.inf)
            kept = {key: spread[key] for key in ("mean", "low", "high", "p10", "p50", "p90")}
            rows.append({"plan": plan, "other": other, "npv_difference": kept})
        return rows

    def uncertain(self) -> list[dict[str, Any]]:
        """Return each uncertain parameter with its rank correlation with the first plan's NPV."""
        npvs = self.values(self.plans[0], "npv")
        rows = []
        for path, (number, _, _) in uncertain_parameters(self.config).items():
            drawn = np.array([r.parameters[path] for r in self.replications])
            varies = np.ptp(npvs) > 0 and np.ptp(drawn) > 0
            correlation = risk_figures.rank_correlation(drawn, npvs) if varies else None
            rows.append({"parameter": path, "value": number, "npv_correlation": correlation})
        return sorted(rows, key=lambda row: -abs(row["npv_correlation"] or 0.0))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the reader should be warned of."""
        return drift_warnings(
            self.measures[self.measures.plan == self.baseline], self.config.market.focal.name
        )

    def table(self, name: str) -> pd.DataFrame:
        """Return one of TABLES over all plans and replications."""
        if name not in self._cache:
            names = list(dict.fromkeys((*self.plans, self.baseline)))
            tables = [r.plans[plan].tables[name] for plan in names for r in self.replications]
            lengths = [n_rows(table) for table in tables]
            numbers = np.arange(len(self.replications))
            whose = {
                "plan": np.repeat(np.repeat(names, len(numbers)), lengths),
                "replication": np.repeat(np.tile(numbers, len(names)), lengths),
            }
            self._cache[name] = pd.DataFrame({**whose, **stacked(tables)})
        table: pd.DataFrame = self._cache[name]
        return table


_ZERO = Spread(
    mean=0.0, low=0.0, high=0.0, p10=0.0, p50=0.0, p90=0.0, chance_sd=0.0, ignorance_sd=0.0
)

Progress = Callable[[int, int], None]


def check_measures(config: Config) -> None:
    """Raise ConfigError if a benchmark, a review or a gate looks at a measure that does not exist.

    Measures are not known to the configuration, so this comes after it is built and before a world
    is lived.
    """
    asked = [("market.benchmarks", "the market", mark.measure) for mark in config.market.benchmarks]
    for key, plan in config.every_plan.items():
        for where, conditions in plan.conditions.items():
            who = f"plan '{plan.name}'"
            asked += [(f"{key}.{where}", who, condition.measure) for condition in conditions]
    for key, who, measure in asked:
        if measure not in MEASURES:
            raise ConfigError(
                f"{who} looks at '{measure}', which is no measure",
                key=key, value=measure, known=MEASURES,
            )  # fmt: skip


class Groundwork:
    """What all worlds of a study share, found once.

    Parameters
    ----------
    config
        What to study.
    unknowns
        What is uncertain in it, if that is known.

    Attributes
    ----------
    unknowns
        What is uncertain in it.
    """

    def __init__(self, config: Config, unknowns: Unknowns | None = None) -> None:
        self.config = config
        self.unknowns = unknowns or Unknowns(config)

    @functools.cached_property
    def schedules(self) -> dict[str, list[Work]]:
        """Plan to its tasks and waves as planned."""
        levers = self.config.lever
        return {p.name: planned_schedule(p, levers) for p in self.config.every_plan.values()}


def compile_kernels(config: Config, tell: Callable[[], Any]) -> None:
    """Bring the compiled loops in; `tell` is called if that takes long, since there are none yet.

    Before threads need them: each would compile them for itself.
    """
    with kernels.compiled_once(tell):
        LoyaltyModel(replace(config, customers=FEW), collect=False).step()


def run_study(config: Config, progress: Progress | None = None) -> StudyResult:
    """Live every replication of a study.

    Parameters
    ----------
    config
        What to study. With `precision`, replications are added until the half-width of the 95%
        interval of every plan's mean NPV is at most that, or `engine.max_replications` is reached.
    progress
        Called with (done, planned) after each replication.

    Returns
    -------
    The result; if the user interrupts after two finished replications, of those, marked so.

    Raises
    ------
    ConfigError
        If two plans share a name, a measure is unknown, or the market has no focal
        customers.
    """
    plans = config.plans or (config.plan,)
    _check_names(plans, config.baseline)
    check_measures(config)
    if not kernels.are_kept():
        compile_kernels(config, partial(print, COMPILING, file=sys.stderr))
    began = time.perf_counter()
    engine = LocalEngine(config.engine.threads, config.customers)
    groundwork = Groundwork(config)
    done: list[Replication] = []
    tasks = _first_tasks(config, uncertain=bool(groundwork.unknowns.numbers))
    planned = len(tasks)
    interrupted = False

    def live(task: Task) -> Replication:
        return run_replication(groundwork, task, engine)

    def collect() -> StudyResult:
        ordered = sorted(done, key=lambda r: r.task.world)
        first = tuple(r for r in ordered if not r.task.twin)
        kept = {r.task.parameters for r in first}
        return StudyResult(
            config=config,
            plans=tuple(plan.name for plan in plans),
            replications=first,
            twins=tuple(r for r in ordered if r.task.twin and r.task.parameters in kept),
            seconds=time.perf_counter() - began,
            interrupted=interrupted,
        )

    try:
        while tasks:
            for replication in engine.run(live, tasks):
                done.append(replication)
                if progress is not None:
                    progress(len(done), planned)
            tasks = _more_tasks(config, collect())
            planned += len(tasks)
    except KeyboardInterrupt:
        interrupted = True
        if sum(not r.task.twin for r in done) < risk_figures.MIN_FOR_SPREAD:
            raise
    return collect()


def run_replication(
    config: Config | Groundwork,
    task: Task,
    engine: LocalEngine,
    tables: Collection[str] = tuple(TABLES),
    measures: Collection[str] = MEASURED,
) -> Replication:
    """Live one world: burn in once, then each plan and the baseline from copies of that state.

    Parameters
    ----------
    config
        What is studied; who lives many of its worlds gives their `Groundwork`.
    task
        Which world.
    engine
        How many threads it may take, and when to stop.
    tables, measures
        Which of TABLES, and which columns of the table of measures, are made beside the outcomes:
        a sweep has no use for most.
    """
    groundwork = config if isinstance(config, Groundwork) else Groundwork(config)
    with ThreadPoolExecutor(engine.threads_per_task) as pool:
        model = LoyaltyModel(
            groundwork.unknowns,
            replication=task.world,
            parameter_replication=task.parameters,
            collect=False,
            mapper=pool.map if engine.threads_per_task > 1 else map,
        )
        _step_until(model, 1, engine)
        lived: dict[str, _Lived] = {}
        for plan in (model.config.baseline, *(model.config.plans or (model.config.plan,))):
            if plan.name not in lived:
                lived[plan.name] = _live_plan(model, plan, groundwork, engine, tables, measures)
        if groundwork.config.risks.register and "without_risks" in tables:
            _live_without_risks(model, lived, engine)
    base = lived[model.config.baseline.name].flows
    rate = model.config.finance.quarterly_rate
    results = {
        name: PlanResult(life.tables, {**life.levels, **money_outcomes(life.flows, base, rate)})
        for name, life in lived.items()
    }
    replication = Replication(task, results, model.drawn)
    model.release()
    return replication


class _Lived(NamedTuple):
    """What living one plan gave."""

    tables: dict[str, Table]
    """Those that are kept."""
    flows: Table
    """The table of the cash flow."""
    levels: dict[str, float]
    """The outcomes that take no baseline."""
    struck: bool
    """Whether an event struck."""


def _live_plan(
    burnt_in: LoyaltyModel, plan: Plan, groundwork: Groundwork, engine: LocalEngine,
    tables: Collection[str], measures: Collection[str],
) -> _Lived:  # fmt: skip
    """Live a plan to the horizon from a copy of the burnt-in state."""
    model = burnt_in.fork(plan)
    finance = model.config.finance
    _step_until(model, model.config.quarters + 1, engine)
    history = model.history()
    scale = customer_scale(history)
    flows = cash_flow(history, model.records, plan, finance, scale)
    made: dict[str, Callable[[], Table]] = {
        "without_risks": lambda: from_rows(["quarter", "net"], []),
        "measures": lambda: _measure_table(history, finance, scale, measures),
        "cash_flow": lambda: flows,
        "cohort": lambda: _cohort_table(model),
        "switching": lambda: _switching_table(model),
        "levers": lambda: _lever_table(model),
        "rollout": lambda: _rollout_table(model, groundwork.schedules[plan.name]),
        "events": lambda: from_rows(["quarter", "risk"], model.risks.events),
        "decisions": lambda: from_rows(Decision._fields, model.focal_policy.decisions),
        "tiers": lambda: tier_table(model.records, model.config.market, scale),
    }
    lived = _Lived(
        tables={name: make() for name, make in made.items() if name in tables},
        flows=flows,
        levels={
            **_levels(history),
            "clv": focal_lifetime_value(history, finance.gross_margin, finance.quarterly_rate),
        },
        struck=bool(model.risks.events),
    )
    model.release()
    return lived


def _measure_table(
    history: History, finance: Finance, scale: float, names: Collection[str]
) -> Table:
    """Return the table of measures with columns of these names."""
    table = measure_columns(history, scale, names)
    if LIFETIME_VALUE in names:
        table[LIFETIME_VALUE] = present_lifetime_value(
            history, finance.gross_margin, finance.quarterly_rate
        ).ravel()
    return table


def _live_without_risks(
    burnt_in: LoyaltyModel, lived: dict[str, _Lived], engine: LocalEngine
) -> None:
    """Live each plan once more where nothing goes wrong: what events cost is then no guess.

    A plan that no event struck has lived that life already.
    """
    safe = replace(burnt_in.config, risks=replace(burnt_in.config.risks, register=()))
    plans = {plan.name: plan for plan in safe.every_plan.values()}
    for name, life in lived.items():
        flows = life.flows
        if life.struck:
            model = burnt_in.fork(plans[name], safe)
            _step_until(model, safe.quarters + 1, engine)
            history = model.history()
            scale = customer_scale(history)
            flows = cash_flow(history, model.records, model.plan, safe.finance, scale)
            model.release()
        life.tables["without_risks"] = {column: flows[column] for column in ("quarter", "net")}


def drift_warnings(measures: pd.DataFrame, focal: str) -> tuple[str, ...]:
    """Say which of the focal brand's measures still drift at the end of burn-in.

    The change of the mean from the third and fourth to the last two quarters, over all
    replications, counts as drift if it exceeds its tolerance by more than two standard errors.
    """
    chosen = measures[(measures.segment == "all") & (measures.brand == focal)]
    found = []
    for name, tolerance in DRIFT_TOLERANCE.items():
        wide = chosen.pivot_table(name, index="replication", columns="quarter")
        if not {-3, -2, -1, 0} <= set(wide.columns):
            return ()
        change = (wide[0] + wide[-1] - wide[-2] - wide[-3]) / 2
        error = change.std(ddof=1) / len(change) ** 0.5
        if abs(change.mean()) - 2 * error > tolerance:
            found.append(
                f"{name} still moves by {change.mean():+.3f} in half a year at the end of burn-in; "
                "a longer burn_in would settle it"
            )
    return tuple(found)


def _step_until(model: LoyaltyModel, plan_quarter: int, engine: LocalEngine) -> None:
    while model.plan_quarter < plan_quarter:
        if engine.stopping.is_set():
            raise StoppedError
        model.step()


def _first_tasks(config: Config, *, uncertain: bool) -> list[Task]:
    tasks = [Task(world, world) for world in range(config.replications)]
    if not uncertain:
        return tasks
    n_twins = max(config.replications // 4, 2)
    return tasks + [Task(TWIN_WORLDS + index, index) for index in range(n_twins)]


def _more_tasks(config: Config, so_far: StudyResult) -> list[Task]:
    """Return the next batch if the NPV is not yet known closely enough."""
    n = len(so_far.replications)
    if config.precision is None or n >= config.engine.max_replications:
        return []
    widths = (risk_figures.half_width(so_far.values(plan, "npv")) for plan in so_far.plans)
    if max(widths) <= config.precision:
        return []
    batch = min(max(config.replications // 2, 2), config.engine.max_replications - n)
    return [Task(world, world) for world in range(n, n + batch)]


def _check_names(plans: Sequence[Plan], baseline: Plan) -> None:
    names = [plan.name for plan in plans]
    for plan in plans:
        if names.count(plan.name) > 1:
            raise ConfigError("named twice", key="plans", value=plan.name, allowed="each plan once")
        if plan.name == baseline.name and plan != baseline:
            raise ConfigError(
                "has the baseline's name but is another plan", key="plan", value=plan.name,
                allowed="a name of its own",
            )  # fmt: skip


def level_outcome(name: str, values: F64, quarters: NDArray[Any]) -> float:
    """Return a level outcome: the mean over the horizon's last year; annual churn at its end.

    Parameters
    ----------
    name
        One of LEVELS.
    values
        Its measure by quarter, shape (n_quarters,); quarters where it does not exist are left out.
    quarters
        Of the plan's clock, in order, shape (n_quarters,).
    """
    if name == "churn_annual":
        return float(values[-1])
    return _mean_known(values[quarters > max(quarters[-1] - QUARTERS_PER_YEAR, 0)])


def _levels(history: History) -> dict[str, float]:
    """Return each level outcome of the focal brand in the whole market."""
    return {
        name: level_outcome(name, MEASURES[measure](history)[:, -1, 0], history.quarters)
        for name, measure in LEVELS.items()
    }


def money_outcomes(flows: Table, base: Table, rate: float) -> dict[str, float]:
    """Return the money outcomes of a plan against the baseline; NaN where one does not exist."""
    net = flows["net"] - base["net"]
    spend = -float(np.array([flows[name] - base[name] for name in SPEND]).sum())
    margin = float(net.sum()) + spend
    found = {
        "npv": returns.npv(net, rate),
        "roi": returns.roi(margin, spend),
        "irr": returns.irr(net),
        "payback_quarter": returns.payback_quarter(net, rate),
        "spend": spend,
        "incremental_margin": margin,
    }
    return {name: np.nan if value is None else value for name, value in found.items()}


def _cohort_table(model: LoyaltyModel) -> Table:
    """Return buyers by (quarter of first focal purchase, quarters since), simulated customers."""
    counts = np.array([record.cohort for record in model.records])
    quarters = np.array([record.quarter for record in model.records])
    first, now = np.triu_indices(len(quarters))
    return {
        "first_quarter": quarters[first],
        "age": quarters[now] - quarters[first],
        "buyers": counts[now, first],
    }


def _lever_table(model: LoyaltyModel) -> Table:
    """Return spend, readiness and strength of each lever by quarter and segment."""
    segments = [segment.name for segment in model.config.market.segments]
    rows = [
        (quarter, lever, given.spend[lever], given.strength[lever])
        for quarter, given in model.delivered.items()
        for lever in given.ready
    ]
    by_lever = from_rows(["quarter", "lever", "spend", "strength"], rows)
    quarter, lever, spend, strength = (
        np.repeat(column, len(segments)) for column in by_lever.values()
    )
    ready = [given.ready[lever] for given in model.delivered.values() for lever in given.ready]
    return {
        "quarter": quarter,
        "lever": lever,
        "segment": np.tile(segments, len(rows)),
        "spend": spend,
        "ready": np.ravel(ready),
        "strength": strength,
    }


def _rollout_table(model: LoyaltyModel, planned: Sequence[Work]) -> Table:
    """Return each task and wave that was begun or planned: weeks planned and weeks lived."""
    begun = model.focal_policy.programme.rollout.log
    as_planned = {work[:3]: (work.start, work.finish) for work in planned}
    as_lived = {work[:3]: (work.start, work.finish) for work in begun}
    never = (np.nan, np.nan)
    rows = [
        (*item, *as_planned.get(item, never), *as_lived.get(item, never))
        for item in sorted(as_planned.keys() | as_lived.keys())
    ]
    names = ["lever", "item", "kind", "planned_start", "planned_finish", "start", "finish"]
    return from_rows(names, rows)


def _switching_table(model: LoyaltyModel) -> Table:
    """Return purchases of the plan's quarters by (last brand, present brand)."""
    names = [brand.name for brand in model.config.market.brands]
    lived = [record.switching[-1] for record in model.records if record.quarter >= 1]
    return {
        "from_brand": np.tile(names, len(names)),
        "to_brand": np.repeat(names, len(names)),
        "purchases": np.sum(lived, axis=0).T.ravel(),
    }


def _same(table: Table, other: Table, columns: Iterable[str]) -> bool:
    """Return whether columns of numbers are the same, to the bit."""
    return all(np.array_equal(table[name], other[name], equal_nan=True) for name in columns)


def _mean_known(values: F64) -> float:
    """Return the mean of the values that exist, NaN if none does."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _mean(values: F64) -> float | None:
    """Return the mean, or None if the value does not exist in every replication."""
    return None if np.isnan(values).any() else float(values.mean())
