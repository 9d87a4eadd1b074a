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
            SourceMalformed: Not a number of this grammar, or out of its bounds; says where it
                goes wrong, not what is written there, because the source's text may be private.
        """
        match = _NUMBER.fullmatch(text) if len(text) <= MAX_TEXT else None
        if match is None:
            raise SourceMalformed(_where_it_goes_wrong(text))
        sign, whole, fraction, power = match.groups(default="")
        shift = int(power or "0") + exponent
        if abs(shift) > MAX_EXPONENT:
            raise SourceMalformed(
                f"exponent with a scale of {exponent} is outside -{MAX_EXPONENT}..{MAX_EXPONENT}"
            )
        units = int(whole + fraction)
        scale = len(fraction) - shift
        if scale < 0:
            units, scale = units * 10**-scale, 0
        if scale > MAX_SCALE or units >= 10 ** (MAX_INTEGER_DIGITS + scale):
            raise SourceMalformed(
                f"number of {len(text)} characters has too many digits, wanted at most"
                f" {MAX_INTEGER_DIGITS} before the point and {MAX_SCALE} after it"
            )
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


def _where_it_goes_wrong(text: str) -> str:
    """Why a text is no number, without its content."""
    if len(text) > MAX_TEXT:
        return f"text of {len(text)} characters, wanted a number of at most {MAX_TEXT}"
    start = _NUMBER.match(text)
    at = start.end() + 1 if start else 1
    return f"text of {len(text)} characters is not a number from character {at} on"


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
        raise SourceMalformed("division by zero or less, wanted a positive number")
    quotient, remainder = divmod(abs(numerator), denominator)
    if remainder and rounding is Rounding.EXACT:
        raise SourceMalformed("the quotient is not exact and may not be rounded")
    if rounding is Rounding.HALF_EVEN:
        twice = 2 * remainder
        if twice > denominator or (twice == denominator and quotient % 2):
            quotient += 1
    return -quotient if numerator < 0 else quotient
