"""The machine that replays a P-384 verification; see `contracts/README.md` for why it is sound.

It is given a signature, a key, and a program of curve operations with one slope for each. It keeps,
for every point, the four integers (w0, w1, a, b) with point = w0 G + w1 2^192 G + a Q + b R, and
accepts when the program ends at the point at infinity with w0 + w1 2^192 = -b e / s and
a = -b r / s modulo the order: then R = (e/s) G + (r/s) Q, which is what ECDSA asks of the point
whose first coordinate is r.

Numbers modulo p are kept in Montgomery's form with N = 2^256 - 1, each as its residues modulo R =
2^256, N and M = 2^256 - 189. `_product` says why these are enough.
"""

from typing import Final

from oracle.attestation.codecs.p384_hints import (
    BIAS,
    MULTIPLES,
    ORDER,
    SCALE,
    SIZE,
    SLOTS,
    B,
    P,
    multiples,
)
from scripts.evm.assembler import Assembler, Expression

R: Final = 2**256
N: Final = R - 1
M: Final = R - 189

#: p = 2^384 - D, and modulo N it is -D1.
D: Final = 2**384 - P
D1: Final = D - 2**128
_LOW_128: Final = 2**128 - 1
#: -1/p modulo N; 1/188 and 1/189 modulo M, for N = 188 and R = 189 there.
_K: Final = pow(-P, -1, N)
_I188: Final = pow(188, -1, M)
_I189: Final = pow(189, -1, M)
_P2: Final = P % M
#: Added, times p, to what may be negative: a product with a slope is above -2^511.
_OFFSET: Final = 2**127 + 16
#: What the upper part of a number may lack to 2^128, and, of a second coordinate, to 0.
_MARGIN: Final = 64
# Memory: the accumulator as a slot (x, y, four integers), the point to add, slots, table of G.
_AX, _AY, _W, _TX, _TY, _L = 0x00, 0x60, 0xC0, 0x140, 0x1A0, 0x200
_SLOTS, _SLOT_SIZE = 0x240, 0x140
_G = _SLOTS + SLOTS * _SLOT_SIZE
G_ENTRIES: Final = 2 * MULTIPLES
G_SIZE: Final = 2 * SIZE * G_ENTRIES

# What the machine is called with.
_E, _R, _S, _QX, _QY, _RY, _K1, _K2 = range(0, 512, 64)
_WRAPS, _LENGTH, _PROGRAM = 512, 513, 515

_Statement = tuple[str, Expression]
Residues = tuple[Expression, Expression, Expression]


def _memory(at: int) -> Residues:
    return ("MLOAD", at), ("MLOAD", at + 32), ("MLOAD", at + 64)


def _sum(modulus: int, *terms: Expression) -> Expression:
    first, *others = terms
    for other in others:
        first = ("ADDMOD", first, other, modulus)
    return first


def _times(modulus: int, a: Expression, b: Expression) -> Expression:
    return ("MULMOD", a, b, modulus)


def _minus(value: Expression) -> Expression:
    """Of a residue modulo M."""
    return ("SUB", M, value)


def _difference(name: str, a: Residues, b: Residues) -> list[_Statement]:
    """The difference of two, as `name`lo, `name`N, `name`2."""
    return [
        (f"{name}lo", ("SUB", a[0], b[0])),
        (f"{name}N", _sum(N, ("NOT", b[1]), a[1])),
        (f"{name}2", _sum(M, _minus(b[2]), a[2])),
    ]


def _named(name: str) -> Residues:
    return f"{name}lo", f"{name}N", f"{name}2"


def _factor(a: Residues, b: Residues) -> Expression:
    """The m with a b + m p = 0 modulo N."""
    return _times(N, _times(N, a[1], b[1]), _K)


def _upper(m: str, a: Residues, b: Residues) -> Expression:
    """Of a b + m p, the residue modulo M."""
    return _sum(M, _times(M, m, _P2), _times(M, a[2], b[2]))


