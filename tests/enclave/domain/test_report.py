"""Report bytes and digest; the digest equals that of an independent EIP-712 implementation."""

from dataclasses import replace

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import ProtocolError
from enclave.domain.report import (
    Entry,
    Report,
    SignedReport,
    decode_report,
    domain_separator,
    encode_entries,
    encode_report,
    list_root,
    pack_entries,
    report_digest,
    unpack_entries,
)

HUB = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
ENTRIES = (
    Entry(0, 183412000000, 12, 5),
    Entry(7, 1, 0xFFFF, 255, 3),
    Entry(65535, 2**63 - 1, 0, 1),
)
REPORT = Report(1_790_000_000, keccak(b"root"), ENTRIES)
SIGNED = SignedReport(REPORT, 0b1001, (b"\x01" * 64, b"\x02" * 64))

reports = st.builds(
    Report,
    observed_at=st.integers(0, 2**32 - 1),
    list_root=st.binary(min_size=32, max_size=32),
    entries=st.lists(
        st.builds(
            Entry,
            index=st.integers(0, 2**16 - 1),
            value=st.integers(1, 2**63 - 1),
            dispersion=st.integers(0, 2**16 - 1),
            sources=st.integers(1, 255),
            flags=st.integers(0, 15),
        ),
        min_size=1,
        max_size=20,
        unique_by=lambda entry: entry.index,
    ).map(lambda entries: tuple(sorted(entries, key=lambda entry: entry.index))),
)


@given(report=reports, chain_id=st.integers(1, 2**63))
def test_the_digest_is_that_of_eip_712(report: Report, chain_id: int) -> None:
    message = encode_typed_data(
        {
            "name": "ConfidentialOracle",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + HUB.hex(),
        },
        {
            "Report": [
                {"name": "version", "type": "uint8"},
                {"name": "observedAt", "type": "uint32"},
                {"name": "listRoot", "type": "bytes32"},
                {"name": "entries", "type": "bytes"},
            ]
        },
        {
            "version": 1,
            "observedAt": report.observed_at,
            "listRoot": report.list_root,
            "entries": encode_entries(report.entries),
        },
    )
    expected = keccak(b"\x19" + message.version + message.header + message.body)
    assert report_digest(report, domain_separator(chain_id, HUB)) == expected


@given(report=reports, signers=st.integers(1, 2**64 - 1))
def test_a_report_reads_back_as_it_was_written(report: Report, signers: int) -> None:
    signatures = tuple(bytes([i]) * 64 for i in range(signers.bit_count()))
    signed = SignedReport(report, signers, signatures)
    assert decode_report(encode_report(signed)) == signed


def test_the_layout_is_packed_and_big_endian() -> None:
    raw = encode_report(SIGNED)
    assert len(raw) == 1 + 4 + 32 + 2 + 3 * 14 + 8 + 2 * 64
    assert raw[:5] == b"\x01" + (1_790_000_000).to_bytes(4, "big")
    assert raw[39:53] == bytes(2) + (183412000000).to_bytes(8, "big") + bytes((0, 12, 5, 0))


def test_every_bit_of_the_signed_part_changes_the_digest_or_is_refused() -> None:
    raw = encode_report(SIGNED)
    domain = domain_separator(31337, HUB)
    digest = report_digest(REPORT, domain)
    for bit in range(8 * (39 + 3 * 14)):
        mutant = bytearray(raw)
        mutant[bit // 8] ^= 1 << bit % 8
        try:
            decoded = decode_report(bytes(mutant))
        except ProtocolError:
            continue
        assert report_digest(decoded.report, domain) != digest


def test_another_chain_or_hub_is_another_digest() -> None:
    digests = {
        report_digest(REPORT, domain_separator(chain, hub))
        for chain in (1, 31337)
        for hub in (HUB, bytes(20))
    }
    assert len(digests) == 4


def test_the_list_root_is_a_running_hash_in_order() -> None:
    first, second = keccak(b"1"), keccak(b"2")
    assert list_root([]) == bytes(32)
    assert list_root([first, second]) == keccak(keccak(bytes(32) + first) + second)
    assert list_root([second, first]) != list_root([first, second])


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((), "0 entries"),
        ((Entry(0, 1, 0, 1),) * 1025, "1025 entries"),
        ((Entry(1, 1, 0, 1), Entry(1, 1, 0, 1)), "ascending"),
        ((Entry(2, 1, 0, 1), Entry(1, 1, 0, 1)), "ascending"),
        ((Entry(0, 0, 0, 1),), "no price"),
        ((Entry(0, -1, 0, 1),), "no price"),
        ((Entry(0, 1, 0, 0),), "no source"),
        ((Entry(0, 1, 0, 1, 16),), "foreign flags"),
        ((Entry(0, 2**63, 0, 1),), "does not fit"),
        ((Entry(0, 1, 65536, 1),), "does not fit"),
        ((Entry(65536, 1, 0, 1),), "does not fit"),
    ],
)
def test_an_entry_out_of_range_is_refused_never_clamped(
    entries: tuple[Entry, ...], message: str
) -> None:
    with pytest.raises(ProtocolError, match=message):
        encode_entries(entries)


@given(report=reports)
def test_packed_entries_read_back_as_they_were_written(report: Report) -> None:
    rows = unpack_entries(encode_entries(report.entries))
    assert tuple(Entry(*row) for row in rows) == report.entries


@given(packed=st.binary(max_size=80))
def test_no_entries_are_read_that_would_not_be_written(packed: bytes) -> None:
    try:
        rows = unpack_entries(packed)
    except ProtocolError:
        return
    assert pack_entries(rows) == packed


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "0 entries"),
        (bytes(13), "13 bytes, wanted 14 each"),
        (bytes(14), "no price"),
        (encode_entries(ENTRIES)[14:28] * 2, "ascending"),
        (encode_entries(ENTRIES[:1])[:-1] + b"\x10", "foreign flags"),
        (bytes(14 * 1025), "1025 entries"),
    ],
)
def test_entries_out_of_order_or_range_are_not_read(packed: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        unpack_entries(packed)


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        (replace(SIGNED, mask=0b1), "mask of 1 bits"),
        (replace(SIGNED, mask=0, signatures=()), "mask of 0 bits"),
        (replace(SIGNED, signatures=(b"\x01" * 64, b"\x02" * 65)), "not 64 bytes"),
        (replace(SIGNED, mask=2**64 | 1), "does not fit"),
        (replace(SIGNED, report=replace(REPORT, observed_at=2**32)), "does not fit"),
        (replace(SIGNED, report=replace(REPORT, list_root=bytes(31))), "31 bytes"),
    ],
)
def test_a_report_that_does_not_add_up_is_refused(signed: SignedReport, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        encode_report(signed)


def test_no_shorter_or_longer_report_is_read() -> None:
    raw = encode_report(SIGNED)
    for length in range(len(raw)):
        with pytest.raises(ProtocolError):
            decode_report(raw[:length])
    with pytest.raises(ProtocolError, match="signature bytes"):
        decode_report(raw + b"\0")


def test_another_version_is_refused() -> None:
    with pytest.raises(ProtocolError, match="version 2"):
        decode_report(b"\x02" + encode_report(SIGNED)[1:])


def test_addresses_and_ids_have_fixed_lengths() -> None:
    with pytest.raises(ProtocolError, match="19 bytes"):
        domain_separator(1, bytes(19))
    with pytest.raises(ProtocolError, match="31 bytes"):
        list_root([bytes(31)])
