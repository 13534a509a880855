"""The same small model by many hands, in one run: `python -m benchmarks peers`.

Every peer computes the model of `minimal.py`, on a number of customers that suits it, with random
numbers of its own. The run fails if they do not describe the same market. Compilation and the
making of customers are outside the clock. Each peer runs three times, in turns so that a busy
moment of the machine hits all, on other customers each time; the best time counts. A peer that
cannot run here is listed with the reason.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import history
from benchmarks.c_code import compiler
from benchmarks.minimal import (
    PARAMETERS,
    QUARTERS,
    Outcome,
    Peer,
    Run,
    Unavailable,
    disagreements,
)
from benchmarks.results import machine, write

REPEATS = 3
WIDTH = 112

Live = Callable[[int], Outcome]

ENGINE = "Fidelio, engine"
MINIMAL = "Fidelio, minimal"
OURS = (ENGINE, MINIMAL)
"""The engine is the whole quarter with the other mechanisms off. The minimal one is built from the
same kernels for this model alone, on the data and in the order of the C peers: like for like."""


class Target(NamedTuple):
    """How many times as fast as a peer ours shall be."""

    base: str
    at_least: float
    base_threads: int
    threads: int


VECTOR = "C, vector"
SAME_DATA = (MINIMAL, VECTOR)  # they get the same seeds, and with them the same customers
# A Mesa customer keeps its states per brand in one of two styles. NumPy arrays are what most write,
# since brands are vectors; lists of five floats are about four times faster, since a NumPy call
# costs a microsecond. The target is met only for the style it is met for.
TARGETS = (
    Target("Mesa, arrays", 800.0, 1, 2),
    Target("Mesa, lists", 800.0, 1, 2),
    Target("NumPy", 12.0, 1, 2),
    Target("JAX", 4.0, 1, 1),
    Target("JAX", 4.0, 2, 2),
    Target(VECTOR, 1.0 / 1.3, 1, 1),
    Target(VECTOR, 1.0 / 1.3, 2, 2),
)


class Entry(NamedTuple):
    """A peer to be run: function `function` of a module, with what it takes before the seed."""

    name: str
    customers: int
    threads: int
    module: str
    function: str
    arguments: tuple[Any, ...]


def entries(scale: float) -> list[Entry]:
    """Return all peers, each on a number of customers that takes it a second or two."""

    def customers(n: int) -> int:
        return max(int(n * scale), 500)

    few, some, more, many = (customers(n) for n in (2_000, 5_000, 150_000, 1_000_000))

    def one(name: str, n: int, module: str, *arguments: object) -> list[Entry]:
        return [Entry(name, n, 1, module, "run", (*arguments, n))]

    def one_and_two(name: str, module: str, function: str, *arguments: object) -> list[Entry]:
        return [
            Entry(name, many, threads, module, function, (*arguments, many, threads))
            for threads in (1, 2)
        ]

    return [
        *one("Mesa, arrays", few, "mesa_objects", "ArrayCustomer"),
        *one("Mesa, lists", some, "mesa_objects", "ListCustomer"),
        *one("AgentPy, lists", some, "agentpy_objects"),
        *one("NumPy", more, "numpy_arrays"),
        *one_and_two("JAX", "jax_arrays", "run"),
        Entry("C, scalar", more, 1, "c_code", "run", ("scalar.c", more, 1)),
        *one_and_two(ENGINE, "ours", "run"),
        *one_and_two(MINIMAL, "ours_minimal", "run"),
        *one_and_two(VECTOR, "c_code", "run", "vector.c"),
    ]


def resolve(entry: Entry) -> Live:
    """Return what runs a peer on a seed.

    Raises
    ------
    Unavailable
        A library it needs is not installed, or it does not exist in this version.
    """
    try:
        module = importlib.import_module(f"benchmarks.{entry.module}")
    except ImportError as error:
        name = error.name or str(error)
        raise Unavailable(f"{name} is not installed (pip install 'fidelio[bench]')") from error
    if not hasattr(module, entry.function):
        raise Unavailable(f"benchmarks.{entry.module} has no {entry.function}")
    # A name of something in the module stands for it: that module is imported only here.
    arguments = [getattr(module, a, a) if isinstance(a, str) else a for a in entry.arguments]
    return partial(getattr(module, entry.function), *arguments)


def warm_up(entry: Entry) -> Live:
    """Return what runs a peer, after a small run that compiles and shows whether it runs at all."""
    small = entry._replace(
        arguments=tuple(1_000 if a == entry.customers else a for a in entry.arguments)
    )
    resolve(small)(0)
    return resolve(entry)


def measure(found: list[Entry], console: Console) -> list[Peer]:
    """Run every peer three times, after a warm-up."""
    peers, lives = [], []
    for entry in found:
        peer = Peer(entry.name, entry.customers, entry.threads)
        peers.append(peer)
        console.print(f"warming up: {entry.name}, {entry.threads} threads")
        try:
            lives.append((peer, warm_up(entry)))
        except Unavailable as error:
            peer.missing = str(error)
            console.print(f"[yellow]missing:[/yellow] {entry.name}: {escape(peer.missing)}")
    for repeat in range(1, REPEATS + 1):
        console.print(f"repeat {repeat} of {REPEATS} ...")
        for index, (peer, live) in enumerate(lives):
            own = 0 if peer.name in SAME_DATA else 1 + index
            peer.runs.append(Run.of(live(repeat * 100 + own)))
    return peers


def find(peers: list[Peer], name: str, threads: int) -> Peer | None:
    """Return a peer that has run."""
    for peer in peers:
        if (peer.name, peer.threads) == (name, threads) and not peer.missing:
            return peer
    return None


def times_as_fast(peers: list[Peer], peer: Peer, target: Target) -> float | None:
    """Return how many times as fast a peer is as a target's base; None if the base is missing."""
    base = find(peers, target.base, target.base_threads)
    return base.seconds_per_purchase / peer.seconds_per_purchase if base else None


