"""Curve operations of P-384 for `p384`: each takes the next slope of the call and checks it.

The accumulator and the point T that is added lie in memory.
"""

from oracle.attestation.codecs.p384_hints import SCALE, B, P
from scripts.evm.assembler import Expression
from scripts.evm.p384_field import (
    D1,
    I188,
    I189,
    MARGIN,
    OFFSET,
    P2,
    D,
    M,
    N,
    R,
    Residues,
    Statement,
    difference,
    memory,
    montgomery_factor,
    named,
    negated,
    product,
    require_zero,
    residues,
    store,
    summed,
    times,
    upper_part,
)

# Memory: the accumulator (x, y, four integers), the point T to add, a slope.
AX, AY, W, TX, TY, L = 0x00, 0x60, 0xC0, 0x140, 0x1A0, 0x200


def _slope(name: str) -> list[Statement]:
    """The next slope: 48 bytes, two's complement, in Montgomery's form."""
    signed, h, h189 = (f"{name}{each}" for each in ("signed", "h", "h189"))
    low = f"{name}lo"
    return [
        (signed, ("SAR", 128, ("CALLDATALOAD", "sp"))),
        # Modulo N and M alike, a negative word is one too many.
        (h, ("SUB", signed, ("SHR", 255, signed))),
        (low, ("CALLDATALOAD", ("ADD", 16, "sp"))),
        ("sp", ("ADD", 48, "sp")),
        (f"{name}N", summed(N, h, low)),
        (h189, ("MUL", 189, h)),
        (f"{name}2", summed(M, low, h189)),
    ]


def double() -> list[Statement]:
    """The accumulator twice: 2 l y = 3 x^2 - 3, x3 = l^2 - 2 x, y3 = l (x - x3) - y."""
    x, y, slope = memory(AX), memory(AY), named("l")
    # 2 y - p instead of 2 y, so that the product stays below 2^511.
    twice: Residues = (
        ("ADD", D, ("SHL", 1, y[0])),
        summed(N, summed(N, y[1], y[1]), D1),
        summed(M, summed(M, y[2], y[2]), M - P2),
    )
    constant = 3 * SCALE**4 * N % P + OFFSET * P
    return [
        *_slope("l"),
        # x^2 less as many p as go in.
        ("sm", montgomery_factor(x, x)),
        ("su", upper_part("sm", x, x)),
        ("sr", ("SUB", ("MUL", D, "sm"), ("MUL", x[0], x[0]))),
        (
            "t",
            ("SHR", 128, summed(M, times(M, "sr", M - I189), times(M, "su", I188 * I189 % M))),
        ),
        ("s3", ("MUL", 3, ("ADD", ("MUL", D, "t"), "sr"))),
        ("m", montgomery_factor(slope, twice)),
        ("u2", upper_part("m", slope, twice)),
        ("v2", summed(M, times(M, M - 3, "su"), "u2")),
        *require_zero(
            (
                "SUB",
                ("ADD", ("MUL", slope[0], twice[0]), "s3"),
                ("ADD", constant % R, ("MUL", D, "m")),
            ),
            summed(M, summed(M, constant % M, times(M, 3 * P2 % M, "t")), times(M, I188, "v2")),
        ),
        *product("x", slope, slope, (x, x), 4),
        *residues("x"),
        *_third(),
    ]


def _third() -> list[Statement]:
    """y3 = l (x - x3) - y; then both are the accumulator's."""
    return [
        *difference("d", memory(AX), named("x")),
        *store("x", AX),
        *product("y", named("l"), named("d"), (memory(AY),), OFFSET),
        *residues("y", (("SUB", "yhi", MARGIN),)),
        *store("y", AY),
    ]


def _chord(is_negative: bool) -> list[Statement]:
    """That l is the slope from the accumulator to T or -T, which has another x."""
    x, y, tx, ty = (memory(at) for at in (AX, AY, TX, TY))
    slope, run = named("l"), named("e")
    constant = OFFSET * P
    product: Expression = ("SUB", ("MUL", "elo", "llo"), ("ADD", constant % R, ("MUL", D, "m")))
    ty_2 = ty[2] if is_negative else negated(ty[2])
    return [
        *difference("e", tx, x),
        ("m", montgomery_factor(slope, run)),
        ("bad", ("OR", ("ISZERO", ("OR", "elo", "eN")), "bad")),
        ("u2", upper_part("m", slope, run)),
        *require_zero(
            ("SUB", ("SUB" if is_negative else "ADD", product, ty[0]), y[0]),
            summed(M, times(M, I188, "u2"), ty_2, y[2], constant % M),
        ),
    ]