def _product(
    name: str, a: Residues, b: Residues, minus: tuple[Residues, ...] = (), offset: int = 0
) -> list[_Statement]:
    """The product a b / N less some, plus offset p, below 2^384 + 2^257, as `name`lo and `name`hi.

    Exact if the integer r = (a b + m p) / N - ... + offset p is in [0, R M): modulo R, where N = -1
    and p = -D, it is m D - a b - ..., and its residue modulo M is known; so r = lo + R h with
    h = (r2 - lo) / 189 modulo M. Then 2^384 is taken as D as often as it goes in.
    """
    m, low, h, t, t_d = (f"{name}{each}" for each in ("m", "r", "h", "t", "tD"))
    lower: Expression = ("SUB", ("MUL", D, m), ("MUL", a[0], b[0]))
    for each in minus:
        lower = ("SUB", lower, each[0])
    rest = _sum(M, low, *(each[2] for each in minus))
    if offset:
        lower = ("ADD", offset * P % R, lower)
        rest = _sum(M, rest, -offset * P % M)
    return [
        (m, _factor(a, b)),
        (low, lower),
        (f"{name}u", _upper(m, a, b)),
        (
            h,
            _sum(M, _times(M, rest, M - _I189), _times(M, _I188 * _I189 % M, f"{name}u")),
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


def _residues(name: str, flags: tuple[Expression, ...] = ()) -> list[_Statement]:
    """The other residues of `name`lo and `name`hi, which has to leave the margin above it.

    `flags` are other numbers that have to be below 2^128.
    """
    bounded: Expression = ("ADD", _MARGIN, f"{name}hi")
    for flag in flags:
        bounded = ("OR", bounded, flag)
    return [
        ("flag", ("OR", bounded, "flag")),
        (f"{name}N", _sum(N, f"{name}hi", f"{name}lo")),
        (f"{name}2", _sum(M, ("MUL", 189, f"{name}hi"), f"{name}lo")),
    ]


def _store(name: str, at: int) -> list[_Statement]:
    return [
        ("", ("MSTORE", at + 64, f"{name}2")),
        ("", ("MSTORE", at + 32, f"{name}N")),
        ("", ("MSTORE", at, f"{name}lo")),
    ]


def _require_zero(minus_low: Expression, r_2: Expression) -> list[_Statement]:
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
                ("OR", ("XOR", "z", ("MUL", D, "j")), ("XOR", "zero2", ("MULMOD", _P2, "j", M))),
                "bad",
            ),
        ),
    ]


def _slope(name: str) -> list[_Statement]:
    """The next slope: 48 bytes, two's complement, in Montgomery's form."""
    signed, h, h189 = (f"{name}{each}" for each in ("signed", "h", "h189"))
    low = f"{name}lo"
    return [
        (signed, ("SAR", 128, ("CALLDATALOAD", "sp"))),
        # Modulo N and M alike, a negative word is one too many.
        (h, ("SUB", signed, ("SHR", 255, signed))),
        (low, ("CALLDATALOAD", ("ADD", 16, "sp"))),
        ("sp", ("ADD", 48, "sp")),
        (f"{name}N", _sum(N, h, low)),
        (h189, ("MUL", 189, h)),
        (f"{name}2", _sum(M, low, h189)),
    ]


def _double() -> list[_Statement]:
    """The accumulator twice: 2 l y = 3 x^2 - 3, x3 = l^2 - 2 x, y3 = l (x - x3) - y."""
    x, y, slope = _memory(_AX), _memory(_AY), _named("l")
    # 2 y - p instead of 2 y, so that the product stays below 2^511.
    twice: Residues = (
        ("ADD", D, ("SHL", 1, y[0])),
        _sum(N, _sum(N, y[1], y[1]), D1),
        _sum(M, _sum(M, y[2], y[2]), M - _P2),
    )
    constant = 3 * SCALE**4 * N % P + _OFFSET * P
    return [
        *_slope("l"),
        # x^2 less as many p as go in.
        ("sm", _factor(x, x)),
        ("su", _upper("sm", x, x)),
        ("sr", ("SUB", ("MUL", D, "sm"), ("MUL", x[0], x[0]))),
        (
            "t",
            ("SHR", 128, _sum(M, _times(M, "sr", M - _I189), _times(M, "su", _I188 * _I189 % M))),
        ),
        ("s3", ("MUL", 3, ("ADD", ("MUL", D, "t"), "sr"))),
        ("m", _factor(slope, twice)),
        ("u2", _upper("m", slope, twice)),
        ("v2", _sum(M, _times(M, M - 3, "su"), "u2")),
        *_require_zero(
            (
                "SUB",
                ("ADD", ("MUL", slope[0], twice[0]), "s3"),
                ("ADD", constant % R, ("MUL", D, "m")),
            ),
            _sum(M, _sum(M, constant % M, _times(M, 3 * _P2 % M, "t")), _times(M, _I188, "v2")),
        ),
        *_product("x", slope, slope, (x, x), 4),
        *_residues("x"),
        *_third(),
    ]


