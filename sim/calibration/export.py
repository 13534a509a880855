"""What a firm would have observed in a simulated market, with the truth beside it.

The same files that `calibrate` reads: a household panel, or the order log of one brand. Other tools
can be tested on them, since what made the data is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numba import njit
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

from sim.config.build import Unknowns, dump
from sim.config.study import Config
from sim.errors import ConfigError, DataError
from sim.kernels import layout as at
from sim.kernels.philox import MOMENT, SAMPLING, philox, uniform
from sim.model import LoyaltyModel
from sim.store import check_table, write_run, write_table
from sim.types import F64, WEEKS_PER_QUARTER, Channel, Mask

DAYS_PER_QUARTER: Final = 7 * WEEKS_PER_QUARTER
FIRST_SLOTS: Final = 16
"""Occasions per customer and quarter that are logged at first; twice as many if some buy more."""
DIGITS: Final = 6
"""Significant digits of a price: what float32 computes exactly."""
NOBODY: Final = -1
"""Who holds a place whose holder is not exported."""
WEIGHTS: Final = ("value", "bond", "habit", "price")

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Export:
    """What was observed, and what made it."""

    observed: pd.DataFrame
    """What a firm would have."""
    units: pd.DataFrame
    """The truth about each household or customer: one row each, those without a purchase too."""
    truth: Mapping[str, Any]
    """The market as it was lived, and what the columns mean."""

    def save(self, path: Path) -> list[Path]:
        """Write what was observed into a file, and the truth into two files beside it.

        FILE.csv (or FILE.parquet), FILE.units.csv and FILE.truth.json are each written whole or not
        at all.

        Raises
        ------
        StoreError
            If the suffix is none of a table, or a file cannot be written.
        """
        check_table(path)
        units = path.with_suffix(f".units{path.suffix}")
        truth = path.with_suffix(".truth.json")
        write_table(path, self.observed)
        write_table(units, self.units)
        write_run(path.parent, {}, {truth.stem: self.truth})
        return [path, units, truth]


def export_panel(
    config: Config | Unknowns | str,
    households: int = 1000,
    *,
    world: int = 0,
    burn_in: bool = False,
    newcomers: bool = False,
) -> Export:
    """Return the purchases of some households, with what each brand cost when they chose.

    Parameters
    ----------
    config
        The market and what happens in it: `plan`, `rivals`, `risks`, `customers`, `quarters`.
    households
        Number of places in the market that are watched. Whoever takes the place of a household that
        has left the category is another household, so there may be more of them in the end.
    world
        Number of the world: with the seed of the configuration it decides every draw.
    burn_in
        Whether the quarters before the plan are observed, too; their days are below 0.
    newcomers
        Whether only households are observed that came into the category meanwhile. Nobody has
        missed anything of their past.

    Returns
    -------
    Export
        One row per purchase: `hid`, `seq` (1 for the household's first), `day` (since the plan's
        first), `choice`, `price.BRAND` (in currency: what an average order costs at the price of
        that quarter, discounts included) and, if any brand was ever featured, `feat.BRAND` (1 where
        a brand is featured as strongly as any is).

    Raises
    ------
    ConfigError
        If more households are asked for than there are customers.
    DataError
        If nobody bought anything.
    """
    diary = _watch(config, households, world, burn_in, newcomers)
    names = [brand.name for brand in diary.market.brands]
    bought = diary.purchases
    table = pd.DataFrame(
        {
            "hid": bought.unit + 1,
            "seq": _number_within(bought.unit),
            "day": bought.day,
            "choice": np.array(names)[bought.brand],
        }
    )
    price = _significant(bought.price * float(diary.market.basket))
    strongest = float(np.max(np.abs(bought.feature), initial=0.0))
    columns = {f"price.{name}": price[:, b] for b, name in enumerate(names)}
    if strongest > 0.0:
        feature = _significant(bought.feature / strongest)
        columns |= {f"feat.{name}": feature[:, b] for b, name in enumerate(names)}
    table = pd.concat([table, pd.DataFrame(columns)], axis=1)
    truth = {"kind": "panel", **diary.truth(), "feature_logit": strongest or None}
    return Export(table, diary.units("hid", bought), truth)


def export_log(
    config: Config | Unknowns | str,
    households: int = 1000,
    *,
    brand: str | None = None,
    start: str = "2025-01-01",
    world: int = 0,
    burn_in: bool = False,
    newcomers: bool = False,
) -> Export:
    """Return the orders that a brand took from some customers: who, when, how much.

    Parameters
    ----------
    config, households, world, burn_in, newcomers
        As for `export_panel`. Who never buys the brand is in `units` only.
    brand
        Whose log; the focal brand's if not given.
    start
        Date of the plan's first day. A quarter is 13 weeks.

    Returns
    -------
    Export
        By date, one row per customer and day: `customer`, `date` (YYYY-MM-DD), `amount` (currency,
        of one purchase the customer's own order value x price x order factor, as the kernel counts
        revenue).

    Raises
    ------
    ConfigError
        If there is no such brand, `start` is no date, or more households are asked for than there
        are customers.
    DataError
        If nobody bought the brand.
    """
    first = _parse_day(start)
    diary = _watch(config, households, world, burn_in, newcomers)
    names = [each.name for each in diary.market.brands]
    if brand is not None and brand not in names:
        raise ConfigError(f"no such brand: {brand}", key="brand", value=brand, known=names)
    index = names.index(brand) if brand else 0
    bought = diary.purchases
    mine = bought.brand == index
    if not mine.any():
        raise DataError(f"nobody of the {households} who are watched bought {names[index]}")
    units = diary.units("customer", bought)
    basket = units["basket"].to_numpy(np.float64)[bought.unit[mine]]
    paid = basket * bought.order_value[mine, index] * bought.price[mine, index]
    table = pd.DataFrame(
        {
            "customer": bought.unit[mine] + 1,
            "date": _dates(first, bought.day[mine]),
            "amount": _significant(paid),
        }
    )
    table = table.groupby(["date", "customer"])[["amount"]].sum().reset_index()
    table = table[["customer", "date", "amount"]]
    truth = {"kind": "transactions", **diary.truth(), "brand": names[index], "first_day": start}
    return Export(table, units, truth)


# --- watching the market ------------------------------------------------------------------------


class _Purchases(NamedTuple):
    """Purchases by unit and time; one row each. What brands do has shape (n, n_brands)."""

    unit: Integers
    day: Integers
    brand: Integers
    price: F64
    """Ratio to the category's normal price."""
    feature: F64
    """Logit."""
    order_value: F64
    """Factor on the order."""


