"""Results of tests of levers, as a firm writes them down: A/B tests, pilots, campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from sim.calibration.rows import read_rows
from sim.config.fields import Uncertain, number
from sim.config.study import Config
from sim.errors import ConfigError
from sim.measures.table import COUNTS, MEASURES


class Scale(Enum):
    """How the effect of a test is stated."""

    ABSOLUTE = "absolute"
    """Treated minus control."""
    RELATIVE = "relative"
    """That, as a share of the control's figure."""


@dataclass(frozen=True, slots=True)
class LiftTest:
    """What a test of one lever showed."""

    lever: str
    measure: str
    effect: float = number(unit="as the measure, or a share of the control's figure")
    se: float = number(unit="as the effect", low=1e-12)
    spend: float = number(unit="currency per treated customer and quarter", low=1e-9)
    """Per customer who got it, so that tests of any size can be compared."""
    quarters: int = number(4, unit="quarters that the test ran", low=1, high=40)
    quarter: int | None = number(None, unit="quarter of the test", low=1, high=40)
    """When the figure was taken; if not given it is the mean of all the test's quarters."""
    scale: Scale = Scale.ABSOLUTE
    segment: str = "all"
    note: str = ""
    place: str = ""
    """Where it stands: file and row."""

    def __post_init__(self) -> None:
        """Check that the figure was taken while the test ran."""
        for name in ("effect", "se", "spend"):
            if isinstance(getattr(self, name), Uncertain):
                raise ConfigError("is a distribution", key=name, allowed="a number")
        if self.quarter is not None and self.quarter > self.quarters:
            raise ConfigError(
                f"{self.quarter} is after the test's {self.quarters} quarters", key="quarter",
                allowed=f"1 to {self.quarters}",
            )  # fmt: skip

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.measure if self.segment == "all" else f"{self.measure} of {self.segment}"


def read_lift_tests(path: str | Path) -> list[LiftTest]:
    """Return the tests of a CSV, Parquet or YAML file.

    Columns are the fields of `LiftTest`: `lever`, `measure`, `effect`, `se`, `spend`, and as needed
    `quarters`, `quarter`, `scale`, `segment`, `note`.

    Raises
    ------
    DataError
        If the file cannot be read or has no rows.
    ConfigError
        If a row cannot be used; it names the row.
    """
    return read_rows(LiftTest, path, "tests")


def check_test(test: LiftTest, config: Config) -> None:
    """Raise ConfigError if a test looks at what the market does not have."""
    where = test.place
    if test.measure not in MEASURES:
        raise ConfigError(f"'{test.measure}' is no measure", key="measure", value=test.measure,
                          file=where, known=MEASURES)  # fmt: skip
    segments = [segment.name for segment in config.market.segments] + ["all"]
    if test.segment not in segments:
        raise ConfigError(f"'{test.segment}' is not in market {config.market.name}", key="segment",
                          value=test.segment, file=where, known=segments)  # fmt: skip
    if test.measure in COUNTS and test.scale is Scale.ABSOLUTE:
        raise ConfigError(
            f"{test.measure} is a count, which depends on how many took part", key="scale",
            file=where, allowed="relative: the difference as a share of the control's count",
        )  # fmt: skip
