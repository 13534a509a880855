"""Models of which brand a household buys, estimated on its first occasions, tested on the others.

The field's: market shares; a Dirichlet per household; the logit with the loyalty of Guadagni and
Little, with tastes alike or of each household's own. And the form that the engine lives: price by
its logarithm with a lognormal weight.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, expit, gammaln, logit, ndtri
from scipy.stats import qmc

from sim.calibration.estimation import Maximum, Prior, climb, invert, maximize
from sim.calibration.likelihood import (
    locate_tastes,
    predict_choices,
    simulate_choices,
    sum_choices,
)
from sim.calibration.observed import Integers, Panel
from sim.types import F64

LEAST_PRICE = 0.4
"""Share of a brand's median price that a price counts as at least, where its logarithm is taken.

Panels have prices near zero, what was left to pay after a coupon, or an error; ln would make them
the most telling of all. From .25 to .5 the fit hardly moves (the higher, the worse for yogurt and
the better for margarine); .4 was taken after a look at how the kept-back parts of the shipped
panels are predicted, so those figures are not quite out of sample."""
DRAWS = (32, 128, 512)
"""Draws of tastes per household in each round of estimation, powers of 2."""
MOST_NUMBERS = 2**25
"""Numbers that the draws of all households may take; with more households each gets fewer."""
LEAST_DRAWS = 32
WIDER = 1.15
"""Sd of the draws as a ratio to what a normal posterior would have; its tails are heavier."""
UNSEEN = 0.5
"""Purchases that are added to each brand's count, so that no share is 0."""
TASTE_LIKENESS = 0.7
"""Sd of the logarithm of a brand's taste sd about the brands' common one, a prior."""


@dataclass(frozen=True)
class Occasions:
    """A panel as a choice model sees it."""

    chosen: Integers
    price: F64
    """(rows, brands): ratio to the panel's mean, or its logarithm."""
    x: F64
    first: Integers
    first_test: Integers
    shares: F64
    """Of each brand in the rows for estimation: where habit starts."""
    usual_price: F64
    """(brands,) mean over the rows for estimation."""
    usual_x: F64

    @property
    def n_households(self) -> int:
        """Number of households."""
        return len(self.first_test)

    @property
    def n_train(self) -> int:
        """Number of rows for estimation."""
        return int(np.sum(self.first_test - self.first[:-1]))

    @property
    def test(self) -> NDArray[np.bool_]:
        """(rows,) whether a row is kept back for the test."""
        mask: NDArray[np.bool_] = np.arange(len(self.chosen)) >= np.repeat(
            self.first_test, np.diff(self.first)
        )
        return mask


def limit_prices(price: F64) -> tuple[F64, int]:
    """Raise prices to `LEAST_PRICE` of their brand's median; say how many were below."""
    least = LEAST_PRICE * np.median(price, axis=0)
    return np.maximum(price, least), int(np.sum(price < least))


def see_occasions(panel: Panel, *, ln_price: bool) -> Occasions:
    """Return a panel as a choice model sees it, price by its (limited) logarithm or as it is."""
    price = np.log(limit_prices(panel.price)[0]) if ln_price else panel.price
    train = panel.train
    counts = np.bincount(panel.chosen[train], minlength=len(panel.brands))
    return Occasions(
        panel.chosen,
        np.ascontiguousarray(price),
        np.ascontiguousarray(panel.x),
        panel.first,
        panel.first_test,
        counts / max(counts.sum(), 1),
        price[train].mean(axis=0),
        panel.x[train].mean(axis=0),
    )


