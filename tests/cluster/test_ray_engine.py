"""Ray's engine: on two nodes that run, and on a Ray of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Cluster, children_of, interrupt, is_alive
from counting import Asking, Counting

from sim.config.engines import RaySettings
from sim.engines.engine import ONE_THREAD, Done
from sim.engines.ray import RayEngine
from sim.errors import ConfigError

INTERRUPTED = str(Path(__file__).with_name("interrupted.py"))

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def engine(ray: Cluster) -> Iterator[RayEngine]:
    """Give an engine on the cluster, once both nodes are there."""
    with RayEngine(RaySettings(address=ray.settings["ray.address"]), 9) as made:
        deadline = time.monotonic() + 60
        while made._look() < 2:
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield made


def test_each_task_comes_out_once_with_what_it_returned(engine: RayEngine, tmp_path: Path) -> None:
    done = list(engine.run(Counting(tmp_path), range(10, 60)))
    assert sorted(done) == [Done(task, 2 * task) for task in range(10, 60)]
    assert engine.workers == 2  # those that are there, not what was asked for


def test_a_worker_has_one_thread(engine: RayEngine) -> None:
    [done] = engine.run(Asking(tuple(ONE_THREAD)), [0])
    assert done.value == ONE_THREAD


def test_few_tasks_wait_in_the_engine(engine: RayEngine, tmp_path: Path) -> None:
    work = Counting(tmp_path, 0.1)
    tasks = engine.run(work, range(10_000))
    for _ in range(11):
        next(tasks)
    tasks.close()
    time.sleep(1)  # what had been handed over, had it not been cancelled, would be done now
    assert len(work.kept()) <= 11 + 2 * 2


def test_what_is_kept_is_not_done_again(engine: RayEngine, tmp_path: Path) -> None:
    work = Counting(tmp_path)
    work(1)
    (tmp_path / "begun-1").unlink()
    assert sorted(engine.run(work, [1, 2])) == [Done(1), Done(2, 4)]
    assert set(work.begun()) == {2}


def test_errors_of_the_work_are_told_as_text(engine: RayEngine, tmp_path: Path) -> None:
    done = sorted(engine.run(Counting(tmp_path, breaks=(2,), full=(3,)), range(5)))
    assert done[2] == Done(2, error="UnpicklableError: task 2 broke")
    assert done[3] == Done(3, error="disk is full at task 3", fatal=True)
    assert [each.value for each in done] == [0, 2, None, None, 8]


def test_work_that_workers_cannot_import_is_fatal(
    engine: RayEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nowhere_else.py").write_text("class Work:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import nowhere_else  # type: ignore[import-not-found]

    [done] = engine.run(nowhere_else.Work(), [1])
    assert done.fatal
    assert "workers cannot take the work (ModuleNotFoundError" in done.error


def test_a_killed_worker_loses_nothing(
    engine: RayEngine, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    work, done = Counting(tmp_path, 0.3), []
    for each in engine.run(work, range(20)):
        done.append(each)
        if len(done) == 4:
            begun = work.begun()
            os.kill(begun[max(begun)], signal.SIGKILL)
    assert sorted(each.task for each in done) == list(range(20))
    assert not [each for each in done if each.error]
    assert work.kept() == set(range(20))
    assert capfd.readouterr().out == ""


def test_a_task_that_kills_each_worker_comes_out_with_an_error(
    engine: RayEngine, tmp_path: Path
) -> None:
    done = sorted(engine.run(Counting(tmp_path, deadly=(3,)), range(6)))
    assert [each.task for each in done] == list(range(6))
    assert done[3] == Done(3, error="Ray lost it (WorkerCrashedError)")
    assert [each.value for each in done if each.task != 3] == [0, 2, 4, 8, 10]


def test_a_killed_node_loses_nothing(ray: Cluster, engine: RayEngine, tmp_path: Path) -> None:
    work, done = Counting(tmp_path, 0.5), []
    [raylet] = [pid for pid in children_of(ray.nodes[1].pid) if runs(pid, "raylet/raylet")]
    for each in engine.run(work, range(20)):
        done.append(each)
        if len(done) == 4:
            os.kill(raylet, signal.SIGKILL)
    assert sorted(each.task for each in done) == list(range(20))
    assert not [each for each in done if each.error]
    assert work.kept() == set(range(20))
    deadline = time.monotonic() + 30
    while engine._look() != 1:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_ray_of_this_machine_is_quiet_and_ends_on_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="pip install 'fidelio[ray]'")
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    seconds, said = interrupt("ray", tmp_path, {})
    assert said == "begun\nleft\n"
    assert seconds < 20  # some two on a machine that is not busy
    assert not [pid for pid in Counting(tmp_path).begun().values() if is_alive(pid)]
    token = home / ".ray" / "auth_token"
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) >= 32


def test_the_token_in_the_settings_opens_the_door_and_another_does_not(
    ray: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = ray.environment["RAY_AUTH_TOKEN_PATH"]
    wrong = tmp_path / "wrong"
    wrong.write_text("0" * 64)
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name)
    settings = {"address": ray.settings["ray.address"]}
    _, said = interrupt("ray", tmp_path, settings | {"token": token})
    assert said == "begun\nleft\n"
    command = [sys.executable, INTERRUPTED, "ray", str(tmp_path),
               json.dumps(settings | {"token": str(wrong)})]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=90)
    assert "ConfigError: ray.address: no Ray takes us in" in ran.stderr


def test_no_head_is_an_error_at_once() -> None:
    pytest.importorskip("ray", reason="pip install 'fidelio[ray]'")
    with (
        pytest.raises(ConfigError, match=r"ray.address: no Ray answers .*HOST:PORT"),
        RayEngine(RaySettings(address="127.0.0.1:1"), 2),
    ):
        pass


def test_a_token_that_is_no_file_is_an_error() -> None:
    pytest.importorskip("ray", reason="pip install 'fidelio[ray]'")
    with (
        pytest.raises(ConfigError, match=r"ray\.token: is no file"),
        RayEngine(RaySettings(token="/nowhere"), 2),
    ):
        pass


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'fidelio\[ray\]'"):
        RayEngine(RaySettings(), 2)


def runs(pid: int, what: str) -> bool:
    with contextlib.suppress(OSError):
        return what in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    return False
