"""TCG event logs: what firmware and boot loader extended registers with, and replay.

The crypto-agile form has digests by several algorithms; the older one, which came with TPM 1.2, by
SHA-1 alone. The former is the log of a TPM (registers are PCRs) and the CCEL of a confidential
machine, where registers are numbered 0 for MRTD and 1 to 4 for RTMR0 to RTMR3. A log proves nothing
by itself: it is the explanation of registers that hardware signed, if it replays to their values.
Even then the data of an event is not established, only its digest is: whether the digest is of the
data depends on the event's type.

Reference: TCG PC Client Platform Firmware Profile, version 1.05 revision 23, section 10
(TCG_PCR_EVENT, TCG_PCR_EVENT2); UEFI 2.10, section 38.4 (confidential computing).
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.reader import Reader
from oracle.attestation.codecs.tree import Node

#: Four times the area that firmware sets aside for a CCEL.
MAX_LOG: Final = 1_048_576
MAX_EVENTS: Final = 1_024
MAX_ALGORITHMS: Final = 8
EV_NO_ACTION: Final = 3
#: TPM_ALG_ID -> name and size of the digest in bytes.
ALGORITHMS: Final[Mapping[int, tuple[str, int]]] = MappingProxyType(
    {
        0x0004: ("sha1", 20),
        0x000B: ("sha256", 32),
        0x000C: ("sha384", 48),
        0x000D: ("sha512", 64),
        0x0012: ("sm3_256", 32),
    }
)
#: Names of event types, for people.
EVENT_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00000001: "EV_POST_CODE",
        0x00000003: "EV_NO_ACTION",
        0x00000004: "EV_SEPARATOR",
        0x00000005: "EV_ACTION",
        0x00000006: "EV_EVENT_TAG",
        0x00000007: "EV_S_CRTM_CONTENTS",
        0x00000008: "EV_S_CRTM_VERSION",
        0x0000000A: "EV_PLATFORM_CONFIG_FLAGS",
        0x0000000B: "EV_TABLE_OF_DEVICES",
        0x0000000C: "EV_COMPACT_HASH",
        0x0000000D: "EV_IPL",
        0x80000001: "EV_EFI_VARIABLE_DRIVER_CONFIG",
        0x80000002: "EV_EFI_VARIABLE_BOOT",
        0x80000003: "EV_EFI_BOOT_SERVICES_APPLICATION",
        0x80000004: "EV_EFI_BOOT_SERVICES_DRIVER",
        0x80000006: "EV_EFI_GPT_EVENT",
        0x80000007: "EV_EFI_ACTION",
        0x80000008: "EV_EFI_PLATFORM_FIRMWARE_BLOB",
        0x80000009: "EV_EFI_HANDOFF_TABLES",
        0x8000000A: "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
        0x8000000B: "EV_EFI_HANDOFF_TABLES2",
        0x8000000C: "EV_EFI_VARIABLE_BOOT2",
        0x800000E0: "EV_EFI_VARIABLE_AUTHORITY",
    }
)
_SIGNATURE = b"Spec ID Event03\0"
#: What may begin a log of the older form; many begin with an ordinary event.
_OLD_SIGNATURES = (b"Spec ID Event00\0", b"Spec ID Event02\0")
_OLD_EVENT_SIZE = 32  # register, type, digest, size of data
_LOCALITY = b"StartupLocality\0"
_SHA1_SIZE = 20
_FIXED_SIZE = 8  # platform class, minor and major version, errata, size of UINTN
#: Firmware fills the area behind the log with either.
_FILLS = (b"\xff", b"\0")


@dataclass(frozen=True, slots=True)
class Event:
    """One entry.

    Attributes:
        register: Index of the register that was extended.
        kind: Event type.
        digests: By name of the algorithm.
        data: What firmware says of it; not established.
        offset: Of its first byte in the log.
        size: In bytes.
    """

    register: int
    kind: int
    digests: Mapping[str, bytes]
    data: bytes
    offset: int
    size: int

    @property
    def is_extended(self) -> bool:
        """Whether it changed its register; entries of one type only inform."""
        return self.kind != EV_NO_ACTION


@dataclass(frozen=True, slots=True)
class EventLog:
    """A log taken apart.

    Attributes:
        algorithms: Names, as its header declares them; `sha1` in the older form.
        events: Without the header of a crypto-agile log.
    """

    algorithms: tuple[str, ...]
    events: tuple[Event, ...]


def parse_event_log(raw: bytes) -> EventLog:
    """Take a log apart.

    Checks shape only; `replay` and a signed register establish that it is what was measured.

    Args:
        raw: At most 1,048,576 bytes and 1,024 events; what follows the last event must be of one
            value, 0xff or 0, which is the unused rest of the area.

    Raises:
        MalformedEvidence: Neither form, no event in the older one, an algorithm that is not
            declared or occurs twice, or a length that does not match.
    """
    if len(raw) > MAX_LOG:
        raise MalformedEvidence(f"event log of {len(raw)} bytes, wanted at most {MAX_LOG}")
    log = Reader(raw)
    if _is_old(raw):
        events = _events(log, raw, _old_event)
        if not events:
            raise MalformedEvidence("event log without events")
        return EventLog(("sha1",), events)
    sizes = _header(log)
    events = _events(log, raw, lambda reader: _event(reader, sizes))
    return EventLog(tuple(ALGORITHMS[number][0] for number in sizes), events)


def replay(log: EventLog, algorithm: str) -> Mapping[int, bytes]:
    """Values of the registers that the log extends, from their value at reset.

    Registers begin as zeros; PCR 0 as the locality that started the machine, if the log says so.
    A register that the log never extends is not in the result.

    Args:
        log: From `parse_event_log`.
        algorithm: `sha1`, `sha256`, `sha384` or `sha512`.

    Raises:
        MalformedEvidence: An event has no digest of this algorithm.
    """
    size = hashlib.new(algorithm).digest_size
    registers: dict[int, bytes] = {}
    start = {0: _startup(log, size)}
    for event in log.events:
        if not event.is_extended:
            continue
        digest = event.digests.get(algorithm)
        if digest is None:
            raise MalformedEvidence(f"event at {event.offset} has no {algorithm} digest")
        before = registers.get(event.register, start.get(event.register, bytes(size)))
        registers[event.register] = hashlib.new(algorithm, before + digest).digest()
    return registers


def show_event_log(raw: bytes) -> Node:
    """The log as a tree.

    Raises:
        MalformedEvidence: As `parse_event_log`.
    """
    log = parse_event_log(raw)
    return Node(
        "event log",
        f"{len(log.events)} events, {', '.join(log.algorithms)}",
        0,
        len(raw),
        children=tuple(_node(number, event) for number, event in enumerate(log.events)),
    )


def _node(number: int, event: Event) -> Node:
    kind = EVENT_NAMES.get(event.kind, f"type {event.kind:#010x}")
    digests = tuple(Node(name, digest.hex()) for name, digest in event.digests.items())
    data = Node("data", event.data[:64].hex(), note=f"{len(event.data)} bytes, not established")
    title = f"register {event.register}: {kind}"
    return Node(f"event {number}", title, event.offset, event.size, children=(*digests, data))


def _is_old(raw: bytes) -> bool:
    """Whether the first event, whose form is the older one in both, is no crypto-agile header."""
    kind = int.from_bytes(raw[4:8], "little")
    begin = raw[_OLD_EVENT_SIZE : _OLD_EVENT_SIZE + len(_SIGNATURE)]
    if kind == EV_NO_ACTION:
        return begin in _OLD_SIGNATURES
    return len(raw) >= _OLD_EVENT_SIZE and begin != _SIGNATURE


def _events(log: Reader, raw: bytes, read: Callable[[Reader], Event]) -> tuple[Event, ...]:
    events: list[Event] = []
    used = min(len(raw.rstrip(fill)) for fill in _FILLS)
    while log.position < used:
        if len(events) == MAX_EVENTS:
            raise MalformedEvidence(f"event log of more than {MAX_EVENTS} events")
        events.append(read(log))
    return tuple(events)


def _old_event(log: Reader) -> Event:
    offset = log.position
    register, kind = log.u32("register"), log.u32("event type")
    digests = MappingProxyType({"sha1": log.take(_SHA1_SIZE, "digest")})
    data = log.take(log.u32("event size"), "event data")
    return Event(register, kind, digests, data, offset, log.position - offset)


def _startup(log: EventLog, size: int) -> bytes:
    """What PCR 0 begins as."""
    for event in log.events:
        is_locality = event.data[:-1] == _LOCALITY
        if is_locality and not event.is_extended:
            return bytes(size - 1) + event.data[-1:]
    return bytes(size)


def _header(log: Reader) -> dict[int, int]:
    """Sizes of digests by TPM_ALG_ID, from the first event, which has the older form."""
    log.u32("register of the header")
    kind = log.u32("type of the header")
    log.take(_SHA1_SIZE, "digest of the header")
    data = Reader(log.take(log.u32("size of the header"), "header"))
    signature = data.take(len(_SIGNATURE), "signature of the header")
    if kind != EV_NO_ACTION or signature != _SIGNATURE:
        raise MalformedEvidence(f"log begins {signature!r}, wanted {_SIGNATURE!r}")
    data.take(_FIXED_SIZE, "versions of the header")
    count = data.u32("number of algorithms")
    if not 0 < count <= MAX_ALGORITHMS:
        raise MalformedEvidence(f"{count} algorithms, wanted 1 to {MAX_ALGORITHMS}")
    sizes: dict[int, int] = {}
    for _ in range(count):
        number, size = data.u16("algorithm"), data.u16("digest size")
        if number in sizes or ALGORITHMS.get(number, ("", -1))[1] != size:
            raise MalformedEvidence(f"algorithm {number:#06x} of {size} bytes, or twice")
        sizes[number] = size
    data.take(data.u8("size of vendor information"), "vendor information")
    data.end("header")
    return sizes


def _event(log: Reader, sizes: Mapping[int, int]) -> Event:
    offset = log.position
    register, kind = log.u32("register"), log.u32("event type")
    count = log.u32("number of digests")
    if count > len(sizes):
        raise MalformedEvidence(f"event at {offset} has {count} digests, wanted <= {len(sizes)}")
    digests: dict[str, bytes] = {}
    for _ in range(count):
        number = log.u16("algorithm of a digest")
        if number not in sizes or ALGORITHMS[number][0] in digests:
            raise MalformedEvidence(f"event at {offset}: algorithm {number:#06x} is not declared")
        digests[ALGORITHMS[number][0]] = log.take(sizes[number], "digest")
    data = log.take(log.u32("event size"), "event data")
    size = log.position - offset
    return Event(register, kind, MappingProxyType(digests), data, offset, size)