def _third() -> list[_Statement]:
    """y3 = l (x - x3) - y; then both are the accumulator's."""
    return [
        *_difference("d", _memory(_AX), _named("x")),
        *_store("x", _AX),
        *_product("y", _named("l"), _named("d"), (_memory(_AY),), _OFFSET),
        *_residues("y", (("SUB", "yhi", _MARGIN),)),
        *_store("y", _AY),
    ]


def _chord(is_negative: bool) -> list[_Statement]:
    """That l is the slope from the accumulator to T or -T, which has another x."""
    x, y, tx, ty = (_memory(at) for at in (_AX, _AY, _TX, _TY))
    slope, run = _named("l"), _named("e")
    constant = _OFFSET * P
    product: Expression = ("SUB", ("MUL", "elo", "llo"), ("ADD", constant % R, ("MUL", D, "m")))
    ty_2 = ty[2] if is_negative else _minus(ty[2])
    return [
        *_difference("e", tx, x),
        ("m", _factor(slope, run)),
        ("bad", ("OR", ("ISZERO", ("OR", "elo", "eN")), "bad")),
        ("u2", _upper("m", slope, run)),
        *_require_zero(
            ("SUB", ("SUB" if is_negative else "ADD", product, ty[0]), y[0]),
            _sum(M, _times(M, _I188, "u2"), ty_2, y[2], constant % M),
        ),
    ]


def _add(*, is_negative: bool) -> list[_Statement]:
    """The accumulator plus or less T: l (xT - x) = yT - y, x3 = l^2 - x - xT, xT not x."""
    x, tx, slope = _memory(_AX), _memory(_TX), _named("l")
    return [
        *_slope("l"),
        *_chord(is_negative),
        *_product("x", slope, slope, (x, tx), 4),
        *_residues("x"),
        *_third(),
    ]


def _sum_for_double(*, is_negative: bool) -> list[_Statement]:
    """First half of twice the accumulator plus or less T: x of the sum, to where x of T was.

    With l from the accumulator to T, x3 = l^2 - x - xT.
    """
    x, tx, slope = _memory(_AX), _memory(_TX), _named("l")
    return [
        *_slope("l"),
        *_chord(is_negative),
        ("", ("MSTORE", _L, "lsigned")),
        ("", ("MSTORE", _L + 32, "llo")),
        *_product("x", slope, slope, (x, tx), 4),
        *_residues("x"),
        *_store("x", _TX),
    ]


