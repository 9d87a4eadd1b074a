"""One module for each platform, loaded when its evidence is met; `detect` tells which by content.

Every module offers `STEPS`, `verify` and `show`; what they establish is in `README.md`.
"""

import importlib
from typing import Protocol, cast

from oracle.attestation.claims import Claims
from oracle.attestation.codecs.certificates import quietly
from oracle.attestation.codecs.tree import Node
from oracle.attestation.endorsements.bundle import Endorsements
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.findings import Step
from oracle.attestation.roots import Roots
from oracle.attestation.tees.detection import detect

__all__ = ["MODULES", "detect", "show", "steps", "verify"]

#: Which module reads which format; loaded on use, since each brings libraries of its own.
MODULES = {
    EvidenceFormat.SGX_QUOTE: "sgx",
    EvidenceFormat.TDX_QUOTE: "tdx",
    EvidenceFormat.SNP_REPORT: "snp",
    EvidenceFormat.NITRO_DOCUMENT: "nitro",
    EvidenceFormat.AZURE_HCL: "azure",
    EvidenceFormat.MAA_TOKEN: "maa",
    EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN: "google",
    EvidenceFormat.GOOGLE_VTPM: "google_vtpm",
    EvidenceFormat.TPM_QUOTE: "tpm",
    EvidenceFormat.CCA_TOKEN: "cca",
    EvidenceFormat.PSA_TOKEN: "psa",
}


class _Verifier(Protocol):
    """What each module offers."""

    STEPS: tuple[Step, ...]

    def verify(
        self, evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int
    ) -> Claims:
        """Genuine, or a Refusal."""

    def show(self, evidence: Evidence) -> Node:
        """Decoded."""


@quietly
def verify(evidence: Evidence, endorsements: Endorsements, *, roots: Roots, now: int) -> Claims:
    """Establish that evidence is genuine, by the verifier of its format.

    That the claims are acceptable is for `appraisal` to say: debug mode, measurements, firmware's
    status and age are reported here, not judged.

    Args:
        evidence: Whole; format as told or by `detect`.
        endorsements: Whatever came with it; trusted only once checked.
        roots: All that is trusted.
        now: Moment of verification, seconds since the epoch.

    Raises:
        Refusal: The step that failed; Malformed, Unsigned, Expired or Unacceptable.
    """
    return _module(evidence.format).verify(evidence, endorsements, roots=roots, now=now)


@quietly
def show(evidence: Evidence) -> Node:
    """Decode evidence into a tree with offsets; nothing is verified.

    Raises:
        MalformedEvidence: Not of its format.
    """
    return _module(evidence.format).show(evidence)


def steps(of: EvidenceFormat) -> tuple[Step, ...]:
    """The numbered steps of a format's verifier."""
    return _module(of).STEPS


def _module(of: EvidenceFormat) -> _Verifier:
    return cast(_Verifier, importlib.import_module(f"{__name__}.{MODULES[of]}"))
