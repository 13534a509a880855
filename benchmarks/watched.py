"""A command under the stopwatch: `python -m benchmarks.watched BEGAN FILE COMMAND ...`.

COMMAND ... is what follows `fidelio`. BEGAN is the monotonic clock at which the process was asked
for. The file gets the seconds and calls of every part. Modules that the command would import on its
way are imported before it, so that they are timed together; as there, no garbage is collected
meanwhile. What only the page needs is imported by the page.
"""

# ruff: noqa: E402
from __future__ import annotations

import gc

gc.disable()

import importlib
import json
import sys
import time
from pathlib import Path

import sim.cli
import sim.commands.study
import sim.config.load
import sim.result
import sim.study
from benchmarks.stopwatch import LOADING, REPLICATION, REST, Part, Place, Stopwatch, patched

IMPORTS = "start: Python and imports"
COMPOSING = "start: configuration composed"
SUMMARY = "summary, intervals, provenance"
STORE = "writing: tables and documents"
REPORT = "writing: page and pictures"
PRINTING = "printing the answer"

COMMAND: tuple[Place, ...] = (
    (sim.cli, "_study", COMPOSING),
    (sim.cli._Job, "_carry_out", COMPOSING),
    (sim.commands.study, "carry_out", REST),
    (sim.commands.study, "compile_kernels", LOADING),
    (sim.commands.study, "run_study", REST),
    (sim.study, "run_replication", REST),
    (sim.study.StudyResult, "summary", SUMMARY),
    (sim.study.StudyResult, "uncertain", SUMMARY),
    (sim.study.StudyResult, "table", SUMMARY),
    (sim.result, "manifest", SUMMARY),
    (sim.result.Result, "save", STORE),
    (sim.result, "write_run", STORE),
    (sim.commands.study, "write_run", STORE),
    (sim.commands.study, "write_report", REPORT),
    (sim.commands.study, "show", PRINTING),
)
"""The parts of a command, beside those of a replication."""


def main(arguments: list[str]) -> int:
    """Do the command and write its times."""
    gc.enable()
    began, file, *command = arguments
    watch = Stopwatch()
    watch.add(Part(IMPORTS, "Python and imports"), time.monotonic() - float(began))
    with watch.watching((*COMMAND, *REPLICATION)):
        # `run` and `compare` took this function by its name before the timers were there.
        module = importlib.import_module(f"sim.commands.{command[0]}")
        with patched(module, "carry_out", sim.commands.study.carry_out):
            code = int(watch.timed(Part(REST, "fidelio"), sim.cli.main)(command))
    Path(file).write_text(json.dumps(watch.rows()), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
