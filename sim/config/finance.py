"""Money: margins, unit costs, the price of time, and how the books are kept."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.config.fields import number


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a plan's customers go on to bring after the horizon; always kept apart from the NPV."""

    persistence: float | None = number(None, unit="share of a margin left a year on", low=0, high=1)
    """None for the plan's own: the share of its customers that stayed over the last year."""
    quarters: int = number(20, unit="quarters after the horizon that count", low=0, high=400)


@dataclass(frozen=True, slots=True)
class Reporting:
    """A second currency in which results are told as well."""

    currency: str
    """Its code."""
    exchange_rate: float = number(
        unit="reporting currency for one of the market's, in quarter 1", low=1e-9, high=1e9
    )
    inflation: float = number(
        unit="rise of prices per year in the reporting currency", low=-0.5, high=10
    )
    drift: float | None = number(
        None, unit="change of the exchange rate per year", low=-0.9, high=10
    )
    """None for relative purchasing power parity: the currency of higher inflation falls."""

    def yearly_drift(self, inflation: float) -> float:
        """Return the change of the exchange rate per year.

        As configured, or by relative purchasing power parity (Cassel 1918).

        Parameters
        ----------
        inflation
            Rise of prices per year in the market's currency.
        """
        if self.drift is not None:
            return self.drift
        return (1.0 + self.inflation) / (1.0 + inflation) - 1.0


@dataclass(frozen=True, slots=True)
class Accounting:
    """Taxes, depreciation and prices: what turns cash before tax into cash after tax.

    It moves none of a study's outcomes, which are before tax and in constant prices. A file that
    leaves it out pays no tax and knows no inflation.
    """

    tax_rate: float = number(0.0, unit="share of profit", low=0, high=1)
    depreciation_years: float = number(
        3.0, unit="years over which capital is written down, in equal parts", low=0.25, high=50
    )
    inflation: float = number(0.0, unit="rise of prices per year", low=-0.5, high=10)
    terminal: Terminal = field(default_factory=Terminal)
    reporting: Reporting | None = None


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
    accounting: Accounting = field(default_factory=Accounting)
    provenance: dict[str, str] = field(default_factory=dict)

    @property
    def acquisition_cost(self) -> float:
        """Cost of winning one customer, in currency."""
        return self.acquisition_ratio * self.keeping_cost

    @property
    def quarterly_rate(self) -> float:
        """Discount rate per quarter that compounds to the yearly one."""
        return float((1.0 + self.discount_rate) ** 0.25 - 1.0)

    @property
    def nominal_rate(self) -> float:
        """Discount rate per year of money that buys less each year (Fisher 1930)."""
        return (1.0 + self.discount_rate) * (1.0 + self.accounting.inflation) - 1.0
