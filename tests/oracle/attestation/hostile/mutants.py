"""Structure-aware mutation of evidence: bytes as bytes, as DER, as CBOR, as tokens and as JSON.

Nothing here knows a format of evidence: the mutators follow tags, lengths and brackets, so that
what they make gets past a parser's first check and into its depth.
"""

import base64
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

#: Lengths and counts that parsers get wrong.
_NUMBERS: Final = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF)
_HUGE: Final = 2**64 - 1
_DEEP: Final = 3_000
MAX_SIZE: Final = 262_144
#: Times that X.509 or Python cannot say, and the ends of those that they can.
_TIMES: Final = (
    b"00000101000000Z",
    b"00010101000000Z",
    b"99991231235959Z",
    b"20310230000000Z",
    b"20310101000000+0100",
    b"500101000000Z",
    b"491231235960Z",
)
_PEM: Final = re.compile(rb"(-----BEGIN [A-Z0-9 ]+-----\n)([A-Za-z0-9+/=\n]+?)(-----END )")

Mutator = Callable[[bytes, random.Random], bytes]


def mutants(samples: Sequence[bytes], count: int, rng: random.Random) -> Iterator[bytes]:
    """Altered samples.

    Args:
        samples: Well-formed inputs of one parser; at least one.
        count: How many to make.
        rng: Decides everything.
    """
    for _ in range(count):
        mutant = rng.choice(samples)
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            mutant = rng.choice(_MUTATORS)(mutant, rng)
        if rng.random() < 0.05:
            mutant = _spliced(mutant, rng.choice(samples), rng)
        yield mutant[:MAX_SIZE]


def _place(raw: bytes, rng: random.Random, size: int = 0) -> int:
    return rng.randint(0, max(0, len(raw) - size))


