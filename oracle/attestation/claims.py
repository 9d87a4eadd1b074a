"""What genuine evidence says: one shape for every platform.

Names are those of EAT (RFC 9711) and RATS (RFC 9334). That a claim is here means that the platform
signed it; whether it is acceptable is for `appraisal` to say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from oracle.attestation.evidence import EvidenceFormat

#: Values of platform facts: what JSON can say, and bytes.
Fact = str | int | bool | bytes


class Tee(StrEnum):
    """What protects the code: EAT's `hwmodel`."""

    SGX = "sgx"
    TDX = "tdx"
    SNP = "snp"
    SEV = "sev"  # AMD SEV without SNP: memory is encrypted, not integrity-protected
    NITRO = "nitro"
    CCA = "cca"
    TRUSTZONE = "trustzone"
    TPM = "tpm"  # A TPM alone: says what was booted, protects nothing that runs


class DebugState(StrEnum):
    """EAT's `dbgstat`."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    DISABLED_SINCE_BOOT = "disabled-since-boot"
    DISABLED_PERMANENTLY = "disabled-permanently"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something that was not checked.

    Attributes:
        what: The check or fact.
        reason: Why not, and what that leaves open.
    """

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """One register.

    Attributes:
        name: In lower case as the platform calls it: `mrenclave`, `mrtd`, `rtmr0`, `measurement`,
            `host-data`, `pcr0`, `rim`, `rem0`, `image-digest`, or a software component's name.
        algorithm: Hash algorithm in lower case (`sha256`, `sha384`); empty for raw data.
        value: Its bytes, in full.
    """

    name: str
    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Tcb:
    """How new the platform's firmware is.

    Attributes:
        status: The vendor's word (`UpToDate`, `SWHardeningNeeded`, …); empty where it has none.
        advisories: Open advisories, such as `INTEL-SA-00615`.
        components: Security version numbers by name (`snp`, `microcode`, `tee_tcb_svn_0`, …).
        evaluation_number: Intel's TCB evaluation data number; None elsewhere.
        dated_at: What the vendor's date of this level is, seconds since the epoch; None if unknown.
    """

    status: str
    advisories: tuple[str, ...]
    components: Mapping[str, int]
    evaluation_number: int | None = None
    dated_at: int | None = None


@dataclass(frozen=True, slots=True)
class Claims:
    """What one piece of evidence proves.

    Attributes:
        format: Of the evidence.
        tee: What protects the code.
        root_id: SHA-256 of the trust anchor that it chains to: of a root certificate's DER, or of a
            pinned key's SubjectPublicKeyInfo; 32 bytes.
        measurements: Registers, in the platform's order.
        tcb: Firmware; None where the evidence says nothing of it.
        debug: Whether a debugger may read the code's memory.
        hardware_id: What identifies the machine (EAT's `ueid`), raw; empty if it is masked.
        report_data: What the attested code chose, raw: 64 bytes, or a token's or TPM's nonce.
        issued_at: When the evidence was made, seconds since the epoch; None if it does not say.
        expires_at: End of the shortest validity among evidence, certificates, lists and collateral
            used, seconds since the epoch; None if none has an end (pinned keys).
        facts: What else a policy may ask for, by name (`vmpl`, `product-line`, `issuer`, …); the
            names of each platform are in `README.md`.
        submodules: Claims of parts with their own evidence: EAT's `submods`.
        unchecked: What was not checked, and why.
    """

    format: EvidenceFormat
    tee: Tee
    root_id: bytes
    measurements: tuple[Measurement, ...]
    tcb: Tcb | None
    debug: DebugState
    hardware_id: bytes
    report_data: bytes
    issued_at: int | None
    expires_at: int | None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    submodules: Mapping[str, "Claims"] = field(default_factory=dict)
    unchecked: tuple[Unchecked, ...] = ()

    def measurement(self, name: str, algorithm: str | None = None) -> bytes | None:
        """A register's value, or None if it is not there (in that algorithm)."""
        for measured in self.measurements:
            if measured.name == name and algorithm in (None, measured.algorithm):
                return measured.value
        return None
