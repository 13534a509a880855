"""What planning commands take, and what one burnt-in world for all futures is worth.

`python -m benchmarks planning [OVERRIDE ...]`: `fidelio stress` with four plans, twelve shocks and
64 worlds, and `fidelio explain`, each as a user types it, in a process of its own. The peer of the
stress test's lives are the same lives lived naively, in the same run: the world of each burnt in
anew, as a study of its own would. A few worlds of it are enough.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, write
from sim.config.load import load
from sim.planning.future import Case
from sim.planning.lives import Lives
from sim.planning.shocks import futures_of
from sim.study import compile_kernels

SCENARIO = "retail_three_phase"
PLANS = ("three_phase", "service_first", "promotion_first", "small_budget")
SHOCKS = (
    "demand_down", "price_war", "acquisition_cost_up", "data_breach", "two_quarter_delay",
    "second_phase_cut", "rival_imitates", "key_lever_fails", "expectations_rise",
    "discount_rate_up", "currency_inflation", "service_collapse",
)  # fmt: skip
LIMIT_SECONDS = 300.0
FEW_WORLDS = 4


def command(*arguments: str) -> float:
    """Do a command in a process of its own and return its seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "sim", *arguments, "progress=false"], check=True,
                   stdout=subprocess.DEVNULL)  # fmt: skip
    return time.perf_counter() - began


def shared_and_alone(overrides: Sequence[str]) -> tuple[float, float]:
    """Return the seconds of lives in a few worlds, from shared states and from their own."""
    plans = f"plans=[{','.join(PLANS)}]"
    config = load(None, [f"scenario={SCENARIO}", plans, *overrides], "compare")
    compile_kernels(config, lambda: None)
    cases = [Case(plan, future) for future in futures_of(config, SHOCKS)
             for plan in (config.baseline, *config.plans)]  # fmt: skip
    began = time.perf_counter()
    Lives(config).live(cases, range(FEW_WORLDS))
    shared = time.perf_counter() - began
    began = time.perf_counter()
    for case in cases:
        Lives(config).live([case], range(FEW_WORLDS))
    return shared, time.perf_counter() - began


def main(overrides: list[str]) -> int:
    """Run, print and write; 1 if, at its default size, a command takes too long."""
    console = Console(width=max(Console().width, 100))
    with tempfile.TemporaryDirectory() as name, console.status("") as status:
        status.update("a few worlds, burnt in once and burnt in for each life ...")
        shared, alone = shared_and_alone(overrides)
        status.update("fidelio stress ...")
        lists = (f"plans=[{','.join(PLANS)}]", f"shocks=[{','.join(SHOCKS)}]")
        common = (f"scenario={SCENARIO}", *overrides)
        stress = command("stress", *common, *lists, f"out={Path(name, 'stress')}")
        status.update("fidelio explain ...")
        explain = command("explain", *common, f"out={Path(name, 'explain')}")
    found = {
        "stress_seconds": stress,
        "explain_seconds": explain,
        "lives_alone_over_shared": alone / shared,
    }
    table = Table(title=f"Planning: {SCENARIO} {' '.join(overrides)}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for key, value in found.items():
        table.add_row(key.replace("_", " "), f"{value:,.2f}")
    console.print(table)
    kept = {
        f"{name} under {LIMIT_SECONDS:.0f} s": found[f"{name}_seconds"] < LIMIT_SECONDS
        for name in ("stress", "explain")
    }
    if not overrides:
        for name, met in kept.items():
            console.print(f"Target: {name}: {'[green]met' if met else '[red]NOT met'}[/].")
    path = write(
        "planning",
        {
            "machine": machine(), "overrides": overrides, "plans": PLANS, "shocks": SHOCKS,
            **found, "limit_seconds": LIMIT_SECONDS, "met": None if overrides else kept,
        },
    )  # fmt: skip
    console.print(f"Written: {path}")
    return int(not overrides and not all(kept.values()))
