"""The SimPy parts' share of a replication: `python -m benchmarks processes [OVERRIDE ...]`.

A replication is lived on one thread with timers around its parts; each counts its own time less
that of the parts which it calls. Worlds are lived one after the other; the one that took least time
counts, since the machine disturbed it least. A first world, not counted, pays for compiling. What a
desk's curve costs when no file holds it yet is measured apart: it is simulated once per desk.

Overrides are those of `fidelio run`.
"""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, write
from benchmarks.stopwatch import REPLICATION_GROUPS, REST, SIMPY, Part, Stopwatch
from sim.config.desk import Desk
from sim.config.load import load
from sim.config.study import Config
from sim.engines.local import LocalEngine
from sim.processes.service_desk import LOADS, service_level, waiting_times
from sim.study import Task, run_replication

SCENARIOS = ("retail_three_phase", "vip_programme_2026")
RISKS = "risks=retail"
WORLDS = 5
LIMIT = 0.10


def live(config: Config, world: int) -> Stopwatch:
    """Live a replication on one thread under a stopwatch."""
    watch = Stopwatch()
    engine = LocalEngine(1, config.customers)
    with watch.watching():
        watch.timed(Part(REST, "run_replication"), run_replication)(
            config, Task(world, world), engine
        )
    return watch


def seconds_of_curve(desk: Desk) -> float:
    """Return how long it takes to simulate a desk's curve."""
    waiting_times(desk, 1.0, 10)  # the draws are compiled
    began = time.perf_counter()
    for level_of_work in LOADS:
        service_level(desk, level_of_work)
    return time.perf_counter() - began


def measure(scenario: str, overrides: list[str], console: Console) -> dict[str, Any]:
    """Measure a scenario, print its table and return its figures."""
    config = load(scenario, [RISKS, *overrides])
    live(config, WORLDS)
    watches = [live(config, world) for world in range(WORLDS)]
    best = min(watches, key=lambda watch: watch.total)
    shares = [watch.of(SIMPY) / watch.total for watch in watches]
    curve = seconds_of_curve(config.desk)
    console.print(table(f"{scenario} {RISKS}, {config.customers:,} customers", best))
    console.print(f"SimPy in {WORLDS} worlds: {min(shares):.1%} to {max(shares):.1%}.")
    console.print(f"Once per desk: the curve of '{config.desk.name}', {curve:.1f} s.\n")
    return {
        "customers": config.customers,
        "seconds": best.total,
        "groups": {group: best.of(group) for group in REPLICATION_GROUPS},
        "simpy_parts": {
            part.name: seconds for part, seconds in best.seconds.items() if part.group == SIMPY
        },
        "simpy_share": best.of(SIMPY) / best.total,
        "simpy_shares": shares,
        "seconds_of_first_curve": curve,
    }


def table(title: str, watch: Stopwatch) -> Table:
    """Return the groups' times and shares for people, and the parts of SimPy's."""
    made = Table(title=title)
    for heading in ("part", "ms", "share"):
        made.add_column(heading, justify="left" if heading == "part" else "right", no_wrap=True)

    def add(name: str, seconds: float) -> None:
        made.add_row(name, f"{seconds * 1e3:,.1f}", f"{seconds / watch.total:.1%}")

    for group in REPLICATION_GROUPS:
        add(group, watch.of(group))
        for part, seconds in watch.seconds.items():
            if part.group == group == SIMPY:
                add(f"  {part.name}", seconds)
    made.add_section()
    add("a replication", watch.total)
    return made


def main(overrides: list[str]) -> int:
    """Measure, print and write; 1 if SimPy takes more than its share."""
    console = Console()
    found = {scenario: measure(scenario, overrides, console) for scenario in SCENARIOS}
    met = all(figures["simpy_share"] < LIMIT for figures in found.values())
    verdict = "[green]met[/green]" if met else "[red]NOT met[/red]"
    console.print(f"Target: SimPy takes less than {LIMIT:.0%} of a replication: {verdict}.")
    path = write(
        "processes",
        {
            "machine": machine(),
            "overrides": [RISKS, *overrides],
            "worlds": WORLDS,
            "scenarios": found,
            "limit": LIMIT,
            "met": met,
        },
    )
    console.print(f"Written: {path}")
    return 0 if met else 1
