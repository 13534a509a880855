"""The fused kernels do what the plain Python reference does, to float32 rounding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from worlds import (
    Scene,
    make_market,
    make_scene,
    random_channels,
    random_market,
    random_treatment,
    shake,
)

from sim.config.market import Segment
from sim.kernels.buyers import _MANY
from sim.kernels.layout import (
    ATTRACTION,
    BLOCK,
    CATEGORY_BUYERS,
    CATEGORY_PURCHASES,
    FORGONE,
    LEFT,
    NEVER,
    PURCHASES,
    WIDTH,
    Columns,
    Tally,
)
from sim.kernels.quarter import create_residents
from sim.measures.record import add_tallies
from sim.traits import no_treatment
from sim.types import MarketKind

INTEGERS = ("segment", "last_brand", "opinion_brand", "birth", "first_purchase", "flags", "history",
            "tier", "satisfaction", "warnings", "care", "bought")  # fmt: skip
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
    return make_scene(n_customers, market, seed, replication, n_slots=seed % 5), rng


def compare_people(columns: Columns, people: list, hairs: set[int]) -> None:
    """Assert that every column holds what the reference's people hold, hairs left out."""
    sure = np.array([i not in hairs for i in range(len(people))])
    tolerance = 2e-5 + np.array([p.slack for p in people])[sure]
    for name in Columns._fields:
        ours = getattr(columns, name)[..., sure]
        theirs = np.array([getattr(p, name) for p in people], dtype=np.float64).T[..., sure]
        if name in INTEGERS:
            np.testing.assert_array_equal(ours, theirs, err_msg=name)
        elif name == "opinion_valence":
            assert np.all(np.abs(ours - theirs) <= 0.501), name
        else:
            apart = np.abs(ours - theirs) / (1.0 + np.abs(theirs))
            assert np.all(apart <= tolerance), (name, apart.max(), np.argmax(apart / tolerance))


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
    scene = make_scene(1500, market, n_slots=6)
    n_hairs, n_lives = check_life(scene, rng, range(4, 6))
    assert n_hairs <= 0.004 * n_lives
    tally = scene.live(scene.offer(7), 6)[0]
    assert tally.flow[:, :, PURCHASES].sum() > 1000
    assert tally.category[:, LEFT].sum() > 30
    assert np.count_nonzero(scene.population.columns.opinion_valence) > 100
    assert np.count_nonzero(scene.population.columns.bought >= 0) > 1000


def middling(n_brands: int, n_segments: int, kind: MarketKind, seed: int = 7):
    """Return a market in the middle of all ranges, of random brands and segments."""
    rng = np.random.default_rng(seed)
    return random_market(lambda low, high: (low + high) / 2, rng, n_brands, n_segments, kind)


@pytest.mark.parametrize("kind", MarketKind)
@pytest.mark.parametrize("n_brands", [2, 16])
def test_the_fewest_and_many_brands(n_brands, kind):
    scene = make_scene(300, middling(n_brands, 2, kind))
    n_hairs, n_lives = check_life(scene, np.random.default_rng(8), range(5, 7))
    assert n_hairs <= 0.01 * n_lives


SIZES = [WIDTH - 1, 2 * WIDTH + 1, 7, 2 * WIDTH, 1]
"""Customers of a segment: less than a strip, a bit more than two, few, exactly two, one."""


@pytest.mark.parametrize("kind", MarketKind)
def test_segments_that_do_not_fill_their_strips(kind):
    segments = tuple(Segment(f"segment {k}", share=n / sum(SIZES)) for k, n in enumerate(SIZES))
    scene = make_scene(sum(SIZES), make_market(segments=segments, kind=kind))
    assert np.diff(scene.traits.block_start).tolist() == SIZES
    n_hairs, n_lives = check_life(scene, np.random.default_rng(9), range(4, 7))
    assert n_hairs <= 3 + 0.01 * n_lives


@pytest.mark.parametrize(
    ("rates", "many"), [((2.0, 30.0), 9), ((0.1, 150.0), _MANY + 1)], ids=["more than 8", "MANY"]
)
def test_customers_of_many_occasions(rates, many):
    """Some of a strip buy hardly ever, and some so often that they are not sorted any more."""
    scene, rng = make_scene(2 * WIDTH, n_slots=many), np.random.default_rng(10)
    shake(scene.population, rng)
    columns = scene.population.columns
    columns.rate[:] = rng.choice(rates, len(columns.rate))
    columns.leaving_logit[:] -= 6.0
    hairs, tally = check_quarter(scene, scene.offer(), no_treatment(3), 1)
    # Up to 1% in a quarter of two or three purchases, and these make some thirty.
    assert len(hairs) <= 0.15 * len(columns.rate)
    assert tally.category[:, CATEGORY_PURCHASES].sum() > 0.2 * many * len(columns.rate)
    assert tally.flow[:, :, PURCHASES].sum() == tally.category[:, CATEGORY_PURCHASES].sum()


