import random
import struct
from collections.abc import Callable

import pytest

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.event_log import (
    EV_NO_ACTION,
    MAX_EVENTS,
    MAX_LOG,
    parse_event_log,
    replay,
    show_event_log,
)
from tests.fakes.event_logs import LOCALITY, extended, log_event, log_header, old_event

BOTH = ("sha256", "sha384")


def test_a_log_is_taken_apart() -> None:
    raw = log_header(BOTH, vendor=b"me") + log_event(1, b"loader", algorithms=BOTH)
    log = parse_event_log(raw)
    assert log.algorithms == BOTH
    (event,) = log.events
    assert (event.register, event.kind, event.data) == (1, 0x0D, b"loader")
    assert set(event.digests) == set(BOTH)
    assert event.offset == len(log_header(BOTH, vendor=b"me"))


def test_registers_are_replayed_from_zeros_and_information_extends_nothing() -> None:
    raw = b"".join(
        (
            log_header(BOTH),
            log_event(1, b"a", algorithms=BOTH),
            log_event(2, b"b", algorithms=BOTH),
            log_event(1, b"told", kind=EV_NO_ACTION, algorithms=BOTH),
            log_event(1, b"c", algorithms=BOTH),
        )
    )
    log = parse_event_log(raw)
    for algorithm in BOTH:
        wanted = {1: extended(algorithm, b"a", b"c"), 2: extended(algorithm, b"b")}
        assert replay(log, algorithm) == wanted


def test_the_first_pcr_begins_as_the_locality_that_started_the_machine() -> None:
    locality = log_event(0, LOCALITY + b"\3", kind=EV_NO_ACTION)
    log = parse_event_log(log_header() + locality + log_event(0, b"a"))
    start = bytes(47) + b"\3"
    assert replay(log, "sha384") == {0: extended("sha384", b"a", start=start)}


@pytest.mark.parametrize("data", [LOCALITY, LOCALITY + b"\3\3"])
def test_a_locality_of_another_length_is_none(data: bytes) -> None:
    log = parse_event_log(log_header() + log_event(0, data, kind=EV_NO_ACTION) + log_event(0, b"a"))
    assert replay(log, "sha384") == {0: extended("sha384", b"a")}


def test_an_extended_event_is_no_locality() -> None:
    data = LOCALITY + b"\3"
    assert replay(parse_event_log(log_header() + log_event(0, data)), "sha384") == {
        0: extended("sha384", data)
    }


@pytest.mark.parametrize(
    "head",
    [
        b"",
        old_event(0, b"Spec ID Event00\0 and more", kind=EV_NO_ACTION),
        old_event(0, b"Spec ID Event02\0", kind=EV_NO_ACTION),
    ],
)
@pytest.mark.parametrize("fill", [b"", b"\xff" * 40, b"\0" * 40])
def test_the_older_form_has_sha1_alone(head: bytes, fill: bytes) -> None:
    raw = head + old_event(0, b"a") + old_event(4, b"bb", kind=4) + old_event(0, b"c") + fill
    log = parse_event_log(raw)
    assert log.algorithms == ("sha1",)
    assert replay(log, "sha1") == {0: extended("sha1", b"a", b"c"), 4: extended("sha1", b"bb")}
    with pytest.raises(MalformedEvidence, match="has no sha256 digest"):
        replay(log, "sha256")
    last = show_event_log(raw).children[-1]
    assert (last.offset, last.size) == (len(raw) - len(fill) - 33, 33)


@pytest.mark.parametrize("fill", [b"\xff", b"\0"])
@pytest.mark.parametrize("last", [b"text", b"\xff\xff", b"\0\0", b""])
def test_the_unused_rest_of_the_area_is_left_out(fill: bytes, last: bytes) -> None:
    raw = log_header() + log_event(1, b"a") + log_event(4, last)
    assert parse_event_log(raw + fill * 5000).events == parse_event_log(raw).events


