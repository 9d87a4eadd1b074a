"""A price becomes an integer of the feed by exact arithmetic and one rounding."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.conversion import Rate, to_feed_units
from enclave.domain.errors import SourceMalformed
from enclave.domain.fixed_point import FixedPoint, Rounding

PRICES = st.builds(FixedPoint, st.integers(1, 10**26), st.integers(0, 18))
ROUNDINGS = st.sampled_from([Rounding.DOWN, Rounding.HALF_EVEN])


def convert(
    price: str,
    *,
    invert: bool = False,
    rate: Rate | None = None,
    decimals: int = 8,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> int:
    return to_feed_units(
        FixedPoint.parse(price), invert=invert, rate=rate, decimals=decimals, rounding=rounding
    )


def by(answer: str, operation: str, rounding: Rounding = Rounding.DOWN) -> Rate:
    return Rate(FixedPoint.parse(answer), operation, rounding)


def test_a_price_is_rescaled() -> None:
    assert convert("1834.12") == 183412000000
    assert convert("0.123456785") == 12345678
    assert convert("0.123456785", rounding=Rounding.DOWN) == 12345678
    assert convert("0.123456786") == 12345679


def test_a_price_is_inverted_exactly() -> None:
    assert convert("8", invert=True) == 12500000
    assert convert("3", invert=True, decimals=2) == 33
    assert convert("0.00000003", invert=True, decimals=0) == 33333333


def test_a_price_is_multiplied_by_another_answer() -> None:
    assert convert("2000.5", rate=by("0.9995", "multiply")) == 199949975000


def test_a_price_is_divided_by_another_answer() -> None:
    assert convert("2000", rate=by("0.8", "divide")) == 250000000000


def test_the_conversions_rounding_stands_in_for_the_feeds() -> None:
    for rounding, expected in ((Rounding.HALF_EVEN, 2), (Rounding.DOWN, 1)):
        other = Rounding.DOWN if rounding is Rounding.HALF_EVEN else Rounding.HALF_EVEN
        rate = by("0.5", "multiply", rounding)
        assert convert("3", rate=rate, decimals=0, rounding=other) == expected


def test_inversion_comes_before_conversion() -> None:
    assert convert("4", invert=True, rate=by("10", "multiply"), decimals=1) == 25


def test_digits_are_lost_once() -> None:
    # 1/3 rounded first would give 0.99.
    assert convert("3", invert=True, rate=by("3", "multiply"), decimals=2) == 100


@pytest.mark.parametrize("units", [0, -1])
def test_what_is_not_positive_is_no_price(units: int) -> None:
    with pytest.raises(SourceMalformed, match="zero or negative, wanted more than 0"):
        to_feed_units(
            FixedPoint(units, 0), invert=True, rate=None, decimals=8, rounding=Rounding.DOWN
        )


def test_a_price_that_rounds_to_zero_is_no_price() -> None:
    with pytest.raises(SourceMalformed, match="rounds to zero at 8 decimals"):
        convert("0.000000004")


@given(
    price=PRICES,
    invert=st.booleans(),
    rate=st.none() | st.builds(Rate, PRICES, st.sampled_from(["multiply", "divide"]), ROUNDINGS),
    decimals=st.integers(0, 18),
    rounding=ROUNDINGS,
)
def test_the_result_is_the_rational_number_rounded_as_named(
    price: FixedPoint, invert: bool, rate: Rate | None, decimals: int, rounding: Rounding
) -> None:
    exact = Fraction(price.units, 10**price.scale)
    if invert:
        exact = 1 / exact
    if rate is not None:
        answer = Fraction(rate.answer.units, 10**rate.answer.scale)
        exact = exact * answer if rate.operation == "multiply" else exact / answer
        expected_rounding = rate.rounding
    else:
        expected_rounding = rounding
    exact *= 10**decimals
    # `round` of a fraction is half to even.
    expected = round(exact) if expected_rounding is Rounding.HALF_EVEN else floor(exact)

    def result() -> int:
        return to_feed_units(price, invert=invert, rate=rate, decimals=decimals, rounding=rounding)

    if expected == 0:
        with pytest.raises(SourceMalformed, match="rounds to zero"):
            result()
    else:
        assert result() == expected
