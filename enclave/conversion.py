"""From a source's price to the feed's pair and decimals: exact, then one named rounding (pure)."""

from dataclasses import dataclass

from enclave.domain.errors import SourceMalformed
from enclave.domain.fixed_point import FixedPoint, Rounding, divide


@dataclass(frozen=True, slots=True)
class Rate:
    """What a price is converted by.

    Attributes:
        answer: The other feed's answer of the same round, positive.
        operation: `multiply` (price * answer) or `divide` (price / answer).
        rounding: Of the conversion; it stands in for the feed's.
    """

    answer: FixedPoint
    operation: str
    rounding: Rounding


def to_feed_units(
    price: FixedPoint, *, invert: bool, rate: Rate | None, decimals: int, rounding: Rounding
) -> int:
    """The price as an integer in the feed's decimals.

    Inversion and conversion are exact rationals; digits are lost once, at the end.

    Args:
        price: As the source spelled it, positive.
        invert: Whether the feed wants 1 / price.
        rate: Applied after the inversion.
        decimals: The feed's.
        rounding: The feed's; used when there is no conversion.

    Raises:
        SourceMalformed: The price is not positive, or rounds to zero: zero is no price.
    """
    if price.units <= 0:
        raise SourceMalformed("price is zero or negative, wanted more than 0")
    numerator, denominator = price.units, 10**price.scale
    if invert:
        numerator, denominator = denominator, numerator
    if rate is not None:
        rounding = rate.rounding
        units, scale = rate.answer.units, 10**rate.answer.scale
        if rate.operation == "divide":
            units, scale = scale, units
        numerator, denominator = numerator * units, denominator * scale
    value = divide(numerator * 10**decimals, denominator, rounding=rounding)
    if value == 0:
        raise SourceMalformed(f"price rounds to zero at {decimals} decimals")
    return value
