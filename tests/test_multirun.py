"""`fidelio run ... -m`: Hydra's launchers give what single runs give, and fail as they do."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sim.cli import main
from sim.config.load import Composer

SMALL = ("scenario=retail_three_phase", "customers=200", "replications=2", "report.page=false",
         "report.scorecard=false", "engine.progress=false")  # fmt: skip
MARGINS = ("0.2", "0.25")
OTHER_PROCESSES = {
    "joblib": ("hydra.launcher.n_jobs=2",),
    "submitit_local": ("hydra.launcher.timeout_min=5",),
}
"""Launchers, and options that they are usually given."""
elsewhere = pytest.mark.parametrize("launcher", OTHER_PROCESSES)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def singles(tmp_path_factory) -> list[bytes]:
    """Return the outcomes of each point as a run of its own gives them."""
    made = []
    for margin in MARGINS:
        folder = tmp_path_factory.mktemp("single")
        given = (*SMALL, f"finance.gross_margin={margin}", f"hydra.run.dir={folder}")
        assert main(["run", *given]) == 0
        made.append((folder / "outcomes.parquet").read_bytes())
    return made


def options(launcher: str) -> list[str]:
    return [f"hydra/launcher={launcher}", *OTHER_PROCESSES.get(launcher, ()),
            # Workers of joblib outlive a command that is called from Python, where they stand.
            f"hydra.sweep.dir={Path.cwd() / 'all'}"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", *OTHER_PROCESSES])
def test_each_point_is_as_a_single_run(launcher, singles, here, capfd):
    capfd.readouterr()
    varied = f"finance.gross_margin={','.join(MARGINS)}"
    assert main(["run", *SMALL, varied, "-m", *options(launcher)]) == 0
    points = [(here / "all" / str(n) / "outcomes.parquet").read_bytes() for n in (0, 1)]
    assert points == singles
    out, err = capfd.readouterr()
    assert err == ""
    told = re.findall(r"^(\[\d\]|Results:) (.*)", out, re.M)
    typed = " ".join(SMALL).replace("false", "False")  # as Hydra writes it
    command = f"fidelio run {typed} finance.gross_margin="
    assert told == [
        ("[0]", f"{command}0.2"), ("Results:", str(here / "all" / "0")),
        ("[1]", f"{command}0.25"), ("Results:", str(here / "all" / "1")),
    ]  # fmt: skip


@pytest.mark.slow
@elsewhere
def test_an_error_of_one_point(launcher, here, capfd):
    assert main(["run", *SMALL, "quarters=12,0", "-m", *options(launcher)]) == 2
    out, err = capfd.readouterr()
    assert err == ("fidelio: command line: quarters: 0 is out of range; allowed: 1 to 200"
                   " (quarters of the plan)\n")  # fmt: skip
    assert f"Results: {here / 'all' / '0'}" in out
    assert "[1]" not in out


@pytest.mark.slow
def test_the_same_error_of_many_points_is_told_once(capfd):
    varied = ["customers=-5", "quarters=12,13,14"]
    assert main(["run", *SMALL, *varied, "-m", *options("joblib")]) == 2
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_a_launcher_that_gives_up(capfd):
    limit = ["hydra.launcher.timeout=0.001", "quarters=12,13"]
    assert main(["run", *SMALL, *options("joblib"), *limit, "-m"]) == 2
    assert capfd.readouterr().err == "fidelio: Hydra's launcher gave up: TimeoutError\n"


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", *OTHER_PROCESSES])
def test_ctrl_c(launcher, here):
    """A terminal sends it to all processes that a command has started."""
    long = ("customers=200000", "replications=500", "finance.gross_margin=0.2,0.25", "-m")
    command = [sys.executable, "-m", "sim", "run", *SMALL, *long, *options(launcher)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)  # fmt: skip
    deadline = time.monotonic() + 60
    while not (here / "all" / "0").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert re.fullmatch(r"fidelio: (interrupted|stopped.*)\n", err)
    deadline = time.monotonic() + 10  # joblib's workers are told, and then not waited for
    while running(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(process.pid)


def running(session: int) -> list[str]:
    """Return the processes of a session that are still at work."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own, *_ = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(own) == session and state != "Z":
            found.append(path.parent.name)
    return found


@pytest.mark.parametrize("launcher", [*OTHER_PROCESSES, "submitit_slurm"])
def test_a_launcher_that_is_not_installed(launcher):
    """Hydra looks for launchers in the folders of one package."""
    code = (
        "import sys, types; empty = types.ModuleType('hydra_plugins'); empty.__path__ = [];"
        "sys.modules['hydra_plugins'] = empty; from sim.cli import main; sys.exit(main())"
    )
    given = ["run", *SMALL, "customers=200,300", "-m", f"hydra/launcher={launcher}"]
    done = subprocess.run([sys.executable, "-c", code, *given], capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"fidelio: hydra/launcher: {launcher} is not installed; allowed: after"
                           " pip install 'fidelio[launchers]'\n")  # fmt: skip


def test_a_process_on_another_machine_has_the_files_that_were_given(here):
    (here / "mine.yaml").write_text("{name: mine, title: My plan}")
    with Composer("run") as composer:
        overrides = composer.translate(["plan=mine.yaml", "customers=300"])
        expected = composer.config(overrides)
        sent = pickle.dumps(composer)
        pickle.loads(sent)  # here the folder is still there, and stays as it is
        assert composer.config(overrides) == expected
    with pickle.loads(sent) as arrived:
        config = arrived.config(overrides)
        assert config == expected
        assert config.plan.name == "mine"
        folder = Path(re.search(r"file://([^']+)", arrived.search_path)[1])
        assert folder.exists()
    assert not folder.exists()
    assert not [*folder.parent.glob(f"{folder.name}*")]
