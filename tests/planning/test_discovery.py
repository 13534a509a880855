"""Where a plan fails: planted regions are found, noise is not, and figures are what they claim."""

from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from sim.errors import ConfigError
from sim.planning import discovery
from sim.planning.discovery import (
    AMONG,
    HIGH,
    LOW,
    Discovery,
    Restriction,
    Rule,
    Trajectory,
    choose,
    discover,
    folds_of,
    peel,
    quasi_p,
    wanted_density,
    within,
    without_luck,
)
from sim.planning.failing import Failing, Question, Threshold, wilson
from sim.planning.failure_tree import grow
from sim.sweep.means import Varied

COLOURS = ("red", "green", "blue", "white")
HALF_LIFE, IMITATION, COLOUR = 0.45, 0.4, 2
"""The planted region: half_life below, imitation above, and a colour that is not blue."""


def points(n: int, seed: int = 0, flipped: float = 0.02, noise: int = 4) -> Failing:
    """Return points that fail in a planted region, a few of them flipped by chance."""
    rng = np.random.default_rng(seed)
    columns = {"half_life": rng.random(n), "imitation": rng.random(n)}
    columns |= {f"noise_{j}": rng.random(n) for j in range(noise)}
    factors = [Varied(name, values) for name, values in columns.items()]
    # The package drops a column of this name; ours must not be lost.
    scenario = Varied("scenario", rng.integers(0, len(COLOURS), n).astype(float), COLOURS)
    fails = ((columns["half_life"] < HALF_LIFE) & (columns["imitation"] > IMITATION)
             & (scenario.numbers != COLOUR)) ^ (rng.random(n) < flipped)  # fmt: skip
    return made((*factors, scenario), fails)


def made(factors: tuple[Varied, ...], fails: np.ndarray, clusters: Any = None) -> Failing:
    n = len(fails)
    question = Question("npv", "new", Threshold(0.0, below=True))
    numbered = np.arange(n) if clusters is None else clusters
    means: Any = None  # only the report reads it
    return Failing(question, means, np.arange(n), factors, numbered, -fails.astype(float), fails,
                   None)  # fmt: skip


def in_package(failing: Failing) -> discovery._Points:
    return discovery._Points(failing.factors, failing.clusters, failing.fails)


@pytest.fixture(scope="module")
def planted() -> Failing:
    return points(300, flipped=0.01, noise=1)


@pytest.fixture(scope="module")
def found(planted: Failing) -> Discovery:
    return discover(planted, Rule(regions=1, resamples=10))


# --- PRIM ----------------------------------------------------------------------------------------


def test_a_planted_region_is_found_with_its_limits_and_without_noise(found: Discovery) -> None:
    [region] = found.regions
    limits = {one.place: one for one in region.restrictions}
    assert limits.keys() == {("half_life", HIGH), ("imitation", LOW), ("scenario", AMONG)}
    assert limits["half_life", HIGH].limit == pytest.approx(HALF_LIFE, abs=0.03)
    assert limits["imitation", LOW].limit == pytest.approx(IMITATION, abs=0.03)
    assert limits["scenario", AMONG].levels == (0, 1, 3)
    assert region.coverage.value > 0.9
    assert region.density.value > 0.9
    assert all(one.quasi_p < 0.001 and one.again > 0.7 for one in region.restrictions)


def test_density_and_coverage_are_counts_of_the_points_in_the_region(
    planted: Failing, found: Discovery
) -> None:
    [region] = found.regions
    columns = {factor.name: factor.numbers for factor in planted.factors}
    frame = pd.DataFrame(columns)
    limits = {one.place: one.limit for one in region.restrictions}
    inside = (frame["half_life"].le(limits["half_life", HIGH])
              & frame["imitation"].ge(limits["imitation", LOW])
              & frame["scenario"].isin([0, 1, 3])).to_numpy()  # fmt: skip
    np.testing.assert_array_equal(region.inside, inside)
    assert region.failing == (inside & planted.fails).sum()
    assert region.density.value == pytest.approx(planted.fails[inside].mean())
    assert region.coverage.value == pytest.approx(inside[planted.fails].mean())
    assert region.density.low < region.density.value < region.density.high


def test_points_kept_back_tell_the_density_that_new_points_have(found: Discovery) -> None:
    """The truth is known here: how often new points in the region fail."""
    [region] = found.regions
    fresh = points(20_000, seed=1)
    columns = {factor.name: factor.numbers for factor in fresh.factors}
    truth = float(fresh.fails[within(columns, region.restrictions)].mean())
    assert found.tested_first.found == 5
    assert found.tested_first.density.low < truth < found.tested_first.density.high
    assert found.proven


