"""Observations have a digest of their own, and combine to values that observers gave."""

from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import ProtocolError
from enclave.domain.quorum import (
    Combined,
    Observed,
    combine,
    decode_observed,
    observation_digest,
)
from enclave.domain.report import (
    EntryRow,
    domain_separator,
    entries_digest,
    list_root,
    pack_entries,
)

HUB = bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3")
DOMAIN = domain_separator(31337, HUB)
ROOT = list_root([b"\x01" * 32, b"\x02" * 32])
ENTRIES = pack_entries([(0, 183412000000, 12, 5, 0), (1, 2**63 - 1, 0xFFFF, 255, 3)])
#: The digest of these by eth-account's typed data.
GOLDEN = bytes.fromhex("7e7d5bdfdf8f1aa65e39b084f780d74a6e9dbf3f79582b3a4a1d425dcb5fb2e9")


def typed_data_digest(chain_id: int, observed_at: int, root: bytes, entries: bytes) -> bytes:
    """EIP-712 digest of an observation by another implementation."""
    message = encode_typed_data(
        {
            "name": "ConfidentialOracle",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + HUB.hex(),
        },
        {
            "Observation": [
                {"name": "version", "type": "uint8"},
                {"name": "observedAt", "type": "uint32"},
                {"name": "listRoot", "type": "bytes32"},
                {"name": "entries", "type": "bytes"},
            ]
        },
        {"version": 1, "observedAt": observed_at, "listRoot": root, "entries": entries},
    )
    return keccak(b"\x19" + message.version + message.header + message.body)


def observed(at: int, *rows: EntryRow) -> Observed:
    return Observed(at, {row[0]: row for row in rows})


def value(number: int, dispersion: int = 0, sources: int = 3, flags: int = 0) -> EntryRow:
    return (0, number, dispersion, sources, flags)


def test_the_golden_vector_is_that_of_typed_data() -> None:
    assert observation_digest(1_790_000_000, ROOT, ENTRIES, DOMAIN) == GOLDEN
    assert typed_data_digest(31337, 1_790_000_000, ROOT, ENTRIES) == GOLDEN


@given(
    chain_id=st.integers(1, 2**63),
    observed_at=st.integers(0, 2**32 - 1),
    root=st.binary(min_size=32, max_size=32),
    entries=st.binary(max_size=60),
)
def test_the_digest_is_that_of_eip_712(
    chain_id: int, observed_at: int, root: bytes, entries: bytes
) -> None:
    digest = observation_digest(observed_at, root, entries, domain_separator(chain_id, HUB))
    assert digest == typed_data_digest(chain_id, observed_at, root, entries)


def test_an_observation_is_no_report() -> None:
    arguments = (1_790_000_000, ROOT, ENTRIES, DOMAIN)
    assert observation_digest(*arguments) != entries_digest(*arguments)


@pytest.mark.parametrize("change", [{"at": -1}, {"at": 2**32}, {"root": bytes(31)}])
def test_a_digest_is_made_of_fields_that_fit(change: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"at": 1, "root": ROOT} | change
    with pytest.raises(ProtocolError, match="does not fit its field"):
        observation_digest(fields["at"], fields["root"], ENTRIES, DOMAIN)


def test_an_observation_is_read_by_index() -> None:
    assert decode_observed(7, ENTRIES, feeds=2) == observed(
        7, (0, 183412000000, 12, 5, 0), (1, 2**63 - 1, 0xFFFF, 255, 3)
    )


def test_an_index_beyond_the_list_is_refused() -> None:
    with pytest.raises(ProtocolError, match="entry index 1, wanted below 1"):
        decode_observed(7, ENTRIES, feeds=1)


def test_malformed_entries_are_refused() -> None:
    with pytest.raises(ProtocolError, match="27 bytes"):
        decode_observed(7, ENTRIES[:-1], feeds=2)


@pytest.mark.parametrize(
    ("values", "middle"),
    [([7], 7), ([9, 7], 7), ([9, 7, 8], 8), ([4, 1, 3, 2], 2), ([5, 5, 1], 5)],
)
def test_the_answer_and_the_time_are_lower_medians(values: list[int], middle: int) -> None:
    combined = combine([observed(each, value(each)) for each in values], [0], quorum=1)
    assert combined.observed_at == combined.rows[0][1] == middle


@pytest.mark.parametrize(
    ("rows", "dispersion"),
    [
        ([value(100_000, 4), value(100_000, 9)], 9),
        ([value(100_000, 4), value(100_000, 9), value(100_000, 2)], 4),
        ([value(100_000, 4), value(100_010, 9)], 10),
        ([value(1_000_000), value(1_000_001)], 1),
        ([value(999_999), value(1_000_000), value(1_000_000)], 0),
        ([value(999_999), value(1_000_000), value(1_000_001)], 1),
        ([value(1), value(2**63 - 1)], 65_535),
        ([value(5, 65_535)], 65_535),
    ],
)
def test_the_dispersion_is_the_upper_median_of_what_observers_stand_off(
    rows: list[EntryRow], dispersion: int
) -> None:
    combined = combine([observed(1, row) for row in rows], [0], quorum=1)
    assert combined.rows[0][2] == dispersion