def _double_by_sum() -> list[_Statement]:
    """Second half: the accumulator plus that sum, whose second coordinate nobody needs.

    With n = l + l', where l' is the slope from the accumulator to the sum: n (x3 - x) = -2 y,
    x4 = l'^2 - x - x3, y4 = l' (x - x4) - y. Since y is not 0, x3 is not x.
    """
    x, y, sum_x = _memory(_AX), _memory(_AY), _memory(_TX)
    slope, other, run = _named("l"), _named("n"), _named("e")
    constant = _OFFSET * P
    return [
        *_slope("n"),
        *_difference("e", sum_x, x),
        ("m", _factor(other, run)),
        ("u2", _upper("m", other, run)),
        *_require_zero(
            (
                "SUB",
                ("SUB", ("MUL", "elo", "nlo"), ("ADD", constant % R, ("MUL", D, "m"))),
                ("SHL", 1, y[0]),
            ),
            _sum(M, _times(M, _I188, "u2"), y[2], y[2], constant % M),
        ),
        # n - l + p, then less as many p as bring it within 2^383 of 0.
        ("low", ("SUB", "nlo", ("MLOAD", _L + 32))),
        ("ulo", ("ADD", P % R, "low")),
        (
            "uhi",
            (
                "ADD",
                ("SUB", ("LT", "ulo", P % R), ("LT", "nlo", "low")),
                ("ADD", P >> 256, ("SUB", "nsigned", ("MLOAD", _L))),
            ),
        ),
        ("i", ("SHR", 128, ("ADD", 1 << 127, "uhi"))),
        ("iD", ("MUL", D, "i")),
        ("llo", ("ADD", "iD", "ulo")),
        ("vhi", ("SUB", ("ADD", ("LT", "llo", "iD"), "uhi"), ("SHL", 128, "i"))),
        ("vh", ("SUB", "vhi", ("SHR", 255, "vhi"))),
        ("lN", _sum(N, "vh", "llo")),
        ("l2", _sum(M, ("MUL", 189, "vh"), "llo")),
        *_product("x", slope, slope, (x, sum_x), 4),
        *_residues("x"),
        *_third(),
    ]


def _not_below(hi: Expression, lo: Expression, limit: int) -> Expression:
    """Whether a number of two words is at least a limit of 384 bits."""
    top, bottom = limit >> 256, limit % R
    return (
        "OR",
        ("GT", hi, top),
        ("AND", ("EQ", hi, top), ("ISZERO", ("LT", lo, bottom))),
    )


def _convert(hi: Expression, lo: Expression, at: int) -> list[_Statement]:
    """A number of two words, which has to be below p, in Montgomery's form to memory."""
    is_x = at == _AX
    # Of a second coordinate, also to 0.
    least: tuple[Expression, ...] = () if is_x else (("SUB", "nhi", _MARGIN),)
    words: Residues = ("clo", _sum(N, "chi", "clo"), _sum(M, ("MUL", 189, "chi"), "clo"))
    factor = N * N * SCALE ** (2 if is_x else 3) % P
    return [
        ("clo", lo),
        ("chi", hi),
        ("bad", ("OR", _not_below("chi", "clo", P), "bad")),
        *_product("n", words, (factor % R, factor % N, factor % M)),
        *_residues("n", least),
        *_store("n", at),
    ]


def _on_curve() -> list[_Statement]:
    """That the accumulator is on the curve: y^2 - x^3 + 3 x - b = 0."""
    x, y = _memory(_AX), _memory(_AY)
    b = B * SCALE**6 * N % P
    a = 3 * SCALE**4 * N % P
    return [
        *_product("q", x, x),
        *_residues("q"),
        *_product("c", _named("q"), x),
        *_residues("c"),
        *_product("a", x, (a % R, a % N, a % M)),
        *_residues("a"),
        *_product("s", y, y),
        *_residues("s"),
        *_require_zero(
            ("SUB", ("SUB", ("SUB", "clo", "slo"), "alo"), (4 * P - b) % R),
            _sum(M, "s2", _minus("c2"), "a2", (4 * P - b) % M),
        ),
    ]


def _word(at: int) -> Expression:
    return ("CALLDATALOAD", at)


