"""A JSON decoder for hostile bodies: numbers stay text, nothing is guessed, work is bounded.

Narrower than RFC 8259: UTF-8 without a byte order mark, no duplicate names, no lone surrogates,
no NaN or Infinity. Numbers come out as `Number`, spelled as the source spelled them.
"""

import json
from itertools import accumulate
from typing import Any, NoReturn

from enclave.sources.document import Number, Value
from enclave.sources.failures import refused, unavailable

#: Largest body, bytes; most separators; most arrays and objects; deepest nesting. The largest
#: recorded body, every pair of an exchange, has 430 kB, 29,070 separators and 13,773 of the third.
MAX_BODY = 524_288
MAX_SEPARATORS = 36_864
MAX_CONTAINERS = 20_480
MAX_DEPTH = 24

_SPACE = " \t\r\n"
_SCALAR_STARTS = '"-0123456789tfn'
_BRACKETS = b"[]{}"
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
#: Opening brackets become +1 and closing ones -1, read as signed bytes.
_LEVELS = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")


def decode(body: bytes) -> Value:
    """Read one JSON document.

    Returns:
        Objects as `dict`, arrays as `list`, numbers as `Number`; text, booleans, `None`.

    Raises:
        SourceUnavailable: Empty, cut short, or another kind of document (a gateway's page).
        SourceMalformed: JSON of a form that is refused, or larger or deeper than the bounds.
    """
    if len(body) > MAX_BODY:
        raise refused(f"body of {len(body)} bytes, wanted at most {MAX_BODY}")
    if body.startswith(b"\xef\xbb\xbf"):
        raise refused("body begins with a byte order mark, wanted plain UTF-8")
    try:
        text = body.decode("utf-8").strip(_SPACE)
    except UnicodeDecodeError as error:
        raise refused("body is not UTF-8") from error
    _check_kind(text)
    _check_size(body)
    try:
        value: Value = _DECODER.decode(text)
        if "\\u" in text:
            # A lone surrogate has no UTF-8 form; only an escape can spell one.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise refused("text with a lone surrogate") from error
    except (ValueError, RecursionError) as error:
        raise refused("body is not JSON") from error
    return value


def _check_kind(text: str) -> None:
    """Tell a document that is no JSON at all from broken JSON: the first passes by itself."""
    if not text:
        raise unavailable("empty body")
    if text[0] in "{[":
        if text[-1] not in "}]":
            raise unavailable("body is cut short")
    elif text[0] not in _SCALAR_STARTS:
        raise unavailable("body is a page or a text, wanted JSON")


def _check_size(body: bytes) -> None:
    """Bound the work before any parsing."""
    separators = body.count(b",")
    if separators > MAX_SEPARATORS:
        raise refused(f"body with {separators} separators, wanted at most {MAX_SEPARATORS}")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_containers(body)


def _check_containers(body: bytes) -> None:
    """Count and nesting of brackets outside text, in time linear in the body."""
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(plain.split(b'"')[::2])
    containers = outside.count(b"[") + outside.count(b"{")
    if containers > MAX_CONTAINERS:
        raise refused(f"body with {containers} arrays and objects, wanted <= {MAX_CONTAINERS}")
    levels = memoryview(outside.translate(_LEVELS, _NOT_BRACKETS)).cast("b")
    if max(accumulate(levels), default=0) > MAX_DEPTH:
        raise refused(f"body is nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise refused("object with a duplicate name")
    return members


def _refuse_constant(text: str) -> NoReturn:
    raise refused(f"{text} in the body, wanted a number")


#: Kept: building one costs more than decoding a small body.
_DECODER: Any = json.JSONDecoder(
    parse_float=Number,
    parse_int=Number,
    parse_constant=_refuse_constant,
    object_pairs_hook=_unique,
)
