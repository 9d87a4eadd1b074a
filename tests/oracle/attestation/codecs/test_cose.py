"""COSE_Sign1: shape, algorithms, keys, and signatures over the very bytes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from oracle.attestation.codecs import cose
from oracle.attestation.codecs.cose import Algorithm
from oracle.attestation.codecs.tree import Node
from oracle.attestation.findings import Malformed, Remedy, Unsigned
from oracle.attestation.roots import PinnedKey
from tests.fakes.cose_messages import sign1

_ALL = tuple(Algorithm)
_CURVES: Mapping[Algorithm, ec.EllipticCurve] = {
    Algorithm.ES256: ec.SECP256R1(),
    Algorithm.ES384: ec.SECP384R1(),
    Algorithm.ES512: ec.SECP521R1(),
}
_KEYS = {algorithm: ec.generate_private_key(curve) for algorithm, curve in _CURVES.items()}
_SIZES = {Algorithm.ES256: 32, Algorithm.ES384: 48, Algorithm.ES512: 66}
_NUMBERS = {Algorithm.ES256: 1, Algorithm.ES384: 2, Algorithm.ES512: 3}


def _pinned(key: Any) -> PinnedKey:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return PinnedKey(spki)


@pytest.mark.parametrize("algorithm", _ALL)
@pytest.mark.parametrize("size", [1, 23, 24, 255, 256, 60_000])
def test_a_signature_over_the_very_bytes_verifies(algorithm: Algorithm, size: int) -> None:
    key = _KEYS[algorithm]
    raw = sign1(b"p" * size, key, algorithm)
    for form in (raw, raw.removeprefix(b"\xd2")):
        message = cose.parse_sign1(form, algorithms=_ALL)
        assert (message.algorithm, message.payload) == (algorithm, b"p" * size)
        assert form[message.payload_at :].startswith(b"p" * size)
        cose.verify_sign1(message, key.public_key(), subject="it")


@pytest.mark.parametrize("other", ["key", "payload", "signature", "protected"])
def test_another_key_payload_or_signature_does_not_verify(other: str) -> None:
    key = _KEYS[Algorithm.ES256]
    message = cose.parse_sign1(sign1(b"payload", key, Algorithm.ES256), algorithms=_ALL)
    message = {
        "key": message,
        "payload": replace(message, payload=b"other"),
        "signature": replace(message, signature=bytes(63) + b"\1"),
        "protected": replace(message, protected=b"\xa1\x01\x26\x00"),
    }[other]
    verifier = ec.generate_private_key(ec.SECP256R1()) if other == "key" else key
    with pytest.raises(Unsigned, match="does not verify"):
        cose.verify_sign1(message, verifier.public_key(), subject="it")


@pytest.mark.parametrize(
    "key", [_KEYS[Algorithm.ES384], rsa.generate_private_key(65537, 2048)], ids=["P-384", "RSA"]
)
def test_a_key_of_another_kind_than_the_algorithms_is_refused(key: Any) -> None:
    raw = sign1(b"payload", _KEYS[Algorithm.ES256], Algorithm.ES256)
    message = cose.parse_sign1(raw, algorithms=_ALL)
    with pytest.raises(Unsigned, match="a key of another kind than ES256 has"):
        cose.verify_sign1(message, key.public_key(), subject="it")


_HEADER = cbor2.dumps({1: -7})


@pytest.mark.parametrize(
    "parts",
    [
        {},
        [],
        [_HEADER, {}, b"p"],
        [_HEADER, {}, b"p", bytes(64), b""],
        [{1: -7}, {}, b"p", bytes(64)],
        [b"", {}, b"p", bytes(64)],
        [b"\xa0", {}, b"p", bytes(64)],
        [b"\x80", {}, b"p", bytes(64)],
        [b"\xa1\x01\x26\x00", {}, b"p", bytes(64)],
        [b"\xbf\x01\x26\xff", {}, b"p", bytes(64)],
        [cbor2.dumps({1: -8}), {}, b"p", bytes(64)],
        [cbor2.dumps({1: 5}), {}, b"p", bytes(64)],
        [cbor2.dumps({1: "ES256"}), {}, b"p", bytes(64)],
        [cbor2.dumps({"1": -7}), {}, b"p", bytes(64)],
        [cbor2.dumps({1: -7, 2: [1]}), {}, b"p", bytes(64)],
        [cbor2.dumps({1: -7, 4: b"kid"}), {}, b"p", bytes(64)],
        [_HEADER, {4: b"kid"}, b"p", bytes(64)],
        [_HEADER, [], b"p", bytes(64)],
        [_HEADER, {}, None, bytes(64)],
        [_HEADER, {}, b"", bytes(64)],
        [_HEADER, {}, b"p", bytes(63)],
        [_HEADER, {}, b"p", bytes(65)],
        [_HEADER, {}, b"p", bytes(96)],
        [_HEADER, {}, b"p", None],
        cbor2.CBORTag(18, [_HEADER, {}, b"p", bytes(64)]),
    ],
    ids=str,
)
@pytest.mark.parametrize("tag", [b"", b"\xd2"], ids=["untagged", "tagged"])
def test_another_shape_is_refused(parts: Any, tag: bytes) -> None:
    if isinstance(parts, cbor2.CBORTag) and not tag:
        parts = cbor2.CBORTag(98, parts.value)
    with pytest.raises(Malformed):
        cose.parse_sign1(tag + cbor2.dumps(parts), algorithms=_ALL)


def test_an_algorithm_that_the_format_does_not_use_is_refused() -> None:
    raw = sign1(b"payload", _KEYS[Algorithm.ES256], Algorithm.ES256)
    with pytest.raises(Malformed, match=r"seen \{1: -7\}, wanted \{1: -35\} \(ES384\)"):
        cose.parse_sign1(raw, algorithms=(Algorithm.ES384,))


def test_a_mac_is_refused_with_the_reason() -> None:
    raw = cbor2.dumps(cbor2.CBORTag(17, [cbor2.dumps({1: 5}), {}, b"p", bytes(32)]))
    with pytest.raises(Unsigned, match="whoever can check a MAC can also make it") as refusal:
        cose.parse_sign1(raw, algorithms=_ALL)
    assert refusal.value.remedy is Remedy.ASYMMETRIC_KEY


def test_the_signer_is_found_among_keys_of_all_kinds() -> None:
    keys = [_pinned(key) for key in (rsa.generate_private_key(65537, 2048), *_KEYS.values())]
    for algorithm, key in _KEYS.items():
        message = cose.parse_sign1(sign1(b"payload", key, algorithm), algorithms=_ALL)
        assert cose.find_signer(message, keys, subject="it") == _pinned(key)


def test_a_signer_that_is_not_pinned_is_refused() -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    message = cose.parse_sign1(sign1(b"p", stranger, Algorithm.ES256), algorithms=_ALL)
    for keys in ([], [_pinned(key) for key in _KEYS.values()]):
        with pytest.raises(Unsigned, match=f"none of the {len(keys)} pinned keys") as refusal:
            cose.find_signer(message, keys, subject="it")
        assert refusal.value.remedy is Remedy.PIN_KEY


def test_a_pinned_key_that_is_none_is_refused() -> None:
    message = cose.parse_sign1(
        sign1(b"p", _KEYS[Algorithm.ES256], Algorithm.ES256), algorithms=_ALL
    )
    with pytest.raises(Malformed, match="SubjectPublicKeyInfo"):
        cose.find_signer(message, [PinnedKey(b"no key")], subject="it")


def _cose_key(algorithm: Algorithm) -> dict[int, Any]:
    numbers = _KEYS[algorithm].public_key().public_numbers()
    x, y = (one.to_bytes(_SIZES[algorithm]) for one in (numbers.x, numbers.y))
    return {1: 2, -1: _NUMBERS[algorithm], -2: x, -3: y}


@pytest.mark.parametrize("algorithm", _ALL)
def test_a_key_is_read(algorithm: Algorithm) -> None:
    fields = _cose_key(algorithm)
    for form in (fields, fields | {3: int(algorithm)}):
        assert cose.parse_key(cbor2.dumps(form), "RAK") == _KEYS[algorithm].public_key()


@pytest.mark.parametrize(
    "changes",
    [
        {1: 1},
        {1: None},
        {-1: 2},
        {-1: 8},
        {-2: bytes(31)},
        {-2: bytes(32)},
        {-3: True},
        {-3: bytes(33)},
        {2: b"kid"},
        {3: -35},
    ],
    ids=str,
)
def test_another_key_is_refused(changes: dict[int, Any]) -> None:
    with pytest.raises(Malformed):
        cose.parse_key(cbor2.dumps(_cose_key(Algorithm.ES256) | changes), "RAK")


@pytest.mark.parametrize("label", [1, -1, -2, -3])
def test_a_key_without_a_parameter_is_refused(label: int) -> None:
    fields = _cose_key(Algorithm.ES256)
    del fields[label]
    with pytest.raises(Malformed, match="RAK without"):
        cose.parse_key(cbor2.dumps(fields), "RAK")


def test_a_tree_has_the_places_of_payload_and_signature() -> None:
    raw = sign1(b"payload", _KEYS[Algorithm.ES512], Algorithm.ES512)
    message = cose.parse_sign1(raw, algorithms=_ALL)
    tree = cose.show_sign1("token", message, Node("payload", "x"))
    protected, payload, signature = tree.children
    assert (protected.value, protected.note) == ("a1013823", "alg: ES512")
    assert payload == Node("payload", "x")
    assert (signature.offset, signature.size) == (len(raw) - 132, 132)
    assert signature.value == raw[-132:].hex()
