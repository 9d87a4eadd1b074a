"""Recorded quotes of Intel's platforms, and what manifests and the vendor library say of them."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dcap_qvl

from oracle.attestation.codecs.dcap import Certificate, parse_pem_chain
from oracle.attestation.codecs.pcs import SignedText, parse_evaluation_numbers
from oracle.attestation.codecs.tcb_tables import STATUS_NAMES, EvaluationNumbers, TcbStatus
from tests.integration.collateral import INTEL_ROOT, VECTORS, recorded_numbers

FOLDERS = ("sgx", "tdx")
STATUSES = {name: status for status, name in STATUS_NAMES.items()}
_POLICY = re.compile(r"(?:TCB status )?(\w+) allowed(?: but advisory ([\w-]+) denied)?")


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy of a manifest.

    Attributes:
        name: As in the manifest.
        statuses: Those that are accepted.
        denied: Advisories that may not be open; all others may.
        expected: `accept`, `reject` or `either`.
    """

    name: str
    statuses: frozenset[TcbStatus]
    denied: frozenset[str]
    expected: str


@dataclass(frozen=True, slots=True)
class SignedNumbers:
    """TCB evaluation data numbers and who signed them."""

    document: SignedText
    numbers: EvaluationNumbers
    signer: Certificate


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded quote.

    Attributes:
        name: Of the case, after its TEE.
        entry: What the manifest says.
        raw: The file.
        root: The only certificate that may be trusted.
        fields: Collateral under the library's field names; None if there is none.
        numbers: That are in date when the case is, if any are.
    """

    name: str
    entry: dict[str, Any]
    raw: bytes
    root: bytes
    fields: dict[str, str] | None
    numbers: SignedNumbers | None

    @property
    def now(self) -> int | None:
        """When it verifies, in seconds since the epoch; None if it never does."""
        moment = self.entry.get("verifies_at")
        return moment["unix"] if moment else None

    @property
    def is_intel(self) -> bool:
        """Whether its root is the vendor's own."""
        return "trust_root" not in self.entry

    @property
    def policies(self) -> list[Policy]:
        """The default policy, then those others that a contract can hold."""
        default = frozenset({TcbStatus.UP_TO_DATE})
        found = [Policy("default", default, frozenset(), self.entry["expected"])]
        for other in self.entry.get("expected_under_other_policies", ()):
            said = _POLICY.fullmatch(other["policy"])
            if said is not None and said[1] in STATUSES:
                statuses = default | {STATUSES[said[1]]}
                denied = frozenset({said[2]} - {None})
                found.append(Policy(other["policy"], statuses, denied, other["expected"]))
        return found

    @property
    def inexpressible(self) -> list[str]:
        """Policies that a contract cannot hold."""
        held = {policy.name for policy in self.policies}
        others = self.entry.get("expected_under_other_policies", ())
        return [other["policy"] for other in others if other["policy"] not in held]

    @property
    def negatives(self) -> Iterator[tuple[bytes, str]]:
        """Altered quotes that must be refused, and why."""
        for change in self.entry.get("derived_negatives", ()):
            altered = bytearray(self.raw)
            altered[change["xor_offset"]] ^= change["xor"]
            yield bytes(altered), change["why"]

    @property
    def decision(self) -> tuple[str, frozenset[str]] | str:
        """Status and advisories that the vendor library finds, or why it refuses."""
        if self.fields is None or self.now is None:
            return "no collateral"
        try:
            collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(self.fields))
            report = dcap_qvl.verify_with_root_ca(self.raw, collateral, self.root, self.now)
        except ValueError as refused:
            return " ".join(str(refused).split())
        return report.status, frozenset(report.advisory_ids)


def recorded_evidence() -> list[Recorded]:
    """Every quote of every manifest, with or without collateral."""
    numbers = [
        SignedNumbers(document, parse_evaluation_numbers(document.text), signer)
        for document, signer in recorded_numbers()
    ]
    return [case for tee in FOLDERS for case in _folder(Path(str(VECTORS)) / tee, numbers)]


def _folder(folder: Path, numbers: list[SignedNumbers]) -> Iterator[Recorded]:
    entries = json.loads((folder / "manifest.json").read_text())
    files = {e["vector"]: e["file"] for e in entries if e["role"] == "collateral"}
    for entry in entries:
        if entry["role"] != "evidence":
            continue
        file, trusted = files.get(entry["vector"]), entry.get("trust_root")
        root = folder / trusted if trusted else folder.parent / INTEL_ROOT
        shown = [] if trusted else [n for n in numbers if n.numbers.tee.name.lower() == folder.name]
        now = (entry.get("verifies_at") or {}).get("unix", 0)
        yield Recorded(
            name=f"{folder.name}-{entry['vector']}",
            entry=entry,
            raw=(folder / entry["file"]).read_bytes(),
            root=parse_pem_chain(root.read_bytes())[0].der,
            fields=json.loads((folder / file).read_text()) if file else None,
            numbers=next(
                (n for n in shown if n.numbers.issued_at <= now <= n.numbers.next_update), None
            ),
        )
