"""The generator: published vectors, exact distributions, and addresses that never meet."""

# ruff: noqa: PLW0108 - the lambda is what Numba keeps on disk; what it wraps is always inlined.

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from scipy import special, stats

from sim.kernels import draws
from sim.kernels import philox as generator
from sim.kernels.layout import WIDTH

N_DRAWS = 20_000
SHAPES = [0.02, 0.07, 0.243, 0.6, 1.0, 4.4]

PURPOSES = {
    name: number
    for name, number in vars(generator).items()
    if name.isupper() and not name.startswith("_") and isinstance(number, int)
}

words_at = njit(cache=True)(lambda e, q, p, c, k0, k1: generator.philox(e, q, p, c, k0, k1))
uniform_of = njit(cache=True)(lambda word: generator.uniform(word))
poisson_of = njit(cache=True)(lambda mean, u: generator.poisson(mean, u))
continued = njit(cache=True)(
    lambda mean, u, n, p, below: generator.continue_poisson(mean, u, n, p, below)
)


@njit(cache=True)
def normal_of(u):
    """Return the kernel's normal quantiles."""
    z = np.empty_like(u)
    for k in range(len(u)):
        z[k] = generator.normal(u[k])
    return z


@njit(cache=True)
def normals_of_words(words):
    """Return the float32 normal of each word."""
    z = np.empty(len(words), np.float32)
    for k in range(len(words)):
        z[k] = generator.normal32(words[k])
    return z


@njit(cache=True)
def singles(words):
    """Return the float32 uniform of each word."""
    u = np.empty(len(words), np.float32)
    for k in range(len(words)):
        u[k] = generator.uniform32(words[k])
    return u


@njit(cache=True)
def logs(x):
    """Return the kernel's logarithm of each."""
    y = np.empty_like(x)
    for k in range(len(x)):
        y[k] = generator.log32(x[k])
    return y


@njit(cache=True)
def exps64(x):
    """Return the kernel's exp of each, in float64."""
    y = np.empty_like(x)
    for k in range(len(x)):
        y[k] = generator.exp64(x[k])
    return y


@njit(cache=True)
def gammas(shape, n, purpose, stream, seed):
    """Return n Gamma draws, one per entity."""
    draws = np.empty(n)
    for entity in range(n):
        draws[entity] = generator.gamma(shape, entity, 3, purpose, stream, seed, 5)
    return draws


@njit(cache=True, error_model="numpy")
def log_gammas(shapes, quarter, purpose, stream, seed):
    """Return the logarithm of a Gamma draw per entity, in lanes; as many as whole strips hold."""
    drawn = np.empty(len(shapes), np.float32)
    refused, entity = np.empty(WIDTH, np.int32), np.empty(WIDTH, np.int32)
    for first in range(0, len(shapes), WIDTH):
        for j in range(WIDTH):
            entity[j] = first + j
        draws.draw_log_gamma(
            drawn[first : first + WIDTH], refused, shapes[first : first + WIDTH], entity, quarter,
            purpose, stream, seed, 5,
        )  # fmt: skip
    return drawn


def betas(a, b, n, stream, seed):
    """Return n Beta draws as the kernels make them: logistic of the difference of logarithms."""
    n_lanes = -(-n // WIDTH) * WIDTH
    x, y = (
        log_gammas(np.full(n_lanes, shape, np.float32), 3, generator.LEAVING, s, seed)
        for shape, s in ((a, 2 * stream), (b, 2 * stream + 1))
    )
    return special.expit(x.astype(np.float64) - y)[:n]


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
    ids=["zeros", "ones", "digits of pi"],
)
def test_philox_matches_the_known_answers_of_random123(counter, key, expected):
    assert words_at(*counter, *key) == expected


def test_purposes_are_all_different():
    assert len(PURPOSES) >= 13
    assert len(set(PURPOSES.values())) == len(PURPOSES)


def test_uniform_lies_in_the_open_interval_at_both_ends():
    low, high = uniform_of(np.uint32(0)), uniform_of(np.uint32(0xFFFFFFFF))
    assert 0.0 < low < 1e-9
    assert 1.0 - 1e-9 < high < 1.0
    assert low == pytest.approx(1.0 - high, rel=1e-6)


def test_uniform32_is_uniform_rounded_twice():
    """A word and a half are rounded: 1.5 units of 2^-24 of the number; never 0, at most 1."""
    words = np.unique(
        np.concatenate(
            [
                np.linspace(0, 2**32 - 1, 1_000_001).astype(np.uint32),
                np.geomspace(1, 2**32 - 1, 100_001).astype(np.uint32),
                ~np.geomspace(1, 2**31, 100_001).astype(np.uint32),
            ]
        )
    )
    u, exact = singles(words), (words + 0.5) / 2**32
    assert np.abs(u / exact - 1).max() <= 1.5 * 2.0**-24
    assert 0.0 < u[0] < u[-1] == 1.0
    assert np.all(np.diff(u) >= 0.0)


