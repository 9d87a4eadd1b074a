import gc
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.domain.errors import SourceError, SourceMalformed, SourceUnavailable
from enclave.sources.document import Number, Value
from enclave.sources.strict_json import MAX_BODY, MAX_CONTAINERS, MAX_DEPTH, MAX_SEPARATORS, decode


def test_numbers_keep_their_spelling_and_are_no_text() -> None:
    value = decode(b'{"a": 1.10, "b": "1.10", "c": 1e5, "d": -0, "e": 10000000000000000000000}')
    assert value == {
        "a": "1.10",
        "b": "1.10",
        "c": "1e5",
        "d": "-0",
        "e": "10000000000000000000000",
    }
    assert isinstance(value, dict)
    assert [type(value[name]) for name in "abcde"] == [Number, str, Number, Number, Number]


def test_the_rest_of_json_is_plain() -> None:
    assert decode(b' [null, true, false, [], {}, "\\u00e9\\ud83d\\ude00"]\n') == [
        None,
        True,
        False,
        [],
        {},
        "é😀",
    ]
    assert decode(b"1.5") == "1.5"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 1}',
        b'[{"b": {"a": 1, "\\u0061": 2}}]',
        b'{"a": 01}',
        b'{"a": +1}',
        b'{"a": .5}',
        b'{"a": 1.}',
        b'{"a": 0x10}',
        b'{"a": 1_000}',
        '{"a": １２}'.encode(),
        '{"a": ٣}'.encode(),
        b"{'a': 1}",
        b'{"a": 1,}',
        b"[1,]",
        b"[1] [2]",
        b'{"a": 1}}',
        b"[1}",
        b"nul",
        b'{"a": "\x00"}',
        b'{"a": "\n"}',
        b'{"a": "\\x41"}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\xc0\xaf"}',
        b'{"a": "\\ud800"}',
        b'["\\udc00\\ud800"]',
        b'{"\\ud800": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
        b'\xa0{"a": 1}',
        "\u00a0[]".encode() + b"\xff",
        b'{"a": ' + b" " * MAX_BODY + b"1}",
    ],
)
def test_everything_outside_the_narrow_form_is_refused(body: bytes) -> None:
    with pytest.raises(SourceMalformed, match="will not help"):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"<html><body>Bad gateway</body></html>",
        b"Too many requests",
        b"error code: 1015",
        "\u00a0[]".encode(),
        b'{"a": {"b": 1',
        b'[{"a": 1}, {"a',
        b'{"a":',
    ],
)
def test_what_is_no_json_document_may_pass_by_itself(body: bytes) -> None:
    with pytest.raises(SourceUnavailable, match="ask again later"):
        decode(body)


def test_nesting_is_bounded_before_parsing() -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(SourceMalformed, match=f"deeper than {MAX_DEPTH}"):
        decode(b'{"a":[' * (MAX_DEPTH // 2) + b"[]" + b"]}" * (MAX_DEPTH // 2))


def test_brackets_inside_text_do_not_count() -> None:
    text = "[" * 100 + '\\"{' * 100 + "\\\\"
    assert decode(f'[["{text}"], []]'.encode()) == [[json.loads(f'"{text}"')], []]
    assert decode(b"[" + b"[]," * 100 + b"[]]") == [[]] * 101


def test_arrays_and_objects_are_bounded_before_parsing() -> None:
    assert decode(b"[" + b"{}," * (MAX_CONTAINERS - 2) + b"[]]")
    with pytest.raises(SourceMalformed, match="arrays and objects"):
        decode(b"[" + b"{}," * (MAX_CONTAINERS - 1) + b"[]]")


def test_separators_are_bounded_before_parsing() -> None:
    assert len(decode(b"[" + b"1," * MAX_SEPARATORS + b"1]") or ()) == MAX_SEPARATORS + 1  # type: ignore[arg-type]  # a list
    with pytest.raises(SourceMalformed, match="separators"):
        decode(b"[" + b"1," * (MAX_SEPARATORS + 1) + b"1]")


_HALF = MAX_BODY // 2
_BOMBS: dict[str, Callable[[], bytes]] = {
    "open brackets": lambda: b"[" * MAX_BODY,
    "nested arrays": lambda: b"[" * _HALF + b"]" * _HALF,
    "nested mixed": lambda: b'[{"":' * (_HALF // 5) + b"1" + b"}]" * (_HALF // 5),
    "many containers": lambda: b"[" + b"[]," * (MAX_SEPARATORS - 1) + b"[]]",
    "nested twice": lambda: b"[" + b"[" * 30_000 + b"]" * 30_000 + b"]",
    "quotes": lambda: b'["' + b'"' * (MAX_BODY - 4) + b'"]',
    "separators": lambda: b"[" + b"1," * (_HALF - 2) + b"1]",
    "duplicates": lambda: b"{" + b'"a":1,' * (MAX_SEPARATORS - 1) + b'"a":1}',
    "duplicates at the end": lambda: b"[" + b'{"a":1},' * (MAX_CONTAINERS - 2) + b'{"b":1,"b":1}]',
    "surrogates": lambda: b'["' + b"\\ud800" * (MAX_BODY // 6 - 1) + b'"]',
    "not a number at the end": lambda: b"[" + b"1," * (MAX_SEPARATORS - 1) + b"NaN]",
    "spaces": lambda: b" " * MAX_BODY,
    "too large": lambda: b'["' + b"a" * MAX_BODY + b'"]',
    "backslashes": lambda: b'["' + b"\\" * (MAX_BODY - 5) + b'"]',
    "garbage": lambda: b"{" + b"\x80" * (MAX_BODY - 2) + b"}",
}


# Not while coverage counts lines: that alone takes several times longer than the decoder.
@pytest.mark.no_cover
@pytest.mark.parametrize("name", _BOMBS)
def test_hostile_bodies_are_refused_within_50_ms(name: str) -> None:
    body = _BOMBS[name]()

    def refuse() -> float:
        started = time.process_time()
        with pytest.raises(SourceError):
            decode(body)
        return time.process_time() - started

    # What other tests have left in memory is not the decoder's to walk through.
    gc.collect()
    gc.freeze()
    try:
        assert min(refuse() for _ in range(5)) < 0.05
    finally:
        gc.unfreeze()


_VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.text(st.characters(codec="utf-8"), max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=3), inner),
    max_leaves=10,
)


@given(_VALUES)
def test_what_json_writes_is_read_back(value: Value) -> None:
    for ascii_only in (True, False):
        assert decode(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=40))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    try:
        decode(body)
    except SourceError:
        return
