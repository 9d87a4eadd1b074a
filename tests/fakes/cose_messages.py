"""COSE_Sign1 messages, encoded by another library than the one under test."""

from collections.abc import Mapping

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_HASHES: Mapping[int, hashes.HashAlgorithm] = {
    -7: hashes.SHA256(),
    -35: hashes.SHA384(),
    -36: hashes.SHA512(),
}


def sign1(
    payload: bytes,
    key: ec.EllipticCurvePrivateKey,
    algorithm: int,
    *,
    unprotected: Mapping[int, bytes] | None = None,
) -> bytes:
    """A tagged message; algorithm -7, -35 or -36."""
    header = cbor2.dumps({1: int(algorithm)})
    signed = cbor2.dumps(["Signature1", header, b"", payload])
    size = (key.curve.key_size + 7) // 8
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(_HASHES[algorithm])))
    signature = r.to_bytes(size) + s.to_bytes(size)
    return cbor2.dumps(cbor2.CBORTag(18, [header, dict(unprotected or {}), payload, signature]))
