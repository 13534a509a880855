"""What every engine is: it runs independent tasks somewhere and tells how each came out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol


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


MakeEngine = Callable[[], Engine]