@given(
    st.tuples(*[st.integers(0, 2**31 - 1)] * 6),
    st.integers(0, 5),
    st.integers(0, 30),
)
def test_every_bit_of_the_address_changes_all_four_words(address, place, bit):
    other = list(address)
    other[place] ^= 1 << bit
    assert all(a != b for a, b in zip(words_at(*address), words_at(*other), strict=True))


def test_neighbouring_addresses_look_independent():
    """Uniforms of entities, quarters, purposes and counters in a row are flat and uncorrelated."""
    grid = np.array(
        [
            [uniform_of(np.uint32(w)) for w in words_at(entity, quarter, purpose, counter, 1, 0)]
            for entity in range(8)
            for quarter in range(8)
            for purpose in range(8)
            for counter in range(8)
        ]
    ).reshape(8, 8, 8, 8, 4)
    assert np.unique(grid).size == grid.size
    assert stats.kstest(grid.ravel(), "uniform").pvalue > 0.01
    for axis in range(5):
        pairs = np.moveaxis(grid, axis, 0)
        r = np.corrcoef(pairs[:-1].ravel(), pairs[1:].ravel())[0, 1]
        assert abs(r) < 4 / np.sqrt(pairs[1:].size)


def test_normal_is_the_normal_quantile():
    """Within 1.1e-6 for |z| < 5, and within 3e-3 at the last words of the generator."""
    words = np.unique(
        np.concatenate(
            [
                np.linspace(0, 2**32 - 1, 200_001).astype(np.int64),
                np.geomspace(1, 2**31, 20_001).astype(np.int64),
                2**32 - np.geomspace(1, 2**31, 20_001).astype(np.int64),
            ]
        )
    )
    u = (words + 0.5) / 2**32
    exact = special.ndtri(u)
    error = np.abs(normal_of(u) - exact)
    assert error[np.abs(exact) < 5].max() < 1.1e-6
    assert error.max() < 3e-3
    assert np.all(np.diff(normal_of(u)) >= -1e-6)


def test_normal32_is_normal_with_float32_rounding():
    """Over all words, and at both ends, where a float32 uniform would have lost the tail."""
    words = np.unique(
        np.concatenate(
            [
                np.linspace(0, 2**32 - 1, 200_001).astype(np.uint32),
                np.geomspace(1, 2**31, 20_001).astype(np.uint32),
                ~np.geomspace(1, 2**31, 20_001).astype(np.uint32),
            ]
        )
    )
    z, exact = normals_of_words(words), normal_of((words + 0.5) / 2**32)
    assert np.abs(z - exact).max() < 2e-6
    np.testing.assert_array_equal(normals_of_words(~words), -z)


def test_log32_is_log_with_relative_error_below_3e_7():
    x = np.geomspace(1e-37, 1e37, 1_000_001).astype(np.float32)
    exact = np.log(x.astype(np.float64))
    assert np.all(np.abs(logs(x) - exact) <= 3e-7 * np.abs(exact) + 1e-12)


def test_exp64_is_exp_with_relative_error_below_1e_15():
    x = -np.concatenate([np.linspace(0, 60, 300_001), np.geomspace(1e-12, 700, 20_001)])
    assert np.abs(exps64(x) / np.exp(x) - 1).max() < 1e-15


@pytest.mark.parametrize("mean", [0.0, 1e-6, 0.3, 1.0, 2.5, 17.0, 120.0, 600.0, 745.0, 3000.0])
def test_poisson_is_the_poisson_quantile(mean):
    for u in np.linspace(0.0005, 0.9995, 400):
        assert poisson_of(mean, u) == max(stats.poisson.ppf(u, mean), 0)


@given(st.floats(0, 300), st.floats(0, 30), st.floats(1e-9, 1 - 1e-9), st.floats(1e-9, 1 - 1e-9))
def test_poisson_never_falls_when_mean_or_u_rises(mean, more, u, v):
    low, high = sorted([u, v])
    assert poisson_of(mean, low) <= poisson_of(mean + more, low)
    assert poisson_of(mean, low) <= poisson_of(mean, high)


@given(st.floats(0.01, generator.MANY - 1), st.floats(1e-6, 1 - 1e-9), st.integers(0, 60))
def test_a_poisson_sum_goes_on_where_it_was_left(mean, u, n):
    """Handed over before it has arrived; an exact sum at the hand-over gives the exact count."""
    below, p = stats.poisson.cdf(n, mean), stats.poisson.pmf(n, mean)
    if p == 0.0 or below >= u:
        return
    exact = stats.poisson.ppf(u, mean)
    edges = stats.poisson.cdf([exact - 1, exact], mean)
    if np.abs(edges - u).min() > 1e-12:
        assert continued(mean, u, n, p, below) == exact


def test_a_poisson_sum_ends_where_no_float_can_reach_the_uniform():
    end = continued(2.0, 1.0, 0, np.exp(-2.0), np.exp(-2.0))
    assert end <= 2.0 + 12.0 * np.sqrt(2.0) + 24.0


