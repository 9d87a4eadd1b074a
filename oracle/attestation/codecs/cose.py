"""COSE_Sign1 with ECDSA: what Nitro documents, CCA tokens and PSA tokens are wrapped in.

Reference: RFC 9052, sections 3, 4.2, 4.4 and 7; RFC 9053, sections 2.1 and 7.1.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, types
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from oracle.attestation.codecs import cbor
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed, Remedy, Unsigned
from oracle.attestation.roots import PinnedKey

SIGN1_TAG: Final = 18
MAC0_TAG: Final = 17
_PARTS: Final = ("protected", "unprotected", "payload", "signature")
_BYTES, _TEXT, _ARRAY = 2, 3, 4
_ALG: Final = 1
_KEY_LABELS: Final[dict[str, cbor.Label]] = {"kty": 1, "alg": 3, "crv": -1, "x": -2, "y": -3}
_EC2: Final = 2


class Algorithm(IntEnum):
    """ECDSA as COSE numbers it; each only with its own curve here."""

    ES256 = -7
    ES384 = -35
    ES512 = -36


@dataclass(frozen=True, slots=True)
class _Suite:
    curve: ec.EllipticCurve
    hash: hashes.HashAlgorithm
    size: int  # of a coordinate, in bytes
    label: int  # of the curve, in keys


_SUITES: Final = {
    Algorithm.ES256: _Suite(ec.SECP256R1(), hashes.SHA256(), 32, 1),
    Algorithm.ES384: _Suite(ec.SECP384R1(), hashes.SHA384(), 48, 2),
    Algorithm.ES512: _Suite(ec.SECP521R1(), hashes.SHA512(), 66, 3),
}


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1, not yet verified.

    Attributes:
        algorithm: The protected header says this and nothing else.
        protected: The protected header's bytes.
        payload: What is signed.
        payload_at: Offset of the payload's first byte in the file.
        signature: r and s, each as long as the curve's coordinates.
    """

    algorithm: Algorithm
    protected: bytes
    payload: bytes
    payload_at: int
    signature: bytes


def parse_sign1(
    raw: bytes, *, algorithms: Sequence[Algorithm], start: int = 0, end: int | None = None
) -> Sign1:
    """Read a COSE_Sign1, tagged or not; checks shape only.

    The protected header must be the algorithm alone and the unprotected one empty, so nothing that
    changes the meaning of the payload stands outside the signature.

    Args:
        raw: The whole file.
        algorithms: Which are accepted.
        start: Where it begins.
        end: Where it must end; the end of the file unless given.

    Raises:
        Malformed: Not a COSE_Sign1 of that kind.
        Unsigned: A COSE_Mac0, which proves nothing to a third party.
    """
    parts = _parts(raw, start, end)
    protected = cbor.byte_string(parts[0], "protected header", range(1, 17))
    if cbor.mapping(parts[1], "unprotected header"):
        raise _malformed("unprotected header", "parameters that nothing signs", "none")
    payload = cbor.byte_string(parts[2], "payload", range(1, cbor.MAX_SIZE))
    header = cbor.decode(raw, start=parts[0].end - len(protected), end=parts[0].end)
    algorithm = _algorithm(header, algorithms)
    size = 2 * _SUITES[algorithm].size
    signature = cbor.byte_string(parts[3], "signature", (size,))
    return Sign1(algorithm, protected, payload, parts[2].end - len(payload), signature)


def verify_sign1(sign1: Sign1, key: types.PublicKeyTypes, *, subject: str) -> None:
    """That this key signed these very bytes.

    Does not establish whose key it is.

    Args:
        sign1: As parsed.
        key: Must be on the algorithm's own curve.
        subject: Whose signature, for the refusal.

    Raises:
        Unsigned: A key of another kind, or the signature does not verify.
    """
    suite = _SUITES[sign1.algorithm]
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != suite.curve.name:
        raise _unsigned(subject, f"a key of another kind than {sign1.algorithm.name} has")
    r, s = (
        int.from_bytes(half)
        for half in (sign1.signature[: suite.size], sign1.signature[suite.size :])
    )
    try:
        key.verify(encode_dss_signature(r, s), _signed_bytes(sign1), ec.ECDSA(suite.hash))
    except InvalidSignature as error:
        raise _unsigned(subject, "a signature that does not verify") from error


def find_signer(sign1: Sign1, keys: Sequence[PinnedKey], *, subject: str) -> PinnedKey:
    """The pinned key that signed these very bytes.

    Args:
        sign1: As parsed.
        keys: Those that the caller knows; of other kinds too.
        subject: Whose signature, for the refusal.

    Raises:
        Malformed: A pinned key is no SubjectPublicKeyInfo.
        Unsigned: None of them signed.
    """
    for pinned in keys:
        try:
            key = load_der_public_key(pinned.spki)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise _malformed(
                f"pinned key {pinned.id.hex()}", "other bytes", "SubjectPublicKeyInfo, DER"
            ) from error
        try:
            verify_sign1(sign1, key, subject=subject)
        except Unsigned:
            continue
        return pinned
    raise Unsigned(
        f"signed by none of the {len(keys)} pinned keys",
        f"an {sign1.algorithm.name} signature of a pinned key",
        subject=subject,
        remedy=Remedy.PIN_KEY,
    )


