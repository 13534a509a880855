"""Slurm: arrays of jobs, each of which does a list of tasks.

A job costs half a second and a place in the queue, so that it does many tasks. It writes how each
came out to a file of its own; the file, the kept results and `squeue` tell how a job is doing.
Slurm's accounting is not asked: many sites have none.
"""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sim.config.engines import SlurmSettings
from sim.engines.engine import ONE_THREAD, Done, Work, attempt
from sim.engines.remote import find_package, lost, make_folder
from sim.errors import ConfigError, EngineError

COMMANDS = ("sbatch", "scancel", "scontrol", "squeue", "srun")

ALIVE = {
    "CONFIGURING", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESIZING", "RUNNING",
    "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED",
}  # fmt: skip
"""States of a job that may still do a task. Once it is COMPLETING, its processes are ending."""

HOPELESS = {
    "BadConstraints", "DependencyNeverSatisfied", "JobHeldAdmin", "PartitionNodeLimit",
    "PartitionTimeLimit",
}  # fmt: skip
"""Reasons for which a job waits and will never begin, besides "launch failed"."""

GRACE_SECONDS = 10.0
"""From the end of a job until a task is called lost: shared file systems show files late."""

POLL_SECONDS = 0.5
POLL_SHARE, MAX_POLL_SECONDS = 0.1, 10.0
"""Of the time that goes by, so much may be spent on asking; many jobs are asked less often."""


