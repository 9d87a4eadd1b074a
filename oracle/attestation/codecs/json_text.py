"""Strict JSON: each key once, no fractions, bounded; for what attesters write.

Reference: RFC 8259.
"""

import json
import re
from typing import Any, Final, Never

from oracle.attestation.findings import Malformed, Remedy

#: Deepest nesting of objects and lists; evidence has three levels.
MAX_DEPTH: Final = 16
#: Half a character; attesters write ASCII.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(raw: bytes, *, what: str, at_most: int) -> Any:
    """Read one JSON text.

    Args:
        raw: UTF-8.
        what: Its name, for the refusal.
        at_most: Bytes.

    Returns:
        Dictionaries, lists, strings, integers, booleans and None.

    Raises:
        Malformed: Too long, not UTF-8, not JSON, nested over 16 deep, a key twice, a number with a
            fraction or an exponent, or an escaped surrogate.
    """
    if len(raw) > at_most:
        raise _malformed(what, f"{len(raw)} bytes", f"at most {at_most}")
    try:
        if _SURROGATE.search(raw):
            raise ValueError("escaped surrogate")
        value = json.loads(
            raw.decode(),
            parse_float=_refuse,
            parse_constant=_refuse,
            object_pairs_hook=_unique,
        )
        _check_depth(value)
    except (ValueError, RecursionError) as error:
        raise _malformed(what, str(error)[:200], "one strict JSON text") from error
    return value


def _refuse(text: str) -> Never:
    raise ValueError(f"number {text[:20]}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key appears twice")
    return table


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for item in level for child in _children(item)]
    if level:
        raise ValueError(f"nested more than {MAX_DEPTH} deep")


def _children(item: Any) -> Any:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()


def _malformed(what: str, seen: str, wanted: str) -> Malformed:
    return Malformed(seen, wanted, subject=what, remedy=Remedy.NEW_EVIDENCE)
