"""Dask: a scheduler that runs, workers on a batch system, or processes of this machine."""

from __future__ import annotations

import logging
import pickle
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Any

from sim.config.engines import DaskSettings, JobQueue, QueueKind
from sim.engines.engine import ONE_THREAD, Done, Work
from sim.engines.remote import TASKS_PER_WORKER, find_package, lost, make_folder
from sim.errors import ConfigError, EngineError

CLUSTERS = {
    QueueKind.HTCONDOR: "HTCondorCluster",
    QueueKind.LSF: "LSFCluster",
    QueueKind.MOAB: "MoabCluster",
    QueueKind.OAR: "OARCluster",
    QueueKind.PBS: "PBSCluster",
    QueueKind.SGE: "SGECluster",
    QueueKind.SLURM: "SLURMCluster",
}
"""Classes of dask-jobqueue."""

CLOSE_SECONDS = 3
POLL_SECONDS = 0.02
LOOK_SECONDS = 2.0
"""How often it is looked whether workers came or went."""


class DaskEngine:
    """Do tasks on Dask's workers.

    Parameters
    ----------
    settings
        Which Dask.
    workers
        Workers that are started; a scheduler that runs has its own.

    Attributes
    ----------
    workers
        Tasks that run at once: threads of all workers, once they are there.

    Raises
    ------
    ConfigError
        If Dask is missing.
    """

    def __init__(self, settings: DaskSettings, workers: int) -> None:
        self.workers = workers
        self._distributed = find_package("distributed", "dask")
        self._worker = find_package("sim.engines.dask_worker", "dask")
        self._settings = settings
        self._wanted = workers
        self._cluster: Any = None

    def __enter__(self) -> DaskEngine:
        """Start, or connect to, a scheduler, and wait for the first worker.

        Raises
        ------
        ConfigError
            If it cannot be reached, or the batch system refuses the workers.
        FidelioError
            If no worker comes for too long.
        """
        with ExitStack() as stack:
            self._quieten(stack)
            self._client = self._connect(stack)
            self._has_workers = time.monotonic()
            while not self._look():
                time.sleep(POLL_SECONDS)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the scheduler, and end what was started."""
        self._stack.close()

    def run(self, work: Work, tasks: Sequence[int]) -> Iterator[Done]:
        """Yield how each task came out, in the order in which they are done.

        Raises
        ------
        FidelioError
            If the scheduler is lost, or all workers are for too long.
        """
        name = f"fidelio-{uuid.uuid4().hex}"
        self._give(self._worker.Keeper(pickle.dumps(work)), name)
        ready = self._distributed.as_completed(
            loop=self._client.loop, with_results=True, raise_errors=False
        )
        waiting = iter(tasks)
        running: dict[str, tuple[int, Any]] = {}
        looked = time.monotonic()
        try:
            while True:
                while len(running) < TASKS_PER_WORKER * self.workers:
                    task = next(waiting, None)
                    if task is None:
                        break
                    key = f"{name}-{task}"
                    future = self._client.submit(
                        self._worker.do_task, name, task, key=key, pure=False
                    )
                    running[key] = task, future
                    ready.add(future)
                if not running:
                    return
                finished = ready.next_batch(block=False)
                for future, result in finished:
                    task, _ = running.pop(future.key)
                    yield _outcome(work, task, future.status, result)
                if not finished:
                    time.sleep(POLL_SECONDS)
                if time.monotonic() - looked > LOOK_SECONDS:
                    self._look()
                    looked = time.monotonic()
        finally:
            with suppress(*self._failures()):
                self._client.cancel([future for _, future in running.values()], force=True)
                self._client.unregister_worker_plugin(name)

    # --- beginning -------------------------------------------------------------------------------

    @staticmethod
    def _quieten(stack: ExitStack) -> None:
        """Keep Dask's own words off the terminal: what matters comes out with a task."""
        for name in ("tornado.application", "distributed", *logging.root.manager.loggerDict):
            if name == "tornado.application" or name.partition(".")[0] == "distributed":
                logger = logging.getLogger(name)
                stack.callback(logger.setLevel, logger.level)
                logger.setLevel(logging.CRITICAL)

    def _connect(self, stack: ExitStack) -> Any:
        address = self._settings.address
        if address and self._settings.jobqueue is not None:
            raise ConfigError(
                "an address and a batch system are given", key="dask", allowed="one of them"
            )
        if not address:
            self._cluster = self._start(stack)
            stack.callback(self._close, self._cluster)
        try:
            client = self._distributed.Client(
                self._cluster or address,
                timeout=self._settings.connect_seconds,
                set_as_default=False,
            )
        except (OSError, ValueError, ImportError) as error:
            raise ConfigError(
                f"no scheduler answers ({_first_line(error)})",
                key="dask.address", value=address, allowed="tcp://HOST:PORT of a dask scheduler",
            ) from None  # fmt: skip
        stack.callback(self._close, client)
        if not address and self._settings.jobqueue is None:
            client.register_plugin(self._worker.Deaf())
        return client

    def _start(self, stack: ExitStack) -> Any:
        queue = self._settings.jobqueue
        if queue is not None:
            return self._start_jobs(queue, stack)
        return self._distributed.LocalCluster(
            n_workers=self._wanted, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address=None,
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL, env=ONE_THREAD,
        )  # fmt: skip

    def _start_jobs(self, queue: JobQueue, stack: ExitStack) -> Any:
        jobqueue = find_package("dask_jobqueue", "dask")
        logs = make_folder(queue.folder, "dask-", "dask.jobqueue.folder")
        stack.callback(shutil.rmtree, logs, ignore_errors=True)
        options = {"log_directory": str(logs), **queue.options}
        try:
            cluster = getattr(jobqueue, CLUSTERS[queue.name])(
                cores=1, processes=1, memory=f"{queue.memory_gb}GB",
                job_script_prologue=[
                    *(f"export {name}={value}" for name, value in ONE_THREAD.items()),
                    *queue.setup,
                ],
                job_extra_directives=list(queue.directives),
                scheduler_options={"dashboard": False, "dashboard_address": ":0"},
                **options,
            )  # fmt: skip
        except (TypeError, ValueError, OSError, RuntimeError) as error:
            raise ConfigError(
                f"dask-jobqueue refuses it ({_first_line(error)})",
                key="dask.jobqueue", allowed=f"arguments of {CLUSTERS[queue.name]}",
            ) from None  # fmt: skip

        async def ask() -> None:
            cluster.scale(self._wanted)
            await cluster._correct_state()  # `scale` alone keeps the refusal to itself

        try:
            cluster.sync(ask)
        except (RuntimeError, ValueError, OSError) as error:
            cluster._created.clear()  # it does not close over workers that never began
            self._close(cluster)
            raise ConfigError(
                f"{queue.name.value} refuses the workers: {_last_line(error)}", key="dask.jobqueue"
            ) from None
        return cluster

    def _give(self, keeper: Any, name: str) -> None:
        try:
            self._client.register_plugin(keeper, name=name)
        except self._failures() as error:
            raise EngineError(f"Dask's scheduler is lost ({_first_line(error)})") from None
        except Exception as error:  # whatever a worker raised that cannot unpickle the work
            raise ConfigError(
                f"Dask's workers cannot take the work ({type(error).__name__}: {error})",
                key="dask", allowed="workers with the same Python and packages as here",
            ) from None  # fmt: skip

    # --- meanwhile -------------------------------------------------------------------------------

    def _failures(self) -> tuple[type[Exception], ...]:
        """Return what a lost scheduler is met by."""
        return (OSError, RuntimeError, TimeoutError, self._distributed.client.ClosedClientError)

    def _look(self) -> int:
        """Return how many tasks can run at once now; ask for workers that are lost.

        Raises
        ------
        FidelioError
            If the scheduler is lost, or all workers are for too long.
        """
        try:
            if self._client.status in {"closed", "closing"}:
                raise OSError("it closed the connection")
            threads: int = sum(self._client.nthreads().values())
        except self._failures() as error:
            raise EngineError(f"Dask's scheduler is lost ({_first_line(error)})") from None
        now = time.monotonic()
        if threads:
            self.workers = threads
            self._has_workers = now
        elif now - self._has_workers > self._settings.patience_minutes * 60:
            raise EngineError(
                f"Dask has had no worker for {self._settings.patience_minutes:g} minutes"
            )
        if self._settings.jobqueue is not None and threads < self._wanted:
            self._cluster.scale(self._wanted)
        return threads

    def _close(self, what: Any) -> None:
        with suppress(*self._failures()):
            what.close(timeout=CLOSE_SECONDS)


def _outcome(work: Work, task: int, status: str, result: Any) -> Done:
    if status == "finished":
        done: Done = result
        return done
    if status == "error":
        _, error, _ = result
        return lost(work, task, f"Dask lost it ({type(error).__name__}: {_first_line(error)})")
    return lost(work, task, f"Dask lost it ({status})")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
