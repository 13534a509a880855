"""What a sweep costs beside the life of its units: `python -m benchmarks sweep [options]`.

The peer lives the same units in a bare loop, in as many processes as there are workers and at the
same time, because two busy cores are slower than one. A sweep's overhead is the share of its time
that the peer does not take: sending work, isolating it, keeping its rows, starting workers.

    --units N         units of each sweep (default 4,000 of some 25 ms)
    --engines LIST    local,dask,ray,slurm (default: those whose package is here)
    --large POINTS    instead: one sweep of so many points, driver's memory, seconds of the query
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, write

PACKAGES = {"local": "sim", "dask": "distributed", "ray": "ray", "slurm": "submitit"}
"""What each engine needs; slurm also a Slurm that `sbatch` reaches: SLURM_CONF says which."""
LIMITS = {"local": 0.08, "dask": 0.08, "ray": 0.08, "slurm": 0.15}
"""Largest overhead of each engine, for units of 25 ms."""
LEAST_SPEEDUP = 1.8
"""Of two workers over one."""
LARGE_MEMORY_MIB, LARGE_QUERY_SECONDS = 1024, 1.0
QUERY = """
    select plan, floor(price / 0.5) as price, count(*) as n, avg(npv) as npv,
        quantile_cont(npv, [0.1, 0.9]) as p10_p90
    from outcomes join points using (point) group by all order by all
"""
DESIGN = """\
name: benchmark
kind: random
points: {points}
scenario: retail_three_phase
settings: {{customers: 1000}}
factors:
  - {{key: market.weights.price, name: price, low: 3.0, high: 6.5}}
  - {{key: market.weights.habit, name: habit, low: 0.9, high: 2.0}}
  - {{key: finance.gross_margin, name: margin, low: 0.2, high: 0.35}}
  - {{key: plan.phases.*.spend.*, name: budget, apply: times, low: 0.5, high: 1.5}}
"""
LIVING = re.compile(r"LIVING ([0-9.]+) SECONDS, (\d+) MIB")
RUN = """
import resource, sys, time
from sim.cli import main
from sim.sweep import sweep
live = sweep.live
def timed(store, engine, *rest):
    began = time.perf_counter()
    done = live(store, engine, *rest)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"LIVING {seconds} SECONDS, {peak} MIB")
    return done
sweep.live = timed
sys.exit(main(sys.argv[1:]))
"""
"""`fidelio`, with a clock around the living of units: planning and compiling do not count."""
PEER = """
import json, sys, time
from pathlib import Path
from sim.sweep.life import Life
from sim.sweep.place import open_place
from sim.sweep.store import Store
store = Store.open(open_place(sys.argv[1]))
first, last = int(sys.argv[2]), int(sys.argv[3])
block = store.blocks[0]
life = Life.of(store.documents)
life.begin()
shards = [shard for shard in block.shards if first <= shard < last]
items = [
    (*store.points_of(shard)[unit.run], unit.replication)
    for shard in shards for unit in block.units_of(shard)
]
life(*items[0])
print("ready", flush=True)
sys.stdin.readline()
began = time.perf_counter()
for item in items:
    life(*item)
print(json.dumps([len(items), time.perf_counter() - began]))
"""
"""The same units in a bare loop, from the moment at which all that do so are ready."""


def sweep(folder: Path, *arguments: str) -> tuple[float, int, float]:
    """Run `fidelio sweep` and return seconds of living, the driver's MiB, seconds in all."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", RUN, "sweep", f"out={folder}", "reuse=[]", "progress=false",
         *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    told = LIVING.search(done.stdout)
    if done.returncode or told is None:
        raise SystemExit(f"fidelio sweep {' '.join(arguments)}:\n{done.stderr}")
    return float(told[1]), int(told[2]), seconds


def peer(folder: Path, processes: int, shards: int) -> float:
    """Return seconds that the units of a sweep take in a bare loop, in so many processes."""
    cuts = [round(shards * part / processes) for part in range(processes + 1)]
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", PEER, str(folder), str(first), str(last)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for first, last in itertools.pairwise(cuts)
    ]  # fmt: skip
    for loop in loops:
        assert loop.stdout is not None
        loop.stdout.readline()
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write("go\n")
        loop.stdin.flush()
    found = [json.loads(loop.communicate()[0]) for loop in loops]
    return sum(seconds for _, seconds in found) / processes