def test_failures_that_gather_nowhere_are_not_said_to_gather() -> None:
    failing = points(200, noise=2)
    luck = replace(failing, fails=np.random.default_rng(5).random(200) < 0.3)
    assert not discover(luck, Rule(resamples=10)).proven


@pytest.mark.slow
def test_a_second_region_is_found_among_the_points_that_the_first_one_leaves() -> None:
    failing = points(500, seed=1, flipped=0.0, noise=1)
    half_life, imitation = (failing.factors[j].numbers for j in (0, 1))
    second = (half_life > 0.75) & (imitation < 0.35)
    both = discover(replace(failing, fails=failing.fails | second), Rule(regions=3, resamples=10))
    assert len(both.regions) == 2
    assert not (both.regions[0].inside & both.regions[1].inside).any()
    limits = {one.place: one.limit for one in both.regions[1].restrictions}
    assert limits["half_life", LOW] == pytest.approx(0.75, abs=0.03)
    assert limits["imitation", HIGH] == pytest.approx(0.35, abs=0.03)
    assert sum(region.coverage.value for region in both.regions) > 0.9


def test_boxes_and_their_figures_are_those_of_the_package(planted: Failing) -> None:
    """What we compute anew from limits and points agrees with what the package says itself."""
    own = in_package(planted)
    way = peel(own, 0.05)
    frame = pd.DataFrame({
        f"f{j}": f.numbers if f.is_number else pd.Categorical(f.numbers.astype(int))
        for j, f in enumerate(planted.factors)
    })  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = discovery._package().Prim(frame, planted.fails.astype(int), threshold=0.5)
        box = theirs.find_box()
    trajectory = box.peeling_trajectory
    np.testing.assert_allclose(way.coverage, trajectory["coverage"].astype(float))
    np.testing.assert_allclose(way.density, trajectory["density"].astype(float))
    np.testing.assert_allclose(way.mass, trajectory["mass"].astype(float))
    last = len(way.boxes) - 1
    for j, one in enumerate(way.boxes[last]):
        place = [factor.name for factor in planted.factors].index(one.factor)
        pair = box.qp[last][f"f{place}"]
        stated = pair[1] if one.side == HIGH else pair[0]
        wider = (*way.boxes[last][:j], *way.boxes[last][j + 1 :])
        assert quasi_p(own, way.boxes[last], wider) == pytest.approx(stated, rel=1e-6, abs=1e-12)


def test_a_text_that_makes_no_difference_is_let_in_again() -> None:
    """A box that leaves out two texts, of which only one keeps failing points together."""
    own = in_package(points(400, noise=0))
    box = (Restriction("half_life", HIGH, HALF_LIFE), Restriction("imitation", LOW, IMITATION),
           Restriction("scenario", AMONG, float("nan"), (0, 3)))  # fmt: skip
    kept, dropped = without_luck(own, box)
    assert [one.levels for one in kept] == [(), (), (0, 1, 3)]
    assert [(one.why, one.restriction.levels) for one in dropped] == [("luck", (0, 2, 3))]


def test_few_values_are_limited_to_values_that_exist() -> None:
    rng = np.random.default_rng(2)
    level = rng.choice([0.2, 0.25, 0.3, 0.35], 240)
    failing = made((Varied("level", level), Varied("other", rng.random(240))), level < 0.27)
    way = peel(in_package(failing), 0.05)
    box = way.boxes[choose(way, 0.9)[0]]
    assert [(one.place, one.limit) for one in box] == [(("level", HIGH), 0.25)]


@pytest.mark.slow
def test_the_same_points_give_the_same_regions_in_every_process() -> None:
    """Sets of texts go in an order of their own in each process; answers must not."""
    code = (
        "import numpy as np\n"
        "from sim.planning.discovery import _Points, peel\n"
        "from sim.sweep.means import Varied\n"
        "rng = np.random.default_rng(3)\n"
        "f = (Varied('a', rng.integers(0, 6, 150).astype(float), tuple('uvwxyz')),"
        " Varied('b', rng.random(150)))\n"
        "print(peel(_Points(f, np.arange(150), rng.random(150) < .5), .05).boxes)\n"
    )
    said = set()
    for seed in ("1", "2"):
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                             check=True, env={"PYTHONHASHSEED": seed})  # fmt: skip
        said.add(ran.stdout)
    assert len(said) == 1