def _flipped(raw: bytes, rng: random.Random) -> bytes:
    if not raw:
        return b"\0"
    altered = bytearray(raw)
    for _ in range(rng.choice((1, 1, 2, 8))):
        bit = rng.randrange(len(raw) * 8)
        altered[bit // 8] ^= 1 << bit % 8
    return bytes(altered)


def _number_written(raw: bytes, rng: random.Random) -> bytes:
    width = rng.choice((1, 2, 4, 8))
    number = rng.choice((*_NUMBERS, _HUGE, len(raw), len(raw) + 1, max(0, len(raw) - 1)))
    at = _place(raw, rng, width)
    written = (number % (1 << 8 * width)).to_bytes(width, rng.choice(("big", "little")))
    return raw[:at] + written + raw[at + width :]


def _cut(raw: bytes, rng: random.Random) -> bytes:
    at = _place(raw, rng)
    return rng.choice((raw[:at], raw[at:], raw[:at] + raw[at + rng.randint(1, 64) :]))


def _grown(raw: bytes, rng: random.Random) -> bytes:
    at, end = sorted((_place(raw, rng), _place(raw, rng)))
    more = (
        raw[at:end],
        rng.randbytes(rng.randint(1, 64)),
        bytes(rng.choice((1, 4096, 65_536))),
        raw[at : at + 16] * rng.choice((10, 1000)),
        rng.choice((b" ", b"\n", b"A", b"-", raw[at : at + 1]))
        * rng.choice((200, 20_000, MAX_SIZE)),
    )
    return raw[:at] + rng.choice(more) + raw[at:]


def _spliced(raw: bytes, other: bytes, rng: random.Random) -> bytes:
    return raw[: _place(raw, rng)] + other[_place(other, rng) :]


def _der_items(raw: bytes) -> list[tuple[int, int, int]]:
    """Offsets of tag, content and end of every DER element that can be found, at most 4,096."""
    found: list[tuple[int, int, int]] = []
    todo = [(0, len(raw))]
    while todo and len(found) < 4_096:
        at, end = todo.pop()
        while at + 2 <= end:
            size, content = raw[at + 1], at + 2
            if size >= 0x80:
                width = size & 0x7F
                size = int.from_bytes(raw[content : content + width], "big")
                content += width
            if content + size > end:
                break
            found.append((at, content, content + size))
            if raw[at] & 0x20 or raw[at] in (0x03, 0x04):
                todo.append((content + (raw[at] == 0x03), content + size))
            at = content + size
    return found


def _der_mutated(raw: bytes, rng: random.Random) -> bytes:
    """One element with another tag or length, doubled, left out, or wrapped many times."""
    items = _der_items(raw)
    if not items:
        return _flipped(raw, rng)
    at, content, end = rng.choice(items)
    element = raw[at:end]
    size = end - content
    forms = (
        bytes((rng.randrange(256),)) + raw[at + 1 : end],
        raw[at : at + 1] + b"\x80" + raw[content:end] + b"\0\0",
        raw[at : at + 1] + b"\x84" + size.to_bytes(4, "big") + raw[content:end],
        raw[at : at + 1] + b"\x88" + _HUGE.to_bytes(8, "big") + raw[content:end],
        raw[at : at + 1] + b"\0",
        element + element,
        b"",
        b"\x30\x80" * _DEEP + element,
        _nested_der(element, rng.choice((3, 40, 200))),
        _der(
            raw[at],
            rng.choice((b"", b"\0", b"\xff" * 20, rng.randbytes(rng.choice((1, 200, 9_000))))),
        ),
        _der(rng.choice((0x17, 0x18)), rng.choice(_TIMES)),
        raw[at : at + 2]
        + rng.choice((b"\0", b"\xff", b"\x80", b"\xed\xa0\x80"))
        + raw[at + 3 : end],
    )
    altered = rng.choice(forms)
    if rng.random() < 0.8:
        return _der_in_place(raw, items, (at, end), altered)
    return raw[:at] + altered + raw[end:]


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    width = (size.bit_length() + 7) // 8
    return bytes((tag, 0x80 | width)) + size.to_bytes(width, "big") + content


def _der_in_place(
    raw: bytes, items: Sequence[tuple[int, int, int]], place: tuple[int, int], altered: bytes
) -> bytes:
    """Another element instead of one, with the lengths of all those around it made to fit."""
    at, end = place
    around = [item for item in items if item[1] <= at and end <= item[2] and item[0] < at]
    for start, content, stop in sorted(around, reverse=True):
        inner = raw[content:at] + altered + raw[end:stop]
        at, end, altered = start, stop, _der(raw[start], inner)
    return raw[:at] + altered + raw[end:]


def _nested_der(element: bytes, depth: int) -> bytes:
    for _ in range(depth):
        element = _der(0x30, element)
    return element


def _pem_mutated(raw: bytes, rng: random.Random) -> bytes:
    """One block of a PEM text, altered inside; its lines keep their length."""
    blocks = list(_PEM.finditer(raw))
    if not blocks:
        return _flipped(raw, rng)
    block = rng.choice(blocks)
    try:
        der = base64.b64decode(block[2])
    except ValueError:
        return _flipped(raw, rng)
    digits = base64.b64encode(rng.choice((_der_mutated, _flipped))(der, rng))
    lines = b"".join(digits[at : at + 64] + b"\n" for at in range(0, len(digits), 64))
    return raw[: block.start(2)] + lines + raw[block.end(2) :]


def _cbor_heads(raw: bytes) -> list[int]:
    """Offsets of items, at most 1,024, also of those within byte strings."""
    found: list[int] = []
    todo = [(0, len(raw))]
    while todo and len(found) < 1_024:
        at, end = todo.pop()
        while at < end and len(found) < 1_024:
            found.append(at)
            kind, info = raw[at] >> 5, raw[at] & 31
            width = 1 << info - 24 if 24 <= info < 28 else 0
            size = int.from_bytes(raw[at + 1 : at + 1 + width], "big") if width else info
            at += 1 + width
            if kind in (2, 3):
                if kind == 2 and size > 2:
                    todo.append((at, min(at + size, end)))
                at += size
    return found


def _cbor_mutated(raw: bytes, rng: random.Random) -> bytes:
    """A head of another kind or length where one may be, or deep nesting."""
    heads_at = _cbor_heads(raw) if rng.random() < 0.7 else []
    at = rng.choice(heads_at) if heads_at else _place(raw, rng, 1)
    heads = (
        bytes((rng.randrange(8) << 5 | rng.randrange(32),)),
        bytes((rng.randrange(2, 6) << 5 | 27,)) + _HUGE.to_bytes(8, "big"),
        bytes((rng.randrange(2, 6) << 5 | 26,)) + (2**31).to_bytes(4, "big"),
        bytes((rng.randrange(2, 6) << 5 | 31,)),
        b"\x81" * _DEEP,
        b"\xa1\x00" * _DEEP,
        b"\x9f" * _DEEP,
        b"\xc1" * _DEEP,
        b"\xd9\xd9\xf7",
        b"\xfb" + rng.randbytes(8),
        b"\xf9\x7e\x00",
        b"\xc2\x5a\x00\x01\x00\x00" + bytes(65_536),
        b"\xff",
    )
    return raw[:at] + rng.choice(heads) + raw[at + rng.choice((0, 1)) :]


def _json_altered(value: Any, rng: random.Random) -> Any:
    """One value somewhere inside of another type, or gone."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {name: item for name, item in value.items() if name != key}
        return value | {key: _json_altered(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        index = rng.randrange(len(value))
        return [*value[:index], _json_altered(value[index], rng), *value[index + 1 :]]
    if isinstance(value, str) and value and rng.random() < 0.6:
        return _text_altered(value, rng)
    strange = (
        None,
        True,
        -1,
        0,
        2**70,
        10**400,
        "",
        "\u0000",
        "\U0001f600" * 50,
        "A" * 70_000,
        "\ud800",
    )
    return rng.choice((*strange, [], {}, [[]], {"": None}, [value] * 20, "none", {"a": value}))


def _text_altered(text: str, rng: random.Random) -> str:
    """A certificate in base64 altered inside, or other text by a character or more."""
    if text.startswith("MII"):
        try:
            der = base64.b64decode(text)
        except ValueError:
            der = b""
        return base64.b64encode(_der_mutated(der, rng)).decode()
    at = rng.randrange(len(text))
    letter = rng.choice("0aAf-_ \u0660\uff10\ud800\0")
    return rng.choice(
        (text[:at] + letter + text[at + 1 :], text[:at], text + letter, text.upper(), text * 2)
    )


def _json_text(text: str, rng: random.Random) -> str:
    """Text of JSON, altered as a value or as text."""
    number = rng.randrange(6)
    if number == 0:
        return "[" * rng.choice((_DEEP, 30_000)) + text
    if number == 1:
        depth = rng.choice((10, 16, 400, 970, _DEEP, 30_000))
        open_, close = rng.choice((('{"a":', "}"), ("[", "]")))
        return open_ * depth + text + close * depth
    if number == 2:
        return text.replace(
            ":", ":" + rng.choice(("1e999", "NaN", "-Infinity", "1E400", "0.1")) + "//", 1
        )
    try:
        value = json.loads(text)
        is_compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False) == text
    except (ValueError, RecursionError):
        return text[: rng.randint(0, len(text))]
    if number == 3 and isinstance(value, dict) and value:
        key = json.dumps(rng.choice(list(value)))
        return "{" + key + ":null," + text.lstrip()[1:]
    separators = (",", ":") if is_compact else (", ", ": ")
    return json.dumps(_json_altered(value, rng), separators=separators)


def _json_mutated(raw: bytes, rng: random.Random) -> bytes:
    """A JSON text; of a longer file the first object in it."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _cbor_mutated(raw, rng)
    if text.count(".") == 2 and text[:2] == "ey":
        return _token_mutated(text, rng)
    if not text.lstrip().startswith(("{", "[")):
        return _cut(raw, rng)
    return _json_text(text, rng).encode("utf-8", "surrogatepass")


def _token_mutated(text: str, rng: random.Random) -> bytes:
    parts = text.split(".")
    index = rng.randrange(3)
    if index < 2 and rng.random() < 0.8:
        padded = parts[index] + "=" * (-len(parts[index]) % 4)
        try:
            inner = base64.urlsafe_b64decode(padded).decode()
        except ValueError:
            inner = "{}"
        altered = _json_text(inner, rng).encode("utf-8", "surrogatepass")
        parts[index] = base64.urlsafe_b64encode(altered).decode().rstrip("=" * rng.randrange(2))
    else:
        parts[index] = rng.choice(("", "=", "a", "A" * 100_000, "é", "\n", parts[index] + "="))
    if rng.random() < 0.05:
        parts.insert(rng.randrange(4), rng.choice(("", "e30")))
    return ".".join(parts).encode()


def _structure_mutated(raw: bytes, rng: random.Random) -> bytes:
    """By the structure that the bytes seem to have."""
    if raw[:1] == b"\x30":
        return _der_mutated(raw, rng)
    if raw.lstrip()[:1] in (b"{", b"[") or raw[:2] == b"ey":
        return _json_mutated(raw, rng)
    if b"-----BEGIN " in raw:
        return _pem_mutated(raw, rng)
    return rng.choice((_cbor_mutated, _der_mutated, _number_written))(raw, rng)


_MUTATORS: Final[tuple[Mutator, ...]] = (
    *(_structure_mutated,) * 4,
    _flipped,
    _number_written,
    _cut,
    _grown,
)
