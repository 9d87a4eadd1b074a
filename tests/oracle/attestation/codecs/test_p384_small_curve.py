"""A wrong signature cannot pass: on a curve of 37 points, searched for a program that makes it.

The same rules as the P-384 machine's, on y^2 = x^3 - 3 x + b with so few points that chance alone
finds whatever a missing rule lets through. What the machine cannot have here is that integers are
below the order: `b` is not 0 modulo the order instead.
"""

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

_P, _B = 31, 7
Point = tuple[int, int]
Integers = tuple[int, int, int]


def _points() -> list[Point]:
    pairs = ((x, y) for x in range(_P) for y in range(_P))
    return [(x, y) for x, y in pairs if (y * y - x**3 + 3 * x - _B) % _P == 0]


_ALL = _points()
_ORDER = len(_ALL) + 1
_G = _ALL[0]


def _add(a: Point | None, b: Point | None) -> Point | None:
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % _P == 0:
        return None
    return _third(a, b, _slope(a, b))


def _slope(a: Point, b: Point) -> int:
    rise, run = (b[1] - a[1], b[0] - a[0]) if a != b else (3 * a[0] ** 2 - 3, 2 * a[1])
    return rise * pow(run, -1, _P) % _P


def _third(a: Point, b: Point, slope: int) -> Point:
    x = (slope**2 - a[0] - b[0]) % _P
    return x, (slope * (a[0] - x) - a[1]) % _P


def _times(k: int, point: Point) -> Point | None:
    found = None
    for _ in range(k % _ORDER):
        found = _add(found, point)
    return found


@dataclass
class _Machine:
    """The rules, each of which may be left out.

    Attributes:
        e: Digest.
        r: Of the signature.
        s: Of the signature.
        slots: Q, R and G with their integers (w, a, b); None is one that nobody wrote.
        without: The rule that is left out.
    """

    e: int
    r: int
    s: int
    slots: list[tuple[Point, Integers] | None]
    without: str
    is_bad: bool = False
    acc: tuple[Point, Integers] = field(init=False)

    def __post_init__(self) -> None:
        first = self.slots[0]
        assert first is not None
        self.acc = first
        for slot in self.slots:
            if slot is not None:
                (x, y), _ = slot
                self.require("curve", (y * y - x**3 + 3 * x - _B) % _P == 0)

    def require(self, rule: str, holds: bool) -> None:
        self.is_bad |= not holds and rule != self.without

    def step(self, kind: str, i: int, slope: int) -> None:
        point, integers = self.acc
        if kind == "store":
            self.slots[i] = self.acc
            return
        slot = self.slots[i]
        if slot is None:
            self.require("unwritten", False)
            slot = (_G, (0, 0, 0))
        other, added = slot
        if kind == "load":
            self.acc = slot
        elif kind == "double":
            self.require("slope", (2 * slope * point[1] - 3 * point[0] ** 2 + 3) % _P == 0)
            self.acc = _third(point, point, slope), _plus(integers, integers)
        else:
            run, rise = other[0] - point[0], other[1] - point[1]
            self.require("other x", run % _P != 0)
            self.require("slope", (slope * run - rise) % _P == 0)
            self.acc = _third(point, other, slope), _plus(integers, added)

    def total(self, i: int, sign: int) -> Integers:
        """Of the accumulator and a slot, or less it."""
        _, (w, a, b) = self.slots[i] or (_G, (0, 0, 0))
        return _plus(self.acc[1], (sign * w, sign * a, sign * b))

    def end(self, i: int, sign: int) -> bool:
        self.require("unwritten", self.slots[i] is not None)
        (x, y), _ = self.acc
        (tx, ty), _ = self.slots[i] or (_G, (0, 0, 0))
        w, a, b = self.total(i, sign)
        self.require("end", x == tx and (y + sign * ty) % _P == 0)
        self.require("b", b % _ORDER != 0)
        self.require("first equation", (b * self.e + w * self.s) % _ORDER == 0)
        self.require("second equation", (b * self.r + a * self.s) % _ORDER == 0)
        self.require("range", 0 < self.r < _ORDER and 0 < self.s < _ORDER)
        return not self.is_bad


def _plus(a: Integers, b: Integers) -> Integers:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _is_valid(e: int, r: int, s: int, key: Point) -> bool:
    if not (0 < r < _ORDER and 0 < s < _ORDER) or key not in _ALL:
        return False
    inverse = pow(s, -1, _ORDER)
    found = _add(_times(e * inverse, _G), _times(r * inverse, key))
    return found is not None and found[0] % _ORDER == r


def _search(without: str, programs: int) -> Counter[bool]:
    """Signatures, valid or not, that a random program of random steps is accepted for."""
    drawn = random.Random(f"small {without}")
    accepted: Counter[bool] = Counter()
    for _ in range(programs):
        nonce, key = (drawn.choice(_ALL) for _ in range(2))
        if drawn.random() < (0.5 if without == "curve" else 0.1):
            key = drawn.randrange(_P), drawn.randrange(_P)
        r = nonce[0] % _ORDER
        start = [(key, (0, 1, 0)), (nonce, (0, 0, 1)), (_G, (1, 0, 0)), None]
        machine = _Machine(0, r, 0, list(start), without)
        for _ in range(drawn.randrange(1, 8)):
            kind, i = drawn.choice(("add", "add", "double", "load", "store")), drawn.randrange(4)
            machine.step(kind, i, _drawn_slope(drawn, machine, kind, i))
        last, sign = drawn.randrange(4), drawn.choice((1, -1))
        machine.e, machine.s = _scalars(drawn, machine.total(last, sign), r)
        if machine.end(last, sign):
            accepted[_is_valid(machine.e, r, machine.s, key)] += 1
    return accepted


def _scalars(drawn: random.Random, total: Integers, r: int) -> tuple[int, int]:
    """Digest and s, mostly such that the equations hold."""
    w, a, b = (each % _ORDER for each in total)
    e, s = drawn.randrange(_ORDER), drawn.randrange(_ORDER)
    if a and drawn.random() < 0.8:
        s = -b * r * pow(a, -1, _ORDER) % _ORDER
    if b and drawn.random() < 0.8:
        e = -w * s * pow(b, -1, _ORDER) % _ORDER
    return e, s


def _drawn_slope(drawn: random.Random, machine: _Machine, kind: str, i: int) -> int:
    """Mostly the right one, where there is one."""
    point, slot = machine.acc[0], machine.slots[i]
    other = point if kind == "double" or slot is None else slot[0]
    share = 0.7 if machine.without == "slope" else 0.95
    right = other[0] != point[0] or (kind == "double" and point[1])
    return _slope(point, other) if right and drawn.random() < share else drawn.randrange(_P)


def test_the_curve_has_an_order_without_divisors() -> None:
    assert _ORDER == 37
    assert _times(_ORDER - 1, _G) == (_G[0], -_G[1] % _P)


def test_what_is_accepted_is_valid() -> None:
    accepted = _search("", 30_000)
    print(f"{accepted[True]} accepted of 30,000 programs")
    assert accepted[True] >= 20
    assert accepted[False] == 0


@pytest.mark.parametrize(
    "rule",
    ["curve", "slope", "other x", "unwritten", "end", "b", "first equation", "second equation"],
)
def test_without_a_rule_something_wrong_is_accepted(rule: str) -> None:
    assert _search(rule, 30_000)[False] > 0
