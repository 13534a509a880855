"""What is compiled is kept: for one processor, by one process at a time, told once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding

import sim.kernels
from sim.kernels import compiled_once

REPOSITORY = Path(__file__).parents[2]

DRAW = """
import sys
from sim import kernels
from sim.kernels import philox

with kernels.compiled_once(lambda: print("told", file=sys.stderr)):
    draws = [philox.draw_uniform(7, n, philox.DESK, 1, 0) for n in range(4)]
print(draws, sum(philox.draw_uniform.stats.cache_misses.values()))
"""
STUDY = """
import sys
from sim.cli import main

sys.exit(main(["run", "plan=today", "customers=200", "replications=2", "report=none",
               "engine.progress=false"]))
"""


def start(code: str, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cache.parent,
    )  # fmt: skip


def outputs(code: str, cache: Path, n: int) -> list[tuple[str, str]]:
    """Do the same in n processes at once and return what each printed and told."""
    processes = [start(code, cache) for _ in range(n)]
    found = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * n, found
    return found


@pytest.mark.slow
def test_of_processes_that_start_at_once_one_compiles(tmp_path):
    found = outputs(DRAW, tmp_path / "cache", 3)
    figures, misses = zip(*(out.rsplit(maxsplit=1) for out, _ in found), strict=True)
    assert len(set(figures)) == 1
    assert sorted(misses) == ["0", "0", "1"]
    [(out, told)] = outputs(DRAW, tmp_path / "cache", 1)
    assert out.rsplit(maxsplit=1) == [figures[0], "0"]
    assert told == ""


@pytest.mark.slow
def test_studies_that_start_at_once_on_a_new_machine_say_so_and_agree(tmp_path):
    found = outputs(STUDY, tmp_path / "cache", 3)
    assert all(told.count("Compiling the customers' loops") == 1 for _, told in found)
    answers = {out.partition("Results:")[0] for out, _ in found}
    assert len(answers) == 1
    [(out, told)] = outputs(STUDY, tmp_path / "cache", 1)
    assert (out.partition("Results:")[0], told) == (*answers, "")


def test_another_processor_another_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    here = sim.kernels._cache_folder()
    assert here == sim.kernels._cache_folder()
    monkeypatch.setattr(binding, "get_host_cpu_name", lambda: "abacus")
    assert sim.kernels._cache_folder() != here


def test_what_is_complete_is_neither_locked_nor_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sim.kernels, "CACHE", tmp_path)
    told = []
    for _ in range(2):
        with compiled_once(lambda: told.append(1)):
            pass
        (tmp_path / "lock").unlink(missing_ok=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["complete"]
    assert not told


def test_what_fails_is_not_complete(tmp_path, monkeypatch):
    monkeypatch.setattr(sim.kernels, "CACHE", tmp_path)
    with pytest.raises(KeyboardInterrupt), compiled_once(list):
        raise KeyboardInterrupt
    assert not (tmp_path / "complete").exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(sim.kernels, "CACHE", tmp_path / "file" / "below")
    with compiled_once(list):
        pass
