"""Which numbers of a market are to be told, and where they may lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.config.build import Limits, real_numbers
from sim.config.fields import Uncertain
from sim.config.market import Market
from sim.config.matching import Free
from sim.errors import ConfigError
from sim.types import F64


@dataclass(frozen=True)
class Prior:
    """Where the free numbers may lie: the unit cube stands for their distributions."""

    numbers: Mapping[str, tuple[Callable[[float], float], Limits]]
    """Path below the market to a quantile function and what the field allows."""

    @property
    def paths(self) -> list[str]:
        """Paths below the market."""
        return list(self.numbers)

    def values(self, point: F64) -> dict[str, float]:
        """Return the numbers that a point of the cube stands for."""
        return {
            path: min(max(quantile(float(u)), limits.low), limits.high)
            for (path, (quantile, limits)), u in zip(self.numbers.items(), point, strict=True)
        }

    def table(self, points: F64) -> F64:
        """Return the numbers of many points, shape (n, n_numbers)."""
        return np.array([list(self.values(point).values()) for point in points])


def make_prior(free: Sequence[Free], market: Market, named: Sequence[str]) -> Prior:
    """Return where the free numbers may lie.

    Parameters
    ----------
    free
        What is free; of two entries for one path the later one holds.
    market
        The market.
    named
        Brands that targets name: what `brands.*` stands for. Where they are all brands, the focal
        one stays as it is: only differences between brands can be told.

    Raises
    ------
    ConfigError
        If a path leads to no number that may be free, or says nothing of where it may lie.
    """
    known = real_numbers(market)
    meant = dict.fromkeys(named)
    if len(meant) == len(market.brands):
        del meant[market.focal.name]
    numbers = {}
    for one in free:
        wild = one.path.startswith("brands.*.")
        for brand in meant if wild else ("",):
            path = one.path.replace("*", brand, 1) if wild else one.path
            if path not in known:
                top = path.partition(".")[0]
                near = [name for name in known if name.partition(".")[0] == top]
                raise ConfigError("no number of the market that may be free", key=f"free.{path}",
                                  value=path, known=near or known)  # fmt: skip
            stated, limits = known[path]
            numbers[path] = (_quantile(one, stated, limits, path), limits)
    if not numbers:
        raise ConfigError("nothing is free", key="free", allowed="one number of the market or more")
    return Prior(numbers)


def _quantile(free: Free, stated: float, limits: Limits, path: str) -> Callable[[float], float]:
    """Return the quantile function of a free number."""
    key = f"free.{path}"
    if (free.low is None) != (free.high is None):
        raise ConfigError("has one end", key=key, allowed="low and high")
    if free.low is not None and free.high is not None:
        low, high = free.low, free.high
    elif isinstance(stated, Uncertain):
        return lambda u: stated.quantile(u, limits.low, limits.high)
    elif free.by is not None:
        low, high = stated - free.by, stated + free.by
    elif free.times is not None and stated > 0:
        low, high = math.log(stated / free.times), math.log(stated * free.times)
        # The field's ends cut the range off, so that no part of it is lived twice.
        low = max(low, math.log(limits.low)) if limits.low > 0 else low
        high = min(high, math.log(limits.high)) if math.isfinite(limits.high) else high
        return lambda u: math.exp(low + u * (high - low))
    else:
        raise ConfigError(
            f"nothing says where it may lie (the market says {stated:g})", key=key,
            allowed="low and high, by, times of a number above 0, or a distribution in the market",
        )  # fmt: skip
    low, high = max(low, limits.low), min(high, limits.high)
    if low >= high:
        raise ConfigError(f"{low:g} is not below {high:g}", key=key, allowed=limits.allowed)
    return lambda u: low + u * (high - low)
