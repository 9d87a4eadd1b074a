"""JSON as signatures need it: one reading only.

Refused: duplicate keys, floats, NaN and infinities, numbers of over 20 digits, lone surrogates,
nesting beyond 16, more than 16,384 marks between values, anything but UTF-8.

Reference: RFC 8259; RFC 8725 (JWT best current practices), section 2.4.
"""

import json
import re
from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NoReturn, TypeAlias

from enclave.domain.errors import MalformedEvidence

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH: Final = 16
#: Digits of a number with its sign: all of 64 bits.
MAX_DIGITS: Final = 20
#: What a reader's time and memory go by: a text has at most one value for each of these bytes.
#: Recorded collateral has up to 1,092.
MAX_MARKS: Final = 16_384
_MARKS: Final = b",:[{"

#: Strings, closed or not, and everything else that is no bracket. Nothing is looked at twice.
_NO_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^\[\]{}"]++', re.DOTALL)
#: Made once: to make it takes longer than to write a number.
_COMPACT: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_object(raw: bytes, *, most: int) -> dict[str, Json]:
    """Read one JSON object.

    Args:
        raw: UTF-8 without a byte order mark.
        most: Its greatest length in bytes.

    Raises:
        MalformedEvidence: Too long or too deep, or not one object as the module describes it.
    """
    value = parse_value(raw, most=most)
    if not isinstance(value, dict):
        raise MalformedEvidence(f"JSON {type(value).__name__}, wanted an object")
    return value


def parse_value(raw: bytes, *, most: int) -> Json:
    """Read one JSON text of any kind.

    Args:
        raw: UTF-8 without a byte order mark.
        most: Its greatest length in bytes.

    Raises:
        MalformedEvidence: Too long or too deep, or not JSON as the module describes it.
    """
    if len(raw) > most:
        raise MalformedEvidence(f"JSON of {len(raw)} bytes, wanted at most {most}")
    check_marks(raw)
    brackets = _NO_BRACKETS.sub(b"", raw)
    depth = max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0)
    if depth > MAX_DEPTH:
        raise MalformedEvidence(f"JSON nested {depth} deep, wanted at most {MAX_DEPTH}")
    try:
        text = raw.decode()
        value: Json = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except ValueError as error:
        raise MalformedEvidence(f"not JSON: {error}") from error
    return value


def check_marks(raw: bytes) -> None:
    """Hold a text to the number of values that any reader of JSON takes in milliseconds.

    Establishes nothing else: it need not be JSON.

    Raises:
        MalformedEvidence: Over 16,384 commas, colons and opening brackets, also in strings.
    """
    marks = sum(raw.count(mark) for mark in _MARKS)
    if marks > MAX_MARKS:
        raise MalformedEvidence(f"JSON with {marks} of the marks ,:[{{, wanted at most {MAX_MARKS}")


def compact(value: Json) -> str:
    """Write JSON without spaces, keys in order, as ASCII: equal values give equal text."""
    return _COMPACT.encode(value)


def _unique(pairs: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    made: dict[str, Json] = {}
    for name, value in pairs:
        if name in made:
            raise MalformedEvidence(f"JSON key {name[:64]!r} twice, wanted once")
        made[name] = value
    return made


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise MalformedEvidence(f"number of {len(digits)} digits, wanted at most {MAX_DIGITS}")
    return int(digits)


def _no_float(digits: str) -> NoReturn:
    raise MalformedEvidence(f"number {digits[:64]}, wanted an integer")
