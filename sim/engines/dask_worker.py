"""What Dask's workers import: they keep the work, so that a task is a number on the wire.

Imported only where Dask is.
"""

from __future__ import annotations

import pickle
import signal

from distributed import Worker, WorkerPlugin, get_worker

from sim.engines.engine import Done, Work, attempt


class Keeper(WorkerPlugin):
    """Give the work to each worker once, to those that come later, too.

    Parameters
    ----------
    pickled
        The work.
    """

    def __init__(self, pickled: bytes) -> None:
        self.pickled = pickled

    def setup(self, worker: Worker) -> None:
        """Unpickle the work where it is done."""
        self.work: Work = pickle.loads(self.pickled)


class Deaf(WorkerPlugin):
    """Let workers ignore Ctrl-C: it is for the process that started them, which then ends them."""

    def setup(self, worker: Worker) -> None:
        """Do it where the worker's own loop runs, which is the main thread."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def do_task(name: str, task: int) -> Done:
    """Do a task of the work that the keeper of this name has."""
    keeper = get_worker().plugins[name]
    return attempt(keeper.work, task)
