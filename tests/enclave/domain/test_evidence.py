"""Report data binds chain, registry, signer, operator and a recent block."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from enclave.domain.errors import MalformedEvidence, ProtocolError
from enclave.domain.evidence import (
    RegistrationContext,
    TeeKind,
    emulated_measurement,
    image_id,
    registration_digest,
    report_data,
)

CONTEXT = RegistrationContext(
    chain_id=31337,
    registry=b"\x11" * 20,
    operator=b"\x22" * 20,
    ref_block=1234,
    block_hash=b"\x33" * 32,
)
SIGNER = b"\x44" * 20
HPKE = b"\x55" * 32


def address(raw: bytes) -> str:
    return "0x" + raw.hex()


def test_the_binding_is_the_abi_encoding_that_the_registry_hashes() -> None:
    ext_hash = keccak(encode(["address", "bytes32"], [address(CONTEXT.operator), keccak(HPKE)]))
    binding = keccak(
        encode(
            ["bytes32", "uint256", "address", "address", "bytes32", "bytes32"],
            [
                keccak(b"confidential-oracle.registration.v1"),
                31337,
                address(CONTEXT.registry),
                address(SIGNER),
                CONTEXT.block_hash,
                ext_hash,
            ],
        )
    )
    expected = SIGNER + (1234).to_bytes(8, "big") + binding + (1).to_bytes(4, "big")
    assert report_data(CONTEXT, signer=SIGNER, hpke_public_key=HPKE) == expected


def test_the_consent_is_eip_712_typed_data() -> None:
    message = encode_typed_data(
        {
            "name": "ConfidentialOracle",
            "version": "1",
            "chainId": 31337,
            "verifyingContract": address(CONTEXT.registry),
        },
        {
            "Registration": [
                {"name": "operator", "type": "address"},
                {"name": "hpkeKeyHash", "type": "bytes32"},
                {"name": "refBlock", "type": "uint64"},
                {"name": "refBlockHash", "type": "bytes32"},
            ]
        },
        {
            "operator": address(CONTEXT.operator),
            "hpkeKeyHash": keccak(HPKE),
            "refBlock": 1234,
            "refBlockHash": CONTEXT.block_hash,
        },
    )
    expected = keccak(b"\x19" + message.version + message.header + message.body)
    assert registration_digest(CONTEXT, hpke_public_key=HPKE) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"registry": b"\x12" * 20},
        {"operator": b"\x23" * 20},
        {"ref_block": 1235},
        {"block_hash": b"\x34" * 32},
    ],
)
def test_every_part_of_the_context_changes_the_report_data(change: dict[str, Any]) -> None:
    moved = replace(CONTEXT, **change)
    before = report_data(CONTEXT, signer=SIGNER, hpke_public_key=HPKE)
    assert report_data(moved, signer=SIGNER, hpke_public_key=HPKE) != before


def test_the_hpke_key_is_bound() -> None:
    before = report_data(CONTEXT, signer=SIGNER, hpke_public_key=HPKE)
    assert report_data(CONTEXT, signer=SIGNER, hpke_public_key=b"\x56" * 32) != before


@pytest.mark.parametrize(
    "change",
    [
        {"registry": b"\x11" * 19},
        {"operator": b""},
        {"block_hash": bytes(32)},
        {"block_hash": b"\x33" * 31},
        {"chain_id": 0},
        {"chain_id": 2**64},
        {"ref_block": -1},
        {"ref_block": 2**64},
    ],
)
def test_a_context_out_of_range_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        replace(CONTEXT, **change)


@pytest.mark.parametrize(("signer", "hpke"), [(SIGNER[1:], HPKE), (SIGNER, HPKE[1:])])
def test_keys_of_another_length_are_refused(signer: bytes, hpke: bytes) -> None:
    with pytest.raises(ProtocolError):
        report_data(CONTEXT, signer=signer, hpke_public_key=hpke)


@pytest.mark.parametrize(
    ("tee", "size", "covered"),
    [
        (TeeKind.SGX, 384, range(16, 320)),
        (TeeKind.TDX, 584, range(120, 520)),
        (TeeKind.TDX, 648, (*range(120, 520), *range(600, 648))),
    ],
)
def test_the_image_id_covers_measurements_and_attributes(
    tee: TeeKind, size: int, covered: Sequence[int]
) -> None:
    body = bytes(size)
    for position in range(size):
        mutant = bytearray(body)
        mutant[position] = 1
        changed = image_id(tee, bytes(mutant)) != image_id(tee, body)
        assert changed == (position in covered)
    assert image_id(tee, body) == keccak(bytes([tee]) + bytes(len(covered)))


def test_a_body_of_another_length_or_platform_has_no_image_id() -> None:
    with pytest.raises(MalformedEvidence, match="383 bytes, wanted 384"):
        image_id(TeeKind.SGX, bytes(383))
    with pytest.raises(MalformedEvidence, match="600 bytes, wanted 584 or 648"):
        image_id(TeeKind.TDX, bytes(600))
    with pytest.raises(MalformedEvidence, match="384 bytes, wanted 584 or 648"):
        image_id(TeeKind.TDX, bytes(384))
    with pytest.raises(MalformedEvidence, match="NITRO"):
        image_id(TeeKind.NITRO, bytes(384))


def test_the_emulated_measurement_names_and_hashes_every_file() -> None:
    expected = hashlib.sha384()
    for name, content in ((b"a.py", b"1"), (b"b.py", b"2")):
        expected.update(len(name).to_bytes(4, "big") + name + hashlib.sha384(content).digest())
    assert emulated_measurement({"b.py": b"2", "a.py": b"1"}) == expected.digest()
    assert emulated_measurement({"a.py": b"1", "b.py": b"3"}) != expected.digest()
    assert emulated_measurement({"a.py": b"1", "c.py": b"2"}) != expected.digest()
