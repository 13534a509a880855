"""One outcome of a sweep as its analyses take it: a mean per point, the factors beside it.

Means are taken in the store's own SQL, so that points x replications never lie in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from sim.errors import ConfigError, StoreError
from sim.types import F64

I64 = npt.NDArray[np.int64]
Document = Mapping[str, Any]

ROW: Final = ("point", "run")
"""Columns of the table of points that are no factors."""
GOOD: Final = "coalesce(error, '') = ''"
"""In SQL: the unit did not fail."""
ORDERED: Final = {"saltelli", "morris"}
"""Kinds of designs whose points belong together in groups, one after the other."""


class Asked(Protocol):
    """What can be asked of a sweep that is open, see `sim.sweep.reading`."""

    @property
    def documents(self) -> Sequence[Document]:
        """The manifest, and what each extension added."""

    def sql(self, text: str) -> pd.DataFrame:
        """Return what a query over `points` and `outcomes` gives."""


@dataclass(frozen=True, slots=True)
class Varied:
    """A factor over the points that are shown."""

    name: str
    numbers: F64
    """Its value at each point, shape (n,); of texts and booleans the place among `levels`."""
    levels: tuple[str, ...] = ()
    """What the texts or booleans are, in order; empty if the factor is a number."""
    log: bool = False
    """Whether it was varied on a logarithmic scale."""

    @property
    def is_number(self) -> bool:
        """Whether its values can be ordered and added."""
        return not self.levels


@dataclass(frozen=True, slots=True)
class Chance:
    """How the variance of single results, one world each, splits; nulls with one replication."""

    between: float | None = None
    """Share between points: what factors can explain."""
    shared: float | None = None
    """Share of luck that a replication's world brings to all points alike."""
    own: float | None = None
    """Share of luck that is a point's own in a replication."""
    noise: float | None = None
    """Share of the variance between the means of points that is own luck still: the part that no
    factor explains."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed units with the same message, numbers in it aside."""

    message: str
    """That of the example."""
    units: int
    points: int
    example: int
    """The first point that failed so."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many points and units there are, and how they came out."""

    points: int
    """Points of the design and of its extensions."""
    shown: int
    """Points whose replications are all there and that have the outcome."""
    open: int
    """Points that lack replications still."""
    failed: int
    """Points in which a replication failed: they are left out."""
    without: int
    """Points that are complete but for which the outcome does not exist in any replication."""
    partly: int
    """Points that are shown with the mean of those replications in which the outcome exists."""
    units: int
    """Points x replications that are planned."""
    done: int
    """Of these, those that are there, failed ones included."""


@dataclass(frozen=True, slots=True)
class Means:
    """One outcome of one plan: its mean at each point.

    Attributes
    ----------
    points
        Numbers of the points that are shown, shape (n,).
    mean
        Mean over the replications of each, shape (n,).
    error
        Standard error of that mean, from the spread over replications, shape (n,); NaN with one.
    factors
        Those that are asked for and vary.
    constant
        Names of those that are asked for and do not.
    every
        All of the sweep, asked for or not.
    clusters
        Which points were drawn together (a base sample, a trajectory) and are not independent,
        shape (n,); each its own otherwise.
    """

    outcome: str
    plan: str
    points: I64
    mean: F64
    error: F64
    factors: tuple[Varied, ...]
    constant: tuple[str, ...]
    every: tuple[Varied, ...]
    clusters: I64
    counts: Counts
    chance: Chance
    failures: tuple[Failure, ...]
    documents: tuple[Document, ...]

    def __len__(self) -> int:
        """Return the number of points that are shown."""
        return len(self.points)

    def factor(self, name: str) -> Varied:
        """Return a factor by its column."""
        return next(factor for factor in self.factors if factor.name == name)


