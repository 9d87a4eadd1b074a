"""Hints are made for signatures that verify, and for no others."""

import json
from pathlib import Path

import pytest

from enclave.domain.errors import MalformedEvidence, SignatureInvalid
from oracle.attestation.codecs import p384_hints
from oracle.attestation.codecs.p384_hints import (
    ORDER,
    SIZE,
    G,
    P,
    add,
    multiples,
    multiply,
    prove,
    required,
)
from tests.vectors import make_p384

_CASES = json.loads(make_p384.VECTORS.read_bytes())["cases"]


def _parts(case: dict[str, str]) -> tuple[bytes, bytes, bytes]:
    digest, signature, key = (
        bytes.fromhex(case[name][2:]) for name in ("digest", "signature", "key")
    )
    return digest, signature, key


def test_the_committed_file_is_what_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_p384, "VECTORS", tmp_path / "p384.json")
    make_p384.main()
    assert json.loads((tmp_path / "p384.json").read_bytes())["cases"] == _CASES


@pytest.mark.parametrize("part", range(3))
def test_what_has_another_length_is_refused(part: int) -> None:
    for size in (1 + (48, 96, 96)[part], (48, 96, 96)[part] - 1):
        parts = list(_parts(_CASES[0]))
        parts[part] = bytes(size)
        with pytest.raises(MalformedEvidence, match=f"wanted {(48, 96, 96)[part]}"):
            prove(*parts)


def test_a_key_off_the_curve_is_refused() -> None:
    digest, signature, key = _parts(_CASES[0])
    x, y = key[:SIZE], int.from_bytes(key[SIZE:], "big")
    for other in ((y + 1) % P, y + P if y + P < 1 << 384 else P):
        with pytest.raises(MalformedEvidence, match="no point of P-384"):
            prove(digest, signature, x + other.to_bytes(SIZE, "big"))


@pytest.mark.parametrize("number", [0, ORDER, ORDER + 1, (1 << 384) - 1])
def test_halves_outside_their_range_are_refused(number: int) -> None:
    digest, signature, key = _parts(_CASES[0])
    encoded = number.to_bytes(SIZE, "big")
    for changed in (encoded + signature[SIZE:], signature[:SIZE] + encoded):
        with pytest.raises(SignatureInvalid, match="outside 1 to n - 1"):
            prove(digest, changed, key)


def test_another_message_is_refused() -> None:
    _, signature, key = _parts(_CASES[0])
    with pytest.raises(SignatureInvalid, match="not signed by this key"):
        prove(bytes(SIZE), signature, key)


def test_a_signature_whose_r_would_be_at_infinity_is_refused() -> None:
    # e = -r d: then u1 G = -u2 Q, whatever s is.
    secret, r = 12_345, 678
    key = b"".join(half.to_bytes(SIZE, "big") for half in required(multiply(secret, G)))
    digest = (-r * secret % ORDER).to_bytes(SIZE, "big")
    with pytest.raises(SignatureInvalid, match="not signed by this key"):
        prove(digest, r.to_bytes(SIZE, "big") + (1).to_bytes(SIZE, "big"), key)


def test_a_relation_without_a_program_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(p384_hints, "_halves", lambda u2: iter([]))
    with pytest.raises(SignatureInvalid, match="no program"):
        prove(*_parts(_CASES[0]))


def test_halves_are_of_the_relation_and_short() -> None:
    for u2 in (1, 12_345, ORDER >> 3, ORDER - 2):
        for a, b in p384_hints._halves(u2):
            assert (a + b * u2) % ORDER == 0
            assert max(abs(a), abs(b)) < 1 << 200
            assert a
            assert b


def test_the_table_holds_odd_multiples() -> None:
    table = multiples()
    assert table[0] == G
    assert table[1] == multiply(3, G)
    assert table[64] == multiply(1 << 192, G)
    assert table[127] == multiply(127 << 192, G)


def test_points_are_added_as_they_should_be() -> None:
    point = required(multiply(5, G))
    assert add(None, point) == add(point, None) == point
    assert add(point, (point[0], P - point[1])) is None
    assert add(point, point) == multiply(10, G)
    assert multiply(ORDER, G) is None
    with pytest.raises(ValueError, match="infinity"):
        required(None)


def _crafted(secret: int, nonce: int, u2: int) -> tuple[bytes, bytes, bytes]:
    """A digest, its signature and the key, with this r / s."""
    r = required(multiply(nonce, G))[0] % ORDER
    s = r * pow(u2, -1, ORDER) % ORDER
    key = required(multiply(secret, G))
    digest = (s * nonce - r * secret) % ORDER
    digest_, *halves = (number.to_bytes(SIZE, "big") for number in (digest, r, s, *key))
    return digest_, b"".join(halves[:2]), b"".join(halves[2:])


@pytest.mark.parametrize(
    ("secret", "nonce", "u2"),
    [
        (1, 5, 1),
        (1, 1 << 100, 3),
        (2, 7, (1 << 193) + 1),
        (3, 5, ORDER - 1),
        (12_345, 12_345, 3),
        (12_345, 24_690, 5),
        (ORDER - 1, 1, 1 << 191),
        (99, 98, pow(2, -1, ORDER)),
        (77, 5, ORDER >> 1),
    ],
)
def test_points_that_coincide_and_short_numbers_have_a_program(
    secret: int, nonce: int, u2: int
) -> None:
    digest, signature, key = _crafted(secret, nonce, u2)
    assert len(prove(digest, signature, key)) < 25_000
