"""Fidelio: what a loyalty plan would do to loyalty, churn and return, and how sure that is.

import sim
result = sim.simulate(sim.load("retail_three_phase", ["customers=50_000"]))
result.summary()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.config.load import load
    from sim.config.study import Config
    from sim.errors import ConfigError, DataError, FidelioError, StoreError
    from sim.model import LoyaltyModel
    from sim.result import Result, simulate
    from sim.sweep.reading import Sweep
    from sim.sweep.reading import open_sweep as open  # as one opens a file

# Imported when first asked for, so that `fidelio --help` does not wait for Numba and pandas.
_HOME = {
    "Config": "sim.config.study",
    "ConfigError": "sim.errors",
    "DataError": "sim.errors",
    "FidelioError": "sim.errors",
    "LoyaltyModel": "sim.model",
    "Result": "sim.result",
    "StoreError": "sim.errors",
    "Sweep": "sim.sweep.reading",
    "load": "sim.config.load",
    "open": "sim.sweep.reading",
    "simulate": "sim.result",
}
_CALLED = {"open": "open_sweep"}
"""What is called otherwise at home, where the name is Python's own."""

__all__ = [
    "Config",
    "ConfigError",
    "DataError",
    "FidelioError",
    "LoyaltyModel",
    "Result",
    "StoreError",
    "Sweep",
    "load",
    "open",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sim' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), _CALLED.get(name, name))


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