@pytest.mark.parametrize("shape", [*SHAPES, 50.0])
def test_gamma_draws_in_lanes_are_those_of_one_after_the_other(shape):
    """To float32 rounding, but for the few whose acceptance hangs on a hair."""
    n, far = WIDTH * 300, 0
    for purpose in (generator.RATE, generator.LEAVING):
        for stream in (0, 1, 40):
            drawn = log_gammas(np.full(n, shape, np.float32), 3, purpose, stream, 11)
            exact = gammas(np.float64(np.float32(shape)), n, purpose, stream, 11)
            seen = exact > 1e-300  # a float64 loses what is smaller, the logarithm does not
            expected = np.log(exact[seen])
            assert np.all(drawn[~seen] < np.log(1e-300) * (1 - 1e-6))
            error = np.abs(drawn[seen] - expected)
            far += np.count_nonzero(error > 2e-6 * (1.0 + np.abs(expected)))
    assert far <= 1e-4 * 6 * n


def test_a_draw_of_no_shape_is_nothing_in_lanes_too():
    drawn = log_gammas(np.zeros(WIDTH, np.float32), 3, generator.RATE, 0, 11)
    assert np.all(drawn < -1e20)
    assert np.all(np.exp(drawn) == 0.0)


def test_gamma_draws_of_other_lanes_do_not_matter():
    """Whatever shapes stand beside it, a lane draws what it draws alone."""
    shapes = np.random.default_rng(1).choice([0.0, *SHAPES, 50.0, 1e4], WIDTH * 20)
    shapes = shapes.astype(np.float32)
    mixed = log_gammas(shapes, 3, generator.RATE, 0, 11)
    for shape in np.unique(shapes):
        alike = log_gammas(np.full(len(shapes), shape), 3, generator.RATE, 0, 11)
        np.testing.assert_array_equal(mixed[shapes == shape], alike[shapes == shape])


@pytest.mark.parametrize("shape", SHAPES)
def test_gamma_draws_follow_the_gamma_law(shape):
    draws = gammas(shape, N_DRAWS, generator.RATE, 0, 11)
    assert stats.kstest(draws, stats.gamma(shape).cdf).pvalue > 0.01


@pytest.mark.parametrize("shape", [*SHAPES, 50.0, 1e4, 1e6])
def test_gamma_draws_in_lanes_follow_the_gamma_law(shape):
    """Below 1e-300 a float64 is 0: such draws count as ties."""
    drawn = log_gammas(np.full(WIDTH * 300, shape, np.float32), 3, generator.RATE, 1, 12)
    law = stats.gamma(float(np.float32(shape)))
    draws = np.exp(np.maximum(drawn.astype(np.float64), np.log(1e-300)))
    assert stats.kstest(draws, law.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("a", "b"), [(0.02, 0.07), (0.243, 0.6), (0.793, 2.426), (0.8, 12.0), (4.4, 1.0)]
)
def test_beta_draws_follow_the_beta_law(a, b):
    draws = betas(a, b, N_DRAWS, 0, 11)
    # Below 1e-12 of either end a float64 ratio cannot tell: the atoms at 0 and 1 count as ties.
    inside = stats.beta(a, b).cdf(np.clip(draws, 1e-12, 1 - 1e-12))
    assert stats.kstest(inside, stats.beta(a, b).cdf(np.clip(stats.beta(a, b).ppf(
        (np.arange(N_DRAWS) + 0.5) / N_DRAWS), 1e-12, 1 - 1e-12))).pvalue > 0.01  # fmt: skip


def test_no_shape_means_no_draw():
    assert gammas(0.0, 3, generator.RATE, 0, 11).tolist() == [0.0, 0.0, 0.0]


def test_streams_do_not_collide():
    """Draws of other streams, purposes and seeds at one entity are different and uncorrelated."""
    others = [gammas(2.0, 4000, generator.RATE, stream, 11) for stream in range(4)]
    others += [
        gammas(2.0, 4000, purpose, 0, 11) for purpose in (generator.LEAVING, generator.RESIDENCE)
    ]
    others += [gammas(2.0, 4000, generator.RATE, 0, 12)]
    for k, drawn in enumerate(others):
        assert all(np.all(drawn != later) for later in others[k + 1 :])
    r = np.corrcoef(others)
    assert np.abs(r[~np.eye(7, dtype=bool)]).max() < 4.5 / np.sqrt(4000)


def test_beta_streams_share_no_gamma_stream():
    """Beta stream k uses Gamma streams 2k and 2k + 1, so stream 1 is not stream 0 again."""
    zero, one = betas(0.8, 12.0, 4000, 0, 11), betas(0.8, 12.0, 4000, 1, 11)
    assert abs(np.corrcoef(zero, one)[0, 1]) < 4 / np.sqrt(4000)
    assert not np.any(zero == one)


def test_draw_uniform_is_the_first_word():
    word = words_at(3, 7, generator.RISK, 0, 1, 2)[0]
    assert generator.draw_uniform(3, 7, generator.RISK, 1, 2) == uniform_of(np.uint32(word))
