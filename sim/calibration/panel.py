"""From a household panel to a market: estimates, how well they predict, and what they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from sim.calibration.choice import (
    DRAWS,
    LEAST_PRICE,
    Estimated,
    Form,
    Occasions,
    estimate_choice,
    fit_household_dirichlet,
    fit_shares,
    limit_prices,
    see_occasions,
)
from sim.calibration.estimation import describe
from sim.calibration.fit import Estimate, Fit
from sim.calibration.observed import Panel
from sim.calibration.prediction import (
    REPLICATIONS,
    bin_predictions,
    close_loop,
    error_of_ll,
    score,
)
from sim.config.market import MAX_BRANDS, MIN_BRANDS
from sim.errors import DataError
from sim.types import F64

JOINT_DRAWS = 64
"""Draws of the estimates together."""
BEHIND, REPEAT_BIAS, SCR_RATIO = 0.010, 0.05, 1.75
"""What counts as a failure: log-likelihood per choice behind the best of the field's models; error
of the repeat rate; error of shares of requirements as a ratio to a household bootstrap's."""
ENOUGH = 20
"""Choices per parameter below which priors show."""
_RANGES: Mapping[str, tuple[float, float]] = {
    ".appeal": (-10.0, 10.0),
    ".taste": (0.0, 20.0),
    ".price": (0.01, 100.0),
    "weights.habit": (0.0, 20.0),
    "weights.price": (0.0, 50.0),
    "spread.habit": (0.0, 2.0),
    "spread.price": (0.0, 2.0),
    "spread.taste": (0.0, 10.0),
    "learning.habit_smoothing": (0.0, 0.999),
}
"""What a market can hold, by a setting's path or its last part."""
BOND_NOTE = (
    "Purchases alone cannot separate bond from habit: what is called habit here is all that recent "
    "purchases tell beyond taste and price. The weight of the bond stays as it was assumed."
)
RATE_NOTE = (
    "Choices do not tell how often households buy: rates, leaving and order values are those of "
    "the market that gives the rest."
)


def fit_panel(
    panel: Panel,
    *,
    seed: int = 1,
    draws: tuple[int, ...] = DRAWS,
    replications: int = REPLICATIONS,
    threads: int = 2,
    progress: Callable[[str], None] | None = None,
) -> Fit:
    """Calibrate a market's choice of brands from a household panel, and test it.

    Each household's first occasions estimate, the others test: every test choice is predicted from
    all earlier ones (one step ahead), and all test choices are simulated with none fed in (closed
    loop). Method and settings are the same for every panel.

    Parameters
    ----------
    panel
        The choices.
    seed
        Seed of draws and simulations.
    draws
        Draws of tastes per household in each round of estimation, powers of 2.
    replications
        Times that the kept-back part is simulated.
    threads
        How many threads share the work; the result does not depend on it.
    progress
        Is told what comes next.

    Raises
    ------
    DataError
        If the panel has too few or too many brands for a market, or no choice to estimate from.
    """
    check_panel(panel)
    say = progress or (lambda _: None)
    told, silent = split_attributes(panel)
    raw, logs = see_occasions(told, ln_price=False), see_occasions(told, ln_price=True)
    size = len(told.brands), len(told.attributes), int(np.argmax(raw.shares))

    def estimate(data: Occasions, *, random: bool, lived: bool) -> Estimated:
        return estimate_choice(
            data, Form(*size, random, lived), draws=draws, seed=seed, threads=threads
        )

    say("market shares, and a Dirichlet of households")
    shares = np.broadcast_to(fit_shares(told), raw.price.shape)
    dirichlet, expected = fit_household_dirichlet(told)
    say("logit with loyalty")
    alike = estimate(raw, random=False, lived=False)
    say("logit with loyalty and households' own tastes")
    own = estimate(raw, random=True, lived=False)
    say("the form that the engine lives")
    ours = estimate(logs, random=True, lived=True)

    def name(at: F64) -> dict[str, float]:
        return name_settings(told, logs, ours.form, at)

    say("simulation of the choices kept back")
    closed_loop = close_loop([(1.0, ours.chooser)], replications=replications)
    predicted = ours.chooser.predict()
    test_ll = score(logs, predicted)["test_ll"]
    settings = describe(ours.found, name)
    named = describe(ours.found, lambda at: name_parameters(told, ours.form, at))
    market = write_settings(settings)
    models: dict[str, Mapping[str, Any]] = {
        "shares": score(raw, shares),
        "household_dirichlet": {
            **score(raw, expected),
            "parameters": dict(zip(told.brands, map(float, dirichlet), strict=True)),
        },
        "logit_gl": describe_model(told, alike),
        "random_gl": describe_model(told, own),
    }
    return Fit(
        kind="panel",
        source=panel.source,
        n_units=panel.n_units,
        n_train=logs.n_train,
        n_test=int(logs.test.sum()),
        train_ll=ours.found.log_likelihood / logs.n_train,
        test_ll=test_ll,
        parameters=named,
        market=market,
        provenance={
            path: f"calibrated: {panel.source}, {logs.n_train} choices"
            if path in settings
            else f"assumed: the choices of {panel.source} do not tell it"
            for path in market
        },
        models=models,
        closed_loop=closed_loop and {**closed_loop, "test_ll_noise": error_of_ll(logs, predicted)},
        joint=draw_jointly(ours, settings, name, seed),
        notes=[
            BOND_NOTE,
            RATE_NOTE,
            *tell_failures(test_ll, models, closed_loop),
            *tell_limits(panel, silent, named, ours.found.flat),
            *panel.notes,
        ],
        left_out=panel.left_out,
        series={
            "brands": compare_brands(told, closed_loop),
            "predictions": bin_predictions(logs, predicted),
        },
    )


