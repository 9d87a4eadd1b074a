"""Crypto-agile event logs, as firmware writes them."""

import hashlib
import struct
from collections.abc import Sequence

from oracle.attestation.codecs.event_log import ALGORITHMS, EV_NO_ACTION

_NUMBERS = {name: number for number, (name, _) in ALGORITHMS.items()}
LOCALITY = b"StartupLocality\0"


def log_header(
    algorithms: Sequence[str] = ("sha384",),
    *,
    signature: bytes = b"Spec ID Event03\0",
    kind: int = EV_NO_ACTION,
    vendor: bytes = b"",
) -> bytes:
    """The first event, which declares the algorithms."""
    sizes = [(_NUMBERS[name], hashlib.new(name).digest_size) for name in algorithms]
    data = signature + struct.pack("<IBBBBI", 0, 0, 2, 105, 2, len(sizes))
    data += b"".join(struct.pack("<HH", number, size) for number, size in sizes)
    data += bytes((len(vendor),)) + vendor
    return struct.pack("<II20sI", 1, kind, bytes(20), len(data)) + data


def log_event(
    register: int, data: bytes, *, kind: int = 0x0D, algorithms: Sequence[str] = ("sha384",)
) -> bytes:
    """An event whose digests are of its data."""
    digests = b"".join(
        struct.pack("<H", _NUMBERS[name]) + hashlib.new(name, data).digest() for name in algorithms
    )
    head = struct.pack("<III", register, kind, len(algorithms))
    return head + digests + struct.pack("<I", len(data)) + data


def old_event(register: int, data: bytes, *, kind: int = 0x0D) -> bytes:
    """An event of the older form, with the SHA-1 of its data."""
    head = struct.pack("<II", register, kind) + hashlib.sha1(data).digest()
    return head + struct.pack("<I", len(data)) + data


def extended(algorithm: str, *data: bytes, start: bytes = b"") -> bytes:
    """A register that was extended with the digests of these data."""
    value = start or bytes(hashlib.new(algorithm).digest_size)
    for each in data:
        digest = hashlib.new(algorithm, each).digest()
        value = hashlib.new(algorithm, value + digest).digest()
    return value
