"""How well choices are predicted: one step ahead, and in a closed loop with no real choice fed in.

Works for a fit's own model and for any market whose brands are those of the panel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.calibration.choice import DRAWS, Chooser, Occasions, see_occasions
from sim.calibration.observed import Panel
from sim.config.market import Market, Segment
from sim.errors import ConfigError, DataError
from sim.kernels.philox import draw_uniforms
from sim.types import F64

REPLICATIONS = 200
"""Times that the kept-back part is simulated."""
BOOTSTRAPS = 400
"""Times that households are drawn again, to see how much chance is in a figure."""
BINS = 10
"""Groups of predicted probabilities whose frequency is compared."""
_RESAMPLING = 1025  # purpose of the random numbers that draw households, far from the engine's
_SEGMENT = 1026  # and of those that draw a household's segment
_TINY = 1e-12


# --- one step ahead -----------------------------------------------------------------------------


def score(data: Occasions, predicted: F64) -> dict[str, float | None]:
    """Return the log-likelihood per choice of predictions, (rows, brands), by part of the data."""
    ll = np.log(predicted[np.arange(len(data.chosen)), data.chosen])
    test = data.test
    return {
        "train_ll": float(ll[~test].mean()) if not test.all() else None,
        "test_ll": float(ll[test].mean()) if test.any() else None,
    }


def one_step(
    panel: Panel,
    market: Market,
    weights: Mapping[str, float] | None = None,
    *,
    habit_settled: float = 1.0,
    seed: int = 1,
    threads: int = 2,
) -> float | None:
    """Return the log-likelihood per test choice that a market gives a panel, None without tests.

    Each choice is predicted from all earlier ones of its household, which both feed habit and tell
    what the household's tastes are.

    Parameters
    ----------
    panel
        The choices.
    market
        A market with the panel's brands; of what is uncertain the median counts.
    weights
        Logit weight of each of the panel's attributes; a market has none, so the default is 0.
    habit_settled
        How far a household's habit on its first occasion is that of its own tastes, 0 to 1.
    seed, threads
        Of the draws; how many threads share the work.

    Raises
    ------
    DataError
        If the panel's brands are not the market's.
    ConfigError
        If a weight is for no attribute of the panel.
    """
    crowd = see_market(
        panel, market, weights, habit_settled=habit_settled, seed=seed, threads=threads
    )
    return score(crowd[0][1].data, predict(crowd))["test_ll"]


def see_market(
    panel: Panel,
    market: Market,
    weights: Mapping[str, float] | None = None,
    *,
    habit_settled: float = 1.0,
    seed: int = 1,
    threads: int = 2,
) -> list[tuple[float, Chooser]]:
    """Return a market's segments as choosers on a panel, each with its share; see `one_step`.

    Bond, learning about quality and word of mouth leave no trace in a panel and are left out.
    """
    _check_names(panel, market, weights or {})
    logs = see_occasions(panel, ln_price=True)
    brands = {brand.name: brand for brand in market.brands}
    usual = np.log([float(brands[name].price) for name in panel.brands])
    x, usual_x = logs.x, logs.usual_x
    reference = float(market.weights.reference)
    if reference:
        losses = _trace_losses(panel, logs.price, float(usual @ logs.shares), market)
        x = np.concatenate([x, losses[:, :, None]], axis=2)
        usual_x = np.concatenate([usual_x, np.zeros((len(usual), 1))], axis=1)
    data = Occasions(
        logs.chosen, logs.price, x, logs.first, logs.first_test, logs.shares, usual, usual_x
    )
    known = [float((weights or {}).get(name, 0.0)) for name in panel.attributes]
    crowd = []
    for segment in market.segments:
        extra = [-reference * float(segment.weights.reference)] if reference else []
        natural = _natural(panel, market, segment, known + extra, habit_settled)
        chooser = Chooser(data, natural, True, True, DRAWS[-1], seed, threads)
        crowd.append((float(segment.share), chooser))
    return crowd


def _natural(
    panel: Panel, market: Market, segment: Segment, weights: Sequence[float], settled: float
) -> F64:
    """Return the natural parameters (see `likelihood`) of a segment."""
    brands = {brand.name: brand for brand in market.brands}
    ordered = [brands[name] for name in panel.brands]
    value = float(market.weights.value) * float(segment.weights.value)
    appeal = [
        float(brand.appeal)
        + value
        * sum(
            float(getattr(segment.dimensions, d)) * float(getattr(brand.quality, d))
            for d in ("functional", "emotional", "social", "economic")
        )
        for brand in ordered
    ]
    price = float(market.weights.price) * float(segment.weights.price)
    habit = float(market.weights.habit) * float(segment.weights.habit)
    price_sd, habit_sd = float(market.spread.price), float(market.spread.habit)
    return np.array(
        [  # the engine's weights are means over households, not medians
            *appeal,
            *weights,
            habit * np.exp(-(habit_sd**2) / 2),
            float(market.learning.habit_smoothing),
            np.log(max(price, _TINY)) - price_sd**2 / 2,
            price_sd,
            *(float(market.spread.taste) * float(brand.taste) for brand in ordered),
            habit_sd,
            settled,
        ]
    )


def _check_names(panel: Panel, market: Market, weights: Mapping[str, float]) -> None:
    names = [brand.name for brand in market.brands]
    if set(names) != set(panel.brands):
        raise DataError(
            f"{panel.source} has the brands {', '.join(panel.brands)}, but the market "
            f"{market.name} has {', '.join(names)}; they must be the same"
        )
    for name in weights:
        if name not in panel.attributes:
            raise ConfigError(
                "is no attribute of the panel", key=name, value=name, known=panel.attributes
            )


def _trace_losses(panel: Panel, ln_price: F64, start: float, market: Market) -> F64:
    """Return the felt loss of each brand on each row, ln: its price against what is remembered.

    Notes
    -----
    Reference prices move by a share of the gap after each purchase (Winer 1986); a gain counts for
    less than a loss.
    """
    share, gain = float(market.learning.reference_smoothing), float(market.learning.gain_factor)
    out = np.empty_like(ln_price)
    for begin, end in zip(panel.first[:-1], panel.first[1:], strict=True):
        remembered = start
        for row in range(begin, end):
            away = ln_price[row] - remembered
            out[row] = np.maximum(away, 0) + gain * np.minimum(away, 0)
            remembered += share * away[panel.chosen[row]]
    return out


def predict(crowd: Sequence[tuple[float, Chooser]]) -> F64:
    """Return the probability of each brand on each row, given the household's rows before.

    A household is of one segment; its choices also tell of which.
    """
    if len(crowd) == 1:
        return crowd[0][1].predict()
    ln_share, each = _weigh_segments(crowd)
    out: F64 = np.einsum("sr,srb->rb", np.exp(ln_share), each)
    return out


def _weigh_segments(crowd: Sequence[tuple[float, Chooser]]) -> tuple[F64, F64]:
    """Return the logarithm of each segment's share before each row, and its prediction."""
    data = crowd[0][1].data
    rows = np.arange(len(data.chosen))
    each = np.array([chooser.predict() for _, chooser in crowd])
    ln_p = np.log(each[:, rows, data.chosen])
    before = np.cumsum(ln_p, axis=1) - ln_p
    before -= np.repeat(before[:, data.first[:-1]], np.diff(data.first), axis=1)
    before += np.log(np.maximum([share for share, _ in crowd], _TINY))[:, None]
    before -= np.logaddexp.reduce(before, axis=0)
    return before, each