def measure(units: int, engines: list[str], folder: Path, tell: Any) -> list[dict[str, Any]]:
    """Return a row per engine and number of workers."""
    design = folder / "benchmark.yaml"
    design.write_text(DESIGN.format(points=units), encoding="utf-8")
    rows = []
    for engine, workers in [("local", 1), *((engine, 2) for engine in engines)]:
        tell(f"{engine}, {workers} workers ...")
        out = folder / f"{engine}-{workers}"
        asked = [f"design={design}", f"engine={engine}", f"workers={workers}"]
        living, memory, seconds = sweep(out, *asked)
        manifest = json.loads((out / "manifest.json").read_text("utf-8"))
        shards = -(-units // manifest["block"]["units_per_shard"])
        tell(f"the peer of {engine}, {workers} processes ...")
        bare = peer(out, workers, shards)
        rows.append(
            {
                "engine": engine,
                "workers": workers,
                "units": units,
                "seconds": living,
                "peer_seconds": bare,
                "overhead": 1 - bare / living,
                "ms_per_unit": 1e3 * bare * workers / units,
                "seconds_before_and_after": seconds - living,
                "driver_mib": memory,
            }
        )
    return rows


def large(points: int, folder: Path, tell: Any) -> dict[str, Any]:
    """Return what a sweep of so many points takes, the driver's memory, and a query's seconds."""
    design = folder / "large.yaml"
    design.write_text(DESIGN.format(points=points), encoding="utf-8")
    tell(f"{points:,} points ...")
    living, memory, seconds = sweep(folder / "large", f"design={design}")
    from sim.sweep.reading import open_sweep

    asked = []
    with open_sweep(folder / "large") as opened:
        for _ in range(3):
            began = time.perf_counter()
            answer = opened.sql(QUERY)
            asked.append(time.perf_counter() - began)
    rows = int(answer.n.sum())
    return {
        "points": points,
        "seconds_of_living": living,
        "seconds_in_all": seconds,
        "driver_mib": memory,
        "rows_asked": rows,
        "query_seconds": min(asked),
        "files": len(list((folder / "large" / "parts").iterdir())),
        "megabytes": sum(path.stat().st_size for path in (folder / "large").rglob("*.parquet"))
        / 1e6,
    }


def main(arguments: list[str]) -> int:
    """Measure, print and write; 1 if a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sweep")
    here = [
        name for name, package in PACKAGES.items()
        if importlib.util.find_spec(package) and (name != "slurm" or shutil.which("sbatch"))
    ]  # fmt: skip
    parser.add_argument("--units", type=int, default=4000)
    parser.add_argument("--engines", default=",".join(here))
    parser.add_argument("--large", type=int)
    options = parser.parse_args(arguments)
    console = Console(width=max(Console().width, 110))
    with tempfile.TemporaryDirectory() as name, console.status("") as status:
        if options.large:
            found = large(options.large, Path(name), status.update)
            kept = {
                f"driver under {LARGE_MEMORY_MIB} MiB": found["driver_mib"] < LARGE_MEMORY_MIB,
                f"query under {LARGE_QUERY_SECONDS:g} s":
                    found["query_seconds"] < LARGE_QUERY_SECONDS,
            }  # fmt: skip
            rows = [found]
        else:
            rows = measure(options.units, options.engines.split(","), Path(name), status.update)
            kept = {
                f"{row['engine']}: overhead under {LIMITS[row['engine']]:.0%}":
                    row["overhead"] < LIMITS[row["engine"]]
                for row in rows if row["workers"] == 2
            }  # fmt: skip
            local = {row["workers"]: row["seconds"] for row in rows if row["engine"] == "local"}
            if 2 in local:
                kept[f"two workers {LEAST_SPEEDUP} times one"] = (
                    local[1] / local[2] >= LEAST_SPEEDUP
                )
                console.print(f"Two workers over one: {local[1] / local[2]:.2f} times as fast.")
    table = Table()
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(_shown(name, value) for name, value in row.items()))
    console.print(table)
    for text, met in kept.items():
        console.print(f"Target: {text}: {'[green]met[/green]' if met else '[red]NOT met[/red]'}.")
    name = "sweep_large" if options.large else "sweep"
    console.print(f"Written: {write(name, {'machine': machine(), 'rows': rows, 'met': kept})}")
    return int(not all(kept.values()))


def _shown(name: str, value: Any) -> str:
    if name == "overhead":
        return f"{value:.1%}"
    return f"{value:,.2f}".removesuffix(".00") if isinstance(value, float) else f"{value}"