def check_panel(panel: Panel) -> None:
    """Raise DataError if no market can come of a panel."""
    n = len(panel.brands)
    if not MIN_BRANDS <= n <= MAX_BRANDS:
        raise DataError(
            f"{panel.source}: {n} brands; allowed: {MIN_BRANDS} to {MAX_BRANDS}, "
            "so merge the smallest"
        )
    if not panel.train.any():
        raise DataError(
            f"{panel.source}: no choice to estimate from; allowed: households with an occasion "
            "before those that are kept back for the test"
        )


def split_attributes(panel: Panel) -> tuple[Panel, tuple[str, ...]]:
    """Return the panel with the attributes that tell brands apart, and the names of the others."""
    differ = np.ptp(panel.x[panel.train], axis=1).max(axis=0, initial=0.0) > 0
    names = np.array(panel.attributes, dtype=object)
    told = replace(panel, attributes=tuple(names[differ]), x=panel.x[:, :, differ])
    return told, tuple(names[~differ])


# --- names --------------------------------------------------------------------------------------


def name_parameters(panel: Panel, form: Form, at: F64) -> dict[str, float]:
    """Name the parameters of a choice model; appeals are above the first brand's."""
    natural = form.natural(at)[0]
    n, k = form.n_brands, form.n_brands + form.n_attributes
    habit, alpha, price, price_sd = natural[k : k + 4]
    tastes, habit_sd, settled = natural[k + 4 : -2], natural[-2], natural[-1]
    appeals = natural[1:n] - natural[0]
    named = dict(zip((f"appeal.{b}" for b in panel.brands[1:]), appeals, strict=True))
    named |= dict(zip(panel.attributes, natural[n:k], strict=True))
    if not form.lived:
        named |= {"habit": habit, "alpha": alpha, "price": price}
    if form.random and not form.lived:
        named |= {"price_sd": price_sd}
    if form.lived:
        named |= {
            "habit": habit * np.exp(habit_sd**2 / 2),
            "habit_median": habit,
            "habit_sd_ln": habit_sd,
            "habit_settled": settled,
            "alpha": alpha,
            "price": np.exp(price + price_sd**2 / 2),
            "price_median": np.exp(price),
            "price_sd_ln": price_sd,
        }
    if form.random:
        named |= dict(zip((f"taste_sd.{b}" for b in panel.brands), tastes, strict=True))
        named |= {"taste_sd": np.exp(np.mean(np.log(tastes)))}
    return named


def name_settings(panel: Panel, data: Occasions, form: Form, at: F64) -> dict[str, float]:
    """Return what the parameters are in a market, by the path below `market`."""
    named = name_parameters(panel, form, at)
    settings = {
        "weights.habit": named["habit"],
        "weights.price": named["price"],
        "spread.habit": named["habit_sd_ln"],
        "spread.price": named["price_sd_ln"],
        "spread.taste": named["taste_sd"],
        "learning.habit_smoothing": named["alpha"],
    }
    for name, usual in zip(panel.brands, data.usual_price, strict=True):
        settings |= {
            f"brands.{name}.appeal": named.get(f"appeal.{name}", 0.0),
            f"brands.{name}.taste": named[f"taste_sd.{name}"] / named["taste_sd"],
            f"brands.{name}.price": float(np.exp(usual)),
        }
    return {path: limit_setting(path, value) for path, value in settings.items()}


def limit_setting(path: str, value: float) -> float:
    """Return what a market can hold of a setting."""
    low, high = _RANGES.get(path) or _RANGES["." + path.rsplit(".", 1)[-1]]
    return min(max(value, low), high)


