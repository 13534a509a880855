"""The likelihood of a household's choices when its tastes are not known: compiled sums over draws.

Every function works on the households `begin` to `end` and releases Python's lock, so that threads
share the work by ranges of households. Draws are the innermost index: a processor does several at
once. Rows of one household are neighbours, in order of time.

What choices depend on ("natural" parameters, in this order): appeal of each brand; weight of each
attribute; median habit weight; habit smoothing; price weight (its logarithm where `lognormal`); sd
of the latter; taste sd of each brand; sd of the logarithm of habit weight; how far a household's
first habit is its own. A household's own deviations `z`, one per brand, then price, then habit, are
standard normal over households.

Notes
-----
Utility of brand b on an occasion: appeal_b + sd_b z_b + attributes + habit H_b - price weight p_b,
choice by logit; H <- smoothing H + (1 - smoothing) [chosen] (Guadagni & Little 1983, Marketing
Science 2(3)). Nobody saw what a household bought before its first row. Its first habit is a mixture
of the brands' shares, the same for all, and of the habit that its own tastes would settle at.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from sim.kernels.philox import exp64, philox, uniform

SETTLING = 4
"""Steps to a settled habit; the engine takes as many when it makes its residents."""
CLOSED_LOOP = 1024
"""Purpose of the random numbers, far from those of the engine."""
_LEAST = -700.0  # lowest exponent that `exp64` takes
_TINY = 1e-300  # so that a logarithm stays finite
_STEPS, _HALVINGS, _GAIN = 30, 20, 1e-6  # Newton's method: most steps, halvings, gain that ends it


@njit(cache=True, nogil=True, error_model="numpy")
def trace_habit(chosen, start, smoothing, habit, slope):  # type: ignore[no-untyped-def]
    """Write the habit before each of a household's rows, and its slope in the smoothing."""
    for b in range(len(start)):
        h, s = start[b], 0.0
        for t in range(len(chosen)):
            habit[t, b], slope[t, b] = h, s
            bought = 1.0 if chosen[t] == b else 0.0
            h, s = smoothing * h + (1.0 - smoothing) * bought, smoothing * s + h - bought


@njit(cache=True, nogil=True, error_model="numpy")
def choose_by_logit(u, p):  # type: ignore[no-untyped-def]
    """Write the choice probabilities of utilities, both (brands, draws)."""
    n_brands, n_draws = u.shape
    top, total = u[0].copy(), np.zeros(n_draws)
    for b in range(1, n_brands):
        for r in range(n_draws):
            top[r] = max(top[r], u[b, r])
    for b in range(n_brands):
        for r in range(n_draws):
            e = exp64(max(u[b, r] - top[r], _LEAST))
            p[b, r] = e
            total[r] += e
    for b in range(n_brands):
        for r in range(n_draws):
            p[b, r] /= total[r]


@njit(cache=True, nogil=True, error_model="numpy")
def share_out(ll):  # type: ignore[no-untyped-def]
    """Turn logarithms into shares of their sum; return the logarithm of the sum."""
    top = ll.max()
    ll[:] = np.exp(ll - top)
    total = ll.sum()
    ll /= total
    return top + np.log(total)


@njit(cache=True, nogil=True, error_model="numpy")
def settle_habit(usual, weight, habit):  # type: ignore[no-untyped-def]
    """Write the habit that reproduces itself, in steps from the shares without habit.

    `usual` is the utility on a usual occasion, (brands, draws); `weight` is that of habit for the
    median household: far above it, what habit settles at would jump with taste. `habit`,
    (SETTLING + 1, brands, draws), keeps every step for `carry_back`.

    Notes
    -----
    H = softmax(usual + weight H), as the engine's residents begin.
    """
    choose_by_logit(usual, habit[0])
    u = np.empty_like(usual)
    for k in range(SETTLING):
        for b in range(usual.shape[0]):
            for r in range(usual.shape[1]):
                u[b, r] = usual[b, r] + weight * habit[k, b, r]
        choose_by_logit(u, habit[k + 1])