def _setup(code: Assembler) -> None:
    """Bounds of the scalars; Q in every slot, R in slot 8 and the accumulator."""
    code.block([*((name, 0) for name in _STACK[:-2]), ("N", N), ("M", M)], drop=False)
    length = ("SHR", 240, _word(_LENGTH))
    wraps = ("SHR", 248, _word(_WRAPS))
    code.block(
        [
            ("pc", _PROGRAM),
            ("sp", ("ADD", _PROGRAM, length)),
            ("flag", _word(_E)),
            ("", ("EXTCODECOPY", TABLE, _G, 1, G_SIZE)),
        ]
    )
    for at in (_R, _S):
        outside = ("OR", ("ISZERO", ("OR", "hi", "lo")), _not_below("hi", "lo", ORDER))
        code.block([("hi", _word(at)), ("lo", _word(at + 32)), ("bad", ("OR", outside, "bad"))])
    code.block(_convert(_word(_QX), _word(_QX + 32), _AX))
    code.block(_convert(_word(_QY), _word(_QY + 32), _AY))
    code.block(_on_curve())
    # Slots that nobody stores to hold Q with an integer that no bound lets pass, and that no
    # program is long enough to bring back to 0.
    code.block([("", ("MSTORE", _W + 96, _POISON)), ("", ("MCOPY", _SLOTS, _AX, _SLOT_SIZE))])
    filled = 1
    while filled < SLOTS:
        size = filled * _SLOT_SIZE
        code.block([("", ("MCOPY", _SLOTS + size, _SLOTS, size))])
        filled *= 2
    code.block(
        [
            ("", ("MSTORE", _SLOTS + _W + 64, 1)),
            ("", ("MSTORE", _SLOTS + _W + 96, 0)),
        ]
    )
    # The first coordinate of R is r or, where that is below p, r + n.
    code.block(
        [
            ("wraps", wraps),
            ("bad", ("OR", ("SHR", 1, "wraps"), "bad")),
            ("low", _word(_R + 32)),
            ("sum", ("ADD", ("MUL", "wraps", ORDER % R), "low")),
            ("high", ("ADD", ("MUL", "wraps", ORDER >> 256), _word(_R))),
            ("carried", ("ADD", ("LT", "sum", "low"), "high")),
            *_convert("carried", "sum", _AX),
        ]
    )
    code.block(_convert(_word(_RY), _word(_RY + 32), _AY))
    code.block(_on_curve())
    code.block(
        [
            ("", ("MSTORE", _W + 96, 1)),
            ("", ("MCOPY", _SLOTS + 8 * _SLOT_SIZE, _AX, _SLOT_SIZE)),
        ]
    )


#: Where the table of G lies: replaced at deployment.
TABLE: Final = 0xFF00FF00FF00FF00FF00FF00FF00FF00FF00FF00
_POISON: Final = 1 << 240
_STACK: Final = ("pc", "op", "k", "flag", "bad", "sp", "N", "M")
_KINDS: Final = (
    # What is read behind the end of the call is 0.
    "REFUSE",
    *("ADD", "SUB", "GADD", "GSUB"),
    *("2ADD", "2SUB", "2GADD", "2GSUB"),
    *("LOAD", "STORE", "END", "ENDSUB"),
    *("REFUSE", "REFUSE", "REFUSE"),
)


def _integers_bounded() -> list[_Statement]:
    """That the accumulator's integers are within 2^200, so that none ever wraps around."""
    biased = [("ADD", 1 << 200, ("MLOAD", _W + 32 * i)) for i in range(4)]
    together: Expression = biased[0]
    for each in biased[1:]:
        together = ("OR", each, together)
    return [("bad", ("OR", ("SHR", 201, together), "bad"))]


def _integers_doubled() -> list[_Statement]:
    doubled = [("MSTORE", _W + 32 * i, ("SHL", 1, ("MLOAD", _W + 32 * i))) for i in range(4)]
    return [*_integers_bounded(), *(("", each) for each in doubled)]


def _slot() -> list[_Statement]:
    """Where the slot is that the instruction names; its other bits have to be 0."""
    return [
        ("bad", ("OR", ("AND", 0xFF ^ (SLOTS - 1), "op"), "bad")),
        ("slot", ("ADD", _SLOTS, ("MUL", _SLOT_SIZE, ("AND", SLOTS - 1, "op")))),
    ]


def _take_slot(sign: str) -> list[_Statement]:
    """A slot to T, its integers to the accumulator's."""
    return [
        *_slot(),
        *(
            (
                "",
                (
                    "MSTORE",
                    _W + 32 * i,
                    (sign, ("MLOAD", _W + 32 * i), ("MLOAD", ("ADD", _W + 32 * i, "slot"))),
                ),
            )
            for i in range(4)
        ),
        ("", ("MCOPY", _TX, "slot", 192)),
    ]


