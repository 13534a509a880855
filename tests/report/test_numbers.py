"""Numbers are told with units and never as nan."""

import math

import pytest

from sim.report.numbers import DASH, MINUS, THIN, fraction, known, money_unit, percent, plain


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_does_not_exist_is_a_dash(value: float | None) -> None:
    assert plain(value) == percent(value) == DASH
    assert known(value) is None
    assert money_unit([value], "CNY").full(value) == DASH


def test_thousands_are_thin_and_minus_is_a_minus() -> None:
    assert plain(-1_234_567) == f"{MINUS}1{THIN}234{THIN}567"
    assert plain(0.04, 1, signed=True) == "0.0"
    assert percent(0.031, signed=True) == "+3.1%"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (4_120_000, "CNY\xa04.1\xa0million"),
        (-45_300, f"CNY\xa0{MINUS}45.3\xa0thousand"),
        (2.5e9, "CNY\xa02.5\xa0billion"),
        (812, "CNY\xa0812"),
        (0, "CNY\xa00"),
    ],
)
def test_money_has_a_word_for_its_size(amount: float, text: str) -> None:
    assert money_unit([amount], "CNY").full(amount) == text


@pytest.mark.parametrize(
    ("probability", "simple"),
    [(0.2, (1, 5)), (0.203, (1, 5)), (0.5, (1, 2)), (0.34, (1, 3)), (0.01, None), (0.99, None)],
)
def test_a_probability_is_a_simple_fraction(
    probability: float, simple: tuple[int, int] | None
) -> None:
    assert fraction(probability) == simple
