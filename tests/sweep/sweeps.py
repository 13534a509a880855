"""Small sweeps for tests, and how to look at what came of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from sim.cli import main

DESIGN = """\
name: small
kind: grid
scenario: retail_three_phase
settings: {customers: 200}
factors:
  - {key: finance.gross_margin, name: margin, values: [0.2, 0.25, 0.3]}
  - {key: plan.phases.*.spend.*, name: budget, apply: times, values: [0.5, 1.0]}
"""
FEW = ["workers=1", "shard_units=4", "progress=false", "reuse=[]"]
"""Settings under which two sweeps of a design are cut into the same shards."""
SECONDS = 90.0
"""In which whatever is waited for must have happened."""


def design(folder: Path, text: str = DESIGN, **settings: object) -> Path:
    """Write a design, some of its lines replaced, and return its file."""
    lines, kept = [], True
    for line in text.splitlines():
        if not line.startswith(" "):  # else it belongs to the key before it
            kept = line.partition(":")[0] not in settings
        lines += [line] if kept else []
    lines += [f"{key}: {value}" for key, value in settings.items()]
    path = folder / "design.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sweep(*arguments: object) -> int:
    """Run `fidelio sweep` in this process and return its exit code."""
    return main(["sweep", *map(str, arguments), *FEW])


def begin(*arguments: object, **named: object) -> subprocess.Popen[str]:
    """Start `fidelio sweep` in a process of its own."""
    command = [sys.executable, "-m", "sim", "sweep", *map(str, arguments), *FEW]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **named)  # fmt: skip


def parts(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every part of a sweep, by name."""
    return {path.name: path.read_bytes() for path in sorted((folder / "parts").iterdir())}


def wait_for(happened, process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something has happened; fail if it does not, or if a process ended before."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        if process is not None and process.poll() is not None and not happened():
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def children(process: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a process has started and that are still there."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(fields[1]) == process.pid and fields[0] != "Z":
                found.append(int(folder.name))
    return found


def is_root() -> bool:
    """Return whether this user may write everywhere."""
    return os.geteuid() == 0
