"""Plans lived in futures on clusters: the same numbers as at home, each life kept once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Cluster

import sim
from sim.commands.engines import make_engine
from sim.config.settings import read_settings
from sim.config.stress import Stress
from sim.config.study import Config
from sim.engines.engine import Engine
from sim.planning.future import Case, as_planned
from sim.planning.life import Life
from sim.planning.lives import Lived, Lives
from sim.sweep.place import open_place

pytestmark = pytest.mark.cluster

WORLDS = range(6)


@pytest.fixture(scope="module")
def study() -> Config:
    return sim.load("retail_three_phase", ["customers=500"])


@pytest.fixture(scope="module")
def cases(study: Config) -> list[Case]:
    future = as_planned(study)
    phase = study.plan.phases[0]
    halved = replace(phase, spend={name: money / 2 for name, money in phase.spend.items()})
    cheaper = replace(study.plan, name="cheaper", phases=(halved, *study.plan.phases[1:]))
    return [Case(plan, future) for plan in (study.plan, study.baseline, cheaper)]


@pytest.fixture(scope="module")
def home(study: Config, cases: list[Case]) -> Lived:
    return Lives(study).live(cases, WORLDS)


@contextlib.contextmanager
def engine_of(kind: str, cluster: Cluster) -> Iterator[Engine]:
    given = [f"engine={kind}", "workers=2", *cluster.arguments]
    settings, _ = read_settings(Stress, "stress", given)
    with make_engine(settings) as engine:
        yield engine


@pytest.mark.parametrize("kind", ["slurm", "dask", "ray"])
def test_lives_are_the_same_on_a_cluster(
    kind: str, study: Config, cases: list[Case], home: Lived, tmp_path: Path,
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    cluster: Cluster = request.getfixturevalue(kind)
    with engine_of(kind, cluster) as engine:
        lives = Lives(study, open_place(tmp_path), engine)
        lives.live(cases[:2], WORLDS)
        lived = lives.live(cases, WORLDS)
    np.testing.assert_array_equal(lived.flows, home.flows)
    np.testing.assert_array_equal(lived.levels, home.levels)
    monkeypatch.setattr(Life, "__call__", None)  # whoever lives now fails
    again = Lives(study, open_place(tmp_path)).live(cases, WORLDS)
    np.testing.assert_array_equal(again.flows, home.flows)
