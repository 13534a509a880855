"""How near `fidelio optimise` comes to an optimum known by brute force: `... optimise [options]`.

A market with real levers, 3 levers x 3 phases of 12 quarters, money in few steps: all allocations
are lived, so the best one is known. Then the search is run with 20 seeds on the same worlds; a life
is lived once, whoever asks for it. Simple rules and random search stand beside it.

    --steps N         steps of the budget (default 6: 5,005 allocations less those not allowed)
    --worlds N        worlds (default 4)
    --seeds N         seeds (default 20)
    --evaluations N   plans that a search may try (default 300)
    --plan FILE       a plan of your own with the levers and phases; see PLAN
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, write
from sim.config.load import load
from sim.config.optimise import Optimise, SamplerKind
from sim.config.settings import read_settings
from sim.planning.allocation import Allocation, Space, space_of
from sim.planning.goals import Bench, goals_named
from sim.planning.judgement import evaluation
from sim.planning.lives import Lives
from sim.planning.optimiser import Evaluate, Search
from sim.planning.yardsticks import equal_split, evidence_split, scaled_plan, starting_points

PLAN = """\
name: three_levers
title: Three levers
phases:
  - {name: first, quarters: [1, 4], spend: {multichannel: 400000, technology_team: 400000, training: 200000}}
  - {name: second, quarters: [5, 8], spend: {multichannel: 400000, technology_team: 100000, training: 200000}}
  - {name: third, quarters: [9, 12], spend: {multichannel: 200000, technology_team: 100000, training: 200000}}
"""  # noqa: E501  # as plan files are written
GOOD, ENOUGH = 0.98, 0.9
"""Part of the optimum that a search must reach, and in what part of the seeds."""


def every(space: Space) -> list[Allocation]:
    """Return all allocations that are allowed."""
    found: list[list[int]] = [[]]
    for _ in range(space.n_cells):
        found = [[*own, n] for own in found for n in range(space.most - sum(own) + 1)]
    arrays = (np.array(own, dtype=np.int64) for own in found)
    return [own for own in arrays if space.allows(own)]


def remembering(evaluate: Evaluate, worlds: int) -> Evaluate:
    """Return the same, with figures kept: searches ask for the same plans over and over."""
    known: dict[bytes, np.ndarray] = {}

    def look_up(allocations: Sequence[Allocation], _: int) -> np.ndarray:
        new = [each for each in allocations if each.tobytes() not in known]
        if new:
            values = evaluate(new, worlds)
            known.update(zip((each.tobytes() for each in new), values, strict=True))
        return np.array([known[each.tobytes()] for each in allocations])

    return look_up


def main(arguments: list[str]) -> int:
    """Live all allocations, search, print and write; 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks optimise")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--customers", type=int, default=1000)
    parser.add_argument("--plan", type=Path)
    options = parser.parse_args(arguments)
    console = Console(width=110)
    with tempfile.TemporaryDirectory() as name:
        plan = options.plan or Path(name, "plan.yaml")
        if options.plan is None:
            plan.write_text(PLAN, encoding="utf-8")
        config = load("retail_three_phase", [f"customers={options.customers}", f"plan={plan}"])
    settings, _ = read_settings(
        Optimise, "optimise",
        [f"step={1 / options.steps}", f"first={options.worlds}", f"race={options.worlds}",
         f"evaluations={options.evaluations}"],
    )  # fmt: skip
    space = space_of(config, settings)
    began = time.perf_counter()
    with console.status("") as status:

        def told(done: int, wanted: int) -> None:
            status.update(f"{done:,} of {wanted:,} lives")

        bench = Bench(Lives(config), goals_named(["npv"]), told)
        evaluate = remembering(evaluation(bench, space, 1), options.worlds)
        grid = every(space)
        figures = evaluate(grid, options.worlds).mean(axis=(1, 2))
        lived = time.perf_counter() - began
        best = float(figures.max())
        rows = [one_seed(seed, space, evaluate, settings, best) for seed in range(options.seeds)]
    rules = {
        "plan as given, scaled": scaled_plan(space, config.plan),
        "equal split": equal_split(space),
        "sources' split": evidence_split(space, settings.groups),
    }
    reached = {name: float(evaluate([own], options.worlds).mean()) / best
               for name, own in rules.items()}  # fmt: skip
    console.print(f"{len(grid):,} plans lived in {options.worlds} worlds, {lived:,.0f} s; the best "
                  f"has an NPV of {best:,.0f}: {grid[int(figures.argmax())].tolist()}")  # fmt: skip
    table = Table()
    for column in ("what", "part of the optimum", "lowest", f"at {GOOD:.0%}"):
        table.add_column(column, justify="right")
    for what in ("search", "random", "greedy"):
        parts = np.array([row[what] for row in rows])
        table.add_row(what, f"{parts.mean():.1%}", f"{parts.min():.1%}",
                      f"{(parts >= GOOD).sum()} of {len(parts)}")  # fmt: skip
    for name, part in reached.items():
        table.add_row(name, f"{part:.1%}", "", "")
    console.print(table)
    good = sum(row["search"] >= GOOD for row in rows)
    met = good >= ENOUGH * len(rows)
    said = "[green]met[/green]" if met else "[red]NOT met[/red]"
    console.print(f"Target: {GOOD:.0%} of the optimum in {options.evaluations} evaluations, in "
                  f"{ENOUGH:.0%} of seeds: {said}")  # fmt: skip
    written = write("optimise", {
        "machine": machine(), "allocations": len(grid), "worlds": options.worlds, "optimum": best,
        "seconds_of_brute_force": lived, "seconds": time.perf_counter() - began, "seeds": rows,
        "rules": reached, "met": met,
    })  # fmt: skip
    console.print(f"Written: {written}")
    return int(not met)


def one_seed(
    seed: int, space: Space, evaluate: Evaluate, settings: Optimise, best: float
) -> dict[str, float]:
    """Return the part of the optimum that a seed reaches, and when it is first near enough."""
    goals, asked = goals_named(["npv"]), replace(settings, search_seed=seed)
    search = Search(space, evaluate, goals, asked)
    found = search.run(starting_points(space, space.plan, settings.groups))
    chance = Search(space, evaluate, goals, replace(asked, sampler=SamplerKind.RANDOM)).sample()
    near = np.flatnonzero(found.path >= GOOD * best)
    assert search.greedy is not None
    return {
        "seed": seed,
        "search": float(found.best.values.mean()) / best,
        "random": float(chance.best.values.mean()) / best,
        "greedy": float(evaluate([search.greedy], 1).mean()) / best,
        "evaluations": len(found.trials),
        "near_after": float(near[0]) + 1 if len(near) else float("nan"),
    }
