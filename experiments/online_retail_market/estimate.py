"""Estimate the online retail market from real purchases.

Run from the repository root, it prints the tables and writes ``estimates.json`` beside this file::

    python experiments/online_retail_market/estimate.py

Three questions, each answered by maximum likelihood on the calibration part of the data only:

1. How often do customers buy, and when do they leave? BG/NBD on the CDNOW log.
2. How much do they spend, and how different are they? Gamma-gamma on the same log.
3. What makes them choose a brand? Multinomial logit with habit on three grocery panels, first with
   the same tastes for everybody and then with tastes and price weights that differ by household.

Parameters with a range (rates, smoothing) are estimated on a scale without one; estimates and
standard errors are carried back by the delta method.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import betaln, expit, gammaln, logit, ndtri, polygamma
from scipy.stats import qmc

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Estimates = dict[str, dict[str, float]]
"""Name of a parameter to its ``estimate`` and standard error ``se``."""

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "data"
LAST_DAY = 272
"""Last calibration day of the CDNOW log: 1997-09-30, day 0 being 1997-01-01."""
QUARTERS = (-1, 89, 180, 272, 364, 454, 545)
"""Bounds of the calendar quarters 1997 Q1 to 1998 Q2; each is the last day of its quarter."""
PANELS = ("yogurt", "catsup", "margarine")
TRAIN_SHARE = 0.7
"""Share of each household's purchases, the earliest, that the panels are estimated on."""
DRAWS = (128, 128, 512)
"""Draws of tastes per household in each round of estimation, powers of 2."""
SEARCHES = 4
"""Times that draws are moved to where each household's tastes are likely, per round."""
SEED = 1


# Estimation ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """A maximum of a log-likelihood."""

    at: Floats
    covariance: Floats
    log_likelihood: float


def climb(function: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    """Find the maximum of a log-likelihood that comes with its gradient."""
    scale = abs(function(start)[0])  # so that the tolerance means the same for every data set

    def loss(at: Floats) -> tuple[float, Floats]:
        value, gradient = function(at)
        return -value / scale, -gradient / scale

    return np.asarray(minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-6}).x)


