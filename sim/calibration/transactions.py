"""Calibration on an order log: how often customers buy, how they leave, what an order is worth.

The market's figures come from the model that the engine lives (`incidence`); the field's models
(`lifetimes`) are set beside it. All are estimated on the orders up to the log's `split`, and all
are asked for what came after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from sim.calibration.amounts import Amounts, estimate_amounts
from sim.calibration.customer_base import (
    CustomerBase,
    check_days,
    check_repeats,
    looks_like_panel,
    take_customers,
)
from sim.calibration.estimation import Maximum, describe
from sim.calibration.fit import Estimate, Fit
from sim.calibration.forecast import count_repeats
from sim.calibration.incidence import (
    RANGES,
    WEEK,
    Calendar,
    Chosen,
    Cohorts,
    Form,
    Likelihood,
    choose_form,
    compare_cohorts,
    make_calendar,
)
from sim.calibration.lifetimes import FIELD, NBD, Histories, Lifetime, positive
from sim.calibration.observed import Integers, Log
from sim.calibration.order_holdout import (
    OURS,
    Forecast,
    Truth,
    forecast_field,
    forecast_ours,
    measure_noise,
    measure_penetration,
    observe,
    score,
)
from sim.errors import ConfigError
from sim.types import F64

PATHS = {
    "shape": "rate.shape",
    "mean": "rate.mean",
    "half_life": "rate.half_life",
    "alpha": "leaving.alpha",
    "beta": "leaving.beta",
}
"""Parameter to the market's setting."""
KINDS = ("auto", "cohort", "panel")
YEAR = 365
"""Days of calibration from which a season is estimated."""
FEW = 200
"""Customers below which a note warns."""
LEAST_COHORT = 100
"""Customers of an acquisition quarter that is compared by itself."""
SIGNIFICANT = 0.01
"""Chance below which a difference between cohorts is taken for real."""
MOST_REPEATS = 7


def fit_transactions(
    log: Log,
    *,
    customers: str = "auto",
    sample: int = 10_000,
    draws: int = 64,
    seed: int = 1,
    threads: int = 2,
) -> Fit:
    """Calibrate buying, leaving and spending on an order log.

    Parameters
    ----------
    log
        The orders.
    customers
        `cohort` if a customer's first order is its acquisition, `panel` if the customers bought
        before the log began; `auto` to tell by `looks_like_panel`.
    sample
        Customers, evenly spaced, on whom the engine's model is estimated if there are more; the
        field's models take all, and all are predicted.
    draws
        Joint draws of the settings, a power of 2.
    seed
        Of the joint draws and of the bootstrap.
    threads
        How many share the work; results do not depend on it.

    Returns
    -------
    Fit
        `market` and `joint` have the settings, `models` the field's models, `holdout` what was
        predicted of the orders after the split.

    Raises
    ------
    ConfigError
        If `customers` is none of the three.
    DataError
        If the log cannot tell how often customers buy.

    Notes
    -----
    Form: gamma rates, leaving after each order with a beta probability, always there; novelty and
    drift where Akaike's criterion falls, a season where a year or more is there. Nothing after the
    split is looked at. `cumulative_mape` is the mean over the weeks that end after the split (weeks
    of the log, counted from day 0) of |predicted - actual| / actual, both cumulative since the
    log's start and predicted from first orders alone; `predicted`, `rmse` and `r` are of orders
    after the split given each customer's history.
    """
    if customers not in KINDS:
        raise ConfigError("no such kind of customers", key="customers", value=customers,
                          allowed=", ".join(KINDS), known=KINDS)  # fmt: skip
    check_days(log)
    panel = looks_like_panel(log) if customers == "auto" else customers == "panel"
    base = take_customers(log, panel)
    check_repeats(base)
    return _assemble(base, sample, draws, seed, threads)


# The engine's model -------------------------------------------------------------------------------


