"""What common random numbers are worth: `python -m benchmarks variance [OVERRIDE ...]`.

A study lives plan and baseline in the same worlds, so that their difference is that of the plan and
not of luck. Its variance over worlds is set against that of a plan in one world and the baseline in
another, independent one: the factor by which such worlds would have to be more for an interval as
narrow [Law 2015, ch. 11]. Three cases:

- chance only: every world has the same parameters; the variance of the independent difference is
  Var NPV_plan + Var NPV_baseline
- drawn, shared: each world draws the uncertain parameters, as in a study; the baseline lives in
  another world under the same draw
- drawn, not shared: the baseline's world has a draw of its own; the sum of variances again

Common random numbers take out chance. What the parameters' draw does to the difference they leave,
so that the second ratio is small where a plan's effect is uncertain; the target is for the first.
Pairs also share their burn-in, so that at equal customer-quarters the ratio is larger: last column.
Intervals: bootstrap over worlds, percentiles.

Overrides are those of `fidelio run`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.results import machine, write
from sim.config.load import load
from sim.config.study import Config
from sim.engines.local import LocalEngine
from sim.finance.returns import npv
from sim.study import Replication, Task, run_replication

SCENARIO = "retail_three_phase"
PLANS = ("three_phase", "service_first", "promotion_once", "save_leavers")
"""The default study's plan first; then smaller or shorter changes."""
TARGET = 30.0
RESAMPLES = 4_000
SEED = 1
CHANCE, SHARED, NOT_SHARED = "chance only", "drawn, shared", "drawn, not shared"
ELSEWHERE = 1 << 20
"""Worlds that are independent of a study's are numbered from here."""

Worlds = NDArray[np.float64]
"""NPV of a plan's own cash by world, shape (n,), in currency."""


class Worth(NamedTuple):
    """What common random numbers are worth for one plan."""

    plan: str
    case: str
    sd_paired: float
    sd_independent: float
    ratio: float
    low: float
    high: float
    ratio_at_equal_work: float


def live(config: Config, tasks: list[Task], console: Console, title: str) -> list[Replication]:
    """Live worlds and return them in their order."""
    engine = LocalEngine(config.engine.threads, config.customers)

    def work(task: Task) -> Replication:
        return run_replication(config, task, engine)

    with Progress(console=console, transient=True) as bar:
        lived = bar.track(engine.run(work, tasks), total=len(tasks), description=title)
        return sorted(lived, key=lambda replication: replication.task.world)


def present_values(replications: list[Replication], plan: str, rate: float) -> Worlds:
    """Return the NPV of all of a plan's cash, in each world."""
    return np.array([npv(r.plans[plan].cash_flow["net"].to_numpy(), rate) for r in replications])


def independent_variance(own: Worlds, baseline: Worlds, elsewhere: Worlds | None) -> Worlds:
    """Return the variance of the difference without common random numbers, over the last axis.

    `elsewhere` is the baseline under the plan's parameters in other worlds; without it, nothing is
    shared and variances add up.
    """
    if elsewhere is None:
        return np.asarray(own.var(axis=-1, ddof=1) + baseline.var(axis=-1, ddof=1))
    return np.asarray((own - elsewhere).var(axis=-1, ddof=1))


def ratios(own: Worlds, baseline: Worlds, elsewhere: Worlds | None = None) -> Worlds:
    """Return the ratio of variances; arrays of shape (..., n) give (...)."""
    apart = independent_variance(own, baseline, elsewhere)
    together = (own - baseline).var(axis=-1, ddof=1)
    some = together > 0
    return np.where(some, apart / np.where(some, together, 1.0), np.inf)


def worth(
    plan: str,
    case: str,
    values: tuple[Worlds, Worlds, Worlds | None],
    shared_work: float,
) -> Worth:
    """Return what common random numbers are worth, with a 95% interval of the ratio.

    `values` are those of plan, baseline and, if it shares the plan's parameters, of the baseline in
    other worlds; `shared_work` is the work of two worlds over that of a pair.
    """
    own, baseline, elsewhere = values
    n = len(own)
    drawn = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    again = None if elsewhere is None else elsewhere[drawn]
    low, high = np.quantile(ratios(own[drawn], baseline[drawn], again), (0.025, 0.975))
    ratio = float(ratios(*values))
    return Worth(
        plan,
        case,
        float((own - baseline).std(ddof=1)),
        float(np.sqrt(independent_variance(*values))),
        ratio,
        float(low),
        float(high),
        ratio * shared_work,
    )


def measure(config: Config, console: Console) -> list[Worth]:
    """Live the worlds of all cases and return a row per plan and case."""
    rate, n = config.finance.quarterly_rate, config.replications
    alone = replace(config, plans=(config.baseline,))
    fixed = live(config, [Task(world, 0) for world in range(n)], console, CHANCE)
    drawn = live(config, [Task(world, world) for world in range(n)], console, SHARED)
    tasks = [Task(ELSEWHERE + world, world) for world in range(n)]
    elsewhere = live(alone, tasks, console, "the baseline elsewhere")

    name = config.baseline.name
    other = present_values(elsewhere, name, rate)
    cases = ((CHANCE, fixed, None), (SHARED, drawn, other), (NOT_SHARED, drawn, None))
    lived = config.burn_in + config.quarters
    shared_work = 2 * lived / (lived + config.quarters)
    return [
        worth(
            plan.name,
            case,
            (present_values(worlds, plan.name, rate), present_values(worlds, name, rate), apart),
            shared_work,
        )
        for case, worlds, apart in cases
        for plan in config.plans
    ]


def table(found: list[Worth], config: Config) -> Table:
    """Return the rows for people."""
    made = Table(
        title=f"NPV of plan less {config.baseline.name}, M {config.market.currency}, "
        f"{config.replications} worlds"
    )
    for heading in ("plan", "parameters", "sd paired", "sd apart", "ratio", "95%", "at equal work"):
        left = heading in {"plan", "parameters"}
        made.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for row in found:
        made.add_row(
            row.plan, row.case, f"{row.sd_paired / 1e6:,.2f}", f"{row.sd_independent / 1e6:,.2f}",
            f"{row.ratio:,.0f}", f"{row.low:,.0f} to {row.high:,.0f}",
            f"{row.ratio_at_equal_work:,.0f}",
        )  # fmt: skip
    return made


def main(overrides: list[str]) -> int:
    """Measure, print and write; 1 if the first plan's ratio, of chance only, misses the target."""
    console = Console(width=max(Console().width, 110))
    plans = f"plans=[{','.join(PLANS)}]"
    config = load(SCENARIO, [plans, *overrides], command="compare")
    found = measure(config, console)
    console.print(table(found, config))
    console.print(
        "sd: standard deviation over worlds; paired: same worlds; apart: independent ones. "
        "ratio: of the variances, for the same number of lives."
    )
    met = {row.case: row.ratio >= TARGET for row in found if row.plan == PLANS[0]}
    for case, reached in met.items():
        verdict = "[green]met[/green]" if reached else "[red]NOT met[/red]"
        console.print(f"At least {TARGET:.0f} for {PLANS[0]}, {case}: {verdict}.")
    path = write("variance", figures(config, overrides, found, met))
    console.print(f"Written: {path}")
    return int(not met[CHANCE])


def figures(
    config: Config, overrides: list[str], found: list[Worth], met: dict[str, bool]
) -> dict[str, Any]:
    """Return what the file holds."""
    return {
        "machine": machine(),
        "overrides": overrides,
        "customers": config.customers,
        "worlds": config.replications,
        "rows": [row._asdict() for row in found],
        "target": TARGET,
        "met": met,
    }