def _watch(
    config: Config | Unknowns | str, households: int, world: int, burn_in: bool, newcomers: bool
) -> _Diary:
    """Live the market, and return the diary of the places that are watched.

    If somebody buys too often for the log, the market is lived again with a longer one: the
    generator makes the same world of it.
    """
    n_slots = FIRST_SLOTS
    while True:
        model = LoyaltyModel(config, replication=world, observe=n_slots, collect=False)
        if not burn_in:
            model.burn_in()
        diary = _Diary(model, households, newcomers)
        while model.running and not diary.overflow:
            diary.live_quarter()
        if not diary.overflow:
            break
        n_slots *= 2
    if not len(diary.purchases.unit):
        raise DataError(f"nobody of the {households} households that are watched bought anything")
    return diary


class _Diary:
    """Who held the watched places of a market, and what they bought.

    Attributes
    ----------
    overflow
        Whether somebody bought so often that the log may have missed a purchase.
    """

    def __init__(self, model: LoyaltyModel, households: int, newcomers: bool) -> None:
        self.model, self.newcomers = model, newcomers
        self.market = model.config.market
        self.rows = _choose_rows(households, model)
        self.first_quarter = model.state.quarter
        self.holder = np.full(households, NOBODY)
        self.birth = np.full(households, np.iinfo(np.int64).min)
        self.overflow, self.n_units = False, 0
        self.people: list[dict[str, Any]] = []
        self.arrivals: list[tuple[Integers, Integers]] = []
        self.departures: list[tuple[Integers, Integers]] = []
        self.pages: list[_Purchases] = []

    def live_quarter(self) -> None:
        """Let a quarter go by, and write down who came, bought and left."""
        model, rows, quarter = self.model, self.rows, self.model.state.quarter
        self._meet_newcomers()
        columns = model.population.columns
        rate = columns.rate[rows].astype(np.float64)
        model.step()
        assert model.offer is not None  # the quarter was lived under it
        rate *= model.offer.rate_factor[columns.segment[rows]]
        bought = np.ascontiguousarray(columns.bought[:, rows].T)
        self.overflow = bool((bought[:, -1] != at.NEVER).any())
        arrived = self.birth == quarter
        moments = draw_moments(rows, bought.shape[1], quarter, model.seed_number, model.replication)
        moments = place_in_time(bought, moments, arrived, rate)
        day = DAYS_PER_QUARTER * (quarter - model.config.burn_in)
        days = day + np.floor(DAYS_PER_QUARTER * moments).astype(np.int64)
        known = self.holder != NOBODY
        came = known & arrived
        left = known & (columns.birth[rows] != self.birth)
        last = (bought >= 0).sum(axis=1) - 1
        self.arrivals.append((self.holder[came], days[came, 0]))
        self.departures.append((self.holder[left], days[left, last[left]]))
        self.pages.append(self._page(np.where(known[:, None], bought, at.NEVER), days))

    def _meet_newcomers(self) -> None:
        """Give a number to everybody who is new, and write down what they are like."""
        columns = self.model.population.columns
        birth = columns.birth[self.rows].astype(np.int64)
        new = birth != self.birth
        self.birth, self.holder[new] = birth, NOBODY
        if self.newcomers:
            new &= birth >= self.first_quarter
        rows = self.rows[new]
        self.holder[new] = self.n_units + np.arange(len(rows))
        self.n_units += len(rows)
        segments = np.array([segment.name for segment in self.market.segments])
        leaving = 1.0 / (1.0 + np.exp(-columns.leaving_logit[rows].astype(np.float64)))
        person = {
            "segment": segments[columns.segment[rows]],
            "rate": columns.rate[rows],
            "leaving": _significant(leaving),
            "basket": columns.basket[rows],
        }
        weights = {f"weight.{w}": getattr(columns, f"weight_{w}")[rows] for w in WEIGHTS}
        taste = {
            f"taste.{brand.name}": columns.taste[b, rows]
            for b, brand in enumerate(self.market.brands)
        }
        self.people.append(person | weights | taste)

    def _page(self, bought: NDArray[np.int8], days: Integers) -> _Purchases:
        """Return the quarter's purchases, with what every brand offered the buyer's segment."""
        offer, brands = self.model.offer, self.model.brands
        assert offer is not None
        place, occasion = np.nonzero(bought >= 0)
        segment = self.model.population.columns.segment[self.rows[place]]
        feature = np.stack([brand.channels[Channel.FEATURE] for brand in brands])
        feature[0] += self.model.risk_hits[Channel.FEATURE]
        return _Purchases(
            self.holder[place],
            days[place, occasion],
            bought[place, occasion].astype(np.int64),
            np.exp(offer.log_price.astype(np.float64)).T[segment],
            feature.T[segment],
            offer.order_value.astype(np.float64).T[segment],
        )

    @property
    def purchases(self) -> _Purchases:
        """All purchases, those of a unit side by side in the order of time."""
        columns = [np.concatenate(parts) for parts in zip(*self.pages, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        return _Purchases(*(column[order] for column in columns))

    def units(self, name: str, purchases: _Purchases) -> pd.DataFrame:
        """Return the truth about each unit; its number stands in the column `name`."""
        people = pd.concat(map(pd.DataFrame, self.people), ignore_index=True)
        ahead = {
            name: np.arange(self.n_units) + 1,
            "entered": self._when(self.arrivals),
            "left": self._when(self.departures),
            "purchases": np.bincount(purchases.unit, minlength=self.n_units),
        }
        return pd.concat([pd.DataFrame(ahead), people], axis=1)

    def _when(self, events: list[tuple[Integers, Integers]]) -> pd.Series:
        """Return the day of each unit's event; empty for those that had none."""
        day = pd.array([pd.NA] * self.n_units, dtype="Int64")
        for units, days in events:
            day[units] = days
        return pd.Series(day)

    def truth(self) -> dict[str, Any]:
        """Return the market as it was lived, as plain data."""
        config = self.model.config
        first = DAYS_PER_QUARTER * (self.first_quarter - config.burn_in)
        return {
            "market": dump(config.market),
            "rivals": dump(config.rivals),
            "plan": dump(config.plan),
            "seed": self.model.seed_number,
            "world": self.model.replication,
            "customers": config.customers,
            "places_watched": len(self.rows),
            "newcomers_only": self.newcomers,
            "days_per_quarter": DAYS_PER_QUARTER,
            "observed_days": [first, DAYS_PER_QUARTER * config.quarters - 1],
        }


def _choose_rows(n: int, model: LoyaltyModel) -> Integers:
    """Return n rows of the population, drawn without regard to anything."""
    n_rows = len(model.population)
    if n > n_rows:
        raise ConfigError(
            f"asks for {n:,} households of {n_rows:,} customers", key="households", value=n,
            allowed=f"1 to {n_rows:,}, the number of simulated customers",
        )  # fmt: skip
    lot = draw_lots(n_rows, model.seed_number, model.replication)
    rows: Integers = np.sort(np.argsort(lot, kind="stable")[:n])
    return rows


@njit(nogil=True, cache=True, error_model="numpy")
def draw_lots(n, seed, replication):  # type: ignore[no-untyped-def]
    """Return a uniform draw for each row of the population, shape (n,)."""
    lots = np.empty(n)
    for row in range(n):
        word, _, _, _ = philox(row, 0, SAMPLING, 0, seed, replication)
        lots[row] = uniform(word)
    return lots


@njit(nogil=True, cache=True, error_model="numpy")
def draw_moments(rows, n, quarter, seed, replication):  # type: ignore[no-untyped-def]
    """Return n uniform draws for each of some rows of the population, shape (n_rows, n)."""
    moments = np.empty((len(rows), n))
    for i in range(len(rows)):
        for k in range(n):
            word, _, _, _ = philox(rows[i], quarter, MOMENT, k, seed, replication)
            moments[i, k] = uniform(word)
    return moments


def place_in_time(bought: NDArray[np.int8], moments: F64, arrived: Mask, rate: F64) -> F64:
    """Return when in the quarter occasions were, shape (n_rows, n_slots), 0..1; 1 for none.

    Parameters
    ----------
    bought
        Shape (n_rows, n_slots): the log of the quarter, forgone occasions included.
    moments
        Uniform draws of that shape.
    arrived
        Shape (n_rows,): whether the first occasion is what brought a newcomer in.
    rate
        Shape (n_rows,): occasions expected of a whole quarter.

    Notes
    -----
    The engine draws how many occasions a quarter has, a Poisson count. Given the count, the times
    of a Poisson process are uniform order statistics. Of a newcomer who comes at a uniform time
    with s of the quarter left, and then buys n times at rate m, the density of s is that of
    Gamma(n + 1, rate m), cut off at 1.
    """
    planned = bought != at.NEVER
    times = np.where(planned, moments, 1.0)
    times[:, 1:] = np.where(arrived[:, None], np.sort(times[:, 1:]), times[:, 1:])
    times[~arrived] = np.sort(times[~arrived])
    left = _time_left(moments[arrived, 0], planned[arrived].sum(axis=1), rate[arrived])[:, None]
    times[arrived, 1:] = 1.0 - left + left * times[arrived, 1:]
    times[arrived, 0] = 1.0 - left[:, 0]
    return times


def _time_left(u: F64, n: Integers, rate: F64) -> F64:
    """Return the u-quantile of Gamma(n, rate) cut off at 1."""
    below = gammainc(n, rate)
    told = below > np.finfo(float).tiny  # else nothing but n counts
    with np.errstate(divide="ignore", invalid="ignore"):
        quantile = gammaincinv(n, u * below) / rate
    left: F64 = np.clip(np.where(told, quantile, u ** (1.0 / n)), 0.0, 1.0)
    return left


def _number_within(unit: Integers) -> Integers:
    """Return 1, 2, ... for the rows of each unit; rows of one unit are neighbours."""
    rows = np.arange(len(unit))
    first = np.concatenate([[True], unit[1:] != unit[:-1]])
    return rows - np.maximum.accumulate(np.where(first, rows, 0)) + 1


def _significant(x: F64) -> F64:
    """Return numbers with as many digits as float32 knows."""
    with np.errstate(divide="ignore"):
        size = np.where(x == 0.0, 0.0, np.floor(np.log10(np.abs(x))))
    step = 10.0 ** (DIGITS - 1 - size)
    rounded: F64 = np.round(x * step) / step
    return rounded


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            "is no date", key="start", value=text, allowed="a date as YYYY-MM-DD"
        ) from None


def _dates(first: date, days: Integers) -> NDArray[np.str_]:
    """Return the dates of days after the first, YYYY-MM-DD."""
    dates: NDArray[np.str_] = (np.datetime64(first, "D") + days.astype("m8[D]")).astype(str)
    return dates
