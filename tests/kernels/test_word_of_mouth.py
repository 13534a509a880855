"""The small world: ring, rewiring, leaders; computed from customer and slot alone."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from worlds import make_market, make_scene

from sim.config.market import Rate, WordOfMouth
from sim.kernels import word_of_mouth
from sim.kernels.philox import READING, philox, uniform
from sim.types import N_CHANNELS, Channel

N, START, STOP = 12_000, 3000, 9000
NEIGHBOURS, REWIRING, STRIDE, LEADER_ATTENTION = 4, 0.2, 30, 0.3


@njit(cache=True, error_model="numpy")
def read_by(i, slot, word, start, stop, n, rewiring, stride, attention):
    """Return whom customer i reads in a slot, by its word."""
    size = np.int32(stop - start)
    return word_of_mouth.neighbour(
        np.int32(i - start), np.int32(word_of_mouth.ring_offset(slot, size)), uniform(word),
        np.int32(start), size, np.int32(n), rewiring, np.int32(stride), attention,
    )  # fmt: skip


@njit(cache=True)
def readers(start, stop, n, slots, rewiring, stride, attention):
    """Return whom each customer of the block reads, shape (stop - start, slots)."""
    who = np.empty((stop - start, slots), np.int64)
    for i in range(start, stop):
        for slot in range(slots):
            words = philox(i, 0, READING, slot // 4, 1, 0)
            word = words[slot % 4]
            who[i - start, slot] = read_by(
                i, slot, word, start, stop, n, rewiring, stride, attention
            )
    return who


@pytest.fixture(scope="module")
def who() -> np.ndarray:
    return readers(START, STOP, N, NEIGHBOURS, REWIRING, STRIDE, LEADER_ATTENTION)


def ring(start: int, stop: int, slots: int) -> np.ndarray:
    """Return the ring's neighbours: one to the right, one to the left, two to the right, ..."""
    step = np.array([(k // 2 + 1) * (1 if k % 2 == 0 else -1) for k in range(slots)])
    own = np.arange(stop - start)[:, None]
    return start + (own + step) % (stop - start)


@given(
    st.integers(0, 50),
    st.integers(1, 40),
    st.integers(0, 50),
    st.integers(0, 15),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.integers(0, 50),
    st.floats(0, 0.99),
    st.data(),
)
def test_a_neighbour_is_always_somebody(start, size, rest, slot, word, rewiring, stride, a, data):
    i = data.draw(st.integers(start, start + size - 1))
    n = start + size + rest
    j = read_by(i, slot, np.uint32(word), start, start + size, n, rewiring, stride, a)
    assert 0 <= j < n


def test_without_rewiring_the_graph_is_a_ring_within_the_segment():
    plain = readers(START, STOP, N, NEIGHBOURS, 0.0, STRIDE, LEADER_ATTENTION)
    np.testing.assert_array_equal(plain, ring(START, STOP, NEIGHBOURS))


def test_the_stated_share_of_edges_is_rewired(who):
    """Within four standard errors; a rewired edge hits its old place about once in a thousand."""
    moved = who != ring(START, STOP, NEIGHBOURS)
    tolerance = 4 * np.sqrt(REWIRING * (1 - REWIRING) / moved.size) + REWIRING / 1000
    assert abs(moved.mean() - REWIRING) < tolerance


def test_edges_that_are_not_rewired_stay_in_the_segment(who):
    """Homophily: only an edge rewired to anyone in the market leaves the block."""
    outside = ((who < START) | (who >= STOP)).mean()
    expected = REWIRING * (1 - LEADER_ATTENTION) * (1 - (STOP - START) / N)
    assert abs(outside - expected) < 4 * np.sqrt(expected / who.size)


def test_leaders_have_more_listeners(who):
    """By rewired edges: each leader is read, on average, as often as the probabilities say."""
    own = who[(who >= START) & (who < STOP)] - START
    listeners = np.bincount(own, minlength=STOP - START)
    leader = np.arange(STOP - START) % STRIDE == 0
    inside = NEIGHBOURS * (1 - REWIRING) + NEIGHBOURS * REWIRING * (1 - LEADER_ATTENTION) * 0.5
    extra = NEIGHBOURS * REWIRING * LEADER_ATTENTION * STRIDE
    for group, expected in ((leader, inside + extra), (~leader, inside)):
        error = np.sqrt(expected / group.sum())
        assert abs(listeners[group].mean() - expected) < 4 * error
    assert listeners[leader].mean() > 2 * listeners[~leader].mean()


def test_every_stride_th_customer_of_a_segment_leads():
    leads = njit(cache=True)(lambda i, start, stride: word_of_mouth.is_leader(i, start, stride))
    assert [i for i in range(10, 41) if leads(i, 10, 10)] == [10, 20, 30, 40]
    assert not any(leads(i, 10, 0) for i in range(10, 41))


def silent_scene():
    """Return people who never buy and whose states do not decay: only reading can move them."""
    talk = WordOfMouth(rewiring=0.5, value=0.2, bond=0.2, awareness=0.3, awareness_decay=0.0)
    scene = make_scene(600, make_market(word_of_mouth=talk, rate=Rate(mean=1e-4)))
    scene.traits = scene.traits._replace(rate_persistence=1.0, bond_decay=0.0)
    columns = scene.population.columns
    columns.rate[:] = 0.0
    rng = np.random.default_rng(5)
    columns.opinion_brand[:] = rng.integers(-1, 5, 600)
    columns.opinion_valence[:] = rng.integers(-127, 128, 600)
    columns.bond[:] = 0.3
    return scene


def test_who_reads_whom_never_depends_on_the_quarter():
    scenes = [silent_scene(), silent_scene()]
    for scene, quarter in zip(scenes, (3, 10), strict=True):
        scene.live(scene.offer(), quarter)
    for name in ("value", "bond", "awareness"):
        one, other = (getattr(scene.population.columns, name) for scene in scenes)
        assert np.any(one != getattr(silent_scene().population.columns, name))
        np.testing.assert_array_equal(one, other)


def test_bad_news_moves_value_more_than_good_news():
    moves = []
    for valence in (100, -100):
        scene = silent_scene()
        columns = scene.population.columns
        columns.opinion_valence[:] = valence
        before = columns.value.astype(np.float64)
        scene.live(scene.offer(), 3)
        moves.append((columns.value - before).sum())
    assert moves[1] == pytest.approx(-scene.traits.negativity * moves[0], rel=1e-3)


def test_talk_of_the_town_reaches_everybody_and_bad_news_counts_more():
    moves = []
    for size in (0.1, -0.1):
        scene = silent_scene()
        columns = scene.population.columns
        columns.opinion_brand[:] = -1
        before = columns.value.astype(np.float64)
        channels = np.zeros((5, N_CHANNELS, 3))
        channels[1, Channel.BUZZ] = size
        scene.live(scene.offer(0, channels), 3)
        moves.append(columns.value - before)
        assert np.all(moves[-1][[0, 2, 3, 4]] == 0)
    np.testing.assert_allclose(moves[0][1], 0.1, atol=1e-6)
    np.testing.assert_allclose(moves[1][1], -0.1 * scene.traits.negativity, atol=1e-6)


def test_more_voice_only_adds_opinions():
    spoke = []
    for change in (-1.0, -0.5, 0.0, 2.0):
        scene = make_scene(2000)
        channels = np.zeros((5, N_CHANNELS, 3))
        channels[0, Channel.VOICE] = change
        scene.live(scene.offer(0, channels), 0)
        spoke.append(scene.population.columns.opinion_brand.copy())
    assert not np.any(spoke[0] == 0)
    for fewer, more in pairwise(spoke):
        assert np.all((more == 0)[fewer == 0])
        assert (more == 0).sum() > (fewer == 0).sum()
        assert np.all((more == fewer) | (more == 0)), "other brands are talked of as before"


def test_nobody_reads_what_is_said_in_the_same_quarter():
    """Pull from last quarter's opinions: the outcome cannot depend on who is computed first."""
    scene = make_scene(600)
    scene.population.columns.opinion_brand[:] = -1
    deaf = make_scene(600)
    deaf.traits = deaf.traits._replace(neighbours=0)
    deaf.population.columns.opinion_brand[:] = -1
    for one in (scene, deaf):
        one.live(one.offer(), 0)
    np.testing.assert_array_equal(scene.population.columns.value, deaf.population.columns.value)
