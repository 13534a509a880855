"""Which way to use two threads: `python -m benchmarks threads`.

Two replications of the default study's market are lived in two ways: a thread takes one each, or
both threads share one after the other. The faster way at each number of customers is what the rule
in `sim.engines.local` has to choose, unless memory forbids it: one each needs two populations at a
time. Each way at each size has a process of its own and is timed three times; the best counts.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.apart import apart, peak_bytes
from benchmarks.results import machine, write
from sim.config.load import load
from sim.engines.local import CUSTOMERS_TO_SHARE, LocalEngine
from sim.study import Groundwork, Task, run_replication

SIZES = (2_000, 20_000, 100_000, 200_000, 500_000, 1_000_000)
THREADS = 2
REPEATS = 3
WIDTH = 110
NEAR = 1.05
"""Ways that differ by less are equally fast: sharing then wins, which needs less memory."""


class Way(NamedTuple):
    """What two replications cost one way."""

    seconds: float
    peak_bytes: int


def measure(customers: int, shared: bool) -> Way:
    """Live two replications in this process."""
    config = load("retail_three_phase", [f"customers={customers}", "engine.progress=false"])
    groundwork = Groundwork(config)
    engine = LocalEngine(THREADS, customers)
    engine.task_threads = 1 if shared else THREADS
    engine.threads_per_task = THREADS if shared else 1

    def seconds(first: int) -> float:
        tasks = [Task(world, world) for world in range(first, first + THREADS)]
        began = time.perf_counter()
        for _ in engine.run(lambda task: run_replication(groundwork, task, engine), tasks):
            pass
        return time.perf_counter() - began

    run_replication(Groundwork(load("retail_three_phase", ["customers=500"])), Task(0, 0), engine)
    return Way(min(seconds(THREADS * repeat) for repeat in range(REPEATS)), peak_bytes())


def main(arguments: list[str]) -> int:
    """Measure, print and write; 1 if the rule chooses the slower way where both fit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks threads", description=__doc__)
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="customers at most")
    largest = parser.parse_args(arguments).largest
    console = Console(width=max(Console().width, WIDTH))
    table = Table(title=f"Two replications on {THREADS} threads")
    for heading in ("customers", "one each, s", "shared, s", "shared / one each", "one each, GiB",
                    "shared, GiB", "faster", "the rule"):  # fmt: skip
        table.add_column(heading, justify="right")
    rows = []
    for customers in (size for size in SIZES if size <= largest):
        console.print(f"{customers:,} customers ...")
        each, shared = (apart(measure, customers, way) for way in (False, True))
        ratio = shared.seconds / each.seconds
        best = "either" if 1 / NEAR < ratio < NEAR else "shared" if ratio < 1 else "one each"
        rule = "shared" if customers >= CUSTOMERS_TO_SHARE else "one each"
        table.add_row(
            f"{customers:,}", f"{each.seconds:.2f}", f"{shared.seconds:.2f}", f"{ratio:.2f}",
            f"{each.peak_bytes / 2**30:.2f}", f"{shared.peak_bytes / 2**30:.2f}", best, rule,
        )  # fmt: skip
        rows.append(
            {
                "customers": customers,
                "one_each": each._asdict(),
                "shared": shared._asdict(),
                "faster": best,
                "rule": rule,
            }
        )
    console.print(table)
    met = all(row["faster"] in ("either", row["rule"]) for row in rows)
    console.print("The rule chooses the faster way: " + ("yes" if met else "[red]NOT always[/red]"))
    console.print(f"Written: {write('threads', {'machine': machine(), 'rows': rows, 'met': met})}")
    return 0 if met else 1
