"""Processes of this machine: a thread of the driver each, which waits for its process."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import NamedTuple

from sim.engines import isolated
from sim.engines.engine import Done, Work, attempt


class ProcessEngine:
    """Run work that has its calls made in isolated processes, so many at once.

    Threads and their processes stay until the engine is left: who runs work in many rounds does not
    wait for new ones each time.

    Parameters
    ----------
    workers
        How many; 0 for one per core.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._stopping = threading.Event()
        self._waiting = queue.SimpleQueue[_Call | None]()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> ProcessEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        isolated.stop_all()
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join()

    def run(self, work: Work, tasks: Sequence[int]) -> Iterator[Done]:
        """Yield how each task came out, see `sim.engines.engine.Engine`."""
        done = queue.SimpleQueue[Done]()
        while len(self._threads) < min(self.workers, len(tasks)):
            self._start()
        for task in tasks:
            self._waiting.put(_Call(work, task, done))
        for _ in tasks:
            yield done.get()

    def _start(self) -> None:
        name = f"fidelio-{len(self._threads)}"
        thread = threading.Thread(target=self._work_on, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work_on(self) -> None:
        try:
            while (call := self._waiting.get()) is not None:
                if self._stopping.is_set():
                    return
                call.done.put(attempt(call.work, call.task))
        finally:
            isolated.close_mine()


class _Call(NamedTuple):
    """A task that waits for a thread, and where its outcome goes."""

    work: Work
    task: int
    done: queue.SimpleQueue[Done]