def ratios_of(peers: list[Peer], peer: Peer) -> dict[str, float | None]:
    """Return a peer's ratios: to what runs on one thread only, and to JAX and C on as many."""
    return {
        target.base: times_as_fast(peers, peer, target)
        for target in TARGETS
        if target.threads == (peer.threads if target.base in {"JAX", VECTOR} else 2)
    }


def rows(peers: list[Peer]) -> list[dict[str, Any]]:
    """Return a row per peer; one that is missing has the reason instead of figures."""
    found: list[dict[str, Any]] = []
    for peer in peers:
        row: dict[str, Any] = {
            "peer": peer.name, "customers": peer.customers, "threads": peer.threads
        }  # fmt: skip
        if peer.missing:
            found.append(row | {"missing": peer.missing})
            continue
        found.append(
            row
            | {
                "ns_per_purchase": peer.seconds_per_purchase * 1e9,
                "ns_per_customer_quarter": peer.seconds_per_customer_quarter * 1e9,
                "times_as_fast_as": ratios_of(peers, peer),
                "seconds": [run.seconds for run in peer.runs],
            }
        )
    return found


def shown(figure: float | None) -> str:
    """Return a time or a ratio for people."""
    if figure is None:
        return "-"
    return f"{figure:,.0f}" if figure >= 100.0 else f"{figure:,.3g}"


def table(found: list[dict[str, Any]]) -> Table:
    """Return the rows for people."""
    bases = [base for base in dict.fromkeys(t.base for t in TARGETS) if base != VECTOR]
    result = Table(
        title=f"Minimal model: {PARAMETERS.n_brands} brands, {QUARTERS} quarters, best of {REPEATS}"
    )
    headings = ["peer", "customers", "threads", "ns per\npurchase"]
    headings += ["times\n" + base.replace(", ", "\n") for base in bases]
    for heading in (*headings, "share of\nthe limit"):
        result.add_column(heading, justify="left" if heading == "peer" else "right", no_wrap=True)
    for row in found:
        start = [row["peer"], f"{row['customers']:,}", str(row["threads"])]
        if "missing" in row:
            result.add_row(*start, "missing")
            continue
        ratios = row["times_as_fast_as"]
        share = ratios[VECTOR]
        result.add_row(
            *start,
            shown(row["ns_per_purchase"]),
            *(shown(ratios[base]) for base in bases),
            "-" if share is None else f"{share:.2%}" if share < 0.1 else f"{share:.0%}",
        )
    return result