@njit(cache=True, nogil=True, error_model="numpy")
def carry_back(habit, weight, slope, usual_slope, weight_slope):  # type: ignore[no-untyped-def]
    """Add to slopes in `usual` and `weight` what comes of slopes in the settled habit.

    `slope`, (brands, draws), is used up.
    """
    _, n_brands, n_draws = habit.shape
    for k in range(SETTLING, -1, -1):
        mean = np.zeros(n_draws)
        for b in range(n_brands):
            for r in range(n_draws):
                mean[r] += habit[k, b, r] * slope[b, r]
        for b in range(n_brands):
            for r in range(n_draws):
                s = habit[k, b, r] * (slope[b, r] - mean[r])
                usual_slope[b, r] += s
                if k > 0:
                    weight_slope[r] += s * habit[k - 1, b, r]
                slope[b, r] = weight * s


@njit(cache=True, nogil=True, error_model="numpy")
def place_household(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    natural, lognormal, z, usual_price, usual_x, start, own, price_weight, weight, settled, ahead,
):  # fmt: skip
    """Write what a household's draws `z` make of it: appeal, weights and first habit.

    `own` is (brands, draws), `price_weight` and `weight` of habit are (draws,); `settled` is as in
    `settle_habit`; `ahead`, (brands, draws), is by how much the first habit is above `start`.
    """
    n_brands, n_attributes = usual_x.shape
    i_habit = n_brands + n_attributes
    i_price, i_taste = i_habit + 2, i_habit + 4
    n_draws = z.shape[1]
    for r in range(n_draws):
        price_weight[r] = natural[i_price] + natural[i_price + 1] * z[n_brands, r]
    if lognormal:
        for r in range(n_draws):
            price_weight[r] = np.exp(price_weight[r])
    for b in range(n_brands):
        for r in range(n_draws):
            own[b, r] = natural[b] + natural[i_taste + b] * z[b, r]
    for r in range(n_draws):
        weight[r] = natural[i_habit] * np.exp(natural[-2] * z[n_brands + 1, r])
    ahead[:] = 0.0
    share = natural[-1]
    if share == 0.0:
        return
    usual = np.empty((n_brands, n_draws))
    for b in range(n_brands):
        fixed = 0.0
        for k in range(n_attributes):
            fixed += natural[n_brands + k] * usual_x[b, k]
        for r in range(n_draws):
            usual[b, r] = own[b, r] + fixed - price_weight[r] * usual_price[b]
    settle_habit(usual, natural[i_habit], settled)
    for b in range(n_brands):
        for r in range(n_draws):
            ahead[b, r] = share * (settled[SETTLING, b, r] - start[b])


@njit(cache=True, nogil=True, error_model="numpy")
def weigh_brands(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    natural, own, price_weight, weight, ahead, kept, habit, price, x, u,
):  # fmt: skip
    """Write the utilities of an occasion, (brands, draws).

    `habit` (brands,) is what it would be had all begun alike, `kept` what is left of the start.
    """
    n_brands, n_attributes = x.shape
    for b in range(n_brands):
        fixed = 0.0
        for k in range(n_attributes):
            fixed += natural[n_brands + k] * x[b, k]
        for r in range(u.shape[1]):
            u[b, r] = own[b, r] + fixed - price_weight[r] * price[b]
        for r in range(u.shape[1]):
            u[b, r] += weight[r] * (habit[b] + kept * ahead[b, r])


