import json

import pytest

from oracle.attestation.codecs.json_text import MAX_DEPTH, parse_json
from oracle.attestation.findings import Malformed


def test_json_is_read() -> None:
    value = {"text": "é", "number": -3, "list": [True, False, None, {"key": "\\u0041"}]}
    assert parse_json(json.dumps(value).encode(), what="thing", at_most=100) == value


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_nesting_is_bounded() -> None:
    parse_json(_nested(MAX_DEPTH), what="thing", at_most=100)
    with pytest.raises(Malformed, match="nested"):
        parse_json(_nested(MAX_DEPTH + 2), what="thing", at_most=100)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"1.5",
        b"1e3",
        b"NaN",
        b"-Infinity",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'"\xff"',
        b'"\\ud800"',
        b'"\\uDFff"',
        b"1" * 5000,
        _nested(50_000),
        b'{"a":' * 50_000,
        b"1 2",
        b"\xef\xbb\xbf1",
    ],
)
def test_other_text_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_json(raw, what="thing", at_most=1_000_000)
    assert refusal.value.subject == "thing"


def test_long_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed, match="seen 4 bytes, wanted at most 3"):
        parse_json(b"true", what="thing", at_most=3)
