"""What an attester made, in named parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class EvidenceFormat(StrEnum):
    """Formats that a verifier of `tees/` reads."""

    SGX_QUOTE = "sgx-quote"
    TDX_QUOTE = "tdx-quote"
    SNP_REPORT = "snp-report"
    NITRO_DOCUMENT = "nitro-document"
    AZURE_HCL = "azure-hcl-report"
    MAA_TOKEN = "maa-token"  # noqa: S105 - the name of a format
    CONFIDENTIAL_SPACE_TOKEN = "confidential-space-token"  # noqa: S105 - the name of a format
    GOOGLE_VTPM = "google-vtpm-quote"
    TPM_QUOTE = "tpm-quote"
    CCA_TOKEN = "cca-token"  # noqa: S105 - the name of a format
    PSA_TOKEN = "psa-token"  # noqa: S105 - the name of a format


class Part(StrEnum):
    """Further files that belong to one piece of evidence; the names are those of the manifests."""

    TPM_QUOTE = "tpm-quote"  # TPMS_ATTEST
    TPM_SIGNATURE = "tpm-quote-signature"  # TPMT_SIGNATURE, or the bare RSA signature
    PCR_VALUES = "pcr-values"  # JSON object: number -> hexadecimal digits
    AK_PUBLIC = "ak-public"  # TPMT_PUBLIC or SubjectPublicKeyInfo, PEM or DER
    TD_QUOTE = "td-quote"  # TDX quote of the machine below an HCL report
    HARDWARE_REPORT = "hardware-report"  # quote or report of the machine below a vTPM
    EVENT_LOG = "event-log"  # TCG crypto-agile log
    RUNTIME_DATA = "runtime-data"  # what a token's or a report's data is the hash of


@dataclass(frozen=True, slots=True)
class Evidence:
    """One piece of evidence.

    Attributes:
        format: Who reads it.
        raw: The main file, whole: nothing cut or padded.
        parts: The other files.
    """

    format: EvidenceFormat
    raw: bytes
    parts: Mapping[Part, bytes] = field(default_factory=dict)