@dataclass(frozen=True)
class EngineModel:
    """The engine's model, estimated on a sample and seeing everybody."""

    chosen: Chosen
    everybody: Likelihood
    calendar: Calendar
    """To the end of the log."""
    cohorts: Cohorts | None
    n_sample: int

    @property
    def cohorts_differ(self) -> bool:
        """Whether cohorts differ by more than chance."""
        return self.cohorts is not None and self.cohorts.p_value < SIGNIFICANT

    @property
    def log_errors(self) -> dict[str, float]:
        """Standard errors of the logarithms of the parameters, by name."""
        errors = np.sqrt(np.maximum(np.diag(self.chosen.found.covariance), 0.0))
        return dict(zip(self.chosen.form.names, errors.tolist(), strict=True))


def fit_engine_model(base: CustomerBase, sample: int, threads: int) -> EngineModel:
    """Choose the form, then let cohorts differ if they do."""
    log = base.log
    calendar = make_calendar(base.before, [log.split, log.end], log.origin)
    everybody = np.arange(base.n)
    some = everybody
    if base.n > sample:
        some = np.unique(np.linspace(0, base.n - 1, sample).astype(int))
    watch = base.watch(calendar, log.split, some)
    season = log.split - base.before >= YEAR
    chosen = choose_form(watch, calendar, Form(leaving=not base.panel, season=season), threads)
    cohorts = None if base.panel else compare_cohorts(watch, calendar, chosen, LEAST_COHORT)
    whole = watch if len(some) == base.n else base.watch(calendar, log.split, everybody)
    if cohorts is not None and cohorts.p_value < SIGNIFICANT:
        likelihood = Likelihood(cohorts.mark(watch), calendar, chosen.form, threads)
        chosen = replace(
            chosen,
            likelihood=likelihood,
            found=likelihood.fit(chosen.found.at, chosen.found.covariance),
        )
        whole = cohorts.mark(whole)
    return EngineModel(
        chosen, Likelihood(whole, calendar, chosen.form), calendar, cohorts, len(some)
    )


# The fit ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """One of the field's models, estimated."""

    model: Lifetime
    found: Maximum
    forecast: Forecast
    test_ll: float | None

    @property
    def at(self) -> F64:
        """The estimates."""
        return positive(self.found.at)

    def document(self, base: CustomerBase, truth: Truth) -> dict[str, Any]:
        """Return what the fit says of it."""
        ll, size = self.found.log_likelihood, len(self.found.at)
        return {
            "train_ll": ll / base.n,
            "test_ll": self.test_ll,
            "log_likelihood": ll,
            "aic": 2.0 * size - 2.0 * ll,
            "parameters": _plain(self.model.describe(self.found)),
            "holdout": score(self.forecast, truth) if base.tested else None,
        }


def _fit_field(base: CustomerBase, model: Lifetime, seen: Histories, truth: Truth) -> _Field:
    """Estimate one of the field's models and let it predict."""
    found = model.fit(seen)
    at = positive(found.at)
    test_ll = None
    if base.tested:
        whole = base.histories(base.log.end)
        total = float(whole.n @ model.log_likelihood(at, whole))
        test_ll = (total - found.log_likelihood) / base.n
    return _Field(model, found, forecast_field(base, model, at, seen, truth), test_ll)


