"""A TPM 2.0 as far as verifiers see one: keys, registers, quotes in the library's exact form."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ALGORITHMS = {"sha1": 0x04, "sha256": 0x0B, "sha384": 0x0C, "sha512": 0x0D}
HASHES = {"sha256": SHA256(), "sha384": SHA384(), "sha512": SHA512()}
RSASSA, RSAPSS, ECDSA = 0x14, 0x16, 0x18
#: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
ATTESTATION_KEY = 0x0005_0072
GENERATED = 0xFF544347
QUOTE = 0x8018


@cache
def rsa_key(name: str = "", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One key for each name: making them takes long."""
    del name
    return rsa.generate_private_key(65_537, bits)


@cache
def ec_key(name: str = "", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> Any:
    """One key for each name."""
    del name
    return ec.generate_private_key(curve())


def number(value: int, size: int) -> bytes:
    """Big-endian."""
    return value.to_bytes(size, "big")


def sized(content: bytes) -> bytes:
    """TPM2B_…"""
    return number(len(content), 2) + content


def pem(key: Any) -> bytes:
    """SubjectPublicKeyInfo of a private key."""
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def der(key: Any) -> bytes:
    """SubjectPublicKeyInfo of a private key."""
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def rsa_public(
    key: rsa.RSAPrivateKey,
    *,
    attributes: int = ATTESTATION_KEY,
    scheme: bytes = bytes.fromhex("0014000b"),
    exponent: int = 0,
    bits: int | None = None,
) -> bytes:
    """TPMT_PUBLIC of an RSA key."""
    n = key.public_key().public_numbers().n
    parameters = number(0x10, 2) + scheme + number(bits or key.key_size, 2) + number(exponent, 4)
    modulus = number(n, (n.bit_length() + 7) // 8)
    return (
        bytes.fromhex("0001000b") + number(attributes, 4) + sized(b"") + parameters + sized(modulus)
    )


def ec_public(
    key: ec.EllipticCurvePrivateKey,
    *,
    attributes: int = ATTESTATION_KEY,
    curve: int = 3,
    y: int = 0,
) -> bytes:
    """TPMT_PUBLIC of an elliptic-curve key; `y` instead of its own, to leave the curve."""
    point = key.public_key().public_numbers()
    size = (key.key_size + 7) // 8
    parameters = bytes.fromhex("00100018000b") + number(curve, 2) + bytes.fromhex("0010")
    unique = sized(number(point.x, size)) + sized(number(y or point.y, size))
    return bytes.fromhex("0023000b") + number(attributes, 4) + sized(b"") + parameters + unique


def qualified_name(public: bytes, *, hierarchy: int = 0x4000000B) -> bytes:
    """Of a primary key, by default in the endorsement hierarchy."""
    name = b"\0\x0b" + hashlib.sha256(public).digest()
    return b"\0\x0b" + hashlib.sha256(number(hierarchy, 4) + name).digest()


def registers(algorithm: str = "sha256", count: int = 24) -> dict[int, bytes]:
    """Some values for a bank."""
    return {n: hashlib.new(algorithm, b"register %d" % n).digest() for n in range(count)}


@dataclass(frozen=True)
class Quoting:
    """What goes into a quote; right unless changed."""

    banks: Mapping[str, Mapping[int, bytes]] = field(
        default_factory=lambda: {"sha256": registers()}
    )
    nonce: bytes = b"nonce of the caller"
    signer: bytes = b"\0\x0b" + bytes(range(32))
    magic: int = GENERATED
    kind: int = QUOTE
    hash: str = "sha256"
    digest: bytes | None = None
    clock: int = 1_234_567
    safe: int = 1

    @property
    def attest(self) -> bytes:
        """TPMS_ATTEST."""
        clock = number(self.clock, 8) + number(2, 4) + number(1, 4) + number(self.safe, 1)
        selection = number(len(self.banks), 4) + b"".join(
            number(ALGORITHMS[bank], 2) + b"\x03" + select(values)
            for bank, values in self.banks.items()
        )
        content = b"".join(values[n] for values in self.banks.values() for n in sorted(values))
        digest = hashlib.new(self.hash, content).digest() if self.digest is None else self.digest
        return b"".join(
            (
                number(self.magic, 4),
                number(self.kind, 2),
                sized(self.signer),
                sized(self.nonce),
                clock,
                number(0x2030_0101_0000_0001, 8),
                selection,
                sized(digest),
            )
        )

    @property
    def values(self) -> bytes:
        """The registers' values in JSON, each bank under its name if there are several."""
        banks = {
            bank: {str(n): value.hex() for n, value in values.items()}
            for bank, values in self.banks.items()
        }
        return json.dumps(banks if len(banks) != 1 else next(iter(banks.values()))).encode()


def select(values: Mapping[int, bytes]) -> bytes:
    """TPMS_PCR_SELECTION's bits: three bytes, register 0 the lowest bit of the first."""
    return sum(1 << n for n in values).to_bytes(3, "little")


def sign(key: Any, attest: bytes, *, algorithm: str = "sha256", scheme: int = RSASSA) -> bytes:
    """TPMT_SIGNATURE; ECDSA if the key is on a curve."""
    digest = HASHES[algorithm]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.key_size + 7) // 8
        r, s = decode_dss_signature(key.sign(attest, ec.ECDSA(digest)))
        head = number(ECDSA, 2) + number(ALGORITHMS[algorithm], 2)
        return head + sized(number(r, size)) + sized(number(s, size))
    pad = padding.PKCS1v15() if scheme == RSASSA else _pss(digest)
    head = number(scheme, 2) + number(ALGORITHMS[algorithm], 2)
    return head + sized(key.sign(attest, pad, digest))


def bare(signature: bytes) -> bytes:
    """An RSA signature without its header of six bytes."""
    return signature[6:]


def _pss(digest: Any) -> padding.PSS:
    return padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
