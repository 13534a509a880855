"""Threads of this machine: enough, since the compiled loop releases the interpreter lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

Task = TypeVar("Task")
Done = TypeVar("Done")

# From so many customers on, threads share one replication instead of taking one each: below, a
# replication is too short to part; above, one population per thread would cost memory.
CUSTOMERS_TO_SHARE = 500_000


class StoppedError(Exception):
    """Raised inside a task that is asked to stop."""


class LocalEngine:
    """Run independent tasks on threads.

    Parameters
    ----------
    threads
        Number of threads; 0 for one per core.
    customers
        Simulated customers of a task: decides whether threads take tasks or share one.

    Attributes
    ----------
    stopping
        Set when work should end early; tasks look at it between quarters.
    """

    def __init__(self, threads: int, customers: int) -> None:
        cores = threads or os.cpu_count() or 1
        share = customers >= CUSTOMERS_TO_SHARE
        self.task_threads = 1 if share else cores
        self.threads_per_task = cores if share else 1
        self.stopping = threading.Event()

    def run(self, work: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
        """Yield each task's result as it is done; on an interrupt, drop what has not begun."""
        pool = ThreadPoolExecutor(self.task_threads, thread_name_prefix="fidelio")
        try:
            futures = [pool.submit(work, task) for task in tasks]
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            self.stopping.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