def read_means(
    sweep: Asked, outcome: str = "npv", plan: str | None = None, factors: Sequence[str] = ()
) -> Means:
    """Return the mean of an outcome at each point of a sweep.

    A point is shown once it has all replications that it came with and none of them failed: means
    over fewer worlds would be compared with means over other ones.

    Parameters
    ----------
    sweep
        The sweep, open.
    outcome
        One of the sweep's outcomes.
    plan
        One of its plans; the first one that is not the baseline if None.
    factors
        Columns of the factors to be shown; all if empty.

    Raises
    ------
    ConfigError
        If the sweep has no such outcome, plan or factor.
    StoreError
        If no point is complete.
    """
    documents = tuple(sweep.documents)
    check_known("outcome", outcome, documents[0]["columns"]["outcomes"])
    plans = list(documents[0]["plans"])
    plan = plan or plans[min(1, len(plans) - 1)]
    check_known("plan", plan, plans)
    columns = [str(name) for name in sweep.sql("select * from points limit 0")
               if name not in ROW]  # fmt: skip
    for name in factors:
        check_known("factors", name, columns)
    table = sweep.sql(_means_query(outcome, plan, columns))
    required = required_replications(documents, table["run"].to_numpy(np.int64))
    whole, counts = _count(table, required)
    if not whole.any():
        raise StoreError(_nothing_to_show(counts, outcome))
    shown = table[whole]
    described = {column_of(factor): factor for factor in documents[0]["design"]["factors"]}
    every = [_varied(shown[name], described.get(name, {})) for name in columns]
    varied = [factor for factor in every if factor.name in (factors or columns)]
    points = shown["point"].to_numpy(np.int64)
    n = shown["known"].to_numpy(np.float64)
    variance = shown["variance"].to_numpy(np.float64)
    means = shown["mean"].to_numpy(np.float64)
    return Means(
        outcome, plan, points, means, np.sqrt(variance / n),
        tuple(factor for factor in varied if np.ptp(factor.numbers) > 0),
        tuple(factor.name for factor in varied if np.ptp(factor.numbers) == 0),
        tuple(every),
        clusters_of(documents, points), counts,
        _chance(sweep, outcome, plan, means, variance, n), _failures(sweep, plan), documents,
    )  # fmt: skip


def check_known(key: str, value: str, known: Sequence[str] | Mapping[str, Any]) -> None:
    """Raise ConfigError, naming the nearest, if a sweep has no such thing."""
    if value not in known:
        raise ConfigError("the sweep has none of this name", key=key, value=value, known=known)


def currency_of(manifest: Document) -> str:
    """Return the currency of the sweep's first configuration."""
    return str(manifest["configurations"][0]["configuration"]["market"]["currency"])


def column_of(factor: Document) -> str:
    """Return the column of a factor of a design."""
    return str(factor.get("name") or factor["key"])


def required_replications(documents: Sequence[Document], runs: I64) -> I64:
    """Return how many replications each run came with: those of the first block that covers it."""
    last = max(int(d["block"]["first_run"]) + int(d["block"]["runs"]) for d in documents)
    required = np.zeros(max(last, int(runs.max(initial=-1)) + 1), dtype=np.int64)
    for document in documents:
        block = document["block"]
        own = required[block["first_run"] : block["first_run"] + block["runs"]]
        own[own == 0] = block["replications"]
    return required[runs]


def first_points(documents: Sequence[Document]) -> list[int]:
    """Return the number of the first point of each document; last, the number of all points."""
    return [0, *np.cumsum([int(document["points"]) for document in documents]).tolist()]


def group_size(design: Document, points: int) -> int:
    """Return how many points of a design belong together: a base sample, a trajectory, or one.

    Raises
    ------
    StoreError
        If the number of points is none that the design can have.
    """
    n = len(design["factors"])
    sizes = {"saltelli": (2 * n + 2, n + 2), "morris": (n + 1,)}.get(design["kind"], (1,))
    base = design["points"]
    for size in sizes:
        if len(sizes) == 1 and points % size == 0:
            return size
        if base and points == base * size:
            return size
    raise StoreError(f"{points} points are no {design['kind']} design of {n} factors")


def clusters_of(documents: Sequence[Document], points: I64) -> I64:
    """Return which points were drawn together, by the number of the first of them."""
    clusters = points.copy()
    ends = first_points(documents)
    for document, first, end in zip(documents, ends, ends[1:], strict=False):
        if end > first and document["design"]["kind"] in ORDERED:
            size = group_size(document["design"], end - first)
            own = (points >= first) & (points < end)
            clusters[own] = first + (points[own] - first) // size * size
    return clusters


# --- asked of the store --------------------------------------------------------------------------