class Judgement(NamedTuple):
    """A target, on which row it is judged, and what is reached; None: not judged, for a reason."""

    target: Target
    row: str
    reached: float | None
    reason: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met."""
        return None if self.reached is None else self.reached >= self.target.at_least


def judge(peers: list[Peer]) -> list[Judgement]:
    """Judge every target on our minimal row, or on the engine's where there is no minimal one."""
    found = []
    for target in TARGETS:
        ours = find(peers, MINIMAL, target.threads) or find(peers, ENGINE, target.threads)
        reached = times_as_fast(peers, ours, target) if ours else None
        if ours is None:
            found.append(Judgement(target, MINIMAL, None, "no row of ours has run"))
        elif reached is None:
            found.append(Judgement(target, ours.name, None, f"{target.base} is missing"))
        else:
            found.append(Judgement(target, ours.name, reached))
    return found


def sentence(judgement: Judgement) -> str:
    """Return a judgement for people."""
    target, reached = judgement.target, judgement.reached
    if target.base == VECTOR:
        aim = f"at most {1.0 / target.at_least:.1f} times the time of {target.base}"
        figure = None if reached is None else 1.0 / reached
    else:
        aim = f"at least {target.at_least:.0f} times {target.base}"
        figure = reached
    where = f"{judgement.row}, {target.threads} threads"
    if figure is None:
        return f"Target: {aim} ({where}): [yellow]not judged[/yellow]: {escape(judgement.reason)}"
    met = "[green]met[/green]" if judgement.met else "[red]NOT met[/red]"
    other = ""
    if target.base == VECTOR and judgement.row != MINIMAL:
        other = "; not on the same data and order"
    return f"Target: {aim} ({where}): {figure:,.3g}, {met}{other}"


def recorded(peers: list[Peer]) -> history.Ratios:
    """Return the ratios that the history keeps: ours to each peer."""
    found = {}
    for name in OURS:
        for target in TARGETS:
            ours = find(peers, name, target.threads)
            ratio = times_as_fast(peers, ours, target) if ours else None
            if ratio is not None:
                found[f"{name} / {target.base}, {target.threads} threads"] = ratio
    return found


def main(arguments: list[str]) -> int:
    """Measure, check that all peers agree, print and write; 1 if they do not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all customer numbers")
    parser.add_argument(
        "--record", action="store_true", help="keep the ratios as those of this version"
    )
    options = parser.parse_args(arguments)
    if options.record and options.scale != 1.0:
        parser.error("--record keeps ratios at full scale only")
    console = Console(width=max(Console().width, WIDTH))
    peers = measure(entries(options.scale), console)
    found = rows(peers)
    console.print(table(found))
    console.print(
        f"The limit is {VECTOR}. Mesa and NumPy run on one thread; ratios to JAX and to the limit "
        "are on as many threads as the row."
    )
    for peer in peers:
        if peer.missing:
            console.print(
                f"[yellow]Missing:[/yellow] {peer.name}, {peer.threads} threads: "
                f"{escape(peer.missing)}"
            )
    problems = disagreements([peer for peer in peers if not peer.missing])
    for line in problems:
        console.print(f"[red]not the same model:[/red] {line}")
    if not problems:
        console.print("All peers give the same shares, purchases, value and habit within chance.")
    judgements = judge(peers)
    for judgement in judgements:
        console.print(sentence(judgement))
    ratios = recorded(peers)
    for line in history.changes(ratios):
        console.print(line, highlight=False)
    path = write(
        "peers",
        {
            "machine": machine(),
            "compiler": compiler(),
            "quarters": QUARTERS,
            "repeats": REPEATS,
            "peers": found,
            "targets": [
                {
                    "times_as_fast_as": judgement.target.base,
                    "threads": judgement.target.threads,
                    "at_least": judgement.target.at_least,
                    "judged_on": judgement.row,
                    "reached": judgement.reached,
                    "met": judgement.met,
                    "reason": judgement.reason,
                }
                for judgement in judgements
            ],
            "disagreements": problems,
        },
    )
    console.print(f"Written: {path}")
    if options.record and not problems:
        history.write(history.record_of(ratios))
        console.print(f"Recorded: {history.PATH}")
    return 1 if problems else 0
