"""Bytes per customer and per customer x brand: `python -m benchmarks memory`.

Counted from the table of columns, from the arrays, and measured as what the process grows by in
resident memory when a population of 10^6 is made and lives through a quarter. Growth at two numbers
of brands parts what a customer costs from what a customer x brand costs. Each measurement has a
process of its own, whose compilation is done before it begins.
"""

from __future__ import annotations

import argparse
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.apart import apart, resident_bytes
from benchmarks.ours import Quarters, draw_population, minimal_market, plain_offer
from benchmarks.results import machine, write
from sim.config.market import Market
from sim.population import bytes_per_customer

LIMIT_CUSTOMER = 64
LIMIT_BRAND = 32
FEW_BRANDS = 5
MANY_BRANDS = 15


class Growth(NamedTuple):
    """What a population costs, in bytes per customer."""

    arrays: float
    traced: float
    resident: float


def market_of(n_brands: int) -> Market:
    """Return a market with any number of brands."""
    market = minimal_market()
    brands = tuple(replace(market.brands[0], name=f"brand {b}") for b in range(n_brands))
    return replace(market, brands=brands)


def live(n_customers: int, n_brands: int) -> Quarters:
    """Make a population and take it through a quarter on two threads."""
    market = market_of(n_brands)
    population, traits = draw_population(market, n_customers, seed=1)
    quarters = Quarters(population, traits, plain_offer(market), seed=1)
    with ThreadPoolExecutor(2) as pool:
        quarters.live(0, pool)
    return quarters


def measure(n_customers: int, n_brands: int) -> Growth:
    """Measure in this process; the first, small population pays for what is not per customer."""
    live(20_000, n_brands)
    before = resident_bytes()
    quarters = live(n_customers, n_brands)
    resident = resident_bytes() - before
    arrays = quarters.population.nbytes
    del quarters
    tracemalloc.start()
    quarters = live(n_customers, n_brands)
    traced, _ = tracemalloc.get_traced_memory()
    del quarters
    return Growth(arrays / n_customers, traced / n_customers, resident / n_customers)


def parts(few: float, many: float) -> tuple[float, float]:
    """Return bytes per customer and per customer x brand, from two totals per customer."""
    per_brand = (many - few) / (MANY_BRANDS - FEW_BRANDS)
    return few - FEW_BRANDS * per_brand, per_brand


def main(arguments: list[str]) -> int:
    """Measure, print and write; 1 if a limit is passed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    n_customers = parser.parse_args(arguments).customers
    console = Console()
    few = apart(measure, n_customers, FEW_BRANDS)
    many = apart(measure, n_customers, MANY_BRANDS)
    found: dict[str, tuple[float, float]] = {"table of columns": bytes_per_customer()}
    for name in Growth._fields:
        found[name] = parts(getattr(few, name), getattr(many, name))
    table = Table(title=f"Memory, {n_customers:,} customers")
    for heading in ("counted by", "per customer", "per customer x brand", "customer of 5 brands"):
        table.add_column(heading, justify="left" if heading == "counted by" else "right")
    for name, (customer, brand) in found.items():
        table.add_row(name, f"{customer:.1f}", f"{brand:.1f}", f"{customer + 5 * brand:.1f}")
    total = LIMIT_CUSTOMER + 5 * LIMIT_BRAND
    table.add_row("limit", str(LIMIT_CUSTOMER), str(LIMIT_BRAND), str(total))
    console.print(table)
    console.print(
        "arrays: nbytes of the population; traced: tracemalloc, with the opinions being written; "
        "resident: growth of the process over a quarter."
    )
    # Resident memory comes in pages and arenas: half a byte is below what it can tell.
    met = all(c <= LIMIT_CUSTOMER + 0.5 and b <= LIMIT_BRAND + 0.5 for c, b in found.values())
    console.print("Limit: [green]kept[/green]" if met else "Limit: [red]PASSED[/red]")
    keys = ("bytes_per_customer", "bytes_per_customer_and_brand")
    path = write(
        "memory",
        {
            "machine": machine(),
            "customers": n_customers,
            "measured": {name: dict(zip(keys, two, strict=True)) for name, two in found.items()},
            "limit": dict(zip(keys, (LIMIT_CUSTOMER, LIMIT_BRAND), strict=True)),
            "met": met,
        },
    )
    console.print(f"Written: {path}")
    return 0 if met else 1
