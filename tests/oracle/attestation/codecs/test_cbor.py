"""The strict reader agrees with cbor2 on good input and refuses what cbor2 lets through."""

from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.attestation.codecs import cbor
from oracle.attestation.findings import Malformed

_SCALARS = (
    st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40) | st.booleans()
)
_LABELS = st.integers(-(2**64), 2**64 - 1) | st.text(max_size=8)
_VALUES = st.recursive(
    _SCALARS | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_LABELS, inner, max_size=4),
    max_leaves=12,
)


def _plain(item: cbor.Item) -> Any:
    """The item as cbor2 would give it."""
    value = item.value
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {label: _plain(one) for label, one in value.items()}
    if isinstance(value, cbor.Tagged):
        return cbor2.CBORTag(value.number, _plain(value.item))
    return value


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max((1 + _depth(one) for one in inner), default=0)


@given(_VALUES.filter(lambda value: _depth(value) <= cbor.MAX_DEPTH))
def test_good_input_is_read_as_cbor2_reads_it(value: Any) -> None:
    raw = cbor2.dumps(value)
    item = cbor.decode(raw)
    assert _plain(item) == value
    assert (item.offset, item.end) == (0, len(raw))


@given(st.binary(max_size=64))
def test_whatever_comes_is_an_item_or_refused(raw: bytes) -> None:
    try:
        item = cbor.decode(raw, tags=frozenset({18}), allow_indefinite=True)
    except Malformed:
        return
    assert item.end == len(raw)


def test_offsets_are_those_of_the_file() -> None:
    raw = b"xx" + cbor2.dumps({1: [b"ab", "c"]}) + b"yy"
    item = cbor.decode(raw, start=2, end=len(raw) - 2)
    array = cbor.mapping(item, "it")[1]
    first, second = cbor.array(array, "it")
    assert (item.offset, item.end) == (2, len(raw) - 2)
    assert raw[array.offset : array.end] == cbor2.dumps([b"ab", "c"])
    assert raw[first.offset : first.end] == cbor2.dumps(b"ab")
    assert raw[second.offset : second.end] == cbor2.dumps("c")


def test_what_lies_beyond_the_end_is_not_read() -> None:
    with pytest.raises(Malformed, match="1 bytes left"):
        cbor.decode(b"\x42ab", end=2)


@pytest.mark.parametrize(
    ("raw", "byte"),
    [
        (b"", 0),
        (b"\x18", 1),
        (b"\x18\x17", 0),
        (b"\x19\x00\xff", 0),
        (b"\x1a\x00\x00\xff\xff", 0),
        (b"\x1b" + bytes(4) + b"\xff" * 4, 0),
        (b"\x38\x17", 0),
        (b"\x58\x01a", 0),
        (b"\x1c", 0),
        (b"\x1f", 0),
        (b"\x42a", 1),
        (b"\x5b" + b"\xff" * 8, 9),
        (b"\x62\xff\xff", 0),
        (b"\x5f\x41a\xff", 0),
        (b"\x7f\x61a\xff", 0),
        (b"\x82\x01", 2),
        (b"\x9b" + b"\xff" * 8, 9),
        (b"\xa1\x01", 2),
        (b"\xa2\x01\x02\x01\x03", 3),
        (b"\xa2\x61a\x02\x61a\x03", 4),
        (b"\xc1\x00", 0),
        (b"\xd2\x00", 0),
        (b"\xe0", 0),
        (b"\xf7", 0),
        (b"\xf8\x18", 0),
        (b"\xf8\x20", 0),
        (b"\xf9\x00\x00", 0),
        (b"\xfa\x3f\x80\x00\x00", 0),
        (b"\xfb" + bytes(8), 0),
        (b"\xff", 0),
        (b"\x9f\x01", 2),
        (b"\x81\xff", 1),
        (b"\xbf\x01\xff", 2),
        (b"\x01\x02", 1),
        (b"\xc2\x41\x01", 0),
    ],
    ids=lambda one: one.hex() if isinstance(one, bytes) else str(one),
)
def test_what_is_not_of_the_subset_is_refused_where_it_is(raw: bytes, byte: int) -> None:
    with pytest.raises(Malformed) as refusal:
        cbor.decode(raw, allow_indefinite=True)
    assert refusal.value.subject == f"CBOR at byte {byte}"


