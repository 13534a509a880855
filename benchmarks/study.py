"""A paired study end to end, as `make demo` runs it: `python -m benchmarks study [OVERRIDE ...]`.

Overrides are those of `fidelio run`. A small study of the same market goes first: its time is that
of compiling, or of loading what was compiled before. Peak memory is that of the whole process.
"""

from __future__ import annotations

import resource
import sys
import time

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.results import machine, write
from sim.config.load import load
from sim.config.study import Config
from sim.study import StudyResult, run_study

SCENARIO = "retail_three_phase"
LIMIT_SECONDS = 60.0


def warm_up(overrides: list[str]) -> float:
    """Run a small study of the same market and return its seconds."""
    began = time.perf_counter()
    run_study(load(SCENARIO, [*overrides, "customers=1000", "replications=2"]))
    return time.perf_counter() - began


def run(config: Config, console: Console) -> StudyResult:
    """Run the study under a progress bar."""
    with Progress(console=console) as bar:
        task = bar.add_task("replications")
        return run_study(config, lambda done, total: bar.update(task, completed=done, total=total))


def peak_bytes() -> int:
    """Return the largest resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def figures(config: Config, result: StudyResult) -> dict[str, float]:
    """Return what was run and what it took."""
    runs = len(result.replications) + len(result.twins)
    plans = len({*result.plans, result.baseline})
    lived = runs * (config.burn_in + plans * config.quarters) * config.customers
    return {
        "customers": config.customers,
        "brands": len(config.market.brands),
        "replications": len(result.replications),
        "twins": len(result.twins),
        "quarters": config.burn_in + config.quarters,
        "seconds": result.seconds,
        "seconds_per_replication": result.seconds / runs,
        "ns_per_customer_quarter": result.seconds / lived * 1e9,
        "peak_memory_bytes": peak_bytes(),
    }


def main(overrides: list[str]) -> int:
    """Run, print and write; 1 if the study was cut short or, at its default size, took too long."""
    console = Console()
    config = load(SCENARIO, overrides)
    first = warm_up(overrides)
    result = run(config, console)
    found = {"seconds_of_first_small_study": first, **figures(config, result)}
    table = Table(title=f"Paired study: {config.scenario} {' '.join(overrides)}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in found.items():
        table.add_row(name.replace("_", " "), f"{value:,.2f}".removesuffix(".00"))
    console.print(table)
    met = result.seconds < LIMIT_SECONDS and not result.interrupted
    if not overrides:
        verdict = "[green]met[/green]" if met else "[red]NOT met[/red]"
        console.print(f"Target: under {LIMIT_SECONDS:.0f} s after compilation: {verdict}.")
    if result.interrupted:
        console.print("[red]Cut short: the figures are of what was finished.[/red]")
    path = write(
        "study",
        {
            "machine": machine(),
            "overrides": overrides,
            "threads": config.engine.threads or machine()["cores"],
            **found,
            "interrupted": result.interrupted,
            "limit_seconds": LIMIT_SECONDS,
            "met": None if overrides else met,
        },
    )
    console.print(f"Written: {path}")
    return int(result.interrupted or not (met or bool(overrides)))
