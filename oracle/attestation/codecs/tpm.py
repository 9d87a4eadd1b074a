"""TPM 2.0 structures: a quote (TPMS_ATTEST), its signature, and the registers' values.

Shape only: nothing here establishes that a TPM made any of it. Numbers are big-endian.

Reference: TCG TPM 2.0 Library, part 2 "Structures", revision 1.59 (the structures' names are those
of its tables); PC Client Platform TPM Profile 1.05 (24 registers).
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from oracle.attestation.codecs.fields import Fields
from oracle.attestation.codecs.json_tree import json_node
from oracle.attestation.codecs.strict_json import Json, parse_value
from oracle.attestation.codecs.tpm_keys import MAX_COORDINATE, MAX_RSA_SIZE, SIGNING_HASHES
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed, Remedy

#: What a TPM writes before anything of its own that it signs, and refuses to sign from outside.
TPM_GENERATED: Final = 0xFF544347
MAX_QUOTE: Final = 1024
MAX_SIGNATURE: Final = 1024
MAX_PCR_VALUES: Final = 16_384
REGISTERS: Final = 24
DIGEST_SIZES: Final[Mapping[str, int]] = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}

_ATTEST_QUOTE = {0x8018: "quote"}
_BANKS = {0x04: "sha1", 0x0B: "sha256", 0x0C: "sha384", 0x0D: "sha512"}
_BANK_COUNTS = {count: count for count in range(1, 17)}
_SELECT_SIZE = {3: 3}
_YES_NO = {0: False, 1: True}
#: A hash's number and the largest digest (TPMT_HA).
_MAX_HA = 66
#: A signature without header is as long as the modulus; with one it is six bytes longer.
_BARE_SIZES = frozenset({256, 384, 512})


class Scheme(StrEnum):
    """Signature schemes."""

    RSASSA = "rsassa"
    RSAPSS = "rsapss"
    ECDSA = "ecdsa"


_SCHEMES = {0x14: Scheme.RSASSA, 0x16: Scheme.RSAPSS, 0x18: Scheme.ECDSA}


@dataclass(frozen=True, slots=True)
class Bank:
    """Registers of one hash algorithm.

    Attributes:
        algorithm: `sha1`, `sha256`, `sha384` or `sha512`.
        registers: Numbers, 0 to 23, ascending.
    """

    algorithm: str
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quote:
    """A TPMS_ATTEST of type quote.

    Attributes:
        magic: `TPM_GENERATED` if the TPM made it.
        qualified_signer: Qualified name of the signing key: a hash algorithm's number and a
            digest; at most 66 bytes.
        extra_data: What the caller of TPM2_Quote gave: the nonce; at most 66 bytes.
        clock_ms: Milliseconds that the TPM was powered since its last clear.
        reset_count: TPM resets since its last clear.
        restart_count: TPM restarts or resumes since its last reset.
        is_clock_safe: Whether the clock has surely never shown a later value.
        firmware_version: The vendor's number.
        selection: Which registers the digest is over, in its order.
        pcr_digest: Hash of their values, one after another, by the signature's hash algorithm.
    """

    magic: int
    qualified_signer: bytes
    extra_data: bytes
    clock_ms: int
    reset_count: int
    restart_count: int
    is_clock_safe: bool
    firmware_version: int
    selection: tuple[Bank, ...]
    pcr_digest: bytes


@dataclass(frozen=True, slots=True)
class TpmSignature:
    """A signature over a TPMS_ATTEST.

    Attributes:
        scheme: Of the key's kind.
        algorithm: Hash: `sha256`, `sha384` or `sha512`.
        value: RSA: as long as the modulus. ECDSA: DER sequence of r and s.
    """

    scheme: Scheme
    algorithm: str
    value: bytes


def parse_quote(raw: bytes) -> Quote:
    """Decode a TPMS_ATTEST.

    Establishes nothing: not even that it says `TPM_GENERATED`.

    Args:
        raw: At most 1,024 bytes, nothing after its end.

    Raises:
        Malformed: Another attestation than a quote, a bank of another hash than SHA-1, SHA-256,
            SHA-384 and SHA-512, a bank twice, other than 24 registers, or lengths that do not fit.

    Reference:
        Part 2, TPMS_ATTEST, TPMS_QUOTE_INFO, TPMS_CLOCK_INFO, TPML_PCR_SELECTION.
    """
    return _quote(raw)[0]


def show_quote(raw: bytes) -> Node:
    """A TPMS_ATTEST as a tree; raises what `parse_quote` raises."""
    return _quote(raw)[1]


def parse_signature(raw: bytes) -> TpmSignature:
    """Decode a signature.

    Args:
        raw: TPMT_SIGNATURE of RSASSA, RSAPSS or ECDSA; or a bare RSASSA signature with SHA-256 of
            256, 384 or 512 bytes (Azure's guest libraries leave the header out). No length is both.

    Raises:
        Malformed: Another scheme or hash (SHA-1 included), or lengths that do not fit.

    Reference:
        Part 2, TPMT_SIGNATURE.
    """
    return _signature(raw)[0]


def show_signature(raw: bytes) -> Node:
    """A signature as a tree; raises what `parse_signature` raises."""
    return _signature(raw)[1]


def parse_pcr_values(raw: bytes, selection: tuple[Bank, ...]) -> dict[tuple[str, int], bytes]:
    """Read the values of the selected registers, in the selection's order.

    Args:
        raw: JSON: a list of values by number, or an object of number to value; for a quote of
            several banks an object of bank to such an object. A value is hexadecimal digits of the
            bank's size. At most 16,384 bytes. Registers that are not selected are left out.
        selection: Of the quote.

    Returns:
        Bank and number to value.

    Raises:
        MalformedEvidence: Not JSON.
        Malformed: Another form, or a selected register without a value of its bank's size.
    """
    document = parse_value(raw, most=MAX_PCR_VALUES)
    quoted = [bank for bank in selection if bank.registers]
    if isinstance(document, dict) and DIGEST_SIZES.keys() & document.keys():
        banks: Mapping[str, Json] = document
    elif len(quoted) == 1:
        banks = {quoted[0].algorithm: document}
    else:
        raise _malformed("PCR values", "values of one bank", f"values of {len(quoted)} banks")
    return {
        (bank.algorithm, number): _register(banks.get(bank.algorithm), bank.algorithm, number)
        for bank in quoted
        for number in bank.registers
    }


def show_pcr_values(raw: bytes) -> Node:
    """Registers' values as a tree, whichever they are.

    Raises:
        MalformedEvidence: Not JSON.
    """
    document = parse_value(raw, most=MAX_PCR_VALUES)
    return json_node("PCR values", document)


def pcr_digest(algorithm: str, values: Mapping[tuple[str, int], bytes]) -> bytes:
    """What a quote over these registers, in this order, says of them.

    Args:
        algorithm: Hash of the signature.
        values: In the selection's order.
    """
    return _digest(algorithm, b"".join(values.values()))


def _register(values: Json, algorithm: str, number: int) -> bytes:
    if isinstance(values, list):
        value = values[number] if number < len(values) else None
    elif isinstance(values, dict):
        value = values.get(str(number))
    else:
        value = None
    size = DIGEST_SIZES[algorithm]
    if not isinstance(value, str) or not re.fullmatch(f"[0-9a-fA-F]{{{2 * size}}}", value):
        seen = "nothing" if value is None else repr(value)[:140]
        raise _malformed(f"PCR values {algorithm} {number}", seen, f"{size} bytes in hexadecimal")
    return bytes.fromhex(value)


def _quote(raw: bytes) -> tuple[Quote, Node]:
    if len(raw) > MAX_QUOTE:
        raise _malformed("TPMS_ATTEST", f"{len(raw)} bytes", f"at most {MAX_QUOTE}")
    fields = Fields(raw, "TPMS_ATTEST", order="big")
    magic = fields.number("magic", 4, "0xff544347 (TPM_GENERATED) if the TPM made it")
    fields.choice("type", 2, _ATTEST_QUOTE)
    signer = fields.sized("qualifiedSigner", at_most=_MAX_HA)
    extra_data = fields.sized("extraData", at_most=_MAX_HA)
    with fields.group("clockInfo"):
        clock = fields.number("clock", 8, "milliseconds")
        resets = fields.number("resetCount", 4)
        restarts = fields.number("restartCount", 4)
        is_safe = fields.choice("safe", 1, _YES_NO)
    firmware = fields.number("firmwareVersion", 8)
    with fields.group("attested"):
        selection = _selection(fields)
        digest = fields.sized("pcrDigest", at_most=64)
    fields.end()
    quote = Quote(
        magic, signer, extra_data, clock, resets, restarts, is_safe, firmware, selection, digest
    )
    return quote, Node("TPMS_ATTEST", children=tuple(fields.nodes))


def _selection(fields: Fields) -> tuple[Bank, ...]:
    banks: list[Bank] = []
    for _ in range(fields.choice("pcrSelect count", 4, _BANK_COUNTS)):
        with fields.group("pcrSelect"):
            algorithm = fields.choice("hash", 2, _BANKS)
            mask = fields.take("pcrSelect", fields.choice("sizeofSelect", 1, _SELECT_SIZE))
        bits = int.from_bytes(mask, "little")
        banks.append(Bank(algorithm, tuple(n for n in range(REGISTERS) if bits >> n & 1)))
    if len({bank.algorithm for bank in banks}) != len(banks):
        raise fields.malformed(
            "pcrSelect", ", ".join(bank.algorithm for bank in banks), "each bank once"
        )
    return tuple(banks)


def _signature(raw: bytes) -> tuple[TpmSignature, Node]:
    if len(raw) in _BARE_SIZES:
        bare = Node("signature", raw.hex(), 0, len(raw), "bare RSASSA with SHA-256")
        return TpmSignature(Scheme.RSASSA, "sha256", raw), bare
    if len(raw) > MAX_SIGNATURE:
        raise _malformed("TPMT_SIGNATURE", f"{len(raw)} bytes", f"at most {MAX_SIGNATURE}")
    fields = Fields(raw, "TPMT_SIGNATURE", order="big")
    scheme = fields.choice("sigAlg", 2, _SCHEMES)
    algorithm = fields.choice("hash", 2, SIGNING_HASHES)
    if scheme is Scheme.ECDSA:
        r, s = (fields.sized(name, at_most=MAX_COORDINATE) for name in ("signatureR", "signatureS"))
        value = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    else:
        value = fields.sized("sig", at_most=MAX_RSA_SIZE)
    fields.end()
    return TpmSignature(scheme, algorithm, value), Node(
        "TPMT_SIGNATURE", children=tuple(fields.nodes)
    )


def _digest(algorithm: str, content: bytes) -> bytes:
    return hashlib.new(algorithm, content).digest()


def _malformed(subject: str, seen: str, wanted: str) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=Remedy.NEW_EVIDENCE)
