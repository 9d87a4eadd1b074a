"""Secrets that a test plants, and the search for them in what a host can see.

A secret may leave in another spelling than it was planted in. `spellings` lists those that are
searched: as it is, hexadecimal, base64 at each of the three offsets that it can have in a longer
text (both alphabets), percent-encoded, escaped as JSON and Python do, UTF-16, backwards, and, for
a key, as a number. What is packed is unpacked first.
"""

import base64
import contextlib
import secrets
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

_GROUP = 3
#: Longest that one packed member is unpacked to, bytes.
_MAX_UNPACKED = 1 << 24
#: How gzip (RFC 1952) and zlib (RFC 1950) begin, and how Python's zlib is told which it is.
_PACKED = ((b"\x1f\x8b\x08", 31), (b"\x78\x01", 15), (b"\x78\x9c", 15), (b"\x78\xda", 15))


@dataclass(frozen=True, slots=True)
class Canary:
    """A secret that nothing else contains.

    Attributes:
        name: Where it is planted; what a finding shows instead of the secret.
        secret: At least 12 bytes.
    """

    name: str
    secret: bytes

    @property
    def text(self) -> str:
        """As it stands in a URL or a file."""
        return self.secret.decode()


def text_canary(name: str, *, prefix: str = "") -> Canary:
    """144 random bits as letters, digits, `-` and `_`.

    Args:
        name: Where it will be planted.
        prefix: Characters that must be encoded in some places.
    """
    return Canary(name, f"{prefix}{secrets.token_urlsafe(18)}".encode())


def spellings(secret: bytes) -> dict[str, bytes]:
    """Spelling -> bytes to look for. `folded` ones are lower case, for text in lower case."""
    found = {
        "raw": secret,
        "backwards": secret[::-1],
        "UTF-16": b"\0".join(bytes([byte]) for byte in secret),
        "quoted": quote(secret, safe="").encode(),
        "quoted as a path": quote(secret).encode(),
        "hexadecimal, folded": secret.hex().encode(),
        "hexadecimal backwards, folded": secret[::-1].hex().encode(),
        "hexadecimal digits backwards, folded": secret.hex().encode()[::-1],
        "hexadecimal in UTF-16, folded": b"\0".join(bytes([b]) for b in secret.hex().encode()),
        "percent, folded": "".join(f"%{byte:02x}" for byte in secret).encode(),
        "JSON, folded": "".join(f"\\u{byte:04x}" for byte in secret).encode(),
        "escaped, folded": "".join(f"\\x{byte:02x}" for byte in secret).encode(),
        "repr": repr(secret)[2:-1].encode(),
        "a list of numbers": ", ".join(map(str, secret)).encode(),
        "a number": str(int.from_bytes(secret, "big")).encode(),
    }
    for offset in range(_GROUP):
        for name, encode in (("", base64.b64encode), (" for URLs", base64.urlsafe_b64encode)):
            found[f"base64{name} at offset {offset}"] = _core(
                encode(bytes(offset) + secret), offset
            )
    return found


def _core(encoded: bytes, offset: int) -> bytes:
    """The characters that depend on nothing but the secret."""
    begin = {0: 0, 1: 2, 2: 3}[offset]
    is_padded = encoded.endswith(b"=")
    return encoded.rstrip(b"=")[begin : -1 if is_padded else None]


def search(seen: bytes, canaries: Iterable[Canary]) -> list[str]:
    """Which canaries stand in some bytes, and in which spelling; never what they are."""
    found = []
    for layer, text in enumerate((seen, *_unpacked(seen))):
        folded = text.lower()
        for canary in canaries:
            for spelling, needle in spellings(canary.secret).items():
                if needle in (folded if spelling.endswith("folded") else text):
                    where = " in something packed" if layer else ""
                    found.append(f"{canary.name}: {spelling}{where}")
    return found


def _unpacked(seen: bytes) -> Iterator[bytes]:
    for magic, window in _PACKED:
        at = seen.find(magic)
        while at >= 0:
            unpacker = zlib.decompressobj(wbits=window)
            # Most bytes that look like the beginning of something packed are none.
            with contextlib.suppress(zlib.error):
                yield unpacker.decompress(seen[at : at + _MAX_UNPACKED], _MAX_UNPACKED)
            at = seen.find(magic, at + 1)