def test_an_event_without_the_digest_cannot_be_replayed() -> None:
    log = parse_event_log(log_header(BOTH) + log_event(1, b"a", algorithms=("sha256",)))
    assert replay(log, "sha256")
    with pytest.raises(MalformedEvidence, match="has no sha384 digest"):
        replay(log, "sha384")


def test_it_is_shown_with_offsets() -> None:
    raw = log_header() + log_event(1, b"a") + log_event(2, b"b", kind=0x1234)
    node = show_event_log(raw)
    assert (node.offset, node.size) == (0, len(raw))
    first, second = node.children
    assert first.value == "register 1: EV_IPL"
    assert second.value == "register 2: type 0x00001234"
    size = len(log_event(2, b"b"))
    assert (second.offset, second.size) == (len(raw) - size, size)


def _header_with_more() -> bytes:
    raw = log_header()
    return raw[:28] + struct.pack("<I", len(raw) - 32 + 1) + raw[32:] + b"x"


_ALTERED: dict[str, Callable[[], bytes]] = {
    "wanted at most": lambda: bytes(MAX_LOG + 1),
    "register of the header ends": lambda: b"",
    "log begins": lambda: log_header(signature=b"Spec ID Event04\0"),
    "log begins b'Spec": lambda: log_header(kind=8),
    "0 algorithms": lambda: log_header(()),
    "or twice": lambda: log_header(("sha1", "sha1")),
    "9 algorithms": lambda: log_header(("sha1",) * 9),
    "0x000c of 12288 bytes": lambda: log_header().replace(b"\x0c\0\x30\0", b"\x0c\0\0\x30"),
    "0x0fff of 48": lambda: log_header().replace(b"\x0c\0\x30\0", b"\xff\x0f\x30\0"),
    "header has 1 bytes left": _header_with_more,
    "has 2 digests": lambda: log_header() + log_event(1, b"a", algorithms=BOTH),
    "0x000b is not declared": lambda: log_header() + log_event(1, b"a", algorithms=("sha256",)),
    "algorithm 0x000c is not": lambda: (
        log_header(BOTH) + log_event(1, b"a", algorithms=("sha384", "sha384"))
    ),
    "event data ends": lambda: (log_header() + log_event(1, b"abc"))[:-1],
    "log without events": lambda: bytes(4096),
    "event data ends at": lambda: old_event(1, b"abc")[:-1],
    "more than 1024 events": lambda: old_event(1, b"a") * (MAX_EVENTS + 1),
    "more than 1024": lambda: log_header() + log_event(1, b"a") * (MAX_EVENTS + 1),
}


@pytest.mark.parametrize("why", _ALTERED)
def test_other_bytes_are_refused(why: str) -> None:
    with pytest.raises(MalformedEvidence, match=why):
        parse_event_log(_ALTERED[why]())


def test_no_altered_byte_of_a_digest_or_register_replays_to_the_same() -> None:
    raw = log_header() + log_event(1, b"a") + log_event(2, b"bb")
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    source = random.Random(seed)
    wanted = replay(parse_event_log(raw), "sha384")
    harmless = _harmless(raw)
    for at in range(len(raw)):
        altered = bytearray(raw)
        altered[at] ^= 1 << source.randrange(8)
        try:
            found = replay(parse_event_log(bytes(altered)), "sha384")
        except MalformedEvidence:
            continue
        assert (found == wanted) == (at in harmless), at


def _harmless(raw: bytes) -> set[int]:
    """Versions and register of the header, event types but one, and data of events."""
    begin = len(log_header())
    first = len(log_event(1, b"a"))
    header = {*range(4), *range(8, 28), *range(48, 56)}
    kinds = {*range(begin + 4, begin + 8), *range(begin + first + 4, begin + first + 8)}
    return header | kinds | {begin + first - 1, len(raw) - 1, len(raw) - 2}