def _assemble(base: CustomerBase, sample: int, draws: int, seed: int, threads: int) -> Fit:
    """Estimate everything and put it together."""
    log, tested = base.log, base.tested
    ours = fit_engine_model(base, sample, threads)
    truth = observe(base, ours.calendar)
    seen = base.histories(log.split)
    models_of_field = (NBD(),) if base.panel else FIELD
    with ThreadPoolExecutor(threads) as pool:
        field = list(pool.map(lambda m: _fit_field(base, m, seen, truth), models_of_field))
    point = ours.chosen.point
    forecast = forecast_ours(base, ours.everybody, point, truth)
    amounts = estimate_amounts(base)
    train = ours.everybody.total(point)
    test_ll = None
    if tested:
        whole = base.watch(ours.calendar, log.end, np.arange(base.n))
        if ours.cohorts is not None and ours.cohorts_differ:
            whole = ours.cohorts.mark(whole)
        total = Likelihood(whole, ours.calendar, ours.chosen.form).total(point)
        test_ll = (total - train) / base.n
    holdout = None
    if tested:
        holdout = score(forecast, truth) | {
            "split_week": (log.split + 1) / WEEK,
            "active_given_history": _given_history(forecast, ours, truth, log.split),
            "noise": measure_noise(base, forecast, truth, seed),
        }
        if base.panel:
            holdout["penetration"] = measure_penetration(base, ours.everybody, point, field[0].at)
    models = {f.model.name: f.document(base, truth) for f in field}
    if amounts.model is not None:
        models["gamma-gamma"] = dict(amounts.model)
    models[OURS] = {
        "train_ll": train / base.n,
        "test_ll": test_ll,
        "log_likelihood": ours.chosen.found.log_likelihood,
        "n_customers": ours.n_sample,
        "tried": ours.chosen.tried,
        "cohorts": _describe_cohorts(ours.cohorts),
    }
    market, provenance = _settings(base, ours, amounts)
    return Fit(
        kind="transactions",
        source=log.source,
        n_units=base.n,
        n_train=base.n_train,
        n_test=base.n_test,
        train_ll=train / base.n,
        test_ll=test_ll,
        parameters=_parameters(ours, amounts),
        market=market,
        provenance=provenance,
        models=models,
        holdout=holdout,
        joint=_draw_joint(ours, draws, seed),
        notes=[*log.notes, *_notes(base, ours, field), *amounts.notes],
        left_out=log.left_out,
        series=_series(base, ours, field, forecast, truth),
    )


def _plain(named: Mapping[str, Estimate]) -> dict[str, dict[str, float | None]]:
    return {name: estimate._asdict() for name, estimate in named.items()}


def _given_history(
    forecast: Forecast, ours: EngineModel, truth: Truth, split: int
) -> list[float | None]:
    """Return, beside the quarters, the active shares predicted from histories; None before."""
    shares: list[float | None] = [None] * len(truth.quarters)
    assert forecast.active_given is not None
    first = len(shares) - len(forecast.active_given)
    for k, value in enumerate(forecast.active_given):
        if truth.bounds[first + k] >= split:
            shares[first + k] = float(value / truth.come[first + k])
    return shares


def _describe_cohorts(cohorts: Cohorts | None) -> dict[str, Any] | None:
    """Return what the likelihood ratio test of cohorts found."""
    if cohorts is None:
        return None
    return {
        "from_quarter": list(cohorts.names),
        "customers": cohorts.customers.tolist(),
        "rate_factor": cohorts.rate.tolist(),
        "leaving_factor": cohorts.leaving.tolist(),
        "statistic": cohorts.statistic,
        "freedom": cohorts.freedom,
        "p_value": cohorts.p_value,
    }


def _parameters(ours: EngineModel, amounts: Amounts) -> dict[str, Estimate]:
    """Name the estimates by the settings that they become."""
    form = ours.chosen.form

    def name(at: F64) -> dict[str, float]:
        point = form.read(at)
        named = {PATHS.get(n, n): float(getattr(point, n)) for n in form.names
                 if not n.startswith("season")}  # fmt: skip
        if form.leaving:
            named["leaving.mean"] = point.alpha / (point.alpha + point.beta)
        if form.season:
            named |= {f"rate.season.{q + 1}": float(v) for q, v in enumerate(point.season)}
        return named

    named = describe(ours.chosen.found, name)
    if amounts.basket is not None:
        named["basket"] = amounts.basket
    if amounts.spread is not None:
        named["spread.basket"] = amounts.spread
    return named


