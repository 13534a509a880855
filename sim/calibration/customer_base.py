"""The customers of an order log that a calibration works on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import ks_2samp

from sim.calibration.incidence import WEEK, Calendar, Watch
from sim.calibration.lifetimes import Histories, collect
from sim.calibration.observed import Integers, Log
from sim.errors import DataError
from sim.types import F64

EVEN = 0.15
"""Largest distance of a panel's first days, counted from the start, and last, from the end."""
LATE = 0.10
"""Share of customers who may first appear in the second half of a panel's calibration."""
FEWEST = 10
"""Customers, or customers with repeat orders, below which nothing is estimated."""


def looks_like_panel(log: Log) -> bool:
    """Return whether the log's customers seem to have bought before it began.

    In a panel a log begins and ends in the middle of everybody's orders. So the days from its start
    to the first orders are spread as those from the last orders to its end, but for the few who
    leave, and few customers first appear in the second half. Where customers are acquired during
    the log, first orders come as acquisitions do, and last ones as customers leave. Only days for
    estimation are looked at.

    Notes
    -----
    The distance of the two distributions is that of Kolmogorov & Smirnov.
    """
    first = log.day[log.first[:-1]]
    known = first <= log.split
    unit = np.repeat(np.arange(log.n_units), np.diff(log.first))
    train = log.day <= log.split
    last = first.copy()
    np.maximum.at(last, unit[train], log.day[train])
    late = float(np.mean(first[known] > log.split / 2))
    gap = ks_2samp(first[known], log.split - last[known], method="asymp").statistic
    return late <= LATE and float(gap) <= EVEN


@dataclass(frozen=True)
class CustomerBase:
    """The customers that are calibrated on, and their orders after entry."""

    log: Log
    panel: bool
    entry: Integers
    """(n,) day of the first order; for a panel the day before the log."""
    unit: Integers
    """(n_orders,) customer of each order after entry."""
    day: Integers
    """(n_orders,) its day."""
    n_new: int
    """Customers who first appear after the split and are not calibrated on."""
    n_train: int
    n_test: int
    spending: tuple[Integers, F64] | None
    """Customer and amount of the orders up to the split, first ones included; None without."""
    repeat_spending: tuple[Integers, F64] | None
    """The same of orders after entry."""

    @property
    def n(self) -> int:
        """Number of customers."""
        return len(self.entry)

    @property
    def before(self) -> int:
        """Last day before the watch began: before the log, whatever the first order."""
        return -1 if self.panel else min(int(self.entry.min()), 0) - 1

    @property
    def tested(self) -> bool:
        """Whether anything was kept back."""
        return self.log.end > self.log.split

    def orders(self, start: int, stop: int) -> F64:
        """Return each customer's orders after entry and after day `start`, up to day `stop`."""
        inside = (self.day > start) & (self.day <= stop)
        return np.bincount(self.unit[inside], minlength=self.n).astype(float)

    def histories(self, until: int) -> Histories:
        """Return what the field's models know on a day."""
        inside = self.day <= until
        last = self.entry.copy()
        np.maximum.at(last, self.unit[inside], self.day[inside])
        x = np.bincount(self.unit[inside], minlength=self.n).astype(float)
        return collect(x, (last - self.entry) / WEEK, (until - self.entry) / WEEK)

    def watch(self, calendar: Calendar, until: int, chosen: Integers) -> Watch:
        """Return what the filter knows on a day that ends a block, of the chosen customers."""
        n_blocks, n = calendar.until(until), len(chosen)
        number = np.full(self.n, -1)
        number[chosen] = np.arange(n)
        inside = (self.day <= until) & (number[self.unit] >= 0)
        who, day = number[self.unit[inside]], self.day[inside]
        block = np.searchsorted(calendar.bounds, day) - 1
        counts = np.bincount(who * n_blocks + block, minlength=n * n_blocks)
        entry = self.entry[chosen]
        last = entry.copy()
        np.maximum.at(last, who, day)
        rows = np.column_stack([entry, last, counts.reshape(n, n_blocks)])
        cells, cell, size = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
        ones = np.ones(len(cells))
        return Watch(
            entry=cells[:, 0], counts=cells[:, 2:], last=cells[:, 1], n=size.astype(float),
            cell=cell.ravel(), ages=np.bincount(day - entry[who]).astype(float),
            opened=self.panel, rate=ones, leaving=ones,
        )  # fmt: skip


def check_days(log: Log) -> None:
    """Raise DataError if the days cannot tell anything."""
    if log.n_units < FEWEST:
        raise DataError(f"{log.source}: {log.n_units} customers; allowed: at least {FEWEST}")
    if log.day.min() == log.day.max():
        raise DataError(
            f"{log.source}: all {len(log.day)} orders are on one day, so nobody can be seen to "
            "come back; allowed: orders over some months"
        )


def take_customers(log: Log, panel: bool) -> CustomerBase:
    """Collect the customers who are known at the split, and their orders after entry."""
    first_day = log.day[log.first[:-1]]
    known = first_day <= log.split if not panel else np.ones(log.n_units, bool)
    number = np.cumsum(known) - 1
    unit = np.repeat(np.arange(log.n_units), np.diff(log.first))
    rows = known[unit]
    is_first = np.zeros(len(log.day), bool)
    is_first[log.first[:-1]] = True
    after = rows & (panel | ~is_first)
    train = rows & (log.day <= log.split)
    amount = log.amount
    return CustomerBase(
        log=log,
        panel=panel,
        entry=np.full(int(known.sum()), -1) if panel else first_day[known],
        unit=number[unit[after]],
        day=log.day[after],
        n_new=int(np.sum(~known)),
        n_train=int(train.sum()),
        n_test=int(np.sum(rows & ~train)),
        spending=None if amount is None else (number[unit[train]], amount[train]),
        repeat_spending=None
        if amount is None
        else (number[unit[train & after]], amount[train & after]),
    )


def check_repeats(base: CustomerBase) -> None:
    """Raise DataError if too few customers are known at the split, or too few came back."""
    log = base.log
    if base.n < FEWEST:
        raise DataError(
            f"{log.source}: {base.n} of {log.n_units} customers ordered by day {log.split}, the "
            f"last for estimation; allowed: at least {FEWEST}, or a later `holdout`"
        )
    back = int(np.sum(base.orders(-2, log.split) > 0))
    if back == 0:
        raise DataError(
            f"{log.source}: none of {base.n} customers came back by day {log.split}, the last for "
            "estimation; allowed: a log in which customers order again"
        )
