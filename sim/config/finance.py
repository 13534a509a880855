"""Money: margins, unit costs, and the price of time."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number


@dataclass(frozen=True, slots=True)
class Finance:
    """What a purchase earns and a customer costs."""

    name: str
    title: str
    gross_margin: float = number(unit="share of revenue", low=0, high=1)
    discount_rate: float = number(unit="per year", low=0, high=2)
    keeping_cost: float = number(unit="currency per customer and year", low=0)
    acquisition_ratio: float = number(5.0, unit="cost of winning over a year of keeping", low=0)
    contact_cost: float = number(0.0, unit="currency per complaint handled", low=0)
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def acquisition_cost(self) -> float:
        """Cost of winning one customer, in currency."""
        return self.acquisition_ratio * self.keeping_cost

    @property
    def quarterly_rate(self) -> float:
        """Discount rate per quarter that compounds to the yearly one."""
        return float((1.0 + self.discount_rate) ** 0.25 - 1.0)
