"""What several enclaves observed, and the one report that their observations combine to (pure).

An observation is what one enclave's round answers of a hub's feeds, signed in the hub's EIP-712
domain under a type of its own, so that it never passes for a report. The combination depends on
the set of observations alone: every enclave that is given the same set signs the same bytes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from enclave.domain.errors import ProtocolError
from enclave.domain.report import (
    ENCLAVE_FLAGS,
    MAX_DISPERSION,
    VERSION,
    EntryRow,
    keccak256,
    unpack_entries,
)

#: Observations in one request: twice the most seats that a hub has.
MAX_OBSERVATIONS = 64
#: One basis point is ten of these.
_TENTHS = 100_000
_FLAG_BITS = tuple(1 << bit for bit in range(ENCLAVE_FLAGS.bit_length()))

OBSERVATION_TYPE_HASH = keccak256(
    b"Observation(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)"
)
#: Type hash and version: the beginning of every observation's struct.
_STRUCT_HEAD = OBSERVATION_TYPE_HASH + VERSION.to_bytes(32, "big")


@dataclass(frozen=True, slots=True)
class Observed:
    """An observation as it is combined.

    Attributes:
        observed_at: Seconds since the epoch.
        rows: By index in the hub's feed list.
    """

    observed_at: int
    rows: Mapping[int, EntryRow]


@dataclass(frozen=True, slots=True)
class Combined:
    """What a set of observations says of the feeds asked for.

    Attributes:
        observed_at: Seconds since the epoch.
        rows: Entries of the report, by index, ascending.
        missing: Index of each feed that too few observations have, and how many have it.
    """

    observed_at: int
    rows: Mapping[int, EntryRow]
    missing: Mapping[int, int]


def observation_digest(observed_at: int, root: bytes, entries: bytes, domain: bytes) -> bytes:
    """EIP-712 digest of an observation, 32 bytes.

    Args:
        observed_at: Seconds since the epoch, uint32.
        root: `report.list_root` of the hub's feed list, 32 bytes.
        entries: Packed entries, see `report.pack_entries`.
        domain: `report.domain_separator(chain_id, hub)`.

    Raises:
        ProtocolError: A time or a root that does not fit its field.
    """
    if not 0 <= observed_at < 2**32 or len(root) != 32:
        raise ProtocolError("observedAt or list root does not fit its field")
    return keccak256(
        b"\x19\x01",
        domain,
        keccak256(_STRUCT_HEAD, observed_at.to_bytes(32, "big"), root, keccak256(entries)),
    )


def decode_observed(observed_at: int, entries: bytes, *, feeds: int) -> Observed:
    """Read the content of an observation; establishes neither its signer nor its list.

    Args:
        observed_at: Seconds since the epoch.
        entries: Packed entries, 14 bytes each, ascending.
        feeds: Length of the hub's feed list.

    Raises:
        ProtocolError: Malformed entries, or an index that the list does not have.
    """
    rows = {row[0]: row for row in unpack_entries(entries)}
    last = max(rows)
    if last >= feeds:
        raise ProtocolError(f"entry index {last}, wanted below {feeds}")
    return Observed(observed_at, rows)


def combine(observations: Sequence[Observed], indexes: Collection[int], *, quorum: int) -> Combined:
    """Combine observations into the entries of one report.

    Time, value and count of sources are lower medians: each is one that some observer gave. The
    dispersion is the upper median of what each observer stands off: its own dispersion, or its
    distance from the answer if that is more. With at most f arbitrary observations among 2f+1,
    every field lies within the range of the honest ones, so one liar can neither move an answer
    nor have guarded readers refuse it. The order of the observations does not matter.

    Args:
        observations: At least one, each by another enclave.
        indexes: Feeds to report, by position in the hub's list.
        quorum: Observations that each feed needs, at least 1.
    """
    rows: dict[int, EntryRow] = {}
    missing: dict[int, int] = {}
    for index in sorted(indexes):
        seen = [row for each in observations if (row := each.rows.get(index)) is not None]
        if len(seen) < max(quorum, 1):
            missing[index] = len(seen)
        else:
            rows[index] = _combine_rows(index, seen)
    return Combined(_lower_median([each.observed_at for each in observations]), rows, missing)


def _combine_rows(index: int, rows: Sequence[EntryRow]) -> EntryRow:
    """Medians of all fields, each to the careful side; flags that half of the observers set."""
    answer = _lower_median([row[1] for row in rows])
    spreads = [max(row[2], -(-abs(row[1] - answer) * _TENTHS // answer)) for row in rows]
    dispersion = sorted(spreads)[len(spreads) // 2]
    sources = _lower_median([row[3] for row in rows])
    flags = sum(
        bit for bit in _FLAG_BITS if 2 * sum(bool(row[4] & bit) for row in rows) >= len(rows)
    )
    return index, answer, min(dispersion, MAX_DISPERSION), sources, flags


def _lower_median(values: Sequence[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]
