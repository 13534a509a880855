"""Time and memory by number of customers and brands: `python -m benchmarks scale`.

The full model with every mechanism at work: word of mouth, club, warnings and save offers, risks,
rivals that act, service desk. Customers buy as often as those of the minimal model. Each size has a
process of its own. It burns a market in, and takes copies of it through the same quarters of a plan
as a paired study does; memory is therefore that of a replication: the burnt-in state and one copy.
Burn-in and the plan's first quarters run on all cores and outside the clock. The best of the copies
counts. A quarter is a whole one: `LoyaltyModel.step`, with levers, desk and measures' sums.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks import ours_minimal
from benchmarks.apart import apart, peak_bytes, resident_bytes
from benchmarks.minimal import PARAMETERS, QUARTERS
from benchmarks.results import machine, write
from sim.config.load import load
from sim.config.study import Config
from sim.kernels import layout as at
from sim.model import LoyaltyModel

BRANDS = 5
DECADES = (1_000, 10_000, 100_000)
LARGEST = 10_000_000
BRAND_COUNTS = (2, 4, 8, 16)
REFERENCE = 100_000
"""Customers of the time per customer-quarter that the largest size is held against."""
SHARED = 1_000_000
"""Customers of the comparison with two threads and with the minimal model."""

BURN_IN = 4
FIRST = 5
"""Quarter of the plan where the clock starts: club and offers are at work."""
TIMED = 4
REPEATS = 3
REPEATS_OF_FEW = 12
"""Where a repeat takes less than a second, a busy moment of the machine spoils more of them."""
FEW = 2_000

LIMIT_GROWTH = 1.25
LIMIT_MEMORY = 6 * 2**30
LIMIT_TO_MINIMAL = 3.0
LIMIT_SPEED_UP = 1.8

PLAN = Path(__file__).with_name("every_mechanism.yaml")
OVERRIDES = (
    f"plan={PLAN}",
    "rivals=mixed",
    "risks=retail",
    "organisation=unlimited",
    "lever.save_offer.save_offer.capacity=0.5",  # so that offers are left for the yellow ones
    f"burn_in={BURN_IN}",
)
RATE_MEAN = 3.6
"""Newcomers' purchases per quarter at which the whole market, whose customers drift, leave and are
replaced, buys as often as the minimal model's; the table shows both."""
RATE = (f"market.rate.shape={PARAMETERS.rate_shape}", f"market.rate.mean={RATE_MEAN}")


class Size(NamedTuple):
    """What is measured in one process."""

    customers: int
    brands: int
    threads: tuple[int, ...] = (1,)
    repeats: int = REPEATS

    def __str__(self) -> str:
        threads = " and ".join(map(str, self.threads))
        return f"{self.customers:,} customers, {self.brands} brands, threads: {threads}"


class Row(NamedTuple):
    """What a quarter of a market costs."""

    customers: int
    brands: int
    threads: int
    ns_per_customer_quarter: float
    purchases_per_customer_quarter: float
    array_bytes_per_customer: float
    """Columns of the customers."""
    resident_bytes_per_customer: float
    """What the process grew by when the market was made and burnt in."""
    peak_bytes: int
    """Largest resident memory of the process, with the burnt-in state and one copy."""


def market(customers: int, brands: int) -> Config:
    """Return the market with any number of brands: rivals are cut, or the last one is copied."""
    config = load("retail_three_phase", [*OVERRIDES, *RATE])
    known = config.market.brands
    more = [replace(known[-1], name=f"rival_{b}") for b in range(len(known), brands)]
    kept = (*known[:brands], *more)
    names = {brand.name for brand in kept}
    moves = {name: rival for name, rival in config.rivals.brands.items() if name in names}
    return replace(
        config,
        customers=customers,
        market=replace(config.market, brands=kept),
        rivals=replace(config.rivals, brands=moves),
    )


def timed_quarters(burnt_in: LoyaltyModel, threads: int) -> tuple[float, float]:
    """Take a copy through the plan and return seconds and purchases of the timed quarters."""
    model = burnt_in.fork(burnt_in.config.plan)
    while model.plan_quarter < FIRST:
        model.step()
    with ThreadPoolExecutor(threads) as own:
        list(own.map(abs, range(threads)))  # threads are started before the clock
        model.mapper = own.map if threads > 1 else map
        began = time.perf_counter()
        for _ in range(TIMED):
            model.step()
        seconds = time.perf_counter() - began
    bought = sum(record.flow[-1, :, at.PURCHASES].sum() for record in model.records[-TIMED:])
    model.release()
    return seconds, float(bought)


def burnt_in(size: Size, pool: ThreadPoolExecutor) -> LoyaltyModel:
    """Return a market as a plan finds it."""
    config = market(size.customers, size.brands)
    return LoyaltyModel(config, collect=False, mapper=pool.map).burn_in()


