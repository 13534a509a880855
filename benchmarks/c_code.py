"""The minimal model in C: `scalar.c` as one writes it, `vector.c` as fast as it goes.

Both are compiled on the spot for this processor (`CC`, by default gcc) and called through ctypes,
which lets other threads run meanwhile. Customers are ordered by rate and taken in chunks, quarter
by quarter, as ours are.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.minimal import (
    PARAMETERS,
    QUARTERS,
    Customers,
    Outcome,
    Unavailable,
    by_rate,
    draw_customers,
)

SOURCES = Path(__file__).parent / "c"
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC", f"-DN_BRANDS={PARAMETERS.n_brands}")
BLOCK = 64  # customers; `vector.c` takes whole blocks
CHUNK = 1024 * BLOCK  # customers of one call

F32 = NDArray[np.float32]
_COLUMN = ctypes.POINTER(ctypes.c_float)


class _Parameters(ctypes.Structure):
    """`parameters` of model.h."""

    _fields_ = [
        (name, ctypes.c_float)
        for name in (
            "weight_value", "weight_habit", "learning", "negativity", "noise", "smoothing",
        )
    ]  # fmt: skip


class _Customers(ctypes.Structure):
    """`customers` of model.h."""

    _fields_ = [
        ("n_customers", ctypes.c_int64),
        ("rate", _COLUMN),
        ("taste", _COLUMN),
        ("value", _COLUMN),
        ("habit", _COLUMN),
    ]


def compiler() -> str:
    """Return the C compiler's command."""
    return os.environ.get("CC", "gcc")


@cache
def load(source: str) -> Callable[..., None]:
    """Compile a source and return its `live_quarter`.

    Raises
    ------
    Unavailable
        There is no compiler, or it does not like the source.
    """
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "model.so"
        command = [*compiler().split(), *FLAGS, str(SOURCES / source), "-o", str(library), "-lm"]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except OSError as error:
            raise Unavailable(f"no C compiler: {compiler()}: {error.strerror}") from error
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines() or [f"exit code {error.returncode}"]
            raise Unavailable(f"{compiler()} fails on {source}: {lines[0]}") from error
        function: Any = ctypes.CDLL(str(library)).live_quarter
    function.restype = None
    function.argtypes = [
        ctypes.POINTER(_Parameters),
        ctypes.POINTER(_Customers),
        ctypes.c_int64,
        ctypes.c_int64,
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.POINTER(ctypes.c_int64),
    ]
    return function  # type: ignore[no-any-return]


def whole_blocks(customers: Customers) -> Customers:
    """Return the customers with some who never buy behind them, up to a whole block."""
    more = -len(customers.rate) % BLOCK
    return Customers(
        np.pad(customers.rate, (0, more)), np.pad(customers.taste, ((0, 0), (0, more)))
    )


def run(source: str, n_customers: int, threads: int, seed: int) -> Outcome:
    """Run the model; the clock runs over the quarters only."""
    drawn = by_rate(draw_customers(n_customers, np.random.default_rng(seed)))
    customers = whole_blocks(drawn)
    rate, taste = (np.ascontiguousarray(x, np.float32) for x in customers)
    value, habit = np.zeros_like(taste), np.full_like(taste, 1.0 / PARAMETERS.n_brands)
    purchases, seconds = live(load(source), rate, taste, value, habit, threads, seed)
    return Outcome(seconds, purchases, value[:, :n_customers], habit[:, :n_customers])


def live(
    live_quarter: Callable[..., None], rate: F32, taste: F32, value: F32, habit: F32,
    threads: int, seed: int,
) -> tuple[NDArray[np.float64], float]:  # fmt: skip
    """Take customers through all quarters; return purchases, (n_brands,), and seconds."""
    n = len(rate)
    columns = [column.ctypes.data_as(_COLUMN) for column in (rate, taste, value, habit)]
    state = _Customers(n, *columns)
    parameters = _Parameters(*(getattr(PARAMETERS, field[0]) for field in _Parameters._fields_))
    starts = range(0, n, CHUNK)
    bought = np.zeros((len(starts), PARAMETERS.n_brands), np.int64)

    def live_chunk(quarter: int, chunk: int) -> None:
        first = starts[chunk]
        sums = bought[chunk].ctypes.data_as(ctypes.POINTER(ctypes.c_int64))
        last = min(first + CHUNK, n)
        live_quarter(parameters, state, first, last, quarter, seed, sums)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(abs, range(threads)))  # threads are started before the clock
        began = time.perf_counter()
        for quarter in range(QUARTERS):
            # The first chunks hold those who buy most: who is done early takes a lighter one.
            list(pool.map(partial(live_chunk, quarter), range(len(starts))))
        seconds = time.perf_counter() - began
    return bought.sum(axis=0).astype(np.float64), seconds
