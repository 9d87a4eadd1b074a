"""Texts and lists of the emulated vendor in the exact formats, as its publishing side signs them.

Reference: Intel PCS API v4; Intel SGX PCK Certificate and CRL Profile Specification, section 1.4.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from enclave.domain.evidence import TeeKind
from oracle.attestation.codecs.tcb_tables import (
    STATUS_NAMES,
    EvaluationNumbers,
    PlatformLevel,
    QeIdentity,
    SvnLevel,
    TcbInfo,
    TdxModule,
)
from oracle.devnet.silicon.pki import Authority

_QE_NAMES = {TeeKind.SGX: "QE", TeeKind.TDX: "TD_QE"}


def make_crl(
    issuer: Authority,
    serials: Iterable[int],
    *,
    now: datetime,
    life: timedelta,
    number: int = 1,
) -> bytes:
    """A revocation list in DER, with the vendor's extensions; its number never grows there.

    Args:
        issuer: Who signs it.
        serials: Of the revoked certificates, all for a compromised key.
        now: `thisUpdate`, cut to seconds.
        life: From there to `nextUpdate`.
        number: CRL number.
    """
    at = now.astimezone(UTC).replace(microsecond=0)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(at)
        .next_update(at + life)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(authority, critical=False)
    )
    for serial in serials:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(at)
            .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
            .build()
        )
    return builder.sign(issuer.key, SHA256()).public_bytes(Encoding.DER)


def render_tcb_info(info: TcbInfo) -> bytes:
    """The text of a TCB info, version 3."""
    modules: dict[str, Any] = {}
    if info.modules:
        *identities, last = info.modules
        modules["tdxModule"] = _module_fields(last)
        modules["tdxModuleIdentities"] = [
            {"id": f"TDX_{module.id:02X}"}
            | _module_fields(module)
            | {"tcbLevels": [_svn_level(level) for level in module.levels]}
            for module in identities
        ]
    return _text(
        {
            "id": info.tee.name,
            "version": 3,
            **_dates(info.issued_at, info.next_update),
            "fmspc": info.fmspc.hex().upper(),
            "pceId": info.pce_id.hex().upper(),
            "tcbType": 0,
            "tcbEvaluationDataNumber": info.number,
            **modules,
            "tcbLevels": [_platform_level(level, info.tee) for level in info.levels],
        }
    )


def render_qe_identity(qe: QeIdentity) -> bytes:
    """The text of a quoting enclave's identity, version 2."""
    sizes = {
        "miscselect": 4,
        "miscselectMask": 4,
        "attributes": 16,
        "attributesMask": 16,
        "mrsigner": 32,
    }
    fields: dict[str, Any] = {}
    at = 0
    for name, size in sizes.items():
        fields[name] = qe.identity[at : at + size].hex().upper()
        at += size
    return _text(
        {
            "id": _QE_NAMES[qe.tee],
            "version": 2,
            **_dates(qe.issued_at, qe.next_update),
            "tcbEvaluationDataNumber": qe.number,
            **fields,
            "isvprodid": int.from_bytes(qe.identity[at:], "big"),
            "tcbLevels": [_svn_level(level) for level in qe.levels],
        }
    )


def render_numbers(numbers: EvaluationNumbers) -> bytes:
    """The text of TCB evaluation data numbers, version 1."""
    return _text(
        {
            "id": numbers.tee.name,
            "version": 1,
            **_dates(numbers.issued_at, numbers.next_update),
            "tcbEvalNumbers": [
                {
                    "tcbEvaluationDataNumber": entry.number,
                    "tcbRecoveryEventDate": _date(entry.recovery_at),
                    "tcbDate": _date(entry.tcb_date),
                }
                for entry in numbers.numbers
            ],
        }
    )


def _module_fields(module: TdxModule) -> dict[str, str]:
    return {
        "mrsigner": module.mrsigner.hex().upper(),
        "attributes": module.attributes.hex().upper(),
        "attributesMask": module.mask.hex().upper(),
    }


def _platform_level(level: PlatformLevel, tee: TeeKind) -> dict[str, Any]:
    tcb: dict[str, Any] = {
        "sgxtcbcomponents": [{"svn": version} for version in level.sgx],
        "pcesvn": level.grade.svn,
    }
    if tee is TeeKind.TDX:
        tcb["tdxtcbcomponents"] = [{"svn": version} for version in level.tdx]
    return {"tcb": tcb} | _grade(level.grade)


def _svn_level(level: SvnLevel) -> dict[str, Any]:
    return {"tcb": {"isvsvn": level.svn}} | _grade(level)


def _grade(level: SvnLevel) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "tcbDate": _date(level.date),
        "tcbStatus": STATUS_NAMES[level.status],
    }
    return fields | ({"advisoryIDs": list(level.advisories)} if level.advisories else {})


def _dates(issued_at: int, next_update: int) -> dict[str, str]:
    return {"issueDate": _date(issued_at), "nextUpdate": _date(next_update)}


def _date(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