def write_settings(settings: Mapping[str, Estimate]) -> dict[str, Any]:
    """Write settings as a market file does: what has an error is a distribution.

    Appeals, the habit weight and smoothing are normal; what cannot be below 0 is lognormal about
    its estimate. In the panel nobody remembers prices, and everybody knows every brand.
    """
    written: dict[str, Any] = {"weights.reference": 0.0}
    for path, (value, se) in settings.items():
        if not se:
            written[path] = value
        elif path.endswith(".appeal") or path in {"weights.habit", "learning.habit_smoothing"}:
            written[path] = {"normal": [value, se]}
        else:
            written[path] = {"lognormal": [value, se / value]}
        if path.endswith(".appeal"):
            written[path.removesuffix("appeal") + "awareness"] = 1.0
    return written


def describe_model(panel: Panel, model: Estimated) -> dict[str, Any]:
    """Return how well one of the field's models does, and its parameters."""
    data, form = model.chooser.data, model.form
    named = describe(model.found, lambda at: name_parameters(panel, form, at))
    return {
        "train_ll": model.found.log_likelihood / data.n_train,
        "test_ll": score(data, model.chooser.predict())["test_ll"],
        "parameters": {name: estimate._asdict() for name, estimate in named.items()},
    }


# --- what belongs to the answer -----------------------------------------------------------------


def draw_jointly(
    model: Estimated,
    settings: Mapping[str, Estimate],
    name: Callable[[F64], Mapping[str, float]],
    seed: int,
) -> dict[str, list[float]]:
    """Draw the uncertain settings together, from the normal of the estimates."""
    found = model.found
    sobol = qmc.Sobol(len(found.at), rng=seed)
    normals = ndtri(sobol.random_base2(int(np.log2(JOINT_DRAWS))))
    values, vectors = np.linalg.eigh(found.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    draws = [name(found.at + root @ z) for z in normals]
    unsure = [path for path, estimate in settings.items() if estimate.se]
    return {path: [float(draw[path]) for draw in draws] for path in unsure}


def compare_brands(panel: Panel, closed_loop: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Return real and simulated figures of each brand as columns."""
    keys = ("share_real", "share_simulated", "scr_real", "scr_simulated")
    columns = {key: list(closed_loop[key]) for key in keys} if closed_loop else {}
    return {"brand": list(panel.brands), **columns}


def tell_failures(
    test_ll: float | None,
    models: Mapping[str, Mapping[str, Any]],
    closed_loop: Mapping[str, Any] | None,
) -> list[str]:
    """Say in what the fit is worse than it should be."""
    if test_ll is None or closed_loop is None:
        return ["No choice was kept back: nothing tells how well the market predicts."]
    best = max(models, key=lambda name: models[name]["test_ll"])
    behind = models[best]["test_ll"] - test_ll
    bias, error, noise = (closed_loop[k] or 0.0 for k in ("repeat_bias", "scr_mae", "scr_noise"))
    failures = {
        f"One step ahead it predicts worse than {best}, by {behind:.3f} of log-likelihood per "
        "choice.": behind > BEHIND,
        f"In a closed loop the repeat rate is off by {bias:+.3f}.": abs(bias) > REPEAT_BIAS,
        f"In a closed loop shares of requirements are off by {error:.3f} on average, and chance "
        f"alone makes {noise:.3f} (households drawn again).": error > SCR_RATIO * noise,
    }
    return [text for text, applies in failures.items() if applies]


def tell_limits(
    panel: Panel, silent: tuple[str, ...], named: Mapping[str, Estimate], flat: int
) -> list[str]:
    """Say what the data cannot tell, and what was done about it."""
    n_train, n_brands = int(panel.train.sum()), len(panel.brands)
    n_limited = limit_prices(panel.price)[1]
    bought = np.bincount(panel.chosen[panel.train], minlength=n_brands)
    unsold = [name for name, n in zip(panel.brands, bought, strict=True) if n == 0]
    habit = named["habit"].estimate
    limits = {
        f"{n_limited} of {panel.price.size} prices were below {LEAST_PRICE:.0%} of their brand's "
        "median and count as that: near 0, ln(price) would make them the most telling of all.": (
            n_limited > 0
        ),
        f"{n_train} choices for {len(named)} parameters: part of each estimate is a weak prior.": (
            n_train < ENOUGH * len(named)
        ),
        f"Nobody buys {', '.join(unsold)} in the part for estimation: the appeal is a guess.": (
            bool(unsold)
        ),
        f"The same for all brands on every occasion, and so left out: {', '.join(silent)}.": (
            bool(silent)
        ),
        "Two brands tell only how households differ in their taste for one above the other; how "
        "much of that is taste for either is a guess.": n_brands == MIN_BRANDS,
        "No price ever moves: the price weight is a guess.": (
            not np.ptp(panel.price[panel.train], axis=0).any()
        ),
        f"The habit weight is {habit:.2f}: households seek variety, which the engine cannot live; "
        "the market has 0.": habit < 0,
        f"{flat} directions of the parameters are not told by the data.": flat > 0,
    }
    return [text for text, applies in limits.items() if applies]
