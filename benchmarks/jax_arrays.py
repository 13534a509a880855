"""Runs `jax_model.py` in a process of its own, held to the cores that its threads may use.

XLA reads its flags once, when JAX is imported, and takes whatever cores it finds: only a process of
its own can be told to use one thread, or two.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.minimal import Outcome, Unavailable

ROOT = Path(__file__).parent.parent
MODULE = "benchmarks.jax_arrays"


def flags(threads: int) -> str:
    """Return XLA's flags: a device per thread, no threads inside one, the widest vectors."""
    return (
        "--xla_cpu_multi_thread_eigen=false "
        f"--xla_force_host_platform_device_count={threads} "
        "--xla_cpu_prefer_vector_width=512"
    )


def run(n_customers: int, threads: int, seed: int) -> Outcome:
    """Run the model in a new process.

    Raises
    ------
    Unavailable
        JAX is not installed, the machine has too few cores, or the process fails.
    """
    if find_spec("jax") is None:
        raise Unavailable("jax is not installed (pip install 'fidelio[bench]')")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcome.npz"
        command = [sys.executable, "-m", MODULE]
        command += [str(n_customers), str(threads), str(seed), str(path)]
        environment = {**os.environ, "XLA_FLAGS": flags(threads), "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise Unavailable(f"jax fails: {lines[-1]}")
        with np.load(path) as found:
            return Outcome(
                float(found["seconds"]), found["purchases"], found["value"], found["habit"]
            )


def hold(threads: int) -> None:
    """Hold this process to as many cores as it has threads, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < threads:
        sys.exit(f"{threads} threads need as many cores; there are {len(cores)}")
    # The last cores: the first is where the system does most of its own work.
    os.sched_setaffinity(0, cores[-threads:])


def main(arguments: list[str]) -> None:
    """Run the model here and write its outcome; held before JAX is imported."""
    n_customers, threads, seed = (int(argument) for argument in arguments[:3])
    hold(threads)
    from benchmarks.jax_model import run as run_here

    outcome = run_here(n_customers, threads, seed)
    np.savez(
        arguments[3],
        seconds=outcome.seconds,
        purchases=outcome.purchases,
        value=outcome.value,
        habit=outcome.habit,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
