"""What a bench yields: a row of name, value, unit, target, ok."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure against its ceiling.

    Attributes:
        name: What was measured, in words.
        value: The figure.
        unit: Its unit.
        target: The largest value that is good enough.
    """

    name: str
    value: Decimal
    unit: str
    target: Decimal

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target


def row(name: str, value: float, unit: str, target: float, *, digits: int = 2) -> Row:
    """Round a measurement for people; the comparison is with the rounded figure."""
    return Row(name, Decimal(f"{value:.{digits}f}"), unit, Decimal(str(target)))
