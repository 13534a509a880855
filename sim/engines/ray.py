"""Ray: a head that runs, or one of this machine."""

from __future__ import annotations

import importlib.util
import logging
import os
import pickle
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from sim.config.engines import RaySettings
from sim.engines.engine import ONE_THREAD, Done, Work, attempt
from sim.engines.remote import TASKS_PER_WORKER, find_package, lost, missing_package
from sim.errors import ConfigError, EngineError

DEFAULT_TOKEN = Path("~/.ray/auth_token")
TOKEN, TOKEN_PATH, MODE = "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"
"""Where Ray looks for its token: in one of the first two, then in the file."""

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # warns of itself otherwise
}
"""Environment in which Ray reports to nobody and says nothing."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Of a Ray of this machine: outcomes are small."""

ALLOWED_ADDRESS = "HOST:PORT of a Ray to which this machine belongs, and its token"

CONNECT_SECONDS = 5.0
WAIT_SECONDS = 0.05
LOOK_SECONDS = 2.0
"""How often it is looked whether nodes came or went."""

_works: dict[str, Work] = {}
"""In a worker: the work by its name, unpickled once."""


class RayEngine:
    """Do tasks on Ray's workers.

    Parameters
    ----------
    settings
        Which Ray.
    workers
        Workers of a Ray that is started; one that runs has its own.

    Attributes
    ----------
    workers
        Tasks that run at once: the cores that Ray has.

    Raises
    ------
    ConfigError
        If Ray is missing.
    """

    def __init__(self, settings: RaySettings, workers: int) -> None:
        self.workers = workers
        self._settings = settings
        if importlib.util.find_spec("ray") is None:
            raise missing_package("ray", "ray", "it is not installed")

    def __enter__(self) -> RayEngine:
        """Start, or connect to, a Ray, and wait for its first core.

        Raises
        ------
        ConfigError
            If it cannot be reached, or does not take the token.
        FidelioError
            If it has no core for too long.
        """
        with ExitStack() as stack:
            stack.enter_context(_environment(QUIET | self._token()))
            self._ray = find_package("ray", "ray")  # it looks for its token as it is imported
            self._start(stack)
            self._has_cores = time.monotonic()
            while not self._look():
                time.sleep(LOOK_SECONDS)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of Ray, and end the one that was started."""
        self._stack.close()

    def run(self, work: Work, tasks: Sequence[int]) -> Iterator[Done]:
        """Yield how each task came out, in the order in which they are done.

        Raises
        ------
        FidelioError
            If Ray has no core for too long.
        """
        name = uuid.uuid4().hex
        # In a list, Ray hands on the reference, not the work: a worker asks for it once.
        pickled = [self._ray.put(pickle.dumps(work))]
        remote = self._ray.remote(num_cpus=1, max_retries=self._settings.retries)(do_task)
        waiting = iter(tasks)
        running: dict[Any, int] = {}
        looked = time.monotonic()
        try:
            while True:
                while len(running) < TASKS_PER_WORKER * self.workers:
                    task = next(waiting, None)
                    if task is None:
                        break
                    running[remote.remote(name, pickled, task)] = task
                if not running:
                    return
                refs = list(running)
                finished, _ = self._ray.wait(refs, num_returns=len(refs), timeout=WAIT_SECONDS)
                for ref in finished:
                    yield self._outcome(work, running.pop(ref), ref)
                if time.monotonic() - looked > LOOK_SECONDS:
                    self._look()
                    looked = time.monotonic()
        finally:
            if self._ray.is_initialized():
                for ref in running:
                    self._ray.cancel(ref, force=True)

    # --- beginning -------------------------------------------------------------------------------

    def _token(self) -> dict[str, str]:
        """Return the environment with the token; make one for a Ray of this machine.

        Ray asks for a token by default. A file that it wrote itself could be read by others.
        """
        mode = {MODE: os.environ.get(MODE, "token")}
        given = self._settings.token
        if given:
            file = Path(given).expanduser().absolute()
            if not file.is_file():
                raise ConfigError(
                    "is no file", key="ray.token", value=given, allowed="a file with Ray's token"
                )
            return {MODE: "token", TOKEN_PATH: str(file)}
        if os.environ.get(TOKEN) or os.environ.get(TOKEN_PATH):
            return mode
        own = DEFAULT_TOKEN.expanduser()
        if own.exists():
            return mode
        if self._settings.address:  # it may be one that asks for none
            return {}
        try:
            own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as made:
                made.write(secrets.token_hex(32))
        except OSError as error:
            raise ConfigError(
                f"no token can be written to {own} ({error.strerror})",
                key="ray.token", allowed="a file with Ray's token",
            ) from None  # fmt: skip
        return mode

    def _start(self, stack: ExitStack) -> None:
        address = self._settings.address
        own: dict[str, Any] = {"address": address}
        if address:
            _check_listens(address)
        else:
            folder = tempfile.mkdtemp(prefix="ray-")
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            own = {
                "address": "local", "num_cpus": self.workers, "num_gpus": 0,
                "include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES,
                "_temp_dir": folder, "_node_ip_address": "127.0.0.1",
            }  # fmt: skip
        self._quieten(stack)
        stack.callback(self._ray.shutdown)
        try:
            with _sigterm_kept():
                self._ray.init(
                    **own, log_to_driver=False, logging_level=logging.CRITICAL,
                    runtime_env={"env_vars": ONE_THREAD},
                )  # fmt: skip
        except (self._ray.exceptions.RayError, OSError, RuntimeError, ValueError) as error:
            raise ConfigError(
                f"no Ray {'takes us in' if address else 'starts'} ({_in_one_line(error)})",
                key="ray.address", value=address,
                allowed=ALLOWED_ADDRESS,
            ) from None  # fmt: skip

    @staticmethod
    def _quieten(stack: ExitStack) -> None:
        """Keep words of raylets off the standard output: what matters comes out with a task.

        Ray prints them whatever `log_to_driver` says.
        """
        worker = find_package("ray._private.worker", "ray")
        before = getattr(worker, "print_to_stdstream", None)
        if before is not None:
            worker.print_to_stdstream = lambda *_, **__: None
            stack.callback(setattr, worker, "print_to_stdstream", before)

    # --- meanwhile -------------------------------------------------------------------------------

    def _look(self) -> int:
        """Return how many tasks can run at once now.

        Raises
        ------
        FidelioError
            If there has been no core for too long.
        """
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        now = time.monotonic()
        if cores:
            self.workers = cores
            self._has_cores = now
        elif now - self._has_cores > self._settings.patience_minutes * 60:
            raise EngineError(
                f"Ray has had no core for {self._settings.patience_minutes:g} minutes"
            )
        return cores

    def _outcome(self, work: Work, task: int, ref: Any) -> Done:
        try:
            done: Done = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return lost(work, task, f"Ray lost it ({type(error).__name__})")
        return done


def do_task(name: str, pickled: list[Any], task: int) -> Done:
    """Do a task in one of Ray's workers.

    Parameters
    ----------
    name
        Of the work.
    pickled
        Reference to the pickled work.
    """
    if name not in _works:
        data = find_package("ray", "ray").get(pickled[0])
        try:
            work = pickle.loads(data)
        except Exception as error:  # whatever a worker raises that lacks what the work imports
            why = f"Ray's workers cannot take the work ({type(error).__name__}: {error})"
            return Done(task, error=why, fatal=True)
        _works.clear()
        _works[name] = work
    return attempt(_works[name], task)


def _check_listens(address: str) -> None:
    """Look whether a head is there: Ray itself would try for three minutes, and not quietly.

    Raises
    ------
    ConfigError
        If none is.
    """
    host, _, port = address.rpartition(":")
    if not host or "://" in host or not port.isdigit():  # `auto`, or another way to connect
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise ConfigError(
            f"no Ray answers ({error.strerror or error})",
            key="ray.address", value=address, allowed=ALLOWED_ADDRESS,
        ) from None  # fmt: skip


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for a while; what Ray sets for itself meanwhile goes, too."""
    before = _ray_variables()
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in _ray_variables():
            del os.environ[name]
        os.environ.update(before)


def _ray_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_")}


@contextmanager
def _sigterm_kept() -> Iterator[None]:
    """Undo that Ray takes the handler of SIGTERM for itself."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
