"""Numbers as a reader sees them: units, thin separators, true minus signs, no `nan`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MINUS = "\N{MINUS SIGN}"
THIN = "\N{NARROW NO-BREAK SPACE}"
HARD = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"

SCALES = ((1e9, "billion"), (1e6, "million"), (1e4, "thousand"))
"""Size from which a money figure is told in that word."""
DIVISORS = {"billion": 1e9, "million": 1e6, "thousand": 1e3, "": 1.0}


def known(value: object) -> float | None:
    """Return a finite number, or None for whatever else stands in a file."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def plain(value: float | None, decimals: int = 0, *, signed: bool = False) -> str:
    """Format a number with thin separators; a missing one is a dash."""
    if value is None or not math.isfinite(value):
        return DASH
    digits = f"{abs(value):,.{decimals}f}".replace(",", THIN)
    if not any(digit in digits for digit in "123456789"):
        return digits
    sign = MINUS if value < 0 else "+" if signed else ""
    return sign + digits


def percent(value: float | None, decimals: int = 1, *, signed: bool = False) -> str:
    """Format a share of one as a percentage."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{plain(100 * value, decimals, signed=signed)}%"


@dataclass(frozen=True)
class MoneyUnit:
    """The unit in which a set of money figures is told, so that they compare at a glance."""

    currency: str
    word: str
    decimals: int

    @property
    def divisor(self) -> float:
        """Currency units in one of this unit."""
        return DIVISORS[self.word]

    @property
    def name(self) -> str:
        """Currency and size, as in "CNY million"."""
        return f"{self.currency}{HARD}{self.word}" if self.word else self.currency

    def number(self, value: float | None, *, signed: bool = False) -> str:
        """Format an amount without its unit."""
        scaled = None if value is None else value / self.divisor
        return plain(scaled, self.decimals, signed=signed)

    def full(self, value: float | None, *, signed: bool = False) -> str:
        """Format an amount with its unit, as in "CNY 4.1 million"."""
        if value is None or not math.isfinite(value):
            return DASH
        digits = self.number(abs(value))
        sign = (MINUS if value < 0 else "+" if signed else "") if float(value) else ""
        return f"{self.currency}{HARD}{sign}{digits}" + (f"{HARD}{self.word}" if self.word else "")


def money_unit(amounts: Iterable[float | None], currency: str, extra: int = 0) -> MoneyUnit:
    """Choose the unit that suits the largest of some amounts.

    Parameters
    ----------
    amounts
        In currency; missing ones are passed over.
    currency
        Its code.
    extra
        Decimals beyond those of running text, for tables.
    """
    sizes = [abs(amount) for amount in amounts if amount is not None and math.isfinite(amount)]
    largest = max(sizes, default=0.0)
    word = next((word for size, word in SCALES if largest >= size), "")
    if not word:
        return MoneyUnit(currency, word, 0)
    scaled = largest / DIVISORS[word]
    room = 2 if scaled < 10 else 1 if scaled < 100 else 0  # noqa: PLR2004
    return MoneyUnit(currency, word, min(room, 1 + extra))


def fraction(probability: float) -> tuple[int, int] | None:
    """Return the simple fraction nearest a probability, or None next to 0 and 1.

    People read "1 of 5" more surely than "20%" (Gigerenzer & Hoffrage 1995).
    """
    choices = [(k, n) for n in (2, 3, 4, 5, 10) for k in range(1, n)]
    k, n = min(choices, key=lambda choice: (abs(choice[0] / choice[1] - probability), choice[1]))
    return (k, n) if abs(k / n - probability) <= 0.05 else None  # noqa: PLR2004
