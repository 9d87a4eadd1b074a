"""Malformed inputs from good ones: the same for the same seed."""

import random
from collections.abc import Callable, Sequence

Mutate = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
#: One input of so many is made large.
_LARGE_IN = 50
_LARGEST = 600_000


def _place(r: random.Random, raw: bytes) -> tuple[int, int]:
    """A slice of at most 64 bytes."""
    start = r.randrange(len(raw) + 1)
    return start, min(len(raw), start + r.randrange(65))


def _flip(r: random.Random, raw: bytes, words: Sequence[bytes]) -> bytes:
    if not raw:
        return raw
    at = r.randrange(len(raw))
    return raw[:at] + bytes((raw[at] ^ 1 << r.randrange(8),)) + raw[at + 1 :]


def _overwrite(r: random.Random, raw: bytes, words: Sequence[bytes]) -> bytes:
    start, end = _place(r, raw)
    return raw[:start] + r.randbytes(end - start) + raw[end:]


def _delete(r: random.Random, raw: bytes, words: Sequence[bytes]) -> bytes:
    start, end = _place(r, raw)
    return raw[:start] + raw[end:]


def _repeat(r: random.Random, raw: bytes, words: Sequence[bytes]) -> bytes:
    start, end = _place(r, raw)
    return raw[:end] + raw[start:end] * r.randrange(1, 9) + raw[end:]


def _cut(r: random.Random, raw: bytes, words: Sequence[bytes]) -> bytes:
    return raw[: r.randrange(len(raw) + 1)]


def _insert_word(r: random.Random, raw: bytes, words: Sequence[bytes]) -> bytes:
    start, end = _place(r, raw)
    return raw[:start] + r.choice(words) + raw[r.choice((start, end)) :]


_MUTATIONS: tuple[Mutate, ...] = (_flip, _overwrite, _delete, _repeat, _cut, _insert_word)


def mutate(r: random.Random, seed: bytes, words: Sequence[bytes]) -> bytes:
    """A few changes of a good input, now and then blown up to at most 600,000 bytes.

    Args:
        r: Where chance comes from.
        seed: A good input.
        words: That mean something where they stand.
    """
    raw = seed
    for _ in range(r.choice((1, 1, 1, 2, 3, 8))):
        raw = r.choice(_MUTATIONS)(r, raw, words)
    if not r.randrange(_LARGE_IN):
        start, end = _place(r, raw)
        piece = r.choice((raw[start:end], r.choice(words))) or b" "
        size = r.randrange(_LARGEST)
        raw = raw[:start] + piece * (size // len(piece)) + raw[end:]
    return raw[:_LARGEST]
