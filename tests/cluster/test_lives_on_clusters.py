"""Plans lived in futures on clusters: the same answer as at home, each life kept once.

In processes of their own: a process can be taken into one Ray only.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Cluster

pytestmark = pytest.mark.cluster

SETTINGS = ["scenario=retail_three_phase", "customers=500", "replications=6",
            "shocks=[demand_down,price_war]", "progress=false"]  # fmt: skip
SECONDS = 300.0


def stress(folder: Path, *arguments: str) -> dict[str, bytes]:
    """Do a stress test and return its tables and document."""
    command = [sys.executable, "-m", "sim", "stress", f"out={folder}", *SETTINGS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())
            if file.suffix in {".csv", ".json"}}  # fmt: skip


def parts(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted((folder / "lives/parts").iterdir())}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("home") / "stress"
    return stress(folder, "workers=2"), parts(folder)


@pytest.mark.parametrize("kind", ["slurm", "dask", "ray"])
def test_lives_are_the_same_on_a_cluster(
    kind: str,
    home: tuple[dict[str, bytes], dict[str, bytes]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    cluster: Cluster = request.getfixturevalue(kind)
    folder = tmp_path / "stress"
    settings = [f"engine={kind}", "workers=2", *cluster.arguments]
    found = stress(folder, *settings)
    assert (found, parts(folder)) == home
    assert stress(folder) == found  # gone on with at home: all is kept
    assert parts(folder) == home[1]
