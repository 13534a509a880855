"""Processes of this machine: a thread of the driver each, which waits for its process."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType

from sim.engines import isolated
from sim.engines.engine import Done, Work, attempt


class ProcessEngine:
    """Run work that has its calls made in isolated processes, so many at once.

    Parameters
    ----------
    workers
        How many; 0 for one per core.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers or os.cpu_count() or 1
        self._stopping = threading.Event()
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
        for thread in self._threads:
            thread.join()

    def run(self, work: Work, tasks: Sequence[int]) -> Iterator[Done]:
        """Yield how each task came out, see `sim.engines.engine.Engine`."""
        waiting, done = iter(tasks), queue.SimpleQueue[Done]()
        lock = threading.Lock()

        def work_on() -> None:
            try:
                while not self._stopping.is_set():
                    with lock:
                        task = next(waiting, None)
                    if task is None:
                        return
                    done.put(attempt(work, task))
            finally:
                isolated.close_mine()

        n_threads = min(self.workers, len(tasks))
        self._threads = [
            threading.Thread(target=work_on, name=f"fidelio-{number}", daemon=True)
            for number in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()
        for _ in tasks:
            yield done.get()
