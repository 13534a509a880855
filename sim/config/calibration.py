"""Settings of `calibrate`, `validate` and `export`, which are no studies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sim.config.fields import number
from sim.config.matching import LiftSettings, Matching


class DataKind(Enum):
    """What a firm may have observed."""

    PANEL = "panel"
    """Choices of households among brands."""
    TRANSACTIONS = "transactions"
    """Orders of a firm's customers."""
    TARGETS = "targets"
    """Figures that the market should show."""
    LIFT = "lift"
    """Results of tests: what a lever moved."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Settings of `fidelio calibrate`."""

    data: str
    """The file, or the name of shipped data."""
    kind: DataKind
    holdout: str
    """What is kept back: a share of each unit's last occasions, or what lies after a date."""
    columns: dict[str, str]
    """What a column is to its name in the file."""
    date_format: str
    out: str | None
    """Where the market file goes, FILE.fit.json and FILE.html beside it; of lift tests, the folder
    of levers."""
    focal: str | None
    """The panel's brand whose plans are to be studied."""
    progress: bool
    targets: Matching
    lift: LiftSettings
    min_occasions: int | None = number(unit="occasions of a household", low=2, high=1000)
    exchange: float = number(
        unit="the market's currency per unit of the file's amounts", low=1e-9, high=1e9
    )
    seed: int = number(unit="key of all draws", low=0, high=2**31 - 1)
    threads: int = number(unit="threads", low=1, high=1024)


class Observed(Enum):
    """What `fidelio export` writes of a simulated market."""

    PANEL = "panel"
    """Choices of households among all brands."""
    TRANSACTIONS = "transactions"
    """Orders of one brand's customers."""


@dataclass(frozen=True, slots=True)
class Export:
    """Settings of `fidelio export`."""

    kind: Observed
    out: str
    """CSV or Parquet, by its suffix; the truth goes beside it."""
    start: str
    """Date of the plan's first day."""
    brand: str | None
    """Whose orders; the focal brand's if not given."""
    burn_in: bool
    """Whether the quarters before the plan are observed, too."""
    newcomers: bool
    """Whether only households are observed that came meanwhile."""
    households: int = number(unit="households that are observed", low=1, high=10_000_000)
    world: int = number(unit="number of the world", low=0, high=2**31 - 1)


@dataclass(frozen=True, slots=True)
class Validation:
    """Settings of `fidelio validate`."""

    data: str | None
    """Data to be predicted."""
    kind: DataKind | None
    """Of those data."""
    holdout: str
    columns: dict[str, str]
    date_format: str
    out: str | None
    """Folder of the page; outputs/validate/DATE/TIME if not given."""
    progress: bool
    worlds: int = number(unit="worlds that each law is looked at in", low=2, high=10_000)
    min_occasions: int | None = number(unit="occasions of a household", low=2, high=1000)
    seed: int = number(unit="key of all draws", low=0, high=2**31 - 1)
    threads: int = number(unit="threads", low=1, high=1024)