# --- closed loop --------------------------------------------------------------------------------


def simulate(crowd: Sequence[tuple[float, Chooser]], replications: int) -> NDArray[np.int16]:
    """Return simulated choices, (rows, replications); see `Chooser.simulate`."""
    if len(crowd) == 1:
        return crowd[0][1].simulate(replications)
    data, seed = crowd[0][1].data, crowd[0][1].seed
    ln_share, _ = _weigh_segments(crowd)
    known = np.minimum(data.first_test, data.first[1:] - 1)
    reach = np.cumsum(np.exp(ln_share[:, known]), axis=0)
    each = [chooser.simulate(replications) for _, chooser in crowd]
    out, u = np.empty_like(each[0]), np.empty(replications)
    for i, (begin, end) in enumerate(zip(data.first[:-1], data.first[1:], strict=True)):
        draw_uniforms(i, 0, _SEGMENT, seed, 0, u)
        segment = np.minimum(np.searchsorted(reach[:, i], u), len(crowd) - 1)
        for s in range(len(crowd)):
            out[begin:end, segment == s] = each[s][begin:end, segment == s]
    return out


def close_loop(
    crowd: Sequence[tuple[float, Chooser]],
    *,
    replications: int = REPLICATIONS,
    bootstraps: int = BOOTSTRAPS,
) -> dict[str, Any] | None:
    """Compare the kept-back choices with simulated ones; None if nothing was kept back.

    Returns
    -------
    dict
        `repeat_real`, `repeat_simulated`, `repeat_bias`: share of occasions with the household's
        choice before, and simulated minus real. `scr_real`, `scr_simulated`: per brand the share of
        its buyers' purchases that are of it, None where it has no buyer; `scr_mae` their mean
        absolute difference over brands. `scr_noise`, `repeat_noise`: the same differences of the
        real figures from those of households drawn again. `share_real`, `share_simulated`: per
        brand.
    """
    data, seed = crowd[0][1].data, crowd[0][1].seed
    test = data.test
    if not test.any():
        return None
    simulated = simulate(crowd, replications)
    real = data.chosen[:, None].astype(np.int16)
    again = test.copy()
    again[data.first[:-1]] = False  # nothing was bought before
    repeats = _repeat_rate(real, again), _repeat_rate(simulated, again)
    household = np.repeat(np.arange(data.n_households), np.diff(data.first))[test]
    n_brands = data.price.shape[1]
    counts = _count(real[test, 0], household, data.n_households, n_brands)
    scr_real = share_of_requirements(counts)
    runs = [_count(run, household, data.n_households, n_brands) for run in simulated[test].T]
    scr_simulated = _mean_known(np.array([share_of_requirements(run) for run in runs]))
    hits, asked = _count_repeats(real, again, data)
    scr_noise, repeat_noise, u = [], [], np.empty(data.n_households)
    for k in range(bootstraps):
        draw_uniforms(0, 0, _RESAMPLING, seed, k, u)
        drawn = (u * data.n_households).astype(np.int64)
        scr_noise.append(_mean_gap(share_of_requirements(counts[drawn]), scr_real))
        repeat_noise.append(abs(hits[drawn].sum() / max(asked[drawn].sum(), 1.0) - repeats[0]))
    return {
        "repeat_bias": _known([repeats[1] - repeats[0]])[0],
        "scr_mae": _mean_gap(scr_simulated, scr_real),
        "scr_noise": float(np.mean(scr_noise)),
        "repeat_noise": _known([float(np.mean(repeat_noise))])[0],
        "repeat_real": _known(repeats)[0],
        "repeat_simulated": _known(repeats)[1],
        "scr_real": _known(scr_real),
        "scr_simulated": _known(scr_simulated),
        "share_real": _known(counts.sum(axis=0) / counts.sum()),
        "share_simulated": _known(np.mean(runs, axis=0).sum(axis=0) / counts.sum()),
    }