def add_point(*, is_negative: bool) -> list[Statement]:
    """The accumulator plus or less T: l (xT - x) = yT - y, x3 = l^2 - x - xT, xT not x."""
    x, tx, slope = memory(AX), memory(TX), named("l")
    return [
        *_slope("l"),
        *_chord(is_negative),
        *product("x", slope, slope, (x, tx), 4),
        *residues("x"),
        *_third(),
    ]


def sum_for_double(*, is_negative: bool) -> list[Statement]:
    """First half of twice the accumulator plus or less T: x of the sum, to where x of T was.

    With l from the accumulator to T, x3 = l^2 - x - xT.
    """
    x, tx, slope = memory(AX), memory(TX), named("l")
    return [
        *_slope("l"),
        *_chord(is_negative),
        ("", ("MSTORE", L, "lsigned")),
        ("", ("MSTORE", L + 32, "llo")),
        *product("x", slope, slope, (x, tx), 4),
        *residues("x"),
        *store("x", TX),
    ]


def double_by_sum() -> list[Statement]:
    """Second half: the accumulator plus that sum, whose second coordinate nobody needs.

    With n = l + l', where l' is the slope from the accumulator to the sum: n (x3 - x) = -2 y,
    x4 = l'^2 - x - x3, y4 = l' (x - x4) - y. Since y is not 0, x3 is not x.
    """
    x, y, sum_x = memory(AX), memory(AY), memory(TX)
    slope, other, run = named("l"), named("n"), named("e")
    constant = OFFSET * P
    return [
        *_slope("n"),
        *difference("e", sum_x, x),
        ("m", montgomery_factor(other, run)),
        ("u2", upper_part("m", other, run)),
        *require_zero(
            (
                "SUB",
                ("SUB", ("MUL", "elo", "nlo"), ("ADD", constant % R, ("MUL", D, "m"))),
                ("SHL", 1, y[0]),
            ),
            summed(M, times(M, I188, "u2"), y[2], y[2], constant % M),
        ),
        # n - l + p, then less as many p as bring it within 2^383 of 0.
        ("low", ("SUB", "nlo", ("MLOAD", L + 32))),
        ("ulo", ("ADD", P % R, "low")),
        (
            "uhi",
            (
                "ADD",
                ("SUB", ("LT", "ulo", P % R), ("LT", "nlo", "low")),
                ("ADD", P >> 256, ("SUB", "nsigned", ("MLOAD", L))),
            ),
        ),
        ("i", ("SHR", 128, ("ADD", 1 << 127, "uhi"))),
        ("iD", ("MUL", D, "i")),
        ("llo", ("ADD", "iD", "ulo")),
        ("vhi", ("SUB", ("ADD", ("LT", "llo", "iD"), "uhi"), ("SHL", 128, "i"))),
        ("vh", ("SUB", "vhi", ("SHR", 255, "vhi"))),
        ("lN", summed(N, "vh", "llo")),
        ("l2", summed(M, ("MUL", 189, "vh"), "llo")),
        *product("x", slope, slope, (x, sum_x), 4),
        *residues("x"),
        *_third(),
    ]


def not_below(hi: Expression, lo: Expression, limit: int) -> Expression:
    """Whether a number of two words is at least a limit of 384 bits."""
    top, bottom = limit >> 256, limit % R
    return (
        "OR",
        ("GT", hi, top),
        ("AND", ("EQ", hi, top), ("ISZERO", ("LT", lo, bottom))),
    )


def convert(hi: Expression, lo: Expression, at: int) -> list[Statement]:
    """A number of two words, which has to be below p, in Montgomery's form to memory."""
    is_x = at == AX
    # Of a second coordinate, also to 0.
    least: tuple[Expression, ...] = () if is_x else (("SUB", "nhi", MARGIN),)
    words: Residues = ("clo", summed(N, "chi", "clo"), summed(M, ("MUL", 189, "chi"), "clo"))
    factor = N * N * SCALE ** (2 if is_x else 3) % P
    return [
        ("clo", lo),
        ("chi", hi),
        ("bad", ("OR", not_below("chi", "clo", P), "bad")),
        *product("n", words, (factor % R, factor % N, factor % M)),
        *residues("n", least),
        *store("n", at),
    ]


def on_curve() -> list[Statement]:
    """That the accumulator is on the curve: y^2 - x^3 + 3 x - b = 0."""
    x, y = memory(AX), memory(AY)
    b = B * SCALE**6 * N % P
    a = 3 * SCALE**4 * N % P
    return [
        *product("q", x, x),
        *residues("q"),
        *product("c", named("q"), x),
        *residues("c"),
        *product("a", x, (a % R, a % N, a % M)),
        *residues("a"),
        *product("s", y, y),
        *residues("s"),
        *require_zero(
            ("SUB", ("SUB", ("SUB", "clo", "slo"), "alo"), (4 * P - b) % R),
            summed(M, "s2", negated("c2"), "a2", (4 * P - b) % M),
        ),
    ]
