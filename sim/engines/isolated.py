"""A function called in a process of its own, so that no call can take its caller along.

A call may raise, run for ever, or end its process (out of memory, killed by hand): the caller gets
an answer that says so, and the next call finds a new process.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import IO, Any, NamedTuple

from sim.engines.engine import ONE_THREAD

START_SECONDS = 900.0
"""How long a process may take to begin: on a machine's first run it compiles."""
TRIES = 2
"""Processes that one call may cost before it is given up."""
AHEAD = 2
"""Calls that are sent before the first is answered, so that no process waits for its caller."""
UNSUITED = ("MALLOC_TRIM_THRESHOLD_",)
"""Environment that a process does not take over. Dask has its workers give memory back at once: a
unit of a sweep then meets 530 page faults instead of 3, and takes a tenth longer."""
_NO_MORE = object()


class Answer(NamedTuple):
    """What came of one call."""

    value: Any = None
    error: str = ""


class StoppedError(Exception):
    """Raised in whoever waits for an answer when `stop_all` ends the processes."""


class _LostError(Exception):
    """There is no process any more; `final` if the call that it was at is not to be tried again."""

    def __init__(self, reason: str, *, final: bool = False) -> None:
        super().__init__(reason)
        self.final = final


class Isolated:
    """A function in a process of its own, started at the first call and again when it is lost.

    Parameters
    ----------
    function
        Can be pickled. Its method `begin` is called first, with no limit but START_SECONDS.
    seconds
        How long one call may take.
    """

    def __init__(self, function: Callable[[Any], Any], seconds: float) -> None:
        self.function, self.seconds = function, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._said: IO[bytes] | None = None
        self._stopped = False
        _ALL.add(self)

    def map(self, items: Iterable[Any]) -> Iterator[Answer]:
        """Yield what comes of each item, in order.

        Raises
        ------
        StoppedError
            If `stop_all` was called meanwhile.
        RuntimeError
            If the function cannot begin.
        """
        source, waiting, sent, tries = iter(items), deque[Any](), 0, 0
        while True:
            while len(waiting) < AHEAD and (item := next(source, _NO_MORE)) is not _NO_MORE:
                waiting.append(item)
            if not waiting:
                return
            try:
                self._start()
                while sent < len(waiting):
                    self._send(waiting[sent])
                    sent += 1
                answer = self._receive(self.seconds)
            except _LostError as lost:
                sent, tries = 0, tries + 1
                if tries < TRIES and not lost.final:
                    continue
                answer = Answer(error=str(lost))
            else:
                sent -= 1
            tries = 0
            waiting.popleft()
            yield answer

    def close(self) -> None:
        """End the process, if there is one."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._said is not None:
            self._said.close()
        self._process = self._pipe = self._said = None

    def stop(self) -> None:
        """End the process from another thread; who waits for it gets a StoppedError."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> None:
        if self._stopped:
            self.close()
            raise StoppedError
        if self._process is not None:
            return
        self._pipe, theirs = multiprocessing.Pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(),),
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the caller
            )
        try:
            self._send(self.function)
            began = self._receive(START_SECONDS)
        except _LostError as lost:
            raise RuntimeError(f"a worker's process could not begin: {lost}") from None
        if began.error:
            self.close()
            raise RuntimeError(f"a worker's process could not begin: {began.error}")

    def _send(self, what: Any) -> None:
        assert self._pipe is not None
        data = pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)
        try:
            self._pipe.send_bytes(data)
        except OSError:
            raise self._lost() from None

    def _receive(self, seconds: float) -> Answer:
        assert self._pipe is not None
        try:
            if not self._pipe.poll(seconds):
                self.close()
                raise _LostError(f"was not done within {seconds:g} seconds", final=True)
            data = self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise self._lost() from None
        return Answer(*pickle.loads(data))

    def _lost(self) -> _LostError:
        """Return why the process is gone, after tidying up."""
        assert self._process is not None
        assert self._said is not None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        code = self._process.poll()
        self._said.seek(0)
        last = self._said.read().decode(errors="replace").strip().splitlines()[-1:]
        self.close()
        if self._stopped:
            raise StoppedError
        how = f"signal {signal.Signals(-code).name}" if code and code < 0 else f"exit code {code}"
        return _LostError(": ".join([f"its process ended with {how}", *last]))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNSUITED}
    return {**kept, **ONE_THREAD, "PYTHONFAULTHANDLER": "1"}


_ALL: weakref.WeakSet[Isolated] = weakref.WeakSet()
_MINE = threading.local()


def mine(key: str, make: Callable[[], Isolated]) -> Isolated:
    """Return the one of this thread for a key, made at the first call; there is one at a time."""
    if getattr(_MINE, "key", None) != key:
        close_mine()
        _MINE.key, _MINE.isolated = key, make()
    kept: Isolated = _MINE.isolated
    return kept


def close_mine() -> None:
    """End this thread's process, if it has one."""
    if getattr(_MINE, "key", None) is not None:
        _MINE.isolated.close()
        del _MINE.key, _MINE.isolated


def stop_all() -> None:
    """End every such process of this one: who waits for an answer gets a StoppedError."""
    for each in list(_ALL):
        each.stop()


# --- in the process ------------------------------------------------------------------------------


def serve(pipe: Connection) -> None:
    """Answer calls until the caller is gone."""
    threading.Thread(target=_die_with_caller, args=(pipe.fileno(),), daemon=True).start()
    with suppress(EOFError, OSError):
        function = _answer(pipe, lambda data: _begun(pickle.loads(data)))
        while function is not None:
            _answer(pipe, lambda data: function(pickle.loads(data)), keep=False)


def _begun(function: Any) -> Any:
    function.begin()
    return function


def _answer(pipe: Connection, work: Callable[[bytes], Any], *, keep: bool = True) -> Any:
    """Do one call and send what came of it; with `keep`, return it rather than send it."""
    data = pipe.recv_bytes()
    try:
        value, error = work(data), ""
    except Exception as raised:
        value, error = None, _described(raised)
    pipe.send_bytes(pickle.dumps((None if keep else value, error), pickle.HIGHEST_PROTOCOL))
    return value if keep else None


def _described(error: Exception) -> str:
    """Return an error in one line: its message if it is ours, else its kind, too."""
    ours = type(error).__module__.startswith("sim.")
    text = " ".join(str(error).split())
    return text if ours and text else f"{type(error).__name__}: {text}".rstrip(": ")


def _die_with_caller(number: int) -> None:
    """End this process when the other end of its pipe is closed, whatever it is doing."""
    watched = select.poll()
    watched.register(number, 0)  # a hang-up is told without being asked for
    watched.poll()
    os._exit(1)


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
