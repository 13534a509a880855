"""`fidelio sweep` on real clusters that lose half of what they have: byte for byte as at home."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Cluster, children_of, is_alive

pytestmark = pytest.mark.cluster

DESIGN = """\
name: small
kind: grid
scenario: retail_three_phase
settings: {customers: 4000}
factors:
  - {key: finance.gross_margin, name: margin, values: [0.2, 0.25, 0.3]}
  - {key: rivals, values: [hold, imitators]}
"""
SETTINGS = ["replications=20", "shard_units=5", "reuse=[]", "progress=false"]
SECONDS = 100.0
FAULTS = pytest.mark.parametrize("fault", [False, True], ids=["undisturbed", "disturbed"])


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sim", "sweep", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a sweep to end well and return what it said."""
    out, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    return out + said


def parts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "parts").iterdir())}


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert process.poll() is None or happened(), process.communicate()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def begun(folder: Path) -> bool:
    """Return whether some shards are kept and some are not."""
    return (folder / "parts").is_dir() and any((folder / "parts").glob("shard-*"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """The design, and what its sweep gives on this machine."""
    folder = tmp_path_factory.mktemp("home")
    design = folder / "design.yaml"
    design.write_text(DESIGN)
    finish(start(f"design={design}", f"out={folder / 'sweep'}", "workers=2", *SETTINGS))
    return design, parts(folder / "sweep")


@FAULTS
def test_slurm(
    home: tuple[Path, dict[str, bytes]], slurm: Cluster, tmp_path: Path, fault: bool
) -> None:
    design, expected = home
    out = tmp_path / "sweep"
    settings = ["engine=slurm", "workers=2", "slurm.job_minutes=2", *slurm.arguments]
    process = start(f"design={design}", f"out={out}", *settings, *SETTINGS)
    if fault:
        wait_for(lambda: begun(out), process)
        asked = ["squeue", "--noheader", "--array", "--format=%i"]
        jobs = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
        subprocess.run(["scancel", *jobs[::2]], check=True)
    finish(process)
    assert parts(out) == expected


@FAULTS
def test_dask(
    home: tuple[Path, dict[str, bytes]], dask: Cluster, tmp_path: Path, fault: bool
) -> None:
    design, expected = home
    out = tmp_path / "sweep"
    process = start(f"design={design}", f"out={out}", "engine=dask", *dask.arguments, *SETTINGS)
    if fault:
        wait_for(lambda: begun(out), process)
        _, nanny, _ = dask.nodes
        workers = [pid for pid in children_of(nanny.pid) if _is_worker(pid)]
        assert workers
        os.kill(workers[0], signal.SIGKILL)
    finish(process)
    assert parts(out) == expected


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@FAULTS
def test_ray(
    home: tuple[Path, dict[str, bytes]], ray: Cluster, tmp_path: Path, fault: bool
) -> None:
    design, expected = home
    out = tmp_path / "sweep"
    process = start(f"design={design}", f"out={out}", "engine=ray", *ray.arguments, *SETTINGS)
    if fault:
        wait_for(lambda: begun(out), process)
        node = ray.nodes[1]
        raylets = [pid for pid in children_of(node.pid) if _says(pid, "raylet/raylet")]
        assert len(raylets) == 1
        os.kill(raylets[0], signal.SIGKILL)
    finish(process)
    assert parts(out) == expected


def _says(pid: int, text: str) -> bool:
    with contextlib.suppress(OSError):
        return text.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def test_a_driver_that_is_killed_goes_on_elsewhere(
    home: tuple[Path, dict[str, bytes]], dask: Cluster, tmp_path: Path
) -> None:
    """Begun on Dask and cut, finished by processes of this machine."""
    design, expected = home
    out = tmp_path / "sweep"
    process = start(f"design={design}", f"out={out}", "engine=dask", *dask.arguments, *SETTINGS)
    wait_for(lambda: begun(out), process)
    process.kill()
    process.communicate()
    assert not is_alive(process.pid)
    finish(start(f"resume={out}", "workers=2", "progress=false"))
    assert parts(out) == expected