def _take_multiple(sign: str) -> list[_Statement]:
    """An odd multiple of G or 2^192 G to T, its factor to the accumulator's integers."""
    index = ("AND", G_ENTRIES - 1, "op")
    half = G_ENTRIES // 2
    factor = ("OR", 1, ("SHL", 1, ("AND", half - 1, "op")))

    def coordinate(offset: int) -> list[_Statement]:
        lo, hi = f"g{offset}", f"h{offset}"
        at = _TX if offset == 0 else _TY
        return [
            (hi, ("SHR", 128, ("MLOAD", ("ADD", offset, "g")))),
            (lo, ("MLOAD", ("ADD", offset + 16, "g"))),
            ("", ("MSTORE", at + 32, _sum(N, hi, lo))),
            ("", ("MSTORE", at + 64, _sum(M, ("MUL", 189, hi), lo))),
            ("", ("MSTORE", at, lo)),
        ]

    return [
        ("bad", ("OR", ("AND", 0xFF ^ (G_ENTRIES - 1), "op"), "bad")),
        ("g", ("ADD", _G, ("MUL", 96, index))),
        *coordinate(0),
        *coordinate(48),
        ("w", ("ADD", _W, ("AND", 32, ("SHR", 1, "op")))),
        ("", ("MSTORE", "w", (sign, ("MLOAD", "w"), factor))),
    ]


def _residue_of_word(modulus: int, value: Expression) -> Expression:
    """Of a word in two's complement."""
    return ("ADDMOD", -(1 << 255) % modulus, ("XOR", 1 << 255, value), modulus)


def _residue_of_pair(modulus: int, at: int) -> Expression:
    """Of a number of two words of the call."""
    return ("ADDMOD", ("MULMOD", R % modulus, _word(at), modulus), _word(at + 32), modulus)


def _scalars() -> list[_Statement]:
    """That b e + w s = k1 n and b r + a s = k2 n, modulo numbers whose product exceeds both."""
    found: list[Expression] = []
    for modulus in (R, N, M, 2**256 - 2**32 - 977):
        for scalar, quotient, integers in ((_E, _K1, (0, 1)), (_R, _K2, (2,))):
            found.append(_equation(modulus, scalar, quotient, integers))
    statements: list[_Statement] = [("bad", ("OR", ("ISZERO", ("MLOAD", _W + 96)), "bad"))]
    return statements + [("bad", ("OR", each, "bad")) for each in found]


def _equation(modulus: int, scalar: int, quotient: int, integers: tuple[int, ...]) -> Expression:
    """Zero if b x + w s = (quotient - bias) n modulo a number."""
    words = [("MLOAD", _W + 32 * i) for i in integers]
    b = ("MLOAD", _W + 96)
    if modulus == R:
        total: Expression = words[0]
        if len(words) > 1:
            total = ("ADD", ("SHL", 192, words[1]), total)
        left = ("ADD", ("MUL", total, _word(_S + 32)), ("MUL", b, _word(scalar + 32)))
        return ("XOR", ("MUL", ORDER % R, _word(quotient + 32)), left)
    total = _residue_of_word(modulus, words[0])
    if len(words) > 1:
        shifted = ("MULMOD", 2**192 % modulus, _residue_of_word(modulus, words[1]), modulus)
        total = ("ADDMOD", shifted, total, modulus)
    left = (
        "ADDMOD",
        ("MULMOD", total, _residue_of_pair(modulus, _S), modulus),
        ("MULMOD", _residue_of_word(modulus, b), _residue_of_pair(modulus, scalar), modulus),
        modulus,
    )
    factor = ("ADDMOD", -BIAS % modulus, _residue_of_pair(modulus, quotient), modulus)
    return ("XOR", ("MULMOD", ORDER % modulus, factor, modulus), left)