@pytest.mark.parametrize("kind", MarketKind)
def test_all_who_buy_leave_after_their_first_purchase(kind):
    scene = make_scene(3 * WIDTH + 5, make_market(kind=kind), n_slots=2)
    shake(scene.population, np.random.default_rng(11))
    scene.traits = scene.traits._replace(rate_persistence=1.0)  # nobody's rate drifts towards 0
    columns = scene.population.columns
    columns.leaving_logit[:] = 60.0
    columns.rate[:] = 30.0
    columns.stock[:] = 0.0
    hairs, tally = check_quarter(scene, scene.offer(), no_treatment(3), 2)
    n_sure = len(columns.rate) - len(hairs)
    assert tally.category[:, LEFT].sum() == tally.category[:, CATEGORY_PURCHASES].sum() == n_sure
    sure = np.setdiff1d(np.arange(len(columns.rate)), list(hairs))
    assert np.all(columns.birth[sure] == 3)
    assert np.all(columns.bought[0, sure] >= 0)
    forgone = FORGONE if kind is MarketKind.REPERTOIRE else NEVER  # a contract is renewed once
    assert np.mean(columns.bought[1, sure] == forgone) > 0.98


def test_nobody_buys():
    scene = make_scene(3 * WIDTH + 5)
    shake(scene.population, np.random.default_rng(12))
    scene.traits = scene.traits._replace(rate_persistence=1.0)
    columns = scene.population.columns
    columns.birth[:], columns.rate[:] = -1, 0.0
    _, tally = check_quarter(scene, scene.offer(), no_treatment(3), 2)
    assert not tally.flow[:, :, PURCHASES].any()
    assert not tally.switching.any()
    assert tally.category[:, [CATEGORY_PURCHASES, CATEGORY_BUYERS, LEFT]].sum() == 0
    assert not columns.opinion_valence.any()


@st.composite
def cuts(draw, n: int) -> list[tuple[int, int]]:
    """Return ranges, in any order, that together are all n rows."""
    edges = sorted({0, n, *draw(st.lists(st.integers(0, n), max_size=5))})
    return draw(st.permutations(list(pairwise(edges))))


@pytest.mark.parametrize("kind", MarketKind)
@given(data=st.data())
def test_a_quarter_is_the_same_however_its_customers_are_cut_into_ranges(kind, data):
    """States bit for bit and counts exactly; sums to float32 rounding of what is added up."""
    sizes = [WIDTH - 1, BLOCK + WIDTH + 3, 200]
    segments = tuple(Segment(f"segment {k}", share=n / sum(sizes)) for k, n in enumerate(sizes))
    rng = np.random.default_rng(13)
    whole = make_scene(sum(sizes), make_market(segments=segments, kind=kind))
    shake(whole.population, rng)
    parts = Scene(whole.market, whole.population.copy(), whole.traits, whole.seed, 0)
    offer = whole.offer(2, random_channels(rng, *whole.shape))
    treatment = random_treatment(rng, 3, 900.0)
    one = whole.live(offer, 5, treatment=treatment)[0]
    two = add_tallies(parts.live(offer, 5, data.draw(cuts(sum(sizes))), treatment))
    for name in Columns._fields:
        a, b = (getattr(scene.population.columns, name) for scene in (whole, parts))
        assert a.tobytes() == b.tobytes(), name
    for name, a, b in zip(Tally._fields, one, two, strict=True):
        if name in COUNTS:
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-3, err_msg=name)


@given(data=st.data())
def test_residents_are_the_same_however_they_are_cut_into_ranges(data):
    n = BLOCK + WIDTH + 3
    whole, parts = make_scene(n), make_scene(n)
    columns = parts.population.columns
    for name in set(Columns._fields) - {"segment", "opinion_brand", "opinion_valence"}:
        getattr(columns, name)[:] = 99
    for first, last in data.draw(cuts(n)):
        create_residents(columns, parts.traits, parts.offer(), first, last, parts.seed, 0)
    for name in Columns._fields:
        a, b = getattr(whole.population.columns, name), getattr(columns, name)
        assert a.tobytes() == b.tobytes(), name


@pytest.mark.parametrize("kind", MarketKind)
def test_a_log_of_purchases_moves_nothing_else(kind):
    """Not a bit of any other column or of the tally, be the log as short as it may."""
    found = []
    for n_slots in (0, 1, 40):
        scene = make_scene(2 * BLOCK + 5, make_market(kind=kind), n_slots=n_slots)
        shake(scene.population, np.random.default_rng(14))
        tally = scene.live(scene.offer(), 3)[0]
        columns = [c for c, name in zip(scene.population.columns, Columns._fields, strict=True)
                   if name != "bought"]  # fmt: skip
        found.append([table.tobytes() for table in (*columns, *tally)])
    assert found[0] == found[1] == found[2]


def test_a_log_of_all_occasions_is_what_was_counted():
    scene = make_scene(BLOCK + 70, n_slots=40)
    shake(scene.population, np.random.default_rng(15))
    columns = scene.population.columns
    for quarter in (1, 2):  # the log of a quarter is gone when the next one is lived
        tally = scene.live(scene.offer(), quarter)[0]
        bought = columns.bought
        assert np.all(bought[-1] == NEVER), "40 slots hold everything"
        purchases = [np.count_nonzero(bought == b) for b in range(scene.shape[0])]
        np.testing.assert_array_equal(purchases, tally.flow[:, :, PURCHASES].sum(axis=0))
        left = columns.birth == quarter + 1
        assert np.count_nonzero(left) == tally.category[:, LEFT].sum()
        forgone = (bought == FORGONE).any(axis=0)
        assert np.all(left[forgone])
        assert np.all(bought[0, left] >= 0), "who leaves does so after a purchase"
