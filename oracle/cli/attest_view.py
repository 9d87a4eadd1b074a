"""What `oracle attest` prints: results and trees, for people and for machines."""

from collections.abc import Iterator, Sequence
from typing import Any

from oracle.attestation.appraisal.explanation import describe, name_root
from oracle.attestation.appraisal.result import AttestationResult
from oracle.attestation.claims import Claims, Unchecked
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Refusal, Step
from oracle.attestation.roots import Roots

ACCEPTED = "accepted"
REFUSED = "refused"


def refusal_view(refusal: Refusal, evidence_format: str, notes: Sequence[str]) -> dict[str, Any]:
    """A refusal by the verifier, as JSON."""
    return {
        "verdict": REFUSED,
        "refused_by": "verifier",
        "format": evidence_format,
        "error": type(refusal).__name__,
        "step": _step_view(refusal.step),
        "within": _step_view(refusal.within),
        "subject": refusal.subject,
        "seen": refusal.seen,
        "wanted": refusal.wanted,
        "remedy": refusal.remedy.value,
        "notes": list(notes),
    }


def _step_view(step: Step | None) -> dict[str, Any] | None:
    if step is None:
        return None
    return {"number": step.number, "name": step.name, "proves": step.proves}


def result_view(result: AttestationResult, roots: Roots, notes: Sequence[str]) -> dict[str, Any]:
    """An attestation result, as JSON."""
    root_id = result.claims.root_id
    return {
        "verdict": ACCEPTED if result.is_accepted else REFUSED,
        "refused_by": None if result.is_accepted else "policy",
        "format": result.claims.format.value,
        "root": {"id": root_id.hex(), "name": name_root(root_id, roots)},
        "claims": claims_view(result.claims),
        "checks": [
            {
                "step": check.step.name,
                "module": check.module,
                "verdict": check.judgement.verdict.value,
                "subject": check.judgement.subject,
                "seen": check.judgement.seen,
                "wanted": check.judgement.wanted,
                "reason": check.judgement.reason,
                "remedy": check.judgement.remedy,
            }
            for check in result.checks
        ],
        "loosenings": list(result.loosenings),
        "unchecked": [_unchecked(item) for item in result.unchecked],
        "notes": list(notes),
    }


def claims_view(claims: Claims) -> dict[str, Any]:
    """Claims as JSON: bytes are hexadecimal digits, times seconds since the epoch."""
    tcb = claims.tcb
    return {
        "format": claims.format.value,
        "tee": claims.tee.value,
        "root_id": claims.root_id.hex(),
        "measurements": [
            {"name": each.name, "algorithm": each.algorithm, "value": each.value.hex()}
            for each in claims.measurements
        ],
        "tcb": None
        if tcb is None
        else {
            "status": tcb.status,
            "advisories": list(tcb.advisories),
            "components": dict(tcb.components),
            "evaluation_number": tcb.evaluation_number,
            "dated_at": tcb.dated_at,
        },
        "debug": claims.debug.value,
        "hardware_id": claims.hardware_id.hex(),
        "report_data": claims.report_data.hex(),
        "issued_at": claims.issued_at,
        "expires_at": claims.expires_at,
        "facts": {
            name: value.hex() if isinstance(value, bytes) else value
            for name, value in claims.facts.items()
        },
        "submodules": {name: claims_view(module) for name, module in claims.submodules.items()},
        "unchecked": [_unchecked(item) for item in claims.unchecked],
    }


def _unchecked(item: Unchecked) -> dict[str, str]:
    return {"what": item.what, "reason": item.reason}


def refusal_lines(refusal: Refusal, evidence_format: str, notes: Sequence[str]) -> Iterator[str]:
    """A refusal by the verifier, in short."""
    yield f"REFUSED  {evidence_format}"
    yield from notes
    yield f"  {refusal}"
    yield f"  to do: {refusal.remedy}"


def result_lines(result: AttestationResult, roots: Roots, notes: Sequence[str]) -> Iterator[str]:
    """An attestation result, in short."""
    claims = result.claims
    yield f"{'ACCEPTED' if result.is_accepted else 'REFUSED'}  {claims.tee} ({claims.format})"
    yield f"  genuine, to {name_root(claims.root_id, roots)}"
    yield from notes
    for check in result.failures:
        found = check.judgement
        where = f"{check.module}: " if check.module else ""
        yield f"  FAILED {where}{found.subject}: seen {found.seen}, wanted {found.wanted}"
        if found.reason:
            yield f"    {found.reason}"
        yield f"    to do: {found.remedy}"
    yield from (f"  {line}" for line in describe(claims))
    yield from (f"  LOOSENED {text}" for text in result.loosenings)
    yield from (f"  unchecked {item.what}: {item.reason}" for item in result.unchecked)


def tree_lines(node: Node, depth: int = 0) -> Iterator[str]:
    """A tree with offsets in hexadecimal digits and sizes in bytes."""
    place = "" if node.offset is None else f"{node.offset:#06x} {node.size:>6}"
    value = f"  {node.value}" if node.value else ""
    note = f"  ({node.note})" if node.note else ""
    yield f"{place:<14}{'  ' * depth}{node.name}{value}{note}"
    for child in node.children:
        yield from tree_lines(child, depth + 1)


def tree_view(node: Node) -> dict[str, Any]:
    """A tree as JSON."""
    return {
        "name": node.name,
        "value": node.value,
        "offset": node.offset,
        "size": node.size,
        "note": node.note,
        "children": [tree_view(child) for child in node.children],
    }
