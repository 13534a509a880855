"""Where work runs, and the settings of the engines that work on clusters: Slurm, Dask, Ray."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sim.config.fields import number


class EngineKind(Enum):
    """Where work runs."""

    LOCAL = "local"
    """Processes of this machine."""
    SLURM = "slurm"
    DASK = "dask"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class SlurmSettings:
    """How jobs are asked for of Slurm."""

    partition: str = ""
    """The site's default if empty."""
    account: str = ""
    """Who pays; your default if empty."""
    memory_gb: float = number(2.0, unit="GB a job; 0 for the partition's default", low=0, high=4096)
    time_minutes: int = number(60, unit="minutes after which Slurm ends a job", low=1, high=100_000)
    job_minutes: float = number(10.0, unit="minutes of work a job is given, about",
                                low=0.01, high=10_000)  # fmt: skip
    max_jobs: int = number(1000, unit="jobs of an array; the site may allow fewer",
                           low=1, high=1_000_000)  # fmt: skip
    patience_minutes: float = number(5.0, unit="minutes that Slurm may leave a question unanswered",
                                     low=0.05, high=10_000)  # fmt: skip
    folder: str = "~/.cache/fidelio"
    """Where jobs' files go for the time being: this machine and the nodes must see it alike."""
    python: str = ""
    """The Python of the jobs, as a shell writes it; the one that runs the sweep if empty."""
    setup: tuple[str, ...] = ()
    """Shell commands before the work: `module load ...`."""
    options: dict[str, str] = field(default_factory=dict)
    """Further options of sbatch, `qos: long`; an empty text for one without a value."""


class QueueKind(Enum):
    """Batch systems on which dask-jobqueue starts workers."""

    HTCONDOR = "htcondor"
    LSF = "lsf"
    MOAB = "moab"
    OAR = "oar"
    PBS = "pbs"
    SGE = "sge"
    SLURM = "slurm"


@dataclass(frozen=True, slots=True)
class JobQueue:
    """How Dask's workers are asked for of a batch system: a job per worker, of one core."""

    name: QueueKind
    memory_gb: float = number(2.0, unit="GB a worker", low=0.1, high=4096)
    setup: tuple[str, ...] = ()
    """Shell commands before the worker: `module load ...`."""
    folder: str = "~/.cache/fidelio"
    """Where jobs' logs go for the time being, as Slurm's; `log_directory` among the options keeps
    them."""
    directives: tuple[str, ...] = ()
    """Further options of the batch system, each as a job's header writes it: `--qos=long`."""
    options: dict[str, str] = field(default_factory=dict)
    """Further arguments of dask-jobqueue's class: `queue`, `account`, `walltime`, `interface`."""


@dataclass(frozen=True, slots=True)
class DaskSettings:
    """Which Dask does the work: one that runs, one on a batch system, else one of this machine."""

    address: str = ""
    """Of a scheduler that runs: `tcp://HOST:8786`."""
    jobqueue: JobQueue | None = None
    connect_seconds: float = number(20.0, unit="seconds in which the scheduler must answer",
                                    low=1, high=3600)  # fmt: skip
    patience_minutes: float = number(10.0, unit="minutes without any worker, then it is given up",
                                     low=0.05, high=100_000)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RaySettings:
    """Which Ray does the work: one that runs, else one of this machine."""

    address: str = ""
    """Of a head that runs: `HOST:6379`, or `auto` for the one of this machine."""
    token: str = ""
    """File with the token of that Ray; if empty, where Ray itself looks for it."""
    retries: int = number(3, unit="further attempts at a task whose worker died", low=0, high=100)
    patience_minutes: float = number(10.0, unit="minutes without any worker, then it is given up",
                                     low=0.05, high=100_000)  # fmt: skip