@pytest.mark.parametrize(
    ("rows", "sources", "flags"),
    [
        ([value(5, sources=4, flags=5), value(5, sources=2, flags=4), value(5, sources=3)], 3, 4),
        ([value(5, sources=4, flags=1), value(5, sources=2, flags=4)], 2, 5),
        ([value(5, sources=9, flags=15)], 9, 15),
    ],
)
def test_sources_are_the_lower_median_and_flags_are_those_of_half(
    rows: list[EntryRow], sources: int, flags: int
) -> None:
    combined = combine([observed(1, row) for row in rows], [0], quorum=1)
    assert combined.rows == {0: (0, 5, 0, sources, flags)}


@given(
    honest=st.lists(
        st.tuples(st.integers(0, 900), st.integers(2, 9), st.sampled_from((0, 2, 6))),
        min_size=2,
        max_size=9,
    ),
    liar=st.builds(
        value,
        st.integers(1, 2**63 - 1),
        st.integers(0, 65_535),
        st.integers(1, 255),
        st.integers(0, 15),
    ),
)
def test_one_liar_cannot_make_guarded_readers_refuse(
    honest: list[tuple[int, int, int]], liar: EntryRow
) -> None:
    rows = [value(10**6, *each) for each in honest]
    combined = combine([observed(1, row) for row in [liar, *rows]], [0], quorum=1)
    _, answer, dispersion, sources, flags = combined.rows[0]
    assert answer == 10**6
    assert min(row[2] for row in rows) <= dispersion <= max(row[2] for row in rows)
    assert min(row[3] for row in rows) <= sources <= max(row[3] for row in rows)
    if len(rows) > 2:
        assert flags & 9 == 0


def test_a_feed_that_too_few_have_is_named_with_how_many() -> None:
    observations = [
        observed(1, value(5), (2, 8, 0, 1, 0)),
        observed(3, value(6), (2, 9, 0, 1, 0)),
        observed(2, (1, 7, 0, 1, 0), (2, 10, 0, 1, 0)),
    ]
    combined = combine(observations, [3, 2, 0, 1], quorum=2)
    assert combined == Combined(2, {0: (0, 5, 20_000, 3, 0), 2: (2, 9, 11_112, 1, 0)}, {1: 1, 3: 0})
    assert list(combined.rows) == [0, 2]
    assert combine(observations, [0, 3], quorum=0).missing == {3: 0}


rows = st.builds(
    value,
    st.integers(1, 2**63 - 1),
    st.integers(0, 65_535),
    st.integers(1, 255),
    st.integers(0, 15),
)
sets = st.lists(st.builds(observed, st.integers(0, 2**32 - 1), rows), min_size=1, max_size=9)


@given(observations=sets, data=st.data())
def test_the_combination_is_observed_and_has_no_order(
    observations: list[Observed], data: st.DataObject
) -> None:
    combined = combine(observations, [0], quorum=1)
    _, answer, dispersion, sources, flags = combined.rows[0]
    seen = [each.rows[0] for each in observations]
    assert answer in [row[1] for row in seen]
    assert combined.observed_at in [each.observed_at for each in observations]
    offs = [max(row[2], -(-abs(row[1] - answer) * 100_000 // answer)) for row in seen]
    assert 2 * sum(off <= dispersion for off in offs) > len(offs) or dispersion == 65_535
    assert 2 * sum(row[3] >= sources for row in seen) > len(seen)
    assert flags | seen[0][4] == flags or len(seen) > 1
    assert pack_entries([combined.rows[0]])
    assert combine(data.draw(st.permutations(observations)), [0], quorum=1) == combined


@given(
    honest=st.lists(st.integers(1, 2**63 - 1), min_size=2, max_size=9),
    liars=st.lists(st.integers(1, 2**63 - 1), max_size=8),
    data=st.data(),
)
def test_fewer_than_half_cannot_move_the_answer_out_of_the_honest_range(
    honest: list[int], liars: list[int], data: st.DataObject
) -> None:
    lies = liars[: len(honest) - 1]
    order = data.draw(st.permutations(honest + lies))
    combined = combine([observed(each % 2**32, value(each)) for each in order], [0], quorum=1)
    assert min(honest) <= combined.rows[0][1] <= max(honest)
    times = [each % 2**32 for each in honest]
    assert min(times) <= combined.observed_at <= max(times)