def _settings(
    base: CustomerBase, ours: EngineModel, amounts: Amounts
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the market's settings with their errors, and where they come from."""
    point, form = ours.chosen.point, ours.chosen.form
    days = f"days {base.before + 1} to {base.log.split}"
    source = f"calibrated: {base.log.source}, {days}, {ours.n_sample} customers"
    market: dict[str, Any] = {}
    stated: dict[str, str] = {}
    for name, path in PATHS.items():
        if name in form.names:
            value, error = float(getattr(point, name)), ours.log_errors[name]
            market[path] = {"lognormal": [value, error]} if error > 0 else value
            stated[path] = f"{source}, {value:.4g} (s.e. {value * error:.2g})"
    if form.season:
        market["rate.season"] = point.season.tolist()
        stated["rate.season"] = f"{source}; January to March first"
    for path, estimate in (("basket", amounts.basket), ("spread.basket", amounts.spread)):
        if estimate is not None:
            value, se = estimate.estimate, estimate.se or 0.0
            market[path] = {"normal": [value, se]} if se > 0 else value
            how = "mean order" if path == "basket" else "sd of ln over customers"
            stated[path] = f"{source}, {how} {value:.4g} (s.e. {se:.2g})"
    return market, stated


def _draw_joint(ours: EngineModel, n_draws: int, seed: int) -> dict[str, list[float]]:
    """Draw settings that belong together: normal logarithms, from a scrambled Sobol sequence."""
    form, found = ours.chosen.form, ours.chosen.found
    used = [i for i, name in enumerate(form.names) if name in PATHS]
    values, vectors = np.linalg.eigh(found.covariance[np.ix_(used, used)])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    sobol = qmc.Sobol(len(used), rng=seed)
    normals = ndtri(sobol.random_base2(int(np.ceil(np.log2(n_draws))))[:n_draws])
    drawn = np.exp(found.at[used] + normals @ root.T)
    joint = {}
    for column, i in zip(drawn.T, used, strict=True):
        low, high = RANGES[form.names[i]]
        joint[PATHS[form.names[i]]] = np.clip(column, low, high).tolist()
    return joint


def _notes(base: CustomerBase, ours: EngineModel, field: Sequence[_Field]) -> list[str]:
    """Return what the reader has to know."""
    chosen = ours.chosen
    notes = []
    if base.panel:
        n_none = int(np.sum(base.orders(-2, base.log.split) == 0))
        notes.append(
            "Customers are taken as a panel that bought before the log began: nobody is new, "
            f"nobody leaves, and {n_none} who first order after the split count with 0 orders. "
            "They are known because they order later; who never does is not in the log. So "
            "penetration over the whole log is 1 as observed, and rates are a little too high."
        )
    else:
        notes.append(
            "First orders are taken as acquisitions. The log is one firm's: a customer who goes to "
            "a rival looks like one who left, so leaving counts switching too, and the rate is "
            "what this firm gets of it."
        )
    if base.n_new:
        notes.append(
            f"{base.n_new} customers first order after the split; they are not calibrated on, and "
            "their orders are in no figure of the test."
        )
    if "novelty" in chosen.form.names:
        point = chosen.point
        notes.append(
            f"A new customer's rate begins at {1.0 + point.novelty:.1f} times the settled one, and "
            f"63% of the difference is gone after {point.fade:.1f} weeks. The engine has no such "
            "start: its newcomers repeat less at first, and settled customers more."
        )
    if not chosen.form.drift:
        notes.append(
            "The data do not show that rates drift (Akaike's criterion): `rate.half_life` is the "
            "market's own."
        )
    if not chosen.form.season:
        notes.append("Less than a year is there for estimation, so no season is estimated.")
    elif not base.log.origin:
        notes.append("The log counts days: day 0 is taken as January 1.")
    if ours.cohorts is not None:
        how = "they differ by a factor on each" if ours.cohorts_differ else "taken as alike"
        notes.append(
            f"Acquisition quarters: likelihood ratio {ours.cohorts.statistic:.1f} on "
            f"{ours.cohorts.freedom} degrees of freedom, p = {ours.cohorts.p_value:.2g}; {how}. "
            "The market has their mean."
        )
    return notes + _doubts(base, ours, field)


def _doubts(base: CustomerBase, ours: EngineModel, field: Sequence[_Field]) -> list[str]:
    """Return how far the estimates can be trusted."""
    chosen = ours.chosen
    notes = []
    if ours.n_sample < base.n:
        notes.append(
            f"The engine's model is estimated on {ours.n_sample} of {base.n} customers, evenly "
            "spaced; standard errors are of that sample."
        )
    ends = [
        PATHS[name]
        for name in chosen.form.names
        if name in PATHS and getattr(chosen.point, name) in RANGES[name]
    ]
    if ends:
        notes.append(
            f"{', '.join(ends)} is at the end of its range: the data do not tell it, and its "
            "standard error means nothing."
        )
    back = int(np.sum(base.orders(-2, base.log.split) > 0))
    if back < FEW and not base.panel:
        notes.append(f"Only {back} of {base.n} customers came back by the split.")
    if base.n < FEW:
        notes.append(f"Only {base.n} customers: standard errors are wide and may mislead.")
    flat = [OURS] * bool(chosen.found.flat) + [f.model.name for f in field if f.found.flat]
    if flat:
        notes.append(
            f"The likelihood of {', '.join(flat)} is flat in a direction: some parameters are not "
            "told by the data, and their standard errors are too small."
        )
    return notes


def _series(
    base: CustomerBase, ours: EngineModel, field: Sequence[_Field], forecast: Forecast, truth: Truth
) -> dict[str, Any]:
    """Return what the page draws."""
    split = base.log.split
    tracking = {
        "week": (np.arange(len(truth.week_ends)) + 1).tolist(),
        "actual": truth.cumulative.tolist(),
        OURS: forecast.cumulative.tolist(),
    } | {f.model.name: f.forecast.cumulative.tolist() for f in field}
    x = np.minimum(base.orders(-2, split), MOST_REPEATS).astype(int)
    n = np.bincount(x, minlength=MOST_REPEATS + 1)
    calendar = make_calendar(base.before, [split], base.log.origin)
    ours_counts = count_repeats(ours.everybody, ours.chosen.point, calendar, MOST_REPEATS)
    repeats = {
        "repeats": list(range(MOST_REPEATS + 1)),
        "actual": n.tolist(),
        OURS: ours_counts.tolist(),
    }
    days, size = np.unique(base.entry, return_counts=True)
    for f in field:
        tails = [f.model.at_least(f.at, k, (split - days) / WEEK) for k in range(MOST_REPEATS + 1)]
        known = [size @ tail for tail in tails if tail is not None]
        if known:
            repeats[f.model.name] = (-np.diff([*known, 0.0])).tolist()
    series = {"tracking": tracking, "repeats": repeats}
    if base.tested:
        by = {OURS: forecast} | {f.model.name: f.forecast for f in field}
        series["by_frequency"] = {
            "repeats": list(range(MOST_REPEATS + 1)),
            "customers": n.tolist(),
            "actual": _mean_by(x, truth.ahead),
        } | {name: _mean_by(x, f.ahead) for name, f in by.items()}
        series["active"] = {
            "quarter": list(truth.quarters),
            "actual": (truth.active / truth.come).tolist(),
        } | {name: (f.active / truth.come).tolist() for name, f in by.items()}
    return series


def _mean_by(x: Integers, value: F64) -> list[float | None]:
    """Return the mean of a value by number of repeats; None where nobody has that many."""
    n = np.bincount(x, minlength=MOST_REPEATS + 1)
    total = np.bincount(x, value, minlength=MOST_REPEATS + 1)
    return [float(t / k) if k else None for t, k in zip(total, n, strict=True)]
