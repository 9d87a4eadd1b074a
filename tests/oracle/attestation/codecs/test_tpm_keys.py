from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs import tpm_keys
from oracle.attestation.findings import Malformed
from tests.fakes import tpm_evidence as fake
from tests.fakes.layouts import check_places, replaced, unnamed

RSA = fake.rsa_key()
EC = fake.ec_key()


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        (fake.rsa_public(RSA), RSA),
        (fake.rsa_public(RSA, exponent=65_537, scheme=b"\0\x10"), RSA),
        (fake.rsa_public(RSA, scheme=bytes.fromhex("0016000c")), RSA),
        (fake.ec_public(EC), EC),
        (
            fake.ec_public(fake.ec_key(curve=ec.SECP384R1), curve=4),
            fake.ec_key(curve=ec.SECP384R1),
        ),
        (fake.pem(RSA), RSA),
        (fake.der(EC), EC),
    ],
    ids=unnamed,
)
def test_keys_are_decoded(raw: bytes, key: Any) -> None:
    decoded = tpm_keys.parse_key(raw)
    found = decoded.key if isinstance(decoded, tpm_keys.TpmPublic) else decoded
    assert tpm_keys.spki(found) == fake.der(key)


@pytest.mark.parametrize(
    ("attributes", "is_restricted_signing"),
    [
        (fake.ATTESTATION_KEY, True),
        (0x0005_0022, True),
        (fake.ATTESTATION_KEY & ~(1 << 1), False),
        (fake.ATTESTATION_KEY & ~(1 << 5), False),
        (fake.ATTESTATION_KEY & ~(1 << 16), False),
        (fake.ATTESTATION_KEY & ~(1 << 18), False),
        (fake.ATTESTATION_KEY | 1 << 17, False),
    ],
)
def test_an_attestation_key_is_told_by_its_attributes(
    attributes: int, is_restricted_signing: bool
) -> None:
    public = tpm_keys.parse_public(fake.ec_public(EC, attributes=attributes))
    assert public.is_restricted_signing is is_restricted_signing


def test_the_qualified_name_is_that_of_a_primary_key_in_the_endorsement_hierarchy() -> None:
    raw = fake.rsa_public(RSA)
    assert tpm_keys.parse_public(raw).qualified_name_in_endorsement == fake.qualified_name(raw)


_PUBLIC = fake.rsa_public(RSA)
_ODD_EXPONENT = fake.rsa_public(RSA, exponent=4)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (replaced(_PUBLIC, 0, "0008"), "type"),
        (replaced(_PUBLIC, 2, "0004"), "nameAlg"),
        (replaced(_PUBLIC, 8, "0041"), "authPolicy"),
        (replaced(_PUBLIC, 10, "0006"), "symmetric"),
        (replaced(_PUBLIC, 12, "0015"), "scheme"),
        (replaced(_PUBLIC, 14, "0004"), "scheme hash"),
        (replaced(_PUBLIC, 16, "0400"), "keyBits"),
        (replaced(_PUBLIC, 22, "0201"), "unique"),
        (fake.rsa_public(RSA, bits=3072), "unique"),
        (_ODD_EXPONENT, "exponent"),
        (replaced(fake.ec_public(EC), 16, "0010"), "curveID"),
        (replaced(fake.ec_public(EC), 18, "0020"), "kdf"),
        (fake.ec_public(EC, y=1), "unique"),
    ],
    ids=unnamed,
)
def test_other_keys_are_refused_by_field(raw: bytes, field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        tpm_keys.parse_public(raw)
    assert refusal.value.subject == f"TPMT_PUBLIC {field}"


def test_a_key_of_another_kind_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    raw = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Malformed, match="Ed25519"):
        tpm_keys.parse_key(raw)


@pytest.mark.parametrize("raw", [b"\x30\x00", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"], ids=unnamed)
def test_what_begins_as_a_key_and_is_none_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="wanted SubjectPublicKeyInfo"):
        tpm_keys.parse_key(raw)


@pytest.mark.parametrize("raw", [_PUBLIC, fake.ec_public(EC), fake.der(EC)], ids=unnamed)
def test_trees_say_where_the_fields_are(raw: bytes) -> None:
    check_places(tpm_keys.show_key(raw), raw)


@pytest.mark.parametrize("raw", [_PUBLIC, fake.ec_public(EC), fake.der(RSA)], ids=unnamed)
def test_nothing_is_cut_and_nothing_follows(raw: bytes) -> None:
    for size in range(len(raw)):
        with pytest.raises(Malformed):
            tpm_keys.parse_key(raw[:size])
    with pytest.raises(Malformed):
        tpm_keys.parse_key(raw + b"\0")


def test_size_is_bounded() -> None:
    with pytest.raises(Malformed, match="seen 4097 bytes, wanted at most 4096"):
        tpm_keys.parse_key(bytes(4097))


@pytest.mark.parametrize(
    "raw", [_PUBLIC, fake.ec_public(EC), fake.der(RSA), fake.pem(EC)], ids=unnamed
)
def test_flipped_bits_give_another_value_or_a_typed_error(raw: bytes) -> None:
    for bit in range(0, len(raw) * 8, 3):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            tpm_keys.parse_key(bytes(flipped))
        except MalformedEvidence:
            continue
