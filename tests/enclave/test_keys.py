"""The keys sign with libsecp256k1, verify what they sign, and cannot be taken out."""

import copy
import hashlib
import io
import json
import os
import pickle
import types
from typing import Any

import pytest
from coincurve._libsecp256k1 import ffi  # type: ignore[import-not-found]  # C without stubs
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_keys.datatypes import PrivateKey, PublicKey, Signature

from enclave.domain.errors import ConfigError, RequestRefused
from enclave.keys import Keys, SigningFault, check_binding, check_known_answer, libsecp256k1
from tests.fakes.process import FixedEntropy, make_keys

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DIGESTS = [hashlib.sha256(bytes((number,))).digest() for number in range(64)]


class Faulty:
    """The library with one function that computes wrongly."""

    def __init__(self, name: str, function: Any) -> None:
        self._faults = {name: function}

    def __getattr__(self, name: str) -> Any:
        return self._faults.get(name) or getattr(libsecp256k1(), name)


def flipped(context: Any, signature: Any, *rest: Any) -> int:
    """Sign, then flip one bit of what was computed."""
    signed = libsecp256k1().secp256k1_ecdsa_sign_recoverable(context, signature, *rest)
    ffi.buffer(signature)[5] = bytes((ffi.buffer(signature)[5][0] ^ 1,))
    return int(signed)


def recover(digest: bytes, signature: bytes) -> PublicKey:
    """Public key that a 64-byte signature comes from."""
    parity, low = signature[32] >> 7, bytes((signature[32] & 0x7F,))
    full = signature[:32] + low + signature[33:] + bytes((parity,))
    return Signature(full).recover_public_key_from_msg_hash(digest)


def test_the_address_is_that_of_the_secret() -> None:
    expected = PrivateKey(FixedEntropy()(32)).public_key.to_canonical_address()
    assert make_keys().address == expected


def test_the_hpke_key_is_x25519_of_the_second_draw() -> None:
    entropy = FixedEntropy()
    entropy(32)
    expected = X25519PrivateKey.from_private_bytes(entropy(32)).public_key().public_bytes_raw()
    assert make_keys().hpke_public_key == expected


def test_two_starts_have_two_keys() -> None:
    one, other = (Keys(os.urandom, libsecp256k1()) for _ in range(2))
    assert one.address != other.address
    assert one.hpke_public_key != other.hpke_public_key


@pytest.mark.parametrize("digest", DIGESTS)
def test_a_signature_recovers_to_the_address(digest: bytes) -> None:
    keys = make_keys()
    assert recover(digest, keys.sign_digest(digest)).to_canonical_address() == keys.address


def test_signatures_are_64_bytes_with_low_s_and_both_parities() -> None:
    signatures = [make_keys().sign_digest(digest) for digest in DIGESTS]
    assert {len(signature) for signature in signatures} == {64}
    assert {signature[32] >> 7 for signature in signatures} == {0, 1}
    for signature in signatures:
        assert 0 < int.from_bytes(signature[32:]) & (2**255 - 1) <= ORDER // 2


def test_signing_is_deterministic() -> None:
    keys = make_keys()
    assert keys.sign_digest(DIGESTS[0]) == keys.sign_digest(DIGESTS[0])


@pytest.mark.parametrize("digest", DIGESTS)
def test_another_keys_signature_is_recognized(digest: bytes) -> None:
    signature = make_keys("other").sign_digest(digest)
    assert make_keys().recover_address(digest, signature) == make_keys("other").address


def test_a_signature_of_another_library_is_recognized() -> None:
    key = PrivateKey(b"\x07" * 32)
    for digest in DIGESTS:
        made = key.sign_msg_hash(digest)
        signature = made.r.to_bytes(32) + (made.v << 255 | made.s).to_bytes(32)
        address = key.public_key.to_canonical_address()
        assert make_keys().recover_address(digest, signature) == address


def test_every_flipped_bit_of_a_signature_makes_it_someone_elses_or_none() -> None:
    keys = make_keys()
    signature = keys.sign_digest(DIGESTS[0])
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            assert keys.recover_address(DIGESTS[0], bytes(flipped)) != keys.address
        except RequestRefused:
            continue


