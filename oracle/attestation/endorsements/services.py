"""What vendors' services have for a piece of evidence: what to ask, and what a reply is.

Pure: who carries the questions is elsewhere (`oracle.collateral`). Nothing here establishes that a
reply is genuine; a verifier does that, and never asks anybody.

Reference: AMD 57230, VCEK Certificate and KDS Interface Specification, revision 0.51, chapter 4;
Microsoft, Azure Attestation REST API, "Signing Certificates - Get"; Google Cloud, Confidential
Space, attestation token validation endpoint fields.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.certificates import (
    extensions_of,
    load_certificate,
    load_crl,
)
from oracle.attestation.codecs.dcap import parse_pem_chain
from oracle.attestation.codecs.hcl import Hardware, parse_hcl_report
from oracle.attestation.codecs.jws import parse_jws
from oracle.attestation.codecs.snp_report import (
    ProductLine,
    SigningKey,
    SnpReport,
    line_of,
    parse_report,
    tcb_components,
)
from oracle.attestation.codecs.strict_json import check_marks
from oracle.attestation.evidence import Evidence, EvidenceFormat
from oracle.attestation.roots.issuers import AZURE_SHARED

KDS: Final = "https://kdsintf.amd.com"
GOOGLE_KEYS: Final = (
    "https://www.googleapis.com/service_accounts/v1/metadata/jwk/"
    "signer@confidentialspace-sign.iam.gserviceaccount.com"
)
#: Key sets bear no end: issuers rotate their keys within days.
KEYS_LIVE_S: Final = 86_400
#: Where the certificates of virtual TPMs say that their issuers' lists are.
_LIST_HOSTS: Final = (".storage.googleapis.com", "www.microsoft.com", "crl.microsoft.com")
#: What the key server calls the components of a TCB version.
_LEVELS: Final = {
    "fmc": "fmcSPL",
    "bootloader": "blSPL",
    "tee": "teeSPL",
    "snp": "snpSPL",
    "microcode": "ucodeSPL",
}
_TURIN_ID: Final = 8


class ReplyKind(StrEnum):
    """What a service answers with."""

    CERTIFICATE = "certificate"  # DER
    CHAIN = "chain"  # PEM
    CRL = "crl"  # DER
    KEYS = "keys"  # JSON Web Key Set


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask for.

    Attributes:
        url: Whole.
        kind: What the reply is.
        file: Name under which it is kept.
        is_needed: Whether verification is impossible without it.
    """

    url: str
    kind: ReplyKind
    file: str
    is_needed: bool = True


def questions(evidence: Evidence, certificates: Sequence[bytes] = ()) -> tuple[Question, ...]:
    """What to ask the vendors' services for, besides Intel's (`pcs`).

    Args:
        evidence: Its main file is looked into, unverified: it chooses among fixed services only.
        certificates: What is there already, DER: their issuers' revocation lists are asked for, at
            Google's and Microsoft's places alone.

    Returns:
        Nothing for evidence that brings all it needs (Nitro, PKI tokens) or rests on pinned keys.

    Raises:
        MalformedEvidence: Not of its format, or a token of an issuer that is not known.
    """
    return (*_of_evidence(evidence), *_lists(certificates))


def read_reply(question: Question, body: bytes) -> int | None:
    """Check that a reply is what was asked for.

    Returns:
        Until when it can be kept, seconds since the epoch; None for `KEYS_LIVE_S` from now.

    Raises:
        MalformedEvidence: It is something else.
    """
    if question.kind is ReplyKind.CERTIFICATE:
        return _end(load_certificate(body, subject=question.file).not_valid_after_utc)
    if question.kind is ReplyKind.CHAIN:
        chain = [each.der for each in parse_pem_chain(body)]
        if not chain:
            raise MalformedEvidence(f"{question.file} is an empty chain")
        return _end(
            min(load_certificate(der, subject=question.file).not_valid_after_utc for der in chain)
        )
    if question.kind is ReplyKind.CRL:
        return _end(load_crl(body).next_update_utc)
    check_marks(body)
    try:
        keys = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedEvidence(f"{question.file} is not JSON") from error
    if not isinstance(keys, dict) or not isinstance(keys.get("keys"), list):
        raise MalformedEvidence(f"{question.file} is no key set")
    return None


def _of_evidence(evidence: Evidence) -> Iterator[Question]:
    if evidence.format is EvidenceFormat.SNP_REPORT:
        yield from _amd(parse_report(evidence.raw))
    elif evidence.format is EvidenceFormat.AZURE_HCL:
        report = parse_hcl_report(evidence.raw)
        if report.hardware is Hardware.SNP:
            yield from _amd(parse_report(report.report))
    elif evidence.format is EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN:
        if "x5c" not in parse_jws(evidence.raw).header:
            yield Question(GOOGLE_KEYS, ReplyKind.KEYS, "google-keys.json")
    elif evidence.format is EvidenceFormat.MAA_TOKEN:
        issuer = parse_jws(evidence.raw).claims.get("iss")
        if issuer not in AZURE_SHARED:
            raise MalformedEvidence(f"issuer is {issuer!r}, wanted a shared provider of Azure's")
        yield Question(f"{issuer}/certs", ReplyKind.KEYS, "maa-keys.json")


def _amd(report: SnpReport) -> Iterator[Question]:
    """Reports of version 2 do not say their line: both that it may be are asked for."""
    known = line_of(report)
    lines = (known,) if known else (ProductLine.MILAN, ProductLine.GENOA)
    is_vlek = report.signing_key == SigningKey.VLEK
    kind = "vlek" if is_vlek else "vcek"
    for line in lines:
        base = f"{KDS}/{kind}/v1/{line.value}"
        name = f"{kind}-{line.value.lower()}"
        if not is_vlek:
            url = f"{base}/{_chip(report, line)}"
            yield Question(url, ReplyKind.CERTIFICATE, f"{name}.der", known is not None)
        yield Question(f"{base}/cert_chain", ReplyKind.CHAIN, f"{name}-chain.pem")
        yield Question(f"{base}/crl", ReplyKind.CRL, f"{name}.crl", is_needed=False)


def _chip(report: SnpReport, line: ProductLine) -> str:
    """A chip's identity and the firmware that its key is of, as the key server wants them."""
    size = _TURIN_ID if line is ProductLine.TURIN else len(report.chip_id)
    levels = tcb_components(report.reported_tcb, line)
    named = ((asked, levels[name]) for name, asked in _LEVELS.items() if name in levels)
    wanted = "&".join(f"{asked}={level:02}" for asked, level in named)
    return f"{report.chip_id[:size].hex()}?{wanted}"


def _lists(certificates: Sequence[bytes]) -> Iterator[Question]:
    urls = [url for der in certificates for url in _list_urls(der)]
    for number, url in enumerate(dict.fromkeys(urls)):
        yield Question(url, ReplyKind.CRL, f"issuer-{number}.crl", is_needed=False)


def _list_urls(der: bytes) -> Iterator[str]:
    certificate = load_certificate(der, subject="certificate")
    for extension in extensions_of(certificate):
        if isinstance(extension.value, x509.CRLDistributionPoints):
            for point in extension.value:
                yield from _allowed(point)


def _allowed(point: x509.DistributionPoint) -> Iterator[str]:
    for name in point.full_name or ():
        with suppress(ValueError):
            parts = urlsplit(str(name.value))
            host = parts.hostname or ""
            if parts.scheme in ("http", "https") and host.endswith(_LIST_HOSTS) and not parts.port:
                yield parts.geturl()


def _end(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment else None
