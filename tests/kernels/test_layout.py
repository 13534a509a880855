"""The table of customers: its size, its ranges, and that any range may be computed alone."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import make_market, make_scene, random_channels, shake

from sim.kernels.layout import PURCHASES, Columns
from sim.measures.record import add_tallies
from sim.population import COLUMNS, Population, block_starts, bytes_per_customer
from sim.types import MarketKind


def busy_scene(n: int = 2000, kind: MarketKind = MarketKind.REPERTOIRE):
    """Return people with mixed pasts and an offer in which every brand does something."""
    scene = make_scene(n, make_market(kind=kind))
    shake(scene.population, np.random.default_rng(3))
    channels = random_channels(np.random.default_rng(4), *scene.shape)
    return scene, scene.offer(2, channels)


def test_a_customer_takes_at_most_64_bytes_and_32_per_brand():
    per_customer, per_brand = bytes_per_customer()
    assert per_customer <= 64
    assert per_brand <= 32


@pytest.mark.parametrize("n", [1000, 4001])
def test_the_population_takes_what_the_table_says(n):
    population = Population(n, make_market())
    assert population.nbytes <= n * (64 + 32 * 5)
    per_customer, per_brand = bytes_per_customer()
    assert population.nbytes == n * (per_customer + 5 * per_brand)
    logging = Population(n, make_market(), n_slots=7)
    assert logging.nbytes == n * (per_customer + 5 * per_brand + 7)


def test_the_table_and_the_kernels_name_the_same_columns():
    assert tuple(column.name for column in COLUMNS) == Columns._fields


@pytest.mark.parametrize("n", [3, 10, 999, 20_000])
def test_segments_are_blocks_that_cover_everybody(n):
    starts = block_starts(n, [0.5, 0.42, 0.08])
    assert starts[0] == 0
    assert starts[-1] == n
    np.testing.assert_allclose(np.diff(starts), np.array([0.5, 0.42, 0.08]) * n, atol=1)


@pytest.mark.parametrize("kind", MarketKind)
@pytest.mark.parametrize("cut", [1, 256, 777, 1999])
def test_two_ranges_equal_one(kind, cut):
    """States bit for bit, counts exactly, sums to the order of adding them in float32."""
    (whole, offer), (parts, _) = busy_scene(kind=kind), busy_scene(kind=kind)
    one = whole.live(offer, 0)[0]
    two = add_tallies(parts.live(offer, 0, [(0, cut), (cut, 2000)]))
    for name in Columns._fields:
        a, b = getattr(whole.population.columns, name), getattr(parts.population.columns, name)
        np.testing.assert_array_equal(a, b, err_msg=name)
    for a, b in zip(one, two, strict=True):
        if a.dtype.kind == "i":
            np.testing.assert_array_equal(a, b)
        else:
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-3)


def test_the_order_of_ranges_does_not_matter():
    (forward, offer), (backward, _) = busy_scene(), busy_scene()
    forward.live(offer, 0, [(0, 700), (700, 2000)])
    backward.live(offer, 0, [(700, 2000), (0, 700)])
    for name in Columns._fields:
        a, b = (getattr(s.population.columns, name) for s in (forward, backward))
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_an_empty_range_does_nothing():
    scene, offer = busy_scene()
    before = scene.population.copy()
    tally = scene.live(offer, 0, [(5, 5)])[0]
    assert not any(table.any() for table in tally)
    for name in Columns._fields:
        np.testing.assert_array_equal(
            getattr(scene.population.columns, name), getattr(before.columns, name), err_msg=name
        )


@pytest.mark.parametrize("kind", MarketKind)
def test_after_twelve_busy_quarters_every_state_is_in_its_range(kind):
    scene, _ = busy_scene(3000, kind)
    rng = np.random.default_rng(9)
    for quarter in range(12):
        channels = random_channels(rng, *scene.shape)
        tally = scene.live(scene.offer(quarter + 1, channels), quarter)[0]
        assert np.isfinite(tally.flow).all()
        assert np.isfinite(tally.category).all()
        assert tally.switching.sum() <= tally.flow[:, :, PURCHASES].sum()
    columns = scene.population.columns
    for name in Columns._fields:
        assert np.isfinite(getattr(columns, name)).all(), name
    np.testing.assert_allclose(columns.habit.sum(axis=0, dtype=np.float64), 1.0, atol=1e-6)
    for state in (columns.bond, columns.habit, columns.awareness, columns.stock):
        assert state.min() >= 0.0
        assert state.max() <= 1.0 + 1e-6
    assert columns.awareness.min() > 0.0
    assert columns.rate.min() >= 0.0


def test_who_buys_nothing_hears_nothing_and_is_offered_nothing_only_forgets():
    """No state moves but bond, awareness and spend by decay, and the history by a shift."""
    scene = make_scene(500)
    scene.traits = scene.traits._replace(rate_persistence=1.0, neighbours=0)
    columns = scene.population.columns
    columns.rate[:] = 0.0
    columns.history[:] = 0b101
    columns.trailing_spend[:] = 100.0
    before = scene.population.copy().columns
    scene.live(scene.offer(), 1)
    for name in set(Columns._fields) - {"bond", "awareness", "history", "trailing_spend"}:
        np.testing.assert_array_equal(getattr(columns, name), getattr(before, name), err_msg=name)
    np.testing.assert_allclose(columns.bond, before.bond * 0.96, rtol=1e-6)
    np.testing.assert_allclose(columns.trailing_spend, 75.0)
    assert np.all(columns.history == 0b1010)


def test_the_history_remembers_ever_after_its_bits_run_out():
    scene = make_scene(100)
    scene.traits = scene.traits._replace(rate_persistence=1.0)
    columns = scene.population.columns
    columns.rate[:] = 0.0
    columns.history[:] = 1
    for quarter in range(16):
        scene.live(scene.offer(), quarter)
    assert np.all(columns.history == 1 << 15)