@pytest.mark.parametrize(
    "key", [b"\x41a", b"\x80", b"\xa0", b"\xf4", b"\xf6", b"\xd2\x01"], ids=bytes.hex
)
def test_a_key_that_is_no_number_or_text_is_refused(key: bytes) -> None:
    with pytest.raises(Malformed, match="key of a map"):
        cbor.decode(b"\xa1" + key + b"\x01", tags=frozenset({18}))


def test_a_number_and_a_text_are_different_keys() -> None:
    assert set(cbor.mapping(cbor.decode(b"\xa2\x01\x02\x611\x03"), "it")) == {1, "1"}


def test_indefinite_lengths_are_read_only_where_they_may_be() -> None:
    raw = b"\xbf\x01\x9f\x02\x03\xff\x04\xbf\xff\xff"
    assert _plain(cbor.decode(raw, allow_indefinite=True)) == {1: [2, 3], 4: {}}
    with pytest.raises(Malformed, match="stated length"):
        cbor.decode(raw)


def test_only_tags_that_are_named_are_read() -> None:
    assert _plain(cbor.decode(b"\xd2\x81\x01", tags=frozenset({18}))) == cbor2.CBORTag(18, [1])
    with pytest.raises(Malformed, match=r"tag 17.*tags \[18\] only"):
        cbor.decode(b"\xd1\x81\x01", tags=frozenset({18}))


def test_depth_number_and_size_are_bounded() -> None:
    deepest = b"\x81" * cbor.MAX_DEPTH + b"\x01"
    assert cbor.decode(deepest).end == len(deepest)
    many = cbor.MAX_ITEMS - 1
    full = b"\x99" + many.to_bytes(2) + b"\x01" * many
    assert cbor.decode(full).end == len(full)
    for raw in (
        b"\x81" + deepest,
        b"\xd2" * 40_000 + b"\x01",
        b"\x9f" * 60_000,
        b"\x99" + (many + 1).to_bytes(2) + b"\x01" * (many + 1),
        b"\x5a\x00\x00\xff\xfc" + bytes(cbor.MAX_SIZE - 4),
    ):
        with pytest.raises(Malformed, match="at most"):
            cbor.decode(raw, tags=frozenset({18}), allow_indefinite=True)


_FIELDS = cbor.Fields(
    "a token", cbor.mapping(cbor.decode(b"\xa2\x01\x02\x61z\x03"), "it"), {"one": 1, "ten": 10}
)


def test_fields_are_read_by_name_and_unknown_ones_are_told() -> None:
    assert _FIELDS.need("one").value == 2
    assert _FIELDS.get("ten") is None
    assert _FIELDS.unknown == ("z",)
    with pytest.raises(Malformed, match=r"ten: seen a token without ten, wanted ten \(key 10\)"):
        _FIELDS.need("ten")


_READS: dict[str, Callable[[cbor.Item], Any]] = {
    "bytes": lambda item: cbor.byte_string(item, "it", (1, 2)),
    "text": lambda item: cbor.text(item, "it", range(1, 3)),
    "integer": lambda item: cbor.integer(item, "it", range(5)),
    "array": lambda item: cbor.array(item, "it"),
    "map": lambda item: cbor.mapping(item, "it"),
}
_GOOD = {"bytes": b"ab", "text": "ab", "integer": 4, "array": [], "map": {}}


@pytest.mark.parametrize("read", _READS)
@pytest.mark.parametrize("kind", [*_GOOD, "boolean", "null", "tag"])
def test_each_type_is_taken_for_itself_alone(read: str, kind: str) -> None:
    tag = cbor2.CBORTag(18, 0)
    value = (_GOOD | {"boolean": True, "null": None, "tag": tag})[kind]
    item = cbor.decode(cbor2.dumps(value), tags=frozenset({18}))
    if read == kind:
        assert _READS[read](item) == (() if kind == "array" else value)
        return
    with pytest.raises(Malformed, match="at byte 0"):
        _READS[read](item)


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        ("bytes", b"", "seen 0 bytes, wanted 1 or 2"),
        ("bytes", b"abc", "seen 3 bytes, wanted 1 or 2"),
        ("text", "", "seen 0 characters, wanted 1 to 2"),
        ("text", "abc", "seen 3 characters, wanted 1 to 2"),
        ("integer", -1, "seen -1, wanted 0 to 4"),
        ("integer", 5, "seen 5, wanted 0 to 4"),
    ],
)
def test_a_value_outside_its_bounds_is_refused(read: str, value: Any, message: str) -> None:
    with pytest.raises(Malformed, match=message):
        _READS[read](cbor.decode(cbor2.dumps(value)))
