"""The same small model by four hands, in one run: `python -m benchmarks peers`.

Every peer computes the model of `minimal.py`, on a number of customers that suits it, with random
numbers of its own. The run fails if they do not describe the same market. Compilation and the
making of customers are outside the clock. Each peer runs three times, in turns so that a busy
moment of the machine hits all, on other customers each time; the best time counts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from rich.console import Console
from rich.table import Table

from benchmarks import mesa_objects, numpy_arrays, ours
from benchmarks.minimal import PARAMETERS, QUARTERS, Outcome, Peer, disagreements
from benchmarks.results import machine, write

TARGET = 150
REPEATS = 3
WIDTH = 110

Run = Callable[[int], Outcome]


def make_peers(scale: float) -> list[tuple[Peer, Run]]:
    """Return the peers, each with what runs it on a seed."""

    def customers(n: int) -> int:
        return max(int(n * scale), 500)

    few, more, many = customers(5_000), customers(150_000), customers(400_000)
    lists, arrays = mesa_objects.ListCustomer, mesa_objects.ArrayCustomer
    return [
        (Peer("Mesa, lists", few, 1), partial(mesa_objects.run, lists, few)),
        (Peer("Mesa, arrays", few, 1), partial(mesa_objects.run, arrays, few)),
        (Peer("NumPy", more, 1), partial(numpy_arrays.run, more)),
        (Peer("Fidelio", many, 1), partial(ours.run, many, 1)),
        (Peer("Fidelio", many, 2), partial(ours.run, many, 2)),
    ]


def measure(pairs: list[tuple[Peer, Run]], console: Console) -> None:
    """Run every peer three times, after one small run of ours that compiles."""
    console.print("compiling ...")
    ours.run(1_000, 1, seed=0)
    for repeat in range(1, REPEATS + 1):
        for index, (peer, run) in enumerate(pairs):
            console.print(f"repeat {repeat} of {REPEATS}: {peer.name}, {peer.threads} threads")
            peer.runs.append(run(repeat * 100 + index))


STYLES = {"lists": "Mesa, lists", "arrays": "Mesa, arrays"}
"""How a customer object keeps its states per brand. NumPy arrays are what most write, since brands
are vectors; lists of five floats are about four times faster, since a NumPy call costs a
microsecond. Each has its ratio, and the target counts as met only for the style it is met for."""


def mesa_seconds(peers: list[Peer], style: str) -> float:
    """Return the time per purchase of a style of Mesa customer."""
    [mesa] = [peer for peer in peers if peer.name == STYLES[style]]
    return float(mesa.seconds_per_purchase)


def rows(peers: list[Peer]) -> list[dict[str, float | int | str]]:
    """Return a row per peer."""
    return [
        {
            "peer": peer.name,
            "customers": peer.customers,
            "threads": peer.threads,
            "ns_per_purchase": float(peer.seconds_per_purchase * 1e9),
            "ns_per_customer_quarter": peer.seconds_per_customer_quarter * 1e9,
            **{
                f"ratio_to_mesa_{style}": mesa_seconds(peers, style) / peer.seconds_per_purchase
                for style in STYLES
            },
            "seconds": [run.seconds for run in peer.runs],
        }
        for peer in peers
    ]


def table(found: list[dict[str, float | int | str]]) -> Table:
    """Return the rows for people."""
    result = Table(
        title=f"Minimal model: {PARAMETERS.n_brands} brands, {QUARTERS} quarters, best of {REPEATS}"
    )
    ratios = [f"times {name}" for name in STYLES.values()]
    for heading in ("peer", "customers", "threads", "ns/purchase", "ns/quarter", *ratios):
        result.add_column(heading, justify="left" if heading == "peer" else "right", no_wrap=True)
    for row in found:
        result.add_row(
            str(row["peer"]),
            f"{row['customers']:,}",
            str(row["threads"]),
            f"{row['ns_per_purchase']:,.0f}",
            f"{row['ns_per_customer_quarter']:,.0f}",
            *(f"{row[f'ratio_to_mesa_{style}']:,.1f}" for style in STYLES),
        )
    return result


def main(arguments: list[str]) -> int:
    """Measure, check that all peers agree, print and write; 1 if they do not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all customer numbers")
    scale = parser.parse_args(arguments).scale
    console = Console(width=max(Console().width, WIDTH))
    pairs = make_peers(scale)
    measure(pairs, console)
    peers = [peer for peer, _ in pairs]
    found = rows(peers)
    console.print(table(found))
    console.print("ns/quarter: per customer and quarter.")
    problems = disagreements(peers)
    for line in problems:
        console.print(f"[red]not the same model:[/red] {line}")
    if not problems:
        console.print("All peers give the same shares, purchases, value and habit within chance.")
    reached = {style: float(found[-1][f"ratio_to_mesa_{style}"]) for style in STYLES}
    for style, ratio in reached.items():
        met = "[green]met[/green]" if ratio >= TARGET else "[red]NOT met[/red]"
        console.print(
            f"Target: at least {TARGET} times {STYLES[style]} on two threads: {ratio:,.0f}, {met}."
        )
    path = write(
        "peers",
        {
            "machine": machine(),
            "quarters": QUARTERS,
            "repeats": REPEATS,
            "peers": found,
            "target": TARGET,
            "reached": reached,
            "met": {style: ratio >= TARGET for style, ratio in reached.items()},
            "disagreements": problems,
        },
    )
    console.print(f"Written: {path}")
    return 1 if problems else 0
