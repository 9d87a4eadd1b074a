"""The search for planted secrets finds each of them, however it is spelled, and nothing else."""

import base64
import gzip
import json
import os
import random
import zlib
from collections.abc import Callable
from urllib.parse import quote

import pytest

from tests.fakes.canary import Canary, search, spellings, text_canary

_NOISE = 40_000
#: How a program might write a secret down; each is made otherwise than the search makes it.
WAYS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "hexadecimal": lambda secret: secret.hex().encode(),
    "hexadecimal in capitals": lambda secret: secret.hex().upper().encode(),
    "hexadecimal in UTF-16": lambda secret: secret.hex().encode("utf-16-le"),
    "percent": lambda secret: "".join(f"%{byte:02X}" for byte in secret).encode(),
    "quoted": lambda secret: quote(secret).encode(),
    "backwards": lambda secret: bytes(reversed(secret)),
    "little-endian hexadecimal": lambda secret: bytes(reversed(secret)).hex().encode(),
    "repr": lambda secret: repr(secret).encode(),
    "a list": lambda secret: json.dumps(list(secret)).encode(),
    "a number": lambda secret: str(int.from_bytes(secret, "big")).encode(),
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "zlib, little": lambda secret: zlib.compress(secret, 1),
    "zlib, best": lambda secret: zlib.compress(secret, 9),
    "hexadecimal in gzip": lambda secret: gzip.compress(secret.hex().encode()),
}
TEXT_WAYS: dict[str, Callable[[bytes], bytes]] = {
    "UTF-16, little-endian": lambda secret: secret.decode().encode("utf-16-le"),
    "UTF-16, big-endian": lambda secret: secret.decode().encode("utf-16-be"),
    "JSON escapes": lambda secret: "".join(f"\\u{byte:04X}" for byte in secret).encode(),
}


def _noise(seed: int, size: int = _NOISE) -> bytes:
    return random.Random(seed).randbytes(size)


def _hidden(seed: int, spelled: bytes) -> bytes:
    """Somewhere in noise."""
    at = random.Random(seed).randrange(_NOISE)
    return _noise(seed)[:at] + spelled + _noise(seed + 1)[: _NOISE - at]


def _canaries() -> tuple[Canary, ...]:
    return (
        text_canary("token"),
        text_canary("password", prefix="a/b @%"),
        Canary("key", os.urandom(32)),
    )


@pytest.mark.parametrize("way", WAYS)
def test_each_spelling_is_found_in_noise(way: str) -> None:
    for seed, canary in enumerate(_canaries()):
        assert search(_hidden(seed, WAYS[way](canary.secret)), [canary]), canary.name


@pytest.mark.parametrize("way", TEXT_WAYS)
def test_each_spelling_of_a_text_is_found_in_noise(way: str) -> None:
    for seed, canary in enumerate(_canaries()[:2]):
        assert search(_hidden(seed, TEXT_WAYS[way](canary.secret)), [canary]), canary.name


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(4))
def test_base64_is_found_at_every_offset(before: int, after: int) -> None:
    for canary in _canaries():
        whole = os.urandom(before) + canary.secret + os.urandom(after)
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            assert search(_hidden(before, encode(whole)), [canary]), canary.name


def test_nothing_is_found_where_nothing_is() -> None:
    for seed in range(20):
        assert search(_noise(seed), _canaries()) == []
    canary = text_canary("token")
    assert search(canary.secret[:-1] + b"!" + canary.secret[1:], [canary]) == []


def test_a_finding_does_not_show_the_secret() -> None:
    canary = text_canary("token")
    for found in search(canary.secret, [canary]):
        assert canary.text not in found


def test_no_spelling_is_so_short_that_chance_could_write_it() -> None:
    for canary in _canaries():
        assert min(map(len, spellings(canary.secret).values())) >= len(canary.secret)
