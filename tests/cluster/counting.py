"""Work for the tests of engines: a file per task, and ways to fail. Workers import it, too."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from sim.errors import StoreError


@dataclass(frozen=True)
class Counting:
    """Keep twice the task's number in a file of its own, after some seconds."""

    folder: Path
    seconds: float = 0.0
    breaks: tuple[int, ...] = ()
    """Tasks that raise an error of some library."""
    full: tuple[int, ...] = ()
    """Tasks that find the disk full."""
    deadly: tuple[int, ...] = ()
    """Tasks that take their process with them."""

    def __call__(self, task: int) -> int:
        note(self.folder / f"begun-{task}", str(os.getpid()))
        time.sleep(self.seconds)
        if task in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        if task in self.breaks:
            raise UnpicklableError(task, "broke")
        if task in self.full:
            raise StoreError(f"disk is full at task {task}")
        note(self.folder / f"done-{task}", str(2 * task))
        return 2 * task

    def is_done(self, task: int) -> bool:
        return (self.folder / f"done-{task}").exists()

    def kept(self) -> set[int]:
        return {int(file.name.split("-")[1]) for file in self.folder.glob("done-*")}

    def begun(self) -> dict[int, int]:
        """Return which process began each task last."""
        return {int(file.name.split("-")[1]): int(file.read_text())
                for file in self.folder.glob("begun-*")}  # fmt: skip


@dataclass(frozen=True)
class Asking:
    """Return what a worker's environment says."""

    names: tuple[str, ...]

    def __call__(self, task: int) -> dict[str, str | None]:
        return {name: os.environ.get(name) for name in self.names}

    def is_done(self, task: int) -> bool:
        return False


class UnpicklableError(Exception):
    """An exception that does not survive pickling, like many."""

    def __init__(self, task: int, what: str) -> None:
        super().__init__(f"task {task} {what}")


def note(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    draft = file.with_name(f".{file.name}-{os.getpid()}")
    draft.write_text(text)
    draft.replace(file)
