"""How often parameters that are known are found again in data that the engine made with them.

The markets and what is expected of them are those of `tests/calibration/test_recovery.py`, which
asserts the same. It takes many minutes, so the result is kept in `recovery.json`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
TEST = ROOT / "tests" / "calibration" / "test_recovery.py"
KEPT = Path(__file__).parent / "recovery.json"
MARKETS = {"panel": 24, "transactions": 20}
"""Kind of data to the number of markets, as in the test."""
PROCESSES = 2


def recover() -> None:
    """Make data in each market, estimate, and keep by how many standard errors each number is off.

    `recovery.json` gets, for `panel` and `transactions`, how many `units` the data are of, and one
    object per market, as soon as it is there: parameter to error.
    """
    kinds = [kind for kind, n in MARKETS.items() for _ in range(n)]
    numbers = [number for n in MARKETS.values() for number in range(n)]
    found: dict[str, dict[str, Any]] = {k: {"units": units(k), "markets": []} for k in MARKETS}
    with ProcessPoolExecutor(PROCESSES) as pool:
        for kind, errors in zip(kinds, pool.map(recover_market, kinds, numbers), strict=True):
            found[kind]["markets"].append(errors)
            KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def recover_market(kind: str, number: int) -> dict[str, float]:
    """Return by how many standard errors each parameter of a market is off."""
    test, one = load_test(), range(number, number + 1)
    with TemporaryDirectory() as name:
        if kind == "panel":
            found = test.recover_choice(one, Path(name))
        else:
            found = test.recover_orders(one, Path(name), units(kind))
    errors = {each.name: round(float(each.z), 3) for each in found}
    print(f"recovery: {kind} {number}: {errors}", file=sys.stderr, flush=True)
    return errors


def units(kind: str) -> int:
    """Return the number of households or customers whose data are made."""
    test = load_test()
    return int(test.HOUSEHOLDS if kind == "panel" else test.CUSTOMERS)


def load_test() -> ModuleType:
    """Return the test as a module."""
    spec = importlib.util.spec_from_file_location(TEST.stem, TEST)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[TEST.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept() -> dict[str, dict[str, Any]]:
    """Return what was found the last time."""
    found: dict[str, dict[str, Any]] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found
