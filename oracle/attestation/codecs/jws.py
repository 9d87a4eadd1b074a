"""Compact JSON Web Signatures and the key sets that go with them.

Strict: three canonical base64url parts without padding, strict JSON, RSASSA-PKCS1-v1_5 with
SHA-256 and nothing else. A key comes from a certificate chain or a key set that the caller
trusts; what the header's `jku`, `jwk` and `x5u` point to is never used.

Reference: RFC 7515 (JWS), sections 3.1, 4.1 and 7.1; RFC 7517 (JWK), sections 4 and 5; RFC 7518
(JWA), sections 3.3 and 6.3; RFC 8725 (best current practices), section 3.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from oracle.attestation.codecs.certificates import (
    MAX_CERTIFICATE_SIZE,
    UNREADABLE,
    load_certificate,
)
from oracle.attestation.codecs.chains import MAX_DEPTH, verify_chain
from oracle.attestation.codecs.strict_json import Json, compact, parse_object
from oracle.attestation.codecs.tree import Node

MAX_TOKEN: Final = 65_536
MAX_KEY_SET: Final = 262_144
MAX_KEYS: Final = 64
#: Bits of an RSA modulus.
MIN_MODULUS: Final = 2_048
MAX_MODULUS: Final = 8_192
_MAX_EXPONENT: Final = 2**32


@dataclass(frozen=True, slots=True)
class Jws:
    """A token taken apart; nothing of it is established.

    Attributes:
        header: JOSE header.
        claims: Payload, a JSON object.
        signed: What the signature covers: header, dot and payload as they came.
        signature: Raw.
    """

    header: dict[str, Json]
    claims: dict[str, Json]
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of a key set.

    Attributes:
        key: RSA of 2,048 to 8,192 bits.
        id: SHA-256 of its SubjectPublicKeyInfo, 32 bytes.
        expires_at: End of its certificate, seconds since the epoch; None if the set gives the
            numbers alone.
    """

    key: rsa.RSAPublicKey
    id: bytes
    expires_at: int | None


def parse_jws(token: bytes) -> Jws:
    """Take a compact JWS apart. Does not check the signature.

    Args:
        token: At most 65,536 bytes of ASCII, without a line end.

    Raises:
        MalformedEvidence: Not three canonical base64url parts of which two are JSON objects.
    """
    if len(token) > MAX_TOKEN:
        raise MalformedEvidence(f"token of {len(token)} bytes, wanted at most {MAX_TOKEN}")
    parts = token.split(b".")
    if len(parts) != 3:
        raise MalformedEvidence(f"{len(parts)} parts between dots, wanted 3")
    header, claims, signature = (_base64url(part) for part in parts)
    return Jws(
        header=parse_object(header, most=MAX_TOKEN),
        claims=parse_object(claims, most=MAX_TOKEN),
        signed=token[: -len(parts[2]) - 1],
        signature=signature,
    )


def check_algorithm(jws: Jws, allowed: frozenset[str]) -> None:
    """Hold the header to the caller's algorithms.

    Args:
        jws: The token.
        allowed: Names of RFC 7518; only `RS256` can be verified here.

    Raises:
        MalformedEvidence: None is stated.
        SignatureInvalid: `none`, an algorithm that is not allowed, or a header that asks for
            extensions (`crit`).
    """
    algorithm = jws.header.get("alg")
    if not isinstance(algorithm, str):
        raise MalformedEvidence("header without an algorithm")
    if algorithm.lower() == "none":
        raise SignatureInvalid(f"algorithm {algorithm}: the token is not signed")
    if algorithm not in allowed:
        raise SignatureInvalid(f"algorithm {algorithm!r:.64}, wanted {', '.join(sorted(allowed))}")
    if "crit" in jws.header:
        raise SignatureInvalid("critical header extensions, wanted none")


def certificates_of(jws: Jws) -> tuple[x509.Certificate, ...]:
    """Read the header's `x5c`: leaf first. Does not verify the chain.

    Raises:
        MalformedEvidence: Not a list of one to eight base64 DER certificates.
    """
    return tuple(
        load_certificate(der, subject=f"certificate {number} of x5c")
        for number, der in enumerate(_x5c(jws.header.get("x5c")))
    )


def select_key(key_set: bytes | None, jws: Jws, *, now: int) -> SigningKey:
    """Find the key that the header's `kid` names in a JSON Web Key Set.

    Does not establish whose keys they are.

    Args:
        key_set: At most 262,144 bytes and 64 keys; None if there is none. A key may be its numbers
            (`n`, `e`), a certificate (`x5c`, the first counts), or both if they agree.
        jws: The token; names are compared exactly.
        now: Seconds since the epoch, for the certificate.

    Raises:
        MalformedEvidence: Not a key set, or the key is not an RSA key of 2,048 to 8,192 bits.
        SignatureInvalid: No set, no key of this name, more than one, or one for something else.
        EndorsementExpired: The key's certificate is out of date.
    """
    if key_set is None:
        raise SignatureInvalid("no key set of the issuer, so the signature cannot be checked")
    keys = parse_object(key_set, most=MAX_KEY_SET).get("keys")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        raise MalformedEvidence(f"no list of at most {MAX_KEYS} keys")
    kid = jws.header.get("kid")
    if not isinstance(kid, str):
        raise MalformedEvidence("header without kid, so no key is named")
    named = [key for key in keys if isinstance(key, dict) and key.get("kid") == kid]
    if len(named) != 1:
        raise SignatureInvalid(f"{len(named)} keys called {kid[:64]!r} in the key set, wanted 1")
    for field, wanted in (("kty", "RSA"), ("use", "sig"), ("alg", jws.header.get("alg"))):
        if named[0].get(field, wanted) != wanted:
            raise SignatureInvalid(f"{field} of the key is not {wanted}")
    return _signing_key(named[0], now)


