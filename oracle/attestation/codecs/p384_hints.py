"""Hints with which a chain verifies a P-384 signature for a small part of what that costs alone.

The chain replays a program of curve operations and is told the slope of each line, so that it need
not divide. Nothing here is secret, and nothing here is believed: a hint that does not prove what it
should is refused by the machine (`scripts/evm/p384.py`), whatever made it.

The program shows w0 G + w1 2^192 G + a Q + b R = O with integers of half the usual length, which
takes half the doublings: a = -b u2 by the extended Euclidean algorithm, stopped half-way (Antipa,
Brown, Gallant, Lambert, Struik, Vanstone: Accelerated Verification of ECDSA Signatures, 2005).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from enclave.domain.errors import MalformedEvidence, SignatureInvalid

#: Reference: NIST SP 800-186, section 3.2.1.4.
P: Final = 2**384 - 2**128 - 2**96 + 2**32 - 1
ORDER: Final = int(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    16,
)
B: Final = int(
    "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
    16,
)
G: Final = (
    int(
        "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
        16,
    ),
    int(
        "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
        16,
    ),
)
SIZE: Final = 48

#: Numbers are multiplied by this modulo p.
MONTGOMERY: Final = 2**256 - 1
#: The machine replays an isomorphic curve: x times its square, y times its cube.
SCALE: Final = pow(7, 137, P)
#: Odd multiples of G, then of 2^192 G, in the machine's table.
MULTIPLES: Final = 64
SPLIT: Final = 192
#: Quotients are sent this much greater, so that none is negative.
BIAS: Final = 1 << 400
SLOTS: Final = 32
#: Kinds of instructions. Of a sum, its sign, and these.
FROM_TABLE, DOUBLED = 2, 4
LOAD, STORE, END = 8, 9, 10
#: In the code they count from 1.
_FIRST_KIND = 1
_LONGEST_RUN = 15
#: Bits of a and b; the machine bounds integers at 200.
_LONGEST = SPLIT + 6
_WINDOW, _G_WINDOW = 5, 8
_R_SLOT, _TWICE_SLOT, _SCRATCH = 8, 16, 31

Point: TypeAlias = tuple[int, int]
Integers: TypeAlias = tuple[int, int, int, int]


def prove(digest: bytes, signature: bytes, key: bytes) -> bytes:
    """Make the hint for a signature.

    Args:
        digest: SHA-384 of the message, 48 bytes.
        signature: r and s, 48 bytes each, big-endian.
        key: Coordinates of the public key, 48 bytes each, big-endian.

    Returns:
        About 15,500 bytes: y of R, both quotients, a byte that is 1 if x of R is r + n, the length
        of the program, the program, 48 bytes for each slope.

    Raises:
        MalformedEvidence: A length is another, or the key is no point of the curve.
        SignatureInvalid: The signature does not verify.
    """
    for name, value, size in (
        ("digest", digest, 48),
        ("signature", signature, 96),
        ("key", key, 96),
    ):
        if len(value) != size:
            raise MalformedEvidence(f"{name} of {len(value)} bytes, wanted {size}")
    e, r, s, x, y = (
        int.from_bytes(part, "big")
        for part in (digest, signature[:48], signature[48:], key[:48], key[48:])
    )
    if not (x < P and y < P and (y * y - x**3 + 3 * x - B) % P == 0):
        raise MalformedEvidence("the key is no point of P-384")
    case = _case(e, r, s, (x, y))
    for a, b in _halves(case.u2):
        program = _Program(case.key, case.nonce)
        if program.run(case.relation(a, b)):
            return case.encoded(program)
    raise SignatureInvalid("no program for this signature")


@dataclass(frozen=True, slots=True)
class _Case:
    """A signature that verifies.

    Attributes:
        e: Digest.
        r: Of the signature.
        s: Of the signature.
        key: Q.
        nonce: R, whose x is r or r + n.
        u1: e / s modulo n.
        u2: r / s modulo n.
    """

    e: int
    r: int
    s: int
    key: Point
    nonce: Point
    u1: int
    u2: int

    def relation(self, a: int, b: int) -> Integers:
        """w0, w1, a, b with w = -b u1, split with w0 centred."""
        w = -b * self.u1 % ORDER
        w0 = (w + (1 << SPLIT - 1)) % (1 << SPLIT) - (1 << SPLIT - 1)
        return w0, (w - w0) >> SPLIT, a, b

    def encoded(self, program: "_Program") -> bytes:
        """The hint."""
        w0, w1, a, b = program.integers
        w = w0 + (w1 << SPLIT)
        quotients = (b * self.e + w * self.s) // ORDER, (b * self.r + a * self.s) // ORDER
        words = (self.nonce[1], *(BIAS + quotient for quotient in quotients))
        return b"".join(
            (
                *(word.to_bytes(64, "big") for word in words),
                bytes((self.nonce[0] != self.r,)),
                len(program.code).to_bytes(2, "big"),
                bytes(program.code),
                *(_slope_bytes(slope) for slope in program.slopes),
            )
        )


def _slope_bytes(slope: int) -> bytes:
    """In Montgomery's form, within p/2 of 0, in two's complement."""
    scaled = slope * SCALE * MONTGOMERY % P
    return (scaled - P * (2 * scaled > P)).to_bytes(SIZE, "big", signed=True)


def _case(e: int, r: int, s: int, key: Point) -> _Case:
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise SignatureInvalid("r or s is outside 1 to n - 1")
    inverse = pow(s, -1, ORDER)
    u1, u2 = e * inverse % ORDER, r * inverse % ORDER
    nonce = add(multiply(u1, G), multiply(u2, key))
    if nonce is None or nonce[0] % ORDER != r:
        raise SignatureInvalid("not signed by this key")
    return _Case(e, r, s, key, nonce, u1, u2)


def _halves(u2: int) -> Iterator[tuple[int, int]]:
    """Pairs (a, b) with a = -b u2 modulo n, both of about 192 bits, best first."""
    r0, r1, t0, t1 = ORDER, u2, 0, 1
    while r1 and t1.bit_length() <= _LONGEST:
        length = max(r1.bit_length(), t1.bit_length())
        # Multiples serve as well: longer ones where both are short, others where points coincide.
        least = max(0, SPLIT - length)
        for exponent in range(least, _LONGEST - length):
            factor = (1 << exponent) | 1
            for sign in (factor, -factor):
                yield sign * r1, -sign * t1
        quotient = r0 // r1
        r0, r1, t0, t1 = r1, r0 - quotient * r1, t1, t0 - quotient * t1


class _Degenerate(Exception):
    """A program in which two equal or opposite points would be added: another one is tried."""


class _Program:
    """A program as it grows, and the machine's state as it will be.

    Args:
        key: Q, in slot 0 at first.
        nonce: R, in its slot and the accumulator at first.
    """

    def __init__(self, key: Point, nonce: Point) -> None:
        self.code = bytearray()
        self.slopes: list[int] = []
        self.integers: Integers = (0, 0, 0, 1)
        self._point = nonce
        self._slots = {0: (key, (0, 0, 1, 0)), _R_SLOT: (nonce, self.integers)}

    def run(self, wanted: Integers) -> bool:
        """Compute a relation; whether that could be done.

        Args:
            wanted: w0, w1, a, b; neither a nor b is 0.
        """
        terms = _terms(wanted)
        # A program begins and ends with a slot.
        (_, first, digit), (lowest, last, _) = terms[0], terms[-1]
        if first < 2 or digit < 0 or last < 2 or lowest:
            return False
        try:
            for i in (2, 3):
                self._odd_multiples(i, {abs(digit) for _, of, digit in terms if of == i})
            self._sum(terms)
        except _Degenerate:
            return False
        return True

    def _odd_multiples(self, i: int, wanted: set[int]) -> None:
        slot, twice = _slot(i, 1), _TWICE_SLOT + i
        if max(wanted, default=1) == 1:
            return
        self._load(slot)
        self._store(twice, doublings=1)
        self._load(slot)
        for digit in range(3, max(wanted) + 1, 2):
            self._add(0, twice, 0)
            if digit in wanted:
                self._store(_slot(i, digit))

    def _sum(self, terms: list[tuple[int, int, int]]) -> None:
        (at, i, digit), *others, (_, last, last_digit) = terms
        self._load(_slot(i, digit))
        for place, i, digit in others:
            sign = int(digit < 0)
            if i < 2:
                self._add(FROM_TABLE + sign, i * MULTIPLES + abs(digit) // 2, at - place)
            else:
                self._add(sign, _slot(i, digit), at - place)
            at = place
        self._end(int(last_digit < 0), _slot(last, last_digit), at)

    def _load(self, slot: int) -> None:
        self._point, self.integers = self._slots[slot]
        self._write(LOAD, slot)

    def _store(self, slot: int, doublings: int = 0) -> None:
        self._write(STORE, slot, doublings)
        self._slots[slot] = self._point, self.integers

    def _end(self, sign: int, slot: int, doublings: int) -> None:
        self._write(END + sign, slot, doublings)
        _, integers = _signed(self._slots[slot], sign)
        self.integers = _plus(self.integers, integers)

    def _add(self, kind: int, argument: int, doublings: int) -> None:
        sign = kind % 2
        if kind < FROM_TABLE:
            point, integers = _signed(self._slots[argument], sign)
        else:
            point, integers = _signed(_of_table(argument), sign)
        if doublings:
            self._write(DOUBLED + kind, argument, doublings - 1)
            first = self._slope_to(point)
            between = _third(self._point, point, first)
            second = self._slope_to(between)
            self.slopes += [first, (first + second) % P]
            self._point = _third(self._point, between, second)
            self.integers = _plus(_plus(self.integers, self.integers), integers)
        else:
            self._write(kind, argument)
            self.slopes.append(self._slope_to(point))
            self._point = _third(self._point, point, self.slopes[-1])
            self.integers = _plus(self.integers, integers)

    def _slope_to(self, point: Point) -> int:
        (x1, y1), (x2, y2) = self._point, point
        if x1 == x2:
            raise _Degenerate
        return (y2 - y1) * pow(x2 - x1, -1, P) % P

    def _write(self, kind: int, argument: int, doublings: int = 0) -> None:
        while doublings > _LONGEST_RUN:
            self._store(_SCRATCH, _LONGEST_RUN)
            doublings -= _LONGEST_RUN
        self.code += bytes(((doublings << 4) | (_FIRST_KIND + kind), argument))
        for _ in range(doublings):
            slope = _tangent(self._point)
            self.slopes.append(slope)
            self._point = _third(self._point, self._point, slope)
            self.integers = _plus(self.integers, self.integers)


def _terms(wanted: Integers) -> list[tuple[int, int, int]]:
    """(place, which integer, digit) for all digits but 0, the greatest place first."""
    windows = (_G_WINDOW, _G_WINDOW, _WINDOW, _WINDOW)
    digits = [_naf(each, window) for each, window in zip(wanted, windows, strict=True)]
    return [
        (place, i, digits[i][place])
        for place in range(max(map(len, digits)) - 1, -1, -1)
        # Slots first, so that one begins, but last of all, so that one ends.
        for i in ((2, 3, 0, 1) if place else (0, 1, 2, 3))
        if place < len(digits[i]) and digits[i][place]
    ]


def _naf(value: int, window: int) -> list[int]:
    """Odd digits within 2^(window - 1) of 0, and zeros between; the least significant first."""
    digits = []
    while value:
        digit = 0
        if value % 2:
            digit = (value + (1 << window - 1)) % (1 << window) - (1 << window - 1)
        digits.append(digit)
        value = (value - digit) >> 1
    return digits


def _slot(i: int, digit: int) -> int:
    """Of an odd multiple of Q (i = 2) or R (i = 3)."""
    return _R_SLOT * (i - 2) + abs(digit) // 2


@cache
def multiples() -> tuple[Point, ...]:
    """The machine's table: G, 3 G, ..., 127 G, then the same multiples of 2^192 G."""
    found = []
    for exponent in (0, SPLIT):
        point = base = required(multiply(1 << exponent, G))
        twice = required(add(base, base))
        for _ in range(MULTIPLES):
            found.append(point)
            point = required(add(point, twice))
    return tuple(found)


