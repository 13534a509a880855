"""What every engine is: it runs independent tasks somewhere and tells how each came out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from sim.errors import FidelioError

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)
"""Environment of a worker: it has one core, and libraries would start a thread per core."""


class Work(Protocol):
    """What is done; it can be pickled, and imports what it needs where it runs.

    Doing a task twice, or in two places at once, must do no harm: its result is kept, whole or not
    at all, where `is_done` finds it.
    """

    def __call__(self, task: int, /) -> Any:
        """Do a task and return something small that can be pickled.

        Raises
        ------
        FidelioError
            If no task can be done (the store cannot be written, say).
        """

    def is_done(self, task: int, /) -> bool:
        """Return whether a task's result is kept."""


class Done(NamedTuple):
    """How a task came out."""

    task: int
    value: Any = None
    """What the work returned; None if that was lost with its worker, though the result is kept."""
    error: str = ""
    """Why there is no result: the worker was lost, or the work raised. Empty if there is one."""
    fatal: bool = False
    """Whether the work raised a FidelioError: other tasks would meet it, too."""


class Engine(Protocol):
    """Where work runs. A context manager: leaving it lets go of all that was started.

    Attributes
    ----------
    workers
        How many tasks run at once.
    """

    workers: int

    def __enter__(self) -> Engine:
        """Start, or connect to, what does the work.

        Raises
        ------
        FidelioError
            If it cannot be reached, or a package is missing: it names the extra to install.
        """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cancel what has not been done and let go of what was started."""

    def run(self, work: Work, tasks: Sequence[int]) -> Iterator[Done]:
        """Yield how each task came out, in any order, each exactly once.

        A worker that dies is no error of the run: its task is given to another one, or comes out
        with an `error`, and the caller may ask for it again. At most a few tasks per worker wait in
        the engine, so that its memory does not grow with the number of tasks.
        """


def attempt(work: Work, task: int) -> Done:
    """Do a task unless its result is kept already, and return how it came out.

    It is kept already where a worker was lost after its result was written. Errors become text,
    since not every exception can be pickled.
    """
    try:
        return Done(task) if work.is_done(task) else Done(task, work(task))
    except FidelioError as error:
        return Done(task, error=str(error), fatal=True)
    except Exception as error:  # whatever the work raises is this task's outcome
        return Done(task, error=f"{type(error).__name__}: {error}")
