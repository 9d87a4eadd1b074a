"""Exact decimal numbers: an integer and a scale, never a float."""

import re
from dataclasses import dataclass
from enum import Enum

from enclave.domain.errors import SourceMalformed

#: Longest number text accepted, in characters.
MAX_TEXT = 64
#: Most digits in the integer part and in the fraction after the exponent is applied.
MAX_INTEGER_DIGITS = 26
MAX_SCALE = 30
#: Largest exponent accepted in `1.5e-7` notation, by magnitude.
MAX_EXPONENT = 30

_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,2}))?", re.ASCII)


class Rounding(Enum):
    """What becomes of digits that the target scale cannot hold."""

    EXACT = "exact"
    DOWN = "down"
    HALF_EVEN = "half-even"


@dataclass(frozen=True, slots=True)
class FixedPoint:
    """The number `units / 10**scale`.

    Attributes:
        units: Signed integer, any size that the constructors let through.
        scale: Decimal places, 0 to 30.
    """

    units: int
    scale: int

    @classmethod
    def parse(cls, text: str, *, exponent: int = 0) -> "FixedPoint":
        """Read a JSON number spelling exactly, times `10**exponent`.

        The grammar is JSON's with ASCII digits only: no sign but `-`, no leading zeros, no
        spaces, no underscores, no NaN, no infinity. Work is bounded before any arithmetic.

        Args:
            text: The number as spelled by the source, at most 64 characters.
            exponent: Power of ten to apply, -30 to 30.

        Returns:
            The exact value at the smallest scale that holds the spelling (not shortened).

        Raises:
            SourceMalformed: Not a number of this grammar, or out of its bounds.
        """
        match = _NUMBER.fullmatch(text) if len(text) <= MAX_TEXT else None
        if match is None:
            raise SourceMalformed(f"not a number: {text[:MAX_TEXT]!r}")
        sign, whole, fraction, power = match.groups(default="")
        shift = int(power or "0") + exponent
        if abs(shift) > MAX_EXPONENT:
            raise SourceMalformed(f"exponent {shift} is outside -{MAX_EXPONENT}..{MAX_EXPONENT}")
        units = int(whole + fraction)
        scale = len(fraction) - shift
        if scale < 0:
            units, scale = units * 10**-scale, 0
        if scale > MAX_SCALE or units >= 10 ** (MAX_INTEGER_DIGITS + scale):
            raise SourceMalformed(f"number has too many digits: {text!r}")
        return cls(-units if sign else units, scale)

    def rescale(self, decimals: int, rounding: Rounding) -> "FixedPoint":
        """The same number at another scale.

        Raises:
            SourceMalformed: Digits would be lost and the rounding is `EXACT`.
        """
        if decimals >= self.scale:
            return FixedPoint(self.units * 10 ** (decimals - self.scale), decimals)
        return FixedPoint(
            divide(self.units, 10 ** (self.scale - decimals), rounding=rounding), decimals
        )


def divide(numerator: int, denominator: int, *, rounding: Rounding) -> int:
    """Integer quotient under a stated rounding.

    Args:
        numerator: Any integer.
        denominator: A positive integer.
        rounding: `DOWN` is towards zero.

    Raises:
        SourceMalformed: The denominator is not positive, or a remainder under `EXACT`.
    """
    if denominator <= 0:
        raise SourceMalformed(f"division by {denominator}, wanted a positive number")
    quotient, remainder = divmod(abs(numerator), denominator)
    if remainder and rounding is Rounding.EXACT:
        raise SourceMalformed(f"{numerator}/{denominator} is not exact")
    if rounding is Rounding.HALF_EVEN:
        twice = 2 * remainder
        if twice > denominator or (twice == denominator and quotient % 2):
            quotient += 1
    return -quotient if numerator < 0 else quotient
