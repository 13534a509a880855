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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.special import betaln, expit, gammaln, logit, ndtri, polygamma
from scipy.stats import qmc

from sim.calibration.choice import Sample, Sums, no_draws, see_occasions, sum_up
from sim.calibration.estimation import Maximum, climb, describe, maximize, with_gradient
from sim.calibration.observed import Panel
from sim.calibration.reading import read_panel

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
DRAWS = (128, 128, 512)
"""Draws of tastes per household in each round of estimation, powers of 2."""
SEARCHES = 4
"""Times that draws are moved to where each household's tastes are likely, per round."""
SEED = 1
THREADS = 2


# Estimation ---------------------------------------------------------------------------------------


def tell(found: Maximum, name: Callable[[Floats], dict[str, float]]) -> Estimates:
    """Name the estimates and what follows from them; standard errors by the delta method."""
    return {key: estimate._asdict() for key, estimate in describe(found, name).items()}


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
        "parameters": tell(fit, name),
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
        "parameters": tell(fit, name),
        "mean_order_usd": {
            "estimate": float(orders.mean()),
            "se": float(orders.std() / len(orders) ** 0.5),
        },
    }


# Choice of a brand: the grocery panels ------------------------------------------------------------


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


def draw_normals(n_households: int, n_draws: int, n_coefficients: int) -> Floats:
    """Draw standard normals, (households, coefficients, draws), from a scrambled Sobol sequence.

    A household takes consecutive points, as many as a power of 2, so its draws are balanced.
    """
    n = n_households * n_draws
    sobol = qmc.Sobol(n_coefficients, rng=np.random.default_rng(SEED))
    points = sobol.random_base2(int(np.ceil(np.log2(n))))[:n]
    normals = np.asarray(ndtri(points)).reshape(n_households, n_draws, n_coefficients)
    return normals.transpose(0, 2, 1)


def locate_tastes(draws: Floats, posterior: Floats) -> tuple[Floats, Floats]:
    """Say where to look for a household's tastes: mean and sd, both (households, coefficients).

    The sd is 1.3 times that of the posterior, kept between 0.5 and 1 so that weights stay bounded.
    """
    mean = np.einsum("hr,hdr->hd", posterior, draws)
    variance = np.einsum("hr,hdr->hd", posterior, draws**2) - mean**2
    return mean, np.clip(1.3 * np.sqrt(np.maximum(variance, 0)), 0.5, 1)


def place_draws(normals: Floats, mean: Floats, sd: Floats) -> Sample:
    """Move draws to where tastes are likely; give them and the logarithm of their weights.

    Notes
    -----
    Importance sampling (Train 2009, section 9.2.7): the weight is prior over proposal density.
    Draws from the prior alone nearly all miss the tastes of a household that buys often or loves a
    rare brand; taste is then underestimated and habit credited with it.
    """
    draws = mean[:, :, None] + sd[:, :, None] * normals
    ln_weight = ((normals**2 - draws**2) / 2 + np.log(sd)[:, :, None]).sum(axis=1)
    alike = np.zeros((len(draws), 1, draws.shape[2]))  # nobody's habit weight is its own
    return Sample(np.concatenate([draws, alike], axis=1), ln_weight)


def lay_out(at: Floats, panel: Panel, specification: Specification) -> tuple[Floats, Floats]:
    """Return the parameters as the likelihood takes them, and their slopes in `at`.

    `at` holds appeals of brands 1.., attribute weights, habit weight, logit of the smoothing alpha
    and price weight (its logarithm with ln(price)); if random, also the latter's sd and taste sds.
    Habit starts at the brands' shares and weighs the same for all.
    """
    n_brands, n_weights = len(panel.brands), len(panel.brands) + len(panel.attributes)
    slopes = np.zeros((n_weights + n_brands + 6, len(at)))
    shift = np.arange(n_weights + 3 if specification.random else n_weights + 2)
    slopes[shift + 1, shift] = 1  # but for the first brand's appeal, which is 0
    if specification.random:
        tastes = np.arange(n_brands)
        group = 0 if specification.one_taste_sd else tastes
        slopes[n_weights + 4 + tastes, n_weights + 3 + group] = 1
    values = slopes @ at
    alpha = values[n_weights + 1] = expit(at[n_weights])
    slopes[n_weights + 1, n_weights] = alpha * (1 - alpha)
    return values, slopes


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
    n_brands, n_households = len(panel.brands), panel.n_units
    n_fixed = n_brands + len(panel.attributes) + 2
    size = n_fixed
    if specification.random:
        size += 2 if specification.one_taste_sd else n_brands + 1
    data = see_occasions(panel, ln_price=False)
    if specification.ln_price:
        data = replace(data, price=np.log(panel.price))

    def evaluate(at: Floats, until: Integers, sample: Sample) -> Sums:
        natural = lay_out(at, panel, specification)[0]
        return sum_up(data, natural, specification.ln_price, sample, until, THREADS)

    def training(sample: Sample) -> Callable[[Floats], tuple[float, Floats]]:
        def likelihood(at: Floats) -> tuple[float, Floats]:
            sums = evaluate(at, panel.first_test, sample)
            slopes = lay_out(at, panel, specification)[1]
            return float(sums.ll.sum()), sums.gradient.sum(axis=0) @ slopes

        return likelihood

    at = np.full(size, 0.5)
    at[: n_brands - 1] = 0
    at[n_fixed - 3 : n_fixed] = 3, logit(0.7), np.log(4) if specification.ln_price else 4
    mean, sd = np.zeros((n_households, n_brands + 1)), np.ones((n_households, n_brands + 1))
    sample = no_draws(data)
    for n_draws in DRAWS if specification.random else ():
        at = climb(training(sample), at)
        normals = draw_normals(n_households, n_draws, n_brands + 1)
        for _ in range(SEARCHES):
            sample = place_draws(normals, mean, sd)
            posterior = evaluate(at, panel.first_test, sample).posterior
            mean, sd = locate_tastes(sample.z[:, :-1], posterior)
    fit = maximize(training(sample), at)
    posterior = evaluate(fit.at, panel.first_test, sample).posterior
    everything = float(evaluate(fit.at, panel.first[1:], sample).ll.sum())
    return {
        "train_ll": fit.log_likelihood / data.n_train,
        "test_ll": (everything - fit.log_likelihood) / (len(panel.chosen) - data.n_train),
        "least_effective_draws": float(np.min(1 / np.sum(posterior**2, axis=1))),
        "parameters": tell(fit, lambda t: name_parameters(t, panel, specification)),
    }


def estimate_panel(name: str) -> dict[str, Any]:
    """Estimate every specification on one panel."""
    panel = read_panel(DATA / "panels_gpl" / f"{name}.csv")
    return {
        "n_households": panel.n_units,
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
