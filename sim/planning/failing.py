"""Which points of a sweep fail: an outcome misses a threshold, on average or in many worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from sim.config.discover import By
from sim.errors import ConfigError, StoreError
from sim.sweep.analysis import Interval
from sim.sweep.means import GOOD, I64, Asked, Means, Varied, check_known, quoted, read_means
from sim.types import F64

Flags = npt.NDArray[np.bool_]

FEWEST_POINTS: Final = 100
FEWEST_EACH: Final = 20
"""Failing points, and others, below which a region would be told by luck."""
FEWEST_GROUPS: Final = 10
"""Groups of points that were drawn together: halves and fifths of them are taken."""
Z: Final = float(norm.ppf(0.975))
NEVER: Final = "payback_quarter"
"""The outcome that does not exist where things go worst."""


class Threshold(NamedTuple):
    """What an outcome must not miss."""

    value: float
    below: bool
    """Whether less than it fails; else more than it."""

    @property
    def key(self) -> str:
        """The setting that says it."""
        return "fails_below" if self.below else "fails_above"


class Question(NamedTuple):
    """When a point fails; see `sim.config.discover`."""

    outcome: str
    plan: str | None
    threshold: Threshold
    against: str | None = None
    by: By = By.MEAN
    share: float = 0.2
    factors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failing:
    """The points of a sweep, and which of them fail.

    Attributes
    ----------
    question
        As it was asked, its plan named.
    means
        The sweep as its means were read: counts, documents, what is left out.
    points
        Numbers of the points that are judged, shape (n,).
    factors
        Those that vary over these points.
    clusters
        Which points were drawn together, shape (n,).
    worth
        What is judged: a mean, or a share of worlds, shape (n,).
    fails
        Shape (n,).
    unsure
        Points whose worlds are too few to say whether they fail, at 5%; None with one world each.
    left_out
        Complete points that are not judged, since the outcome does not exist in any world.
    partly
        Points that are judged by those of their worlds in which it exists.
    """

    question: Question
    means: Means
    points: I64
    factors: tuple[Varied, ...]
    clusters: I64
    worth: F64
    fails: Flags
    unsure: int | None
    left_out: int = 0
    partly: int = 0

    def __len__(self) -> int:
        """Return the number of points that are judged."""
        return len(self.points)

    def only(self, chosen: Flags) -> Failing:
        """Return some of the points."""
        factors = tuple(replace(f, numbers=f.numbers[chosen]) for f in self.factors)
        return replace(self, points=self.points[chosen], factors=factors, worth=self.worth[chosen],
                       clusters=self.clusters[chosen], fails=self.fails[chosen])  # fmt: skip


def read_failing(sweep: Asked, question: Question) -> Failing:
    """Return which points of a sweep fail.

    Parameters
    ----------
    sweep
        The sweep, open.
    question
        When a point fails.

    Raises
    ------
    ConfigError
        If the sweep has no such outcome, plan or factor; none that varies; or nearly all points
        fail, or nearly none.
    StoreError
        If too few points are complete.
    """
    check_known("outcome", question.outcome, sweep.documents[0]["columns"]["outcomes"])
    # Points that never pay back have no payback, and are the ones that fail.
    frame = "npv" if question.outcome == NEVER else question.outcome
    means = read_means(sweep, frame, question.plan, question.factors)
    question = question._replace(plan=means.plan)
    if question.against is not None:
        _check_other(question, sweep.documents[0]["plans"])
    judged = sweep.sql(_judging(question)).set_index("point").reindex(means.points)
    _check_payback(question, judged)
    known = judged["fails" if question.by is By.WORLD else "mean"].notna().to_numpy()
    found = _found(question, means, judged, known)
    check_enough(found)
    return found


def _check_other(question: Question, plans: Sequence[str]) -> None:
    against = str(question.against)
    check_known("against", against, plans)
    if against == question.plan:
        raise ConfigError("is the plan itself", key="against", value=against,
                          allowed="another plan of the sweep")  # fmt: skip
    if question.outcome == NEVER:
        raise ConfigError(f"{NEVER} does not exist where a plan never pays back, so that two plans "
                          "have no difference in it", key="against", value=against,
                          allowed="another outcome, npv")  # fmt: skip


def _judging(question: Question) -> str:
    """Return SQL for what each point is judged by."""
    y, threshold = quoted(question.outcome), question.threshold
    value = "own.y" if question.against is None else "own.y - other.y"
    misses = f"{value} {'<' if threshold.below else '>'} {threshold.value!r}"
    late = question.outcome == NEVER and not threshold.below
    fails = f"({misses})::int" if not late else f"coalesce(({misses})::int, 1)"

    def rows(plan: object) -> str:
        text = str(plan).replace("'", "''")
        return (f"(select point, run, replication, {y} as y from outcomes "
                f"where plan = '{text}' and {GOOD})")  # fmt: skip

    other = "" if question.against is None else (
        f"join {rows(question.against)} as other using (point, run, replication)")  # fmt: skip
    return f"""
        select point, count(*) as worlds, count({value}) as known, avg({value}) as mean,
            stddev_samp({value}) / sqrt(count({value})) as error, avg({fails}) as fails
        from {rows(question.plan)} as own {other} group by point
    """


def _check_payback(question: Question, judged: pd.DataFrame) -> None:
    missing = int((judged["known"] < judged["worlds"]).sum())
    if question.outcome == NEVER and question.by is By.MEAN and missing:
        raise ConfigError(
            f"at {missing} points a plan never pays back in some world, so that {NEVER} has no "
            "mean", key="by", value="mean", allowed="by=world, which counts such a world as late",
        )  # fmt: skip


def _found(question: Question, means: Means, judged: pd.DataFrame, known: Flags) -> Failing:
    shown = judged[known]
    worth, fails, unsure = _judged(question, shown)
    factors = [replace(f, numbers=f.numbers[known]) for f in means.factors]
    varied = tuple(f for f in factors if len(f.numbers) and np.ptp(f.numbers) > 0)
    partly = 0 if question.outcome == NEVER else int((shown["known"] < shown["worlds"]).sum())
    return Failing(question, means, means.points[known], varied, means.clusters[known], worth,
                   fails, unsure, means.counts.without + int((~known).sum()), partly)  # fmt: skip


def _judged(question: Question, shown: pd.DataFrame) -> tuple[F64, Flags, int | None]:
    """Return what points are judged by, which fail, and how many of them may be misjudged."""
    several = bool((shown["known"] > 1).any())
    if question.by is By.MEAN:
        mean, error = (shown[name].to_numpy(np.float64) for name in ("mean", "error"))
        value, below = question.threshold
        near = int((np.abs(mean - value) < Z * error).sum())
        return mean, mean < value if below else mean > value, near if several else None
    share = shown["fails"].to_numpy(np.float64)
    ends = [wilson(float(own), int(n)) for own, n in zip(share, shown["worlds"], strict=True)]
    near = sum(one.low < question.share < one.high for one in ends)
    return share, share >= question.share - 1e-12, near if several else None


def check_enough(found: Failing) -> None:
    """Raise ConfigError or StoreError if there is too little to tell a region by."""
    n, failing = len(found), int(found.fails.sum())
    if n < FEWEST_POINTS:
        raise StoreError(
            f"{n} points are too few to tell where a plan fails: at least {FEWEST_POINTS} that are "
            "complete are needed; fidelio sweep resume=SWEEP or extend=SWEEP points=+N makes more"
        )
    if not found.factors:
        raise ConfigError("none of them varies", key="factors",
                          allowed="a factor that takes several values")  # fmt: skip
    groups = len(np.unique(found.clusters))
    if groups < FEWEST_GROUPS:
        raise StoreError(
            f"the {n} points were drawn together in {groups} groups; at least {FEWEST_GROUPS} are "
            "needed to tell a region from luck: extend=SWEEP points=+N makes more"
        )
    if min(failing, n - failing) < FEWEST_EACH:
        _refuse(found, failing)


def _refuse(found: Failing, failing: int) -> None:
    question, n = found.question, len(found)
    low, high = float(found.worth.min()), float(found.worth.max())
    by_world = question.by is By.WORLD
    what = "share of worlds that fail" if by_world else question.outcome
    key = "share" if by_world else question.threshold.key
    count = {0: "no point fails", n: "every point fails"}.get(failing, f"{failing} of {n} fail")
    raise ConfigError(
        f"{count}, and at least {FEWEST_EACH} that fail and {FEWEST_EACH} that do not are needed; "
        f"the {what} goes from {low:.6g} to {high:.6g}",
        key=key, value=question.share if by_world else question.threshold.value,
        allowed="a threshold that parts the points",
    )  # fmt: skip


def wilson(share: float, n: int) -> Interval:
    """Return a share of n with its 95% interval.

    Notes
    -----
    Wilson (1927): it stays within 0 and 1 and has a width where the share is 0 or 1.
    """
    if n <= 0 or not np.isfinite(share):
        return Interval(float("nan"), float("nan"), float("nan"))
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    # Rounding may leave the share itself outside by a hair.
    return Interval(share, min(float(middle - half), share), max(float(middle + half), share))
