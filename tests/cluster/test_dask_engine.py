"""Dask's engine: on a scheduler that runs, on processes of this machine, on jobs of Slurm."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster, children_of, interrupt, is_alive
from counting import Asking, Counting

from sim.config.engines import DaskSettings, JobQueue, QueueKind
from sim.engines.dask import DaskEngine
from sim.engines.engine import ONE_THREAD, Done
from sim.errors import ConfigError, FidelioError

pytestmark = pytest.mark.cluster


@contextlib.contextmanager
def connected(dask: Cluster, **settings: Any) -> Iterator[DaskEngine]:
    """Give an engine on the scheduler that runs, once both of its workers are there."""
    made = DaskEngine(DaskSettings(address=dask.settings["dask.address"], **settings), 9)
    deadline = time.monotonic() + 30
    while True:
        with made as engine:
            if engine.workers == 2:
                yield engine
                return
        assert time.monotonic() < deadline
        time.sleep(0.5)


def local() -> DaskEngine:
    pytest.importorskip("distributed", reason="pip install 'fidelio[dask]'")
    return DaskEngine(DaskSettings(), 2)


def test_each_task_comes_out_once_with_what_it_returned(dask: Cluster, tmp_path: Path) -> None:
    with connected(dask) as engine:
        done = list(engine.run(Counting(tmp_path), range(10, 60)))
    assert sorted(done) == [Done(task, 2 * task) for task in range(10, 60)]


def test_few_tasks_wait_in_the_engine(dask: Cluster, tmp_path: Path) -> None:
    work = Counting(tmp_path, 0.1)
    with connected(dask) as engine:
        for n, _ in enumerate(engine.run(work, range(10_000))):
            if n == 10:
                break
        time.sleep(1)  # what had been handed over, had it not been cancelled, would be done now
    assert len(work.kept()) <= 11 + 2 * 2


def test_a_killed_worker_loses_nothing(dask: Cluster, tmp_path: Path) -> None:
    work, done = Counting(tmp_path, 0.3), []
    with connected(dask) as engine:
        for each in engine.run(work, range(20)):
            done.append(each)
            if len(done) == 4:
                begun = work.begun()
                killed = begun[max(begun)]
                assert any(killed in descendants(nanny.pid) for nanny in dask.nodes)
                os.kill(killed, signal.SIGKILL)
    assert sorted(each.task for each in done) == list(range(20))
    assert not [each for each in done if each.error]
    assert work.kept() == set(range(20))


def test_a_task_that_kills_each_worker_comes_out_with_an_error(
    dask: Cluster, tmp_path: Path
) -> None:
    with connected(dask) as engine:
        done = sorted(engine.run(Counting(tmp_path, deadly=(3,)), range(6)))
    assert [each.task for each in done] == list(range(6))
    assert "KilledWorker" in done[3].error
    assert not done[3].fatal
    assert not [each for each in done if each.error and each.task != 3]


def test_what_is_kept_is_not_done_again(dask: Cluster, tmp_path: Path) -> None:
    work = Counting(tmp_path)
    work(1)
    (tmp_path / "begun-1").unlink()
    with connected(dask) as engine:
        assert sorted(engine.run(work, [1, 2])) == [Done(1), Done(2, 4)]
    assert set(work.begun()) == {2}


def test_errors_of_the_work_are_told_as_text(dask: Cluster, tmp_path: Path) -> None:
    with connected(dask) as engine:
        done = sorted(engine.run(Counting(tmp_path, breaks=(2,), full=(3,)), range(5)))
    assert done[2] == Done(2, error="UnpicklableError: task 2 broke")
    assert done[3] == Done(3, error="disk is full at task 3", fatal=True)
    assert [each.value for each in done] == [0, 2, None, None, 8]


def test_work_that_workers_cannot_import_is_an_error_at_once(
    dask: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_here.py").write_text("class Work:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    with (
        connected(dask) as engine,
        pytest.raises(ConfigError, match=r"workers cannot take the work .*only_here"),
    ):
        list(engine.run(only_here.Work(), [1]))


def test_an_engine_can_run_twice(dask: Cluster, tmp_path: Path) -> None:
    with connected(dask) as engine:
        for _ in range(2):
            assert len(list(engine.run(Counting(tmp_path, breaks=(2,)), range(3)))) == 3


def test_no_scheduler_is_an_error() -> None:
    pytest.importorskip("distributed", reason="pip install 'fidelio[dask]'")
    with (
        pytest.raises(ConfigError, match=r"dask.address: no scheduler answers .*tcp://HOST:PORT"),
        DaskEngine(DaskSettings(address="127.0.0.1:1", connect_seconds=2), 2),
    ):
        pass


def test_processes_of_this_machine_have_one_thread(tmp_path: Path) -> None:
    with local() as engine:
        assert engine.workers == 2
        [done] = engine.run(Asking(tuple(ONE_THREAD)), [0])
    assert done.value == ONE_THREAD


def test_ctrl_c_is_quiet_and_ends_the_processes(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="pip install 'fidelio[dask]'")
    seconds, said = interrupt("dask", tmp_path, {})
    assert said == "begun\nleft\n"
    assert seconds < 15  # some two on a machine that is not busy
    assert not [pid for pid in Counting(tmp_path).begun().values() if is_alive(pid)]


def test_a_lost_scheduler_is_said(dask: Cluster, tmp_path: Path) -> None:
    with connected(dask) as engine:
        tasks = engine.run(Counting(tmp_path, 0.2), range(200))
        next(tasks)
        os.kill(dask.nodes[0].pid, signal.SIGKILL)
        with pytest.raises(FidelioError, match="Dask's scheduler is lost"):
            list(tasks)


def test_workers_come_as_jobs_of_slurm(slurm: Cluster, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="pip install 'fidelio[dask]'")
    work = Counting(tmp_path, 0.2)
    with DaskEngine(DaskSettings(jobqueue=queue(tmp_path)), 2) as engine:
        done = []
        for each in engine.run(work, range(30)):
            done.append(each)
            if len(done) == 5:  # the job goes; another one comes in its place
                subprocess.run(["scancel", jobs()[0]], check=True)
        assert engine.workers >= 1
    assert sorted(done) == [Done(task, 2 * task) for task in range(30)]
    deadline = time.monotonic() + 10
    while jobs():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_batch_system_that_refuses_is_quoted(slurm: Cluster, tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue", reason="pip install 'fidelio[dask]'")
    for given, what in (
        ({"queue": "nope"}, "slurm refuses the workers: .*Invalid partition name"),
        ({"nonesuch": "3"}, "dask-jobqueue refuses it .*nonesuch"),
    ):
        with (
            pytest.raises(ConfigError, match=what),
            DaskEngine(DaskSettings(jobqueue=queue(tmp_path, **given)), 2),
        ):
            pass


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'fidelio\[dask\]'"):
        DaskEngine(DaskSettings(), 2)


def queue(folder: Path, **options: str) -> JobQueue:
    options = {"walltime": "00:10:00", "job_mem": "0"} | options
    return JobQueue(QueueKind.SLURM, memory_gb=0.5, folder=str(folder / "logs"), options=options)


def jobs() -> list[str]:
    ran = subprocess.run(["squeue", "--noheader", "--format=%i", "--states=PENDING,RUNNING"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    return ran.stdout.split()


def descendants(pid: int) -> set[int]:
    return {pid}.union(*(descendants(child) for child in children_of(pid)))