@dataclass(frozen=True)
class Form:
    """What a choice model assumes, and how its parameters are laid out for estimation.

    They are: appeals of all brands but `base`, attribute weights, habit weight, logit of smoothing,
    and price weight, its logarithm if `lived`. If `random`, also the logarithms of the latter's sd
    and of the brands' common taste sd, and each brand's deviation from that. If both, the logarithm
    of the sd of ln(habit weight), and the logit of how far a household's first habit is its own.
    """

    n_brands: int
    n_attributes: int
    base: int
    """Brand whose appeal is 0."""
    random: bool
    """Tastes and weights differ between households."""
    lived: bool
    """As the engine lives: weights of price and habit are lognormal over households, and their
    habit starts near what it would settle at. Otherwise, as in the field, only the price weight
    differs, by a normal, and habit starts at the brands' shares."""

    @property
    def others(self) -> list[int]:
        """The brands that are not `base`."""
        return [b for b in range(self.n_brands) if b != self.base]

    @property
    def alike(self) -> Form:
        """The same with households that are alike."""
        return replace(self, random=False)

    @property
    def prior(self) -> Prior:
        """Weak priors: wide against what panels tell, and narrow against infinity."""
        weight, smoothing = (0.0, 5.0), (0.5, 1.5)
        price = (np.log(3.0), 2.0) if self.lived else (3.0, 10.0)
        rows = [weight] * (self.n_brands + self.n_attributes) + [smoothing, price]
        if self.random:
            price_sd = (np.log(0.5 if self.lived else 2.0), 1.0)
            rows += [price_sd, *[(0.0, 1.0)] * (self.n_brands + 1)]
        if self.random and self.lived:
            rows += [(np.log(0.3), 1.0), (0.0, 3.0)]
        mean, sd = np.array(rows).T
        return Prior(mean, sd)

    def natural(self, at: F64) -> tuple[F64, F64]:
        """Return the natural parameters (see `likelihood`) and their slopes in `at`."""
        n, k = self.n_brands, self.n_brands + self.n_attributes
        values, slopes = np.zeros(k + n + 6), np.zeros((k + n + 6, len(at)))
        same, sources = [*self.others, *range(n, k + 1), k + 2], [*range(k), k + 1]
        values[same], slopes[same, sources] = at[sources], 1
        values[k + 1], slopes[k + 1, k] = bend(at[k])
        if self.random:
            values[k + 3] = slopes[k + 3, k + 2] = np.exp(at[k + 2])
            brands = range(k + 4, k + 4 + n)
            tastes = np.exp(at[k + 3] + TASTE_LIKENESS * at[brands])
            values[brands] = slopes[brands, k + 3] = tastes
            slopes[brands, brands] = TASTE_LIKENESS * tastes
        if self.random and self.lived:
            values[-2] = slopes[-2, -2] = np.exp(at[-2])
            values[-1], slopes[-1, -1] = bend(at[-1])
        return values, slopes


def bend(x: float) -> tuple[float, float]:
    """Return the share of which `x` is the logit, and its slope."""
    share = float(expit(x))
    return share, share * (1 - share)


class Sample(NamedTuple):
    """Draws of households' deviations, and the logarithm of their importance weights."""

    z: F64
    """(households, brands + 2, draws)."""
    ln_weight: F64
    """(households, draws)."""


class Sums(NamedTuple):
    """What `sum_choices` gives, per household."""

    ll: F64
    gradient: F64
    posterior: F64


@dataclass(frozen=True)
class Chooser:
    """A choice model with its parameters, on a panel: it predicts and simulates."""

    data: Occasions
    natural: F64
    lognormal: bool
    random: bool
    n_draws: int = DRAWS[-1]
    seed: int = 1
    threads: int = 2

    def sample(self) -> Sample:
        """Draw tastes where each household's choices for estimation put them."""
        if not self.random:
            return no_draws(self.data)
        normals = draw_normals(self.data, self.n_draws, self.seed)
        return place_draws(self.data, self.natural, self.lognormal, normals, self.threads)

    def predict(self) -> F64:
        """Return the probability of each brand on each row, given the household's rows before."""
        data, out = self.data, np.empty_like(self.data.price)
        z, ln_weight = self.sample()

        def work(begin: int, end: int) -> None:
            predict_choices(
                self.natural, self.lognormal, z, ln_weight, data.chosen, data.price, data.x,
                data.usual_price, data.usual_x, data.shares, data.first, begin, end, out,
            )  # fmt: skip

        share_work(work, np.diff(data.first), self.threads)
        return out

    def simulate(self, replications: int) -> NDArray[np.int16]:
        """Return simulated choices on each row, (rows, replications); for estimation the real ones.

        A household's tastes are drawn from what its choices for estimation tell of them; from then
        on it meets the real prices and remembers its own simulated choices.
        """
        data = self.data
        out = np.repeat(data.chosen[:, None], replications, axis=1).astype(np.int16)
        sample = self.sample()
        posterior = sum_up(
            data, self.natural, self.lognormal, sample, data.first_test, self.threads
        ).posterior

        def work(begin: int, end: int) -> None:
            simulate_choices(
                self.natural, self.lognormal, sample.z, posterior, data.chosen, data.price, data.x,
                data.usual_price, data.usual_x, data.shares, data.first, data.first_test, self.seed,
                begin, end, out,
            )  # fmt: skip

        share_work(work, np.diff(data.first), self.threads)
        return out