def maximize(function: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Fit:
    """Maximise a log-likelihood; the covariance is the inverse Hessian, from gradients nearby."""
    at = climb(function, start)
    steps = 1e-4 * np.eye(len(at))
    hessian = np.array([function(at - s)[1] - function(at + s)[1] for s in steps]) / 2e-4
    covariance = np.asarray(np.linalg.inv((hessian + hessian.T) / 2), np.float64)
    return Fit(at, covariance, function(at)[0])


def with_gradient(function: Callable[[Floats], float]) -> Callable[[Floats], tuple[float, Floats]]:
    """Add to a function its gradient by central differences."""

    def both(at: Floats) -> tuple[float, Floats]:
        steps = 1e-5 * np.eye(len(at))
        return function(at), np.array([function(at + s) - function(at - s) for s in steps]) / 2e-5

    return both


def describe(fit: Fit, name: Callable[[Floats], dict[str, float]]) -> Estimates:
    """Name the estimates and what follows from them; standard errors by the delta method."""
    centre = name(fit.at)
    steps = 1e-5 * np.eye(len(fit.at))
    sides = [(name(fit.at + s), name(fit.at - s)) for s in steps]
    slopes = np.array([[up[k] - down[k] for up, down in sides] for k in centre]) / 2e-5
    errors = np.sqrt(np.einsum("ki,ij,kj->k", slopes, fit.covariance, slopes))
    return {
        k: {"estimate": float(v), "se": float(e)}
        for (k, v), e in zip(centre.items(), errors, strict=True)
    }


def combine(estimates: list[dict[str, float]]) -> dict[str, float]:
    """Average one parameter over panels, letting the panels truly differ.

    Notes
    -----
    Random-effects mean of DerSimonian & Laird (1986), Controlled Clinical Trials 7(3).
    ``sd_between`` is how much the parameter differs between panels beyond sampling error.
    """
    values = np.array([e["estimate"] for e in estimates])
    weights = np.array([e["se"] for e in estimates]) ** -2.0
    spread = np.sum(weights * (values - np.average(values, weights=weights)) ** 2)
    slack = weights.sum() - np.sum(weights**2) / weights.sum()
    between = max(0.0, float(spread - (len(values) - 1)) / float(slack))
    weights = 1 / (1 / weights + between)
    return {
        "estimate": float(np.average(values, weights=weights)),
        "se": float(weights.sum() ** -0.5),
        "sd_between": between**0.5,
    }


# Purchases and spending: the CDNOW log ------------------------------------------------------------


def summarize_customers(log: pd.DataFrame) -> pd.DataFrame:
    """Reduce the log up to `LAST_DAY` to one row per customer.

    Columns: repeat purchase days ``x``; weeks from the first purchase day to the last one ``t_x``
    and to `LAST_DAY` ``age``; mean spend of the repeat days ``value``, USD.
    """
    known = log[log["day"] <= LAST_DAY]
    days = known.groupby("id")["day"]
    repeats = known[known["day"] > days.transform("min")]
    return pd.DataFrame(
        {
            "x": days.size() - 1,
            "t_x": (days.max() - days.min()) / 7,
            "age": (LAST_DAY - days.min()) / 7,
            "value": repeats.groupby("id")["usd"].mean(),
        }
    )


def bg_nbd_log_likelihood(log_parameters: Floats, customers: pd.DataFrame) -> float:
    """Sum the BG/NBD log-likelihood over customers.

    Notes
    -----
    Fader, Hardie & Lee (2005), Marketing Science 24(2), equation 6. Purchase rates are
    gamma(r, alpha) over customers; the probability of leaving after a purchase is beta(a, b).
    """
    r, alpha, a, b = np.exp(log_parameters)
    x, t_x, age = (customers[c].to_numpy(float) for c in ("x", "t_x", "age"))
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - betaln(a, b)
    stays = betaln(a, b + x) - (r + x) * np.log(alpha + age)
    again = x > 0
    left = np.full_like(x, -np.inf)
    left[again] = (betaln(a + 1, b + x - 1) - (r + x) * np.log(alpha + t_x))[again]
    return float(np.sum(common + np.logaddexp(stays, left)))


def gamma_gamma_log_likelihood(log_parameters: Floats, customers: pd.DataFrame) -> float:
    """Sum the gamma-gamma log-likelihood of customers' mean spend.

    Notes
    -----
    Fader, Hardie & Lee (2005), Journal of Marketing Research 42(4). An order is gamma(p, rate nu),
    nu is gamma(q, rate gamma) over customers, so a customer's mean order is p / nu.
    """
    p, q, gamma = np.exp(log_parameters)
    x, value = customers["x"].to_numpy(float), customers["value"].to_numpy(float)
    terms = gammaln(p * x + q) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
    terms += p * x * np.log(x * value) - np.log(value) - (p * x + q) * np.log(gamma + x * value)
    return float(np.sum(terms))


def estimate_purchasing(log: pd.DataFrame) -> dict[str, Any]:
    """Estimate purchase rates and leaving, and count who of the cohort buys in each quarter."""
    customers = summarize_customers(log)
    fit = maximize(with_gradient(lambda at: bg_nbd_log_likelihood(at, customers)), np.zeros(4))

    def name(at: Floats) -> dict[str, float]:
        r, alpha, a, b = np.exp(at)
        return {
            "r": r, "alpha_weeks": alpha, "a": a, "b": b,
            "purchases_per_quarter": 13 * r / alpha, "leaving_mean": a / (a + b),
        }  # fmt: skip

    quarter = pd.cut(log["day"], QUARTERS, labels=False)
    return {
        "n_customers": len(customers),
        "n_repeats": int(customers["x"].sum()),
        "log_likelihood": fit.log_likelihood,
        "parameters": describe(fit, name),
        "active_by_quarter": list(log.groupby(quarter)["id"].nunique() / log["id"].nunique()),
    }


def estimate_spending(log: pd.DataFrame) -> dict[str, Any]:
    """Estimate the value of an order and how much customers differ in it.

    Notes
    -----
    A customer's mean order M = p / nu has mean p gamma / (q - 1), coefficient of variation
    (q - 2)^-1/2 and sd(ln M) = trigamma(q)^1/2; one customer's orders vary by p^-1/2.
    """
    customers = summarize_customers(log)
    spenders = customers[customers["value"] > 0]
    fit = maximize(with_gradient(lambda at: gamma_gamma_log_likelihood(at, spenders)), np.zeros(3))

    def name(at: Floats) -> dict[str, float]:
        p, q, gamma = np.exp(at)
        return {
            "p": p, "q": q, "gamma_usd": gamma,
            "mean_usd": p * gamma / (q - 1),
            "cv_between_customers": (q - 2) ** -0.5,
            "sd_ln_between_customers": float(polygamma(1, q)) ** 0.5,
            "cv_within_customer": p**-0.5,
        }  # fmt: skip

    orders = log.loc[log["day"] <= LAST_DAY, "usd"]
    return {
        "n_customers": len(spenders),
        "log_likelihood": fit.log_likelihood,
        "parameters": describe(fit, name),
        "mean_order_usd": {
            "estimate": float(orders.mean()),
            "se": float(orders.std() / len(orders) ** 0.5),
        },
    }


# Choice of a brand: the grocery panels ------------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """Purchases of households, in order; those of one household are neighbours."""

    brands: tuple[str, ...]
    attributes: tuple[str, ...]
    """What is known of a brand beside its price: feature, display."""
    chosen: Integers
    """(rows,) number of the brand bought."""
    price: Floats
    """(rows, brands), 1 being the mean over rows and brands."""
    x: Floats
    """(rows, brands, attributes)."""
    first: Integers
    """(households + 1,) first row of each household."""
    first_test: Integers
    """(households,) first row that is not for estimation."""

    @property
    def train_shares(self) -> Floats:
        """Share of each brand in the rows for estimation."""
        rows = np.arange(len(self.chosen))
        train = rows < np.repeat(self.first_test, np.diff(self.first))
        shares: Floats = np.bincount(self.chosen[train], minlength=len(self.brands)) / train.sum()
        return shares


def load_panel(name: str) -> Panel:
    """Read a panel, without the households that have one purchase and so nothing to test."""
    table = pd.read_csv(DATA / "panels_gpl" / f"{name}.csv").sort_values(["hid", "seq"])
    table = table[table.groupby("hid")["hid"].transform("size") >= 2]
    n = table.groupby("hid").size().to_numpy()
    first = np.concatenate([[0], np.cumsum(n)])
    brands = tuple(str(c)[6:] for c in table if str(c).startswith("price."))
    attributes = tuple(a for a in ("feat", "disp") if f"{a}.{brands[0]}" in table)
    price = table[[f"price.{b}" for b in brands]].to_numpy(float)
    x = table[[f"{a}.{b}" for b in brands for a in attributes]].to_numpy(float)
    return Panel(
        brands=brands,
        attributes=attributes,
        chosen=table["choice"].map(brands.index).to_numpy(np.int64),
        price=price / price.mean(),
        x=x.reshape(len(table), len(brands), len(attributes)),
        first=first,
        first_test=first[:-1] + np.floor(TRAIN_SHARE * n + 1e-9).astype(np.int64),
    )


@dataclass(frozen=True)
class Specification:
    """What a choice model assumes."""

    ln_price: bool
    """Price enters as its logarithm with a lognormal weight, not as itself with a normal one."""
    random: bool
    """Tastes and the price weight differ between households."""
    one_taste_sd: bool = False
    """All brands share one standard deviation of taste."""


SPECIFICATIONS = {
    "logit": Specification(ln_price=False, random=False),
    "random": Specification(ln_price=False, random=True),
    "logit_ln": Specification(ln_price=True, random=False),
    "engine": Specification(ln_price=True, random=True, one_taste_sd=True),
}
"""The first two are the field's yardsticks; the last has the form that the engine simulates."""


@numba.njit(parallel=True)
def sum_choices(  # type: ignore[no-untyped-def]  # noqa: PLR0913, PLR0917
    theta, lognormal, taste_of, draws, ln_weight, chosen, price, x, habit_start, first, until,
    out_ll, out_gradient, out_posterior,
):  # fmt: skip
    """Write each household's simulated log-likelihood of its rows before `until`, and its gradient.

    `theta` holds appeals of brands 1.., attribute weights, habit weight, logit of the smoothing
    alpha, price weight (its logarithm if `lognormal`), its sd, and the taste sd of group
    ``taste_of[b]``. `draws` is (households, draws, brands + 1), the last column for price, and
    `ln_weight` (households, draws) the logarithm of each draw's weight. `out_posterior`, of the
    same shape, receives the probability of each draw given the household's choices.

    Notes
    -----
    Utility: appeal + taste sd * z + attributes + habit weight * H - price weight * price, with
    H <- alpha H + (1 - alpha) [chosen] (Guadagni & Little 1983, Marketing Science 2(3)).
    Simulated likelihood and its gradient: Train (2009), Discrete Choice Methods, section 10.5.
    """
    n_brands, n_attributes = price.shape[1], x.shape[2]
    n_draws = draws.shape[1]
    i_habit = n_brands - 1 + n_attributes
    i_alpha, i_price, i_price_sd, i_taste = i_habit + 1, i_habit + 2, i_habit + 3, i_habit + 4
    weight, alpha = theta[i_habit], 1 / (1 + np.exp(-theta[i_alpha]))
    for i in numba.prange(len(until)):
        n = until[i] - first[i]
        habit = np.empty((n, n_brands))
        slope = np.empty((n, n_brands))  # of habit in alpha
        for b in range(n_brands):
            h, s = habit_start[b], 0.0
            for t in range(n):
                habit[t, b], slope[t, b] = h, s
                bought = 1.0 if chosen[first[i] + t] == b else 0.0
                h, s = alpha * h + (1 - alpha) * bought, alpha * s + h - bought
        ll = ln_weight[i].copy()
        gradient = np.zeros((n_draws, len(theta)))
        u = np.empty(n_brands)
        for r in range(n_draws):
            z = draws[i, r]
            g = gradient[r]
            price_weight = theta[i_price] + theta[i_price_sd] * z[n_brands]
            price_slope = 1.0
            if lognormal:
                price_weight = np.exp(price_weight)
                price_slope = price_weight
            for t in range(n):
                row = first[i] + t
                for b in range(n_brands):
                    u[b] = theta[i_taste + taste_of[b]] * z[b] + weight * habit[t, b]
                    u[b] -= price_weight * price[row, b]
                    if b > 0:
                        u[b] += theta[b - 1]
                    for k in range(n_attributes):
                        u[b] += theta[n_brands - 1 + k] * x[row, b, k]
                top = u.max()
                ll[r] += u[chosen[row]] - top
                u[:] = np.exp(u - top)
                total = u.sum()
                ll[r] -= np.log(total)
                for b in range(n_brands):
                    d = (1.0 if chosen[row] == b else 0.0) - u[b] / total
                    if b > 0:
                        g[b - 1] += d
                    for k in range(n_attributes):
                        g[n_brands - 1 + k] += d * x[row, b, k]
                    g[i_habit] += d * habit[t, b]
                    g[i_alpha] += d * weight * slope[t, b] * alpha * (1 - alpha)
                    g[i_price] -= d * price_slope * price[row, b]
                    g[i_taste + taste_of[b]] += d * z[b]
            g[i_price_sd] = g[i_price] * z[n_brands]
        top = ll.max()
        share = np.exp(ll - top)
        out_ll[i] = top + np.log(share.mean())
        out_posterior[i] = share / share.sum()
        out_gradient[i] = out_posterior[i] @ gradient


def draw_normals(n_households: int, n_draws: int, n_coefficients: int) -> Floats:
    """Draw standard normals, (households, draws, coefficients), from a scrambled Sobol sequence.

    A household takes consecutive points, as many as a power of 2, so its draws are balanced.
    """
    n = n_households * n_draws
    sobol = qmc.Sobol(n_coefficients, rng=np.random.default_rng(SEED))
    points = sobol.random_base2(int(np.ceil(np.log2(n))))[:n]
    return np.asarray(ndtri(points)).reshape(n_households, n_draws, n_coefficients)


def locate_tastes(draws: Floats, posterior: Floats) -> tuple[Floats, Floats]:
    """Say where to look for a household's tastes: mean and sd, both (households, coefficients).

    The sd is 1.3 times that of the posterior, kept between 0.5 and 1 so that weights stay bounded.
    """
    mean = np.einsum("hr,hrd->hd", posterior, draws)
    variance = np.einsum("hr,hrd->hd", posterior, draws**2) - mean**2
    return mean, np.clip(1.3 * np.sqrt(np.maximum(variance, 0)), 0.5, 1)


def place_draws(normals: Floats, mean: Floats, sd: Floats) -> tuple[Floats, Floats]:
    """Move draws to where tastes are likely; give them and the logarithm of their weights.

    Notes
    -----
    Importance sampling (Train 2009, section 9.2.7): the weight is prior over proposal density.
    Draws from the prior alone nearly all miss the tastes of a household that buys often or loves a
    rare brand; taste is then underestimated and habit credited with it.
    """
    draws = mean[:, None] + sd[:, None] * normals
    return draws, ((normals**2 - draws**2) / 2 + np.log(sd)[:, None]).sum(axis=2)


def name_parameters(at: Floats, panel: Panel, specification: Specification) -> dict[str, float]:
    """Name the parameters of a choice model, and the moments that follow from them."""
    n_fixed = len(panel.brands) + len(panel.attributes) + 2
    keys = [f"appeal.{b}" for b in panel.brands[1:]] + [*panel.attributes, "habit"]
    named = dict(zip(keys, at, strict=False)) | {"alpha": expit(at[n_fixed - 2])}
    weight = at[n_fixed - 1]
    if not specification.random:
        return named | {"price_mean": np.exp(weight) if specification.ln_price else weight}
    sd = abs(at[n_fixed])
    if specification.ln_price:
        named |= {"price_median": np.exp(weight), "price_sd_ln": sd}
        weight = np.exp(weight + sd**2 / 2)
        sd = weight * np.sqrt(np.expm1(sd**2))
    named |= {"price_mean": weight, "price_sd": sd}
    tastes = np.abs(at[n_fixed + 1 :])
    if not specification.one_taste_sd:
        named |= dict(zip((f"taste_sd.{b}" for b in panel.brands), tastes, strict=True))
    return named | {"taste_sd": np.sqrt(np.mean(tastes**2))}


def estimate_choice(panel: Panel, specification: Specification) -> dict[str, Any]:
    """Estimate a choice model on the first rows of each household and test it on the others.

    The test log-likelihood is sequential: each choice is predicted from all earlier ones of its
    household, which both feed habit and tell what the household's tastes are.
    """
    n_brands, n_households = len(panel.brands), len(panel.first_test)
    n_fixed = n_brands + len(panel.attributes) + 2
    taste_of = np.zeros(n_brands, np.int64) if specification.one_taste_sd else np.arange(n_brands)
    size = n_fixed + 1 + taste_of.max() + 1 if specification.random else n_fixed
    price = np.log(panel.price) if specification.ln_price else panel.price

    def evaluate(
        at: Floats, until: Integers, draws: Floats, ln_weight: Floats
    ) -> tuple[float, Floats, Floats]:
        theta = np.zeros(n_fixed + 1 + n_brands)
        theta[: len(at)] = at  # without random tastes every sd stays 0
        ll, gradient = np.empty(n_households), np.empty((n_households, len(theta)))
        posterior = np.empty_like(ln_weight)
        sum_choices(
            theta, specification.ln_price, taste_of, draws, ln_weight, panel.chosen, price,
            panel.x, panel.train_shares, panel.first, until, ll, gradient, posterior,
        )  # fmt: skip
        return float(ll.sum()), gradient.sum(axis=0)[: len(at)], posterior

    def training(
        sample: tuple[Floats, Floats],
    ) -> Callable[[Floats], tuple[float, Floats]]:
        return lambda at: evaluate(at, panel.first_test, *sample)[:2]

    at = np.full(size, 0.5)
    at[: n_brands - 1] = 0
    at[n_fixed - 3 : n_fixed] = 3, logit(0.7), np.log(4) if specification.ln_price else 4
    mean, sd = np.zeros((n_households, n_brands + 1)), np.ones((n_households, n_brands + 1))
    sample = place_draws(mean[:, None], mean, sd)  # one draw, of tastes that are nobody's own
    for n_draws in DRAWS if specification.random else ():
        at = climb(training(sample), at)
        normals = draw_normals(n_households, n_draws, n_brands + 1)
        for _ in range(SEARCHES):
            sample = place_draws(normals, mean, sd)
            mean, sd = locate_tastes(sample[0], evaluate(at, panel.first_test, *sample)[2])
    fit = maximize(training(sample), at)
    posterior = evaluate(fit.at, panel.first_test, *sample)[2]
    everything = evaluate(fit.at, panel.first[1:], *sample)[0]
    n_train = int((panel.first_test - panel.first[:-1]).sum())
    return {
        "train_ll": fit.log_likelihood / n_train,
        "test_ll": (everything - fit.log_likelihood) / (len(panel.chosen) - n_train),
        "least_effective_draws": float(np.min(1 / np.sum(posterior**2, axis=1))),
        "parameters": describe(fit, lambda t: name_parameters(t, panel, specification)),
    }


def estimate_panel(name: str) -> dict[str, Any]:
    """Estimate every specification on one panel."""
    panel = load_panel(name)
    return {
        "n_households": len(panel.first_test),
        "n_purchases": len(panel.chosen),
        "models": {key: estimate_choice(panel, s) for key, s in SPECIFICATIONS.items()},
    }


def combine_panels(panels: dict[str, Any]) -> dict[str, Any]:
    """Average over panels, per specification, the parameters that all panels have."""
    combined = {}
    for key in SPECIFICATIONS:
        found = [panel["models"][key]["parameters"] for panel in panels.values()]
        shared = [p for p in found[0] if all(p in f for f in found)]
        combined[key] = {p: combine([f[p] for f in found]) for p in shared}
    return combined


# Output -------------------------------------------------------------------------------------------


def print_estimates(result: dict[str, Any], console: Console) -> None:
    """Print the log's estimates, then one row per panel and model."""
    table = Table("CDNOW", "estimate", "s.e.")
    for part in ("purchasing", "spending"):
        for key, value in result[part]["parameters"].items():
            table.add_row(key, f"{value['estimate']:.3f}", f"{value['se']:.3f}")
    console.print(table)
    shown = ("alpha", "habit", "price_mean", "price_sd", "price_median", "price_sd_ln", "taste_sd")
    table = Table("panel", "model", "train LL", "test LL", *shown)
    rows = [(n, k, m) for n, p in result["panels"].items() for k, m in p["models"].items()]
    rows += [("mean", k, {"parameters": p}) for k, p in result["panels_combined"].items()]
    for panel, key, model in rows:
        fits = [f"{model[f]:.4f}" if f in model else "" for f in ("train_ll", "test_ll")]
        cells = (model["parameters"].get(p) for p in shown)
        texts = [f"{c['estimate']:.2f} ({c['se']:.2f})" if c else "" for c in cells]
        table.add_row(panel, key, *fits, *texts)
    console.print(table)


def round_figures(value: Any) -> Any:
    """Round the numbers of a tree to 5 significant digits: more would be noise of the machine."""
    if isinstance(value, dict):
        return {k: round_figures(v) for k, v in value.items()}
    if isinstance(value, list):
        return [round_figures(v) for v in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def main() -> None:
    """Estimate everything, print it, and write ``estimates.json``."""
    log = pd.read_csv(DATA / "cdnow" / "cdnow_sample.csv")
    panels = {name: estimate_panel(name) for name in PANELS}
    result = {
        "purchasing": estimate_purchasing(log),
        "spending": estimate_spending(log),
        "panels": panels,
        "panels_combined": combine_panels(panels),
    }
    print_estimates(result, Console())
    (HERE / "estimates.json").write_text(json.dumps(round_figures(result), indent=2) + "\n")


if __name__ == "__main__":
    main()