class SlurmEngine:
    """Do tasks in jobs of Slurm.

    Parameters
    ----------
    settings
        How jobs are asked for.
    workers
        Jobs that run at once.
    seconds_per_task
        How long a task takes, about: sizes the jobs.

    Attributes
    ----------
    workers
        Jobs that run at once.

    Raises
    ------
    ConfigError
        If submitit is missing.
    """

    def __init__(self, settings: SlurmSettings, workers: int, seconds_per_task: float) -> None:
        self.workers = workers
        self._submitit = find_package("submitit", "slurm")
        self._settings = settings
        self._seconds = seconds_per_task
        self._busy = False
        self._lost = False

    def __enter__(self) -> SlurmEngine:
        """Look whether there is a Slurm, and make the folder of the jobs' files.

        Raises
        ------
        ConfigError
            If there is none, or a task takes longer than a job may.
        """
        missing = [command for command in COMMANDS if shutil.which(command) is None]
        if missing:
            raise ConfigError(
                f"this machine has no {', '.join(missing)}",
                key="slurm", allowed="a login node of a Slurm cluster",
            )  # fmt: skip
        limit = self._settings.time_minutes * 60
        if self._seconds > limit:
            raise ConfigError(
                f"a task takes about {self._seconds / 60:.0f} minutes, longer than a job may",
                key="slurm.time_minutes", value=self._settings.time_minutes,
                allowed="more minutes, or fewer units per shard",
            )  # fmt: skip
        self._max_jobs = min(self._settings.max_jobs, _max_array_size())
        self._folder = make_folder(self._settings.folder, "jobs-", "slurm.folder")
        self._name = f"fidelio-{self._folder.name}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel the jobs that are left; their files go unless one of them was lost."""
        self._cancel()
        if not self._lost:
            shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, work: Work, tasks: Sequence[int]) -> Iterator[Done]:
        """Yield how each task came out, array by array.

        Raises
        ------
        ConfigError
            If sbatch refuses the jobs; it says what sbatch said.
        FidelioError
            If Slurm does not answer for too long.
        """
        if not tasks:
            return
        file = self._folder / f"work-{time.monotonic_ns()}.pickle"
        file.write_bytes(pickle.dumps(work))
        per_job = self._tasks_per_job(len(tasks))
        per_array = per_job * self._max_jobs
        for first in range(0, len(tasks), per_array):
            some = tasks[first : first + per_array]
            n_jobs = -(-len(some) // per_job)
            # Dealt like cards: tasks that lie side by side often take equally long.
            yield from self._run_array(file, work, [some[job::n_jobs] for job in range(n_jobs)])

    def _tasks_per_job(self, n_tasks: int) -> int:
        """Return the tasks of a job: about `job_minutes` of work, and all workers busy to the end.

        The number of jobs is a multiple of the workers where there are tasks enough.
        """
        minutes = n_tasks * self._seconds / 60
        waves = max(1, math.ceil(minutes / self._settings.job_minutes / self.workers))
        return max(1, -(-n_tasks // (waves * self.workers)))

    def _run_array(self, file: Path, work: Work, lists: list[Sequence[int]]) -> Iterator[Done]:
        folder = Path(tempfile.mkdtemp(prefix="array-", dir=self._folder))
        outcomes = [folder / f"outcome-{index:06}" for index in range(len(lists))]
        self._busy = True
        try:
            jobs = [
                _Job(job.job_id, outcome, job.paths.stdout, own)
                for job, outcome, own in zip(
                    self._submit(folder, file, outcomes, lists), outcomes, lists, strict=True
                )
            ]
            yield from self._follow(work, jobs)
            self._busy = False
        finally:
            self._cancel()
        self._lost |= any(job.lost for job in jobs)
        if not self._lost:
            shutil.rmtree(folder, ignore_errors=True)

    def _submit(
        self, folder: Path, file: Path, outcomes: list[Path], lists: list[Sequence[int]]
    ) -> list[Any]:
        settings = self._settings
        executor = self._submitit.SlurmExecutor(folder=folder, python=settings.python or None)
        executor.update_parameters(
            job_name=self._name,
            partition=settings.partition or None,
            account=settings.account or None,
            mem=f"{math.ceil(settings.memory_gb * 1024)}M" if settings.memory_gb else None,
            time=settings.time_minutes,
            ntasks_per_node=1,
            cpus_per_task=1,
            array_parallelism=self.workers,
            setup=[*(f"export {name}={value}" for name, value in ONE_THREAD.items()),
                   *settings.setup],
            additional_parameters={"no-requeue": True}
            | {name: value or True for name, value in settings.options.items()},
            stderr_to_stdout=True,
            use_srun=False,
            wckey=None,
        )  # fmt: skip
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # the error says it
                given = [list(own) for own in lists]
                files = [file] * len(lists)
                return list(executor.map_array(do_tasks, files, outcomes, given))
        except self._submitit.core.utils.FailedJobError as error:
            raise ConfigError(
                f"sbatch refuses the jobs: {_in_one_line(str(error))}", key="slurm"
            ) from None
        except self._submitit.core.utils.FailedSubmissionError as error:
            raise ConfigError(f"sbatch: {_in_one_line(str(error))}", key="slurm") from None

    def _follow(self, work: Work, jobs: list[_Job]) -> Iterator[Done]:
        left = {job.name: job for job in jobs}
        array = jobs[0].name.partition("_")[0]
        answered = time.monotonic()
        while left:
            began = time.monotonic()
            states = _states(array)
            if isinstance(states, str):
                if time.monotonic() - answered > self._settings.patience_minutes * 60:
                    raise EngineError(f"Slurm does not answer: {states}")
            else:
                answered = time.monotonic()
            for name, job in list(left.items()):
                yield from job.outcomes()
                if job.tasks and not isinstance(states, str):
                    yield from self._end(work, job, states.get(name))
                if not job.tasks:
                    del left[name]
            if left:
                spent = time.monotonic() - began
                time.sleep(min(max(POLL_SECONDS, spent / POLL_SHARE), MAX_POLL_SECONDS))

    @staticmethod
    def _end(work: Work, job: _Job, state: tuple[str, str] | None) -> Iterator[Done]:
        """Yield the tasks that a job leaves undone, if it has ended or will never begin."""
        if state is not None and state[0] in ALIVE:
            job.ended = None
            if state[0] == "PENDING" and (state[1] in HOPELESS or "launch failed" in state[1]):
                _ask("scancel", "--quiet", job.name)
                yield from job.give_up(work, state[1])
            return
        job.ended = job.ended or time.monotonic()
        if time.monotonic() - job.ended > GRACE_SECONDS:
            yield from job.give_up(work, job.last_line())

    def _cancel(self) -> None:
        """Cancel by name: that finds jobs even if Ctrl-C came before sbatch told their number."""
        if self._busy:
            self._busy = False
            _ask("scancel", "--quiet", f"--name={self._name}")


class _Job:
    """A job as its driver sees it."""

    def __init__(self, name: str, outcome: Path, log: Path, tasks: Sequence[int]) -> None:
        self.name = name
        self.tasks = dict.fromkeys(tasks)
        self.ended: float | None = None
        self.lost = False
        self._outcome, self._log = outcome, log
        self._read = 0

    def outcomes(self) -> Iterator[Done]:
        """Yield what the job has told since it was last asked."""
        try:
            file = self._outcome.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(self._read)
            while True:
                try:
                    done: Done = pickle.load(file)
                except (EOFError, pickle.UnpicklingError):  # the rest is not written yet
                    return
                self._read = file.tell()
                if done.task in self.tasks:
                    del self.tasks[done.task]
                    yield done

    def give_up(self, work: Work, said: str) -> Iterator[Done]:
        """Yield the tasks that the job did not tell of, with what was said last."""
        why = f"Slurm job {self.name} ended without it" + (f": {said}" if said else "")
        self.lost = True
        while self.tasks:
            done = lost(work, next(iter(self.tasks)), why)
            del self.tasks[done.task]
            yield done

    def last_line(self) -> str:
        """Return the end of the job's log."""
        try:
            lines = self._log.read_text(errors="replace").split("\n")
        except OSError:
            return "it left no log"
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def do_tasks(file: Path, outcome: Path, tasks: list[int]) -> None:
    """Do tasks inside a job, and tell how each came out; end at the first that is fatal.

    Parameters
    ----------
    file
        The pickled work.
    outcome
        Where pickled outcomes are appended.
    """
    # Whoever cancels means it: results are kept whole or not at all. And there is nothing to save
    # when the time is nearly up.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    work: Work = pickle.loads(file.read_bytes())
    for task in tasks:
        done = attempt(work, task)
        # Closed each time, which is when a network file system shows it to others.
        with outcome.open("ab") as out:
            pickle.dump(done, out)
        if done.fatal:
            return


def _ask(*command: str) -> tuple[int, str]:
    """Run one of Slurm's commands and return its exit status and what it said."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return ran.returncode, ran.stderr if ran.returncode else ran.stdout


def _states(array: str) -> dict[str, tuple[str, str]] | str:
    """Return state and reason of an array's jobs by name, or what squeue said if it failed."""
    status, said = _ask("squeue", "--noheader", "--array", "--format=%i|%T|%r", f"--jobs={array}")
    if status:  # Slurm forgets a job some minutes after its end
        return {} if "Invalid job id" in said else _in_one_line(said)
    rows = (line.strip().split("|", 2) for line in said.splitlines() if line.strip())
    return {name: (state, reason) for name, state, reason in rows}


def _max_array_size() -> int:
    """Return how many jobs an array may have here.

    Raises
    ------
    ConfigError
        If Slurm does not answer.
    """
    status, said = _ask("scontrol", "show", "config")
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", said)
    if status or found is None:
        raise ConfigError(f"Slurm does not answer: {_in_one_line(said)}", key="slurm")
    return max(1, int(found[1]))


def _in_one_line(text: str) -> str:
    lines = (re.sub(r"^(sbatch|squeue|scontrol): (error: )?", "", line.strip())
             for line in text.splitlines())  # fmt: skip
    return "; ".join(line for line in lines if line)