def share_work(work: Callable[[int, int], None], sizes: Integers, threads: int) -> None:
    """Call `work` on ranges of households of about equal sizes, each in a thread of its own."""
    done = np.cumsum(sizes)
    cuts = [0, *np.searchsorted(done, done[-1] * np.arange(1, threads) / threads), len(sizes)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, cuts[:-1], cuts[1:]))


def no_draws(data: Occasions) -> Sample:
    """Return the one draw that a model needs in which households are alike."""
    n, n_brands = data.n_households, data.price.shape[1]
    return Sample(np.zeros((n, n_brands + 2, 1)), np.zeros((n, 1)))


def draw_normals(data: Occasions, n_draws: int, seed: int) -> F64:
    """Draw standard normals, (households, brands + 2, draws), from a scrambled Sobol sequence.

    A household takes consecutive points, as many as a power of 2, so its draws are balanced.
    """
    n, size = data.n_households, data.price.shape[1] + 2
    fitting = 2 ** int(np.log2(max(MOST_NUMBERS // (n * size), LEAST_DRAWS)))
    n_draws = min(n_draws, fitting)
    sobol = qmc.Sobol(size, rng=seed)
    points = sobol.random_base2(int(np.ceil(np.log2(n * n_draws))))[: n * n_draws]
    normals = np.asarray(ndtri(points)).reshape(n, n_draws, size)
    return np.ascontiguousarray(normals.transpose(0, 2, 1))


def place_draws(
    data: Occasions, natural: F64, lognormal: bool, normals: F64, threads: int
) -> Sample:
    """Move draws to where each household's choices for estimation put its tastes.

    Notes
    -----
    Importance sampling (Train 2009, section 9.2.7) from the normal with the posterior's mode and
    information; the weight is prior over proposal density. Draws from the prior alone nearly all
    miss the tastes of a household that buys often or loves a rare brand; taste is then
    underestimated and habit credited with it.
    """
    n, size, _ = normals.shape
    mode, root = np.zeros((n, size)), np.empty((n, size, size))

    def work(begin: int, end: int) -> None:
        locate_tastes(
            natural, lognormal, data.chosen, data.price, data.x, data.shares, data.first,
            data.first_test, begin, end, mode, root,
        )  # fmt: skip

    share_work(work, data.first_test - data.first[:-1], threads)
    root *= WIDER
    z = np.matmul(root, normals) + mode[:, :, None]
    ln_volume = np.sum(np.log(np.einsum("hjj->hj", root)), axis=1)
    return Sample(z, np.sum(normals**2 - z**2, axis=1) / 2 + ln_volume[:, None])


def sum_up(
    data: Occasions, natural: F64, lognormal: bool, sample: Sample, until: Integers, threads: int
) -> Sums:
    """Return each household's log-likelihood of its rows before `until`, see `sum_choices`."""
    n = data.n_households
    sums = Sums(np.empty(n), np.empty((n, len(natural))), np.empty_like(sample.ln_weight))

    def work(begin: int, end: int) -> None:
        sum_choices(
            natural, lognormal, sample.z, sample.ln_weight, data.chosen, data.price, data.x,
            data.usual_price, data.usual_x, data.shares, data.first, until, begin, end, *sums,
        )  # fmt: skip

    share_work(work, until - data.first[:-1], threads)
    return sums


class Estimated(NamedTuple):
    """A choice model's form and parameters, as found and as the likelihood takes them."""

    form: Form
    found: Maximum
    chooser: Chooser


def estimate_choice(
    data: Occasions,
    form: Form,
    *,
    draws: tuple[int, ...] = DRAWS,
    seed: int = 1,
    threads: int = 2,
) -> Estimated:
    """Estimate a choice model on the households' rows before `first_test`.

    Parameters
    ----------
    data
        The occasions.
    form
        What the model assumes.
    draws
        Draws of tastes per household in each round, powers of 2. Every round first puts the draws
        where the last one's estimates say that tastes are.
    seed
        Seed of the draws.
    threads
        How many threads share the work; the result does not depend on it.
    """

    def training(form: Form, sample: Sample) -> Callable[[F64], tuple[float, F64]]:
        def likelihood(at: F64) -> tuple[float, F64]:
            natural, slopes = form.natural(at)
            sums = sum_up(data, natural, form.lived, sample, data.first_test, threads)
            return float(sums.ll.sum()), sums.gradient.sum(axis=0) @ slopes

        return likelihood

    def guess_spread(at: F64, sample: Sample) -> F64:
        """Invert the sum of squared scores, near the information (Berndt et al. 1974)."""
        natural, slopes = form.natural(at)
        sums = sum_up(data, natural, form.lived, sample, data.first_test, threads)
        scores = sums.gradient @ slopes
        return invert(scores.T @ scores + np.diag(prior.sd**-2.0))[0]

    alike = form.alike
    habit = form.n_brands - 1 + form.n_attributes
    start = alike.prior.mean.copy()
    start[habit : habit + 2] = 3, logit(0.7)
    prior, sample = form.prior, no_draws(data)
    if not form.random:
        found = maximize(training(form, sample), start, prior=prior)
    else:
        at = prior.mean.copy()
        at[: habit + 3] = climb(alike.prior.add_to(training(alike, sample)), start)
        at[habit] /= 2  # part of what looks like habit is taste
        for n_draws in draws:
            normals = draw_normals(data, n_draws, seed)
            sample = place_draws(data, form.natural(at)[0], form.lived, normals, threads)
            target, spread = prior.add_to(training(form, sample)), guess_spread(at, sample)
            at = climb(target, at, spread=spread)
        found = maximize(training(form, sample), at, prior=prior, spread=guess_spread(at, sample))
    natural = form.natural(found.at)[0]
    chooser = Chooser(data, natural, form.lived, form.random, draws[-1], seed, threads)
    return Estimated(form, found, chooser)


def fit_shares(panel: Panel) -> F64:
    """Return each brand's share of the choices for estimation, none of them 0."""
    counts = np.bincount(panel.chosen[panel.train], minlength=len(panel.brands)) + UNSEEN
    shares: F64 = counts / counts.sum()
    return shares


def earlier_counts(panel: Panel) -> F64:
    """Return how often the household bought each brand before each row, (rows, brands)."""
    bought = np.eye(len(panel.brands))[panel.chosen]
    before = np.cumsum(bought, axis=0) - bought
    counts: F64 = before - np.repeat(before[panel.first[:-1]], np.diff(panel.first), axis=0)
    return counts


def fit_household_dirichlet(panel: Panel) -> tuple[F64, F64]:
    """Estimate a Dirichlet of households' choice shares; return it and each row's prediction.

    The prediction, (rows, brands), knows the household's earlier choices.

    Notes
    -----
    Dirichlet-multinomial: Goodhardt, Ehrenberg & Chatfield (1984), JRSS A 147(5).
    """
    train, shares = panel.train, fit_shares(panel)
    household = np.repeat(np.arange(panel.n_units), np.diff(panel.first))[train]
    counts = np.zeros((panel.n_units, len(panel.brands)))
    np.add.at(counts, (household, panel.chosen[train]), 1)

    def likelihood(at: F64) -> tuple[float, F64]:
        a = np.exp(at)
        n, total = counts.sum(axis=1), a.sum()
        value = gammaln(total) - gammaln(total + n) + np.sum(gammaln(a + counts) - gammaln(a), 1)
        slope = digamma(total) - digamma(total + n)
        slopes = slope[:, None] + digamma(a + counts) - digamma(a)
        return float(value.sum()), a * slopes.sum(axis=0)

    prior = Prior(np.log(shares), np.full(len(shares), 3.0))
    a = np.exp(climb(prior.add_to(likelihood), np.log(shares)))
    before = earlier_counts(panel) + a
    predicted: F64 = before / before.sum(axis=1, keepdims=True)
    return a, predicted
