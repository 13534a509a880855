"""The words of a calibration's page: models, figures and parameters, in plain language."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

from sim.report.figures import parameter_label
from sim.report.numbers import DASH, known, percent, plain
from sim.report.words import readable

BEHIND: Final = 0.010
"""Log-likelihood per choice behind the field's best model up to which a market predicts as well."""
MOST_DECIMALS: Final = 6
CANNOT_TELL: Final = (
    "Purchases alone cannot separate bond from habit. Who comes back because they care and who "
    "comes back because they always did make the same purchases. How much of loyalty is bond stays "
    "as it was assumed; only questions or tests can tell."
)

MODELS: Final[Mapping[str, tuple[str, str]]] = {
    "shares": ("Market shares", "the same chances for everybody, always"),
    "household_dirichlet": (
        "Household Dirichlet",
        "each household's own shares, learnt as it buys",
    ),
    "logit_gl": ("Logit with loyalty", "price, promotion and recent purchases; Guadagni & Little"),
    "random_gl": (
        "Random-coefficient logit with loyalty",
        "the same, with tastes and price weights of each household's own",
    ),
    "nbd": ("NBD", "rates that differ and never change; Ehrenberg"),
    "bg_nbd": ("BG/NBD", "customers may leave after an order; Fader, Hardie & Lee"),
    "pareto_nbd": (
        "Pareto/NBD",
        "customers may leave at any time; Schmittlein, Morrison & Colombo",
    ),
    "gamma_gamma": ("Gamma-gamma", "what an order is worth; Fader, Hardie & Lee"),
}
MEASURES: Final[Mapping[str, tuple[str, str, str]]] = {
    "train_ll": ("Fit", "log-likelihood per {per} on the part for estimation", "greatest"),
    "test_ll": (
        "Prediction",
        "log-likelihood per {per} on the part that was kept back",
        "greatest",
    ),
    "predicted": ("Orders expected", "in the time that was kept back", "nearest"),
    "cumulative_mape": (
        "Weekly error",
        "mean absolute error of the cumulative count, week by week",
        "least",
    ),
    "rmse": ("Error per customer", "root mean square over customers, orders", "least"),
    "r": ("Correlation", "over customers, expected orders with real ones", "greatest"),
}
"""Key to title, explanation, and which value is the best."""

NAMES: Final[Mapping[str, str]] = {
    "feat": "Feature",
    "disp": "Display",
    "habit": "Habit, mean of households",
    "habit_median": "Habit, middle household",
    "habit_sd_ln": "Habit, how households differ",
    "alpha": "Memory of habit",
    "price": "Price, mean of households",
    "price_median": "Price, middle household",
    "price_mean": "Price, mean of households",
    "price_sd": "Price, how households differ",
    "price_sd_ln": "Price, how households differ",
    "taste_sd": "Taste, how households differ",
    "habit_settled": "Habit before the first purchase",
}
LOG_NAMES: Final[Mapping[str, str]] = {
    "rate.shape": "Rate, shape over customers",
    "rate.mean": "Rate, mean",
    "rate.half_life": "Rate, half-life of differences",
    "leaving.alpha": "Leaving, alpha",
    "leaving.beta": "Leaving, beta",
    "leaving.mean": "Leaving, mean",
    "fade": "Novelty, how long it lasts",
    "basket": "Order value",
    "spread.basket": "Order value, how customers differ",
}
PREFIXES: Final = {"appeal": "Appeal of {}", "taste_sd": "Taste for {}, how households differ"}


def _times(logit: float) -> str:
    """Tell a logit as a factor on the odds."""
    odds = math.exp(abs(logit))
    size = plain(odds, 1 if odds < 10 else 0)  # noqa: PLR2004
    return f"{size} times {'as likely' if logit >= 0 else 'less likely'}"


def _dearer(weight: float) -> str:
    return f"10% dearer: the odds of a purchase fall by {percent(1 - 1.1**-weight, 0)}"


def _of_habit(weight: float) -> str:
    return f"bought every time of late: {_times(weight)} as when never bought"


def _factor(sd_ln: float) -> str:
    factor = plain(math.exp(sd_ln), 1)
    return f"two households of three are within a factor of {factor} of the middle one"


