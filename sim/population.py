"""The table of customers: every column with its type, unit and meaning, one line each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.config.market import Market
from sim.kernels.layout import NEVER, Columns


class Column(NamedTuple):
    """One column of the table."""

    name: str
    dtype: type[np.generic]
    per_brand: bool
    unit: str
    label: str
    per_occasion: bool = False
    """A log of the quarter's occasions, which is kept only if asked for."""


COLUMNS = (
    Column("segment", np.uint8, False, "index", "segment of the market"),
    Column("rate", np.float32, False, "purchases per quarter", "own purchase rate"),
    Column(
        "leaving_logit", np.float32, False, "logit", "own probability to leave after a purchase"
    ),
    Column("basket", np.float32, False, "currency", "own value of an order"),
    Column("weight_value", np.float32, False, "logit", "weight of perceived value"),
    Column("weight_bond", np.float32, False, "logit", "weight of the bond"),
    Column("weight_habit", np.float32, False, "logit", "weight of habit"),
    Column("weight_price", np.float32, False, "logit", "weight of ln(price)"),
    Column("attraction_level", np.float32, False, "logit", "inclusive value of the usual market"),
    Column(
        "reference_log_price", np.float32, False, "ln(price)", "price that it has learnt to expect"
    ),
    Column("stock", np.float32, False, "share", "part of next quarter's need already bought"),
    Column("last_brand", np.int8, False, "index, -1 none", "brand bought last"),
    Column(
        "opinion_brand",
        np.int8,
        False,
        "index, -1 none",
        "brand of the opinion voiced last quarter",
    ),
    Column("opinion_valence", np.int8, False, "127 tanh", "valence of that opinion"),
    Column("birth", np.int16, False, "quarter, -1 before the run", "when it entered the category"),
    Column("first_purchase", np.int16, False, "quarter, -1 never, -2 before the run",
           "first purchase of the focal brand"),
    Column("flags", np.uint8, False, "bits", "bit 0: focal customer when the plan began"),
    Column("trailing_spend", np.float32, False, "currency",
           "focal spend of about a year: three quarters of it are kept from quarter to quarter"),
    Column("points", np.float32, False, "currency", "value of points not yet redeemed"),
    Column("tier", np.uint8, False, "index, 0 none", "tier of the focal brand's membership"),
    Column("satisfaction", np.uint8, False, "CSAT 0..100", "last answer on the focal brand"),
    Column("warnings", np.uint16, False, "2 bits a quarter", "warning levels, the last one lowest"),
    Column("care", np.uint8, False, "level", "offer against leaving that it gets next quarter"),
    Column("taste", np.float32, True, "logit", "fixed taste, xi"),
    Column("value", np.float32, True, "logit", "perceived value, P"),
    Column("bond", np.float32, True, "0..1", "emotional bond, E"),
    Column("habit", np.float32, True, "0..1, sum 1", "behavioural habit, H"),
    Column("awareness", np.float32, True, "0..1", "awareness, A"),
    Column("history", np.uint16, True, "bits", "bit k: bought k quarters ago; bit 15: ever before"),
    Column("bought", np.int8, False, "index, -1 none, -2 forgone",
           "brand bought at an occasion of this quarter", per_occasion=True),
)  # fmt: skip


class Population:
    """All customers of one run, as columns.

    Parameters
    ----------
    n_customers
        Number of customers; more than the number of segments.
    market
        Its segments decide the blocks in which customers are stored, its brands the width.
    n_slots
        Occasions per customer and quarter whose brand is logged; a byte each.

    Attributes
    ----------
    columns
        `Columns` of arrays: shape (n_customers,), or (n_brands, n_customers) for states per brand.
        `bought`, (n_slots, n_customers), is the log of the last quarter: slot k says what was
        bought at the customer's occasion k. Who leaves forgoes the occasions that were still to
        come. The log is of who held the row in that quarter, not of a newcomer to the next one.
    block_start
        Shape (n_segments + 1,): segment s holds rows block_start[s] to block_start[s + 1].
    """

    def __init__(self, n_customers: int, market: Market, n_slots: int = 0) -> None:
        self.block_start = block_starts(n_customers, [s.share for s in market.segments])

        def shape(column: Column) -> tuple[int, ...]:
            if column.per_occasion:
                return n_slots, n_customers
            return (len(market.brands), n_customers) if column.per_brand else (n_customers,)

        arrays: list[Any] = [np.zeros(shape(column), column.dtype) for column in COLUMNS]
        self.columns = Columns(*arrays)
        self.columns.bought.fill(NEVER)
        for s, (start, stop) in enumerate(
            zip(self.block_start, self.block_start[1:], strict=False)
        ):
            self.columns.segment[start:stop] = s
        self.columns.opinion_brand.fill(-1)

    def __len__(self) -> int:
        return len(self.columns.segment)

    def copy(self) -> Population:
        """Return an independent copy: two plans go on from one state."""
        twin = object.__new__(Population)
        twin.block_start = self.block_start
        arrays: list[Any] = [column.copy() for column in self.columns]
        twin.columns = Columns(*arrays)
        return twin

    @property
    def nbytes(self) -> int:
        """Memory of all columns, in bytes."""
        return sum(column.nbytes for column in self.columns)


def block_starts(n_customers: int, shares: list[float]) -> NDArray[np.int64]:
    """Split customers by shares with the largest remainder, and return where each block starts."""
    exact = np.asarray(shares, dtype=np.float64) * n_customers
    sizes = np.floor(exact).astype(np.int64)
    order = np.argsort(sizes - exact, kind="stable")
    sizes[order[: n_customers - int(sizes.sum())]] += 1
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def bytes_per_customer() -> tuple[int, int]:
    """Return bytes per customer and bytes per customer and brand, from the table, without a log."""

    def width(per_brand: bool) -> int:
        sizes: list[Any] = [
            np.dtype(c.dtype).itemsize
            for c in COLUMNS
            if c.per_brand == per_brand and not c.per_occasion
        ]
        return int(sum(sizes))

    return width(False), width(True)
