"""Compiled inner loops: arrays and numbers in, arrays out. Imports nothing of the rest of `sim`.

Numba keeps what it compiled, stamped with a function's own file only, so a change in a function
that it inlines would go unseen: the name of the cache folder therefore carries a hash of all kernel
sources. It also carries the processor. Numba has that in the key of its index, beside the types of
the arguments, but two processes that write at once may give code of different keys the same file.
In a folder per processor, where each function is kept for one set of types, there is but one key.
Numba writes beside the place and renames, so no process meets half a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numba
from llvmlite import binding
from numba.core import event


def _cache_folder() -> Path:
    here = Path(__file__).parent
    sources = sorted(here.glob("*.py"))
    processor = f"{binding.get_host_cpu_name()} {binding.get_host_cpu_features().flatten()}"
    parts = [processor.encode(), str(here).encode(), *(path.read_bytes() for path in sources)]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()[:16]
    given = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    home = Path(given) if given else Path.home() / ".cache"
    folder = home / "fidelio" / f"kernels-{digest}-numba-{numba.__version__}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / folder.name
    return folder


CACHE = _cache_folder()

# Not as an attribute: Numba makes its settings at run time, where no type checker sees them.
vars(numba.config)["CACHE_DIR"] = str(CACHE)


class _Wait(event.Listener):
    """Tells of a long wait, once: when something is compiled, or when asked to."""

    def __init__(self, tell: Callable[[], Any]) -> None:
        self._tell, self._told = tell, False

    def tell(self) -> None:
        """Tell of it, if that was not done yet."""
        if not self._told:
            self._told = True
            self._tell()

    def on_start(self, _: event.Event) -> None:
        """Do what Numba asks of listeners: here something begins to be compiled."""
        self.tell()

    def on_end(self, _: event.Event) -> None:
        """Do what Numba asks of listeners: nothing."""


def are_kept() -> bool:
    """Return whether the compiled loops are on disk."""
    return _mark().exists()


@contextmanager
def compiled_once(tell: Callable[[], Any]) -> Iterator[None]:
    """Let the first of several processes compile what is used inside, and the others load it.

    Those that come while the first is at it wait here. Where the folder cannot be written, each
    compiles for itself.

    Parameters
    ----------
    tell
        Called before a long wait: when something is compiled, or another process is compiling.
    """
    wait = _Wait(tell)
    with ExitStack() as held, event.install_listener("numba:compile", wait):
        if not are_kept():
            with suppress(OSError):
                _lock(held.enter_context((CACHE / "lock").open("w")), wait)
        yield
        with suppress(OSError):
            _mark().touch()


def _mark() -> Path:
    """Return the file that says that all is compiled."""
    return CACHE / "complete"


def _lock(file: IO[str], wait: _Wait) -> None:
    """Take the lock on a file; it is given back when the file is closed or the process dies."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        wait.tell()
        fcntl.flock(file, fcntl.LOCK_EX)