PANEL: Final[Mapping[str, Callable[[float], str]]] = {
    "appeal": lambda v: (
        f"{_times(v)} as the first brand, price and promotion being equal"
        if v >= 0
        else f"{_times(v)} than the first brand, price and promotion being equal"
    ),
    "feat": lambda v: f"in the advertisement: {_times(v)}",
    "disp": lambda v: f"on display: {_times(v)}",
    "habit": _of_habit,
    "habit_median": _of_habit,
    "habit_sd_ln": _factor,
    "alpha": lambda v: f"of a habit {percent(v, 0)} is left after each purchase of another brand",
    "price": _dearer,
    "price_median": _dearer,
    "price_mean": _dearer,
    "price_sd": lambda _: "standard deviation over households",
    "price_sd_ln": lambda v: (
        f"two households of three are within a factor of {plain(math.exp(v), 1)} of the middle one"
    ),
    "taste_sd": lambda v: (
        f"two households of three are within a factor of {plain(math.exp(v), 1)} in the odds"
    ),
    "habit_settled": lambda v: (
        f"{percent(v, 0)} of the way from the brands' shares to what the "
        "household's own tastes would have made of it"
    ),
}

LOG: Final[Mapping[str, Callable[[float], str]]] = {
    "rate.shape": lambda v: (
        "the smaller, the more customers differ; "
        f"the coefficient of variation of rates is {plain(v**-0.5, 1)}"
    ),
    "rate.mean": lambda v: f"{plain(v, 2)} orders per customer and quarter, while they stay",
    "rate.half_life": lambda v: (
        f"after {plain(v, 1)} quarters half of what sets a customer's rate apart is gone"
    ),
    "leaving.mean": lambda v: f"{percent(v, 0)} of customers leave after an order, at first",
    "novelty": lambda v: f"a new customer's rate is {plain(1 + v, 1)} times the settled one",
    "fade": lambda v: f"weeks within which most of that is gone: {plain(v, 1)}",
    "basket": lambda v: f"{plain(v, 2)} is spent per order, mean over customers",
    "spread.basket": lambda v: (
        "two customers of three are within a factor of "
        f"{plain(math.exp(v), 1)} of the middle one in what an order is worth"
    ),
}


def parameter_name(kind: str, name: str) -> str:
    """Return what a parameter is called in a table."""
    if kind in ("targets", "lift"):
        return parameter_label(name)
    if kind == "transactions":
        return LOG_NAMES.get(name) or parameter_label(name)
    first, _, rest = name.partition(".")
    if rest and first in PREFIXES:
        return PREFIXES[first].format(rest)
    return NAMES.get(name) or (parameter_label(name) if "." in name else readable(name))


def meaning(kind: str, name: str, value: float | None, first_brand: str = "the first") -> str:
    """Say in plain words what an estimate means; empty where its name says it all.

    Parameters
    ----------
    kind
        Of the data.
    name, value
        Of the parameter.
    first_brand
        The one that appeals are compared with.
    """
    number, first = known(value), name.partition(".")[0]
    if number is None:
        return ""
    if kind == "panel" and first == "appeal":
        than = "as" if number >= 0 else "than"
        return f"{_times(number)} {than} {first_brand}, price and promotion being equal"
    told = {"panel": PANEL.get(first), "transactions": LOG.get(name)}.get(kind)
    return told(number) if told else ""


def number_text(value: float | None) -> str:
    """Format a number with three digits that matter, or four."""
    number = known(value)
    if number is None:
        return DASH
    size = abs(number)
    return plain(number, _decimals(size, 3 if size < 1 else 4) if size else 0)


def with_error(value: float | None, error: float | None) -> str:
    """Format a number with as many digits as its error has two of, and the error."""
    number, spread = known(value), known(error)
    if number is None or not spread:
        return number_text(number)
    decimals = _decimals(spread, 2)
    return f"{plain(number, decimals)} ± {plain(spread, decimals)}"


def _decimals(size: float, digits: int) -> int:
    """Return the decimals that show so many digits of a size."""
    return min(max(digits - 1 - math.floor(math.log10(size)), 0), MOST_DECIMALS)


def sentence(note: str) -> str:
    """Return a note as a sentence; a path at its beginning keeps its letters."""
    first = note.split(" ", 1)[0].rstrip(".,:;")
    begun = note[:1].upper() + note[1:] if first.isalpha() and first.islower() else note
    return begun if begun.endswith((".", "!", "?")) else f"{begun}."
