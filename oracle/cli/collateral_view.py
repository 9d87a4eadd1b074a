"""What `oracle collateral` shows: one row for each document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from oracle.attestation.endorsements.documents import Document
from oracle.attestation.endorsements.pcs import Platform
from oracle.collateral.plan import ChainState, plan
from oracle.collateral.update import Brought

_DAY_S = 86_400


def view(
    platform: Platform, contract: str, documents: Sequence[Document], state: ChainState
) -> dict[str, Any]:
    """For machines; times are seconds since the epoch."""
    due = plan(documents, state)
    rows = [_row(each, state, is_due=each in due) for each in documents]
    return {
        "tee": platform.tee.name,
        "fmspc": platform.fmspc.hex(),
        "ca": platform.ca.value,
        "contract": contract,
        "usable": not any(row["fault"] for row in rows),
        "documents": rows,
    }


def _row(document: Document, state: ChainState, *, is_due: bool) -> dict[str, Any]:
    kept, fault = state.of(document), state.fault(document)
    left_s = 0 if fault else kept.valid_until - state.now
    return {
        "document": document.title,
        "number": document.number,
        "issued_at": kept.issued_at or None,
        "valid_until": kept.valid_until or None,
        "days_left": round(left_s / _DAY_S, 2),
        "fault": fault,
        "source_issued_at": document.issued_at,
        "source_ends_at": document.ends_at,
        "due": is_due,
    }


def table(shown: Mapping[str, Any]) -> list[str]:
    """Lines for people: one for each document, below a head."""
    rows = [("DOCUMENT", "NUMBER", "ISSUED", "ENDS", "DAYS LEFT", "STATE", "SOURCE HAS")]
    rows += [
        (
            row["document"],
            "-" if row["number"] is None else str(row["number"]),
            _moment(row["issued_at"]),
            _moment(row["valid_until"]),
            f"{row['days_left']:.2f}",
            row["fault"] or "usable",
            f"{_moment(row['source_issued_at'])}{', to bring' if row['due'] else ''}",
        )
        for row in shown["documents"]
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{shown['tee']} platform {shown['fmspc']}, {shown['ca']} CA, at {shown['contract']}",
        *(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ),
    ]


@dataclass(slots=True)
class Deliveries:
    """What was brought, said as it happens.

    Attributes:
        say: Prints a line.
        rows: For machines.
    """

    say: Callable[[str], None]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def note(self, brought: Brought) -> None:
        """Say that a document was brought."""
        name, receipt = brought.document.title, brought.receipt
        if receipt is None:
            self.say(f"{name}: brought by another one meanwhile")
            return
        transaction = "0x" + receipt.hash.hex()
        self.say(f"{name}: {receipt.gas_used} gas, transaction {transaction}")
        row = {"document": name, "transaction": transaction, "gas_used": receipt.gas_used}
        self.rows.append(row)

    def view(self) -> dict[str, Any]:
        """For machines."""
        return {"brought": self.rows, "gas_used": sum(row["gas_used"] for row in self.rows)}


def closing(shown: Mapping[str, Any]) -> str:
    """The last line of an update."""
    faults = [f"{row['document']} is {row['fault']}" for row in shown["documents"] if row["fault"]]
    count = len(shown["brought"])
    line = (
        f"{count} brought, {shown['gas_used']} gas" if count else "nothing newer; nothing was sent"
    )
    return "; ".join((line, *faults))


def _moment(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