@njit(cache=True, nogil=True, error_model="numpy")
def sum_choices(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0913, PLR0915, PLR0917
    natural, lognormal, z, ln_weight, chosen, price, x, usual_price, usual_x, start, first, until,
    begin, end, out_ll, out_gradient, out_posterior,
):  # fmt: skip
    """Write households' simulated log-likelihood of their rows before `until`, and its gradient.

    `z` is (households, brands + 2, draws), `ln_weight` (households, draws) the logarithm of each
    draw's importance weight. `out_gradient` is (households, natural parameters); `out_posterior`
    receives the probability of each draw given the household's choices.

    Notes
    -----
    Simulated likelihood and its gradient: Train (2009), Discrete Choice Methods, section 10.5.
    """
    n_brands, n_attributes, n_draws = price.shape[1], x.shape[2], z.shape[2]
    i_habit = n_brands + n_attributes
    i_smoothing, i_price, i_taste = i_habit + 1, i_habit + 2, i_habit + 4
    smoothing, share = natural[i_smoothing], natural[-1]
    shape = (n_brands, n_draws)
    own, ahead, u, p = np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape)
    settled = np.zeros((SETTLING + 1, n_brands, n_draws))
    price_weight, weight = np.empty(n_draws), np.empty(n_draws)
    g = np.empty((len(natural), n_draws))
    g_own, g_ahead, g_usual = np.empty(shape), np.empty(shape), np.empty(shape)
    for i in range(begin, end):
        n = until[i] - first[i]
        habit, slope = np.empty((n, n_brands)), np.empty((n, n_brands))
        trace_habit(chosen[first[i] : until[i]], start, smoothing, habit, slope)
        place_household(
            natural, lognormal, z[i], usual_price, usual_x, start, own, price_weight, weight,
            settled, ahead,
        )  # fmt: skip
        g[:] = 0.0
        g_own[:] = 0.0
        g_ahead[:] = 0.0
        ll = out_posterior[i]
        ll[:] = ln_weight[i]
        kept, kept_slope = 1.0, 0.0  # smoothing^t and its slope
        for t in range(n):
            row = first[i] + t
            weigh_brands(
                natural, own, price_weight, weight, ahead, kept, habit[t], price[row], x[row], u
            )
            choose_by_logit(u, p)
            for r in range(n_draws):
                ll[r] += np.log(max(p[chosen[row], r], _TINY))
            for b in range(n_brands):
                bought = 1.0 if chosen[row] == b else 0.0
                h, s, c = habit[t, b], slope[t, b], price[row, b]
                for r in range(n_draws):
                    d = bought - p[b, r]
                    g_own[b, r] += d
                    g_ahead[b, r] += d * weight[r] * kept
                    g[i_habit, r] += d * (h + kept * ahead[b, r])
                    g[i_smoothing, r] += d * weight[r] * (s + kept_slope * ahead[b, r])
                    g[i_price, r] -= d * c
                for k in range(n_attributes):
                    c = x[row, b, k]
                    if c != 0.0:
                        for r in range(n_draws):
                            g[n_brands + k, r] += (bought - p[b, r]) * c
            kept, kept_slope = smoothing * kept, smoothing * kept_slope + kept
        for r in range(n_draws):
            g[-2, r] = g[i_habit, r] * weight[r] * z[i, n_brands + 1, r]
            g[i_habit, r] *= np.exp(natural[-2] * z[i, n_brands + 1, r])
        if share != 0.0:
            for b in range(n_brands):
                for r in range(n_draws):
                    g[-1, r] += g_ahead[b, r] * ahead[b, r] / share
                    g_ahead[b, r] *= share
            g_usual[:] = 0.0
            carry_back(settled, natural[i_habit], g_ahead, g_usual, g[i_habit])
            for b in range(n_brands):
                for r in range(n_draws):
                    g_own[b, r] += g_usual[b, r]
                    g[i_price, r] -= g_usual[b, r] * usual_price[b]
                for k in range(n_attributes):
                    for r in range(n_draws):
                        g[n_brands + k, r] += g_usual[b, r] * usual_x[b, k]
        for r in range(n_draws):
            if lognormal:
                g[i_price, r] *= price_weight[r]
            g[i_price + 1, r] = g[i_price, r] * z[i, n_brands, r]
        for b in range(n_brands):
            for r in range(n_draws):
                g[b, r] = g_own[b, r]
                g[i_taste + b, r] = g_own[b, r] * z[i, b, r]
        out_ll[i] = share_out(ll) - np.log(n_draws)
        for j in range(len(natural)):
            out_gradient[i, j] = np.sum(ll * g[j])


