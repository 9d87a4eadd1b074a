"""Numbers keep every digit or are refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import SourceMalformed
from enclave.domain.fixed_point import FixedPoint, Rounding, divide


@pytest.mark.parametrize(
    ("text", "units", "scale"),
    [
        ("1834.12", 183412, 2),
        ("0", 0, 0),
        ("-0.5", -5, 1),
        ("1.831e-05", 1831, 8),
        ("2E3", 2000, 0),
        ("1.50e1", 150, 1),
        ("85770.85000000", 8577085000000, 8),
    ],
)
def test_a_number_is_read_exactly_as_spelled(text: str, units: int, scale: int) -> None:
    assert FixedPoint.parse(text) == FixedPoint(units, scale)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "1.",
            ".5",
            "1_0",
            "0x10",
            "NaN",
            "Infinity",
            "-",
            "1e",
            "1e+",
        ),
        *("1e999", "1e31", "1e-31", "１２", "٣", "1,5", "1\n", "1e2000000", "9" * 65, "1e30"),
        "0." + "1" * 31,
    ],
)
def test_anything_but_a_bounded_ascii_number_is_refused(text: str) -> None:
    with pytest.raises(SourceMalformed):
        FixedPoint.parse(text)


def test_a_scale_given_by_the_definition_moves_the_point() -> None:
    assert FixedPoint.parse("6140993501000", exponent=-8) == FixedPoint(6140993501000, 8)


@pytest.mark.parametrize(
    ("text", "exponent", "message"),
    [
        ("", 0, "text of 0 characters is not a number from character 1 on"),
        ("1,5", 0, "text of 3 characters is not a number from character 2 on"),
        ("-12.x", 0, "text of 5 characters is not a number from character 4 on"),
        ("9" * 65, 0, "text of 65 characters, wanted a number of at most 64"),
        ("1e20", 20, r"exponent with a scale of 20 is outside -30\.\.30"),
        ("9" * 27, 0, "number of 27 characters has too many digits, wanted at most 26 before"),
    ],
)
def test_a_refusal_says_where_it_goes_wrong(text: str, exponent: int, message: str) -> None:
    with pytest.raises(SourceMalformed, match=f"^{message}"):
        FixedPoint.parse(text, exponent=exponent)


@given(text=st.text(max_size=80), other=st.text(max_size=80))
def test_a_refusal_depends_on_nothing_of_the_text_but_its_shape(text: str, other: str) -> None:
    # What follows the first character that does not fit is in no message.
    with pytest.raises(SourceMalformed) as first:
        FixedPoint.parse("x" + text)
    with pytest.raises(SourceMalformed) as second:
        FixedPoint.parse("x" + other[: len(text)].ljust(len(text)))
    assert str(first.value) == str(second.value)


@given(units=st.integers(-(10**20), 10**20), scale=st.integers(0, 20), decimals=st.integers(0, 24))
def test_rescaling_down_never_moves_away_from_zero(units: int, scale: int, decimals: int) -> None:
    exact = Fraction(units, 10**scale)
    down = FixedPoint(units, scale).rescale(decimals, Rounding.DOWN)
    error = abs(exact) - abs(Fraction(down.units, 10**decimals))
    assert 0 <= error < Fraction(1, 10**decimals)


@given(numerator=st.integers(-(10**12), 10**12), denominator=st.integers(1, 10**6))
def test_half_even_is_the_nearest_integer(numerator: int, denominator: int) -> None:
    assert divide(numerator, denominator, rounding=Rounding.HALF_EVEN) == round(
        Fraction(numerator, denominator)
    )


def test_exact_refuses_to_lose_a_digit() -> None:
    assert FixedPoint(150, 2).rescale(1, Rounding.EXACT) == FixedPoint(15, 1)
    with pytest.raises(SourceMalformed, match="not exact"):
        FixedPoint(151, 2).rescale(1, Rounding.EXACT)


@pytest.mark.parametrize("denominator", [0, -1])
def test_division_wants_a_positive_denominator(denominator: int) -> None:
    with pytest.raises(SourceMalformed, match="positive"):
        divide(1, denominator, rounding=Rounding.DOWN)
