"""How a market predicts data that were kept back, beside models that are fitted to the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sim.calibration.customer_base import check_days, looks_like_panel, take_customers
from sim.calibration.fit import Fit
from sim.calibration.incidence import Form, Likelihood, Parameters, make_calendar
from sim.calibration.observed import Log, Panel
from sim.calibration.order_holdout import OURS, forecast_ours, observe
from sim.calibration.order_holdout import score as score_orders
from sim.calibration.panel import compare_brands, fit_panel
from sim.calibration.prediction import (
    bin_predictions,
    close_loop,
    error_of_ll,
    predict,
    score,
    see_market,
)
from sim.calibration.transactions import PATHS, fit_transactions
from sim.config.market import Market
from sim.errors import DataError

Progress = Callable[[str], None]


def predict_panel(
    panel: Panel,
    market: Market,
    known: Mapping[str, float],
    *,
    seed: int = 1,
    threads: int = 2,
    progress: Progress | None = None,
) -> Fit:
    """Return how a market predicts the kept-back choices of a panel, in the form of a fit.

    `test_ll` and closed loop are the market's; among `models` are those of the field and
    `refitted`, the market's form fitted to this panel.

    Parameters
    ----------
    panel
        The choices.
    market
        A market with the panel's brands.
    known
        What a market has no setting for: the weight of each attribute (`feat`, `disp`; 0 if not
        given), and `habit_settled` (1).
    seed, threads
        Of the draws; how many threads share the work.
    progress
        Is told what comes next.

    Raises
    ------
    DataError
        If the panel's brands are not the market's.
    """
    weights = {name: known[name] for name in panel.attributes if name in known}
    settled = known.get("habit_settled", 1.0)
    crowd = see_market(panel, market, weights, habit_settled=settled, seed=seed, threads=threads)
    if progress is not None:
        progress("predicting")
    data, predicted = crowd[0][1].data, predict(crowd)
    loop = close_loop(crowd)
    fitted = fit_panel(panel, seed=seed, threads=threads, progress=progress)
    refitted: dict[str, Any] = {"train_ll": fitted.train_ll, "test_ll": fitted.test_ll}
    missing = [name for name in panel.attributes if name not in known]
    notes = [f"The market says nothing of {name}: its weight is 0." for name in missing]
    return replace(
        fitted,
        train_ll=None,
        test_ll=score(data, predicted)["test_ll"],
        closed_loop=loop and {**loop, "test_ll_noise": error_of_ll(data, predicted)},
        models={**fitted.models, "refitted": refitted},
        parameters={},
        notes=[*panel.notes, *notes],
        series={
            "brands": compare_brands(panel, loop),
            "predictions": bin_predictions(data, predicted),
        },
    )


def predict_log(
    log: Log,
    market: Market,
    known: Mapping[str, float],
    *,
    seed: int = 1,
    threads: int = 2,
    progress: Progress | None = None,
) -> Fit:
    """Return how a market predicts the kept-back orders of a log, in the form of a fit.

    Parameters
    ----------
    log
        The orders.
    market
        Its rates and leaving, if `known` does not have them.
    known
        Estimates from another part of the firm's orders, by their names in a fit: those are of the
        firm's own customers, while a market's are of the category.
    seed, threads
        Of the resamples; how many threads share the work.
    progress
        Is told what comes next.

    Raises
    ------
    DataError
        If nothing is kept back, or the log cannot tell how often customers buy.
    """
    check_days(log)
    base = take_customers(log, looks_like_panel(log))
    if not base.tested:
        raise DataError(f"{log.source}: nothing is kept back that could be predicted")
    if progress is not None:
        progress("fitting the field's models")
    fitted = fit_transactions(log, seed=seed, threads=threads)
    point, form = _point(market, known, leaving=not base.panel)
    calendar = make_calendar(base.before, [log.split, log.end], log.origin)
    everybody = np.arange(base.n)
    train, whole = (
        Likelihood(base.watch(calendar, end, everybody), calendar, form, threads)
        for end in (log.split, log.end)
    )
    truth = observe(base, calendar)
    forecast = forecast_ours(base, train, point, truth)
    ll = train.total(point)
    series = {
        **fitted.series,
        "tracking": {**fitted.series["tracking"], OURS: forecast.cumulative.tolist()},
        "active": {**fitted.series["active"], OURS: (forecast.active / truth.come).tolist()},
    }
    models = {name: model for name, model in fitted.models.items() if name != OURS}
    source = (
        "" if PATHS["shape"] in known else " Its rates are of the category, the log's of a firm."
    )
    return replace(
        fitted,
        train_ll=ll / base.n,
        test_ll=(whole.total(point) - ll) / base.n,
        holdout=score_orders(forecast, truth),
        models={**models, "refitted": fitted.models[OURS]},
        parameters={},
        notes=[*log.notes, f"The market is taken as it is, not fitted to these orders.{source}"],
        series={
            name: columns for name, columns in series.items() if name in {"tracking", "active"}
        },
    )


def _point(market: Market, known: Mapping[str, float], *, leaving: bool) -> tuple[Parameters, Form]:
    """Return the rates and leaving that are known of the firm's customers, else the market's."""
    of_market = {
        "rate.shape": float(market.rate.shape),
        "rate.mean": float(market.rate.mean),
        "rate.half_life": float(market.rate.half_life),
        "leaving.alpha": float(market.leaving.alpha),
        "leaving.beta": float(market.leaving.beta),
    }
    given = known if PATHS["shape"] in known else of_market
    named = {name: float(given[path]) for name, path in PATHS.items() if path in given}
    named |= {name: float(given[name]) for name in ("novelty", "fade") if name in given}
    if not leaving:
        named = {name: value for name, value in named.items() if name not in {"alpha", "beta"}}
    factors = [float(given.get(f"rate.season.{q}", market.rate.season[q - 1])) for q in range(1, 5)]
    point = Parameters(**named, season=np.array(factors))
    form = Form(leaving, "half_life" in named, "novelty" in named, len(set(factors)) > 1)
    return point, form
