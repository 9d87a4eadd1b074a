"""Frames are deterministic and every field is checked."""

import dataclasses
import types
import typing
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain import wire
from enclave.domain.errors import ProtocolError
from enclave.domain.observation import FeedFailure, SourceFailure
from enclave.domain.quorum import MAX_OBSERVATIONS
from enclave.domain.report import ENTRY_SIZE

RESULT = wire.RoundResult(
    round_id=7,
    observed_at=1_790_000_000,
    answers=(
        wire.AnswerView(
            feed_id=b"\x01" * 32,
            value=1,
            decimals=8,
            dispersion=3,
            sources_used=3,
            sources_asked=5,
            failures=(SourceFailure("kraken", "SourceUnavailable", "busy", True),),
        ),
    ),
    failed=(wire.FailureView(FeedFailure(b"\x02" * 32, "QuorumNotReached", "1 of 3"), ()),),
)


def body(value: dict[str, Any]) -> bytes:
    return wire.encode_frame(value)[wire.LENGTH_BYTES :]


def test_a_result_survives_the_wire() -> None:
    decoded = wire.decode_body(body({"id": 1, "ok": wire.to_map(RESULT)}))
    assert wire.from_map(wire.RoundResult, decoded["ok"]) == RESULT


def test_the_same_value_has_one_encoding() -> None:
    assert body({"bb": 1, "a": 2}) == body({"a": 2, "bb": 1}) == b"\xa2\x61a\x02\x62bb\x01"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x01",
        b"\x80",
        b"\xa2\x62bb\x01\x61a\x02",
        b"\xa1\x61a\x18\x01",
        b"\xbf\x61a\x01\xff",
        b"\xa2\x61a\x01\x61a\x01",
        b"\xa1\x61a\x01\x00",
        b"\xa1\x61a",
        b"\xa1\x61a\x1b\xff",
        b"\xa1\x61a" + b"\x81" * 50 + b"\x01",
        b"\xa1\x61a\xc1\x61x",
        b"\xa1\x81\x01\x01",
        b"\xff",
    ],
    ids=bytes.hex,
)
def test_anything_but_one_deterministic_map_is_refused(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.decode_body(raw)


@given(raw=st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(raw: bytes) -> None:
    try:
        value = wire.decode_body(raw)
    except ProtocolError:
        return
    assert cbor2.dumps(value, canonical=True) == raw


@pytest.mark.parametrize("length", [0, wire.MAX_FRAME + 1])
def test_a_frame_has_bounds(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"frame of {length} bytes"):
        wire.frame_length(length.to_bytes(4, "big"))
    assert wire.frame_length(wire.MAX_FRAME.to_bytes(4, "big")) == wire.MAX_FRAME


def test_a_frame_too_large_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        wire.encode_frame({"a": bytes(wire.MAX_FRAME)})


def good() -> dict[str, Any]:
    return {
        "round_id": 1,
        "chain_id": 31337,
        "hub": bytes(20),
        "feed_list": [bytes(32)],
        "feed_ids": [],
    }


def test_a_request_is_read_into_its_shape() -> None:
    assert wire.from_map(wire.Sign, good()) == wire.Sign(1, 31337, bytes(20), (bytes(32),), ())


@pytest.mark.parametrize(
    "change",
    [
        {"round_id": -1},
        {"round_id": 2**64},
        {"round_id": True},
        {"round_id": "1"},
        {"round_id": None},
        {"hub": "0x"},
        {"feed_list": b""},
        {"feed_list": [1]},
        {"feed_list": [b""] * 1025},
        {"extra": 1},
    ],
    ids=str,
)
def test_a_field_of_another_type_range_or_name_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        wire.from_map(wire.Sign, good() | change)


@pytest.mark.parametrize("key", sorted(good()))
def test_no_field_is_optional(key: str) -> None:
    value = good()
    del value[key]
    with pytest.raises(ProtocolError, match="keys"):
        wire.from_map(wire.Sign, value)


def test_what_is_not_a_map_is_refused() -> None:
    with pytest.raises(ProtocolError, match="keys"):
        wire.from_map(wire.Sign, [1])


def example(hint: Any) -> Any:
    """Some plain value of a schema type."""
    if isinstance(hint, types.GenericAlias):
        return [example(typing.get_args(hint)[0])]
    if dataclasses.is_dataclass(hint):
        return {name: example(kind) for name, kind in typing.get_type_hints(hint).items()}
    return {int: 2**64 - 1, bytes: b"\x01", str: "text", bool: True}[hint]


SHAPES = [shape for pair in wire.OPERATIONS.values() for shape in pair] + [wire.ErrorView]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_shape_reads_back_from_its_own_bytes(shape: Any) -> None:
    plain = example(shape)
    value = wire.from_map(shape, wire.decode_body(body({"ok": plain}))["ok"])
    assert wire.to_map(value) == plain


def test_the_largest_cosign_fits_a_frame() -> None:
    observation = wire.SignedObservation(
        bytes(20), 2**32 - 1, bytes(32), bytes(ENTRY_SIZE * wire.MAX_FEEDS), bytes(64)
    )
    feeds = (b"f" * 32,) * wire.MAX_FEEDS
    request = wire.Cosign(2**64 - 1, bytes(20), feeds, feeds, 64, (observation,) * MAX_OBSERVATIONS)
    frame = {"id": 2**64 - 1, "op": "cosign", "args": wire.to_map(request)}
    raw = wire.encode_frame(frame)
    assert wire.from_map(wire.Cosign, wire.decode_body(raw[4:])["args"]) == request


def test_the_largest_refusal_to_cosign_fits_a_frame() -> None:
    refusal = FeedFailure(b"f" * 32, "QuorumNotReached", "m" * 160)
    result = wire.CosignResult((), (refusal,) * wire.MAX_FEEDS)
    raw = wire.encode_frame({"id": 2**64 - 1, "ok": wire.to_map(result)})
    assert wire.from_map(wire.CosignResult, wire.decode_body(raw[4:])["ok"]) == result