@njit(cache=True, nogil=True, error_model="numpy")
def predict_choices(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    natural, lognormal, z, ln_weight, chosen, price, x, usual_price, usual_x, start, first,
    begin, end, out,
):  # fmt: skip
    """Write the probability of each brand on each row, given the household's rows before it.

    Earlier choices both feed habit and tell what the household's tastes are. `out` is (rows,
    brands); the rest is as in `sum_choices`.
    """
    n_brands, n_draws = price.shape[1], z.shape[2]
    smoothing = natural[n_brands + x.shape[2] + 1]
    shape = (n_brands, n_draws)
    own, ahead, u, p = np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape)
    settled = np.zeros((SETTLING + 1, n_brands, n_draws))
    price_weight, weight = np.empty(n_draws), np.empty(n_draws)
    for i in range(begin, end):
        n = first[i + 1] - first[i]
        habit, unused = np.empty((n, n_brands)), np.empty((n, n_brands))
        trace_habit(chosen[first[i] : first[i + 1]], start, smoothing, habit, unused)
        place_household(
            natural, lognormal, z[i], usual_price, usual_x, start, own, price_weight, weight,
            settled, ahead,
        )  # fmt: skip
        ll, kept = ln_weight[i].copy(), 1.0
        for row in range(first[i], first[i + 1]):
            weigh_brands(
                natural, own, price_weight, weight, ahead, kept, habit[row - first[i]], price[row],
                x[row], u,
            )  # fmt: skip
            choose_by_logit(u, p)
            likely = ll.copy()
            share_out(likely)
            for b in range(n_brands):
                out[row, b] = np.sum(likely * p[b])
            ll += np.log(np.maximum(p[chosen[row]], _TINY))
            kept *= smoothing


@njit(cache=True, nogil=True, error_model="numpy")
def simulate_choices(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    natural, lognormal, z, posterior, chosen, price, x, usual_price, usual_x, start, first,
    first_test, seed, begin, end, out,
):  # fmt: skip
    """Simulate each household's rows from `first_test` on; only its own simulated choices count.

    `out` is (rows, replications), the number of the brand chosen. In every replication a household
    takes one of the draws `z` by its `posterior` probability, both as in `sum_choices`.
    """
    n_brands, n_attributes = x.shape[1], x.shape[2]
    n_draws = z.shape[2]
    smoothing = natural[n_brands + n_attributes + 1]
    shape = (n_brands, n_draws)
    own, ahead = np.empty(shape), np.empty(shape)
    settled = np.zeros((SETTLING + 1, n_brands, n_draws))
    price_weight, weight = np.empty(n_draws), np.empty(n_draws)
    habit, share = np.empty(n_brands), np.empty(n_brands)
    for i in range(begin, end):
        place_household(
            natural, lognormal, z[i], usual_price, usual_x, start, own, price_weight, weight,
            settled, ahead,
        )  # fmt: skip
        reach = np.cumsum(posterior[i])
        for m in range(out.shape[1]):
            word, _, _, _ = philox(i, 0, CLOSED_LOOP, m, seed, 0)
            r = min(np.searchsorted(reach, uniform(word)), n_draws - 1)
            habit[:] = start + ahead[:, r]
            for row in range(first[i], first[i + 1]):
                bought = chosen[row]
                if row >= first_test[i]:
                    for b in range(n_brands):
                        u = own[b, r] + weight[r] * habit[b] - price_weight[r] * price[row, b]
                        for k in range(n_attributes):
                            u += natural[n_brands + k] * x[row, b, k]
                        share[b] = u
                    share_out(share)
                    word, _, _, _ = philox(i, 1 + row - first[i], CLOSED_LOOP, m, seed, 0)
                    rest = uniform(word)
                    bought = n_brands - 1
                    for b in range(n_brands - 1):
                        rest -= share[b]
                        if rest < 0.0:
                            bought = b
                            break
                    out[row, m] = bought
                for b in range(n_brands):
                    habit[b] *= smoothing
                habit[bought] += 1.0 - smoothing


