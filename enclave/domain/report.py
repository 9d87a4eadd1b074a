"""The report: one byte string with answers of any number of feeds and m signatures.

Layout, big-endian and packed: `version u8 | observedAt u32 | listRoot 32 | count u16 |
count * entry 14 | mask u64 | m * signature 64`. An entry is `index u16 | value i64 |
dispersion u16 | sources u8 | flags u8`. Signed is the EIP-712 digest over version,
observedAt, listRoot and the packed entries; mask and signatures are not signed.

Shared with `contracts/src/libraries/ReportCodec.sol`, byte for byte.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap

import sha3

from enclave.domain.errors import ProtocolError

VERSION = 1
ENTRY_SIZE = 14
SIGNATURE_SIZE = 64
MAX_ENTRIES = 1024
MAX_DISPERSION = 0xFFFF
#: The enclave owns the low four flag bits; the hub the high four.
ENCLAVE_FLAGS = 0x0F

#: The fields of an `Entry` in their order.
EntryRow = tuple[int, int, int, int, int]

_HEAD = struct.Struct(">BI32sH")
_ENTRY = struct.Struct(">HqHBB")
_MASK = struct.Struct(">Q")


def keccak256(*parts: bytes) -> bytes:
    """Keccak-256 (not SHA3-256) of the parts in order, 32 bytes."""
    return bytes(sha3.keccak_256(b"".join(parts)).digest())


DOMAIN_TYPE_HASH = keccak256(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
REPORT_TYPE_HASH = keccak256(
    b"Report(uint8 version,uint32 observedAt,bytes32 listRoot,bytes entries)"
)
#: Type hash and version: the beginning of every report's struct.
_STRUCT_HEAD = REPORT_TYPE_HASH + VERSION.to_bytes(32, "big")
_NAME_HASH = keccak256(b"ConfidentialOracle")
_VERSION_HASH = keccak256(b"1")


@dataclass(frozen=True, slots=True)
class Entry:
    """One feed's answer in a report.

    Attributes:
        index: Position in the hub's feed list, 0 to 65535.
        value: int64 in the feed's fixed decimals, positive.
        dispersion: Tenths of a basis point, 0 to 65535.
        sources: Sources used, 1 to 255.
        flags: The enclave's four low bits.
    """

    index: int
    value: int
    dispersion: int
    sources: int
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The signed part of a report.

    Attributes:
        observed_at: Seconds since the epoch, uint32; also the round id.
        list_root: 32 bytes, see `extend_list_root`.
        entries: In ascending index order, 1 to 1024.
    """

    observed_at: int
    list_root: bytes
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report with its signatures, one per set bit of the mask, in ascending bit order."""

    report: Report
    mask: int
    signatures: tuple[bytes, ...]


def list_root(feed_ids: Iterable[bytes]) -> bytes:
    """Running hash of a hub's feed list: `r' = keccak256(r || id)`, starting from 32 zero bytes."""
    root = bytes(32)
    for feed_id in feed_ids:
        if len(feed_id) != 32:
            raise ProtocolError(f"feed id of {len(feed_id)} bytes, wanted 32")
        root = keccak256(root, feed_id)
    return root


def domain_separator(chain_id: int, verifying_contract: bytes) -> bytes:
    """EIP-712 domain separator of this project for a 20-byte contract address."""
    if len(verifying_contract) != 20:
        raise ProtocolError(f"address of {len(verifying_contract)} bytes, wanted 20")
    return keccak256(
        DOMAIN_TYPE_HASH,
        _NAME_HASH,
        _VERSION_HASH,
        chain_id.to_bytes(32, "big"),
        bytes(12),
        verifying_contract,
    )


def encode_entries(entries: Sequence[Entry]) -> bytes:
    """Pack the entries, 14 bytes each; see `pack_entries`."""
    return pack_entries(
        [
            (entry.index, entry.value, entry.dispersion, entry.sources, entry.flags)
            for entry in entries
        ]
    )


def pack_entries(rows: Sequence[EntryRow]) -> bytes:
    """Pack the fields of entries, 14 bytes each, for a caller that has no need of `Entry`.

    Raises:
        ProtocolError: None or too many, not ascending, or a field out of its range.
    """
    _check_rows(rows)
    try:
        return b"".join(starmap(_ENTRY.pack, rows))
    except struct.error as error:
        raise ProtocolError("an entry does not fit its fields") from error


def _check_rows(rows: Sequence[EntryRow]) -> None:
    """Number, order and what an entry's fields do not bound themselves."""
    if not 1 <= len(rows) <= MAX_ENTRIES:
        raise ProtocolError(f"{len(rows)} entries, wanted 1..{MAX_ENTRIES}")
    previous = -1
    for index, value, _, sources, flags in rows:
        if index <= previous:
            raise ProtocolError(f"entry index {index} after {previous}, wanted ascending")
        if value <= 0 or flags & ~ENCLAVE_FLAGS or sources < 1:
            raise ProtocolError(f"entry {index} has no price, no source or foreign flags")
        previous = index


def unpack_entries(packed: bytes) -> tuple[EntryRow, ...]:
    """Read packed entries back; exactly what `pack_entries` writes.

    Raises:
        ProtocolError: Not 14 bytes each, none or too many, not ascending, or out of range.
    """
    if len(packed) % ENTRY_SIZE:
        raise ProtocolError(f"entries of {len(packed)} bytes, wanted {ENTRY_SIZE} each")
    rows = tuple(_ENTRY.iter_unpack(packed))
    _check_rows(rows)
    return rows


def report_digest(report: Report, domain: bytes) -> bytes:
    """EIP-712 digest that the enclaves sign, 32 bytes.

    Args:
        report: What to sign.
        domain: `domain_separator(chain_id, hub)`.
    """
    entries = encode_entries(report.entries)
    return entries_digest(report.observed_at, report.list_root, entries, domain)


def entries_digest(observed_at: int, root: bytes, entries: bytes, domain: bytes) -> bytes:
    """`report_digest` for a caller that has the result of `encode_entries` already."""
    struct_hash = keccak256(
        _STRUCT_HEAD + observed_at.to_bytes(32, "big") + root + keccak256(entries)
    )
    return keccak256(b"\x19\x01" + domain + struct_hash)


def encode_report(signed: SignedReport) -> bytes:
    """Bytes that `FeedHub.submit` takes.

    Raises:
        ProtocolError: Fields out of range, or mask and signatures that do not match.
    """
    report = signed.report
    if signed.mask.bit_count() != len(signed.signatures) or not signed.signatures:
        raise ProtocolError(
            f"{len(signed.signatures)} signatures for a mask of {signed.mask.bit_count()} bits"
        )
    if any(len(signature) != SIGNATURE_SIZE for signature in signed.signatures):
        raise ProtocolError("a signature is not 64 bytes")
    entries = encode_entries(report.entries)
    try:
        head = _HEAD.pack(VERSION, report.observed_at, report.list_root, len(report.entries))
        mask = _MASK.pack(signed.mask)
    except struct.error as error:
        raise ProtocolError("observedAt or mask does not fit its field") from error
    if len(report.list_root) != 32:
        raise ProtocolError(f"list root of {len(report.list_root)} bytes, wanted 32")
    return b"".join((head, entries, mask, *signed.signatures))


def decode_report(raw: bytes) -> SignedReport:
    """Read a report back; checks shape only, no signature.

    Raises:
        ProtocolError: Any other length, version, order or range than `encode_report` makes.
    """
    if len(raw) < _HEAD.size:
        raise ProtocolError(f"report of {len(raw)} bytes, wanted at least {_HEAD.size}")
    version, observed_at, root, count = _HEAD.unpack_from(raw)
    if version != VERSION:
        raise ProtocolError(f"report version {version}, wanted {VERSION}")
    mask_at = _HEAD.size + count * ENTRY_SIZE
    if len(raw) < mask_at + _MASK.size:
        raise ProtocolError(f"report of {len(raw)} bytes is too short for {count} entries")
    packed = raw[_HEAD.size : mask_at]
    (mask,) = _MASK.unpack_from(raw, mask_at)
    tail = raw[mask_at + _MASK.size :]
    if len(tail) != SIGNATURE_SIZE * mask.bit_count():
        raise ProtocolError(f"{len(tail)} signature bytes for {mask.bit_count()} signers")
    entries = tuple(Entry(*fields) for fields in _ENTRY.iter_unpack(packed))
    signatures = tuple(
        tail[start : start + SIGNATURE_SIZE] for start in range(0, len(tail), SIGNATURE_SIZE)
    )
    signed = SignedReport(Report(observed_at, root, entries), mask, signatures)
    encode_report(signed)  # Refuses order, ranges and a mask without bits.
    return signed
