"""Files around evidence, told apart by their content: certificates, lists, collateral, parts."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import ExtensionNotFound, ObjectIdentifier

from enclave.domain.errors import AttestationError, MalformedEvidence
from oracle.attestation.codecs.certificates import UNREADABLE, load_certificate, load_crl
from oracle.attestation.codecs.strict_json import check_marks
from oracle.attestation.evidence import EvidenceFormat
from oracle.attestation.tees import detect

#: Of a PEM file; verifiers take at most 32 certificates and 8 lists.
MAX_BLOCKS = 64
#: Never looks twice at a byte, however much of it is white.
_PEM = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]++)-----\s++([A-Za-z0-9+/=][A-Za-z0-9+/=\s]*+)-----END \1-----",
    re.ASCII,
)
#: TCG PC Client Platform Firmware Profile 1.05, section 10.4.5.1: the first event of a log, after
#: its register's number, is of type EV_NO_ACTION and without digest.
_LOG_HEADER = b"\x03\0\0\0" + bytes(20)
_LOG_SIGNATURE = b"Spec ID Event03\0"
#: TPMT_SIGNATURE and TPMT_PUBLIC: algorithm, then hash algorithm, TCG Algorithm Registry.
_SIGNATURE_ALGORITHMS = frozenset({0x14, 0x16, 0x18})
_KEY_ALGORITHMS = frozenset({0x01, 0x23})
_HASHES = frozenset({0x04, 0x0B, 0x0C, 0x0D})
#: A bare RSA signature: 2048, 3072 or 4096 bits.
_RSA_SIZES = frozenset({256, 384, 512})
#: Of Google's certificates of attestation keys: project, zone and instance.
_GCE_INSTANCE = ObjectIdentifier("1.3.6.1.4.1.11129.2.1.21")


class Kind(Enum):
    """What a file, or a block of a PEM file, is."""

    CERTIFICATE = auto()
    CRL = auto()
    KEY = auto()
    INTEL = auto()
    JWKS = auto()
    PCR_VALUES = auto()
    EVENT_LOG = auto()
    SIGNATURE = auto()
    EVIDENCE = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Item:
    """One thing in a file.

    Attributes:
        kind: What it is.
        raw: Its bytes: DER of certificates and lists; keys as they stand in the file.
        format: Of evidence.
        fault: Of `OTHER`, why it was not looked into; empty if it was.
    """

    kind: Kind
    raw: bytes
    format: EvidenceFormat | None = None
    fault: str = ""


def sort_file(raw: bytes) -> tuple[Item, ...]:
    """What is in a file; nothing is verified.

    What begins like evidence is evidence; bytes of no known kind are one item `OTHER`, and so is
    a file of more than 64 PEM blocks, or of more JSON than `strict_json` takes.

    Args:
        raw: At most `attest_inputs.MAX_FILE` bytes.
    """
    try:
        return (Item(Kind.EVIDENCE, raw, detect(raw)),)
    except MalformedEvidence:
        blocks = tuple(islice(_pem_items(raw), MAX_BLOCKS + 1))
    if len(blocks) > MAX_BLOCKS:
        fault = f"over {MAX_BLOCKS} PEM blocks, wanted at most {MAX_BLOCKS}"
        return (Item(Kind.OTHER, raw, fault=fault),)
    return blocks or (_whole(raw),)


def _whole(raw: bytes) -> Item:
    """A file that is one thing."""
    try:
        document = _json(raw)
    except MalformedEvidence as error:
        return Item(Kind.OTHER, raw, fault=str(error))
    if document is not None:
        found = next((kind for kind, is_one in _JSON_TESTS if is_one(document)), Kind.OTHER)
    else:
        found = next((kind for kind, is_one in _TESTS if is_one(raw)), Kind.OTHER)
    return Item(found, raw)


def is_google_vtpm(certificates: tuple[bytes, ...]) -> bool:
    """Whether one of the certificates is of an attestation key in a Google machine's TPM."""
    for der in certificates:
        try:
            extensions = load_certificate(der, subject="certificate").extensions
            extensions.get_extension_for_oid(_GCE_INSTANCE)
        except (AttestationError, ExtensionNotFound, *UNREADABLE):
            continue
        return True
    return False


def _pem_items(raw: bytes) -> Iterator[Item]:
    for block in _PEM.finditer(raw):
        label, body = block.groups()
        try:
            der = base64.b64decode(body.translate(None, _WHITE), validate=True)
        except binascii.Error:
            continue
        kind = _LABELS.get(label, Kind.OTHER)
        yield Item(kind, raw if kind is Kind.KEY else der)


_WHITE = b" \t\n\r\v\f"
_LABELS = {
    b"CERTIFICATE": Kind.CERTIFICATE,
    b"X509 CRL": Kind.CRL,
    b"PUBLIC KEY": Kind.KEY,
}


def _is_certificate(raw: bytes) -> bool:
    return _is_der(raw) and _loads(lambda: load_certificate(raw, subject="certificate"))


def _is_crl(raw: bytes) -> bool:
    return _is_der(raw) and _loads(lambda: load_crl(raw))


def _is_key(raw: bytes) -> bool:
    if _is_der(raw):
        return _loads(lambda: load_der_public_key(raw))
    return _algorithms(raw, _KEY_ALGORITHMS)


def _is_signature(raw: bytes) -> bool:
    return len(raw) in _RSA_SIZES or _algorithms(raw, _SIGNATURE_ALGORITHMS)


def _is_event_log(raw: bytes) -> bool:
    return raw[4:28] == _LOG_HEADER and raw[32:48] == _LOG_SIGNATURE


def _is_intel(document: Any) -> bool:
    return isinstance(document, dict) and {"tcb_info", "qe_identity"} <= document.keys()


def _is_jwks(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("keys"), list)


def _is_pcr_values(document: Any) -> bool:
    """Registers in a list or by number, or such by bank."""
    if isinstance(document, dict):
        inner = next(iter(document.values()), None)
        numbers = inner if isinstance(inner, dict) else document
        return bool(numbers) and all(key.isdecimal() for key in numbers)
    return isinstance(document, list) and bool(document) and isinstance(document[0], str)


def _json(raw: bytes) -> Any:
    """A JSON document that is an object or a list; None if it is none.

    Raises:
        MalformedEvidence: It begins like one, and has too many values to be read.
    """
    if raw.lstrip()[:1] not in (b"{", b"["):
        return None
    check_marks(raw)
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _algorithms(raw: bytes, known: frozenset[int]) -> bool:
    """Whether the first two 16-bit numbers, big-endian, are of a TPM's algorithm and hash."""
    head = (int.from_bytes(raw[0:2], "big"), int.from_bytes(raw[2:4], "big"))
    return head[0] in known and head[1] in _HASHES


def _is_der(raw: bytes) -> bool:
    return raw[:1] == b"\x30"


def _loads(load: Any) -> bool:
    try:
        load()
    except (AttestationError, ValueError, UnsupportedAlgorithm):
        return False
    return True


_TESTS = (
    (Kind.CERTIFICATE, _is_certificate),
    (Kind.CRL, _is_crl),
    (Kind.KEY, _is_key),
    (Kind.SIGNATURE, _is_signature),
    (Kind.EVENT_LOG, _is_event_log),
)
_JSON_TESTS = (
    (Kind.INTEL, _is_intel),
    (Kind.JWKS, _is_jwks),
    (Kind.PCR_VALUES, _is_pcr_values),
)