def parse_key(raw: bytes, subject: str) -> ec.EllipticCurvePublicKey:
    """An elliptic curve's public key from a COSE_Key.

    Args:
        raw: kty, crv, x and y, perhaps the curve's own alg; coordinates in full length.
        subject: Whose key, for the refusal.

    Raises:
        Malformed: Anything else, or no point of the curve.
    """
    fields = cbor.Fields(subject, cbor.mapping(cbor.decode(raw), subject), _KEY_LABELS)
    if fields.unknown:
        raise _malformed(subject, f"parameter {fields.unknown[0]}", "kty, alg, crv, x, y")
    cbor.integer(fields.need("kty"), "kty", (_EC2,))
    label = cbor.integer(fields.need("crv"), "crv", [one.label for one in _SUITES.values()])
    ((algorithm, suite),) = (one for one in _SUITES.items() if one[1].label == label)
    said = fields.get("alg")
    if said is not None:
        cbor.integer(said, "alg", (algorithm,))
    x, y = (cbor.byte_string(fields.need(name), name, (suite.size,)) for name in ("x", "y"))
    return parse_point(b"\x04" + x + y, suite.curve, subject)


def parse_point(raw: bytes, curve: ec.EllipticCurve, subject: str) -> ec.EllipticCurvePublicKey:
    """An elliptic curve's public key from a point.

    Args:
        raw: Uncompressed, as in SEC 1: 04, x, y.
        curve: Of the key.
        subject: Whose key, for the refusal.

    Raises:
        Malformed: No such point.
    """
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, raw)
    except ValueError as error:
        raise _malformed(subject, f"{len(raw)} other bytes", f"a point of {curve.name}") from error


def show_sign1(name: str, sign1: Sign1, payload: Node) -> Node:
    """A COSE_Sign1 as a tree for people.

    Args:
        name: What it is.
        sign1: As parsed.
        payload: The payload's tree.
    """
    size = len(sign1.payload)
    signature_at = sign1.payload_at + size + len(_head(_BYTES, len(sign1.signature)))
    return Node(
        name,
        children=(
            Node("protected header", sign1.protected.hex(), note=f"alg: {sign1.algorithm.name}"),
            payload,
            Node("signature", sign1.signature.hex(), signature_at, len(sign1.signature)),
        ),
    )


def _malformed(subject: str, seen: str, wanted: str) -> Malformed:
    return Malformed(seen, wanted, subject=subject, remedy=Remedy.NEW_EVIDENCE)


def _unsigned(subject: str, seen: str) -> Unsigned:
    wanted = "the signature of these very bytes"
    return Unsigned(seen, wanted, subject=subject, remedy=Remedy.GENUINE_HARDWARE)


def _parts(raw: bytes, start: int, end: int | None) -> tuple[cbor.Item, ...]:
    item = cbor.decode(raw, start=start, end=end, tags=frozenset({SIGN1_TAG, MAC0_TAG}))
    if isinstance(item.value, cbor.Tagged):
        if item.value.number == MAC0_TAG:
            raise Unsigned(
                "COSE_Mac0 (tag 17)",
                "COSE_Sign1: whoever can check a MAC can also make it",
                subject="COSE tag",
                remedy=Remedy.ASYMMETRIC_KEY,
            )
        item = item.value.item
    parts = cbor.array(item, "COSE_Sign1")
    if len(parts) != len(_PARTS):
        raise _malformed("COSE_Sign1", f"{len(parts)} parts", ", ".join(_PARTS))
    return parts


def _algorithm(header: cbor.Item, algorithms: Sequence[Algorithm]) -> Algorithm:
    entries = cbor.mapping(header, "protected header")
    said = {label: entry.value for label, entry in entries.items()}
    for algorithm in algorithms:
        if said == {_ALG: algorithm}:
            return algorithm
    wanted = " or ".join(f"{{1: {int(one)}}} ({one.name})" for one in algorithms)
    raise _malformed("protected header", str(said), wanted)


def _signed_bytes(sign1: Sign1) -> bytes:
    """Sig_structure: context, protected header, no external data, payload."""
    context = b"Signature1"
    return b"".join(
        (
            _head(_ARRAY, 4),
            _head(_TEXT, len(context)) + context,
            _head(_BYTES, len(sign1.protected)) + sign1.protected,
            _head(_BYTES, 0),
            _head(_BYTES, len(sign1.payload)) + sign1.payload,
        )
    )


def _head(major: int, argument: int) -> bytes:
    """A CBOR head in its shortest form, for arguments below 65,536."""
    if argument < 24:
        return bytes((major << 5 | argument,))
    if argument < 256:
        return bytes((major << 5 | 24, argument))
    return bytes((major << 5 | 25,)) + argument.to_bytes(2)
