"""Which format evidence has, by its content: magic numbers, tags and claims, never a file's name.

Detection decides who reads the bytes and nothing else: all of it is read again by the verifier.
"""

import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final

from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.findings import Malformed, Remedy

#: The longest token that is looked into; issuers' tokens have some 5,000 bytes.
_MAX_TOKEN: Final = 65_536
#: Intel's id of the quoting enclave's vendor, at 12 of every ECDSA quote.
_INTEL: Final = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_TEE_TYPES: Final = {0: EvidenceFormat.SGX_QUOTE, 0x81: EvidenceFormat.TDX_QUOTE}
#: TPMS_ATTEST: TPM_GENERATED_VALUE, then TPM_ST_ATTEST_QUOTE.
_TPM_QUOTE: Final = bytes.fromhex("ff5443478018")
_HCL: Final = b"HCLA"
#: CBOR tags of a CCA token: that of the collection, in the drafts' order.
_CCA_TAGS: Final = (399, 907)
_COSE_TAGS: Final = (17, 18)
_CCA_PLATFORM: Final = 44_234
_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG = range(7)
_INDEFINITE: Final = 31


def detect(raw: bytes) -> EvidenceFormat:
    """Tell evidence by its content.

    A TPM's quote looks alike wherever the TPM is: it is `TPM_QUOTE` here, and `GOOGLE_VTPM` if the
    caller says so or brings Google's certificates.

    Args:
        raw: The main file, whole.

    Raises:
        Malformed: No supported format begins so.
    """
    for recognise in _RECOGNISERS:
        found = recognise(raw)
        if found is not None:
            return found
    raise Malformed(
        f"{len(raw)} bytes that begin {raw[:8].hex()}",
        "a quote, report, document or token of a supported platform",
        subject="format of the evidence",
        remedy=Remedy.RIGHT_FORMAT,
    )


def _intel(raw: bytes) -> EvidenceFormat | None:
    if raw[12:28] != _INTEL:
        return None
    return _TEE_TYPES.get(int.from_bytes(raw[4:8], "little"))


def _amd(raw: bytes) -> EvidenceFormat | None:
    """ATTESTATION_REPORT: VERSION at 0, SIGNATURE_ALGO (ECDSA P-384 with SHA-384) at 0x34."""
    version, algorithm = (int.from_bytes(raw[at : at + 4], "little") for at in (0, 0x34))
    return EvidenceFormat.SNP_REPORT if 2 <= version <= 15 and algorithm == 1 else None


def _azure(raw: bytes) -> EvidenceFormat | None:
    return EvidenceFormat.AZURE_HCL if raw.startswith(_HCL) else None


def _tpm(raw: bytes) -> EvidenceFormat | None:
    return EvidenceFormat.TPM_QUOTE if raw.startswith(_TPM_QUOTE) else None


def _cbor(raw: bytes) -> EvidenceFormat | None:
    """A CCA collection by its tag or first key; COSE by what kind of keys its payload has."""
    try:
        kind, value, at = _head(raw, 0)
        tag = value if kind == _TAG else None
        if kind == _TAG:
            kind, value, at = _head(raw, at)
        if kind == _MAP:
            _, key, _ = _head(raw, at)
            is_cca = tag in _CCA_TAGS or (tag is None and key == _CCA_PLATFORM)
            return EvidenceFormat.CCA_TOKEN if is_cca else None
        if (kind, value) == (_ARRAY, 4) and tag in (None, *_COSE_TAGS):
            return _by_key(raw, at)
    except IndexError:
        pass
    return None


#: AWS names its claims with text, PSA (RFC 9783) with integers.
_COSE_KEYS: Final = {
    _TEXT: EvidenceFormat.NITRO_DOCUMENT,
    _UINT: EvidenceFormat.PSA_TOKEN,
    _NEGATIVE: EvidenceFormat.PSA_TOKEN,
}


def _by_key(raw: bytes, at: int) -> EvidenceFormat | None:
    """By the payload's first key, of `[protected, unprotected (empty), payload, …`."""
    kind, size, at = _head(raw, at)
    unprotected, pairs, at = _head(raw, at + size)
    if (kind, unprotected, pairs) != (_BYTES, _MAP, 0):
        return None
    payload, _, at = _head(raw, at)
    claims, _, at = _head(raw, at)
    return _COSE_KEYS.get(_head(raw, at)[0]) if (payload, claims) == (_BYTES, _MAP) else None


def _head(raw: bytes, at: int) -> tuple[int, int, int]:
    """Major type and argument of the CBOR item at `at`, and where its content begins.

    An indefinite length counts as none.

    Raises:
        IndexError: It is not all there, or its head is reserved.
    """
    kind, info = raw[at] >> 5, raw[at] & 31
    if info < 24 or info == _INDEFINITE:
        return kind, info % _INDEFINITE, at + 1
    end = at + 1 + (1 << (info - 24))
    if info > 27 or end > len(raw):
        raise IndexError
    return kind, int.from_bytes(raw[at + 1 : end], "big"), end


def _token(raw: bytes) -> EvidenceFormat | None:
    """A compact JWS, by its claims."""
    segments = raw.split(b".") if len(raw) <= _MAX_TOKEN else []
    if len(segments) != 3:
        return None
    claims = _json_object(segments[1])
    if any(name.startswith("x-ms-") for name in claims):
        return EvidenceFormat.MAA_TOKEN
    if {"eat_profile", "hwmodel", "swname"} & claims.keys():
        return EvidenceFormat.CONFIDENTIAL_SPACE_TOKEN
    return None


def _json_object(segment: bytes) -> dict[str, Any]:
    """The object in a segment; empty if there is none."""
    try:
        text = base64.b64decode(segment + b"=" * (-len(segment) % 4), altchars=b"-_", validate=True)
        value = json.loads(text)
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


_RECOGNISERS: Final[tuple[Callable[[bytes], EvidenceFormat | None], ...]] = (
    _intel,
    _amd,
    _azure,
    _tpm,
    _cbor,
    _token,
)
