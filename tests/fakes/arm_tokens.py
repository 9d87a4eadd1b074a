"""Tokens of Arm CCA and PSA devices, encoded by another library than the one under test."""

import hashlib
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oracle.attestation.roots import PinnedKey, Roots
from tests.fakes.cose_messages import sign1

ES256, ES384 = -7, -35
COMPONENTS = [
    {1: "BL", 2: b"\x21" * 32, 4: "3.4.2", 5: b"\x25" * 32, 6: "SHA256"},
    {2: b"\x31" * 48, 5: b"\x35" * 64},
]
PSA = {
    265: "tag:psacertified.org,2023:psa#tfm",
    10: b"\x0a" * 32,
    256: b"\x01" + b"\x1d" * 32,
    2394: -7,
    2395: 0x3001,
    2396: b"\x96" * 32,
    2397: b"\x97" * 8,
    2398: "1234567890123-12345",
    2399: COMPONENTS,
    2400: "https://verifier.example",
}
PSA_LEGACY = {
    -75000: "PSA_IOT_PROFILE_1",
    -75001: 3002,
    -75002: 0x4000,
    -75003: b"\x96" * 32,
    -75004: b"\x97" * 32,
    -75005: "1234567890123",
    -75006: COMPONENTS,
    -75008: b"\x0b" * 64,
    -75009: b"\x01" + b"\x1d" * 32,
    -75010: "verifier.example",
}
CCA_PLATFORM = {
    265: "tag:arm.com,2023:cca_platform#1.0.0",
    256: b"\x01" + b"\x1d" * 32,
    2395: 0x3003,
    2396: b"\x96" * 32,
    2399: COMPONENTS,
    2400: "https://verifier.example",
    2401: b"\xcf",
    2402: "sha-384",
}
CCA_REALM = {
    265: "tag:arm.com,2023:realm#1.0.0",
    10: b"\x0a" * 64,
    44235: b"\x35" * 64,
    44236: "sha-256",
    44238: b"\x38" * 32,
    44239: [bytes((0x40 + i,)) * 32 for i in range(4)],
    44240: "sha-512",
}


def pinned(*keys: ec.EllipticCurvePrivateKey) -> Roots:
    """Roots that trust these keys and nothing else."""
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Roots(keys=tuple(PinnedKey(key.public_key().public_bytes(*form)) for key in keys))


def changed(claims: dict[int, Any], changes: dict[int, Any]) -> dict[int, Any]:
    """Other claims; `cbor2.undefined` removes one."""
    return {
        label: value for label, value in (claims | changes).items() if value is not cbor2.undefined
    }


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A public key as a bare point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def cose_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A public key on P-384 as a COSE_Key."""
    return cbor2.dumps({1: 2, -1: 2, -2: point(key)[1:49], -3: point(key)[49:]})


def psa_token(
    claims: dict[int, Any], key: ec.EllipticCurvePrivateKey, algorithm: int = ES256
) -> bytes:
    """A device's token."""
    return sign1(cbor2.dumps(claims), key, algorithm)


class CcaMachine:
    """A platform and a realm on it, each with its key."""

    def __init__(self) -> None:
        """Fresh keys on P-384."""
        self.platform_key = ec.generate_private_key(ec.SECP384R1())
        self.realm_key = ec.generate_private_key(ec.SECP384R1())

    def tokens(
        self,
        platform: dict[int, Any] | None = None,
        realm: dict[int, Any] | None = None,
        *,
        realm_signer: ec.EllipticCurvePrivateKey | None = None,
    ) -> tuple[bytes, bytes]:
        """The two tokens, with other claims; the platform's is bound to the realm's unless told."""
        realm_claims = changed({**CCA_REALM, 44237: cose_key(self.realm_key)}, realm or {})
        key = realm_claims.get(44237, b"")
        bound = hashlib.sha512(key if isinstance(key, bytes) else b"").digest()
        platform_claims = changed({**CCA_PLATFORM, 10: bound}, platform or {})
        return (
            sign1(cbor2.dumps(platform_claims), self.platform_key, ES384),
            sign1(cbor2.dumps(realm_claims), realm_signer or self.realm_key, ES384),
        )

    def token(
        self,
        platform: dict[int, Any] | None = None,
        realm: dict[int, Any] | None = None,
        *,
        realm_signer: ec.EllipticCurvePrivateKey | None = None,
    ) -> bytes:
        """The collection of both."""
        return collection(*self.tokens(platform, realm, realm_signer=realm_signer))


def collection(platform: Any, realm: Any, *, tag: int = 399, **more: Any) -> bytes:
    """Two entries, and others."""
    return cbor2.dumps(cbor2.CBORTag(tag, {44234: platform, 44241: realm, **more}))