# --- the rules -----------------------------------------------------------------------------------


def way(coverage: list[float], density: list[float]) -> Trajectory:
    boxes = tuple(tuple(Restriction(f"f{j}", LOW, 0.0) for j in range(i))
                  for i in range(len(coverage)))  # fmt: skip
    return Trajectory(boxes, np.array(coverage), np.array(density), np.array(coverage))


def test_of_boxes_that_are_dense_enough_the_best_balanced_is_chosen() -> None:
    boxes = way([1.0, 0.95, 0.9, 0.5], [0.3, 0.78, 0.85, 1.0])
    assert choose(boxes, 0.8) == (2, True)
    assert choose(boxes, 0.9) == (3, True)
    assert choose(way([1.0, 0.95, 0.5], [0.3, 0.6, 0.7]), 0.8) == (1, False)
    assert choose(boxes, 0.8, box=1) == (0, True)
    with pytest.raises(ConfigError, match=r"box: there is no such box; allowed: 1 to 4"):
        choose(boxes, 0.8, box=5)


def test_of_boxes_that_do_as_well_the_one_that_says_least_is_chosen() -> None:
    assert choose(way([1.0, 0.9, 0.9], [0.3, 0.9, 0.9]), 0.8)[0] == 1


def test_a_region_must_be_denser_than_all_points() -> None:
    assert wanted_density(0.3, None) == 0.8
    assert wanted_density(0.7, None) == pytest.approx(0.85)
    with pytest.raises(ConfigError, match=r"density: 0.7 of all points fail anyway"):
        wanted_density(0.7, 0.7)


def test_an_interval_is_wilsons() -> None:
    one = wilson(0.8, 10)  # Brown, Cai & DasGupta (2001) compare it with others
    assert (one.low, one.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
    assert wilson(1.0, 20).low == pytest.approx(0.8389, abs=1e-4)
    assert np.isnan(wilson(0.5, 0).low)


def test_points_that_were_drawn_together_stay_together_and_count_as_one() -> None:
    alone = points(200, noise=0)
    fours = replace(alone, clusters=np.arange(200) // 4)
    folds = folds_of(fours.clusters)
    assert all(len({*folds[fours.clusters == cluster]}) == 1 for cluster in range(50))
    assert {*folds} == {*range(5)}
    every = np.ones(200, dtype=bool)
    wide, narrow = (discovery._shares(in_package(each), every)[1] for each in (fours, alone))
    assert wide.value == narrow.value
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


# --- the tree ------------------------------------------------------------------------------------


def test_a_tree_finds_the_planted_region_with_its_texts() -> None:
    failing = points(800, noise=2)
    tree = grow(failing, 0.05)
    dense = [leaf for leaf in tree.leaves if leaf.fails]
    assert sum(leaf.coverage.value for leaf in dense) > 0.85
    assert tree.accuracy.low > tree.guess + 0.1
    assert sum(leaf.points for leaf in tree.leaves) == 800
    assert sum(leaf.failing for leaf in tree.leaves) == failing.fails.sum()
    columns = {factor.name: factor.numbers for factor in failing.factors}
    for leaf in tree.leaves:  # what a leaf says of itself is where its points are
        inside = within(columns, leaf.restrictions)
        assert (inside.sum(), (inside & failing.fails).sum()) == (leaf.points, leaf.failing)
    assert all(COLOUR not in one.levels for leaf in dense for one in leaf.restrictions
               if one.side == AMONG)  # fmt: skip


def test_a_tree_of_luck_is_cut_back() -> None:
    failing = points(400, noise=2)
    luck = replace(failing, fails=np.random.default_rng(1).random(400) < 0.4)
    tree = grow(luck, 0.05)
    assert len(tree.leaves) == 1
    assert tree.accuracy.value == pytest.approx(tree.guess)


# --- the package ---------------------------------------------------------------------------------


def test_the_package_changes_no_setting_of_matplotlib_and_no_filter_of_warnings() -> None:
    discovery._package.cache_clear()
    settings, filters = dict(mpl.rcParams), [*warnings.filters]
    discovery._package()
    assert dict(mpl.rcParams) == settings
    assert [*warnings.filters] == filters


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    discovery._package.cache_clear()
    monkeypatch.setitem(sys.modules, discovery.PACKAGE, None)
    with pytest.raises(ConfigError, match=r"pip install 'fidelio\[discovery\]'"):
        discovery.check_package()
    monkeypatch.undo()
    discovery._package.cache_clear()
