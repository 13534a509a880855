"""The fused kernels do what the plain Python reference does, to float32 rounding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from worlds import Scene, make_scene, random_channels, random_market, random_treatment, shake

from sim.kernels.layout import ATTRACTION, LEFT, PURCHASES, Columns, Tally
from sim.measures.record import add_tallies
from sim.traits import no_treatment
from sim.types import MarketKind

INTEGERS = ("segment", "last_brand", "opinion_brand", "birth", "first_purchase", "flags", "history",
            "tier", "satisfaction", "warnings", "care")  # fmt: skip
COUNTS = ("history", "departed", "switching", "cohort", "tiers", "rfm", "warned", "judged", "lead",
          "losses")  # fmt: skip
N_QUARTERS = 20


@st.composite
def scenes(draw) -> tuple[Scene, np.random.Generator]:
    """Draw a market with its residents, and a generator for what brands will do."""

    def number(low: float, high: float) -> float:
        return draw(st.floats(low, high))

    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_brands, n_segments = draw(st.integers(2, 6)), draw(st.integers(1, 3))
    market = random_market(number, rng, n_brands, n_segments, draw(st.sampled_from(MarketKind)))
    n_customers = draw(st.integers(40, 200))
    seed, replication = draw(st.integers(0, 2**31 - 1)), draw(st.integers(0, 1000))
    return make_scene(n_customers, market, seed, replication), rng


def compare_people(columns: Columns, people: list, hairs: set[int]) -> None:
    """Assert that every column holds what the reference's people hold, hairs left out."""
    sure = np.array([i not in hairs for i in range(len(people))])
    for name in Columns._fields:
        ours = getattr(columns, name)[..., sure]
        theirs = np.array([getattr(p, name) for p in people], dtype=np.float64).T[..., sure]
        if name in INTEGERS:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
        elif name == "opinion_valence":
            assert np.all(np.abs(ours - theirs) <= 0.501), name
        else:
            np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-5, err_msg=name)


def compare_tallies(ours: Tally, theirs: Tally) -> None:
    """Assert that counts are equal and sums equal to float32 rounding."""
    for name in COUNTS:
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)
    for name in set(Tally._fields) - set(COUNTS):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=2e-5, atol=1e-3, err_msg=name
        )


def split_around(hairs: set[int], n: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return ranges of sure people, and a range for each person on a hair."""
    edges = [-1, *sorted(hairs), n]
    sure = [(a + 1, b) for a, b in pairwise(edges) if a + 1 < b]
    return sure, [(i, i + 1) for i in sorted(hairs)]


def check_quarter(scene: Scene, offer, treatment, quarter: int) -> tuple[set[int], Tally]:
    """Live one quarter twice, compare, and return who was on a hair and what was counted.

    Both sides start from the same columns: a difference cannot grow from quarter to quarter, and
    an opinion that hung on a hair is read alike by everybody.
    """
    world = reference.World(scene.traits, offer, treatment, quarter, scene.seed, scene.replication)
    outcome = reference.live_quarter(scene.population.columns, world, N_QUARTERS)
    sure, unsure = split_around(outcome.hairs, len(scene.population))
    tallies = scene.live(offer, quarter, sure + unsure, treatment)
    compare_people(scene.population.columns, outcome.people, outcome.hairs)
    tally = add_tallies([scene.tally(), *tallies[: len(sure)]])
    compare_tallies(tally, outcome.tally)
    return outcome.hairs, tally


def check_life(scene: Scene, rng: np.random.Generator, quarters: range) -> tuple[int, int]:
    """Compare residents and some quarters; return how many person-quarters hung on a hair."""
    n, n_segments = len(scene.population), scene.shape[1]
    nothing = no_treatment(n_segments)
    world = reference.World(scene.traits, scene.offer(), nothing, 0, scene.seed, scene.replication)
    residents = reference.create_residents(scene.population.columns, world)
    hairs = {p.i for p in residents if p.hair}
    compare_people(scene.population.columns, residents, hairs)
    shake(scene.population, rng)
    n_hairs, shift = len(hairs), np.zeros(n_segments, np.float32)
    sizes = np.maximum(np.diff(scene.traits.block_start), 1)
    for quarter in quarters:
        channels = random_channels(rng, *scene.shape)
        offer = scene.offer(quarter + 1, channels, attraction_shift=shift)
        treatment = random_treatment(rng, n_segments, 4 * scene.market.basket)
        on_hair, tally = check_quarter(scene, offer, treatment, quarter)
        n_hairs += len(on_hair)
        shift = (tally.category[:, ATTRACTION] / sizes).astype(np.float32)
    return n_hairs, n * (len(quarters) + 1)


@given(scenes(), st.integers(0, 6), st.integers(1, 3))
def test_kernels_equal_the_reference_in_any_market(drawn, first, n_quarters):
    scene, rng = drawn
    n_hairs, n_lives = check_life(scene, rng, range(first, first + n_quarters))
    assert n_hairs <= 3 + 0.01 * n_lives, "too many are left out to say that both agree"


@pytest.mark.parametrize("kind", MarketKind)
def test_hardly_anybody_is_left_out_and_much_happens(kind):
    rng = np.random.default_rng(7)
    market = random_market(lambda low, high: (low + high) / 2, rng, 4, 3, kind)
    scene = make_scene(1500, market)
    n_hairs, n_lives = check_life(scene, rng, range(4, 6))
    assert n_hairs <= 0.004 * n_lives
    tally = scene.live(scene.offer(7), 6)[0]
    assert tally.flow[:, :, PURCHASES].sum() > 1000
    assert tally.category[:, LEFT].sum() > 30
    assert np.count_nonzero(scene.population.columns.opinion_valence) > 100
