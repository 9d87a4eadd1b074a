"""Arithmetic modulo p of P-384 for `p384`: statements of the assembler, and why they are exact.

A number is kept in Montgomery's form with N = 2^256 - 1, as its residues modulo R = 2^256, N and
M = 2^256 - 189. `flag` gathers what has to be below 2^128, `bad` what has to be 0.
"""

from typing import Final

from oracle.attestation.codecs.p384_hints import P
from scripts.evm.assembler import Expression

R: Final = 2**256
N: Final = R - 1
M: Final = R - 189

#: p = 2^384 - D, and modulo N it is -D1.
D: Final = 2**384 - P
D1: Final = D - 2**128
_LOW_128: Final = 2**128 - 1
#: -1/p modulo N; 1/188 and 1/189 modulo M, for N = 188 and R = 189 there.
_K: Final = pow(-P, -1, N)
I188: Final = pow(188, -1, M)
I189: Final = pow(189, -1, M)
P2: Final = P % M
#: Added, times p, to what may be negative: a product with a slope is above -2^511.
OFFSET: Final = 2**127 + 16
#: What the upper part of a number may lack to 2^128, and, of a second coordinate, to 0.
MARGIN: Final = 64

Statement = tuple[str, Expression]
Residues = tuple[Expression, Expression, Expression]


def memory(at: int) -> Residues:
    return ("MLOAD", at), ("MLOAD", at + 32), ("MLOAD", at + 64)


def summed(modulus: int, *terms: Expression) -> Expression:
    first, *others = terms
    for other in others:
        first = ("ADDMOD", first, other, modulus)
    return first


def times(modulus: int, a: Expression, b: Expression) -> Expression:
    return ("MULMOD", a, b, modulus)


def negated(value: Expression) -> Expression:
    """Of a residue modulo M."""
    return ("SUB", M, value)


def difference(name: str, a: Residues, b: Residues) -> list[Statement]:
    """The difference of two, as `name`lo, `name`N, `name`2."""
    return [
        (f"{name}lo", ("SUB", a[0], b[0])),
        (f"{name}N", summed(N, ("NOT", b[1]), a[1])),
        (f"{name}2", summed(M, negated(b[2]), a[2])),
    ]


def named(name: str) -> Residues:
    return f"{name}lo", f"{name}N", f"{name}2"


def montgomery_factor(a: Residues, b: Residues) -> Expression:
    """The m with a b + m p = 0 modulo N."""
    return times(N, times(N, a[1], b[1]), _K)


def upper_part(m: str, a: Residues, b: Residues) -> Expression:
    """Of a b + m p, the residue modulo M."""
    return summed(M, times(M, m, P2), times(M, a[2], b[2]))


def product(
    name: str, a: Residues, b: Residues, minus: tuple[Residues, ...] = (), offset: int = 0
) -> list[Statement]:
    """The product a b / N less some, plus offset p, below 2^384 + 2^257, as `name`lo and `name`hi.

    Exact if the integer r = (a b + m p) / N - ... + offset p is in [0, R M): modulo R, where N = -1
    and p = -D, it is m D - a b - ..., and its residue modulo M is known; so r = lo + R h with
    h = (r2 - lo) / 189 modulo M. Then 2^384 is taken as D as often as it goes in.
    """
    m, low, h, t, t_d = (f"{name}{each}" for each in ("m", "r", "h", "t", "tD"))
    lower: Expression = ("SUB", ("MUL", D, m), ("MUL", a[0], b[0]))
    for each in minus:
        lower = ("SUB", lower, each[0])
    rest = summed(M, low, *(each[2] for each in minus))
    if offset:
        lower = ("ADD", offset * P % R, lower)
        rest = summed(M, rest, -offset * P % M)
    return [
        (m, montgomery_factor(a, b)),
        (low, lower),
        (f"{name}u", upper_part(m, a, b)),
        (
            h,
            summed(M, times(M, rest, M - I189), times(M, I188 * I189 % M, f"{name}u")),
        ),
        (t, ("SHR", 128, h)),
        (t_d, ("MUL", D, t)),
        (f"{name}lo", ("ADD", t_d, low)),
        (
            f"{name}hi",
            (
                "ADD",
                ("ADD", ("LT", f"{name}lo", t_d), ("LT", t_d, ("SHL", 128, t))),
                ("AND", _LOW_128, h),
            ),
        ),
    ]


def residues(name: str, flags: tuple[Expression, ...] = ()) -> list[Statement]:
    """The other residues of `name`lo and `name`hi, which has to leave the margin above it.

    `flags` are other numbers that have to be below 2^128.
    """
    bounded: Expression = ("ADD", MARGIN, f"{name}hi")
    for flag in flags:
        bounded = ("OR", bounded, flag)
    return [
        ("flag", ("OR", bounded, "flag")),
        (f"{name}N", summed(N, f"{name}hi", f"{name}lo")),
        (f"{name}2", summed(M, ("MUL", 189, f"{name}hi"), f"{name}lo")),
    ]


def store(name: str, at: int) -> list[Statement]:
    return [
        ("", ("MSTORE", at + 64, f"{name}2")),
        ("", ("MSTORE", at + 32, f"{name}N")),
        ("", ("MSTORE", at, f"{name}lo")),
    ]


def require_zero(minus_low: Expression, r_2: Expression) -> list[Statement]:
    """That an integer in [0, R M), given by its negative modulo R and modulo M, is a multiple j p.

    Modulo R, -j p is j D, which for j below 2^128 - 2^96 is below R: so j is known from there.
    """
    return [
        ("zero2", r_2),
        ("z", minus_low),
        ("j", ("DIV", "z", D)),
        (
            "bad",
            (
                "OR",
                ("OR", ("XOR", "z", ("MUL", D, "j")), ("XOR", "zero2", ("MULMOD", P2, "j", M))),
                "bad",
            ),
        ),
    ]
