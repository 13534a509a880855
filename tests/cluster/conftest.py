"""Real clusters on loopback: Slurm with one node, Dask with two workers, Ray with two nodes.

A fixture gives what a process needs to use the cluster: `environment`, set in this process too,
and `settings` as `fidelio sweep` takes them. Whatever a fixture started is ended with it, what
these processes started in turn included: all bear a mark in their environment.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MARK = "FIDELIO_TEST_MARK"


@dataclass
class Cluster:
    """What a process needs to use a cluster, and the processes that make it up."""

    folder: Path
    environment: dict[str, str]
    settings: dict[str, str]
    """Keys of `fidelio sweep` with their values."""
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def arguments(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.settings.items()]


@pytest.fixture(scope="session", autouse=True)
def importable() -> Iterator[None]:
    """Let workers import the tests' own work."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        yield


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    missing = [each for each in ("slurmctld", "slurmd", "munged", "sbatch") if not _which(each)]
    if missing:
        pytest.skip(f"no {', '.join(missing)}: apt-get install slurm-wlm munge")
    if os.geteuid():
        pytest.skip("the daemons of Slurm need root")
    _need("submitit", "slurm")
    with _folder() as folder, _marked() as mark:
        control, node = _free_ports(2)
        names = {"FOLDER": folder, "HOST": socket.gethostname().partition(".")[0],
                 "CONTROL_PORT": control, "NODE_PORT": node}  # fmt: skip
        text = (HERE / "slurm.conf.in").read_text()
        for name, value in names.items():
            text = text.replace(f"@{name}@", str(value))
        conf = folder / "slurm.conf"
        conf.write_text(text)
        for each in ("state", "spool", "jobs"):
            (folder / each).mkdir()
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        settings = {"slurm.folder": str(folder / "jobs"), "slurm.memory_gb": "0"}
        with _variables({"SLURM_CONF": str(conf), MARK: mark}) as environment:
            # Each puts itself in the background once it answers.
            for command in (
                ["munged", f"--key-file={key}", f"--socket={folder}/munge.sock", "--force",
                 f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log",
                 f"--seed-file={folder}/munged.seed", "--num-threads=2"],
                ["slurmctld", "-c", "-f", str(conf)],
                ["slurmd", "-N", "localhost", "-f", str(conf)],
            ):  # fmt: skip
                subprocess.run([_which(command[0]), *command[1:]], check=True, timeout=60)
            _wait_for(lambda: _says("idle", "sinfo", "--noheader", "--format=%T"), "Slurm's node")
            yield Cluster(folder, environment, settings)


@pytest.fixture(scope="module")
def dask() -> Iterator[Cluster]:
    """Give a scheduler with two workers of one thread; `nodes`: scheduler, then their nannies."""
    _need("distributed", "dask")
    with _folder() as folder, _marked() as mark, _variables({MARK: mark}) as environment:
        [port] = _free_ports(1)
        address = f"tcp://127.0.0.1:{port}"
        cluster = Cluster(folder, environment, {"dask.address": address})
        cluster.nodes.append(_start(folder, "-m", "distributed.cli.dask_scheduler", "--host",
                                    "127.0.0.1", "--port", str(port), "--no-dashboard",
                                    "--no-show"))  # fmt: skip
        _wait_for(lambda: _listens(port), "Dask's scheduler")
        for _ in range(2):
            cluster.nodes.append(_start(folder, "-m", "distributed.cli.dask_worker", address,
                                        "--nthreads", "1", "--nanny", "--no-dashboard", "--host",
                                        "127.0.0.1", "--local-directory", str(folder)))  # fmt: skip
        yield cluster


@pytest.fixture(scope="module")
def ray() -> Iterator[Cluster]:
    """Give a head and a second node, a core each; `nodes` are what keeps them running."""
    _need("ray", "ray")
    with _folder() as folder, _marked() as mark:
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        variables = {
            MARK: mark, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            # A node that is gone is called so after seconds, not after half a minute.
            "RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "3",
        }  # fmt: skip
        with _variables(variables) as environment:
            [port] = _free_ports(1)
            address = f"127.0.0.1:{port}"
            cluster = Cluster(folder, environment, {"ray.address": address})
            common = ["-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1",
                      "--object-store-memory=80000000", "--disable-usage-stats"]  # fmt: skip
            cluster.nodes.append(_start(folder, *common, "--head", f"--port={port}",
                                        "--node-ip-address=127.0.0.1", f"--temp-dir={folder}/ray",
                                        "--include-dashboard=false"))  # fmt: skip
            _wait_for(lambda: _listens(port), "Ray's head")
            cluster.nodes.append(_start(folder, *common, f"--address={address}"))
            yield cluster


# --- processes -----------------------------------------------------------------------------------


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(after_name[1]) == pid and after_name[0] != "Z":
                found.append(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    """Return whether a process runs: a zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with (folder / "processes.log").open("ab") as log:
        return subprocess.Popen([sys.executable, *arguments], stdout=log, stderr=log,
                                cwd=folder, start_new_session=True)  # fmt: skip


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder with a short path: sockets in it have names of limited length."""
    folder = Path(tempfile.mkdtemp(prefix="f-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _variables(variables: dict[str, str]) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield {**variables, "PYTHONPATH": os.environ["PYTHONPATH"]}


@contextlib.contextmanager
def _marked() -> Iterator[str]:
    """Give a mark, and end every process that bears it, first gently."""
    mark = secrets.token_hex(16)
    try:
        yield mark
    finally:
        deadline = time.monotonic() + 5
        _signal(mark, signal.SIGTERM)
        while _bearing(mark) and time.monotonic() < deadline:
            time.sleep(0.1)
        while _bearing(mark):
            _signal(mark, signal.SIGKILL)
            time.sleep(0.1)


def _signal(mark: str, number: int) -> None:
    for pid in _bearing(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _bearing(mark: str) -> list[int]:
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in file.read_bytes().split(b"\0"):
                found.append(int(file.parent.name))
    return [pid for pid in found if pid != os.getpid()]


# --- waiting -------------------------------------------------------------------------------------


def _need(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"no {module}: pip install 'fidelio[{extra}]'")


def _which(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _listens(port: int) -> bool:
    with socket.socket() as each:
        return each.connect_ex(("127.0.0.1", port)) == 0


def _says(what: str, *command: str) -> bool:
    return what in subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _wait_for(ready: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come up in {seconds:g} s")
        time.sleep(0.1)


# --- Ctrl-C --------------------------------------------------------------------------------------


def interrupt(engine: str, folder: Path, settings: dict[str, object]) -> tuple[float, str]:
    """Work on an engine in a process of its own, and press Ctrl-C once it has done a task.

    Returns
    -------
    float
        Seconds until it had left.
    str
        What it said, standard error included.
    """
    command = [sys.executable, str(HERE / "interrupted.py"), engine, str(folder),
               json.dumps(settings)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, start_new_session=True)  # fmt: skip
    assert process.stdout is not None
    with process:
        said = process.stdout.readline()
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
        said += process.communicate(timeout=60)[0]
    return time.monotonic() - began, said
