"""Claims of JSON Web Tokens: dates, and fields of the kind and size that their profile says.

Everything raises a refusal that names the claim.

Reference: RFC 7519 (JWT), section 4.1; RFC 9711 (EAT), sections 4.2.9 (dbgstat) and 7.2 (JSON).
"""

import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from oracle.attestation.claims import Fact
from oracle.attestation.codecs.strict_json import Json, compact
from oracle.attestation.findings import Expired, Malformed, Remedy

#: Seconds since the epoch: the end of the year 9999.
MAX_TIME: Final = 253_402_300_799
#: Leaves of the claims of one token.
MAX_CLAIMS: Final = 1_024
#: What `flat_claims` puts before a claim's path.
PREFIX: Final = "claims."


@dataclass(frozen=True, slots=True)
class Window:
    """When a token holds, seconds since the epoch: from `issued_at` until before `expires_at`."""

    issued_at: int
    expires_at: int


def malformed(name: str, seen: object, wanted: str) -> Malformed:
    """Refuse a claim.

    Args:
        name: The claim.
        seen: Cut to 64 characters.
        wanted: What it has to be.
    """
    return Malformed(f"{seen!s:.64}", wanted, subject=f"claim {name}", remedy=Remedy.NEW_EVIDENCE)


def check_window(claims: dict[str, Json], *, now: int) -> Window:
    """Hold `nbf`, `iat` and `exp` against the time; all three must be there, and no leeway is.

    Args:
        claims: Of a token whose signature is checked.
        now: Seconds since the epoch.

    Raises:
        Malformed: One is missing or no whole number of seconds up to the year 9999.
        Expired: Not yet valid, from the future, or `exp` has come.
    """
    begins, issued, ends = (number(claims, name, most=MAX_TIME) for name in ("nbf", "iat", "exp"))
    for name, moment in (("nbf", begins), ("iat", issued)):
        if now < moment:
            raise Expired(
                _utc(now),
                f"{_utc(moment)} or later",
                subject=f"claim {name}",
                remedy=Remedy.CHECK_TIME,
            )
    if now >= ends:
        raise Expired(
            _utc(now), f"before {_utc(ends)}", subject="claim exp", remedy=Remedy.NEW_EVIDENCE
        )
    return Window(issued, ends)


def number(claims: dict[str, Json], name: str, *, most: int) -> int:
    """Read a claim that is a whole number from 0 to `most`."""
    value = claims.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise malformed(name, value, f"a whole number from 0 to {most}")
    return value


def flag(claims: dict[str, Json], name: str) -> bool:
    """Read a claim that is true or false."""
    value = claims.get(name)
    if not isinstance(value, bool):
        raise malformed(name, value, "true or false")
    return value


def text(claims: dict[str, Json], name: str) -> str:
    """Read a claim that is a text, not empty."""
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise malformed(name, value, "a text that is not empty")
    return value


def texts(claims: dict[str, Json], name: str, *, most: int) -> tuple[str, ...]:
    """Read a claim that is one text or a list of at most `most` texts; empty if it is missing."""
    value = claims.get(name, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or len(values) > most:
        raise malformed(name, value, f"a text, or a list of at most {most} texts")
    return tuple(_text(name, entry) for entry in values)


def hexadecimal(claims: dict[str, Json], name: str, *, size: int) -> bytes:
    """Read a claim of `size` bytes in hexadecimal digits."""
    value = text(claims, name)
    try:
        if len(value) == 2 * size:
            return binascii.unhexlify(value)
    except ValueError:
        pass
    raise malformed(name, value, f"{2 * size} hexadecimal digits")


def member(claims: dict[str, Json], name: str) -> dict[str, Json]:
    """Read a claim that is an object; empty if it is missing."""
    value = claims.get(name, {})
    if not isinstance(value, dict):
        raise malformed(name, value, "an object")
    return value


def flat_claims(claims: dict[str, Json]) -> dict[str, Fact]:
    """Every claim as a fact, by its path.

    Returns:
        `claims.` and the names on the way joined by dots, to the value: texts, numbers and
        booleans as they are, lists as compact JSON with ordered keys. A null has no fact.

    Raises:
        Malformed: Over 1,024 of them, or two that have one path.
    """
    made: dict[str, Fact] = {}
    for path, value in _leaves(claims, PREFIX):
        if path in made or len(made) == MAX_CLAIMS:
            raise malformed(path, value, f"at most {MAX_CLAIMS} claims, each with its own path")
        made[path] = value
    return made


def _leaves(claims: dict[str, Json], prefix: str) -> Iterator[tuple[str, Fact]]:
    for name, value in claims.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield prefix + name, compact(value)
        elif value is not None:
            yield prefix + name, value


def _text(name: str, value: Json) -> str:
    if not isinstance(value, str):
        raise malformed(name, value, "texts only")
    return value


def _utc(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