@njit(cache=True, nogil=True, error_model="numpy")
def weigh_tastes(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    natural, lognormal, z, chosen, price, x, habit, slope, information,
):  # fmt: skip
    """Return the log posterior of a household's `z`; write its slope and its information.

    `z` is (brands + 2,); the information is that of Fisher, so it is positive definite. The first
    habit is taken to be the same for all, which is near enough to place draws.
    """
    n_brands, n_attributes = price.shape[1], x.shape[2]
    i_habit = n_brands + n_attributes
    i_price, i_taste = i_habit + 2, i_habit + 4
    price_weight = natural[i_price] + natural[i_price + 1] * z[n_brands]
    price_slope = natural[i_price + 1]
    if lognormal:
        price_weight = np.exp(price_weight)
        price_slope *= price_weight
    weight = natural[i_habit] * np.exp(natural[-2] * z[n_brands + 1])
    u, size = np.empty(n_brands), n_brands + 2
    slopes = np.zeros((n_brands, size))  # of the utilities in z
    for b in range(n_brands):
        slopes[b, b] = natural[i_taste + b]
    value = -np.sum(z * z) / 2
    slope[:] = -z
    information[:] = np.eye(size)
    for t in range(len(chosen)):
        for b in range(n_brands):
            u[b] = natural[b] + natural[i_taste + b] * z[b] + weight * habit[t, b]
            u[b] -= price_weight * price[t, b]
            for k in range(n_attributes):
                u[b] += natural[n_brands + k] * x[t, b, k]
            slopes[b, n_brands] = -price_slope * price[t, b]
            slopes[b, n_brands + 1] = weight * natural[-2] * habit[t, b]
        bought = u[chosen[t]]
        value += bought - share_out(u)
        for j in range(size):
            mean = 0.0
            for b in range(n_brands):
                mean += u[b] * slopes[b, j]
            slope[j] += slopes[chosen[t], j] - mean
            for m in range(j + 1):
                cross = 0.0
                for b in range(n_brands):
                    cross += u[b] * (slopes[b, j] - mean) * slopes[b, m]
                information[j, m] += cross
                if m < j:
                    information[m, j] += cross
    return value


@njit(cache=True, nogil=True, error_model="numpy")
def locate_tastes(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    natural, lognormal, chosen, price, x, start, first, until, begin, end, out_mode, out_root,
):  # fmt: skip
    """Write where each household's `z` is likely: mode, and a root of the inverse information.

    Notes
    -----
    Newton's method with Fisher's information, and steps halved until they lead uphill.
    """
    n_brands = price.shape[1]
    size = n_brands + 2
    smoothing = natural[n_brands + x.shape[2] + 1]
    slope, information = np.empty(size), np.empty((size, size))
    for i in range(begin, end):
        rows = slice(first[i], until[i])
        n = until[i] - first[i]
        habit, unused = np.empty((n, n_brands)), np.empty((n, n_brands))
        trace_habit(chosen[rows], start, smoothing, habit, unused)
        z = out_mode[i].copy()
        value = weigh_tastes(
            natural, lognormal, z, chosen[rows], price[rows], x[rows], habit, slope, information
        )
        for _ in range(_STEPS):
            step = np.linalg.solve(information, slope)
            gain = np.sum(step * slope)
            if gain < _GAIN:
                break
            size_of_step = 1.0
            for _ in range(_HALVINGS):
                there = z + size_of_step * step
                higher = weigh_tastes(
                    natural, lognormal, there, chosen[rows], price[rows], x[rows], habit, slope,
                    information,
                )  # fmt: skip
                if higher > value:
                    break
                size_of_step /= 2
            if higher <= value:
                break
            z, value = there, higher
        weigh_tastes(
            natural, lognormal, z, chosen[rows], price[rows], x[rows], habit, slope, information
        )
        out_mode[i] = z
        out_root[i] = np.linalg.cholesky(np.linalg.inv(information))