def verify_signature(jws: Jws, key: rsa.RSAPublicKey) -> None:
    """Check an RS256 signature; `check_algorithm` comes first.

    Raises:
        SignatureInvalid: A key below 2,048 or over 8,192 bits, or not its signature.
    """
    if not MIN_MODULUS <= key.key_size <= MAX_MODULUS:
        raise SignatureInvalid(f"RSA of {key.key_size} bits, wanted {MIN_MODULUS} to {MAX_MODULUS}")
    try:
        key.verify(jws.signature, jws.signed, padding.PKCS1v15(), SHA256())
    except InvalidSignature as error:
        raise SignatureInvalid("not the key's signature over header and payload") from error


def rsa_key_of(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    """Read a certificate's key.

    Raises:
        MalformedEvidence: Not an RSA key.
    """
    try:
        key = certificate.public_key()
    except UNREADABLE as error:
        raise MalformedEvidence(f"certificate's key: {error}") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise MalformedEvidence("certificate of another kind of key, wanted RSA")
    return key


def show_jws(token: bytes) -> Node:
    """Decode a token for people. Verifies nothing.

    Raises:
        MalformedEvidence: As `parse_jws`.
    """
    jws = parse_jws(token)
    sizes = [len(part) for part in token.split(b".")]
    claims_at = sizes[0] + 1
    signature_at = claims_at + sizes[1] + 1
    return Node(
        "JSON Web Signature",
        offset=0,
        size=len(token),
        children=(
            Node("header", offset=0, size=sizes[0], children=_nodes(jws.header)),
            Node("claims", offset=claims_at, size=sizes[1], children=_nodes(jws.claims)),
            Node("signature", jws.signature.hex(), offset=signature_at, size=sizes[2]),
        ),
    )


def _nodes(value: dict[str, Json]) -> tuple[Node, ...]:
    return tuple(
        Node(name, children=_nodes(inner))
        if isinstance(inner, dict)
        else Node(name, inner if isinstance(inner, str) else compact(inner))
        for name, inner in value.items()
    )


def _base64url(part: bytes) -> bytes:
    """Decode; what decodes to bytes that encode otherwise is refused."""
    try:
        raw = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error as error:
        raise MalformedEvidence("a part that is not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise MalformedEvidence("a part that is not canonical base64url without padding")
    return raw


def _x5c(value: Json) -> tuple[bytes, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_DEPTH:
        raise MalformedEvidence(f"x5c is no list of 1 to {MAX_DEPTH} certificates")
    return tuple(_base64(entry) for entry in value)


def _base64(value: Json) -> bytes:
    # Four characters for three bytes.
    if not isinstance(value, str) or len(value) > 4 * MAX_CERTIFICATE_SIZE // 3 + 4:
        raise MalformedEvidence("a certificate that is no text or too long")
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError as error:
        raise MalformedEvidence("a certificate that is not base64") from error
    if base64.b64encode(raw).decode() != value:
        raise MalformedEvidence("a certificate that is not canonical base64")
    return raw


def _signing_key(entry: dict[str, Json], now: int) -> SigningKey:
    if "x5c" not in entry:
        key = parse_rsa(entry)
        return SigningKey(key, _key_id(key), None)
    der = _x5c(entry["x5c"])[0]
    certificate = load_certificate(der, subject="certificate of the key set")
    key = rsa_key_of(certificate)
    if "n" in entry and parse_rsa(entry) != key:
        raise MalformedEvidence("numbers and certificate of the key disagree")
    # The key is trusted because of the set that it is in; its certificate only says until when.
    return SigningKey(
        key, _key_id(key), verify_chain(certificate, (), [certificate], now=now).expires_at
    )


def parse_rsa(entry: dict[str, Json]) -> rsa.RSAPublicKey:
    """The RSA key of a JSON Web Key; whose it is and what for stands in other members.

    Raises:
        MalformedEvidence: No modulus and exponent of an RSA key in canonical base64url, or a
            modulus or exponent out of bounds.
    """
    modulus, exponent = (_number(entry.get(name)) for name in ("n", "e"))
    if not MIN_MODULUS <= modulus.bit_length() <= MAX_MODULUS or exponent >= _MAX_EXPONENT:
        raise MalformedEvidence(
            f"RSA modulus of {modulus.bit_length()} bits, exponent of {exponent.bit_length()}"
        )
    try:
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError as error:
        raise MalformedEvidence(f"no RSA key: {error}") from error


def _number(value: Json) -> int:
    if not isinstance(value, str) or not value.isascii():
        raise MalformedEvidence("key without its numbers")
    return int.from_bytes(_base64url(value.encode()), "big")


def _key_id(key: rsa.RSAPublicKey) -> bytes:
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()