def quoted(name: str) -> str:
    """Return a column's name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _means_query(outcome: str, plan: str, factors: Sequence[str]) -> str:
    columns = "".join(f", {quoted(name)}" for name in factors)
    return f"""
        with own as (
            select point, count(*) filter (where {GOOD}) as n,
                count({quoted(outcome)}) filter (where {GOOD}) as known,
                avg({quoted(outcome)}) filter (where {GOOD}) as mean,
                var_samp({quoted(outcome)}) filter (where {GOOD}) as variance,
                count(*) filter (where not ({GOOD})) as failed
            from outcomes where plan = {_text(plan)} group by point
        )
        select points.point, points.run, coalesce(n, 0) as n, coalesce(known, 0) as known,
            coalesce(failed, 0) as failed, mean, variance{columns}
        from points left join own on points.point = own.point order by points.point
    """


def _count(table: pd.DataFrame, required: I64) -> tuple[npt.NDArray[np.bool_], Counts]:
    """Return which points are shown, and how many are not for what reason."""
    n, known, failed = (table[name].to_numpy(np.int64) for name in ("n", "known", "failed"))
    complete = (failed == 0) & (n >= required) & (n > 0)
    shown = complete & (known > 0)
    planned = np.maximum(required, n + failed)
    return shown, Counts(
        points=len(table),
        shown=int(shown.sum()),
        open=int(((failed == 0) & ~complete).sum()),
        failed=int((failed > 0).sum()),
        without=int((complete & (known == 0)).sum()),
        partly=int((shown & (known < n)).sum()),
        units=int(planned.sum()),
        done=int((n + failed).sum()),
    )


def _nothing_to_show(counts: Counts, outcome: str) -> str:
    if counts.without:
        return f"{outcome} does not exist at any of the {counts.without} points that are complete"
    if counts.failed:
        return f"no point is complete: {counts.failed} of {counts.points} failed, others are open"
    return (f"nothing to show yet: none of the {counts.points} points has all its replications; "
            "fidelio sweep resume=SWEEP lives them")  # fmt: skip


def _varied(column: pd.Series[Any], described: Document) -> Varied:
    log = described.get("scale") == "log"
    if pd.api.types.is_bool_dtype(column.dtype):
        return Varied(str(column.name), column.to_numpy(np.float64), ("no", "yes"))
    if pd.api.types.is_numeric_dtype(column.dtype):
        return Varied(str(column.name), column.to_numpy(np.float64), log=log)
    met = set(column.unique())
    given = [str(value) for value in described.get("values") or ()]
    levels = [value for value in dict.fromkeys(given) if value in met]
    levels += sorted(met - set(levels))
    codes = pd.Categorical(column, categories=levels).codes
    return Varied(str(column.name), np.asarray(codes, dtype=np.float64), tuple(levels))


def _chance(
    sweep: Asked, outcome: str, plan: str, means: F64, variance: F64, n: F64
) -> Chance:  # fmt: skip
    """Split the variance of single results as a two-way analysis of variance does."""
    several = n > 1
    if not several.any() or len(means) < 2:  # noqa: PLR2004  # one has no variance
        return Chance()
    y = quoted(outcome)
    worlds = sweep.sql(f"select avg({y}) as mean from outcomes where plan = {_text(plan)} and "
                       f"{GOOD} and {y} is not null group by replication")["mean"]  # fmt: skip
    within = float(variance[several].mean())
    shared = min(float(worlds.var(ddof=1)) if len(worlds) > 1 else 0.0, within)
    noise = (within - shared) * float((1 / n).mean())
    spread = float(means.var(ddof=1))
    between = max(spread - noise, 0.0)
    if between + within <= 0:
        return Chance()
    total = between + within
    return Chance(between / total, shared / total, (within - shared) / total,
                  min(noise / spread, 1.0) if spread else None)  # fmt: skip


def _failures(sweep: Asked, plan: str) -> tuple[Failure, ...]:
    rows = sweep.sql(f"""
        select arg_min(error, point) as message, count(distinct (run, replication)) as units,
            count(distinct point) as points, min(point) as example
        from outcomes where plan = {_text(plan)} and not ({GOOD})
        group by regexp_replace(error, '[0-9][0-9.eE+-]*', '#', 'g')
        order by units desc, message
    """)
    return tuple(
        Failure(str(row.message), int(row.units), int(row.points), int(row.example))  # type: ignore[arg-type]
        for row in rows.itertuples()
    )
