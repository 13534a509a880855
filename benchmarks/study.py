"""A paired study end to end, and where its time goes: `python -m benchmarks study [OVERRIDE ...]`.

`fidelio run scenario=retail_three_phase` in a process of its own, as a user types it: once on one
thread with timers around its parts, whose times add up to the time from the start of the process
to its end; once on all cores without timers. A small run goes first, so that compiled loops lie on
disk. Overrides are those of `fidelio run`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, write
from benchmarks.stopwatch import KERNEL, REPLICATION_GROUPS, REST, Part, Stopwatch
from sim.config.load import load
from sim.config.study import Config

SCENARIO = "retail_three_phase"
LIMIT_SECONDS = 60.0
LIMIT_SHARE = 0.20
PARTS_SHOWN = 12
END = "end of the process"
BEGAN = "BEGAN"
OF_WORLDS = tuple(group for group in REPLICATION_GROUPS if group != REST)
"""Groups that a world's time is in; the rest is of study and command."""


def run(module: list[str], overrides: list[str], folder: Path) -> float:
    """Do the command in a process of its own and return its seconds, from its start to its end.

    Results go where they go by default, below `folder`. A BEGAN in `module` becomes the clock at
    which the process is asked for.
    """
    command = ["run", f"scenario={SCENARIO}", *overrides, "engine.progress=false"]
    paths = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    began = time.monotonic()
    asked = [repr(began) if part == BEGAN else part for part in module]
    done = subprocess.run(
        [sys.executable, "-m", *asked, *command],
        stdout=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit(f"fidelio {' '.join(command)} ended with {done.returncode}")
    return seconds


def watched(overrides: list[str], folder: Path) -> Stopwatch:
    """Do the command on one thread under the stopwatch; its parts add up to the whole time."""
    file = folder / "parts.json"
    asked = ["benchmarks.watched", BEGAN, str(file)]
    seconds = run(asked, ["engine.threads=1", *overrides], folder)
    watch = Stopwatch()
    for row in json.loads(file.read_text(encoding="utf-8")):
        watch.add(Part(row["group"], row["name"]), row["seconds"], row["calls"])
    watch.add(Part(END, "memory given back, process ended"), seconds - watch.total)
    return watch


def figures(config: Config, watch: Stopwatch, folder: Path, seconds: float) -> dict[str, Any]:
    """Return what was run and what it took; below `folder` lies the run on all cores."""
    [file] = folder.rglob("manifest.json")
    manifest = json.loads(file.read_text(encoding="utf-8"))
    worlds = watch.calls_of("run_replication")
    quarters = watch.calls_of("environment")
    lived = quarters * config.customers
    return {
        "customers": config.customers,
        "brands": len(config.market.brands),
        "worlds_with_twins": worlds,
        "quarters_lived": quarters,
        "seconds_all_cores": seconds,
        "seconds_all_cores_worlds": manifest["seconds"],
        "peak_memory_mib": manifest["peak_memory_mib"],
        "seconds_one_thread": watch.total,
        "kernel_ns_per_customer_quarter": watch.of(KERNEL) / lived * 1e9,
        "share_but_kernel": 1 - watch.of(KERNEL) / watch.total,
        "share_but_kernel_of_worlds": 1 - watch.of(KERNEL) / sum(map(watch.of, OF_WORLDS)),
    }


def groups(watch: Stopwatch) -> Table:
    """Return where the time goes, by group; the groups add up to the whole."""
    made = Table(title="Where the time goes: one thread, from the start of the process to its end")
    for heading in ("part", "ms", "share"):
        made.add_column(heading, justify="left" if heading == "part" else "right", no_wrap=True)
    for group in watch.groups:
        own = watch.of(group)
        made.add_row(group, f"{own * 1e3:,.0f}", f"{own / watch.total:.1%}")
    made.add_section()
    made.add_row("the command", f"{watch.total * 1e3:,.0f}", "100.0%")
    return made


def largest(watch: Stopwatch) -> Table:
    """Return the parts, but the kernel's, that take most."""
    made = Table(title="Largest parts but the kernel")
    for heading in ("part", "group", "calls", "ms", "ms each"):
        made.add_column(heading, justify="right" if "ms" in heading else "left", no_wrap=True)
    parts = [part for part in watch.seconds if part.group != KERNEL]
    for part in sorted(parts, key=lambda part: -watch.seconds[part])[:PARTS_SHOWN]:
        own, calls = watch.seconds[part] * 1e3, watch.calls[part]
        made.add_row(part.name, part.group, f"{calls:,}", f"{own:,.0f}", f"{own / calls:,.2f}")
    return made


def main(overrides: list[str]) -> int:
    """Run, print and write; 1 if, at its default size, it takes too long or too much beside."""
    console = Console(width=max(Console().width, 110))
    config = load(SCENARIO, overrides)
    with tempfile.TemporaryDirectory() as name, console.status("") as status:
        one, all_cores = Path(name, "one"), Path(name, "all")
        one.mkdir()
        all_cores.mkdir()
        status.update("a small run, so that what is compiled lies on disk ...")
        first = run(["sim"], [*overrides, "customers=1000", "replications=2"], one)
        status.update("the study on one thread, under the stopwatch ...")
        watch = watched(overrides, one)
        status.update("the study on all cores ...")
        seconds = run(["sim"], overrides, all_cores)
        found = {"seconds_of_small_run": first, **figures(config, watch, all_cores, seconds)}
    console.print(groups(watch))
    console.print(largest(watch))
    table = Table(title=f"Paired study: {config.scenario} {' '.join(overrides)}")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in found.items():
        text = f"{value:.1%}" if name.startswith("share") else f"{value:,.2f}".removesuffix(".00")
        table.add_row(name.replace("_", " "), text)
    console.print(table)
    kept = {
        f"under {LIMIT_SECONDS:.0f} s on all cores": seconds < LIMIT_SECONDS,
        f"all but the kernel under {LIMIT_SHARE:.0%}": found["share_but_kernel"] < LIMIT_SHARE,
    }
    if not overrides:
        for name, met in kept.items():
            verdict = "[green]met[/green]" if met else "[red]NOT met[/red]"
            console.print(f"Target: {name}: {verdict}.")
    path = write(
        "study",
        {
            "machine": machine(),
            "overrides": overrides,
            **found,
            "groups": {group: watch.of(group) for group in watch.groups},
            "parts": watch.rows(),
            "limit_seconds": LIMIT_SECONDS,
            "limit_share_but_kernel": LIMIT_SHARE,
            "met": None if overrides else kept,
        },
    )
    console.print(f"Written: {path}")
    return int(not overrides and not all(kept.values()))