def share_of_requirements(counts: F64) -> F64:
    """Return per brand the share of its buyers' purchases that are of it, NaN without a buyer.

    `counts` is (households, brands), purchases.
    """
    requirements = (counts > 0).T @ counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        share: F64 = counts.sum(axis=0) / requirements
    return share


def _count(chosen: NDArray[Any], household: NDArray[Any], n: int, n_brands: int) -> F64:
    """Return purchases per household and brand."""
    cells = household * n_brands + chosen.astype(np.int64)
    return np.bincount(cells, minlength=n * n_brands).reshape(n, n_brands).astype(float)


def _repeat_rate(chosen: NDArray[np.int16], rows: NDArray[np.bool_]) -> float:
    """Return the share of `rows` whose choice is that of the row before."""
    before = np.roll(chosen, 1, axis=0)
    return float(np.mean((chosen == before)[rows])) if rows.any() else float("nan")


def _count_repeats(
    chosen: NDArray[np.int16], rows: NDArray[np.bool_], data: Occasions
) -> tuple[F64, F64]:
    """Return per household how many of `rows` repeat the choice before, and how many there are."""
    household = np.repeat(np.arange(data.n_households), np.diff(data.first))[rows]
    again = (chosen == np.roll(chosen, 1, axis=0))[rows, 0]
    return tuple(
        np.bincount(household, weights, minlength=data.n_households).astype(float)
        for weights in (again, None)
    )  # type: ignore[return-value]


def _mean_gap(a: F64, b: F64) -> float:
    """Return the mean absolute difference where both are known; some brand always has a buyer."""
    return float(np.nanmean(np.abs(a - b)))


def _mean_known(a: F64) -> F64:
    """Return the mean over rows of what is known."""
    known = np.isfinite(a)
    with np.errstate(invalid="ignore"):
        mean: F64 = np.where(known, a, 0.0).sum(axis=0) / known.sum(axis=0)
    return mean


def _known(values: Iterable[float]) -> list[float | None]:
    return [float(v) if np.isfinite(v) else None for v in values]


def error_of_ll(data: Occasions, predicted: F64) -> float | None:
    """Return the standard error of the test log-likelihood per choice, over households.

    Notes
    -----
    Of a ratio of sums over clusters (Cochran 1977, Sampling Techniques, section 6.4).
    """
    test = data.test
    if not test.any():
        return None
    ll = np.log(predicted[np.arange(len(data.chosen)), data.chosen])[test]
    household = np.repeat(np.arange(data.n_households), np.diff(data.first))[test]
    residual = np.bincount(household, ll - ll.mean())
    return float(np.sqrt(np.sum(residual**2)) / len(ll))


# --- for the page -------------------------------------------------------------------------------


def bin_predictions(data: Occasions, predicted: F64) -> dict[str, list[float]]:
    """Return how often brands of like predicted probability were bought, on the test part.

    Columns: mean `predicted` probability of a bin, `observed` frequency, `n` predictions.
    """
    p = predicted[data.test].ravel()
    bought = np.eye(data.price.shape[1])[data.chosen[data.test]].ravel()
    at = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    n = np.bincount(at, minlength=BINS)
    some = n > 0
    return {
        "predicted": list(np.bincount(at, p, BINS)[some] / n[some]),
        "observed": list(np.bincount(at, bought, BINS)[some] / n[some]),
        "n": [float(k) for k in n[some]],
    }