def _of_table(argument: int) -> tuple[Point, Integers]:
    factor = 2 * (argument % MULTIPLES) + 1
    integers = (factor, 0, 0, 0) if argument < MULTIPLES else (0, factor, 0, 0)
    return multiples()[argument], integers


def _plus(a: Integers, b: Integers) -> Integers:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def _signed(term: tuple[Point, Integers], sign: int) -> tuple[Point, Integers]:
    if not sign:
        return term
    point, (w0, w1, a, b) = term
    return _negative(point), (-w0, -w1, -a, -b)


def _negative(point: Point) -> Point:
    return point[0], -point[1] % P


def _tangent(point: Point) -> int:
    return 3 * (point[0] ** 2 - 1) * pow(2 * point[1], -1, P) % P


def _third(first: Point, second: Point, slope: int) -> Point:
    x = (slope * slope - first[0] - second[0]) % P
    return x, (slope * (first[0] - x) - first[1]) % P


def add(first: Point | None, second: Point | None) -> Point | None:
    """The sum of two points of the curve; None is the point at infinity."""
    if first is None or second is None:
        return first or second
    if first[0] != second[0]:
        slope = (second[1] - first[1]) * pow(second[0] - first[0], -1, P) % P
    elif first == second:
        slope = _tangent(first)
    else:
        return None
    return _third(first, second, slope)


def multiply(factor: int, point: Point) -> Point | None:
    """A multiple of a point, for a factor of at least 0."""
    found: Point | None = None
    addend: Point | None = point
    while factor:
        if factor % 2:
            found = add(found, addend)
        addend = add(addend, addend)
        factor >>= 1
    return found


def required(point: Point | None) -> Point:
    """A point that is not at infinity.

    Raises:
        ValueError: It is.
    """
    if point is None:
        raise ValueError("the point at infinity has no coordinates")
    return point
