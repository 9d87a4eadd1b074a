"""JSON has one reading or none."""

import time

import pytest

from enclave.domain.errors import MalformedEvidence
from oracle.attestation.codecs.strict_json import MAX_MARKS, compact, parse_object, parse_value


def test_an_object_is_read() -> None:
    raw = b'{"a":[1,-2,true,null,"\\ud83d\\ude00"],"b":{"c":"["}}'
    assert parse_object(raw, most=len(raw)) == {
        "a": [1, -2, True, None, "\U0001f600"],
        "b": {"c": "["},
    }


def test_a_text_may_be_another_value_than_an_object() -> None:
    assert parse_value(b'["a",1]', most=7) == ["a", 1]
    assert parse_value(b"null", most=7) is None


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":' + b"1" * 21 + b"}",
        b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1}{}',
        b'{"a":1',
        b'{"a":"',
        b'{"a":"\\',
        b"[1]",
        b'"a"',
        b"",
    ],
)
def test_whatever_may_be_read_in_two_ways_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        parse_object(raw, most=1_000)


def test_the_greatest_depth_and_number_are_read() -> None:
    raw = b'{"a":' + b"[" * 15 + b"9" * 20 + b"]" * 15 + b"}"
    assert compact(parse_object(raw, most=1_000)).encode() == raw


def test_a_byte_too_many_is_refused() -> None:
    with pytest.raises(MalformedEvidence, match="7 bytes, wanted at most 6"):
        parse_object(b'{"a":1}', most=6)


def test_a_value_too_many_is_refused() -> None:
    raw = b"[" + b"1," * (MAX_MARKS - 1) + b"1]"
    value = parse_value(raw, most=len(raw))
    assert isinstance(value, list)
    assert len(value) == MAX_MARKS
    seen = rf"{MAX_MARKS + 1} of the marks ,:\[{{, wanted at most {MAX_MARKS}"
    with pytest.raises(MalformedEvidence, match=seen):
        parse_value(raw[:-1] + b",1]", most=2 * len(raw))


@pytest.mark.parametrize(
    "raw",
    [b"[" * 65_536, b'{"a":' * 13_000, b'"' + b'\\"' * 32_000, b'"' * 65_536, b"{}" * 32_768],
    ids=["arrays", "objects", "escapes", "quotes", "pairs"],
)
def test_hostile_nesting_costs_little(raw: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(MalformedEvidence):
        parse_object(raw, most=65_536)
    assert time.process_time() - begun < 0.05


def test_equal_values_are_written_alike() -> None:
    assert compact({"b": [1, "é"], "a": None}) == '{"a":null,"b":[1,"\\u00e9"]}'