def test_the_largest_low_s_is_recognized_and_the_next_is_not() -> None:
    r = make_keys().sign_digest(DIGESTS[0])[:32]
    assert len(make_keys().recover_address(DIGESTS[0], r + (ORDER // 2).to_bytes(32))) == 20
    with pytest.raises(RequestRefused, match="high s, wanted the low one"):
        make_keys().recover_address(DIGESTS[0], r + (ORDER // 2 + 1).to_bytes(32))


@pytest.mark.parametrize("r", [0, 5, ORDER, 2**256 - 1])
def test_a_signature_that_is_no_point_recovers_to_no_key(r: int) -> None:
    with pytest.raises(RequestRefused, match="recovers to no key"):
        make_keys().recover_address(DIGESTS[0], r.to_bytes(32) + (1).to_bytes(32))


def test_a_signature_without_s_recovers_to_no_key() -> None:
    r = make_keys().sign_digest(DIGESTS[0])[:32]
    with pytest.raises(RequestRefused, match="recovers to no key"):
        make_keys().recover_address(DIGESTS[0], r + bytes(32))


@pytest.mark.parametrize(("digest", "signature"), [(31, 64), (33, 64), (32, 63), (32, 65)])
def test_a_digest_or_signature_of_another_length_is_not_recovered(
    digest: int, signature: int
) -> None:
    with pytest.raises(RequestRefused, match=f"signature of {signature} bytes over {digest}"):
        make_keys().recover_address(bytes(digest), bytes(signature))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_digest_of_another_length_is_not_signed(size: int) -> None:
    with pytest.raises(SigningFault, match=f"digest of {size} bytes, wanted 32"):
        make_keys().sign_digest(bytes(size))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("secp256k1_ecdsa_sign_recoverable", flipped),
        ("secp256k1_ecdsa_sign_recoverable", lambda *_: 0),
        ("secp256k1_ecdsa_verify", lambda *_: 0),
    ],
)
def test_a_fault_while_signing_lets_no_signature_out(name: str, function: Any) -> None:
    keys = Keys(FixedEntropy(), Faulty(name, function))
    with pytest.raises(SigningFault, match="does not verify"):
        keys.sign_digest(DIGESTS[0])


def test_a_recovery_id_beyond_parity_is_a_fault() -> None:
    def serialize(context: Any, text: Any, recovery: Any, signature: Any) -> None:
        recovery[0] = 2

    keys = Keys(
        FixedEntropy(), Faulty("secp256k1_ecdsa_recoverable_signature_serialize_compact", serialize)
    )
    with pytest.raises(SigningFault, match="recovery id is 2, wanted 0 or 1"):
        keys.sign_digest(DIGESTS[0])


@pytest.mark.parametrize("secret", [0, ORDER, 2**256 - 1])
def test_a_secret_outside_the_group_is_drawn_again(secret: int) -> None:
    good = FixedEntropy()
    drawn = [secret.to_bytes(32)]
    keys = Keys(lambda size: drawn.pop() if drawn else good(size), libsecp256k1())
    assert keys.address == make_keys().address


@pytest.mark.parametrize("stuck", [bytes(32), bytes(31), bytes(33), b"\xff" * 32])
def test_a_broken_entropy_source_makes_no_key(stuck: bytes) -> None:
    with pytest.raises(ConfigError, match="no usable secret in 3 draws"):
        Keys(lambda size: stuck, libsecp256k1())


def test_the_secret_is_in_no_text_and_no_copy() -> None:
    keys = make_keys()
    secret = FixedEntropy()(32)
    assert repr(keys) == str(keys) == f"Keys(address=0x{keys.address.hex()})"
    assert secret.hex() not in repr(keys)
    for take in (copy.copy, copy.deepcopy, lambda value: pickle.dump(value, io.BytesIO())):
        with pytest.raises(TypeError, match="never leave"):
            take(keys)
    with pytest.raises(TypeError):
        json.dumps(keys)
    with pytest.raises(TypeError):
        vars(keys)


def test_the_backend_is_the_compiled_library() -> None:
    assert type(libsecp256k1()).__module__ == "_cffi_backend"


@pytest.mark.parametrize("library", [types.SimpleNamespace(), os, Faulty("", None)])
def test_another_backend_is_refused(library: object) -> None:
    with pytest.raises(ConfigError, match="wanted libsecp256k1 by cffi"):
        check_binding(library)


def test_a_backend_with_other_nonces_is_refused() -> None:
    def other_nonce(
        context: Any, signature: Any, digest: bytes, secret: Any, function: Any, data: Any
    ) -> int:
        extra = ffi.new("unsigned char[32]", bytes(31) + b"\x01")
        library = libsecp256k1()
        return int(
            library.secp256k1_ecdsa_sign_recoverable(
                context, signature, digest, secret, function, extra
            )
        )

    with pytest.raises(ConfigError, match="known answer"):
        check_known_answer(Faulty("secp256k1_ecdsa_sign_recoverable", other_nonce))
