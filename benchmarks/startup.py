"""How long until something happens: `python -m benchmarks startup`.

Commands run as a user types them, each in a process of its own, on a terminal that this program
holds the other end of. The first replication has begun when the bar "Worlds lived" appears, and is
done when its count leaves nought; the bar is drawn ten times a second. The first run finds an empty
folder for what is compiled and for what Matplotlib keeps, as on a new machine; Python's own
compiled modules are there, since installing makes them. The second run finds what the first left.
"""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks.results import machine, write

RUN = ("run", "scenario=retail_three_phase")
IMPORTS = "import sim.cli, sim.config.load, hydra, sim.commands.run"
REPEATS = 5
SHOWN = 10
LIMIT_HELP = 0.5
LIMIT_WARM = 4.0
PATIENCE = 600.0
"""Seconds after which a run that shows nothing is given up."""

BEGUN = re.compile(rb"Worlds lived")
DONE = re.compile(rb"\b[1-9]\d*/\d+")
CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


class Reached(NamedTuple):
    """Seconds from the start of a run."""

    begun: float
    """Until the first replication begins."""
    done: float
    """Until it is done."""


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of a run whose caches lie in a folder."""
    kept = {k: v for k, v in os.environ.items() if k not in {"NUMBA_CACHE_DIR", "MPLCONFIGDIR"}}
    paths = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "XDG_CACHE_HOME": str(cache),
        "PYTHONPATH": os.pathsep.join(paths),
        "TERM": "xterm",
        "COLUMNS": "120",
    }


def first_replication(cache: Path, folder: Path) -> Reached:
    """Run until the first replication is done, then interrupt; results go below `folder`.

    Raises
    ------
    RuntimeError
        If the run ends before, or shows nothing for too long.
    """
    ours, theirs = pty.openpty()
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "sim", *RUN],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=environment(cache),
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        return _watch(ours, began)
    finally:
        process.send_signal(signal.SIGINT)
        _drain(ours)
        os.close(ours)
        process.wait()


def _watch(screen: int, began: float) -> Reached:
    begun, shown = 0.0, b""
    while time.monotonic() - began < PATIENCE:
        if not select.select([screen], [], [], 1.0)[0]:
            continue
        now, new = time.monotonic() - began, _read(screen)
        if not new:
            break
        shown += new
        plain = CONTROL.sub(b"", shown)
        if not begun and BEGUN.search(plain):
            begun = now
        if begun and DONE.search(plain):
            return Reached(begun, now)
    raise RuntimeError(f"no replication was seen to be done:\n{shown[-2000:].decode()}")


def _read(screen: int) -> bytes:
    """Return what the screen got; nothing once the other end is closed."""
    try:
        return os.read(screen, 65_536)
    except OSError:  # how Linux says so
        return b""


def _drain(screen: int) -> None:
    """Read on, so that the run can write its last words and end."""
    while _read(screen):
        pass


def seconds_of_help() -> list[float]:
    """Return the times of `fidelio --help`."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "sim", "--help"], stdout=subprocess.DEVNULL, check=True
        )
        taken.append(time.perf_counter() - began)
    return taken


def imports() -> dict[str, float]:
    """Return seconds of import by package, own time of all its modules, largest first."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", IMPORTS],
        stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    taken: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        own, _, name = line.removeprefix("import time:").split("|")
        if own.strip().isdigit():
            taken[name.strip().partition(".")[0]] += int(own)
    return {name: micro / 1e6 for name, micro in taken.most_common()}


def bytes_below(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(arguments: list[str]) -> int:
    """Measure, print and write; 1 if something takes too long."""
    console = Console()
    if arguments:
        console.print("usage: python -m benchmarks startup")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    help_seconds = min(seconds_of_help())
    with tempfile.TemporaryDirectory() as name, console.status("") as status:
        folder, cache = Path(name), Path(name, "cache")
        status.update("first run, nothing compiled yet ...")
        cold = first_replication(cache, folder)
        cache_bytes = bytes_below(cache / "fidelio")
        status.update("second runs ...")
        warm_runs = [first_replication(cache, folder) for _ in range(REPEATS)]
    warm = min(warm_runs)
    found = imports()
    table = Table(title="From the start of the process, in seconds")
    for heading in ("command", "seconds"):
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    rows = {
        "fidelio --help": help_seconds,
        "first run, first replication begins": cold.begun,
        "first run, first replication done": cold.done,
        "second run, first replication begins": warm.begun,
        "second run, first replication done": warm.done,
        "  of it: imports (by -X importtime, which slows them)": sum(found.values()),
    }
    for label, seconds in rows.items():
        table.add_row(label, f"{seconds:.2f}")
    console.print(table)
    largest = list(found.items())[:SHOWN]
    console.print(
        "Imports by package, ms: " + ", ".join(f"{n} {s * 1e3:.0f}" for n, s in largest) + "."
    )
    console.print(f"Compiled loops on disk: {cache_bytes / 2**20:.1f} MiB.")
    kept = {
        f"fidelio --help under {LIMIT_HELP} s": help_seconds < LIMIT_HELP,
        f"second run reaches its first replication in under {LIMIT_WARM:.0f} s": (
            warm.begun < LIMIT_WARM
        ),
    }
    for label, met in kept.items():
        verdict = "[green]met[/green]" if met else "[red]NOT met[/red]"
        console.print(f"Target: {label}: {verdict}.")
    path = write(
        "startup",
        {
            "machine": machine(),
            "repeats": REPEATS,
            "help_seconds": help_seconds,
            "first_run": cold._asdict(),
            "second_run": warm._asdict(),
            "second_runs": [reached._asdict() for reached in warm_runs],
            "imports_seconds": found,
            "cache_bytes": cache_bytes,
            "met": kept,
        },
    )
    console.print(f"Written: {path}")
    return int(not all(kept.values()))
