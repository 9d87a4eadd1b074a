"""What a bench yields: a row of name, value, unit, target, ok."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure against its ceiling.

    Attributes:
        name: What was measured, in words.
        value: The figure; None if it was not measured.
        unit: Its unit.
        target: The largest value that is good enough.
        committed: The value in the committed snapshot, not to be exceeded, if there is one.
        peer: What the best of others takes, for people.
    """

    name: str
    value: Decimal | None
    unit: str
    target: Decimal
    committed: Decimal | None = None
    peer: str = ""

    @property
    def ok(self) -> bool:
        """Whether the figure was measured, meets its target and is no larger than committed."""
        return not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the figure, in words."""
        if self.value is None:
            return ("not measured",)
        faults = []
        if self.value > self.target:
            faults.append("misses its target")
        if self.committed is not None and self.value > self.committed:
            faults.append(f"was {self.committed:,}")
        return tuple(faults)


def row(name: str, value: float, unit: str, target: float, *, digits: int = 2) -> Row:
    """Round a measurement for people; the comparison is with the rounded figure."""
    return Row(name, Decimal(f"{value:.{digits}f}"), unit, Decimal(str(target)))


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table; with the peers if any row has one."""
    has_peers = any(row.peer for row in rows)
    head = ["figure", "value", "unit", "target", *(["best peer"] if has_peers else []), "ok"]
    marks = ["---", "---:", "---", "---:", *(["---"] if has_peers else []), "---"]
    lines = [head, marks]
    for row in rows:
        value = "" if row.value is None else f"{row.value:,}"
        verdict = "yes" if row.ok else f"NO: {', '.join(row.faults)}"
        peer = [row.peer] if has_peers else []
        lines.append([row.name, value, row.unit, f"≤ {row.target:,}", *peer, verdict])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
