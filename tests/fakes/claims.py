"""Claims as a verifier would return them, for tests of what is made of them."""

import hashlib
from dataclasses import replace
from typing import Any

from oracle.attestation.claims import Claims, DebugState, Measurement, Tcb, Tee
from oracle.attestation.evidence import EvidenceFormat

NOW = 1_800_000_000
ROOT_ID = hashlib.sha256(b"a root").digest()

_TDX = Claims(
    format=EvidenceFormat.TDX_QUOTE,
    tee=Tee.TDX,
    root_id=ROOT_ID,
    measurements=(
        Measurement("mrtd", "sha384", b"\x01" * 48),
        Measurement("rtmr0", "sha384", b"\x02" * 48),
        Measurement("mrservicetd", "sha384", bytes(48)),
    ),
    tcb=Tcb("UpToDate", (), {"tee_tcb_svn_0": 5}, evaluation_number=18),
    debug=DebugState.DISABLED,
    hardware_id=b"\x0a" * 16,
    report_data=b"\x07" * 64,
    issued_at=None,
    expires_at=NOW + 86_400,
    facts={"sept-ve-disable": True, "production-attributes": True},
)
_SNP = replace(
    _TDX,
    format=EvidenceFormat.SNP_REPORT,
    tee=Tee.SNP,
    measurements=(Measurement("measurement", "sha384", b"\x03" * 48),),
    tcb=Tcb("", (), {"microcode": 84, "snp": 24}),
    facts={
        "vmpl": 0,
        "policy-migrate-ma": False,
        "policy-reserved-17": True,
        "policy-smt": True,
        "product-line": "Genoa",
    },
)
_NITRO = replace(
    _TDX,
    format=EvidenceFormat.NITRO_DOCUMENT,
    tee=Tee.NITRO,
    measurements=(Measurement("pcr0", "sha384", b"\x04" * 48),),
    tcb=None,
    issued_at=NOW - 60,
    facts={},
)
_TPM = replace(
    _TDX,
    format=EvidenceFormat.TPM_QUOTE,
    tee=Tee.TPM,
    measurements=(Measurement("pcr4", "sha256", b"\x05" * 32),),
    tcb=None,
    debug=DebugState.UNKNOWN,
    hardware_id=b"",
    expires_at=None,
    facts={"nonce-present": True},
)
_SPACE = replace(
    _TDX,
    format=EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN,
    measurements=(),
    tcb=None,
    debug=DebugState.DISABLED_SINCE_BOOT,
    issued_at=NOW - 60,
    facts={"issuer": "https://confidentialcomputing.googleapis.com", "audience": "me"},
)


def tdx(**changes: Any) -> Claims:
    """Of a TD that the strict policy accepts."""
    return replace(_TDX, **changes)


def snp(**changes: Any) -> Claims:
    """Of a Genoa guest that the strict policy accepts."""
    return replace(_SNP, **changes)


def nitro(**changes: Any) -> Claims:
    """Of an enclave that the strict policy accepts."""
    return replace(_NITRO, **changes)


def tpm(**changes: Any) -> Claims:
    """Of a TPM whose key was pinned."""
    return replace(_TPM, **changes)


def space(**changes: Any) -> Claims:
    """Of a Confidential Space token that the strict policy accepts."""
    return replace(_SPACE, **changes)
