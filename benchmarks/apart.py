"""A measurement in a process of its own, and what a process holds in memory."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

Found = TypeVar("Found")


def apart(function: Callable[..., Found], *arguments: Any) -> Found:
    """Return what a function gives in a fresh process, which dies with an interrupt.

    Raises
    ------
    RuntimeError
        If the process ends without an answer: it failed, or the system had no memory for it.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        found: Found = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"{function.__module__}.{function.__name__}{arguments} ended with {process.exitcode}"
        ) from None
    finally:
        process.terminate()
        process.join()
    return found


def _answer(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    sender.send(function(*arguments))
    sender.close()


def resident_bytes() -> int:
    """Return what this process holds in memory now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """Return the largest resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
