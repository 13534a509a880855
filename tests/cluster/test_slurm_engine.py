"""Slurm's engine on a Slurm of one node with two cores."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Cluster, interrupt
from counting import Asking, Counting

from sim.config.engines import SlurmSettings
from sim.engines.engine import ONE_THREAD, Done
from sim.engines.slurm import SlurmEngine
from sim.errors import ConfigError, FidelioError

pytestmark = pytest.mark.cluster


def make(slurm: Cluster, seconds: float = 0.1, **settings: Any) -> SlurmEngine:
    given = {"folder": slurm.settings["slurm.folder"], "memory_gb": 0.0} | settings
    return SlurmEngine(SlurmSettings(**given), 2, seconds)


def queue() -> list[str]:
    """Return the names of jobs that run or wait."""
    ran = subprocess.run(["squeue", "--noheader", "--array", "--format=%i",
                          "--states=PENDING,RUNNING"],
                         capture_output=True, text=True, check=True)  # fmt: skip
    return ran.stdout.split()


def test_each_task_comes_out_once_with_what_it_returned(slurm: Cluster, tmp_path: Path) -> None:
    with make(slurm) as engine:
        done = list(engine.run(Counting(tmp_path), range(10, 33)))
    assert sorted(done) == [Done(task, 2 * task) for task in range(10, 33)]
    assert not list(Path(slurm.settings["slurm.folder"]).iterdir())


def test_one_task_is_one_job(slurm: Cluster, tmp_path: Path) -> None:
    with make(slurm) as engine:
        assert list(engine.run(Counting(tmp_path), [7])) == [Done(7, 14)]


def test_no_tasks_are_no_job(slurm: Cluster, tmp_path: Path) -> None:
    with make(slurm) as engine:
        assert list(engine.run(Counting(tmp_path), [])) == []


def test_a_job_has_one_thread_and_what_the_setup_says(slurm: Cluster) -> None:
    names = (*ONE_THREAD, "SITE")
    with make(slurm, setup=("export SITE=north",)) as engine:
        [done] = engine.run(Asking(names), [0])
    assert done.value == {**ONE_THREAD, "SITE": "north"}


def test_more_jobs_than_an_array_may_have_are_several_arrays(
    slurm: Cluster, tmp_path: Path
) -> None:
    # The site allows eight jobs an array; a second of work a job makes twenty of these tasks.
    with make(slurm, seconds=1.0, job_minutes=1 / 60) as engine:
        done = list(engine.run(Counting(tmp_path), range(20)))
    assert sorted(done) == [Done(task, 2 * task) for task in range(20)]


def test_cancelled_jobs_give_their_tasks_back(slurm: Cluster, tmp_path: Path) -> None:
    work, tasks = Counting(tmp_path, 0.5), range(16)
    with make(slurm, seconds=1.0, job_minutes=4 / 60) as engine:
        first: list[Done] = []
        for done in engine.run(work, tasks):
            if not first:  # two of four jobs run; one of them and one that waits go
                array = queue()[0].partition("_")[0]
                subprocess.run(["scancel", f"{array}_0", f"{array}_3"], check=True)
            first.append(done)
        lost = [done for done in first if done.error]
        assert sorted(done.task for done in first) == list(tasks)
        assert {done.task for done in first} - {done.task for done in lost} == work.kept()
        assert len(lost) >= 4
        assert all(f"Slurm job {array}_" in done.error for done in lost)
        again = list(engine.run(work, [done.task for done in lost]))
    assert not any(done.error for done in again)
    assert work.kept() == set(tasks)


def test_what_is_kept_is_not_done_again(slurm: Cluster, tmp_path: Path) -> None:
    work = Counting(tmp_path)
    work(1)
    (tmp_path / "begun-1").unlink()
    with make(slurm) as engine:
        assert sorted(engine.run(work, [1, 2])) == [Done(1), Done(2, 4)]
    assert set(work.begun()) == {2}


def test_an_error_of_one_task_leaves_the_others_alone(slurm: Cluster, tmp_path: Path) -> None:
    with make(slurm) as engine:
        done = sorted(engine.run(Counting(tmp_path, breaks=(2,)), range(5)))
    assert done[2] == Done(2, error="UnpicklableError: task 2 broke")
    assert [each.value for each in done] == [0, 2, None, 6, 8]


def test_an_error_of_ours_is_fatal_and_told_at_once(slurm: Cluster, tmp_path: Path) -> None:
    began = time.monotonic()
    with make(slurm) as engine:
        for done in engine.run(Counting(tmp_path, 0.5, full=(1,)), range(200)):
            if done.error:
                break
    assert done == Done(1, error="disk is full at task 1", fatal=True)
    assert time.monotonic() - began < 20  # all would take 50 s
    gone(5)


def test_leaving_in_the_middle_cancels_the_jobs(slurm: Cluster, tmp_path: Path) -> None:
    began, folder = time.monotonic(), tmp_path / "jobs"
    with contextlib.suppress(ZeroDivisionError), make(slurm, folder=str(folder)) as engine:
        for _ in engine.run(Counting(tmp_path, 0.5), range(200)):
            raise ZeroDivisionError
    gone(5)
    assert time.monotonic() - began < 20
    assert not list(folder.iterdir())


def test_ctrl_c_is_quiet_and_cancels_the_jobs(slurm: Cluster, tmp_path: Path) -> None:
    settings = {"folder": slurm.settings["slurm.folder"], "memory_gb": 0}
    seconds, said = interrupt("slurm", tmp_path, settings)
    assert said == "begun\nleft\n"
    assert seconds < 15  # some two on a machine that is not busy
    gone(5)


def test_sbatch_that_refuses_is_quoted(slurm: Cluster, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"slurm: sbatch refuses the jobs: .*partition.*: nope"),
        make(slurm, partition="nope") as engine,
    ):
        list(engine.run(Counting(tmp_path), [1, 2]))


def test_options_go_to_sbatch(slurm: Cluster, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="unrecognized option '--nonesuch"),
        make(slurm, options={"nonesuch": "3"}) as engine,
    ):
        list(engine.run(Counting(tmp_path), [1, 2]))
    with make(slurm, options={"comment": "two words", "exclusive": ""}) as engine:
        assert len(list(engine.run(Counting(tmp_path), [1, 2]))) == 2


def test_a_job_that_can_never_begin_gives_its_tasks_back(slurm: Cluster, tmp_path: Path) -> None:
    with make(slurm, time_minutes=90) as engine:  # the partition allows an hour
        done = list(engine.run(Counting(tmp_path), [1, 2]))
    assert [each.error.partition(": ")[2] for each in done] == ["PartitionTimeLimit"] * 2
    gone(5)


def test_a_controller_that_is_gone_is_said_after_some_patience(
    slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf = Path(os.environ["SLURM_CONF"])
    lines = [line for line in conf.read_text().splitlines() if "SlurmctldPort" not in line]
    elsewhere = slurm.folder / "elsewhere.conf"
    elsewhere.write_text("\n".join([*lines, "SlurmctldPort=1", "MessageTimeout=2"]))
    with make(slurm, patience_minutes=0.05) as engine:
        tasks = engine.run(Counting(tmp_path, 0.5), range(200))
        next(tasks)
        with monkeypatch.context() as patch:
            patch.setenv("SLURM_CONF", str(elsewhere))
            with pytest.raises(FidelioError, match=r"Slurm does not answer: .*connect"):
                list(tasks)
    subprocess.run(["scancel", "--user=root"], check=True)  # it could not be told then
    gone(5)


def test_a_task_that_is_longer_than_a_job_may_be_is_an_error(slurm: Cluster) -> None:
    with (
        pytest.raises(ConfigError, match=r"slurm.time_minutes: a task takes about 70 minutes"),
        make(slurm, seconds=4200),
    ):
        pass


def test_a_machine_without_slurm_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit", reason="pip install 'fidelio[slurm]'")
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        pytest.raises(ConfigError, match="slurm: this machine has no sbatch"),
        SlurmEngine(SlurmSettings(), 2, 1.0),
    ):
        pass


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"pip install 'fidelio\[slurm\]'"):
        SlurmEngine(SlurmSettings(), 2, 1.0)


def gone(seconds: float) -> None:
    """Wait until no job runs or waits."""
    deadline = time.monotonic() + seconds
    while queue():
        assert time.monotonic() < deadline, queue()
        time.sleep(0.1)