def measure(size: Size) -> list[Row]:
    """Measure in this process: a row for each number of threads."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        few = burnt_in(size._replace(customers=FEW), pool)
        timed_quarters(few, 1)  # all is compiled, and paid for what is not per customer
        before = resident_bytes()
        model = burnt_in(size, pool)
        resident = resident_bytes() - before
        taken = [
            (threads, *timed_quarters(model, threads))
            for _ in range(size.repeats)
            for threads in size.threads
        ]
    lived = size.customers * TIMED
    return [
        Row(
            size.customers,
            size.brands,
            threads,
            min(seconds for t, seconds, _ in taken if t == threads) / lived * 1e9,
            taken[0][2] / lived,
            model.population.nbytes / size.customers,
            resident / size.customers,
            peak_bytes(),
        )
        for threads in size.threads
    ]


def measure_minimal(customers: int) -> dict[str, Any]:
    """Measure the minimal model in this process, on one thread."""
    run = ours_minimal.run
    run(FEW, 1, 0)
    runs = [run(customers, 1, seed) for seed in range(1, REPEATS + 1)]
    best = min(runs, key=lambda outcome: outcome.seconds)
    return {
        "kernel": "benchmarks.ours_minimal",
        "customers": customers,
        "ns_per_customer_quarter": best.seconds / (customers * QUARTERS) * 1e9,
        "purchases_per_customer_quarter": float(best.purchases.sum()) / (customers * QUARTERS),
    }


def sizes(largest: int) -> list[Size]:
    """Return what to measure."""
    last = [Size(largest, BRANDS, repeats=1)] if largest > SHARED else []
    return [
        *(Size(n, BRANDS, repeats=REPEATS_OF_FEW) for n in DECADES),
        *(Size(REFERENCE, brands, repeats=REPEATS_OF_FEW) for brands in BRAND_COUNTS),
        Size(SHARED, BRANDS, threads=(1, 2), repeats=2 * REPEATS),
        *last,
    ]


def table(rows: list[Row]) -> Table:
    """Return the rows for people."""
    made = Table(title="A quarter of the full model, every mechanism at work")
    for heading in (
        "customers", "brands", "threads", "ns/quarter", "purchases", "ns/purchase",
        "arrays B", "resident B", "peak MiB",
    ):  # fmt: skip
        made.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        ns, bought = row.ns_per_customer_quarter, row.purchases_per_customer_quarter
        made.add_row(
            f"{row.customers:,}", str(row.brands), str(row.threads), f"{ns:,.0f}", f"{bought:.2f}",
            f"{ns / bought:,.0f}", f"{row.array_bytes_per_customer:.0f}",
            f"{row.resident_bytes_per_customer:.0f}", f"{row.peak_bytes / 2**20:,.0f}",
        )  # fmt: skip
    return made


def targets(
    rows: list[Row], minimal: dict[str, Any], largest: int
) -> dict[str, tuple[float, bool]]:
    """Return what is asked for, with what was reached and whether that is enough."""
    time_of = {(r.customers, r.brands, r.threads): r.ns_per_customer_quarter for r in rows}
    growth = time_of[largest, BRANDS, 1] / time_of[REFERENCE, BRANDS, 1]
    peak = max(r.peak_bytes for r in rows if r.customers == largest)
    full = time_of[SHARED, BRANDS, 1]
    to_minimal = full / minimal["ns_per_customer_quarter"]
    speed_up = full / time_of[SHARED, BRANDS, 2]
    return {
        f"{largest:,} customers at most {LIMIT_GROWTH} times the time per customer-quarter of "
        f"{REFERENCE:,}": (growth, growth <= LIMIT_GROWTH),
        f"{largest:,} customers in under {LIMIT_MEMORY / 2**30:.0f} GiB": (
            peak / 2**30, peak < LIMIT_MEMORY,
        ),
        f"full model at most {LIMIT_TO_MINIMAL:.0f} times the minimal one per customer-quarter": (
            to_minimal, to_minimal <= LIMIT_TO_MINIMAL,
        ),
        f"two threads at least {LIMIT_SPEED_UP} times as fast at {SHARED:,}": (
            speed_up, speed_up >= LIMIT_SPEED_UP,
        ),
    }  # fmt: skip


def main(arguments: list[str]) -> int:
    """Measure, print and write; 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument(
        "--largest", type=int, default=LARGEST, help=f"most customers, {SHARED:,} or more"
    )
    largest = parser.parse_args(arguments).largest
    if largest < SHARED:
        parser.error(f"--largest must be {SHARED:,} or more")
    console = Console(width=max(Console().width, 110))
    rows: list[Row] = []
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("")
        for size in sizes(largest):
            bar.update(task, description=str(size))
            rows += apart(measure, size)
        bar.update(task, description="the minimal model")
        minimal = apart(measure_minimal, SHARED)
    rows.sort()
    console.print(table(rows))
    console.print(
        "ns/quarter: per customer and quarter. arrays, resident: bytes per customer, counted in "
        "the columns and as growth of the process. peak: burnt-in state and one copy."
    )
    console.print(
        f"Minimal model ({minimal['kernel']}): {minimal['ns_per_customer_quarter']:,.0f} "
        f"ns/quarter at {minimal['purchases_per_customer_quarter']:.2f} purchases."
    )
    reached = targets(rows, minimal, largest)
    for name, (value, met) in reached.items():
        verdict = "[green]met[/green]" if met else "[red]NOT met[/red]"
        console.print(f"Target: {name}: {value:.2f}, {verdict}.")
    path = write(
        "scale",
        {
            "machine": machine(),
            "timed_quarters": TIMED,
            "repeats": REPEATS,
            "sizes": [row._asdict() for row in rows],
            "minimal": minimal,
            "targets": {
                name: {"reached": value, "met": met} for name, (value, met) in reached.items()
            },
        },
    )
    console.print(f"Written: {path}")
    return int(not all(met for _, met in reached.values()))