def _end(*, is_negative: bool) -> list[_Statement]:
    """That the accumulator plus or less T is at infinity: same x, and opposite or same y."""
    x, y, tx, ty = (_memory(at) for at in (_AX, _AY, _TX, _TY))
    unlike: list[Expression] = [("XOR", x[0], tx[0]), ("XOR", x[1], tx[1])]
    if is_negative:
        unlike += [("XOR", y[0], ty[0]), ("XOR", y[1], ty[1])]
    else:
        unlike += [
            ("XOR", P % R, ("ADD", y[0], ty[0])),
            ("XOR", P % N, _sum(N, y[1], ty[1])),
        ]
    unlike += [
        ("XOR", "pc", ("ADD", _PROGRAM, ("SHR", 240, _word(_LENGTH)))),
        ("XOR", "sp", ("CALLDATASIZE",)),
    ]
    return [*_integers_bounded(), *(("bad", ("OR", each, "bad")) for each in unlike)]


def build() -> bytes:
    """The machine's code."""
    code = Assembler({N: "N", M: "M"})
    _setup(code)
    code.enter("next", _STACK)
    code.block(
        [
            ("op", ("SHR", 240, ("CALLDATALOAD", "pc"))),
            ("pc", ("ADD", 2, "pc")),
            ("k", ("SHR", 12, "op")),
        ]
    )
    code.jump_if(("ISZERO", "k"), "act")
    code.block(_integers_bounded())
    code.block(
        [("", ("MSTORE", _W + 32 * i, ("SHL", "k", ("MLOAD", _W + 32 * i)))) for i in range(4)]
    )
    code.enter("double", _STACK)
    code.block([*_double(), ("k", ("SUB", "k", 1))])
    code.jump_if("k", "double")
    code.enter("act", _STACK)
    code.jump_by_table(("AND", 15, ("SHR", 8, "op")), _KINDS)
    for sign in ("SUB", "ADD"):
        is_negative = sign == "SUB"
        for twice in ("", "2"):
            code.enter(f"{twice}G{sign}", _STACK)
            if twice:
                code.block(_integers_doubled())
            code.block(_take_multiple(sign))
            code.jump(f"{twice}{sign} T")
            code.enter(f"{twice}{sign}", _STACK)
            if twice:
                code.block(_integers_doubled())
            code.block(_take_slot(sign))
            code.enter(f"{twice}{sign} T", _STACK)
            if twice:
                code.block(_sum_for_double(is_negative=is_negative))
                code.jump("2T")
            else:
                code.block(_add(is_negative=is_negative))
                code.jump("next")
    code.enter("2T", _STACK)
    code.block(_double_by_sum())
    code.jump("next")
    code.enter("LOAD", _STACK)
    code.block([*_slot(), ("", ("MCOPY", _AX, "slot", _SLOT_SIZE))])
    code.jump("next")
    code.enter("STORE", _STACK)
    code.block([*_integers_bounded(), *_slot(), ("", ("MCOPY", "slot", _AX, _SLOT_SIZE))])
    code.jump("next")
    code.enter("ENDSUB", _STACK)
    code.block([*_take_slot("SUB"), *_end(is_negative=True)])
    code.jump("judge")
    code.enter("END", _STACK)
    code.block([*_take_slot("ADD"), *_end(is_negative=False)])
    code.jump("judge")
    code.enter("REFUSE", _STACK)
    code.block([("bad", 1)])
    code.enter("judge", _STACK)
    code.block(_scalars())
    code.block(
        [
            ("", ("MSTORE", 0, ("ISZERO", ("OR", ("SHR", 128, "flag"), "bad")))),
            ("", ("RETURN", 0, 32)),
        ]
    )
    return code.build()


def table() -> bytes:
    """The table: both coordinates of each point, scaled and in Montgomery's form, 48 bytes each.

    Raises:
        ValueError: A coordinate has no margin.
    """
    numbers = [
        coordinate * SCALE**power * N % P
        for point in multiples()
        for coordinate, power in zip(point, (2, 3), strict=True)
    ]
    if not all(_MARGIN <= number >> 256 < 2**128 - _MARGIN for number in numbers):
        raise ValueError("a coordinate of the table has no margin")
    return b"".join(number.to_bytes(SIZE, "big") for number in numbers)
