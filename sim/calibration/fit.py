"""What a calibration found: estimates, how well they fit and predict, and the market they make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Estimate(NamedTuple):
    """An estimate with its standard error; None where there is none."""

    estimate: float
    se: float | None


@dataclass(frozen=True)
class Fit:
    """The result of a calibration, of any kind of data; `document` is what FILE.fit.json says."""

    kind: str
    """panel, transactions, targets or lift."""
    source: str
    n_units: int
    """Households, customers, or target figures."""
    n_train: int
    n_test: int
    """Choices, or orders."""
    train_ll: float | None
    test_ll: float | None
    """Log-likelihood per choice; per customer for an order log."""
    parameters: Mapping[str, Estimate]
    market: Mapping[str, Any]
    """Settings that the data give, by their path below `market`: numbers, or what YAML writes."""
    provenance: Mapping[str, str]
    """For those settings, as a market file states it."""
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the field's own models make of the same data, by name."""
    closed_loop: Mapping[str, Any] | None = None
    """repeat_bias, scr_mae, scr_noise and what they come from."""
    holdout: Mapping[str, Any] | None = None
    """actual, predicted, cumulative_mape, rmse, r, active_by_quarter and what they come from."""
    joint: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Draws of market settings that belong together: path to one number per draw."""
    notes: Sequence[str] = ()
    """What the reader has to know: what failed, what the data cannot tell."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason to the number of rows that were not used."""
    series: Mapping[str, Any] = field(default_factory=dict)
    """What the page draws: name to columns (name to list of numbers)."""

    def document(self) -> dict[str, Any]:
        """Return the fit as plain data for JSON; what does not apply is None."""
        return {
            "kind": self.kind,
            "source": self.source,
            "n_units": self.n_units,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "train_ll": self.train_ll,
            "test_ll": self.test_ll,
            "parameters": {name: e._asdict() for name, e in self.parameters.items()},
            "closed_loop": self.closed_loop,
            "holdout": self.holdout,
            "models": dict(self.models),
            "market": dict(self.market),
            "joint": {path: list(drawn) for path, drawn in self.joint.items()},
            "notes": list(self.notes),
            "left_out": dict(self.left_out),
            "series": dict(self.series),
        }
