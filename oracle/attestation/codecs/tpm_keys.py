"""Keys of a TPM 2.0: its own description of them (TPMT_PUBLIC), and the usual one.

Shape only: nothing here establishes that a TPM has the key. Numbers are big-endian.

Reference: TCG TPM 2.0 Library, revision 1.59: part 2 "Structures" (TPM_ALG_ID, TPMA_OBJECT,
TPMT_PUBLIC); part 1 "Architecture" (names and qualified names).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from oracle.attestation.codecs.certificates import UNREADABLE
from oracle.attestation.codecs.fields import Fields
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed, Remedy

#: TPM_RH_ENDORSEMENT: the hierarchy of the keys that the TPM's maker vouches for.
ENDORSEMENT_HIERARCHY: Final = 0x4000000B
MAX_PUBLIC: Final = 4096
#: TPM_ALG_ID of hashes that names and signatures may use: SHA-1 makes neither.
SIGNING_HASHES: Final[Mapping[int, str]] = {0x0B: "sha256", 0x0C: "sha384", 0x0D: "sha512"}
MAX_RSA_SIZE: Final = 512
MAX_COORDINATE: Final = 48

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_KEY_TYPES = {0x01: "rsa", 0x23: "ecc"}
_RSA_BITS = {bits: bits for bits in (2048, 3072, 4096)}
_CURVE_NAMES = {0x03: "secp256r1", 0x04: "secp384r1"}
_CURVES: Mapping[str, ec.EllipticCurve] = {
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
}
_NULL = 0x10


@dataclass(frozen=True, slots=True)
class TpmPublic:
    """A TPMT_PUBLIC of an asymmetric key.

    Attributes:
        name: Hash algorithm's number and digest of the structure: how the TPM calls the key.
        attributes: TPMA_OBJECT.
        key: The key itself.
    """

    name: bytes
    attributes: int
    key: PublicKey

    @property
    def is_restricted_signing(self) -> bool:
        """Whether it signs only what its TPM made, was made there and cannot leave.

        TPMA_OBJECT: fixedTPM (1), sensitiveDataOrigin (5), restricted (16), sign (18) are set,
        decrypt (17) is clear.
        """
        return self.attributes & 0x0007_0022 == 0x0005_0022

    @property
    def qualified_name_in_endorsement(self) -> bytes:
        """Its qualified name if it is a primary key of the endorsement hierarchy.

        Part 1: the name's hash over the parent's qualified name and the key's name.
        """
        parent = ENDORSEMENT_HIERARCHY.to_bytes(4, "big")
        algorithm = SIGNING_HASHES[int.from_bytes(self.name[:2], "big")]
        return self.name[:2] + hashlib.new(algorithm, parent + self.name).digest()


def spki(key: PublicKey) -> bytes:
    """A key as DER SubjectPublicKeyInfo."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def parse_public(raw: bytes) -> TpmPublic:
    """Decode a TPMT_PUBLIC.

    Its attributes are worth nothing until the key's (qualified) name is found in what a TPM signed.

    Args:
        raw: RSA of 2,048 to 4,096 bits, or NIST P-256 or P-384; without the size of a TPM2B_PUBLIC.

    Raises:
        Malformed: Another key, a key that cannot be, or lengths that do not fit.

    Reference:
        Part 2, TPMT_PUBLIC, TPMS_RSA_PARMS, TPMS_ECC_PARMS.
    """
    return _public(raw)[0]


def show_public(raw: bytes) -> Node:
    """A TPMT_PUBLIC as a tree; raises what `parse_public` raises."""
    return _public(raw)[1]


def parse_key(raw: bytes) -> TpmPublic | PublicKey:
    """Decode an attestation key in any of the forms in which it comes.

    Args:
        raw: TPMT_PUBLIC, or SubjectPublicKeyInfo in PEM or DER; at most 4,096 bytes.

    Raises:
        Malformed: None of these, or a key that is neither RSA nor on an elliptic curve.
    """
    if len(raw) > MAX_PUBLIC:
        raise _malformed(f"{len(raw)} bytes", f"at most {MAX_PUBLIC}")
    try:
        if raw.startswith(b"-----BEGIN PUBLIC KEY-----"):
            key = load_pem_public_key(raw)
        elif raw.startswith(b"\x30"):
            key = load_der_public_key(raw)
        else:
            return parse_public(raw)
    except UNREADABLE as error:
        raise _malformed("other bytes", "SubjectPublicKeyInfo") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise _malformed(type(key).__name__, "RSA or elliptic curve")
    return key


def show_key(raw: bytes) -> Node:
    """A key in any of its forms as a tree; raises what `parse_key` raises."""
    key = parse_key(raw)
    if isinstance(key, TpmPublic):
        return show_public(raw)
    return Node("SubjectPublicKeyInfo", spki(key).hex(), 0, len(raw), f"{key.key_size} bits")


def _public(raw: bytes) -> tuple[TpmPublic, Node]:
    fields = Fields(raw, "TPMT_PUBLIC", order="big")
    kind = fields.choice("type", 2, _KEY_TYPES)
    algorithm = fields.choice("nameAlg", 2, SIGNING_HASHES)
    attributes = fields.number("objectAttributes", 4)
    fields.sized("authPolicy", at_most=64)
    key = _rsa_key(fields) if kind == "rsa" else _ecc_key(fields)
    fields.end()
    name = raw[2:4] + hashlib.new(algorithm, raw).digest()
    return TpmPublic(name, attributes, key), Node("TPMT_PUBLIC", children=tuple(fields.nodes))


def _rsa_key(fields: Fields) -> PublicKey:
    with fields.group("parameters"):
        _skip_symmetric(fields)
        _skip_scheme(fields, "scheme", {0x14: "rsassa", 0x16: "rsapss"})
        bits = fields.choice("keyBits", 2, _RSA_BITS)
        exponent = fields.number("exponent", 4, "0 means 65537") or 65_537
    modulus = int.from_bytes(fields.sized("unique", at_most=MAX_RSA_SIZE), "big")
    if modulus.bit_length() != bits:
        raise fields.malformed("unique", f"{modulus.bit_length()} bits", f"{bits}")
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise fields.malformed("exponent", str(exponent), "an RSA public key") from error


def _ecc_key(fields: Fields) -> PublicKey:
    with fields.group("parameters"):
        _skip_symmetric(fields)
        _skip_scheme(fields, "scheme", {0x18: "ecdsa"})
        curve = _CURVES[fields.choice("curveID", 2, _CURVE_NAMES)]
        _skip_scheme(fields, "kdf", {})
    x, y = (
        int.from_bytes(fields.sized(f"unique.{axis}", at_most=MAX_COORDINATE), "big")
        for axis in "xy"
    )
    try:
        return ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
    except ValueError as error:
        raise fields.malformed("unique", f"({x:#x}, {y:#x})", f"on {curve.name}") from error


def _skip_symmetric(fields: Fields) -> None:
    """Only a restricted decryption key has one (TPMS_RSA_PARMS, TPMS_ECC_PARMS)."""
    fields.choice("symmetric", 2, {_NULL: "none"})


def _skip_scheme(fields: Fields, name: str, known: Mapping[int, str]) -> None:
    if fields.choice(name, 2, {_NULL: "none", **known}) != "none":
        fields.choice(f"{name} hash", 2, SIGNING_HASHES)


def _malformed(seen: str, wanted: str) -> Malformed:
    return Malformed(seen, wanted, subject="attestation key", remedy=Remedy.NEW_EVIDENCE)
